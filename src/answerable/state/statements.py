"""Turns a Statement into SQL text and parameters once per database; then drivers only execute it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable, Index
from sqlalchemy.sql import Executable

from answerable.ledger.entry import Statement
from answerable.state.tables import metadata

Bind = Callable[[Mapping[str, Any]], Any]


def insert(dialect: str, table: Any) -> Any:
    """Return the dialect's own insert, which knows `on_conflict_do_...`."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class Compiler:
    """Compiles statements for one dialect ("sqlite" or "postgresql") and keeps the result."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        made: Any = sqlite.dialect if dialect == "sqlite" else postgresql.dialect
        self._dialect: Dialect = made(paramstyle="qmark" if dialect == "sqlite" else "pyformat")
        self._ready: dict[str, tuple[str, Bind]] = {}

    def __call__(self, statement: Statement) -> tuple[str, Bind]:
        """Return the SQL text and the function that shapes a mapping of parameters for the driver."""
        ready = self._ready.get(statement.name)
        if ready is None:
            ready = self._ready[statement.name] = self._compile(statement)
        return ready

    def ddl(self) -> list[str]:
        """Return the statements that make every state table."""
        made: list[str] = []
        for table in metadata.sorted_tables:
            made.append(str(CreateTable(table).compile(dialect=self._dialect)))
            made.extend(
                str(CreateIndex(i).compile(dialect=self._dialect)) for i in sorted(table.indexes, key=_name)
            )
        return made

    def _compile(self, statement: Statement) -> tuple[str, Bind]:
        construct: Executable = statement.build(self.dialect)
        compiled = construct.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        fixed = dict(compiled.params)  # literals of the statement, and None for what a caller may leave out
        order = compiled.positiontup
        if order is None:
            return str(compiled), lambda params: {**fixed, **params}
        names = tuple(order)
        return str(compiled), lambda params: [params[n] if n in params else fixed[n] for n in names]


def _name(index: Index) -> str:
    return str(index.name)
