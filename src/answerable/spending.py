"""What stands before a call leaves this machine: the `opened` entry, and what budgets hold for it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from answerable.casebook import Casebook, link, principal_data
from answerable.casefile import Account
from answerable.decisions.answer import NOTHING_USED, Usage
from answerable.encoding import MICRO, plain
from answerable.failures.alert import Alert
from answerable.failures.budget import Budget
from answerable.failures.fault import Fault
from answerable.ledger.entry import Conflict, Entry, Receipt, Unit, Write
from answerable.state import spending

Submit = Callable[[Unit], Awaitable[Receipt]]
WARN_AT = 0.8  # of a budget
LEASE_S = 60.0  # beyond its deadline, before a case without an end counts as interrupted
_NO_LIMIT = (1 << 63) - 1
_MOST = (1 << 60) - 1  # of what is counted: sums beyond it stand as that
_BUDGET = "budget:"
_ENDED = "interrupted"


class CaseEnded(Exception):
    """A worker has ended the case as interrupted: nothing may leave for it any more."""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A budget refused. may_come: only because of what other cases hold and may not use."""

    fault: Fault
    may_come: bool


def plus(one: Usage, other: Usage) -> Usage:
    """Return what two calls consumed together; the later model's name stands."""
    if one is NOTHING_USED or other is NOTHING_USED:
        return other if one is NOTHING_USED else one
    return Usage(
        cost=min(one.cost + other.cost, _MOST),
        tokens_in=min(one.tokens_in + other.tokens_in, _MOST),
        tokens_out=min(one.tokens_out + other.tokens_out, _MOST),
        model=other.model or one.model,
    )


def minus(one: Usage, other: Usage) -> Usage:
    """Return what was consumed since `other`, of which `one` is the later reading."""
    if one is other:
        return NOTHING_USED
    return Usage(
        cost=one.cost - other.cost,
        tokens_in=one.tokens_in - other.tokens_in,
        tokens_out=one.tokens_out - other.tokens_out,
        model=one.model,
    )


async def reserve(book: Casebook, submit: Submit, account: Account, most: Usage) -> NoRoom | None:
    """Make durable that a call may leave now: the case is open, and budgets hold the most it can cost.

    most: of this call. What an earlier call of the case held and did not use counts. Returns why not; then
    nothing was written. Raises CaseEnded if somebody has ended the case meanwhile.
    """
    wanted = plus(account.used, most)
    for budget in account.budgets:
        if budget.per == "case" and not _fits(budget, wanted):
            fault = _no_room(budget, account, spent=account.used, held=NOTHING_USED, wanted=most)
            return NoRoom(fault, may_come=False)
    held, was = account.held, account.opened
    extra = NOTHING_USED
    if wanted.cost > held.cost or _tokens(wanted) > _tokens(held):
        tokens = max(0, _tokens(wanted) - _tokens(held))
        extra = Usage(cost=max(0, wanted.cost - held.cost), tokens_in=tokens)
    shared = [b for b in account.budgets if b.per != "case"]
    holds = [] if extra is NOTHING_USED else list(_holds(account, shared, extra))
    expires = account.at + round((account.deadline - account.started + LEASE_S) * MICRO)
    first = account.opened is None
    if first:
        entry = _opening(book, account)
        params = {"case_id": account.id, "entry_id": entry.id, "expires": expires}
        marks = book.vault.marks(entry.id, book.about(account))
        unit = Unit(
            [entry],
            [*holds, *marks, Write(spending.ADD_OPENED, params), link(account.id, entry.id, "opened")],
        )
        account.opened = entry.id  # before it is sure: a cancelled case must know that it may be open
    else:
        renew = Write(
            spending.RENEW_OPENED, {"of_case": account.id, "until": expires}, expect=1, clash=_ENDED
        )
        unit = Unit((), [renew, *holds])
    account.held, account.sure = plus(held, extra), False
    try:
        await submit(unit)
    except Conflict as conflict:  # the whole unit left nothing
        account.held, account.sure = held, not first
        account.opened = was
        if book.renew(account, conflict):
            return await reserve(book, submit, account, most)
        if conflict.clash == _ENDED:
            raise CaseEnded from conflict
        if not conflict.clash.startswith(_BUDGET):
            raise
        return _refused(book, account, shared[int(conflict.clash.removeprefix(_BUDGET))], extra)
    account.sure = True
    return None


