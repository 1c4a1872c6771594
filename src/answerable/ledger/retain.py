"""Retention carried out: day keys are shredded, what they sealed is dropped, and the oldest segments go.

The order makes a crash harmless: first an entry of the kind `retention` says what goes, together with the
catalog's word that the prefix is pruned; then keys, parts and files go, and the next run ends what is left.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from answerable.casebook import Casebook
from answerable.encoding import timestamp
from answerable.errors import TamperFound
from answerable.governance.retention import (
    DAY,
    STANDARD,
    Block,
    Day,
    Plan,
    day_of,
    last_day_over,
    plan_retention,
)
from answerable.governance.shredding import finish
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import FOLDER, Segment, prune_segment, segments
from answerable.ledger.drop import Dropped, Progress, drop_parts
from answerable.ledger.entry import PARTS, Filter, Unit, Write
from answerable.ledger.envelope import DROPPED, ELSEWHERE, PREFIX
from answerable.ledger.rows import COLUMNS
from answerable.ledger.taken import RETENTION
from answerable.ports import KeyStore

Hold = Collection[bytes] | Callable[[Mapping[str, Any]], bool]
_HEADER = ("id", "at", "case_id", "retention")
_AT = [COLUMNS.index(name) for name in _HEADER]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retained:
    """What a run did, or would do. plan: see there. applied: it was done. dropped: parts that went."""

    plan: Plan
    applied: bool
    dropped: Dropped

    def data(self, times: Mapping[str, float]) -> dict[str, Any]:
        """Return it as JSON-ready data. times: class -> seconds, as they were asked for."""
        plan = self.plan
        return {
            "applied": self.applied,
            "classes": dict(sorted(times.items())),
            "over": [line.data() for line in plan.over],
            "held": [line.data() for line in plan.held],
            "kept_for_ever": dict(sorted(plan.unknown.items())),
            "pruned_below": plan.below,
            "pruned": plan.pruned,
            "dropped": {"entries": self.dropped.entries, "parts": self.dropped.parts},
        }


def retain(
    book: Casebook,
    keys: KeyStore | None,
    times: Mapping[str, float],
    *,
    dry_run: bool = True,
    holds: Sequence[Hold] = (),
    fence: Sequence[Write] = (),
    progress: Progress | None = None,
) -> Retained:
    """Shred the day keys whose time is over, drop what they sealed and prune the oldest segments.

    keys: of the home; None if it has none. times: retention class -> seconds; other classes are kept for
    ever. dry_run: only say what would go. holds: what must stay besides held persons and cases that wait:
    ids of records, or a function of a header ("id", "at", "case_id", "retention") that is true for those.
    fence: of the sealer's role, which must be held. Raises TamperFound if a segment cannot be read.
    """
    now = book.clock.now()
    if not dry_run:
        _finish(book, keys, fence, progress)
    sealed = segments(book.journal)
    counts, held, blocks = _surveyed(book, sealed, last_day_over(times, now), [*holds, _kept(book)])
    plan = plan_retention(keys.days() if keys is not None else (), counts, held, blocks, times, now)
    nothing = Dropped(entries=0, parts=0, segments=0, bytes=0)
    if dry_run or not (plan.over or plan.pruned):
        return Retained(plan=plan, applied=not dry_run, dropped=nothing)
    if plan.pruned:
        book.ledger.checkpoint()  # the next one is compared with it, which needs the leaves around its end
    _record(book, sealed, plan, times, fence)
    return Retained(plan=plan, applied=True, dropped=_finish(book, keys, fence, progress))


# -- what there is -----------------------------------------------------------------------------------


def _surveyed(
    book: Casebook, sealed: Sequence[Segment], last: int, holds: Sequence[Hold]
) -> tuple[Counter[Day], Counter[Day], list[Block]]:
    """Return entries by class and day up to the day `last`, how many of each must stay, and the blocks."""
    counts: Counter[Day] = Counter()
    held: Counter[Day] = Counter()
    blocks = []
    for segment in sealed:
        if segment.pruned or segment.at_lo // DAY > last:
            continue
        days: set[Day] = set()
        for rows in _headers(book, segment):
            _count(rows, holds, counts, held, days)
        blocks.append(Block(lo=segment.lo, hi=segment.hi, days=frozenset(days)))
    end = sealed[-1].hi if sealed else 0
    for page in book.journal.pages(end, book.journal.head().size):
        rows = [[row[at] for at in _AT] for row in page if row[_AT[1]] // DAY <= last]
        _count(rows, holds, counts, held, set())
    # Only a prefix goes: what begins later than a block left out stays as well.
    first = next((segment.lo for segment in sealed if not segment.pruned), 0)
    return counts, held, _without_gaps(blocks, first)


def _headers(book: Casebook, segment: Segment) -> Iterator[Sequence[Sequence[Any]]]:
    from answerable.ledger.segments_parquet import SegmentFile

    with SegmentFile(segment.file(book.ledger.folder / FOLDER)) as file:
        for number in range(len(file.groups)):
            columns = [column.to_pylist() for column in file.group(number, _HEADER).columns]
            yield list(zip(*columns, strict=True))


def _count(
    rows: Sequence[Sequence[Any]],
    holds: Sequence[Hold],
    counts: Counter[Day],
    held: Counter[Day],
    days: set[Day],
) -> None:
    for row in rows:
        pair = (row[3] or STANDARD, row[1] // DAY)
        counts[pair] += 1
        days.add(pair)
        if any(_holds(hold, row) for hold in holds):
            held[pair] += 1


def _holds(hold: Hold, row: Sequence[Any]) -> bool:
    if callable(hold):
        return hold(dict(zip(_HEADER, row, strict=True)))
    return row[0] in hold or row[2] in hold


def _kept(book: Casebook) -> frozenset[bytes]:
    """Return the entries of held persons, and of cases that nobody could end once they are gone."""
    from answerable.state.cases import WAITING
    from answerable.state.subjects import HELD

    rows = (*book.journal.rows(WAITING, {}), *book.journal.rows(HELD, {}))
    return frozenset(bytes(row[0]) for row in rows)


def _without_gaps(blocks: Sequence[Block], at: int) -> list[Block]:
    kept = []
    for block in blocks:
        if block.lo != at:
            break
        kept.append(block)
        at = block.hi
    return kept


# -- what goes ---------------------------------------------------------------------------------------


def _record(
    book: Casebook,
    sealed: Sequence[Segment],
    plan: Plan,
    times: Mapping[str, float],
    fence: Sequence[Write],
) -> None:
    """Say what goes, in the unit in which state says which keys are shredded and which segments pruned."""
    from answerable.state.subjects import ADD_SHREDDED

    told: dict[str, Any] = {
        "classes": {name: round(kept) for name, kept in times.items()},
        "shredded": [line.data() for line in plan.over],
        "held": [line.data() for line in plan.held],
        "as_of": timestamp(book.clock.now()),
    }
    if plan.pruned:
        told |= {"pruned_below": plan.below, "pruned": plan.pruned}
    prunes = [prune_segment(one) for one in sealed if one.hi <= plan.below and not one.pruned]
    entry = book.entry({"kind": RETENTION}, {"detail": told})
    shreds = [
        Write(
            ADD_SHREDDED,
            {"key_id": one.key, "at": book.clock.now(), "receipt": entry.id, "destroyed": 0, "dropped": 0},
        )
        for one in plan.over
    ]
    book.journal.submit(Unit([entry], [*fence, *prunes, *shreds]))


def _finish(
    book: Casebook, keys: KeyStore | None, fence: Sequence[Write], progress: Progress | None
) -> Dropped:
    """Do what the newest `retention` entry says, as far as it is not done."""
    from answerable.state.subjects import DROPPED as IS_DROPPED

    days, key_ids = _said(book)
    if keys is not None:
        finish(book.journal, keys, book.ledger.folder)
    _sweep(book)
    if not days:
        return Dropped(entries=0, parts=0, segments=0, bytes=0)
    done = drop_parts(book, key_ids, days=days, fence=fence, progress=progress)
    marks = [Write(IS_DROPPED, {"of_key": key_id}) for key_id in key_ids]
    book.journal.submit(Unit(writes=[*fence, *marks]))
    return done


def _said(book: Casebook) -> tuple[list[Day], list[bytes]]:
    """Return the classes and days, and the keys, that the newest `retention` entry names."""
    for listed in book.ledger.latest(Filter(kinds=(RETENTION,), limit=1)):
        stored = book.ledger.get(listed.header["id"])
        detail = (stored and book.ledger.body(stored, "detail")) or {}
        try:
            lines = [(str(one["retention"]), day_of(one["day"]), one["key"]) for one in detail["shredded"]]
            return [(name, day) for name, day, _ in lines], [bytes.fromhex(key) for _, _, key in lines]
        except (KeyError, TypeError, ValueError) as exc:
            raise TamperFound(
                "the newest retention entry does not say what went",
                next_step="run `answerable ledger verify` to find what was changed",
            ) from exc
    return [], []


def _sweep(book: Casebook) -> None:
    """Delete the files of pruned segments, and before each file the blobs of its parts."""
    folder = book.ledger.folder / FOLDER
    for segment in segments(book.journal):
        if segment.pruned:
            for path in folder.glob(f"day=*/seg-{segment.lo:012d}-*.parquet"):
                with suppress(TamperFound):  # a damaged file names no blobs, and goes
                    _remove_blobs(path, book.ledger.blobs)
                with suppress(PermissionError):  # Windows keeps a file that is read; the next run removes it
                    path.unlink(missing_ok=True)


def _remove_blobs(path: Any, blobs: Blobs) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from answerable.ledger.segments_parquet import SegmentFile

    stand_ins = pa.array([bytes([DROPPED]), bytes([ELSEWHERE])])
    with SegmentFile(path) as file:
        for number in range(len(file.groups)):
            for column in file.group(number, PARTS).columns:
                mask = pc.is_in(pc.binary_slice(column, 0, 1), value_set=stand_ins)
                for envelope in column.filter(mask).to_pylist():
                    blobs.remove(envelope[PREFIX:])
