"""Says in words and as data what a decision is."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from answerable.decisions.answer import Usage
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.fields import unclassified_fields
from answerable.decisions.manifest import digest, manifest
from answerable.encoding import MICRO, seconds
from answerable.failures.budget import Budget
from answerable.failures.remote import Breaker, Limit, Remote
from answerable.failures.table import TABLE, Action
from answerable.governance.source import Source

DEPENDS = "depends"  # on the case


def describe(decision: Decision[Any, Any]) -> dict[str, Any]:
    """Return the manifest with its digest (hex), the subjects, what carries no classification, and limits.

    budgets, calls: what may be spent, and decider -> what is known of its calls; neither is in the digest.
    """
    described = manifest(decision)
    return {
        "ok": True,
        **described,
        "definition": digest(described).hex(),
        "subjects": [f.path for f in decision.input_fields if "Subject" in f.classes],
        "unclassified": unclassified(decision),
        "budgets": [asdict(budget) for budget in decision.budgets],
        "calls": {d.name: _calls(d.remote) for d in decision.deciders if d.remote is not None},
    }


def unclassified(decision: Decision[Any, Any]) -> list[str]:
    """Return the input fields of free form that nobody classified: they may hold personal data."""
    return list(unclassified_fields(decision.input_fields))


def in_words(decision: Decision[Any, Any]) -> dict[str, str]:
    """Return heading -> text, for a person."""
    stakes = decision.stakes
    wrong = (
        "an amount that depends on the case"
        if callable(stakes.wrong)
        else f"{stakes.wrong:g} {stakes.currency}"
    )
    costs = f"; {len(stakes.costs)} listed mistakes cost more or less" if stakes.costs else ""
    never = "; ".join(
        f"{name} = {', '.join(map(str, values))}" for name, values in stakes.never_automatic.items()
    )
    order = [f"{n}. {d.name} ({d.kind}, {d.version})" for n, d in enumerate(decision.deciders, start=1)]
    free = ", ".join(unclassified(decision))
    words = {
        "decision": f"{decision.name} version {decision.version}",
        "question": decision.question,
        "owner": f"{decision.owner}, for the purpose {decision.purpose}",
        "takes": ", ".join(f.path for f in decision.input_fields),
        "answers": "; ".join(_answer(f.path, f.kind, f.values) for f in decision.output_fields),
        "stakes": f"{stakes.severity}; a wrong field costs {wrong}, "
        f"a review {stakes.review:g} {stakes.currency}{costs}",
        "never automatic": never,
        "deciders": " -> ".join(order),
        **{f"  {d.name}": "; ".join(_told_of(d, stakes.currency)) for d in decision.deciders},
        "reads": ", ".join(source.name for source in decision.reads),
        **{f"  {source.name}": "; ".join(_told_of_source(source)) for source in decision.reads},
        "checks": "; ".join(map(_check, decision.checks)) or "none but the output's type",
        "deadline": f"{seconds(decision.deadline):g} s for all deciders together",
        "budgets": _budgets(decision),
        "after a fault": "; ".join(_row(name, decision.actions[name]) for name in decision.faults),
        "key": ", ".join(decision.key_fields) or "none: a case cannot be found by a number of yours",
        "subjects": ", ".join(f.path for f in decision.input_fields if "Subject" in f.classes)
        or "none is named",
        "unclassified": f"{free}: free text in which nobody said what is personal; "
        'mark it, such as Annotated[str, ans.Personal("email")]'
        if free
        else "nothing",
    }
    return {name: text for name, text in words.items() if text}


def _told_of_source(source: Source[Any]) -> Iterator[str]:
    """Yield whose data a source gives, for what, and the contract of its rows."""
    yield f"{source.kind}, owned by {source.owner}, for {' and '.join(source.purposes)}"
    yield "rows of " + ", ".join(f"{f.path}{_classes(f.classes)}" for f in source.columns)
    if source.mask:
        yield "hidden " + ", ".join(f"{n} but for the role {role}" for n, role in source.mask.items())
    if source.freshness_s is not None:
        then = "else not used" if source.stale == "refuse" else "else noted"
        age = source.freshness if isinstance(source.freshness, str) else f"{source.freshness_s:g} s"
        yield f"at most {age} old, {then}"
    yield f"at most {source.limit:,} rows"


def _classes(classes: tuple[str, ...]) -> str:
    return f" ({', '.join(classes)})" if classes else ""


def _answer(name: str, kind: str, values: tuple[Any, ...]) -> str:
    if not values:
        return f"{name} ({kind})"
    shown = ", ".join(str(value) for value in values[:8])
    return f"{name}: {shown}" + (f" and {len(values) - 8} more" if len(values) > 8 else "")


def _told_of(decider: Decider, currency: str) -> Iterator[str]:
    """Yield what is to be known of a decider's calls; nothing of one that makes none."""
    if decider.kind == "person":
        told = dict(decider.settings)
        yield f"the queue {told['queue']} has {told['within']:g} s"
        yield "then its declared answer stands" if told["then"] is not None else "then the case stays open"
    if decider.clearance is not None:
        yield f"sees in clear: {', '.join(sorted(decider.clearance)) or 'nothing personal'}"
    if decider.inline:
        return
    yield (
        "no time limit but the deadline"
        if decider.timeout is None
        else (f"at most {decider.timeout:g} s a call")
    )
    remote = decider.remote
    if remote is None:
        yield "no destination is declared, so it counts as staying on this machine"
        return
    yield f"sends data to {remote.destination} (provider {remote.provider}, model {remote.model})"
    yield _most(remote, currency)
    if remote.limit is not None:
        yield _limit(remote.limit)
    yield _breaker(remote.breaker)


