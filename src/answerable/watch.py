"""What is seen of calls and outcomes: counted, and told to operators once per cause and when it is over."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace

from answerable.alerting import raise_alert, resolve_alert, standing
from answerable.breakers import Change
from answerable.casebook import Casebook
from answerable.casefile import RUN, Account
from answerable.counters import Counters
from answerable.decisions.answer import Usage
from answerable.decisions.outcome import Outcome
from answerable.encoding import MICRO
from answerable.failures.alert import Alert, alert_of
from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.remote import Remote
from answerable.home import Home
from answerable.spending import Submit, nearly_spent

_BREAKER, _SPOILT = "breaker:", "spoilt:"
SHORT_S = 10.0  # a pause of a breaker that is told only in the ledger
LOOKED_AT, AT_LEAST, MANY, FEW = 50, 20, 0.5, 0.25  # outcomes of a decision, and shares of second best ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """The eyes of one workspace. lately: decision -> which of its last outcomes a fault spoilt."""

    submit: Submit
    book: Casebook
    counters: Counters
    home: Home  # where alerts go
    lately: dict[str, deque[bool]] = field(default_factory=dict)
    successes: dict[str, int] = field(default_factory=dict)  # in a row, of what an alert stands for
    endings: dict[str, int] = field(default_factory=dict)  # how often each alert was seen to be over

    def called(self, remote: Remote, fault: Fault | None, usage: Usage) -> None:
        """Count a call that left this machine."""
        labels = {"provider": remote.provider, "model": remote.model}
        self.counters.add("answerable_calls_total", result=fault.category if fault else "ok", **labels)
        self.counters.add("answerable_tokens_total", usage.tokens_in, direction="in", **labels)
        self.counters.add("answerable_tokens_total", usage.tokens_out, direction="out", **labels)

    async def failed(self, account: Account, decider: str, fault: Fault) -> None:
        """Tell an operator of a fault with which an attempt ended, where the table says so."""
        if account.decision.actions[fault.category].page and not _of_a_run(fault.code or ""):
            alert = alert_of(fault, account.decision.name, decider)
            self.successes.pop(alert.key, None)
            await self._tell(account, alert)

    async def well(self, remote: Remote) -> None:
        """End the alerts that a successful call shows to be over.

        The first time one success will do; each further time it takes four times as many in a row, so that
        a provider that fails every other call is not told of for ever.
        """
        for key in standing(self.book, f":{remote.provider} {remote.model}"):
            if key.startswith(_BREAKER):
                continue  # ends when it closes
            count = self.successes[key] = self.successes.get(key, 0) + 1
            if count >= 4 ** min(self.endings.get(key, 0), 5):
                self.endings[key] = self.endings.get(key, 0) + 1
                self.successes.pop(key)
                await self._over(key, "calls succeed again")

    async def changed(self, account: Account, change: Change, *, told: bool) -> None:
        """Take in that a breaker opened or closed. told: an operator hears of its cause already."""
        where = {"provider": change.provider, "model": change.model}
        self.counters.add("answerable_breaker_changes_total", **where, state=change.event)
        key = f"{_BREAKER}{change.provider} {change.model}"
        if change.event == "closed":
            await self._over(key, change.what, look=True)  # another process may have raised it
        elif change.event == "opened" and not told and not self._short(change):
            step = "look at the provider's status; calls go on by themselves when a probe succeeds"
            alert = Alert(key=key, what=change.what, next_step=step, decision=account.decision.name)
            await self._tell(account, replace(alert, category="circuit-open"))

    def _short(self, change: Change) -> bool:
        """Say whether calls only pause for a moment, which nobody needs to hear of."""
        return change.until is not None and change.until - self.book.clock.now() < SHORT_S * MICRO

    async def recorded(self, account: Account, outcome: Outcome[object], took: int) -> None:
        """Count what came of a case that is durable; tell an operator if too many come out second best."""
        name, made_by = account.decision.name, account.made_by
        labels = {"decision": name, "status": outcome.status, "decider": made_by.name if made_by else ""}
        self.counters.add("answerable_outcomes_total", **labels, degraded=outcome.degraded or "")
        self.counters.add("answerable_decision_seconds", took / MICRO, decision=name)
        if account.used.cost:
            currency = account.decision.stakes.currency
            self.counters.add(
                "answerable_cost_micro_total", account.used.cost, decision=name, currency=currency
            )
        # The case is durable and its caller waits: from here on nothing may spoil it.
        with suppress(Exception):
            spoilt = _spoilt(account, outcome)
            # A decision that nothing ever spoilt needs no memory.
            if spoilt or name in self.lately or standing(self.book, f"{_SPOILT}{name}"):
                await self._health(account, outcome, spoilt)
            if account.opened is not None:
                for alert in nearly_spent(self.book, account):
                    if not _of_a_run(alert.key):
                        await self._tell(account, alert)

    async def _health(self, account: Account, outcome: Outcome[object], spoilt: bool) -> None:
        name = account.decision.name
        lately = self.lately.get(name)
        if lately is None:
            lately = self.lately.setdefault(name, deque(maxlen=LOOKED_AT))
        lately.append(spoilt)
        key = f"{_SPOILT}{name}"
        if spoilt and len(lately) >= AT_LEAST and lately.count(True) >= MANY * len(lately):
            category = account.fault or (outcome.degraded or "").removeprefix("fault:")
            what = (
                f"{name}: {lately.count(True)} of the last {len(lately)} cases failed or came out second "
                f"best; the last because {CATEGORIES.get(category, category)}"
            )
            step = f"see them with `answerable records --decision {name}`; --redo decides them anew later"
            await self._tell(account, Alert(key=key, what=what, next_step=step, decision=name))
        elif not spoilt and len(lately) >= AT_LEAST and lately.count(True) <= FEW * len(lately):
            await self._over(key, "cases come out well again")

    async def _tell(self, account: Account, alert: Alert) -> None:
        with suppress(Exception):  # the boundary: what cannot be told must not spoil the case it is about
            alert = replace(alert, what=account.concealed(alert.what))
            if await raise_alert(self.book, self.submit, alert, record=account.id, home=self.home):
                self.counters.add("answerable_alerts_total", category=alert.category or "other")

    async def _over(self, key: str, what: str, *, look: bool = False) -> None:
        with suppress(Exception):  # as above
            await resolve_alert(self.book, self.submit, key, home=self.home, what=what, look=look)


def _of_a_run(text: str) -> bool:
    """Say whether a budget is of one run: who started it sees what came of it."""
    return RUN in text


def _spoilt(account: Account, outcome: Outcome[object]) -> bool:
    """Say whether a fault of ours or a provider's kept a case from coming out well."""
    if outcome.status == "failed":
        return account.fault not in ("cancelled", "superseded")
    tried = any(attempt.result == "failed" for attempt in outcome.attempts)
    return tried and (outcome.status == "escalated" or (outcome.degraded or "").startswith("fault:"))
