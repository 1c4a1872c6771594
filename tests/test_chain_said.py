"""Whatever user code says of a call, and whatever kept one from being made: the case goes on, and is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable import watch
from answerable.alerting import alerts
from remotes import fault, remote
from roads import HIGH, LOW, decision, memory

memory = pytest.fixture(memory)
TICKET = {"number": "1"}


class Vip(BaseModel):
    urgency: Literal["low", "high"]
    vip: bool = False


def test_a_withheld_field_is_not_filled_by_the_default_of_its_type(memory: ans.Workspace) -> None:
    """The model would not say whether it is a VIP: False would be an answer that nobody gave."""
    first, _ = remote(ans.Answer({"urgency": "low"}, withheld={"vip": "refusal"}))

    outcome = memory.decide(decision(first, ans.person(queue="q", within="4h"), output=Vip), TICKET)

    assert (outcome.status, outcome.proposal) == ("escalated", {"urgency": "low"})


@pytest.mark.parametrize(
    "said",
    [
        ans.Answer({"urgency": "purple"}, withheld={"team": "refusal"}),
        ans.Answer(LOW, withheld={"team": "refusal"}),
    ],
    ids=["an invalid value beside it", "answered all the same"],
)
def test_a_refusal_beside_another_fault_is_not_shopped_around(memory: ans.Workspace, said: Any) -> None:
    """Not by a repair, not by the next model."""
    first, script = remote(said)
    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(first, second, ans.default(HIGH)), TICKET)

    assert (outcome.output, script.hits, asked.hits) == (HIGH, 1, 0)


def test_a_check_that_wants_a_person_outweighs_one_before_it(memory: ans.Workspace) -> None:
    """All checks are asked."""

    def mild(case: Any, answer: Any) -> ans.Finding:
        return ans.Finding("odd")

    def strict(case: Any, answer: Any) -> ans.Finding:
        return ans.Finding("tries to instruct the model", then="person")

    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(lambda case: LOW, second, checks=[mild, strict]), TICKET)

    assert (outcome.status, asked.hits) == ("escalated", 0)


class Unfinished(ans.Faulted):
    """A subclass whose author forgot the base."""

    def __init__(self) -> None:
        Exception.__init__(self, "own")


def boom(case: Any) -> Any:
    raise KeyError("most")


def giving(make: Callable[[], Any]) -> Callable[[Any], Any]:
    """A step that makes what it gives when it is called; what that raises is the decider's."""
    return lambda case: make()


def throwing(make: Callable[[], Exception]) -> Callable[[Any], Any]:
    def call(case: Any) -> Any:
        raise make()

    return call


@pytest.mark.parametrize(
    ("step", "more"),
    [
        (LOW, {"most": boom}),
        (LOW, {"most": lambda case: "5"}),
        (giving(lambda: ans.Answer(LOW, usage={"cost": 5})), {}),  # type: ignore[arg-type]
        (giving(lambda: ans.Answer(LOW, calls=["m"])), {}),  # type: ignore[list-item]
        (throwing(lambda: ans.Faulted(fault("timeout"), calls=[1])), {}),  # type: ignore[list-item]
        (throwing(lambda: ans.Faulted(fault("timeout"), usage="x")), {}),  # type: ignore[arg-type]
        (throwing(Unfinished), {}),
        (throwing(lambda: ans.Faulted(fault("rate-limit", retry_after="5"))), {}),
        (throwing(lambda: ans.Faulted(fault("auth", code="\ud800"))), {}),
        (throwing(lambda: ans.Faulted(fault("quota", reason="\ud800"))), {}),
        (throwing(lambda: ans.Faulted(fault("auth", provider=5))), {}),
    ],
)
def test_whatever_a_decider_says_of_its_call_the_next_one_is_asked(
    memory: ans.Workspace, step: Any, more: dict[str, Any]
) -> None:
    """Nonsense about usage, calls, costs or faults is a fault of this attempt, and the case is recorded."""
    first, _ = remote(step, **more)

    outcome = memory.decide(decision(first, ans.default(HIGH)), TICKET)

    assert outcome.output == HIGH
    assert str(outcome.degraded).startswith("fault:")
    assert memory.why(outcome.record_id).data["attempts"][0]["result"] == "failed"


def test_our_own_shortage_is_not_held_against_a_provider(memory: ans.Workspace) -> None:
    """No thread was free: nothing was sent, nothing is charged, and the breaker stays closed."""
    memory._pool._size = 1
    go = threading.Event()
    hangs = ans.model(lambda case: go.wait(30), version="1", name="hangs", timeout=0.4)
    memory.decide(decision(hangs, ans.default(HIGH), name="full"), TICKET)
    first, script = remote(LOW, timeout=0.02)
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=1, per="ever")])

    outcomes = [memory.decide(limited, {"number": str(i)}) for i in range(6)]
    go.set()

    assert {o.degraded for o in outcomes} == {"fault:pool"}
    assert (script.hits, memory.breakers.states(), outcomes[0].attempts[0].usage.cost) == (0, [], 0)


