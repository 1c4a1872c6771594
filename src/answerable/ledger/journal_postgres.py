"""The journal on PostgreSQL, for many writing processes: one write connection each, readers beside it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from answerable.errors import AnswerableError, HomeError, LedgerUnavailable, UsageError
from answerable.ledger.entry import HEADER, PARTS, Unit, Write
from answerable.ledger.group_commit import Committed
from answerable.ledger.journal_sql import (
    ADD_HEAD,
    DROP,
    HEAD,
    INSERT,
    OPENING,
    SET_HEAD,
    UNIT_FAULTS,
    SqlJournal,
)
from answerable.ledger.rows import COLUMNS, journal_ddl
from answerable.ports import JournalAddress, Signer

_TYPES = {"id": "bytea", "digest": "bytea", "int": "int8", "float": "float8", "text": "text"}
_COPY = f"COPY entry ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES = ["int8", *(_TYPES[kind] for _, kind in HEADER), *("bytea" for _ in PARTS), "bytea"]
_COPY_FROM = 4  # rows; fewer go as inserts: one round trip less, together with the writes of their units
# A network that silently swallows everything must not hang a caller: about 30 s, then the connection is lost.
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
# A writer that stands still holds the head, and with it every process: the server ends it.
_WRITER = """
SET lock_timeout = '10s';
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_READER = """
SET default_transaction_read_only = on;
SET statement_timeout = '60s';
SET idle_in_transaction_session_timeout = '15min'
"""


def open_journal(address: JournalAddress, signer: Signer) -> "PostgresJournal":
    """Open the journal at a PostgreSQL URL; the door named "postgresql"."""
    return PostgresJournal(address.url, home=address.home, signer=signer, create=address.create)


