"""Results to CSV, JSON Lines or Parquet: a file under its real name is always a finished one."""

import base64
import datetime as dt
import enum
import json
import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from answerable.errors import InputError, UsageError
from answerable.integrations.tables_core import broken, load

_GROUP = 8_192  # rows in a Parquet row group
_QUOTED = re.compile(r'[,"\r\n;\t]|^ | $|^$')  # more than CSV asks for: what other readers trip over
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Sink(Protocol):
    kept: int

    def write(self, row: Mapping[str, object]) -> None: ...

    def close(self, *, complete: bool) -> None: ...


class Writer:
    """Writes rows to `path.partial` and gives it its real name when the block ends without an error.

    After an error or a crash the `.partial` file stays, and `append=True` goes on with it.
    kept: rows that were there already.
    """

    def __init__(self, path: Path, sink: _Sink) -> None:
        self.path = path
        self.kept = sink.kept
        self._sink = sink
        self._open = True

    def write(self, row: Mapping[str, object]) -> None:
        """Add one row; a missing column is empty. A row that is refused is not written in part.

        Raises InputError for a value the format cannot hold, UsageError for an unknown column.
        """
        if not self._open:
            raise UsageError(f"{self.path} is already closed", next_step="write inside the `with` block")
        try:
            self._sink.write(row)
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc

    def close(self, *, complete: bool = True) -> None:
        """Finish the file; with complete=False only let go of it, so that `.partial` stays."""
        if not self._open:
            return
        self._open = False
        try:
            self._sink.close(complete=complete)
            if complete:
                os.replace(partial_of(self.path), self.path)
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)


def partial_of(path: Path) -> Path:
    """Return where the rows stand until the file is finished."""
    return path.with_name(path.name + ".partial")


