"""However long a decider takes, a case ends within its deadline, and a caller may stop it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import answerable as ans
from answerable.callers import DaemonPool
from roads import HIGH, LOW, Route, decision, memory, raising, returning
from waiting import until

ws = pytest.fixture(name="ws")(memory)
HANGS_S = 30.0  # unless it is let go: far more than any case here may take
SOON_S = 10.0  # far less than that, and enough for a machine that stalls


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """Set it, and whatever hangs returns; it is set at the end of the test."""
    made = threading.Event()
    yield made
    made.set()


def hanging(how: str, let_go: threading.Event) -> Callable[[Any], Any]:
    """Return a decider that hangs: on a thread, on a loop, or as async code that blocks its loop."""

    def hang(case: Any) -> Any:
        let_go.wait(HANGS_S)

    async def swallow(case: Any) -> Any:
        """Go on after every cancellation."""
        end = time.monotonic() + HANGS_S
        while not let_go.is_set() and time.monotonic() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.1)

    async def block(case: Any) -> Any:
        let_go.wait(HANGS_S)

    return {"hang": hang, "swallow": swallow, "block": block}[how]


@pytest.mark.parametrize("how", ["hang", "swallow", "block"])
def test_a_hanging_decider_is_abandoned_at_its_timeout(
    ws: ans.Workspace, let_go: threading.Event, how: str
) -> None:
    """Sync, async, and async code that blocks its loop; the next case is served at once."""
    made = decision(ans.model(hanging(how, let_go), version="1", timeout=0.1), ans.default(LOW))

    async def quick(case: Any) -> Route:
        return HIGH

    started = time.monotonic()
    outcome = ws.decide(made, {"number": "1"})
    took = time.monotonic() - started
    after = ws.decide(decision(quick, version="2"), {"number": "2"})
    both = time.monotonic() - started

    assert (outcome.output, outcome.degraded) == (LOW, "fault:timeout")
    assert took < SOON_S
    assert (after.output, both < SOON_S) == (HIGH, True)


def test_a_hanging_decider_is_abandoned_in_async_code(ws: ans.Workspace, let_go: threading.Event) -> None:
    """The caller's loop goes on."""

    async def main() -> tuple[ans.Outcome[Any], float]:
        made = decision(
            ans.model(hanging("hang", let_go), version="1", name="hang", timeout=0.1),
            ans.model(hanging("swallow", let_go), version="1", name="swallow", timeout=0.1),
            ans.default(LOW),
        )
        started = time.monotonic()
        outcome = await ws.adecide(made, {"number": "1"})
        took = time.monotonic() - started
        let_go.set()  # the end of the loop waits for what swallows its cancellation
        return outcome, took

    outcome, took = asyncio.run(main())

    assert [a.fault for a in outcome.attempts] == ["timeout", "timeout", None]
    assert took < SOON_S


def test_one_deadline_holds_for_all_deciders(ws: ans.Workspace, let_go: threading.Event) -> None:
    """What is left of it is each one's timeout; free deciders run after it."""
    left: list[float] = []

    def nap(case: Any) -> Any:
        left.append(case.remaining)
        if len(left) < 3:
            time.sleep(0.4)
            return ans.Abstain()
        return let_go.wait(HANGS_S)

    naps = [ans.model(nap, name=f"nap{i}", version="1") for i in range(5)]
    made = decision(*naps, ans.default(LOW), deadline=1.5)

    started = time.monotonic()
    outcome = ws.decide(made, {"number": "1"})
    took = time.monotonic() - started

    assert took < SOON_S
    assert outcome.output == LOW
    assert [a.fault for a in outcome.attempts] == [None, None, "deadline", "deadline", "deadline", None]
    assert 1.5 >= left[0] >= left[1] + 0.4 >= left[2] + 0.8


def test_a_caller_may_shorten_the_deadline_not_lengthen_it(ws: ans.Workspace) -> None:
    """The decision's own is the most it gets."""
    left: list[float] = []

    def look(case: Any) -> Any:
        left.append(case.remaining)
        return LOW

    made = decision(look, deadline=60)

    ws.decide(made, {"number": "1"}, deadline=20)
    ws.decide(made, {"number": "2"}, deadline=999)

    assert left[0] <= 20 < left[1] <= 60