class PostgresJournal(SqlJournal):
    """Journal over one PostgreSQL database (14 or newer).

    url: a libpq address, `postgresql://user@host/database`; its tables are made in the first schema of the
    search path. An acknowledged unit is durable on the server, also where its default is not to wait.
    create: make the tables. Raises HomeError if it cannot be opened or belongs to another home, UsageError
    if the address is none or psycopg is not installed. No error shows the address's password.
    """

    def __init__(self, url: str, *, home: bytes, signer: Signer, create: bool = False) -> None:
        super().__init__("postgresql", home=home, signer=signer)
        self._pg = driver()
        self._integrity = self._pg.IntegrityError
        self._faults = (*UNIT_FAULTS, self._integrity, self._pg.DataError, self._pg.ProgrammingError)
        self._url, self._password, self._name = address_of(self._pg, url)
        self._turn = threading.Lock()
        self._readers: list[Any] = []
        self._readers_lock = threading.Lock()
        self._write: Any = None
        self._in_doubt = False  # a COMMIT was sent and its answer has not come
        self._insert, self._set_head = self._native(INSERT), self._native(SET_HEAD)
        try:
            self._write = self._connect(_WRITER)
            if create:
                self._create()
            self._admit(self._write.execute(OPENING).fetchone(), self._name)
        except AnswerableError:
            self._release()
            raise
        except self._pg.Error as exc:
            self._release()
            raise HomeError(
                f"the journal {self._name} cannot be opened: {self._said(exc)}",
                next_step="check that the server runs, that the database exists and that the user may use it",
            ) from None

    # -- writing -------------------------------------------------------------------------------------

    def _commit(self, units: Sequence[Unit]) -> Sequence[Committed]:
        with self._turn:
            with self._translated():
                self._be_connected()
                try:
                    return self._commit_group(units)
                except self._pg.Error:
                    if not self._write.closed:
                        raise
            return self._commit_again(units)

    def _commit_again(self, units: Sequence[Unit]) -> Sequence[Committed]:
        """Commit on a new connection after the old one broke, without doubling anything.

        The lost transaction is over once we hold the head; what it left is found by its entries' ids. A unit
        without entries leaves no trace, so after a lost COMMIT it is not tried again.
        """
        lost = self._in_doubt
        again = [unit for unit in units if unit.entries or not lost]
        with self._translated():
            self._be_connected()
            results = iter(self._commit_group(again) if again else ())
        unknown = LedgerUnavailable(
            "the connection broke during the commit: it is unknown whether this was recorded",
            next_step="look at the state it should have changed, then try again",
        )
        return [next(results) if unit.entries or not lost else unknown for unit in units]

    def drop(self, stop: int) -> None:
        """Delete the sealed entries below `stop`, in pieces short enough not to stall writers."""
        while self._drop_some(stop):
            pass

    def _drop_some(self, stop: int) -> int:
        with self._turn, self._translated():
            for again in (True, False):
                self._be_connected()
                try:
                    return int(self._write.execute(self._native(DROP), (stop, stop)).rowcount)
                except self._pg.Error:
                    if not (again and self._write.closed):
                        raise
        return 0

    def _be_connected(self) -> None:
        if self._write.closed:
            self._write = self._connect(_WRITER)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._pg.Error as exc:
            raise LedgerUnavailable(
                f"nothing was recorded in {self._name}: {self._said(exc)}",
                next_step="free the disk, or end the session that holds the table `head`, then try again",
            ) from None

    def _begin(self) -> tuple[int, bytes]:
        self._in_doubt = False
        with self._write.pipeline():
            self._write.execute("BEGIN")
            head = self._write.execute(f"{HEAD} FOR UPDATE", binary=True)
        size, frontier = head.fetchone()
        return size, frontier

    def _store(self, rows: Sequence[Sequence[Any]], writes: Sequence[Write]) -> Sequence[int]:
        if len(rows) >= _COPY_FROM:
            with self._write.cursor().copy(_COPY) as copy:
                copy.set_types(_COPY_TYPES)
                for row in rows:
                    copy.write_row(row)
            rows = ()
        cursors = []
        with self._write.pipeline():
            for row in rows:
                self._write.execute(self._insert, row)
            for write in writes:
                text, bind = self._compile(write.statement)
                cursors.append(self._write.execute(text, bind(write.params)))
        return [cursor.rowcount for cursor in cursors]

    def _end(self, head: tuple[Any, ...] | None) -> None:
        with self._write.pipeline():
            if head is not None:
                self._write.execute(self._set_head, head)
            self._in_doubt = True
            done = self._write.execute("COMMIT")
        self._in_doubt = False
        if done.statusmessage != "COMMIT":  # the server's way to say that it rolled back
            raise self._pg.OperationalError(f"COMMIT was answered with {done.statusmessage}")

    def _undo(self) -> None:
        try:
            if not self._write.closed:
                self._write.execute("ROLLBACK")
        except self._pg.Error:  # of no use any more; the next group connects anew
            with suppress(self._pg.Error):
                self._write.close()

    def _run(self, text: str, params: Sequence[Any] = ()) -> Any:
        return self._write.execute(text, params)

    # -- reading -------------------------------------------------------------------------------------

    def _read(self, text: str, params: Any) -> list[tuple[Any, ...]]:
        connection, cursor = self._started(text, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        self._give_back(connection)
        return rows

    def _batches(self, text: str, params: Any, batch: int) -> Iterator[Sequence[Sequence[Any]]]:
        connection, _ = self._started("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", None)
        try:
            with connection.cursor(name="scan", binary=True) as cursor:
                cursor.execute(text, params)
                while rows := cursor.fetchmany(batch):
                    yield rows
            connection.execute("ROLLBACK")
        except self._pg.Error as exc:
            raise self._unreadable(exc) from None
        except BaseException:  # the caller needs no more of it
            connection.close()
            raise
        self._give_back(connection)

    def _started(self, text: str, params: Any) -> tuple[Any, Any]:
        """Run a statement on a reader; once more on a new one if the old one turns out to be broken."""
        while True:
            with self._readers_lock:
                connection = self._readers.pop() if self._readers else None
            fresh = connection is None
            try:
                if connection is None:
                    connection = self._connect(_READER)
                return connection, connection.execute(text, params, binary=True)
            except self._pg.Error as exc:
                broken = connection is None or connection.closed
                if connection is not None:
                    connection.close()
                if fresh or not broken:
                    raise self._unreadable(exc) from None

    def _give_back(self, connection: Any) -> None:
        with self._readers_lock:
            if not self._closed:
                self._readers.append(connection)
                return
        connection.close()

    def _unreadable(self, exc: Exception) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"the journal {self._name} cannot be read: {self._said(exc)}",
            next_step="check the server, then run `answerable doctor`",
        )

    # -- opening and closing -------------------------------------------------------------------------

    def _connect(self, settings: str) -> Any:
        connection = self._pg.connect(self._url, autocommit=True)
        try:
            connection.execute(settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        with self._write.transaction():
            for statement in (*journal_ddl("postgres"), *self._compile.ddl()):
                self._write.execute(statement)
            self._write.execute(self._native(ADD_HEAD), self._first_head())

    def _release(self) -> None:
        with self._readers_lock:
            connections = [*self._readers, self._write]
            self._readers.clear()
        for connection in connections:
            if connection is not None:
                connection.close()

    def _native(self, text: str) -> str:
        return text.replace("%", "%%").replace("?", "%s")

    def _said(self, exc: Exception) -> str:
        # Only the first line: the details that follow quote stored values.
        primary = exc.diag.message_primary if isinstance(exc, self._pg.Error) else None
        text = primary or super()._said(exc)
        return text.replace(self._password, "***") if self._password else text


def driver() -> Any:
    """Return psycopg. Raises UsageError naming the extra if it is not installed."""
    try:
        import psycopg
    except ImportError:
        raise UsageError(
            "a journal on PostgreSQL needs psycopg, which is not installed",
            next_step='run `pip install "answerable[postgres]"`',
        ) from None
    return psycopg


def address_of(pg: Any, url: str) -> tuple[str, str, str]:
    """Return libpq's form of `url` with our settings, its password, and a name without the password."""
    try:
        parts = pg.conninfo.conninfo_to_dict(url)
    except pg.Error:  # its message quotes the address
        raise UsageError(
            "the address of the journal cannot be read",
            next_step="write it as postgresql://user:password@host/database, with %XX for odd characters",
        ) from None
    place = f"{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"
    settings = {**_NETWORK, "application_name": "answerable", **parts}
    full = pg.conninfo.make_conninfo(**settings | {"client_encoding": "utf8"})
    return full, str(parts.get("password") or ""), f"postgresql://{place}"
