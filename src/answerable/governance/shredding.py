"""Finishes erasures: what state says is shredded is destroyed in the key store, and told to backups.

`erasures.log` beside home.toml has a line a key, "KEY_ID MICROSECONDS": no person stands in it. A backup that
is restored with it opens nothing that was erased since.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from answerable.ledger.durable import flush_folder
from answerable.ledger.entry import Unit, Write
from answerable.ports import Journal, KeyStore
from answerable.state import subjects as state

ERASURES = "erasures.log"


def finish(journal: Journal, keys: KeyStore, folder: Path) -> int:
    """Destroy every key that state calls shredded and the key store did not confirm; return how many.

    May be run again after a crash at any point. Raises HomeError or LedgerUnavailable where the store cannot.
    """
    open_ones = {bytes(key_id): int(at) for key_id, at in journal.rows(state.UNDESTROYED, {})}
    if not open_ones:
        return 0
    note(folder, open_ones)
    keys.shred(list(open_ones))
    writes = [Write(state.DESTROYED, {"of_key": key_id}) for key_id in open_ones]
    journal.submit(Unit((), writes))
    return len(open_ones)


def destroy_again(journal: Journal, keys: KeyStore) -> int:
    """Destroy what the store has and should not, as one put back from a copy may; return how many."""
    gone = {bytes(key_id) for key_id, _ in journal.rows(state.ALL_SHREDDED, {})}
    still = [key.id for key in keys.kept() if key.wrapped and key.id in gone] if gone else []
    return keys.shred(still) if still else 0


def note(folder: Path, shredded: Mapping[bytes, int]) -> None:
    """Append keys (id -> when, microseconds since 1970) to the home's list, durably."""
    text = "".join(f"{key_id.hex()} {at}\n" for key_id, at in shredded.items())
    fd = os.open(folder / ERASURES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    flush_folder(folder)


def noted(path: Path) -> dict[bytes, int]:
    """Return the keys of a list: id -> when. A line that a crash cut short is no key."""
    found: dict[bytes, int] = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        with suppress(ValueError):
            key_id, at = line.split()
            if len(key_id) == 32:
                found[bytes.fromhex(key_id)] = int(at)
    return found


def apply(journal: Journal, keys: KeyStore, folder: Path, shredded: Mapping[bytes, int]) -> int:
    """Take over erasures from another list, and destroy their keys; return how many were news."""
    known = {bytes(key_id) for key_id, _ in journal.rows(state.ALL_SHREDDED, {})}
    news = {key_id: at for key_id, at in shredded.items() if key_id not in known}
    journal.submit(Unit((), [*_told(news), *_derived()]))
    finish(journal, keys, folder)
    return len(news)


def _told(shredded: Mapping[bytes, int]) -> Iterable[Write]:
    for key_id, at in shredded.items():
        row = {"key_id": key_id, "at": at, "receipt": bytes(16), "destroyed": 0, "dropped": 0}
        yield Write(state.ADD_SHREDDED, row)
        yield Write(state.ERASE_WITH, {"of_key": key_id, "at": at})


def _derived() -> Iterable[Write]:
    """Yield the writes that take what is derived from the entries of such keys."""
    for statement in (state.ERASE_CASE_KEYS, state.ERASE_PENDING, state.ERASE_SUBJECTS):
        yield Write(statement, {"receipt": bytes(16)})
