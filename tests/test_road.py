"""One case on its way: whatever its deciders do, it ends in a recorded outcome within its deadline."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, HttpUrl, field_validator

import answerable as ans
from roads import HIGH, LOW, Route, Ticket, decision, memory, raising, returning


class Level(Enum):
    LOW = "low"
    HIGH = "high"


ws = pytest.fixture(name="ws")(memory)


def both_ways(ws: ans.Workspace, made: ans.Decision[Any, Any], given: Any = None) -> ans.Outcome[Any]:
    """Decide a case by `decide` and by `adecide`; return the outcome, which must be the same but for time."""
    outcomes = [
        ws.decide(made, given or {"number": "S"}),
        asyncio.run(ws.adecide(made, given or {"number": "A"})),
    ]
    first, second = (
        replace(o, record_id="", due=None, attempts=tuple(replace(a, latency_us=0) for a in o.attempts))
        for o in outcomes
    )
    assert first == second
    return outcomes[0]


# -- what a decider may do --------------------------------------------------------------------------


def test_decide_and_adecide_take_the_same_road(ws: ans.Workspace) -> None:
    """Rules, models, async models and the default give equal outcomes either way."""

    def rule(case: Any) -> ans.Abstain:
        return ans.Abstain("nothing to say")

    async def slow(case: Any) -> ans.Answer[Any]:
        await asyncio.sleep(0.001)
        return ans.Answer({"urgency": "low"}, beliefs={"urgency": 0.9})

    outcome = both_ways(ws, decision(ans.rule(rule), slow, ans.default({"team": "a"})))

    assert outcome.output == LOW
    assert [a.result for a in outcome.attempts] == ["abstained", "accepted", "accepted"]
    assert (outcome.decider, outcome.degraded) == (f"default@{outcome.decider[-8:]}", "default")  # type: ignore[index]
    assert outcome.confidence is None  # nobody measured the team: a default says it


class Odd(BaseException):
    """No Exception."""


class Mute(Exception):
    """Its text raises."""

    def __str__(self) -> str:
        raise RuntimeError


def raising_async(exc: BaseException) -> Callable[[Any], Any]:
    async def fails(case: Any) -> Any:
        raise exc

    return fails


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("boom"),
        TimeoutError("its own"),
        StopIteration(),
        SystemExit(3),
        GeneratorExit(),
        asyncio.CancelledError(),
        concurrent.futures.CancelledError(),
        Odd("odd"),
        Mute(),
        RecursionError(),
        ans.LedgerUnavailable("full", next_step="x"),
    ],
    ids=lambda exc: type(exc).__name__,
)
@pytest.mark.parametrize("kind", ["rule", "model", "async"])
def test_whatever_a_decider_raises_is_contained_as_an_attempt(
    ws: ans.Workspace, kind: str, exc: BaseException
) -> None:
    """The next decider is asked; no loop, thread or program ends."""
    fails = raising_async(exc) if kind == "async" else raising(exc)
    failing = (
        ans.rule(fails, name="failing") if kind == "rule" else ans.model(fails, name="failing", version="1")
    )

    outcome = both_ways(ws, decision(failing, ans.default(LOW)))

    assert outcome.output == LOW
    assert outcome.attempts[0].result == "failed"
    assert outcome.attempts[0].fault == ("timeout" if isinstance(exc, TimeoutError) else "exception")
    assert outcome.degraded == f"fault:{outcome.attempts[0].fault}"
    assert ws.decide(decision(failing, ans.default(LOW)), {"number": "again"}).output == LOW


@pytest.mark.parametrize(
    ("returned", "fault", "reason"),
    [
        (None, "wrong-type", "returned a NoneType"),
        (5, "wrong-type", "returned a int"),
        ([LOW], "wrong-type", "returned a list"),
        (Ticket(number="1"), "wrong-type", "returned a Ticket"),
        (ans.Answer(None), "wrong-type", "returned a NoneType"),
        ({"urgensy": "low"}, "invalid", "did you mean 'urgency'"),
        ({1: "low"}, "invalid", "no output field"),
        ({"urgency": "hihg", "team": "a"}, "invalid", "urgency: Input should be 'low' or 'high'"),
        ({"urgency": "lo\ud800", "team": "a"}, "invalid", "urgency: Input should be"),
        (ans.Answer(LOW, beliefs={"tem": 0.5}), "invalid", "did you mean 'team'"),
        (
            ans.Answer(LOW, beliefs={"team": ans.Belief(distribution={"c": 1.0})}),
            "invalid",
            "a value that team cannot be",
        ),
        (
            ans.Answer(LOW, beliefs={"*": ans.Belief(distribution={"a": 1.0})}),
            "invalid",
            "a distribution over the whole answer",
        ),
        (ans.Answer(LOW, reason="x\ud800"), "invalid", "lone surrogate"),
        (ans.Answer(LOW, calls=[{"said": "\udfff"}]), "invalid", "lone surrogate"),
        (ans.Answer(LOW, calls=[{"said": object()}]), "invalid", "no JSON form"),
        (ans.Answer(LOW, calls=[{"said": float("nan")}]), "invalid", "not a finite number"),
        (ans.Answer(LOW, calls=[{"said": "x" * 9_000_000}]), "invalid", "bytes"),
        (ans.Suspend(queue="q", within=5, then={"urgency": "low"}), "invalid", "team: Field required"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("unmeasured", ["accept", "review"])
def test_what_is_no_answer_is_a_failed_attempt(
    ws: ans.Workspace, returned: Any, fault: str, reason: str, unmeasured: str
) -> None:
    """Wrong types, unknown fields, impossible values and what no record can hold."""
    outcome = ws.decide(
        decision(returning(returned), ans.default(LOW), unmeasured=unmeasured), {"number": "1"}
    )

    assert (outcome.attempts[0].result, outcome.attempts[0].fault) == ("failed", fault)
    assert reason in outcome.attempts[0].reason
    assert outcome.output == LOW
    assert ws.outcome(outcome.record_id).status == "answered"


@pytest.mark.parametrize("confidence", [1.7, float("nan"), "0.5"])
def test_an_impossible_confidence_is_a_failed_attempt(ws: ans.Workspace, confidence: Any) -> None:
    """The reason shows the number."""

    def sure(case: Any) -> Any:
        return ans.Answer(LOW, confidence=confidence)

    attempt = ws.decide(decision(sure, ans.default(LOW)), {"number": "1"}).attempts[0]

    assert attempt.result == "failed"
    assert str(confidence) in attempt.reason


def test_a_forgotten_async_is_said(ws: ans.Workspace) -> None:
    """A coroutine is no answer."""

    async def answer() -> Route:
        return LOW

    attempt = ws.decide(decision(lambda case: answer()), {"number": "1"}).attempts[0]

    assert "make it an `async def`" in attempt.reason


def test_a_refusal_asks_nobody_else(ws: ans.Workspace) -> None:
    """It is never shopped around for a yes."""
    outcome = both_ways(ws, decision(returning(ans.Refuse("not ours")), ans.default(LOW)))

    assert (outcome.status, outcome.reason, outcome.output) == ("refused", "not ours", None)


def test_a_reason_is_one_short_line_of_valid_text(ws: ans.Workspace) -> None:
    """A record, a header and a terminal can hold it."""
    outcome = ws.decide(decision(returning(ans.Abstain("a\nb\ud800" + "x" * 5000))), {"number": "1"})

    assert outcome.attempts[0].reason.startswith("a b?x")
    assert len(outcome.attempts[0].reason) == 2000


# -- answers in parts -------------------------------------------------------------------------------


def test_deciders_share_an_answer(ws: ans.Workspace) -> None:
    """Each one settles what is open and sees what is settled."""
    seen: list[Any] = []

    def second(case: Any) -> Any:
        seen.append(dict(case.answered))
        return {"urgency": "low", "team": "b"}

    outcome = ws.decide(decision(returning({"urgency": "high"}), second), {"number": "1"})

    assert outcome.output == Route(urgency="high", team="b")
    assert seen == [{"urgency": "high"}]
    assert [a.settled for a in outcome.attempts] == [("urgency",), ("team",)]


class Wide(BaseModel):
    urgency: Literal["low", "high"]
    note: Literal["none", "vip"] = "none"


def test_a_declared_default_does_not_replace_a_field_that_did_not_stand(ws: ans.Workspace) -> None:
    """A doubtful "vip" goes to the next decider, not silently to "none"."""
    doubtful = ans.Answer({"urgency": "low", "note": "vip"}, beliefs={"urgency": 1.0, "note": 0.1})

    alone = ws.decide(decision(returning(doubtful), output=Wide), {"number": "1"})
    helped = ws.decide(
        decision(returning(doubtful), ans.default({"note": "none"}), output=Wide, version="2"),
        {"number": "2"},
    )

    assert (alone.status, alone.proposal) == ("escalated", {"urgency": "low", "note": "vip"})
    assert helped.output == Wide(urgency="low", note="none")


def test_a_declared_default_fills_what_nobody_answered(ws: ans.Workspace) -> None:
    """That is what it was declared for."""
    outcome = ws.decide(decision(returning({"urgency": "low"}), output=Wide), {"number": "1"})

    assert outcome.output == Wide(urgency="low", note="none")


def test_an_escalated_case_proposes_the_best_rejected_answer(ws: ans.Workspace) -> None:
    """What stands, and the cheapest of the rest."""
    dear = ans.Answer(HIGH, beliefs={"urgency": 0.1, "team": 0.1})
    cheap = ans.Answer(LOW, beliefs={"urgency": 0.4, "team": 0.4})

    outcome = ws.decide(
        decision(
            ans.model(returning(dear), name="dear", version="1"),
            ans.model(returning(cheap), name="cheap", version="1"),
        ),
        {"number": "1"},
    )

    assert (outcome.status, outcome.proposal) == ("escalated", {"urgency": "low", "team": "a"})


def test_an_outcome_with_rich_types_is_replayed_equal(ws: ans.Workspace) -> None:
    """Enums, dates and aliases survive the record, in a strict model too."""

    class Rich(BaseModel, strict=True):
        level: Level = Field(alias="Level")
        day: date
        marks: set[str]

    answer = ans.Answer(
        {"level": Level.LOW, "day": date(2026, 1, 2), "marks": {"x"}},
        beliefs={"level": ans.Belief(distribution={Level.LOW: 0.9, "high": 0.1}), "day": 0.9, "marks": 0.9},
    )
    made = decision(returning(answer), output=Rich, stakes=ans.Stakes("USD", wrong=1, review=1))

    first = ws.decide(made, {"number": "1"})
    again = ws.decide(made, {"number": "1"})

    assert first.output.level is Level.LOW, first
    assert again == replace(first, replayed=True)


def test_a_calibrated_model_answers_with_the_cheapest_value(ws: ans.Workspace) -> None:
    """0.2 x 40 for "low" against 0.8 x 2 for "high"; the belief is about the value chosen."""
    belief = ans.Belief(p=0.8, distribution={"low": 0.8, "high": 0.2}, measured="calibrated@1")
    stakes = ans.Stakes("USD", wrong=2, review=2, costs=[ans.Cost("urgency", "high", "low", 40)])
    answer = ans.Answer(LOW, beliefs={"urgency": belief, "team": 1.0})

    outcome = ws.decide(decision(returning(answer), stakes=stakes), {"number": "1"})

    assert outcome.output.urgency == "high"
    assert outcome.confidence == 0.2
    assert outcome.attempts[0].expected_cost == 1_600_000


# -- stakes and checks ------------------------------------------------------------------------------


def test_never_automatic_goes_to_the_person(ws: ans.Workspace) -> None:
    """No other decider may answer after it, not even the default."""
    stakes = ans.Stakes("USD", wrong=2, review=1, never_automatic={"urgency": ["high"]})
    made = decision(
        ans.rule(returning(HIGH), name="alarm"),
        ans.default(LOW),
        ans.person(queue="q", within=60),
        stakes=stakes,
    )

    outcome = both_ways(ws, made)

    assert (outcome.status, outcome.proposal) == ("escalated", {"urgency": "high", "team": "b"})
    assert [a.result for a in outcome.attempts] == ["rejected", "suspended"]
    assert outcome.attempts[0].fault == "never-automatic"


def test_stakes_that_fail_reject_the_answer(ws: ans.Workspace) -> None:
    """A cost function is user code."""
    stakes = ans.Stakes("USD", wrong=lambda ticket: 1 / 0, review=1)
    answer = ans.Answer(LOW, confidence=0.9)

    outcome = ws.decide(decision(returning(answer), ans.default(LOW), stakes=stakes), {"number": "1"})

    assert outcome.attempts[0].result == "rejected"
    assert "raised ZeroDivisionError" in outcome.attempts[0].reason
    assert outcome.output == LOW


def refuses_low(case: Any, answer: Any) -> ans.Finding | None:
    return ans.Finding("low is not allowed") if answer.output.urgency == "low" else None


def fails(case: Any, answer: Any) -> None:
    raise ValueError("no source")


def says_true(case: Any, answer: Any) -> Any:
    return True


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (refuses_low, "refuses_low: low is not allowed"),
        (fails, "fails: it raised ValueError: no source"),
        (says_true, "says_true: it returned a bool"),
    ],
)
def test_an_answer_that_a_check_does_not_pass_is_rejected(ws: ans.Workspace, check: Any, reason: str) -> None:
    """What a check cannot judge is not let through either."""
    outcome = ws.decide(decision(returning(LOW), checks=[check]), {"number": "1"})

    assert (outcome.status, outcome.attempts[0].result) == ("escalated", "rejected")
    assert outcome.attempts[0].fault == "check"
    assert outcome.attempts[0].reason.startswith(reason)


def test_a_check_lets_the_next_decider_try(ws: ans.Workspace) -> None:
    """A finding is about one answer."""
    outcome = ws.decide(decision(returning(LOW), ans.default(HIGH), checks=[refuses_low]), {"number": "1"})

    assert outcome.output == HIGH


def test_a_sample_of_unmeasured_answers_is_reviewed(ws: ans.Workspace) -> None:
    """About half of them, by chance and not by their content."""
    made = decision(returning(LOW), unmeasured="sample:0.5")

    statuses = [ws.decide(made, {"number": str(i)}).status for i in range(60)]

    assert 10 < statuses.count("escalated") < 50


# -- admission --------------------------------------------------------------------------------------


def fussy_input() -> type[BaseModel]:
    class Fussy(BaseModel, extra="forbid"):
        number: Annotated[str, ans.Key]
        body: str = Field("", alias="Body")
        amount: int = 0
        sizes: list[int] = []

        @field_validator("body")
        @classmethod
        def no_secret(cls, value: str) -> str:
            """Say the value in the error, as people do."""
            if value.startswith("secret"):
                raise ValueError(f"{value} is not allowed")
            if value == "crash":
                raise KeyError(value)
            return value

    return Fussy


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "number: Field required"),
        ("text", "the input is a str"),
        (None, "the input is a NoneType"),
        ({"number": "1", "amount": "many"}, "amount: Input should be a valid integer"),
        ({"number": "1", "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"number": "1", "body": "secret-4711"}, "body: it breaks a rule of its own"),
        ({"number": "1", "body": "crash"}, "input: reading it raised KeyError"),
        ({"number": "1", "body": "x\ud800"}, "input.body: holds a lone surrogate"),
        ({"number": "1\ud800"}, "input.number: holds a lone surrogate"),
        ({"number": "1", "x\ud800": 1}, "Input should be a valid string"),
        ({"number": "1", "sizes": ["x"] * 100_000}, "and 99980 more"),
        ({"number": "1", "body": "x" * 20_000_000}, "more than 16,777,216 bytes"),
        ({1: 2}, "Keys should be strings"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_input_that_cannot_be_taken_is_refused_and_recorded(
    ws: ans.Workspace, given: Any, reason: str
) -> None:
    """The reason names the path and the rule, never the value."""
    outcome = ws.decide(decision(returning(LOW), input=fussy_input()), given)

    assert outcome.status == "refused"
    assert reason in outcome.reason
    assert "4711" not in outcome.reason
    assert len(outcome.reason) <= 2000
    assert ws.records(limit=1)[0]["fault"] == "invalid-input"


def test_an_input_made_without_validation_is_refused(ws: ans.Workspace) -> None:
    """`model_construct` checks nothing."""
    outcome = ws.decide(decision(returning(LOW)), Ticket.model_construct(body="x"))

    assert (outcome.status, outcome.reason) == ("refused", "number: Field required")


def test_a_refused_input_may_be_corrected_under_the_same_key(ws: ans.Workspace) -> None:
    """What was never decided burns no key."""
    made = decision(returning(LOW))

    assert ws.decide(made, {"number": "1", "body": 5}).status == "refused"
    assert ws.decide(made, {"number": "1", "body": "x\ud800"}).status == "refused"
    assert ws.decide(made, {"number": "1", "body": "5"}).status == "answered"


def test_an_input_is_taken_by_field_name_or_alias(ws: ans.Workspace) -> None:
    """A table has the one, a web form the other."""
    made = decision(lambda case: LOW if case.input.body == "x" else ans.Abstain(), input=fussy_input())

    assert ws.decide(made, {"number": "1", "body": "x"}).status == "answered"
    assert ws.decide(made, {"number": "2", "Body": "x"}).status == "answered"


def test_addresses_are_taken_as_their_text(ws: ans.Workspace) -> None:
    """A URL and an IP address are common in requests."""

    class Request(BaseModel):
        url: HttpUrl
        ip: IPv4Address

    made = decision(returning(LOW), input=Request)

    record = ws.decide(made, {"url": "https://example.com/a?b=1", "ip": "127.0.0.1"}).record_id

    assert ws.book.ledger.body(ws.ledger.get(ws.find(record)), "input") == {
        "url": "https://example.com/a?b=1",
        "ip": "127.0.0.1",
    }
    assert ws.why(record).data["input"] == {"url": "https://example.com/a?b=1", "ip": "[IP_1]"}


def test_more_cases_than_threads_are_all_answered(ws: ans.Workspace) -> None:
    """They wait for a free one, within their deadline."""

    def model(case: Any) -> Route:
        time.sleep(0.002)
        return LOW

    made = decision(model)

    async def main() -> list[ans.Outcome[Any]]:
        return await asyncio.gather(*(ws.adecide(made, {"number": str(n)}) for n in range(200)))

    assert {outcome.status for outcome in asyncio.run(main())} == {"answered"}


def test_fifteen_megabytes_of_input_are_taken(ws: ans.Workspace) -> None:
    """A large part lives in the blob store."""
    outcome = ws.decide(decision(ans.rule(returning(LOW))), {"number": "1", "body": "x" * 15_000_000})

    assert outcome.status == "answered"
    assert len(ws.why(outcome.record_id).data["input"]["body"]) == 15_000_000
