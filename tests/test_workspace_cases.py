"""A case is answered once under its key, and an escalated one is ended once: by a person or by the clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.resolving import expire
from workspaces import (
    HIGH,
    KINDS,
    LOW,
    MICRO,
    ROUTE,
    Clock,
    Route,
    Ticket,
    decision,
    entries,
    memory,
    on_each_journal,
    standing_clock,
    words,
)

ws = pytest.fixture(name="ws")(memory)
any_ws = pytest.fixture(name="any_ws", params=KINDS)(on_each_journal)
clock = pytest.fixture(name="clock")(standing_clock)


# -- keys -------------------------------------------------------------------------------------------


def test_the_same_key_and_input_return_the_recorded_outcome(any_ws: ans.Workspace) -> None:
    """A retry makes no second record."""
    first = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    again = any_ws.decide(ROUTE, Ticket(number="1", body="hacked"))

    assert again == replace(first, replayed=True)
    assert len(any_ws.records()) == 1


def test_the_same_key_with_another_input_is_refused_to_the_caller(any_ws: ans.Workspace) -> None:
    """The error names the record that has the key."""
    first = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"})

    with pytest.raises(ans.KeyReused) as caught:
        any_ws.decide(ROUTE, {"number": "1", "body": "other"})

    assert first.record_id in caught.value.next_step
    assert len(any_ws.records()) == 1


def test_text_with_nul_is_recorded_like_any_other(any_ws: ans.Workspace) -> None:
    """In the input, the key and a label, on every database."""

    class Free(BaseModel):
        label: str

    made = decision(
        ans.rule(lambda case: Free(label="a\0b"), name="nul"), output=Free, label="label", name="nul"
    )

    outcome = any_ws.decide(made, {"number": "1\0", "body": "x\0y"})

    assert outcome.output == Free(label="a\0b")
    assert any_ws.outcome(outcome.record_id, made) == outcome
    assert any_ws.why(key="1\0").data["input"] == {"number": "1\0", "body": "x\0y"}


def test_an_explicit_key_goes_before_the_inputs(ws: ans.Workspace) -> None:
    """The caller may know the case by another name."""
    ws.decide(ROUTE, {"number": "1", "body": "hacked"}, key="T-1")

    assert ws.why(key="T-1").data["key"] == "T-1"
    assert not ws.decide(ROUTE, {"number": "1", "body": "hacked"}).replayed


def test_several_key_fields_cannot_be_confused(ws: ans.Workspace) -> None:
    """ "a|b" and "c" are another key than "a" and "b|c"."""

    class Line(BaseModel):
        order: Annotated[str, ans.Key]
        line: Annotated[str, ans.Key]

    made = decision(ans.rule(lambda case: LOW, name="low"), input=Line, name="lines")

    first = ws.decide(made, {"order": "a|b", "line": "c"})
    second = ws.decide(made, {"order": "a", "line": "b|c"})

    assert not second.replayed
    assert ws.why(key="a\\|b|c").data["record_id"] == first.record_id


def test_a_key_expires(ws: ans.Workspace, clock: Clock) -> None:
    """After that time the same key is a new case."""
    made = decision(ans.default(LOW), keep_key="1d")
    first = ws.decide(made, {"number": "1"})

    clock.at += 86_399 * MICRO
    within = ws.decide(made, {"number": "1"})
    clock.at += 1 * MICRO
    after = ws.decide(made, {"number": "1", "body": "other"})

    assert within.replayed
    assert (after.replayed, after.record_id == first.record_id) == (False, False)


def test_a_case_that_nobody_could_answer_may_be_asked_again(ws: ans.Workspace) -> None:
    """A retry after an outage is not a replay of it."""
    down = [True]

    def model(case: Any) -> Any:
        if down[0]:
            raise ConnectionError("refused")
        return LOW

    made = decision(ans.model(model, version="1"), unmeasured="accept")
    first = ws.decide(made, {"number": "1"})
    down[0] = False

    assert first.status == "failed"
    assert ws.decide(made, {"number": "1"}).output == LOW


def test_a_failed_case_is_replaced_when_the_clock_goes_back(ws: ans.Workspace, clock: Clock) -> None:
    """It holds its key at no time; the answer does from then on."""
    down = [True]

    def model(case: Any) -> Any:
        if down[0]:
            raise ConnectionError("refused")
        return LOW

    made = decision(ans.model(model, version="1"), unmeasured="accept")
    ws.decide(made, {"number": "1"})
    down[0] = False
    clock.at -= 3600 * MICRO

    answered = ws.decide(made, {"number": "1"})
    clock.at += 3600 * MICRO

    assert (answered.status, answered.replayed) == ("answered", False)
    assert ws.decide(made, {"number": "1"}).record_id == answered.record_id


def test_a_slow_good_answer_stands_against_a_rival_that_failed_meanwhile(tmp_path: Path) -> None:
    """Two processes ask the same: the failed one is found first and still does not keep the key."""
    failed = threading.Event()

    def answers(case: Any) -> Route:
        failed.wait(60)
        return LOW

    def fails(case: Any) -> Route:
        raise ConnectionError("refused")

    run = [answers]
    made = decision(ans.model(lambda case: run[0](case), version="1", name="m"), unmeasured="accept")
    with ans.Workspace(tmp_path / "home") as mine, ans.Workspace(tmp_path / "home") as other:
        mine.book.register(made)
        with ThreadPoolExecutor() as pool:
            begun = threading.Event()

            def slow(case: Any) -> Route:
                begun.set()
                return answers(case)

            run[0] = slow
            asked = pool.submit(mine.decide, made, {"number": "1"})
            begun.wait(60)
            run[0] = fails
            assert other.decide(made, {"number": "1"}).status == "failed"
            failed.set()

            assert asked.result().output == LOW
        assert other.decide(made, {"number": "1"}).record_id == asked.result().record_id


def slow_model(case: Any) -> Route:
    time.sleep(0.02)
    return LOW


SLOW = decision(ans.model(slow_model, version="1"), unmeasured="accept", name="slow")


def test_duplicates_in_flight_make_one_record(any_ws: ans.Workspace) -> None:
    """Over threads and tasks together: the others wait and get the same outcome."""

    def one(number: int) -> str:
        return any_ws.decide(SLOW, {"number": str(number % 3)}).record_id

    async def many() -> list[str]:
        made = [any_ws.adecide(SLOW, {"number": str(n % 3)}) for n in range(15)]
        return [outcome.record_id for outcome in await asyncio.gather(*made)]

    with ThreadPoolExecutor(8) as pool:
        tasks = pool.submit(lambda: asyncio.run(many()))
        ids = {*pool.map(one, range(24)), *tasks.result(20)}

    assert len(ids) == 3
    assert len(any_ws.records()) == 3


RIVAL = """
import sys; sys.path[:0] = {path!r}
from typing import Annotated
from pydantic import BaseModel
import answerable as ans
class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
class Route(BaseModel):
    urgency: str
