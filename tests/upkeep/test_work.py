"""Background work: what is due is done once, by one worker, and one role's fault is not another's."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from answerable.errors import UsageError
from answerable.ledger.entry import Conflict
from answerable.resolving import expire
from answerable.upkeep import work as working
from answerable.upkeep.roles import Lease, roles, take
from answerable.upkeep.work import CLEAN_AFTER, KEEP_AFTER, SEAL_AFTER, Job, Pass, work
from answerable.workspace import Workspace
from upkeep.homes import DECISION, SetClock, answered, fill, waiting
from waiting import until


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty home."""
    with Workspace(tmp_path / "home") as opened:
        yield opened


def by_role(passes: list[Pass]) -> dict[str, Pass]:
    """Return the lines by role."""
    return {one.role: one for one in passes}


def overdue(workspace: Workspace, number: int = 1) -> str:
    """Decide a case that waits for a person and is overdue; return its record."""
    outcome = workspace.decide(DECISION, waiting(number))
    assert outcome.status == "escalated"
    time.sleep(0.002)
    return outcome.record_id


# -- one pass ----------------------------------------------------------------------------------------


def test_an_empty_home_has_nothing_to_do(workspace: Workspace) -> None:
    """Each role says so, and when it was there."""
    passes = work(workspace, once=True)

    assert [(one.role, one.told, one.done) for one in passes] == [
        ("expiry", "idle", 0),
        ("interrupted", "idle", 0),
        ("erasure", "idle", 0),
        ("sealer", "idle", 0),
        ("checkpoints", "idle", 0),
        ("cleaner", "idle", 0),
        ("alerts", "idle", 0),
    ]
    assert {role.note for role in roles(workspace.journal).values()} == {"nothing to do"}


def test_a_case_that_nobody_answered_gets_its_fallback(workspace: Workspace) -> None:
    """The outcome says that it is the fallback's; the ledger verifies."""
    record = overdue(workspace)

    done = by_role(work(workspace, once=True))["expiry"]

    assert (done.told, done.done) == ("ran", 1)
    outcome = workspace.outcome(record, DECISION)
    assert outcome.status == "answered"
    assert outcome.output.team == "shipping"
    assert outcome.degraded == "expired"
    assert workspace.ledger.verify().ok


def test_a_case_expires_once(workspace: Workspace) -> None:
    """The second pass finds nothing."""
    overdue(workspace)
    work(workspace, once=True)
    size = workspace.ledger.head().size

    work(workspace, once=True)

    assert workspace.ledger.head().size == size


