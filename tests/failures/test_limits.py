"""Our own calling stays within its limits: so many at once, so many a second, a bounded queue in order."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from answerable.callers import AwaitingCaller, BlockingCaller, DaemonPool, step
from answerable.failures.fault import Fault
from answerable.failures.remote import Limit, Remote
from answerable.limits import Limits
from answerable.system import SystemClock
from waiting import soon, until

LONG_S = 30.0  # to wait for a place: no test ends at it
SOON_S = 10.0  # at once, on a machine that stalls now and then
BLOCKING, AWAITING = BlockingCaller(DaemonPool(1)), AwaitingCaller(DaemonPool(1))


def remote(**limit: Any) -> Remote:
    """A destination with this limit, or without one."""
    return Remote(provider="p", model="m", destination="p.example", limit=Limit(**limit) if limit else None)


def enter(limits: Limits, to: Remote, remaining: float = LONG_S) -> Fault | None:
    """Enter on this thread."""
    return step(limits.enter(to, BLOCKING, remaining))


def waiting(limits: Limits) -> int:
    """How many calls are in the queue."""
    return sum(len(gate.queue) for gate in limits._gates.values())


class Calls:
    """Counts the calls in flight, and their peak."""

    def __init__(self) -> None:
        self.now = self.peak = self.made = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.made += 1
            self.peak = max(self.peak, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def test_without_a_limit_nothing_is_kept() -> None:
    """A call costs nothing, and leaving is free."""
    limits = Limits(SystemClock())

    assert enter(limits, remote()) is None
    limits.leave(remote())

    assert limits._gates == {}


def test_200_threads_at_once_take_10_places_and_20_wait() -> None:
    """The rest is refused at once with a time to come back; nobody is lost and nothing is left behind."""
    limits, to, calls = Limits(SystemClock()), remote(at_once=10, queue=20), Calls()
    refused: list[Fault] = []

    def one(_: int) -> None:
        fault = enter(limits, to)
        if fault is not None:
            return refused.append(fault)
        with calls:
            until(lambda: len(refused) == 170)  # nobody leaves before all have come
        limits.leave(to)

    with ThreadPoolExecutor(200) as pool:
        list(pool.map(one, range(200)))

    assert (calls.peak, calls.made, len(refused)) == (10, 30, 170)
    assert {fault.category for fault in refused} == {"busy"}
    assert all(fault.retry_after and fault.retry_after > 0 for fault in refused)
    assert waiting(limits) == 0 and enter(limits, to) is None


def test_200_tasks_at_once_take_10_places_and_20_wait() -> None:
    """On an event loop all 200 come before the first leaves: exactly 30 go through."""
    limits, to, calls = Limits(SystemClock()), remote(at_once=10, queue=20), Calls()

    async def one() -> Fault | None:
        refused = await limits.enter(to, AWAITING, LONG_S)
        if refused is None:
            with calls:
                await asyncio.sleep(0.01)
            limits.leave(to)
        return refused

    async def main() -> list[Fault | None]:
        return await asyncio.gather(*(one() for _ in range(200)))

    came = asyncio.run(main())

    assert (calls.peak, calls.made) == (10, 30)
    assert sum(fault is not None for fault in came) == 170
    assert came[:30] == [None] * 30
    assert waiting(limits) == 0


def test_those_who_wait_begin_in_order() -> None:
    """First come, first served."""
    limits, to, order = Limits(SystemClock()), remote(at_once=1), list[int]()

    async def one(number: int) -> None:
        assert await limits.enter(to, AWAITING, LONG_S) is None
        order.append(number)
        await asyncio.sleep(0)
        limits.leave(to)

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(main())

    assert order == list(range(20))


def test_threads_and_tasks_wait_in_one_queue() -> None:
    """A place that a task leaves goes to the thread that came next."""
    limits, to = Limits(SystemClock()), remote(at_once=1)

    async def main() -> Fault | None:
        assert await limits.enter(to, AWAITING, LONG_S) is None
        with ThreadPoolExecutor(1) as pool:
            blocked = asyncio.get_running_loop().run_in_executor(pool, enter, limits, to)
            await asyncio.to_thread(until, lambda: waiting(limits) == 1)
            limits.leave(to)
            return await blocked

    assert asyncio.run(main()) is None


def test_nobody_waits_longer_than_there_is_time() -> None:
    """Then it is busy, on a thread and on a loop, and the queue is free again."""
    limits, to = Limits(SystemClock()), remote(at_once=1)
    assert enter(limits, to) is None

    started = time.monotonic()
    blocked = enter(limits, to, 0.05)
    awaited = asyncio.run(limits.enter(to, AWAITING, 0.05))
    took = time.monotonic() - started

    assert blocked is not None and awaited is not None
    assert (blocked.category, awaited.category) == ("busy", "busy")
    assert 0.1 <= took < SOON_S
    assert waiting(limits) == 0


def test_without_a_queue_nobody_waits() -> None:
    """queue=0 refuses at once."""
    limits, to = Limits(SystemClock()), remote(at_once=1, queue=0)
    assert enter(limits, to) is None

    started = time.monotonic()
    refused = enter(limits, to)

    assert refused is not None and refused.category == "busy"
    assert time.monotonic() - started < SOON_S


def test_a_cancelled_waiter_gives_its_place_on() -> None:
    """The one behind it begins at once, as if it had never come."""
    limits, to = Limits(SystemClock()), remote(at_once=1)

    async def main() -> tuple[bool, Fault | None]:
        assert await limits.enter(to, AWAITING, LONG_S) is None
        first = asyncio.create_task(limits.enter(to, AWAITING, LONG_S))
        second = asyncio.create_task(limits.enter(to, AWAITING, LONG_S))
        await soon(lambda: waiting(limits) == 2)
        limits.leave(to)
        first.cancel()  # it was told to look again, and never will
        after = await asyncio.wait_for(second, SOON_S)
        return first.cancelled(), after

    assert asyncio.run(main()) == (True, None)
    assert waiting(limits) == 0


def test_nobody_overtakes_those_who_wait() -> None:
    """A place that came free is theirs, even before they know of it."""
    limits, to = Limits(SystemClock()), remote(at_once=1)

    async def main() -> tuple[Fault | None, Fault | None]:
        assert await limits.enter(to, AWAITING, LONG_S) is None
        first = asyncio.create_task(limits.enter(to, AWAITING, LONG_S))
        await soon(lambda: waiting(limits) == 1)
        limits.leave(to)
        late = enter(limits, to, 0.0)
        return await first, late

    first, late = asyncio.run(main())

    assert first is None
    assert late is not None and late.category == "busy"


def test_a_waiter_that_never_comes_back_does_not_block_the_others() -> None:
    """Its time ends its wait, even if nobody runs its loop any more."""
    limits, to = Limits(SystemClock()), remote(at_once=1)
    assert enter(limits, to) is None
    dead = asyncio.new_event_loop()
    task = dead.create_task(limits.enter(to, AWAITING, 0.02))
    dead.run_until_complete(asyncio.sleep(0))
    assert waiting(limits) == 1

    time.sleep(0.03)
    limits.leave(to)
    after = enter(limits, to, SOON_S)

    assert after is None
    task.cancel()
    dead.run_until_complete(asyncio.gather(task, return_exceptions=True))
    dead.close()


def test_calls_begin_evenly() -> None:
    """50 a second: 20 ms between two, from the first on, however long it was quiet before."""
    limits, to, began = Limits(SystemClock()), remote(per_second=50), list[float]()

    for _ in range(6):
        assert enter(limits, to) is None
        began.append(time.monotonic())
        limits.leave(to)

    assert 5 * 0.02 - 0.002 <= began[-1] - began[0] < SOON_S


def test_who_could_not_begin_in_time_does_not_wait_for_it() -> None:
    """The rate says so at once, and how long it takes."""
    limits, to = Limits(SystemClock()), remote(per_second=0.01)
    assert enter(limits, to) is None

    started = time.monotonic()
    refused = enter(limits, to, 60.0)

    assert refused is not None and refused.category == "busy"
    assert refused.retry_after == pytest.approx(100, abs=SOON_S)
    assert time.monotonic() - started < SOON_S


def test_each_model_has_places_of_its_own() -> None:
    """A full one does not stand in the way of another."""
    limits, to = Limits(SystemClock()), remote(at_once=1, queue=0)
    other = Remote(provider="p", model="n", destination="p.example", limit=Limit(at_once=1, queue=0))
    assert enter(limits, to) is None

    assert enter(limits, other) is None
