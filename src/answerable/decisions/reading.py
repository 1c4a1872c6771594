"""Reads what comes from outside into typed values: a case's input, and whatever a decider returned.

Validation messages are ours (path and rule) and never hold the value: it may be personal.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from inspect import iscoroutine
from itertools import islice
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from answerable.decisions.answer import ASSERTED, JOINT, UNMEASURED, Abstain, Answer, Belief, Refuse, Suspend
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.fields import Field, bare, field_adapter, full_output, subject_names
from answerable.encoding import encode, plain
from answerable.errors import InputError, did_you_mean


class NotAnAnswer(Exception):
    """A decider returned something that is no answer to this decision. fault: its category."""

    def __init__(self, fault: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


def read_input(decision: Decision[Any, Any], given: Any) -> Any:
    """Return the validated input model. Raises InputError naming every bad path."""
    step = f"send what {decision.input.__name__} describes"
    if isinstance(given, decision.input):
        missing = [name for name in decision.input.model_fields if name not in given.__dict__]
        if missing:  # made by model_construct, which validates nothing
            raise InputError("; ".join(f"{name}: Field required" for name in missing), next_step=step)
        return own_copy(given)
    try:
        if isinstance(given, BaseModel):
            given = given.model_dump()
        if not isinstance(given, Mapping):
            raise InputError(
                f"the input is a {type(given).__name__}",
                next_step=f"give a {decision.input.__name__} or a mapping of its fields",
            )
        return decision.input.model_validate(dict(given), by_alias=True, by_name=True)
    except ValidationError as exc:
        raise InputError(problems(exc, decision.input), next_step=step) from None
    except InputError:
        raise
    except Exception as exc:  # user code: a validator may raise anything, and its text may hold the value
        raise InputError(f"input: reading it raised {type(exc).__name__}", next_step=step) from exc


def own_copy(given: BaseModel) -> Any:
    """Return a copy of the caller's model, so that neither side sees what the other does to its own."""
    try:
        return given.model_copy(deep=True)
    except Exception as exc:  # user code: a value may refuse to be copied
        raise InputError(
            f"input: copying it raised {type(exc).__name__}", next_step="give a mapping of its fields"
        ) from exc


def subjects_of(decision: Decision[Any, Any], given: Any) -> tuple[str, ...]:
    """Return the persons that an input names in fields marked Subject, as text; none where it cannot be read.

    given: the input, or what was given for one and is none.
    """
    names, found = subject_names(decision.input), dict[str, None]()

    def look(value: Any, named: bool) -> None:
        if isinstance(value, BaseModel):
            value = value.__dict__
        if isinstance(value, Mapping):
            for name, inner in value.items():
                look(inner, name in names)
        elif isinstance(value, list | tuple | set | frozenset):
            for inner in value:
                look(inner, named)
        elif named and value is not None and value != "":
            found[str(plain(value))] = None

    with suppress(Exception):  # user code: what is no input may raise anything
        look(given, False)
    return tuple(found)


