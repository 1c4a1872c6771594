"""What a key store does alike on every SQL database; an adapter says how its driver takes the steps.

A shredded key keeps its row, overwritten in place with zeros of the same length: no page is ever reorganised,
so no stale copy of a key stays behind in one, and a key that was shredded cannot come back by its id.
"""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from answerable.errors import HomeError
from answerable.ports import DataKey, Kek, KeptKey

MAKE = 'INSERT INTO {s}data_key (key_id, wrapped, made, retention, "day") VALUES (?, ?, ?, ?, ?) \
ON CONFLICT DO NOTHING'
GET = "SELECT wrapped FROM {s}data_key WHERE key_id = ?"
OF_DAY = 'SELECT key_id, wrapped FROM {s}data_key WHERE retention = ? AND "day" = ?'
DAYS = 'SELECT retention, "day", key_id, wrapped FROM {s}data_key WHERE "day" IS NOT NULL ORDER BY 1, 2'
KEPT = 'SELECT key_id, wrapped, made, retention, "day" FROM {s}data_key'
SHRED = "UPDATE {s}data_key SET wrapped = ? WHERE key_id = ?"
REWRAP = "UPDATE {s}data_key SET wrapped = ? WHERE key_id = ?"
META = "SELECT home, kek_check, kek_sealed FROM {s}key_home"
ADD_META = "INSERT INTO {s}key_home (one, home, kek_check, kek_sealed) VALUES (1, ?, ?, ?)"
SET_META = "UPDATE {s}key_home SET kek_check = ?, kek_sealed = ?"

Run = Callable[[str, Sequence[Any]], Any]  # a statement and its parameters -> the driver's cursor
OpenKek = Callable[[bytes], Kek]  # what the store holds of it -> the key; raises HomeError


class SqlKeys(ABC):
    """Key store over one database. home: its id. open_kek: gives the key-encryption key.

    Statements of this module have `?` placeholders and {s} before a table's name.
    """

    name: str  # for people, without a password

    def __init__(self, home: bytes, open_kek: OpenKek) -> None:
        self._home, self._open_kek = home, open_kek
        self._lock = threading.RLock()
        self._kek: Kek | HomeError | None = None

    # -- the port --------------------------------------------------------------------------------------

    def make(self, count: int) -> Sequence[DataKey]:
        """Make keys for subjects; see the port."""
        kek, keys = self._ready(), [DataKey(os.urandom(16), os.urandom(32)) for _ in range(count)]
        self._add([(key.id, kek.wrap(key.id, key.secret), _now(), None, None) for key in keys])
        return keys

    def of_day(self, retention: str, day: int) -> DataKey | None:
        """Return the key of a retention class and day, made at first use; see the port."""
        found = self._rows(OF_DAY, (retention, day))
        if not found:
            kek, key = self._ready(), DataKey(os.urandom(16), os.urandom(32))
            self._add([(key.id, kek.wrap(key.id, key.secret), _now(), retention, day)])
            found = self._rows(OF_DAY, (retention, day))  # another process may have been first
        return self._unwrapped(bytes(found[0][0]), bytes(found[0][1]))

    def find_day(self, retention: str, day: int) -> DataKey | None:
        """Return that key if there was one; see the port."""
        for key_id, wrapped in self._rows(OF_DAY, (retention, day)):
            return self._unwrapped(bytes(key_id), bytes(wrapped)) or DataKey(bytes(key_id), b"")
        return None

    def get(self, key_id: bytes) -> DataKey | None:
        """Return a key; None if it was shredded or never made here."""
        for (wrapped,) in self._rows(GET, (key_id,)):
            return self._unwrapped(key_id, bytes(wrapped))
        return None

    def shred(self, key_ids: Sequence[bytes]) -> int:
        """Destroy keys; see the port."""
        count = 0
        with self._writing() as run:
            for key_id in key_ids:
                for (wrapped,) in run(GET, (key_id,)).fetchall():
                    if any(bytes(wrapped)):
                        count += run(SHRED, (bytes(len(wrapped)), key_id)).rowcount
        self._forget_bytes()  # also where nothing was left to do: an earlier call may have been cut short
        return count

    def days(self) -> Sequence[tuple[str, int, bytes]]:
        """Return (retention class, day, key id) of every day key that is there."""
        return [
            (name, day, bytes(key_id)) for name, day, key_id, kept in self._rows(DAYS) if any(bytes(kept))
        ]

    def kept(self) -> Iterator[KeptKey]:
        """Yield every key as it is kept."""
        for key_id, wrapped, made, retention, day in self._rows(KEPT):
            body = bytes(wrapped)
            yield KeptKey(bytes(key_id), body if any(body) else b"", made, retention, day)

    def put_back(self, keys: Sequence[KeptKey]) -> None:
        """Add keys of a copy; those that are there already stay as they are."""
        self._add([(k.id, k.wrapped or bytes(1), k.made, k.retention, k.day) for k in keys])

    def rewrap(self, kek: Kek) -> int:
        """Wrap every key with another key-encryption key; see the port."""
        old, count = self._ready(), 0
        with self._writing() as run:
            for key_id, wrapped, *_ in run(KEPT, ()).fetchall():
                key_id, wrapped = bytes(key_id), bytes(wrapped)
                if any(wrapped):
                    run(REWRAP, (kek.wrap(key_id, old.unwrap(key_id, wrapped)), key_id))
                    count += 1
            run(SET_META, (kek.check, kek.sealed))
        self._kek = kek
        self._forget_bytes()
        return count

    # -- inside ----------------------------------------------------------------------------------------

    def _begin_home(self, run: Run) -> None:
        """Write the row that says whose keys these are."""
        kek = self._open_kek(b"")
        run(ADD_META, (self._home, kek.check, kek.sealed))

    def _admit(self) -> None:
        """Refuse keys of another home, and a wrong key-encryption key; an absent one is told later.

        Raises HomeError.
        """
        ((home, check, sealed),) = self._rows(META) or [(b"", b"", b"")]
        if bytes(home) != self._home:
            raise HomeError(
                f"the keys {self.name} belong to another home",
                next_step="put back the keys that belong to this home.toml, or restore a backup",
            )
        try:
            kek = self._open_kek(bytes(sealed))
        except HomeError as exc:
            self._kek = exc
            return
        if kek.check != bytes(check):
            raise HomeError(
                "the key-encryption key is not the one that wrapped this home's keys",
                next_step="put the right key back, or name its place in home.toml as kek",
            )
        self._kek = kek

    def _ready(self) -> Kek:
        if isinstance(self._kek, HomeError):
            raise HomeError(self._kek.what, next_step=self._kek.next_step)
        assert self._kek is not None
        return self._kek

    def _unwrapped(self, key_id: bytes, wrapped: bytes) -> DataKey | None:
        return DataKey(key_id, self._ready().unwrap(key_id, wrapped)) if any(wrapped) else None

    def _add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._writing() as run:
            for row in rows:
                run(MAKE, row)

    # -- what a driver does ----------------------------------------------------------------------------

    @abstractmethod
    def _rows(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a reading statement."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Run]:
        """Give what runs statements inside a durable transaction."""

    @abstractmethod
    def _forget_bytes(self) -> None:
        """Make sure that no file holds what was overwritten. Raises LockedHome if a reader prevents it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the store."""


def _now() -> int:
    return time.time_ns() // 1000
