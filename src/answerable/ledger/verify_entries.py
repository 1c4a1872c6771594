"""The entries' half of `verify`: each leaf from its stored bytes, in a segment file or in the journal."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from answerable import formats
from answerable.errors import TamperFound, UsageError
from answerable.ledger.arrow_leaves import arrow_leaf_hashes, codecs, fixed_values, integers
from answerable.ledger.catalog import Segment
from answerable.ledger.entry import HEADER_NAMES, PARTS, Filter
from answerable.ledger.envelope import DROPPED, ELSEWHERE, part_digest
from answerable.ledger.findings import Findings
from answerable.ledger.footer import Statistics, statistics
from answerable.ledger.leaf import leaf_data
from answerable.ledger.leaf_columns import leaf_hashes, part_digests
from answerable.ledger.rows import COLUMNS
from answerable.ledger.segments_parquet import STATISTICS, SegmentFile, file_digest, schema
from answerable.ledger.taken import StandIns, codec_of
from answerable.ledger.tlog import HASH, TILE, leaf_hash, root
from answerable.ports import Journal

JOURNAL = "journal"
_CHUNK = 2048  # rows at once: few enough to stay in the processor's cache
_WINDOW = 4096  # rows of one journal read; a damaged one is then looked for inside
_GIVE_UP = 32  # windows in a row without one readable row; a head may count any number of entries
_PARTS = slice(1 + len(HEADER_NAMES), 1 + len(HEADER_NAMES) + len(PARTS))
_ID, _AT = COLUMNS.index("id"), COLUMNS.index("at")

Leaves = list[bytes | None]  # stored leaf hashes by place; None where a row cannot be read


class SegmentCheck:
    """Checks a segment against the catalog, its own leaves and the journal's rows not dropped yet."""

    def __init__(
        self,
        segment: Segment,
        folder: Path,
        *,
        home: bytes,
        stand_ins: StandIns,
        journal: Mapping[int, bytes],
        found: Findings,
    ) -> None:
        self._segment, self._folder, self._home = segment, folder, home
        self._stand_ins, self._journal, self._found = stand_ins, journal, found
        self._place = f"segment {segment.path}"
        self.leaves: Leaves = []
        self._statistics: list[dict[str, Statistics]] = []
        self._spans: tuple[set[int], set[bytes]] = (set(), set())

    def run(self) -> Leaves:
        """Return the stored leaves of the segment, (hi - lo,); none where they cannot be read."""
        segment = self._segment
        sound = self._check_row()
        try:
            path = segment.file(self._folder)
            if file_digest(path) != segment.sha256:
                self._bad("its SHA-256 is not the one in the catalog")
            if (size := path.stat().st_size) != segment.size:
                self._bad(f"it has {size} bytes, not {segment.size} as in the catalog")
            with SegmentFile(path, dictionaries=True) as file:
                if sound:
                    self._metadata(file)
                self._read_statistics(path)
                self._groups(file)
        except FileNotFoundError:
            self._bad("the file is missing")
        except UsageError:  # without the extra nothing can be said
            raise
        except Exception as exc:
            self._bad(exc)
        missing = segment.hi - segment.lo - len(self.leaves)
        if self.leaves and missing:
            self._bad(f"it holds {len(self.leaves)} entries, not {segment.hi - segment.lo}")
        if sound:
            self.leaves = (self.leaves + [None] * missing)[: segment.hi - segment.lo]
            self._tiles()
        return self.leaves

    def _check_row(self) -> bool:
        """Say whether the catalog's row fits itself; counts that do not must not be believed further."""
        segment = self._segment
        if (
            segment.lo % TILE
            or (segment.hi - segment.lo) * HASH != len(segment.tiles) * TILE
            or not segment.tiles
        ):
            what = (
                f"the tiles of segment {segment.path} do not fit the entries {segment.lo} to {segment.hi - 1}"
            )
            self._found.add("catalog", what)
            return False
        return True

    def _bad(self, what: str | Exception, entry: int | None = None) -> None:
        self._found.add(self._place, what, entry)

    def _metadata(self, file: SegmentFile) -> None:
        segment = self._segment
        for name, stored, wanted in (
            ("format", file.format, segment.format),
            ("home", file.home.hex(), self._home.hex()),
            ("first index", file.lo, segment.lo),
            ("last index", file.hi, segment.hi),
            ("root", file.root.hex(), root(segment.blocks).hex()),
        ):
            if stored != wanted:
                self._bad(f"its {name} is {stored}, not {wanted}")
        if segment.format > formats.SEGMENT:
            self._bad(f"its format {segment.format} is newer than this version reads ({formats.SEGMENT})")

    def _groups(self, file: SegmentFile) -> None:
        for number, count in enumerate(file.groups):
            at = self._segment.lo + len(self.leaves)
            try:
                group = file.group(number)
                _check_types(group)
                self._check_statistics(number, group, at)
                for start in range(0, len(group), _CHUNK):
                    self._chunk(group.slice(start, _CHUNK), at + start)
            except Exception as exc:  # whatever garbage makes the reader raise, the walk goes on
                self._bad(f"entries {at} to {at + count - 1} cannot be read: {exc}", at)
                # No more than the catalog speaks of: a forged count would fill the memory.
                room = len(self._segment.tiles) // HASH * TILE - len(self.leaves)
                self.leaves += [None] * min(at + count - self._segment.lo - len(self.leaves), room)
        if self.leaves and None not in self.leaves:
            self._check_spans()

    def _read_statistics(self, path: Path) -> None:
        try:
            self._statistics = statistics(path)
        except Exception as exc:  # the rows may still be readable
            self._bad(f"what it lets a reader skip cannot be told: {exc}")
        if more := {name for group in self._statistics for name in group} - {*STATISTICS}:
            self._bad(f"it has statistics that nothing checks, of {', '.join(sorted(more))}")

    def _check_statistics(self, number: int, group: Any, at: int) -> None:
        """Compare a row group's statistics with its rows: whoever believes false ones skips its entries."""
        stored = self._statistics[number] if number < len(self._statistics) else {}
        false = []
        for name in STATISTICS:
            if name in stored:
                wanted = _statistics_of(group.column(COLUMNS.index(name)))
                if any(value != wanted.get(field) for field, value in stored[name].items()):
                    false.append(name)
        if false:
            last = at + len(group) - 1
            self._bad(f"lists and look-ups miss entries {at} to {last}: false statistics of {false}", at)

    def _chunk(self, chunk: Any, at: int) -> None:
        count = len(chunk)
        stored = list(fixed_values(chunk.column(len(COLUMNS) - 1), 32))
        indexes = integers(chunk.column(0))
        try:
            sound = arrow_leaf_hashes(chunk) == stored
        except Exception:  # the rows are then looked at one by one
            sound = False
        if not sound or indexes != list(range(at, at + count)):
            columns = [column.to_pylist() for column in chunk.columns]
            _check_rows(list(zip(*columns, strict=True)), at, self._place, self._found)
        if any(self._journal.get(index, leaf) != leaf for index, leaf in enumerate(stored, start=at)):
            for index, leaf in enumerate(stored, start=at):
                if self._journal.get(index, leaf) != leaf:
                    self._found.add(
                        JOURNAL, f"it is sealed in {self._segment.path} with other content", index
                    )
        for name, column in zip(PARTS, chunk.columns[_PARTS], strict=True):
            if column.null_count < count and codecs(column) & {ELSEWHERE, DROPPED}:
                self._stand_ins.check(name, column.to_pylist(), at, self._place, self._found)
        self.leaves += stored
        times = integers(chunk.column(_AT))
        ids = fixed_values(chunk.column(_ID), 16)
        self._spans[0].update((min(times), max(times)))
        self._spans[1].update((min(ids), max(ids)))

    def _check_spans(self) -> None:
        times, ids = self._spans
        segment = self._segment
        said = (segment.at_lo, segment.at_hi, segment.id_lo, segment.id_hi)
        if (min(times), max(times), min(ids), max(ids)) != said:
            self._found.add(
                "catalog", f"the times or ids of segment {segment.path} are not those of its entries"
            )

    def _tiles(self) -> None:
        """Compare the root of each block of 256 leaves with the catalog's."""
        segment = self._segment
        for number, block in enumerate(segment.blocks):
            leaves = self.leaves[number * TILE : (number + 1) * TILE]
            whole = [leaf for leaf in leaves if leaf is not None]
            if len(whole) == TILE and root(whole) != block:
                first = segment.lo + number * TILE
                self._bad(f"entries {first} to {first + TILE - 1} do not give the tile in the catalog", first)


