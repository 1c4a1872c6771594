"""Nothing leaves before it is written down; a case that never came back is ended by somebody else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.interrupted import end_interrupted
from answerable.ledger.entry import Unit, Write
from answerable.state import spending
from answerable.upkeep.work import work
from remotes import MOST, remote, used
from roads import HIGH, LOW, decision, memory
from test_budget import spent
from waiting import soon
from workspaces import KINDS, MICRO, on_each_journal, standing_clock

memory = pytest.fixture(memory)
any_ws = pytest.fixture(params=KINDS)(on_each_journal)
FAR = 10**18  # microseconds since 1970: after every lease


def test_before_anything_leaves_the_ledger_says_so(memory: ans.Workspace) -> None:
    """While the call is under way there is an entry with the destinations, the classes and the input."""
    seen: dict[str, Any] = {}

    def looks(case: Any) -> Any:
        (line,) = memory.records(kinds=("opened",))
        stored = memory.ledger.get(memory.find(line["record_id"]))
        assert stored is not None
        seen.update(line=line, detail=memory.ledger.body(stored, "detail"), case=case)
        return LOW

    first, _ = remote(looks)
    outcome = memory.decide(decision(first), {"number": "1"})

    assert seen["line"]["case_id"] == outcome.record_id == seen["case"].id
    assert seen["detail"]["destinations"] == ["primary.example"]
    assert seen["detail"]["classes"] == ["Key"]


def test_a_case_that_stays_here_is_one_entry(memory: ans.Workspace) -> None:
    """Local deciders open nothing, even where a remote one stands behind them."""
    second, asked = remote(LOW)
    memory.decide(decision(lambda case: LOW, second), {"number": "1"})

    assert (memory.records(kinds=("opened",)), asked.hits) == ([], 0)


def test_several_remote_deciders_open_a_case_once(memory: ans.Workspace) -> None:
    """One entry names all the destinations it may go to."""
    first, _ = remote(ans.Abstain("no"))
    second, _ = remote(LOW, name="second")
    memory.decide(decision(first, second), {"number": "1"})

    assert len(memory.records(kinds=("opened",))) == 1


def test_a_case_past_its_lease_is_ended_as_interrupted(any_ws: ans.Workspace) -> None:
    """Its budget is settled at the most it can have cost, its input is in the record, its key is free."""
    stuck, go = threading.Event(), threading.Event()

    def hangs(case: Any) -> Any:
        stuck.set()
        go.wait(30)
        return LOW

    first, _ = remote(hangs)
    limited = decision(first, budgets=[ans.Budget(money=1, per="ever")])
    caller = threading.Thread(
        target=lambda: told.append(any_ws.decide(limited, {"number": "1", "body": "b"}))
    )
    told: list[Any] = []
    caller.start()
    assert stuck.wait(30)

    ended = end_interrupted(any_ws.book, now=FAR)
    go.set()
    caller.join()

    assert (ended, spent(any_ws)[:2]) == (1, (MOST.cost, 0))
    assert (told[0].status, told[0].output) == ("failed", None)  # it came back too late to count
    (line,) = any_ws.records()
    assert (line["status"], line["fault"], line["cost"]) == ("failed", "interrupted", MOST.cost)
    assert any_ws.why(line["record_id"]).data["input"] == {"number": "1", "body": "b"}
    assert end_interrupted(any_ws.book, now=FAR) == 0


def test_a_case_within_its_lease_is_left_alone(memory: ans.Workspace) -> None:
    """The worker ends nothing that may still come back."""
    clock = standing_clock(memory)

    def looks(case: Any) -> Any:
        assert end_interrupted(memory.book, now=clock.now() + 30 * MICRO) == 0
        return LOW

    first, script = remote(looks)
    outcome = memory.decide(decision(first), {"number": "1"})

    assert (outcome.status, script.hits) == ("answered", 1)


CHILD = """
import os, sys, time
import answerable as ans
from remotes import remote
from roads import decision
def calls(case):
    print("calling", flush=True)
    time.sleep(60)
