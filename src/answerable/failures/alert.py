"""An Alert: what an operator must hear about, once per cause."""

from dataclasses import dataclass

from answerable.failures.fault import CATEGORIES, Fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One cause that needs somebody. key: alerts of one key are one. what, next_step: one line each."""

    key: str
    what: str
    next_step: str
    decision: str | None = None
    category: str | None = None


_STEPS = {
    "auth": "renew the credentials; answers come from the next decider until then",
    "quota": "raise the limit or pay the bill; answers come from the next decider until then",
    "not-found": "correct the model id or the address",
    "rejected": "this is probably a mistake in the request; give the provider its request id",
    "pool": "allow more connections, or fewer calls at once",
    "budget": "raise the budget, or wait until its time is over; free deciders go on answering",
}


def alert_of(fault: Fault, decision: str) -> Alert:
    """Return the alert for a fault of which the table says that an operator is told."""
    where = " ".join(filter(None, (fault.provider, fault.model)))
    more = [
        f"code {fault.code}" if fault.code else "",
        f"request {fault.request_id}" if fault.request_id else "",
    ]
    told = ", ".join(filter(None, more))
    offered = f"; it suggests {fault.suggestion}" if fault.suggestion else ""
    return Alert(
        key=f"{fault.category}:{where or decision}",
        what=f"{where or decision}: {CATEGORIES[fault.category]}{f' ({told})' if told else ''}{offered}",
        next_step=_STEPS.get(fault.category, "read the record with `answerable why`"),
        decision=decision,
        category=fault.category,
    )
