"""Reads how long a provider asks us to wait, from the headers of its reply."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

# Written out, because float() also takes "1_000", "nan" and digits of other scripts.
_NUMBER = re.compile(r"[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE]\+?[0-9]{1,3})?")


def retry_after(headers: Any, *, now: datetime | None) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` ask to wait; None if neither says so.

    headers: a mapping, or pairs, of any header class; names in any case. now: the time a date is measured
    from (None: dates say nothing). A value that is negative, past, not finite or no number counts as absent;
    a very long wait is returned as it is. Never raises. Source: RFC 9110, 10.2.3; the `-ms` form is sent by
    OpenAI and Anthropic.
    """
    found = _both(headers)
    milliseconds = _number(found.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = found.get("retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, now)


def _both(headers: Any) -> dict[str, str]:
    """Return the two headers that are there, by lower-case name; of a repeated header the first."""
    found: dict[str, str] = {}
    try:
        items = headers.items() if hasattr(headers, "items") else headers
        if not isinstance(items, Iterable):
            return found
        for name, value in items:
            key = _text(name).strip().lower()
            if key in ("retry-after", "retry-after-ms"):
                found.setdefault(key, _text(value).strip())
    except Exception:  # foreign: a header class may raise anything; what was read so far stands
        return found
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:200].decode("latin-1")
    if isinstance(value, str):
        return value[:200]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _number(value: str | None) -> float | None:
    if value is None or not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if isfinite(number) else None


def _until(value: str | None, now: datetime | None) -> float | None:
    """Return the seconds from `now` to an HTTP date; None if it is past: our clock or theirs is wrong."""
    if not value or now is None:
        return None
    try:
        date = parsedate_to_datetime(value)
        date, now = (d if d.tzinfo else d.replace(tzinfo=UTC) for d in (date, now))
        seconds = (date - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if seconds >= 0 else None
