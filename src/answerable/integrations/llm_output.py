"""What a model is asked for, as a schema, and how its raw reply is read: by the decision's own types."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, create_model

from answerable.decisions.decider import Asked
from answerable.decisions.fields import full_output
from answerable.decisions.reading import problems, unstorable
from answerable.encoding import encode
from answerable.errors import InputError

REASON = "reason"
REASON_CHARS = 500
_FENCE = re.compile(r"\A```(?:json|JSON)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
# Prose where JSON was demanded: only what cannot be read in another way is a refusal.
_REFUSAL_CHARS = 400
_REFUSAL = re.compile(
    r"\A(?:(?:i['\u2019]?m|i am) (?:very |so |really )?sorry|sorry|my apologies|i apologi[sz]e|unfortunately"
    r")?"
    r"[\s,.:;!\u2014-]{0,4}(?:but )?(?:as an ai[^.,]{0,40}, )?(?:i|we) "
    r"(?:can['\u2019]?t|cannot|can not|won['\u2019]?t|will not|am unable to|am not able to|must decline to) "
    r"(?:be able to )?(?:help|assist|comply|do that|do this|answer that|answer this|provide that|support that"
    r"|fulfil|engage|continue with|process this request|discuss)\b",
    re.IGNORECASE,
)
_FORM = re.compile(r"[{\[]|\b(?:json|format|schema)\b", re.IGNORECASE)


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
    told = reason and REASON not in _names(output)
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


def _names(output: type[BaseModel]) -> Iterator[str]:
    """Yield the names by which fields may be given: their own, and every alias."""
    for name, info in output.model_fields.items():
        yield name
        said = info.validation_alias if info.validation_alias is not None else info.alias
        for alias in said.choices if isinstance(said, AliasChoices) else (said,):
            first = getattr(alias, "path", [alias])[0]
            if isinstance(first, str):
                yield first


def open_names(asked: Asked, answered: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the output fields that nobody has settled yet, in order."""
    return tuple(f.path for f in asked.output_fields if f.path not in answered)


def read_reply(
    shape: Shape,
    asked: Asked,
    reply: str,
    answered: Mapping[str, Any],
    restored: Callable[[Any], Any] = lambda data: data,
) -> tuple[dict[str, Any], str]:
    """Return the values of the open fields, and the reason. Raises BadReply.

    A ```json fence is tolerated; prose around it is not. Types are strict (no number as text) and no key is
    ignored or given twice. Once every field has a value, the validators of the output model itself judge it
    too. restored: puts the real values in the place of their pseudonyms, before anything is validated.
    """
    text = reply.strip()
    if not text:
        raise BadReply("empty", "the reply has no text")
    fenced = _FENCE.match(text)
    text = fenced[1].strip() if fenced else text
    if not text.startswith("{"):
        if len(text) <= _REFUSAL_CHARS and _REFUSAL.match(text) and not _FORM.search(text):
            raise BadReply("refusal", "the model refused to answer, in words of its own")
        raise BadReply("invalid", "the reply is not one JSON object and nothing else")
    _check_json(text)
    if restored(text) != text:
        text = json.dumps(restored(json.loads(text)), ensure_ascii=False)
    values = _read(shape.model, text)
    reason = values.pop(REASON, "") if shape.told else ""
    whole = {**answered, **values}
    if all(name in whole for name, info in asked.output.model_fields.items() if info.is_required()):
        values = _judged(asked.output, whole, shape.names)
    for name, value in values.items():
        try:
            encode(value)
        except InputError:
            raise BadReply("invalid", unstorable(value, name)) from None
    return values, " ".join(reason.split())[:REASON_CHARS]


def _check_json(text: str) -> None:
    """Refuse what pydantic reads and a record cannot hold, or could read in two ways. Raises BadReply."""

    def pairs(held: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(held)
        if len(made) != len(held):
            raise BadReply("invalid", "the reply gives a key twice")
        return made

    def number(digits: str) -> float:
        if not isfinite(value := float(digits)):
            raise BadReply("invalid", "the reply holds a number that is too large")
        return value

    def constant(name: str) -> NoReturn:
        raise BadReply("invalid", f"the reply holds {name}, which is no JSON")

    try:
        json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)
    except RecursionError:
        raise BadReply("invalid", "the reply is nested too deeply") from None
    except ValueError:  # pydantic says better where it is broken
        return


def _read(model: type[BaseModel], text: str) -> dict[str, Any]:
    try:
        made = model.model_validate_json(text, strict=True, extra="forbid", by_alias=True, by_name=True)
    except ValidationError as exc:
        raise BadReply("invalid", _wrong(exc, model)) from None
    except Exception as exc:  # user code: a validator may raise anything
        raise BadReply("invalid", f"reading the reply raised {type(exc).__name__}") from exc
    return {name: getattr(made, name) for name in model.model_fields}


def _judged(output: type[BaseModel], whole: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    try:
        made = full_output(output, whole)
    except ValidationError as exc:
        raise BadReply("invalid", _wrong(exc, output)) from None
    except Exception as exc:  # user code, as above
        raise BadReply("invalid", f"reading the reply raised {type(exc).__name__}") from exc
    return {name: getattr(made, name) for name in names}


def _wrong(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what is wrong with a reply; what is wrong with all of it is told of the "reply"."""
    told = problems(error, model)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return told if first["loc"] else f"reply: {told.removeprefix('input: ')}"
