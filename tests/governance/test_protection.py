"""Who is not cleared sees pseudonyms: the same one for the same value, and real again in the caller's output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.encoding import plain
from answerable.governance.detection import Span
from answerable.governance.leaves import walk
from answerable.governance.protection import Protected, recorded


class Mails:
    """Finds what looks like an e-mail address."""

    version = "mails@1"

    def find(self, text: str) -> Sequence[Span]:
        found = re.finditer(r"[\w.]{1,20}@[\w.]{1,20}", text)
        return [Span(m.start(), m.end(), "EMAIL", 0.9) for m in found]


class Relative(BaseModel):
    id: Annotated[str, ans.Subject]
    name: Annotated[str, ans.Personal("name")]


class Ticket(BaseModel):
    number: Annotated[str, ans.Key] = "T-1"
    customer: Annotated[str, ans.Subject] = "cust-9"
    email: Annotated[str, ans.Personal("email")] = "jane@example.com"
    name: Annotated[str | None, ans.Personal("name")] = None
    born: Annotated[date | None, ans.Personal("birth-date")] = None
    salary: Annotated[int | None, ans.Personal("salary")] = None
    health: Annotated[str, ans.Sensitive("health")] = ""
    body: Annotated[str, ans.Personal.free_text] = ""
    note: str = ""
    product: Annotated[str, ans.Public] = "lamp@home"
    urgency: Literal["low", "high"] = "low"
    relatives: list[Relative] = []


def protected(**fields: Any) -> Protected:
    value = Ticket(**fields)
    return Protected(partial(walk, value, plain(value)), Mails())


def view(**fields: Any) -> Any:
    return protected(**fields).view()


def test_classified_strings_become_pseudonyms_of_their_kind() -> None:
    """No detection is needed for them."""
    seen = view(name="Jane Doe", health="asthma")

    assert seen["email"] == "[EMAIL_1]" and seen["name"] == "[NAME_1]"
    assert seen["health"] == "[HEALTH_1]" and seen["customer"] == "[SUBJECT_1]"


def test_other_personal_values_are_generalised_or_left_out() -> None:
    """A date of birth says its year; a number says nothing."""
    seen = view(born=date(1980, 5, 17), salary=61_000)

    assert seen["born"] == "1980"
    assert "salary" not in seen


def test_what_is_public_or_a_choice_is_shown_as_it_is() -> None:
    """It is not scanned either, so that nothing in it is taken for somebody's."""
    seen = view(urgency="high")

    assert (seen["product"], seen["urgency"], seen["number"]) == ("lamp@home", "high", "T-1")


def test_free_text_is_scanned_and_so_is_what_nobody_classified() -> None:
    """An unclassified field is no way around."""
    seen = view(body="write to bob@example.org", note="or to eve@example.org")

    assert seen["body"] == "write to [EMAIL_2]" or seen["body"] == "write to [EMAIL_1]"
    assert "@" not in seen["note"] and seen["note"].startswith("or to [EMAIL_")


def test_a_value_has_one_pseudonym_wherever_it_stands() -> None:
    """In its own field, in free text, and for the next decider."""
    case = protected(body="jane@example.com is me", note="ask jane@example.com")
    seen = case.view()

    assert seen["body"] == f"{seen['email']} is me"
    assert seen["note"] == f"ask {seen['email']}"
    assert case.view(frozenset({"name"}))["email"] == seen["email"]


@pytest.mark.parametrize("body", ["I am Jane Doe", "it is jane doe!", "Doe, Jane", "call me Jane"])
def test_a_name_that_is_known_is_hidden_in_texts_without_a_detector(body: str) -> None:
    """The whole, its words, and whatever the case of its letters."""
    seen = view(name="Jane Doe", body=body)["body"]

    assert "jane" not in seen.lower() and "doe" not in seen.lower()
    assert "[NAME_" in seen


def test_a_known_value_is_looked_for_as_a_whole_word() -> None:
    """Ann is not hidden in an annual report."""
    assert view(name="Ann", body="the annual plan")["body"] == "the annual plan"


def test_another_persons_values_are_hidden_too() -> None:
    """Whoever they belong to."""
    seen = view(relatives=[{"id": "p-2", "name": "Bobby"}], body="Bobby p-2 did it")

    assert seen["relatives"] == [{"id": "[SUBJECT_2]", "name": "[NAME_1]"}] or "Bobby" not in str(seen)
    assert "Bobby" not in str(seen) and "p-2" not in str(seen)


def test_a_clearance_shows_these_kinds_and_no_others() -> None:
    """Sensitive kinds have to be named as well."""
    seen = protected(name="Jane Doe", health="asthma", body="jane@example.com").view(
        frozenset({"name", "subject", "free-text"})
    )

    assert (seen["name"], seen["customer"], seen["body"]) == ("Jane Doe", "cust-9", "jane@example.com")
    assert (seen["email"], seen["health"]) == ("[EMAIL_1]", "[HEALTH_1]")


