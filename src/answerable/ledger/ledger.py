"""The ledger of a home: the journal and its sealed segments as one log, from first entry to proof."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from answerable.encoding import decode
from answerable.errors import TamperFound, UsageError
from answerable.ledger import catalog, durable
from answerable.ledger.blobs import FOLDER as BLOBS
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import FOLDER as SEGMENTS
from answerable.ledger.catalog import Segment
from answerable.ledger.entry import HEADER, Filter, Gone, Head, Listed, Stored, Write, text_id
from answerable.ledger.envelope import AES256GCM_HKDF, CLEAR, DROPPED, ELSEWHERE, open_clear, part_digest
from answerable.ledger.findings import Report
from answerable.ledger.note import Proof, VerifierKey
from answerable.ledger.prove import Kept, keep_checkpoint, prove
from answerable.ledger.seal import Sealed, seal
from answerable.ledger.segments_duckdb import Hour, SegmentReader
from answerable.ledger.segments_parquet import SegmentFile
from answerable.ledger.verify import verify
from answerable.ports import Journal, Signer

Progress = Callable[[int, int], None]  # entries done, entries to do
Opener = Callable[[Stored, bytes], bytes | Gone]  # an entry and an envelope of it that is not clear
T = TypeVar("T")

_STATE = {CLEAR: "clear", AES256GCM_HKDF: "sealed", DROPPED: "dropped"}


class Ledger:
    """Reads, seals, verifies and proves; it appends nothing.

    journal: where the log is written. folder: of the home. signer: of the log's heads. keys: that verify
    them, all that were ever in use. home_id: 16 bytes. opener: opens encrypted parts.
    """

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        signer: Signer,
        keys: Sequence[VerifierKey],
        home_id: bytes,
        opener: Opener | None = None,
    ) -> None:
        self._opener = opener
        self.journal, self.folder, self.signer, self.keys, self.home_id = (
            journal,
            folder,
            signer,
            tuple(keys),
            home_id,
        )
        self._segments = folder / SEGMENTS
        self.blobs = Blobs(folder / BLOBS)
        self._reader = SegmentReader()

    def close(self) -> None:
        """Release what reading took; the journal stays open."""
        self._reader.close()

    # -- reading -------------------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the log's current head."""
        return self.journal.head()

    def get(self, entry_id: bytes) -> Stored | None:
        """Return the entry with this id (16 bytes), or None. Raises TamperFound if its segment is damaged."""
        return self._again(lambda: self._get(entry_id))

    def _get(self, entry_id: bytes) -> Stored | None:
        # The journal first: what leaves it meanwhile is in the catalog before.
        stored = self.journal.get(entry_id)
        if stored is not None:
            return stored
        for segment in _kept(catalog.segments_of_id(self.journal, entry_id)):
            with SegmentFile(self._file(segment)) as file:
                stored = file.get(entry_id)
            if stored is not None:
                return stored
        return None

    def body(self, stored: Stored, part: str) -> Any:
        """Return a part as JSON data; None if the entry has no such part, a Gone if nobody can open it.

        Raises TamperFound if the part is a blob that is missing or was changed.
        """
        envelope = self.envelope(stored, part)
        if envelope is None:
            return None
        raw = open_clear(envelope)
        if raw is None:
            found = Gone("locked") if self._opener is None else self._opener(stored, envelope)
            if isinstance(found, Gone):
                return found
            raw = found
        return decode(raw)

    def envelope(self, stored: Stored, part: str) -> bytes | None:
        """Return a part as it is stored, from the blob store where it is there; None if there is none.

        Raises TamperFound if the part is a blob that is missing or was changed.
        """
        envelope = stored.entry.parts.get(part)
        if envelope is None or envelope[0] != ELSEWHERE:
            return envelope
        try:
            return self.blobs.get(part, part_digest(part, envelope))
        except TamperFound:
            now = self.get(stored.entry.id)  # it may have been dropped since it was read
            if now is not None and now.entry.parts.get(part, b"")[:1] == bytes([DROPPED]):
                return now.entry.parts[part]
            raise

    def latest(self, wanted: Filter) -> list[Listed]:
        """Return the entries that `wanted` describes, newest first; no part is read."""
        return self._again(lambda: self._latest(wanted))

    def _latest(self, wanted: Filter) -> list[Listed]:
        found = {item.index: item for item in self.journal.latest(wanted)}
        if wanted.limit is None or len(found) < wanted.limit:
            sealed = [
                segment
                for segment in _kept(catalog.segments_of_time(self.journal, wanted.since, wanted.until))
                if wanted.before is None or segment.lo < wanted.before
            ]
            if sealed:
                # Entries sealed and not dropped yet are in both, so all of the limit is asked for again.
                for item in self._reader.latest([self._file(segment) for segment in sealed], wanted):
                    found.setdefault(item.index, item)
        newest = sorted(found.values(), key=lambda item: -item.index)
        return newest if wanted.limit is None else newest[: wanted.limit]

    def hourly(self, since: int, until: int) -> list[Hour]:
        """Return each hour's decisions, failures and p95 latency, by decision; microseconds since 1970."""

        def read() -> list[Hour]:
            sealed, tail = self._cut(Filter(since=since, until=until, limit=None))
            paths = [self._file(s) for s in sealed if s.at_hi >= since and s.at_lo < until]
            return self._reader.hourly(paths, tail, since, until)

        return self._again(read)

    def kinds(self) -> dict[str, int]:
        """Return how many entries there are of each kind."""

        def read() -> dict[str, int]:
            sealed, tail = self._cut(Filter(kinds=(), limit=None))
            return self._reader.kinds([self._file(segment) for segment in sealed], tail)

        return self._again(read)

    def filled(self) -> list[tuple[Any, ...]]:
        """Return (kind, status, entries, and the columns of the block `filled` of segments.sql)."""

        def read() -> list[tuple[Any, ...]]:
            sealed, tail = self._cut(Filter(kinds=(), limit=None))
            return self._reader.filled([self._file(segment) for segment in sealed], tail)

        return self._again(read)

    def entries(self, since: int | None = None) -> Iterator[Stored]:
        """Yield every entry, by index, although a sealer may be at work; what was pruned is left out.

        since: microseconds since 1970; segments whose entries are all older are not read.
        """
        at = 0
        while at < (size := self.journal.head().size):
            start = at
            segment = self._segment_at(at)
            if segment is not None:
                if not segment.pruned and (since is None or segment.at_hi >= since):
                    with self._again(partial(self._open_at, at)) as file:
                        yield from file.stored()
                at = segment.hi
                continue
            for batch in self.journal.scan(at, size):
                for stored in batch:
                    if stored.index != at:
                        break
                    yield stored
                    at += 1
            if at == start and self._segment_at(at) is None:
                raise TamperFound(
                    f"entry {at} is missing",
                    next_step="run `answerable ledger verify` to find what was removed",
                )

    # -- keeping -------------------------------------------------------------------------------------

    def seal(self, *, fence: Sequence[Write] = (), progress: Progress | None = None) -> Sealed:
        """Seal all full blocks of the journal; see `ledger.seal`."""
        return seal(self.journal, self._segments, home=self.home_id, fence=fence, progress=progress)

    def verify(
        self,
        *,
        external: bool = False,
        witnesses: Sequence[VerifierKey] = (),
        quorum: int = 1,
        progress: Progress | None = None,
    ) -> Report:
        """Recompute everything and report each problem; see `ledger.verify`."""
        return verify(
            self.journal,
            self.folder,
            home=self.home_id,
            keys=self.keys,
            external=external,
            witnesses=witnesses,
            quorum=quorum,
            progress=progress,
        )

    def prove(self, entry_id: bytes, *, kept: bool = False) -> Proof:
        """Return the offline proof of an entry; see `ledger.prove`. Raises UsageError if there is none."""
        stored = self.get(entry_id)
        if stored is None:
            raise UsageError(
                f"no entry {text_id(entry_id)} is in the home {self.folder}{self._if_pruned(entry_id)}",
                next_step="check the id, or name the right home with --home",
            )
        return self._again(lambda: prove(self.journal, self.folder, self.keys, stored, kept=kept))

    def checkpoint(self) -> Kept:
        """Keep the current head's signed note in the home and return it."""
        return self._again(lambda: keep_checkpoint(self.journal, self.folder, self.keys))

    def export(self, path: Path, *, since: int | None = None, until: int | None = None) -> int:
        """Write every entry with since <= at < until (microseconds) as a line of JSON; return how many.

        A part is {"state", "digest"} and, where it is clear, "body"; where encrypted, "envelope" (base64).
        The file appears only when it is whole. Raises TamperFound if an entry cannot be read.
        """
        count = 0
        name = durable.temporary(path)
        try:
            with name.open("xb") as file:
                for stored in self.entries():
                    at = stored.entry.header["at"]
                    if (since is None or at >= since) and (until is None or at < until):
                        file.write(json.dumps(self._record(stored), ensure_ascii=False).encode() + b"\n")
                        count += 1
                durable.publish(file, path)
        finally:
            name.unlink(missing_ok=True)
        return count

    # -- inside --------------------------------------------------------------------------------------

    def _again(self, read: Callable[[], T]) -> T:
        """Read; once more if that fails: a file may have been written anew and the old one be gone."""
        try:
            return read()
        except (TamperFound, FileNotFoundError):
            return read()

    def _if_pruned(self, entry_id: bytes) -> str:
        gone = [one for one in catalog.segments_of_id(self.journal, entry_id) if one.pruned]
        return f"; if it was among the entries before {gone[0].hi}, it was pruned" if gone else ""

    def _file(self, segment: Segment) -> Path:
        path = segment.file(self._segments)
        if not path.exists():
            raise TamperFound(
                f"the segment {path} with entries {segment.lo} to {segment.hi - 1} is missing",
                next_step="restore the file from a backup",
            )
        return path

    def _cut(self, wanted: Filter) -> tuple[list[Segment], list[Listed]]:
        """Return the segments and the journal's entries behind them, as of one moment."""
        sealed = catalog.segments(self.journal)
        while True:
            end = sealed[-1].hi if sealed else 0
            tail = [item for item in self.journal.latest(wanted) if item.index >= end]
            again = catalog.segments(self.journal)
            if len(again) == len(sealed):  # else a sealer moved entries between the two reads
                return _kept(again), tail
            sealed = again

    def _segment_at(self, index: int) -> Segment | None:
        found = (one for one in catalog.segments(self.journal) if one.lo <= index < one.hi)
        return next(found, None)

    def _open_at(self, index: int) -> SegmentFile:
        segment = self._segment_at(index)
        assert segment is not None  # rows of the catalog stay
        return SegmentFile(self._file(segment))

    def _record(self, stored: Stored) -> dict[str, Any]:
        entry = stored.entry
        record: dict[str, Any] = {"index": stored.index}
        for name, kind in HEADER:
            value = entry.header[name]
            if value is not None and kind in ("id", "digest"):
                value = text_id(value) if kind == "id" else value.hex()
            record[name] = value
        record["parts"] = {name: self._part(stored, name) for name in entry.parts}
        record["leaf"] = entry.leaf.hex()
        return record

    def _part(self, stored: Stored, name: str) -> dict[str, Any]:
        envelope = self.envelope(stored, name) or b""
        part: dict[str, Any] = {"state": _STATE[envelope[0]], "digest": stored.entry.digests[name].hex()}
        if envelope[0] == CLEAR:
            part["body"] = decode(open_clear(envelope) or b"null")
        elif envelope[0] == AES256GCM_HKDF:
            part["envelope"] = base64.b64encode(envelope).decode()
        return part


def _kept(found: Sequence[Segment]) -> list[Segment]:
    """Return the segments whose entries are still there."""
    return [segment for segment in found if not segment.pruned]
