"""The key store in a PostgreSQL schema of its own, for a home that several machines write."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from answerable.errors import HomeError, LedgerUnavailable, LockedHome
from answerable.governance.keys_sql import OpenKek, Run, SqlKeys
from answerable.ledger.journal_postgres import address_of, driver

SCHEMA = "answerable_keys"  # and the first half of the home's id: a database may hold several homes
_SETTINGS = "SET lock_timeout = '10s'; SET synchronous_commit = 'on'"
_DDL = (
    "CREATE SCHEMA {s}",
    """CREATE TABLE {s}key_home (
    one int PRIMARY KEY CHECK (one = 1), home bytea NOT NULL,
    kek_check bytea NOT NULL, kek_sealed bytea NOT NULL
    )""",
    """CREATE TABLE {s}data_key (
    key_id bytea PRIMARY KEY, wrapped bytea NOT NULL, made int8 NOT NULL, retention text, "day" int8
    )""",
    'CREATE UNIQUE INDEX data_key_day ON {s}data_key (retention, "day") WHERE "day" IS NOT NULL',
)
_THERE = "SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'key_home'"


class PostgresKeys(SqlKeys):
    """Key store in the database at `url`. create: make its tables where they are not there. Raises
    HomeError if it cannot be used.

    The server's own write-ahead log and its archives hold what was overwritten until they are recycled; what
    they hold is wrapped, and worthless without the key-encryption key.
    """

    def __init__(self, url: str, *, home: bytes, open_kek: OpenKek, create: bool = False) -> None:
        super().__init__(home, open_kek)
        self._schema = f"{SCHEMA}_{home.hex()[:16]}"
        self._pg: Any = driver()
        self._url, self._password, self.name = address_of(self._pg, url)
        self._turn = threading.RLock()
        self._connection: Any = None
        try:
            self._connection = self._connect()
            if create and not self._rows(_THERE, (self._schema,)):
                with self._writing() as run:
                    for statement in _DDL:
                        run(statement, ())
                    self._begin_home(run)
            self._admit()
        except HomeError:
            self.close()
            raise
        except (LedgerUnavailable, self._pg.Error) as exc:
            self.close()
            said = exc.what if isinstance(exc, LedgerUnavailable) else self._said(exc)
            raise HomeError(
                f"the keys in {self.name} cannot be opened: {said}",
                next_step="check that the server runs and that the user may make and use schemas",
            ) from None

    def close(self) -> None:
        """Let go of the connection."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()

    def _connect(self) -> Any:
        connection = self._pg.connect(self._url, autocommit=True)
        connection.execute(_SETTINGS)
        return connection

    def _rows(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._turn, self._translated():
            for again in (True, False):
                try:
                    if self._connection.closed:
                        self._connection = self._connect()
                    found: list[tuple[Any, ...]] = self._run(text, params).fetchall()
                    return found
                except self._pg.Error:
                    if not (again and self._connection.closed):
                        raise
        return []

    def _run(self, text: str, params: Sequence[Any]) -> Any:
        schema = self._schema if text == _DDL[0] else f"{self._schema}."
        native = text.format(s=schema).replace("?", "%s")
        return self._connection.execute(native, params or None, binary=True)

    @contextmanager
    def _writing(self) -> Iterator[Run]:
        with self._turn, self._translated():
            if self._connection.closed:
                self._connection = self._connect()
            self._connection.execute("BEGIN")
            try:
                yield self._run
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(self._pg.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _forget_bytes(self) -> None:
        """Write the table anew without old rows; a plain VACUUM would leave their bytes in its pages."""
        try:
            with self._turn:
                self._connection.execute(f"VACUUM (FULL) {self._schema}.data_key")
        except self._pg.Error as exc:
            raise LockedHome(
                f"the keys in {self.name} cannot be written anew, so old rows may be in their file: "
                f"{self._said(exc)}",
                next_step="end what uses them and run `answerable work --once`, which finishes the erasure",
            ) from None

    def _said(self, exc: Any) -> str:
        said = str((str(exc).splitlines() or [type(exc).__name__])[0])
        return said.replace(self._password, "***") if self._password else said

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._pg.Error as exc:
            raise LedgerUnavailable(
                f"the keys in {self.name} cannot be used: {self._said(exc)}",
                next_step="check that the server runs, then try again",
            ) from None