def test_work_waits_for_a_free_thread() -> None:
    """More cases than threads is no fault."""
    pool = DaemonPool(2)

    futures = [pool.submit(lambda: time.sleep(0.01)) for _ in range(20)]

    assert [f.result(HANGS_S) for f in futures] == [None] * 20
    assert pool._threads == 2
    pool.close()


def test_a_pool_full_of_calls_that_hang_gives_a_fault_not_a_hang(
    ws: ans.Workspace, let_go: threading.Event
) -> None:
    """Until one of them returns."""
    ws._pool._size = 2
    hang = hanging("hang", let_go)
    made = decision(ans.model(hang, version="1", timeout=0.4), ans.default(LOW))
    patient = decision(ans.model(hang, version="1"), ans.default(LOW), name="patient")

    faults = [ws.decide(made, {"number": str(i)}).attempts[0] for i in range(3)]
    let_go.set()
    until(lambda: ws._pool._abandoned == 0)
    after = ws.decide(patient, {"number": "after"}).attempts[0]

    assert [a.fault for a in faults] == ["timeout", "timeout", "pool"]
    assert "all 2 threads are kept by calls that hang" in faults[2].reason
    assert after.fault == "wrong-type"


# -- threads, loops and cancellation ----------------------------------------------------------------


def test_rules_run_on_the_callers_thread_and_start_none(ws: ans.Workspace) -> None:
    """A decision of rules costs microseconds."""
    threads: list[Any] = []

    def rule(case: Any) -> Route:
        threads.append(threading.current_thread())
        return LOW

    before = threading.active_count()
    ws.decide(decision(ans.rule(rule)), {"number": "1"})

    assert threads == [threading.current_thread()]
    assert threading.active_count() == before


def test_decide_works_within_a_running_loop(ws: ans.Workspace) -> None:
    """A notebook has one, and async deciders run all the same."""

    async def model(case: Any) -> Route:
        await asyncio.sleep(0)
        return LOW

    async def cell() -> ans.Outcome[Any]:
        return ws.decide(decision(model), {"number": "1"})

    assert asyncio.run(cell()).output == LOW


def test_a_decider_may_decide_another_case(ws: ans.Workspace) -> None:
    """Also from async code on our own loop, where waiting for oneself must end."""
    inner = decision(returning(LOW), name="inner")

    async def outer(case: Any) -> Any:
        return ws.decide(inner, {"number": "1"}).output

    assert ws.decide(decision(outer), {"number": "1"}).output == LOW


def test_a_cancelled_case_is_recorded_and_its_key_may_be_used_again(ws: ans.Workspace) -> None:
    """The cancellation goes on; nothing is lost."""

    begun = asyncio.Event()

    async def slow(case: Any) -> Route:
        begun.set()
        await asyncio.sleep(HANGS_S if case.input.body == "slow" else 0)
        return LOW

    made = decision(slow)

    async def main() -> ans.Outcome[Any]:
        task = asyncio.create_task(ws.adecide(made, {"number": "1", "body": "slow"}))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await ws.adecide(made, {"number": "1", "body": "quick"})

    outcome = asyncio.run(main())

    assert outcome.output == LOW
    assert not outcome.replayed
    assert [(r["status"], r["fault"]) for r in ws.records()] == [("answered", None), ("failed", "cancelled")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_from_outside_is_recorded_and_goes_on(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch, let_go: threading.Event, stop: type[BaseException]
) -> None:
    """Ctrl-C, or a signal handler that ends the program, while the caller waits for a model."""
    made = decision(hanging("hang", let_go))
    submit = ws._pool.submit

    def interrupted(timeout: float | None = None) -> Any:
        raise stop

    def submitted(work: Any) -> Any:
        future = submit(work)
        future.result = interrupted  # type: ignore[method-assign]
        return future

    monkeypatch.setattr(ws._pool, "submit", submitted)

    with pytest.raises(stop):
        ws.decide(made, {"number": "1"})

    assert [(r["status"], r["fault"]) for r in ws.records()] == [("failed", "cancelled")]


def test_ctrl_c_within_a_rule_is_recorded_and_goes_on(ws: ans.Workspace) -> None:
    """A rule runs on the caller's thread, where a person may interrupt it."""
    with pytest.raises(KeyboardInterrupt):
        ws.decide(decision(ans.rule(raising(KeyboardInterrupt()), name="r")), {"number": "1"})

    assert [(r["status"], r["fault"]) for r in ws.records()] == [("failed", "cancelled")]
