"""All ports: the smallest interface the core needs of the world, each with its in-memory or null twin."""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.governance.access import Ask, Permit, RowPermit, Shape
from answerable.governance.detection import Span
from answerable.governance.read import Fetched, Wanted
from answerable.ledger.entry import Filter, Head, Listed, Receipt, Statement, Stored, Unit


class Journal(Protocol):
    """The hot, relational tail of the log and the state tables beside it."""

    def submit(self, unit: Unit) -> Receipt:
        """Make `unit` durable and return the index of each of its entries; blocks until then.

        Raises Conflict if a write's expectation fails (nothing of this unit is kept; others are not
        touched) and LedgerUnavailable if the database cannot make it durable.
        """

    def enqueue(self, unit: Unit) -> Awaitable[Receipt]:
        """`submit` for a running event loop; call it on the loop's thread."""

    def head(self) -> Head:
        """Return the current head."""

    def get(self, entry_id: bytes) -> Stored | None:
        """Return the entry with this id, or None if it is not in the journal."""

    def scan(self, start: int, stop: int, *, batch: int = 1024) -> Iterator[Sequence[Stored]]:
        """Yield the entries with start <= index < stop that are in the journal, by index, in batches."""

    def pages(self, start: int, stop: int, *, batch: int = 1024) -> Iterator[Sequence[Sequence[Any]]]:
        """`scan`, as the values of the columns: twice as fast, and a damaged entry stops nobody."""

    def latest(self, wanted: Filter) -> Sequence[Listed]:
        """Return the journal's entries that `wanted` describes, newest first."""

    def rows(self, statement: Statement, params: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Run a reading statement on the state tables."""

    def drop(self, stop: int) -> None:
        """Delete the entries with index < `stop`; they are sealed."""

    def close(self) -> None:
        """Finish what is queued and release the database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalAddress:
    """Where a home's journal is. url: as in home.toml. folder: the home's. home: its id, 16 bytes.

    durability: "FULL" or "NORMAL". create: make it; otherwise it must exist and belong to this home.
    """

    url: str
    folder: Path
    home: bytes
    durability: str = "FULL"
    create: bool = False


class Signer(Protocol):
    """Holds the log's private key."""

    name: str  # the log's origin

    def sign(self, text: str) -> str:
        """Return `text` (a checkpoint body) as a signed note."""


class Clock(Protocol):
    """Time, passed in so that rules stay pure and tests decide it."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""


class Ids(Protocol):
    """Makes entry ids."""

    def new(self) -> bytes:
        """Return a fresh UUIDv7, 16 bytes, above all earlier ones of this process."""

    def random(self, count: int) -> bytes:
        """Return `count` random bytes (at most 4096), for salts."""


class Caller(Protocol):
    """Runs a decider's code where it can be abandoned."""

    def call(self, decider: Decider, case: Case[Any], timeout: float) -> Awaitable[Any]:
        """Return what `decider.run(case)` returns. Raises TimeoutError after `timeout` seconds."""

    def wait(self, future: "Future[None]", timeout: float) -> Awaitable[None]:
        """Wait until `future` is done or `timeout` seconds are over."""


class PolicyEngine(Protocol):
    """Says who may do what. Any error inside it means no."""

    def know(self, source: Shape) -> None:
        """Be told of a source whose rows policies may name; the same one again changes nothing.

        Raises HomeError if the policies do not fit it.
        """

    def authorize(self, ask: Ask) -> Permit:
        """Judge one question."""

    def rows(self, ask: Ask) -> RowPermit:
        """Say which rows of the source `ask.resource` (without attributes) may be read.

        A policy that cannot be compiled to such a condition is a denial that says so.
        """


class Detector(Protocol):
    """Finds personal values in free text."""

    version: str  # "name@version", as records name it

    def find(self, text: str) -> Sequence[Span]:
        """Return what was found, by start, without overlaps."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that seals parts. id: 16 bytes, stands in the envelope. secret: 32 bytes."""

    id: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key as it is kept: wrapped, or destroyed where that is empty. retention, day: of a day key."""

    id: bytes
    wrapped: bytes = field(repr=False)
    made: int  # microseconds since 1970
    retention: str | None = None
    day: int | None = None


class KeyStore(Protocol):
    """Holds data keys, wrapped, apart from the journal. A key that was shredded is gone for good.

    Making and getting raise HomeError where the key-encryption key is not at hand.
    """

    def make(self, count: int) -> Sequence[DataKey]:
        """Make that many keys for subjects; they are durable when this returns."""

    def of_day(self, retention: str, day: int) -> DataKey | None:
        """Return the key of a retention class and day (days since 1970), made at first use.

        None if it was shredded: its time is over.
        """

    def find_day(self, retention: str, day: int) -> DataKey | None:
        """Return that key if there was one; its secret is empty if it was shredded. Nothing is made."""

    def get(self, key_id: bytes) -> DataKey | None:
        """Return a key; None if it was shredded or never made here."""

    def shred(self, key_ids: Sequence[bytes]) -> int:
        """Destroy keys so that no file holds them any more; return how many there were.

        Raises LockedHome if a reader keeps their bytes in a file; then it is to be asked again.
        """

    def days(self) -> Sequence[tuple[str, int, bytes]]:
        """Return (retention class, day, key id) of every day key that is there."""

    def kept(self) -> Iterator[KeptKey]:
        """Yield every key as it is kept, from one state of the store, for a copy."""

    def kek_mark(self) -> tuple[bytes, bytes]:
        """Return `check` and `sealed` of the key-encryption key in force, as they are kept."""

    def put_back(self, keys: Sequence[KeptKey]) -> None:
        """Add keys of a copy; those that are there already stay as they are."""

    def rewrap(self, kek: "Kek") -> int:
        """Wrap every key with another key-encryption key, the home's from then on; return how many."""

    def close(self) -> None:
        """Let go of the store."""


class Kek(Protocol):
    """The key-encryption key of a home."""

    check: bytes  # 16 bytes that only this key gives for this home: a wrong one is found out by them
    sealed: bytes  # the key as its KMS wrapped it; empty where it comes from a file or the environment

    def wrap(self, key_id: bytes, secret: bytes) -> bytes:
        """Return a data key encrypted and bound to its id."""

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """Return the data key. Raises HomeError if it was wrapped with another key or for another id."""


class Kms(Protocol):
    """A service that encrypts keys with one that never leaves it. A factory of it is a plug-in of
    the entry point group `answerable.kms`, called with what stands behind its name in home.toml."""

    def wrap(self, secret: bytes) -> bytes:
        """Return 32 bytes encrypted."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return what `wrap` was given."""


class Releases(Protocol):
    """Knows the stage of each decision."""

    def stage(self, decision: str) -> str:
        """Return "shadow", "advise", "live" or "stopped"."""


class SourceReader(Protocol):
    """Reads from one kind of source; the same for all cases of a workspace."""

    def fetch(self, wanted: Wanted) -> Fetched:
        """Return what a source holds; may block, at most about `wanted.within` seconds.

        Raises Faulted("source"), whose reason holds no password and no value, and UsageError for parameters
        that the source does not take.
        """

    def close(self) -> None:
        """Let go of every connection."""
