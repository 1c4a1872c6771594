"""One attempt of a decider: called, and called again as the action table says, within every limit.

Before a call leaves this machine: a place among the calls at once, a breaker that is closed, a budget with
room, and an `opened` entry that says so for good. A decider that stays here needs none of them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from answerable.alerting import raise_alert
from answerable.breakers import Admitted, Breakers, Change
from answerable.casebook import Casebook
from answerable.casefile import Account
from answerable.counters import Counters
from answerable.decisions.answer import NOTHING_USED, Abstain, Answer, Refuse, Suspend, Usage
from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.decisions.reading import read_returned
from answerable.encoding import MICRO
from answerable.errors import LedgerUnavailable
from answerable.failures.alert import Alert, alert_of
from answerable.failures.fault import Fault, Faulted
from answerable.failures.plan import wait_before_retry
from answerable.failures.remote import Remote
from answerable.failures.table import TABLE, Trips
from answerable.failures.translate import fault_of
from answerable.home import Home
from answerable.limits import Limits
from answerable.ports import Caller
from answerable.spending import Submit, nearly_spent, plus, reserve

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
    counters: Counters
    home: Home  # where alerts go

    async def ask(self, account: Account, decider: Decider, see: See) -> Tried:
        """Call a decider until it answers or the table says to go on.

        see: returns the case as the decider may see it, with the faults of its earlier calls.
        """
        if decider.inline and decider.remote is None:
            return await self._run(account, decider, see(()))  # its fault is final: nothing would mend it
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
            took = round((case.clock() - began) * MICRO)
            if decider.remote is not None or wait is not None or calls:
                calls += _told(tried, took, wait)
            if wait is None or not account.own_input(abandoned=tried.fault.category == "timeout"):
                await self._page(account, tried.fault)
                return Tried(fault=tried.fault, calls=tuple(calls), usage=usage)
            self.counters.add("answerable_retries_total", decider=decider.name, category=tried.fault.category)
            if wait > 0:  # nobody fulfils the future: a sleep that works on threads and on loops
                await self.caller.wait(Future(), wait)

    async def _call(self, account: Account, decider: Decider, case: Case[Any]) -> tuple[Tried, float | None]:
        """Call a decider once; return what came of it, and the seconds to wait before the next call."""
        remote = decider.remote
        if remote is None:
            tried = await self._run(account, decider, case)
            # The same code gives the same again; only what others generate may come out better.
            final = tried.fault is None or tried.fault.category in ("invalid", "wrong-type")
            return tried, None if final or tried.fault is None else self._wait(account, case, tried.fault)
        refused = await self.limits.enter(remote, self.caller, case.remaining)
        if refused is not None:
            return Tried(fault=refused), None
        try:
            admitted = await self.breakers.admit(remote, self.submit, timeout=_timeout(decider, case))
            if isinstance(admitted, Fault):
                return Tried(fault=admitted), None
            observed = False
            try:
                most = remote.reserve(case)
                refused = await reserve(self.book, self.submit, account, most)
                if refused is not None:
                    return Tried(fault=refused), None
                began = case.clock()
                tried = await self._paid(account, decider, case, most)
                wait = None if tried.fault is None else self._wait(account, case, tried.fault)
                await self._observe(account, remote, admitted, tried.fault, wait, case.clock() - began)
                observed = True
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
        usage = tried.usage
        silent = usage.cost == usage.tokens_in == usage.tokens_out == 0
        if silent and (tried.fault is None or tried.fault.billed):
            usage = most
        account.used = plus(account.used, usage)
        labels = {"provider": remote.provider, "model": remote.model}
        result = tried.fault.category if tried.fault else "ok"
        self.counters.add("answerable_calls_total", result=result, **labels)
        self.counters.add("answerable_tokens_total", usage.tokens_in, direction="in", **labels)
        self.counters.add("answerable_tokens_total", usage.tokens_out, direction="out", **labels)
        return Tried(given=tried.given, fault=tried.fault, calls=tried.calls, usage=usage)

    async def _run(self, account: Account, decider: Decider, case: Case[Any]) -> Tried:
        timeout = _timeout(decider, case)
        if timeout <= 0 and not decider.inline:
            return Tried(fault=Fault(category="deadline"))
        returned: Any = None
        try:
            returned = await self.caller.call(decider, case, timeout)
            given = read_returned(account.decision, decider, returned, account.answered)
        except Exception as exc:  # the boundary: a decider is user code and may raise and give anything
            source = (
                exc if isinstance(exc, Faulted) else returned if isinstance(returned, Answer) else Tried()
            )
            return Tried(fault=_fault(exc, decider), calls=source.calls, usage=source.usage)
        if isinstance(given, Answer):
            return Tried(given=given, calls=given.calls, usage=given.usage)
        return Tried(given=given)

    def _wait(self, account: Account, case: Case[Any], fault: Fault) -> float | None:
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
        """Tell the breaker how a call went, and an operator what needs one."""
        trips: Trips = "no" if fault is None else account.decision.actions[fault.category].breaker
        if trips == "until" and (wait is not None or fault is None or fault.retry_after is None):
            trips = "counts"  # this case waits for it itself
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
            await self._changed(account, change)

    async def settled(self, account: Account) -> None:
        """Tell an operator if a case that is recorded took a budget close to its end."""
        if account.opened is None:
            return
        with suppress(LedgerUnavailable):  # the case itself is durable, and its caller waits
            for alert in nearly_spent(self.book, account):
                await self._tell(account, alert)

    async def _page(self, account: Account, fault: Fault) -> None:
        if account.decision.actions[fault.category].page:
            await self._tell(account, alert_of(fault, account.decision.name))

    async def _changed(self, account: Account, change: Change) -> None:
        where = {"provider": change.provider, "model": change.model}
        self.counters.add("answerable_breaker_changes_total", **where, state=change.event)
        if change.event == "opened":
            await self._tell(account, alert_of_change(change, account.decision.name))

    async def _tell(self, account: Account, alert: Alert) -> None:
        if await raise_alert(self.book, self.submit, alert, record=account.id, home=self.home):
            self.counters.add("answerable_alerts_total", category=alert.category or "other")


def _fault(exc: Exception, decider: Decider) -> Fault:
    """Return what an exception stands for; who is called makes it possible that it was charged."""
    remote = decider.remote
    provider, model = (None, None) if remote is None else (remote.provider, remote.model)
    fault = fault_of(exc, provider=provider, model=model)
    # "denied" and the like are not a decider's to say.
    return fault if fault.category in TABLE else replace(fault, category="exception")


def alert_of_change(change: Change, decision: str) -> Alert:
    """Return the alert for a breaker that opened."""
    return Alert(
        key=f"breaker:{change.provider} {change.model}",
        what=change.what,
        next_step="look at the provider's status; calls go on by themselves when a probe succeeds",
        decision=decision,
        category="circuit-open",
    )


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
