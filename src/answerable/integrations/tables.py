"""Cases in, results out: open a file, standard input or database as rows, and write rows to a file."""

import re
import sys
from pathlib import Path
from typing import BinaryIO

from answerable.errors import InputError, UsageError
from answerable.integrations.tables_core import BadRow, Row, Table, broken, near_names
from answerable.integrations.tables_csv import open_csv
from answerable.integrations.tables_excel import open_excel
from answerable.integrations.tables_json import open_json
from answerable.integrations.tables_parquet import open_parquet
from answerable.integrations.tables_sql import masked, open_sql
from answerable.integrations.tables_text import TextSource, open_text
from answerable.integrations.tables_write import Writer, open_writer

__all__ = ["BadRow", "Row", "Table", "Writer", "open_table", "open_writer"]

_URL = re.compile(r"[A-Za-z][\w+.-]*://")
_TEXT = {".csv": ",", ".tsv": "\t", ".txt": ","}  # suffix -> the delimiter that needs no note
_JSON = (".jsonl", ".ndjson", ".json")


def open_table(source: str | Path, *, query: str | None = None, limit: int | None = None) -> Table:
    """Open cases or results for reading; use it as a context manager and iterate once.

    source: a file .csv, .tsv, .txt, .jsonl, .ndjson, .json (each also with .gz), .parquet or .xlsx; a
    database URL such as sqlite:///FILE; or "-" for CSV or JSON on standard input. A file that ends in
    `.partial` is read as what it will become.
    query: for a database a SELECT or a table's name, for a workbook a sheet's name, else not allowed.
    limit: read at most this many rows, bad rows counted.

    Memory stays constant, whatever the size (a JSON list is read whole, up to 64 MiB). A row that cannot be
    read is a BadRow; the next good row still comes. Limits: 16 MiB a cell, 64 MiB a row.
    CSV: every cell is text as written, an empty cell is None, `""` is the empty text; the delimiter and the
    encoding are detected and said in `notes`; rows without any value are left out.
    Raises InputError if the source cannot be read, UsageError if the call is wrong or an extra is missing.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"limit is {limit}", next_step="give 0 or more rows")
    table = _open(source, query)
    return table if limit is None else table.limited(limit)


def _open(source: str | Path, query: str | None) -> Table:
    if isinstance(source, str) and _URL.match(source):
        return open_sql(source, query=query)
    path = Path(source)
    suffix = "".join(path.suffixes[-3:]).lower().removesuffix(".partial")
    kind = Path(f"x{suffix.removesuffix('.gz')}").suffix
    if query is not None and not (kind == ".xlsx" and source != "-"):
        raise UsageError(
            f"a query needs a database, {str(source)!r} is a file",
            next_step="leave the query out, or give a URL such as sqlite:///FILE",
        )
    if source == "-":
        return _open_stdin()
    _check_file(path)
    zipped = suffix.endswith(".gz")
    if kind in _TEXT or kind in _JSON:
        text = open_text(path, str(path), fallback=kind in _TEXT)
        return _parse(text, kind)
    if kind == ".parquet" and not zipped:
        return open_parquet(path, str(path))
    if kind == ".xlsx" and not zipped:
        return open_excel(path, str(path), sheet=query)
    raise InputError(
        f"{masked(str(source))!r} has no known kind: the name ends in {suffix or 'nothing'!r}",
        next_step="give .csv, .tsv, .txt, .jsonl, .ndjson, .json (also with .gz), .parquet or .xlsx",
    )


def _parse(text: TextSource, kind: str) -> Table:
    try:
        return open_json(text) if kind in _JSON else open_csv(text, usual=_TEXT[kind])
    except OSError as exc:
        text.close()
        raise broken(text.name, exc) from exc
    except BaseException:
        text.close()
        raise


def _open_stdin() -> Table:
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise InputError("there is no standard input", next_step="name a file instead of -")
    try:
        text = TextSource("standard input", stream, fallback=None)
    except OSError as exc:
        raise broken("standard input", exc) from exc
    return _parse(text, ".jsonl" if text.looks_json else ".csv")


def _check_file(path: Path) -> None:
    near: list[str] = []
    try:
        if path.is_dir():
            raise InputError(f"{str(path)!r} is a directory", next_step="name one file in it")
        if path.exists():
            return
        if path.parent.is_dir():
            near = near_names(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError as exc:  # a folder that may not be entered, a name that is too long
        raise broken(str(path), exc) from exc
    raise InputError(
        f"no file {str(path)!r}",
        next_step=f"did you mean {str(path.parent / near[0])!r}?" if near else "check the path",
    )
