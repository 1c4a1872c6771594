"""A rule written as a decision table (CSV): the first row whose conditions all hold gives the answer."""

import csv
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerable.decisions.answer import Abstain, Answer
from answerable.decisions.case import Case
from answerable.decisions.fields import Field
from answerable.encoding import plain
from answerable.errors import InputError, UsageError, did_you_mean

ANSWER = "answer."
REASON = "reason"
_COMPARISON = re.compile(r"(<=|>=|!=|<|>|=)\s*(.+)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    conditions: tuple[tuple[str, str], ...]  # (input field, condition)
    output: dict[str, str]
    reason: str


class TableRule:
    """Answers by the first matching row.

    A condition is empty (anything), a value, `a|b` (one of), `<`, `<=`, `>`, `>=` a number, `!=` a value,
    or `~text` (contains, ignoring case). Raises InputError for a file that is no such table.
    """

    def __init__(self, rows: Sequence[_Row], digest: str, name: str) -> None:
        self.rows, self.digest, self.name = tuple(rows), digest, name

    @classmethod
    def read(cls, path: Path) -> "TableRule":
        """Read a UTF-8 CSV with a header."""
        try:
            body = path.read_bytes()
            lines = list(csv.DictReader(body.decode("utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError, csv.Error) as exc:
            raise InputError(
                f"the decision table {path} cannot be read: {exc}", next_step="give a UTF-8 CSV with a header"
            ) from exc
        if not lines or not any(column and column.startswith(ANSWER) for column in lines[0]):
            raise InputError(
                f"the decision table {path} answers nothing",
                next_step=f"add a row and a column {ANSWER}FIELD for each field it answers",
            )
        rows = []
        for number, line in enumerate(lines, start=2):
            if None in line or None in line.values():
                raise InputError(
                    f"{path} line {number} has not as many cells as the header", next_step="mend that row"
                )
            rows.append(_row(number, line))
        return cls(rows, hashlib.sha256(body).hexdigest(), path.name)

    def bind(self, inputs: Sequence[Field], outputs: Sequence[Field]) -> None:
        """Check the columns against the fields."""
        for row in self.rows[:1]:
            for column, known in (
                *((c, inputs) for c, _ in row.conditions),
                *((c, outputs) for c in row.output),
            ):
                if column not in {f.path for f in known}:
                    raise UsageError(
                        f"the decision table {self.name} has a column for {column!r}, which is no field",
                        next_step=did_you_mean(column, [f.path for f in known]),
                    )

    def __call__(self, case: Case[Any]) -> Answer[Any] | Abstain:
        """Return the first matching row's answer."""
        values = plain(case.input)
        for row in self.rows:
            if all(_holds(condition, values.get(name)) for name, condition in row.conditions):
                return Answer(row.output, reason=row.reason or f"{self.name}, line {row.line}")
        return Abstain("no row of the table matches")


def _row(number: int, line: dict[str, str]) -> _Row:
    cells = {column.strip(): cell.strip() for column, cell in line.items()}
    return _Row(
        number,
        tuple((c, v) for c, v in cells.items() if not c.startswith(ANSWER) and c != REASON),
        {c.removeprefix(ANSWER): v for c, v in cells.items() if c.startswith(ANSWER) and v},
        cells.get(REASON, ""),
    )


def _holds(condition: str, value: Any) -> bool:
    if not condition:
        return True
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if condition.startswith("~"):
        return condition[1:].strip().lower() in text.lower()
    if match := _COMPARISON.fullmatch(condition):
        operator, wanted = match.groups()
        if operator in ("=", "!="):
            return (text == wanted) == (operator == "=")
        try:
            return _COMPARE[operator](float(text), float(wanted))
        except ValueError:
            return False
    return text in [option.strip() for option in condition.split("|")]
