"""Holds what a source gave against its contract: each row becomes a model, or is left out and counted."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from answerable.decisions.fields import Field, field_adapter
from answerable.decisions.reading import problems
from answerable.encoding import encode, plain
from answerable.errors import InputError, UsageError
from answerable.failures.fault import Fault, Faulted
from answerable.governance.read import Unreadable
from answerable.governance.row_filter import matches
from answerable.governance.rows import EVERY, Rows
from answerable.governance.source import Source

SAMPLE = 20  # broken rows of which a record tells
_EACH = 256  # rows between two looks at the time


@dataclass(slots=True)
class Kept:
    """What stands of a read. models: masked, as given. rows: the same as plain data."""

    models: list[Any] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[str, None] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)
    quarantined: int = 0
    cut: bool = False
    oldest: datetime | None = None
    timeless: bool = False  # a row without a time


def collect(
    source: Source[Any],
    given: Iterable[Any],
    *,
    masked: tuple[str, ...],
    rows: Rows,
    params: Mapping[str, Any],
    late: Any,
) -> Kept:
    """Return the rows that hold the contract and may be seen, at most the source's limit.

    rows, params: what is left to apply here. late: () -> None, raises when there is no time left.
    """
    kept = Kept()
    for number, raw in enumerate(given, start=1):
        if number % _EACH == 0:
            late()
        made = _model(source, raw)
        if isinstance(made, str):
            kept.quarantined += 1
            if len(kept.broken) < SAMPLE and rows == EVERY:  # of a row nobody may see, nothing is told
                kept.broken.append({**_place(source, raw, number), "problem": made})
            continue
        model, data = made
        if not (all(getattr(model, n) == v for n, v in params.items()) and matches(rows, data)):
            continue
        if len(kept.models) == source.limit:
            kept.cut = True
            break
        _age(source, model, kept)
        kept.subjects |= dict.fromkeys(_subjects(source.columns, data))
        kept.models.append(model.model_copy(update=dict.fromkeys(masked)) if masked else model)
        kept.rows.append({name: None if name in masked else value for name, value in data.items()})
    return kept


def column_values(source: Source[Any], params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return conditions column = value as the columns' types have it; None: no row can have such a value."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        if value is None:
            found[name] = None
            continue
        try:
            found[name] = field_adapter(source.row, name).validate_python(value, strict=False)
        except ValidationError:
            return None
    return found


def known_columns(source: Source[Any], params: Mapping[str, Any]) -> None:
    """Raise UsageError for a parameter that is no column, or whose value a column cannot be compared with."""
    for name, value in params.items():
        source.column(name, "case.read")
        if not isinstance(
            value, str | int | float | bool | Decimal | date | time | UUID | bytes | Enum | None
        ):
            raise UsageError(
                f"case.read compares {name} of {source.name} with a {type(value).__name__}",
                next_step="give one value, such as a text or a number",
            )


def failed(source: Source[Any], why: str, code: str) -> Faulted:
    """Return the fault of a source that could not be read. why: without a password and without a value."""
    return Faulted(Fault(category="source", reason=f"{source.name}: {why}", code=code))


def _model(source: Source[Any], raw: Any) -> tuple[BaseModel, dict[str, Any]] | str:
    """Return a row as its model and as plain data, or the rule it breaks, without a value."""
    if isinstance(raw, Unreadable):
        return raw.problem
    if isinstance(raw, BaseModel):
        raw = raw.model_dump()
    if not isinstance(raw, Mapping):
        return f"it is a {type(raw).__name__}, no mapping of column to value"
    try:
        model = source.row.model_validate(dict(raw), strict=False, by_alias=True, by_name=True)
        data = {name: plain(getattr(model, name)) for name in source.row.model_fields}
        encode(data)
    except ValidationError as exc:
        return problems(exc, source.row)
    except InputError:
        return "a value in it has no form that a record can hold"
    except Exception as exc:  # user code: a validator may raise anything, and its text may hold the value
        return f"reading it raised {type(exc).__name__}"
    return model, data


def _place(source: Source[Any], raw: Any, number: int) -> dict[str, Any]:
    """Return by what a broken row is found: its keys where they can be stored, else its place."""
    if isinstance(raw, Unreadable):
        return {"place": raw.place}
    place: dict[str, Any] = {"place": f"row {number}"}
    if isinstance(raw, BaseModel):
        raw = raw.model_dump()
    if isinstance(raw, Mapping) and source.key_columns:
        keys = {n: raw.get(source.stored_as[n], raw.get(n)) for n in source.key_columns}
        try:
            if len(encode(keys)) <= 1_000:
                place["key"] = plain(keys)
        except InputError:
            return place
    return place


def _subjects(columns: Iterable[Field], data: Any) -> Iterator[str]:
    """Yield the persons that a row is about, also those within it."""
    for described in columns:
        name = described.path.rpartition(".")[2]
        for one in data if isinstance(data, list) else [data]:
            if not isinstance(one, Mapping) or (value := one.get(name)) is None:
                continue
            if "Subject" in described.classes:
                yield from map(str, value if isinstance(value, list) else [value])
            elif described.fields:
                yield from _subjects(described.fields, value)


def _age(source: Source[Any], model: BaseModel, kept: Kept) -> None:
    """Take in the time of a row, where a column tells it; the oldest counts."""
    if not isinstance(source.as_of, str):
        return
    at = moment_of(getattr(model, source.as_of))
    if at is None:
        kept.timeless = True
    elif kept.oldest is None or at < kept.oldest:
        kept.oldest = at


def moment_of(value: Any) -> datetime | None:
    """Return a time in UTC, which is taken for UTC where it says nothing else; None for what is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
