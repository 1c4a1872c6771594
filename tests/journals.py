"""Entries, a signing key and an audit for the tests of journals."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.ledger import tlog
from answerable.ledger.entry import HEADER_NAMES, Entry, Receipt, Unit, Write
from answerable.ledger.envelope import seal_clear
from answerable.ledger.journal_sql import SqlJournal
from answerable.ledger.leaf import leaf_data, make_entry
from answerable.ledger.note import Checkpoint, VerifierKey, open_note, sign_note
from answerable.ports import Journal
from answerable.state.cases import ADD_PENDING, RESOLVE

HOME = bytes(range(16))
ORIGIN = "test.example/log"
_KEY = Ed25519PrivateKey.from_private_bytes(b"a key for tests, known to all!!!")
VERIFIER = VerifierKey.of(ORIGIN, _KEY)
_numbers = count()


class TestSigner:
    """Signs with a key that everybody knows."""

    __test__ = False
    name = ORIGIN

    def sign(self, text: str) -> str:
        """Return `text` as a signed note."""
        return sign_note(text, ORIGIN, _KEY)


def new_id() -> bytes:
    """Return a fresh UUIDv7: milliseconds, then a number of this process, then chance."""
    number = next(_numbers) & 0xFFF
    return (
        (time.time_ns() // 1_000_000).to_bytes(6, "big")
        + (0x7000 | number).to_bytes(2, "big")
        + bytes([0x80])
        + os.urandom(7)
    )


def make(parts: Mapping[str, bytes] | None = None, **header: Any) -> Entry:
    """Return an entry with the given header fields; parts: name -> clear body."""
    fields = dict.fromkeys(HEADER_NAMES) | {"id": new_id(), "at": 1_700_000_000_000_000, "kind": "decision"}
    sealed = {name: seal_clear(body, os.urandom(16)) for name, body in (parts or {}).items()}
    return make_entry(fields | header, sealed)


def one(**header: Any) -> Unit:
    """Return a unit of one small entry."""
    return Unit(entries=[make({"output": b'{"label":"yes"}'}, **header)])


def open_case(case_id: bytes) -> Write:
    """Return the write that puts a case on a person's list; it fails if the case is there already."""
    values = {"case_id": case_id, "decision": "d", "queue": "q", "opened": 1, "state": "open"}
    return Write(ADD_PENDING, values | {"due": None, "fallback": None, "resolution": None})


def resolve(case_id: bytes, by: bytes = b"r" * 16) -> Write:
    """Return the write that ends a case; it clashes if the case is not open."""
    return Write(RESOLVE, {"of_case": case_id, "resolved_by": by}, expect=1, clash="already resolved")


def entries_of(journal: Journal) -> Iterator[tuple[int, Entry]]:
    """Yield every entry in the journal with its index."""
    for batch in journal.scan(0, 1 << 40):
        yield from ((stored.index, stored.entry) for stored in batch)


def audit(journal: Journal) -> list[bytes]:
    """Check the whole log against its signed head; return the ids of its entries in order.

    The indexes have no gap, each leaf is its entry's, the root is the one of all leaves, the note says so
    and is signed.
    """
    head = journal.head()
    found = [pair for pair in entries_of(journal) if pair[0] < head.size]
    assert [index for index, _ in found] == list(range(head.size))
    for _, entry in found:
        assert tlog.leaf_hash(leaf_data(entry.header, entry.digests)) == entry.leaf
    assert tlog.root([entry.leaf for _, entry in found]) == head.root
    assert tlog.Frontier.from_bytes(head.size, head.frontier).root() == head.root
    text, signers = open_note(head.note, [VERIFIER])
    assert signers == [ORIGIN]
    assert Checkpoint.parse(text) == Checkpoint(origin=ORIGIN, size=head.size, root=head.root)
    return [entry.id for _, entry in found]


def as_one_group(journal: SqlJournal, units: list[Unit]) -> list[Receipt | Exception]:
    """Submit `units` so that one commit takes them all: they queue up while a commit is held back."""
    holding, let_go = threading.Event(), threading.Event()
    commit = journal._group._commit
    sizes: list[int] = []

    def held(group: Any) -> Any:
        sizes.append(len(group))
        holding.set()
        let_go.wait(60)
        return commit(group)

    journal._group._commit = held
    with ThreadPoolExecutor(len(units) + 1) as pool:
        first = pool.submit(journal.submit, one())
        holding.wait(60)
        futures: list[Future[Receipt]] = []
        for number, unit in enumerate(units, start=1):
            futures.append(pool.submit(journal.submit, unit))
            while len(journal._group._queue) < number:
                time.sleep(0.0002)
        let_go.set()
        first.result(60)
        results = [future.exception(60) or future.result() for future in futures]
    journal._group._commit = commit
    assert sizes == [1, len(units)]
    return results  # type: ignore[return-value]
