"""However long a decider takes, a case ends within its deadline, and a caller may stop it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import answerable as ans
from answerable.callers import DaemonPool
from roads import HIGH, LOW, Route, decision, memory, raising, returning

ws = pytest.fixture(name="ws")(memory)


def hang(case: Any) -> Any:
    time.sleep(1.0)


async def swallow(case: Any) -> Any:
    """Go on after every cancellation."""
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            continue


async def block(case: Any) -> Any:
    time.sleep(0.8)


@pytest.mark.parametrize("hanging", [hang, swallow, block])
def test_a_hanging_decider_is_abandoned_at_its_timeout(ws: ans.Workspace, hanging: Any) -> None:
    """Sync, async, and async code that blocks its loop; the next case is served at once."""
    made = decision(ans.model(hanging, version="1", timeout=0.1), ans.default(LOW))

    async def quick(case: Any) -> Route:
        return HIGH

    started = time.monotonic()
    outcome = ws.decide(made, {"number": "1"})
    took = time.monotonic() - started
    after = ws.decide(decision(quick, version="2"), {"number": "2"})

    assert (outcome.output, outcome.degraded) == (LOW, "fault:timeout")
    assert took < 0.6
    assert after.output == HIGH


def test_a_hanging_decider_is_abandoned_in_async_code(ws: ans.Workspace) -> None:
    """The caller's loop goes on."""

    async def main() -> tuple[ans.Outcome[Any], float]:
        made = decision(
            ans.model(hang, version="1", timeout=0.1),
            ans.model(swallow, version="1", timeout=0.1),
            ans.default(LOW),
        )
        started = time.monotonic()
        return await ws.adecide(made, {"number": "1"}), time.monotonic() - started

    outcome, took = asyncio.run(main())

    assert [a.fault for a in outcome.attempts] == ["timeout", "timeout", None]
    assert took < 0.6


def test_one_deadline_holds_for_all_deciders(ws: ans.Workspace) -> None:
    """What is left of it is each one's timeout; free deciders run after it."""
    left: list[float] = []

    def nap(case: Any) -> Any:
        left.append(case.remaining)
        time.sleep(0.2)
        return ans.Abstain()

    naps = [ans.model(nap, name=f"nap{i}", version="1") for i in range(5)]
    made = decision(*naps, ans.default(LOW), deadline=0.5)

    started = time.monotonic()
    outcome = ws.decide(made, {"number": "1"})
    took = time.monotonic() - started

    assert took < 0.5 * 1.1 + 0.1
    assert outcome.output == LOW
    assert [a.fault for a in outcome.attempts] == [None, None, "deadline", "deadline", "deadline", None]
    assert left == sorted(left, reverse=True)


def test_a_caller_may_shorten_the_deadline_not_lengthen_it(ws: ans.Workspace) -> None:
    """The decision's own is the most it gets."""
    left: list[float] = []

    def look(case: Any) -> Any:
        left.append(case.remaining)
        return LOW

    made = decision(look, deadline=5)

    ws.decide(made, {"number": "1"}, deadline=1)
    ws.decide(made, {"number": "2"}, deadline=99)

    assert left[0] <= 1
    assert 4 < left[1] <= 5


def test_work_waits_for_a_free_thread() -> None:
    """More cases than threads is no fault."""
    pool = DaemonPool(2)

    futures = [pool.submit(lambda: time.sleep(0.01)) for _ in range(20)]

    assert [f.result(5) for f in futures] == [None] * 20
    assert pool._threads == 2
    pool.close()


def test_a_pool_full_of_calls_that_hang_gives_a_fault_not_a_hang(ws: ans.Workspace) -> None:
    """Until one of them returns."""
    let_go = threading.Event()
    ws._pool._size = 2

    def wait(case: Any) -> Any:
        let_go.wait(5)

    made = decision(ans.model(wait, version="1", timeout=0.05), ans.default(LOW))
    faults = [ws.decide(made, {"number": str(i)}).attempts[0] for i in range(3)]
    let_go.set()
    time.sleep(0.05)
    after = ws.decide(made, {"number": "after"}).attempts[0]

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

    async def slow(case: Any) -> Route:
        await asyncio.sleep(0.2 if case.input.body == "slow" else 0)
        return LOW

    made = decision(slow)

    async def main() -> ans.Outcome[Any]:
        task = asyncio.create_task(ws.adecide(made, {"number": "1", "body": "slow"}))
        await asyncio.sleep(0.05)
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
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    """Ctrl-C, or a signal handler that ends the program, while the caller waits for a model."""
    made = decision(hang)
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
