"""A real, small model on this machine: the form of its answers, an overflow, and a death in mid-answer.

What it answers says nothing about what a language model can do; how it is called and contained is measured.
"""

import os
import signal
import statistics
import threading
import time
from collections import Counter
from typing import Annotated, Any

from _measure import MICRO, arguments, emit, held, percentile, say

import answerable as ans
from answerable.examples.support_tickets.decision import INSTRUCTIONS, QUESTION, SAFE, STAKES, Route, Ticket
from answerable.examples.support_tickets.demo import NEW, ticket_of
from answerable.examples.support_tickets.generator import TicketRow, generate
from answerable.examples.support_tickets.language_model import account
from answerable.integrations.llm_local import LocalModel, local_model

QUICK = 5  # tickets
SEED = 7
DEADLINE, TIMEOUT = 90.0, 40.0  # seconds; long, as other work may share the cores
WINDOW = 512  # tokens, where an overflow is wanted
LINE = "The parcel is late again, and nobody at the hotline knows why. "
KILLED_DEADLINE = 15.0  # seconds


class LongTicket(Ticket):
    """A ticket whose text may be cut."""

    body: Annotated[str, ans.Trim(1)]


def main() -> None:
    """Run and print one JSON object."""
    given = arguments("Ask a real model on this machine.", tickets=(int, 50, "how many it is asked about"))
    number = min(given.tickets, QUICK) if given.quick else given.tickets
    with local_model() as served:
        say(f"{number} tickets")
        report: dict[str, Any] = {"tickets": tickets(served, generate(SEED, 10, NEW)[1][:number])}
    with local_model(context=WINDOW) as served:
        say("tickets that are larger than its window")
        report["overflow"] = overflow(served)
    say("a server that is killed in mid-answer")
    report["killed"] = killed()
    emit("local_llm", report, quick=given.quick)


def decision(llm: ans.Decider, *, given: type[Ticket] = Ticket, **more: Any) -> ans.Decision[Any, Route]:
    """Return a decision that asks nobody else who leaves this process."""
    return ans.Decision(
        **{
            "name": "route-ticket",
            "version": "1",
            "question": QUESTION,
            "input": given,
            "output": Route,
            "owner": "benchmarks",
            "purpose": "customer-support",
            "stakes": STAKES,
            "deadline": DEADLINE,
            "unmeasured": "accept",
            "deciders": [llm, ans.default(SAFE)],
            **more,
        }
    )


def asking(served: LocalModel, **options: Any) -> ans.Decider:
    """Return a decider that asks the served model. It knows no window: what is too large, the server says."""
    told = {"settings": {"temperature": 0, "max_tokens": 128}, "timeout": TIMEOUT, **options}
    return ans.llm(served.name, url=served.url, instructions=INSTRUCTIONS, reason=False, **told)


def tickets(served: LocalModel, rows: list[TicketRow]) -> dict[str, Any]:
    """Ask about tickets, one after the other; return how many answers were valid, and what they took."""
    asked = decision(asking(served))
    with ans.Workspace("memory:") as ws:
        outcomes = [ws.decide(asked, ticket_of(row), principal="service:benchmark") for row in rows]
        kept = [ws.outcome(outcome.record_id, asked) for outcome in outcomes]
    attempts = [outcome.attempts[0] for outcome in kept]
    calls = [call for attempt in attempts for call in attempt.calls if call.get("kind") == "model"]
    seconds = [call["latency_us"] / MICRO for call in calls]
    told = account(asked.deciders[0], kept, rows)
    return {
        "asked": len(rows),
        "valid": held(told["answered"], at_least=len(rows)),
        "by": dict(Counter(outcome.decider for outcome in kept)),
        "attempts": len(attempts),
        "calls": told["calls"],
        "repeated_after": dict(Counter(c["fault"] for a in attempts for c in a.calls if "waited_us" in c)),
        "faults": told["faults"],
        "seconds_a_call": {
            "first": round(seconds[0], 2),  # nothing of the model is in memory before
            "p50": round(statistics.median(seconds), 2),
            "p95": round(percentile(seconds, 0.95), 2),
            "sum": round(sum(seconds), 1),
        },
        "tokens": {"in": told["tokens_in"], "out": told["tokens_out"]},
        "cost": told["cost"],
        "quality": told["quality"],
    }


def overflow(served: LocalModel) -> list[dict[str, Any]]:
    """Ask about tickets larger than the window; return what the server said, and what was cut.

    A case has one cut, to a half, by the action table; where a decision allows more, each halves again.
    """
    told = []
    for lines, retries in ((45, 1), (400, 1), (400, 6)):
        asked = decision(
            asking(served),
            given=LongTicket,
            version=f"{retries}",
            faults={"context-overflow": {"retry": retries}},
        )
        given = {"number": f"T-{lines}-{retries}", "customer_id": "C-1", "email": "a@example.org"}
        with ans.Workspace("memory:") as ws:
            started = time.perf_counter()
            made = ws.decide(asked, {**given, "body": LINE * lines, "product": "Lumen Lamp"})
            took = time.perf_counter() - started
            outcome = ws.outcome(made.record_id, asked)
        attempt = outcome.attempts[0]
        told.append(
            {
                "characters": len(LINE) * lines,
                "retries_allowed": retries,
                "refused_by_the_server": [
                    {name: call.get(name) for name in ("fault", "status", "reason")}
                    for call in attempt.calls
                    if "fault" in call
                ],
                "answered_by": outcome.decider,
                "degraded": outcome.degraded,
                "cut": list(attempt.notes),
                "tokens_in": attempt.usage.tokens_in,
                "window": held(attempt.usage.tokens_in, at_most=WINDOW),
                "seconds": round(took, 2),
            }
        )
    return told


def killed() -> dict[str, Any]:
    """Kill the server while it writes an answer that would never end; return what became of the case."""
    endless = {"max_tokens": 1500, "temperature": 0, "extra_body": {"ignore_eos": True}}
    with local_model() as served, ans.Workspace("memory:") as ws:
        llm = asking(served, settings=endless, mode="prompted", timeout=None)
        asked = decision(llm, deadline=KILLED_DEADLINE)
        given = {"number": "T-1", "customer_id": "C-1", "email": "a@example.org", "product": "Lumen Lamp"}
        kill = threading.Timer(2.0, os.kill, (served.pid, signal.SIGKILL))
        kill.start()
        started = time.perf_counter()
        made = ws.decide(asked, {**given, "body": "It does not switch on."})
        took = time.perf_counter() - started
        kill.join()
        outcome = ws.outcome(made.record_id, asked)
        verified = ws.ledger.verify().data()["ok"]
    attempt = outcome.attempts[0]
    return {
        "status": outcome.status,
        "answered_by": outcome.decider,
        "degraded": outcome.degraded,
        "calls": [call["fault"] for call in attempt.calls],
        "seconds_before_it_was_killed": round(attempt.calls[0]["latency_us"] / MICRO, 2),
        "seconds": held(took, at_most=KILLED_DEADLINE),
        "contained": held(float(outcome.unwrap() == SAFE and "reset" in str(attempt.calls)), at_least=1.0),
        "ledger_verifies": verified,
    }


if __name__ == "__main__":
    main()
