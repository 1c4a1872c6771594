"""A small decision about persons, for the tests of keys and erasure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel

import answerable as ans
from answerable.casefile import record_id_of
from answerable.ledger import tlog
from answerable.ledger.note import Checkpoint, Proof, open_note

STAKES = ans.Stakes("USD", wrong=2.0, review=1.0)


class Ticket(BaseModel):
    """What comes in."""

    number: Annotated[str, ans.Key]
    customer: Annotated[str, ans.Subject]
    others: Annotated[list[str], ans.Subject] = []
    body: str = "the parcel never came"


class Route(BaseModel):
    """What goes out."""

    team: Literal["billing", "shipping"]


def by_word(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Knows one word."""
    return Route(team="shipping") if "parcel" in case.input.body else ans.Abstain("no word known")


DECISION: ans.Decision[Ticket, Route] = ans.Decision(
    name="route",
    version="1",
    question="Which team takes it?",
    input=Ticket,
    output=Route,
    owner="support",
    purpose="support",
    stakes=STAKES,
    deciders=[ans.rule(by_word), ans.person(queue="triage", within=0.001, then=Route(team="billing"))],
)


def decide(ws: ans.Workspace, number: int, customer: str, **more: Any) -> str:
    """Decide one ticket and return its record id."""
    return ws.decide(DECISION, {"number": f"T-{number}", "customer": customer, **more}).record_id


def body(ws: ans.Workspace, record: str, part: str = "input") -> Any:
    """Return a part of a record, or what stands in its place."""
    stored = ws.ledger.get(record_id_of(record))
    assert stored is not None
    return ws.ledger.body(stored, part)


def erase(ws: ans.Workspace, person: str, **more: Any) -> Any:
    """Erase a person."""
    return ws.subject(person, purpose="privacy", **more).erase("GDPR 17(1)(b)")


def stands(ws: ans.Workspace, record: str, proof: Proof) -> bool:
    """Say whether a record, as it is now, is what a proof from before proves."""
    stored = ws.ledger.get(record_id_of(record))
    text, signers = open_note(proof.checkpoint_note, ws.ledger.keys)
    head = Checkpoint.parse(text)
    assert stored is not None and signers
    return tlog.verify_inclusion(stored.entry.leaf, proof.index, head.size, proof.hashes, head.root)
