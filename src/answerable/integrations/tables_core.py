"""What every table reader gives: rows, bad rows, and the opened `Table` that yields them in order."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from itertools import islice
from types import TracebackType
from typing import Any

from answerable.errors import InputError, UsageError

CELL_LIMIT = 16 * 2**20  # characters in one cell; a longer one could not be recorded
ROW_LIMIT = 64 * 2**20  # characters in one row (each of its lines counts 48 more), bytes in a line


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row that could be read.

    line: where it starts. Text files: the physical line, from 1, the header counted. Excel: the sheet's row.
    Parquet and SQL: the row's number, from 1.
    values: column to value; text files other than JSON give `str` or None.
    """

    line: int
    values: dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """One row that could not be read; `error` says why in one line and never shows a cell's content."""

    line: int
    error: str


class Table:
    """An opened source of rows: a context manager that is iterated once.

    name: what to call it in messages, without passwords. format: csv, jsonl, json, parquet, excel or sql.
    columns: the names in order; () for JSON, whose rows name their own.
    total: how many rows to expect, or None; exact for Parquet and JSON lists, about right for text files
    (line breaks inside cells and empty lines count), so use it for progress only.
    """

    def __init__(
        self,
        *,
        name: str,
        format: str,
        columns: Sequence[str],
        rows: Iterator[Row | BadRow],
        notes: list[str],
        total: int | None,
        close: Callable[[], None],
    ) -> None:
        self.name = name
        self.format = format
        self.columns = tuple(columns)
        self.total = total
        self._rows = rows
        self._notes = notes
        self._close = close
        self._used = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was detected and a person should know; it may grow until the last row is read."""
        return tuple(self._notes)

    def limited(self, limit: int) -> "Table":
        """Stop after `limit` rows, good and bad ones counted; return this table."""
        self._rows = islice(self._rows, limit)
        self.total = None if self.total is None else min(self.total, limit)
        return self

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Yield each row in order; raises InputError if the source breaks, UsageError the second time."""
        if self._used:
            raise UsageError(f"{self.name} was already read or closed", next_step="open the table again")
        self._used = True
        return self._read()

    def _read(self) -> Iterator[Row | BadRow]:
        try:
            yield from self._rows
        except (OSError, EOFError, zlib.error) as exc:
            raise broken(self.name, exc) from exc
        finally:
            self._close()

    def close(self) -> None:
        """Let go of the file or connection; closing twice is fine."""
        self._used = True
        self._close()

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def broken(name: str, exc: Exception) -> InputError:
    """Return the error for a source that cannot be read (further), from the system's own words."""
    said = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
    return InputError(f"cannot read {name}: {said}", next_step="check that the file is complete and readable")


def near_names(name: str, there: Iterable[str]) -> list[str]:
    """Return the file name that `name` was probably meant to be, or none: a far one only misleads."""
    return get_close_matches(name, list(there), n=1, cutoff=0.8)


def load(module: str, *, extra: str, purpose: str) -> Any:
    """Import a package of an extra on first use, or say which pip command installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or module.split(".")[0] != exc.name.split(".")[0]:
            raise
        raise UsageError(
            f"{purpose} needs the package {module.split('.')[0]!r}, which is not installed",
            next_step=f'pip install "answerable[{extra}]"',
        ) from exc


def name_columns(cells: Sequence[str], *, source: str, notes: list[str]) -> tuple[str, ...]:
    """Return trimmed column names; a nameless column N becomes `column_N` and is noted.

    Raises InputError when a name is given twice.
    """
    names = []
    for place, cell in enumerate(cells, start=1):
        names.append(cell.strip() or f"column_{place}")
        if not cell.strip():
            notes.append(f"column {place} has no name and is called column_{place}")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(
            f"{source} names these columns more than once: {', '.join(map(repr, twice))}",
            next_step="give every column its own name",
        )
    return tuple(names)
