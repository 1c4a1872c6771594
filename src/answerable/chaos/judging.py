"""Says what is wrong with how a fault was met: against its expectation, and against what holds for all."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from answerable.chaos.server import Call
from answerable.chaos.variants import Variant
from answerable.decisions.outcome import Outcome

SLACK = 1.1  # a case may last so much of its deadline
# What must not reach the affected person: names of exceptions, protocols and providers, and secrets.
_NOT_FOR_PERSONS = re.compile(
    r"\b\w+(?:Error|Exception)\b|Traceback|https?:|127\.0\.0\.1|\bHTTP\b|\bJSON\b|sk-chaos",
    re.IGNORECASE,
)
_CIRCUIT = "circuit-open"  # a breaker that opens tells operators too; that is no page for a fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was seen while a variant ran. One outcome, why and number of seconds for each case.

    texts: the story for a person, one a case. stories: for all readers and the whole record, one a case.
    alerts: (category, what) of each that was raised. circuits: (model, seconds left) of open breakers.
    """

    outcomes: tuple[Outcome[Any], ...]
    whys: tuple[Mapping[str, Any], ...]
    texts: tuple[str, ...]
    stories: tuple[str, ...]
    seconds: tuple[float, ...]
    primary: tuple[Call, ...]
    second: tuple[Call, ...]
    alerts: tuple[tuple[str, str], ...] = ()
    circuits: tuple[tuple[str, float], ...] = ()


def who(outcome: Outcome[Any]) -> str:
    """Return who answered: a decider's name, "person" or "nobody"."""
    if outcome.status == "escalated":
        return "person"
    if outcome.status != "answered" or outcome.decider is None:
        return "nobody"
    return outcome.decider.partition("@")[0]


def problems(variant: Variant, seen: Seen) -> list[str]:
    """Return what is wrong, in words; empty if the fault was met as it should be."""
    expected = variant.expected
    found = [*_hits("primary", len(seen.primary), expected.primary)]
    found += _hits("second", len(seen.second), expected.second)
    for number, outcome in enumerate(seen.outcomes, start=1):
        if who(outcome) not in expected.by:
            found.append(f"case {number} was answered by {who(outcome)}, not by {' or '.join(expected.by)}")
        if expected.degraded is not None and bool(outcome.degraded) is not expected.degraded:
            found.append(f"case {number} is marked degraded: {outcome.degraded}")
    first = seen.outcomes[0].attempts[0].fault if seen.outcomes[0].attempts else None
    if expected.faults and first not in expected.faults:
        found.append(f"the fault is called {first}, not {' or '.join(expected.faults)}")
    found += _waits(seen, expected.waits)
    for number, seconds in enumerate(seen.seconds, start=1):
        if expected.within is not None and seconds > expected.within:
            found.append(f"case {number} took {seconds:.2f} s, not {expected.within:g} s at most")
    told = sorted(category for category, _ in seen.alerts if category != _CIRCUIT)
    if told != sorted(expected.alerts):
        found.append(f"alerts were raised for {told or 'nothing'}, not for {list(expected.alerts)}")
    for name in expected.also:
        found += filter(None, [ALSO[name](seen)])
    return found + always(seen, variant.deadline)


def always(seen: Seen, deadline: float) -> list[str]:
    """Return what is wrong by the rules that hold for every fault."""
    found = []
    for number, (outcome, why) in enumerate(zip(seen.outcomes, seen.whys, strict=True), start=1):
        if seen.seconds[number - 1] > deadline * SLACK:
            found.append(f"case {number} took {seen.seconds[number - 1]:.2f} s of {deadline:g} s")
        kept = [(a["decider"], a["result"], a.get("fault")) for a in why["attempts"]]
        if kept != [(a.decider, a.result, a.fault) for a in outcome.attempts]:
            found.append(f"the record of case {number} does not hold every attempt")
        if not why["proof"]["verified"]:
            found.append(f"the record of case {number} cannot be proved")
        if why["status"] != outcome.status:
            found.append(f"the record of case {number} says {why['status']}")
        found += leak(seen.texts[number - 1])
        if outcome.record_id not in seen.texts[number - 1]:
            found.append(f"the person of case {number} is not told the record id")
    return found