def test_an_answer_gets_the_real_values_back() -> None:
    """At any depth, and in keys."""
    case = protected(name="Jane Doe", body="bob@example.org")
    seen = case.view()

    answered = {"reply": f"Dear {seen['name']}, we wrote to {seen['body']}", "by": {seen["email"]: [1, None]}}

    assert case.restored(answered) == {
        "reply": "Dear Jane Doe, we wrote to bob@example.org",
        "by": {"jane@example.com": [1, None]},
    }


def test_a_pseudonym_that_was_never_given_out_stands_for_nothing() -> None:
    """A model may make one up, and a customer may write one."""
    case = protected(body="my order [EMAIL_1]", note="x@y.zz")
    case.view()

    assert case.view()["email"] != "[EMAIL_1]"
    assert case.restored("[EMAIL_1] [EMAIL_77]") == "[EMAIL_1] [EMAIL_77]"


def test_errors_and_alerts_hide_known_values_and_found_ones() -> None:
    """An exception's text may repeat any part of the input."""
    case = protected(name="Jane Doe")

    told = case.concealed("ValueError: 'Jane Doe' <other@example.com> cust-9")

    assert told == "ValueError: '[NAME_1]' <[EMAIL_1]> [SUBJECT_1]"


def test_the_summary_says_what_is_personal_and_shows_none_of_it() -> None:
    """Paths with classes, and what was found by kind, with the detector's version."""
    told = protected(name="Jane Doe", body="a@b.cc or c@d.ee").summary()

    assert told["classes"]["email"] == ["Personal:email"]
    assert told["classes"]["product"] == ["Public"]
    assert (told["found"], told["detector"]) == ({"EMAIL": 2}, "mails@1")
    assert "Jane" not in str(told)


def test_a_recorded_value_is_protected_by_the_paths_of_its_record() -> None:
    """Without the types: lists, maps and records are found again by their paths."""
    live = protected(name="Jane Doe", relatives=[{"id": "p-2", "name": "Bobby"}], body="x@y.zz Bobby")
    data = plain(
        Ticket(name="Jane Doe", relatives=[{"id": "p-2", "name": "Bobby"}], body="x@y.zz Bobby")  # type: ignore[list-item]
    )

    again = Protected(recorded(data, live.summary()["classes"]), Mails())

    assert again.view() == live.view()


TEXTS = st.text(st.sampled_from("aZ @.[]_1EMAIL é\u200d😀"), max_size=30)


@given(st.text(min_size=3, max_size=8), TEXTS, TEXTS, TEXTS)
def test_what_was_hidden_comes_back_exactly(name: str, email: str, body: str, note: str) -> None:
    """For any text: restoring the view of a text field gives the text."""
    case = protected(name=name, email=email, body=body, note=note)
    seen = case.view()

    for field, real in (("name", name), ("email", email), ("body", body), ("note", note)):
        assert case.restored(seen[field]) == real


@given(st.from_regex(r"[A-Z][a-z]{3,9} [A-Z][a-z]{3,9}", fullmatch=True), TEXTS, TEXTS)
def test_a_known_name_never_shows(name: str, before: str, after: str) -> None:
    """As a word of its own, in any surroundings."""
    seen = view(name=name, body=f"{before} {name} {after}")["body"]

    assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", seen)


# -- on the road -------------------------------------------------------------------------------------


class Reply(BaseModel):
    urgency: Literal["low", "high"]
    text: str = ""


def decision(*deciders: ans.Decider, **more: Any) -> ans.Decision[Any, Any]:
    return ans.Decision(
        **{"version": "1", "unmeasured": "accept"} | more,
        name="reply", question="What do we reply?", input=Ticket, output=Reply, owner="ops", purpose="support",
        stakes=ans.Stakes("USD", wrong=2, review=1), deciders=[*deciders, ans.default(Reply(urgency="low"))],
    )  # fmt: skip


ELSEWHERE = ans.Remote(provider="acme", model="m", destination="api.acme.example")
TICKET = {"name": "Jane Doe", "body": "mail me at jane@example.com"}


@pytest.fixture
def ws() -> Any:
    with ans.Workspace("memory:", detector=Mails()) as workspace:
        yield workspace


def test_who_is_called_elsewhere_gets_the_view_and_answers_with_real_values(ws: Any) -> None:
    """The answer is the caller's own: it holds what the model never saw."""
    seen: list[Any] = []

    def ask(case: ans.Case[Any]) -> Any:
        seen.append(case.view())
        return Reply(urgency="high", text=f"Dear {seen[0]['name']}")

    outcome = ws.decide(decision(ans.model(ask, version="1", remote=ELSEWHERE)), TICKET)

    assert outcome.output == Reply(urgency="high", text="Dear Jane Doe")
    assert "jane" not in str(seen).lower()


