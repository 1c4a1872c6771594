"""A workspace records, explains and finds every case, and says what is wrong with a call."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.interrupted import end_interrupted
from remotes import MOST, fault, remote
from workspaces import (
    HIGH,
    KINDS,
    LOW,
    MICRO,
    ROUTE,
    Route,
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


# -- answers made elsewhere -------------------------------------------------------------------------


def test_an_answer_made_elsewhere_is_recorded_with_what_it_read_and_said(any_ws: ans.Workspace) -> None:
    """Existing code gets records and *why* without being rewritten."""
    outcome = any_ws.record(
        ROUTE,
        {"number": "1"},
        {"urgency": "high"},
        made_by="legacy@7",
        reads=[{"source": "crm", "rows": 1}],
        messages=[{"role": "user", "content": "Is it urgent?"}],
        usage=ans.Usage(cost=1200, tokens_in=5, model="gpt"),
        principal="service:web",
    )

    why = any_ws.why(outcome.record_id).data
    assert (outcome.status, outcome.decider, outcome.output) == ("answered", "legacy@7", HIGH)
    assert why["reads"] == [{"source": "crm", "rows": 1}]
    assert why["attempts"][0]["calls"] == [{"role": "user", "content": "Is it urgent?"}]
    assert why["cost"] == 1200
    assert why["principal"]["id"] == "service:web"


def test_an_answer_made_elsewhere_passes_the_checks(ws: ans.Workspace) -> None:
    """One that a check rejects is escalated, and can be resolved."""

    def not_high(case: Any, answer: Any) -> ans.Finding | None:
        return ans.Finding("high needs a reason") if answer.output.urgency == "high" else None

    made = decision(checks=[not_high])

    outcome = ws.record(made, {"number": "1"}, HIGH, made_by="legacy@7")

    assert (outcome.status, outcome.proposal["urgency"]) == ("escalated", "high")  # type: ignore[index]
    assert ws.why(outcome.record_id).data["checks"][0]["reason"] == "not_high: high needs a reason"
    assert ws.resolve(made, outcome.record_id, LOW, principal="user:ann").output == LOW


@pytest.mark.parametrize("made_by", ["legacy", "@1", "legacy@", "a\0@1"])
def test_what_made_an_answer_has_a_name_and_a_version(ws: ans.Workspace, made_by: str) -> None:
    """Records name it as name@version."""
    with pytest.raises(ans.UsageError, match="made_by"):
        ws.record(ROUTE, {"number": "1"}, LOW, made_by=made_by)


# -- truth ------------------------------------------------------------------------------------------


def test_truth_comes_by_key_or_record_and_in_parts(any_ws: ans.Workspace) -> None:
    """Later parts add to earlier ones and replace them."""
    outcome = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"})

    any_ws.truth(ROUTE, key="1", source="agent", urgency="low")
    any_ws.truth(
        "route", record=outcome.record_id, source="chargeback", fields={"urgency": "high", "vip": True}
    )

    why = any_ws.why(key="1").data
    assert why["truth"] == {"urgency": "high", "vip": True}
    assert [t["source"] for t in why["truths"]] == ["agent", "chargeback"]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("vip", "true", True),
        ("vip", "FALSE", False),
        ("vip", 1, True),
        ("urgency", "HIGH", "high"),
        ("score", "12", 12),
        ("score", "1.5", 1.5),
        ("score", 2, 2),
    ],
)
def test_truth_from_a_file_becomes_what_the_field_holds(
    ws: ans.Workspace, field: str, text: Any, value: Any
) -> None:
    """Text stands for the flag, the class or the number."""
    ws.decide(ROUTE, {"number": "1", "body": "hacked"})

    ws.truth(ROUTE, key="1", source="file", fields={field: text})

    told = ws.why(key="1").data["truth"][field]
    assert (told, type(told)) == (value, type(value))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"fields": {"urgenci": "low"}}, "did you mean 'urgency'"),
        ({"fields": {"urgency": "hihg"}}, "did you mean 'high'"),
        ({"fields": {"vip": "perhaps"}}, "vip cannot be 'perhaps'"),
        ({"fields": {"score": "many"}}, "score cannot be 'many'"),
        ({"fields": {"score": "nan"}}, "score cannot be 'nan'"),
        ({"fields": {}}, "names no field"),
        ({"source": ""}, "source of a truth"),
        ({"source": "a\nb"}, "source of a truth"),
        ({"key": None}, "about one case"),
        ({"decision": "other"}, "no record with the key '1'"),
        ({"key": "2"}, "no record with the key '2'"),
    ],
)
def test_a_truth_that_fits_nothing_is_refused(ws: ans.Workspace, changes: dict[str, Any], what: str) -> None:
    """The error names what was meant."""
    ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    sound: dict[str, Any] = {"decision": ROUTE, "key": "1", "source": "agent", "fields": {"urgency": "low"}}

    with pytest.raises(ans.AnswerableError, match=what):
        ws.truth(**sound | changes)

    assert entries(ws, "truth") == []


# -- finding and explaining -------------------------------------------------------------------------


def test_a_record_is_found_by_id_by_last_and_by_key(any_ws: ans.Workspace) -> None:
    """All three lead to the same story."""
    any_ws.decide(ROUTE, {"number": "0"})
    outcome = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"})

    found = [any_ws.why(outcome.record_id), any_ws.why("last"), any_ws.why(), any_ws.why(key="1")]

    assert {why.data["record_id"] for why in found} == {outcome.record_id}


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"record": "last"}, "has no record yet"),
        ({"record": "01a205aa-9dae-7e23-8e8b-535461eca81e"}, "no record 01a205aa"),
        ({"key": "T-1"}, "no record with the key 'T-1' is in the home"),
        ({"record": "T-1"}, "'T-1' is no record id"),
    ],
)
def test_what_is_not_there_is_said_with_the_home_that_was_searched(
    ws: ans.Workspace, question: dict[str, str], what: str
) -> None:
    """Nobody looks twice in the wrong place."""
    with pytest.raises(ans.AnswerableError, match=what):
        ws.why(**question)


def test_a_key_that_two_decisions_know_needs_the_decision(ws: ans.Workspace) -> None:
    """Guessing would tell the wrong story."""
    other = decision(name="other")
    ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    second = ws.decide(other, {"number": "1", "body": "hacked"})

    with pytest.raises(ans.UsageError, match="several decisions know the key '1'"):
        ws.why(key="1")
    assert ws.why(key="1", decision="other").data["record_id"] == second.record_id


DESIGN_KEYS = {
    "record_id", "decision", "at", "principal", "purpose", "input", "reads", "attempts", "checks", "output",
    "status", "degraded", "effects", "reviews", "truth", "versions", "proof", "summary",
}  # fmt: skip
OUR_KEYS = {
    "version", "key", "proposal", "reasons", "reason", "decider", "confidence", "due", "latency_us",
    "cost", "currency", "stage", "truths", "links", "definition", "messages", "fault", "redone",
    "tokens", "model", "destinations", "classes", "in_clear", "permit", "gone",
}  # fmt: skip


def test_why_has_the_documented_keys(any_ws: ans.Workspace) -> None:
    """Others build on them: keys may be added here, none may go."""
    data = any_ws.why(any_ws.decide(ROUTE, {"number": "1", "body": "hacked"}).record_id).data

    assert set(data) == DESIGN_KEYS | OUR_KEYS
    assert set(data["proof"]) == {"checkpoint", "index", "verified"}
    assert data["proof"]["verified"]
    assert data["output"] == {"urgency": "high", "vip": False, "score": 0.0}
    assert data["reasons"] == ["Names an account takeover."]


def test_why_says_whom_was_called_where_data_could_go_and_what_it_cost(any_ws: ans.Workspace) -> None:
    """Of the case and of each attempt; the model is the one that answered."""
    dead, _ = remote(fault("auth"))
    usage = ans.Usage(cost=7, tokens_in=30, tokens_out=4, model="m-5")
    paid, _ = remote(ans.Answer(LOW, usage=usage), name="second")
    outcome = any_ws.decide(decision(dead, paid, ans.rule(words), version="3"), {"number": "1"})

    data = any_ws.why(outcome.record_id).data

    assert (data["tokens"], data["cost"]) == ({"in": 30, "out": 4}, 7)
    assert (data["destinations"], data["classes"]) == (["primary.example", "second.example"], ["Key"])
    assert [a["remote"] and a["remote"]["destination"] for a in data["attempts"]] == [
        "primary.example",
        "second.example",
        None,
    ]
    consumed = {"cost": 7, "tokens_in": 30, "tokens_out": 4, "model": "m-5"}
    assert [a["usage"] for a in data["attempts"]] == [{}, consumed, {}]
    assert data["model"] == "m-5"
    (opened,) = [link for link in data["links"] if link["kind"] == "opened"]
    assert opened["detail"] == {name: data[name] for name in ("destinations", "classes", "in_clear")}


def test_the_story_of_an_interrupted_case_says_what_was_opened_and_settled(ws: ans.Workspace) -> None:
    """When, to whom, and how much its budget counts for it."""
    told: list[str] = []

    def ends(case: ans.Case[Any]) -> Route:
        end_interrupted(ws.book, now=10**18)  # as if its process had died before
        told.append(ws.why(case.id).data["summary"])
        return LOW

    paid, _ = remote(ends)
    ws.decide(decision(paid, budgets=[ans.Budget(money=1, per="ever")], version="3"), {"number": "1"})

    assert "it was opened to call primary.example; it has not come back" in told[0]
    assert f"can have consumed: 0.0010 USD and {MOST.tokens_in + MOST.tokens_out} tokens." in told[0]


@pytest.mark.parametrize("body", ["hacked", "crash", "calm", 5])
def test_the_affected_person_reads_no_exception_and_no_jargon(ws: ans.Workspace, body: Any) -> None:
    """Answered, failed and escalated, with a fault on the way: what, why, what next and the number."""
    outcome = ws.decide(ROUTE, {"number": "1", "body": body})

    text = ws.why(outcome.record_id).text("person")

    assert outcome.record_id in text
    assert "How urgent is it?" in text
    for jargon in ("secret text", "ValueError", "words", "expected cost", "decider", "USD", "valid string"):
        assert jargon not in text


def test_the_affected_person_does_not_read_what_a_mistake_costs(ws: ans.Workspace) -> None:
    """A model's bare name and the stakes are no reasons."""
    doubtful = ans.Answer({"urgency": "low", "vip": True}, beliefs={"urgency": 0.99, "vip": 0.1})
    made = decision(ans.model(lambda case: doubtful, name="m", version="1"), ans.default(LOW), version="2")

    text = ws.why(ws.decide(made, {"number": "1"}).record_id).text("person")

    assert "chose it" not in text
    assert "expected cost" not in text


