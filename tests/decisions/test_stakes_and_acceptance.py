"""An answer stands if its expected cost of error is at most the cost of asking a person; worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.acceptance import Verdict, accept, cheapest, expected_cost
from answerable.decisions.answer import ASSERTED, JOINT
from answerable.decisions.fields import Field, fields_of

USD = 1_000_000  # micro-units


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Route(BaseModel):
    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "technical"]
    amount: float
    level: Level


FIELDS: dict[str, Field] = {f.path: f for f in fields_of(Route)}
STAKES = ans.Stakes(
    "USD",
    wrong=2.0,
    review=1.5,
    costs=[
        ans.Cost("urgency", truth="high", answer="low", amount=40.0),
        ans.Cost("urgency", truth="normal", answer="low", amount=5.0),
    ],
)


def verdict(
    values: Mapping[str, Any],
    beliefs: Mapping[str, ans.Belief],
    *,
    stakes: ans.Stakes = STAKES,
    unmeasured: bool = False,
    given: Any = None,
) -> Verdict:
    """Judge an answer as the road does."""
    return accept(values, beliefs, FIELDS, stakes, given, lambda: unmeasured)


def test_with_a_distribution_every_possible_truth_is_priced() -> None:
    """0.1 x 40 + 0.2 x 5 + 0.7 x 0 = 5."""
    belief = ans.Belief(p=0.7, distribution={"high": 0.1, "normal": 0.2, "low": 0.7})

    assert expected_cost(STAKES, FIELDS["urgency"], "low", belief, None) == 5 * USD


def test_an_unlisted_pair_costs_wrong() -> None:
    """0.1 x 0 + 0.9 x 2 = 1.8: answering "high" wrongly is not in the list."""
    belief = ans.Belief(distribution={"high": 0.1, "normal": 0.2, "low": 0.7})

    assert expected_cost(STAKES, FIELDS["urgency"], "high", belief, None) == 1.8 * USD


def test_without_a_distribution_the_worst_truth_is_assumed() -> None:
    """(1 - 0.9) x 40 = 4: the truth behind a wrong "low" may be "high"."""
    assert expected_cost(STAKES, FIELDS["urgency"], "low", ans.Belief(p=0.9), None) == 4 * USD


def test_a_field_without_listed_values_costs_wrong() -> None:
    """(1 - 0.75) x 2 = 0.5: a number has no list of truths."""
    assert expected_cost(STAKES, FIELDS["amount"], 7.0, ans.Belief(p=0.75), None) == 0.5 * USD


def test_an_asserted_value_costs_nothing() -> None:
    """A rule's author answers for it."""
    assert expected_cost(STAKES, FIELDS["urgency"], "low", ASSERTED, None) == 0


def test_an_answer_over_the_cost_of_a_review_goes_on() -> None:
    """4 USD of expected error is more than a person costs."""
    said = verdict({"urgency": "low"}, {"urgency": ans.Belief(p=0.9)})

    assert (said.act, said.expected_cost) == ("next", 4 * USD)
    assert "4.00 USD against a review's 1.50 USD" in said.because


def test_an_answer_at_exactly_the_cost_of_a_review_stands() -> None:
    """Asking a person must be cheaper to be worth it: (1 - 0.25) x 2 = 1.5."""
    assert verdict({"team": "billing"}, {"team": ans.Belief(p=0.25)}).act == "accept"


def test_cheap_fields_stand_while_a_dear_one_is_left_open() -> None:
    """The team costs 0.02 x 2 = 0.04 and stands, the urgency costs 4 and does not."""
    said = verdict(
        {"urgency": "low", "team": "billing"}, {"urgency": ans.Belief(p=0.9), "team": ans.Belief(p=0.98)}
    )

    assert (said.act, said.stands, said.expected_cost) == ("accept", ("team",), 4.04 * USD)
    assert said.because.endswith("left open: urgency")


def test_fields_that_are_cheap_alone_may_be_too_dear_together() -> None:
    """Each costs 1 USD, together they pass a review's 1.5: one of them is left open."""
    said = verdict(
        {"team": "billing", "amount": 3.0}, {"team": ans.Belief(p=0.5), "amount": ans.Belief(p=0.5)}
    )

    assert said.act == "accept"
    assert len(said.stands) == 1