d = ans.Decision(name="d", version="1", question="q", input=Ticket, output=Route, owner="o", purpose="p",
    stakes=ans.Stakes("USD", wrong=1, review=1), deciders=[ans.rule("'low'", field="urgency")])
with ans.Workspace({home!r}) as ws:
    print("ready", flush=True); sys.stdin.readline()
    print(*(ws.decide(d, {{"number": str(n)}}).record_id for n in range(30)))
"""


def test_two_processes_make_one_record_of_a_key(tmp_path: Path) -> None:
    """The loser of a race returns the winner's outcome, and one definition is recorded."""
    ans.Workspace(tmp_path).close()
    program = RIVAL.format(path=sys.path, home=str(tmp_path))
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"

    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    first, second = (rival.communicate(timeout=200)[0].split() for rival in rivals)

    assert first == second
    assert len(set(first)) == 30
    with ans.Workspace(tmp_path) as ws:
        assert len(entries(ws, "decision")) == 30
        assert len(entries(ws, "definition")) == 1


# -- a person and the clock -------------------------------------------------------------------------


def test_a_person_ends_an_escalated_case(any_ws: ans.Workspace) -> None:
    """The outcome as it stands now is the person's, and the attempts stay."""
    waiting = any_ws.decide(ROUTE, {"number": "1"})

    ended = any_ws.resolve(
        ROUTE, waiting.record_id, {"urgency": "high"}, principal="user:ann", reason="I called"
    )

    assert (waiting.status, waiting.output) == ("escalated", None)
    assert waiting.due is not None
    assert (ended.status, ended.output, ended.decider) == ("answered", HIGH, "person:user:ann")
    assert ended.attempts == waiting.attempts
    assert any_ws.outcome(waiting.record_id, ROUTE) == ended
    assert any_ws.decide(ROUTE, {"number": "1"}) == replace(ended, replayed=True)