def test_many_cases_expire_in_one_pass(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work goes on in pieces until nothing is due."""
    monkeypatch.setattr(working, "_PIECE", 3)
    for number in range(10):
        workspace.decide(DECISION, waiting(number))
    time.sleep(0.002)

    assert by_role(work(workspace, once=True))["expiry"].done == 10


def test_a_person_who_was_faster_keeps_the_case(workspace: Workspace) -> None:
    """The clock comes too late and writes nothing."""
    record = overdue(workspace)
    workspace.resolve(DECISION, record, {"team": "billing"}, principal="user:ada")
    size = workspace.ledger.head().size

    assert expire(workspace.book, now=workspace.clock.now()) == 0

    assert workspace.outcome(record, DECISION).output.team == "billing"
    assert workspace.ledger.head().size == size


def test_a_person_who_is_faster_at_the_last_moment_keeps_the_case(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is found to be due, then answered, then expires: no opinion of the clock is kept."""
    record = overdue(workspace)
    found = workspace.journal.rows

    def answered_meanwhile(statement: object, params: object) -> object:
        rows = found(statement, params)  # type: ignore[arg-type]
        monkeypatch.setattr(workspace.journal, "rows", found)
        workspace.resolve(DECISION, record, {"team": "billing"}, principal="user:ada")
        return rows

    monkeypatch.setattr(workspace.journal, "rows", answered_meanwhile)

    assert expire(workspace.book, now=workspace.clock.now()) == 0
    assert workspace.outcome(record, DECISION).output.team == "billing"
    assert [line["kind"] for line in workspace.records(kinds=("resolution", "opinion"))] == ["resolution"]


def test_a_worker_that_lost_its_role_ends_no_case(workspace: Workspace) -> None:
    """Its fence fails, and the case still waits."""
    record = overdue(workspace)
    clock = SetClock()
    old = take(workspace.journal, clock, "expiry", "a", seconds=1)
    assert old is not None
    clock.forward(2)
    take(workspace.journal, clock, "expiry", "b")

    with pytest.raises(Conflict, match="lease"):
        expire(workspace.book, now=workspace.clock.now(), fence=old.fence)

    assert workspace.outcome(record, DECISION).status == "escalated"


def test_once_seals_every_full_block_and_keeps_the_head(workspace: Workspace) -> None:
    """Short of 256 entries stay in the journal; a second pass finds nothing to do."""
    fill(workspace, 300)

    first = by_role(work(workspace, once=True))
    second = by_role(work(workspace, once=True))

    assert first["sealer"].done == 256
    assert first["checkpoints"].done == 1
    assert (second["sealer"].told, second["checkpoints"].told) == ("idle", "idle")
    assert workspace.ledger.verify().ok


def test_a_sealer_that_lost_its_role_enters_no_segment(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept for too long between reading and writing; the entries stay where they were."""
    fill(workspace, 300)
    sealing = workspace.ledger.seal

    def slept(**more: object) -> object:
        ahead = SetClock(workspace.clock.now() + 3_600_000_000)
        assert take(workspace.journal, ahead, "sealer", "another") is not None
        return sealing(**more)  # type: ignore[arg-type]

    monkeypatch.setattr(workspace.ledger, "seal", slept)

    assert by_role(work(workspace, once=True))["sealer"].told == "lost"

    report = workspace.ledger.verify()
    assert report.ok
    assert report.segments == 0


def test_a_role_that_fails_does_not_stop_the_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line says why, and so does its row for the doctor."""
    fill(workspace, 3)
    record = overdue(workspace)

    def broken(**more: object) -> object:
        raise OSError("no space left")

    monkeypatch.setattr(working, "_blocks_due", lambda workspace, at_once: True)
    sealer = Job(name="sealer", due=lambda workspace, at_once: True, run=lambda workspace, lease: broken())
    jobs = [sealer if j.name == "sealer" else Job(name=j.name, due=j.due, run=j.run) for j in working.JOBS]
    monkeypatch.setattr(working, "JOBS", jobs)

    passes = by_role(work(workspace, once=True))

    assert passes["sealer"].told == "failed"
    assert "no space left" in passes["sealer"].note
    assert passes["checkpoints"].told == "ran"
    assert workspace.outcome(record).status == "answered"
    assert roles(workspace.journal)["sealer"].note.startswith("failed: ")


def test_what_a_crash_left_half_written_is_removed_a_day_later(workspace: Workspace) -> None:
    """What is younger may still be being written."""
    old = workspace.home.folder / "blobs" / "ab" / ".x.0123456789ab.tmp"
    young = workspace.home.folder / "segments" / ".y.0123456789ab.tmp"
    real = workspace.home.folder / "blobs" / "ab" / "abcd"
    old.parent.mkdir()
    for path in (old, young, real):
        path.write_bytes(b"x")
    yesterday = time.time() - CLEAN_AFTER - 10
    os.utime(old, (yesterday, yesterday))
    os.utime(real, (yesterday, yesterday))

    done = by_role(work(workspace, once=True))["cleaner"]

    assert done.done == 1
    assert (old.exists(), young.exists(), real.exists()) == (False, True, True)


# -- going on ----------------------------------------------------------------------------------------


def test_work_goes_on_until_it_is_told_to_stop(workspace: Workspace) -> None:
    """A case that comes due meanwhile is ended; the sums are returned."""
    stop, result = threading.Event(), []
    thread = threading.Thread(
        target=lambda: result.extend(work(workspace, once=False, every=0.01, stop=stop))
    )
    thread.start()
    record = overdue(workspace)
    until(lambda: workspace.outcome(record).status != "escalated")
    stop.set()
    thread.join(timeout=200)

    assert not thread.is_alive()
    assert by_role(result)["expiry"].done == 1
    assert workspace.outcome(record).status == "answered"


def test_a_stop_that_was_set_before_ends_work_at_once(workspace: Workspace) -> None:
    """No role starts any more."""
    stop = threading.Event()
    stop.set()

    assert {one.told for one in work(workspace, once=False, stop=stop)} == {"idle"}
    assert roles(workspace.journal) == {}


def one_pass(workspace: Workspace) -> dict[str, Pass]:
    """Make one pass of work that goes on."""
    stop = threading.Event()
    told: list[Pass] = []
    for job in working.JOBS:
        told.append(working._attempt(workspace, job, "me", at_once=False))
    stop.set()
    return by_role(told)


def test_full_blocks_wait_a_while_before_they_are_sealed(workspace: Workspace) -> None:
    """Many small segments would slow every reader down."""
    fill(workspace, 300)
    assert one_pass(workspace)["sealer"].told == "idle"

    workspace.clock = SetClock(workspace.clock.now() + round(SEAL_AFTER * 1_000_000) + 10_000_000)

    assert one_pass(workspace)["sealer"].done == 256


def test_a_head_is_kept_an_hour_after_the_last_one_and_only_if_the_log_grew(workspace: Workspace) -> None:
    """The first is kept at once."""
    fill(workspace, 3)
    assert one_pass(workspace)["checkpoints"].done == 1
    fill(workspace, 3)
    assert one_pass(workspace)["checkpoints"].told == "idle"

    earlier = time.time() - KEEP_AFTER - 10
    for path in (workspace.home.folder / "checkpoints").iterdir():
        os.utime(path, (earlier, earlier))

    assert one_pass(workspace)["checkpoints"].done == 1
    assert one_pass(workspace)["checkpoints"].told == "idle"


def test_a_worker_with_nothing_to_do_is_silent_for_a_minute_then_says_it_is_alive(
    workspace: Workspace,
) -> None:
    """Its sign of life is not written every few seconds."""
    clock = SetClock()
    workspace.clock = clock
    one_pass(workspace)
    first = roles(workspace.journal)["expiry"].ran
    clock.forward(30)
    one_pass(workspace)
    assert roles(workspace.journal)["expiry"].ran == first

    clock.forward(31)
    one_pass(workspace)

    assert roles(workspace.journal)["expiry"].ran == clock.now()


def test_a_role_runs_in_one_of_two_workers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers with two workspaces of one home, both eager: never both inside, and the other says held."""
    inside, most, runs, gate = 0, 0, 0, threading.Lock()

    def busy(workspace: Workspace, lease: Lease) -> tuple[int, str]:
        nonlocal inside, most, runs
        with gate:
            inside, runs = inside + 1, runs + 1
            most = max(most, inside)
        time.sleep(0.02)
        with gate:
            inside -= 1
        return 1, "busy"

    monkeypatch.setattr(working, "JOBS", [Job(name="busy", due=lambda workspace, at_once: True, run=busy)])
    told: list[str] = []
    stop = threading.Event()

    def worker(opened: Workspace) -> None:
        work(opened, once=False, every=0.001, stop=stop, progress=lambda one: told.append(one.told))

    with Workspace(workspace.home.folder) as second:
        threads = [threading.Thread(target=worker, args=(opened,)) for opened in (workspace, second)]
        for thread in threads:
            thread.start()
        until(lambda: runs > 3 and {"ran", "held"} <= set(told))
        stop.set()
        for thread in threads:
            thread.join(timeout=200)

    assert most == 1
    assert runs > 3
    assert set(told) == {"ran", "held"}


def test_work_needs_a_pause(workspace: Workspace) -> None:
    """Zero seconds would spin."""
    with pytest.raises(UsageError, match="every is 0"):
        work(workspace, once=False, every=0)


def test_a_decided_home_in_use_can_be_worked_on(workspace: Workspace) -> None:
    """Cases are decided while the work goes on; nothing is lost."""
    stop = threading.Event()
    thread = threading.Thread(
        target=work, args=(workspace,), kwargs={"once": False, "every": 0.01, "stop": stop}
    )
    thread.start()
    for number in range(100):
        workspace.decide(DECISION, answered(number))
    stop.set()
    thread.join(timeout=200)

    assert len(workspace.records(limit=None)) == 100
    assert workspace.ledger.verify().ok
