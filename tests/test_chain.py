"""One attempt may be several calls: the table says how many, the deadline how long, and the record tells all."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import answerable as ans
from remotes import fault, remote, used
from roads import HIGH, LOW, decision, memory

memory = pytest.fixture(memory)
TICKET = {"number": "1"}
SOON_S = 10.0  # at once, on a machine that stalls now and then


def test_a_short_wait_is_waited_and_the_answer_is_not_second_best(memory: ans.Workspace) -> None:
    """A rate limit of 50 ms: the same decider is asked again after it, and nothing is degraded."""
    first, script = remote(fault("rate-limit", retry_after=0.05), LOW)

    outcome = memory.decide(decision(first, ans.default(HIGH)), TICKET)

    assert (outcome.output, outcome.degraded, script.hits) == (LOW, None, 2)
    assert script.times[1] - script.times[0] >= 0.05


def test_a_wait_beyond_what_is_left_is_not_waited(memory: ans.Workspace) -> None:
    """Thirty seconds of a deadline of twenty: the next decider answers at once."""
    first, script = remote(fault("rate-limit", retry_after=30))
    began = time.monotonic()

    outcome = memory.decide(decision(first, ans.default(HIGH), deadline=20), TICKET)

    assert time.monotonic() - began < SOON_S
    assert (outcome.output, outcome.degraded, script.hits) == (HIGH, "fault:rate-limit", 1)


def test_the_wait_of_the_present_reply_counts(memory: ans.Workspace) -> None:
    """A provider that asks for more each time is waited for as long as it asks each time."""
    first, script = remote(fault("rate-limit", retry_after=0.02), fault("rate-limit", retry_after=0.08), LOW)

    outcome = memory.decide(decision(first), TICKET)

    gaps = [b - a for a, b in zip(script.times, script.times[1:], strict=False)]
    waited = [call["waited_us"] for call in outcome.attempts[0].calls]
    assert gaps[0] >= 0.02 and gaps[1] >= 0.08
    assert 20_000 <= waited[0] < 80_000 <= waited[1]  # as it was planned: a machine may be slower


@pytest.mark.parametrize(
    ("category", "hits"), [("server-error", 2), ("quota", 1), ("auth", 1), ("timeout", 1)]
)
def test_the_table_says_how_often_a_decider_is_asked_again(
    memory: ans.Workspace, category: str, hits: int
) -> None:
    """A dead server once more; a used-up quota or a bad key never."""
    first, script = remote(fault(category))

    outcome = memory.decide(decision(first, ans.default(HIGH)), TICKET)

    assert (outcome.output, outcome.degraded, script.hits) == (HIGH, f"fault:{category}", hits)


def test_a_decision_changes_single_rows_of_the_table(memory: ans.Workspace) -> None:
    """Three more tries for a server error, as this decision wants it."""
    first, script = remote(fault("server-error"))

    memory.decide(decision(first, ans.default(HIGH), faults={"server-error": {"retry": 3}}), TICKET)

    assert script.hits == 4


def test_a_decider_learns_what_went_wrong_before(memory: ans.Workspace) -> None:
    """So that it can repair, cut or ask for more; each attempt begins anew."""
    first, script = remote(fault("invalid", reply="{"), LOW)

    memory.decide(decision(first), TICKET)

    assert [[f.category for f in case.faults] for case in script.cases] == [[], ["invalid"]]
    assert script.cases[1].faults[0].reply == "{"


def test_every_call_is_in_the_record(memory: ans.Workspace) -> None:
    """Failed ones with their fault, how long they took and how long was waited."""
    first, _ = remote(fault("overloaded", status=529, code="overloaded_error", request_id="r1"), used(7, 3))

    outcome = memory.decide(decision(first), TICKET)

    (attempt,) = memory.outcome(outcome.record_id).attempts
    (failed,) = attempt.calls
    assert (failed["fault"], failed["status"], failed["code"], failed["request_id"]) == (
        "overloaded",
        529,
        "overloaded_error",
        "r1",
    )
    assert failed["latency_us"] >= 0 <= failed["waited_us"]
    assert (attempt.usage.cost, attempt.usage.tokens_in) == (7, 3)


def test_a_refusal_is_never_shopped_around(memory: ans.Workspace) -> None:
    """No other model is asked; the declared default answers."""
    first, _ = remote(fault("refusal"))
    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(first, second, ans.default(HIGH)), TICKET)

    assert (outcome.output, outcome.degraded, asked.hits) == (HIGH, "fault:refusal", 0)


def test_a_refusal_waits_for_a_person_where_nothing_is_declared(memory: ans.Workspace) -> None:
    """It is escalated, not failed: somebody has to look at it."""
    first, _ = remote(fault("content-filter"))
    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(first, second), TICKET)

    assert (outcome.status, asked.hits) == ("escalated", 0)


def test_a_field_that_was_withheld_goes_to_the_default_and_the_others_stay(memory: ans.Workspace) -> None:
    """One of several questions refused: no other model for it, and what was answered stands."""
    first, _ = remote(ans.Answer({"urgency": "low"}, withheld={"team": "refusal"}))
    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(first, second, ans.default(HIGH)), TICKET)

    assert outcome.output is not None
    assert (outcome.output.urgency, outcome.output.team, asked.hits) == ("low", "b", 0)
    assert outcome.attempts[0].notes == ("team: the model refused to answer",)


def test_a_rejected_request_goes_to_nobody_else_outside(memory: ans.Workspace) -> None:
    """Our own mistake would be a mistake elsewhere too; what runs here may still answer."""
    first, _ = remote(fault("rejected"))
    second, asked = remote(LOW, name="second")
    here = ans.model(lambda case: HIGH, version="1", name="here")

    outcome = memory.decide(decision(first, second, here), TICKET)

    assert (outcome.decider, asked.hits) == ("here@1", 0)


def test_a_foreign_exception_goes_through_the_same_table(memory: ans.Workspace) -> None:
    """A callable that is not known to leave the machine is asked again too."""
    script: Any = [ConnectionRefusedError("no"), None]
    seen = []

    def calls_out(case: Any) -> Any:
        seen.append(case)
        if (exc := script[len(seen) - 1]) is not None:
            raise exc
        return LOW

    outcome = memory.decide(decision(calls_out), TICKET)

    assert (outcome.output, outcome.degraded, len(seen)) == (LOW, None, 2)


def test_a_call_that_failed_may_not_change_the_input_of_the_next(memory: ans.Workspace) -> None:
    """The second call sees the input as it is recorded."""
    bodies = []

    def careless(case: Any) -> Any:
        bodies.append(case.input.body)
        case.input.body = "changed"
        if len(bodies) == 1:
            raise ConnectionResetError("broken")
        return LOW

    memory.decide(decision(careless), {"number": "1", "body": "given"})

    assert bodies == ["given", "given"]


def test_a_hanging_call_ends_at_its_timeout_and_the_case_at_its_deadline(memory: ans.Workspace) -> None:
    """The next decider still has time."""
    go = threading.Event()
    first, _ = remote(lambda case: go.wait(30), timeout=0.1)
    second, _ = remote(LOW, name="second")
    began = time.monotonic()

    outcome = memory.decide(decision(first, second, deadline=20), TICKET)
    took = time.monotonic() - began
    go.set()

    assert took < SOON_S
    assert (outcome.output, outcome.degraded) == (LOW, "fault:timeout")


def test_waiting_does_not_block_the_loop() -> None:
    """In async code twenty cases wait for their retry side by side."""

    async def all_at_once() -> float:
        with ans.Workspace("memory:") as ws:
            made = [
                decision(remote(fault("rate-limit", retry_after=0.8), LOW, name=f"p{i}")[0], name=f"d-{i}")
                for i in range(20)
            ]
            for one in made:
                ws.book.register(one)
            began = time.monotonic()
            outcomes = await asyncio.gather(*(ws.adecide(one, TICKET) for one in made))
            assert {o.status for o in outcomes} == {"answered"}
            return time.monotonic() - began

    assert asyncio.run(all_at_once()) < 12  # one after the other it would be sixteen seconds


def test_a_dead_primary_is_left_alone(memory: ans.Workspace) -> None:
    """Twenty cases: the breaker opens after five calls, and the second model answers all of them."""
    first, script = remote(fault("server-error"))
    second, _ = remote(LOW, name="second")

    outcomes = [memory.decide(decision(first, second), {"number": str(i)}) for i in range(20)]

    assert {o.decider for o in outcomes} == {"second@1"}
    assert script.hits == 5
    assert outcomes[-1].degraded == "fault:circuit-open"
    assert [e["status"] for e in memory.records(kinds=("breaker",))] == ["open"]


def test_what_an_operator_must_know_is_told_once(memory: ans.Workspace) -> None:
    """A bad key falls back, and shouts: one alert for ten cases."""
    first, _ = remote(fault("auth", code="invalid_api_key"))

    outcomes = [memory.decide(decision(first, ans.default(HIGH)), {"number": str(i)}) for i in range(10)]

    assert {o.degraded for o in outcomes} == {"fault:auth"}
    assert len(memory.records(kinds=("alert",))) == 1


def test_what_a_provider_generates_may_come_out_better_the_second_time(memory: ans.Workspace) -> None:
    """An answer that is none is asked for again where somebody generates it, not where code computes it."""
    first, script = remote({"urgency": "purple"}, LOW)
    computed = []

    def computes(case: Any) -> Any:
        computed.append(case)
        return {"urgency": "purple"}

    generated = memory.decide(decision(first, name="generated"), TICKET)
    memory.decide(decision(computes, name="computed"), TICKET)

    assert (generated.output, script.hits, len(computed)) == (LOW, 2, 1)
    assert [f.category for f in script.cases[1].faults] == ["invalid"]


def test_a_provider_that_gives_nothing_usable_is_left_alone(memory: ans.Workspace) -> None:
    """Invalid output opens the breaker too."""
    first, script = remote({"urgency": "purple"})

    for number in range(10):
        memory.decide(decision(first, ans.default(HIGH)), {"number": str(number)})

    assert script.hits == 5


def test_a_callable_of_which_nothing_is_known_shouts_too(memory: ans.Workspace) -> None:
    """A bad key raised inside existing code: an operator hears of it once."""

    def calls_out(case: Any) -> Any:
        raise ans.Faulted(fault("auth"))

    for number in range(3):
        memory.decide(decision(calls_out, ans.default(HIGH)), {"number": str(number)})

    assert len(memory.records(kinds=("alert",))) == 1


def test_second_best_answers_are_found(memory: ans.Workspace) -> None:
    """By what made them so."""
    first, _ = remote(fault("auth"))
    memory.decide(decision(first, ans.default(HIGH)), TICKET)
    memory.decide(decision(ans.rule(lambda case: LOW, name="fine"), name="fine"), {"number": "2"})

    found = memory.records(where="degraded = 'fault:auth'")

    assert [line["degraded"] for line in found] == ["fault:auth"]


def test_a_decider_cannot_say_what_is_not_its_to_say(memory: ans.Workspace) -> None:
    """A category of the whole case counts as an exception."""
    first, _ = remote(fault("denied"))

    outcome = memory.decide(decision(first, ans.default(HIGH)), TICKET)

    assert outcome.degraded == "fault:exception"


def test_a_flag_is_noted_beside_an_answer_that_stands(memory: ans.Workspace) -> None:
    """The finding rejects nothing."""

    def odd(case: Any, answer: Any) -> ans.Finding:
        return ans.Finding("looks odd", then="flag")

    outcome = memory.decide(decision(lambda case: LOW, checks=[odd]), TICKET)

    assert (outcome.status, outcome.attempts[0].notes) == ("answered", ("flag: odd: looks odd",))


def test_a_check_can_ask_for_a_person(memory: ans.Workspace) -> None:
    """No other decider is asked, however sure it is."""

    def suspicious(case: Any, answer: Any) -> ans.Finding:
        return ans.Finding("tries to instruct the model", then="person")

    second, asked = remote(LOW, name="second")
    told = decision(lambda case: LOW, second, ans.person(queue="q", within="1h"), checks=[suspicious])

    outcome = memory.decide(told, TICKET)

    assert (outcome.status, asked.hits) == ("escalated", 0)
    assert outcome.attempts[0].fault == "check"


def test_secrets_in_an_exception_do_not_reach_the_record(memory: ans.Workspace) -> None:
    """The type and what is harmless of its text do."""

    def fails(case: Any) -> Any:
        raise RuntimeError(
            "cannot reach postgresql://app:hunter2@db/x with key sk-proj-abcdefghijklmnopqrstuvwx"
        )

    outcome = memory.decide(decision(fails), TICKET)

    assert "RuntimeError" in outcome.attempts[0].reason
    assert "hunter2" not in outcome.attempts[0].reason
    assert "abcdefghijklmnop" not in str(memory.why(outcome.record_id).data)


def test_what_happens_is_counted(memory: ans.Workspace) -> None:
    """Calls, retries and outcomes, for whoever scrapes them."""
    first, _ = remote(fault("server-error"), used(5, 2))
    memory.decide(decision(first), TICKET)

    text = memory.counters.text()

    assert 'answerable_calls_total{provider="primary",model="m",result="server-error"} 1' in text
    assert 'answerable_retries_total{decider="primary",category="server-error"} 1' in text
