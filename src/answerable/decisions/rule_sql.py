"""A rule written as SQL expressions over the input's fields, evaluated by SQLite in memory."""

import hashlib
import threading
from collections.abc import Mapping
from decimal import Decimal
from textwrap import shorten
from typing import Any

from answerable.decisions.answer import Abstain, Answer
from answerable.decisions.case import Case
from answerable.decisions.decider import Asked
from answerable.encoding import encode, plain
from answerable.errors import UsageError, did_you_mean


class SqlRule:
    """Answers each field of `expressions` (field -> SQL expression); a NULL leaves the field open.

    Columns are the top-level input fields; flags are 0 and 1, Decimals are floating-point; lists and
    records are JSON text, times RFC 3339.
    """

    def __init__(self, expressions: dict[str, str]) -> None:
        self.expressions = expressions
        self.digest = hashlib.sha256(encode(expressions)).hexdigest()
        self._local = threading.local()  # an SQLite connection belongs to one thread

    def bind(self, asked: Asked) -> None:
        """Compile every expression against the input's columns; name what is wrong and what was meant."""
        import sqlite3  # on use: a process without an SQL rule pays nothing

        columns = [f.path for f in asked.input_fields]
        answers = [f.path for f in asked.output_fields]
        for name, expression in self.expressions.items():
            if name not in answers:
                raise UsageError(
                    f"the expression for {name!r} answers no output field",
                    next_step=did_you_mean(name, answers),
                )
            try:
                # Alone, so that parentheses of one expression cannot reach into the next.
                if len(self._evaluate({name: expression}, dict.fromkeys(columns))) != 1:
                    raise sqlite3.OperationalError("it is more than one expression")
            except sqlite3.Error as exc:
                text = str(exc)
                if text.startswith("no such column: "):
                    step = did_you_mean(text.removeprefix("no such column: ").strip('"'), columns)
                else:
                    step = "write one SQLite expression over the input's fields"
                raise UsageError(
                    f"the rule {expression!r} for {name} does not compile: {text}", next_step=step
                ) from exc

    def __call__(self, case: Case[Any]) -> Answer[Any] | Abstain:
        """Return the fields whose expressions are not NULL, with the start of each as the reason."""
        data = plain(case.input)
        columns = {name: data[name] for name in type(case.input).model_fields}
        for name in columns:
            if isinstance(value := getattr(case.input, name), Decimal):
                columns[name] = float(value)  # as text it would be larger than every number
        wanted = {n: text for n, text in self.expressions.items() if n not in case.answered}
        row = self._evaluate(wanted, columns) if wanted else ()
        output = {name: v for name, v in zip(wanted, row, strict=True) if v is not None}
        if not output:
            return Abstain("no expression gave a value")
        return Answer(output, reason=tuple(f"{n}: {shorten(self.expressions[n], 80)}" for n in output))

    def _evaluate(self, expressions: Mapping[str, str], values: Mapping[str, Any]) -> tuple[Any, ...]:
        import sqlite3

        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(":memory:")
        columns = ", ".join(f'? AS "{name}"' for name in values) or "1"
        wanted = ", ".join(f"({text})" for text in expressions.values())
        row: tuple[Any, ...] = connection.execute(
            f"SELECT {wanted} FROM (SELECT {columns})", [_cell(value) for value in values.values()]
        ).fetchone()
        return row


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return encode(value).decode()
    return value
