"""Reads a table of right answers and records each as the truth of its case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from answerable.cli.cases import truth_of
from answerable.cli.columns import loosely, match, match_truth, named_pairs
from answerable.cli.told import already_told, choose_decision
from answerable.errors import HomeError, InputError, UsageError, did_you_mean
from answerable.integrations.tables import open_table
from answerable.integrations.tables_core import BadRow, Table

if TYPE_CHECKING:
    from answerable.workspace import Workspace

RECORD = "recordid"  # the column `record_id`, loosely


@dataclass(kw_only=True, slots=True)
class Told:
    """The count of an import. unchanged: told before by the same source. empty: rows that tell nothing."""

    rows: int = 0
    truths: int = 0
    unchanged: int = 0
    empty: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Return the `truth import` shape of the command line."""
        return {
            "rows": self.rows,
            "truths": self.truths,
            "unchanged": self.unchanged,
            "empty": self.empty,
            "rejected": [{"line": line, "error": error} for line, error in self.rejected],
        }


def import_truths(
    workspace: "Workspace",
    file: str,
    *,
    by: str,
    source: str,
    decision: str | None,
    truth: Sequence[str],
    principal: str,
    query: str | None,
) -> Told:
    """Record the truth of every row of `file`. by: the column(s) of the key. truth: FIELD=COLUMN each.

    Raises UsageError if a column is not there; a row whose case or value is unknown is in `rejected`.
    """
    name, fields = choose_decision(workspace, decision)
    named = named_pairs(truth, "--truth", fields)
    told = Told()
    with open_table(file, query=query) as table:
        rows = list(table) if not table.columns else table  # JSON names its columns a row at a time
        columns = list(table.columns) or _names(rows)
        keys = [_column(part.strip(), columns, table) for part in by.split(",")]
        found = _truth_columns(fields, [c for c in columns if c not in keys], named, columns)
        if not found:
            raise UsageError(
                f"no column of {table.name} tells an output field of {name}",
                next_step=f"name it truth.{fields[0]}, or add --truth {fields[0]}=COLUMN",
            )
        for row in rows:
            told.rows += 1
            if isinstance(row, BadRow):
                told.rejected.append((row.line, row.error))
                continue
            try:
                _tell(workspace, told, name, row.values, keys, truth_of(row.values, found), source, principal)
            except (UsageError, HomeError, InputError) as exc:
                told.rejected.append((row.line, exc.what))
    return told


def _tell(
    workspace: "Workspace",
    told: Told,
    decision: str,
    row: Mapping[str, object],
    keys: Sequence[str],
    values: Mapping[str, object],
    source: str,
    principal: str,
) -> None:
    if not values:
        told.empty += 1
        return
    parts = [row.get(column) for column in keys]
    if any(part in (None, "") for part in parts):
        raise InputError(f"{' and '.join(keys)} is empty", next_step="fill it in")
    key = "|".join(str(part) for part in parts)
    by_record = loosely(keys[0]) == RECORD
    case_id = workspace.find(key if by_record else None, decision=decision, key=None if by_record else key)
    record = _text_id(case_id)
    before = already_told(workspace, record, source)
    if all(name in before and str(before[name]).lower() == str(v).lower() for name, v in values.items()):
        told.unchanged += 1
        return
    workspace.truth(decision, source=source, record=record, principal=principal, fields=values)
    told.truths += 1


def _text_id(case_id: bytes) -> str:
    from answerable.ledger.entry import text_id

    return text_id(case_id)


def _names(rows: Any) -> list[str]:
    return list(dict.fromkeys(name for row in rows if not isinstance(row, BadRow) for name in row.values))


def _column(name: str, columns: Sequence[str], table: Table) -> str:
    found = match([name], columns, {}, option="--by")
    if name not in found:
        raise UsageError(f"{table.name} has no column {name!r}", next_step=did_you_mean(name, columns))
    return found[name]


def _truth_columns(
    fields: Sequence[str], free: Sequence[str], named: Mapping[str, str], columns: Sequence[str]
) -> dict[str, str]:
    """Return field -> column: as named, `truth.FIELD`, or the field's own name."""
    found = match_truth(fields, free, named, columns)
    return match([f for f in fields if f not in found], free, {}, option="--truth") | found
