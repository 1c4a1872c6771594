"""Reads what comes from outside into typed values: a case's input, and whatever a decider returned.

Validation messages are ours (path and rule) and never hold the value: it may be personal.
"""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from answerable.decisions.answer import ASSERTED, JOINT, UNMEASURED, Abstain, Answer, Belief, Refuse, Suspend
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.encoding import plain
from answerable.errors import InputError, did_you_mean


class NotAnAnswer(Exception):
    """A decider returned something that is no answer to this decision. fault: "wrong-type" or "invalid"."""

    def __init__(self, fault: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


def read_input(decision: Decision[Any, Any], given: Any) -> Any:
    """Return the validated input model. Raises InputError naming every bad path."""
    if not isinstance(given, decision.input):
        if isinstance(given, BaseModel):
            given = given.model_dump()
        if not isinstance(given, Mapping):
            raise InputError(
                f"the input is a {type(given).__name__}",
                next_step=f"give a {decision.input.__name__} or a mapping of its fields",
            )
        try:
            given = decision.input.model_validate(dict(given))
        except ValidationError as exc:
            raise InputError(
                problems(exc), next_step=f"send what {decision.input.__name__} describes"
            ) from None
    return given


def problems(error: ValidationError) -> str:
    """Return each path with the rule it breaks, without the value."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'input'}: {e['msg']}"
        for e in error.errors(include_input=False, include_url=False, include_context=False)
    )


def key_of(decision: Decision[Any, Any], given: Any) -> str | None:
    """Return the key the outside world knows an input by; several key fields are joined with `|`."""
    values = [plain(getattr(given, name)) for name in decision.key_fields]
    if not values or any(v is None or v == "" for v in values):
        return None
    return "|".join(str(v) for v in values)


def read_returned(
    decision: Decision[Any, Any], decider: Decider, returned: Any, answered: Mapping[str, Any]
) -> Answer[Any] | Abstain | Refuse | Suspend:
    """Return what a decider gave as an Answer over validated values, or as one of the ways of not answering.

    The answer's output is a mapping of the fields this decider settles. Raises NotAnAnswer.
    """
    if isinstance(returned, Abstain | Refuse | Suspend):
        return returned
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
        beliefs=_beliefs(decider, answer, fresh),
        reason=answer.reasons or ((decider.reason,) if decider.reason else ()),
        usage=answer.usage,
        calls=answer.calls,
    )


def _beliefs(decider: Decider, answer: Answer[Any], fresh: Mapping[str, Any]) -> dict[str, Belief]:
    silent = UNMEASURED if decider.kind in ("model", "llm") else ASSERTED
    if JOINT in answer.beliefs:
        return {JOINT: answer.beliefs[JOINT]}
    return {name: answer.beliefs.get(name, silent) for name in fresh}


def _field_value(decision: Decision[Any, Any], name: str, value: Any) -> Any:
    info = decision.output.model_fields[name]
    adapter = _adapters.get((decision.output, name))
    if adapter is None:
        adapter = _adapters[decision.output, name] = TypeAdapter[Any](
            cast(Any, Annotated[info.annotation, info])
        )
    try:
        return adapter.validate_python(value)
    except ValidationError as exc:
        raise NotAnAnswer("invalid", f"{name}: {problems(exc).partition(': ')[2]}") from None


_adapters: dict[tuple[type, str], TypeAdapter[Any]] = {}


def whole(decision: Decision[Any, Any], values: Mapping[str, Any]) -> Any | None:
    """Return the output model once every required field has a value; None before. Raises NotAnAnswer."""
    for name, info in decision.output.model_fields.items():
        if info.is_required() and name not in values:
            return None
    try:
        return decision.output.model_validate(dict(values))
    except ValidationError as exc:
        raise NotAnAnswer("invalid", problems(exc)) from None
