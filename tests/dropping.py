"""Homes with encrypted parts for the tests of dropping, made by the layout of the envelope."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from answerable.casebook import Casebook
from answerable.errors import HomeError
from answerable.governance.keyring import NoKeys
from answerable.governance.vault import Vault
from answerable.ledger.blobs import Blobs
from answerable.ledger.entry import HEADER_NAMES, Entry, Stored
from answerable.ledger.envelope import ELSEWHERE, part_digest, seal_clear, stand_in
from answerable.ledger.keys import Lookup
from answerable.ledger.leaf import make_entry
from answerable.ledger.ledger import Ledger
from answerable.ports import Clock, Journal
from answerable.system import SystemClock, Uuid7
from sealed_home import HOME, KEY, START, STEP, Signer, entry_id


def key(number: int) -> bytes:
    """Return the id of key `number`."""
    return b"key" + number.to_bytes(13, "big")


def sealed(key_id: bytes, body: bytes, salt: bytes) -> bytes:
    """Return an envelope of codec 1, its body as good as any ciphertext."""
    return b"\1" + salt + key_id + hashlib.sha256(salt).digest() + salt[:12] + body


def entry(
    number: int,
    keys: Mapping[str, int | bytes | None],
    *,
    blobs: Blobs | None = None,
    at: int | None = None,
    **header: Any,
) -> Entry:
    """Return entry `number` with a part of each name in `keys`: under that key or key id, or clear for None.

    blobs: the part `text` of every 40th goes there. at: microseconds since 1970.
    """
    fields: dict[str, Any] = dict.fromkeys(HEADER_NAMES)
    fields.update(id=entry_id(number), at=START + number * STEP if at is None else at, kind="decision")
    fields.update(header)
    parts = {}
    for name, of_key in keys.items():
        salt = hashlib.sha256(f"{name}{number}".encode()).digest()[:16]
        body = b'"%s of entry %d, %s"' % (name.encode(), number, b"x" * (number % 50))
        key_id = key(of_key) if isinstance(of_key, int) else of_key
        part = seal_clear(body, salt) if key_id is None else sealed(key_id, body, salt)
        if name == "text" and blobs is not None and number % 40 == 4:
            digest = part_digest(name, part)
            blobs.put(digest, part)
            part = stand_in(ELSEWHERE, digest)
        parts[name] = part
    return make_entry(fields, parts)


def book_of(journal: Journal, folder: Path, clock: Clock | None = None) -> Casebook:
    """Return the casebook of a home that the tests opened by its parts; it records nothing personal."""
    lookup = Lookup(b"l" * 32)
    return Casebook(
        journal=journal,
        ledger=Ledger(journal, folder, Signer(), [KEY], HOME),
        lookup=lookup,
        vault=Vault(NoKeys(HomeError("these tests have no keys", next_step="none")), journal, lookup),
        clock=clock or SystemClock(),
        ids=Uuid7(),
    )


def everything(ledger: Ledger) -> list[Stored]:
    """Return every entry that is there, by index."""
    return [*ledger.entries()]


def parts_of(ledger: Ledger) -> Iterator[tuple[tuple[int, str], bytes]]:
    """Yield ((index, part), envelope as stored) of every part."""
    for stored in everything(ledger):
        yield from (((stored.index, name), envelope) for name, envelope in stored.entry.parts.items())


def bytes_under(folder: Path, needles: Sequence[bytes]) -> list[str]:
    """Return the files under `folder`, but databases, that hold one of `needles` as it is."""
    found = []
    for path in sorted(folder.rglob("*")):
        if (
            path.is_file()
            and not path.name.startswith("journal.")
            and any(n in path.read_bytes() for n in needles)
        ):
            found.append(path.name)
    return found
