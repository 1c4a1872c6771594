"""A Budget: how much money and how many tokens paid deciders may consume, and over which time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from answerable.decisions.answer import word
from answerable.encoding import MICRO
from answerable.errors import UsageError, did_you_mean
from answerable.failures.remote import money as micro_units

Per = Literal["case", "hour", "day", "month", "ever"]
_WINDOWS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What may be spent. Reserved before a call, settled after it, shared by all processes of a home.

    money: units of the decision's currency. tokens: in and out together. per: one case, or all cases of
    an hour, day or month (UTC), or ever. name: budgets of one name share what they allow; None: the
    decision's. Raises UsageError if it limits nothing or by a negative amount.
    """

    money: float | None = None
    tokens: int | None = None
    per: Per = "day"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.per not in get_args(Per):
            raise UsageError(f"per is {self.per!r}", next_step=did_you_mean(str(self.per), get_args(Per)))
        if self.money is None and self.tokens is None:
            raise UsageError("a budget limits nothing", next_step="give money=, tokens= or both")
        if self.money is not None:
            micro_units(self.money, what="a budget's money")
        if self.tokens is not None and (
            isinstance(self.tokens, bool)
            or not isinstance(self.tokens, int)
            or not 0 <= self.tokens < 1 << 62
        ):
            raise UsageError(
                f"a budget's tokens is {self.tokens!r}", next_step="give a whole number of 0 or more"
            )
        if self.name is not None:
            word(self.name, what="a budget's name")

    @property
    def cost(self) -> int | None:
        """`money` in micro-units."""
        return None if self.money is None else micro_units(self.money, what="a budget's money")

    def window(self, at: int) -> str:
        """Return the name of the time that a moment (microseconds since 1970) falls into; "" for ever."""
        form = _WINDOWS.get(self.per)
        return datetime.fromtimestamp(at / MICRO, UTC).strftime(form) if form else ""
