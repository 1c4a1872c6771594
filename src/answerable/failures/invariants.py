"""Does an answer agree with itself and with its input? Declared invariants, sums, bounds and dates."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NoReturn
from uuid import UUID

from answerable.decisions.answer import Answer, word
from answerable.decisions.case import Case
from answerable.decisions.code import code_digest
from answerable.encoding import plain
from answerable.errors import UsageError
from answerable.failures.checking import WIDE, DeclaredCheck, Then, decimal, leaves, named, values_at
from answerable.failures.grounding import tolerance_of

Bound = int | float | Decimal | date | datetime | None
_AHEAD = timedelta(hours=14)  # the earliest time zone: a date may have begun there already


def holds(
    name: str,
    predicate: Callable[[Any, Any], Any],
    *,
    reason: str,
    version: str | None = None,
    then: Then = "next",
) -> DeclaredCheck:
    """Return a check named `name` that `predicate(input, output)` is true; both are the typed models.

    reason: what a finding says, for an operator. A predicate that raises or returns something to await is
    a finding too. version: stands for the predicate in the decision's definition, in place of its code.
    Raises UsageError for a name or reason that is no printable line, and for a coroutine function.
    """
    if not callable(predicate) or iscoroutinefunction(predicate):
        raise UsageError(
            f"holds({named(name)}): {type(predicate).__name__} is no plain function",
            next_step="give a function of the input and the output that returns a bool",
        )
    settings = {"reason": word(reason, what="reason"), "version": version}
    if version is None:
        settings["code"] = code_digest(predicate)
    look = partial(_holds, predicate, reason)
    return DeclaredCheck(word(name, what="the name of a check"), look, settings=settings, then=then)


def _holds(
    predicate: Callable[[Any, Any], Any], reason: str, case: Case[Any], answer: Answer[Any]
) -> str | None:
    try:
        said = predicate(case.input, answer.output)
        if isawaitable(said):
            getattr(said, "close", lambda: None)()
            return "its function has to be awaited, so it says nothing"
        return None if said else reason
    except Exception as exc:  # user code; its text may hold a value
        return f"its function raised {type(exc).__name__}"


def sums_up(
    total: str, parts: str | tuple[str, ...], *, tolerance: float | Decimal = 0, then: Then = "next"
) -> DeclaredCheck:
    """Return a check that one output field is the sum of others, exactly as decimals.

    parts: a path such as "lines.amount", or several: ("net", "tax"). tolerance: how far off, absolute. A part
    that is None adds nothing; a total that is None claims nothing. Raises UsageError for a tolerance below 0
    or no part.
    """
    paths = (parts,) if isinstance(parts, str) else tuple(parts)
    if not paths:
        raise UsageError(
            f"sums_up({named(total)}) has no parts", next_step='name them, such as "lines.amount"'
        )
    allowed = tolerance_of(tolerance, "sums_up")
    look = partial(_sums, total, paths, allowed)
    return DeclaredCheck(
        "sums_up", look, settings={"tolerance": str(allowed)}, then=then, fields=(total, *paths)
    )


def _sums(
    total: str, parts: tuple[str, ...], allowed: Decimal, case: Case[Any], answer: Answer[Any]
) -> str | None:
    totals = list(_leaves_at(answer.output, total))
    if not totals:
        return None
    if len(totals) > 1:
        return f"{total}: it is not one number but {len(totals)}"
    added = [pair for path in parts for pair in _leaves_at(answer.output, path)]
    numbers: list[Decimal] = []
    for path, value in (*totals, *added):
        number = decimal(value)
        if number is None:
            return f"{path}: it is no finite number"
        numbers.append(number)
    stated, *rest = numbers
    off = _exact_sum([stated, *(n.copy_negate() for n in rest)])
    if off.copy_abs() <= allowed:
        return None
    return f"{total}: it is not the sum of {', '.join(parts)} ({len(rest)} values)"


def _exact_sum(numbers: list[Decimal]) -> Decimal:
    """Return the sum without rounding, whatever precision is set: as integers of the smallest unit."""
    places = min((int(n.as_tuple().exponent) for n in numbers), default=0)
    places = min(places, 0)
    return Decimal(sum(int(n.scaleb(-places, WIDE)) for n in numbers)).scaleb(places, WIDE)


def _leaves_at(output: Any, path: str) -> Iterator[tuple[str, Any]]:
    for here, value in values_at(output, path):
        yield from leaves(value, here)


def within(field: str, low: Bound = None, high: Bound = None, *, then: Then = "next") -> DeclaredCheck:
    """Return a check that the values of an output field lie between two numbers or times, ends included.

    low, high: a bound that is None is open. A date bound holds for the day of a time. For a bound that
    depends on the input use `holds`. Raises UsageError without a bound, or for one that is no number or time.
    """
    for bound in (low, high):
        if bound is not None and not isinstance(bound, date) and decimal(bound) is None:
            _no_bounds(field, low, high)
    if (low is None and high is None) or (
        low is not None and high is not None and _compare(low, high) not in (-1, 0)
    ):
        _no_bounds(field, low, high)
    settings = {
        "low": plain(low),
        "high": plain(high),
        "times": isinstance(low if low is not None else high, date),
    }
    return DeclaredCheck(
        "within", partial(_within, field, low, high), settings=settings, then=then, fields=(field,)
    )


def _no_bounds(field: str, low: Any, high: Any) -> NoReturn:
    raise UsageError(
        f"within({named(field)}): the bounds are {named(low)} and {named(high)}",
        next_step="give two numbers or two times, the lower one first; one of them may be None",
    )


def _within(field: str, low: Bound, high: Bound, case: Case[Any], answer: Answer[Any]) -> str | None:
    for path, value in _leaves_at(answer.output, field):
        for bound, wrong, said in ((low, -1, f"below {low}"), (high, 1, f"above {high}")):
            if bound is None:
                continue
            side = _compare(value, bound)
            if side is None:
                return f"{path}: it cannot be compared with {bound}"
            if side == wrong:
                return f"{path}: it is {said}"
    return None


def _compare(value: Any, bound: Any) -> int | None:
    """Return -1, 0 or 1 as `value` is below, at or above `bound`; None where they cannot be compared."""
    if isinstance(bound, date):
        if isinstance(value, datetime) and not isinstance(bound, datetime):
            value = value.date()
        if isinstance(value, date) and not isinstance(value, datetime) and isinstance(bound, datetime):
            bound = bound.date()
    else:
        value, bound = decimal(value), decimal(bound)
    if value is None or not isinstance(value, Decimal | date):
        return None
    try:
        return -1 if value < bound else int(value > bound)
    except TypeError:  # one has a time zone and the other none
        return None


def not_in_future(
    field: str, *, today: Callable[[], date] | None = None, then: Then = "next"
) -> DeclaredCheck:
    """Return a check that no date or time of an output field lies after the case.

    today: a function that returns the current date, or an aware time. Without one it is when the case
    began, which its id holds: so a replay judges as the first run did. A date, and a time without a zone,
    then count as future only once that day has begun nowhere on earth.
    """
    settings = {} if today is None else {"today": code_digest(today)}
    return DeclaredCheck(
        "not_in_future", partial(_past, field, today), settings=settings, then=then, fields=(field,)
    )


def _past(field: str, today: Callable[[], date] | None, case: Case[Any], answer: Answer[Any]) -> str | None:
    values = list(_leaves_at(answer.output, field))
    if not values:
        return None
    now = began(case) if today is None else today()
    for path, value in values:
        if not isinstance(value, date):
            return f"{path}: it is no date"
        if _future(value, now, ahead=_AHEAD if today is None else timedelta(0)):
            return f"{path}: it lies in the future"
    return None


def _future(value: date, now: date, *, ahead: timedelta) -> bool:
    if not isinstance(now, datetime):
        return (value.date() if isinstance(value, datetime) else value) > now
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value > now
    latest = (now + ahead).replace(tzinfo=None)
    return value > latest if isinstance(value, datetime) else value > latest.date()


def began(case: Case[Any]) -> datetime:
    """Return when a case began (UTC, in milliseconds), from its UUIDv7. Raises UsageError for another id."""
    try:
        known = UUID(case.id)
    except ValueError:
        known = None
    if known is None or known.version != 7:
        raise UsageError("the case's id holds no time", next_step="give not_in_future a today=")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=known.int >> 80)
