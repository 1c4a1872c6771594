"""Whether an answer may stand: its expected cost of error against the cost of asking a person."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from answerable.decisions.answer import JOINT, UNMEASURED, Belief
from answerable.decisions.fields import Field, bare
from answerable.decisions.stakes import Amount, Stakes
from answerable.encoding import MICRO, money


@dataclass(frozen=True, slots=True)
class Verdict:
    """accept (`stands` names the fields that do), next (none does) or person (only a person may say this).

    because: the reason. expected_cost: of error over all fields, micro-units of the stakes' currency; None
    where nothing was measured.
    """

    act: Literal["accept", "next", "person"]
    because: str
    expected_cost: int | None = None
    stands: tuple[str, ...] = ()


def accept(
    values: Mapping[str, Any],
    beliefs: Mapping[str, Belief],
    fields: Mapping[str, Field],
    stakes: Stakes,
    given: Any,
    unmeasured: Callable[[], bool],
) -> Verdict:
    """Judge the answered `values` (field -> value).

    given: the case's input, for costs that depend on it. unmeasured: says whether a field nobody measured
    may stand. The fields stand whose expected costs, from the smallest up, sum to no more than one review;
    the rest is left to the next decider. A joint belief stands or falls as a whole.
    """
    for name, value in values.items():
        if bare(value) in map(bare, stakes.never_automatic.get(name, ())):
            return Verdict("person", f"{name} = {bare(value)!r} is never automatic")
    held = {name: beliefs.get(name) or beliefs.get(JOINT) or UNMEASURED for name in values}
    if all(belief.measured == "asserted" for belief in held.values()):
        return Verdict("accept", "asserted by its maker", 0, tuple(values))
    silent = [n for n, belief in held.items() if not _known(belief)]
    if silent and unmeasured():
        silent = []
    try:
        costs = {
            n: expected_cost(stakes, fields[n], v, held[n], given)
            for n, v in values.items()
            if _known(held[n])
        }
    except Unpriced as exc:
        return Verdict("next", str(exc))
    return _weigh(values, costs, silent, stakes, whole=JOINT in beliefs)


def _weigh(
    values: Mapping[str, Any], costs: Mapping[str, int], silent: list[str], stakes: Stakes, *, whole: bool
) -> Verdict:
    """Sum the fields' costs from the smallest up; what passes a review's cost is left open."""
    review, total = money(stakes.review), sum(costs.values())
    open_fields, spent = list(silent), 0
    for name in sorted(costs, key=costs.__getitem__):
        spent += costs[name]
        if spent > review:
            open_fields.append(name)
    if whole and total > review:
        open_fields = list(values)
    told = f"expected cost of error {_amount(total, stakes)} against a review's {_amount(review, stakes)}"
    if silent:
        told = f"confidence was not measured for {', '.join(silent)}"
    elif not costs:
        told = "confidence was not measured; the decision accepts that"
    stands = tuple(name for name in values if name not in open_fields)
    cost = total if costs else None
    if not stands:
        return Verdict("next", told, cost)
    if open_fields:
        told += f"; left open: {', '.join(open_fields)}"
    return Verdict("accept", told, cost, stands)


def _known(belief: Belief) -> bool:
    return belief.measured == "asserted" or belief.p is not None or belief.distribution is not None


def expected_cost(stakes: Stakes, field: Field, value: Any, belief: Belief, given: Any) -> int:
    """Return what answering `value` is expected to cost, in micro-units.

    With a distribution: the sum over truths of P(truth) x cost(truth, value). Without: (1 - p) x the
    largest cost this value can have. 0 for an asserted value.
    """
    if belief.measured == "asserted":
        return 0
    if belief.distribution is not None:
        return round(
            sum(p * cell(stakes, field.path, truth, value, given) for truth, p in belief.distribution.items())
        )
    p = 0.0 if belief.p is None else belief.p
    truths = [t for t in field.values if t != bare(value)] or [
        c.truth for c in stakes.costs if c.field == field.path
    ]
    worst = max((cell(stakes, field.path, t, value, given) for t in truths), default=0)
    return round((1 - p) * max(worst, 0 if field.values else _micro(stakes.wrong, given)))


def cheapest(stakes: Stakes, field: Field, value: Any, belief: Belief, given: Any) -> Any:
    """Return the value of least expected cost where the belief is calibrated, else `value` itself."""
    if belief.distribution is None or not belief.measured.startswith("calibrated@"):
        return value
    own = bare(value)
    try:
        best = min(
            belief.distribution,
            key=lambda v: (expected_cost(stakes, field, v, belief, given), bare(v) != own),
        )
    except Unpriced:  # `accept` meets it again and says so
        return value
    return value if bare(best) == own else best


def cell(stakes: Stakes, name: str, truth: Any, answer: Any, given: Any) -> int:
    """Return what it costs when field `name` was `truth` and the answer `answer`, in micro-units.

    Raises Unpriced where a function of the input gives no amount.
    """
    was, said = bare(truth), bare(answer)
    for cost in stakes.costs:
        if cost.field == name and bare(cost.truth) == was and bare(cost.answer) == said:
            return _micro(cost.amount, given)
    return 0 if was == said else _micro(stakes.wrong, given)


class Unpriced(Exception):
    """A function of the input gave no amount of money, so that the answer cannot be weighed."""


def _micro(amount: Amount, given: Any) -> int:
    if not callable(amount):
        return money(amount)
    name = getattr(amount, "__name__", type(amount).__name__)
    try:
        told = money(amount(given))
    except Exception as exc:  # user code; what cannot be priced does not stand
        raise Unpriced(f"the cost {name} raised {type(exc).__name__}") from exc
    if told < 0:
        raise Unpriced(f"the cost {name} gave {told / MICRO}, less than 0")
    return told


def _amount(micro: int, stakes: Stakes) -> str:
    return f"{micro / MICRO:.2f} {stakes.currency}"