def test_a_joint_belief_stands_or_falls_as_a_whole() -> None:
    """Nobody knows which of its fields is the uncertain one."""
    values = {"team": "billing", "amount": 3.0}

    assert verdict(values, {JOINT: ans.Belief(p=0.9)}).stands == ("team", "amount")  # 2 x 0.2
    assert verdict(values, {JOINT: ans.Belief(p=0.5)}).act == "next"  # 2 x 1.0


@pytest.mark.parametrize(("may_stand", "act"), [(False, "next"), (True, "accept")])
def test_what_nobody_measured_follows_the_decisions_word(may_stand: bool, act: str) -> None:
    """`unmeasured` decides, never a made-up probability."""
    said = verdict({"team": "billing"}, {"team": ans.Belief(measured="none")}, unmeasured=may_stand)

    assert (said.act, said.expected_cost) == (act, None)


def test_a_measured_field_stands_beside_an_unmeasured_one() -> None:
    """Only the field that nobody measured is left open."""
    said = verdict(
        {"team": "billing", "amount": 3.0}, {"team": ans.Belief(p=0.9), "amount": ans.Belief(measured="none")}
    )

    assert (said.act, said.stands) == ("accept", ("team",))


def test_never_automatic_goes_to_a_person_however_sure_the_decider_is() -> None:
    """A rule that asserts it is no exception."""
    stakes = ans.Stakes("USD", wrong=2, review=1, never_automatic={"team": ["technical"]})

    assert verdict({"team": "technical"}, {"team": ASSERTED}, stakes=stakes).act == "person"
    assert verdict({"team": "billing"}, {"team": ASSERTED}, stakes=stakes).act == "accept"


@pytest.mark.parametrize("named", ["high", Level.HIGH])
def test_never_automatic_holds_for_the_members_of_an_enum(named: Any) -> None:
    """Whether the declaration names the member or its value, the answer is the member."""
    stakes = ans.Stakes("USD", wrong=2, review=1, never_automatic={"level": [named]})

    assert verdict({"level": Level.HIGH}, {"level": ASSERTED}, stakes=stakes).act == "person"


def test_costs_hold_for_the_members_of_an_enum() -> None:
    """0.1 x 40 = 4: the distribution is over values, the answer is a member."""
    stakes = ans.Stakes("USD", wrong=2, review=1, costs=[ans.Cost("level", "high", Level.LOW, 40.0)])
    belief = ans.Belief(p=0.9, distribution={"low": 0.9, "high": 0.1})

    assert expected_cost(stakes, FIELDS["level"], Level.LOW, belief, None) == 4 * USD


def test_a_cost_may_depend_on_the_input() -> None:
    """(1 - 0.9) x (5 % of 10,000) = 50."""
    stakes = ans.Stakes("USD", wrong=lambda order: order["total"] * 0.05, review=1.5)

    cost = expected_cost(stakes, FIELDS["team"], "billing", ans.Belief(p=0.9), {"total": 10_000})

    assert cost == 50 * USD


@pytest.mark.parametrize(
    "price", [lambda _: 1 / 0, lambda _: -1.0, lambda _: float("nan"), lambda _: "dear", lambda _: None]
)
def test_an_answer_that_cannot_be_priced_does_not_stand(price: Any) -> None:
    """A cost function that fails is no reason to let an answer through, nor to stop the case."""
    stakes = ans.Stakes("USD", wrong=price, review=1.5)
    calibrated = ans.Belief(distribution={"billing": 0.9, "technical": 0.1}, measured="calibrated@a")

    assert verdict({"team": "billing"}, {"team": ans.Belief(p=0.9)}, stakes=stakes).act == "next"
    assert cheapest(stakes, FIELDS["team"], "billing", calibrated, None) == "billing"


def test_a_calibrated_belief_answers_with_the_cheapest_value() -> None:
    """`low` is likeliest but costs 0.1 x 40 + 0.2 x 5 = 5; `normal` 0.8 x 2 = 1.6."""
    shares = {"low": 0.7, "normal": 0.2, "high": 0.1}
    calibrated = ans.Belief(p=0.7, distribution=shares, measured="calibrated@2026-11")
    raw = ans.Belief(p=0.7, distribution=shares)

    assert cheapest(STAKES, FIELDS["urgency"], "low", calibrated, None) == "normal"
    assert cheapest(STAKES, FIELDS["urgency"], "low", raw, None) == "low"


