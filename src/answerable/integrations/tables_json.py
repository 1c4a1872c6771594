"""JSON Lines and JSON lists of objects, read strictly: what the ledger could not keep is a bad row."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from answerable.errors import InputError
from answerable.integrations.tables_core import BadRow, Row, Table
from answerable.integrations.tables_text import BadLine, TextSource

LIST_LIMIT = 64 * 2**20  # bytes of a .json list, which is read whole
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


class _Refused(ValueError):
    """Valid JSON that we do not take; the message says why."""


def open_json(source: TextSource) -> Table:
    """Read one object a line, or a list of objects where the text starts with `[`.

    Raises InputError for a list that is not valid JSON or larger than 64 MiB.
    """
    start = source.head.lstrip(b" \t\r\n")
    if start.startswith(b"["):
        return _open_list(source)
    if start.startswith(b"{") and source.name.lower().removesuffix(".gz").endswith(".json"):
        _refuse_one_object(source, start)
        source.notes.append("one object a line")
    return Table(
        name=source.name,
        format="jsonl",
        columns=(),
        rows=_rows(source.lines()),
        notes=source.notes,
        total=source.lines_total,
        close=source.close,
    )


def _rows(lines: Iterator[str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, start=1):
        if isinstance(line, BadLine):
            yield BadRow(line=number, error=line.why)
        elif not line.isspace():
            yield _row(number, line.rstrip("\r\n"))


def _row(number: int, text: str) -> Row | BadRow:
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as exc:
        return BadRow(line=number, error=f"not valid JSON: {exc.msg} at column {exc.colno}")
    except (_Refused, RecursionError, ValueError) as exc:
        return BadRow(line=number, error=_said(exc))
    return _checked(number, value, suspicious=_SURROGATE.search(text) is not None)


def _checked(number: int, value: object, *, suspicious: bool) -> Row | BadRow:
    if not isinstance(value, dict):
        return BadRow(line=number, error=f"a row must be an object, this is {_kind(value)}")
    if suspicious and (path := _lone_surrogate(value, "")) is not None:
        return BadRow(line=number, error=f"half a character (a lone surrogate) at {path}")
    return Row(line=number, values=value)


def _open_list(source: TextSource) -> Table:
    text = _whole(source)
    source.close()
    try:
        rows = list(_elements(text))
    except (json.JSONDecodeError, RecursionError) as exc:
        place = f" at line {exc.lineno}, column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
        said = exc.msg if isinstance(exc, json.JSONDecodeError) else "nested too deeply"
        raise InputError(
            f"{source.name} is not a valid JSON list: {said}{place}",
            next_step="correct the file, or write one object a line as .jsonl",
        ) from exc
    return Table(
        name=source.name,
        format="json",
        columns=(),
        rows=iter(rows),
        notes=source.notes,
        total=len(rows),
        close=source.close,
    )


def _whole(source: TextSource) -> str:
    parts: list[str] = []
    size = 0
    for number, line in enumerate(source.lines(), start=1):
        if isinstance(line, BadLine):
            raise InputError(
                f"{source.name}: line {number}: {line.why}", next_step="save the file as UTF-8 JSON"
            )
        parts.append(line)
        size += len(line)
        if size > LIST_LIMIT:
            raise InputError(
                f"{source.name} is a JSON list over {LIST_LIMIT // 2**20} MiB, and lists are read whole",
                next_step="write one object a line as .jsonl, which has no limit",
            )
    return "".join(parts)


def _elements(text: str) -> Iterator[Row | BadRow]:
    """Yield the elements of a JSON list with the line each starts on."""
    at, line, counted = _skip(text, text.index("[") + 1), 1, 0
    if text.startswith("]", at):
        _end(text, at + 1)
        return
    while True:
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, end = _STRICT.raw_decode(text, at)
            row = _checked(line, value, suspicious=_SURROGATE.search(text, at, end) is not None)
        except json.JSONDecodeError:
            raise
        except ValueError as exc:
            row = BadRow(line=line, error=_said(exc))
            _, end = _LENIENT.raw_decode(text, at)
        yield row
        at = _skip(text, end)
        if text.startswith("]", at):
            _end(text, at + 1)
            return
        if not text.startswith(",", at):
            raise json.JSONDecodeError("expecting ',' or ']'", text, at)
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("text after the list", text, at)


def _refuse_one_object(source: TextSource, start: bytes) -> None:
    first = start.splitlines()[0]
    try:
        _LENIENT.decode(first.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as exc:
        if len(start.splitlines()) > 1:
            raise InputError(
                f"{source.name} holds one object over several lines, not a list",
                next_step="put the objects in a list [...], or write one object a line",
            ) from exc


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a number"


def _said(exc: Exception) -> str:
    if isinstance(exc, _Refused):
        return str(exc)
    return "nested too deeply" if isinstance(exc, RecursionError) else "a number has too many digits"


def _lone_surrogate(value: object, path: str) -> str | None:
    """Return the path of the first text that cannot be written as UTF-8."""
    if isinstance(value, str):
        return path if any("\ud800" <= sign <= "\udfff" for sign in value) else None
    pairs: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = ((f"[{place}]", item) for place, item in enumerate(value))
    for key, item in pairs:
        if isinstance(value, dict) and _lone_surrogate(key, "key") is not None:
            return f"{path or 'the row'} (a key)"
        step = key if isinstance(value, list) or not path else f".{key}"
        found = _lone_surrogate(item, f"{path}{step}")
        if found is not None:
            return found
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {twice!a} is given twice in one object")
    return made


def _no_constant(word: str) -> Any:
    raise _Refused(f"{word} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Refused("a number is too large for a float")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
_LENIENT = json.JSONDecoder(parse_int=len)
