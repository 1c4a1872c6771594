"""Encoder v1: the one way a value becomes bytes that are hashed, stored and never re-encoded.

UTF-8 JSON; keys sorted by code point; no spaces; integers exact; floats finite and in Python's shortest
round-trip form; Decimal, bytes (base64), dates, UUIDs, URLs and IP addresses as strings; aware times as
RFC 3339 UTC with microseconds, naive times without an offset; sets sorted by their encoding; no text
normalisation.
The format is frozen: `tests/ledger/vectors` pins it, and another form would be encoder v2.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any
from uuid import UUID

from answerable.errors import InputError, UsageError

_LONGEST_PATH = 200  # characters of a path in an error
_TEXT_MODULES = ("ipaddress", "pydantic.networks")
MICRO = 1_000_000  # micro-units in one unit of money, microseconds in one second

_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


class _Unencodable(Exception):
    """A value encoder v1 has no form for; the reason is the message."""


def encode(value: object, *, what: str = "value") -> bytes:
    """Return `value` as encoder v1 bytes.

    what: how an error names the value. Raises InputError naming the path of the first value that has no
    form: NaN or infinity, a lone surrogate, an object of an unknown type, nesting deeper than the stack.
    """
    try:
        return _dumps(_plain(value)).encode("utf-8")
    except (_Unencodable, RecursionError, ValueError, TypeError, OverflowError) as exc:
        path, why = _locate(value, what)
        raise InputError(
            f"{path}: {why or exc}", next_step="send a value JSON can hold, as valid Unicode text"
        ) from None


def decode(data: bytes) -> Any:
    """Return the JSON value in `data` (encoder v1 bytes; any valid UTF-8 JSON is read)."""
    return json.loads(data)


def plain(value: object, *, what: str = "value") -> Any:
    """Return `value` as JSON-ready data (dict, list, str, int, float, bool, None) by `encode`'s rules."""
    try:
        return _plain(value)
    except (_Unencodable, RecursionError, OverflowError) as exc:
        path, why = _locate(value, what)
        raise InputError(f"{path}: {why or exc}", next_step="send a value JSON can hold") from None


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if not isfinite(value):
            raise _Unencodable(f"{value} is not a finite number")
        return value
    if kind is dict:
        return _mapping(value)
    if kind is list or kind is tuple:
        return [_plain(v) for v in value]
    return _foreign(value)


def _foreign(value: Any) -> Any:
    """Give the plain form of everything that is not exactly a JSON type."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"PT{Decimal(value // timedelta(microseconds=1)) / MICRO:f}S"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise _Unencodable(f"{value} is not a finite number")
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode("ascii")
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(v) for v in value), key=_dumps)
    if hasattr(value, "model_dump"):  # a pydantic model, without importing pydantic here
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _plain(float(value))
    if isinstance(value, Sequence):
        return [_plain(v) for v in value]
    if type(value).__module__ in _TEXT_MODULES:  # addresses: their text is their value
        return str(value)
    if callable(getattr(value, "item", None)):  # a numpy scalar
        return _plain(value.item())
    raise _Unencodable(f"a {type(value).__name__} has no JSON form")


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    made = {_key(k): _plain(v) for k, v in value.items()}
    if len(made) != len(value):  # 1 and "1": one of the values would be lost
        raise _Unencodable("two of its keys are the same as text")
    return made


def _key(key: object) -> str:
    if type(key) is str:
        return key
    if isinstance(key, Enum):
        return _key(key.value)
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    if isinstance(key, str | int | UUID | date | Decimal):
        return str(_plain(key))
    raise _Unencodable(f"a {type(key).__name__} cannot be a key")


def _locate(value: object, path: str) -> tuple[str, str]:
    """Return the path of the first value that cannot be encoded, and the reason."""
    found, why = _search(value, path)
    return (found if len(found) <= _LONGEST_PATH else f"{found[:_LONGEST_PATH]}..."), why


def _search(value: object, path: str) -> tuple[str, str]:
    try:
        shallow = value.model_dump() if hasattr(value, "model_dump") else value
        children: list[tuple[str, object]] = []
        if isinstance(shallow, Mapping):
            children = [(f"{path}.{k}", v) for k, v in shallow.items()]
            keys = [_key(key).encode("utf-8") for key in shallow]
            if len(set(keys)) != len(keys):
                return path, "two of its keys are the same as text"
        elif isinstance(shallow, Sequence | set | frozenset) and not isinstance(shallow, str | bytes):
            children = [(f"{path}[{i}]", v) for i, v in enumerate(shallow)]
        for child_path, child in children:
            found, why = _search(child, child_path)
            if why:
                return found, why
        if not children:
            _dumps(_plain(value)).encode("utf-8")
    except UnicodeEncodeError:
        return path, "holds a lone surrogate, which is not valid Unicode text"
    except RecursionError:
        return path, "is nested too deeply"
    except (_Unencodable, ValueError, TypeError, OverflowError) as exc:
        return path, str(exc)
    return path, ""


def timestamp(at: datetime | int) -> str:
    """Return a time as RFC 3339 UTC with microseconds; `at` may be microseconds since 1970 (UTC).

    A naive datetime keeps its wall-clock reading and carries no offset: inventing one would be a guess.
    """
    if isinstance(at, int):
        at = datetime.fromtimestamp(at // MICRO, UTC).replace(microsecond=at % MICRO)
    if at.tzinfo is None:
        return at.isoformat(timespec="microseconds")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def micros(at: datetime) -> int:
    """Return an aware `at` as microseconds since 1970 (UTC). Raises UsageError for a naive time."""
    if at.tzinfo is None:
        raise UsageError(f"the time {at.isoformat()} has no time zone", next_step="use an aware datetime")
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def money(amount: float | Decimal, *, what: str = "amount") -> int:
    """Return `amount` (units of a currency) as integer micro-units, rounded half to even."""
    value = Decimal(str(amount))
    if not value.is_finite():
        raise UsageError(f"{what} is {amount}", next_step="give a finite amount of money")
    return int((value * MICRO).to_integral_value())


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")
_LONGEST_S = 100 * 366 * 86_400.0  # what is later than that, no database and no calendar holds
_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def seconds(duration: float | str | timedelta, *, what: str = "duration") -> float:
    """Return a duration in seconds: a number of seconds, a timedelta, or text such as "4h" or "1d12h"."""
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, str):
        parts = _DURATION.findall(duration)
        if not parts or _DURATION.sub("", duration).strip():
            raise UsageError(f"{what} {duration!r} is not a duration", next_step='write it as "90s" or "4h"')
        value = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    else:
        value = float(duration) if isinstance(duration, int | float) else 0.0
    if not isfinite(value) or value <= 0:
        raise UsageError(f"{what} is {duration!r}", next_step="give a duration above zero")
    if value > _LONGEST_S:
        raise UsageError(f"{what} is {duration!r}", next_step="give a duration of at most 100 years")
    return value


def moment(text: str, *, now: int) -> int:
    """Return a time in microseconds since 1970.

    text: "2d" before `now`, a date or a time; in UTC if it says nothing else.
    Raises UsageError for another form.
    """
    try:
        at = datetime.fromisoformat(text)
        return micros(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        pass
    try:
        return now - round(seconds(text) * MICRO)
    except UsageError:
        raise UsageError(
            f"{text!r} is no time",
            next_step="write it as 2d or 4h, as 2026-01-31, or as 2026-01-31T12:00:00Z",
        ) from None
