"""Says in one or two sentences what became of a case: to the person it is about, and to an operator.

Both read the `why` data of a record only. What the person reads is made of our own words, the answer, the
author's reasons and the record id: no exception text, prompt, provider or model can get into it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from answerable.failures.alert import STEPS
from answerable.failures.table import TABLE
from answerable.wording import (
    by_person,
    cause,
    consumed,
    degraded_by,
    lasted,
    line,
    printable,
    repeated,
    spoken_values,
    when,
    who,
    with_times,
)

_PROBLEM = "of a technical problem on our side"
_BUSY = "too much was asked at once"
_SLOW = "it took too long"
_UNREACHED = "a service that we use could not be reached"
_SILENT = "a service that we use did not answer"
_UNWILLING = "our computer program would not answer it"
# Why, for the person: category -> what follows "because". What is not here is a problem of ours.
PLAIN: Mapping[str, str] = {
    "rate-limit": _BUSY,
    "overloaded": _BUSY,
    "busy": _BUSY,
    "pool": _BUSY,
    "connect": _UNREACHED,
    "circuit-open": _UNREACHED,
    "unavailable": _UNREACHED,
    "reset": _SILENT,
    "timeout": _SILENT,
    "deadline": _SLOW,
    "context-overflow": "what was sent is too long for our computer program",
    "refusal": _UNWILLING,
    "content-filter": _UNWILLING,
    "check": "the first answer did not pass our checks",
    "never-automatic": "only a person may give this answer",
    "source": "what we need to know could not be looked up",
    "invalid-input": "something in what was sent is missing or not valid",
    "denied": "whoever asked is not allowed to ask it",
    "cancelled": "whoever asked called it off",
    "interrupted": "our system was interrupted before there was an answer",
    "superseded": "the same question was answered already",
}
_DEGRADED = {
    "default": "no better answer was possible at that time",
    "expired": "nobody could look at it in time",
    "input-cut": "what was sent is too long to be read in full",
}
# Which fault of its attempts explains a case that waits for a person, if there are several.
_TELLING = ("never-automatic", "refusal", "content-filter", "check")
# What deciders say without an author's words, and what an exception or a vendor says: no reason for a person.
_TECHNICAL = re.compile(
    r"\.csv, line \d+$|^most likely |\w(?:Error|Exception|Warning)\b|Traceback|https?:"
    r"|\b(?:HTTP|API|JSON|SQL)\b"
    r"|\b(?:tokens?|prompt|system message|language model|api[ _-]?key|password|secret|bearer|sk-)",
    re.IGNORECASE,
)


def for_person(why: Mapping[str, Any]) -> str:
    """Return what the affected person is told: what happened, why, what happens next, the record id."""
    return " ".join(sentences_for_person(why))


def sentences_for_person(why: Mapping[str, Any]) -> Sequence[str]:
    """Return `for_person` as its sentences."""
    return [printable(sentence) for sentence in _told_person(why)]


def _told_person(why: Mapping[str, Any]) -> Iterator[str]:
    number, ask = why["record_id"], "if you have a question, give us this number"
    if not why["proof"]["verified"]:
        yield "We cannot tell you what was decided: the record does not match what was signed at the time."
        yield f"Please tell us this number: {number}"
        return
    if gone := why.get("gone"):
        yield f"We cannot tell you what was decided: what we held about it {gone['told']}."
        yield f"If you have a question, give us this number: {number}"
        return
    status, fault = why["status"], _fault(why)
    yield from _anew(why)
    if status == "answered":
        yield f"The answer is: {spoken_values(why['output'])}."
        yield f"{_given(why)}; if you think this is wrong, tell us this number: {number}"
    elif status == "escalated" and not awaited(why):
        yield f"This was not decided, because {_waits(why)}, and no person was asked yet."
        yield f"Please tell us this number, so that somebody decides it: {number}"
    elif status == "escalated":
        by = f" by {when(why['due'])}" if why["due"] else ""
        yield f"There is no answer yet: a person will decide{by}, because {_waits(why)}."
        yield f"You need not ask again; {ask}: {number}"
    elif status == "refused":
        yield f"No answer was given, because {_plain(why, fault, 'this may not be answered here')}."
        step = {
            "invalid-input": "Please check what was sent and ask again",
            "denied": "Somebody who is allowed to can ask again",
        }.get(fault or "", "Nothing was decided")
        yield f"{step}; {ask}: {number}"
    else:
        yield f"No answer could be given, because {_plain(why, fault)}."
        yield f"Nothing was decided and it can be asked again; {ask}: {number}"


def _anew(why: Mapping[str, Any]) -> Iterator[str]:
    """Say of a case that was decided twice which of the two this is."""
    if (before := why.get("redone")) is not None:
        yield f"This was decided anew: on {when(before['at'])} {_only(before.get('degraded'))}."
    if (after := redone_as(why)) is not None:
        at, number = when(after["at"]), after["record_id"]
        yield f"This was decided anew on {at}; what holds now has another number: {number}."


def _only(degraded: str | None) -> str:
    """Say what an earlier decision of the same case was, and why no more, after "on DATE"."""
    if degraded is None:
        return "there was no answer and no person was asked"
    kind, _, category = degraded.partition(":")
    # Whether a service was called stands in the other record.
    because = _SLOW if category == "timeout" else PLAIN.get(category, _PROBLEM)
    return f"it was answered as a precaution, because {_DEGRADED.get(kind, because)}"


def redone_as(why: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the link to the newest record that took this one's place; None where it still stands."""
    return next((other for other in reversed(why["links"]) if other["kind"] == "redone"), None)


