"""Retry-After: every form providers send is understood, everything else counts as absent."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from math import isfinite
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from answerable.failures.retry_after import retry_after

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": "30"}, 30.0, id="whole seconds"),
        pytest.param({"Retry-After": "1.5"}, 1.5, id="fractions, name in another case"),
        pytest.param({"RETRY-AFTER": " 2 "}, 2.0, id="spaces around it"),
        pytest.param({"retry-after": "0"}, 0.0, id="at once"),
        pytest.param({"retry-after": 7}, 7.0, id="a number, not a text"),
        pytest.param({b"retry-after": b"7"}, 7.0, id="bytes"),
        pytest.param([("Retry-After", "7")], 7.0, id="pairs"),
        pytest.param({"retry-after": "1e9"}, 1e9, id="absurdly long is for the plan to refuse"),
        pytest.param({"retry-after-ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"retry-after-ms": "250", "retry-after": "9"}, 0.25, id="milliseconds are finer"),
        pytest.param({"retry-after-ms": "abc", "retry-after": "9"}, 9.0, id="garbage does not hide seconds"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 10:00:20 GMT"}, 20.0, id="HTTP date"),
        pytest.param({"retry-after": "Monday, 23-Nov-26 10:00:20 GMT"}, 20.0, id="RFC 850 date"),
        pytest.param({"retry-after": "Mon Nov 23 10:00:20 2026"}, 20.0, id="asctime date"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 09:59:59 GMT"}, None, id="past date"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "abc"}, None, id="garbage"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after": "nan"}, None, id="NaN"),
        pytest.param({"retry-after": "inf"}, None, id="infinite"),
        pytest.param({"retry-after": "1e999"}, None, id="overflows"),
        pytest.param({"retry-after": "1_000"}, None, id="only Python reads this"),
        pytest.param({"retry-after": "٣"}, None, id="digit of another script"),
        pytest.param({"retry-after": "Mon, 99 Nov 9999999 10:00:20 GMT"}, None, id="impossible date"),
        pytest.param({"retry-after": None}, None, id="None"),
        pytest.param({"retry-after": True}, None, id="a flag"),
        pytest.param({"x-retry-after": "3"}, None, id="another header"),
        pytest.param({}, None, id="no header"),
        pytest.param(None, None, id="no headers"),
        pytest.param(42, None, id="no mapping"),
        pytest.param("retry-after: 3", None, id="a text"),
        pytest.param(httpx2.Headers({"Retry-After": "3"}), 3.0, id="httpx2"),
        pytest.param(CaseInsensitiveDict({"Retry-After": "3"}), 3.0, id="requests"),
    ],
)
def test_a_wait_is_read_from_any_headers(headers: Any, seconds: float | None) -> None:
    """Seconds, milliseconds and dates are understood; anything else is None."""
    assert retry_after(headers, now=NOW) == seconds


def test_a_date_says_nothing_without_a_time_to_measure_from() -> None:
    """A rule has no clock of its own."""
    assert retry_after({"retry-after": "Mon, 23 Nov 2026 10:00:20 GMT"}, now=None) is None
    assert retry_after({"retry-after": "20"}, now=None) == 20.0


def test_headers_that_raise_say_nothing() -> None:
    """A foreign header class may fail in any way."""

    class Broken:
        def items(self) -> Any:
            raise RuntimeError("no")

    assert retry_after(Broken(), now=NOW) is None


@settings(deadline=None, max_examples=100)
@given(st.floats(min_value=0, max_value=1e6, allow_nan=False))
def test_every_number_of_seconds_comes_back(seconds: float) -> None:
    """What is written as a plain number is read as that number."""
    assert retry_after({"Retry-After": f"{seconds:.6f}"}, now=NOW) == float(f"{seconds:.6f}")


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**7), st.integers(-12, 12))
def test_every_date_ahead_is_its_distance(seconds: int, zone: int) -> None:
    """A date is measured from `now`, whatever the zone `now` is given in."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after({"retry-after": date}, now=NOW.astimezone(timezone(timedelta(hours=zone)))) == seconds


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "Retry-After-Ms"]),
        st.one_of(
            st.text(),
            st.binary(),
            st.floats(),
            st.integers(),
            st.none(),
            st.from_regex(r"[-+0-9.eE:, A-Za-z]{1,30}", fullmatch=True),
        ),
    )
)
def test_nothing_makes_it_raise_or_give_an_impossible_wait(headers: dict[str, Any]) -> None:
    """Whatever is sent, the result is None or a finite number of at least 0."""
    seconds = retry_after(headers, now=NOW)

    assert seconds is None or (isfinite(seconds) and seconds >= 0)
