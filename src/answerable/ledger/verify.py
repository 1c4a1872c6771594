"""Verification: all is recomputed from stored bytes and compared with what was signed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from answerable.errors import UsageError
from answerable.ledger.blobs import FOLDER as BLOBS
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import FOLDER as SEGMENTS
from answerable.ledger.catalog import Segment, mistyped, segments, tree_of
from answerable.ledger.entry import Head
from answerable.ledger.findings import Findings, Report, Trust
from answerable.ledger.note import Checkpoint, VerifierKey, open_note
from answerable.ledger.taken import StandIns, Taken
from answerable.ledger.tlog import TILE, Frontier
from answerable.ledger.verify_entries import JOURNAL, Leaves, SegmentCheck, check_indexes, journal_leaves
from answerable.ports import Journal

CHECKPOINTS = "checkpoints"  # folder in the home

Progress = Callable[[int, int], None]  # entries done, entries to do


def checkpoint_name(checkpoint: Checkpoint) -> str:
    """Return the file name under which a checkpoint is kept: its size and the start of its root."""
    return f"{checkpoint.size:020d}-{checkpoint.root.hex()[:8]}.note"


def verify(
    journal: Journal,
    folder: Path,
    *,
    home: bytes,
    keys: Sequence[VerifierKey],
    external: bool = False,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Recompute the ledger of a home and report every problem with its place; damage never raises.

    folder: of the home. home: its id. keys: of the log, all that were ever in use. external: the log's key is
    held where the home's owner cannot use it. witnesses, quorum: the head or the newest kept checkpoint must
    carry signatures of so many of these keys to be called witnessed. Raises UsageError without a key.
    """
    if not keys or (witnesses and quorum < 1):
        raise UsageError(
            "a ledger cannot be verified without a key",
            next_step="pass the log's verifier key and a quorum above 0",
        )
    for _ in range(3):
        walk = _Walk(journal, folder, home, keys, progress)
        walk.run()
        report = walk.report(external, witnesses, quorum)
        # A sealer at work moves entries while we look: what then seemed to be missing is looked for again.
        if report.ok or not walk.outrun():
            break
    return report


class _Tree:
    """The tree as it grows over segments and the tail, and its root at every size that a checkpoint names."""

    def __init__(self, sizes: Iterator[int]) -> None:
        self._wanted = sorted(set(sizes))
        self._blocks = Frontier()
        self._tail: Frontier | None = None
        self.roots: dict[int, bytes] = {}
        self.broken = False  # entries are missing: nothing behind them can be computed
        self._note(self._blocks, 0)

    def add_segment(self, segment: Segment, leaves: Leaves) -> None:
        """Grow by the catalog's tiles; that they are those of the entries is checked elsewhere."""
        start = self._blocks.size * TILE
        blocks = segment.blocks
        if self.broken or segment.lo != start or segment.hi - segment.lo != len(blocks) * TILE:
            self.broken = True
            return
        done = 0
        for size in [s for s in self._wanted if segment.lo < s <= segment.hi]:
            whole, rest = divmod(size - start, TILE)
            self._blocks.extend(blocks[done:whole])
            done = whole
            behind = leaves[whole * TILE : whole * TILE + rest]
            if None not in behind:
                tree = tree_of(self._blocks)
                tree.extend([leaf for leaf in behind if leaf is not None])
                self.roots[size] = tree.root()
        self._blocks.extend(blocks[done:])

    def add_leaves(self, first: int, leaves: Leaves) -> None:
        """Grow by leaves of the journal's tail."""
        if self._tail is None:
            self._tail = tree_of(self._blocks)
        if self.broken or first != self._tail.size or any(leaf is None or len(leaf) != 32 for leaf in leaves):
            self.broken = True
            return
        done = 0
        for size in [s for s in self._wanted if first < s <= first + len(leaves)]:
            self._tail.extend([leaf for leaf in leaves[done : size - first] if leaf is not None])
            done = size - first
            self._note(self._tail, size)
        self._tail.extend([leaf for leaf in leaves[done:] if leaf is not None])

    def _note(self, tree: Frontier, size: int) -> None:
        if size in self._wanted:
            self.roots[size] = tree.root()


