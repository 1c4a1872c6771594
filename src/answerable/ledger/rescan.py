"""Reads everything of a home that stands in clear, with today's detector: entries, blobs and state."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from answerable.encoding import decode
from answerable.governance.leaks import Leaks, kinds_of, leaks_in
from answerable.ledger.entry import HEADER, Statement, Stored, text_id
from answerable.ledger.envelope import AES256GCM_HKDF, CLEAR, open_clear
from answerable.ledger.ledger import Ledger
from answerable.ports import Detector

Progress = Callable[[int, int], None]  # entries done, entries to do

_TEXTS = tuple(name for name, kind in HEADER if kind == "text")
_REMEMBERED = 100_000  # different header texts: most come again and again


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """Personal values that stand in clear.

    where: an entry's id, or "state". part: of the entry, "header", or a state table. path: inside it.
    """

    where: str
    part: str
    path: str
    kind: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A sealed record in which today's detector finds another number of values than the record says."""

    record: str
    kind: str
    said: int
    found: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescanned:
    """What a re-scan found. entries: read. detector: "name@version". leaks: by place, oldest entry first.

    opened: sealed parts that were looked into; closed: those that could not be opened, as their key is gone.
    """

    entries: int
    detector: str
    leaks: tuple[Leak, ...]
    opened: int
    closed: int
    differences: tuple[Difference, ...]

    def data(self, limit: int | None = None) -> dict[str, Any]:
        """Return it as JSON-ready data. limit: at most so many places of each list."""
        kinds: Counter[str] = Counter()
        for leak in self.leaks:
            kinds[leak.kind] += leak.count
        return {
            "entries": self.entries,
            "detector": self.detector,
            "kinds": dict(sorted(kinds.items())),
            "places": len(self.leaks),
            "leaks": [
                {"where": one.where, "part": one.part, "path": one.path, "kind": one.kind, "count": one.count}
                for one in self.leaks[:limit]
            ],
            "sealed": {
                "opened": self.opened,
                "closed": self.closed,
                "different": len(self.differences),
                "differences": [
                    {"record": one.record, "kind": one.kind, "said": one.said, "found": one.found}
                    for one in self.differences[:limit]
                ],
            },
        }


def rescan(
    ledger: Ledger,
    detector: Detector,
    *,
    since: int | None = None,
    sealed: bool = False,
    progress: Progress | None = None,
) -> Rescanned:
    """Look for personal values in clear; what is found is counted by place and never shown.

    since: only entries from then on (microseconds); state is read whole. sealed: also open sealed parts, and
    compare what is found in a record's input with what the record says was found when it was made.
    Raises TamperFound if an entry cannot be read.
    """
    scan = _Scan(ledger, detector, sealed=sealed)
    size = ledger.head().size
    for stored in ledger.entries(since):
        if since is None or stored.entry.header["at"] >= since:
            scan.entry(stored)
        if progress is not None and stored.index % 256 == 255:
            progress(stored.index + 1, size)
    scan.state()
    return Rescanned(
        entries=scan.entries,
        detector=detector.version,
        leaks=tuple(scan.leaks),
        opened=scan.opened,
        closed=scan.closed,
        differences=tuple(scan.differences),
    )


class _Scan:
    """One pass over a home."""

    def __init__(self, ledger: Ledger, detector: Detector, *, sealed: bool) -> None:
        self._ledger, self._detector, self._sealed = ledger, detector, sealed
        self._known: dict[str, Leaks] = {}  # what is in a header's text
        self.leaks: list[Leak] = []
        self.differences: list[Difference] = []
        self.entries = self.opened = self.closed = 0

    def entry(self, stored: Stored) -> None:
        """Read an entry's header and parts."""
        self.entries += 1
        where = text_id(stored.entry.id)
        for name in _TEXTS:
            text = stored.entry.header[name]
            if text:
                self._told(where, "header", self._of_header(text), name)
        for name in stored.entry.parts:
            envelope = self._ledger.envelope(stored, name) or b""
            if envelope[:1] == bytes([CLEAR]):
                body = decode(open_clear(envelope) or b"null")
                self._told(where, name, leaks_in(self._detector, body))
            elif self._sealed and envelope[:1] == bytes([AES256GCM_HKDF]):
                self._look_into(stored, name)

    def state(self) -> None:
        """Read the texts of every state table, and their JSON."""
        found: dict[str, Leaks] = {}
        for table, column, value in _state(self._ledger):
            found.setdefault(table, Counter()).update(leaks_in(self._detector, value, column))
        for table, leaks in found.items():
            self._told("state", table, leaks)

    def _of_header(self, text: str) -> Leaks:
        found = self._known.get(text)
        if found is None:
            found = leaks_in(self._detector, text)
            if len(self._known) < _REMEMBERED:
                self._known[text] = found
        return found

    def _told(self, where: str, part: str, found: Leaks, path: str = "") -> None:
        for (place, kind), count in found.items():
            self.leaks.append(Leak(where=where, part=part, path=place or path, kind=kind, count=count))

    def _look_into(self, stored: Stored, name: str) -> None:
        """Open a sealed part; compare the input with what its record says of it."""
        body = self._ledger.body(stored, name)
        if not isinstance(body, str | int | float | list | dict):  # what nobody can open is none of them
            self.closed += 1
            return
        self.opened += 1
        if name != "input":
            return
        detail = self._ledger.body(stored, "detail")
        personal = detail.get("personal") if isinstance(detail, dict) else None
        said = personal.get("found") if isinstance(personal, dict) else None
        if not isinstance(said, dict):
            return
        now = kinds_of(leaks_in(self._detector, body))
        for kind in sorted({*now, *said}):
            if now.get(kind, 0) != said.get(kind, 0):
                record = text_id(stored.entry.id)
                one = Difference(record=record, kind=kind, said=said.get(kind, 0), found=now.get(kind, 0))
                self.differences.append(one)


def _state(ledger: Ledger) -> Iterator[tuple[str, str, Any]]:
    """Yield (table, column, value) of every text, and of every JSON value kept as bytes."""
    from sqlalchemy import LargeBinary, String, select

    from answerable.state.tables import metadata

    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, String | LargeBinary)]
        statement = Statement(f"rescan_{table.name}", _selecting(select(*columns)))
        for row in ledger.journal.rows(statement, {}) if columns else ():
            for column, value in zip(columns, row, strict=True):
                if isinstance(value, str):
                    yield table.name, column.name, value
                elif value is not None and bytes(value[:1]) in (b"{", b"[", b'"'):
                    try:
                        yield table.name, column.name, decode(bytes(value))
                    except ValueError:  # the bytes of a key or a digest
                        continue


def _selecting(construct: Any) -> Callable[[str], Any]:
    return lambda dialect: construct
