"""Sources over a DuckDB file, without a further package: the same statement, in PostgreSQL's words."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any

from answerable.failures.fault import Faulted
from answerable.governance.contract import failed
from answerable.governance.source import Source
from answerable.integrations.tables_core import load

SCHEME = "duckdb"


class DuckDb:
    """DuckDB files, opened read-only and kept for a workspace; each read has a connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: dict[str, Any] = {}

    def rows(
        self,
        source: Source[Any],
        database: str,
        statement: Any,
        params: Mapping[str, Any],
        until: float,
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement. Raises Faulted, as the other databases do."""
        duckdb = load("duckdb", extra="all", purpose="reading a DuckDB file")
        compiled = statement.compile(dialect=_dialect(), compile_kwargs={"render_postcompile": True})
        bound = {**compiled.params, **params}
        values = [bound[name] for name in compiled.positiontup or ()]
        try:
            connection = self._connection(duckdb, database)
        except duckdb.Error as exc:
            name = type(exc).__name__
            raise failed(source, f"its database cannot be reached ({name})", "connect") from None
        over = threading.Event()

        def interrupt() -> None:  # again and again: one before the query begins has no effect
            left = max(0.0, until - monotonic())
            while not over.wait(left):
                with suppress(duckdb.Error):  # it was closed just now
                    connection.interrupt()
                left = 0.05

        threading.Thread(target=interrupt, name="answerable-duckdb", daemon=True).start()
        try:
            connection.execute("SET enable_progress_bar = false")  # it would be printed
            done = connection.execute(str(compiled), values)
            names = [column[0] for column in done.description]
            return [dict(zip(names, row, strict=True)) for row in done.fetchall()]
        except duckdb.Error as exc:  # its text may repeat a value
            raise _refused(source, type(exc).__name__) from None
        finally:
            over.set()
            connection.close()

    def close(self) -> None:
        """Let go of every file."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for connection in opened.values():
            connection.close()

    def _connection(self, duckdb: Any, database: str) -> Any:
        if database in ("", ":memory:"):  # for queries on files
            return duckdb.connect(":memory:")
        with self._lock:
            if database not in self._opened:  # it keeps the file open, which makes the others cheap
                self._opened[database] = duckdb.connect(database, read_only=True)
            return duckdb.connect(database, read_only=True)


def _refused(source: Source[Any], name: str) -> Faulted:
    if name == "InterruptException":
        return failed(source, "it did not answer in time", "timeout")
    return failed(source, f"its database refused the query ({name})", "refused")


@cache
def _dialect() -> Any:
    """Return PostgreSQL's SQL under DuckDB's name, with its parameters."""
    from sqlalchemy.dialects import postgresql

    made = postgresql.dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
    made.name = SCHEME
    return made