def redone_after(why: Mapping[str, Any]) -> str:
    """Say after which record a case was decided anew and what was wrong with that; "" for most cases."""
    before = why.get("redone")
    if before is None:
        return ""
    degraded = before.get("degraded")
    was = f"was second best: {degraded_by(degraded)}" if degraded else "was left open with nobody asked"
    return f"decided anew after record {before['record_id']} of {when(before['at'])}, which {was}"


def _given(why: Mapping[str, Any]) -> str:
    """Say who gave an answer, when and why."""
    resolved = next((r for r in why["reviews"] if r["kind"] == "resolution"), None)
    at = when(resolved["at"] if resolved else why["at"])
    if why["degraded"]:
        kind, _, category = why["degraded"].partition(":")
        because = _DEGRADED.get(kind) or _plain(why, category)
        return f"It was given on {at} as a precaution, because {because}"
    reasons = "; ".join(reason.rstrip(".") for reason in plain_reasons(why))
    given = f", and gave this reason: {reasons}" if reasons else ""
    return f"{'A person' if by_person(why['decider']) else 'A computer program'} decided this on {at}{given}"


def _waits(why: Mapping[str, Any]) -> str:
    """Say why a person is asked, after "because"."""
    fault = _fault(why)
    if fault is not None:
        return _plain(why, fault)
    if any(attempt["result"] == "rejected" for attempt in why["attempts"]):
        return "our computer program was not sure enough"
    if not awaited(why):
        return "our computer program had no answer to it"
    return "questions like this one are answered by a person"


def _plain(why: Mapping[str, Any], category: str | None, otherwise: str = _PROBLEM) -> str:
    """Return what went wrong, after "because". A timeout is a service's only where one was called."""
    if category == "timeout" and not any(
        attempt.get("remote") for attempt in why["attempts"] if attempt.get("fault") == category
    ):
        return _SLOW
    return PLAIN.get(category or "", otherwise)


def awaited(why: Mapping[str, Any]) -> bool:
    """Say whether a person was asked: without one among its deciders, an escalated case waits for nobody."""
    return bool(why["due"]) or any(attempt["result"] == "suspended" for attempt in why["attempts"])


def plain_reasons(why: Mapping[str, Any]) -> list[str]:
    """Return the reasons that their authors wrote, without a decider's name and what a mistake costs."""
    stock = {"", *(f"{str(a['decider']).partition('@')[0]} chose it" for a in why["attempts"])}
    told = [reason.partition("; expected cost of error")[0] for reason in why["reasons"]]
    fields = tuple(f"{field['path']}: " for field in why["definition"].get("output", ()))
    vendors = _vendors(why)
    return [
        reason
        for reason in told
        if reason not in stock
        and not _TECHNICAL.search(reason)
        and not reason.startswith(fields)
        and not (vendors and vendors.search(reason))
    ]


