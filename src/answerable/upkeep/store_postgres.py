"""A home's PostgreSQL database seen from outside of the log: copied, put back, migrated and examined."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answerable.errors import HomeError, LockedHome, UsageError
from answerable.ledger.entry import Statement
from answerable.ledger.journal_postgres import driver
from answerable.ledger.rows import journal_ddl
from answerable.state.migrate import migrate
from answerable.state.statements import Compiler
from answerable.upkeep.store import HEAD, Copied

if TYPE_CHECKING:
    from sqlalchemy import Connection

TABLES = "tables.json"  # table -> its columns, in the order of its file
JOURNAL = ("head", "entry")
_CONNECT_S = 10
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class PostgresStore:
    """The tables of one home in a PostgreSQL database. Every call opens and closes a connection."""

    kind = "postgresql"

    def __init__(self, url: str) -> None:
        self._pg: Any = driver()
        self._url = url
        try:
            parts = self._pg.conninfo.conninfo_to_dict(url)
        except self._pg.Error:  # its message quotes the address, password and all
            raise UsageError(
                "the address of the journal cannot be read",
                next_step="write it as postgresql://user:password@host:5432/database",
            ) from None
        self._password = str(parts.get("password") or "")
        self.name = f"postgresql://{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"

    def rows(self, text: str | Statement, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; params: of a Statement. Raises HomeError if it cannot be read."""
        values: Any = None
        if isinstance(text, Statement):
            text, bind = Compiler("postgresql")(text)
            values = bind(params or {})
        with self._connected() as connection:
            found: list[tuple[Any, ...]] = connection.execute(text, values, binary=True).fetchall()
            return found

    def exists(self) -> bool:
        """Say whether there is a journal."""
        return "head" in self._tables()

    def copy(self, into: Path) -> Copied:
        """Write one consistent state of every table into the folder `into`; writers go on meanwhile."""
        sql = self._pg.sql
        with self._connected() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            columns: dict[str, list[str]] = {}
            for table in self._tables(connection):
                name = sql.Identifier(table)
                shape = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name)).description
                columns[table] = [column.name for column in shape]
                # Text, not binary: it can be read by any version on any machine.
                out = sql.SQL("COPY {} ({}) TO STDOUT").format(name, _list(sql, columns[table]))
                with (into / f"{table}.copy").open("wb") as file, connection.cursor().copy(out) as copy:
                    for block in copy:
                        file.write(block)
            state_format, size, root = connection.execute(HEAD, binary=True).fetchone()
            named = tuple(
                row[0] for row in connection.execute("SELECT path FROM segment WHERE path <> '' ORDER BY lo")
            )
            connection.execute("ROLLBACK")
        (into / TABLES).write_text(json.dumps(columns), encoding="utf-8")
        return Copied(state_format=state_format, size=size, root=root, segments=named)

    def load(self, folder: Path, state_format: int) -> None:
        """Make the tables of `state_format` and fill them from the copy in `folder`, all or nothing.

        Raises HomeError if there is a journal already.
        """
        if self.exists():
            raise HomeError(
                f"there is a journal in {self.name} already",
                next_step="name an empty database for the journal",
            )
        sql = self._pg.sql
        columns: dict[str, list[str]] = json.loads((folder / TABLES).read_text(encoding="utf-8"))
        with self.migrating() as connection:
            for statement in journal_ddl("postgres"):
                connection.exec_driver_sql(statement)
            migrate(connection, start=0, stop=state_format)
            driver: Any = connection.connection.driver_connection
            for table, names in columns.items():
                into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), _list(sql, names))
                with (folder / f"{table}.copy").open("rb") as file, driver.cursor().copy(into) as copy:
                    while block := file.read(1 << 20):
                        copy.write(block)

    @contextmanager
    def migrating(self) -> Iterator["Connection"]:
        """Give an SQLAlchemy connection inside a writing transaction that holds the head, if there is one."""
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: self._connect(autocommit=False), poolclass=NullPool
        )
        locked = self.exists()
        with self._translated(), engine.connect() as connection:
            if locked:
                connection.exec_driver_sql("SELECT size FROM head FOR UPDATE")
            yield connection
            connection.commit()

    def blocked(self, within: float) -> str | None:
        """Try for `within` seconds to get at the writers' lock; return who stands in the way, or None."""
        try:
            with self._connected() as connection:
                connection.execute(f"SET lock_timeout = '{max(1, round(within * 1000))}ms'")
                connection.execute("BEGIN")
                connection.execute("SELECT size FROM head FOR UPDATE")
                connection.execute("ROLLBACK")
        except LockedHome as exc:
            return exc.what
        return None

    def durability(self, wanted: str) -> tuple[bool, str]:
        """Say whether an acknowledged entry is durable on the server, and why. wanted: plays no part here."""
        with self._connected() as connection:
            found = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in _DURABLE}
        # The journal's own connections raise synchronous_commit where the server's default is off.
        sound = found["fsync"] == "on" and found["full_page_writes"] == "on"
        return sound, ", ".join(f"{name}={value}" for name, value in found.items())

    def space(self) -> int:
        """Return the bytes that the tables take."""
        with self._connected() as connection:
            size = 0
            for table in self._tables(connection):
                asked = connection.execute(
                    "SELECT pg_total_relation_size(quote_ident(%s)::regclass)", (table,)
                )
                size += asked.fetchone()[0]
            return size

    def _tables(self, connection: Any = None) -> list[str]:
        """Return our tables that are there: other programs may share the schema."""
        from answerable.state.tables import metadata

        if connection is None:
            with self._connected() as connection:
                return self._tables(connection)
        there = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        names = {row[0] for row in there}
        return [name for name in (*JOURNAL, *sorted(metadata.tables)) if name in names]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with self._translated():
            connection = self._connect(autocommit=True)
            try:
                yield connection
            finally:
                connection.close()

    def _connect(self, *, autocommit: bool) -> Any:
        settings = {
            "connect_timeout": _CONNECT_S,
            "application_name": "answerable",
            "client_encoding": "utf8",
        }
        return self._pg.connect(self._url, autocommit=autocommit, **settings)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._pg.Error as exc:
            said = exc.diag.message_primary or (str(exc).splitlines() or [type(exc).__name__])[0]
            said = said.replace(self._password, "***") if self._password else said
            if isinstance(exc, self._pg.errors.LockNotAvailable):
                raise LockedHome(
                    f"another process holds the head of {self.name}: {said}",
                    next_step="wait for it or end its transaction, then try again",
                ) from None
            raise HomeError(
                f"the journal {self.name} cannot be used: {said}",
                next_step="check that the server runs and that the user may use the database",
            ) from None


def _list(sql: Any, names: list[str]) -> Any:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names])
