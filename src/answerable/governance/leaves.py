"""Walks a typed value: each leaf with its path, its classes, and the people it is about.

The walk runs over the value's plain data, which is what is stored and shown; the live objects beside it only
say which type stands where, so that unions, discriminated or not, need no guess.
"""

import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from answerable.errors import UsageError
from answerable.governance.classification import Mark, Personal, Public, Subject, classified

Class = Mark | Personal
Form = Literal["text", "closed", "time", "other"]  # closed: one of declared choices
GONE: Final = object()  # what a visitor returns to leave a leaf out


class Leaf(NamedTuple):
    """One scalar of a value. path: as in "items[].email" or "by_name{}"; a map's keys are "by_name{key}".

    subjects: ids of the people its nearest enclosing record is about.
    """

    path: str
    value: Any
    classes: Collection[Class]
    subjects: tuple[str, ...]
    form: Form

    @property
    def personal(self) -> tuple[Personal, ...]:
        """How it is classified as personal data."""
        return tuple(c for c in self.classes if isinstance(c, Personal))


Visit = Callable[[Leaf], Any]


class _Shape:
    """What a type says about values of it, without the models within: those say it themselves."""

    __slots__ = ("classes", "fields", "form", "forms", "item", "key", "says")

    def __init__(
        self,
        classes: frozenset[Class] = frozenset(),
        forms: frozenset[Form] = frozenset(),
        item: "_Shape | None" = None,
        key: "_Shape | None" = None,
        fields: "_Record | None" = None,  # of a TypedDict
    ) -> None:
        self.classes, self.forms, self.item, self.key, self.fields = classes, forms, item, key, fields
        self.form: Form = next(iter(forms)) if len(forms) == 1 else "text"  # text where it may be several
        self.says = any(isinstance(c, Personal) or c in (Public, Subject) for c in classes)

    def own(self, inherited: frozenset[Class]) -> frozenset[Class]:
        """Return the classes of a place: what stands there says it, else what encloses it."""
        return self.classes if self.says or not inherited else inherited | self.classes


class _Record:
    """What is known of a record: a shape for each field, and which of them name its subjects."""

    __slots__ = ("other", "shapes", "subjects")

    def __init__(self, shapes: Mapping[str, _Shape], *, renames: bool = False) -> None:
        self.shapes = shapes
        # What has another name than its field may be any of them, where a serializer gives names of its own.
        every = frozenset(c for shape in shapes.values() for c in shape.classes)
        self.other = _Shape(every) if renames else _NOTHING
        self.subjects = tuple(name for name, shape in shapes.items() if Subject in shape.classes)


_NOTHING = _Shape()
_TEXT: frozenset[Form] = frozenset({"text"})
_CLOSED: frozenset[Form] = frozenset({"closed"})
_TIME: frozenset[Form] = frozenset({"time"})
_OTHER: frozenset[Form] = frozenset({"other"})


def walk(value: BaseModel, data: Any, visit: Visit) -> Any:
    """Return `data`, the plain data of `value`, with each leaf replaced by what `visit` returns for it."""
    return _walk(value, data, _NOTHING, "", frozenset(), (), visit)


def subjects_of(value: BaseModel, data: Any) -> tuple[str, ...]:
    """Return the ids of everybody a value is about, in order, each once."""
    found: dict[str, None] = {}

    def visit(leaf: Leaf) -> Any:
        found.update(dict.fromkeys(leaf.subjects))
        return leaf.value

    walk(value, data, visit)
    return tuple(found)


def _walk(
    value: Any,
    data: Any,
    shape: _Shape,
    path: str,
    classes: frozenset[Class],
    subjects: tuple[str, ...],
    visit: Visit,
) -> Any:
    if isinstance(value, RootModel):
        return _walk(value.root, data, _record_of(type(value)).shapes["root"], path, classes, subjects, visit)
    if isinstance(value, BaseModel) and not isinstance(data, dict):  # it writes itself as something else
        classes = classes | _record_of(type(value)).other.classes
    if isinstance(data, dict):
        if isinstance(value, BaseModel):
            return _record(value.__dict__, data, _record_of(type(value)), path, classes, subjects, visit)
        if is_dataclass(value) and not isinstance(value, type):
            own = {name: getattr(value, name, None) for name in data}
            return _record(own, data, _of_dataclass(type(value)), path, classes, subjects, visit)
        if shape.fields is not None:
            held = value if isinstance(value, Mapping) else {}
            return _record(held, data, shape.fields, path, classes, subjects, visit)
        return _map(value, data, shape, path, classes, subjects, visit)
    if isinstance(data, list):
        live = (
            list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
        )  # a set's order is not its data's
        if len(live) != len(data):
            live = [None] * len(data)
        inner = shape.item or _Shape(classes=shape.classes)
        told = [
            _walk(v, d, inner, f"{path}[]", inner.own(classes), subjects, visit)
            for v, d in zip(live, data, strict=True)
        ]
        return [one for one in told if one is not GONE]
    return visit(Leaf(path, data, classes, subjects, shape.form))


def _record(
    held: Mapping[str, Any],
    data: Mapping[str, Any],
    record: _Record,
    path: str,
    classes: frozenset[Class],
    subjects: tuple[str, ...],
    visit: Visit,
) -> dict[str, Any]:
    if record.subjects:
        own = [text for name in record.subjects for text in _texts(data.get(name))]
        subjects = tuple(dict.fromkeys(own)) or subjects
    told: dict[str, Any] = {}
    for name, inner in data.items():
        shape = record.shapes.get(name, record.other)
        where = f"{path}.{name}" if path else name
        own_classes = shape.own(classes)
        if isinstance(inner, dict | list):
            seen = _walk(held.get(name), inner, shape, where, own_classes, subjects, visit)
        else:
            seen = visit(Leaf(where, inner, own_classes, subjects, shape.form))
        if seen is not GONE:
            told[name] = seen
    return told


