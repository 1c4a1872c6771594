"""What a model is asked for, as a schema, and how its raw reply is read: by the decision's own types."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from answerable.decisions.decider import Asked
from answerable.decisions.fields import full_output
from answerable.decisions.reading import problems

REASON = "reason"
REASON_CHARS = 500
_FENCE = re.compile(r"\A```(?:json|JSON)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL)


class BadReply(Exception):
    """A reply is no answer. category: of the fault; the text says what is wrong, never the value."""

    def __init__(self, category: str, reason: str) -> None:
        super().__init__(reason)
        self.category = category


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The part of an output that is still open, as a model of its own, and as a JSON schema.

    told: a one-sentence reason is asked for beside the fields.
    """

    model: type[BaseModel]
    schema: dict[str, Any]
    names: tuple[str, ...]
    told: bool


def shape_of(output: type[BaseModel], names: Sequence[str], *, reason: bool) -> Shape:
    """Return the shape of the fields `names` of an output model."""
    told = reason and REASON not in output.model_fields
    made: dict[str, Any] = {}
    if told:  # first: what a model writes before it answers is what the answer rests on
        made[REASON] = (str, Field("", description="One short sentence: why this is the answer"))
    for name in names:
        info = deepcopy(output.model_fields[name])
        made[name] = (info.annotation, info)
    config = ConfigDict(**{**output.model_config, "extra": "forbid"})
    model = create_model(output.__name__, __config__=config, __doc__=output.__doc__, **made)
    schema = model.model_json_schema(by_alias=False, mode="validation")
    if told:
        schema["properties"][REASON]["maxLength"] = REASON_CHARS
        schema["properties"][REASON].pop("default", None)
        schema["required"] = [REASON, *schema.get("required", ())]
    return Shape(model=model, schema=schema, names=tuple(names), told=told)


def open_names(asked: Asked, answered: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the output fields that nobody has settled yet, in order."""
    return tuple(f.path for f in asked.output_fields if f.path not in answered)


def read_reply(
    shape: Shape, asked: Asked, reply: str, answered: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """Return the values of the open fields, and the reason. Raises BadReply.

    A ```json fence is tolerated; prose around it is not. Types are strict (no number as text) and no key is
    ignored. Once every field has a value, the validators of the output model itself judge it too.
    """
    text = reply.strip()
    if not text:
        raise BadReply("empty", "the reply has no text")
    fenced = _FENCE.match(text)
    text = fenced[1].strip() if fenced else text
    if not text.startswith("{"):
        raise BadReply("invalid", "the reply is not one JSON object and nothing else")
    values = _read(shape.model, text)
    reason = values.pop(REASON, "") if shape.told else ""
    whole = {**answered, **values}
    if all(name in whole for name, info in asked.output.model_fields.items() if info.is_required()):
        values = _judged(asked.output, whole, shape.names)
    return values, " ".join(reason.split())[:REASON_CHARS]


def _read(model: type[BaseModel], text: str) -> dict[str, Any]:
    try:
        made = model.model_validate_json(text, strict=True, extra="forbid", by_alias=True, by_name=True)
    except ValidationError as exc:
        raise BadReply("invalid", problems(exc, model)) from None
    except Exception as exc:  # user code: a validator may raise anything
        raise BadReply("invalid", f"reading the reply raised {type(exc).__name__}") from exc
    return {name: getattr(made, name) for name in model.model_fields}


def _judged(output: type[BaseModel], whole: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    try:
        made = full_output(output, whole)
    except ValidationError as exc:
        raise BadReply("invalid", problems(exc, output)) from None
    except Exception as exc:  # user code, as above
        raise BadReply("invalid", f"reading the reply raised {type(exc).__name__}") from exc
    return {name: getattr(made, name) for name in names}
