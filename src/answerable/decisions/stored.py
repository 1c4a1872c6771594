"""What a model becomes in a record and the way back: stored data is read by the types of the fields.

Encoder v1 writes bytes, durations and much else as text; only the declared type says what the text was.
"""

import re
import types
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from answerable.decisions.fields import field_adapter
from answerable.encoding import encode, plain
from answerable.governance.classification import Mark, Personal

_DURATION = re.compile(r"PT(-?\d+(?:\.\d+)?)S")
_PLAIN = (str, int, float, bool, types.NoneType, Decimal, datetime, date, time, timedelta, UUID, bytes)
_KEYS = (str, int, bool, types.NoneType, UUID, date, datetime, Decimal)
_NEVER = (complex, re.Pattern, SecretStr, SecretBytes)
_GROUPS = (list, set, frozenset, Sequence, AbstractSet)


def revive(model: type[BaseModel], data: Any) -> Any:
    """Return stored `data` (decoded, as `plain(instance)` gave it) as `model`. Raises ValidationError.

    Lax, because the text of a date is no date to a strict model.
    """
    return model.model_validate(_record(model, data), strict=False, by_alias=True, by_name=True)


def comes_back(output: BaseModel, data: Any) -> bool:
    """Say whether `data`, the stored form of `output`, is read back as an equal output."""
    model = type(output)
    try:
        again = revive(model, data)
        same = all(getattr(again, n) == getattr(output, n) for n in model.model_fields)
        return same and encode(again) == encode(data)
    except Exception:  # user code: a validator or a comparison may raise anything
        return False


def surely_comes_back(model: type[BaseModel]) -> bool:
    """Say whether every valid instance comes back equal; where it is not sure, each answer is tried."""
    said = model.__pydantic_decorators__
    own = (
        said.validators,
        said.field_validators,
        said.root_validators,
        said.field_serializers,
        said.model_serializers,
        said.model_validators,
    )
    config = model.model_config
    if any(own) or config.get("extra") == "allow" or config.get("serialize_by_alias"):
        return False
    if issubclass(model, RootModel) or model.model_dump is not BaseModel.model_dump:
        return False
    return all(_sure_field(model, name, info) for name, info in model.model_fields.items())


def never_stored(model: type[BaseModel], *, excluded_only: bool = False) -> str | None:
    """Return why a field of `model` or within it can never be stored and read back, or None.

    excluded_only: tell only of fields that a record would leave out.
    """
    return next(_losses(model, "", excluded_only, ()), None)


def _record(model: type[BaseModel], data: Any) -> Any:
    """Return the data of a model with each value by its type, without what the model computes."""
    if issubclass(model, RootModel):
        return _value(model.model_fields["root"].annotation, data)
    if not isinstance(data, Mapping):  # a serializer of its own made something else of it
        return data
    types_of = {}
    for name, info in model.model_fields.items():
        types_of[name] = info.annotation
        if info.serialization_alias:
            types_of.setdefault(info.serialization_alias, info.annotation)
    return {
        name: _value(types_of[name], value) if name in types_of else value
        for name, value in data.items()
        if name not in model.model_computed_fields
    }


