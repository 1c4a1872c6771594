"""What a decider gives back: an Answer with its Beliefs, or one of three ways of not answering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any, Generic, TypeVar

from answerable.errors import UsageError

T = TypeVar("T")
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
        values = [] if self.distribution is None else list(self.distribution.values())
        for p in (*values, *(() if self.p is None else (self.p,))):
            if isinstance(p, bool) or not isfinite(p) or not 0 <= p <= 1:
                raise UsageError(f"a probability is {p}", next_step="give a number between 0 and 1")
        if values and abs(sum(values) - 1) > 1e-3:
            raise UsageError(
                f"a distribution sums to {sum(values):.4f}", next_step="give probabilities that sum to 1"
            )
        if self.measured not in ("none", "raw", "asserted") and not self.measured.startswith("calibrated@"):
            raise UsageError(
                f"measured is {self.measured!r}",
                next_step='use "none", "raw", "asserted" or "calibrated@VERSION"',
            )


ASSERTED = Belief(p=1.0, measured="asserted")
UNMEASURED = Belief(measured="none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What an attempt consumed. cost: micro-units of the decision's currency; tokens: counts."""

    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model: str | None = None


@dataclass(frozen=True, slots=True, init=False)
class Answer(Generic[T]):
    """One typed output, why it was given and how sure its maker is of each field.

    output: the decision's output model, a mapping of all its fields, or a mapping of some of them: then
    the rest is left to the next decider. confidence: the probability that the whole answer is right, for
    a maker that measures only that. beliefs: field -> Belief, or a bare probability. calls: model calls
    and tool reads made on the way, with the messages as sent and received.
    """

    output: T | Mapping[str, Any]
    reasons: tuple[str, ...]
    beliefs: Mapping[str, Belief]
    usage: Usage
    calls: tuple[Mapping[str, Any], ...]

    def __init__(
        self,
        output: T | Mapping[str, Any],
        *,
        confidence: float | None = None,
        beliefs: Mapping[str, Belief | float] | None = None,
        reason: str | tuple[str, ...] = (),
        usage: Usage | None = None,
        calls: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        held = {n: b if isinstance(b, Belief) else Belief(p=b) for n, b in (beliefs or {}).items()}
        if confidence is not None:
            held[JOINT] = Belief(p=confidence)
        for name, value in (
            ("output", output),
            ("reasons", (reason,) if isinstance(reason, str) else tuple(reason)),
            ("beliefs", held),
            ("usage", usage or Usage()),
            ("calls", tuple(calls)),
        ):
            object.__setattr__(self, name, value)

    @property
    def confidence(self) -> float | None:
        """The probability that the whole answer is right; None where it was not measured."""
        return confidence_of(self.beliefs)


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

    within: seconds until `then` is applied; then: the output for that moment, or None (stays open).
    """

    queue: str
    within: float
    then: Any = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found wrong with an answer; the answer is not accepted."""

    reason: str
    check: str = field(default="")
