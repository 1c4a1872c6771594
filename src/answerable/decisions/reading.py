"""Reads what comes from outside into typed values: a case's input, and whatever a decider returned.

Validation messages are ours (path and rule) and never hold the value: it may be personal.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from inspect import iscoroutine
from itertools import islice
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from answerable.decisions.answer import ASSERTED, JOINT, UNMEASURED, Abstain, Answer, Belief, Refuse, Suspend
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.fields import Field, bare, field_adapter, full_output
from answerable.encoding import plain
from answerable.errors import InputError, did_you_mean


class NotAnAnswer(Exception):
    """A decider returned something that is no answer to this decision. fault: "wrong-type" or "invalid"."""

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
        return given
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
        raise InputError(problems(exc), next_step=step) from None
    except InputError:
        raise
    except Exception as exc:  # user code: a validator may raise anything, and its text may hold the value
        raise InputError(f"input: reading it raised {type(exc).__name__}", next_step=step) from exc


def problems(error: ValidationError) -> str:
    """Return each path with the rule it breaks, without the value; at most the first twenty."""
    found = error.errors(include_url=False, include_context=False)
    told = [f"{'.'.join(map(str, e['loc'])) or 'input'}: {_rule(e)}"[:300] for e in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(f"and {len(found) - _SHOWN} more")
    return "; ".join(told)


_SHOWN = 20
_OWN_TEXT = ("value_error", "assertion_error", "union_tag_invalid")  # whose text is not pydantic's alone


def _rule(error: Any) -> str:
    """Return the rule that a value breaks; text of a user's validator is left out if it holds the value."""
    told = str(error["msg"])
    if error["type"] in _OWN_TEXT or error["type"] not in _known_types():
        for value in _leaves(error["input"]):
            if value and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", told):
                return "it breaks a rule of its own"
    return told


@cache
def _known_types() -> frozenset[str]:
    from pydantic_core.core_schema import ErrorType

    return frozenset(get_args(ErrorType))


def _leaves(value: Any, depth: int = 3) -> Iterator[str]:
    """Yield the texts of a value and of what it holds, as far as a message could repeat them."""
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        for inner in islice(value, 100):
            if depth:
                yield from _leaves(inner, depth - 1)
    elif value is not None and len(text := str(value)) <= 1000:
        yield text


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
    for name in (*values, *(n for n in answer.beliefs if n != JOINT)):
        if name not in decision.output_names:
            raise NotAnAnswer(
                "invalid",
                f"{decider.name} answers {name!r}, which is no output field; "
                + did_you_mean(str(name), decision.output_names),
            )
    fresh = {n: _field_value(decision, n, v) for n, v in values.items() if n not in answered}
    if not fresh:
        return Abstain("it gave no field that is still open")
    return Answer(
        fresh,
        beliefs=_beliefs(decision, decider, answer, fresh),
        reason=answer.reasons or ((decider.reason,) if decider.reason else ()),
        usage=answer.usage,
        calls=answer.calls,
    )


def _suspended(decision: Decision[Any, Any], decider: Decider, returned: Suspend) -> Suspend:
    """Return it with a valid fallback, as plain data."""
    if returned.then is None:
        return returned
    try:
        return replace(returned, then=plain(full_output(decision.output, returned.then)))
    except ValidationError as exc:
        raise NotAnAnswer("invalid", f"{decider.name} suspends with a bad `then`: {problems(exc)}") from None


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
        raise NotAnAnswer("invalid", f"{name}: {problems(exc).partition(': ')[2]}") from None


def whole(decision: Decision[Any, Any], values: Mapping[str, Any]) -> Any | None:
    """Return the output model once every required field has a value; None before. Raises NotAnAnswer."""
    for name, info in decision.output.model_fields.items():
        if info.is_required() and name not in values:
            return None
    try:
        return full_output(decision.output, values)
    except ValidationError as exc:
        raise NotAnAnswer("invalid", problems(exc)) from None
    except Exception as exc:  # user code: a validator may raise anything
        raise NotAnAnswer("invalid", f"reading the answer raised {type(exc).__name__}") from exc
