"""Circuit breakers: pause calls to a provider that fails, and let one probe through to see if it is back.

Each process watches its own calls. That a breaker is open stands in the home's database, where every process
sees it; opening, prolonging and closing are entries of the ledger.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from answerable.casebook import Casebook
from answerable.encoding import MICRO, timestamp
from answerable.errors import LedgerUnavailable
from answerable.failures import breaker as rules
from answerable.failures.breaker import OpenCircuit, Window
from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.remote import Breaker, Remote
from answerable.failures.table import Trips
from answerable.ledger.entry import Conflict, Statement, Unit, Write
from answerable.ports import Clock
from answerable.spending import Submit
from answerable.state import breakers as state

Event = Literal["opened", "prolonged", "closed"]
_COLUMNS = tuple(f.name for f in fields(OpenCircuit))  # in the order in which they are read


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """A call that may go out. circuit: the open breaker whose one probe this call is; None: it is none."""

    circuit: OpenCircuit | None = None

    @property
    def probe(self) -> bool:
        """Whether this call finds out if the provider is back."""
        return self.circuit is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What happened to a breaker, once it is durable. what: one line for an operator.

    fault: what caused it, a category or "slow"; once closed, what had opened it. until: the end of the
    pause, microseconds since 1970; None once closed.
    """

    event: Event
    provider: str
    model: str
    what: str
    fault: str
    until: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """How a call ended; the arguments of `observe`."""

    fault: Fault | None
    trips: Trips
    took: float
    decision: str

    @property
    def name(self) -> str:
        return self.fault.category if self.fault else rules.SLOW


@dataclass(slots=True)
class _Seen:
    """What this process saw of one (provider, model). open: the shared state, when last read."""

    window: Window = field(default_factory=Window)
    open: bool = False


_THROUGH = Admitted()


