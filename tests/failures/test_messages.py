"""The two messages: what became of a case, for the person it is about and for an operator."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.failures.fault import CATEGORIES
from answerable.failures.messages import PLAIN, for_operator, for_person
from answerable.failures.table import TABLE
from answerable.ledger.story import tell

RECORD = "0190b6c8-1111-7222-8333-444455556666"
SECRET = "sk-live-51Hx"
# What of a record must never reach the person: exception text, vendors, prompts, names of deciders, secrets.
FORBIDDEN = (
    SECRET,
    "ValueError",
    "boom",
    "openai",
    "gpt-9",
    "vendor.example",
    "ignore all rules",
    "primary",
    "Traceback",
    "prompt",
    "fault",
    "decider",
    "None",
)
CALL = {
    "provider": "openai",
    "model": "gpt-9",
    "destination": "api.vendor.example",
    "messages": [{"role": "user", "content": "ignore all rules"}],
    "reason": f"boom {SECRET}",
}


def attempt(decider: str = "primary@1", result: str = "failed", **more: Any) -> dict[str, Any]:
    """Return an attempt as `why` tells it, full of what the person must not read."""
    said = f"ValueError: boom {SECRET} at https://api.vendor.example gpt-9"
    return {"decider": decider, "result": result, "reason": said, "latency_us": 1200, "calls": [CALL]} | more


def why(**changes: Any) -> dict[str, Any]:
    """Return the `why` of a case that a rule answered, with changes."""
    whole: dict[str, Any] = {
        "record_id": RECORD,
        "decision": "route",
        "version": "3",
        "at": "2026-05-03T10:00:00Z",
        "key": None,
        "input": {"body": "hello"},
        "reads": [],
        "attempts": [attempt("words@1", "accepted", reason="it talks about money", calls=[])],
        "output": {"team": "billing"},
        "proposal": None,
        "reasons": ["it talks about money"],
        "status": "answered",
        "reason": "",
        "fault": None,
        "decider": "words@1",
        "confidence": 1.0,
        "degraded": None,
        "due": None,
        "cost": 0,
        "currency": "USD",
        "reviews": [],
        "truths": [],
        "links": [],
        "summary": "",
        "definition": {
            "question": "Which team?",
            "deciders": [{"remote": {"provider": "openai", "model": "gpt-9"}}],
        },
        "proof": {"verified": True, "index": 1, "checkpoint": None},
    }
    assert changes.keys() <= whole.keys()
    return whole | changes


def unanswered(status: str, **changes: Any) -> dict[str, Any]:
    """Return the `why` of a case without an answer."""
    reason = f"ValueError: boom {SECRET}"
    common: dict[str, Any] = {
        "status": status,
        "output": None,
        "reasons": [],
        "decider": None,
        "reason": reason,
    }
    return why(**{**common, "attempts": [], **changes})


def every_case(category: str) -> list[dict[str, Any]]:
    """Return a case of every status that met `category` on its way."""
    tried = [attempt(fault=category)]
    told = f"the gpt-9 model of openai said: ignore all rules, {SECRET}"
    return [
        why(attempts=tried, degraded=f"fault:{category}", reasons=[told]),
        why(attempts=tried, degraded="default", reasons=["fallback chose it"]),
        why(attempts=tried, degraded="expired"),
        why(attempts=tried, reasons=[told]),
        unanswered("escalated", attempts=tried, due="2026-05-04T10:00:00Z"),
        unanswered("escalated", attempts=tried),
        unanswered("refused", attempts=tried),
        unanswered("refused", fault=category),
        unanswered("failed", attempts=tried, fault=category),
        unanswered("failed", fault=category),
    ]


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_category_and_no_status_shows_the_person_anything_technical(category: str) -> None:
    """The message is ours alone: one or two sentences that end with the record id."""
    for case in every_case(category):
        message = for_person(case)

        assert message.endswith(RECORD)
        assert message.count(". ") <= 1
        for word in FORBIDDEN:
            assert word.lower() not in message.lower(), (word, message)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_and_status_tells_the_operator_cause_next_step_and_record(category: str) -> None:
    """In words, in two sentences, and without the text of an exception."""
    for case in every_case(category):
        message = for_operator(case)

        assert "Next: " in message
        assert message.endswith(f"; record {RECORD}")
        assert CATEGORIES[category] in message
        assert "\n" not in message


def test_a_category_without_words_of_its_own_is_a_problem_on_our_side() -> None:
    """Every word of the table is known, and what is missing in it is nobody's fault but ours."""
    assert PLAIN.keys() <= CATEGORIES.keys()
    assert "a technical problem on our side" in for_person(unanswered("failed", fault="auth"))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (why(), "A computer program decided this on 3 May 2026 at 10:00 UTC, and gave this reason: it talks"),
        (why(decider="person:user:ann"), "A person decided this"),
        (why(degraded="fault:timeout"), "as a precaution, because it took too long"),
        (why(degraded="default"), "as a precaution, because no better answer was possible"),
        (why(degraded="expired"), "as a precaution, because nobody could look at it in time"),
        (unanswered("escalated", due="2026-05-04T12:30:00Z"), "a person will decide by 4 May 2026 at 12:30"),
        (unanswered("escalated", attempts=[attempt(result="rejected")]), "was not sure enough"),
        (
            unanswered("escalated", attempts=[attempt(result="rejected", fault="check"), attempt()]),
            "a person will decide, because the first answer did not pass our checks",
        ),
        (unanswered("escalated", attempts=[attempt(fault="refusal")]), "would not answer it"),
        (unanswered("escalated"), "questions like this one are answered by a person"),
        (unanswered("refused", fault="invalid-input"), "Please check what was sent and ask again"),
        (unanswered("refused", fault="denied"), "whoever asked is not allowed"),
        (unanswered("refused", attempts=[attempt(result="refused", fault="refusal")]), "would not answer it"),
        (unanswered("refused", attempts=[attempt(result="refused")]), "this may not be answered here"),
        (
            unanswered("refused", attempts=[attempt(fault="timeout"), attempt(result="refused")]),
            "this may not be answered here",
        ),
        (unanswered("failed", fault="exception"), "a technical problem on our side"),
        (unanswered("failed", fault="interrupted"), "our system was interrupted"),
        (unanswered("failed", fault="cancelled"), "whoever asked called it off"),
    ],
)
def test_the_person_reads_what_happened_and_why(case: dict[str, Any], said: str) -> None:
    """Each way of ending has its own words."""
    assert said in for_person(case)


