"""What our own checks are made of: a named, versioned callable, and the ways through outputs and inputs."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any, Literal

from answerable.decisions.answer import Answer, Finding
from answerable.decisions.case import Case
from answerable.decisions.fields import bare
from answerable.encoding import encode
from answerable.errors import UsageError, did_you_mean
from answerable.governance.read import Read

Then = Literal["next", "person", "flag"]
Problem = str | Finding | None  # what a check's function says: a reason, a whole finding, or nothing
SHOWN = 60  # characters of a model's text that a finding repeats
WIDE = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN)  # exact for every number that `decimal` returns
_PLACES = 400  # before and after the point; a float has fewer, a hostile Decimal billions
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A check made of a name, parameters and a pure function; this is what our own checks are.

    look: (case, answer) -> what is wrong in one sentence, a whole Finding, or None. settings: JSON data,
    all that the result depends on besides `look`. version: counts up when `look` judges differently. then:
    as in Finding. fields: paths of the output that are looked at; inputs: paths of the input.
    """

    name: str
    look: Callable[[Case[Any], Answer[Any]], Problem] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: int = 1
    then: Then = "next"
    fields: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Finding("", self.name, self.then)  # raises for a word that no finding knows
        for path in (*self.fields, *self.inputs):
            if not isinstance(path, str) or not path.strip():
                raise UsageError(
                    f"{self.name}: a field is {named(path)}",
                    next_step='name it, such as "amount" or "lines.amount"',
                )

    @property
    def __name__(self) -> str:  # what records call the check
        return self.name

    @property
    def digest(self) -> str:
        """The SHA-256 (hex) of the name, the version and every parameter."""
        said = [self.name, self.version, self.then, self.fields, self.inputs, self.settings]
        return hashlib.sha256(encode(said, what=self.name)).hexdigest()

    def __call__(self, case: Case[Any], answer: Answer[Any]) -> Finding | None:
        """Return what is wrong with the answer, or None."""
        problem = self.look(case, answer)
        if problem is None or isinstance(problem, Finding):
            return problem
        return Finding(problem, self.name, self.then)


def named(value: Any) -> str:
    """Return a parameter as an error repeats it; of an object only the type: it may be a whole case."""
    if isinstance(value, str):
        return repr(value[:SHOWN])
    plain = value is None or isinstance(value, int | float | Decimal | date)
    return str(value)[:SHOWN] if plain else f"a {type(value).__name__}"


def is_cited(value: Any) -> bool:
    """Say whether `value` is a value with quotes, by its shape."""
    return not isinstance(value, type) and all(hasattr(value, n) for n in ("value", "quotes", "sources"))


def parts_of(value: Any) -> Iterator[tuple[str, Any]] | None:
    """Return the parts of a value, each with its step in a path; None if it has none.

    A key of a mapping may be personal, so its step is `*`.
    """
    kind = type(value)
    if isinstance(value, Mapping):
        return (("*", part) for part in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return ((f"[{i}]", part) for i, part in enumerate(value))
    for declared in ("model_fields", "__dataclass_fields__"):
        if isinstance(names := getattr(kind, declared, None), Mapping):
            return ((name, getattr(value, name)) for name in names)
    return None


def below(path: str, step: str) -> str:
    """Return `path` one step further down."""
    return step if not path else f"{path}{step}" if step.startswith("[") else f"{path}.{step}"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single value in `value` with its path; of a cited one the value, without its quotes."""
    if is_cited(value):
        yield from leaves(value.value, path)
    elif (parts := parts_of(value)) is None:
        yield path, bare(value)
    else:
        for step, part in parts:
            yield from leaves(part, below(path, step))


def values_at(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield what stands at `path`, such as "lines.amount", each with its own path; nothing where it is None.

    Every item of a list is gone through, and of a cited value the value itself. Raises UsageError for a name
    that is no field.
    """
    yield from _at(value, path.split("."), "", path)


def _at(value: Any, steps: list[str], here: str, path: str) -> Iterator[tuple[str, Any]]:
    if is_cited(value) and (not steps or steps[0] not in ("value", "quotes", "sources")):
        value = value.value
    if value is None:
        return
    if isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            yield from _at(item, steps, f"{here}[{number}]", path)
    elif not steps:
        yield here, bare(value)
    else:
        yield from _at(_named(value, steps[0], path), steps[1:], below(here, steps[0]), path)


def _named(value: Any, name: str, path: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise UsageError(f"{path!r} names no field", next_step="name a field that is always there")
    known = getattr(type(value), "model_fields", None) or getattr(type(value), "__dataclass_fields__", {})
    if name not in known:
        raise UsageError(
            f"{path!r} names no field: there is no {name!r}", next_step=did_you_mean(name, known)
        )
    return getattr(value, name)


def input_texts(case: Case[Any], *paths: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every text and number in the input and the case's reads, or in these parts.

    paths: of the input only; then nothing of the reads is looked at.
    """
    for path in paths:
        for here, part in values_at(case.view(), path):
            yield from _texts(part, here)
    if not paths:
        yield from given_texts(case)
        for read in case.reads:
            yield from read_texts(read)


def given_texts(case: Case[Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every text and number in the input alone."""
    yield from _texts(case.view(), "")


def read_texts(read: Read) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every text and number that a read gave."""
    for row in read.rows:
        for name, value in row.items():
            yield from _texts(value, f"{read.source}.{name}")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    for deeper, leaf in named_leaves(value, path):
        if isinstance(leaf, str):
            yield deeper, leaf
        elif isinstance(leaf, int | float) and not isinstance(leaf, bool):
            yield deeper, format(Decimal(repr(leaf)), "f")  # 1e-07 in digits


def named_leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single value of plain data with its path; the input's own field names are shown."""
    if isinstance(value, dict):
        for name, part in value.items():
            # Only the first step is surely a declared name; a key further down may be anybody's data.
            yield from named_leaves(part, below(path, name if not path else "*"))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from named_leaves(part, f"{path}[{number}]")
    else:
        yield path, value


def decimal(value: Any) -> Decimal | None:
    """Return a number exactly as written, from a number or plain text such as "12.50"; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    if not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(repr(value) if type(value) is float else str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _PLACES or len(number.as_tuple().digits) > _PLACES:
        return None
    return number


def shown(case: Case[Any], value: Any) -> str:
    """Return a model's value as a finding may repeat it: cut short, and not at all if the input holds it."""
    text = " ".join(str(value).split())
    folded = text.casefold()
    if not text or any(folded in leaf.casefold() for _, leaf in input_texts(case)):
        return "its value"
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")
