"""Rows 5 to 7: sealing beside pyarrow, verifying, and reading a ledger of millions."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from _entries import DAY_US, HOME, USED, entries, header, sealed, signer, sqlite_journal
from _measure import MILLI, Timing, held, in_turn, median, percentile, rate, ratio, say, timed
from pydantic import BaseModel

import answerable as ans
from answerable.ledger.catalog import Segment, add_segment, tree_of
from answerable.ledger.entry import HEADER_NAMES, PARTS, Unit
from answerable.ledger.journal_sql import SET_HEAD
from answerable.ledger.keys import load_signer
from answerable.ledger.leaf_columns import leaf_hashes, part_digests
from answerable.ledger.note import Checkpoint
from answerable.ledger.rows import COLUMNS
from answerable.ledger.seal import seal
from answerable.ledger.segments_parquet import ROW_GROUP, SegmentFile, SegmentWriter
from answerable.ledger.sqlite import library
from answerable.ledger.tlog import Frontier, root, tile_roots

SEAL_A_CORE, SEAL_SHARE, VERIFY_A_CORE = 40_000, 0.5, 70_000
BY_ID_MS, LATEST_MS, HOURLY_MS, WHY_MS = 30.0, 60.0, 130.0, 100.0
DAYS = 10  # over which the entries are spread
GROUP, GROUPS = (
    ROW_GROUP,
    12,
)  # entries in a row group, row groups in a segment: about 64 MiB, as the sealer cuts
_AT, _ID = COLUMNS.index("at"), COLUMNS.index("id")


# -- sealing -----------------------------------------------------------------------------------------


def sealing(count: int, repeats: int) -> dict[str, Any]:
    """Measure row 5: journal to segments end to end, beside pyarrow writing the same columns from memory."""
    import pyarrow as pa

    say(f"seal: {count} entries, {repeats} times")
    built = _slices(count, time.time_ns() // 1000)
    tables: list[Any] = []
    rows: list[Any] = []  # the same as Python values, a list of columns for each table
    size = 0

    def ours() -> Timing:
        nonlocal size
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as name:
            folder = Path(name)
            journal = sqlite_journal(folder, signer(folder))
            for some in built:
                journal.submit(some)
            made, took = timed(lambda: seal(journal, folder / "segments", home=HOME))
            assert made.entries == count
            journal.close()
            size = sum(segment.size for segment in made.segments)
            if not tables:
                for segment in made.segments:
                    with SegmentFile(segment.file(folder / "segments")) as file:
                        tables.append(pa.Table.from_batches([file.group(n) for n in range(len(file.groups))]))
            return took

    def arrow() -> Timing:
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
            return timed(lambda: _pyarrow(tables, Path(folder)))[1]

    def values() -> Timing:
        rows[:] = rows or [[column.to_pylist() for column in table.columns] for table in tables]
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
            return timed(lambda: _pyarrow(map(_table, rows), Path(folder)))[1]

    ours()  # once before: imports, and what the rivals write
    taken = in_turn({"seal": ours, "pyarrow from values": values, "pyarrow from Arrow": arrow}, repeats)
    speed = rate(count, taken["seal"])
    report: dict[str, Any] = {
        "entries": count,
        "bytes_each": round(size / count),
        "what": "read the journal, check every leaf, write Parquet, fsync, enter it, empty the journal",
        "seal": {**speed, "limit": held(speed["best_per_core_second"], at_least=SEAL_A_CORE)},
    }
    for name in ("pyarrow from values", "pyarrow from Arrow"):
        report[name] = {
            **rate(count, taken[name]),
            "seal_to_it": held(ratio(taken["seal"], taken[name], of="cpu"), at_least=SEAL_SHARE),
            "seal_to_it_by_the_clock": round(ratio(taken["seal"], taken[name]), 3),
        }
    report["note"] = "pyarrow writes the same columns with the same settings and an fsync, and checks nothing"
    return report


def _table(columns: list[Any]) -> Any:
    import pyarrow as pa

    from answerable.ledger.segments_parquet import schema

    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema(), strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema())


def _slices(count: int, at: int) -> list[Unit]:
    made = entries(count, at=at)
    return [Unit([next(made) for _ in range(256)]) for _ in range(count // 256)]


def _pyarrow(tables: Iterable[Any], folder: Path) -> None:
    import os

    import pyarrow.parquet as pq

    for number, table in enumerate(tables):
        path = folder / f"{number}.parquet"
        pq.write_table(
            table,
            path,
            compression="zstd",
            compression_level=3,
            row_group_size=GROUP,
            data_page_size=1024 * 1024,
            use_dictionary=[field.name for field in table.schema if str(field.type) == "string"],
            write_page_index=False,
            store_schema=False,
        )
        with path.open("rb") as file:
            os.fsync(file.fileno())


# -- a large home ------------------------------------------------------------------------------------


class Ask(BaseModel):
    """The input of the case whose *why* is measured."""

    text: str


class Verdict(BaseModel):
    """Its output: five fields, so that truth can come in five parts."""

    a: bool
    b: bool
    c: bool
    d: bool
    e: bool


QUESTION: ans.Decision[Ask, Verdict] = ans.Decision(
    name="benchmark-why",
    version="1",
    question="What holds for this text?",
    input=Ask,
    output=Verdict,
    owner="benchmark",
    purpose="benchmark",
    stakes=ans.Stakes("USD", wrong=1.0, review=1.0),
    deciders=[ans.default(Verdict(a=True, b=True, c=True, d=True, e=True))],
)


def large(count: int) -> dict[str, Any]:
    """Measure rows 6 and 7 on a home of about `count` entries, all but a few sealed."""
    with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
        home = Path(folder) / "home"
        filler = Filler(home, count)
        say(f"writing a home of {filler.count} entries")
        _, took = timed(filler.run)
        say(f"  {took.wall:.0f} s; a case with 5 children in 5 segments")
        with ans.Workspace(home) as ws:
            record = _story(ws)
            report: dict[str, Any] = {
                "entries": ws.ledger.head().size,
                "written": {
                    **rate(filler.count, [took]),
                    "what": "segments directly, with this benchmark's own entries",
                },
                "segments_bytes_each": round(filler.bytes / filler.count),
                "reads": reads(ws, filler, record),
            }
            say("verifying")
            found, spent = timed(ws.ledger.verify)
            speed = rate(found.entries, [spent])
            report["verify"] = {
                "verified": found.ok,
                "problems": [f"{p.where}: {p.what}" for p in found.problems][:5],
                "entries": found.entries,
                "segments": found.segments,
                **speed,
                "limit": held(speed["best_per_core_second"], at_least=VERIFY_A_CORE),
            }
            return report


class Filler:
    """Writes a home's first segments directly, as the sealer would; the result verifies."""

    def __init__(self, home: Path, count: int) -> None:
        self.home = home
        self.segment = GROUP * (GROUPS if count >= 4 * GROUP * GROUPS else 2)  # entries
        self.count = max(1, round(count / self.segment)) * self.segment
        self.start = time.time_ns() // 1000 - DAYS * DAY_US
        self.step = DAYS * DAY_US // self.count
        self.sample: list[bytes] = []  # ids, spread over all segments
        self.bytes = 0
        self._blocks = Frontier()

    def run(self) -> None:
        """Make the home and fill it."""
        with ans.Workspace(self.home) as ws:
            by = load_signer(ws.home.origin, ws.home.signing_key, ws.home.folder, {})
            for lo in range(0, self.count, self.segment):
                ws.journal.submit(Unit(writes=[add_segment(self._segment(ws, lo))]))
                say(f"  {lo + self.segment:>12,}")
        tree = tree_of(self._blocks)
        note = by.sign(Checkpoint(origin=by.name, size=tree.size, root=tree.root()).text())
        connection = library().connect(self.home / "journal.db", isolation_level=None)
        connection.execute(SET_HEAD, (tree.size, tree.to_bytes(), tree.root(), note))
        connection.close()

    def _segment(self, ws: ans.Workspace, lo: int) -> Segment:
        writer = SegmentWriter(self.home / "segments", home=ws.home.id, lo=lo)
        tiles: list[bytes] = []
        ids: list[bytes] = []
        for first in range(lo, lo + self.segment, GROUP):
            columns = self._columns(first)
            writer.add(columns)
            tiles += tile_roots(columns[-1])
            ids += (columns[_ID][0], columns[_ID][-1])
            self.sample += random.Random(first).sample(columns[_ID], 4)
        self._blocks.extend(tiles)
        path, size, digest = writer.finish(root(tiles))
        self.bytes += size
        hi = lo + self.segment
        return Segment(
            lo=lo,
            hi=hi,
            at_lo=self._at(lo),
            at_hi=self._at(hi - 1),
            id_lo=min(ids),
            id_hi=max(ids),
            size=size,
            path=path,
            sha256=digest,
            tiles=b"".join(tiles),
            format=1,
        )

    def _at(self, number: int) -> int:
        return self.start + number * self.step

    def _columns(self, first: int) -> list[Any]:
        numbers = range(first, first + GROUP)
        headers = [header(number, self._at(number)) for number in numbers]
        envelopes = [sealed(number) for number in numbers]
        held_header = {name: [h[name] for h in headers] for name in HEADER_NAMES}
        parts = {name: [e.get(name) for e in envelopes] for name in PARTS}
        digests = {name: part_digests(name, parts[name]) for name in USED}
        leaves = leaf_hashes(held_header, digests, GROUP)
        return [list(numbers), *held_header.values(), *parts.values(), leaves]


