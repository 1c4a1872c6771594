"""An Answer and its Beliefs hold only what means something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import answerable as ans
from answerable.decisions.answer import JOINT, confidence_of


@pytest.mark.parametrize("p", [1.7, -0.1, float("nan"), float("inf"), True, "0.8", 10**400])
def test_a_probability_lies_between_0_and_1(p: Any) -> None:
    """Anything else is an error of the decider, named with the value."""
    with pytest.raises(ans.UsageError, match="a probability is"):
        ans.Belief(p=p)


def test_a_distribution_sums_to_1() -> None:
    """A distribution that loses some of its mass would hide the cost of an error."""
    with pytest.raises(ans.UsageError, match=r"sums to 0\.9000"):
        ans.Belief(distribution={"low": 0.5, "high": 0.4})


@pytest.mark.parametrize("measured", ["guess", "calibrated@", "calibrated@a b", ""])
def test_how_a_belief_was_measured_is_one_of_four_ways(measured: str) -> None:
    """A word nobody knows would be weighed as if it were known."""
    with pytest.raises(ans.UsageError, match="measured is"):
        ans.Belief(p=0.5, measured=measured)


def test_numpy_probabilities_become_floats() -> None:
    """Databases and encoders know Python's float only."""
    belief = ans.Belief(p=np.float32(0.5), distribution={"a": np.float64(0.5), "b": np.float32(0.5)})

    assert type(belief.p) is float
    assert belief.distribution is not None
    assert {type(p) for p in belief.distribution.values()} == {float}


def test_a_bare_probability_is_a_raw_belief() -> None:
    """The short form says the same as the long one."""
    answer = ans.Answer({"urgency": "low"}, beliefs={"urgency": 0.9})

    assert answer.beliefs == {"urgency": ans.Belief(p=0.9, measured="raw")}


def test_a_joint_confidence_is_a_belief_about_the_whole() -> None:
    """`confidence=` is short for it."""
    answer = ans.Answer({"urgency": "low", "team": "a"}, confidence=0.8)

    assert answer.beliefs[JOINT].p == 0.8
    assert answer.confidence == 0.8


def test_the_confidence_is_unknown_if_any_field_was_not_measured() -> None:
    """A missing measurement is not a certain one."""
    assert confidence_of({"a": ans.Belief(p=0.9), "b": ans.Belief(measured="none")}) is None
    assert confidence_of({}) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_the_confidence_is_the_product_over_fields(ps: list[float]) -> None:
    """It never exceeds that of the least certain field."""
    confidence = confidence_of({str(i): ans.Belief(p=p) for i, p in enumerate(ps)})

    assert confidence is not None
    assert confidence <= min(ps)


@pytest.mark.parametrize(
    "usage", [{"cost": 0.5}, {"cost": -1}, {"tokens_in": True}, {"tokens_out": 1 << 70}, {"model": "a\0b"}]
)
def test_usage_is_counted_in_whole_numbers(usage: dict[str, Any]) -> None:
    """Money is in micro-units, tokens are counts, and a model's name is one printable line."""
    with pytest.raises(ans.UsageError):
        ans.Usage(**usage)


def test_a_suspension_takes_a_duration_in_words() -> None:
    """Durations are seconds or "4h" everywhere."""
    assert ans.Suspend(queue="triage", within="4h").within == 14_400.0  # type: ignore[arg-type]


@pytest.mark.parametrize(("queue", "within"), [("triage", 0), ("triage", float("nan")), ("", 5), ("a\0", 5)])
def test_a_suspension_needs_a_queue_and_a_time(queue: str, within: float) -> None:
    """A case that waits nowhere or for no time would be lost."""
    with pytest.raises(ans.UsageError):
        ans.Suspend(queue=queue, within=within)


@pytest.mark.parametrize("principal", ["ann@example.com", "ann", "", "user:", "user:an n", None])
def test_a_principal_is_an_opaque_id(principal: Any) -> None:
    """Header fields hold no name and no e-mail address."""
    with pytest.raises(ans.UsageError, match="opaque id"):
        ans.Principal(principal)


def test_roles_are_a_tuple_of_words() -> None:
    """A bare text would become one role a letter."""
    with pytest.raises(ans.UsageError, match="roles"):
        ans.Principal("user:1", roles="admin")  # type: ignore[arg-type]
