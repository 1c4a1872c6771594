"""One attempt of a decider: called, and called again as the action table says, within every limit.

Before a call leaves this machine: a place among the calls at once, a breaker that is closed, a budget with
room, and an `opened` entry that says so for good. A decider that stays here needs none of them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from answerable.breakers import Admitted, Breakers
from answerable.callers import NoThread
from answerable.casebook import Casebook
from answerable.casefile import Account
from answerable.decisions.answer import NOTHING_USED, Abstain, Answer, Refuse, Suspend, Usage
from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.decisions.reading import read_returned
from answerable.encoding import MICRO
from answerable.errors import HomeError, LedgerUnavailable
from answerable.failures.fault import Fault, Faulted
from answerable.failures.plan import stricter, wait_before_retry
from answerable.failures.remote import Remote
from answerable.failures.table import TABLE, Trips
from answerable.failures.translate import fault_of
from answerable.limits import Limits
from answerable.ports import Caller
from answerable.spending import CaseEnded, NoRoom, Submit, plus, reserve, room_came
from answerable.watch import Watch

MOST_CALLS = 8  # of one decider in one attempt, whatever rows of the table they fall into
ABANDONED = ("timeout", "deadline")  # after these the code of a call may still be running
_ENOUGH_S = 0.8  # for a call: who does not answer in them is late, however short the case's time is
_LOOK_AGAIN_S, _LOOK_LATER_S = 0.05, 0.5  # at a budget that others hold
_NO_CALL = ("budget", "busy", "circuit-open", "deadline", "pool")
# What may be charged although its maker did not say so, unless a status says that nothing was generated.
_PERHAPS_CHARGED = (
    *("content-filter", "deadline", "empty", "garbled", "invalid", "refusal", "reset", "timeout"),
    *("truncated", "wrong-type"),
)
Given = Answer[Any] | Abstain | Refuse | Suspend
See = Callable[[tuple[Fault, ...]], Case[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What came of one attempt: what the decider gave, or the fault it ended with.

    calls: every call made, failed ones too. usage: of all of them together.
    """

    given: Given | None = None
    fault: Fault | None = None
    calls: tuple[Mapping[str, Any], ...] = ()
    usage: Usage = NOTHING_USED


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """What stands between a case and the deciders it asks."""

    submit: Submit
    caller: Caller
    book: Casebook
    breakers: Breakers
    limits: Limits
    watch: Watch

    async def ask(self, account: Account, decider: Decider, see: See) -> Tried:
        """Call a decider until it answers or the table says to go on.

        see: returns the case as the decider may see it, with the faults of its earlier calls. Raises
        CaseEnded, and what the ledger raises.
        """
        if decider.inline and decider.remote is None:  # nothing stands before it, and nothing would mend it
            tried = await self._run(account, decider, see(()))
            if tried.fault is not None:
                await self.watch.failed(account, decider.name, tried.fault)
            return tried
        faults: list[Fault] = []
        calls: list[Mapping[str, Any]] = []
        usage = NOTHING_USED
        while True:
            case = see(tuple(faults))
            began = case.clock()
            tried, wait = await self._call(account, decider, case)
            usage = plus(usage, tried.usage)
            if tried.fault is None:
                return Tried(given=tried.given, calls=(*calls, *tried.calls), usage=usage)
            faults.append(tried.fault)
            if decider.remote is not None or wait is not None or calls:
                calls += _told(tried, round((case.clock() - began) * MICRO), wait)
            if wait is None or not account.own_input(abandoned=tried.fault.category in ABANDONED):
                # What kept it from being called again is not what went wrong.
                fault = next((f for f in reversed(faults) if f.category not in _NO_CALL), tried.fault)
                for each in faults:  # a refusal counts, whatever came of asking again
                    account.asks = stricter(account.asks, account.decision.actions[each.category].then)
                await self.watch.failed(account, decider.name, fault)
                return Tried(fault=fault, calls=tuple(calls), usage=usage)
            if wait > 0:  # nobody fulfils the future: a sleep that works on threads and on loops
                await self.caller.wait(Future(), wait)

    async def _call(self, account: Account, decider: Decider, case: Case[Any]) -> tuple[Tried, float | None]:
        """Call a decider once; return what came of it, and the seconds to wait before the next call."""
        remote = decider.remote
        if remote is None:
            tried = await self._run(account, decider, case)
        elif _timeout(decider, case) <= 0:
            tried = Tried(fault=Fault(category="deadline"))
        else:
            try:
                return await self._allowed(account, decider, remote, case)
            except (CaseEnded, HomeError, LedgerUnavailable):
                raise
            except Exception as exc:  # the boundary: what user code says of a call may be anything
                tried = Tried(fault=fault_of(exc))
        fault = tried.fault
        # Code that runs here gives the same again; only what others generate may come out better.
        final = fault is None or fault.category in ("invalid", "wrong-type")
        return tried, None if final or fault is None else self._wait(account, case, fault)

    async def _allowed(
        self, account: Account, decider: Decider, remote: Remote, case: Case[Any]
    ) -> tuple[Tried, float | None]:
        """Call a decider that leaves this machine; wait a while for money that others only hold."""
        most = remote.reserve(case)
        if most is None and account.budgets:
            fault = Fault(category="budget", reason="nobody knows what this call costs at most")
            return Tried(fault=fault), None
        most = most or NOTHING_USED
        until = case.clock() + min(account.decision.actions["budget"].patience, case.remaining / 2)
        pause = _LOOK_AGAIN_S
        while True:
            refused = await self._outside(account, decider, remote, case, most)
            if not isinstance(refused, NoRoom):
                return refused
            while (
                refused.may_come and case.clock() < until
            ):  # neither a place nor the probe is kept meanwhile
                await self.caller.wait(Future(), min(pause * (0.5 + random.random()), until - case.clock()))
                pause = min(2 * pause, _LOOK_LATER_S)
                if room_came(self.book, account, most):
                    break
            else:
                return Tried(fault=refused.fault), self._wait(account, case, refused.fault)

    async def _outside(
        self, account: Account, decider: Decider, remote: Remote, case: Case[Any], most: Usage
    ) -> tuple[Tried, float | None] | NoRoom:
        """Call a decider that leaves this machine, once there is a place, a closed breaker and the money."""
        allowed = _timeout(decider, case)
        refused = await self.limits.enter(remote, self.caller, allowed)
        if refused is not None:
            return Tried(fault=refused), self._wait(account, case, refused)
        try:
            admitted = await self.breakers.admit(remote, self.submit, timeout=allowed)
            if isinstance(admitted, Fault):
                return Tried(fault=admitted), self._wait(account, case, admitted)
            observed = False
            try:
                no_room = await reserve(self.book, self.submit, account, most)
                if no_room is not None:
                    return no_room
                if case.faults:
                    last = case.faults[-1].category
                    self.watch.counters.add("answerable_retries_total", decider=decider.name, category=last)
                began = case.clock()
                tried = await self._paid(account, decider, case, most)
                wait = None if tried.fault is None else self._wait(account, case, tried.fault)
                await self._observe(account, remote, admitted, tried.fault, wait, case.clock() - began)
                observed = True
                if tried.fault is None:
                    await self.watch.well(remote)
                return tried, wait
            finally:
                if not observed:
                    await self.breakers.release(admitted, self.submit)
        finally:
            self.limits.leave(remote)

    async def _paid(self, account: Account, decider: Decider, case: Case[Any], most: Usage) -> Tried:
        """Run a decider that leaves this machine; what it may have cost counts, whatever came back."""
        remote = decider.remote
        assert remote is not None
        try:
            tried = await self._run(account, decider, case)
        except BaseException:  # the caller cancelled: the call may be charged all the same
            account.used = plus(account.used, most)
            raise
        usage, fault = tried.usage, tried.fault
        if fault is None or fault.billed or (fault.status is None and fault.category in _PERHAPS_CHARGED):
            usage = _at_least_said(usage, most)
        if usage.model is None and fault is None:
            usage = replace(usage, model=remote.model)
        account.used = plus(account.used, usage)
        self.watch.called(remote, fault, usage)
        return replace(tried, usage=usage)

    async def _run(self, account: Account, decider: Decider, case: Case[Any]) -> Tried:
        """Call a decider; one that asked for what may not be read refuses, whatever it gave."""
        tried = await self._called(account, decider, case)
        denied = account.denied
        return tried if denied is None else replace(tried, given=Refuse(denied), fault=None)

    async def _called(self, account: Account, decider: Decider, case: Case[Any]) -> Tried:
        timeout = _timeout(decider, case)
        if not decider.inline:
            if timeout <= 0:
                return Tried(fault=Fault(category="deadline"))
            # What is left is what this call has: a client that heeds it ends before it is abandoned.
            case = replace(case, deadline=min(case.deadline, case.clock() + timeout))
        returned: Any = None
        try:
            returned = _restored(case, await self.caller.call(decider, case, timeout))
            given = read_returned(account.decision, decider, returned, account.answered)
        except Exception as exc:  # the boundary: a decider is user code and may raise and give anything
            if isinstance(returned, Answer):
                account.withheld |= returned.withheld
                return Tried(fault=_fault(exc, decider), calls=returned.calls, usage=returned.usage)
            fault = _fault(exc, decider)
            if fault.category == "timeout" and timeout < min(_fair(account, decider) / 2, _ENOUGH_S):
                fault = replace(fault, category="deadline")  # the case had no time left to give it
            calls, usage = _told_by(exc)
            return Tried(fault=fault, calls=calls, usage=usage)
        if isinstance(given, Answer):
            if given.withheld:
                account.withheld |= given.withheld
            return Tried(given=given, calls=given.calls, usage=given.usage)
        return Tried(given=given)

    def _wait(self, account: Account, case: Case[Any], fault: Fault) -> float | None:
        if account.withheld or len(case.faults) >= MOST_CALLS:
            return None
        return wait_before_retry(
            account.decision.actions[fault.category],
            fault,
            tries=1 + sum(f.category == fault.category for f in case.faults),
            remaining=case.remaining,
            random=random.random(),
        )

    async def _observe(
        self,
        account: Account,
        remote: Remote,
        admitted: Admitted,
        fault: Fault | None,
        wait: float | None,
        took: float,
    ) -> None:
        """Tell the breaker how a call went."""
        action = None if fault is None else account.decision.actions[fault.category]
        trips: Trips = "no" if action is None else action.breaker
        if trips == "until" and fault is not None:
            if fault.retry_after is None:
                trips = "counts"
            elif wait is not None:
                trips = "no"  # a wait that this case keeps itself says nothing against the provider
        change = await self.breakers.observe(
            remote,
            admitted,
            self.submit,
            fault=fault,
            trips=trips,
            took=took,
            decision=account.decision.name,
        )
        if change is not None:
            told = action is not None and action.page
            await self.watch.changed(account, change, told=told)


