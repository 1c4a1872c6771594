"""Numbers of a header come back from every journal bit for bit: the leaf hashes all their bytes."""

from __future__ import annotations

import math
import struct

import pytest

import answerable as ans
from answerable.ledger.entry import Unit
from workspaces import KINDS, on_each_journal

any_ws = pytest.fixture(name="any_ws", params=KINDS)(on_each_journal)


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, 0.1, 5e-324, 1 - 2**-53])
def test_numbers_of_a_header_come_back_bit_for_bit(any_ws: ans.Workspace, number: float) -> None:
    """-0.0, which SQLite would make 0, is written as 0 to begin with."""
    whole = dict.fromkeys(("latency_us", "cost", "tokens_in", "tokens_out"), (1 << 63) - 1)
    entry = any_ws.book.entry({"kind": "alert", "confidence": number, "items": -(1 << 63), **whole}, {})

    any_ws.book.journal.submit(Unit([entry]))

    stored = any_ws.book.journal.get(entry.id)
    assert stored is not None
    assert stored.entry.header == entry.header
    told = stored.entry.header["confidence"]
    assert struct.pack(">d", told) == struct.pack(">d", entry.header["confidence"])
    assert (told, math.copysign(1, told)) == (number, 1)
    assert any_ws.ledger.verify().ok