first, script = remote(calls)
with ans.Workspace(sys.argv[1]) as ws:
    ws.decide(decision(first, budgets=[ans.Budget(money=1, per="ever")]), {"number": "1"})
"""


def test_a_process_killed_in_a_call_leaves_a_case_that_a_worker_ends(tmp_path: Path) -> None:
    """kill -9 while the provider works: the entry is there, the money is held; later both are settled."""
    with ans.Workspace(tmp_path / "home"):
        pass
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "home")],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "calling\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=200)

    with ans.Workspace(tmp_path / "home") as ws:
        assert spent(ws)[:2] == (0, MOST.cost)
        assert len(ws.records(kinds=("opened",))) == 1
        clock = standing_clock(ws)
        clock.at = FAR
        (done,) = (role for role in work(ws, once=True) if role.role == "interrupted")

        assert (done.done, spent(ws)[:2]) == (1, (MOST.cost, 0))
        assert [line["fault"] for line in ws.records()] == ["interrupted"]
        assert ws.ledger.verify().ok


def test_a_rival_that_answered_the_key_wins_and_what_was_spent_is_told(tmp_path: Path) -> None:
    """The loser's record says what it spent; its caller gets the winner's answer; nothing stays open."""
    with ans.Workspace(tmp_path / "home") as one, ans.Workspace(tmp_path / "home") as other:
        rival = decision(lambda case: HIGH, name="shared")

        def slow(case: Any) -> Any:
            other.decide(rival, {"number": "1"})
            return used(cost=50)(case)

        first, _ = remote(slow)
        mine = decision(first, name="shared", version="2", budgets=[ans.Budget(money=1, per="ever")])

        outcome = one.decide(mine, {"number": "1"})

        assert outcome.output == HIGH
        assert spent(one, "shared")[:2] == (50, 0)
        assert sorted((e["status"], e["fault"]) for e in one.records()) == [
            ("answered", None),
            ("failed", "superseded"),
        ]
        assert end_interrupted(one.book, now=FAR) == 0


def test_a_rival_with_another_input_wins_and_what_was_spent_is_told(tmp_path: Path) -> None:
    """The caller hears that the key is taken; the paid call stands in a record all the same."""
    with ans.Workspace(tmp_path / "home") as one, ans.Workspace(tmp_path / "home") as other:
        rival = decision(lambda case: HIGH, name="shared")

        def slow(case: Any) -> Any:
            other.decide(rival, {"number": "1", "body": "theirs"})
            return used(cost=50)(case)

        first, _ = remote(slow)
        mine = decision(first, name="shared", version="2", budgets=[ans.Budget(money=1, per="ever")])

        with pytest.raises(ans.KeyReused):
            one.decide(mine, {"number": "1", "body": "mine"})

        told = {(e["status"], e["fault"], e["cost"]) for e in one.records()}
        assert told == {("answered", None, 0), ("failed", "superseded", 50)}
        assert (spent(one, "shared")[:2], end_interrupted(one.book, now=FAR)) == ((50, 0), 0)


def test_nothing_leaves_for_a_case_that_a_worker_has_ended(any_ws: ans.Workspace) -> None:
    """A machine that slept too long: the second model is not called, and no money stays held."""

    def sleeps(case: Any) -> Any:
        end_interrupted(any_ws.book, now=FAR)
        return ans.Answer({"urgency": "low"}, usage=MOST)

    first, _ = remote(sleeps, name="first")
    second, asked = remote(ans.Answer({"team": "a"}, usage=MOST), name="second")
    limited = decision(first, second, budgets=[ans.Budget(money=1, per="ever")])

    outcome = any_ws.decide(limited, {"number": "1"})

    assert (outcome.status, asked.hits) == ("failed", 0)
    assert (spent(any_ws)[:2], end_interrupted(any_ws.book, now=FAR)) == ((MOST.cost, 0), 0)


@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_cancel_in_any_commit_leaves_nothing_open_and_nothing_held(
    any_ws: ans.Workspace, units: int
) -> None:
    """While the case is opened, while money is held for the second model, while the record is written."""
    first, _ = remote(ans.Answer({"urgency": "low"}, usage=MOST), name="first")
    second, _ = remote(ans.Answer({"team": "a"}, usage=MOST), name="second")
    limited = decision(first, second, budgets=[ans.Budget(money=1, per="ever")])
    any_ws.book.register(limited)
    seen = 0

    async def cancelled() -> None:
        task = asyncio.ensure_future(any_ws.adecide(limited, {"number": "1"}))

        async def submit(unit: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == units:
                asyncio.get_running_loop().call_soon(task.cancel)
            return await any_ws.journal.enqueue(unit)

        any_ws._aroad = replace(any_ws._aroad, chain=replace(any_ws._aroad.chain, submit=submit))
        await asyncio.wait([task])
        await soon(lambda: spent(any_ws)[1] == 0 and any_ws.records())

    asyncio.run(cancelled())

    assert spent(any_ws)[1] == 0
    assert end_interrupted(any_ws.book, now=FAR) == 0
    assert len(any_ws.records()) == 1
    assert any_ws.ledger.verify().ok


def test_one_case_that_cannot_be_ended_does_not_keep_others_open(memory: ans.Workspace) -> None:
    """What is recorded already is only tidied away."""
    first, _ = remote(LOW)
    done = memory.decide(decision(first), {"number": "1"})
    (line,) = memory.records(kinds=("opened",))
    params = {
        "case_id": memory.find(done.record_id),
        "entry_id": memory.find(line["record_id"]),
        "expires": 1,
    }
    memory.journal.submit(Unit((), [Write(spending.ADD_OPENED, params)]))

    assert (end_interrupted(memory.book, now=FAR), end_interrupted(memory.book, now=FAR)) == (0, 0)
    assert memory.journal.rows(spending.OVERDUE, {"now": FAR, "at_most": 1}) == []


def test_a_case_cancelled_while_another_answers_its_key_is_recorded_too(memory: ans.Workspace) -> None:
    """It waits for the other's answer, and its caller goes away."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(case: Any) -> Any:
        begun.set()
        await go.wait()
        return LOW

    async def both() -> None:
        made = decision(ans.model(slow, version="1", name="slow"))
        first = asyncio.ensure_future(memory.adecide(made, {"number": "1"}))
        await begun.wait()
        (flight,) = memory.book._flights.values()
        second = asyncio.ensure_future(memory.adecide(made, {"number": "1"}))
        await soon(lambda: flight._done_callbacks)  # the second waits for the first
        second.cancel()
        await asyncio.wait([second])
        go.set()
        await first

    asyncio.run(both())

    assert sorted(e["status"] for e in memory.records()) == ["answered", "failed"]