def _restored(case: Case[Any], returned: Any) -> Any:
    """Return what a decider gave with the real values where it had seen pseudonyms."""
    if case.veil is None:
        return returned
    if isinstance(returned, Answer):
        output, reasons = _restored(case, returned.output), tuple(map(case.restored, returned.reasons))
        if output is returned.output and reasons == returned.reasons:
            return returned
        told = copy(returned)
        object.__setattr__(told, "output", output)
        object.__setattr__(told, "reasons", reasons)
        return told
    if isinstance(returned, BaseModel):
        data = returned.model_dump(include=set(type(returned).model_fields))
        real = case.restored(data)
        return returned if real == data else real
    return case.restored(returned) if isinstance(returned, Mapping) else returned


def _at_least_said(said: Usage, most: Usage) -> Usage:
    """Return what a call counts as that may be charged: what it said, and the most where it said nothing."""
    tokens = said.tokens_in or said.tokens_out
    return Usage(
        cost=said.cost or (0 if tokens and not most.cost else most.cost),
        tokens_in=said.tokens_in if tokens else most.tokens_in,
        tokens_out=said.tokens_out if tokens else most.tokens_out,
        model=said.model,
    )


def _told_by(exc: BaseException) -> tuple[tuple[Mapping[str, Any], ...], Usage]:
    """Return the calls and the usage that a Faulted tells, also where another exception was made of it."""
    link: BaseException | None = exc
    for _ in range(10):
        if link is None:
            break
        if isinstance(link, Faulted):
            calls = getattr(link, "calls", ())
            sound = isinstance(calls, tuple) and all(isinstance(call, Mapping) for call in calls)
            usage = getattr(link, "usage", None)
            return calls if sound else (), usage if isinstance(usage, Usage) else NOTHING_USED
        link = link.__cause__
    return (), NOTHING_USED


