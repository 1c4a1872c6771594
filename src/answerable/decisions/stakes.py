"""What a wrong answer costs, what a review costs, and what is never automatic."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

from answerable.errors import UsageError

Severity = Literal["low", "financial", "regulatory", "safety"]
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST = 1e12  # units; more would not fit 64 bits of micro-units
SEVERITIES: tuple[Severity, ...] = ("low", "financial", "regulatory", "safety")
Amount = (
    float | Callable[[Any], float]
)  # units of the currency; a function of the input where it depends on it


@dataclass(frozen=True, slots=True)
class Cost:
    """What it costs when `field` should have been `truth` and the answer was `answer`.

    amount: units of the stakes' currency, or a function of the case's input.
    """

    field: str
    truth: Any
    answer: Any
    amount: Amount


@dataclass(frozen=True, slots=True)
class Stakes:
    """The money behind a decision.

    currency: ISO 4217 code. wrong: cost of one wrong field that `costs` does not list.
    review: cost of asking a person. never_automatic: field -> values only a person may give.
    Raises UsageError for an unknown severity, a negative amount or a bad currency.
    """

    currency: str
    wrong: Amount
    review: float
    severity: Severity = "low"
    costs: Sequence[Cost] = ()
    never_automatic: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.currency, str) and _CURRENCY.fullmatch(self.currency)):
            raise UsageError(f"currency {self.currency!r} is not a code", next_step='use one such as "USD"')
        if self.severity not in SEVERITIES:
            raise UsageError(
                f"severity {self.severity!r} is unknown", next_step=f"choose one of {', '.join(SEVERITIES)}"
            )
        for name, amount in (("wrong", self.wrong), ("review", self.review), *_amounts(self.costs)):
            if callable(amount) and name != "review":
                continue
            if isinstance(amount, bool) or not isinstance(amount, Real) or not 0 <= amount <= _MOST:
                raise UsageError(f"{name} costs {amount!r}", next_step="give an amount of 0 or more")
        # Copies: a definition must not change under its recorded digest.
        object.__setattr__(self, "costs", tuple(self.costs))
        named = {}
        for field_name, values in self.never_automatic.items():
            if isinstance(values, str | bytes):
                raise UsageError(
                    f"never_automatic[{field_name!r}] is the text {values!r}", next_step=f"write [{values!r}]"
                )
            named[field_name] = tuple(values)
        object.__setattr__(self, "never_automatic", named)


def _amounts(costs: Sequence[Cost]) -> list[tuple[str, Amount]]:
    return [(f"the cost of {c.field}: {c.truth!r} answered {c.answer!r}", c.amount) for c in costs]
