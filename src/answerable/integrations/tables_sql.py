"""Rows of a SQL query, streamed; the connection is made read-only where the database allows it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answerable.errors import AnswerableError, InputError, UsageError, did_you_mean
from answerable.integrations.tables_core import Row, Table, load, name_columns

_BATCH = 1_000  # rows fetched at a time
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
_NAME = re.compile(r"\w+(\.\w+)?")
_SECRET = re.compile(r"((?:password|passwd|pwd|token|secret|key)\w*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """Return `url` with every password in it replaced, even if it is not a valid URL."""
    scheme, mark, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    user = login.partition(":")[0].partition("/")[0]
    shown = f"{user}:***@{place}" if at and ":" in login else f"{user}{at}{place}"
    return scheme + mark + _SECRET.sub(r"\1***", shown)


def open_sql(url: str, *, query: str | None) -> Table:
    """Read the rows of `query`: one SELECT, or the name of a table or view (`schema.name` too).

    Nothing is ever committed. Raises UsageError for a URL, query or driver that is wrong, InputError when
    the database refuses. No message holds a password.
    """
    alchemy = load("sqlalchemy", extra="all", purpose="reading a database")
    name = masked(url)
    if query is None or not query.strip():
        raise UsageError(
            f"{name} needs a query",
            next_step='add --query "SELECT ..." or --query TABLE (in Python, query=...)',
        )
    engine = engine_of(alchemy, url, name, poolclass=alchemy.pool.NullPool)
    connection: Any = None
    try:
        connection = engine.connect()
        read_only(connection, engine.dialect.name)
        notes: list[str] = []
        result = _select(alchemy, connection, query.strip().rstrip(";"), name)
        columns = name_columns(list(result.keys()), source=f"the query on {name}", notes=notes)
    except BaseException as exc:
        _close(connection, engine)
        if isinstance(exc, alchemy.exc.SQLAlchemyError):
            raise _refused(name, exc) from None  # the cause's text may hold the URL
        raise
    return Table(
        name=name,
        format="sql",
        columns=columns,
        rows=_rows(alchemy, result, columns, name),
        notes=notes,
        total=None,
        close=lambda: _close(connection, engine),
    )


def engine_of(alchemy: Any, url: str, name: str, **options: Any) -> Any:
    """Return an engine for `url`, which errors call `name`. Raises what `open_sql` raises for a URL."""
    try:
        parsed = alchemy.engine.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _must_exist(parsed.database, name)
            options["module"] = _sqlite()
        return alchemy.create_engine(parsed, **options)
    except alchemy.exc.NoSuchModuleError:
        raise UsageError(
            f"no database driver is known for {name}",
            next_step="use sqlite:///FILE, postgresql+psycopg://..., or install the SQLAlchemy dialect",
        ) from None
    except ModuleNotFoundError as exc:
        kind = re.split(r"[+:]", url)[0]
        step = 'pip install "answerable[postgres]", or' if kind == "postgresql" else "install one and"
        raise UsageError(
            f"{name} needs a driver for {kind}: {exc.name!r} is not installed",
            next_step=f"{step} name the one you have, as in {_DRIVERS.get(kind, f'{kind}+DRIVER')}://",
        ) from None
    except (alchemy.exc.ArgumentError, ValueError, TypeError):
        raise UsageError(
            f"{name} is not a database URL",
            next_step="write it as sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        ) from None


def _sqlite() -> Any:
    # One SQLite library per process: a second one on the same file would drop the first one's locks.
    try:
        return load("pysqlite3.dbapi2", extra="all", purpose="")
    except UsageError:
        return load("sqlite3", extra="all", purpose="")


def _must_exist(database: str | None, name: str) -> None:
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    if not Path(database).is_file():
        raise InputError(
            f"no SQLite file at {database!r}",
            next_step="check the path; after sqlite:/// it is relative, after sqlite://// absolute",
        )


def read_only(connection: Any, dialect: str) -> None:
    """Keep a connection from writing, where the database allows it."""
    if dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif dialect == "postgresql":
        connection.execution_options(postgresql_readonly=True)


def _select(alchemy: Any, connection: Any, query: str, name: str) -> Any:
    if _NAME.fullmatch(query):
        schema, _, table = query.rpartition(".")
        found = alchemy.inspect(connection)
        known = [*found.get_table_names(schema or None), *found.get_view_names(schema or None)]
        if table not in known:
            raise InputError(f"{name} has no table {query!r}", next_step=did_you_mean(table, known))
        quote = connection.dialect.identifier_preparer.quote_identifier
        query = "SELECT * FROM " + ".".join(quote(part) for part in (schema, table) if part)
    # no_parameters: a percent sign or a colon in the query is only text
    streaming = connection.execution_options(stream_results=True, yield_per=_BATCH, no_parameters=True)
    result = streaming.exec_driver_sql(query)
    if not result.returns_rows:
        raise UsageError("the query returns no rows", next_step="give a SELECT, or the name of a table")
    return result


def _rows(alchemy: Any, result: Any, columns: tuple[str, ...], name: str) -> Iterator[Row]:
    try:
        for number, row in enumerate(result, start=1):
            values = {
                column: bytes(value) if isinstance(value, memoryview) else value
                for column, value in zip(columns, row, strict=True)
            }
            yield Row(line=number, values=values)
    except alchemy.exc.SQLAlchemyError as exc:
        raise _refused(name, exc) from None
    except UnicodeDecodeError:
        raise InputError(
            f"{name} holds text that is not valid UTF-8",
            next_step="read that column as a blob: CAST(... AS BLOB)",
        ) from None


def _refused(name: str, exc: Exception) -> AnswerableError:
    said = str(getattr(exc, "orig", None) or exc).strip().splitlines()
    # A driver may repeat its connection string; better to lose the words than to show a password.
    shown = bool(said) and "://" not in said[0] and "password=" not in said[0].lower()
    first = said[0] if shown else type(exc).__name__
    return InputError(
        f"{name} refused: {first}", next_step="check the query, the connection and what this user may read"
    )


def _close(connection: Any, engine: Any) -> None:
    if connection is not None:
        connection.close()
    engine.dispose()