def test_a_cancel_in_the_last_commit_is_a_cancel(any_ws: ans.Workspace) -> None:
    """The record that is being written stands, and the caller's cancellation goes on."""
    made = decision(ans.rule(lambda case: LOW, name="quick"))
    any_ws.book.register(made)

    async def cancelled() -> None:
        task = asyncio.ensure_future(any_ws.adecide(made, {"number": "1"}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert len(any_ws.records()) == 1


def test_a_cancelled_case_holds_no_answer(memory: ans.Workspace) -> None:
    """The caller gave up after the answer stood: the record says cancelled, and nothing else."""
    made = decision(ans.rule(lambda case: LOW, name="quick"))

    seen = []

    async def interrupts(unit: Any) -> Any:
        seen.append(unit)
        if len(seen) == 1:
            raise KeyboardInterrupt
        return memory.journal.submit(unit)

    memory.book.register(made)
    memory._road = replace(memory._road, chain=replace(memory._road.chain, submit=interrupts))
    with pytest.raises(KeyboardInterrupt):
        memory.decide(made, {"number": "1"})

    (line,) = memory.records()
    assert (line["status"], line["fault"], line["made_by"], line["label"]) == (
        "failed",
        "cancelled",
        None,
        None,
    )
    assert memory.outcome(line["record_id"]).output is None