def test_a_callers_short_deadline_is_not_held_against_a_provider(memory: ans.Workspace) -> None:
    """A call that was given three tenths of a second says nothing about who did not answer in them."""
    go = threading.Event()
    first, _ = remote(lambda case: go.wait(30) and LOW)
    made = decision(first, ans.default(HIGH))
    memory.book.register(made)

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda i: memory.decide(made, {"number": str(i)}, deadline=0.3), range(6)))
    go.set()

    assert {o.degraded for o in outcomes} == {"fault:deadline"}
    assert memory.breakers.states() == []


def test_what_is_left_of_a_call_is_its_own_timeout(memory: ans.Workspace) -> None:
    """A client that is given `case.remaining` ends before its thread is abandoned."""
    left: list[float] = []
    first, _ = remote(lambda case: left.append(case.remaining) or LOW, timeout=20)

    memory.decide(decision(first, deadline=60), TICKET)

    assert 0 < left[0] <= 20


def test_many_short_waits_at_once_do_not_open_the_breaker(memory: ans.Workspace) -> None:
    """Ten cases that a provider asks to wait for 50 ms wait, and are answered by it."""
    calls: dict[str, int] = {}

    def limited(case: Any) -> Any:
        calls[case.id] = calls.get(case.id, 0) + 1
        if calls[case.id] == 1:
            raise ans.Faulted(fault("rate-limit", retry_after=0.05))
        return LOW

    first, _ = remote(limited)
    made = decision(first, ans.default(HIGH))

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(lambda i: memory.decide(made, {"number": str(i)}), range(10)))

    assert {o.degraded for o in outcomes} == {None}
    assert memory.breakers.states() == []


def test_what_kept_a_call_from_being_repeated_is_not_what_went_wrong(memory: ans.Workspace) -> None:
    """The fifth failure opens the breaker within the third case: it is told of the failure."""
    first, _ = remote(fault("connect"))
    made = decision(first, ans.default(HIGH))

    outcomes = [memory.decide(made, {"number": str(i)}) for i in range(4)]

    assert [o.degraded for o in outcomes] == ["fault:connect"] * 3 + ["fault:circuit-open"]


def test_a_paused_provider_can_be_waited_for(memory: ans.Workspace) -> None:
    """A batch may rather wait than take the default, as its table says."""
    first, script = remote(fault("rate-limit", retry_after=0.3), LOW, name="limited")
    patient = {"rate-limit": {"told": 0}, "circuit-open": {"retry": 2, "patience": 2}}
    made = decision(first, ans.default(HIGH), faults=patient)

    outcomes = [memory.decide(made, {"number": str(i)}) for i in range(2)]

    assert [o.degraded for o in outcomes] == ["fault:rate-limit", None]
    assert script.times[1] - script.times[0] >= 0.25


def test_the_calls_of_a_failed_attempt_do_not_spoil_the_next_answer(memory: ans.Workspace) -> None:
    """Seventeen megabytes of messages: what was said is left out of the record, and what happened is not."""
    told = [{"kind": "model", "model": "m", "messages": "x" * 17_000_000}]
    first, _ = remote(throwing(lambda: ans.Faulted(fault("refusal"), calls=told)))

    outcome = memory.decide(decision(first, ans.default(HIGH)), TICKET)

    assert outcome.output == HIGH
    assert memory.outcome(outcome.record_id).attempts[0].calls[0]["model"] == "m"


def test_an_answer_given_elsewhere_may_be_partial_too(memory: ans.Workspace) -> None:
    """What its maker cut stands in the record."""
    made = decision(lambda case: LOW)

    outcome = memory.record(made, TICKET, ans.Answer(LOW, cut="cut body to 10 characters"), made_by="x@1")

    assert (outcome.degraded, outcome.attempts[0].notes) == ("input-cut", ("cut body to 10 characters",))


# -- decided anew -------------------------------------------------------------------------------------


def test_what_came_out_second_best_can_be_decided_anew(memory: ans.Workspace) -> None:
    """The provider is back: the same key gets a new record, which names the old one."""
    first, _ = remote(fault("auth"), LOW)
    made = decision(first, ans.default(HIGH))
    before = memory.decide(made, TICKET)

    again = memory.decide(made, TICKET)
    anew = memory.decide(made, TICKET, redo=True)

    assert (again.record_id, again.replayed) == (before.record_id, True)
    assert (anew.output, anew.degraded, anew.replayed) == (LOW, None, False)
    assert memory.decide(made, TICKET).record_id == anew.record_id
    assert memory.records()[0]["parent"] == before.record_id