def test_who_is_called_elsewhere_has_no_input(ws: Any) -> None:
    """Code that reaches for it is told what to use; the next decider goes on."""

    def ask(case: ans.Case[Any]) -> Any:
        return Reply(urgency="high", text=case.input.name)

    outcome = ws.decide(decision(ans.model(ask, version="1", remote=ELSEWHERE)), TICKET)

    assert outcome.decider.startswith("default")
    assert "not cleared for personal data" in outcome.attempts[0].reason


def test_a_clearance_is_declared_and_stands_in_the_definition(ws: Any) -> None:
    """With it the code gets the typed input, as far as its kinds go."""
    kinds = ["email", "name", "birth-date", "salary", "health", "free-text", "subject"]

    def ask(case: ans.Case[Any]) -> Any:
        return Reply(urgency="high", text=case.input.name)

    cleared = decision(ans.model(ask, version="1", remote=ELSEWHERE, clearance=kinds))
    outcome = ws.decide(cleared, TICKET)

    assert outcome.output.text == "Jane Doe"
    assert ws.why(outcome.record_id).data["definition"]["deciders"][0]["clearance"] == sorted(kinds)


def test_a_rule_that_stays_here_sees_all_unless_it_says_less(ws: Any) -> None:
    """Rules are our own code, and the audited kind."""

    def sees(case: ans.Case[Any]) -> Any:
        return Reply(urgency="high", text=case.input.email)

    open_rule = ws.decide(decision(ans.rule(sees)), TICKET)
    less = ws.decide(decision(ans.rule(sees, clearance=["name"]), version="2"), TICKET | {"number": "2"})

    assert open_rule.output.text == "jane@example.com"
    assert less.attempts[0].result == "failed"


def test_checks_see_the_real_texts(ws: Any) -> None:
    """A quote from the input stands in it, although the model saw a pseudonym."""

    def check(case: ans.Case[Any], answer: ans.Answer[Any]) -> ans.Finding | None:
        stands = answer.output.text in case.view()["body"]
        return None if stands else ans.Finding("the quote does not stand")

    def ask(case: ans.Case[Any]) -> Any:
        return Reply(urgency="high", text=case.view()["body"])

    quoting = decision(ans.model(ask, version="1", remote=ELSEWHERE), checks=[check])

    assert ws.decide(quoting, TICKET).output.text == TICKET["body"]


def test_why_shows_pseudonyms_in_every_place(ws: Any) -> None:
    """Input, attempts, reasons, output, truth: the record's reader is not its subject."""

    def ask(case: ans.Case[Any]) -> Any:
        return ans.Answer(Reply(urgency="high", text="Jane Doe"), reason="Jane Doe wrote jane@example.com")

    outcome = ws.decide(decision(ans.model(ask, version="1")), TICKET | {"note": "I am Jane"})
    ws.truth("reply", record=outcome.record_id, source="agent", text="Dear Jane Doe")
    why = ws.why(outcome.record_id)

    assert "jane" not in str(why.data).lower() and "jane" not in why.text("auditor").lower()
    assert why.data["input"]["name"].startswith("[NAME_")


def test_an_alert_shows_no_personal_value(ws: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A bug's text is told to an operator, and goes to logs and webhooks."""

    def broken(case: ans.Case[Any]) -> Any:
        raise KeyError(f"{case.input.name} {case.input.email} zoe@example.net")

    ws.decide(decision(ans.model(broken, version="1")), TICKET)

    assert len(caplog.records) == 1 and "KeyError" in caplog.text
    assert not re.search("jane|zoe", caplog.text, re.IGNORECASE)
    told = [ws.ledger.body(ws.ledger.get(one["id"]), "detail") for one in _alerts(ws)]
    assert told and not re.search("jane|zoe", str(told), re.IGNORECASE)


def _alerts(ws: Any) -> Any:
    from uuid import UUID

    return [{"id": UUID(line["record_id"]).bytes} for line in ws.records(kinds=["alert"])]


def test_a_label_that_may_be_personal_stands_in_no_list(ws: Any) -> None:
    """Lists are clear columns: they show choices, not texts."""

    def rule(case: ans.Case[Any]) -> Any:
        return Reply(urgency="high", text="Jane Doe")

    ws.decide(decision(ans.rule(rule), label="text"), TICKET)

    assert ws.records()[0]["label"] is None


def test_a_clearance_is_a_list_of_kinds() -> None:
    """One word alone is probably a slip."""
    with pytest.raises(ans.UsageError, match="clearance"):
        ans.rule(lambda case: None, name="r", clearance="email")  # type: ignore[arg-type]
