"""A small ledger in a folder for tests: entries of every shape, sealed or not, and ways to damage it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.encoding import encode
from answerable.ledger.blobs import Blobs
from answerable.ledger.entry import HEADER_NAMES, Entry, Unit
from answerable.ledger.envelope import ELSEWHERE, part_digest, seal_clear, stand_in
from answerable.ledger.findings import Report
from answerable.ledger.journal_sqlite import SqliteJournal
from answerable.ledger.leaf import make_entry
from answerable.ledger.ledger import Ledger
from answerable.ledger.note import VerifierKey, sign_note
from answerable.ledger.seal import seal
from answerable.ledger.sqlite import library

HOME = b"h" * 16
ORIGIN = "example.com/log"
START = 1_790_000_000_000_000  # microseconds since 1970, a day in September 2026
STEP = 60_000_000  # one entry a minute


class Signer:
    """Signs with a fixed key."""

    name = ORIGIN

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)

    def sign(self, text: str) -> str:
        """Return `text` as a signed note."""
        return sign_note(text, self.name, self.key)


KEY = VerifierKey.of(ORIGIN, Signer().key)


def entry_id(number: int, at: int = START) -> bytes:
    """Return the UUIDv7 of entry `number`, made at `at` + number steps."""
    rest = hashlib.sha256(b"%d" % number).digest()
    head = ((at + number * STEP) // 1000).to_bytes(6, "big")
    return head + bytes([0x70 | rest[0] & 15, rest[1], 0x80 | rest[2] & 63]) + rest[3:10]


def entry(number: int, *, blobs: Blobs | None = None, at: int = START, **header: Any) -> Entry:
    """Return entry `number`; every value follows from it."""
    salt = hashlib.sha256(b"salt%d" % number).digest()[:16]
    fields: dict[str, Any] = dict.fromkeys(HEADER_NAMES)
    fields.update(
        id=entry_id(number, at),
        at=at + number * STEP,
        kind="truth" if number % 11 == 0 else "decision",
        decision="route-ticket" if number % 3 else "refund",
        version="3",
        definition=b"d" * 32,
        status="failed" if number % 7 == 0 else "answered",
        label=("low", "normal", "höchst", None)[number % 4],
        confidence=None if number % 2 else number / 10_000,
        made_by="security_words@1",
        key_digest=salt * 2,
        latency_us=number * 1000,
        cost=number % 5,
        currency="USD",
    )
    fields.update(header)
    parts = {
        "input": seal_clear(
            encode({"number": f"T-{number}", "body": "the printer is on fire " * (number % 9)}), salt
        ),
        "output": seal_clear(encode({"urgency": "low", "team": "billing"}), salt),
    }
    if number % 5 == 0:
        parts["reads"] = seal_clear(encode([{"source": "crm", "row": number}]), salt)
    if blobs is not None and number % 400 == 7:
        large = seal_clear(encode({"large": "x" * 5000}), salt)
        digest = part_digest("detail", large)
        blobs.put(digest, large)
        parts["detail"] = stand_in(ELSEWHERE, digest)
    return make_entry(fields, parts)


@dataclass
class Home:
    """A ledger's folder, opened."""

    folder: Path
    journal: SqliteJournal
    ledger: Ledger

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Home:
        """Open the home in `folder`."""
        folder.mkdir(exist_ok=True)
        journal = SqliteJournal(
            folder / "journal.db", home=HOME, signer=Signer(), durability="NORMAL", create=create
        )
        return cls(folder, journal, Ledger(journal, folder, Signer(), [KEY], HOME))

    @classmethod
    def make(cls, folder: Path, count: int) -> Home:
        """Return a new home with `count` entries, none sealed."""
        home = cls.open(folder, create=True)
        home.append(0, count)
        return home

    def append(self, start: int, stop: int, **header: Any) -> None:
        """Append the entries start..stop-1."""
        blobs = Blobs(self.folder / "blobs")
        for lo in range(start, stop, 256):
            some = [entry(number, blobs=blobs, **header) for number in range(lo, min(lo + 256, stop))]
            self.journal.submit(Unit(entries=some))

    def seal(self, entries: int = 512) -> None:
        """Seal in segments of at most `entries`."""
        seal(self.journal, self.folder / "segments", home=HOME, entries=entries)

    def close(self) -> None:
        """Close the journal."""
        self.ledger.close()
        self.journal.close()

    def reopened(self) -> Home:
        """Close and open again."""
        self.close()
        return Home.open(self.folder)

    def sql(self, *statements: str, params: tuple[Any, ...] = ()) -> Home:
        """Change the closed database behind everyone's back and open it again."""
        self.close()
        connection = library().connect(str(self.folder / "journal.db"), isolation_level=None)
        for statement in statements:
            connection.execute(statement, params)
        connection.close()
        return Home.open(self.folder)

    def files(self) -> list[Path]:
        """The segment files, oldest first."""
        return sorted(self.folder.glob("segments/day=*/seg-*.parquet"), key=lambda path: path.name)

    def verify(self) -> Report:
        """Verify the home."""
        return self.ledger.verify()


def copied(home: Path, to: Path) -> Home:
    """Return a copy of the closed home in another folder."""
    shutil.copytree(home, to)
    return Home.open(to)


def found(report: Report, where: str, what: str = "") -> bool:
    """Say whether the report has a problem at a place that begins so and says so."""
    assert not report.ok
    assert report.data()["ok"] is False
    hits = [p for p in report.problems if p.where.startswith(where) and what in p.what]
    assert hits, report.problems
    return True
