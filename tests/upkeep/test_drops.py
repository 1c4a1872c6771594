"""Erased persons leave the files as well: the sealer drops what their keys sealed, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

import answerable as ans
from answerable.ledger.envelope import AES256GCM_HKDF, DROPPED
from answerable.ledger.retain import retain
from answerable.state.subjects import UNDROPPED
from answerable.upkeep.work import SEALER, work
from answerable.workspace import Workspace


class Letter(BaseModel):
    """What is decided about."""

    sender: Annotated[str, ans.Subject]
    text: Annotated[str, ans.Personal.free_text]


class Verdict(BaseModel):
    """A yes or no."""

    answer: bool


DECISION = ans.Decision(
    name="answer-letter",
    version="1",
    question="Must it be answered?",
    input=Letter,
    output=Verdict,
    owner="post",
    purpose="correspondence",
    stakes=ans.Stakes("EUR", wrong=2.0, review=1.0),
    deciders=[ans.default(Verdict(answer=True))],
)


def states(ws: Workspace, ids: list[str], part: str) -> list[int]:
    """Return the codec of a part of each record."""
    found = [ws.ledger.get(ws.find(record)) for record in ids]
    return [stored.entry.parts[part][0] for stored in found if stored is not None]


def test_the_sealer_drops_what_an_erased_person_left(tmp_path: Path) -> None:
    """In segments and journal; once, by itself; all others stay sealed, and every proof holds."""
    with Workspace(tmp_path / "home") as ws:
        made = [ws.decide(DECISION, Letter(sender=f"P-{n % 50}", text=f"letter {n}")) for n in range(300)]
        records = [outcome.record_id for outcome in made]
        work(ws, once=True)
        proof = ws.ledger.prove(ws.find(records[7]))
        ws.subject("P-7", purpose="privacy").erase("asked for")

        passes = {line.role: line for line in work(ws, once=True)}

        mine = [record for n, record in enumerate(records) if n % 50 == 7]
        others = [record for n, record in enumerate(records) if n % 50 != 7]
        assert "erased entries emptied" in passes[SEALER].note
        assert states(ws, mine, "input") == [DROPPED] * 6
        assert states(ws, others, "input") == [AES256GCM_HKDF] * 294
        assert ws.journal.rows(UNDROPPED, {}) == []
        report = ws.ledger.verify()
        assert report.ok
        assert report.dropped > 0
        assert ws.ledger.prove(ws.find(records[7])).extra == proof.extra
        assert ws.outcome(others[0]).output == {"answer": True}


def test_a_hold_stays_in_the_way_of_retention(tmp_path: Path) -> None:
    """The day key of a class is kept while a person of that day is held, and shredded afterwards."""
    with Workspace(tmp_path / "home") as ws:
        ws.decide(DECISION, Letter(sender="P-1", text="a letter"))
        person = ws.subject("P-1", purpose="privacy")
        person.hold("a claim is pending")
        clock = ws.book.clock
        later = type("Later", (), {"now": lambda self: clock.now() + 40 * 86_400 * 1_000_000})()
        ws.book.clock = later
        keys, times = ws.book.vault.keys, {"standard": 30 * 86_400.0}

        held = retain(ws.book, keys, times)
        ws.book.clock = clock
        person.release_hold("it is over")
        ws.book.clock = later
        free = retain(ws.book, keys, times, dry_run=False)

        assert [line.retention for line in held.plan.held] == ["standard"]
        assert held.plan.over == ()
        assert len(free.plan.over) == 1
        assert not ws.outcome(ws.records()[0]["record_id"]).output  # type: ignore[arg-type]
        assert ws.ledger.verify().ok
