"""Proofs and checkpoints: files that show offline that an entry stands in the log, and kept heads."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from answerable.errors import InputError, TamperFound, UsageError
from answerable.ledger import durable
from answerable.ledger.catalog import FOLDER as SEGMENTS
from answerable.ledger.catalog import Segment, segments
from answerable.ledger.entry import Head, Stored, text_id
from answerable.ledger.leaf import leaf_data
from answerable.ledger.note import Checkpoint, Proof, VerifierKey, open_note
from answerable.ledger.segments_parquet import SegmentFile
from answerable.ledger.tlog import (
    TILE,
    Frontier,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    subtrees,
    verify_consistency,
    verify_inclusion,
)
from answerable.ledger.verify import CHECKPOINTS, checkpoint_name
from answerable.ports import Journal


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A checkpoint in the home: what it commits to, its signed note and its file."""

    checkpoint: Checkpoint
    note: str
    path: Path


def kept_checkpoints(folder: Path, keys: Sequence[VerifierKey]) -> list[Kept]:
    """Return the checkpoints kept in the home `folder`, smallest first.

    Raises TamperFound if one is not the log's.
    """
    return [_open(path, keys) for path in sorted((folder / CHECKPOINTS).glob("*.note"))]


def keep_checkpoint(journal: Journal, folder: Path, keys: Sequence[VerifierKey]) -> Kept:
    """Keep the head's signed note in the home and return it; again for the same head is harmless.

    Raises TamperFound, and keeps nothing, if the head is not the log's or does not extend the newest kept.
    """
    head = journal.head()
    now = _of_head(head, keys)
    subtree = _tree(journal, folder / SEGMENTS, head)
    path = folder / CHECKPOINTS / checkpoint_name(now)
    earlier = kept_checkpoints(folder, keys)
    for kept in earlier:
        if kept.path == path and kept.checkpoint == now:
            return kept  # it may carry signatures of witnesses by now
    for kept in earlier[-1:]:  # which was checked against those before it when it was kept
        _check_extends(kept, now, subtree)
    durable.write(path, head.note.encode())
    return Kept(checkpoint=now, note=head.note, path=path)


def prove(
    journal: Journal, folder: Path, keys: Sequence[VerifierKey], stored: Stored, *, kept: bool = False
) -> Proof:
    """Return the proof that `stored` stands in the log; its `format()` is the text of a `.tlog-proof` file.

    kept: prove it against the newest kept checkpoint, which witnesses may have signed, not against the head.
    Reads stored tiles and leaves only of the entry's own block and of blocks that are not sealed.
    Raises UsageError if no kept checkpoint covers the entry, TamperFound if the stored bytes give no proof.
    """
    head = journal.head()
    now, note = _of_head(head, keys), head.note
    if kept:
        covering = [one for one in kept_checkpoints(folder, keys) if one.checkpoint.size > stored.index]
        if not covering:
            raise UsageError(
                f"no kept checkpoint covers entry {stored.index}",
                next_step="run `answerable ledger checkpoint`, or prove it against the current head",
            )
        now, note = covering[-1].checkpoint, covering[-1].note
    data = leaf_data(stored.entry.header, stored.entry.digests)
    path: list[bytes] = []
    if stored.index < now.size <= head.size:
        path = inclusion_proof(stored.index, now.size, _tree(journal, folder / SEGMENTS, head))
    if not verify_inclusion(leaf_hash(data), stored.index, now.size, path, now.root):
        raise TamperFound(
            f"entry {stored.index} ({text_id(stored.entry.id)}) is not in the log of {now.size} entries",
            next_step="run `answerable ledger verify` to find what was changed",
        )
    return Proof(index=stored.index, hashes=tuple(path), checkpoint_note=note, extra=data)


def _open(path: Path, keys: Sequence[VerifierKey]) -> Kept:
    try:
        note = path.read_bytes().decode()
        checkpoint = Checkpoint.parse(open_note(note, keys)[0])
    except (UnicodeDecodeError, InputError) as exc:
        raise TamperFound(
            f"the checkpoint {path.name} cannot be read: {getattr(exc, 'what', exc)}",
            next_step="restore the file from a backup",
        ) from exc
    return Kept(checkpoint=checkpoint, note=note, path=path)


def _of_head(head: Head, keys: Sequence[VerifierKey]) -> Checkpoint:
    checkpoint = Checkpoint.parse(open_note(head.note, keys)[0])
    if (checkpoint.size, checkpoint.root) != (head.size, head.root):
        raise TamperFound(
            f"the head counts {head.size} entries, but signed {checkpoint.size}",
            next_step="restore the journal from a backup",
        )
    return checkpoint


def _check_extends(kept: Kept, now: Checkpoint, subtree: Subtree) -> None:
    old = kept.checkpoint
    if old.size <= now.size:
        proof = consistency_proof(old.size, now.size, subtree)
        if verify_consistency(old.size, old.root, now.size, now.root, proof):
            return
    raise TamperFound(
        f"the log of {now.size} entries does not extend the checkpoint {kept.path.name}",
        next_step="run `answerable ledger verify`; entries were removed or changed",
    )


def _tree(journal: Journal, folder: Path, head: Head) -> Subtree:
    """Return the tree's perfect subtrees from the head's peaks, stored tiles, and else leaves."""
    sealed = segments(journal)
    starts = [segment.lo for segment in sealed]

    def segment_of(index: int) -> Segment | None:
        at = bisect_right(starts, index) - 1
        return sealed[at] if at >= 0 and index < sealed[at].hi else None

    def tile(block: int) -> bytes | None:
        segment = segment_of(block * TILE)
        return segment.blocks[block - segment.lo // TILE] if segment else None

    below = subtrees(_leaf_reader(journal, folder, head.size, segment_of), tile)
    peaks = _peaks(head)

    def subtree(level: int, n: int) -> bytes:
        return peaks.get((level, n)) or below(level, n)

    return subtree


def _peaks(head: Head) -> dict[tuple[int, int], bytes]:
    """Return the head's peaks by (level, n): with them no leaf behind the last common subtree is read."""
    found, end = {}, head.size
    for peak in reversed(Frontier.from_bytes(head.size, head.frontier).peaks):
        level = (end & -end).bit_length() - 1
        end -= 1 << level
        found[level, end >> level] = peak
    return found


def _leaf_reader(
    journal: Journal, folder: Path, size: int, segment_of: Callable[[int], Segment | None]
) -> Callable[[int], bytes]:
    """Return index -> stored leaf hash; reads a block of 256 at a time and keeps it."""
    blocks: dict[int, list[bytes]] = {}

    def read(start: int) -> list[bytes]:
        segment = segment_of(start)
        if segment is not None and segment.pruned:
            raise UsageError(
                f"the entries {segment.lo} to {segment.hi - 1} were pruned: their leaves are gone",
                next_step="use a proof that was exported before, or prove a later entry",
            )
        if segment is not None:
            with SegmentFile(segment.file(folder)) as file:
                return file.leaves(start, start + TILE)
        stop = min(start + TILE, size)
        leaves = [item.entry.leaf for batch in journal.scan(start, stop) for item in batch]
        if len(leaves) != stop - start:
            raise TamperFound(
                f"entries {start} to {stop - 1} are not all in the journal",
                next_step="try again if a sealer is at work, else run `answerable ledger verify`",
            )
        return leaves

    def leaf(index: int) -> bytes:
        start = index - index % TILE
        if start not in blocks:
            blocks[start] = read(start)
        return blocks[start][index - start]

    return leaf