def test_what_came_out_well_is_not_decided_anew(memory: ans.Workspace) -> None:
    """A whole file can be given again: only what a fault spoilt costs anything."""
    first, script = remote(LOW)
    made = decision(first)
    before = memory.decide(made, TICKET)

    anew = memory.decide(made, TICKET, redo=True)

    assert (anew.record_id, script.hits) == (before.record_id, 1)


def test_a_flagged_answer_can_be_found(memory: ans.Workspace) -> None:
    """By its fault, though it stands."""

    def odd(case: Any, answer: Any) -> ans.Finding:
        return ans.Finding("looks odd", then="flag")

    memory.decide(decision(lambda case: LOW, checks=[odd]), TICKET)

    assert [line["status"] for line in memory.records(where="fault = flagged")] == ["answered"]


def test_an_operator_hears_when_most_cases_come_out_second_best(memory: ans.Workspace) -> None:
    """Whatever the reason: here a bug that no provider has to do with."""

    def buggy(case: Any) -> Any:
        return case.no_such_thing

    made = decision(buggy, ans.default(HIGH))
    for number in range(25):
        memory.decide(made, {"number": str(number)})

    told = [memory.ledger.get(memory.find(line["record_id"])) for line in memory.records(kinds=("alert",))]
    whats = [memory.ledger.body(entry, "detail")["what"] for entry in told if entry is not None]

    assert any("of the last 20 cases failed or came out second best" in what for what in whats)


def test_what_is_no_decision_is_said_at_once(memory: ans.Workspace) -> None:
    """A name is none."""
    with pytest.raises(ans.UsageError, match="'route' is no decision"):
        memory.decide("route", TICKET)  # type: ignore[arg-type]


def told(ws: ans.Workspace) -> list[str]:
    """The alerts, oldest first."""
    return [line["status"] for line in reversed(ws.records(kinds=("alert",)))]


def test_a_call_that_succeeds_ends_the_alert_and_the_next_incident_is_told_anew(
    memory: ans.Workspace,
) -> None:
    """The key was renewed, and was revoked again."""
    first, _ = remote(fault("auth"), LOW, fault("auth"))
    made = decision(first, ans.default(HIGH))

    for number in range(3):
        memory.decide(made, {"number": str(number)})

    assert told(memory) == ["raised", "resolved", "raised"]


def test_an_alert_of_another_process_ends_too(tmp_path: Path) -> None:
    """The service was restarted with a new key."""
    with ans.Workspace(tmp_path / "home") as before:
        before.decide(decision(remote(fault("auth"))[0], ans.default(HIGH)), TICKET)
    with ans.Workspace(tmp_path / "home") as after:
        after.decide(decision(remote(LOW)[0], ans.default(HIGH)), {"number": "2"})

        assert told(after) == ["raised", "resolved"]


