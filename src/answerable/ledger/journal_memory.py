"""The journal in memory, for tests and trials: the same statements on one private connection."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from answerable.ledger.journal_sqlite import SqliteJournal
from answerable.ports import JournalAddress, Signer


class _Lock:
    """Stands where a file journal has its turn between processes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        """Nothing to release."""


def open_journal(address: JournalAddress, signer: Signer) -> "MemoryJournal":
    """Return a fresh journal in memory; the door named "memory"."""
    return MemoryJournal(home=address.home, signer=signer)


class MemoryJournal(SqliteJournal):
    """Journal over a database in memory; it ends with this object."""

    def __init__(self, *, home: bytes, signer: Signer) -> None:
        super().__init__(Path(":memory:"), home=home, signer=signer, durability="OFF", create=True)

    def pages(self, start: int, stop: int, *, batch: int = 1024) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield rows by index; what is committed meanwhile is not seen."""
        stop = min(stop, self.head().size)
        for lo in range(start, stop, batch):
            # A list, so that no lock is held while the caller works on a batch.
            yield from list(super().pages(lo, min(lo + batch, stop), batch=batch))

    def _open_turn(self) -> Any:
        return _Lock()

    def _connect(self, *, create: bool = False) -> Any:
        return self._sql.connect(":memory:", isolation_level=None, check_same_thread=False)

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        with self._taking_turns():
            yield self._write
