"""What is over its time goes: keys by class and day, the parts they sealed, and the oldest segments whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.errors import UsageError
from answerable.governance.kek import LocalKek
from answerable.governance.keys_sqlite import SqliteKeys
from answerable.governance.retention import (
    DAY,
    Block,
    day_of,
    is_over,
    iso_day,
    last_day_over,
    plan_retention,
    retention_times,
)
from answerable.governance.shredding import ERASURES, noted
from answerable.home import find_project
from answerable.ledger import retain as retaining
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import segments
from answerable.ledger.entry import Entry, Unit, Write
from answerable.ledger.envelope import DROPPED
from answerable.ledger.note import Checkpoint, open_note
from answerable.ledger.retain import Retained, retain
from answerable.ledger.tlog import leaf_hash, verify_inclusion
from answerable.state.subjects import ADD_HOLD, ADD_SUBJECT, ALL_SHREDDED, UNDESTROYED
from dropping import book_of, entry, everything, parts_of
from journals import open_case
from sealed_home import HOME, KEY, START, Home, copied, entry_id, found

FIRST = START // DAY  # the day of the first entries
TIMES = {"standard": 30 * 86400.0, "short": 2 * 86400.0}


class Clock:
    """A clock that the test sets. day: days after the first entries."""

    def __init__(self, day: float) -> None:
        self.at = FIRST * DAY + round(day * DAY)

    def now(self) -> int:
        """Microseconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds."""
        return self.at / 1e6


class DayKeys(SqliteKeys):
    """The key store of a home, in its file; tests ask for its day keys by class and day."""

    def __init__(self, folder: Path) -> None:
        kek = LocalKek(HOME, b"k" * 32)
        super().__init__(folder / "keys.db", home=HOME, open_kek=lambda sealed: kek, create=True)

    def pairs(self) -> set[tuple[str, int]]:
        """Return the class and day of every day key that is there."""
        return {(retention, day) for retention, day, _ in self.days()}


def of_day(number: int, keys: DayKeys, blobs: Blobs | None = None) -> Entry:
    """Return entry `number`: 64 a day; every eighth is of the class short; input and text are sealed."""
    retention = "short" if number % 8 == 0 else None
    day = FIRST + number // 64
    key = keys.of_day(retention or "standard", day)
    assert key is not None
    key_id = key.id
    parts = {"input": key_id, "output": None, "text": key_id}
    return entry(number, parts, blobs=blobs, at=day * DAY + number, retention=retention)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,100 entries over 18 days, in segments of 256 (4 days) and a tail; and its day keys. Closed."""
    home = Home.open(tmp_path_factory.mktemp("made") / "home", create=True)
    keys, blobs = DayKeys(home.folder), Blobs(home.folder / "blobs")
    home.journal.submit(Unit(entries=[of_day(n, keys, blobs) for n in range(1100)]))
    home.seal(256)
    home.close()
    keys.close()
    return home.folder


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of the home, opened."""
    made = copied(template, tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def keys(home: Home) -> Iterator[DayKeys]:
    """Its keys."""
    made = DayKeys(home.folder)
    yield made
    made.close()


def run(home: Home, keys: DayKeys | None, day: float, **more: Any) -> Retained:
    """Run retention `day` days after the first entries."""
    book = book_of(home.journal, home.folder, clock=Clock(day))
    return retain(book, keys, more.pop("times", TIMES), **more)


def states(home: Home, name: str = "input") -> dict[int, int]:
    """Return index -> codec of a part of every decision that is there."""
    return {n: part[0] for (n, part_name), part in parts_of(home.ledger) if part_name == name}


# -- what is over --------------------------------------------------------------------------------------


def test_a_day_is_over_when_its_last_moment_is() -> None:
    """With two days, what was recorded at noon of day 0 is over at the end of day 2, not at its noon."""
    assert not is_over(("short", 0), TIMES, 3 * DAY - 1)
    assert is_over(("short", 0), TIMES, 3 * DAY)
    assert not is_over(("unheard-of", 0), TIMES, 1000 * DAY)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 40), max_size=3), st.integers(0, 60))
def test_no_later_day_is_over_than_the_last(times: dict[str, int], now: int) -> None:
    """`last_day_over` is the bound of `is_over` for all classes."""
    kept = {name: days * 86400.0 for name, days in times.items()}
    last = last_day_over(kept, now * DAY)

    over = [day for day in range(70) for name in "abc" if is_over((name, day), kept, now * DAY)]

    assert max(over, default=-1) == max(last, -1)


def test_a_dry_run_says_what_would_go_and_changes_nothing(home: Home, keys: DayKeys) -> None:
    """Keys over their time with the entries they open, per class and day; log, keys and files stay."""
    size, kept, files = home.journal.head().size, keys.days(), home.files()

    told = run(home, keys, 5.5)

    assert not told.applied
    assert [(line.retention, line.day - FIRST, line.entries) for line in told.plan.over] == [
        ("short", 0, 8),
        ("short", 1, 8),
        ("short", 2, 8),
    ]
    assert (told.plan.below, told.plan.pruned) == (0, 0)
    assert (home.journal.head().size, keys.days(), home.files()) == (size, kept, files)


def test_a_class_without_a_time_is_kept_for_ever_and_said(home: Home, keys: DayKeys) -> None:
    """Only what the project names is ever over; a block with an entry of another class stays too."""
    told = run(home, keys, 4000, times={"short": 2 * 86400.0}, dry_run=False)

    assert told.plan.unknown == {"standard": 18}
    assert told.plan.pruned == 0
    assert {name for name, _ in keys.pairs()} == {"standard"}


# -- what goes -----------------------------------------------------------------------------------------


def test_keys_are_shredded_and_their_parts_dropped(home: Home, keys: DayKeys) -> None:
    """Of the days over their time every sealed part is gone, in segments and blobs; all others stay."""
    before = dict(parts_of(home.ledger))

    told = run(home, keys, 5.5, dry_run=False)

    over = {n for n in range(1100) if n % 8 == 0 and n // 64 <= 2}
    assert {n for n, codec in states(home).items() if codec == DROPPED} == over
    after = dict(parts_of(home.ledger))
    assert all(after[p] == before[p] for p in before if p[0] not in over or p[1] == "output")
    assert not any(pair[0] == "short" and pair[1] <= FIRST + 2 for pair in keys.pairs())
    assert told.dropped.parts == 2 * len(over)
    report = home.verify()
    assert report.ok
    assert report.dropped == 2 * len(over)
    assert home.ledger.kinds() == {"decision": 1100, "retention": 1, "drop": 1}


def test_the_oldest_segments_go_once_everything_in_them_is_over(home: Home, keys: DayKeys) -> None:
    """Two blocks of four days are over: their files are gone, their roots stay, the rest verifies."""
    old, new = home.ledger.prove(entry_id(3)), home.ledger.prove(entry_id(600))
    home.ledger.checkpoint()

    names = {of_day(n, keys).digests["text"].hex() for n in range(512) if n % 40 == 4}
    assert all((home.folder / "blobs" / name[:2] / name).exists() for name in names)

    told = run(home, keys, 39, dry_run=False)

    assert (told.plan.below, told.plan.pruned) == (512, 512)
    assert len(home.files()) == 2
    report = home.verify()
    assert report.problems == ()
    assert report.pruned == 512
    assert report.entries + report.pruned == home.journal.head().size
    assert [s.index for s in everything(home.ledger)][:2] == [512, 513]
    assert names.isdisjoint(path.name for path in home.folder.glob("blobs/*/*"))
    for proof in (old, new, home.ledger.prove(entry_id(600)), home.ledger.prove(entry_id(1099))):
        signed = Checkpoint.parse(open_note(proof.checkpoint_note, [KEY])[0])
        assert verify_inclusion(
            leaf_hash(proof.extra or b""), proof.index, signed.size, proof.hashes, signed.root
        )


def test_a_pruned_entry_is_not_found_and_the_reason_is_told(home: Home, keys: DayKeys) -> None:
    """Reading gives None; a proof asked for says that it was pruned."""
    run(home, keys, 39, dry_run=False)

    assert home.ledger.get(entry_id(3)) is None
    with pytest.raises(UsageError, match="it was pruned"):
        home.ledger.prove(entry_id(3))


def test_the_log_goes_on_after_a_prune(home: Home, keys: DayKeys) -> None:
    """New entries are appended, sealed, kept in checkpoints, pruned in turn, and all of it verifies."""
    run(home, keys, 39, dry_run=False)
    blobs = Blobs(home.folder / "blobs")
    home.journal.submit(Unit(entries=[of_day(n, keys, blobs) for n in range(64 * 40, 64 * 46)]))
    home.seal(256)
    home.ledger.checkpoint()

    told = run(home, keys, 50, dry_run=False)

    assert told.plan.below == 1024
    assert home.verify().problems == ()
    assert home.verify().pruned == 1024


def test_a_second_run_finds_nothing_more(home: Home, keys: DayKeys) -> None:
    """No further entry is recorded while no further day is over."""
    run(home, keys, 39, dry_run=False)
    size = home.journal.head().size

    again = run(home, keys, 39, dry_run=False)

    assert again.plan.over == ()
    assert again.dropped.parts == 0
    assert home.journal.head().size == size


def test_what_is_held_stays(home: Home, keys: DayKeys) -> None:
    """A hold on one record keeps the key of its class and day, and every block from its own on."""
    held = entry_id(8 + 256)

    told = run(home, keys, 39, dry_run=False, holds=[{held}])

    assert [(line.retention, line.day - FIRST, line.held) for line in told.plan.held] == [("short", 4, 1)]
    assert told.plan.below == 256
    assert states(home)[264] == 1
    assert ("short", FIRST + 4) in keys.pairs()
    assert home.verify().ok


def test_a_hold_may_be_a_function_of_the_header(home: Home, keys: DayKeys) -> None:
    """Whatever it says true for stays."""
    told = run(home, keys, 39, holds=[lambda header: header["retention"] == "short"])

    assert {line.retention for line in told.plan.over} == {"standard"}
    assert told.plan.below == 0


def test_a_held_person_stays(home: Home, keys: DayKeys) -> None:
    """What state says of holds is heeded by itself."""
    person = {"token": b"t" * 32, "entry_id": entry_id(8), "key_id": b"p" * 16}
    hold = {"entry_id": b"h" * 16, "token": b"t" * 32, "at": 1}
    home.journal.submit(Unit(writes=[Write(ADD_SUBJECT, person), Write(ADD_HOLD, hold)]))

    told = run(home, keys, 39)

    assert [(line.retention, line.day - FIRST, line.held) for line in told.plan.held] == [("short", 0, 1)]
    assert told.plan.below == 0


def test_a_shredded_day_is_known_to_state(home: Home, keys: DayKeys) -> None:
    """So that a restored backup destroys it again, and *why* can say when; the list for backups has it too."""
    before = {key_id for retention, _, key_id in keys.days() if retention == "short"}

    run(home, keys, 39, dry_run=False)

    gone = {bytes(key_id) for key_id, _ in home.journal.rows(ALL_SHREDDED, {})}
    assert before <= gone
    assert gone == set(noted(home.folder / ERASURES))
    assert gone.isdisjoint(key_id for _, _, key_id in keys.days())
    assert home.journal.rows(UNDESTROYED, {}) == []


def test_a_case_that_waits_for_somebody_stays(home: Home, keys: DayKeys) -> None:
    """Nobody could answer it once its data is gone."""
    home.journal.submit(Unit(writes=[open_case(entry_id(5))]))

    told = run(home, keys, 39)

    assert [(line.retention, line.day - FIRST) for line in told.plan.held] == [("standard", 0)]
    assert told.plan.below == 0


# -- crashes and damage --------------------------------------------------------------------------------


class Stop(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("where", ["shred", "sweep", "file", "drop"])
def test_a_crash_is_finished_by_the_next_run(
    home: Home, keys: DayKeys, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever was left, the log verifies at once, and the next run shreds, drops and deletes the rest."""

    def stop(*args: Any, **more: Any) -> Any:
        raise Stop

    if where == "shred":
        monkeypatch.setattr(retaining, "finish", stop)
    elif where == "sweep":
        monkeypatch.setattr(retaining, "_remove_blobs", stop)
    elif where == "file":
        monkeypatch.setattr(Path, "unlink", stop)
    else:
        monkeypatch.setattr(retaining, "drop_parts", stop)
    with pytest.raises(Stop):
        run(home, keys, 39, dry_run=False)
    monkeypatch.undo()
    assert home.verify().problems == ()

    run(home, keys, 39, dry_run=False)

    assert home.verify().problems == ()
    assert len(home.files()) == 2
    assert not any(is_over(pair, TIMES, (FIRST + 39) * DAY) for pair in keys.pairs())
    gone = {n for n in range(512, 1100) if n % 8 == 0 or n // 64 <= 8}
    assert {n for n, codec in states(home).items() if codec == DROPPED} == gone


def test_a_segment_taken_away_as_if_pruned_is_found(home: Home, keys: DayKeys) -> None:
    """Without an entry that says so, a catalog row without a file is a problem, beyond it too."""
    run(home, keys, 39, dry_run=False)
    path = home.folder / "segments" / next(s.path for s in segments(home.journal) if s.lo == 512)
    changed = home.sql("UPDATE segment SET path = '', sha256 = x'', bytes = 0 WHERE lo = 512")
    path.unlink()

    assert found(changed.verify(), "catalog", "512 to 767 are gone as if pruned")
    changed.close()


def test_a_forged_tile_of_a_pruned_segment_is_found(home: Home, keys: DayKeys) -> None:
    """The kept roots are recomputed into the signed root."""
    run(home, keys, 39, dry_run=False)
    changed = home.sql("UPDATE segment SET tiles = zeroblob(32) WHERE lo = 0")

    assert found(changed.verify(), "head", "do not give its root")
    changed.close()


# -- the plan and the project file ---------------------------------------------------------------------


def test_only_a_prefix_is_pruned() -> None:
    """A block behind one that stays, stays."""
    day = frozenset({("short", 0)})
    blocks = [
        Block(lo=0, hi=256, days=day),
        Block(lo=256, hi=512, days=day | {("standard", 0)}),
        Block(lo=512, hi=768, days=day),
    ]

    plan = plan_retention((), {}, {}, blocks, TIMES, 10 * DAY)

    assert (plan.below, plan.pruned) == (256, 256)


def test_days_are_written_as_dates() -> None:
    """And read back."""
    assert iso_day(20_000) == "2024-10-04"
    assert day_of("2024-10-04") == 20_000


def test_the_project_file_names_classes_and_times(tmp_path: Path) -> None:
    """Durations as everywhere; seconds come out."""
    (tmp_path / "answerable.toml").write_text('[retention]\nstandard = "400d"\nshort-lived = "30d"\n')

    project = find_project(tmp_path)

    assert project is not None
    assert project.retention == {"standard": 400 * 86400.0, "short-lived": 30 * 86400.0}


@pytest.mark.parametrize(
    "told",
    [[], "400d", {"standard": True}, {"standard": "soon"}, {"a b": "4d"}, {"x": 0}, {"x": "5h"}, {"x": -1}],
)
def test_nonsense_is_refused(told: Any) -> None:
    """No time at all, no duration, no word, less than a day."""
    with pytest.raises(UsageError, match=r"answerable\.toml"):
        retention_times(told, where="answerable.toml")
