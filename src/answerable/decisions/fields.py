"""What a field of an input or output is: its kind, its possible values and how it is classified.

A model's description is our own and stable, so that a definition's digest does not move with a library.
"""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import AliasChoices, BaseModel, TypeAdapter
from pydantic import Field as PydanticField
from pydantic.fields import FieldInfo

from answerable.decisions.code import code_digest
from answerable.errors import UsageError, did_you_mean
from answerable.governance.classification import Key, Mark, Personal, Subject, Trim, classified

Kind = Literal["class", "flag", "number", "set", "time", "key", "text", "record"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field as a definition describes it; `values` are the choices of a class or flag, in order."""

    path: str
    kind: Kind
    required: bool
    values: tuple[Any, ...] = ()
    constraints: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fields: tuple["Field", ...] = ()


def fields_of(model: type[BaseModel], *, path: str = "", _seen: tuple[type, ...] = ()) -> tuple[Field, ...]:
    """Describe the fields of `model` in declared order; a model within itself is named, not repeated."""
    if model in _seen:
        return ()
    extra = classified(model)
    for name in extra:
        if name not in model.model_fields:
            raise UsageError(
                f"classify names {name!r}, which is no field of {model.__name__}",
                next_step=did_you_mean(name, model.model_fields),
            )
    return tuple(
        _field(f"{path}{name}", info, extra.get(name, ()), (*_seen, model))
        for name, info in model.model_fields.items()
    )


def _field(path: str, info: FieldInfo, extra: tuple[Mark | Personal, ...], seen: tuple[type, ...]) -> Field:
    said = (*info.metadata, *extra, *_inner_metadata(info.annotation))
    if Personal in said:
        raise UsageError(
            f"{path} is marked Personal without a kind",
            next_step='write Personal("email"), or Personal.free_text for text that may hold anything',
        )
    if Trim in said:
        raise UsageError(f"{path} is marked Trim without a place", next_step="write Trim(1): cut first")
    marks = {m for m in said if isinstance(m, Mark | Personal)}
    constraints = {c for m in said if not isinstance(m, Mark | Personal) for c in _constraints(m)}
    kind, values, nested = _kind(info.annotation)
    if Key in marks:
        kind = "key"
    return Field(
        path=path,
        kind=kind,
        required=info.is_required(),
        values=values,
        constraints=tuple(sorted(constraints)),
        classes=tuple(sorted(m.word for m in marks)),
        fields=tuple(f for model in nested for f in fields_of(model, path=f"{path}.", _seen=seen)),
    )


_CLASSIFIES = ("Personal", "Sensitive", "Subject", "Public")


def unclassified_fields(fields: Sequence[Field]) -> Iterator[str]:
    """Yield the paths of free-form fields of which nobody said whether they are personal, at any depth.

    A key alone is an identifier of the outside world, not of a person.
    """
    for field in fields:
        if not {word.partition(":")[0] for word in field.classes}.isdisjoint(_CLASSIFIES):
            continue
        if field.fields:
            yield from unclassified_fields(field.fields)
        elif field.kind in ("text", "record", "set"):
            yield field.path


def subject_names(model: type[BaseModel]) -> frozenset[str]:
    """Return the names, and the aliases, of all fields in and within `model` that name a person."""
    names: set[str] = set()
    seen: set[Any] = set()

    def look(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            for name, info in kind.model_fields.items():
                said = (*info.metadata, *classified(kind).get(name, ()), *_inner_metadata(info.annotation))
                if Subject in said:
                    alias = info.validation_alias if info.validation_alias is not None else info.alias
                    also = alias.choices if isinstance(alias, AliasChoices) else (alias,)
                    names.update(n for n in (name, *also) if isinstance(n, str))
                look(info.annotation)
        for meant in ("__value__", "__supertype__"):
            if hasattr(kind, meant):
                look(getattr(kind, meant))
        for inner in get_args(kind) if get_origin(kind) is not Literal else ():
            look(inner)

    look(model)
    return frozenset(names)


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    """Yield what stands on the parts of a type, as in `Annotated[str, Subject] | None`."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    if get_origin(annotation) is not Literal:
        for arg in get_args(annotation):
            yield from _inner_metadata(arg)


def _constraints(mark: Any) -> Iterator[str]:
    """Describe a constraint as name=value. The repr of a validator would hold an address of this process."""
    if isinstance(mark, FieldInfo):
        for inner in mark.metadata:
            yield from _constraints(inner)
    elif callable(function := getattr(mark, "func", None)):
        name = getattr(function, "__qualname__", type(function).__name__)
        yield f"{type(mark).__name__}:{name}:{code_digest(function)[:16]}"
    elif not isinstance(mark, str | bytes | int | float):  # a remark on the type, no constraint
        slots = {n: getattr(mark, n, None) for n in getattr(mark, "__slots__", ())}
        for name, value in {**slots, **getattr(mark, "__dict__", {})}.items():
            if isinstance(value, re.Pattern):
                value = value.pattern
            if isinstance(value, str | int | float | Decimal | date | time | timedelta):
                yield f"{name}={value!r}"


def field_adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Return what validates one field of `model` alone; made once."""
    adapter = _adapters.get((model, name))
    if adapter is None:
        info = model.model_fields[name]
        # Not the FieldInfo itself: an alias in it means nothing outside a model, and pydantic warns of it.
        said = tuple(info.metadata)
        if info.discriminator:
            said = (*said, PydanticField(discriminator=info.discriminator))
        adapter = TypeAdapter[Any](cast(Any, Annotated[info.annotation, *said] if said else info.annotation))
        _adapters[model, name] = adapter
    return adapter


_adapters: dict[tuple[type[BaseModel], str], TypeAdapter[Any]] = {}


def full_output(model: type[BaseModel], value: Any) -> Any:
    """Return `value` (a `model`, or a mapping by field names) as `model`. Raises ValidationError."""
    if isinstance(value, Mapping):
        return model.model_validate(dict(value), by_alias=True, by_name=True)
    return model.model_validate(value)


def bare(value: Any) -> Any:
    """Return a value as definitions list it: an Enum member's value, anything else as it is."""
    return value.value if isinstance(value, Enum) else value


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...], tuple[type[BaseModel], ...]]:
    """Return the kind, the values and the nested models of a type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    for meant in ("__value__", "__supertype__"):  # a type alias, a NewType
        if hasattr(annotation, meant):
            return _kind(getattr(annotation, meant))
    if origin is Literal:
        return "class", tuple(bare(value) for value in get_args(annotation)), ()
    if origin in (Union, types.UnionType):
        arms = [_kind(a) for a in get_args(annotation) if a is not type(None)]
        if len(arms) == 1:
            return arms[0]
        if all(kind == "class" for kind, _, _ in arms):
            return "class", tuple(dict.fromkeys(v for _, values, _ in arms for v in values)), ()
        return "record" if any(a[2] for a in arms) else "text", (), tuple(m for a in arms for m in a[2])
    if origin in (list, set, frozenset, tuple, dict):
        return "set", (), tuple(_models_in(annotation))
    if isinstance(annotation, type):
        return _plain_kind(annotation)
    return "text", (), ()


def _plain_kind(annotation: type) -> tuple[Kind, tuple[Any, ...], tuple[type[BaseModel], ...]]:
    if issubclass(annotation, bool):
        return "flag", (False, True), ()
    if issubclass(annotation, Enum):
        return "class", tuple(member.value for member in annotation), ()
    if issubclass(annotation, BaseModel):
        return "record", (), (annotation,)
    if issubclass(annotation, int | float | Decimal):
        return "number", (), ()
    if issubclass(annotation, datetime | date | time | timedelta):
        return "time", (), ()
    if issubclass(annotation, list | set | frozenset | tuple | dict):
        return "set", (), ()
    if issubclass(annotation, UUID):
        return "key", (), ()
    return "text", (), ()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for arg in get_args(annotation):
        if isinstance(arg, type) and issubclass(arg, BaseModel):
            yield arg
        else:
            yield from _models_in(arg)
