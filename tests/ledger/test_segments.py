"""Sealed entries read like unsealed ones; a crash at any point of sealing loses and doubles nothing."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.encoding import encode
from answerable.errors import TamperFound, UsageError
from answerable.ledger import durable
from answerable.ledger.arrow_leaves import arrow_leaf_hashes
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import segments
from answerable.ledger.entry import HEADER, PARTS, Conflict, Entry, Filter, Stored, Unit, Write
from answerable.ledger.envelope import part_digest, seal_clear, stand_in
from answerable.ledger.leaf import make_entry
from answerable.ledger.leaf_columns import leaf_hashes, part_digests
from answerable.ledger.ledger import Ledger
from answerable.ledger.rows import COLUMNS, to_row
from answerable.ledger.seal import seal
from answerable.ledger.segments_parquet import SegmentFile
from answerable.ledger.tlog import root
from answerable.ledger.where import compile_where
from sealed_home import HOME, KEY, START, STEP, Home, Signer, entry, entry_id


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """1,100 entries, none sealed."""
    made = Home.make(tmp_path / "home", 1100)
    yield made
    made.close()


def all_entries(home: Home) -> list[Stored]:
    """Every entry as `get` finds it, by the ids the test knows."""
    found = [home.ledger.get(entry_id(number)) for number in range(home.journal.head().size)]
    return [stored for stored in found if stored is not None]


def unsealed(home: Home) -> list[int]:
    """The indexes that are in the journal."""
    return [stored.index for batch in home.journal.scan(0, 1 << 40) for stored in batch]


# -- sealing -------------------------------------------------------------------------------------------


def test_full_blocks_are_sealed_and_leave_the_journal(home: Home) -> None:
    """Of 1,100 entries, four blocks of 256 are sealed in segments of two, and 76 stay."""
    home.seal(512)

    assert [(s.lo, s.hi) for s in segments(home.journal)] == [(0, 512), (512, 1024)]
    assert unsealed(home) == list(range(1024, 1100))
    first = home.files()[0].relative_to(home.folder / "segments").as_posix()
    assert first.startswith("day=2026-09-21/seg-000000000000-") and first.endswith(".parquet")
    assert home.verify().ok


def test_sealed_entries_are_the_same_entries(home: Home) -> None:
    """Header, parts, digests, leaf and index survive the move byte for byte."""
    before = all_entries(home)

    home.seal()

    assert all_entries(home) == before
    assert len(before) == 1100
    assert home.ledger.get(b"?" * 16) is None


def test_sealing_again_continues_where_it_ended(home: Home) -> None:
    """Nothing happens below a full block; later entries follow without a gap."""
    home.seal()
    home.seal()
    assert len(segments(home.journal)) == 2

    home.append(1100, 1300)
    home.seal()

    assert [(s.lo, s.hi) for s in segments(home.journal)] == [(0, 512), (512, 1024), (1024, 1280)]
    assert home.verify().ok


def test_a_segment_ends_at_its_size(home: Home) -> None:
    """A size in bytes ends a segment as well, at a full block."""
    seal(home.journal, home.folder / "segments", home=HOME, entries=1024, size=1)

    assert all(s.hi % 256 == 0 for s in segments(home.journal))
    assert home.verify().ok


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET label = 'forged' WHERE idx = 3",
        "DELETE FROM entry WHERE idx = 300",
        "DELETE FROM entry WHERE idx = 0",
        "DELETE FROM entry WHERE idx = 1099",
        "UPDATE entry SET label = 'forged' WHERE idx = 1090",
        "UPDATE head SET root = zeroblob(32)",
    ],
)
def test_a_damaged_journal_is_not_sealed(home: Home, damage: str) -> None:
    """What is not what the head signed stays where it is, for verify to name."""
    changed = home.sql(damage)
    count = len(unsealed(changed))

    with pytest.raises(TamperFound):
        changed.seal(256)

    assert segments(changed.journal) == []
    assert len(unsealed(changed)) == count
    changed.close()


def test_a_sealer_that_lost_its_role_changes_nothing(home: Home) -> None:
    """The fence goes with the catalog row: without it there is no row, and the journal keeps its entries."""
    from answerable.state.roles import FENCE

    fence = Write(FENCE, {"of_role": "sealer", "of_token": 1}, expect=1, clash="another sealer works")

    with pytest.raises(Conflict, match="another sealer"):
        home.ledger.seal(fence=[fence])

    assert segments(home.journal) == []
    assert len(unsealed(home)) == 1100
    assert home.verify().ok


# -- crashes -------------------------------------------------------------------------------------------


class _Crash(Exception):
    pass


def crash_at(monkeypatch: pytest.MonkeyPatch, home: Home, step: int) -> None:
    """Let the step-th act that changes a disk fail: flush, rename, catalog row or drop."""
    count = 0

    def failing(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                raise _Crash
            return act(*args, **options)

        return run

    monkeypatch.setattr(durable.os, "replace", failing(os.replace))
    monkeypatch.setattr(durable.os, "fsync", failing(os.fsync))
    monkeypatch.setattr(home.journal, "submit", failing(home.journal.submit))
    monkeypatch.setattr(home.journal, "drop", failing(home.journal.drop))


@pytest.mark.parametrize("step", range(1, 14))
def test_a_crash_at_any_point_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The half-sealed state verifies and reads whole; the next pass finishes it."""
    home = Home.make(tmp_path / "home", 600)
    with monkeypatch.context() as patch:
        crash_at(patch, home, step)
        crashed = False
        try:
            home.seal(256)
        except _Crash:
            crashed = True
    home = home.reopened()

    assert home.verify().data()["problems"] == []
    assert [stored.index for stored in all_entries(home)] == list(range(600))
    assert [item.index for item in home.ledger.latest(Filter(kinds=(), limit=None))] == list(
        range(599, -1, -1)
    )
    assert sum(home.ledger.kinds().values()) == 600

    home.seal(256)

    assert [(s.lo, s.hi) for s in segments(home.journal)] == [(0, 256), (256, 512)]
    assert unsealed(home) == list(range(512, 600))
    assert {path.name for path in home.files()} == {Path(s.path).name for s in segments(home.journal)}
    assert home.verify().ok
    assert crashed == (step <= 12)  # the 13th shows that no step is left out
    home.close()


