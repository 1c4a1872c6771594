"""Retention: which days of which class are over their time, and which whole blocks of the log may go.

A day of a class is over once its last moment is older than the class's time. What has no class is "standard".
A class without a time is kept for ever.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from answerable.encoding import MICRO, seconds
from answerable.errors import UsageError

Day = tuple[str, int]  # a retention class, and days since 1970 (UTC)

STANDARD = "standard"  # the class of an entry that names none
DAY = 24 * 3600 * MICRO  # microseconds
_SHORTEST = 24 * 3600.0  # seconds: keys are by day


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDay:
    """A day key and what it opens. entries: of that class and day. key: its id, 16 bytes.

    held: how many of the entries a hold covers, or wait for somebody.
    """

    retention: str
    day: int
    entries: int
    key: bytes
    held: int = 0

    def data(self) -> dict[str, Any]:
        """Return it as a record keeps it."""
        told: dict[str, Any] = {"retention": self.retention, "day": iso_day(self.day), "key": self.key.hex()}
        return told | {"entries": self.entries} | ({"held": self.held} if self.held else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A stretch of the log that goes as a whole or not at all: lo <= index < hi, and the days in it."""

    lo: int
    hi: int
    days: frozenset[Day]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What retention would do. over: keys to shred. held: keys over their time that stay.

    unknown: classes without a time -> how many day keys; they are kept for ever. below: entries with a lower
    index are pruned; 0 for none. pruned: how many entries of that are still there.
    """

    over: tuple[KeyDay, ...]
    held: tuple[KeyDay, ...]
    unknown: Mapping[str, int]
    below: int
    pruned: int


def retention_times(told: Any, *, where: str) -> dict[str, float]:
    """Return the table [retention] as class -> seconds. Raises UsageError for anything but such a table."""
    if not isinstance(told, Mapping):
        raise UsageError(
            f"{where}: retention is no table", next_step='write [retention] and standard = "400d" below it'
        )
    times = {}
    for name, duration in told.items():
        if not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(
                f"{where}: [retention] has the class {name!r}", next_step='name it in one word, as "short"'
            )
        if isinstance(duration, bool) or not isinstance(duration, str | int | float):
            raise UsageError(f"{where}: {name} = {duration!r}", next_step='write a duration, such as "400d"')
        times[name] = seconds(duration, what=f"{where}: retention {name}")
        if times[name] < _SHORTEST:
            raise UsageError(
                f"{where}: retention {name} is {duration!r}",
                next_step="give one day or more: keys are by day",
            )
    return times


def is_over(day: Day, times: Mapping[str, float], now: int) -> bool:
    """Say whether the time of a class and day is over. times: class -> seconds. now: microseconds."""
    kept = times.get(day[0])
    return kept is not None and (day[1] + 1) * DAY + round(kept * MICRO) <= now


def last_day_over(times: Mapping[str, float], now: int) -> int:
    """Return the latest day, since 1970, that can be over for any class; -1 if none can."""
    return max(((now - round(kept * MICRO)) // DAY - 1 for kept in times.values()), default=-1)


def plan_retention(
    keys: Sequence[tuple[str, int, bytes]],
    counts: Mapping[Day, int],
    held: Mapping[Day, int],
    blocks: Sequence[Block],
    times: Mapping[str, float],
    now: int,
) -> Plan:
    """Say what retention would do.

    keys: (class, day, key id) of every day key. counts: entries by class and day; held: those of them that
    must stay. blocks: the sealed log from its oldest stretch that is still there. times: class -> seconds.
    """
    over: list[KeyDay] = []
    stays: list[KeyDay] = []
    unknown: dict[str, int] = {}
    for retention, day, key in sorted(keys):
        if retention not in times:
            unknown[retention] = unknown.get(retention, 0) + 1
        elif is_over((retention, day), times, now):
            pair = (retention, day)
            line = KeyDay(
                retention=retention, day=day, entries=counts.get(pair, 0), key=key, held=held.get(pair, 0)
            )
            (stays if line.held else over).append(line)
    unknown |= {name: unknown.get(name, 0) for name, _ in counts if name not in times}
    gone = _prefix(blocks, held, times, now)
    return Plan(
        over=tuple(over),
        held=tuple(stays),
        unknown=unknown,
        below=gone[-1].hi if gone else 0,
        pruned=sum(block.hi - block.lo for block in gone),
    )


def _prefix(
    blocks: Sequence[Block], held: Collection[Day], times: Mapping[str, float], now: int
) -> list[Block]:
    """Return the oldest blocks in which every entry's time is over and none is held."""
    gone: list[Block] = []
    for block in blocks:
        if not all(is_over(day, times, now) and day not in held for day in block.days):
            break
        gone.append(block)
    return gone


def iso_day(day: int) -> str:
    """Return a day (since 1970) as 2026-01-31."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def day_of(text: str) -> int:
    """Return the days since 1970 of 2026-01-31. Raises ValueError."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // (24 * 3600)