def open_writer(path: str | Path, columns: Sequence[str] | None = None, *, append: bool = False) -> Writer:
    """Open `path` (.csv, .jsonl, .ndjson or .parquet) for writing.

    columns: the order of the columns; None takes the first row's (Parquet: every row's).
    append: go on after the rows of an unfinished `.partial`, or else of the file itself; a half-written last
    line is dropped. Not for Parquet, which checks types a group of rows at a time and at the end.
    CSV is UTF-8 with commas; text starting with = + - @ tab or CR gets a leading apostrophe, so that no
    spreadsheet runs it; numbers stay. None is an empty cell, the empty text is `""`.
    Raises UsageError for another suffix or other columns, InputError when the place cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".jsonl", ".ndjson", ".parquet"):
        raise UsageError(
            f"cannot write {str(target)!r}: the format follows the name's end",
            next_step="end the name in .csv, .jsonl or .parquet",
        )
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a directory", next_step="name a file in it")
    names = None if columns is None else tuple(columns)
    if names is not None and len(set(names)) < len(names):
        raise UsageError(f"a column is named twice in {list(names)}", next_step="name each column once")
    partial = partial_of(target)
    try:
        if suffix == ".parquet":
            if append:
                raise UsageError("Parquet cannot be appended to", next_step="write .csv or .jsonl to resume")
            return Writer(target, _ParquetSink(partial, names))
        if append and target.exists() and not partial.exists():
            shutil.copyfile(target, partial)
        sink = _CsvSink(partial, names, append) if suffix == ".csv" else _JsonSink(partial, names, append)
        return Writer(target, sink)
    except OSError as exc:
        raise _unwritable(target, exc) from exc


class _CsvSink:
    def __init__(self, partial: Path, columns: tuple[str, ...] | None, append: bool) -> None:
        self._columns = columns
        self._file, records = _open_lines(partial, append, quotes=True)
        self.kept = max(0, records - 1)
        if records:
            self._continue(partial)
        elif columns is not None:
            self._header(columns)

    def write(self, row: Mapping[str, object]) -> None:
        first = self._columns is None
        columns = tuple(row) if self._columns is None else self._columns
        _known(row, columns)
        cells = [_cell(row.get(column), column) for column in columns]
        line = _csv_line(cells)
        if first:
            self._header(columns)
        self._file.write(line)

    def close(self, *, complete: bool) -> None:
        _finish(self._file, complete)

    def _header(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._file.write(_csv_line([_cell(column, "the header") for column in columns]))

    def _continue(self, partial: Path) -> None:
        import csv

        with partial.open(encoding="utf-8", newline="") as text:
            header = tuple(next(csv.reader(text), ()))
        wanted = self._columns
        if wanted is not None and header != tuple(_neutral(name) for name in wanted):
            self._file.close()
            raise UsageError(
                f"{str(partial)!r} has other columns: {list(header)}",
                next_step="write to another file, or delete the unfinished one",
            )
        self._columns = wanted or header


class _JsonSink:
    def __init__(self, partial: Path, columns: tuple[str, ...] | None, append: bool) -> None:
        self._columns = columns
        self._file, self.kept = _open_lines(partial, append, quotes=False)

    def write(self, row: Mapping[str, object]) -> None:
        if self._columns is not None:
            _known(row, self._columns)
            row = {column: row.get(column) for column in self._columns}
        self._file.write(_json(dict(row), "the row") + b"\n")

    def close(self, *, complete: bool) -> None:
        _finish(self._file, complete)


class _ParquetSink:
    kept = 0

    def __init__(self, partial: Path, columns: tuple[str, ...] | None) -> None:
        self._arrow = load("pyarrow", extra="lake", purpose="writing Parquet")
        self._parquet = load("pyarrow.parquet", extra="lake", purpose="writing Parquet")
        self._path = partial
        self._fixed = columns is not None
        self._columns = list(columns or ())
        self._rows: list[dict[str, object]] = []
        self._schema: Any = None
        self._writer: Any = None
        partial.open("wb").close()  # a place that cannot be written shows before the work, not after

    def write(self, row: Mapping[str, object]) -> None:
        if self._fixed:
            _known(row, self._columns)
        else:
            self._columns += [column for column in row if column not in self._columns]
        self._rows.append({key: _plain(value) for key, value in row.items()})
        if len(self._rows) >= _GROUP:
            self._flush()

    def close(self, *, complete: bool) -> None:
        try:
            if complete or self._rows:
                self._flush()
        finally:
            if self._writer is not None:
                self._writer.close()
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())

    def _flush(self) -> None:
        table = self._table(self._rows)
        if self._writer is None:
            self._schema = table.schema
            self._writer = self._start(self._schema)
        elif table.schema != self._schema:
            self._widen(table.schema)
        try:
            self._writer.write_table(table.select(self._schema.names).cast(self._schema))
        except self._arrow.ArrowException as exc:
            raise _mixed(str(exc).splitlines()[0]) from exc
        self._rows.clear()

    def _start(self, schema: Any) -> Any:
        try:
            return self._parquet.ParquetWriter(self._path, schema, compression="zstd")
        except self._arrow.ArrowException as exc:
            raise _mixed(str(exc).splitlines()[0]) from exc

    def _table(self, rows: list[dict[str, object]]) -> Any:
        arrays = []
        for column in self._columns:
            try:
                arrays.append(self._arrow.array([row.get(column) for row in rows]))
            except (self._arrow.ArrowException, TypeError, ValueError, OverflowError) as exc:
                raise _mixed(column) from exc
        return self._arrow.Table.from_arrays(arrays, names=self._columns)

    def _widen(self, schema: Any) -> None:
        """Rewrite what is there when a later group brings a column or a type that the first did not have."""
        try:
            wide = self._arrow.unify_schemas([self._schema, schema], promote_options="permissive")
        except self._arrow.ArrowException as exc:
            raise _mixed(str(exc).splitlines()[0]) from exc
        if wide == self._schema:
            return
        self._writer.close()
        old = self._path.with_name(self._path.name + ".narrow")
        os.replace(self._path, old)
        self._writer = self._start(wide)
        with self._parquet.ParquetFile(old) as file:
            for place in range(file.num_row_groups):
                self._writer.write_table(self._fit(file.read_row_group(place), wide))
        old.unlink()
        self._schema = wide

    def _fit(self, table: Any, wide: Any) -> Any:
        for field in wide:
            if field.name not in table.schema.names:
                table = table.append_column(field, self._arrow.nulls(table.num_rows, field.type))
        return table.select(wide.names).cast(wide)


def _mixed(what: str) -> InputError:
    return InputError(
        f"Parquet needs one type a column, this is mixed or empty: {what!r}",
        next_step="write .jsonl, which keeps every value as it is",
    )


def _open_lines(partial: Path, append: bool, *, quotes: bool) -> tuple[BinaryIO, int]:
    """Open for writing; when appending, cut a torn last record off and count the whole ones."""
    if not append or not partial.exists():
        return partial.open("wb"), 0
    end = at = records = 0
    inside = False
    with partial.open("rb") as lines:
        for line in lines:
            at += len(line)
            inside ^= quotes and line.count(b'"') % 2 == 1
            if line.endswith(b"\n") and not inside:
                end, records = at, records + 1
    file = partial.open("rb+")
    file.truncate(end)
    file.seek(end)
    return file, records


def _finish(file: BinaryIO, complete: bool) -> None:
    try:
        file.flush()
        if complete:
            os.fsync(file.fileno())
    finally:
        file.close()


def _known(row: Mapping[str, object], columns: Sequence[str]) -> None:
    unknown = [column for column in row if column not in columns]
    if unknown:
        raise UsageError(
            f"the row has columns that the file has not: {', '.join(map(repr, unknown))}",
            next_step=f"write only {', '.join(map(repr, columns))}, or name all columns when opening",
        )


def _csv_line(cells: Sequence[str]) -> bytes:
    # A lone empty cell would be a blank line, which readers skip.
    line = ",".join(cells) if cells != [""] else '""'
    return _utf8(line + "\n", "the row")


def _cell(value: object, column: str) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        text = _neutral(plain)
    elif isinstance(plain, bool):
        text = "true" if plain else "false"
    elif isinstance(plain, float):
        if not math.isfinite(plain):
            raise InputError(f"{column!r} is {plain}", next_step="write None for a missing number")
        text = float.__repr__(plain)  # a subclass such as numpy's may show itself otherwise
    elif isinstance(plain, (int, Decimal, dt.date, dt.time, dt.timedelta)):
        text = plain.isoformat() if isinstance(plain, (dt.date, dt.time)) else str(plain)
    elif isinstance(plain, bytes):
        text = base64.b64encode(plain).decode()
    else:
        text = _json(plain, column).decode()
    if _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _neutral(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _plain(value: object) -> object:
    """Return an enum's value and a UUID's text; other values as they are."""
    if value.__class__ is str:
        return value
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, UUID) else value


def _json(value: object, what: str) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except (ValueError, TypeError, RecursionError) as exc:
        raise InputError(
            f"{what} cannot be written as JSON: {exc}",
            next_step="write texts, finite numbers, lists and objects",
        ) from exc
    return _utf8(text, what)


def _jsonable(value: object) -> object:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (Decimal, UUID, dt.timedelta)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value, key=repr)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_jsonable)


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InputError(
            f"{what} holds half a character (a lone surrogate)", next_step="clean the text before writing it"
        ) from exc


def _unwritable(path: Path, exc: OSError) -> InputError:
    error = broken(repr(str(path)), exc)
    return InputError(
        error.what.replace("cannot read", "cannot write", 1),
        next_step="check that the folder exists, may be written and has space",
    )