def test_the_first_resolution_wins_and_later_ones_are_opinions(any_ws: ans.Workspace) -> None:
    """Under eight threads at once there is exactly one."""
    waiting = any_ws.decide(ROUTE, {"number": "1"})

    def say(n: int) -> Any:
        told = HIGH if n % 2 else LOW
        return any_ws.resolve(ROUTE, waiting.record_id, told, principal=f"user:{n}").decider

    with ThreadPoolExecutor(8) as pool:
        deciders = set(pool.map(say, range(8)))

    assert len(deciders) == 1
    assert len(entries(any_ws, "resolution")) == 1
    assert len(entries(any_ws, "opinion")) == 7
    assert [r["kind"] for r in any_ws.why(waiting.record_id).data["reviews"]].count("opinion") == 7


def test_when_the_time_is_over_the_fallback_stands(ws: ans.Workspace, clock: Clock) -> None:
    """Once, not before, and a later person is an opinion."""
    waiting = ws.decide(ROUTE, {"number": "1"})

    early = expire(ws.book, now=clock.at + 4 * 3600 * MICRO - 1)
    due = expire(ws.book, now=clock.at + 4 * 3600 * MICRO)
    again = expire(ws.book, now=clock.at + 9 * 3600 * MICRO)
    late = ws.resolve(ROUTE, waiting.record_id, HIGH, principal="user:ann")

    assert (early, due, again) == (0, 1, 0)
    assert (late.output, late.decider, late.degraded) == (LOW, "default", "expired")


def test_a_case_without_a_fallback_stays_open(ws: ans.Workspace, clock: Clock) -> None:
    """`then=None` says so."""
    made = decision(ans.person(queue="q", within=1))
    waiting = ws.decide(made, {"number": "1"})

    assert expire(ws.book, now=clock.at + 99 * MICRO) == 0
    assert ws.resolve(made, waiting.record_id, HIGH, principal="user:ann").output == HIGH


def test_an_escalated_case_without_a_person_can_be_resolved(ws: ans.Workspace) -> None:
    """It waits in no queue, but it waits."""
    waiting = ws.decide(decision(ans.rule(words)), {"number": "1"})

    ended = ws.resolve(decision(ans.rule(words)), waiting.record_id, LOW, principal="user:ann")

    assert (waiting.status, ended.status) == ("escalated", "answered")


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ({}, "urgency: Field required"),
        ({"urgency": "hihg"}, "urgency: Input should be 'low' or 'high'"),
        (None, "valid dictionary"),
    ],
)
def test_a_persons_answer_is_checked_too(ws: ans.Workspace, output: Any, what: str) -> None:
    """A wrong one changes nothing."""
    waiting = ws.decide(ROUTE, {"number": "1"})

    with pytest.raises(ans.UsageError, match=what):
        ws.resolve(ROUTE, waiting.record_id, output, principal="user:ann")

    assert ws.outcome(waiting.record_id).status == "escalated"


def test_only_a_case_of_that_decision_that_waits_is_resolved(ws: ans.Workspace) -> None:
    """An answered case has nothing to end, and another decision's output does not fit."""
    answered = ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    waiting = ws.decide(ROUTE, {"number": "2"})
    other = decision(name="other")

    with pytest.raises(ans.UsageError, match="never waited for a person"):
        ws.resolve(ROUTE, answered.record_id, LOW, principal="user:ann")
    with pytest.raises(ans.UsageError, match="no case of other"):
        ws.resolve(other, waiting.record_id, LOW, principal="user:ann")
