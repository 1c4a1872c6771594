"""Sources over SQL: one pooled, read-only engine a database; the policy's condition is part of the query."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from time import monotonic
from typing import Any
from uuid import UUID

from answerable.errors import AnswerableError, UsageError, did_you_mean
from answerable.failures.fault import Faulted
from answerable.governance.contract import column_values, failed, known_columns
from answerable.governance.read import Fetched, Wanted
from answerable.governance.row_filter import to_sql
from answerable.governance.source import Source, Sql
from answerable.integrations.source_duckdb import SCHEME, DuckDb
from answerable.integrations.tables_core import load
from answerable.integrations.tables_sql import engine_of, masked, read_only

POOL, MORE = 4, 28  # connections that are kept, and that may be there besides
_STEPS = 10_000  # of SQLite's machine, between two looks at the time


class SqlReader:
    """Reads tables and queries. address: source -> URL, called when its database is first needed."""

    def __init__(self, address: Callable[[Source[Any]], str]) -> None:
        self._address, self._lock = address, threading.Lock()
        self._engines: dict[str, Any] = {}
        self._duckdb, self._closed = DuckDb(), False

    def fetch(self, wanted: Wanted) -> Fetched:
        """Return at most one row more than the source's limit."""
        alchemy = load("sqlalchemy", extra="all", purpose="reading a database")
        source, until = wanted.source, monotonic() + wanted.within
        statement, params = statement_of(alchemy, wanted)
        if statement is None:
            return Fetched(rows=(), picked=True)
        if (database := self._duckdb_file(alchemy, source)) is not None:
            return Fetched(rows=self._duckdb.rows(source, database, statement, params, until), picked=True)
        try:
            with self._connection(alchemy, source) as connection:
                dialect = connection.dialect.name
                read_only(connection, dialect)
                with _bounded(connection, dialect, until):
                    result = connection.execute(statement, _bindable(params, dialect))
                    rows = [dict(row) for row in result.mappings().fetchmany(source.limit + 1)]
        except alchemy.exc.SQLAlchemyError as exc:
            late = monotonic() >= until
            raise _refused(source, exc, late=late) from None  # its text may hold the URL, or a value
        except UnicodeDecodeError:
            raise failed(source, "it holds text that is not valid UTF-8", "garbled") from None
        return Fetched(rows=[{n: _value(v) for n, v in row.items()} for row in rows], picked=True)

    def close(self) -> None:
        """Close every connection; one that is in use closes when it is done."""
        with self._lock:
            self._closed = True
            for engine in self._engines.values():
                engine.dispose()
        self._duckdb.close()

    def _duckdb_file(self, alchemy: Any, source: Source[Any]) -> str | None:
        """Return the file of a DuckDB database, for which SQLAlchemy has no dialect of its own."""
        try:
            url = alchemy.engine.make_url(self._address(source))
        except (AnswerableError, alchemy.exc.ArgumentError):  # told when it is opened
            return None
        return (url.database or "") if url.drivername == SCHEME else None

    @contextmanager
    def _connection(self, alchemy: Any, source: Source[Any]) -> Iterator[Any]:
        connection = self._engine(alchemy, source).connect()
        try:
            yield connection
        finally:
            with self._lock:
                if self._closed:  # its pool is gone
                    connection.detach()
                connection.close()

    def _engine(self, alchemy: Any, source: Source[Any]) -> Any:
        with self._lock:
            try:
                url = self._address(source)
                if url not in self._engines:
                    options: dict[str, Any] = {"pool_pre_ping": True}
                    name = alchemy.engine.make_url(url).get_backend_name() if "://" in url else ""
                    if name == "postgresql":
                        options["connect_args"] = {"connect_timeout": 10}
                    if name != "sqlite" or not url.endswith("://"):
                        options |= {"pool_size": POOL, "max_overflow": MORE, "pool_timeout": 5}
                    self._engines[url] = engine_of(alchemy, url, masked(url), **options)
                return self._engines[url]
            except AnswerableError as exc:
                raise failed(source, exc.what, "connect") from None
            except alchemy.exc.ArgumentError:
                raise failed(source, "its connection is no database URL", "connect") from None


