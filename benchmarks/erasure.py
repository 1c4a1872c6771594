"""What erasing one of many persons takes and leaves: every proof, everybody else, and no key of theirs."""

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from _measure import arguments, emit, say
from pydantic import BaseModel

import answerable as ans
from answerable.casefile import record_id_of
from answerable.errors import Denied, TamperFound
from answerable.ledger import tlog
from answerable.ledger.entry import Gone
from answerable.ledger.envelope import AES256GCM_HKDF, Keyed, PartKey, combined
from answerable.ledger.note import Checkpoint, open_note
from answerable.upkeep.work import work

PERSONS, QUICK_PERSONS, CASES = 1000, 100, 3
ONE = 7  # the person who is erased


class Ticket(BaseModel):
    """What comes in."""

    number: Annotated[str, ans.Key]
    customer: Annotated[str, ans.Subject]
    body: Annotated[str, ans.Personal.free_text]


class Route(BaseModel):
    """What goes out."""

    team: Literal["billing", "shipping"]


def rule(case: ans.Case[Ticket]) -> Route:
    """Knows one word."""
    return Route(team="billing" if "invoice" in case.input.body else "shipping")


DECISION = ans.Decision(
    name="route",
    version="1",
    question="Which team takes it?",
    input=Ticket,
    output=Route,
    owner="support",
    purpose="support",
    stakes=ans.Stakes("USD", wrong=2.0, review=1.0),
    deciders=[ans.rule(rule)],
)


def planted(person: int) -> str:
    """Return a text that only one person's tickets hold."""
    return f"planted-{person:05}-value"


def decided(ws: ans.Workspace, persons: int) -> dict[int, list[str]]:
    """Decide some cases of each person, those of all in turn; return their record ids."""
    numbers = range(persons * CASES)
    given = (
        {"number": f"T-{n}", "customer": f"c-{n % persons}", "body": planted(n % persons)} for n in numbers
    )
    found: dict[int, list[str]] = {person: [] for person in range(persons)}
    for number, outcome in enumerate(ws.decide_many(DECISION, given)):
        found[number % persons].append(outcome.record_id)
    return found


def opens(ws: ans.Workspace, envelopes: list[bytes]) -> int:
    """Return how many of the encrypted parts any key that is left opens, alone or with any day's."""
    store = ws.book.vault.keys
    days = [key.secret for _, _, key_id in store.days() if (key := store.get(key_id)) is not None]
    rest = [key.secret for kept in store.kept() if (key := store.get(kept.id)) is not None]
    keys = [PartKey(b"", s) for s in (*rest, *(combined(Keyed(day), one) for day in days for one in rest))]
    count = 0
    for envelope in envelopes:
        for key in keys:
            try:
                key.open(envelope)
            except TamperFound:
                continue
            count += 1
    return count


def stands(ws: ans.Workspace, record: str, proof: Any) -> bool:
    """Say whether a record as it is now is what a proof from before proves."""
    stored = ws.ledger.get(record_id_of(record))
    text, signers = open_note(proof.checkpoint_note, ws.ledger.keys)
    head = Checkpoint.parse(text)
    assert stored is not None and signers
    return tlog.verify_inclusion(stored.entry.leaf, proof.index, head.size, proof.hashes, head.root)


def reads(ws: ans.Workspace, record: str) -> Any:
    """Return the text of a record's input, or what stands in its place."""
    stored = ws.ledger.get(record_id_of(record))
    found = None if stored is None else ws.ledger.body(stored, "input")
    return found if isinstance(found, Gone) or found is None else found["body"]


def measure(folder: Path, persons: int) -> dict[str, Any]:
    """Erase one of `persons` people in a home of `folder` and examine what is left."""
    with ans.Workspace(folder) as ws:
        records = decided(ws, persons)
        ws.ledger.seal()
        every = [(person, record) for person, own in records.items() for record in own]
        proofs = {
            record: ws.ledger.prove(record_id_of(record)) for _, record in every[:: max(1, len(every) // 300)]
        }
        proofs |= {record: ws.ledger.prove(record_id_of(record)) for record in records[ONE]}
        entries = [ws.ledger.get(record_id_of(record)).entry for record in records[ONE]]
        envelopes = [e for entry in entries for e in entry.parts.values() if e[0] == AES256GCM_HKDF]
        person = ws.subject(f"c-{ONE}", purpose="privacy")
        say("erasing")
        person.hold("a court case")
        try:
            person.erase("GDPR 17(1)(b)")
            refused = False
        except Denied:
            refused = True
        person.release_hold()
        began = time.perf_counter()
        done = person.erase("GDPR 17(1)(b)")
        took = time.perf_counter() - began
        work(ws, once=True)
        receipt = ws.ledger.get(record_id_of(done.record_id))
        told = None if receipt is None else ws.ledger.body(receipt, "detail")
        gone = [isinstance(reads(ws, record), Gone) for record in records[ONE]]
        same = [reads(ws, record) == planted(who) for who, record in every if who != ONE]
        files = list(folder.rglob("*.parquet"))
        return {
            "persons": persons,
            "entries": ws.ledger.head().size,
            "erase_ms": round(took * 1000, 1),
            "verify_ok": ws.ledger.verify().ok,
            "proofs_from_before": {
                "checked": len(proofs),
                "stand": sum(stands(ws, record, proof) for record, proof in proofs.items()),
            },
            "erased": {
                "records": len(gone),
                "gone": sum(gone),
                "parts_that_any_key_opens": opens(ws, envelopes),
                "segments_with_a_part": sum(
                    any(envelope[100:] in path.read_bytes() for envelope in envelopes) for path in files
                ),
            },
            "others": {"records": len(same), "as_before": sum(same)},
            "refused_under_hold": refused,
            "receipt": {
                "proof_stands": stands(ws, done.record_id, ws.ledger.prove(record_id_of(done.record_id))),
                "entries": None if told is None else told["entries"],
                "names_the_person": f"c-{ONE}" in str(told) or planted(ONE) in str(told),
            },
        }


def main() -> None:
    """Print the findings as JSON; `--quick` with fewer persons."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name) / "home", QUICK_PERSONS if options.quick else PERSONS)
    erased, proofs, others = found["erased"], found["proofs_from_before"], found["others"]
    found["holds"] = (
        found["verify_ok"]
        and found["refused_under_hold"]
        and found["receipt"]["proof_stands"]
        and not found["receipt"]["names_the_person"]
        and proofs["checked"] == proofs["stand"]
        and erased["records"] == erased["gone"] == CASES
        and erased["parts_that_any_key_opens"] == erased["segments_with_a_part"] == 0
        and others["records"] == others["as_before"]
    )
    emit("erasure", found, quick=options.quick)


if __name__ == "__main__":
    main()