def test_a_breaker_that_opens_is_told_and_its_closing_too(
    memory: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five failures, a pause of 50 ms that counts as a long one here, and a probe that succeeds."""
    monkeypatch.setattr(watch, "SHORT_S", 0.0)
    first, _ = remote(*[fault("server-error")] * 5, LOW, breaker=ans.Breaker(pause=0.05))
    made = decision(first, ans.default(HIGH))

    for number in range(3):
        memory.decide(made, {"number": str(number)})
    time.sleep(0.1)
    memory.decide(made, {"number": "back"})

    assert told(memory) == ["raised", "resolved"]
    assert [line["status"] for line in memory.records(kinds=("breaker",))] == ["closed", "open"]


def test_a_provider_that_fails_every_other_call_is_not_told_of_for_ever(memory: ans.Workspace) -> None:
    """Each ending of its alert takes more successes in a row than the one before."""
    first, _ = remote(*[fault("auth"), LOW] * 60)
    made = decision(first, ans.default(HIGH))

    for number in range(120):
        memory.decide(made, {"number": str(number)})

    assert [status for status in told(memory) if status == "resolved"] == ["resolved"]


@pytest.mark.parametrize(
    "refuses",
    [
        fault("refusal"),
        ans.Answer({"urgency": "low"}, withheld={"team": "refusal"}),
    ],
)
def test_what_was_refused_is_never_decided_anew(memory: ans.Workspace, refuses: Any) -> None:
    """That would be a slow way of asking another model until one agrees."""
    first, _ = remote(refuses, fault("auth"))
    second, asked = remote(LOW, name="second")
    made = decision(first, second, ans.default(HIGH))
    before = memory.decide(made, TICKET)

    anew = memory.decide(made, TICKET, redo=True)

    assert (anew.record_id, asked.hits) == (before.record_id, 0)


def test_a_decision_that_comes_out_well_again_ends_its_alert(tmp_path: Path) -> None:
    """In another process than the one that raised it."""
    with ans.Workspace(tmp_path / "home") as before:
        made = decision(remote(fault("connect"))[0], ans.default(HIGH))
        for number in range(25):
            before.decide(made, {"number": f"a{number}"})
    with ans.Workspace(tmp_path / "home", dev=True) as after:
        made = decision(ans.rule(lambda case: LOW, name="well"))
        for number in range(25):
            after.decide(made, {"number": f"b{number}"})

        standing = [a.alert.key for a in alerts(after.journal) if a.status != "resolved"]

    assert "spoilt:route" not in standing


def test_a_key_whose_case_is_under_way_is_known(memory: ans.Workspace) -> None:
    """Its record is not there yet, and nobody should look for it in another home."""
    seen = []

    def looks(case: Any) -> Any:
        with pytest.raises(ans.HomeError, match="under way") as caught:
            memory.why(key="1")
        seen.append(caught.value.next_step)
        return LOW

    memory.decide(decision(remote(looks)[0]), TICKET)

    assert "answerable work" in seen[0]


def test_a_worse_answer_does_not_take_the_key(memory: ans.Workspace) -> None:
    """The answer that was acted on stays the key's; what the second try came to is linked to it."""
    first, _ = remote(fault("auth"))
    second, _ = remote(LOW, fault("auth"), HIGH, name="second")
    made = decision(first, second)
    before = memory.decide(made, TICKET)

    anew = memory.decide(made, TICKET, redo=True)

    assert (anew.record_id, anew.output) == (before.record_id, LOW)
    assert memory.decide(made, TICKET).record_id == before.record_id
    assert [line["status"] for line in memory.records()] == ["failed", "answered"]


def test_an_open_case_that_is_decided_anew_waits_no_more(memory: ans.Workspace) -> None:
    """Two answers must not stand for one key: a person who comes later is late."""
    first, _ = remote(ans.Abstain("not today"), LOW)
    made = decision(first)
    open_case = memory.decide(made, TICKET)

    anew = memory.decide(made, TICKET, redo=True)
    memory.resolve(made, open_case.record_id, HIGH, principal="user:late")

    assert (open_case.status, anew.output) == ("escalated", LOW)
    assert memory.decide(made, TICKET).output == LOW
    assert [e["status"] for e in memory.records(kinds=("opinion",))] == ["late"]


def test_a_person_who_answers_meanwhile_wins(memory: ans.Workspace) -> None:
    """The redone case finds its place taken, and returns what the person said."""
    waiting: list[str] = []

    def slow(case: Any) -> Any:
        memory.resolve(made, waiting[0], HIGH, principal="user:quick")
        return LOW

    first, _ = remote(ans.Abstain("not today"), slow)
    made = decision(first)
    waiting.append(memory.decide(made, TICKET).record_id)

    anew = memory.decide(made, TICKET, redo=True)

    assert (anew.record_id, anew.output) == (waiting[0], HIGH)


def test_a_refusal_is_not_forgotten_over_another_fault(memory: ans.Workspace) -> None:
    """A table that asks again after a refusal does not open the way to another model."""
    first, _ = remote(fault("refusal"), fault("timeout"))
    second, asked = remote(LOW, name="second")

    outcome = memory.decide(decision(first, second, faults={"refusal": {"retry": 1}}), TICKET)

    assert (outcome.status, asked.hits) == ("escalated", 0)


def test_a_hang_counts_even_where_the_caller_has_little_time(memory: ans.Workspace) -> None:
    """More than a second is enough for a call: five hangs open the breaker."""
    go = threading.Event()
    first, _ = remote(lambda case: go.wait(30) and LOW)
    made = decision(first, ans.default(HIGH))
    memory.book.register(made)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda i: memory.decide(made, {"number": str(i)}, deadline=1.6), range(5)))
    go.set()

    assert [one.fault for one in memory.breakers.states()] == ["timeout"]


def test_cases_that_a_person_gets_because_of_a_fault_are_counted_too(memory: ans.Workspace) -> None:
    """Escalations hide an outage; callers who give up do not make one."""
    first, _ = remote(fault("connect"))
    made = decision(first, ans.person(queue="q", within="1h"))

    for number in range(25):
        memory.decide(made, {"number": str(number)})

    assert "spoilt:route" in {a.alert.key for a in alerts(memory.journal)}