def statement_of(alchemy: Any, wanted: Wanted) -> tuple[Any, Mapping[str, Any]]:
    """Return the SELECT and what is bound to the query's own parameters; None where no row can be.

    Every column is named with its table: SQLite takes a bare quoted name that is no column for a text. Raises
    UsageError for parameters that the source does not have.
    """
    source, origin = wanted.source, wanted.source.origin
    assert isinstance(origin, Sql)
    names = [source.stored_as[f.path] for f in source.columns]
    if origin.table is not None:
        known_columns(source, wanted.params)
        values = column_values(source, wanted.params)
        if values is None:
            return None, {}
        schema, _, table = origin.table.rpartition(".")
        whole = alchemy.table(table, *map(alchemy.column, names), schema=schema or None)
        bound: Mapping[str, Any] = {f"is_{name}": v for name, v in values.items() if v is not None}
        picked = [
            whole.c[source.stored_as[n]].is_(None)
            if v is None
            else whole.c[source.stored_as[n]] == alchemy.bindparam(f"is_{n}")
            for n, v in values.items()
        ]
    else:
        text = alchemy.text(f"{origin.query}\n")  # a comment at its end must not reach further
        known = set(text.compile().params)
        for name in [*known, *wanted.params]:
            if name not in wanted.params or name not in known:
                what = "has no parameter" if name not in known else "needs the parameter"
                step = did_you_mean(name, known) if name not in known else f"give {name}="
                raise UsageError(f"the source {source.name} {what} {name!r}", next_step=step)
        whole = text.columns(*map(alchemy.column, names)).subquery("source")
        bound, picked = wanted.params, []
    columns = {f.path: whole.c[source.stored_as[f.path]] for f in source.columns}
    kinds = {"text": alchemy.String(), "whole": alchemy.BigInteger(), "flag": alchemy.Boolean()}
    typed = {n: alchemy.type_coerce(columns[n], kinds[cell]) for n, (cell, _) in source.cells.items()}
    statement = alchemy.select(*(columns[n].label(stored) for n, stored in wanted.columns.items()))
    statement = statement.select_from(whole).where(*picked, to_sql(wanted.rows, typed))
    if origin.table is not None:  # which rows a limit leaves out should not depend on the moment
        statement = statement.order_by(*(columns[n] for n in source.key_columns))
    return statement.limit(source.limit + 1), bound


@contextmanager
def _bounded(connection: Any, dialect: str, until: float) -> Iterator[None]:
    """Have the database itself give up when the time is over, where it can; others are abandoned."""
    left = max(0.001, until - monotonic())
    if dialect == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(left * 1000))}")
        yield
    elif dialect == "sqlite":
        driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: int(monotonic() >= until), _STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, _STEPS)
    else:
        yield


def _refused(source: Source[Any], exc: Exception, *, late: bool) -> Faulted:
    """Tell what a database said by its own name for it: its text may repeat a value or the address."""
    said = getattr(exc, "orig", None) or exc
    name = getattr(said, "sqlite_errorname", None) or type(said).__name__
    if late or name in ("QueryCanceled", "SQLITE_INTERRUPT", "TimeoutError"):
        return failed(source, "it did not answer in time", "timeout")
    if getattr(exc, "connection_invalidated", False) or name in ("OperationalError", "SQLITE_CANTOPEN"):
        return failed(source, f"its database cannot be reached ({name})", "connect")
    return failed(source, f"its database refused the query ({name})", "refused")


def _bindable(params: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """Return values as the driver takes them: SQLite knows neither exact numbers nor times."""
    found = {}
    for name, value in params.items():
        value = value.value if isinstance(value, Enum) else value
        if dialect == "sqlite":
            if isinstance(value, Decimal):
                value = float(value)
            elif isinstance(value, datetime):
                value = value.isoformat(" ")
            elif isinstance(value, date | time | UUID):
                value = str(value)
        found[name] = value
    return found


def _value(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