def problems(error: ValidationError, model: type[BaseModel]) -> str:
    """Return each path with the rule it breaks, without the value; at most the first twenty.

    A key of a mapping is part of a value: in a path it is `*`.
    """
    found = error.errors(include_url=False, include_context=False)
    told = [f"{_path(e, model) or 'input'}: {_rule(e)}"[:300] for e in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(f"and {len(found) - _SHOWN} more")
    return "; ".join(told)


_SHOWN = 20
_NAME = re.compile(r"[^\W\d]\w{0,40}")
_LONGEST = 1000  # characters of a value that is compared with a message
# Whose text is not pydantic's alone.
_OWN_TEXT = (
    "value_error",
    "assertion_error",
    "union_tag_invalid",
    "get_attribute_error",
    "mapping_type",
    "iteration_error",
)


def _path(error: Any, model: type[BaseModel]) -> str:
    names, numbers = _declared(model)
    steps = [str(s) if s in names or (isinstance(s, int) and numbers) else "*" for s in error["loc"]]
    if error["type"] == "extra_forbidden" and len(steps) == 1 and _NAME.fullmatch(str(error["loc"][0])):
        return str(error["loc"][0])  # a word in the place of a field: somebody misspelt its name
    return ".".join(steps)


@cache
def _declared(model: type[BaseModel]) -> tuple[frozenset[str], bool]:
    """Return the names that fields in and within `model` have, and whether a number in a path is a place."""
    names: set[str] = set()
    seen: set[type[BaseModel]] = set()
    numbers = True

    def look(kind: Any) -> None:
        nonlocal numbers
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            for name, info in kind.model_fields.items():
                names.update(n for n in (name, info.alias, info.validation_alias) if isinstance(n, str))
                look(info.annotation)
        args = get_args(kind)
        if get_origin(kind) in (dict, Mapping) and args[0] is not str:
            numbers = False
        for arg in args:
            look(arg)

    look(model)
    return frozenset(names), numbers


def _rule(error: Any) -> str:
    """Return the rule that a value breaks; a validator's own text is left out if it may hold it."""
    told = str(error["msg"])
    if error["type"] not in _OWN_TEXT and error["type"] in _known_types():
        return told
    own = _PREFIX.sub("", told)  # pydantic's own words would meet a key such as "value"
    words = {word for word in _WORDS.findall(own.casefold())}
    for value in _leaves(error["input"]):
        if value is None or len(value) > _LONGEST:
            return _UNTOLD
        if value and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", own):
            return _UNTOLD
        if not words.isdisjoint(_WORDS.findall(value.casefold())):  # a part of it
            return _UNTOLD
    return told


_PREFIX = re.compile(r"^(Value error|Assertion failed), ")
_UNTOLD = "it breaks a rule of its own"
_WORDS = re.compile(r"\w{4,}|\d{2,}")


@cache
def _known_types() -> frozenset[str]:
    from pydantic_core.core_schema import ErrorType

    return frozenset(get_args(ErrorType))


def _leaves(value: Any, depth: int = 3) -> Iterator[str | None]:
    """Yield the texts of a value and of what it holds; None where there is more than one can look at."""
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        if not depth or len(value) > 200:
            yield None
        for inner in islice(value, 200):
            if depth:
                yield from _leaves(inner, depth - 1)
    elif value is not None:
        yield str(value)


def unstorable(value: Any, path: str) -> str:
    """Say where in `value` something has no stored form, and why: in our words, without the value."""
    why = ""
    for _ in range(_DEEPEST):
        try:
            encode(value)
        except InputError as exc:
            why = next((known for known in _REASONS if exc.what.endswith(known)), "it has no JSON form")
        except Exception as exc:  # user code: a computed field or a mapping may raise anything
            why = f"reading it raised {type(exc).__name__}"
        for step, child in _children(value):
            try:
                encode(child)
            except Exception:  # as above: this is where it is
                path, value = f"{path}{step}", child
                break
        else:
            break
    return f"{path}: {why}"


_DEEPEST = 20
_REASONS = (
    "holds a lone surrogate, which is not valid Unicode text",
    "is nested too deeply",
    "is not a finite number",
    "two of its keys are the same as text",
)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    try:
        if isinstance(value, BaseModel):
            yield from ((f".{name}", value.__dict__[name]) for name in type(value).model_fields)
        elif isinstance(value, Mapping):
            yield from ((".*", child) for child in value.values())
        elif isinstance(value, list | tuple):
            yield from ((f"[{i}]", child) for i, child in enumerate(value))
    except Exception:  # user code: what raises while it is read has no parts to look at
        return


def key_of(decision: Decision[Any, Any], given: Any) -> str | None:
    """Return the key the outside world knows an input by; several are joined with `|`.

    Within one of several, `|` and the backslash are written with a backslash before them.
    """
    values = [plain(getattr(given, name)) for name in decision.key_fields]
    if not values or any(v is None or v == "" for v in values):
        return None
    if len(values) == 1:
        return str(values[0])
    return "|".join(str(v).replace("\\", "\\\\").replace("|", "\\|") for v in values)


def read_returned(
    decision: Decision[Any, Any], decider: Decider, returned: Any, answered: Mapping[str, Any]
) -> Answer[Any] | Abstain | Refuse | Suspend:
    """Return what a decider gave as an Answer over validated values, or as one of the ways of not answering.

    The answer's output is a mapping of the fields this decider settles. Raises NotAnAnswer.
    """
    if isinstance(returned, Suspend):
        return _suspended(decision, decider, returned)
    if isinstance(returned, Abstain | Refuse):
        return returned
    if iscoroutine(returned):
        returned.close()
        raise NotAnAnswer("wrong-type", f"{decider.name} returned a coroutine; make it an `async def`")
    answer = returned if isinstance(returned, Answer) else Answer(returned)
    output = answer.output
    if isinstance(output, decision.output):
        values: Mapping[str, Any] = {name: getattr(output, name) for name in decision.output_names}
    elif isinstance(output, Mapping):
        values = output
    else:
        raise NotAnAnswer(
            "wrong-type",
            f"{decider.name} returned a {type(output).__name__}; it must return {decision.output.__name__}, "
            "a mapping of its fields, Answer, Abstain, Refuse or Suspend",
        )
    for name in (*values, *(n for n in answer.beliefs if n != JOINT), *answer.withheld):
        if name not in decision.output_names:
            raise NotAnAnswer(
                "invalid",
                f"{decider.name} answers {name!r}, which is no output field; "
                + did_you_mean(str(name), decision.output_names),
            )
    for both in answer.withheld.keys() & values.keys() if answer.withheld else ():
        raise NotAnAnswer("invalid", f"{decider.name} answers {both} and would not answer it")
    fresh = {n: _field_value(decision, n, v) for n, v in values.items() if n not in answered}
    if not fresh and answer.withheld:
        raise NotAnAnswer(next(iter(answer.withheld.values())), f"{decider.name} would not answer")
    if not fresh:
        return Abstain("it gave no field that is still open")
    return Answer(
        fresh,
        beliefs=_beliefs(decision, decider, answer, fresh),
        reason=answer.reasons or ((decider.reason,) if decider.reason else ()),
        usage=answer.usage,
        calls=answer.calls,
        withheld=answer.withheld,
        cut=answer.cut,
    )


def _suspended(decision: Decision[Any, Any], decider: Decider, returned: Suspend) -> Suspend:
    """Return it with a valid fallback, as plain data."""
    if returned.then is None:
        return returned
    try:
        return replace(returned, then=plain(full_output(decision.output, returned.then)))
    except ValidationError as exc:
        raise NotAnAnswer(
            "invalid", f"{decider.name} suspends with a bad `then`: {problems(exc, decision.output)}"
        ) from None


def _beliefs(
    decision: Decision[Any, Any], decider: Decider, answer: Answer[Any], fresh: Mapping[str, Any]
) -> dict[str, Belief]:
    silent = UNMEASURED if decider.kind in ("model", "llm") else ASSERTED
    if JOINT in answer.beliefs:
        if answer.beliefs[JOINT].distribution is not None:
            raise NotAnAnswer("invalid", f"{decider.name} gives a distribution over the whole answer")
        return {JOINT: answer.beliefs[JOINT]}
    fields = {f.path: f for f in decision.output_fields}
    return {
        n: _belief(decider, fields[n], v, answer.beliefs[n]) if n in answer.beliefs else silent
        for n, v in fresh.items()
    }


def _belief(decider: Decider, field: Field, value: Any, belief: Belief) -> Belief:
    """Return a belief whose distribution is over values of the field and whose `p` is the value's."""
    if belief.distribution is None:
        return belief
    held = {bare(truth): p for truth, p in belief.distribution.items()}
    for truth in held:
        if (field.values and truth not in field.values) or not isinstance(truth, _CHOICES):
            raise NotAnAnswer(
                "invalid", f"{decider.name} gives a probability to a value that {field.path} cannot be"
            )
    p = held.get(bare(value)) if belief.p is None else belief.p
    return replace(belief, p=p, distribution=held)


_CHOICES = (str, int, float, bool, NoneType)


def _field_value(decision: Decision[Any, Any], name: str, value: Any) -> Any:
    try:
        return field_adapter(decision.output, name).validate_python(value)
    except ValidationError as exc:
        raise NotAnAnswer("invalid", f"{name}: {problems(exc, decision.output).partition(': ')[2]}") from None


def whole(decision: Decision[Any, Any], values: Mapping[str, Any]) -> Any | None:
    """Return the output model once every required field has a value; None before. Raises NotAnAnswer."""
    for name, info in decision.output.model_fields.items():
        if info.is_required() and name not in values:
            return None
    try:
        return full_output(decision.output, values)
    except ValidationError as exc:
        raise NotAnAnswer("invalid", problems(exc, decision.output)) from None
    except Exception as exc:  # user code: a validator may raise anything
        raise NotAnAnswer("invalid", f"reading the answer raised {type(exc).__name__}") from exc
