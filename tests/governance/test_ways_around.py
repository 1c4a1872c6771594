"""Ways around the protection of a person's data that were found by trying: each is closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, computed_field, model_serializer

import answerable as ans
from answerable.governance.known import KnownValues

ELSEWHERE = ans.Remote(provider="acme", model="m", destination="api.acme.example")


class Reply(BaseModel):
    text: str = ""
    ok: bool = True


class Ticket(BaseModel):
    number: Annotated[str, ans.Key, ans.Personal("email")] = "zork@example.com"
    customer: Annotated[str, ans.Subject] = "c-1"
    name: Annotated[str, ans.Personal("name")] = "Zorkname"
    body: Annotated[str, ans.Personal.free_text] = ""


def decision(*deciders: ans.Decider, **more: Any) -> ans.Decision[Any, Any]:
    sound: dict[str, Any] = {
        "name": "reply", "version": "1", "question": "What do we reply?", "input": Ticket, "output": Reply,
        "owner": "ops", "purpose": "support", "stakes": ans.Stakes("USD", wrong=2, review=1),
        "unmeasured": "accept", "deciders": [*deciders, ans.default({"text": "-", "ok": True})],
    }  # fmt: skip
    return ans.Decision(**sound | more)


def elsewhere(run: Any) -> ans.Decider:
    return ans.model(run, version="1", name="elsewhere", remote=ELSEWHERE)


@pytest.fixture
def ws() -> Any:
    with ans.Workspace("memory:") as workspace:
        yield workspace


def opened(ws: Any, record: str, part: str = "input") -> Any:
    return ws.ledger.body(ws.ledger.get(ws.find(record)), part)


def person(ws: Any, id: str, principal: Any = "user:local") -> Any:
    return ws.subject(id, purpose="support", principal=principal)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Großmann", "lamp of Großmann"),
        ("İlkin", "İlkin and ILKIN"),
        ("Ilkin", "from İlkin"),
        ("Y\u0131ld\u0131z", "YILDIZ"),
        ("\ufb01nley", "it is \ufb01nley"),
        ("Öz", "O\u0308z Ali"),
        ("Jane Doe", "JANE DOE"),
        ("c-17", "(c-17)"),
    ],
)
def test_a_value_is_found_in_whatever_letters(name: str, text: str) -> None:
    """Case, marks, ligatures and composed forms are one."""
    known = KnownValues()
    known.add(name, "NAME")

    assert list(known.find(text))
    assert not list(known.find(f"x{text.split()[-1].strip('()')}x"))


def test_an_uncleared_decider_gets_nothing_by_the_side_doors(ws: Any) -> None:
    """The key, what others settled and what others read are parts of the case, too."""
    seen: list[Any] = []

    @ans.source("crm", CrmRow, owner="crm", purposes=["support"])
    def crm() -> list[dict[str, str]]:
        return [{"id": "c-1", "mail": "zork@example.com"}]

    def settles(case: ans.Case[Any]) -> Any:
        case.read(crm)
        return {"text": f"for {case.input.name}"}

    def ask(case: ans.Case[Any]) -> Any:
        seen.append((case.answered, case.key, case.reads, case.view()))
        return {"ok": True}

    class Both(BaseModel):
        text: str
        ok: bool

    outcome = ws.decide(decision(ans.rule(settles), elsewhere(ask), reads=[crm], output=Both), {})

    assert "zork" not in str(seen).lower() and seen[0][0]["text"].startswith("for [NAME_")
    assert outcome.output.text == "for Zorkname"


class CrmRow(BaseModel):
    id: Annotated[str, ans.Subject]
    mail: Annotated[str, ans.Personal("email")]


class Customer(BaseModel):
    id: Annotated[str, ans.Subject]


class Order(BaseModel):
    customer: Customer
    email: Annotated[str, ans.Personal("email")]
    note: str


def test_what_stands_beside_a_nested_person_goes_with_them(ws: Any) -> None:
    """A text beside somebody is about them."""
    given = {"customer": {"id": "c-1"}, "email": "jane@example.com", "note": "Jane is ill"}
    record = ws.decide(decision(input=Order), given).record_id

    person(ws, "c-1").erase("asked")

    assert "jane" not in str(opened(ws, record)).lower()


class Aliased(BaseModel):
    people: list[Customer] = []
    main: Customer | None = Field(default=None, validation_alias="MAIN")
    number: int


@pytest.mark.parametrize(
    "given", [{"people": [{"id": "c-1"}]}, {"MAIN": {"id": "c-1"}}, {"people": {"x": {"id": "c-1"}}}]
)
def test_an_invalid_input_belongs_to_whom_it_names(ws: Any, given: Any) -> None:
    """It is recorded as it came, and can be erased."""
    outcome = ws.decide(decision(input=Aliased), given)

    assert outcome.status == "refused"
    person(ws, "c-1").erase("asked")
    assert not opened(ws, outcome.record_id)


@dataclass
class Contact:
    id: Annotated[str, ans.Subject]
    nick: Annotated[str, ans.Personal("name")]


class Renamed(BaseModel):
    nick: Annotated[str, ans.Personal("name")]

    @model_serializer
    def write(self) -> dict[str, str]:
        return {"called": self.nick}


class Odd(BaseModel):
    contact: Contact
    renamed: Renamed


def test_dataclasses_and_serializers_lose_no_class(ws: Any) -> None:
    """What writes itself under other names is as personal as before."""
    seen: list[Any] = []
    given = {"contact": {"id": "c-1", "nick": "Zork"}, "renamed": {"nick": "Zorka"}}

    record = ws.decide(decision(elsewhere(lambda case: seen.append(case.view())), input=Odd), given).record_id

    assert "zork" not in str(seen).lower() and len(seen) == 1
    assert "zork" not in str(ws.why(record).data).lower()
    person(ws, "c-1").erase("asked")


class Nick(BaseModel):
    nick: Annotated[str, ans.Personal("name")]
    income: Annotated[int, ans.Sensitive("income")] = 7_777_123


class Deep(BaseModel):
    lists: list[list[Nick]]
    maps: dict[str, dict[str, Nick]]


def test_why_hides_what_an_answer_says_at_any_depth(ws: Any) -> None:
    """In the output, in each attempt, and in a truth that is learned later."""
    deep = {"lists": [[{"nick": "Zork"}]], "maps": {"a": {"b": {"nick": "Zork"}}}}
    made = decision(
        ans.rule(lambda case: deep, name="r"), output=Deep, deciders=[ans.rule(lambda c: deep, name="r")]
    )

    record = ws.decide(made, {}).record_id
    ws.truth(made, record=record, source="agent", fields={"lists": [[{"nick": "Zork", "income": 7_777_123}]]})
    told = str(ws.why(record).data)

    assert "Zork" not in told and "7777123" not in told


def test_errors_and_headers_hold_no_value(ws: Any) -> None:
    """A key may be an address; a thread stands in clear."""
    made = decision(ans.rule(lambda case: Reply(), name="r"))
    record = ws.decide(made, {}).record_id

    with pytest.raises(ans.KeyReused) as reused:
        ws.decide(made, {"name": "Another"})
    with pytest.raises(ans.UsageError, match="EMAIL"):
        ws.decide(made, {"number": "2"}, thread="zork@example.com")
    with pytest.raises(ans.UsageError, match="EMAIL"):
        ws.truth(made, record=record, source="zork@example.com", text="x")

    assert "zork" not in str(reused.value)


class Pair(BaseModel):
    people: Annotated[list[str], ans.Subject]


def test_a_hold_on_one_holds_what_is_about_both(ws: Any) -> None:
    """Text about several would die with the other."""
    ws.decide(decision(input=Pair), {"people": ["a", "b"]})
    person(ws, "a").hold("court")

    with pytest.raises(ans.Denied, match="court"):
        person(ws, "b").erase("asked")


def test_nothing_follows_what_was_erased_in_part(ws: Any) -> None:
    """It could not be found by the person any more."""
    made = decision(input=Pair)
    record = ws.decide(made, {"people": ["a", "b"]}).record_id
    person(ws, "a").erase("asked")

    with pytest.raises(ans.HomeError, match="erased"):
        ws.truth(made, record=record, source="agent", text="A is bad")


class Sized(BaseModel):
    model_config = {"extra": "forbid"}

    text: str

    @computed_field
    def size(self) -> int:
        return len(self.text)


def test_an_answer_with_a_computed_field_gets_its_values_back(ws: Any) -> None:
    """Only what is declared is read again."""
    made = decision(
        output=Sized,
        deciders=[elsewhere(lambda case: Sized(text=f"Dear {case.view()['name']}"))],
    )

    assert ws.decide(made, {}).output.text == "Dear Zorkname"


def test_odd_ids_and_reads_are_no_crash(ws: Any) -> None:
    """Half a character names nobody; a read is a mapping."""
    made = decision()

    assert ws.decide(made, {"customer": "\ud800"}).status == "refused"
    with pytest.raises(ans.HomeError, match="nothing"):
        person(ws, "5").show()
    with pytest.raises(ans.UsageError, match="mapping"):
        ws.record(made, {}, Reply(), made_by="old@1", reads=["x"])
