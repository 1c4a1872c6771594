"""The rules of a circuit breaker: when calls to one (provider, model) pause, for how long, and who probes."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from answerable.encoding import MICRO
from answerable.failures.fault import Fault
from answerable.failures.remote import Breaker
from answerable.failures.table import Trips

KEPT = 1000  # observations of one (provider, model), so that a busy one takes no more memory
LONGEST_LEASE_S = 3600.0  # of a probe; no single call takes longer
SLOW = "slow"  # stands where a breaker names the fault that opened it, if calls were only slow

Heard = Literal["good", "bad", "nothing"]
Stage = Literal["open", "probing", "half-open"]

# The provider answered, if not with what was asked for: with these, it is known to be alive.
_ALIVE = frozenset(
    {
        "auth",
        "conflict",
        "content-filter",
        "context-overflow",
        "empty",
        "invalid",
        "not-found",
        "refusal",
        "rejected",
        "truncated",
    }
)


class Window:
    """The last observations of one (provider, model): at most KEPT, each a time in seconds and bad or not.

    Times are given in the order in which they come; one that goes back counts as the latest so far.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque()
        self._bad = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, at: float, bad: bool) -> None:
        """Keep one more observation, and forget the oldest if there are too many."""
        if self._seen:
            at = max(at, self._seen[-1][0])
        self._seen.append((at, bad))
        self._bad += bad
        if len(self._seen) > KEPT:
            self._forget()

    def counts(self, *, since: float) -> tuple[int, int]:
        """Return (bad, all) of what was observed after `since`, and forget everything before."""
        while self._seen and self._seen[0][0] <= since:
            self._forget()
        return self._bad, len(self._seen)

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self._bad = 0

    def _forget(self) -> None:
        self._bad -= self._seen.popleft()[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenCircuit:
    """A breaker that is open in this home.

    since, until, probing: microseconds since 1970. From `until` on one probe may go through; `probing`: when
    the probe under way is given up, 0 if there is none. pauses: failed probes in a row. fault: what opened
    it, a fault's category or "slow".
    """

    provider: str
    model: str
    since: int
    until: int
    probing: int
    pauses: int
    fault: str

    def stage(self, now: int) -> Stage:
        """Say whether calls pause, a probe is under way, or one may go through at `now`."""
        if now < self.until:
            return "open"
        under_way = now < self.probing <= now + LONGEST_LEASE_S * MICRO  # else the clock was set back
        return "probing" if under_way else "half-open"


def heard(fault: Fault | None, trips: Trips, took: float, rules: Breaker) -> Heard:
    """Say what a finished call tells of its provider. took: seconds.

    "nothing": the fault lies with us, or says neither that the provider works nor that it does not.
    """
    if trips != "no" or (rules.slow is not None and took >= rules.slow):
        return "bad"
    return "good" if fault is None or fault.category in _ALIVE else "nothing"


def should_open(window: Window, rules: Breaker, now: float) -> bool:
    """Say whether enough calls of the last `rules.window` seconds were bad: in number, and as a share."""
    bad, total = window.counts(since=now - rules.window)
    # A window that is full of failures opens even where `failures` asks for more than it can hold.
    return bad >= min(rules.failures, KEPT) and bad >= rules.rate * total


def opens_at_once(fault: Fault | None, trips: Trips) -> bool:
    """Say whether a single fault opens the breaker: quota, or a provider that says how long to wait."""
    return trips == "opens" or (trips == "until" and _asked(fault) is not None)


def pause(fault: Fault | None, trips: Trips, rules: Breaker, *, pauses: int = 0) -> float:
    """Return for how many seconds calls pause. pauses: failed probes in a row.

    As long as the provider asks, the longest for "opens", else `rules.pause` doubled with each failed probe;
    never more than `rules.longest`, whatever a provider asks.
    """
    if trips == "opens":
        return rules.longest
    asked = _asked(fault) if trips == "until" else None
    return min(rules.pause * 2.0 ** min(pauses, 64) if asked is None else asked, rules.longest)


def worth_prolonging(length: float) -> float:
    """Return by how many seconds a pause of `length` seconds must end later to replace one under way.

    Many calls that were in flight together bring the same news; only the first is recorded.
    """
    return max(1.0, length / 10)


def within_reach(until: int, rules: Breaker, now: int) -> int:
    """Return `until`, or the longest pause from `now` where it is further away: the clock was set back."""
    return min(until, now + round(rules.longest * MICRO))


def lease(timeout: float | None) -> float:
    """Return for how many seconds one probe keeps others away. timeout: of its call, None if not known."""
    return 60.0 if timeout is None else min(timeout + 5.0, LONGEST_LEASE_S)


def because(fault: Fault | None, took: float, *, bad: int = 0, total: int = 0, window: float = 0.0) -> str:
    """Return one line that says why a breaker opens or stays open; counts only where they decided it."""
    last = f"a call took {took:.3g} s" if fault is None else fault.reason
    if not total:
        return last
    return f"{bad} of {total} calls in the last {window:.3g} s failed or were slow; the last one: {last}"


def _asked(fault: Fault | None) -> float | None:
    """Return the seconds the provider asks to wait, if they are a length of time at all."""
    after = None if fault is None else fault.retry_after
    return after if after is not None and after > 0 else None