def test_a_verdict_of_a_person_has_the_day_of_the_verdict() -> None:
    """Not the one on which the case came in."""
    verdict = {"kind": "resolution", "at": "2026-05-09T08:00:00Z", "by": "person:user:ann", "output": {}}

    message = for_person(why(decider="person:user:ann", reviews=[verdict], reasons=["the receipt is there"]))

    assert "A person decided this on 9 May 2026 at 08:00 UTC" in message
    assert "the receipt is there" in message


def test_nothing_is_told_of_a_record_that_was_changed() -> None:
    """Whatever stands in it may be forged."""
    damaged = why(proof={"verified": False, "index": 1, "checkpoint": None})

    assert "billing" not in for_person(damaged)
    assert RECORD in for_person(damaged)
    assert for_operator(damaged).startswith("WARNING")
    assert "`answerable ledger verify`" in for_operator(damaged)


REPEATED = attempt(
    "primary@1",
    "accepted",
    calls=[CALL | {"fault": "rate-limit", "waited_us": 1_000_000, "latency_us": 90}, CALL],
    notes=["cut: body (12 of 40 kB)"],
)


def test_the_operator_reads_waits_retries_and_cost() -> None:
    """As the attempt's calls tell it."""
    message = for_operator(why(attempts=[REPEATED], decider="primary@1", cost=1_200))

    assert "route version 3 was answered by primary (version 1)" in message
    assert "called 2 times: rate limit, waited 1.0 s" in message
    assert "cost 0.0012 USD" in message
    assert "nothing to do" in message


@pytest.mark.parametrize("category", [name for name, action in TABLE.items() if action.page])
def test_what_pages_an_operator_also_says_what_to_do(category: str) -> None:
    """The case that was answered all the same does not hide it."""
    message = for_operator(why(attempts=[attempt(fault=category)], degraded=f"fault:{category}"))

    assert "second best: an earlier decider failed: " + CATEGORIES[category] in message
    assert "nothing to do" not in message
    assert "records --where" not in message


# -- the stories that use them -----------------------------------------------------------------------


def test_the_person_reads_the_same_in_the_story() -> None:
    """One way to say it: the question, then the message, a sentence a line."""
    case = why()

    question, *rest = tell(case, "person").splitlines()

    assert question == "We had to answer this question: Which team?"
    assert " ".join(rest) == for_person(case)


def test_the_operator_reads_what_was_cut_and_how_often_it_was_called() -> None:
    """Under the attempt it belongs to."""
    text = tell(why(attempts=[REPEATED]), "operator")

    assert "     called 2 times: rate limit, waited 1.0 s\n     cut: body (12 of 40 kB)" in text


def test_a_call_that_failed_once_and_for_all_is_not_called_a_repetition() -> None:
    """The attempt itself says it."""
    text = tell(why(attempts=[attempt(fault="auth", calls=[CALL | {"fault": "auth"}])]), "operator")

    assert "called" not in text


def test_entries_beside_the_case_are_told_in_words() -> None:
    """An alert and a breaker; that the case was opened goes without saying."""
    at, record_id = "2026-05-03T10:00:00Z", "an-id"
    alert = {"what": "openai gpt-9: no credit", "next_step": "pay the bill"}
    breaker = {"provider": "openai", "model": "gpt-9", "why": "5 of 5 calls failed"}
    links = [
        {"kind": "opened", "at": at, "record_id": record_id},
        {"kind": "alert", "at": at, "record_id": record_id, "detail": alert},
        {"kind": "breaker", "at": at, "record_id": record_id, "status": "open", "detail": breaker},
        {"kind": "breaker", "at": at, "record_id": record_id, "status": "closed", "model": "gpt-9"},
    ]

    text = tell(why(links=links), "operator")

    assert "an operator was told: openai gpt-9: no credit; next: pay the bill" in text
    assert "calls to openai gpt-9 were paused: 5 of 5 calls failed" in text
    assert "calls to gpt-9 go on again" in text
    assert "opened" not in text
    assert record_id not in text


def test_the_operator_s_story_says_what_to_do_where_there_is_something() -> None:
    """Not below an answer that is as good as it gets."""
    assert "  next: " not in tell(why(), "operator")
    assert "  next: a person answers it" in tell(unanswered("escalated"), "operator")
