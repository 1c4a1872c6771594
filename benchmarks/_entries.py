"""Entries as a service writes them, about 2 kB in 5 parts, and a journal to put them in."""

import itertools
import os
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from answerable.encoding import encode
from answerable.ledger.entry import HEADER_NAMES, Entry, Unit
from answerable.ledger.envelope import seal_clear
from answerable.ledger.journal_sqlite import open_journal
from answerable.ledger.keys import FileSigner, load_signer, make_signing_key
from answerable.ports import Journal, JournalAddress, Signer
from answerable.system import Uuid7

ORIGIN = "benchmark.example/log"
HOME = bytes(range(16))
DAY_US = 86_400 * 1_000_000
USED = ("input", "attempts", "output", "versions", "detail")
BODIES = 4096  # different bodies of each part; salts are fresh, so no two envelopes are alike

_chance = random.Random(7)
_words = ["".join(_chance.choices("etaoinshrdlucmfwypvbgk", k=_chance.randint(2, 9))) for _ in range(4000)]
_weights = list(itertools.accumulate(1 / rank for rank in range(1, len(_words) + 1)))  # Zipf, as words are
_ids = Uuid7()
_EMPTY: dict[str, Any] = dict.fromkeys(HEADER_NAMES)
_DECISIONS = ("route-ticket", "approve-refund", "moderate-post", "name-intent")
_DEFINITION = bytes(range(32))


def text(count: int) -> str:
    """Return `count` invented words."""
    return " ".join(_chance.choices(_words, cum_weights=_weights, k=count))


def some_parts() -> dict[str, bytes]:
    """Return the bodies (encoder v1) of one entry's parts: about 1.7 kB, 2 kB with their envelopes."""
    p = round(_chance.uniform(0.5, 1), 4)
    belief = {"measured": "raw", "p": p, "distribution": [["high", p], ["low", round(1 - p, 4)]]}
    told = {
        "urgency": _chance.choice(["low", "normal", "high"]),
        "team": _chance.choice(["billing", "account"]),
    }
    return {
        "input": encode({"number": f"T-{_chance.randrange(10**6)}", "product": "cards", "body": text(125)}),
        "attempts": encode(
            [
                {"decider": "words@1", "result": "abstained", "reason": "no security word", "latency_us": 12},
                {
                    "decider": "tf-idf@7",
                    "result": "accepted",
                    "beliefs": {"urgency": belief, "team": belief},
                    "output": told,
                },
            ]
        ),
        "output": encode(
            {"output": told, "reason": text(20), "beliefs": {"urgency": belief, "team": belief}}
        ),
        "versions": encode({"answerable": "0.1.0", "python": "3.11.9"}),
        "detail": encode({"key": "T-1", "principal": {"id": "service:web", "roles": [], "verified": False}}),
    }


def header(number: int, at: int) -> dict[str, Any]:
    """Return the header of the decision entry with this number. at: microseconds since 1970."""
    failed = number % 50 == 0
    return _EMPTY | {
        "id": _ids.new(),
        "at": at,
        "kind": "decision",
        "decision": _DECISIONS[number % 4],
        "version": "3",
        "definition": _DEFINITION,
        "status": "failed" if failed else "answered",
        "label": None if failed else ("low", "normal", "high")[number % 3],
        "confidence": (number * 37 % 1000) / 1000,
        "made_by": "tf-idf@7",
        "principal": "service:web",
        "purpose": "customer-support",
        "stage": "live",
        "key_digest": os.urandom(32),
        "latency_us": 200 + number * 7919 % 90_000,
        "cost": number % 300,
        "currency": "USD",
    }


def bodies(number: int) -> dict[str, bytes]:
    """Return the part bodies of the entry with this number."""
    return _body(number % BODIES)


@cache
def _body(which: int) -> dict[str, bytes]:
    return some_parts()


def sealed(number: int) -> dict[str, bytes]:
    """Return fresh envelopes around the part bodies of the entry with this number."""
    salts = os.urandom(16 * len(USED))
    return {
        name: seal_clear(body, salts[16 * i : 16 * i + 16])
        for i, (name, body) in enumerate(bodies(number).items())
    }


def entries(count: int, *, at: int, step_us: int = 1000) -> Iterator[Entry]:
    """Make `count` entries, `step_us` apart from `at` on (microseconds since 1970)."""
    from answerable.ledger.leaf import make_entry

    for number in range(count):
        yield make_entry(header(number, at + number * step_us), sealed(number))


def units(count: int, *, at: int) -> list[Unit]:
    """Return `count` units of one entry each."""
    return [Unit([entry]) for entry in entries(count, at=at)]


def average_bytes(some: list[Unit]) -> int:
    """Return the mean size of a unit's parts."""
    return round(sum(unit.size for unit in some) / len(some))


class CountingSigner:
    """A signer that notes the sizes it signed, and so which groups the journal formed."""

    def __init__(self, inner: Signer) -> None:
        self.name, self._inner = inner.name, inner
        self.sizes: list[int] = []

    def sign(self, body: str) -> str:
        """Sign a checkpoint's text; its second line is the size."""
        self.sizes.append(int(body.split("\n", 2)[1]))
        return self._inner.sign(body)

    @property
    def groups(self) -> list[int]:
        """How many entries each commit held."""
        return [after - before for before, after in itertools.pairwise(self.sizes)]


def signer(folder: Path) -> FileSigner:
    """Return the signer of a home folder; its key is made if there is none."""
    key = folder / "signing.pem"
    if not key.exists():
        make_signing_key(key)
    return load_signer(ORIGIN, "file:signing.pem", folder, {})


def sqlite_journal(folder: Path, by: Signer, *, create: bool = True) -> Journal:
    """Open a journal on SQLite in `folder`, durable (FULL)."""
    address = JournalAddress(url="sqlite:journal.db", folder=folder, home=HOME, create=create)
    journal: Journal = open_journal(address, by)
    return journal
