"""What is known of a decider that leaves this machine: whom it calls, at what price, how often."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from answerable.decisions.answer import Usage, word
from answerable.decisions.case import Case
from answerable.encoding import MICRO
from answerable.errors import UsageError

# A host, perhaps with a port: no scheme, no path, no login, as each could hold more than where data goes.
_HOST = re.compile(r"[^\s/@?#\\]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """When calls to one (provider, model) are paused.

    failures: at least so many of the calls in the last `window` seconds failed or were slow, and at least
    `rate` of them all. slow: seconds from which a call counts as slow; None: never. pause: seconds until one
    probe may go through; doubles with each failed probe up to `longest`.
    """

    failures: int = 5
    rate: float = 0.5
    window: float = 60.0
    slow: float | None = None
    pause: float = 30.0
    longest: float = 600.0

    def __post_init__(self) -> None:
        _whole("failures", self.failures)
        _positive("window", self.window)
        _positive("pause", self.pause)
        _positive("longest", self.longest)
        if self.slow is not None:
            _positive("slow", self.slow)
        if not isinstance(self.rate, int | float) or not 0 < self.rate <= 1:
            raise UsageError(f"rate is {self.rate!r}", next_step="give a share above 0, at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How much of our own calling is allowed in one process.

    at_once: calls in flight; per_second: calls begun, evenly; None: no limit. queue: calls that may wait
    for one of the two; one more fails at once as "busy". Raises UsageError if it limits nothing.
    """

    at_once: int | None = None
    per_second: float | None = None
    queue: int = 100

    def __post_init__(self) -> None:
        if self.at_once is None and self.per_second is None:
            raise UsageError("a limit limits nothing", next_step="give at_once=, per_second= or both")
        if self.at_once is not None:
            _whole("at_once", self.at_once)
        if self.per_second is not None:
            _positive("per_second", self.per_second)
        if isinstance(self.queue, bool) or not isinstance(self.queue, int) or self.queue < 0:
            raise UsageError(f"queue is {self.queue!r}", next_step="give a whole number of 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What tokens cost: units of the decision's currency per million tokens."""

    input: float
    output: float

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
                raise UsageError(f"the price of {name} is {value!r}", next_step="give an amount of 0 or more")

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """Return the cost in micro-units, rounded up: a budget must never be told too little."""
        exact = tokens_in * self.input + tokens_out * self.output  # per million tokens = micro-units
        return int(exact) + (exact > int(exact))


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """A destination outside this machine.

    provider, model: together the key of the circuit breaker. destination: the host that gets the data, as
    the record names it. most: the most that one call can consume: a Usage; a number, which is money in units
    of the decision's currency (0.02) and becomes a Usage; or a function of the case that returns a Usage. A
    budget reserves it before the call. None: not known, which a budget refuses. priced: False if the money
    is not known, which a budget in money refuses. Raises UsageError for a value of another type, and for a
    destination that is an address (URL) and not a host.
    """

    provider: str
    model: str
    destination: str
    most: Usage | float | Callable[[Case[Any]], Usage] | None = None
    breaker: Breaker = field(default_factory=Breaker)
    limit: Limit | None = None
    priced: bool = True

    def __post_init__(self) -> None:
        for name in ("provider", "model", "destination"):
            word(getattr(self, name), what=name)
        if not _HOST.fullmatch(self.destination):
            raise UsageError("the destination is no host", next_step=f"give {_host_in(self.destination)!r}")
        if self.most is not None and not callable(self.most):
            object.__setattr__(self, "most", _usage(self.most))
        for name, kind in (("breaker", Breaker), ("limit", Limit)):
            value = getattr(self, name)
            if not isinstance(value, kind) and not (name == "limit" and value is None):
                raise UsageError(
                    f"{name} is a {type(value).__name__}", next_step=f"give an ans.{kind.__name__}(...)"
                )
        if not isinstance(self.priced, bool):
            raise UsageError(f"priced is a {type(self.priced).__name__}", next_step="say True or False")

    def reserve(self, case: Case[Any]) -> Usage | None:
        """Return the most that one call for `case` can consume; None where that is not known.

        Raises UsageError if the function `most` returns what is no amount.
        """
        most = self.most(case) if callable(self.most) else self.most
        return None if most is None else _usage(most)


def _usage(most: Any) -> Usage:
    """Return what a call consumes at most; a bare number is money."""
    if isinstance(most, Usage):
        return most
    if isinstance(most, bool) or not isinstance(most, int | float):
        raise UsageError(
            f"most is a {type(most).__name__}",
            next_step="give ans.Usage(cost=20_000, tokens_in=4_000, tokens_out=500), where cost is in "
            "millionths, or only the money, as in most=0.02",
        )
    return Usage(cost=money(most, what="most"))


def _host_in(address: str) -> str:
    """Return the host of an address, without the login, path and query that may be a secret."""
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        return parts.netloc.rpartition("@")[2] or "api.acme.example"
    except ValueError:
        return "api.acme.example"


def money(amount: Any, *, what: str) -> int:
    """Return an amount of money (units) in micro-units. Raises UsageError if it is negative or no number."""
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= 1e12:
        raise UsageError(f"{what} is {amount!r}", next_step="give an amount of 0 or more")
    return round(float(amount) * MICRO)


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 30:
        raise UsageError(f"{name} is {value!r}", next_step="give a whole number above 0")


def _positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise UsageError(f"{name} is {value!r}", next_step="give a number above 0")