def _bare_type(annotation: Any) -> Any:
    """Return a type without `Annotated`, a type alias or a NewType around it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _value(annotation: Any, data: Any) -> Any:
    kind = _bare_type(annotation)
    origin, args = get_origin(kind), get_args(kind)
    if data is None:
        return None
    if origin is Literal:
        return _chosen(args, data)
    if origin in (Union, types.UnionType):
        return _arm([a for a in args if a is not types.NoneType], data)
    if origin is tuple and args[-1:] != (Ellipsis,) and isinstance(data, list) and len(args) == len(data):
        return [_value(a, v) for a, v in zip(args, data, strict=True)]
    if args and origin in (*_GROUPS, tuple) and isinstance(data, list):
        return [_value(args[0], v) for v in data]
    if len(args) == 2 and origin in (dict, Mapping) and isinstance(data, Mapping):
        return {_key(args[0], k): _value(args[1], v) for k, v in data.items()}
    return _leaf(kind, data) if isinstance(kind, type) else data


def _leaf(kind: type, data: Any) -> Any:
    if issubclass(kind, BaseModel):
        return _record(kind, data)
    if issubclass(kind, Enum):
        return _chosen(tuple(kind), data)
    if issubclass(kind, bytes | bytearray) and isinstance(data, str):
        return b64decode(data, validate=True)
    if issubclass(kind, timedelta) and isinstance(data, str) and (told := _DURATION.fullmatch(data)):
        return timedelta(microseconds=int(Decimal(told[1]).scaleb(6)))
    return data


def _chosen(options: Sequence[Any], data: Any) -> Any:
    for option in options:
        stored = plain(option)
        if stored == data and type(stored) is type(data):
            return option
    return data


def _arm(arms: Sequence[Any], data: Any) -> Any:
    """Return what the first arm of a union makes of `data` that is stored as `data`; text comes last."""
    if len(arms) == 1:
        return _value(arms[0], data)
    for arm in sorted(arms, key=lambda a: _bare_type(a) is str):
        try:
            value: Any = TypeAdapter(arm).validate_python(_value(arm, data), strict=False)
            if encode(value) == encode(data):
                return value
        except Exception:  # another arm's value; what is none of them, validation says
            continue
    return data


def _key(annotation: Any, text: str) -> Any:
    """Return the key of a mapping that the encoder wrote as `text`."""
    kind = _bare_type(annotation)
    options: tuple[Any, ...] = ()
    if get_origin(kind) is Literal:
        options = get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        options = tuple(kind)
    elif kind is bool:
        options = (False, True)
    elif kind is types.NoneType:
        options = (None,)
    return next((option for option in options if text in plain({option: 0})), text)


def _sure_field(model: type[BaseModel], name: str, info: FieldInfo) -> bool:
    if info.default_factory is not None or not all(map(_harmless, info.metadata)):
        return False
    if not info.is_required():  # a default is not validated when it is used, but when it is read back
        try:
            if field_adapter(model, name).validate_python(info.default) != info.default:
                return False
        except Exception:  # user code: a comparison may raise anything
            return False
    return _sure_type(info.annotation)


def _harmless(mark: Any) -> bool:
    """Say whether what stands on a type only bounds its values."""
    bounds = type(mark).__module__ in ("annotated_types", "pydantic._internal._fields")
    return bounds or isinstance(mark, Mark | Personal | str)


def _sure_type(annotation: Any) -> bool:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return all(map(_harmless, args[1:])) and _sure_type(args[0])
    if origin is Literal:
        return True
    if origin in (Union, types.UnionType):
        arms = [a for a in args if a is not types.NoneType]
        return len(arms) == 1 and _sure_type(arms[0])
    if origin in (list, set, frozenset):
        return all(map(_sure_type, args))
    if origin is tuple:
        return all(_sure_type(a) for a in args if a is not Ellipsis)
    if origin is dict:
        return args[0] in (str, int) and _sure_type(args[1])
    return annotation in _PLAIN or (isinstance(annotation, type) and issubclass(annotation, Enum))


def _losses(model: type[BaseModel], path: str, excluded_only: bool, seen: tuple[type, ...]) -> Iterator[str]:
    if model in seen:
        return
    for name, info in model.model_fields.items():
        here = f"{path}{name}"
        if info.exclude or getattr(info, "exclude_if", None) is not None:
            yield f"{here} is excluded, so that no record would hold it"
        for inner in _parts(info.annotation):
            if isinstance(inner, str):
                if not excluded_only:
                    yield f"{here} {inner}"
            else:
                yield from _losses(inner, f"{here}.", excluded_only, (*seen, model))


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the models within a type, and as text why a part of it has no stored form."""
    kind = _bare_type(annotation)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return
    if kind in _NEVER or origin in (re.Pattern, Callable, type) or kind in (Callable, type):
        yield f"is a {getattr(kind, '__name__', kind)}, which no record can hold"
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    if origin in (dict, Mapping) and args and not _may_be_key(args[0]):
        yield f"has keys of the type {getattr(args[0], '__name__', args[0])}, which no record can hold"
    for arg in args:
        if not isinstance(arg, list):
            yield from _parts(arg)


def _may_be_key(annotation: Any) -> bool:
    kind = _bare_type(annotation)
    if not isinstance(kind, type):
        return True  # a union or a Literal: each value is tried
    return issubclass(kind, (*_KEYS, Enum)) or kind is object
