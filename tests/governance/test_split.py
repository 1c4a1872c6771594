"""What belongs to several people is sealed for each of them apart: one is erased, the others stay."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.encoding import encode, plain
from answerable.governance.leaves import walk
from answerable.governance.split import MISSING, apart, together


class Person(BaseModel):
    id: Annotated[str, ans.Subject]
    name: Annotated[str, ans.Personal("name")]
    diary: Annotated[str, ans.Personal("diary", retention="short")] = ""
    nicks: dict[Annotated[str, ans.Personal("nick")], Any] = {}


class Thread(BaseModel):
    title: str
    urgency: Literal["low", "high"] = "low"
    people: list[Person] = []


class Verdict(BaseModel):
    ok: bool
    text: str = ""


def told(case: ans.Case[Any]) -> Verdict:
    """Names them all."""
    return Verdict(ok=True, text=" ".join(p.name for p in case.input.people))


def decision(*deciders: ans.Decider, **more: Any) -> ans.Decision[Any, Any]:
    return ans.Decision(
        name="thread", version="1", question="Is it fine?", input=Thread, output=Verdict, owner="ops",
        purpose="support", stakes=ans.Stakes("USD", wrong=1, review=1), deciders=deciders or [ans.rule(told)], **more,
    )  # fmt: skip


ANN_AND_BOB = {
    "title": "Holiday",
    "people": [
        {"id": "a", "name": "Ann", "diary": "rain", "nicks": {"Annie": 1}},
        {"id": "b", "name": "Bob", "nicks": {"Bobby": {"since": 2001}}},
    ],
}
TEXTS = st.text(st.sampled_from("ab\0.019é\\u"), max_size=6)
JSON = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=6
)


@given(
    TEXTS,
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, JSON, max_size=3)), max_size=4),
)
def test_what_was_taken_apart_comes_together_as_it_was(title: str, people: list[Any]) -> None:
    """Whatever the values look like, placeholders of another split included."""
    value = Thread(title=title, people=[Person(id=i, name=n, diary=d, nicks=k) for i, n, d, k in people])
    data = plain(value)

    split = apart(partial(walk, value, data), encode(data))

    assert together(split.mark, split.rest, [list(values) for values in split.groups.values()]) == data


def test_only_what_cannot_be_opened_is_missing() -> None:
    """And nothing of one person is in the group of another."""
    value = Thread.model_validate(ANN_AND_BOB)
    split = apart(partial(walk, value, plain(value)), encode(plain(value)))

    ann, short = split.groups[(("a",), None)], split.groups[(("a",), "short")]
    groups = [None if owner[0] == ("a",) else list(values) for owner, values in split.groups.items()]

    assert (set(ann), short) == ({"a", "Ann", "Annie", 1}, ["rain"])
    assert "Ann" not in str(split.rest) and "Holiday" in str(split.rest)
    assert together(split.mark, split.rest, groups)["people"] == [
        {"id": MISSING, "name": MISSING, "diary": MISSING, "nicks": {MISSING: MISSING}},
        {"id": "b", "name": "Bob", "diary": "", "nicks": {"Bobby": {"since": 2001}}},
    ]


def stored(ws: ans.Workspace, record: str, part: str) -> Any:
    entry = ws.ledger.get(ws.find(record))
    assert entry is not None
    return ws.ledger.body(entry, part)


def test_one_person_is_erased_and_the_other_stays() -> None:
    """Of the input each has their own; text about both dies with the first."""
    with ans.Workspace("memory:") as ws:
        record = ws.decide(decision(), ANN_AND_BOB).record_id
        assert stored(ws, record, "input") == plain(Thread.model_validate(ANN_AND_BOB))

        ws.subject("a", purpose="support").erase(reason="she asked")

        left = stored(ws, record, "input")
        assert [person["name"] for person in left["people"]] == [MISSING, "Bob"]
        assert (left["title"], left["urgency"]) == (MISSING, "low")  # a text beside them is about both
        assert not stored(ws, record, "output")
        assert "Bob" not in str(ws.why(record).data["input"])

        ws.subject("b", purpose="support").erase(reason="he asked too")

        assert "Bob" not in str(stored(ws, record, "input"))
        assert ws.ledger.verify().ok


def test_values_of_a_shorter_retention_go_first() -> None:
    """Their own day key is shredded; everything else stays."""
    with ans.Workspace("memory:") as ws:
        record = ws.decide(decision(), ANN_AND_BOB).record_id
        keys = ws.book.vault.keys

        keys.shred([key for name, _, key in keys.days() if name == "short"])

        people = stored(ws, record, "input")["people"]
        assert [person["diary"] for person in people] == [MISSING, MISSING]
        assert [person["name"] for person in people] == ["Ann", "Bob"]


class Row(BaseModel):
    id: Annotated[str, ans.Subject, ans.Key]
    mail: Annotated[str, ans.Personal("email")]


@ans.source("directory", Row, owner="it", purposes=["support"])
def directory() -> list[dict[str, str]]:
    return [{"id": "z", "mail": "zoe@example.com"}]


def test_whom_it_read_of_can_be_erased_from_it() -> None:
    """What was read, and what was made of it, dies with them; the input is not theirs."""

    def reads(case: ans.Case[Any]) -> Verdict:
        return Verdict(ok=True, text=case.read(directory)[0].mail)

    with ans.Workspace("memory:") as ws:
        record = ws.decide(decision(ans.rule(reads), reads=[directory]), ANN_AND_BOB).record_id
        assert "zoe" in str(stored(ws, record, "reads")) and "zoe" in str(stored(ws, record, "output"))

        ws.subject("z", purpose="support").erase(reason="she asked")

        assert not stored(ws, record, "reads") and not stored(ws, record, "output")
        assert stored(ws, record, "input")["people"][0]["name"] == "Ann"
