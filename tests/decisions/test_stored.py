"""What is stored is read back equal by the types of the fields, or the model is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field, create_model, field_validator

import answerable as ans
from answerable.decisions.stored import comes_back, revive, surely_comes_back
from answerable.encoding import decode, encode, plain
from roads import Ticket, decision


class Level(Enum):
    RAW = b"\x00\xff"
    WAIT = timedelta(seconds=-1)
    LOW = 1


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    sig: bytes
    wait: timedelta | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        """Computed: its own model would refuse to be given it."""
        return len(self.sig)


binary = st.binary(max_size=20)
text = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**70), 2**70)
moments = st.datetimes(timezones=st.just(UTC)) | st.datetimes()
durations = st.timedeltas()  # to +-2.7 million years
decimals = st.decimals(allow_nan=False, allow_infinity=False)
inner = st.builds(Inner, sig=binary, wait=st.none() | durations)
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (bytes, binary),
    (timedelta, durations),
    (Decimal, decimals),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (int, numbers),
    (datetime, moments),
    (date, st.dates()),
    (time, st.times()),
    (UUID, st.uuids()),
    (Level, st.sampled_from(Level)),
    (Literal[1, "1", True], st.sampled_from([1, "1"])),
    (bytes | None, st.none() | binary),
    (set[bytes], st.sets(binary, max_size=4)),
    (frozenset[timedelta], st.frozensets(durations, max_size=4)),
    (tuple[bytes, timedelta, str], st.tuples(binary, durations, text)),
    (tuple[Decimal, ...], st.lists(decimals, max_size=4).map(tuple)),
    (dict[str, bytes], st.dictionaries(text, binary, max_size=4)),
    (dict[int, timedelta], st.dictionaries(numbers, durations, max_size=4)),
    (dict[bool, Decimal], st.dictionaries(st.booleans(), decimals, max_size=2)),
    (dict[UUID, set[date]], st.dictionaries(st.uuids(), st.sets(st.dates(), max_size=3), max_size=3)),
    (Inner, inner),
    (list[Inner], st.lists(inner, max_size=3)),
    (Inner | int, inner | numbers),
    (timedelta | int, durations | numbers),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda v: re.sub(r"\W+", "-", str(v))[:40])
def test_a_value_comes_back_equal_by_the_type_of_its_field(
    kind: Any, values: st.SearchStrategy[Any], strict: bool
) -> None:
    """Stored and decoded, every kind of value is the same value again, in a strict model too."""
    model = create_model("Model", __config__=ConfigDict(strict=strict), v=(kind, ...))

    @settings(deadline=None, max_examples=10)
    @given(values)
    def holds(value: Any) -> None:
        made = model(v=value)
        again = revive(model, decode(encode(made)))

        assert again == made
        assert type(again.v) is type(made.v)
        assert comes_back(made, plain(made))

    holds()


@pytest.mark.parametrize(
    ("seconds", "stored"), [(-1, "PT-1S"), (0.5, "PT0.5S"), (-0.000001, "PT-0.000001S"), (1e13, None)]
)
def test_a_duration_is_read_as_the_encoder_writes_it(seconds: float, stored: str | None) -> None:
    """Negative, tiny and long ones too."""
    model = create_model("Model", v=(timedelta, ...))
    made = model(v=timedelta(seconds=seconds))

    assert stored is None or plain(made) == {"v": stored}
    assert revive(model, plain(made)) == made


class Upper(BaseModel):
    name: str

    @field_validator("name")
    def grows(cls, v: str) -> str:
        return f"{v}!"


@pytest.mark.parametrize(
    "made",
    [
        create_model("M", v=(Any, ...))(v=(1, 2)),
        create_model("M", v=(dict, ...))(v={"at": date(2026, 1, 1)}),
        create_model("M", v=(bytes | str, ...))(v="YWJj"),
        Upper(name="a"),
    ],
)
def test_what_a_record_would_give_back_otherwise_is_noticed(made: BaseModel) -> None:
    """A tuple as Any, a date without a type, text that may be bytes, a validator that adds to its value."""
    assert not surely_comes_back(type(made))
    assert not comes_back(made, plain(made))


def test_a_plain_model_needs_no_trial() -> None:
    """Only then does an answer cost no reading back."""
    fields: dict[str, Any] = {
        "u": (Literal["a", "b"], ...),
        "n": (Annotated[int, Field(ge=0)], 5),
        "sig": (bytes | None, None),
        "tags": (frozenset[str], frozenset()),
        "by": (dict[str, Decimal], ...),
    }
    assert surely_comes_back(create_model("Model", **fields))
    assert not surely_comes_back(create_model("Model", v=(int, "no number")))


@pytest.mark.parametrize(
    "field",
    [
        (int, Field(exclude=True)),
        (list[create_model("Deep", v=(int, Field(exclude=True)))], ...),  # type: ignore[misc]
    ],
)
@pytest.mark.parametrize("role", ["input", "output"])
def test_a_model_whose_record_leaves_a_field_out_is_refused(role: str, field: Any) -> None:
    """Another input would look the same under a key; another output would be replayed."""
    model = create_model("Model", v=field)

    with pytest.raises(ans.UsageError, match=rf"the {role} field v(\.v)? is excluded"):
        decision(ans.rule(lambda case: None, name="x"), **{role: model})


@pytest.mark.parametrize("kind", [complex, re.Pattern, SecretStr, dict[bytes, int], dict[timedelta, int]])
def test_an_output_type_that_no_record_holds_is_refused(kind: Any) -> None:
    """When the decision is built, not when the first answer is lost."""
    with pytest.raises(ans.UsageError, match="no record can hold"):
        decision(ans.rule(lambda case: None, name="x"), output=create_model("Model", v=(kind, ...)))


@pytest.mark.parametrize("value", [b"\x00\xffabc", timedelta(seconds=-1), timedelta(days=999_999_999)])
def test_a_replay_returns_what_was_answered(value: Any) -> None:
    """Asked again under its key, a case has the same output."""
    model = create_model("Out", v=(type(value), ...))
    with ans.Workspace("memory:") as ws:
        made = decision(ans.rule(lambda case: {"v": value}, name="x"), output=model, input=Ticket)
        first, again = (ws.decide(made, {"number": "1"}) for _ in range(2))

    assert (first.status, again.replayed) == ("answered", True)
    assert first.output.v == again.output.v == value
