"""Dropping: parts sealed under a key that is gone make room for their digests, in rows, segments and blobs.

Leaves commit to the digest of a part, which its stand-in carries on, so every leaf, tile, root and proof
stays as it was. What is taken out is recorded by an entry of the kind `drop` in the same unit, index by
index: `verify` takes a part that is gone without one for damage.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from answerable.casebook import Casebook
from answerable.errors import LockedHome, TamperFound
from answerable.governance.retention import DAY, STANDARD, Day
from answerable.ledger.catalog import FOLDER, Segment, segments, segments_of_id, swap_segment
from answerable.ledger.entry import PARTS, Conflict, Unit, Write
from answerable.ledger.envelope import (
    AES256GCM_HKDF,
    CLEAR,
    DROPPED,
    ELSEWHERE,
    PREFIX,
    key_id_of,
    part_digest,
    stand_in,
)
from answerable.ledger.rows import COLUMNS, to_row
from answerable.ledger.seal import remove_orphans
from answerable.ledger.taken import DROP
from answerable.ledger.tlog import TILE, root, tile_roots

_ROWS = 256  # of the journal, in one unit
_AT, _RETENTION, _LEAF = COLUMNS.index("at"), COLUMNS.index("retention"), len(COLUMNS) - 1
_PARTS_AT = COLUMNS.index(PARTS[0])

Progress = Callable[[int, int], None]  # segments done, segments to do


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """What a pass took out: parts, of how many entries, of how many bytes; segments: files written anew."""

    entries: int
    parts: int
    segments: int
    bytes: int


def drop_parts(
    book: Casebook,
    key_ids: Collection[bytes],
    *,
    entries: Sequence[bytes] | None = None,
    days: Collection[Day] = (),
    fence: Sequence[Write] = (),
    progress: Progress | None = None,
) -> Dropped:
    """Put stand-ins in the place of all parts that are sealed under one of `key_ids` (16 bytes each).

    entries: ids of the entries to look at; what is in other segments is not read. days: instead of them,
    retention classes and days whose time is over; of their entries every encrypted part goes, whichever key
    it names. fence: of the sealer's role, which must be held: a sealer at work would carry the old parts on.
    May be run again after a crash at any point; files that one left are removed.
    Raises LockedHome if somebody else seals or drops, and TamperFound for a damaged segment, which is kept.
    """
    journal, folder = book.journal, book.ledger.folder / FOLDER
    known = segments(journal)
    end = known[-1].hi if known else 0
    journal.drop(end)  # what a crash of the sealer left: an entry then stands in one place only
    work = _Pass(book, frozenset(key_ids), frozenset(days), fence)
    for rows in _rows(book, end, entries):
        work.take(rows)
    chosen = [one for one in _chosen(book, known, entries, days) if not one.pruned]
    for number, segment in enumerate(chosen, start=1):
        work.rewrite(segment)
        if progress is not None:
            progress(number, len(chosen))
    remove_orphans(journal, folder, 0, end)
    return Dropped(entries=len(work.entries), parts=work.parts, segments=work.segments, bytes=work.bytes)


def _rows(book: Casebook, start: int, entries: Sequence[bytes] | None) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the journal's rows to look at."""
    if entries is None:
        yield from book.journal.pages(start, book.journal.head().size, batch=_ROWS)
        return
    for at in range(0, len(entries), _ROWS):
        found = [book.journal.get(entry_id) for entry_id in entries[at : at + _ROWS]]
        yield [to_row(stored.index, stored.entry) for stored in found if stored is not None]


