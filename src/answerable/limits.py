"""Limits on our own calling: how many calls at once, how many begun a second, and who waits for a place."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from answerable.failures.fault import Fault
from answerable.failures.remote import Limit, Remote
from answerable.ports import Caller, Clock

GUESS_S = 1.0  # until a place is free, where no call has ended yet
STUCK_S = 0.25  # until a free place that the first in the queue does not take goes to another
_NEWEST = 0.2  # the weight of the last one in the mean time between two calls that end


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call in the queue. until: when it gives up, monotonic seconds. turn: fulfilled to look again."""

    limit: Limit
    until: float
    turn: "Future[None]" = field(default_factory=Future)


class _Gate:
    """The calls to one (provider, model) in this process. Used under the lock of Limits only."""

    def __init__(self) -> None:
        self.queue: deque[_Waiting] = deque()
        self.flying = 0
        self.next_start = float("-inf")
        self.offered_at: float | None = None  # when the first in the queue was last told to look
        self._ended_at: float | None = None  # the last call that ended while places were short
        self._between: float | None = None  # mean seconds between two of those

    def begins_at(self, limit: Limit, now: float) -> float | None:
        """Return when the next call may begin, as far as is known; None: once another has ended."""
        if limit.at_once is not None and self.flying >= max(1, int(limit.at_once)):
            return None
        return now if limit.per_second is None else max(now, self.next_start)

    def begin(self, limit: Limit, now: float) -> None:
        self.flying += 1
        self.offered_at = None
        if limit.per_second is not None:
            self.next_start = now + 1 / limit.per_second

    def end(self, limit: Limit, now: float) -> None:
        wanted = bool(self.queue) or self.begins_at(limit, now) is None
        if wanted and self._ended_at is not None:
            passed = now - self._ended_at
            known = self._between
            self._between = passed if known is None else known + _NEWEST * (passed - known)
        self._ended_at = now if wanted else None
        self.flying = max(0, self.flying - 1)

    def wake(self, now: float) -> None:
        """Let the first in the queue look again; those whose time is over left without a word."""
        while self.queue and self.queue[0].until < now:
            self._look_again(self.queue.popleft())
        if self.queue:
            self._look_again(self.queue[0])
            self.offered_at = self.offered_at or now

    def turn_of(self, waiting: _Waiting, now: float) -> bool:
        """Say whether `waiting` may take a free place: the first, or any if the first's loop does not run."""
        if self.queue and self.queue[0] is waiting:
            return True
        return self.offered_at is not None and now - self.offered_at > STUCK_S

    def earliest(self, limit: Limit, now: float) -> float:
        """Return when a call that comes now may begin at the earliest, by the rate alone."""
        if limit.per_second is None:
            return now
        return max(now, self.next_start) + len(self.queue) / limit.per_second

    def estimate(self, limit: Limit, now: float) -> float:
        """Return in how many seconds a call that comes then probably finds a place."""
        free = 0.0
        if limit.at_once is not None:
            free = (len(self.queue) + 1) * (GUESS_S if self._between is None else self._between)
        return max(free, self.earliest(limit, now) - now)

    def _look_again(self, waiting: _Waiting) -> None:
        if not waiting.turn.done():
            waiting.turn.set_result(None)


class Limits:
    """The limits of one process, per (provider, model). Calls begin in the order in which they came.

    `per_second` spaces the beginnings of calls evenly: there is no burst, and time without calls is not
    saved up.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gates: dict[tuple[str, str], _Gate] = {}
        self._lock = threading.Lock()

    async def enter(self, remote: Remote, caller: Caller, remaining: float) -> Fault | None:
        """Wait for a place, at most `remaining` seconds; None: the call may begin, and ends with `leave`.

        Returns a "busy" fault at once if too many wait already or the rate leaves no place in time, and after
        `remaining` seconds otherwise; then there is nothing to leave. One that is cancelled while it waits
        gives its place on.
        """
        limit = remote.limit
        if limit is None or not (limit.at_once or limit.per_second):
            return None
        now = self._clock.monotonic()
        with self._lock:
            gate = self._gates.setdefault((remote.provider, remote.model), _Gate())
            if not gate.queue and gate.begins_at(limit, now) == now:
                gate.begin(limit, now)
                return None
            gate.wake(now)  # removes those that never came back
            if len(gate.queue) >= limit.queue:
                return _busy(remote, gate.estimate(limit, now), f"{len(gate.queue)} calls wait already")
            if gate.earliest(limit, now) > now + remaining:
                return _busy(remote, gate.estimate(limit, now), "the rate leaves no place in time")
            waiting = _Waiting(limit, now + remaining)
            gate.queue.append(waiting)
        return await self._wait(gate, waiting, remote, caller)

    def leave(self, remote: Remote) -> None:
        """End a call that `enter` let begin: exactly once for each, on any thread."""
        limit = remote.limit
        if limit is None or not (limit.at_once or limit.per_second):
            return
        with self._lock:
            gate = self._gates.get((remote.provider, remote.model))
            if gate is not None:
                now = self._clock.monotonic()
                gate.end(limit, now)
                gate.wake(now)

    async def _wait(self, gate: _Gate, waiting: _Waiting, remote: Remote, caller: Caller) -> Fault | None:
        """Wait until it is first in the queue and there is a place."""
        try:
            while True:
                with self._lock:
                    now = self._clock.monotonic()
                    look_again = min(waiting.until, now + STUCK_S)
                    begins_at = gate.begins_at(waiting.limit, now)
                    if begins_at == now and gate.turn_of(waiting, now):
                        gate.begin(waiting.limit, now)
                        return None
                    if begins_at is not None and begins_at > now:
                        look_again = min(look_again, begins_at)
                    if now >= waiting.until:
                        return _busy(remote, gate.estimate(waiting.limit, now), "no place came free in time")
                    if waiting.turn.done():
                        waiting.turn = Future()
                await caller.wait(waiting.turn, look_again - now)
        finally:  # also when it is cancelled
            with self._lock:
                if waiting in gate.queue:
                    gate.queue.remove(waiting)
                gate.wake(self._clock.monotonic())


def _busy(remote: Remote, retry_after: float, why: str) -> Fault:
    return Fault(
        category="busy",
        reason=f"too many calls to {remote.provider} {remote.model} at once: {why}",
        provider=remote.provider,
        model=remote.model,
        retry_after=retry_after,
    )
