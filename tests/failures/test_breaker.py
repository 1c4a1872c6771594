"""The rules of a breaker: enough bad calls in a window open it, for a time that is always bounded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from answerable.failures.breaker import (
    KEPT,
    OpenCircuit,
    Window,
    heard,
    lease,
    opens_at_once,
    pause,
    should_open,
    within_reach,
)
from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.remote import Breaker
from answerable.failures.table import TABLE

MICRO = 1_000_000
LIMITED = Fault(category="rate-limit", retry_after=30.0)
anything = st.floats(allow_nan=True, allow_infinity=True)


def seen(*bad: bool) -> Window:
    """A window of one observation a second, from 0 on."""
    made = Window()
    for at, one in enumerate(bad):
        made.add(float(at), one)
    return made


def circuit(**changes: int) -> OpenCircuit:
    """A breaker that opened at 0 for 30 s."""
    at = {"since": 0, "until": 30 * MICRO, "probing": 0, "pauses": 0}
    return OpenCircuit(provider="p", model="m", fault="timeout", **at | changes)


def test_enough_failures_open_it() -> None:
    """The fifth, not the fourth."""
    assert not should_open(seen(True, True, True, True), Breaker(failures=5), 3.0)
    assert should_open(seen(True, True, True, True, True), Breaker(failures=5), 4.0)


def test_failures_among_many_good_calls_do_not_open_it() -> None:
    """They must be the declared share of all calls, too."""
    rules = Breaker(failures=2, rate=0.5)

    assert not should_open(seen(False, False, True, False, True), rules, 4.0)
    assert should_open(seen(False, True, False, True), rules, 3.0)


def test_old_failures_do_not_count() -> None:
    """At the end of the window the first is forgotten."""
    rules = Breaker(failures=3, window=10)

    assert should_open(seen(True, True, True), rules, 9.9)
    assert not should_open(seen(True, True, True), rules, 10.0)


def test_a_flood_takes_no_more_memory() -> None:
    """The newest are kept, and a number of failures beyond what is kept is still reached."""
    window = seen(*[False] * 5000, *[True] * KEPT)

    assert len(window) == KEPT
    assert should_open(window, Breaker(failures=100_000, window=1e8), 6000.0)


def test_a_clock_that_goes_back_keeps_what_is_known() -> None:
    """Such an observation counts as the latest so far."""
    window = Window()
    window.add(100.0, True)
    window.add(5.0, True)

    assert window.counts(since=99.0) == (2, 2)


class Watching(RuleBasedStateMachine):
    """A window beside a plain list of everything that was ever observed."""

    @initialize(failures=st.integers(1, 6), rate=st.floats(0.1, 1), window=st.floats(1, 20))
    def begin(self, failures: int, rate: float, window: float) -> None:
        self.limits = Breaker(failures=failures, rate=rate, window=window)
        self.window, self.all, self.now = Window(), list[tuple[float, bool]](), 0.0

    @rule(passed=st.floats(0, 5), bad=st.booleans())
    def observe(self, passed: float, bad: bool) -> None:
        self.now += passed
        self.window.add(self.now, bad)
        self.all.append((self.now, bad))

    @rule(passed=st.floats(0, 30))
    def wait(self, passed: float) -> None:
        self.now += passed

    @rule()
    def close(self) -> None:
        self.window.clear()
        self.all.clear()

    @invariant()
    def opens_exactly_when_the_list_says_so(self) -> None:
        recent = [bad for at, bad in self.all if at > self.now - self.limits.window]
        enough = sum(recent) >= self.limits.failures and sum(recent) >= self.limits.rate * len(recent)
        assert should_open(self.window, self.limits, self.now) == enough


TestWatching = Watching.TestCase


def test_a_slow_call_is_a_bad_one() -> None:
    """Even one that succeeded; without `slow` none is."""
    assert heard(None, "no", 10.0, Breaker(slow=10)) == "bad"
    assert heard(None, "no", 9.9, Breaker(slow=10)) == "good"
    assert heard(None, "no", 1e6, Breaker()) == "good"


@pytest.mark.parametrize("category", ["refusal", "context-overflow", "auth", "not-found", "content-filter"])
def test_a_provider_that_refuses_is_alive(category: str) -> None:
    """Its answer is no failure of the provider."""
    assert heard(Fault(category=category), TABLE[category].breaker, 0.1, Breaker()) == "good"


@pytest.mark.parametrize("category", ["pool", "deadline", "exception", "budget", "busy", "circuit-open"])
def test_our_own_faults_say_nothing_of_the_provider(category: str) -> None:
    """Neither that it works nor that it does not."""
    assert heard(Fault(category=category), TABLE[category].breaker, 0.1, Breaker()) == "nothing"


@pytest.mark.parametrize("category", [name for name, row in TABLE.items() if row.breaker != "no"])
def test_what_the_table_counts_is_bad(category: str) -> None:
    """Invalid output too."""
    assert heard(Fault(category=category), TABLE[category].breaker, 0.1, Breaker()) == "bad"


def test_a_pause_doubles_up_to_the_longest() -> None:
    """With each failed probe in a row."""
    rules = Breaker(pause=30, longest=100)

    assert [pause(None, "counts", rules, pauses=n) for n in (0, 1, 2, 9999)] == [30, 60, 100, 100]


def test_quota_pauses_for_the_longest_time() -> None:
    """It will not come back by itself."""
    assert opens_at_once(Fault(category="quota"), "opens")
    assert pause(Fault(category="quota"), "opens", Breaker(longest=600)) == 600


def test_a_provider_that_says_how_long_is_taken_at_its_word() -> None:
    """Neither doubled nor rounded, but never beyond the longest pause."""
    hostile = Fault(category="rate-limit", retry_after=1e9)

    assert opens_at_once(LIMITED, "until")
    assert pause(LIMITED, "until", Breaker(pause=7), pauses=3) == 30.0
    assert pause(hostile, "until", Breaker(longest=600)) == 600


@pytest.mark.parametrize("after", [None, 0.0, -5.0, math.nan])
def test_a_rate_limit_without_a_time_only_counts(after: float | None) -> None:
    """One of them does not open the breaker."""
    fault = Fault(category="rate-limit", retry_after=after)

    assert not opens_at_once(fault, "until")
    assert pause(fault, "until", Breaker(pause=30)) == 30


@given(
    category=st.sampled_from(sorted(CATEGORIES)),
    trips=st.sampled_from(["no", "counts", "opens", "until"]),
    after=st.none() | anything,
    pauses=st.integers(0, 10**6),
    first=st.floats(1e-3, 1e8),
    longest=st.floats(1e-3, 1e8),
)
def test_no_pause_is_without_an_end(
    category: str, trips: str, after: float | None, pauses: int, first: float, longest: float
) -> None:
    """Whatever a provider sends: above 0, and at most the longest."""
    rules = Breaker(pause=first, longest=longest)
    fault = Fault(category=category, retry_after=after)

    assert 0 < pause(fault, trips, rules, pauses=pauses) <= longest  # type: ignore[arg-type]


def test_the_stages_of_an_open_breaker() -> None:
    """It pauses, then lets one probe through, and another once that one is given up."""
    probed = circuit(probing=90 * MICRO)

    assert circuit().stage(30 * MICRO - 1) == "open"
    assert circuit().stage(30 * MICRO) == "half-open"
    assert probed.stage(90 * MICRO - 1) == "probing"
    assert probed.stage(90 * MICRO) == "half-open"


def test_a_clock_set_back_leaves_no_breaker_open_for_years() -> None:
    """An end further away than any pause is none, nor is a probe longer than any call."""
    year = 365 * 86400 * MICRO

    assert within_reach(year, Breaker(longest=600), 0) == 600 * MICRO
    assert within_reach(50 * MICRO, Breaker(longest=600), 0) == 50 * MICRO
    assert circuit(until=0, probing=year).stage(1) == "half-open"


def test_a_probe_is_given_up_a_little_after_its_call() -> None:
    """A minute where the call's timeout is not known; never longer than any call."""
    assert (lease(None), lease(10), lease(1e9)) == (60, 15, 3600)