def test_orphans_of_another_cut_are_removed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of an interrupted pass with other limits are gone after the next pass; half ones may be another's."""
    with monkeypatch.context() as patch:
        patch.setattr(home.journal, "submit", lambda unit: (_ for _ in ()).throw(_Crash()))
        with pytest.raises(_Crash):
            home.seal(256)
    (home.folder / "segments" / ".seg-000000000000.abc.tmp").write_bytes(b"half")
    assert len(home.files()) == 4
    assert home.verify().ok

    home.seal(512)

    assert len(home.files()) == 2
    assert [path.read_bytes() for path in (home.folder / "segments").glob(".seg*")] == [b"half"]


def test_a_row_that_differs_from_its_sealed_copy_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that are sealed and not dropped yet must be equal in both places."""
    with monkeypatch.context() as patch:
        patch.setattr(home.journal, "drop", lambda stop: None)
        home.seal()
    assert home.verify().ok
    other = entry(700, label="forged")
    changed = home.sql("UPDATE entry SET label = 'forged', leaf = ? WHERE idx = 700", params=(other.leaf,))

    problems = changed.verify().problems

    assert [(p.where, "sealed in day=" in p.what) for p in problems] == [("journal, entry 700", True)]
    changed.close()


def test_entries_sealed_while_verify_looks_are_not_missing(home: Home) -> None:
    """A sealer at work is no tampering: what moved meanwhile is looked for again."""
    moved: list[int] = []

    def seal_now(done: int, total: int) -> None:
        if not moved:
            moved.append(1)
            home.append(1100, 1400)
            home.seal(256)

    home.seal(512)

    report = home.ledger.verify(progress=seal_now)

    assert report.data()["problems"] == []
    assert report.entries == 1400


# -- reading -------------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_hides_nothing(tmp_path: Path) -> None:
    """Times and ids out of order are found by id, listed by index, and in time ranges."""
    home = Home.open(tmp_path / "home", create=True)
    home.append(0, 300)
    home.append(300, 600, at=START - 40 * 86_400_000_000)
    home.append(600, 700)
    ids = [stored.entry.id for batch in home.journal.scan(0, 700) for stored in batch]
    home.seal(512)

    assert [(home.ledger.get(one) or pytest.fail()).index for one in ids] == list(range(700))
    early = home.ledger.latest(Filter(kinds=(), until=START, limit=None))
    assert [item.index for item in early] == list(range(599, 299, -1))
    assert home.verify().ok
    home.close()


FILTERS = [
    Filter(),
    Filter(limit=1),
    Filter(limit=100, decision="refund"),
    Filter(kinds=(), limit=None),
    Filter(kinds=("truth",), limit=None),
    Filter(before=700, limit=20),
    Filter(since=START + 100 * STEP, until=START + 900 * STEP, limit=None),
    Filter(since=START + 1090 * STEP, limit=None),
    Filter(limit=None, where="label = ?", params=("höchst",)),
]


@pytest.mark.parametrize("wanted", FILTERS)
def test_lists_are_the_same_sealed_or_not(home: Home, wanted: Filter) -> None:
    """Kinds, decision, times, cursor, limit and condition mean the same on both sides, newest first."""
    before = home.ledger.latest(wanted)
    assert before

    home.seal(256)

    assert home.ledger.latest(wanted) == before


def test_conditions_mean_the_same_sealed_or_not(home: Home) -> None:
    """A condition of the small grammar runs on SQLite and on DuckDB."""
    text = (
        'not (label = low or confidence >= 0.02) and (latency > 300ms or decider ~ "words") and fault is none'
    )
    where, params = compile_where(text, now=START)
    wanted = Filter(where=where, params=params, limit=None)
    before = home.ledger.latest(wanted)

    home.seal(256)

    assert home.ledger.latest(wanted) == before
    assert 0 < len(before) < 1000


def test_hours_and_kinds_count_sealed_and_unsealed_entries(home: Home) -> None:
    """Counts, failures and p95 an hour and decision are those of all entries, wherever they are."""
    since, until = START + 30 * STEP, START + 1095 * STEP
    hour = 3_600_000_000
    items = [i.header for i in home.ledger.latest(Filter(since=since, until=until, limit=None))]
    counts = Counter((h["at"] // hour * hour, h["decision"]) for h in items)
    failed = Counter((h["at"] // hour * hour, h["decision"]) for h in items if h["status"] == "failed")
    unsealed_hours = home.ledger.hourly(since, until)
    kinds = home.ledger.kinds()

    home.seal(256)

    hours = home.ledger.hourly(since, until)
    assert hours == unsealed_hours
    assert {(h.hour, h.decision): h.decisions for h in hours} == counts
    assert {(h.hour, h.decision): h.failed for h in hours if h.failed} == failed
    assert all(h.p95_us is not None and h.p95_us > 0 for h in hours)
    assert home.ledger.kinds() == kinds == {"decision": 1000, "truth": 100}


def test_bodies_follow_parts_to_the_blob_store(home: Home) -> None:
    """A clear part is decoded wherever it lies; a part that is not there is None."""
    home.seal()
    stored = home.ledger.get(entry_id(407))
    assert stored is not None

    assert home.ledger.body(stored, "input") == {"number": "T-407", "body": "the printer is on fire " * 2}
    assert home.ledger.body(stored, "detail") == {"large": "x" * 5000}
    assert home.ledger.body(stored, "text") is None


def test_an_export_holds_every_entry_in_full(home: Home, tmp_path: Path) -> None:
    """One JSON object a line: index, header, parts with bodies, leaf; a time range narrows it."""
    home.seal()

    assert home.ledger.export(tmp_path / "all.jsonl") == 1100
    assert home.ledger.export(tmp_path / "some.jsonl", since=START + 5 * STEP, until=START + 8 * STEP) == 3

    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(1100))
    assert lines[7]["parts"]["detail"]["body"] == {"large": "x" * 5000}
    assert lines[7]["definition"] == (b"d" * 32).hex()
    assert lines[7]["leaf"] == entry(7, blobs=Blobs(home.folder / "blobs")).leaf.hex()
    assert [json.loads(line)["index"] for line in (tmp_path / "some.jsonl").read_text().splitlines()] == [
        5,
        6,
        7,
    ]


def test_a_missing_file_is_said_not_skipped(home: Home) -> None:
    """A list or a look-up that needs a file that is gone fails; it never shows less without a word."""
    home.seal()
    home.files()[0].unlink()

    with pytest.raises(TamperFound, match="missing"):
        home.ledger.get(entry_id(5))
    with pytest.raises(TamperFound, match="missing"):
        home.ledger.latest(Filter(limit=None))
    assert home.ledger.get(entry_id(1050)) is not None


@pytest.mark.parametrize("module", ["duckdb", "pyarrow.parquet"])
def test_without_the_extra_the_error_names_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Sealing and reading sealed segments need the extra `lake`; the error says how to get it."""
    home.seal()
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(UsageError, match=r'pip install "answerable\[lake\]"'):
        if module == "duckdb":
            home.ledger.latest(Filter(limit=None))
        else:
            home.ledger.get(entry_id(5))


