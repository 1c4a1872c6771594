"""The small grammar of `--where`: a condition over entries' header fields, compiled to portable SQL.

    condition   = both { "or" both }
    both        = one { "and" one }
    one         = "not" one | "(" condition ")" | comparison
    comparison  = FIELD ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~") VALUE
                | FIELD "in" "(" VALUE { "," VALUE } ")"
                | FIELD "is" ["not"] "none"

A VALUE is a word or is quoted ('a b', "a b"); `~` means "contains", with case. `latency` takes durations
(200ms), `cost` money (0.05), `at` times (2026-11-22, 2026-11-22T10:00Z, 2d ago). `decider = words` finds
every version of it, `decider = words@2` one; `degraded = timeout` finds "fault:timeout". A comparison with a
missing value is false, and `not` of it true: every node of the SQL is TRUE or FALSE and never NULL, on
SQLite, PostgreSQL and DuckDB.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Literal

from answerable.encoding import MICRO, micros, money, seconds
from answerable.errors import UsageError, did_you_mean
from answerable.failures.fault import CATEGORIES
from answerable.ledger.entry import KINDS

Kind = Literal["text", "number", "duration", "money", "time"]

FIELDS: dict[str, tuple[str, Kind]] = {
    "status": ("status", "text"),
    "label": ("label", "text"),
    "decider": ("made_by", "text"),
    "confidence": ("confidence", "number"),
    "degraded": ("degraded", "text"),
    "fault": ("fault", "text"),
    "principal": ("principal", "text"),
    "purpose": ("purpose", "text"),
    "stage": ("stage", "text"),
    "version": ("version", "text"),
    "kind": ("kind", "text"),
    "latency": ("latency_us", "duration"),
    "cost": ("cost", "money"),
    "at": ('"at"', "time"),  # a word of DuckDB's own
    "model": ("model", "text"),
}

# Fields that hold one of these: another word can only be a slip, and would quietly find nothing.
CHOICES: dict[str, tuple[str, ...]] = {
    "status": (
        *("answered", "escalated", "refused", "failed", "late"),
        *("raised", "resolved"),  # alerts
        *("open", "closed"),  # breakers
    ),
    "kind": KINDS,
    "fault": tuple(CATEGORIES),
    "degraded": ("default", "expired", "input-cut", *CATEGORIES),  # a category with or without its "fault:"
}

_FAULT = "fault:"  # stands in `degraded` before the category of what went wrong
MAX_TEXT = 4_000  # characters
MAX_DEPTH = 50  # of parentheses and `not`

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|(?P<op>!=|<=|>=|[=<>~(),])|(?P<word>[^\s'"=<>~(),!]+))"""
)
_SYMBOLS = ("=", "!=", "<", "<=", ">", ">=", "~")
_MARKS = (*_SYMBOLS, "(", ")", ",")
_KEYWORDS = ("and", "or", "not", "in", "is", "none")
_INT64 = (-(1 << 63), (1 << 63) - 1)


def compile_where(text: str, *, now: int) -> tuple[str, tuple[Any, ...]]:
    """Return SQL over header columns with `?` placeholders, and its parameters; both empty for an empty text.

    now: microseconds since 1970, UTC; what "ago" counts from. Raises UsageError naming the position (from 1)
    and what is wrong there; an unknown field comes with the nearest known one.
    """
    if not text.strip():
        return "", ()
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"the condition has {len(text)} characters, more than {MAX_TEXT}",
            next_step="ask in smaller pieces",
        )
    parser = _Parser(text, _tokens(text), now)
    sql = parser.condition(0)
    if not parser.ended:
        raise parser.wrong("expected `and`, `or` or the end")
    return sql, tuple(parser.params)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    at: int  # from 0
    quoted: bool = False

    @property
    def keyword(self) -> str:
        """The keyword it is, or nothing."""
        word = self.text.lower()
        return word if not self.quoted and word in _KEYWORDS else ""


def _tokens(text: str) -> list[_Token]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            why = "this quote is not closed" if text[at] in "'\"" else f"{text[at]!r} means nothing here"
            raise _wrong(text, at, why)
        if match["quoted"]:
            found.append(_Token(match["quoted"][1:-1], match.start("quoted"), quoted=True))
        else:
            kind = "op" if match["op"] else "word"
            found.append(_Token(match[kind], match.start(kind)))
        at = match.end()
    return found


