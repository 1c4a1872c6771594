"""How long a retry waits, and who may be asked after a fault."""

import itertools
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.failures.fault import Fault
from answerable.failures.plan import may_be_asked, stricter, wait_before_retry
from answerable.failures.table import TABLE, Action, Then

RATE_LIMIT = TABLE["rate-limit"]  # one retry, three where the provider said how long, five seconds patience


def limited(retry_after: float | None = None) -> Fault:
    return Fault(category="rate-limit", retry_after=retry_after)


def test_a_wait_the_provider_asked_for_is_kept_to_the_full() -> None:
    """Coming back earlier would only be refused again."""
    assert wait_before_retry(RATE_LIMIT, limited(1), tries=1, remaining=10, random=0) == 1


def test_a_tenth_is_added_so_that_not_all_come_back_at_once() -> None:
    """The jitter is on top of the wait, never under it."""
    wait = wait_before_retry(RATE_LIMIT, limited(1), tries=1, remaining=10, random=0.5)

    assert wait == pytest.approx(1.05)


def test_a_wait_longer_than_what_is_left_means_go_on_now() -> None:
    """Sleeping up to the deadline would leave no time for anybody else."""
    assert wait_before_retry(RATE_LIMIT, limited(3), tries=1, remaining=3, random=0) is None


def test_a_wait_longer_than_the_patience_means_go_on_now() -> None:
    """A free decider stands ready; 30 seconds are not slept though the deadline would allow it."""
    assert wait_before_retry(RATE_LIMIT, limited(30), tries=1, remaining=600, random=0) is None
    assert wait_before_retry(RATE_LIMIT, limited(1e9), tries=1, remaining=600, random=0) is None


def test_told_counts_where_the_provider_said_how_long() -> None:
    """Three retries with a Retry-After, one without."""
    asked = [wait_before_retry(RATE_LIMIT, limited(1), tries=n, remaining=60, random=0) for n in (1, 2, 3, 4)]
    not_asked = [wait_before_retry(RATE_LIMIT, limited(), tries=n, remaining=60, random=0) for n in (1, 2)]

    assert asked == [1, 1, 1, None]
    assert not_asked == [0, None]


def test_without_told_the_row_s_retry_counts() -> None:
    """`told=None` means as often as `retry`."""
    action = Action(retry=1)

    assert wait_before_retry(action, limited(1), tries=1, remaining=60, random=0) == 1
    assert wait_before_retry(action, limited(1), tries=2, remaining=60, random=0) is None


def test_told_may_forbid_what_retry_allows() -> None:
    """`told=0` is a number, not "as retry"."""
    assert wait_before_retry(Action(retry=2, told=0), limited(1), tries=1, remaining=60, random=0) is None


@pytest.mark.parametrize(
    ("tries", "widest"), [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (5, 2.0), (900, 2.0), (5000, 2.0)]
)
def test_backoff_doubles_up_to_two_seconds(tries: int, widest: float) -> None:
    """Full jitter: the random share of a window that doubles with each try."""
    action = Action(retry=1000)
    fault = Fault(category="unavailable")
    tries = min(tries, 1000)

    assert wait_before_retry(action, fault, tries=tries, remaining=60, random=0.5) == widest / 2


def test_a_backoff_that_does_not_fit_means_go_on() -> None:
    """What would end at or after the deadline is not begun."""
    fault = Fault(category="unavailable")

    assert wait_before_retry(Action(retry=1), fault, tries=1, remaining=0.1, random=0.9) is None


@pytest.mark.parametrize("category", ["context-overflow", "truncated", "invalid", "empty"])
def test_what_time_does_not_mend_is_tried_again_at_once(category: str) -> None:
    """A repair, a cut or more tokens need no pause, whatever the provider asks."""
    fault = Fault(category=category, retry_after=4)

    assert wait_before_retry(Action(retry=1), fault, tries=1, remaining=5, random=0.9) == 0
    assert wait_before_retry(Action(retry=1), fault, tries=2, remaining=5, random=0.9) is None


@pytest.mark.parametrize("remaining", [0, -1, float("nan")])
def test_nothing_is_tried_after_the_deadline(remaining: float) -> None:
    """Not even a retry that needs no wait."""
    for category in ("invalid", "unavailable"):
        fault = Fault(category=category)
        assert wait_before_retry(Action(retry=5), fault, tries=1, remaining=remaining, random=0) is None


def test_a_row_without_retries_never_waits() -> None:
    """Quota and credentials are asked once."""
    for category in ("quota", "auth", "not-found", "rejected", "refusal", "content-filter", "timeout"):
        fault = Fault(category=category, retry_after=0.1)
        assert wait_before_retry(TABLE[category], fault, tries=1, remaining=60, random=0) is None


@pytest.mark.parametrize("impossible", [-1.0, float("nan")])
def test_an_impossible_wish_counts_as_none(impossible: float) -> None:
    """A decider of one's own may have put anything into its fault."""
    assert wait_before_retry(RATE_LIMIT, limited(impossible), tries=1, remaining=60, random=0.5) == 0.125


@settings(deadline=None, max_examples=200)
@given(
    retry=st.integers(0, 5),
    told=st.none() | st.integers(0, 5),
    patience=st.floats(0, 60),
    category=st.sampled_from(sorted(TABLE)),
    asked=st.none() | st.floats(),
    tries=st.integers(1, 8),
    remaining=st.floats(-1, 100),
    random=st.floats(0, 1, exclude_max=True),
)
def test_every_wait_fits_and_keeps_what_was_asked(
    retry: int,
    told: int | None,
    patience: float,
    category: str,
    asked: float | None,
    tries: int,
    remaining: float,
    random: float,
) -> None:
    """A wait ends before the deadline, is not longer than the patience, and not shorter than asked."""
    action = Action(retry=retry, told=told, patience=patience)
    fault = Fault(category=category, retry_after=asked)

    wait = wait_before_retry(action, fault, tries=tries, remaining=remaining, random=random)

    if wait is not None:
        assert 0 <= wait < remaining
        assert tries <= max(retry, told or 0)
        if asked is not None and asked >= 0 and wait > 2:
            assert asked <= wait <= patience


# Rows: who may be asked. Columns: next, local, safe, person, stop.
@pytest.mark.parametrize(
    ("kind", "leaves", "after"),
    [
        pytest.param("rule", False, {"next", "local"}, id="rule"),
        pytest.param("model", False, {"next", "local"}, id="model here"),
        pytest.param("model", True, {"next"}, id="model elsewhere"),
        pytest.param("llm", False, {"next", "local"}, id="llm on this machine"),
        pytest.param("llm", True, {"next"}, id="llm elsewhere"),
        pytest.param("default", False, {"next", "local", "safe"}, id="default"),
        pytest.param("person", False, {"next", "local", "safe", "person"}, id="person"),
    ],
)
def test_who_may_be_asked_after_a_fault(kind: str, leaves: bool, after: set[str]) -> None:
    """Anybody; who stays on this machine; a default or a person; a person; nobody."""
    assert {then for then in get_args(Then) if may_be_asked(then, kind=kind, leaves=leaves)} == after


def test_the_stricter_of_two_restrictions_holds() -> None:
    """next < local < safe < person < stop, whichever comes first."""
    order: list[Then] = ["next", "local", "safe", "person", "stop"]

    for weak, strict in itertools.combinations_with_replacement(order, 2):
        assert stricter(weak, strict) == stricter(strict, weak) == strict
