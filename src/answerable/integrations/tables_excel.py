"""Excel workbooks (.xlsx): one sheet, values as Excel last computed them."""

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from answerable.errors import InputError, UsageError, did_you_mean
from answerable.integrations.tables_core import BadRow, Row, Table, load, name_columns

_BATCH = 256  # sheet rows fetched at a time


def open_excel(path: Path, name: str, *, sheet: str | None) -> Table:
    """Read a sheet by name, or the one that was open when the workbook was saved.

    The first row with a value names the columns; empty cells are None; `line` is the sheet's row.
    Raises InputError if it is no workbook or has no header, UsageError if the sheet or openpyxl is missing.
    """
    excel = load("openpyxl", extra="excel", purpose="reading Excel")
    try:
        with warnings.catch_warnings():  # openpyxl warns about styles and validations, which no row has
            warnings.simplefilter("ignore")
            book = excel.load_workbook(path, read_only=True, data_only=True)
    except Exception as exc:  # whatever a broken zip or broken XML makes openpyxl raise
        raise _unreadable(name, exc) from exc
    try:
        page, notes = _sheet(book, name, sheet)
        rows = _sheet_rows(page, name)
        start, columns = _header(rows, name, notes)
    except BaseException:
        book.close()
        raise
    total = page.max_row - start if isinstance(page.max_row, int) and page.max_row >= start else None
    return Table(
        name=name,
        format="excel",
        columns=columns,
        rows=_rows(rows, columns),
        notes=notes,
        total=total,
        close=book.close,
    )


def _sheet(book: Any, name: str, wanted: str | None) -> tuple[Any, list[str]]:
    titles = [page.title for page in book.worksheets]
    if wanted is not None:
        if wanted not in titles:
            raise UsageError(f"{name} has no sheet {wanted!r}", next_step=did_you_mean(wanted, titles))
        return book[wanted], []
    page = book.active if book.active in book.worksheets else next(iter(book.worksheets), None)
    if page is None:
        raise InputError(f"{name} has no sheet with cells", next_step="give a workbook with a table in it")
    return page, [f"sheet {page.title!r} of {len(titles)}"] if len(titles) > 1 else []


def _sheet_rows(page: Any, name: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row number, cells) of every row that has a value; trailing empty cells are cut."""
    rows = enumerate(page.iter_rows(), start=1)
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                batch = list(islice(rows, _BATCH))
        except Exception as exc:  # as above: broken XML shows only when it is read
            raise _unreadable(name, exc) from exc
        if not batch:
            return
        for number, row in batch:
            cells = list(row)
            while cells and cells[-1].value is None:
                cells.pop()
            if cells:
                yield number, cells


def _header(
    rows: Iterator[tuple[int, list[Any]]], name: str, notes: list[str]
) -> tuple[int, tuple[str, ...]]:
    for number, cells in rows:
        names = ["" if cell.value is None else str(cell.value) for cell in cells]
        return number, name_columns(names, source=name, notes=notes)
    raise InputError(f"{name} has an empty sheet", next_step="name the columns in the first row of the sheet")


def _rows(rows: Iterator[tuple[int, list[Any]]], columns: tuple[str, ...]) -> Iterator[Row | BadRow]:
    for number, cells in rows:
        wrong = next((cell for cell in cells if cell.data_type == "e"), None)
        if wrong is not None:
            yield BadRow(line=number, error=f"cell {wrong.coordinate} holds an Excel error such as #N/A")
        elif len(cells) > len(columns):
            yield BadRow(line=number, error=f"{len(cells)} cells, but the header names {len(columns)}")
        else:
            given = [cell.value for cell in cells]
            given += [None] * (len(columns) - len(given))
            yield Row(line=number, values=dict(zip(columns, given, strict=True)))


def _unreadable(name: str, exc: Exception) -> InputError:
    return InputError(
        f"{name} is not a workbook that can be read ({type(exc).__name__})",
        next_step="open it in Excel and save it as .xlsx or CSV; a password must be removed first",
    )