class Breakers:
    """The breakers of one home, seen from one process.

    All that call one (provider, model) share its breaker, each by the rules of its own Remote; where
    `longest` differs, no pause is longer than the shortest of them.
    """

    def __init__(self, book: Casebook, clock: Clock) -> None:
        self.book, self.clock = book, clock
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._lock = threading.Lock()

    async def admit(
        self, remote: Remote, submit: Submit, *, timeout: float | None = None
    ) -> Admitted | Fault:
        """Let a call out, or return a "circuit-open" fault with the seconds left.

        timeout: seconds the call may take; a probe that has not ended a little later is given up. Whoever is
        admitted ends with `observe`, or with `release` if the call never came to an end.
        """
        found = self._read(state.BREAKER, {"provider": remote.provider, "model": remote.model})
        self._note(remote, is_open=bool(found))
        if not found:
            return _THROUGH
        now = self.clock.now()
        circuit = await self._believable(found[0], remote.breaker, now, submit)
        stage = circuit.stage(now)
        if stage == "open":
            return _paused(circuit, circuit.until - now, "then one call may find out whether it is back")
        if stage == "probing":
            return _paused(circuit, circuit.probing - now, _PROBED)
        return await self._claim(circuit, now, timeout, submit)

    async def observe(
        self,
        remote: Remote,
        admitted: Admitted,
        submit: Submit,
        *,
        fault: Fault | None,
        trips: Trips,
        took: float,
        decision: str,
    ) -> Change | None:
        """Take in how an admitted call ended; return what that changed for everybody, if anything.

        trips: the action table's word for `fault`, "no" without one. took: seconds. decision: its name, for
        the entry. A call that went well costs no read and no write.
        """
        ended = _Ended(fault=fault, trips=trips, took=took, decision=decision)
        heard = rules.heard(fault, trips, took, remote.breaker)
        if admitted.circuit is None:
            if rules.opens_at_once(fault, trips):
                return await self._open_at_once(remote, ended, submit)
            return await self._count(remote, heard, ended, submit)
        if heard == "nothing":
            await self.release(admitted, submit)
            return None
        if heard == "good":
            return await self._close(admitted.circuit, ended, submit)
        return await self._prolong(admitted.circuit, remote.breaker, ended, submit)

    async def release(self, admitted: Admitted, submit: Submit) -> None:
        """Give up a probe whose call never came to an end, so that another may be made at once.

        Does nothing for a call that is no probe or was observed. Does not raise LedgerUnavailable: the probe
        is then given up by time.
        """
        if admitted.circuit is not None:
            with suppress(LedgerUnavailable):
                await submit(Unit(writes=[Write(state.RELEASE, _mine(admitted.circuit))]))

    def states(self) -> list[OpenCircuit]:
        """Return every breaker that is open in this home, by provider and model."""
        return self._read(state.BREAKERS, {})

    # -- closed --------------------------------------------------------------------------------------

    async def _count(
        self, remote: Remote, heard: rules.Heard, ended: _Ended, submit: Submit
    ) -> Change | None:
        """Count a call that was no probe, and open the breaker if it was one bad one too many."""
        if heard == "nothing":
            return None
        limits, at = remote.breaker, self.clock.monotonic()
        with self._lock:
            seen = self._seen.setdefault((remote.provider, remote.model), _Seen())
            if seen.open:  # this call began before it opened, and is no news
                return None
            seen.window.add(at, heard == "bad")
            if heard == "good" or not rules.should_open(seen.window, limits, at):
                return None
            bad, total = seen.window.counts(since=at - limits.window)
            seen.window.clear()
            seen.open = True
        why = rules.because(ended.fault, ended.took, bad=bad, total=total, window=limits.window)
        return await self._open(remote, None, ended, why, submit)

    async def _open_at_once(self, remote: Remote, ended: _Ended, submit: Submit) -> Change | None:
        """Open a breaker for what one fault says by itself, or prolong one that would end too early."""
        self._note(remote, is_open=True)
        found = self._read(state.BREAKER, {"provider": remote.provider, "model": remote.model})
        why = rules.because(ended.fault, ended.took)
        return await self._open(remote, found[0] if found else None, ended, why, submit)

    async def _open(
        self, remote: Remote, found: OpenCircuit | None, ended: _Ended, why: str, submit: Submit
    ) -> Change | None:
        """Open the breaker. found: as it stands already; then only a later end is news."""
        length, now = rules.pause(ended.fault, ended.trips, remote.breaker), self.clock.now()
        until = now + round(length * MICRO)
        if_before = until - round(rules.worth_prolonging(length) * MICRO) if found else 0
        if found and found.until >= if_before:
            return None
        circuit = OpenCircuit(
            provider=remote.provider,
            model=remote.model,
            since=found.since if found else now,
            until=until,
            probing=found.probing if found else 0,
            pauses=found.pauses if found else 0,
            fault=ended.name,
        )
        params = {name: getattr(circuit, name) for name in _COLUMNS}
        write = Write(state.OPEN, {**params, "if_before": if_before}, expect=1, clash="breaker")
        return await self._change("prolonged" if found else "opened", circuit, write, why, ended, submit)

    # -- half open -----------------------------------------------------------------------------------

    async def _claim(
        self, circuit: OpenCircuit, now: int, timeout: float | None, submit: Submit
    ) -> Admitted | Fault:
        """Become the one probe, or learn that somebody else is."""
        given_up = now + round(rules.lease(timeout) * MICRO)
        mine = Admitted(circuit=replace(circuit, probing=given_up))
        params = {**_as_read(circuit), "was_probing": circuit.probing, "given_up": given_up}
        try:
            await submit(Unit(writes=[Write(state.CLAIM, params, expect=1, clash="probe")]))
        except Conflict:
            return _paused(circuit, given_up - now, _PROBED)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            await self.release(mine, submit)  # the claim may be durable all the same
            raise
        return mine

    async def _close(self, circuit: OpenCircuit, ended: _Ended, submit: Submit) -> Change | None:
        write = Write(state.CLOSE, _mine(circuit), expect=1, clash="breaker")
        change = await self._change("closed", circuit, write, "a probe went well", ended, submit)
        with self._lock:
            self._seen[circuit.provider, circuit.model] = _Seen(open=change is None)
        return change

    async def _prolong(
        self, circuit: OpenCircuit, limits: Breaker, ended: _Ended, submit: Submit
    ) -> Change | None:
        pauses = circuit.pauses + 1
        length = rules.pause(ended.fault, ended.trips, limits, pauses=pauses)
        until = self.clock.now() + round(length * MICRO)
        longer = replace(circuit, until=until, pauses=pauses, fault=ended.name)
        params = {**_mine(circuit), "new_until": until, "now_pauses": pauses, "by": longer.fault}
        write = Write(state.PROLONG, params, expect=1, clash="breaker")
        why = f"the probe failed: {rules.because(ended.fault, ended.took)}"
        return await self._change("prolonged", longer, write, why, ended, submit)

    # -- both ----------------------------------------------------------------------------------------

    async def _change(
        self, event: Event, circuit: OpenCircuit, write: Write, why: str, ended: _Ended, submit: Submit
    ) -> Change | None:
        """Make a change durable together with its entry; None if somebody else was first."""
        closed = event == "closed"
        header = {
            "kind": "breaker",
            "status": "closed" if closed else "open",
            "decision": ended.decision,
            "model": circuit.model,
            "fault": circuit.fault if circuit.fault in CATEGORIES else None,
        }
        until = timestamp(self.clock.now() if closed else circuit.until)
        detail = {
            "provider": circuit.provider,
            "model": circuit.model,
            "since": timestamp(circuit.since),
            "until": until,
            "why": why,
            "pauses": circuit.pauses,
        }
        try:
            await submit(Unit([self.book.entry(header, {"detail": detail})], [write]))
        except Conflict:
            return None
        told = "are let through again" if closed else f"pause until {until}"
        return Change(
            event=event,
            provider=circuit.provider,
            model=circuit.model,
            what=f"calls to {circuit.provider} {circuit.model} {told}: {why}",
            fault=circuit.fault,
            until=None if closed else circuit.until,
        )

    def _note(self, remote: Remote, *, is_open: bool) -> None:
        """Keep whether the breaker is open. Either way, what was counted before says nothing any more."""
        key = (remote.provider, remote.model)
        seen = self._seen.get(key)
        if is_open != (seen is not None and seen.open):
            with self._lock:
                self._seen[key] = _Seen(open=is_open)

    async def _believable(
        self, circuit: OpenCircuit, limits: Breaker, now: int, submit: Submit
    ) -> OpenCircuit:
        """Return a breaker whose end is no further away than a pause can be; for good, or it never came."""
        until = rules.within_reach(circuit.until, limits, now)
        if until == circuit.until:
            return circuit
        await submit(Unit(writes=[Write(state.SHORTEN, {**_as_read(circuit), "new_until": until})]))
        return replace(circuit, until=until)

    def _read(self, statement: Statement, params: Mapping[str, Any]) -> list[OpenCircuit]:
        rows = self.book.journal.rows(statement, params)
        return [OpenCircuit(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


_PROBED = "another call is finding out whether it is back"


def _paused(circuit: OpenCircuit, left: int, what_next: str) -> Fault:
    """Return the fault of a call that may not go out. left: microseconds."""
    cause = CATEGORIES.get(circuit.fault, "calls took too long")
    seconds = max(left, 0) / MICRO
    return Fault(
        category="circuit-open",
        reason=(
            f"calls to {circuit.provider} {circuit.model} pause since {timestamp(circuit.since)}, because "
            f"{cause}; for {seconds:.3g} s at most, {what_next}"
        ),
        provider=circuit.provider,
        model=circuit.model,
        retry_after=seconds,
    )


def _as_read(circuit: OpenCircuit) -> dict[str, Any]:
    """Return the parameters by which a statement knows that nothing changed since it was read."""
    return {
        "of_provider": circuit.provider,
        "of_model": circuit.model,
        "of_since": circuit.since,
        "of_until": circuit.until,
    }


def _mine(circuit: OpenCircuit) -> dict[str, Any]:
    """Return the parameters by which a statement knows that this probe was not given up."""
    return {
        "of_provider": circuit.provider,
        "of_model": circuit.model,
        "of_since": circuit.since,
        "my_probe": circuit.probing,
    }
