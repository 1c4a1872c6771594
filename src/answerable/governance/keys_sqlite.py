"""The key store in a SQLite file of its own, apart from the journal; and its twin in memory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from answerable.errors import HomeError, LedgerUnavailable, LockedHome
from answerable.governance.keys_sql import OpenKek, Run, SqlKeys
from answerable.ledger.keys import write_secret
from answerable.ledger.sqlite import library

_BUSY_MS = 10_000
_PATIENCE_S = 10.0  # for readers of other processes, which keep old pages in the write-ahead log
_DDL = (
    """CREATE TABLE key_home (
    one INTEGER PRIMARY KEY CHECK (one = 1), home BLOB NOT NULL,
    kek_check BLOB NOT NULL, kek_sealed BLOB NOT NULL
    )""",
    """CREATE TABLE data_key (
    key_id BLOB NOT NULL, wrapped BLOB NOT NULL, made INTEGER NOT NULL, retention TEXT, "day" INTEGER
    )""",
    "CREATE UNIQUE INDEX data_key_id ON data_key (key_id)",
    'CREATE UNIQUE INDEX data_key_day ON data_key (retention, "day") WHERE "day" IS NOT NULL',
)
_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'key_home'"


class SqliteKeys(SqlKeys):
    """Key store in the file at `path`. create: make it where it is not there. Raises HomeError if it
    cannot be used."""

    def __init__(self, path: Path, *, home: bytes, open_kek: OpenKek, create: bool = False) -> None:
        super().__init__(home, open_kek)
        self._path, self.name, self._sql = path, str(path), library()
        self._connection: Any = None
        try:
            self._connection = self._connect(create)
            if create and not self._rows(_THERE):
                self._make_tables()
            self._admit()
        except HomeError:
            self.close()
            raise
        except (OSError, LedgerUnavailable, self._sql.Error) as exc:
            self.close()
            raise HomeError(
                f"the keys {path} cannot be opened: {exc}",
                next_step="put the file back from a backup; without it nothing personal can be opened",
            ) from exc

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self, create: bool) -> Any:
        target = f"{self._path.absolute().as_uri()}?mode=rw"
        if create and not self._path.exists():
            write_secret(self._path, b"")
        connection = self._sql.connect(target, uri=True, isolation_level=None, check_same_thread=False)
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "secure_delete=ON",
            "journal_mode=WAL",
            "synchronous=FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _make_tables(self) -> None:
        with self._writing() as run:
            for statement in _DDL:
                run(statement, ())
            self._begin_home(run)

    def _rows(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._translated():
            rows: list[tuple[Any, ...]] = self._connection.execute(text.format(s=""), params).fetchall()
            return rows

    @contextmanager
    def _writing(self) -> Iterator[Run]:
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield lambda text, params: self._connection.execute(text.format(s=""), params)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(self._sql.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _forget_bytes(self) -> None:
        """Copy the write-ahead log into the file and cut it to nothing, flushed."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            with self._lock, self._translated():
                busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return
            if time.monotonic() >= end:
                raise LockedHome(
                    f"another process reads {self.name}, so its log still holds destroyed keys",
                    next_step="end it and run `answerable work --once`, which finishes the erasure",
                )
            time.sleep(0.05)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._sql.Error as exc:
            raise LedgerUnavailable(
                f"the keys {self.name} cannot be used: {exc}",
                next_step="free the disk or end the process that locks the file, then try again",
            ) from exc


class MemoryKeys(SqliteKeys):
    """Key store in memory; it ends with this object."""

    def __init__(self, *, home: bytes, open_kek: OpenKek) -> None:
        super().__init__(Path(":memory:"), home=home, open_kek=open_kek, create=True)

    def _connect(self, create: bool) -> Any:
        connection = self._sql.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA secure_delete=ON")
        return connection