def _refused(book: Casebook, account: Account, budget: Budget, extra: Usage) -> NoRoom:
    """Say why a budget has no room, and whether it has if what others hold is not used in the end."""
    name, period = _place(account, budget)
    spent, held = NOTHING_USED, NOTHING_USED
    for row in book.journal.rows(spending.SPENT, {"name": name, "period": period}):
        spent, held = Usage(cost=row[0], tokens_in=row[2]), Usage(cost=row[1], tokens_in=row[3])
    fault = _no_room(budget, account, spent=spent, held=held, wanted=extra)
    mine = plus(plus(spent, account.held), extra)
    return NoRoom(fault, may_come=_fits(budget, mine))


def room_came(book: Casebook, account: Account, most: Usage) -> bool:
    """Say whether every budget has room for a call now; a look that costs no commit."""
    wanted = plus(account.used, most)
    for budget in account.budgets:
        name, period = _place(account, budget)
        for cost, held, tokens, held_tokens in book.journal.rows(
            spending.SPENT, {"name": name, "period": period}
        ):
            others = Usage(
                cost=max(0, cost + held - account.held.cost),
                tokens_in=max(0, tokens + held_tokens - _tokens(account.held)),
            )
            if not _fits(budget, plus(others, wanted)):
                return False
    return True


def ending(account: Account) -> Iterator[Write]:
    """Yield what ends an opened case in state: it is open no more, and its budgets are settled.

    The first write fails with Conflict("interrupted") if somebody has ended the case already; where a cancel
    left open whether the case was opened, it does not.
    """
    yield Write(
        spending.END_OPENED, {"of_case": account.id}, expect=1 if account.sure else None, clash=_ENDED
    )
    for name, period in sorted({_place(account, b) for b in account.budgets if b.per != "case"}):
        yield settle(account.id, name, period, used=account.used)
    yield Write(spending.RELEASE, {"of_case": account.id})


def settle(case_id: bytes, name: str, period: str, *, used: Usage) -> Write:
    """Return the write by which a budget counts `used` as spent and lets go of what the case reserved."""
    params = {
        "of_case": case_id,
        "of_name": name,
        "of_period": period,
        "cost": used.cost,
        "tokens": _tokens(used),
    }
    return Write(spending.SETTLE, params)


def nearly_spent(book: Casebook, account: Account) -> Iterator[Alert]:
    """Yield an alert for each budget of this case, now settled, that is used to four fifths."""
    for budget in account.budgets:
        if budget.per == "case" or account.used == NOTHING_USED:
            continue
        name, period = _place(account, budget)
        for cost, _, tokens, _ in book.journal.rows(spending.SPENT, {"name": name, "period": period}):
            for spent, of in ((cost, budget.cost), (tokens, budget.tokens)):
                if of and spent >= of * WARN_AT:
                    yield Alert(
                        key=f"budget-warning:{name}:{period}",
                        what=f"the budget {name} ({_allowed(budget, account)}) is used to {spent / of:.0%}",
                        next_step="raise it if that is too soon; at 100 % only free deciders go on",
                        decision=account.decision.name,
                        category="budget",
                    )


