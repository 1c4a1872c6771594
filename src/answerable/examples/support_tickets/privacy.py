"""What the demo can tell of personal data: values found in texts, tickets refused, and a person to erase."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import answerable as ans
from answerable.casefile import record_id_of
from answerable.examples.support_tickets.decision import Route
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

    asks: tickets that were made to ask so; wrongly: refused, and not among them. example: one that gives a
    customer number, else the first; None if none was refused. It shows pseudonyms, as every why does.
    """
    pairs = [pair for pair in zip(outcomes, new, strict=True) if is_refused(pair[0])]
    example = None
    if pairs:
        first = next((o for o, _ in pairs if "customer number" in o.reason), pairs[0][0])
        told = ws.why(first.record_id).data
        example = {
            "record_id": first.record_id,
            "key": told["key"],
            "body": told["input"]["body"],
            "reads": [{name: read[name] for name in ("source", "params", "count")} for read in told["reads"]],
            "reason": told["reason"],
        }
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


def to_erase(new: Sequence[TicketRow], told: Collection[str]) -> dict[str, Any]:
    """Return the customer with most tickets, apart from those whose ticket (a number) is told already."""
    apart = {ticket.customer_id for ticket in new if ticket.number in told}
    writes = Counter(t.customer_id for t in new if t.customer_id not in apart)
    customer, tickets = writes.most_common(1)[0]
    return {"customer": customer, "tickets": tickets}
