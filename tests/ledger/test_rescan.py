"""A re-scan says where personal values stand in clear, and never which they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.encoding import encode
from answerable.governance.detection import Span
from answerable.governance.leaks import kinds_of, leaks_in
from answerable.ledger.blobs import Blobs
from answerable.ledger.entry import HEADER_NAMES, Stored, Unit, Write, text_id
from answerable.ledger.envelope import ELSEWHERE, part_digest, seal_clear, stand_in
from answerable.ledger.leaf import make_entry
from answerable.ledger.ledger import Ledger
from answerable.ledger.rescan import Leak, rescan
from answerable.state.cases import ADD_PENDING
from dropping import key, sealed
from sealed_home import STEP, Home, entry_id

MAIL = "ada@planted.example"
NUMBER = "4111-0000-4111"


class Patterns:
    """A detector of two kinds."""

    version = "patterns@1"

    def find(self, text: str) -> Sequence[Span]:
        """Return e-mail addresses and numbers in groups."""
        found = [Span(*m.span(), "EMAIL", 1.0) for m in re.finditer(r"[\w.]+@[\w.]+\w", text)]
        found += [Span(*m.span(), "CARD", 1.0) for m in re.finditer(r"\d{4}-\d{4}-\d{4}", text)]
        return sorted(found, key=lambda span: span.start)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home."""
    made = Home.open(tmp_path / "home", create=True)
    yield made
    made.close()


def add(home: Home, number: int, parts: dict[str, bytes], **header: Any) -> str:
    """Append an entry; return its id as text."""
    fields = dict.fromkeys(HEADER_NAMES) | {"id": entry_id(number), "at": number * STEP, "kind": "decision"}
    made = make_entry(fields | header, parts)
    home.journal.submit(Unit(entries=[made]))
    return text_id(made.id)


def clear(value: Any) -> bytes:
    """Return a clear envelope of JSON data."""
    return seal_clear(encode(value), b"s" * 16)


def test_every_place_in_clear_is_found(home: Home) -> None:
    """Header, parts, blobs and state; in the journal and in segments alike."""
    for number in range(254):
        add(home, number, {"output": clear({"team": "billing"})}, label="low")
    header = add(home, 254, {}, label=f"to {MAIL}")
    nested = add(home, 255, {"input": clear({"a": [{"b": f"{MAIL} {MAIL}"}], "n": NUMBER})})
    home.seal(256)
    large = clear({"echo": NUMBER})
    blobs = Blobs(home.folder / "blobs")
    blobs.put(part_digest("detail", large), large)
    blob = add(home, 256, {"detail": stand_in(ELSEWHERE, part_digest("detail", large))})
    values = {"case_id": b"c" * 16, "decision": "d", "queue": MAIL, "opened": 1, "state": "open"}
    row = values | {"due": None, "fallback": encode({"to": MAIL}), "resolution": None}
    home.journal.submit(Unit(writes=[Write(ADD_PENDING, row)]))

    found = rescan(home.ledger, Patterns())

    assert found.entries == 257
    assert found.leaks == (
        Leak(where=header, part="header", path="label", kind="EMAIL", count=1),
        Leak(where=nested, part="input", path="a[0].b", kind="EMAIL", count=2),
        Leak(where=nested, part="input", path="n", kind="CARD", count=1),
        Leak(where=blob, part="detail", path="echo", kind="CARD", count=1),
        Leak(where="state", part="pending", path="queue", kind="EMAIL", count=1),
        Leak(where="state", part="pending", path="fallback.to", kind="EMAIL", count=1),
    )
    assert found.data()["kinds"] == {"CARD": 2, "EMAIL": 5}


def test_the_values_themselves_are_never_told(home: Home) -> None:
    """Not even where one is the name of a field."""
    add(home, 1, {"input": clear({MAIL: {"card": NUMBER}})}, label=NUMBER)

    told = json.dumps(rescan(home.ledger, Patterns()).data())

    assert MAIL not in told
    assert NUMBER not in told
    assert "[EMAIL].card" in told


def test_what_is_sealed_is_not_in_clear(home: Home) -> None:
    """An encrypted part is no leak, and without --sealed it is not looked into."""
    add(home, 1, {"input": sealed(key(1), MAIL.encode(), b"s" * 16)})

    found = rescan(home.ledger, Patterns())

    assert (found.leaks, found.opened, found.closed) == ((), 0, 0)


def test_only_entries_since_a_time_are_read(home: Home) -> None:
    """Older ones, and segments of older ones, are left out."""
    for number in range(300):
        add(home, number, {}, label=MAIL)
    home.seal(256)

    found = rescan(home.ledger, Patterns(), since=290 * STEP)

    assert found.entries == len(found.leaks) == 10


class Opened(Ledger):
    """A ledger with the keys at hand, for the one envelope form of these tests."""

    def body(self, stored: Stored, part: str) -> Any:
        """Return the body behind the nonce; None where the key is key 9."""
        envelope = stored.entry.parts.get(part)
        if envelope is None or envelope[0] != 1:
            return super().body(stored, part)
        return None if envelope[17:33] == key(9) else json.loads(envelope[77:])


def test_sealed_records_are_compared_with_what_they_say(home: Home) -> None:
    """By kind and count: what today's detector finds against the record's own number; no leak comes of it."""
    body = encode({"text": f"{MAIL}, {NUMBER}"})
    said = {"personal": {"found": {"EMAIL": 1, "PHONE": 2}, "detector": "patterns@0"}}
    record = add(home, 1, {"input": sealed(key(1), body, b"s" * 16), "detail": clear(said)})
    add(home, 2, {"input": sealed(key(9), body, b"s" * 16), "detail": clear(said)})
    ledger = Opened(home.journal, home.folder, home.ledger.signer, home.ledger.keys, home.ledger.home_id)

    found = rescan(ledger, Patterns(), sealed=True).data()

    assert found["leaks"] == []
    assert found["sealed"] == {
        "opened": 1,
        "closed": 1,
        "different": 2,
        "differences": [
            {"record": record, "kind": "CARD", "said": 0, "found": 1},
            {"record": record, "kind": "PHONE", "said": 2, "found": 0},
        ],
    }
    ledger.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(MAIL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just(MAIL), inner),
    max_leaves=12,
)


@given(JSON)
def test_as_many_are_found_as_stand_in_the_encoding(value: Any) -> None:
    """Wherever in the data a value stands, as a text or as a name, it is counted once, and never shown."""
    found = leaks_in(Patterns(), value)

    assert kinds_of(found).get("EMAIL", 0) == encode(value).decode().count(MAIL)
    assert not any(MAIL in path for path, _ in found)
