"""How values, times, names and causes read in a sentence; messages and stories share it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from answerable.encoding import MICRO
from answerable.failures.fault import CATEGORIES

_JOINERS = "\u200c\u200d"  # within words of some scripts, and in emoji
_WIDTH = 100  # characters of a value shown in a line
_DEGRADED = {"default": "the declared default", "expired": "nobody answered in time"}


def printable(line: str) -> str:
    """Return one line that cannot move a cursor, turn text around or forge a second line."""
    return "".join(c if c.isprintable() or c in _JOINERS else " " if c.isspace() else "\ufffd" for c in line)


def who(made_by: str | None) -> str:
    """Return "name (version V)" for "name@V"; "nobody" for None."""
    name, _, version = str(made_by or "nobody").partition("@")
    return f"{name} (version {version})" if version else name


def values(given: Mapping[str, Any] | None) -> str:
    """Return "a = 1, b = two"; "nothing" where there is nothing."""
    return ", ".join(f"{name} = {short(value)}" for name, value in items(given)) or "nothing"


def items(given: Any) -> list[tuple[str, Any]]:
    """Return the pairs of a mapping; another value becomes one pair named "value"."""
    if isinstance(given, Mapping):
        return list(given.items())
    return [] if given is None else [("value", given)]


def short(value: Any) -> str:
    """Return a value as one line of at most about 100 characters, and how long it is if that is more."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} ... ({len(text)} characters)"


def when(at: str) -> str:
    """Return an RFC 3339 moment as people write it: "3 May 2026 at 10:00 UTC"."""
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y at %H:%M} UTC"


def lasted(micro: int) -> str:
    """Return a time in microseconds with a unit that fits."""
    if micro < 1000:
        return f"{micro} us"
    return f"{micro / 1000:.1f} ms" if micro < MICRO else f"{micro / MICRO:.1f} s"


def money(micro: int, currency: str) -> str:
    """Return an amount in micro-units of `currency`."""
    return f"{micro / MICRO:.4f} {currency}"


def cause(category: str) -> str:
    """Return a fault's category in words; one that this version does not know stays as it is."""
    return CATEGORIES.get(category, category)


def degraded_by(reason: str) -> str:
    """Return why an answer is second best, in words for an operator."""
    kind, _, category = reason.partition(":")
    return _DEGRADED.get(kind) or f"an earlier decider failed: {cause(category or kind)}"


def repeated(attempt: Mapping[str, Any]) -> str:
    """Say how often an attempt's decider was called, what went wrong and how long it waited; "" for once."""
    failed = [call for call in attempt.get("calls", ()) if call.get("fault")]
    if not failed:
        return ""
    ended_so = attempt["result"] == "failed" and failed[-1]["fault"] == attempt.get("fault")
    times = len(failed) + (not ended_so)
    if times < 2:
        return ""
    told = []
    for call in failed:
        line = str(call["fault"]).replace("-", " ")
        if call.get("waited_us") is not None:
            line += f", waited {call['waited_us'] / MICRO:.1f} s"
        told.append(line)
    return f"called {times} times: {'; '.join(told)}"


def by_person(made_by: str | None) -> bool:
    """Say whether a person answered."""
    return str(made_by).startswith("person:")
