"""The forty faults as data, and the values that pretended models answer."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from answerable.chaos.faults import FAULTS
from answerable.chaos.filled import filled
from answerable.chaos.judging import ALSO
from answerable.chaos.replies import SOUND
from answerable.chaos.run import chosen_faults, summary
from answerable.chaos.scenarios import Report
from answerable.chaos.variants import Fault
from answerable.errors import UsageError
from answerable.failures.fault import CATEGORIES


def test_there_are_forty_faults_in_order() -> None:
    """Each has its number, a title, and a way of being shown, or else a later part that it waits for."""
    assert [fault.number for fault in FAULTS] == list(range(1, 41))
    for fault in FAULTS:
        shown = bool(fault.variants) or fault.scenario is not None
        assert fault.title and shown is (fault.carried is None), fault


def test_faults_of_parts_that_are_not_built_are_carried_by_number() -> None:
    """Nothing but the calibration monitor, effects, webhooks that come in and the server is left for later."""
    assert [fault.number for fault in FAULTS if fault.carried] == [25, 34, 35, 36, 37, 38, 40]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_what_is_expected_can_be_checked(fault: Fault) -> None:
    """Every name in an expectation is one that is known, and no variant's name occurs twice."""
    names = [variant.name for variant in fault.variants]
    assert len(names) == len(set(names))
    for variant in fault.variants:
        assert variant.primary
        assert set(variant.expected.faults) <= set(CATEGORIES)
        assert set(variant.expected.alerts) <= set(CATEGORIES)
        assert set(variant.expected.also) <= set(ALSO)
        assert variant.expected.within is None or variant.expected.within <= variant.deadline


def test_an_unknown_number_is_refused() -> None:
    """Whoever asks for a fault that does not exist learns which there are."""
    with pytest.raises(UsageError, match="no fault has the number 41"):
        chosen_faults([41])


def test_a_carried_fault_is_never_counted_as_passed() -> None:
    """The summary counts faults, and lists by number what waits for a later part."""
    from answerable.chaos.run import Row

    told = summary(
        [
            Row(fault=1, title="a", variant="x", passed=True),
            Row(fault=1, title="a", variant="y", passed=False, problems=("p",)),
            Row(fault=2, title="b", variant="x", passed=True),
            Row(fault=3, title="c", variant="", passed=None, told={"carried": "later"}),
        ]
    )

    assert told == {"faults": 3, "passed": 1, "failed": [1], "carried": {3: "later"}}


def test_a_scenario_notes_what_does_not_hold() -> None:
    """A report has a problem for each thing that is not as it should be."""
    report = Report()

    report.hold(True, "never said")
    report.hold(False, "said")

    assert report.problems == ["said"]


# -- values for a schema -----------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


class Inner(BaseModel):
    quotes: list[str]
    at: date


class Wide(BaseModel):
    kind: Literal["a", "b"]
    colour: Colour
    flag: bool
    share: float = Field(gt=0, lt=1)
    count: int = Field(ge=3, multiple_of=5)
    short: str = Field(max_length=3)
    long: str = Field(min_length=20)
    code: str = Field(pattern=r"^[A-Z]\d$")
    inner: Inner
    several: list[Inner] = Field(min_length=2)
    maybe: Annotated[int, Field(ge=1)] | None
    pair: tuple[int, str]


def test_a_wide_schema_is_filled_with_values_that_fit() -> None:
    """Choices, bounds, lengths, patterns, nested models, lists and options are heeded."""
    made = Wide.model_validate(filled(Wide.model_json_schema()))

    assert made.kind == "a" and made.colour is Colour.RED


def test_quotes_stand_in_what_was_asked() -> None:
    """A field that wants quotes gets words of the case, so that a sound answer stands up to a check."""
    source = '{"number": "T-1", "body": "My parcel never came, it seems."}'

    assert filled(Inner.model_json_schema(), source=source)["quotes"] == ["My parcel never came"]


_BOUND = st.integers(-1000, 1000)
_KINDS: st.SearchStrategy[Any] = st.one_of(
    st.just((bool, ...)),
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True).map(
        lambda values: (Literal[tuple(values)], ...)
    ),
    _BOUND.flatmap(lambda low: st.integers(low, 1001).map(lambda high: (int, Field(ge=low, le=high)))),
    st.integers(0, 30).map(lambda size: (str, Field(min_length=size))),
    st.integers(0, 4).map(lambda size: (list[int], Field(min_length=size))),
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), _KINDS, min_size=1, max_size=5))
def test_any_plain_schema_is_filled_with_values_that_fit(fields: dict[str, Any]) -> None:
    """What a model declares with the usual types and bounds, a sound answer meets."""
    names = {f"f_{name}": field for name, field in fields.items()}
    model = create_model("Made", **names)

    assert model.model_validate(filled(model.model_json_schema()))


def test_a_reply_without_changes_is_sound() -> None:
    """The default reply is a plain 200 that answers what was asked."""
    assert (SOUND.status, SOUND.wire, SOUND.body, SOUND.said.finish) == (200, "whole", None, "stop")