def test_operator_and_auditor_read_every_attempt(ws: ans.Workspace) -> None:
    """The fault is theirs to see; the auditor also gets purpose, versions and proof."""
    record = ws.decide(ROUTE, {"number": "1", "body": "crash"}, principal="service:web").record_id

    operator, auditor = ws.why(record).text("operator"), ws.why(record).text("auditor")

    assert "the secret text of an exception" in operator
    assert "in the signed tree" in operator
    assert auditor.startswith(operator)
    assert "asked by service:web (asserted, not verified)" in auditor
    assert "purpose support" in auditor


def test_a_story_cannot_be_forged_by_what_it_tells(ws: ans.Workspace) -> None:
    """No line, no cursor movement and no turned text comes from a value."""
    waiting = ws.decide(ROUTE, {"number": "1\x1b[2J", "body": "\u202egnihton\x07"})
    ws.resolve(ROUTE, waiting.record_id, LOW, principal="user:ann", reason="ok\n  proof: entry 7\x1b[1m")

    for reader in ("person", "operator", "auditor"):
        lines = ws.why(waiting.record_id).text(reader).splitlines()  # type: ignore[arg-type]
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("  proof: entry 7") for line in lines)


def test_a_truth_about_an_unanswered_case_proves_nothing_wrong(ws: ans.Workspace) -> None:
    """There was no answer to compare it with."""
    ws.decide(ROUTE, {"number": "1"})
    ws.truth(ROUTE, key="1", source="agent", urgency="high")

    assert "there was no answer to compare it with" in ws.why(key="1").data["summary"]