def leak(text: str) -> list[str]:
    """Return what in a text for the affected person must not stand there."""
    leaked = _NOT_FOR_PERSONS.search(text)
    return [f"the affected person reads {leaked.group()!r}"] if leaked else []


def _hits(name: str, hits: int, allowed: tuple[int, int]) -> list[str]:
    low, high = allowed
    if low <= hits <= high:
        return []
    wanted = f"{low}" if low == high else f"{low} to {high}"
    return [f"{name} was called {hits} times, not {wanted}"]


def _waits(seen: Seen, allowed: tuple[tuple[float, float], ...]) -> list[str]:
    waits = [later.at - call.at for call, later in pairwise(seen.primary)]
    return [
        f"it waited {wait:.2f} s before call {number}, not {low:g} to {high:g} s"
        for number, (wait, (low, high)) in enumerate(zip(waits, allowed, strict=False), start=2)
        if not low <= wait <= high
    ]


# -- further checks, by name -------------------------------------------------------------------------------


def _open_until(seen: Seen) -> str | None:
    left = [seconds for model, seconds in seen.circuits if model == "primary"]
    if not left:
        return "no breaker is open for the primary"
    return None if 25 < left[0] <= 31 else f"the breaker is open for {left[0]:.1f} s, not for 30 s"


def _no_secret(seen: Seen) -> str | None:
    told = "\n".join((*seen.stories, *(what for _, what in seen.alerts)))
    return "a key that the provider quoted stands in a record or an alert" if "sk-chaos" in told else None


def _request_id(seen: Seen) -> str | None:
    told = any("req_chaos" in what for _, what in seen.alerts)
    return None if told else "no alert names the provider's request id"


def _suggestion(seen: Seen) -> str | None:
    told = any("it suggests" in what for _, what in seen.alerts)
    return None if told else "no alert says which model may be meant"


def _shorter(seen: Seen) -> str | None:
    sizes = [len(json.dumps(call.body)) for call in seen.primary]
    return None if len(sizes) > 1 and sizes[1] < sizes[0] else f"the calls had {sizes} bytes"


def _says_what_was_cut(seen: Seen) -> str | None:
    notes = [note for attempt in seen.outcomes[0].attempts for note in attempt.notes]
    return None if any("history" in note for note in notes) else f"the record's notes are {notes}"


def _more_room(seen: Seen) -> str | None:
    rooms = [
        next((call.body[n] for n in ("max_completion_tokens", "max_tokens") if call.body.get(n)), 0)
        for call in seen.primary
    ]
    return None if len(rooms) > 1 and rooms[1] > rooms[0] else f"the calls allowed {rooms} tokens"


def _others_kept(seen: Seen) -> str | None:
    first = seen.outcomes[0].attempts[0]
    return None if len(first.settled) == 2 else f"of the primary's answer {list(first.settled)} stands"


def _left(seen: Seen) -> str | None:
    stayed = [call for call in (*seen.primary, *seen.second) if call.left_after is None]
    answered = len(seen.second) if who(seen.outcomes[0]) == "second" else 0
    return "a connection was left open" if len(stayed) > answered else None


def _each_attempt(seen: Seen) -> str | None:
    attempts = [(a.decider.partition("@")[0], a.fault) for a in seen.outcomes[0].attempts]
    wanted = [("primary", "server-error"), ("second", "server-error")]
    return None if attempts[:2] == wanted else f"the attempts are {attempts}"


ALSO: Mapping[str, Callable[[Seen], str | None]] = {
    "open-until-30": _open_until,
    "no-secret": _no_secret,
    "request-id": _request_id,
    "suggestion": _suggestion,
    "shorter": _shorter,
    "says-what-was-cut": _says_what_was_cut,
    "more-room": _more_room,
    "others-kept": _others_kept,
    "left": _left,
    "each-attempt": _each_attempt,
}
