"""A home's SQLite database seen from outside of the log: copied, put back, migrated and examined."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answerable.errors import HomeError, LockedHome
from answerable.ledger.entry import Statement
from answerable.ledger.sqlite import library
from answerable.ledger.turns import Turn
from answerable.state.statements import Compiler
from answerable.upkeep.store import HEAD, Copied

if TYPE_CHECKING:
    from sqlalchemy import Connection

COPY = "journal.db"
LOCK = "journal.lock"  # beside the database: the turns of writers
_LEVELS = ("OFF", "NORMAL", "FULL", "EXTRA")  # as SQLite counts them


class SqliteStore:
    """The database file at `path`. Every call opens and closes a connection of its own."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.name, self.path = str(path), path
        self._sql = library()

    def rows(self, text: str | Statement, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; params: of a Statement. Raises HomeError if it cannot be read."""
        values: Any = ()
        if isinstance(text, Statement):
            text, bind = Compiler("sqlite")(text)
            values = bind(params or {})
        with self._connected() as connection:
            found: list[tuple[Any, ...]] = connection.execute(text, values).fetchall()
            return found

    def exists(self) -> bool:
        """Say whether there is a database."""
        return self.path.exists()

    def copy(self, into: Path) -> Copied:
        """Write one consistent state of the database into the folder `into`; writers go on meanwhile.

        VACUUM INTO copies a read snapshot, without the pages that are free: what was deleted stays behind.
        """
        with self._connected() as connection:
            connection.execute("VACUUM INTO ?", (str(into / COPY),))
        (into / COPY).chmod(0o600)
        copy = SqliteStore(into / COPY)
        ((state_format, size, root),) = copy.rows(HEAD)
        named = tuple(row[0] for row in copy.rows("SELECT path FROM segment WHERE path <> '' ORDER BY lo"))
        return Copied(state_format=state_format, size=size, root=root, segments=named)

    def load(self, folder: Path, state_format: int) -> None:
        """Put the copy in `folder` in place. Raises HomeError if there is a database already."""
        if self.exists():
            raise HomeError(
                f"there is a database at {self.path} already", next_step="name another place for the journal"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f"{self.path.name}.partial")
        shutil.copyfile(folder / COPY, partial)
        partial.chmod(0o600)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(self.path)

    @contextmanager
    def migrating(self) -> Iterator["Connection"]:
        """Give an SQLAlchemy connection inside a writing transaction, in turn with all writers."""
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        # The same library as everybody's: a second one would drop this process's locks on the file.
        engine = create_engine("sqlite://", module=self._sql, creator=self._connect, poolclass=NullPool)
        turn = Turn(self.path.with_name(LOCK))
        with closing(turn), self._translated(), turn, engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def blocked(self, within: float) -> str | None:
        """Try for `within` seconds to get at the writers' lock; return who stands in the way, or None."""
        end = time.monotonic() + within
        lock = self.path.with_name(LOCK)
        if sys.platform != "win32" and lock.exists():
            import fcntl

            with lock.open("rb") as file:
                while True:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except OSError:
                        if time.monotonic() >= end:
                            return f"another process holds {lock}"
                        time.sleep(0.02)
        try:
            with self._connected(busy=max(0.0, end - time.monotonic())) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except LockedHome as exc:
            return exc.what
        return None

    def durability(self, wanted: str) -> tuple[bool, str]:
        """Say whether acknowledged entries are as durable as `wanted` ("FULL", "NORMAL"), and why."""
        with self._connected() as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            connection.execute(f"PRAGMA synchronous={wanted}")
            level = _LEVELS[connection.execute("PRAGMA synchronous").fetchone()[0]]
        return mode == "wal" and level == wanted, f"synchronous={level}, journal_mode={mode}"

    def space(self) -> int:
        """Return the bytes that the database takes."""
        return self.path.stat().st_size

    @contextmanager
    def _connected(self, *, busy: float = 10.0) -> Iterator[Any]:
        with self._translated(), closing(self._connect(busy)) as connection:
            yield connection

    def _connect(self, busy: float = 10.0) -> Any:
        target = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = self._sql.connect(target, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout={round(busy * 1000)}")
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as exc:  # of the turn
            raise LockedHome(str(exc), next_step="wait for it or end it, then try again") from exc
        except self._sql.Error as exc:
            if "locked" in str(exc) or "busy" in str(exc):
                raise LockedHome(
                    f"another process holds the journal {self.path}: {exc}",
                    next_step="wait for it or end it, then try again",
                ) from exc
            raise HomeError(
                f"the journal {self.path} cannot be used: {exc}",
                next_step="check the file, its folder and the disk; else restore a backup",
            ) from exc
