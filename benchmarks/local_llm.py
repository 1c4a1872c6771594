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
from pydantic import BaseModel, Field

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
LINES = 100  # that an answer must have, where it has to be long
KILLED_AFTER, KILLED_DEADLINE = 1.0, 15.0  # seconds


class LongTicket(Ticket):
    """A ticket whose text may be cut."""

    body: Annotated[str, ans.Trim(1)]


class Letter(BaseModel):
    """An answer that takes the model many seconds: its schema allows nothing shorter."""

    lines: Annotated[list[str], Field(min_length=LINES)]


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


def decision(**more: Any) -> ans.Decision[Any, Any]:
    """Return the tickets' decision with some of its parameters changed."""
    return ans.Decision(
        **{
            "name": "route-ticket",
            "version": "1",
            "question": QUESTION,
            "input": Ticket,
            "output": Route,
            "owner": "benchmarks",
            "purpose": "customer-support",
            "stakes": STAKES,
            "deadline": DEADLINE,
            "unmeasured": "accept",
            **more,
        }
    )


def asking(served: LocalModel, **options: Any) -> ans.Decider:
    """Return a decider that asks the served model. It knows no window: what is too large, the server says."""
    told = {"settings": {"temperature": 0, "max_tokens": 128}, "timeout": TIMEOUT, **options}
    return ans.llm(served.name, url=served.url, instructions=INSTRUCTIONS, reason=False, **told)


def tickets(served: LocalModel, rows: list[TicketRow]) -> dict[str, Any]:
    """Ask about tickets, one after the other; return how many answers were valid, and what they took."""
    asked = decision(deciders=[asking(served), ans.default(SAFE)])
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
    for lines, retries, fits in ((45, 1, True), (400, 1, False), (400, 6, True)):
        asked = decision(
            input=LongTicket,
            version=f"{retries}",
            deciders=[asking(served), ans.default(SAFE)],
            faults={"context-overflow": {"retry": retries}},
        )
        given = {"number": f"T-{lines}-{retries}", "customer_id": "C-1", "email": "a@example.org"}
        with ans.Workspace("memory:") as ws:
            started = time.perf_counter()
            made = ws.decide(asked, {**given, "body": LINE * lines, "product": "Lumen Lamp"})
            took = time.perf_counter() - started
            outcome = ws.outcome(made.record_id, asked)
        attempt, seconds = outcome.attempts[0], round(took, 2)
        refused = [
            {n: c.get(n) for n in ("fault", "status", "reason")} for c in attempt.calls if "fault" in c
        ]
        known = bool(refused) and {(c["fault"], c["status"]) for c in refused} == {("context-overflow", 400)}
        by_llm = (outcome.degraded, bool(attempt.notes)) == ("input-cut", True)
        by_default = outcome.degraded == "fault:context-overflow"
        told.append(
            {
                "characters": len(LINE) * lines,
                "retries_allowed": retries,
                "refused_by_the_server": refused,
                "answered_by": outcome.decider,
                "degraded": outcome.degraded,
                "cut": list(attempt.notes),
                "tokens_in": held(attempt.usage.tokens_in, at_most=WINDOW),
                "seconds": seconds,
                "known_and_contained": held(float(known and (by_llm if fits else by_default)), at_least=1.0),
            }
        )
    return told


def killed() -> dict[str, Any]:
    """Kill the server while it writes a long answer; return what became of the case."""
    with local_model() as served, ans.Workspace("memory:") as ws:
        llm = asking(served, settings={"max_tokens": 1500, "temperature": 0}, timeout=None)
        nothing = Letter(lines=["-"] * LINES)
        asked = decision(
            output=Letter,
            stakes=ans.Stakes("USD", wrong=1.0, review=1.0),
            deciders=[llm, ans.default(nothing)],
            deadline=KILLED_DEADLINE,
            question="What do we answer?",
        )
        given = {"number": "T-1", "customer_id": "C-1", "email": "a@example.org", "product": "Lumen Lamp"}
        kill = threading.Timer(KILLED_AFTER, os.kill, (served.pid, signal.SIGKILL))
        kill.start()
        started = time.perf_counter()
        made = ws.decide(asked, {**given, "body": "It does not switch on."})
        took = time.perf_counter() - started
        kill.join()
        outcome = ws.outcome(made.record_id, asked)
        verified = ws.ledger.verify().data()["ok"]
    faults = [call["fault"] for call in outcome.attempts[0].calls]
    contained = outcome.output == nothing and faults[0] == "reset" and set(faults[1:]) <= {"connect"}
    return {
        "killed_after": KILLED_AFTER,
        "first_call_broke_off_after": round(outcome.attempts[0].calls[0]["latency_us"] / MICRO, 2),
        "status": outcome.status,
        "answered_by": outcome.decider,
        "degraded": outcome.degraded,
        "faults": faults,
        "seconds": held(took, at_most=KILLED_DEADLINE),
        "contained": held(float(contained and verified), at_least=1.0),
    }


if __name__ == "__main__":
    main()