def _most(remote: Remote, currency: str) -> str:
    if remote.most is None:
        return "nobody knows what a call costs at most"
    if not isinstance(remote.most, Usage):
        return "what a call costs at most depends on the case"
    tokens = (remote.most.tokens_in or 0) + (remote.most.tokens_out or 0)
    money = f"{remote.most.cost / MICRO:g} {currency}" if remote.priced else "money that nobody knows"
    return f"a call costs at most {money}" + (f" and {tokens:,} tokens" if tokens else "")


def _limit(limit: Limit) -> str:
    told = [
        "" if limit.at_once is None else f"{limit.at_once:,} calls at once",
        "" if limit.per_second is None else f"{limit.per_second:g} a second",
    ]
    return f"at most {' and '.join(filter(None, told))} in a process, {limit.queue:,} more may wait"


def _breaker(breaker: Breaker) -> str:
    slow = "" if breaker.slow is None else f" or took {breaker.slow:g} s"
    return (
        f"paused for {breaker.pause:g} s once {breaker.failures} calls and {breaker.rate:.0%} of those in "
        f"{breaker.window:g} s failed{slow}"
    )


def _check(check: Any) -> str:
    """Name a check with the fields it looks at and who is asked where it objects, if it says so."""
    name = str(getattr(check, "__name__", type(check).__name__))
    looks = ", ".join(map(str, (*getattr(check, "fields", ()), *getattr(check, "inputs", ()))))
    then = getattr(check, "then", None)
    after = {"next": "then the next decider", "person": "then a person", "flag": "only notes it"}.get(
        then or ""
    )
    told = ", ".join(filter(None, (looks and f"looks at {looks}", after)))
    return f"{name} ({told})" if told else name


def _budgets(decision: Decision[Any, Any]) -> str:
    if not decision.budgets:
        pays = any(d.remote is not None for d in decision.deciders)
        return "none: nothing limits what calls may cost" if pays else ""
    return "; ".join(_budget(budget, decision) for budget in decision.budgets)


def _budget(budget: Budget, decision: Decision[Any, Any]) -> str:
    amounts = [
        "" if budget.money is None else f"{budget.money:g} {decision.stakes.currency}",
        "" if budget.tokens is None else f"{budget.tokens:,} tokens",
    ]
    time = "for ever" if budget.per == "ever" else f"per {budget.per}"
    shared = f", shared by all budgets named {budget.name}" if budget.name else ""
    return f"{' and '.join(filter(None, amounts))} {time}{shared}"


def _row(category: str, action: Action) -> str:
    """Return how a row of the action table differs from the usual one."""
    usual = TABLE[category]
    changed = [
        f"{f.name} {getattr(action, f.name)} (usually {getattr(usual, f.name)})"
        for f in fields(Action)
        if getattr(action, f.name) != getattr(usual, f.name)
    ]
    return f"{category}: {', '.join(changed) or 'as usual'}"


def _calls(remote: Remote) -> dict[str, Any]:
    """Return what is known of calls. most: what one consumes at most, DEPENDS, or None: nobody knows."""
    most = asdict(remote.most) if isinstance(remote.most, Usage) else remote.most and DEPENDS
    return {
        "provider": remote.provider,
        "model": remote.model,
        "destination": remote.destination,
        "most": most,
        "priced": remote.priced,
        "limit": None if remote.limit is None else asdict(remote.limit),
        "breaker": asdict(remote.breaker),
    }
