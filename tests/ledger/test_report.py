"""The report says of each requirement what is recorded here, as counts, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.governance.acceptance import TABLE, Requirement, Test, judge
from answerable.ledger.coverage import counted
from answerable.workspace import Workspace

NAMES = sorted({name for r in TABLE for test in r.tests for name in (test.have, test.of) if name})
BOTH = (
    Test("a", "{have} of {of} have a", "{lack} have no a", "add a"),
    Test("b", "{have} b", "there is no b", "make one", of=None),
)


def one(**counts: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return status, evidence and gaps of a requirement with both tests."""
    (line,) = judge(counts, [Requirement("A law", "a and b", BOTH)])
    return line.status, line.evidence, line.missing


def test_all_that_is_asked_for_is_met() -> None:
    """Every decision has a, and there is a b."""
    assert one(decisions=3080, a=3080, b=1) == ("met", ("3,080 of 3,080 have a", "1 b"), ())


def test_what_lacks_is_said_with_its_number_and_the_next_step() -> None:
    """Some have it: partly; the gap is counted."""
    assert one(decisions=10, a=7) == (
        "partly",
        ("7 of 10 have a", "0 b"),
        ("3 have no a: add a", "there is no b: make one"),
    )


def test_nothing_at_all_is_missing() -> None:
    """An empty home meets nothing, and is not said to."""
    assert one()[0] == "missing"
    assert {line.status for line in judge({})} == {"missing"}


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50)))
def test_a_line_is_met_only_without_a_gap(counts: dict[str, int]) -> None:
    """Whatever is counted: met and gaps exclude each other, and every gap has a next step."""
    for line in judge(counts):
        assert (line.status == "met") == (not line.missing)
        assert all(": " in gap for gap in line.missing)
        assert len(line.evidence) >= len(line.missing)


def test_the_list_of_laws_is_complete() -> None:
    """Each source of the acceptance list has its line."""
    sources = " ".join(requirement.source for requirement in TABLE)

    for name in ("12(1)", "12(3)", "13(3)", "14(4)", "14(5)", "18", "19(1)", "26(6)", "26(11)", "86", "73"):
        assert name in sources
    for name in ("GDPR 5(1)", "GDPR 7(1)", "15(1)(h)", "17, 18", "22(3)", "32, 33", ", 30", "NIST", "42001"):
        assert name in sources
    assert sources.count("SOC 2") == 4


class Order(BaseModel):
    """What is decided about."""

    number: Annotated[str, ans.Key]
    amount: float


class Verdict(BaseModel):
    """A yes or no."""

    ship: bool


def small(case: ans.Case[Order]) -> Verdict | ans.Abstain:
    """It is a small order."""
    return Verdict(ship=True) if case.input.amount < 100 else ans.Abstain("not small")


DECISION = ans.Decision(
    name="ship-order",
    version="1",
    question="May it be shipped?",
    input=Order,
    output=Verdict,
    owner="sales",
    purpose="fulfilment",
    stakes=ans.Stakes("EUR", wrong=2.0, review=1.0),
    deciders=[ans.rule(small), ans.person(queue="sales", within="4h")],
)


@pytest.mark.parametrize("sealed", [False, True])
def test_the_counts_are_those_of_the_home(tmp_path: Path, sealed: bool) -> None:
    """Of journal and segments together, with the times of the retention classes."""
    with Workspace(tmp_path / "home") as ws:
        outcomes = [
            ws.decide(DECISION, Order(number=f"T-{n}", amount=n), principal="user:me") for n in range(300)
        ]
        waiting = [one.record_id for one in outcomes if one.status == "escalated"]
        ws.resolve(DECISION, waiting[0], Verdict(ship=False), principal="user:boss")
        ws.ledger.checkpoint()
        if sealed:
            ws.ledger.seal()

        found = counted(ws.ledger, {"standard": 400 * 86400.0, "short": 30 * 86400.0})

    assert found["decisions"] == found["decisions.principal"] == found["decisions.definition"] == 300
    assert found["status.escalated"] == len(waiting) == 200
    assert found["kind.resolution"] == 1
    assert found["sample"] == 300
    assert found["sample.reason"] >= 100
    assert found["checkpoints"] == 1
    assert (found["classes"], found["classes.half-year"], found["classes.timed"]) == (2, 1, 2)
    assert "decisions.policy" not in found
    lines = {line.source: line for line in judge(found)}
    assert "300 of 300 decisions name who asked" in lines["SOC 2 CC6.1-6.3"].evidence
    assert "1 of 200 escalated decisions were ended" in " ".join(lines["AI Act 13(3), 14(4)"].evidence)
    assert lines["AI Act 18, 19(1), 26(6)"].status != "met"
