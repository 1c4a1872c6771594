"""Our own decisions meet the faults as the table demands; and a system that does not would be found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from answerable.chaos import run as chaos_run
from answerable.chaos.faults import FAULTS
from answerable.chaos.judging import Seen, problems
from answerable.chaos.run import observed, quiet, run_faults
from answerable.chaos.server import FaultServer
from answerable.chaos.variants import Expected, Fault, Variant

pytest.importorskip("pydantic_ai")
BY_NUMBER = {fault.number: fault for fault in FAULTS}
# Those that need no waiting; the benchmark runs all of them.
QUICK = (2, 5, 8, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 30, 31, 32, 33)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as made, quiet():
        yield made


@pytest.fixture(scope="module")
def seen(server: FaultServer) -> Seen:
    """What is seen when a dead primary has a healthy second behind it."""
    variant = BY_NUMBER[8].variants[0]
    return observed(variant, server)


def unhurried(fault: Fault) -> Fault:
    """The fault with more time for each call: still less than any wait that must not be waited."""

    def slower(variant: Variant) -> Variant:
        within = variant.expected.within and max(4.5, variant.expected.within)
        return replace(variant, timeout=4.0, expected=replace(variant.expected, within=within))

    return replace(fault, variants=tuple(map(slower, fault.variants)))


@pytest.mark.parametrize("number", QUICK)
def test_a_fault_is_met_as_it_should_be(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Every variant of the fault keeps to its expectation and to the rules for all."""
    monkeypatch.setattr(chaos_run, "FAULTS", tuple(map(unhurried, FAULTS)))

    rows = run_faults([number])

    assert rows and [(row.variant, row.problems) for row in rows if not row.passed] == []


def test_a_fault_of_a_later_part_is_listed_and_not_passed() -> None:
    """It has a row that says what it waits for."""
    (row,) = run_faults([34])

    assert row.passed is None
    assert row.data()["carried"] == "effects and the outbox"


def test_what_was_as_expected_has_no_problems(seen: Seen) -> None:
    """The judge is content with a dead primary that was called twice and replaced."""
    assert problems(BY_NUMBER[8].variants[0], seen) == []


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"primary": (1, 1)}, "primary was called 2 times, not 1"),
        ({"second": (0, 0)}, "second was called 1 times, not 0"),
        ({"by": ("default",)}, "case 1 was answered by second, not by default"),
        ({"faults": ("quota",)}, "the fault is called server-error, not quota"),
        ({"degraded": False}, "case 1 is marked degraded: fault:server-error"),
        ({"waits": ((9.0, 10.0),)}, "before call 2, not 9 to 10 s"),
        ({"within": 0.0001}, "not 0.0001 s at most"),
        ({"alerts": ("quota",)}, "alerts were raised for nothing"),
        ({"also": ("request-id",)}, "no alert names the provider's request id"),
        ({"also": ("open-until-30",)}, "no breaker is open"),
    ],
)
def test_each_departure_from_an_expectation_is_found(
    seen: Seen, expected: dict[str, Any], found: str
) -> None:
    """Hits, the one who answered, the fault's name, the mark, waits, time and alerts are all judged."""
    variant = BY_NUMBER[8].variants[0]
    other = replace(variant, expected=replace(variant.expected, **expected))

    assert any(found in told for told in problems(other, seen)), problems(other, seen)


def test_the_rules_for_all_are_judged_too(seen: Seen) -> None:
    """A case over its deadline, a record without an attempt and a text with an exception are found."""
    variant = Variant(name="", primary=(), expected=Expected(primary=(0, 9), second=(0, 9), by=("second",)))
    why = {**seen.whys[0], "attempts": seen.whys[0]["attempts"][1:]}
    bad = replace(seen, seconds=(99.0,), whys=(why,), texts=("It raised a KeyError.",))

    found = problems(variant, bad)

    assert found == [
        "case 1 took 99.00 s of 6 s",
        "the record of case 1 does not hold every attempt",
        "the affected person reads 'KeyError'",
        "the person of case 1 is not told the record id",
    ]
