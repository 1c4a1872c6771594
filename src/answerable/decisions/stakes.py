"""What a wrong answer costs, what a review costs, and what is never automatic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from answerable.errors import UsageError

Severity = Literal["low", "financial", "regulatory", "safety"]
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
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise UsageError(f"currency {self.currency!r} is not a code", next_step='use one such as "USD"')
        if self.severity not in SEVERITIES:
            raise UsageError(
                f"severity {self.severity!r} is unknown", next_step=f"choose one of {', '.join(SEVERITIES)}"
            )
        for name, amount in (("wrong", self.wrong), ("review", self.review), *_amounts(self.costs)):
            if not callable(amount) and not amount >= 0:
                raise UsageError(f"{name} costs {amount}", next_step="give an amount of 0 or more")


def _amounts(costs: Sequence[Cost]) -> list[tuple[str, Amount]]:
    return [(f"the cost of {c.field}: {c.truth!r} answered {c.answer!r}", c.amount) for c in costs]