def _vendors(why: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Return what finds the providers, models and hosts that the record names; None if it names none."""
    told = [d["remote"] for d in why["definition"].get("deciders", ()) if d.get("remote")]
    for attempt in why["attempts"]:
        told += [attempt.get("usage") or {}, *attempt.get("calls", ())]
    names = {one.get(name) for one in told for name in ("provider", "model", "destination")}
    known = "|".join(re.escape(name) for name in names if isinstance(name, str) and name)
    return re.compile(rf"(?<!\w)(?:{known})(?!\w)", re.IGNORECASE) if known else None


def _fault(why: Mapping[str, Any]) -> str | None:
    """Return the category that explains how a case ended, if one does."""
    own: str | None = why.get("fault")
    if own is not None:
        return own
    attempts = why["attempts"]
    if why["status"] == "refused":  # whoever refused did not do so for what went wrong before
        attempts = attempts[-1:]
    faults = [attempt["fault"] for attempt in attempts if attempt.get("fault")]
    telling = next((category for category in _TELLING if category in faults), None)
    return telling or (faults[-1] if faults else None)


# What an operator can mend, beside what the table has somebody told of; the worst of a case comes first.
_MENDED = ("exception", "wrong-type", "context-overflow", "deadline", "busy")
_NOBODY = "answer it with `answerable resolve`, or add a person or a default to the decision"
_FAILED: Mapping[str, str] = {
    "interrupted": "see why the process ended",
    "cancelled": "see why the caller gave up",
}


# -- the operator ------------------------------------------------------------------------------------


def for_operator(why: Mapping[str, Any]) -> str:
    """Return what an operator is told: how it ended and why, at what cost, what to do, the record id."""
    if gone := why.get("gone"):
        ended = f"{why['decision']} version {why['version']}: {why['status']}; its content {gone['told']}"
        return printable(f"{ended}. Next: nothing is left to do; record {why['record_id']}")
    ended = _ended(why)
    parts = [ended, *_tried(why, ended)]
    if anew := redone_after(why):
        parts.append(f"it was {anew}")
    if used := spent(why):
        parts.append(used)
    damaged = "" if why["proof"]["verified"] else "WARNING, the record does not match what was signed: "
    return printable(f"{damaged}{'; '.join(parts)}. Next: {next_step(why)}; record {why['record_id']}")


def spent(why: Mapping[str, Any]) -> str:
    """Return what a case consumed; "" for nothing."""
    tokens = why.get("tokens") or {}
    return consumed(why["cost"], why["currency"], tokens.get("in"), tokens.get("out"))


def _ended(why: Mapping[str, Any]) -> str:
    about = f"{why['decision']} version {why['version']}"
    own = (a for a in why["attempts"] if a["decider"] == why["decider"])
    by = f" by {_whom(next(own, {'decider': why['decider']}))}" if why["decider"] else ""
    fault = _fault(why)
    reason = with_times(line(why["reason"])).rstrip(".")
    if why["status"] == "answered":
        second = f", second best: {degraded_by(why['degraded'])}" if why["degraded"] else ""
        return f"{about} was answered{by}{second}"
    if why["status"] == "escalated":
        told = cause(fault) if fault else reason
        return f"{about} waits for {'a person' if awaited(why) else 'nobody'}: {told}"
    if why["status"] == "refused":
        told = f"{cause(fault)} ({reason})" if fault in ("invalid-input", "denied") and reason else ""
        return f"{about} was refused{by}: {told or (cause(fault) if fault else reason)}"
    return f"{about} failed: {cause(fault) if fault else reason}"


def _tried(why: Mapping[str, Any], said: str) -> Iterator[str]:
    """Yield what went wrong on the way and how often each decider was called. said: what was told already."""
    for attempt in why["attempts"]:
        fault, calls = attempt.get("fault"), repeated(attempt)
        if not fault and not calls:
            continue
        told = f"{_whom(attempt)} {attempt['result']}"
        told += f" after {lasted(attempt.get('latency_us', 0))}"
        news = cause(fault) if fault and not said.endswith(cause(fault)) else ""
        details = ", ".join(filter(None, (news, calls)))
        yield f"{told} ({details})" if details else told


def _whom(attempt: Mapping[str, Any]) -> str:
    """Name an attempt's decider and whom it calls: "primary (version 1, openai gpt-5 at api.openai.com)"."""
    named = who(attempt["decider"])
    return f"{named.removesuffix(')')}, {told})" if (told := outside(attempt)) else named


def outside(attempt: Mapping[str, Any]) -> str:
    """Return the provider, the model that answered, and the host of an attempt that calls outside; or ""."""
    remote = attempt.get("remote")
    if not remote:
        return ""
    model = (attempt.get("usage") or {}).get("model") or remote["model"]
    return f"{remote['provider']} {model} at {remote['destination']}"


def next_step(why: Mapping[str, Any]) -> str:
    """Return what an operator should do about a case, or that there is nothing to do."""
    if not why["proof"]["verified"]:
        return "run `answerable ledger verify`"
    if (after := redone_as(why)) is not None:
        return f"nothing here; it was decided anew, see record {after['record_id']}"
    faults = [attempt["fault"] for attempt in why["attempts"] if attempt.get("fault")]
    mended = [c for c in faults if c in TABLE and TABLE[c].page] or [c for c in faults if c in _MENDED]
    # The alert goes on to say what becomes of other cases; this one's end is known.
    mend = STEPS[mended[0]].partition("; ")[0] if mended else ""
    if why["status"] == "escalated":
        by = f" by {when(why['due'])}" if why["due"] else ""
        step = f"a person answers it{by}" if awaited(why) else _NOBODY
        return f"{step}{f'; {mend}' if mend else ''}"
    if why["status"] == "failed":
        step = mend or _FAILED.get(_fault(why) or "", "see what each decider did with `answerable why`")
        return f"{step}; then ask again"
    if why["status"] == "refused":
        steps = {
            "invalid-input": "send a valid input",
            "denied": (why.get("permit") or {}).get("remedy") or "let somebody ask who may",
        }
        return steps.get(_fault(why) or "", mend or "nothing; no other decider is asked after a refusal")
    if why["degraded"] == "expired":
        return "give the queue more people, or more time"
    if mend:
        return mend
    if why["degraded"] == "input-cut":
        return "let the decider see more, or shorten what is sent"
    if why["degraded"]:
        return "watch how many answers are second best: `answerable records --where 'degraded is not none'`"
    return "nothing to do"