def _fault(exc: Exception, decider: Decider) -> Fault:
    """Return what an exception stands for; who is called makes it possible that it was charged."""
    if isinstance(exc, NoThread):
        return Fault(category="pool", reason=str(exc))  # nothing was sent, and nobody else is to blame
    remote = decider.remote
    if remote is None:
        fault = fault_of(exc)
    else:
        fault = fault_of(exc, provider=remote.provider, model=remote.model)
        if fault.category != "source":  # what it reads is not whom it calls
            fault = replace(fault, provider=remote.provider, model=remote.model)
    # "denied" and the like are not a decider's to say.
    return fault if fault.category in TABLE else replace(fault, category="exception")


def _fair(account: Account, decider: Decider) -> float:
    """Return the seconds a call of this decider may expect: less says nothing about its provider."""
    return min(decider.timeout or account.decision.deadline_s, account.decision.deadline_s)


def _timeout(decider: Decider, case: Case[Any]) -> float:
    return min(case.remaining, decider.timeout or case.remaining)


def _told(tried: Tried, took: int, wait: float | None) -> Sequence[Mapping[str, Any]]:
    """Return a failed call as the record keeps it: with what was said and received, where that is known."""
    fault = tried.fault
    assert fault is not None
    told = {
        "fault": fault.category,
        "reason": fault.reason,
        "status": fault.status,
        "code": fault.code,
        "retry_after": fault.retry_after,
        "request_id": fault.request_id,
        "latency_us": took,
        "waited_us": None if wait is None else round(wait * MICRO),
    }
    told = {name: value for name, value in told.items() if value is not None}
    *earlier, last = tried.calls or ({"kind": "call"},)
    return [*earlier, {**last, **told}]