class _Walk:
    """One pass over everything."""

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        home: bytes,
        keys: Sequence[VerifierKey],
        progress: Progress | None,
    ) -> None:
        self._journal, self._folder, self._home, self._keys = journal, folder, home, keys
        self._progress = progress or (lambda done, total: None)
        self._found = Findings()
        self._head: Head | None = None
        self._signed_by: list[str] = []
        self._sealed: list[Segment] = []
        self._kept: list[tuple[str, Checkpoint]] = []
        self._notes: list[str] = []  # newest last
        self._entries = self._tail = self._pruned = 0

    def run(self) -> None:
        """Walk; every problem lands in the findings."""
        self._read_catalog()
        self._blobs = Blobs(self._folder / BLOBS)
        self._taken = Taken(self._journal, self._folder / SEGMENTS, self._sealed, self._blobs)
        self._stand_ins = StandIns(self._blobs, self._taken)
        self._read_checkpoints()  # before the head: what is kept meanwhile is not newer than the log
        self._read_head()
        size = self._head.size if self._head else 0
        tree = _Tree(s for s in (size, *(kept.size for _, kept in self._kept)))
        sealed = self._walk_segments(tree, size)
        if sealed > size and self._head is not None:
            self._found.add("head", f"it counts {size} entries, but {sealed} are sealed")
        self._walk_tail(tree, sealed, size)
        check_indexes(self._journal, self._found)
        self._look_beyond(size)
        self._judge(tree, size)

    def outrun(self) -> bool:
        """Say whether entries were sealed, or segments written anew or pruned, since this walk began."""
        try:
            return segments(self._journal) != self._sealed
        except Exception:  # then the catalog is damaged, which is a finding already
            return False

    def report(self, external: bool, witnesses: Sequence[VerifierKey], quorum: int) -> Report:
        """Return what was found."""
        head = self._head
        checkpoint: dict[str, Any] = {
            "size": head.size if head else 0,
            "root": head.root.hex() if head else "",
            "signed_by": self._signed_by,
        }
        trust: Trust = "external key" if external else "self-signed"
        if witnesses and any(_signers(note, witnesses) >= quorum for note in self._notes[-2:]):
            trust = "witnessed"
        return Report(
            entries=self._entries,
            segments=len(self._sealed),
            journal_tail=self._tail,
            trust=trust,
            checkpoint=checkpoint,
            problems=self._found.all(),
            pruned=self._pruned,
            dropped=self._stand_ins.dropped.total() - self._stand_ins.unexplained,
            unexplained=self._stand_ins.unexplained,
        )

    # -- what was signed -----------------------------------------------------------------------------

    def _read_catalog(self) -> None:
        try:
            rows = segments(self._journal)
        except Exception as exc:
            self._found.add("catalog", exc)
            return
        for segment in rows:
            if wrong := mistyped(segment):
                self._found.add("catalog", f"a segment's {wrong}")
            else:
                self._sealed.append(segment)

    def _read_head(self) -> None:
        try:
            head = self._journal.head()
            if wrong := mistyped(head):
                self._found.add("head", f"its {wrong}")
                return
            self._head = head
            signed = self._open("head", head.note)
            if signed is not None and (signed.size, signed.root) != (head.size, head.root):
                self._found.add(
                    "head",
                    f"its size is {head.size} and its root {head.root.hex()}, but it signed other ones",
                )
            if Frontier.from_bytes(head.size, head.frontier).root() != head.root:
                self._found.add("head", "its frontier does not give its root")
            self._notes.append(head.note)
        except Exception as exc:  # a damaged row may hold anything
            self._found.add("head", exc)

    def _open(self, place: str, note: str) -> Checkpoint | None:
        """Return the checkpoint in a note, or None after saying why it cannot be trusted."""
        try:
            text, names = open_note(note, self._keys)
            checkpoint = Checkpoint.parse(text)
        except Exception as exc:
            self._found.add(place, exc)
            return None
        if checkpoint.origin not in names:
            self._found.add(place, f"it speaks for the log {checkpoint.origin!r}, which did not sign it")
        if place == "head":
            self._signed_by = names
        return checkpoint

    def _read_checkpoints(self) -> None:
        newest: tuple[int, str] = (-1, "")
        for path in sorted((self._folder / CHECKPOINTS).glob("*.note")):
            place = f"checkpoint {path.name}"
            try:
                note = path.read_bytes().decode()
            except (OSError, UnicodeDecodeError) as exc:
                self._found.add(place, f"it cannot be read: {exc}")
                continue
            checkpoint = self._open(place, note)
            if checkpoint is None:
                continue
            if path.name != checkpoint_name(checkpoint):
                self._found.add(place, f"it holds the checkpoint {checkpoint_name(checkpoint)}")
            self._kept.append((place, checkpoint))
            newest = max(newest, (checkpoint.size, note))
        if newest[1]:
            self._notes.append(newest[1])

    # -- the entries ---------------------------------------------------------------------------------

    def _walk_segments(self, tree: _Tree, size: int) -> int:
        """Check each segment, and the rows that a crash left beside it; return where the tail begins."""
        end = max((segment.hi for segment in self._sealed), default=0)
        undropped: dict[int, bytes] = {}
        if end:
            aside = StandIns(self._blobs, self._taken)  # they are counted where they are sealed
            for first, leaves in journal_leaves(self._journal, 0, end, stand_ins=aside, found=self._found):
                undropped.update((i, leaf) for i, leaf in enumerate(leaves, start=first) if leaf is not None)
        at = 0
        for segment in self._sealed:
            if segment.lo != at:
                self._no_segment(at, segment.lo)
            leaves = self._leave_out(segment) if segment.pruned else self._check(segment, undropped)
            tree.add_segment(segment, leaves)
            self._entries += sum(leaf is not None for leaf in leaves)
            at = segment.hi
            self._progress(min(at, size), size)
        return end

    def _check(self, segment: Segment, undropped: Mapping[int, bytes]) -> Leaves:
        return SegmentCheck(
            segment,
            self._folder / SEGMENTS,
            home=self._home,
            stand_ins=self._stand_ins,
            journal=undropped,
            found=self._found,
        ).run()

    def _leave_out(self, segment: Segment) -> Leaves:
        """Count a pruned segment: its tiles still give the root, if the log says that it was pruned."""
        count = segment.hi - segment.lo
        if count != len(segment.blocks) * TILE:
            what = f"the tiles of the pruned entries {segment.lo} to {segment.hi - 1} do not fit them"
            self._found.add("catalog", what)
            return []
        if segment.hi > self._taken.pruned_below:
            what = f"entries {segment.lo} to {segment.hi - 1} are gone as if pruned, and no entry says so"
            self._found.add("catalog", what)
        self._pruned += count
        return [None] * count

    def _no_segment(self, at: int, until: int) -> None:
        self._found.add("catalog", f"entries {at} to {until - 1} are in no segment{self._file_of(at)}")

    def _walk_tail(self, tree: _Tree, start: int, size: int) -> None:
        at = start
        for first, leaves in journal_leaves(
            self._journal, start, size, stand_ins=self._stand_ins, found=self._found
        ):
            if first > at:
                self._gone(at, first)
            elif first < at:
                self._found.add(JOURNAL, "it is there twice", first)
            tree.add_leaves(first, leaves)
            at = first + len(leaves)
            self._tail += len(leaves)
            self._progress(at, size)
        if at < size:
            self._gone(at, size)
            tree.broken = True
        self._entries += self._tail

    def _gone(self, at: int, until: int) -> None:
        what = "it is missing" if until - at == 1 else f"entries {at} to {until - 1} are missing"
        self._found.add(JOURNAL, what + self._file_of(at), at)

    def _file_of(self, index: int) -> str:
        """Name a file that no catalog row names and whose name says that it starts here."""
        named = {segment.path for segment in self._sealed}
        for path in (self._folder / SEGMENTS).glob(f"day=*/seg-{index:012d}-*.parquet"):
            name = path.relative_to(self._folder / SEGMENTS).as_posix()
            if name not in named:
                return f"; the catalog does not name the file {name}"
        return ""

    def _look_beyond(self, size: int) -> None:
        """Find rows and files of entries that the head does not count: the sign of a head set back."""
        if self._head is None:
            return
        try:
            rows = next(iter(self._journal.pages(size, (1 << 63) - 1, batch=1)), ())
            newest = int(self._journal.head().size)  # entries that came while we looked are no problem
        except Exception:  # an unreadable row was found before
            return
        for row in rows:
            if row[0] >= newest:
                self._found.add(JOURNAL, f"it is beyond the {newest} entries that the head counts", row[0])
        for path in (self._folder / SEGMENTS).glob("day=*/seg-*.parquet"):
            number = path.name[4:16]
            if number.isascii() and number.isdigit() and int(number) >= newest:
                place = f"segment {path.relative_to(self._folder / SEGMENTS).as_posix()}"
                self._found.add(
                    place, f"it holds entries beyond the {newest} of the head: the journal is older"
                )

    def _judge(self, tree: _Tree, size: int) -> None:
        """Compare the recomputed roots with those that were signed."""
        head = self._head
        if head is not None and not tree.broken and tree.roots.get(size) != head.root:
            self._found.add("head", f"the {size} entries do not give its root")
        for place, kept in self._kept:
            if head is not None and kept.size > size:
                what = (
                    f"newer checkpoint than the log ({kept.size} entries, not {size}): entries were removed"
                )
                self._found.add(place, what)
            elif kept.size in tree.roots and tree.roots[kept.size] != kept.root:
                self._found.add(
                    place, f"the first {kept.size} entries do not give its root: the log was rewritten"
                )


def _signers(note: str, witnesses: Sequence[VerifierKey]) -> int:
    try:
        return len(open_note(note, witnesses)[1])
    except Exception:
        return 0
