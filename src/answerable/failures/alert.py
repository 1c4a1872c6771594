"""An Alert: what an operator must hear about, once per cause."""

from collections.abc import Mapping
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


_OURS = "cases go to the next decider meanwhile"
_THEIRS = "answers come from the next decider until then"
# Category -> what to do. The table pages for a few of them; a decision may page for any.
STEPS: Mapping[str, str] = {
    "rate-limit": f"ask for a higher limit, or set `limit` to call less often; {_THEIRS}",
    "quota": f"raise the limit or pay the bill; {_THEIRS}",
    "overloaded": f"look at the provider's status; {_THEIRS}",
    "unavailable": f"look at the provider's status; {_THEIRS}",
    "server-error": f"look at the provider's status, and give it the request id; {_THEIRS}",
    "conflict": "see which other request it means; ask the provider if there is none",
    "auth": f"set or renew the credentials; {_THEIRS}",
    "not-found": f"correct the model id or the address; {_THEIRS}",
    "rejected": "mend the request, probably our own mistake; the provider knows it by its request id",
    "context-overflow": "let the decider cut more, or add one with a larger context",
    "content-filter": "see what was filtered with `answerable why`; no other model is asked for it",
    "refusal": "see what was refused with `answerable why`; no other model is asked for it",
    "truncated": "allow the model more tokens, or ask it for less",
    "invalid": "see what came back with `answerable why`, and say in the instructions what is wanted",
    "wrong-type": f"mend the decider's code; {_OURS}",
    "empty": "see what came back with `answerable why`; another model may do better",
    "garbled": "see that the address is the provider's interface, and no page or proxy before it",
    "connect": f"see that the address is right and this machine may reach it; {_THEIRS}",
    "pool": "allow more connections, or fewer calls at once",
    "reset": f"see what stands between this machine and the provider; {_THEIRS}",
    "timeout": f"give it more time, or look at the provider's status; {_THEIRS}",
    "deadline": "give the decision more time, or fewer deciders before the last",
    "budget": "raise the budget, or wait until its time is over; free deciders go on answering",
    "circuit-open": "look at the provider's status; calls go on by themselves when a probe succeeds",
    "busy": "allow more calls at once, or send less at once",
    "check": "see what the check found with `answerable why`",
    "never-automatic": "let a person answer it, or take it out of what is never automatic",
    "exception": f"mend the decider's code; {_OURS}",
    "source": f"see that the source can be reached and holds what its contract says; {_OURS}",
}
_OTHERWISE = "read the record with `answerable why`"


def alert_of(fault: Fault, decision: str, decider: str) -> Alert:
    """Return the alert for a fault of which the table says that an operator is told.

    decider: the name of the one that met it. Whoever is called outside stands for itself in every decision;
    what a decider's own code does is told for each decision, and each budget for each of its times.
    """
    where = " ".join(filter(None, (fault.provider, fault.model)))
    own = f"{decision}/{decider}"
    if fault.category == "budget":
        what = _said(fault, decision)
        key = fault.code or where or own
    elif fault.category in ("exception", "wrong-type"):
        verb = "raises" if fault.category == "exception" else "returns what is no answer"
        told = "" if fault.reason == CATEGORIES[fault.category] else f": {fault.reason}"
        what, key = f"the decider {decider} of {decision} {verb}{told}", own
    else:
        what = _said(fault, where or f"{decider} of {decision}") + _marks(fault)
        key = where or own
    return Alert(
        key=f"{fault.category}:{key}",
        what=what,
        next_step=STEPS.get(fault.category, _OTHERWISE),
        decision=decision,
        category=fault.category,
    )


def _said(fault: Fault, where: str) -> str:
    """Say what happened where, with the reason as far as it tells more than the category."""
    cause, reason = CATEGORIES[fault.category], fault.reason
    if fault.category != "budget" and cause not in reason:
        reason = f"{cause}: {reason}"
    return reason if reason.startswith(where) else f"{where}: {reason}"


def _marks(fault: Fault) -> str:
    """Return what the provider knows the fault by, and offers instead, where the reason does not say it."""
    named = (("code", fault.code), ("request", fault.request_id))
    told = ", ".join(f"{what} {mark}" for what, mark in named if mark and mark not in fault.reason)
    offered = f"; it suggests {fault.suggestion}" if fault.suggestion else ""
    return f"{f' ({told})' if told else ''}{offered}"
