"""The one query behind every list of entries: header columns only, newest first."""

from typing import Any

from answerable.ledger.entry import HEADER_NAMES, Filter

# Quoted, because `at` is a word of DuckDB's own.
_COLUMNS = ", ".join(f'"{name}"' for name in HEADER_NAMES)


def list_query(table: str, wanted: Filter) -> tuple[str, list[Any]]:
    """Return SQL text with `?` placeholders and its parameters. table: a name or a table expression."""
    conditions = [f"kind IN ({', '.join('?' * len(wanted.kinds))})"] if wanted.kinds else []
    params: list[Any] = list(wanted.kinds)
    for column, operator, value in (
        ("decision", "=", wanted.decision),
        ("at", ">=", wanted.since),
        ("at", "<", wanted.until),
        ("idx", "<", wanted.before),
    ):
        if value is not None:
            conditions.append(f'"{column}" {operator} ?')
            params.append(value)
    if wanted.where:
        conditions.append(f"({wanted.where})")
        params.extend(wanted.params)
    text = f"SELECT idx, {_COLUMNS} FROM {table}"
    if conditions:
        text += f" WHERE {' AND '.join(conditions)}"
    text += " ORDER BY idx DESC"
    if wanted.limit is not None:
        text += f" LIMIT {int(wanted.limit)}"
    return text, params