def _statistics_of(column: Any) -> Statistics:
    """Return what the statistics of a column of STATISTICS may say, by field number."""
    import pyarrow as pa

    wanted: Statistics = {3: column.null_count, 7: True, 8: True}
    if column.null_count == len(column):
        return wanted
    if pa.types.is_int64(column.type):
        values = integers(column) if not column.null_count else column.drop_null().to_pylist()
        low, high = (struct.pack("<q", value) for value in (min(values), max(values)))
    else:
        different = column.unique().drop_null().to_pylist()
        raw = [value.encode() if isinstance(value, str) else value for value in different]
        low, high = min(raw), max(raw)
    return wanted | {1: high, 2: low, 5: high, 6: low}


def journal_leaves(
    journal: Journal, start: int, stop: int, *, stand_ins: StandIns, found: Findings
) -> Iterator[tuple[int, Leaves]]:
    """Yield (first index, stored leaves) of the journal's rows with start <= index < stop, each checked.

    What is no row or cannot be read is None; missing rows are for the caller to judge.
    """
    for rows in _readable_rows(journal, start, stop, found):
        if not isinstance(rows[0][0], int):
            found.add(JOURNAL, f"an entry has the index {rows[0][0]!r}")
            continue
        columns = list(zip(*rows, strict=True))
        _check_tail(rows, columns, stand_ins, found)
        yield rows[0][0], [leaf if _is_hash(leaf) else None for leaf in columns[-1]]


