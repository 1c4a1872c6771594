"""Small files for the tests of tables, and what is read from them."""

from pathlib import Path
from typing import Any

from answerable.integrations.tables import BadRow, Row, open_table


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(source: str | Path, **how: Any) -> list[Row | BadRow]:
    with open_table(source, **how) as table:
        return list(table)


def values(source: str | Path, **how: Any) -> list[dict[str, object]]:
    rows = read(source, **how)
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


def notes(source: str | Path, **how: Any) -> tuple[str, ...]:
    with open_table(source, **how) as table:
        return table.notes