class _Parser:
    def __init__(self, text: str, tokens: list[_Token], now: int) -> None:
        self._text, self._tokens, self._now = text, tokens, now
        self._at = 0
        self.params: list[Any] = []

    @property
    def ended(self) -> bool:
        """True after the last token."""
        return self._at == len(self._tokens)

    def wrong(self, why: str) -> UsageError:
        """Return the error for the next token."""
        at = len(self._text) if self.ended else self._tokens[self._at].at
        return _wrong(self._text, at, why)

    def condition(self, depth: int) -> str:
        """Parse what `or` joins."""
        return self._joined("or", lambda: self._joined("and", lambda: self._one(depth)))

    def _joined(self, word: str, part: Callable[[], str]) -> str:
        parts = [part()]
        while self._skip(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else f"({f' {word.upper()} '.join(parts)})"

    def _one(self, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise self.wrong(f"this is nested more than {MAX_DEPTH} deep")
        if self._skip("not"):
            return f"(NOT {self._one(depth + 1)})"
        if self._skip("("):
            inside = self.condition(depth + 1)
            self._need(")")
            return inside
        return self._comparison()

    def _comparison(self) -> str:
        token = None if self.ended else self._tokens[self._at]
        if token is None or token.quoted or token.keyword or token.text in _MARKS:
            raise self.wrong(f"expected a field, such as {', '.join(list(FIELDS)[:3])}")
        self._next()
        if token.text not in FIELDS:
            at = token.at + 1
            raise UsageError(
                f"no field is named {token.text!r} (position {at})",
                next_step=did_you_mean(token.text, FIELDS),
            )
        column, _ = FIELDS[token.text]
        if self._skip("is"):
            negated = self._skip("not")
            self._need("none")
            return f"({column} IS {'NOT ' if negated else ''}NULL)"
        if self._skip("in"):
            return self._membership(token.text)
        if self.ended or self._tokens[self._at].quoted or self._tokens[self._at].text not in _SYMBOLS:
            raise self.wrong(f"expected one of {' '.join(_SYMBOLS)} in is")
        return self._compared(token.text)

    def _compared(self, field: str) -> str:
        column, kind = FIELDS[field]
        operator = self._tokens[self._at].text
        # Databases order and fold text by their own rules, so text is only equal, different or contained.
        if kind == "text" and operator in ("<", "<=", ">", ">="):
            raise self.wrong("a text has no order; use =, !=, ~ or in")
        if kind != "text" and operator == "~":
            raise self.wrong("only a text contains; use =, !=, <, <=, > or >=")
        self._next()
        start = self._at
        value = self._value(kind, field if operator != "~" else "")
        if operator in ("=", "!="):
            same = self._same(field, value)
            return f"({column} IS NOT NULL AND {f'NOT {same}' if operator == '!=' else same})"
        self.params.append(value)
        if operator != "~":
            return f"({column} IS NOT NULL AND {column} {operator} ?)"
        if not value:
            self._at = start
            raise self.wrong("every text contains the empty one; name some characters")
        return f"({column} IS NOT NULL AND replace({column}, ?, '') <> {column})"

    def _membership(self, field: str) -> str:
        column, kind = FIELDS[field]
        self._need("(")
        values = [self._value(kind, field)]
        while self._skip(","):
            values.append(self._value(kind, field))
        self._need(")")
        same = [self._same(field, value) for value in values]
        return f"({column} IS NOT NULL AND ({' OR '.join(same)}))"

    def _same(self, field: str, value: Any) -> str:
        """Return SQL that says whether the field is `value`; its column must not be NULL."""
        column, _ = FIELDS[field]
        if field == "degraded" and value in CATEGORIES:
            value = f"{_FAULT}{value}"
        self.params.append(value)
        if field != "decider" or "@" in value:
            return f"({column} = ?)"
        named = f"{value}@"  # every version; a person has none
        self.params.append(named)
        return f"({column} = ? OR substr({column}, 1, {len(named)}) = ?)"

    def _value(self, kind: Kind, field: str) -> Any:
        """Read a value. field: the one whose words it must be of, if it has some; "": none."""
        token = None if self.ended else self._tokens[self._at]
        if token is None or token.keyword or (not token.quoted and token.text in _MARKS):
            raise self.wrong("expected a value; put it in quotes if it is one of the words of this grammar")
        start = self._at
        self._next()
        ago = kind == "time" and self._skip("ago")
        try:
            value = _READ[kind](token.text if not ago else f"{token.text} ago", self._now)
        except (UsageError, ValueError, InvalidOperation, OverflowError) as exc:
            self._at = start
            raise self.wrong(f"{token.text!r} is not {_EXPECTED[kind]}") from exc
        if isinstance(value, int) and not _INT64[0] <= value <= _INT64[1]:
            self._at = start
            raise self.wrong(f"{token.text!r} is too large")
        choices = CHOICES.get(field)
        word = value.removeprefix(_FAULT) if field == "degraded" else value
        if choices is not None and (word not in choices or (word != value and word not in CATEGORIES)):
            raise UsageError(
                f"{value!r} (position {token.at + 1}) is none of the words of {field}",
                next_step=did_you_mean(word, choices),
            )
        return value

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, word: str) -> bool:
        if self.ended:
            return False
        token = self._tokens[self._at]
        if (token.keyword or ("" if token.quoted else token.text).lower()) != word:
            return False
        self._at += 1
        return True

    def _need(self, word: str) -> None:
        if not self._skip(word):
            raise self.wrong(f"expected `{word}`")


def _text(text: str, now: int) -> str:
    if "\0" in text:
        raise ValueError("a text of a database holds no zero character")
    text.encode()
    return text


def _number(text: str, now: int) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def _duration(text: str, now: int) -> int:
    try:
        value = Decimal(text)  # a bare number is seconds, as everywhere; 0 is one
    except InvalidOperation:
        return round(seconds(text) * MICRO)
    if not value.is_finite() or value < 0:
        raise ValueError(text)
    return int((value * MICRO).to_integral_value())


def _money(text: str, now: int) -> int:
    return money(Decimal(text))


def _time(text: str, now: int) -> int:
    if text.lower().endswith("ago"):
        return now - round(seconds(text[:-3].strip()) * MICRO)
    at = datetime.fromisoformat(text)
    return micros(at if at.tzinfo else at.replace(tzinfo=UTC))


_READ: dict[Kind, Callable[[str, int], Any]] = {
    "text": _text, "number": _number, "duration": _duration, "money": _money, "time": _time,
}  # fmt: skip
_EXPECTED: dict[Kind, str] = {
    "text": "a text a database can hold",
    "number": "a number",
    "duration": 'a duration, such as 200ms or "1h30m"',
    "money": "an amount of money, such as 0.05",
    "time": "a time, such as 2026-11-22, 2026-11-22T10:00:00Z or 2d ago",
}


def _wrong(text: str, at: int, why: str) -> UsageError:
    near = text[at : at + 20] or "the end"
    return UsageError(
        f"the condition is wrong at position {at + 1}, near {near!r}: {why}",
        next_step="write it like: status = failed and (latency > 2s or label in (high, normal))",
    )