def test_a_home_without_segments_needs_no_extra(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core alone reads, lists, proves and verifies what is not sealed."""
    for module in ("duckdb", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)

    assert home.verify().ok
    assert len(home.ledger.latest(Filter(limit=None))) == 1000
    assert home.ledger.prove(entry_id(5)).index == 5
    assert home.ledger.checkpoint().checkpoint.size == 1100


def test_postgres_is_sealed_in_the_same_way(postgres_url: str, tmp_path: Path) -> None:
    """The journal on PostgreSQL: the same segments, lists, conditions, proofs and findings."""
    from answerable.ledger.journal_postgres import PostgresJournal

    journal = PostgresJournal(postgres_url, home=HOME, signer=Signer(), create=True)
    ledger = Ledger(journal, tmp_path, Signer(), [KEY], HOME)
    journal.submit(Unit(entries=[entry(number) for number in range(600)]))
    text = 'not (label = "höchst" or confidence >= 0.02) and (decider ~ words or cost in (0, 1))'
    text += " and latency > 100ms and at > 2026-09-21 and degraded is none"
    where, params = compile_where(text, now=START)
    wanted = Filter(where=where, params=params, limit=None)
    before, first = ledger.latest(wanted), ledger.get(entry_id(3))

    assert ledger.seal().entries == 512

    assert (ledger.latest(wanted), ledger.get(entry_id(3))) == (before, first)
    assert len(before) > 100
    assert ledger.prove(entry_id(3)).index == 3
    assert ledger.checkpoint().checkpoint.size == 600
    assert ledger.verify().data()["problems"] == []
    next(tmp_path.glob("segments/day=*/*.parquet")).unlink()
    assert not ledger.verify().ok
    ledger.close()
    journal.close()


def test_a_segment_file_says_what_it_is(home: Home) -> None:
    """Key-value metadata carry format, home, range and root; leaves can be read by range."""
    home.seal()
    first = segments(home.journal)[0]
    with SegmentFile(home.files()[0]) as file:
        assert (file.format, file.home, file.lo, file.hi) == (1, HOME, 0, 512)
        assert file.root == root(first.blocks) == root([stored.entry.leaf for stored in file.stored()])
        assert file.leaves(250, 260) == [s.entry.leaf for s in list(file.stored())[250:260]]


def test_a_segment_is_skipped_by_few_columns_only(home: Home) -> None:
    """Statistics of the columns that lists and look-ups skip by, and nothing else that hides entries."""
    from answerable.ledger.footer import statistics

    home.seal()

    for path in home.files():
        assert [list(group) for group in statistics(path)] == [["idx", "id", "at", "kind", "decision"]]


# -- leaves by column ----------------------------------------------------------------------------------

_VALUES = {
    "id": st.binary(min_size=16, max_size=16),
    "digest": st.binary(min_size=32, max_size=32),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}
_REQUIRED = ("id", "at")
_HEADERS = st.fixed_dictionaries(
    {name: _VALUES[kind] if name in _REQUIRED else st.none() | _VALUES[kind] for name, kind in HEADER}
)
_ENVELOPES = st.builds(seal_clear, st.binary(max_size=20), st.binary(min_size=16, max_size=16)) | st.builds(
    stand_in, st.sampled_from([2, 3]), st.binary(min_size=32, max_size=32)
)
_ENTRIES = st.builds(make_entry, _HEADERS, st.dictionaries(st.sampled_from(PARTS), _ENVELOPES))


@given(entries=st.lists(_ENTRIES, min_size=1, max_size=6))
@settings(max_examples=40)
def test_leaves_by_column_are_the_leaves(entries: list[Entry]) -> None:
    """From Python columns and from Arrow columns, every leaf is the one that the format defines."""
    import pyarrow as pa

    from answerable.ledger.segments_parquet import schema

    columns = list(zip(*[to_row(index, one) for index, one in enumerate(entries)], strict=True))
    named = dict(zip(COLUMNS, columns, strict=True))
    digests = {name: part_digests(name, named[name]) for name in PARTS}
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, schema(), strict=True)],
        schema=schema(),
    )

    assert leaf_hashes(named, digests, len(entries)) == [one.leaf for one in entries]
    assert arrow_leaf_hashes(batch) == [one.leaf for one in entries]
    assert arrow_leaf_hashes(batch.slice(1)) == [one.leaf for one in entries[1:]]


# -- blobs ---------------------------------------------------------------------------------------------


def test_a_blob_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    """Put, get, and put again; a damaged one is refused on reading and healed by putting it again."""
    blobs = Blobs(tmp_path / "blobs")
    envelope = seal_clear(encode("large"), b"s" * 16)
    digest = part_digest("input", envelope)

    blobs.put(digest, envelope)
    blobs.put(digest, envelope)

    path = tmp_path / "blobs" / digest.hex()[:2] / digest.hex()
    assert path.read_bytes() == envelope
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert blobs.get("input", digest) == envelope
    with pytest.raises(TamperFound, match="was changed"):
        blobs.get("output", digest)
    path.write_bytes(b"")
    with pytest.raises(TamperFound, match="was changed"):
        blobs.get("input", digest)
    blobs.put(digest, envelope)
    assert blobs.get("input", digest) == envelope
    with pytest.raises(TamperFound, match="is missing"):
        blobs.get("input", b"?" * 32)
