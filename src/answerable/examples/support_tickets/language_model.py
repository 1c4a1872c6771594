"""A language model for the demo: the small one of this machine or any other; and what came of asking it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, get_args

import answerable as ans
from answerable.decisions.acceptance import cell
from answerable.encoding import MICRO
from answerable.examples.support_tickets.decision import INSTRUCTIONS, SAFE, STAKES, Route
from answerable.examples.support_tickets.generator import TicketRow
from answerable.integrations.llm_local import NAME, local_model
from answerable.integrations.llm_models import is_loopback

LOCAL = "local"
TOKENS = 5_000  # for one home: about 25 tickets of the demo
_SETTINGS = {"temperature": 0, "max_tokens": 128}  # an answer has 25 to 50 tokens
_TIMEOUT = 25.0  # seconds a call: a small model on two busy cores may take that long


@contextmanager
def language_model(which: str) -> Iterator[ans.Decider]:
    """Yield a decider that asks a model; "local" runs until the end of the block, on this machine.

    which: "local", or an id for `ans.llm`. Raises UsageError naming the pip commands if a package is missing.
    """
    if which != LOCAL:
        yield ans.llm(which, instructions=INSTRUCTIONS, timeout=_TIMEOUT)
        return
    with local_model() as served:
        yield served_here(NAME, served.url)


def served_here(name: str, url: str) -> ans.Decider:
    """Return a decider that asks a small model of this machine."""
    return ans.llm(
        name, url=url, instructions=INSTRUCTIONS, timeout=_TIMEOUT, settings=_SETTINGS, reason=False
    )


def account(
    llm: ans.Decider, outcomes: Sequence[ans.Outcome[Route]], tickets: Sequence[TicketRow]
) -> dict[str, Any]:
    """Return what an llm did, as data, from the records alone.

    fixture: it is the small model. here: it runs on this machine. left_open: tickets that came to it. asked:
    those with a call that left. answered: those with a valid answer. faults: category -> how many, those of
    repeated calls too. seconds: of the calls. cost: USD. example: a record that it answered.
    """
    pairs = [
        (attempt, ticket)
        for outcome, ticket in zip(outcomes, tickets, strict=True)
        for attempt in outcome.attempts
        if attempt.decider == llm.made_by
    ]
    calls = [call for attempt, _ in pairs for call in attempt.calls]
    sent = [call for call in calls if call.get("kind") == "model"]
    seconds = [call["latency_us"] / MICRO for call in sent]
    example = next((o.record_id for o in outcomes if o.decider == llm.made_by), None)
    answers = [(attempt.output, ticket) for attempt, ticket in pairs if attempt.output]
    assert llm.remote is not None
    return {
        "name": llm.name,
        "made_by": llm.made_by,
        "destination": llm.remote.destination,
        "fixture": llm.name == NAME,
        "here": is_loopback(llm.remote.destination),
        "left_open": len(pairs),
        "asked": sum(any(c.get("kind") == "model" for c in attempt.calls) for attempt, _ in pairs),
        "answered": len(answers),
        "calls": len(sent),
        "faults": dict(Counter(call["fault"] for call in calls if "fault" in call).most_common()),
        "seconds": {"median": median(seconds), "longest": max(seconds), "sum": sum(seconds)}
        if sent
        else None,
        "tokens_in": sum(attempt.usage.tokens_in for attempt, _ in pairs),
        "tokens_out": sum(attempt.usage.tokens_out for attempt, _ in pairs),
        "cost": sum(attempt.usage.cost for attempt, _ in pairs) / MICRO,
        "example": example,
        "quality": _quality(llm.name, answers),
    }


def _quality(name: str, answers: Sequence[tuple[Any, TicketRow]]) -> list[dict[str, Any]]:
    """Return, for the fields that the llm answered, how many it, the default and a guess get right.

    cost: USD of the errors, by the decision's stakes. A guess takes each value equally often.
    """
    rows = {
        who: {"name": who, "fields": 0, "right": 0.0, "cost": 0.0} for who in (name, "default", "a guess")
    }
    for output, ticket in answers:
        for field, said in output.items():
            truth = getattr(ticket, field)
            values = get_args(Route.model_fields[field].annotation)
            said_by = {name: (said,), "default": (getattr(SAFE, field),), "a guess": values}
            for who, told in said_by.items():
                row: Any = rows[who]
                row["fields"] += 1
                row["right"] += sum(value == truth for value in told) / len(told)
                cost = sum(cell(STAKES, field, truth, value, None) for value in told)
                row["cost"] += cost / len(told) / MICRO
    return list(rows.values())
