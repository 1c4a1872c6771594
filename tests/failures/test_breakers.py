"""A breaker that opens is open for every process of the home, and exactly one probe finds the way back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.breakers import Admitted, Breakers, Change
from answerable.callers import step
from answerable.encoding import timestamp
from answerable.failures.breaker import OpenCircuit
from answerable.failures.fault import Fault
from answerable.failures.remote import Breaker, Remote
from answerable.ledger.entry import Conflict, Receipt, Unit
from workspaces import KINDS, MICRO, Clock, entries, memory, on_each_journal, standing_clock

ws = pytest.fixture(name="ws")(memory)
each = pytest.fixture(name="each", params=KINDS)(on_each_journal)

RULES = Breaker(failures=3, rate=0.5, window=60, slow=8, pause=30, longest=100)
REMOTE = Remote(provider="p", model="m", destination="p.example", breaker=RULES)
DOWN = Fault(category="unavailable", provider="p", model="m")
QUOTA = Fault(category="quota")


class Home:
    """The breakers of one workspace, driven on this thread by a clock that a test moves."""

    def __init__(self, ws: ans.Workspace, clock: Clock | None = None) -> None:
        self.ws = ws
        if clock is None:
            clock = standing_clock(ws)
        else:
            ws.clock = ws.book.clock = clock  # type: ignore[assignment]
        self.clock = clock
        self.breakers, self.submit, self.writes = Breakers(ws.book, clock), self._submit, 0

    async def _submit(self, unit: Unit) -> Receipt:
        self.writes += 1
        return self.ws.journal.submit(unit)

    def forward(self, seconds: float) -> None:
        self.clock.at += round(seconds * MICRO)

    def admit(self, remote: Remote = REMOTE, timeout: float | None = None) -> Admitted | Fault:
        return step(self.breakers.admit(remote, self.submit, timeout=timeout))

    def observe(
        self, admitted: Any, fault: Fault | None = None, trips: Any = "counts", took: float = 0.1
    ) -> Change | None:
        return step(
            self.breakers.observe(
                REMOTE,
                admitted,
                self.submit,
                fault=fault,
                trips=trips if fault else "no",
                took=took,
                decision="route",
            )
        )

    def call(self, fault: Fault | None = None, trips: Any = "counts", took: float = 0.1) -> Change | None:
        """One call that must be let out and ends like that."""
        admitted = self.admit()
        assert isinstance(admitted, Admitted)
        return self.observe(admitted, fault, trips, took)

    def break_it(self) -> None:
        """Open it with one fault more than it takes, then none."""
        assert [self.call(DOWN), self.call(DOWN)] == [None, None]
        assert self.call(DOWN) is not None

    def probe(self) -> Admitted:
        """The admitted probe."""
        admitted = self.admit()
        assert isinstance(admitted, Admitted) and admitted.probe
        return admitted

    def told(self) -> list[tuple[Any, ...]]:
        """Every entry of a breaker, oldest first."""
        return [(e["status"], e["fault"]) for e in reversed(entries(self.ws, "breaker"))]


def detail(ws: ans.Workspace) -> Any:
    """The detail of the newest entry of a breaker."""
    stored = ws.ledger.get(ws.find(entries(ws, "breaker")[0]["record_id"]))
    assert stored is not None
    return ws.ledger.body(stored, "detail")


def test_a_closed_breaker_lets_through_and_writes_nothing(each: ans.Workspace) -> None:
    """Nor does it read more than one row a call."""
    home = Home(each)

    changes = [home.call() for _ in range(5)]

    assert changes == [None] * 5
    assert (home.writes, home.breakers.states(), home.told()) == (0, [], [])


def test_enough_failures_open_it_with_one_entry(each: ans.Workspace) -> None:
    """The third fails it; then calls are refused with the time that is left, and why."""
    home = Home(each)

    home.break_it()
    home.forward(10)
    refused = home.admit()

    assert isinstance(refused, Fault)
    assert (refused.category, refused.provider, refused.model) == ("circuit-open", "p", "m")
    assert refused.retry_after == 20.0
    assert "the provider is unavailable" in refused.reason
    assert timestamp(home.clock.at - 10 * MICRO) in refused.reason
    assert home.told() == [("open", "unavailable")]


def test_its_entry_says_what_an_operator_asks(ws: ans.Workspace) -> None:
    """Which provider, since when, until when and why; the header names model and decision."""
    home = Home(ws)

    home.break_it()

    (entry,) = entries(ws, "breaker")
    assert (entry["model"], entry["decision"]) == ("m", "route")
    assert detail(ws) == {
        "provider": "p",
        "model": "m",
        "since": timestamp(home.clock.at),
        "until": timestamp(home.clock.at + 30 * MICRO),
        "why": "3 of 3 calls in the last 60 s failed or were slow; the last one: the provider is unavailable",
        "pauses": 0,
    }


def test_slow_calls_open_it(ws: ans.Workspace) -> None:
    """Though all of them succeed; no fault is named."""
    home = Home(ws)

    changes = [home.call(took=8.0) for _ in range(3)]

    assert changes[2] is not None and changes[2].fault == "slow"
    assert home.told() == [("open", None)]


def test_faults_of_our_own_do_not_open_it(ws: ans.Workspace) -> None:
    """However many: a pool that is used up says nothing about the provider."""
    home = Home(ws)

    for _ in range(20):
        assert home.call(Fault(category="pool"), "no") is None

    assert home.breakers.states() == []


def test_quota_opens_it_at_once_for_the_longest_time(ws: ans.Workspace) -> None:
    """One such fault is enough."""
    home = Home(ws)

    change = home.call(QUOTA, "opens")

    assert change is not None and change.event == "opened"
    assert change.until == home.clock.at + 100 * MICRO


@pytest.mark.parametrize(("after", "pause"), [(12.5, 12.5), (1e9, 100.0)])
def test_a_rate_limit_opens_it_for_as_long_as_the_provider_says(
    ws: ans.Workspace, after: float, pause: float
) -> None:
    """To the moment, but never beyond the longest."""
    home = Home(ws)

    change = home.call(Fault(category="rate-limit", retry_after=after), "until")

    assert change is not None and change.until == home.clock.at + round(pause * MICRO)


def test_many_calls_with_the_same_news_are_one_entry(each: ans.Workspace) -> None:
    """50 in flight are told to wait 30 s, each a little later than the one before."""
    home = Home(each)
    flying = [home.admit() for _ in range(50)]

    for admitted in flying:
        home.forward(0.01)
        home.observe(admitted, Fault(category="rate-limit", retry_after=30.0), "until")

    assert home.told() == [("open", "rate-limit")]


def test_news_of_a_longer_pause_prolongs_it(each: ans.Workspace) -> None:
    """It stays open since the same moment; a shorter one changes nothing."""
    home = Home(each)
    late = home.admit()
    home.break_it()
    home.forward(1)

    longer = home.observe(late, Fault(category="rate-limit", retry_after=90.0), "until")
    shorter = home.observe(late, Fault(category="rate-limit", retry_after=5.0), "until")

    (state,) = home.breakers.states()
    assert longer is not None and longer.event == "prolonged"
    assert shorter is None
    assert (state.since, state.until) == (home.clock.at - 1 * MICRO, home.clock.at + 90 * MICRO)
    assert home.told() == [("open", "unavailable"), ("open", "rate-limit")]


def test_calls_in_flight_when_it_opens_change_nothing(ws: ans.Workspace) -> None:
    """They began before; what they say is old."""
    home = Home(ws)
    flying = [home.admit() for _ in range(20)]
    home.break_it()
    wrote = home.writes

    assert [home.observe(admitted, DOWN) for admitted in flying] == [None] * 20

    assert home.writes == wrote


def test_a_probe_that_goes_well_closes_it(each: ans.Workspace) -> None:
    """With one more entry; everybody is let through again, and old failures are forgotten."""
    home = Home(each)
    home.break_it()
    home.forward(30)

    change = home.observe(home.probe())
    after = [home.call(DOWN), home.call(DOWN)]

    assert change is not None
    assert (change.event, change.fault, change.until) == ("closed", "unavailable", None)
    assert after == [None, None]
    assert home.breakers.states() == []
    assert home.told() == [("open", "unavailable"), ("closed", "unavailable")]


def test_each_failed_probe_doubles_the_pause(each: ans.Workspace) -> None:
    """Up to the longest; each is an entry."""
    home = Home(each)
    home.break_it()
    pauses = []

    for _ in range(3):
        home.clock.at = home.breakers.states()[0].until
        change = home.observe(home.probe(), DOWN)
        assert change is not None and change.event == "prolonged" and change.until is not None
        pauses.append((change.until - home.clock.at) / MICRO)

    assert pauses == [60, 100, 100]
    assert detail(each)["pauses"] == 3
    assert len(home.told()) == 4


def test_a_probe_that_is_slow_has_failed(ws: ans.Workspace) -> None:
    """It succeeded too late to be of use."""
    home = Home(ws)
    home.break_it()
    home.forward(30)

    change = home.observe(home.probe(), took=9)

    assert change is not None and (change.event, change.fault) == ("prolonged", "slow")


def test_a_probe_that_is_refused_closes_it(ws: ans.Workspace) -> None:
    """The provider answers again: a breaker would only hide that our credentials are wrong."""
    home = Home(ws)
    home.break_it()
    home.forward(30)

    change = home.observe(home.probe(), Fault(category="auth"), "no")

    assert change is not None and change.event == "closed"


def test_a_probe_that_tells_nothing_leaves_the_next_to_another(ws: ans.Workspace) -> None:
    """Our own shortage of connections neither closes it nor keeps others away."""
    home = Home(ws)
    home.break_it()
    home.forward(30)

    assert home.observe(home.probe(), Fault(category="pool"), "no") is None

    assert home.probe()


def test_while_one_probes_the_others_wait(each: ans.Workspace) -> None:
    """They hear for how long at most."""
    home = Home(each)
    home.break_it()
    home.forward(30)
    assert isinstance(home.admit(timeout=10), Admitted)

    second = home.admit()

    assert isinstance(second, Fault) and second.category == "circuit-open"
    assert second.retry_after == 15.0
    assert "another call is finding out" in second.reason


def test_a_released_probe_may_be_made_by_another(each: ans.Workspace) -> None:
    """One that was cancelled does not keep the breaker open; releasing twice or late does nothing."""
    home = Home(each)
    home.break_it()
    home.forward(30)
    first = home.probe()

    step(home.breakers.release(first, home.submit))
    home.forward(1)
    second = home.probe()
    step(home.breakers.release(first, home.submit))

    assert isinstance(home.admit(), Fault)
    assert home.observe(second) is not None
    step(home.breakers.release(second, home.submit))


def test_a_probe_that_never_ends_is_given_up(each: ans.Workspace) -> None:
    """Another takes its place; what the lost one says later is not heard."""
    home = Home(each)
    home.break_it()
    home.forward(30)
    lost = home.probe()
    home.forward(60)

    second = home.probe()

    assert home.observe(lost) is None
    assert home.observe(lost, DOWN) is None
    assert len(home.breakers.states()) == 1
    assert home.observe(second) is not None


def test_a_cancelled_claim_is_released(ws: ans.Workspace) -> None:
    """The caller leaves while its claim is on the way to the disk: it is made, and given back."""
    home = Home(ws)
    home.break_it()
    home.forward(30)
    asked = False

    async def cancelled(unit: Unit) -> Receipt:
        nonlocal asked
        receipt = ws.journal.submit(unit)
        if not asked:
            asked = True
            raise asyncio.CancelledError
        return receipt

    with pytest.raises(asyncio.CancelledError):
        step(home.breakers.admit(REMOTE, cancelled))

    assert home.probe()


def run_threads(work: Callable[[], Any]) -> list[Any]:
    """50 threads that begin together."""
    together = threading.Barrier(50)

    def one(_: int) -> Any:
        together.wait()
        return work()

    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(one, range(50)))


def test_50_threads_make_one_probe(each: ans.Workspace) -> None:
    """The other 49 go on to the next decider."""
    home = Home(each)
    home.break_it()
    home.forward(30)

    came = run_threads(home.admit)

    probes = [one for one in came if isinstance(one, Admitted)]
    assert len(probes) == 1 and probes[0].probe
    assert {one.category for one in came if isinstance(one, Fault)} == {"circuit-open"}


def test_50_tasks_make_one_probe(each: ans.Workspace) -> None:
    """On an event loop too."""
    home = Home(each)
    home.break_it()
    home.forward(30)

    async def main() -> list[Admitted | Fault]:
        submit: Any = each.journal.enqueue
        return await asyncio.gather(*(home.breakers.admit(REMOTE, submit) for _ in range(50)))

    came = asyncio.run(main())

    assert sum(isinstance(one, Admitted) for one in came) == 1


def test_50_failures_at_once_open_it_once(each: ans.Workspace) -> None:
    """However many processes and threads hear of it."""
    home = Home(each)
    other = Home(each, home.clock)
    flying = home.admit()

    run_threads(lambda: [h.observe(flying, DOWN) for h in (home, other)])

    assert home.told() == [("open", "unavailable")]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """Two workspaces on one home, as two processes have them, with one clock."""
    with ans.Workspace(tmp_path / "home") as one, ans.Workspace(tmp_path / "home") as other:
        first = Home(one)
        yield first, Home(other, first.clock)


def test_what_one_workspace_opens_is_open_for_the_other(two: tuple[Home, Home]) -> None:
    """And the probe of either closes it for both."""
    one, other = two

    one.break_it()
    refused = other.admit()
    one.forward(30)
    closed = other.observe(other.probe())

    assert isinstance(refused, Fault) and refused.category == "circuit-open"
    assert closed is not None and closed.event == "closed"
    assert one.call() is None and one.breakers.states() == []


@pytest.mark.parametrize("in_flight", [0, 1])
def test_failures_from_before_do_not_open_it_again(two: tuple[Home, Home], in_flight: int) -> None:
    """Who saw it open forgets them once another process has closed it, and those still in flight too."""
    one, other = two
    assert [other.call(DOWN), other.call(DOWN)] == [None, None]
    late = [other.admit() for _ in range(in_flight)]
    one.break_it()
    assert isinstance(other.admit(), Fault)
    assert [other.observe(admitted, DOWN) for admitted in late] == [None] * in_flight
    one.forward(30)
    one.observe(one.probe())

    after = [other.call(DOWN) for _ in range(3)]

    assert after[:2] == [None, None]
    assert after[2] is not None and after[2].event == "opened"


def test_a_clock_set_back_does_not_keep_it_open(each: ans.Workspace) -> None:
    """What is further away than the longest pause ends after that one."""
    home = Home(each)
    home.break_it()
    home.forward(-365 * 86400)

    refused = home.admit()
    home.forward(60)
    again = home.admit()
    home.forward(40)

    assert isinstance(refused, Fault) and refused.retry_after == 100.0
    assert isinstance(again, Fault) and again.retry_after == 40.0
    assert home.observe(home.probe()) is not None


def test_each_model_has_its_own(ws: ans.Workspace) -> None:
    """One that is down does not pause another of the same provider."""
    home = Home(ws)
    home.break_it()
    other = Remote(provider="p", model="n", destination="p.example", breaker=RULES)

    assert isinstance(home.admit(other), Admitted)
    assert home.breakers.states() == [
        OpenCircuit(
            provider="p",
            model="m",
            since=home.clock.at,
            until=home.clock.at + 30 * MICRO,
            probing=0,
            pauses=0,
            fault="unavailable",
        )
    ]


def test_an_entry_is_kept_only_with_its_change(ws: ans.Workspace) -> None:
    """Where somebody else was first, neither is."""
    home = Home(ws)

    async def second(unit: Unit) -> Receipt:
        raise Conflict("breaker")

    for _ in range(2):
        home.call(DOWN)
    flying = home.admit()
    assert isinstance(flying, Admitted)
    change = step(
        home.breakers.observe(REMOTE, flying, second, fault=DOWN, trips="counts", took=0.1, decision="route")
    )

    assert change is None and home.told() == []


RACER = """
import sys, time
import answerable as ans
from answerable.breakers import Admitted, Breakers
from answerable.callers import step
from answerable.failures.remote import Remote

with ans.Workspace(sys.argv[1]) as ws:
    breakers, remote = Breakers(ws.book, ws.clock), Remote(provider="p", model="m", destination="d")
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum(isinstance(step(breakers.admit(remote, ws._submit)), Admitted) for _ in range(5)), flush=True)
"""


def test_processes_race_for_one_probe(tmp_path: Path) -> None:
    """Three of them, five times each, on a breaker whose pause is over."""
    with ans.Workspace(tmp_path / "home") as ws:
        home = Home(ws)
        home.clock.at = round(1e6 * 1_700_000_000)  # long ago
        home.break_it()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert all(racer.stdout is not None and racer.stdout.readline() == "ready\n" for racer in racers)
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()

    probes = [int(racer.communicate(timeout=200)[0]) for racer in racers]

    assert sum(probes) == 1
