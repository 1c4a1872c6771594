"""How values, times, names and causes read in a sentence; messages and stories share it."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from answerable.encoding import MICRO
from answerable.failures.fault import CATEGORIES

_JOINERS = "\u200c\u200d"  # within words of some scripts, and in emoji
_WIDTH = 100  # characters of a value shown in a line
_DEGRADED = {
    "default": "the declared default",
    "expired": "nobody answered in time",
    "input-cut": "a decider did not see all of the input",
}
# Faults of what was never sent: an attempt that ends so was called once less.
_NO_CALL = ("circuit-open", "busy", "budget", "deadline")
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


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


def spoken(value: Any) -> str:
    """Return a value as a person reads it, without a sign of JSON or Python.

    A Cited value is its value, a list its parts, a record its "name value" pairs.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if "value" in value and "quotes" in value and value.keys() <= {"value", "quotes", "sources"}:
            return spoken(value["value"])
        return (
            ", ".join(f"{name.replace('_', ' ')} {spoken(one)}" for name, one in value.items()) or "nothing"
        )
    if isinstance(value, list | tuple):
        joiner = "; " if any(isinstance(one, Mapping | list | tuple) for one in value) else ", "
        return joiner.join(map(spoken, value)) or "nothing"
    return " ".join(str(value).split())


def spoken_values(given: Mapping[str, Any] | None) -> str:
    """Return `values` as a person reads them: "a = 1, b = two"; records are parted by semicolons."""
    pairs = [f"{name} = {_cut(spoken(value))}" for name, value in items(given)]
    nested = any(isinstance(value, Mapping | list | tuple) for _, value in items(given))
    return ("; " if nested else ", ").join(pairs) or "nothing"


def line(text: str) -> str:
    """Return a text as one line, whole: what decides must not be cut away."""
    return " ".join(text.split())


def short(value: Any) -> str:
    """Return a value as one line of at most about 100 characters, and how long it is if that is more."""
    return _cut(line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} ... ({len(text)} characters)"


def when(at: str) -> str:
    """Return an RFC 3339 moment as people write it: "3 May 2026 at 10:00 UTC"."""
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y at %H:%M} UTC"


def with_times(text: str) -> str:
    """Return a text in which every RFC 3339 moment in UTC is as `when` writes it."""

    def told(found: re.Match[str]) -> str:
        try:
            return when(found[0])
        except ValueError:  # no day of any month
            return found[0]

    return _MOMENT.sub(told, text)


def lasted(micro: int) -> str:
    """Return a time in microseconds with a unit that fits."""
    if micro < 1000:
        return f"{micro} us"
    if micro < 999_500:
        return f"{micro / 1000:.1f} ms" if micro < 9_950 else f"{micro / 1000:.0f} ms"
    return f"{micro / MICRO:.1f} s"


def money(micro: int, currency: str) -> str:
    """Return an amount in micro-units of `currency`."""
    return f"{micro / MICRO:.4f} {currency}"


def consumed(cost: Any, currency: str, tokens_in: Any, tokens_out: Any) -> str:
    """Return what was consumed, as far as it is more than nothing: "cost 0.0012 USD, 40 tokens in, 2 out"."""
    tokens = [f"{n:,} {what}" for n, what in ((tokens_in, "tokens in"), (tokens_out, "tokens out")) if n]
    return ", ".join([*([f"cost {money(cost, currency)}"] if cost else []), *tokens])


def cause(category: str) -> str:
    """Return a fault's category in words; one that this version does not know stays as it is."""
    return CATEGORIES.get(category, category)


def degraded_by(reason: str) -> str:
    """Return why an answer is second best, in words for an operator."""
    kind, _, category = reason.partition(":")
    return _DEGRADED.get(kind) or f"an earlier decider failed: {cause(category or kind)}"


def repeated(attempt: Mapping[str, Any]) -> str:
    """Say how often an attempt's decider was called, what went wrong and how long it waited; "" for once.

    What was stopped before it was sent is no call, and is told as that.
    """
    failed = [call for call in attempt.get("calls", ()) if call.get("fault")]
    if not failed:
        return ""
    sent = [call for call in failed if call["fault"] not in _NO_CALL]
    stopped = [_word(call) for call in failed if call["fault"] in _NO_CALL]
    last = failed[-1]["fault"]  # what was stopped after a call is no call that came out well
    ended_so = attempt["result"] == "failed" and (last == attempt.get("fault") or last in _NO_CALL)
    times = len(sent) + (not ended_so)
    if times < 2 and not (sent and stopped):
        return ""
    often = "once" if times == 1 else f"{times} times"
    told = f"called {often}: {'; '.join(_word(call) for call in sent)}" if sent else f"called {often}"
    return f"{told}; not called: {'; '.join(stopped)}" if stopped else told


def _word(call: Mapping[str, Any]) -> str:
    """Return the fault of a call in a word, and how long was waited after it."""
    waited = call.get("waited_us")
    return str(call["fault"]).replace("-", " ") + (f", waited {lasted(waited)}" if waited else "")


def by_person(made_by: str | None) -> bool:
    """Say whether a person answered."""
    return str(made_by).startswith("person:")
