"""CSV as people have it: any usual delimiter and encoding, exact line numbers, bad rows that stop nobody.

Cells are text and stay as written (`0012`). An empty cell is None, a quoted empty cell (`""`) the empty text.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator

from answerable.errors import InputError
from answerable.integrations.tables_core import CELL_LIMIT, ROW_LIMIT, BadRow, Row, Table, name_columns
from answerable.integrations.tables_text import BadLine, TextSource

_NAMES = {",": "comma", ";": ";", "\t": "tab", "|": "|", " ": "space"}
_LINE_COST = 48  # what Python needs to hold a line, on top of its characters
_SAMPLE = 50  # records looked at for the delimiter
_SEP = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


class _TooLong(Exception):
    """A row went past ROW_LIMIT: most often a quote that is never closed."""


class _Feed:
    """Hands physical lines to the csv module and keeps the current row's, to count and to step back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.line = 0  # lines handed out and not taken back
        self.row: list[str] = []
        self.flaw: str | None = None
        self._fresh = lines
        self._again: deque[str] = deque()
        self.size = 0  # of the current row
        self._credit = 2 * ROW_LIMIT

    def begin(self) -> int:
        """Start a row; return its line."""
        self.row.clear()
        self.flaw = None
        self._credit += self.size
        self.size = 0
        return self.line + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._fresh)
        self.line += 1
        self.row.append(line)
        self.size += len(line) + _LINE_COST
        if line.__class__ is not str and isinstance(line, BadLine) and self.flaw is None:
            self.flaw = line.why
        if self.size > ROW_LIMIT and len(self.row) > 1:
            raise _TooLong
        return line

    def step_back(self) -> int:
        """After a broken row, go on right behind its first line; return the last line that is given up.

        Reading lines again costs credit, earned by reading on: hostile quotes cannot make it quadratic.
        """
        self._credit -= self.size
        self.size = 0
        if self._credit >= 0:
            self._again.extendleft(reversed(self.row[1:]))
            self.line -= len(self.row) - 1
        return self.line


def open_csv(source: TextSource, *, usual: str) -> Table:
    """Read `source` as CSV; `usual` is the delimiter that needs no note.

    Raises InputError if there is no header, or it is broken or names a column twice.
    """
    # The limit is one for the whole process; only ever raise it, other users may have raised it too.
    csv.field_size_limit(max(csv.field_size_limit(), ROW_LIMIT + 1))
    feed = _Feed(source.lines())
    told = _SEP.match(source.head_text())
    if told:
        next(feed)
        delimiter = told[1]
    else:
        delimiter = sniff(source.head_text(), whole=source.whole, usual=usual)
    if delimiter != usual:
        source.notes.append(f"delimiter {_NAMES.get(delimiter, delimiter)}")
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    columns = name_columns(_header(source.name, feed, reader), source=source.name, notes=source.notes)
    total = None if source.lines_total is None else max(0, source.lines_total - feed.line)
    return Table(
        name=source.name,
        format="csv",
        columns=columns,
        rows=_rows(feed, reader, columns, delimiter, source.notes),
        notes=source.notes,
        total=total,
        close=source.close,
    )


def sniff(text: str, *, whole: bool, usual: str) -> str:
    """Return the delimiter of the first lines `text`: the one that cuts most rows like the header.

    whole: `text` is not cut off at its end. Ties go to more columns, then to `usual`.
    """
    best = (0.0, 0, False)
    chosen = usual
    for delimiter in (usual, ",", ";", "\t", "|"):
        widths = _widths(text, delimiter, whole=whole)
        if not widths or widths[0] < 2:
            continue
        alike = sum(width == widths[0] for width in widths) / len(widths)
        score = (alike, widths[0], delimiter == usual)
        if score > best:
            best, chosen = score, delimiter
    return chosen


def _widths(text: str, delimiter: str, *, whole: bool) -> list[int]:
    widths: list[int] = []
    reader = csv.reader(re.split(r"(?<=\n)|(?<=\r)(?!\n)", text), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cells):
                widths.append(len(cells))
            if len(widths) > _SAMPLE:
                return widths
    except csv.Error:
        return widths
    return widths if whole or len(widths) < 2 else widths[:-1]


def _header(name: str, feed: _Feed, reader: Iterator[list[str]]) -> list[str]:
    while True:
        start = feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            raise InputError(
                f"{name} is empty", next_step="give a file whose first line names the columns"
            ) from None
        except (csv.Error, _TooLong) as exc:
            raise InputError(
                f"{name}: line {start}, the header, cannot be read: {_said(exc)}",
                next_step="check the quotes of the first line",
            ) from exc
        if feed.flaw:
            raise InputError(
                f"{name}: line {start}, the header, {feed.flaw}",
                next_step="save the file as CSV in UTF-8; it may be another kind of file",
            )
        if any(cell.strip() for cell in cells):
            return cells


def _rows(
    feed: _Feed, reader: Iterator[list[str]], columns: tuple[str, ...], delimiter: str, notes: list[str]
) -> Iterator[Row | BadRow]:
    width = len(columns)
    quoted = _quoted_cell(delimiter)
    hollow = 0
    while True:
        start = feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except (csv.Error, _TooLong) as exc:
            last = feed.step_back()
            lost = f"; lines {start} to {last} are left out" if last > start else ""
            yield BadRow(line=start, error=_said(exc) + lost)
            continue
        if len(cells) != width or feed.flaw or (feed.size > CELL_LIMIT and _oversize(cells)):
            if feed.flaw or any(cell.strip() for cell in cells):
                yield BadRow(line=start, error=_fault(feed.flaw, cells, width))
            else:
                hollow += len(cells) > 1
            continue
        values: dict[str, object] = dict(zip(columns, cells, strict=True))
        if "" in cells:
            raw = "".join(feed.row)
            for column in _missing(columns, cells, raw, quoted):
                values[column] = None
            if not any(value is not None for value in values.values()):
                hollow += 1
                continue
        yield Row(line=start, values=values)
    if hollow:
        notes.append(f"rows without any value left out: {hollow}")


def _oversize(cells: list[str]) -> bool:
    return any(len(cell) > CELL_LIMIT for cell in cells)


def _fault(flaw: str | None, cells: list[str], width: int) -> str:
    if flaw:
        return flaw
    if len(cells) != width:
        return f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}, but the header names {width}"
    return f"a cell is longer than {CELL_LIMIT // 2**20} MiB"


def _said(exc: Exception) -> str:
    text = str(exc)
    if isinstance(exc, _TooLong) or "field larger" in text:
        return f"longer than {ROW_LIMIT // 2**20} MiB; perhaps a quote is never closed"
    if "unexpected end of data" in text:
        return "a quoted cell is never closed"
    if "expected after" in text:
        return "a quote inside a quoted cell is not doubled"
    return text


def _quoted_cell(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    return re.compile(rf'(?:("(?:[^"]++|"")*+")|[^{mark}]*+)(?:{mark}|$)')


def _missing(columns: tuple[str, ...], cells: list[str], raw: str, quoted: re.Pattern[str]) -> Iterator[str]:
    """Yield the columns whose cell is empty and not quoted; the csv module alone cannot tell."""
    if '""' not in raw:
        yield from (column for column, cell in zip(columns, cells, strict=True) if not cell)
        return
    found = quoted.finditer(raw.rstrip("\r\n"))
    for column, cell, match in zip(columns, cells, found, strict=False):
        if not cell and match[1] is None:
            yield column
