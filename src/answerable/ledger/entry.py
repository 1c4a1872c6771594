"""One item of the ledger: header fields, parts, and the unit of work in which it is made durable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from answerable.encoding import timestamp

HeaderType = Literal["id", "digest", "int", "float", "text"]

# Leaf v1 hashes these fields in this order, and journals and segments have a column for each. The list is
# frozen: another field makes leaf v2. Only opaque ids stand here, never a name or an e-mail address.
HEADER: tuple[tuple[str, HeaderType], ...] = (
    ("id", "id"),  # UUIDv7; a decision's entry has the id of its case: the record id
    ("at", "int"),  # microseconds since 1970, UTC
    ("kind", "text"),  # decision, resolution, truth, definition, ...
    ("case_id", "id"),  # the record this entry is about
    ("parent", "id"),  # an earlier entry it follows from
    ("thread", "text"),
    ("decision", "text"),
    ("version", "text"),
    ("definition", "digest"),  # SHA-256 of the manifest
    ("status", "text"),
    ("label", "text"),
    ("confidence", "float"),
    ("made_by", "text"),  # the decider, source or reviewer
    ("degraded", "text"),
    ("fault", "text"),  # category of the failure
    ("principal", "text"),
    ("purpose", "text"),
    ("policy", "digest"),  # SHA-256 of the policy set in force
    ("stage", "text"),
    ("key_digest", "digest"),  # keyed digest of the case's key
    ("retention", "text"),  # retention class
    ("latency_us", "int"),
    ("cost", "int"),  # micro-units of `currency`
    ("currency", "text"),
    ("tokens_in", "int"),
    ("tokens_out", "int"),
    ("model", "text"),
    ("items", "int"),  # how many items a chunk entry holds
)
HEADER_NAMES: tuple[str, ...] = tuple(name for name, _ in HEADER)

# The names a part may have, in column order. Each is an envelope of its own, committed to separately.
PARTS: tuple[str, ...] = ("input", "reads", "attempts", "output", "versions", "detail", "text")

# The kinds of entries there are so far; a new one needs no new format.
KINDS: tuple[str, ...] = (
    "alert",
    "breaker",
    "decision",
    "definition",
    "drop",
    "erasure",
    "export",
    "hold",
    "opened",
    "opinion",
    "resolution",
    "retention",
    "reveal",
    "truth",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One item as it is stored.

    header: field -> value for every name in HEADER (None where it has none). parts: name -> envelope bytes.
    digests: name -> SHA-256 of the envelope as leaf v1 commits to it. leaf: the leaf's hash, 32 bytes.
    """

    header: Mapping[str, Any]
    parts: Mapping[str, bytes]
    digests: Mapping[str, bytes]
    leaf: bytes

    @property
    def id(self) -> bytes:
        """The entry's UUIDv7, 16 bytes."""
        value: bytes = self.header["id"]
        return value

    @property
    def size(self) -> int:
        """Bytes of its parts."""
        return sum(map(len, self.parts.values()))


@dataclass(frozen=True, slots=True)
class Gone:
    """Stands where a part was that nobody can open; it is false, like no part.

    why: "erased" (with its person), "expired" (with its retention) or "locked" (its key is not at hand). at:
    when, microseconds since 1970; None where nobody knows.
    """

    why: Literal["erased", "expired", "locked"]
    at: int | None = None

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        if self.why == "locked":
            return "locked: its key is not at hand"
        on = "" if self.at is None else f" on {timestamp(self.at)[:10]}"
        return f"erased{on}" if self.why == "erased" else f"deleted{on}, as its time was over"

    @property
    def told(self) -> str:
        """What became of it, with its verb."""
        return f"{'is' if self.why == 'locked' else 'was'} {self}"


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry and where it stands in the log, counted from 0."""

    index: int
    entry: Entry


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement on the state tables, compiled once per database and then only executed.

    name: unique. build: gives the SQLAlchemy construct for a dialect name ("sqlite", "postgresql").
    """

    name: str
    build: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A statement with its parameters, run in the same transaction as a unit's entries.

    expect: how many rows it must touch; otherwise the unit fails with Conflict(clash) and leaves nothing.
    """

    statement: Statement
    params: Mapping[str, Any]
    expect: int | None = None
    clash: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What becomes durable together or not at all."""

    entries: Sequence[Entry] = ()
    writes: Sequence[Write] = ()

    @property
    def size(self) -> int:
        """Bytes of its parts."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The acknowledgement: the index of each entry of the unit, in order."""

    indexes: tuple[int, ...]


class Conflict(Exception):
    """A write touched another number of rows than it expected; `clash` says which one."""

    def __init__(self, clash: str) -> None:
        super().__init__(clash)
        self.clash = clash


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The log's current size (entries), compact range, root (32 bytes) and signed note."""

    size: int
    frontier: bytes
    root: bytes
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which entries a list shows, newest first.

    where: a condition over header columns with `?` placeholders and its `params`, from `ledger.where`.
    since, until: microseconds since 1970. before: only indexes below it (the cursor).
    """

    kinds: tuple[str, ...] = ("decision",)
    decision: str | None = None
    since: int | None = None
    until: int | None = None
    before: int | None = None
    where: str = ""
    params: tuple[Any, ...] = ()
    limit: int | None = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One line of a list: header fields only, no part was read."""

    index: int
    header: Mapping[str, Any] = field(default_factory=dict)


def readable(line: Listed) -> dict[str, Any]:
    """Return a line of a list as people read it: ids as text, digests in hex, the time as RFC 3339."""
    shown: dict[str, Any] = {"index": line.index, "record_id": text_id(line.header["id"])}
    for name, kind in HEADER[1:]:
        value = line.header[name]
        if value is not None and kind in ("id", "digest"):
            value = text_id(value) if kind == "id" else bytes(value).hex()
        shown[name] = timestamp(value) if name == "at" else value
    return shown


def text_id(value: bytes) -> str:
    """Return a 16-byte id as people write it."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
