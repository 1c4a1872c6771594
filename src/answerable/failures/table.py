"""The action table: for each category of fault, whether to try again, who is asked next, and who is told.

It is data: a decision overrides single rows with `faults={"rate-limit": {"retry": 2}}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from answerable.errors import UsageError, did_you_mean
from answerable.failures.fault import known_category

# Who may be asked after a fault: anybody; only deciders that stay on this machine; only a declared default
# or a person; only a person; nobody.
Then = Literal["next", "local", "safe", "person", "stop"]
# What a fault does to the circuit breaker of its (provider, model): nothing; one failure; opens it at once;
# opens it for as long as the provider asked to wait, if that is longer than we do.
Trips = Literal["no", "counts", "opens", "until"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One row of the table.

    retry: how often the same decider is called again; told: how often, if the provider said how long to
    wait (None: as `retry`). patience: the longest wait before a retry, in seconds. then: who is asked when
    it stays a fault. page: an operator is told, once per cause. breaker: what the breaker makes of it.
    Raises UsageError for a negative number or an unknown word.
    """

    retry: int = 0
    told: int | None = None
    patience: float = 5.0
    then: Then = "next"
    page: bool = False
    breaker: Trips = "no"

    def __post_init__(self) -> None:
        for name, known in (("then", get_args(Then)), ("breaker", get_args(Trips))):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise UsageError(f"{name} is {value!r}", next_step=did_you_mean(str(value), known))
        for name in ("retry", "told", "patience"):
            value = getattr(self, name)
            whole = name == "patience" or isinstance(value, int)
            if (value is not None or name != "told") and (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= 1000
                or not whole
            ):
                raise UsageError(f"{name} is {value!r}", next_step="give a number between 0 and 1000")
        if not isinstance(self.page, bool):
            raise UsageError(f"page is {self.page!r}", next_step="say True or False")


TABLE: Mapping[str, Action] = {
    "rate-limit": Action(retry=1, told=3, breaker="until"),
    "quota": Action(page=True, breaker="opens"),
    "overloaded": Action(retry=1, breaker="counts"),
    "unavailable": Action(retry=1, breaker="counts"),
    "server-error": Action(retry=1, breaker="counts"),
    "conflict": Action(retry=1),
    "auth": Action(page=True),  # no waiting mends it, and a breaker would hide it
    "not-found": Action(page=True),
    "rejected": Action(then="local", page=True),  # our own mistake: another provider would get it too
    "context-overflow": Action(retry=1),  # the decider cuts its input, then a larger one is asked
    "content-filter": Action(then="safe"),  # never from model to model until one agrees
    "refusal": Action(then="safe"),
    "truncated": Action(retry=1),  # with room for more tokens
    "invalid": Action(retry=1, breaker="counts"),  # one repair
    "wrong-type": Action(page=True),  # a bug in a decider's code must not be silent
    "empty": Action(retry=1, breaker="counts"),
    "garbled": Action(breaker="counts"),
    "connect": Action(retry=1, breaker="counts"),
    "pool": Action(retry=1, page=True),  # our own shortage says nothing about the provider
    "reset": Action(retry=1, breaker="counts"),
    "timeout": Action(breaker="counts"),
    "deadline": Action(),
    "budget": Action(then="local", page=True),
    "circuit-open": Action(),
    "busy": Action(),
    "check": Action(),
    "never-automatic": Action(then="person"),
    "exception": Action(page=True),
    "source": Action(page=True),  # says nothing against whoever else the decider calls
}

_PATIENT = ("budget", "busy", "circuit-open")  # our own limits: there may be waiting without a retry
_RETRY = ("retry", "told", "patience")
# Columns that nothing reads in a row: a change there would be believed and do nothing.
_IDLE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("check", "never-automatic"), (*_RETRY, "page", "breaker")),  # after the calls
    "deadline": _RETRY,  # there is no time left
    "circuit-open": ("breaker",),
    **dict.fromkeys(("context-overflow", "truncated", "invalid", "empty"), ("told", "patience")),  # no waits
}


def with_overrides(changes: Mapping[str, Action | Mapping[str, Any]]) -> Mapping[str, Action]:
    """Return the table with some rows replaced, or changed in single columns.

    Raises UsageError for an unknown category or column, a row that may not be changed, and a change that
    would have no effect.
    """
    if not isinstance(changes, Mapping):
        raise UsageError(
            f"faults is a {type(changes).__name__}",
            next_step='give a mapping such as {"rate-limit": {"retry": 2}}',
        )
    table = dict(TABLE)
    for category, change in changes.items():
        if known_category(category) not in TABLE:
            raise UsageError(f"nothing follows from {category!r}", next_step=did_you_mean(category, TABLE))
        if isinstance(change, Action):
            table[category] = change
        elif isinstance(change, Mapping):
            names = [f.name for f in fields(Action)]
            for name in change:
                if name not in names:
                    raise UsageError(f"an action has no {name!r}", next_step=did_you_mean(str(name), names))
            table[category] = replace(TABLE[category], **change)
        else:
            raise UsageError(
                f"the action for {category!r} is {change!r}", next_step='give {"retry": 2} or an ans.Action'
            )
        _refuse_idle(category, table[category])
    return table


def _refuse_idle(category: str, row: Action) -> None:
    """Raise UsageError if a row differs from the table's in a column that nothing reads."""
    if row.patience != TABLE[category].patience and not (row.retry or row.told or category in _PATIENT):
        raise UsageError(
            f"patience has no effect on {category!r}, which is not retried",
            next_step="give retry= too, or leave patience out of this row",
        )
    for name in _IDLE.get(category, ()):
        if getattr(row, name) != getattr(TABLE[category], name):
            raise UsageError(
                f"{name} has no effect on {category!r}", next_step=f"leave {name} out of this row"
            )