def test_only_a_person_is_called_a_person(ws: ans.Workspace) -> None:
    """A decider may be named "personal-rule"."""
    made = decision(ans.rule(words, name="personal-rule"))

    outcome = ws.decide(made, {"number": "1", "body": "hacked"})

    assert "A computer program decided this" in ws.why(outcome.record_id).text("person")


def test_records_are_listed_newest_first_in_pages(any_ws: ans.Workspace) -> None:
    """`before` is the cursor; filters are by decision, kind and condition."""
    for n in range(7):
        any_ws.decide(ROUTE, {"number": str(n), "body": "hacked" if n % 2 else ""})
    any_ws.decide(decision(name="other"), {"number": "1"})

    first = any_ws.records("route", limit=4)
    rest = any_ws.records("route", limit=4, before=first[-1]["index"])
    answered = any_ws.records("route", where="status = answered")

    indexes = [r["index"] for r in first + rest]
    assert indexes == sorted(indexes, reverse=True)
    assert len(indexes) == 7
    assert len(answered) == 3
    assert any_ws.records("none") == []
    assert {r["kind"] for r in any_ws.records(kinds=("definition",))} == {"definition"}
    assert any_ws.records(since=time.time_ns() // 1000 + 60 * MICRO) == []


def test_unwrap_returns_the_output_or_says_what_to_do(ws: ans.Workspace) -> None:
    """The next step names the record."""
    assert ws.decide(ROUTE, {"number": "1", "body": "hacked"}).unwrap() == HIGH
    for given, step in (({"number": "2"}, "ws.outcome"), ({}, "answerable why")):
        outcome = ws.decide(ROUTE, given)
        with pytest.raises(ans.NotAnswered, match=step) as caught:
            outcome.unwrap()
        assert caught.value.outcome is outcome
        assert outcome.record_id in caught.value.next_step


# -- definitions ------------------------------------------------------------------------------------


def test_a_definition_is_recorded_once(tmp_path: Path) -> None:
    """At first use; another workspace with the same one adds no entry."""
    for _ in range(2):
        with ans.Workspace(tmp_path / "home") as ws:
            ws.decide(decision(), {"number": "1"})
            ws.decide(decision(), {"number": "2"})
            recorded = entries(ws, "definition")

    assert len(recorded) == 1


def test_a_changed_definition_needs_a_new_version(tmp_path: Path) -> None:
    """Or dev mode; the error names what changed."""
    with ans.Workspace(tmp_path / "home") as ws:
        ws.decide(decision(), {"number": "1"})

    with ans.Workspace(tmp_path / "home") as ws:
        with pytest.raises(ans.UsageError, match="it differs in question") as caught:
            ws.decide(decision(question="Is it?"), {"number": "2"})
        ws.decide(decision(question="Is it?", version="2"), {"number": "2"})
        assert len(entries(ws, "definition")) == 2
    with ans.Workspace(tmp_path / "home", dev=True) as ws:
        assert ws.decide(decision(question="Is it?"), {"number": "3"}).record_id

    assert "new version" in caught.value.next_step


def test_an_outcome_that_no_longer_fits_its_type_is_said(ws: ans.Workspace) -> None:
    """A key answered under an older version with another output model."""

    class Other(BaseModel):
        level: int

    ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    newer = decision(ans.default({"level": 1}), version="2", output=Other)

    with pytest.raises(ans.UsageError, match="holds no Other any more"):
        ws.decide(newer, {"number": "1", "body": "hacked"})


# -- many cases -------------------------------------------------------------------------------------


def test_many_cases_come_back_in_order_with_progress(ws: ans.Workspace) -> None:
    """A case that cannot be decided is a value, not the end."""
    ws.decide(ROUTE, {"number": "3", "body": "before"})
    done: list[int] = []

    results = list(
        ws.decide_many(ROUTE, ({"number": str(n), "body": "hacked"} for n in range(50)), progress=done.append)
    )

    assert done == list(range(1, 51))
    assert [i for i, r in enumerate(results) if isinstance(r, ans.Failure)] == [3]
    assert isinstance(results[3], ans.Failure)
    assert (results[3].index, type(results[3].error)) == (3, ans.KeyReused)


def test_a_second_run_with_the_same_keys_returns_the_first(ws: ans.Workspace) -> None:
    """An interrupted run is resumed by running it again."""
    inputs = [{"number": str(n), "body": "hacked"} for n in range(10)]
    first = list(ws.decide_many(ROUTE, inputs[:6], keys=lambda n: f"run-{n}"))

    second = list(ws.decide_many(ROUTE, inputs, keys=lambda n: f"run-{n}"))

    assert [o.replayed for o in second] == [True] * 6 + [False] * 4  # type: ignore[union-attr]
    assert [o.record_id for o in second[:6]] == [o.record_id for o in first]  # type: ignore[union-attr]


def test_no_more_cases_are_in_flight_than_asked(ws: ans.Workspace) -> None:
    """And inputs are taken as they are needed, not all at once."""
    flying, most, taken, lock = [0], [0], [0], threading.Lock()

    def model(case: Any) -> Route:
        with lock:
            flying[0] += 1
            most[0] = max(most[0], flying[0])
        time.sleep(0.005)
        with lock:
            flying[0] -= 1
        return LOW

    def inputs() -> Iterator[Any]:
        for n in range(1000):
            taken[0] += 1
            yield {"number": str(n)}

    made = decision(ans.model(model, version="1"), unmeasured="accept")
    running = ws.decide_many(made, inputs(), concurrency=3)
    for _ in range(10):
        next(running)
    running.close()  # type: ignore[attr-defined]

    assert most[0] <= 3
    assert taken[0] < 50
    assert not [t for t in threading.enumerate() if t.name.startswith("answerable-case")]


def test_an_error_of_the_inputs_reaches_the_caller(ws: ans.Workspace) -> None:
    """After what came before it was taken."""

    def inputs() -> Iterator[Any]:
        yield {"number": "1"}
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(ws.decide_many(ROUTE, inputs()))
    with pytest.raises(ans.UsageError, match="concurrency is 0"):
        list(ws.decide_many(ROUTE, [], concurrency=0))


# -- the object itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"principal": "ann@example.com"}, "opaque id"),
        ({"deadline": 0}, "deadline is 0"),
        ({"parent": "T-1"}, "no record id"),
        ({"purpose": "a\0b"}, "purpose is"),
        ({"thread": "\ud800"}, "thread is"),
        ({"purpos": "x"}, "did you mean 'purpose'"),
    ],
)
def test_a_wrong_call_is_an_error_of_the_caller(
    ws: ans.Workspace, changes: dict[str, Any], what: str
) -> None:
    """Not of the case: nothing is recorded."""
    with pytest.raises(ans.UsageError, match=what):
        ws.decide(ROUTE, {"number": "1"}, **changes)

    assert ws.records() == []


