"""An answer agrees with itself, with its input and with the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.cited import Cited
from answerable.failures.invariants import holds, not_in_future, sums_up, within
from roads import Ticket, decision, memory


class Line(BaseModel):
    amount: float | Decimal | str | None = None


class Output(BaseModel):
    total: Decimal | float | None = None
    net: Cited[Decimal] | None = None
    tax: Decimal | None = None
    lines: list[Line] = []
    day: date | None = None
    at: datetime | None = None


NOON = "019c0000-0000-7000-8000-000000000000"  # began at BEGAN
BEGAN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=0x019C00000000)


@dataclass
class Put:
    """A case as far as these checks read it."""

    input: Any = None
    id: str = NOON

    def view(self) -> Any:
        return self.input


def look(check: Any, output: Any, case: Put | None = None) -> str | None:
    """Return what a check says of an output."""
    found = check(case or Put(), ans.Answer(output))
    return None if found is None else found.reason


def lines(*amounts: Any, total: Any) -> Output:
    return Output(total=total, lines=[Line(amount=a) for a in amounts])


@pytest.fixture
def ws() -> Iterator[ans.Workspace]:
    yield from memory()


# holds


def test_an_invariant_holds_over_input_and_output() -> None:
    """Its function gets the typed models; where it is false, its own reason is told."""
    check = holds("refund-cap", lambda put, out: out.total <= 50, reason="the refund is over 50")

    assert check.__name__ == "refund-cap"
    assert look(check, Output(total=50)) is None
    assert check(Put(), ans.Answer(Output(total=51))) == ans.Finding(
        "the refund is over 50", "refund-cap", "next"
    )


def test_an_invariant_that_raises_or_awaits_does_not_hold() -> None:
    """What cannot be judged is not let through; the exception's text may hold a value."""

    async def later(put: Any, out: Any) -> bool:
        return True

    assert (
        look(holds("cap", lambda put, out: out.totl, reason="r"), Output())
        == "its function raised AttributeError"
    )
    assert look(holds("cap", lambda put, out: later(put, out), reason="r"), Output()) is not None
    with pytest.raises(ans.UsageError, match="no plain function"):
        holds("cap", later, reason="r")


def test_an_invariant_has_a_name_and_a_reason() -> None:
    """Both stand in records."""
    with pytest.raises(ans.UsageError, match="reason"):
        holds("cap", lambda put, out: True, reason="")
    with pytest.raises(ans.UsageError, match="name"):
        holds(" ", lambda put, out: True, reason="r")


def test_the_definition_moves_with_the_predicate() -> None:
    """Its code counts, unless a version stands for it."""
    always = holds("c", lambda p, o: True, reason="r")
    never = holds("c", lambda p, o: False, reason="r")
    by_version = [
        holds("c", lambda p, o: 1, reason="r", version="1"),
        holds("c", lambda p, o: 2, reason="r", version="1"),
        holds("c", lambda p, o: 1, reason="r", version="1", then="flag"),
    ]

    assert always.digest != never.digest
    assert by_version[0].digest == by_version[1].digest != by_version[2].digest


def test_then_is_a_word_that_findings_know() -> None:
    """A misspelt one is an error at once, not at the first finding."""
    with pytest.raises(ans.UsageError, match="then"):
        holds("c", lambda p, o: True, reason="r", then="stop")  # type: ignore[arg-type]


# sums_up


def test_a_total_is_the_sum_of_its_parts_exactly() -> None:
    """0.1 + 0.2 is 0.3, as everybody but a float says."""
    check = sums_up("total", "lines.amount")

    assert look(check, lines(0.1, 0.2, total=0.3)) is None
    assert look(check, lines("0.1", Decimal("0.20"), None, total=Decimal("0.3"))) is None
    assert look(check, lines(0.1, 0.2, total=0.31)) == "total: it is not the sum of lines.amount (2 values)"
    assert look(check, lines(total=1)) is not None
    assert look(check, lines(5, total=None)) is None


def test_parts_may_be_several_fields() -> None:
    """A cited one counts with its value."""
    check = sums_up("total", ("net", "tax"))

    assert (
        look(check, Output(total=119, net=Cited(value=Decimal(100), quotes=["a"]), tax=Decimal(19))) is None
    )
    assert look(check, Output(total=119, tax=Decimal(19))) is not None


def test_a_sum_may_be_off_by_the_declared_tolerance() -> None:
    """And by no more."""
    check = sums_up("total", "lines.amount", tolerance=0.01)

    assert look(check, lines(33.33, 33.33, 33.33, total=100)) is None
    assert look(check, lines(33.33, 33.33, 33.32, total=100)) is not None


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), "twelve", Decimal("1e999999999")])
def test_what_is_no_number_adds_up_to_nothing(amount: Any) -> None:
    """Nor does one whose digits would fill the memory."""
    assert (
        look(sums_up("total", "lines.amount"), lines(amount, total=1))
        == "lines[0].amount: it is no finite number"
    )


def test_a_sum_has_parts() -> None:
    """One without any is an error at once."""
    with pytest.raises(ans.UsageError, match="no parts"):
        sums_up("total", ())


@settings(deadline=None, max_examples=100)
@given(st.lists(st.decimals(-(10**30), 10**30, places=9), min_size=1, max_size=8))
def test_no_precision_is_lost_in_a_sum(parts: list[Decimal]) -> None:
    """Not even beyond the 28 digits of the default context."""
    whole = sum(map(_nanos, parts))
    total = Decimal(f"{whole}e-9")

    assert look(sums_up("total", "lines.amount"), lines(*parts, total=total)) is None
    assert look(sums_up("total", "lines.amount"), lines(*parts, total=Decimal(f"{whole + 1}e-9"))) is not None


