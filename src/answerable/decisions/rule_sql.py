"""A rule written as SQL expressions over the input's fields, evaluated by SQLite in memory."""

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from answerable.decisions.answer import Abstain, Answer
from answerable.decisions.case import Case
from answerable.decisions.fields import Field
from answerable.encoding import encode, plain
from answerable.errors import UsageError, did_you_mean


class SqlRule:
    """Answers each field of `expressions` (field -> SQL expression); a NULL leaves the field open.

    Columns are the top-level input fields; flags are 0 and 1, lists and records JSON text, times RFC 3339.
    """

    def __init__(self, expressions: dict[str, str]) -> None:
        self.expressions = expressions
        self.digest = hashlib.sha256(encode(expressions)).hexdigest()
        self._local = threading.local()  # an SQLite connection belongs to one thread
        self._columns: tuple[str, ...] = ()
        self._flags: frozenset[str] = frozenset()

    def bind(self, inputs: Sequence[Field], outputs: Sequence[Field]) -> None:
        """Compile every expression against the input's columns; name what is wrong and what was meant."""
        self._columns = tuple(f.path for f in inputs)
        self._flags = frozenset(f.path for f in outputs if f.kind == "flag")
        for name in self.expressions:
            if name not in {f.path for f in outputs}:
                raise UsageError(
                    f"the expression for {name!r} answers no output field",
                    next_step=did_you_mean(name, [f.path for f in outputs]),
                )
        try:
            self._evaluate(dict.fromkeys(self._columns))
        except sqlite3.Error as exc:
            text = str(exc)
            if text.startswith("no such column: "):
                column = text.removeprefix("no such column: ").strip('"')
                step = did_you_mean(column, self._columns)
            else:
                step = "write an SQLite expression over the input's fields"
            raise UsageError(f"the rule {self.expressions} does not compile: {text}", next_step=step) from exc

    def __call__(self, case: Case[Any]) -> Answer[Any] | Abstain:
        """Return the fields whose expressions are not NULL, with the expressions as reasons."""
        values = plain(case.input)
        output = {k: v for k, v in self._evaluate(values).items() if v is not None and k not in case.answered}
        if not output:
            return Abstain("no expression gave a value")
        return Answer(output, reason=tuple(f"{name}: {self.expressions[name]}" for name in output))

    def _evaluate(self, values: dict[str, Any]) -> dict[str, Any]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(":memory:")
        columns = ", ".join(f'? AS "{c}"' for c in self._columns) or "1"
        wanted = ", ".join(f"({text})" for text in self.expressions.values())
        row = connection.execute(
            f"SELECT {wanted} FROM (SELECT {columns})", [_cell(values.get(c)) for c in self._columns]
        ).fetchone()
        return {
            name: bool(v) if name in self._flags and v is not None else v
            for name, v in zip(self.expressions, row, strict=True)
        }


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return encode(value).decode()
    return value
