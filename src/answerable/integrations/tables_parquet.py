"""Parquet files read batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answerable.errors import InputError
from answerable.integrations.tables_core import BadRow, Row, Table, broken, load, name_columns

_BATCH = 1_024  # rows turned into Python values at a time


def open_parquet(path: Path, name: str) -> Table:
    """Read `path`; values keep their types, NaN stays NaN, `line` is the row's number from 1.

    Raises InputError if it is not a Parquet file, UsageError if pyarrow is missing.
    """
    arrow = load("pyarrow", extra="lake", purpose="reading Parquet")
    parquet = load("pyarrow.parquet", extra="lake", purpose="reading Parquet")
    try:
        file = parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as exc:
        raise _unreadable(name, exc) from exc
    try:
        notes: list[str] = []
        columns = name_columns(file.schema_arrow.names, source=name, notes=notes)
        fine = [
            columns[place]
            for place, kind in enumerate(file.schema_arrow.types)
            if getattr(kind, "unit", None) == "ns"
        ]
        notes.extend(f"column {column!r} has nanoseconds and is read to the microsecond" for column in fine)
        total = file.metadata.num_rows
    except BaseException:
        file.close()
        raise
    return Table(
        name=name,
        format="parquet",
        columns=columns,
        rows=_rows(file, columns, arrow, name),
        notes=notes,
        total=total,
        close=file.close,
    )


def _rows(file: Any, columns: tuple[str, ...], arrow: Any, name: str) -> Iterator[Row | BadRow]:
    line = 0
    batches = file.iter_batches(batch_size=_BATCH)
    while True:
        try:
            batch = next(batches, None)
        except (arrow.ArrowException, OSError) as exc:
            raise _unreadable(name, exc) from exc
        if batch is None:
            return
        coarse = arrow.RecordBatch.from_arrays(
            [_to_microseconds(array, arrow) for array in batch.columns], names=list(columns)
        )
        try:
            found: list[dict[str, object] | str] = list(coarse.to_pylist())
        except (ValueError, OverflowError, arrow.ArrowException):
            found = [_one(coarse, place, arrow) for place in range(coarse.num_rows)]
        for values in found:
            line += 1
            if isinstance(values, str):
                yield BadRow(line=line, error=values)
            else:
                yield Row(line=line, values=values)


def _one(batch: Any, place: int, arrow: Any) -> dict[str, object] | str:
    values: dict[str, object] = {}
    for column, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            values[column] = array[place].as_py()
        except (ValueError, OverflowError, arrow.ArrowException):
            return f"column {column!r} holds a {array.type} that Python cannot represent"
    return values


def _to_microseconds(array: Any, arrow: Any) -> Any:
    # Python's times end at microseconds; pyarrow would refuse each value that has more.
    kind = array.type
    if getattr(kind, "unit", None) != "ns":
        return array
    if arrow.types.is_timestamp(kind):
        return array.cast(arrow.timestamp("us", tz=kind.tz), safe=False)
    coarse = arrow.duration("us") if arrow.types.is_duration(kind) else arrow.time64("us")
    return array.cast(coarse, safe=False)


def _unreadable(name: str, exc: Exception) -> InputError:
    if isinstance(exc, OSError) and exc.strerror:
        return broken(name, exc)
    said = (str(exc).splitlines() or [type(exc).__name__])[0]
    return InputError(
        f"{name} is not a Parquet file that can be read: {said}",
        next_step="check that the file is complete; a file being written cannot be read yet",
    )
