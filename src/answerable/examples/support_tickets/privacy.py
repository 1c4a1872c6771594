"""What the demo can tell of personal data: values found in texts, tickets refused, and a person to erase."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import answerable as ans
from answerable.casefile import record_id_of
from answerable.examples.support_tickets.decision import Route, other_customer
from answerable.examples.support_tickets.generator import TicketRow


def found_in_texts(ws: ans.Workspace, outcomes: Sequence[ans.Outcome[Route]]) -> dict[str, Any]:
    """Return how many personal values the records say were found in the tickets' texts, by kind.

    records: those that say so; one whose person was erased does not any more.
    """
    found: Counter[str] = Counter()
    records = texts = 0
    for outcome in outcomes:
        stored = ws.ledger.get(record_id_of(outcome.record_id))
        detail = None if stored is None else ws.ledger.body(stored, "detail")
        personal = detail.get("personal") if isinstance(detail, dict) else None
        if personal is not None:
            kinds = personal.get("found", {})
            records, texts = records + 1, texts + bool(kinds)
            found.update(kinds)
    return {"records": records, "with_values": texts, "found": dict(found.most_common())}


def refused(
    ws: ans.Workspace, outcomes: Sequence[ans.Outcome[Route]], new: Sequence[TicketRow]
) -> dict[str, Any]:
    """Return how many tickets were refused as they ask for somebody else's data, beside those that do ask.

    asks: tickets that were made to ask so; wrongly: refused, and not among them. example: a record, and what
    it says to whoever wrote; None if there is none.
    """
    pairs = [pair for pair in zip(outcomes, new, strict=True) if is_refused(pair[0])]
    example = None
    if pairs:
        named = [o for o, _ in pairs if "a name" in o.reason] or [pairs[0][0]]
        why = ws.why(named[0].record_id)
        example = {"record_id": named[0].record_id, "body": why.data["input"]["body"]}
        example |= {"message": why.message("person"), "reads": why.data["reads"]}
    return {
        "refused": len(pairs),
        "asks": sum(ticket.kind == "snooping" for ticket in new),
        "wrongly": sum(ticket.kind != "snooping" for _, ticket in pairs),
        "example": example,
    }


def is_refused(outcome: ans.Outcome[Route]) -> bool:
    """Say whether the first rule refused the case, rather than the policies of the home."""
    last = outcome.attempts[-1] if outcome.attempts else None
    return outcome.status == "refused" and last is not None and last.result == "refused"


def to_erase(new: Sequence[TicketRow], shown: Collection[str]) -> dict[str, Any]:
    """Return the customer with most tickets of whom no ticket is `shown` (record numbers of the demo)."""
    told = {ticket.customer_id for ticket in new if ticket.number in shown}
    writes = Counter(t.customer_id for t in new if t.customer_id not in told)
    customer, tickets = writes.most_common(1)[0]
    return {"customer": customer, "tickets": tickets}
