"""What a decider gives back: an Answer with its Beliefs, or one of three ways of not answering."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from numbers import Real
from typing import Any, Generic, Literal, TypeVar, cast

from answerable.encoding import seconds
from answerable.errors import UsageError

T = TypeVar("T")
_CALIBRATED = re.compile(r"calibrated@[!-~]{1,200}")
JOINT = "*"  # the belief about all fields of an answer together


@dataclass(frozen=True, kw_only=True, slots=True)
class Belief:
    """How sure the decider is of one field.

    p: probability of the chosen value in [0, 1], or None. distribution: value -> probability, where the
    field is a class or flag. measured: "none", "raw", "calibrated@VERSION" or "asserted".
    Raises UsageError for a probability outside [0, 1] or a distribution that does not sum to 1 (+-0.001).
    """

    p: float | None = None
    distribution: Mapping[Any, float] | None = None
    measured: str = "raw"

    def __post_init__(self) -> None:
        values = [] if self.distribution is None else [_probability(p) for p in self.distribution.values()]
        if self.distribution is not None:
            held = dict(zip(self.distribution, values, strict=True))
            object.__setattr__(self, "distribution", held or None)
        if self.p is not None:
            object.__setattr__(self, "p", _probability(self.p))
        if values and abs(sum(values) - 1) > 1e-3:
            raise UsageError(
                f"a distribution sums to {sum(values):.4f}", next_step="give probabilities that sum to 1"
            )
        if self.measured not in ("none", "raw", "asserted") and not _CALIBRATED.fullmatch(self.measured):
            raise UsageError(
                f"measured is {self.measured!r}",
                next_step='use "none", "raw", "asserted" or "calibrated@VERSION"',
            )


def _probability(p: Any) -> float:
    """Return `p` as Python's float; a numpy scalar would not reach the database.

    Never -0.0: SQLite stores it as 0, which is not what the leaf would have hashed.
    """
    if isinstance(p, bool) or not isinstance(p, Real) or not 0 <= cast(float, p) <= 1:
        raise UsageError(f"a probability is {str(p)[:50]!r}", next_step="give a number between 0 and 1")
    return float(p) + 0.0


ASSERTED = Belief(measured="asserted")  # nobody measured it: somebody says so
UNMEASURED = Belief(measured="none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What an attempt consumed. cost: micro-units of the decision's currency; tokens: counts.

    Raises UsageError for a number that is negative, fractional or beyond 64 bits, and for an empty model.
    """

    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("cost", "tokens_in", "tokens_out"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
                raise UsageError(f"{name} is {value!r}", next_step="give a whole number of 0 or more")
            if type(value) is not int:  # such as an IntEnum
                object.__setattr__(self, name, int(value))
        if self.model is not None:
            object.__setattr__(self, "model", word(self.model, what="usage.model"))


NOTHING_USED = Usage()  # one for all: most attempts consume nothing


@dataclass(frozen=True, slots=True, init=False)
class Answer(Generic[T]):
    """One typed output, why it was given and how sure its maker is of each field.

    output: the decision's output model, a mapping of all its fields, or a mapping of some of them: then
    the rest is left to the next decider. confidence: the probability that the whole answer is right, for
    a maker that measures only that; every field then counts as wrong with the rest of it. beliefs:
    field -> Belief, or a bare probability. calls: model calls and tool reads made on the way, with the
    messages as sent and received. withheld: field -> "refusal" or "content-filter" for what the maker
    would not answer; no other model is asked for it. cut: what of the case its maker left out, one line
    each, so that it fitted; such an answer is second best.
    """

    output: T | Mapping[str, Any]
    reasons: tuple[str, ...]
    beliefs: Mapping[str, Belief]
    usage: Usage
    calls: tuple[Mapping[str, Any], ...]
    withheld: Mapping[str, str]
    cut: tuple[str, ...]

    def __init__(
        self,
        output: T | Mapping[str, Any],
        *,
        confidence: float | None = None,
        beliefs: Mapping[str, Belief | float] | None = None,
        reason: str | tuple[str, ...] = (),
        usage: Usage | None = None,
        calls: Sequence[Mapping[str, Any]] = (),
        withheld: Mapping[str, str] | None = None,
        cut: str | tuple[str, ...] = (),
    ) -> None:
        for category in (withheld or {}).values():
            if category not in ("refusal", "content-filter"):
                raise UsageError(
                    f"a field is withheld for {category!r}", next_step='say "refusal" or "content-filter"'
                )
        for call in calls:
            if not isinstance(call, Mapping):
                raise UsageError(f"a call is a {type(call).__name__}", next_step="describe each as a mapping")
        if usage is not None and not isinstance(usage, Usage):
            raise UsageError(
                f"usage is a {type(usage).__name__}",
                next_step="give ans.Usage(cost=...)",
            )
        held = {n: b if isinstance(b, Belief) else Belief(p=b) for n, b in (beliefs or {}).items()}
        if confidence is not None:
            held[JOINT] = Belief(p=confidence)
        for name, value in (
            ("output", output),
            ("reasons", (reason,) if isinstance(reason, str) else tuple(reason)),
            ("beliefs", held),
            ("usage", usage or NOTHING_USED),
            ("calls", tuple(calls)),
            ("withheld", dict(withheld or {})),
            ("cut", (cut,) if isinstance(cut, str) else tuple(cut)),
        ):
            object.__setattr__(self, name, value)

    @property
    def confidence(self) -> float | None:
        """The probability that the whole answer is right; None where it was not measured."""
        return confidence_of(self.beliefs)


def word(text: Any, *, what: str) -> str:
    """Return `text` if it is a short, printable line, as headers and state tables hold; or UsageError."""
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > 200:
        shown = repr(text) if len(repr(text)) <= 200 else f"{repr(text)[:200]}..."
        raise UsageError(f"{what} is {shown}", next_step="give one printable line of at most 200 characters")
    return text


def confidence_of(beliefs: Mapping[str, Belief]) -> float | None:
    """Return the joint belief if there is one, else the product over fields; None if any is None."""
    if JOINT in beliefs:
        return beliefs[JOINT].p
    ps = [belief.p for belief in beliefs.values()]
    if not ps or None in ps:
        return None
    return prod(p for p in ps if p is not None)


@dataclass(frozen=True, slots=True)
class Abstain:
    """The decider has nothing to say about this case; the next one is asked."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The decider says this case must not be answered; no other decider is asked."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspend:
    """The answer comes later, from a person.

    within: seconds (or "4h") until `then` is applied; then: the output for that moment, or None (stays
    open). Raises UsageError for another duration or an unprintable queue.
    """

    queue: str
    within: float
    then: Any = None
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", seconds(self.within, what="within"))
        word(self.queue, what="queue")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found in an answer.

    then: the answer is not accepted and the "next" decider is asked, or only a "person"; or it stands and
    the finding is noted beside it ("flag"). Raises UsageError for another word.
    """

    reason: str
    check: str = field(default="")
    then: Literal["next", "person", "flag"] = "next"

    def __post_init__(self) -> None:
        if self.then not in ("next", "person", "flag"):
            raise UsageError(f"then is {self.then!r}", next_step='use "next", "person" or "flag"')