def _map(
    value: Any,
    data: Mapping[str, Any],
    shape: _Shape,
    path: str,
    classes: frozenset[Class],
    subjects: tuple[str, ...],
    visit: Visit,
) -> dict[str, Any]:
    live = list(value.values()) if isinstance(value, Mapping) and len(value) == len(data) else []
    key, item = shape.key or _NOTHING, shape.item or _NOTHING
    told: dict[str, Any] = {}
    for place, (name, inner) in enumerate(data.items()):
        shown = visit(Leaf(f"{path}{{key}}", name, key.own(classes), subjects, key.form))
        seen = _walk(
            live[place] if live else None,
            inner,
            item,
            f"{path}{{}}",
            item.own(classes),
            subjects,
            visit,
        )
        if shown is not GONE and seen is not GONE:
            told[shown if shown not in told else f"{shown} {place}"] = seen
    return told


def _texts(data: Any) -> list[str]:
    """Return the ids in a Subject field: one, or several where it is a list."""
    if isinstance(data, list):
        return [text for one in data for text in _texts(one)]
    return [] if data is None or data == "" or isinstance(data, dict) else [str(data)]


# -- what types say ----------------------------------------------------------------------------------


def _record_of(model: type[BaseModel]) -> _Record:
    """Return what a model says of its fields, computed ones too."""
    extra = classified(model)
    known = _known.get(model)
    if known is not None and known[0] is extra:  # `classify` may come after the first use
        return known[1]
    shapes = {
        name: _with(_of_field(info), frozenset(extra.get(name, ())))
        for name, info in model.model_fields.items()
    }
    for name, computed in model.model_computed_fields.items():
        shapes[name] = _shape(computed.return_type)
    made = _Record(shapes, renames=bool(model.__pydantic_decorators__.model_serializers))
    _known[model] = extra, made
    return made


_known: dict[type[BaseModel], tuple[Any, _Record]] = {}


@cache
def _of_dataclass(kind: type) -> _Record:
    return _Record({name: _shape(hint) for name, hint in _hints(kind).items()})


def _of_field(info: FieldInfo) -> _Shape:
    return _with(_shape(info.annotation), _marks(info.metadata))


def _marks(metadata: Any) -> frozenset[Class]:
    return frozenset(m for m in metadata if isinstance(m, Mark | Personal))


def _with(shape: _Shape, classes: frozenset[Class]) -> _Shape:
    if not classes:
        return shape
    return _Shape(shape.classes | classes, shape.forms, shape.item, shape.key, shape.fields)


def _shape(annotation: Any) -> _Shape:
    try:
        return _shape_of(annotation)
    except TypeError:  # cannot be looked up, as with a list among its metadata
        return _shape_of.__wrapped__(annotation)


@cache
def _shape_of(annotation: Any) -> _Shape:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [m for info in annotation.__metadata__ if isinstance(info, FieldInfo) for m in info.metadata]
        return _with(_shape(args[0]), _marks((*annotation.__metadata__, *inner)))
    for meant in ("__value__", "__supertype__"):  # a type alias, a NewType
        if hasattr(annotation, meant):
            return _shape(getattr(annotation, meant))
    if origin is Literal:
        return _Shape(forms=_CLOSED)
    if origin in (Union, types.UnionType):
        return _merged([_shape(a) for a in args if a is not types.NoneType])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _Shape(key=_shape(args[0]), item=_shape(args[1]))
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _Shape(item=_merged([_shape(a) for a in args if a is not Ellipsis]))
    return _of_class(annotation) if isinstance(annotation, type) else _NOTHING


def _of_class(kind: type) -> _Shape:
    if issubclass(kind, BaseModel):
        return _NOTHING
    if issubclass(kind, bool | Enum):
        return _Shape(forms=_CLOSED)
    if issubclass(kind, datetime | date):
        return _Shape(forms=_TIME)
    if issubclass(kind, int | float | Decimal | time | timedelta):
        return _Shape(forms=_OTHER)
    if hasattr(kind, "__total__"):
        hints = _hints(kind)
        return _Shape(fields=_Record({name: _shape(hint) for name, hint in hints.items()}))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = _hints(kind)
        return _Shape(item=_merged([_shape(hint) for hint in hints.values()]))
    return _Shape(forms=_TEXT)


def _hints(kind: type) -> Mapping[str, Any]:
    try:
        return get_type_hints(kind, include_extras=True)
    except NameError as exc:  # else a class could be lost without a word
        raise UsageError(
            f"the types of {kind.__name__} cannot be read: {exc}",
            next_step="define it, and what it names, at the top of a module",
        ) from None


def _merged(shapes: Sequence[_Shape]) -> _Shape:
    """Return what is true of one of several types: rather more classes than fewer."""
    items = [s.item for s in shapes if s.item is not None]
    keys = [s.key for s in shapes if s.key is not None]
    records = [s.fields.shapes for s in shapes if s.fields is not None]
    fields = {n: _merged([r[n] for r in records if n in r]) for r in records for n in r}
    return _Shape(
        classes=frozenset(c for s in shapes for c in s.classes),
        forms=frozenset(f for s in shapes for f in s.forms),
        item=_merged(items) if items else None,
        key=_merged(keys) if keys else None,
        fields=_Record(fields) if fields else None,
    )
