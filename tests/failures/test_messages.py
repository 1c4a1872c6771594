"""The two messages: what became of a case, for the person it is about and for an operator."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.errors import UsageError
from answerable.failures.alert import STEPS, Alert, alert_of
from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.messages import PLAIN, for_operator, for_person
from answerable.failures.table import TABLE
from answerable.ledger.story import summary, tell
from answerable.why import Why
from answerable.wording import repeated, with_times

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
        "redone": None,
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


ASKED = attempt("triage@1", "suspended", reason="", calls=[])


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
            unanswered("escalated", attempts=[attempt(result="rejected", fault="check"), attempt(), ASKED]),
            "a person will decide, because the first answer did not pass our checks",
        ),
        (unanswered("escalated", attempts=[attempt(fault="refusal")]), "would not answer it"),
        (unanswered("escalated", attempts=[ASKED]), "questions like this one are answered by a person"),
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


def test_who_is_refused_reads_why_in_the_authors_words() -> None:
    """The reason of the decider that refused; one with a technical word is not for them."""
    told = attempt(result="refused", reason="the ticket asks for somebody else's data.")
    technical = attempt(result="refused", reason="the API key is wrong")

    assert "because the ticket asks for somebody else's data. Nothing" in for_person(
        unanswered("refused", attempts=[attempt(reason="no rule"), told])
    )
    assert "because this may not be answered here" in for_person(
        unanswered("refused", attempts=[told, technical])
    )


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
    assert "  next: a person answers it" in tell(unanswered("escalated", attempts=[ASKED]), "operator")


# -- who is asked, and whether anybody is ------------------------------------------------------------


def test_a_case_that_waits_for_nobody_says_so() -> None:
    """To the person: nothing was decided, and whom to tell. To the operator: what to do about it."""
    case = unanswered("escalated", attempts=[attempt(fault="refusal")])

    person, operator = for_person(case), for_operator(case)

    assert "a person will decide" not in person
    assert person.startswith("This was not decided, because our computer program would not answer it")
    assert "tell us this number" in person
    assert "waits for nobody" in operator
    assert "`answerable resolve`, or add a person or a default" in operator
    assert "waits for nobody" in summary(case)
    assert "passed to a person" in summary(unanswered("escalated", attempts=[ASKED]))


@pytest.mark.parametrize("category", ["connect", "circuit-open", "unavailable", "reset"])
def test_what_could_not_be_reached_is_not_called_busy(category: str) -> None:
    """Nobody asked too much: a service was not there."""
    said = for_person(unanswered("failed", fault=category))

    assert "a service that we use" in said
    assert "too much" not in said


def test_a_timeout_is_a_service_s_only_where_one_was_called() -> None:
    """A function of ours took too long."""
    slow, silent = attempt(fault="timeout"), attempt(fault="timeout", remote=REMOTE)

    assert "because it took too long" in for_person(unanswered("failed", attempts=[slow]))
    assert "did not answer" in for_person(unanswered("failed", attempts=[silent]))


@pytest.mark.parametrize("category", ["rate-limit", "overloaded", "busy", "pool"])
def test_too_much_at_once_is_said_as_that(category: str) -> None:
    """Of whomever: the person need not know whose computers they are."""
    assert "too much was asked at once" in for_person(unanswered("failed", fault=category))


# -- values ------------------------------------------------------------------------------------------

NESTED = {
    "vendor": {"value": "ACME", "quotes": ["from ACME Ltd"], "sources": []},
    "items": [{"name": "bolt", "in_stock": True}, {"name": "nut", "in_stock": False}],
    "tags": ["a", "b"],
    "note": None,
    "empty": [],
}


def test_the_person_reads_nested_values_in_words() -> None:
    """A citation is its value, a record its pairs, a list its parts."""
    said = for_person(why(output=NESTED))

    assert "vendor = ACME; items = name bolt, in stock yes; name nut, in stock no" in said
    assert "tags = a, b; note = nothing; empty = nothing" in said
    for text in (said, tell(why(output=NESTED), "person")):
        assert not set('{}[]"') & set(text)
        assert "None" not in text and "True" not in text


def test_a_mapping_that_only_looks_like_a_citation_is_shown_whole() -> None:
    """Nothing of an answer is hidden from the person."""
    assert "value 3, unit kg" in for_person(why(output={"weight": {"value": 3, "unit": "kg"}}))


# -- whom, how often, how much -----------------------------------------------------------------------

REMOTE = {"provider": "openai", "model": "gpt-9", "destination": "api.vendor.example"}
PAID = attempt(
    "primary@1",
    "accepted",
    calls=[],
    remote=REMOTE,
    usage={"cost": 1_200, "tokens_in": 1_500, "tokens_out": 12, "model": "gpt-9-may"},
)


def test_the_operator_reads_whom_was_called_and_what_it_consumed() -> None:
    """Provider, the model that answered, host, money with its currency, tokens."""
    case = why(attempts=[PAID], decider="primary@1", cost=1_200) | {"tokens": {"in": 1_500, "out": 12}}

    assert "by primary (version 1, openai gpt-9-may at api.vendor.example)" in for_operator(case)
    for text in (for_operator(case), tell(case, "operator")):
        assert "cost 0.0012 USD, 1,500 tokens in, 12 tokens out" in text
    assert "     openai gpt-9-may at api.vendor.example; cost 0.0012 USD, 1,500" in tell(case, "operator")


def test_the_auditor_reads_where_data_could_go_and_of_which_classes() -> None:
    """As the `opened` entry said before anything left."""
    asked = {"principal": {"id": "service:web"}, "purpose": "support", "stage": "live", "versions": {}}
    sent = {"destinations": ["a.example", "b.example"], "classes": ["personal"]}

    text = tell(why() | asked | sent, "auditor")

    assert "  could be sent to: a.example, b.example; data classes: personal" in text
    assert "could be sent" not in tell(why() | asked, "auditor")


@pytest.mark.parametrize(
    ("result", "fault", "calls", "said"),
    [
        ("failed", "circuit-open", [("connect", 12_000), ("circuit-open", None)],
         "called once: connect, waited 12 ms; not called: circuit open"),
        ("failed", "server-error", [("server-error", 12_000), ("circuit-open", None)],
         "called once: server error, waited 12 ms; not called: circuit open"),
        ("failed", "budget", [("connect", 0), ("timeout", 0), ("budget", None)],
         "called 2 times: connect; timeout; not called: budget"),
        ("failed", "busy", [("busy", None)], ""),
        ("failed", "deadline", [("busy", 0), ("deadline", None)], ""),
        ("accepted", None, [("busy", 0), (None, None)], ""),
        ("failed", "connect", [("connect", 999_600), ("connect", None)],
         "called 2 times: connect, waited 1.0 s; connect"),
    ],
)  # fmt: skip
def test_only_what_was_sent_counts_as_a_call(
    result: str, fault: str | None, calls: list[tuple[str | None, int | None]], said: str
) -> None:
    """A breaker, a queue, a budget and a deadline stop a call before there is one."""
    made = [
        {name: value for name, value in (("fault", one), ("waited_us", waited)) if value is not None}
        for one, waited in calls
    ]

    assert repeated(attempt(result=result, fault=fault, calls=made)) == said


def test_an_interrupted_case_says_what_was_opened_to_whom_and_what_was_settled() -> None:
    """Its record has no attempts to tell it."""
    opened = {"kind": "opened", "at": "2026-11-23T02:54:10Z", "record_id": "an-id"}
    more = {"destinations": ["api.vendor.example"], "tokens": {"in": 512, "out": 0}}
    case = unanswered("failed", fault="interrupted", cost=2_000, links=[opened]) | more

    told = summary(case)

    assert "On 23 November 2026 at 02:54 UTC it was opened to call api.vendor.example" in told
    assert "settled at the most that its calls can have consumed: 0.0020 USD and 512 tokens" in told
    assert "not known" in summary(unanswered("failed", fault="interrupted"))


# -- how the story reads -----------------------------------------------------------------------------

LONG = " ".join(f"word{n}" for n in range(60))


def test_a_long_reason_is_wrapped_and_never_cut() -> None:
    """What decides may stand at its end; a value is still cut."""
    given = [attempt(reason=LONG, calls=[], notes=[LONG])]
    case = unanswered("failed", reason=LONG, attempts=given, input={"body": LONG})

    text = tell(case | {"summary": summary(case)}, "operator")

    assert text.count("word59") == 3  # of the case, of the attempt, and in its note
    assert max(map(len, text.splitlines())) <= 100
    assert " ... (" in text
    assert "word59" in for_operator(case)


def test_times_of_ours_are_told_in_one_form() -> None:
    """As in the rest of the story; what an author wrote stays as it is."""
    reason = "calls to p m pause since 2026-11-23T02:54:01.5Z, because it broke"
    links = [{"kind": "breaker", "at": "2026-11-23T02:54:01Z", "record_id": "x", "detail": {"why": reason}}]
    paused = attempt(fault="circuit-open", reason=reason, calls=[])
    own = attempt("words@1", "rejected", reason="open since 2026-11-23T02:54:01Z", calls=[])

    text = tell(why(attempts=[paused, own], links=links), "operator")

    assert " ".join(text.split()).count("pause since 23 November 2026 at 02:54 UTC") == 2
    assert "open since 2026-11-23T02:54:01Z" in text
    assert with_times("on 2026-13-45T99:00:00Z") == "on 2026-13-45T99:00:00Z"


def test_an_input_that_was_cut_is_no_failed_decider() -> None:
    """It is told as what it is."""
    case = why(degraded="input-cut")

    assert "a decider did not see all of the input" in for_operator(case)
    assert "because what was sent is too long to be read in full" in for_person(case)


@pytest.mark.parametrize(("reader", "meant"), [("customer", "choose one of"), ("audtor", "'auditor'")])
def test_an_unknown_reader_is_refused(reader: Any, meant: str) -> None:
    """With what was probably meant."""
    with pytest.raises(UsageError) as caught:
        Why(why()).text(reader)

    assert meant in caught.value.next_step


def test_a_message_has_two_readers() -> None:
    """An auditor reads the story."""
    unknown: Any = "auditor"
    with pytest.raises(UsageError, match="no reader is called 'auditor'"):
        Why(why()).message(unknown)


# -- alerts ------------------------------------------------------------------------------------------


def alert(category: str, reason: str = "", **more: Any) -> Alert:
    return alert_of(Fault(category=category, reason=reason, **more), "route", "words")


def test_an_alert_names_whoever_is_called_or_else_the_decider() -> None:
    """One provider is one cause in every decision; code of ours is another in each."""
    theirs = alert("auth", provider="openai", model="gpt-9")
    ours = alert("auth")

    assert (theirs.key, ours.key) == ("auth:openai gpt-9", "auth:route/words")
    assert theirs.what == "openai gpt-9: the provider does not accept our credentials"
    assert ours.what == "words of route: the provider does not accept our credentials"
    assert alert_of(Fault(category="auth", provider="openai", model="gpt-9"), "x", "y").key == theirs.key


def test_an_alert_says_what_the_reason_knows_more() -> None:
    """Such as the variable that is missing; nothing is said twice."""
    named = {"provider": "openai", "model": "gpt-9"}
    missing = alert("auth", "there is no key at env:OPENAI_KEY", **named)
    told = "openai gpt-9: the provider does not accept our credentials (HTTP 401, bad_key): wrong key"
    refused = alert("auth", told, code="bad_key", request_id="req_1", **named)

    assert missing.what.endswith("our credentials: there is no key at env:OPENAI_KEY")
    assert refused.what == f"{told} (request req_1)"


def test_a_budget_s_alert_is_one_for_each_of_its_times() -> None:
    """A new day, or a new run, is told anew."""
    reason = "the budget triage (1 USD for 2026-11-23) has no room for another call"
    first = alert("budget", reason, code="triage 2026-11-23")
    second = alert("budget", reason, code="triage 2026-11-24")

    assert (first.key, second.key) == ("budget:triage 2026-11-23", "budget:triage 2026-11-24")
    assert first.what == f"route: {reason}"


@pytest.mark.parametrize(
    ("category", "verb"), [("exception", "raises"), ("wrong-type", "returns what is no")]
)
def test_a_bug_in_a_decider_names_the_decider(category: str, verb: str) -> None:
    """Whomever it calls: it is our code."""
    found = alert(category, "ValueError: boom", provider="openai", model="gpt-9")

    assert found.key == f"{category}:route/words"
    assert found.what.startswith(f"the decider words of route {verb}")
    assert found.what.endswith(": ValueError: boom")
    assert found.next_step.startswith("mend the decider's code; cases go to the next decider")


@pytest.mark.parametrize("category", TABLE)
def test_every_category_can_be_paged_with_a_step_of_its_own(category: str) -> None:
    """A decision may have an operator told of any."""
    assert STEPS.keys() == TABLE.keys()
    assert alert(category).next_step == STEPS[category]
    assert CATEGORIES[category] in alert(category).what or category in ("exception", "wrong-type")


BEFORE = {"record_id": "old-id", "at": "2026-05-02T10:00:00Z", "degraded": "fault:overloaded"}


def test_a_case_decided_anew_says_after_what_and_why() -> None:
    """In the words of each reader; the person reads nothing of records and faults."""
    case = why(redone=BEFORE)
    operator = f"decided anew after record old-id of 2 May 2026 at 10:00 UTC, which was second best: {DOWN}"

    assert for_person(case).startswith(
        "This was decided anew: on 2 May 2026 at 10:00 UTC it was answered as a precaution, "
        "because too much was asked at once. The answer is:"
    )
    assert operator in for_operator(case) and operator in summary(case)
    told = case | BY_WEB | {"summary": summary(case)}
    for reader in ("operator", "auditor"):
        assert "decided anew after record old-id" in " ".join(tell(told, reader).split())
    open_before = why(redone=BEFORE | {"degraded": None})
    assert "there was no answer and no person was asked" in for_person(open_before)
    assert "which was left open with nobody asked" in for_operator(open_before)


BY_WEB = {"principal": {"id": "service:web"}, "purpose": "support", "stage": "live", "versions": {}}
DOWN = f"an earlier decider failed: {CATEGORIES['overloaded']}"


def test_a_record_that_was_decided_anew_names_what_holds_now() -> None:
    """Nothing is to be done about it any more."""
    link = {"kind": "redone", "at": "2026-05-04T10:00:00Z", "record_id": "new-id"}
    case = why(degraded="fault:overloaded", links=[link])

    assert "what holds now has another number: new-id." in for_person(case)
    assert "Next: nothing here; it was decided anew, see record new-id" in for_operator(case)
    assert "4 May 2026 at 10:00 UTC: it was decided anew, record new-id" in tell(case, "operator")
    assert "decided anew" not in tell(why() | BY_WEB, "auditor") + for_person(why()) + for_operator(why())


def test_an_interrupted_case_has_no_empty_heading() -> None:
    """Nobody knows what was tried."""
    assert "What was tried" not in tell(unanswered("failed", fault="interrupted", attempts=[]), "operator")
    assert "What was tried" in tell(why(), "operator")