def _holds(account: Account, budgets: Sequence[Budget], extra: Usage) -> Iterator[Write]:
    seen = set()
    for number, budget in enumerate(budgets):
        name, period = _place(account, budget)
        amounts = {"cost": extra.cost, "tokens": _tokens(extra)}
        first = (name, period) not in seen
        seen.add((name, period))
        if first:
            yield Write(spending.ADD_BUDGET, {"name": name, "period": period})
        limits = {
            "most_cost": _NO_LIMIT if budget.cost is None else budget.cost,
            "most_tokens": _NO_LIMIT if budget.tokens is None else budget.tokens,
        }
        # A second budget of the same name and time only looks: the first has taken what both count.
        held = amounts if first else {"cost": 0, "tokens": 0}
        params = {**held, **limits, "of_name": name, "of_period": period}
        yield Write(spending.HOLD, params, expect=1, clash=f"{_BUDGET}{number}")
        if first:
            row = {"case_id": account.id, "name": name, "period": period, **amounts}
            yield Write(spending.RESERVE, row)


def _opening(book: Casebook, account: Account) -> Entry:
    """Return the entry that says what is about to leave, and to whom."""
    decision, request = account.decision, account.request
    header = {
        "kind": "opened",
        "case_id": account.id,
        "parent": request.parent,
        "thread": request.thread,
        "decision": decision.name,
        "version": decision.version,
        "definition": book.register(decision),
        "principal": request.principal.id,
        "purpose": request.purpose or decision.purpose,
        "policy": None if account.permit is None else account.permit.policy,
        "stage": account.stage,
        "key_digest": account.key_digest,
        "currency": decision.stakes.currency,
    }
    remotes = [d.remote for d in decision.deciders if d.remote is not None]
    detail = {
        "at": account.at,
        "key": account.key,
        "principal": principal_data(request.principal),
        "destinations": sorted({remote.destination for remote in remotes}),
        "classes": sorted({word for f in decision.input_fields for word in f.classes}),
        "in_clear": _in_clear(account),
    }
    parts = {"input": book.given(account), "reads": plain(account.reads()), "detail": detail}
    return book.entry(header, {n: v for n, v in parts.items() if v not in (None, [])}, book.about(account))


def _in_clear(account: Account) -> list[str]:
    """Return the kinds of the case's personal data that a decider elsewhere may see as they are."""
    private = account.private
    kinds = frozenset[str]() if private is None else private.kinds
    cleared = [d.clearance for d in account.decision.deciders if d.remote is not None]
    return sorted(kinds if None in cleared else kinds & frozenset[str]().union(*(c for c in cleared if c)))


def _place(account: Account, budget: Budget) -> tuple[str, str]:
    return budget.name or account.decision.name, budget.window(account.at)


def _fits(budget: Budget, wanted: Usage) -> bool:
    fits_cost = budget.cost is None or wanted.cost <= budget.cost
    return fits_cost and (budget.tokens is None or _tokens(wanted) <= budget.tokens)


def _no_room(budget: Budget, account: Account, *, spent: Usage, held: Usage, wanted: Usage) -> Fault:
    name = budget.name or account.decision.name
    if budget.cost is not None and spent.cost + held.cost + wanted.cost > budget.cost:
        shown = [f"{amount / MICRO:.4g}" for amount in (wanted.cost, spent.cost, held.cost)]
    else:
        shown = [f"{_tokens(amount):,} tokens" for amount in (wanted, spent, held)]
    sums = f"{shown[1]} spent, {shown[2]} held by calls under way"
    reason = (
        f"the budget {name} ({_allowed(budget, account)}) has no room for another call, "
        f"which may take up to {shown[0]} ({sums})"
    )
    time = "case" if budget.per == "case" else budget.window(account.at)
    return Fault(category="budget", reason=reason, code=f"{name} {time}".rstrip())


def _allowed(budget: Budget, account: Account) -> str:
    limits = [
        f"{budget.money:g} {account.decision.stakes.currency}" if budget.money is not None else "",
        f"{budget.tokens:,} tokens" if budget.tokens is not None else "",
    ]
    time = "case" if budget.per == "case" else budget.window(account.at) or "all time"
    return f"{' and '.join(filter(None, limits))} for {time}"


def _tokens(usage: Usage) -> int:
    return usage.tokens_in + usage.tokens_out
