"""Personal values planted everywhere are found in no clear byte under the home, and no uncleared decider saw one.

ANSWERABLE_PLANTED=10000 plants that many cases; fewer by default, so that the suite stays quick.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, Field

import answerable as ans
from answerable.alerting import LOGGER
from answerable.governance.checksums import luhn

CASES = int(os.environ.get("ANSWERABLE_PLANTED", "300"))
SIGN = "zqxplant"  # in every planted text; numbers begin with 7359


class Address(BaseModel):
    street: Annotated[str, ans.Personal("street")]
    city: Annotated[str, ans.Public]


class Friend(BaseModel):
    kind: Literal["friend"] = "friend"
    id: Annotated[str, ans.Subject]
    name: Annotated[str, ans.Personal("name")]
    address: Address


class Firm(BaseModel):
    kind: Literal["firm"] = "firm"
    phone: Annotated[str | None, ans.Personal("phone")]


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    customer: Annotated[str, ans.Subject]
    name: Annotated[str, ans.Personal("name")]
    email: Annotated[str, ans.Personal("email")] | None = None
    account: Annotated[int, ans.Personal("account")]
    born: Annotated[date, ans.Personal("birth-date")]
    illness: Annotated[str, ans.Sensitive("health")]
    tags: Annotated[list[str], ans.Personal("tag")]
    scores: dict[Annotated[str, ans.Personal("nick")], int]
    people: list[Annotated[Friend | Firm, Field(discriminator="kind")]]
    body: Annotated[str, ans.Personal.free_text]
    note: str


class Reply(BaseModel):
    urgency: Literal["low", "high"]
    text: str = ""
    to: Annotated[str, ans.Personal("email")] = ""


def word(n: int, kind: str) -> str:
    """Return a word that stands for one value of one case, of letters only."""
    return f"{SIGN}{kind}" + "".join(chr(ord("a") + int(digit)) for digit in f"{n:06d}")


def card(n: int) -> str:
    """Return a card number with its check digit."""
    head = f"4735{n:011d}"
    return next(head + str(last) for last in range(10) if luhn(head + str(last)))


def ticket(n: int) -> Ticket:
    """Return a case with a value of its own in every kind of field."""
    name = f"{word(n, 'given').title()} {word(n, 'family').title()}"
    text = (
        f"I am {name}, write to {word(n, 'free')}@mail.example or {word(n, 'mail')}@corp.example. "
        f"My card is {card(n)}, ask {word(n, 'friend').title()}."
    )
    return Ticket(
        number=f"T-{n}",
        customer=word(n, "customer"),
        name=name,
        email=f"{word(n, 'mail')}@corp.example",
        account=7_359_000_000 + n,
        born=date(1950, 1, 1) + timedelta(days=n % 18_000),
        illness=f"{word(n, 'ill')} chronic",
        tags=[word(n, "taga"), word(n, "tagb")],
        scores={word(n, "nick"): n},
        people=[
            Friend(
                id=word(n, "other"),
                name=word(n, "friend").title(),
                address=Address(street=f"1 {word(n, 'street')} road", city="Rome"),
            ),
            Firm(phone=f"+49 30 7359{n:06d}"),
        ],
        body=text,
        note=f"unclassified, {word(n, 'note')}@mail.example",
    )


SEEN: list[Any] = []


def breaks(case: ans.Case[Ticket]) -> Any:
    """Raises with everything it knows; now and then."""
    if int(case.input.number[2:]) % 3 == 0:
        raise ValueError(f"{case.input!r}")
    return ans.Abstain(f"nothing for {case.input.name} <{case.input.email}>")


def echoes(case: ans.Case[Ticket]) -> Any:
    """Is called elsewhere, and repeats what it was shown."""
    seen = case.view()
    SEEN.append(seen)
    if int(seen["number"][2:]) % 5 == 0:
        raise RuntimeError(f"provider says: {seen}")
    if int(seen["number"][2:]) % 7 == 0:
        return Reply(urgency="high", text=case.input.name)  # it tries
    calls = [{"kind": "model", "messages": [{"role": "user", "content": str(seen)}], "reply": str(seen)}]
    reply = Reply(urgency="high", text=f"{seen['body']} {seen['people']}", to=seen["email"])
    return ans.Answer(reply, reason=f"because of {seen['name']}", calls=calls)


def quoted(case: ans.Case[Ticket], answer: ans.Answer[Any]) -> ans.Finding | None:
    """Finds something in some, and says too much."""
    wrong = int(case.input.number[2:]) % 11 == 0
    return ans.Finding(f"{case.input.name} of {case.input.customer}") if wrong else None


DECISION = ans.Decision(
    name="planted", version="1", question="What do we reply?", input=Ticket, output=Reply, owner="ops",
    purpose="support", stakes=ans.Stakes("USD", wrong=1, review=1), unmeasured="accept", label="text",
    checks=[quoted],
    deciders=[
        ans.model(breaks, version="1"),
        ans.model(
            echoes, version="1", remote=ans.Remote(provider="acme", model="m", destination="api.acme.example")
        ),
        ans.person(queue="triage", within="1h"),
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the planted cases, what followed them, and half of it sealed."""
    folder = tmp_path_factory.mktemp("planted") / "home"
    said: list[str] = []
    LOGGER.addFilter(keep := lambda record: bool(said.append(record.getMessage())) or True)
    SEEN.clear()
    with ans.Workspace(folder) as ws:
        outcomes = list(ws.decide_many(DECISION, map(ticket, range(CASES // 2)), concurrency=8))
        ws.ledger.seal()
        outcomes += ws.decide_many(DECISION, map(ticket, range(CASES // 2, CASES)), concurrency=8)
        for n, outcome in enumerate(outcomes):
            assert isinstance(outcome, ans.Outcome)
            if n % 13 == 0:
                ws.truth(DECISION, record=outcome.record_id, source="agent", text=f"no, {word(n, 'given')}")
            if outcome.status == "escalated" and n % 2 == 0:
                final = Reply(urgency="low", text=word(n, "family"), to=f"{word(n, 'mail')}@corp.example")
                ws.resolve(
                    DECISION,
                    outcome.record_id,
                    final,
                    principal="user:1",
                    reason=f"{word(n, 'given')} called",
                )
        bad = ws.decide(DECISION, {"number": "T-x", "name": word(0, "refused"), "account": word(0, "number")})
        assert bad.status == "refused"
        answered = next(o for o in outcomes if o.status == "answered" and "Rome" in o.output.text)
        assert SIGN in answered.output.text  # the caller's own output is real
    LOGGER.removeFilter(keep)
    (folder / "log.txt").write_text("\n".join(said))
    yield folder


PLANTED = re.compile(
    rb"zqxplant|7359[0-9]{6}|4735[0-9]{12}|chronic|date\(19[0-9]{2}|19[5-9][0-9]-[01]", re.IGNORECASE
)


def test_no_planted_value_stands_in_a_clear_byte(home: Path) -> None:
    """In no file as it lies there: databases with their logs, blobs, keys, checkpoints, the log of alerts."""
    found = {
        str(path.relative_to(home)): sorted({m[0] for m in PLANTED.finditer(path.read_bytes())})[:3]
        for path in home.rglob("*")
        if path.is_file() and PLANTED.search(path.read_bytes())
    }

    assert found == {}
    assert (home / "journal.db").stat().st_size > 100_000


def test_no_planted_value_stands_in_a_decoded_segment(home: Path) -> None:
    """Parquet packs its columns: they are read and searched as what they are."""
    rows = 0
    for path in home.rglob("*.parquet"):
        table = pq.read_table(path)
        rows += table.num_rows
        for column in table.columns:
            for value in column.to_pylist():
                raw = value if isinstance(value, bytes) else str(value).encode()
                assert not PLANTED.search(raw)

    assert rows >= min(256, CASES // 2)


def test_who_is_not_cleared_saw_none(home: Path) -> None:
    """Nothing classified, nothing known and nothing that the detector knows reached the code elsewhere."""
    told = "\n".join(map(str, SEEN)).encode()

    assert len(SEEN) == CASES
    assert not PLANTED.search(told)
    assert SEEN[0]["people"][0]["address"]["city"] == "Rome"


def test_alerts_were_told_and_say_nothing_personal(home: Path) -> None:
    """The exceptions above were told to an operator."""
    told = (home / "log.txt").read_text()

    assert "ValueError" in told and "echoes" in told and "[NAME_" in told


def test_why_shows_none_either_and_a_record_still_holds_all(home: Path) -> None:
    """The values are there, sealed: whoever may reveal them can."""
    with ans.Workspace(home) as ws:
        records = [line["record_id"] for line in ws.records(limit=None)]
        for record in random.Random(1).sample(records, min(len(records), 100)):
            why = ws.why(record)
            assert not PLANTED.search(str(why.data).encode()), record
            assert not PLANTED.search(why.text("auditor").encode())
        stored = ws.ledger.get(ws.find("", decision="planted", key="T-1"))
        assert stored is not None
        assert word(1, "ill") in str(ws.ledger.body(stored, "input"))
