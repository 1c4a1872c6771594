"""How an entry stands in a journal's row: the column order and the way back."""

from collections.abc import Sequence
from importlib.resources import files
from operator import itemgetter
from typing import Any

from answerable.ledger.entry import HEADER_NAMES, PARTS, Entry, Stored
from answerable.ledger.envelope import part_digest

COLUMNS: tuple[str, ...] = ("idx", *HEADER_NAMES, *PARTS, "leaf")
_values = itemgetter(*HEADER_NAMES)
_PARTS_AT = 1 + len(HEADER_NAMES)
_LEAF_AT = _PARTS_AT + len(PARTS)


def to_row(index: int, entry: Entry) -> list[Any]:
    """Return the values of COLUMNS."""
    parts = entry.parts
    return [index, *_values(entry.header), *[parts.get(n) for n in PARTS], entry.leaf]


def from_row(row: Sequence[Any]) -> Stored:
    """Return the entry in the values of COLUMNS.

    Raises TamperFound if a part is no envelope. That the digests are the ones signed is for `verify` to say.
    """
    parts = {n: bytes(v) for n, v in zip(PARTS, row[_PARTS_AT:_LEAF_AT], strict=True) if v is not None}
    header = {
        n: bytes(v) if isinstance(v, memoryview) else v
        for n, v in zip(HEADER_NAMES, row[1:_PARTS_AT], strict=True)
    }
    entry = Entry(
        header=header,
        parts=parts,
        digests={n: part_digest(n, v) for n, v in parts.items()},
        leaf=bytes(row[_LEAF_AT]),
    )
    return Stored(row[0], entry)


def journal_ddl(database: str) -> list[str]:
    """Return the statements that make the journal on "sqlite" or "postgres"."""
    text = files("answerable.ledger").joinpath(f"journal_{database}.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]