def check_indexes(journal: Journal, found: Findings) -> None:
    """Name each of the journal's rows whose index is none: a walk from 0 upwards never meets it."""
    outside = "idx IS NULL OR idx < 0 OR idx >= 9223372036854775807"
    try:
        for row in journal.latest(Filter(kinds=(), where=outside, limit=None)):
            found.add(JOURNAL, "no entry of the log has such an index: it was put there", row.index)
    except Exception as exc:
        found.add(JOURNAL, exc)


def _is_hash(leaf: Any) -> bool:
    return isinstance(leaf, bytes) and len(leaf) == HASH


def _readable_rows(journal: Journal, lo: int, hi: int, found: Findings) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield runs of rows without a gap inside; a row that cannot be read does not hide the others."""
    empty = 0
    while lo < hi and empty < _GIVE_UP:
        try:
            for rows in journal.pages(lo, hi, batch=_WINDOW):
                yield from _runs(rows)
                lo = rows[-1][0] + 1
            return
        except Exception:  # a damaged page or part somewhere in the next window
            stop = min(lo + _WINDOW, hi)
            empty += 1
            for rows in _halved(journal, lo, stop, found):
                empty = 0
                yield rows
            lo = stop


def _halved(journal: Journal, lo: int, hi: int, found: Findings) -> Iterator[Sequence[Sequence[Any]]]:
    """Halve the range until the row that cannot be read stands alone."""
    try:
        rows = [row for batch in journal.pages(lo, hi, batch=_WINDOW) for row in batch]
    except Exception as exc:
        if hi - lo == 1:
            found.add(JOURNAL, f"it cannot be read: {getattr(exc, 'what', exc)}", lo)
            return
        middle = (lo + hi) // 2
        yield from _halved(journal, lo, middle, found)
        yield from _halved(journal, middle, hi, found)
        return
    yield from _runs(rows)


def _runs(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    start = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at][0] != rows[at - 1][0] + 1:
            yield rows[start:at]
            start = at


def _check_tail(
    rows: Sequence[Sequence[Any]], columns: Sequence[Sequence[Any]], stand_ins: StandIns, found: Findings
) -> None:
    header = dict(zip(HEADER_NAMES, columns[1:], strict=False))
    parts = dict(zip(PARTS, columns[_PARTS], strict=True))
    try:
        digests = {name: part_digests(name, values) for name, values in parts.items()}
        sound = leaf_hashes(header, digests, len(rows)) == list(columns[-1])
    except Exception:  # a database may hold a value of any type
        sound = False
    if not sound:
        _check_rows(rows, rows[0][0], JOURNAL, found)
    for name, values in parts.items():
        if {codec_of(value) for value in values} & {ELSEWHERE, DROPPED}:
            stand_ins.check(name, values, rows[0][0], JOURNAL, found)


def _check_rows(rows: Sequence[Sequence[Any]], at: int, place: str, found: Findings) -> None:
    """Find which rows are wrong, one by one. at: the index that the first must have."""
    for index, row in enumerate(rows, start=at):
        if row[0] != index:
            found.add(place, f"its index is stored as {row[0]}", index)
        header = dict(zip(HEADER_NAMES, row[1:], strict=False))
        try:
            parts = {
                n: part_digest(n, value)
                for n, value in zip(PARTS, row[_PARTS], strict=True)
                if value is not None
            }
            leaf = leaf_hash(leaf_data(header, parts))
        except TamperFound as exc:
            found.add(place, exc, index)
            continue
        except Exception as exc:
            found.add(place, f"it cannot be hashed: {exc}", index)
            continue
        if leaf != row[-1]:
            found.add(place, "its content is not what was signed", index)


def _check_types(group: Any) -> None:
    import pyarrow as pa

    if tuple(group.schema.names) != COLUMNS:
        raise ValueError("the columns are not those of a segment")
    for field, wanted in zip(group.schema, schema(), strict=True):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if kind != wanted.type:
            raise ValueError(f"the column {field.name} is {kind}, not {wanted.type}")
    for column in (group.column(0), group.column(_ID), group.column(_AT), group.column(len(COLUMNS) - 1)):
        if column.null_count:
            raise ValueError("an index, id, time or leaf is missing")