def _story(ws: ans.Workspace) -> str:
    """Decide a case, then let five children follow, each sealed into a segment of its own."""
    record = ws.decide(QUESTION, Ask(text="which?")).record_id
    for field in ("a", "b", "c", "d", "e"):
        _seal(ws)
        ws.truth(QUESTION, record=record, source="benchmark", fields={field: False})
    _seal(ws)
    return record


def _seal(ws: ans.Workspace) -> None:
    made = list(entries(512, at=time.time_ns() // 1000, step_us=1))
    ws.journal.submit(Unit(made))
    ws.ledger.seal()


# -- reading -----------------------------------------------------------------------------------------


def reads(ws: ans.Workspace, filler: Filler, record: str) -> dict[str, Any]:
    """Measure row 7."""
    chance = random.Random(1)
    ids = chance.sample(filler.sample, min(40, len(filler.sample)))
    day = filler.start + DAY_US * (DAYS // 2)
    last = filler.start + DAY_US * (DAYS - 1)
    narrow = "status = failed and confidence < 0.5"
    say("reading")
    return {
        "by_id": _each([lambda i=i: _found(ws.ledger.get(i)) for i in ids], BY_ID_MS),
        "latest_50_filtered": {
            "where": f"decision, {narrow}",
            **_each([lambda: _count(ws.records("route-ticket", where=narrow), 50)] * 15, LATEST_MS),
        },
        "latest_50_unfiltered": _each([lambda: _count(ws.records(), 50)] * 15, LATEST_MS),
        "latest_50_nothing_matches": {
            "what": "the worst case: a filter that no entry of the last day passes",
            **_each(
                [lambda: ws.records(where="label = nobody", since=last)] * 9,
                LATEST_MS,
            ),
        },
        "hourly_over_a_day": {
            "entries_of_the_day": filler.count // DAYS,
            **_each([lambda: ws.ledger.hourly(day, day + DAY_US)] * 15, HOURLY_MS),
        },
        "why_with_5_children_in_5_segments": _each([lambda: ws.why(record)] * 15, WHY_MS),
    }


def _each(works: list[Callable[[], Any]], limit: float) -> dict[str, Any]:
    """Run reads one after the other; the first one, which warms things up, is told apart."""
    _, first = timed(works[0])
    taken = [timed(work)[1] for work in works[1:]]
    return {
        "median_ms": held(statistics.median(t.wall for t in taken) * MILLI, at_most=limit),
        "p95_ms": round(percentile([t.wall for t in taken], 0.95) * MILLI, 1),
        "cpu_ms": round(median(taken).cpu * MILLI, 1),
        "first_ms": round(first.wall * MILLI, 1),
    }


def _found(stored: Any) -> None:
    assert stored is not None, "an entry that was written is not found"


def _count(lines: Any, wanted: int) -> None:
    assert len(lines) == wanted, f"{len(lines)} lines instead of {wanted}"