def test_a_case_may_follow_from_another(ws: ans.Workspace) -> None:
    """*Why* of the first leads to the second."""
    first = ws.decide(ROUTE, {"number": "1", "body": "hacked"})
    second = ws.decide(ROUTE, {"number": "2", "body": "hacked"}, parent=first.record_id, thread="chat-1")

    assert [link["record_id"] for link in ws.why(first.record_id).data["links"]] == [second.record_id]


def test_a_workspace_is_closed_once_and_for_good() -> None:
    """A second close does nothing; any use says what to do."""
    ws = ans.Workspace("memory:")
    record = ws.decide(ROUTE, {"number": "1"}).record_id
    ws.close()
    ws.close()

    for use in (
        lambda: ws.decide(ROUTE, {"number": "1"}),
        lambda: asyncio.run(ws.adecide(ROUTE, {"number": "1"})),
        lambda: ws.outcome(record),
        lambda: ws.why(record),
        lambda: ws.records(),
        lambda: ws.truth(ROUTE, key="1", source="x", urgency="low"),
        lambda: ws.resolve(ROUTE, record, LOW, principal="user:1"),
        lambda: list(ws.decide_many(ROUTE, [])),
    ):
        with pytest.raises(ans.UsageError, match="closed"):
            use()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_workspace_is_not_used_after_a_fork(tmp_path: Path) -> None:
    """The child is told, and the parent's home goes on working."""
    program = f"""
import sys, os; sys.path[:0] = {sys.path!r}
import answerable as ans
ws = ans.Workspace("memory:")
folder = ws.home.folder
if os.fork() == 0:
    try: ws.records()
    except ans.ForkedWorkspace: print("told", flush=True)
    ws.close()
    sys.exit(0)
os.wait()
print(folder.exists(), ws.records(), flush=True)
ws.close()
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)

    assert done.stdout.splitlines() == ["told", "True []"], done.stderr


def test_what_was_recorded_is_there_after_a_restart(tmp_path: Path) -> None:
    """Outcome, story and the wait for a person."""
    with ans.Workspace(tmp_path / "home") as ws:
        waiting = ws.decide(ROUTE, {"number": "1"})

    with ans.Workspace(tmp_path / "home") as ws:
        assert ws.outcome(waiting.record_id, ROUTE) == waiting
        assert ws.resolve(decision(), waiting.record_id, HIGH, principal="user:ann").output == HIGH
        assert ws.why(key="1").data["proof"]["verified"]
