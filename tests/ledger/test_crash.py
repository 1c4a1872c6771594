"""A crash at any point loses nothing acknowledged and doubles nothing; processes on one journal take turns.

ANSWERABLE_CRASH_ROUNDS says how often everything is killed, on each database; 6 unless said.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from answerable.ledger import tlog
from answerable.ledger.entry import Entry, Statement
from answerable.ledger.journal_sql import SqlJournal
from answerable.ledger.leaf import leaf_data
from answerable.ledger.note import Checkpoint, open_note
from crash_writers import Nursery, open_journal
from journals import HOME, ORIGIN, VERIFIER, entries_of

ROUNDS = int(os.environ.get("ANSWERABLE_CRASH_ROUNDS", "6"))
SEALS = find_spec("pyarrow") is not None
THREADS = (3, 3, 2)  # of each writing process


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Starts processes; none of them may have printed an error."""
    made = Nursery(tmp_path / "errors")
    yield made
    made.close()
    assert made.errors.read_text() == ""


def all_case_ids(dialect: str) -> object:
    """Build the statement that reads every open case."""
    from sqlalchemy import select

    from answerable.state.tables import pending

    return select(pending.c.case_id)


CASES = Statement("all_case_ids", all_case_ids)


def acknowledged(folder: Path) -> list[tuple[bytes, int]]:
    """Return what the writers were told: ids and indexes."""
    lines = [line for file in folder.glob("acks-*") for line in file.read_bytes().split(b"\n")[:-1]]
    return [(bytes.fromhex(line[:32].decode()), int(line[33:])) for line in lines]


def whole_log(journal: SqlJournal, segments: Path) -> list[Entry]:
    """Return every entry by index, sealed or not; what is in both must be the same."""
    found: dict[int, Entry] = {}
    if SEALS:
        from answerable.ledger import catalog
        from answerable.ledger.segments_parquet import SegmentFile

        for segment in catalog.segments(journal):
            with SegmentFile(segment.file(segments)) as file:
                found.update((stored.index, stored.entry) for stored in file.stored())
    for index, entry in entries_of(journal):
        assert found.setdefault(index, entry).leaf == entry.leaf
    assert sorted(found) == list(range(len(found)))
    return [found[index] for index in range(len(found))]


def check(where: str, folder: Path) -> int:
    """Check a journal whose writers were killed; return how many entries were acknowledged."""
    journal = open_journal(where)
    log, head = whole_log(journal, folder / "segments"), journal.head()
    told = acknowledged(folder)
    ids = [entry.id for entry in log]

    assert [n for n in Counter(ids).items() if n[1] > 1] == [], "doubled"
    assert {index: ids[index] for _, index in told if index < len(ids)} == {index: i for i, index in told}
    assert len(set(told)) == len(told)
    assert {row[0] for row in journal.rows(CASES, {})} == set(ids), "entries and state differ"
    for entry in log:
        assert tlog.leaf_hash(leaf_data(entry.header, entry.digests)) == entry.leaf
    assert head.size == len(log)
    assert head.root == tlog.root([entry.leaf for entry in log])
    text, signers = open_note(head.note, [VERIFIER])
    assert signers == [ORIGIN]
    assert Checkpoint.parse(text) == Checkpoint(origin=ORIGIN, size=head.size, root=head.root)
    if SEALS:
        from answerable.ledger.verify import verify

        assert verify(journal, folder, home=HOME, keys=[VERIFIER]).problems == ()
    print(
        f"{len(told)} acknowledged entries are there; {len(list(folder.glob('segments/*/*')))} segment files"
    )
    journal.close()
    return len(told)


def crash(nursery: Nursery, where: str, folder: Path, chance: random.Random) -> None:
    """Start 8 writers in 3 processes and a sealer; kill each at a random point of its work."""
    files = [folder / f"acks-{time.time_ns()}-{n}" for n in range(len(THREADS))]
    jobs = list(zip(files, THREADS, strict=True))
    pids = [nursery.start("write", where=where, acks=str(file), threads=n) for file, n in jobs]
    if SEALS:
        pids.append(nursery.start("seal", where=where, folder=str(folder / "segments")))
    end = time.monotonic() + 60
    while not all(file.exists() and file.stat().st_size for file in files):
        assert nursery.errors.read_text() == ""
        assert time.monotonic() < end, "a writer records nothing"
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.4))
    chance.shuffle(pids)
    for pid in pids:
        nursery.kill(pid)
        time.sleep(chance.choice([0.0, 0.0, chance.uniform(0.0, 0.05)]))


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_killed_writers_lose_nothing_and_double_nothing(
    database: str, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every acknowledged entry is there once, without gaps, under a signed root, after each kill -9."""
    where = str(tmp_path / "journal.db")
    if database == "postgres":
        where = request.getfixturevalue("postgres_url")
    open_journal(where, create=True).close()
    seed = time.time_ns()
    print(f"chance starts from {seed}")
    chance = random.Random(seed)
    told = 0
    for _ in range(ROUNDS):
        crash(nursery, where, tmp_path, chance)

        before, told = told, check(where, tmp_path)

        assert told > before


@pytest.mark.slow
def test_processes_on_one_home_take_turns(nursery: Nursery, tmp_path: Path) -> None:
    """Of four writing processes the slowest gets not much less than the fastest."""
    where = str(tmp_path / "journal.db")
    open_journal(where, create=True).close()
    files = [tmp_path / f"count-{n}" for n in range(4)]
    start = time.time() + 1.0

    for file in files:
        nursery.start("count", where=where, acks=str(file), start=start, seconds=2.0)
    end = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert time.monotonic() < end, nursery.errors.read_text()
        time.sleep(0.05)

    done = [int(file.read_text()) for file in files]
    print(f"units recorded by each process in 2 s: {done}")
    journal = open_journal(where)
    assert journal.head().size == sum(done)
    journal.close()
    assert min(done) >= 0.35 * max(done)  # one half on a quiet machine