def _nanos(amount: Decimal) -> int:
    """Return an amount of at most nine places as an integer of 1e-9."""
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits))) * 10 ** (exponent + 9)
    return -whole if sign else whole


# within


@pytest.mark.parametrize(
    ("low", "high", "total", "said"),
    [
        (0, 100, 0, None),
        (0, 100, 100.0, None),
        (0, 100, Decimal("100.01"), "total: it is above 100"),
        (0, None, Decimal("-0.01"), "total: it is below 0"),
        (None, 5, 4, None),
        (0.1, None, Decimal("0.1"), None),
    ],
)
def test_a_number_lies_between_its_bounds(low: Any, high: Any, total: Any, said: str | None) -> None:
    """Both ends are included."""
    assert look(within("total", low, high), Output(total=total)) == said


def test_times_have_bounds_too() -> None:
    """A date bound holds for the day of a time; a zone against none cannot be compared."""
    check = within("at", date(2026, 1, 1), date(2026, 1, 31))

    assert look(check, Output(at=datetime(2026, 1, 31, 23, 59))) is None
    assert look(check, Output(at=datetime(2026, 2, 1))) == "at: it is above 2026-01-31"
    zoned = within("at", datetime(2026, 1, 1, tzinfo=UTC))
    assert (
        look(zoned, Output(at=datetime(2026, 2, 1)))
        == "at: it cannot be compared with 2026-01-01 00:00:00+00:00"
    )
    assert look(within("day", 1, 2), Output(day=date(2026, 1, 1))) == "day: it cannot be compared with 1"


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (2, 1), ("a", None), (1, date(2026, 1, 1)), (float("nan"), 1)]
)
def test_bounds_that_bound_nothing_are_refused(low: Any, high: Any) -> None:
    """They are an error at once."""
    with pytest.raises(ans.UsageError, match="bounds"):
        within("total", low, high)


def test_the_definition_moves_with_the_bounds() -> None:
    """Another bound is another check."""
    assert within("total", 0, 1).digest != within("total", 0, 2).digest
    assert within("total", 0, 1).digest == within("total", 0, 1).digest


# not_in_future


def test_a_date_lies_not_after_the_case() -> None:
    """Its id says when it began, so that a replay judges in the same way."""
    check = not_in_future("day")

    assert look(check, Output(day=BEGAN.date())) is None
    assert look(check, Output(day=BEGAN.date() + timedelta(days=2))) == "day: it lies in the future"
    assert look(check, Output()) is None


def test_a_day_that_has_begun_somewhere_is_not_future() -> None:
    """A date has no time zone: at 12:00 UTC the next day begins where the clock is 14 hours ahead."""
    ahead = timezone(timedelta(hours=14))

    assert look(not_in_future("day"), Output(day=BEGAN.astimezone(ahead).date())) is None
    assert look(not_in_future("at"), Output(at=BEGAN.astimezone(ahead).replace(tzinfo=None))) is None
    assert look(not_in_future("at"), Output(at=BEGAN + timedelta(seconds=1))) == "at: it lies in the future"
    assert look(not_in_future("at"), Output(at=BEGAN)) is None


def test_today_may_be_given() -> None:
    """A function that returns the date, or the time."""
    check = not_in_future("day", today=lambda: date(2026, 1, 1))

    assert look(check, Output(day=date(2026, 1, 1))) is None
    assert look(check, Output(day=date(2026, 1, 2))) is not None
    assert look(not_in_future("at", today=lambda: BEGAN), Output(at=BEGAN + timedelta(hours=1))) is not None
    assert check.digest != not_in_future("day").digest


def test_an_id_without_a_time_is_told() -> None:
    """The error says what to give instead."""
    with pytest.raises(ans.UsageError, match="today="):
        look(not_in_future("day"), Output(day=date(2026, 1, 1)), Put(id="case-1"))


# The whole way of a case


@pytest.mark.parametrize(
    ("check", "wrong", "right", "said"),
    [
        (
            holds(
                "urgent-total",
                lambda put, out: "free" not in put.body or out.total == 0,
                reason="free costs nothing",
            ),
            Output(total=5),
            Output(total=0),
            "urgent-total: free costs nothing",
        ),
        (
            sums_up("total", "lines.amount"),
            lines(1, 2, total=4),
            lines(1, 2, total=3),
            "sums_up: total: it is not the sum of lines.amount (2 values)",
        ),
        (within("total", 0, 50), Output(total=9999), Output(total=5), "within: total: it is above 50"),
        (
            not_in_future("day"),
            Output(day=date(2999, 1, 1)),
            Output(day=date(2020, 1, 1)),
            "not_in_future: day: it lies in the future",
        ),
    ],
    ids=["holds", "sums_up", "within", "not_in_future"],
)
def test_a_wrong_answer_is_rejected_and_the_next_decider_answers(
    ws: ans.Workspace, check: Any, wrong: Output, right: Output, said: str
) -> None:
    """The attempt says which check failed, and why."""
    asked = decision(
        ans.model(lambda case: wrong, version="1", name="first"),
        ans.model(lambda case: right, version="1", name="second"),
        output=Output,
        checks=[check],
    )
    outcome = ws.decide(asked, Ticket(number="T-1", body="it is free"), principal="service:web")

    assert (outcome.status, outcome.decider, outcome.output) == ("answered", "second@1", right)
    assert (outcome.attempts[0].fault, outcome.attempts[0].reason) == ("check", said)
