"""Sealing: closed ranges of the journal are checked, become segment files and enter the catalog."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerable import formats
from answerable.errors import LockedHome, TamperFound, UsageError
from answerable.ledger.catalog import Segment, add_segment, segments, tree_of
from answerable.ledger.entry import HEADER_NAMES, PARTS, Conflict, Head, Unit, Write
from answerable.ledger.leaf_columns import leaf_hashes, part_digests
from answerable.ledger.rows import COLUMNS
from answerable.ledger.segments_parquet import SegmentWriter
from answerable.ledger.tlog import TILE, Frontier, root, tile_roots
from answerable.ports import Journal

ENTRIES = 131_072  # in one segment
BYTES = 64 * 1024 * 1024  # of one segment's file, about

Progress = Callable[[int, int], None]  # entries done, entries to do

_HEADER = slice(1, 1 + len(HEADER_NAMES))
_PARTS = slice(1 + len(HEADER_NAMES), 1 + len(HEADER_NAMES) + len(PARTS))
_AT, _ID = COLUMNS.index("at"), COLUMNS.index("id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """What a pass did: how many entries went into which segments."""

    entries: int
    segments: tuple[Segment, ...]


def seal(
    journal: Journal,
    folder: Path,
    *,
    home: bytes,
    fence: Sequence[Write] = (),
    entries: int = ENTRIES,
    size: int = BYTES,
    progress: Progress | None = None,
) -> Sealed:
    """Seal every full block of 256 entries that is not sealed, and drop it from the journal.

    folder: of the segments. fence: written with each catalog row, so that a sealer that lost its role fails
    with Conflict. entries, size: the most that one segment holds; entries is a multiple of 256.
    May be run again after a crash at any point. One sealer at a time; another one's progress is found and
    raises LockedHome. Raises TamperFound, and seals nothing, if the journal is not what its head commits to.
    """
    if entries < TILE or entries % TILE:
        raise UsageError(f"a segment of {entries} entries", next_step=f"give a multiple of {TILE}")
    known = segments(journal)
    start = _end(known)
    journal.drop(start)  # what a crash after the catalog row left
    head = journal.head()
    if head.size - start < TILE:
        return Sealed(entries=0, segments=())
    work = _Pass(folder, home, known, entries=entries, size=size, head=head)
    try:
        for rows in journal.pages(start, head.size, batch=TILE):
            work.take(rows)
            if progress is not None:
                progress(work.at - start, head.size - start)
        work.check()
    except BaseException as exc:
        work.abandon()
        # What is gone under our hands, another sealer has moved or cleared away.
        lost = isinstance(exc, TamperFound) and _end(segments(journal)) != start
        if lost or isinstance(exc, FileNotFoundError):
            raise _outrun(start) from exc
        raise
    _publish(journal, work.made, fence)
    remove_orphans(journal, folder, start, work.made[-1].hi)
    return Sealed(entries=sum(s.hi - s.lo for s in work.made), segments=tuple(work.made))


def _end(known: Sequence[Segment]) -> int:
    return known[-1].hi if known else 0


def _outrun(start: int) -> LockedHome:
    return LockedHome(
        f"another sealer has moved on from entry {start}",
        next_step="run one sealer at a time; nothing was lost",
    )


def _publish(journal: Journal, made: Sequence[Segment], fence: Sequence[Write]) -> None:
    for segment in made:
        if _end(segments(journal)) != segment.lo:
            raise _outrun(segment.lo)
        try:
            journal.submit(Unit(writes=[*fence, add_segment(segment)]))
        except Conflict as exc:
            if exc.clash in {write.clash for write in fence}:
                raise  # the role is lost, which its holder wants to know
            raise _outrun(segment.lo) from exc
        journal.drop(segment.hi)


def remove_orphans(journal: Journal, folder: Path, start: int, stop: int) -> None:
    """Remove files that a crash left in the sealed range start..stop-1 and no catalog row names.

    Whoever seals by now works behind `stop`; the catalog is read after the files, so what it gained is kept.
    Half-written files may be another sealer's and are left to the cleaner, and so is a file that Windows
    does not give away because somebody reads it.
    """
    files = [*folder.glob("day=*/seg-*.parquet")]
    named = {segment.path for segment in segments(journal)}
    for path in files:
        number = path.name[4:16]
        if not (number.isascii() and number.isdigit() and start <= int(number) < stop):
            continue
        if path.relative_to(folder).as_posix() not in named:
            with suppress(PermissionError):
                path.unlink(missing_ok=True)


class _Pass:
    """One walk over the tail: checks each leaf, grows the tree, and writes the full blocks to files."""

    def __init__(
        self, folder: Path, home: bytes, known: Sequence[Segment], *, entries: int, size: int, head: Head
    ) -> None:
        self._folder, self._home, self._entries, self._size, self._head = folder, home, entries, size, head
        self._blocks = Frontier()  # the tree in units of 256 entries, which costs no leaf a second hash
        for segment in known:
            self._blocks.extend(segment.blocks)
        self._rest: list[bytes] = []  # leaves after the last full block
        self._stop = head.size - head.size % TILE
        self._writer: SegmentWriter | None = None
        self.at = self._blocks.size * TILE
        self.made: list[Segment] = []
        self._begin(self.at)

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        """Check a batch of rows; write those of full blocks."""
        columns = list(zip(*rows, strict=True))
        if columns[0] != tuple(range(self.at, self.at + len(rows))):
            raise _broken(f"the journal has no entry {self._first_gap(columns[0])}")
        leaves = _checked_leaves(columns)
        full = max(0, min(len(rows), self._stop - self.at))
        self.at += len(rows)
        self._rest += leaves[full:]
        if not full:
            return
        if full < len(rows):
            columns = [column[:full] for column in columns]
        tiles = tile_roots(leaves[:full])
        self._blocks.extend(tiles)
        if self._writer is None:
            self._writer = SegmentWriter(self._folder, home=self._home, lo=self._lo)
        self._writer.add(columns)
        self._tiles += tiles
        self._at_span.update((min(columns[_AT]), max(columns[_AT])))
        self._id_span.update((min(columns[_ID]), max(columns[_ID])))
        hi = self._lo + len(self._tiles) * TILE
        if hi == self._stop or hi - self._lo == self._entries or self._writer.size >= self._size:
            self._finish(hi)

    def check(self) -> None:
        """Compare the tree with the head. Raises TamperFound."""
        if self.at != self._head.size:
            raise _broken(f"the journal has no entry {self.at}, but its head counts {self._head.size}")
        tree = tree_of(self._blocks)
        tree.extend(self._rest)
        if (tree.to_bytes(), tree.root()) != (self._head.frontier, self._head.root):
            raise _broken("the journal's entries do not give the root of its head")

    def abandon(self) -> None:
        """Remove the file that is being written; finished ones have no catalog row and are overwritten."""
        if self._writer is not None:
            self._writer.abandon()

    def _begin(self, lo: int) -> None:
        self._lo = lo
        self._tiles: list[bytes] = []
        self._at_span: set[int] = set()
        self._id_span: set[bytes] = set()

    def _finish(self, hi: int) -> None:
        assert self._writer is not None
        path, size, digest = self._writer.finish(root(self._tiles))
        self._writer = None
        segment = Segment(
            lo=self._lo,
            hi=hi,
            at_lo=min(self._at_span),
            at_hi=max(self._at_span),
            id_lo=min(self._id_span),
            id_hi=max(self._id_span),
            size=size,
            path=path,
            sha256=digest,
            tiles=b"".join(self._tiles),
            format=formats.SEGMENT,
        )
        self.made.append(segment)
        self._begin(hi)

    def _first_gap(self, indexes: Sequence[int]) -> int:
        return next(want for want, got in enumerate([*indexes, -1], start=self.at) if want != got)


def _checked_leaves(columns: Sequence[Sequence[Any]]) -> list[bytes]:
    """Return the leaf hashes, recomputed from all other columns. Raises TamperFound where they differ."""
    count = len(columns[0])
    header = dict(zip(HEADER_NAMES, columns[_HEADER], strict=True))
    digests = {name: part_digests(name, values) for name, values in zip(PARTS, columns[_PARTS], strict=True)}
    leaves = leaf_hashes(header, digests, count)
    if leaves != list(columns[-1]):
        wrong = next(
            n for n, (one, other) in enumerate(zip(leaves, columns[-1], strict=True)) if one != other
        )
        raise _broken(f"the journal's entry {columns[0][wrong]} is not what was signed")
    return leaves


def _broken(what: str) -> TamperFound:
    return TamperFound(
        what, next_step="run `answerable ledger verify`, then restore the journal from a backup"
    )
