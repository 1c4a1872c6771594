"""The segment catalog as values: which sealed file holds which entries, read from the journal's database."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from answerable.errors import TamperFound
from answerable.ledger.entry import Write
from answerable.ledger.tlog import HASH, TILE, Frontier
from answerable.ports import Journal

FOLDER = "segments"  # in the home


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One sealed file: the entries with lo <= index < hi, both multiples of 256.

    at_lo, at_hi, id_lo, id_hi: the smallest and largest of its entries. size: of the file, in bytes.
    path: relative to the segments folder, "" once the file was pruned. sha256: of the file. tiles: 32 bytes
    for each 256 entries; they stay when the file goes.
    """

    lo: int
    hi: int
    at_lo: int
    at_hi: int
    id_lo: bytes
    id_hi: bytes
    size: int
    path: str
    sha256: bytes
    tiles: bytes
    format: int

    @property
    def pruned(self) -> bool:
        """True if its entries were removed when their time was over."""
        return not self.path

    @property
    def blocks(self) -> list[bytes]:
        """The root of each block of 256 entries."""
        return [self.tiles[at : at + HASH] for at in range(0, len(self.tiles), HASH)]

    def file(self, folder: Path) -> Path:
        """Return its path under the segments `folder`. Raises TamperFound if that is outside of it."""
        path = (folder / self.path).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise TamperFound(
                f"the catalog names the file {self.path!r}, which is outside of {folder}",
                next_step="restore the journal from a backup",
            )
        return folder / self.path


def segments(journal: Journal) -> list[Segment]:
    """Return all segments, oldest first."""
    from answerable.state.segments import SEGMENTS

    return _read(journal.rows(SEGMENTS, {}))


def segments_of_id(journal: Journal, entry_id: bytes) -> list[Segment]:
    """Return the segments whose range of ids includes `entry_id`, newest first."""
    from answerable.state.segments import SEGMENTS_OF_ID

    return _read(journal.rows(SEGMENTS_OF_ID, {"id": entry_id}))


def segments_of_time(journal: Journal, since: int | None, until: int | None) -> list[Segment]:
    """Return the segments that may hold entries with since <= at < until (microseconds), newest first."""
    from answerable.state.segments import SEGMENTS_OF_TIME

    span = {
        "since": -(1 << 63) if since is None else since,
        "until": (1 << 63) - 1 if until is None else until,
    }
    return _read(journal.rows(SEGMENTS_OF_TIME, span))


def mistyped(row: Any) -> str:
    """Return what is wrong with a field of a dataclass read from a database that holds any type; else ""."""
    for field in fields(row):
        found = type(getattr(row, field.name))
        if found is not field.type:
            return f"{field.name} is of the type {found.__name__}"
    return ""


def add_segment(segment: Segment) -> Write:
    """Return the write that enters `segment`; it clashes if one with the same start is there."""
    from answerable.state.segments import ADD_SEGMENT

    row = asdict(segment)
    row["bytes"] = row.pop("size")
    return Write(ADD_SEGMENT, row, expect=1, clash=f"segment {segment.lo} is there already")


def swap_segment(was: Segment, *, path: str, sha256: bytes, size: int) -> Write:
    """Return the write that puts another file in the place of a segment's; it clashes if that changed."""
    from answerable.state.segments import SWAP_SEGMENT

    row = {"of_lo": was.lo, "was": was.sha256, "now_path": path, "now_sha256": sha256, "now_bytes": size}
    return Write(SWAP_SEGMENT, row, expect=1, clash=f"segment {was.lo} was changed")


def prune_segment(segment: Segment) -> Write:
    """Return the write that says that a segment's file is gone; its tiles stay."""
    return swap_segment(segment, path="", sha256=b"", size=0)


def tree_of(blocks: Frontier) -> Frontier:
    """Return the tree over entries whose blocks of 256 are the leaves of `blocks`.

    A tree of n blocks and one of 256 n entries have the same peaks: the size is only shifted by 8 bits.
    """
    return Frontier.from_bytes(blocks.size * TILE, blocks.to_bytes())


def _read(rows: Sequence[tuple[Any, ...]]) -> list[Segment]:
    from answerable.state.segments import COLUMNS

    names = ["size" if name == "bytes" else name for name in COLUMNS]
    return [Segment(**dict(zip(names, row, strict=True))) for row in rows]