def _chosen(
    book: Casebook,
    known: Sequence[Segment],
    entries: Sequence[bytes] | None,
    days: Collection[Day],
) -> list[Segment]:
    """Return the segments to look at, oldest first."""
    if entries is not None:
        starts = {one.lo for entry_id in set(entries) for one in segments_of_id(book.journal, entry_id)}
        known = [segment for segment in known if segment.lo in starts]
    if days:
        first, last = min(day for _, day in days), max(day for _, day in days)
        known = [one for one in known if one.at_hi // DAY >= first and one.at_lo // DAY <= last]
    return [*known]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part to be dropped. place: its entry's index. blob: it is in the blob store."""

    place: int
    name: str
    digest: bytes
    key: bytes
    size: int
    blob: bool


class _Pass:
    """Looks at parts and replaces them, in units that also say what they replaced."""

    def __init__(
        self, book: Casebook, keys: frozenset[bytes], days: frozenset[Day], fence: Sequence[Write]
    ) -> None:
        self._book, self._keys, self._days, self._fence = book, keys, days, fence
        self._folder, self._blobs = book.ledger.folder / FOLDER, book.ledger.blobs
        self.entries: set[int] = set()
        self.parts = self.segments = self.bytes = 0

    # -- the journal ---------------------------------------------------------------------------------

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        """Drop what is to be dropped of rows of the journal, in one unit."""
        from answerable.state.entries import REPLACE_PART

        parts = [
            part
            for row in rows
            for at, name in enumerate(PARTS, start=_PARTS_AT)
            if isinstance(row[at], bytes)
            and (part := self._to_drop(row[0], name, row[at], self._over(row[_RETENTION], row[_AT])))
        ]
        writes = []
        for part in parts:
            row = {"of_idx": part.place, "instead": stand_in(DROPPED, part.digest)}
            writes.append(Write(REPLACE_PART[part.name], row, expect=1, clash="the entry was sealed"))
        self._commit(parts, writes)

    # -- a segment -----------------------------------------------------------------------------------

    def rewrite(self, segment: Segment) -> None:
        """Write a segment's file anew without the parts to be dropped, if it has any."""
        from answerable.ledger.segments_parquet import SegmentFile

        path = segment.file(self._folder)
        with SegmentFile(path) as file:
            parts: list[_Part] = []
            at = segment.lo
            for number, count in enumerate(file.groups):
                parts += self._of_group(file.group(number, ("at", "retention", *PARTS)), at)
                at += count
            if not parts:
                return
            self._check(segment)
            row = self._written(segment, file, parts)
        self._commit(parts, [swap_segment(segment, **row)])
        self.segments += 1
        with suppress(PermissionError):  # Windows keeps a file that is read; it is an orphan by now
            path.unlink(missing_ok=True)

    def _of_group(self, group: Any, first: int) -> Iterator[_Part]:
        """Yield what is to be dropped of a row group, the first of its entries at index `first`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = pa.array(sorted(self._keys), pa.binary())
        stand_ins = pa.array([bytes([DROPPED]), bytes([ELSEWHERE])])
        over = [False] * len(group)
        if self._days:
            pairs = zip(group.column("retention").to_pylist(), group.column("at").to_pylist(), strict=True)
            over = [self._over(retention, at) for retention, at in pairs]
        for name in PARTS:
            column = group.column(name)
            if column.null_count == len(column):
                continue
            codec = pc.binary_slice(column, 0, 1)
            named = pc.or_(pc.is_in(pc.binary_slice(column, 17, 33), value_set=keys), pa.array(over))
            sealed = pc.and_(pc.equal(codec, bytes([AES256GCM_HKDF])), named)
            for at in pc.indices_nonzero(pc.or_(sealed, pc.is_in(codec, value_set=stand_ins))).to_pylist():
                part = self._to_drop(first + at, name, column[at].as_py(), over[at])
                if part is not None:
                    yield part

    def _check(self, segment: Segment) -> None:
        """Raise TamperFound for a file that is not the catalog's: its damage would get a fresh digest."""
        from answerable.ledger.segments_parquet import file_digest

        if file_digest(segment.file(self._folder)) != segment.sha256:
            raise _damaged(segment, "its SHA-256 is not the one in the catalog")

    def _written(self, segment: Segment, file: Any, parts: Sequence[_Part]) -> dict[str, Any]:
        """Write the new file; return what the catalog says of it."""
        from answerable.ledger.segments_parquet import SegmentWriter

        gone: dict[str, dict[int, bytes]] = {}
        for part in parts:
            gone.setdefault(part.name, {})[part.place] = stand_in(DROPPED, part.digest)
        writer = SegmentWriter(self._folder, home=self._book.ledger.home_id, lo=segment.lo)
        try:
            at, leaves = segment.lo, []
            for number in range(len(file.groups)):
                group = _replaced(file.group(number), at, gone)
                leaves += _leaves(segment, group)
                writer.copy(group)
                at += len(group)
            if len(leaves) % TILE or tile_roots(leaves) != segment.blocks:
                raise _damaged(segment, "its entries do not give the tiles in the catalog")
            path, size, digest = writer.finish(root(segment.blocks), anew=True)
        except BaseException:
            writer.abandon()
            raise
        return {"path": path, "size": size, "sha256": digest}

    # -- both ----------------------------------------------------------------------------------------

    def _over(self, retention: str | None, at: int) -> bool:
        return (retention or STANDARD, at // DAY) in self._days

    def _to_drop(self, place: int, name: str, envelope: bytes, over: bool) -> _Part | None:
        """Return the part in an envelope if it goes. over: its entry's time is over, so any key will do."""
        if len(envelope) < PREFIX or envelope[0] == CLEAR:
            return None
        if envelope[0] == AES256GCM_HKDF:
            key, digest = key_id_of(envelope), part_digest(name, envelope)
        else:
            digest = envelope[PREFIX:]
            key = self._blobs.key_of(digest)
        if key is None or not (over or key in self._keys):
            return None
        if envelope[0] == DROPPED:  # a crash came between the row and the blob
            self.bytes += self._blobs.remove(digest)
            return None
        return _Part(place, name, digest, key, len(envelope), blob=envelope[0] == ELSEWHERE)

    def _commit(self, parts: Sequence[_Part], writes: Sequence[Write]) -> None:
        """Replace the parts and say so in one unit; then their blobs go."""
        if not parts:
            return
        entry = self._book.entry({"kind": DROP}, {"detail": _told(parts)})
        try:
            self._book.journal.submit(Unit([entry], [*self._fence, *writes]))
        except Conflict as exc:
            if exc.clash in {write.clash for write in self._fence}:
                raise  # the role is lost, which its holder wants to know
            raise LockedHome(
                f"somebody else was at work on the sealed entries ({exc.clash})",
                next_step="let only the holder of the sealer's role drop parts, and run it again",
            ) from exc
        self.entries.update(part.place for part in parts)
        self.parts += len(parts)
        for part in parts:
            self.bytes += self._blobs.remove(part.digest) if part.blob else part.size


def _replaced(group: Any, first: int, gone: dict[str, dict[int, bytes]]) -> Any:
    """Return a row group with the stand-ins of `gone` (part -> index -> bytes) in it."""
    import pyarrow as pa

    columns = [*group.columns]
    for name, by_place in gone.items():
        if any(first <= place < first + len(group) for place in by_place):
            at = COLUMNS.index(name)
            values = columns[at].to_pylist()
            columns[at] = pa.array(
                [by_place.get(place, value) for place, value in enumerate(values, start=first)], pa.binary()
            )
    return pa.RecordBatch.from_arrays(columns, names=group.schema.names)


def _leaves(segment: Segment, group: Any) -> list[bytes]:
    """Return the leaves of a row group, recomputed. Raises TamperFound if they are not the stored ones."""
    from answerable.ledger.arrow_leaves import arrow_leaf_hashes, fixed_values

    leaves = arrow_leaf_hashes(group)
    if leaves != [*fixed_values(group.column(_LEAF), 32)]:
        raise _damaged(segment, "an entry is not what was signed")
    return leaves


def _told(parts: Sequence[_Part]) -> dict[str, Any]:
    """Return what a `drop` entry says: the keys, and of each part the runs [first, last] of indexes."""
    runs: dict[str, list[list[int]]] = {}
    for part in sorted(parts, key=lambda part: part.place):
        of_part = runs.setdefault(part.name, [])
        if of_part and of_part[-1][1] == part.place - 1:
            of_part[-1][1] = part.place
        else:
            of_part.append([part.place, part.place])
    return {"keys": sorted({part.key.hex() for part in parts}), "parts": runs}


def _damaged(segment: Segment, what: str) -> TamperFound:
    return TamperFound(
        f"the segment {segment.path} cannot be written anew: {what}",
        next_step="run `answerable ledger verify`, restore the file from a backup, then try again",
    )
