"""A rule written as a decision table (CSV): the first row whose conditions all hold gives the answer."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from answerable.decisions.answer import Abstain, Answer
from answerable.decisions.case import Case
from answerable.decisions.decider import Asked
from answerable.decisions.fields import Field, bare
from answerable.encoding import encode, plain
from answerable.errors import InputError, UsageError, did_you_mean

ANSWER = "answer."
REASON = "reason"
_COMPARISON = re.compile(r"(<=|>=|!=|<|>|=|~)\s*(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
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

    A condition is empty (anything), a value, `a|b` (one of), `<`, `<=`, `>`, `>=` a number, `=` or `!=` a
    value, or `~text` (contains, ignoring case). Numbers are compared as numbers, flags are `true` and
    `false`. Raises InputError for a file that is no such table.
    """

    def __init__(self, rows: Sequence[_Row], digest: str, name: str) -> None:
        self.rows, self.digest, self.name = tuple(rows), digest, name

    @classmethod
    def read(cls, path: Path) -> "TableRule":
        """Read a UTF-8 CSV with a header; commas separate its cells."""
        try:
            body = path.read_bytes()
            table = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
            header = [cell.strip() for cell in next(table, [])]
            lines = [(table.line_num, line) for line in table if line]
        except (OSError, UnicodeDecodeError, csv.Error) as exc:
            raise InputError(
                f"the decision table {path} cannot be read: {exc}", next_step="give a UTF-8 CSV with a header"
            ) from exc
        if not lines or not any(column.startswith(ANSWER) for column in header):
            raise InputError(
                f"the decision table {path} answers nothing",
                next_step=f"add a row and a column {ANSWER}FIELD for each field it answers; "
                "separate the cells by commas",
            )
        for column in header:
            if header.count(column) > 1:
                raise InputError(f"{path} has two columns {column!r}", next_step="keep one of them")
        rows = []
        for number, line in lines:
            if len(line) != len(header):
                raise InputError(
                    f"{path} line {number} has {len(line)} cells and the header {len(header)}",
                    next_step="mend that row",
                )
            row = _row(number, dict(zip(header, (cell.strip() for cell in line), strict=True)))
            for column, condition in row.conditions:
                _check_condition(f"{path} line {number}, {column}", condition)
            rows.append(row)
        return cls(rows, hashlib.sha256(body).hexdigest(), path.name)

    def bind(self, asked: Asked) -> None:
        """Check the columns against the fields, and the cells against the values a field can have."""
        for row in self.rows:
            for column, cell in row.conditions:
                field = self._field(column, asked.input_fields)
                if cell and not _COMPARISON.fullmatch(cell):
                    for option in cell.split("|"):
                        self._check_value(row, field, option.strip())
            for column, cell in row.output.items():
                field = self._field(column, asked.output_fields)
                if cell:
                    self._check_value(row, field, cell)

    def _field(self, column: str, known: Sequence[Field]) -> Field:
        for field in known:
            if field.path == column:
                return field
        raise UsageError(
            f"the decision table {self.name} has a column for {column!r}, which is no field",
            next_step=did_you_mean(column, [f.path for f in known]),
        )

    def _check_value(self, row: "_Row", field: Field, text: str) -> None:
        if field.values and not any(_same(text, value) for value in field.values):
            raise UsageError(
                f"{self.name} has {text!r} in line {row.line}, which {field.path} cannot be",
                next_step=did_you_mean(text, [_text(value) for value in field.values]),
            )

    def __call__(self, case: Case[Any]) -> Answer[Any] | Abstain:
        """Return the first matching row's answer."""
        for row in self.rows:
            if all(_holds(condition, getattr(case.input, name)) for name, condition in row.conditions):
                output = {name: cell for name, cell in row.output.items() if cell}
                return Answer(output, reason=row.reason or f"{self.name}, line {row.line}")
        return Abstain("no row of the table matches")


def _row(number: int, cells: dict[str, str]) -> _Row:
    return _Row(
        number,
        tuple((c, v) for c, v in cells.items() if not c.startswith(ANSWER) and c != REASON),
        {c.removeprefix(ANSWER): v for c, v in cells.items() if c.startswith(ANSWER)},
        cells.get(REASON, ""),
    )


def _check_condition(where: str, condition: str) -> None:
    match = _COMPARISON.fullmatch(condition)
    if match is None:
        return
    operator, wanted = match.groups()
    if not wanted or (operator in _COMPARE and _number(wanted) is None):
        raise InputError(
            f"{where}: the condition {condition!r} compares with {wanted or 'nothing'!r}",
            next_step=f"write {'text' if operator in '!=~' else 'a number'} after {operator!r}",
        )


def _holds(condition: str, value: Any) -> bool:
    if not condition:
        return True
    match = _COMPARISON.fullmatch(condition)
    if match is None:
        return any(_same(option.strip(), value) for option in condition.split("|"))
    operator, wanted = match.groups()
    if operator == "~":
        return wanted.lower() in _text(value).lower()
    if operator in ("=", "!="):
        return _same(wanted, value) == (operator == "=")
    number, limit = _number(_text(value)), _number(wanted)
    return number is not None and limit is not None and _COMPARE[operator](number, limit)


def _same(text: str, value: Any) -> bool:
    """Say whether a cell stands for a value: numbers as numbers, flags in any case, the rest as text."""
    value = bare(value)
    if isinstance(value, bool):
        return text.lower() == _text(value)
    if isinstance(value, int | float | Decimal):
        return _number(text) == _number(str(value))
    return text == _text(value)


def _text(value: Any) -> str:
    data = plain(value)
    if isinstance(data, bool | dict | list):
        return encode(data).decode()
    return "" if data is None else str(data)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