def test_between_equal_costs_the_deciders_own_value_stays() -> None:
    """Nothing is gained by changing it."""
    even = ans.Belief(distribution={"billing": 0.5, "technical": 0.5}, measured="calibrated@a")

    assert cheapest(STAKES, FIELDS["team"], "technical", even, None) == "technical"
    assert cheapest(STAKES, FIELDS["level"], Level.HIGH, _even("low", "high"), None) is Level.HIGH


def _even(*values: str) -> ans.Belief:
    return ans.Belief(distribution=dict.fromkeys(values, 1 / len(values)), measured="calibrated@a")


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["low", "normal", "high"]))
def test_a_surer_answer_never_costs_more(p: float, q: float, value: str) -> None:
    """Expected cost falls as the probability rises."""
    less, more = (
        expected_cost(STAKES, FIELDS["urgency"], value, ans.Belief(p=b), None) for b in sorted((p, q))
    )

    assert more <= less


shares = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any)


@given(shares, st.sampled_from(["low", "normal", "high"]), st.floats(0, 100), st.floats(0, 100))
def test_the_cheapest_value_never_costs_more_than_the_given_one(
    weights: list[int], value: str, wrong: float, listed: float
) -> None:
    """Whatever the beliefs and the amounts are."""
    stakes = ans.Stakes("USD", wrong=wrong, review=1, costs=[ans.Cost("urgency", "high", "low", listed)])
    held = {v: w / sum(weights) for v, w in zip(["low", "normal", "high"], weights, strict=True)}
    belief = ans.Belief(distribution=held, measured="calibrated@a")

    best = cheapest(stakes, FIELDS["urgency"], value, belief, None)

    assert expected_cost(stakes, FIELDS["urgency"], best, belief, None) <= expected_cost(
        stakes, FIELDS["urgency"], value, belief, None
    )


@given(
    st.dictionaries(st.sampled_from(["urgency", "team", "amount"]), st.floats(0, 1), min_size=1),
    st.floats(0, 50),
)
def test_what_stands_costs_at_most_a_review(ps: dict[str, float], review: float) -> None:
    """The expected cost of all accepted fields together never passes it."""
    stakes = ans.Stakes("USD", wrong=2, review=review, costs=STAKES.costs)
    values = {n: {"urgency": "low", "team": "billing", "amount": 1.0}[n] for n in ps}
    beliefs = {n: ans.Belief(p=p) for n, p in ps.items()}

    said = verdict(values, beliefs, stakes=stakes)

    spent = sum(expected_cost(stakes, FIELDS[n], values[n], beliefs[n], None) for n in said.stands)
    assert spent <= round(review * USD)
    assert (said.act == "accept") == bool(said.stands)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "2", True, 1e15])
def test_an_amount_of_money_is_finite_and_not_negative(amount: Any) -> None:
    """It is found when the stakes are written, not when a case is decided."""
    with pytest.raises(ans.UsageError, match="amount of 0 or more"):
        ans.Stakes("USD", wrong=amount, review=1)


@pytest.mark.parametrize("currency", ["usd", "US", "EURO", "", None, "U1D"])
def test_a_currency_is_a_code_of_three_letters(currency: Any) -> None:
    """Amounts without one could not be compared."""
    with pytest.raises(ans.UsageError, match="currency"):
        ans.Stakes(currency, wrong=1, review=1)


def test_never_automatic_is_a_list_of_values() -> None:
    """A bare text would be read as its letters."""
    with pytest.raises(ans.UsageError, match=r"write \['high'\]"):
        ans.Stakes("USD", wrong=1, review=1, never_automatic={"urgency": "high"})


def test_stakes_do_not_change_after_they_are_written() -> None:
    """A definition would otherwise differ from its recorded digest."""
    costs = [ans.Cost("team", "billing", "technical", 1.0)]
    stakes = ans.Stakes("USD", wrong=1, review=1, costs=costs)

    costs.clear()

    assert len(stakes.costs) == 1
