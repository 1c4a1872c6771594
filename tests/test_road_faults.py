"""Whatever a case holds, `decide` returns its outcome: no fault of the case is raised to the caller."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, computed_field, create_model, field_serializer, field_validator

import answerable as ans
from answerable import casebook
from roads import HIGH, LOW, Route, Ticket, decision, memory, raising, returning

ws = pytest.fixture(name="ws")(memory)


class Mute:
    """Its text raises."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class MuteTimeout(TimeoutError):
    """Its text raises."""

    def __str__(self) -> str:
        raise RuntimeError


class Lazy(Mapping[str, Any]):
    """Its values cannot be read."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["number"])

    def __getitem__(self, name: str) -> Any:
        raise OSError("secret text")


class Unequal(BaseModel):
    urgency: str = "low"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def factor(self) -> float:
        """No record can hold it."""
        return math.inf


class Computing(BaseModel):
    number: str = "1"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def factor(self) -> float:
        """It cannot be computed."""
        raise KeyError("secret text")


class Serializing(BaseModel):
    number: str = "1"

    @field_serializer("number")
    def say(self, value: str) -> str:
        raise ValueError(f"secret text of {value}")


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def decided(ws: ans.Workspace, made: ans.Decision[Any, Any], given: Any = None, **more: Any) -> Any:
    """Decide a case and find its record."""
    outcome = ws.decide(made, {"number": "1"} if given is None else given, **more)
    assert ws.outcome(outcome.record_id).status == outcome.status
    assert ws.why(outcome.record_id)
    assert "secret" not in outcome.reason
    return outcome


@pytest.mark.parametrize(
    "output",
    [
        create_model("Model", urgency=(str, "low"), score=(float, math.nan)),
        Unequal,
        create_model("Model", urgency=(str, "low"), inner=(Computing, Computing())),
        create_model("Model", urgency=(str, "low"), inner=(Serializing, Serializing())),
    ],
)
def test_an_output_that_cannot_be_stored_is_a_failed_attempt(ws: ans.Workspace, output: Any) -> None:
    """A default that is no number, and fields that raise or are infinite when they are computed."""
    outcome = decided(ws, decision(returning({"urgency": "low"}), output=output))

    assert (outcome.status, outcome.attempts[0].fault) == ("failed", "invalid")


@pytest.mark.parametrize("model", [Computing, Serializing, Ticket])
def test_an_input_that_cannot_be_read_is_refused(ws: ans.Workspace, model: type[BaseModel]) -> None:
    """Computed fields, serializers and mappings are user code; their texts are not told."""
    outcome = decided(ws, decision(returning(LOW), input=model), Lazy() if model is Ticket else {})

    assert outcome.status == "refused"


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        (ans.Answer(LOW, reason=(1, 2)), "answered"),  # type: ignore[arg-type]
        (ans.Answer(LOW, reason=(Mute(),)), "failed"),  # type: ignore[arg-type]
        (ans.Abstain(Mute()), "escalated"),  # type: ignore[arg-type]
        (ans.Refuse(Mute()), "refused"),  # type: ignore[arg-type]
        (ans.Suspend(queue="q", within=1, reason=Mute()), "escalated"),  # type: ignore[arg-type]
    ],
)
def test_a_reason_may_be_any_object(ws: ans.Workspace, returned: Any, status: str) -> None:
    """Even one whose text raises."""
    assert decided(ws, decision(returning(returned))).status == status


def test_the_text_of_a_timeout_or_a_finding_may_raise(ws: ans.Workspace) -> None:
    """They are told without it."""
    late = decided(ws, decision(raising(MuteTimeout())))
    found = decided(
        ws,
        decision(returning(LOW), checks=[lambda case, answer: ans.Finding(Mute())], version="2"),  # type: ignore[arg-type]
    )

    assert (late.status, late.attempts[0].fault) == ("failed", "timeout")
    assert (found.status, found.attempts[0].fault) == ("escalated", "check")


def test_costs_beyond_64_bits_stand_as_the_largest_number(ws: ans.Workspace) -> None:
    """The attempts hold the exact ones."""
    dear = ans.Answer(LOW, confidence=0.0, usage=ans.Usage(cost=(1 << 62) - 1))
    models = [ans.model(returning(dear), version="1", name=f"m{i}") for i in range(3)]

    outcome = decided(ws, decision(*models, stakes=ans.Stakes("USD", wrong=10, review=1)))

    assert ws.records()[0]["cost"] == (1 << 63) - 1
    assert [a.usage.cost for a in outcome.attempts] == [(1 << 62) - 1] * 3


def test_everything_that_is_stored_counts_against_the_room(ws: ans.Workspace) -> None:
    """A distribution of 300,000 values is more than an attempt may hold."""
    many = {f"k{i:06d}": 1 / 300_000 for i in range(300_000)}
    answer = ans.Answer({"t": "k000001"}, beliefs={"t": ans.Belief(p=1.0, distribution=many)})

    outcome = decided(ws, decision(returning(answer), output=create_model("Out", t=(str, ...))))

    assert (outcome.status, outcome.attempts[0].fault) == ("failed", "invalid")
    assert "bytes" in outcome.reason


def test_a_key_has_at_most_64_kib(ws: ans.Workspace) -> None:
    """A longer one is an input that cannot be taken."""
    outcome = decided(ws, decision(returning(LOW)), key="k" * (16 * 1024 * 1024 - 2))

    assert (outcome.status, outcome.reason) == ("refused", "the key has more than 65,536 bytes")


def test_an_output_of_any_depth_is_answered_or_failed(ws: ans.Workspace) -> None:
    """Near the depth that the encoder can take, too."""
    output = create_model("Out", t=(Any, ...))
    made = decision(ans.rule(lambda c: {"t": nested(int(c.input.number))}, name="x"), output=output)

    found = {
        decided(ws, made, {"number": str(depth)}).status
        for depth in (100, 480, 485, 488, 490, 491, 492, 494, 500, 980, 990, 1000)
    }

    assert found == {"answered", "failed"}


def test_what_no_step_before_found_makes_a_small_record(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a value break the writing up, the case is recorded as failed without it."""
    build = ws.book.unit

    def breaks(account: Any, outcome: Any, took: int) -> Any:
        if outcome.output is not None:
            raise ValueError("secret text")
        return build(account, outcome, took)

    monkeypatch.setattr(ws.book, "unit", breaks)
    answer = ans.Answer(LOW, calls=[{"said": "something"}])

    outcome = decided(ws, decision(returning(answer)))

    assert (outcome.status, outcome.output) == ("failed", None)
    assert outcome.reason == "the case cannot be recorded as it is: ValueError"
    assert ws.records()[0]["fault"] == "invalid"
    assert [a.calls for a in ws.outcome(outcome.record_id).attempts] == [()]


def test_a_blob_store_that_cannot_be_written_is_the_ledgers_fault(tmp_path: Path) -> None:
    """The caller is told what to do, and nothing is recorded."""
    with ans.Workspace(tmp_path / "home") as ws:
        blobs = tmp_path / "home" / "blobs"
        if blobs.exists():
            blobs.rmdir()
        blobs.write_text("in the way")

        with pytest.raises(ans.LedgerUnavailable, match="blob store") as told:
            body = random.Random(1).randbytes(casebook.BLOB_BYTES).hex()  # nothing that can be packed
            ws.decide(decision(returning(LOW)), {"number": "1", "body": body})

        assert "blobs/" in told.value.next_step
        assert ws.records() == []


@pytest.mark.parametrize("within", [1e12, "99999999w"])
def test_a_person_has_at_most_100_years(within: Any) -> None:
    """No calendar holds a later end."""
    with pytest.raises(ans.UsageError, match="within"):
        ans.Suspend(queue="q", within=within)
    with pytest.raises(ans.UsageError, match="within"):
        ans.person(queue="q", within=within)


def test_minus_zero_is_recorded_as_zero(tmp_path: Path) -> None:
    """SQLite would store it as 0, and the leaf would no longer fit."""
    answer = ans.Answer(
        LOW, beliefs={"urgency": -0.0, "team": ans.Belief(p=-0.0, distribution={"a": 1, "b": -0.0})}
    )
    with ans.Workspace(tmp_path / "home") as ws:
        outcome = ws.decide(
            decision(returning(answer), stakes=ans.Stakes("USD", wrong=0, review=1)), {"number": "1"}
        )

        assert (outcome.status, math.copysign(1, outcome.confidence or 0.0)) == ("answered", 1)
        assert ws.ledger.verify().ok
        entry = ws.book.entry({"kind": "alert", "confidence": -0.0}, {})
    assert math.copysign(1, entry.header["confidence"]) == 1


# -- nothing that is shared is changed ----------------------------------------------------------------


class Inner(BaseModel):
    text: str


class Out(BaseModel):
    inner: Inner


def test_a_declared_output_cannot_be_changed_by_who_gets_it(ws: ans.Workspace) -> None:
    """Each case gets its own; nor can its maker change it later."""
    declared = Out(inner=Inner(text="safe"))
    made = decision(ans.default(declared), output=Out)
    declared.inner.text = "changed by its maker"

    first = ws.decide(made, {"number": "1"})
    assert first.output is not None
    first.output.inner.text = "changed by a caller"

    assert ws.decide(made, {"number": "2"}).output == Out(inner=Inner(text="safe"))


def changes(case: Any) -> ans.Abstain:
    case.input.body = "changed"
    return ans.Abstain("no")


def says_body(case: Any) -> ans.Answer[Any]:
    return ans.Answer(HIGH, reason=str(case.input.body))


def test_a_decider_cannot_change_what_the_next_one_sees(ws: ans.Workspace) -> None:
    """Nor the caller's object, nor the record."""
    mine = Ticket(number="1", body="as sent")

    outcome = ws.decide(decision(ans.rule(changes), ans.rule(says_body)), mine)

    assert (outcome.reason, mine.body) == ("as sent", "as sent")


def test_a_decider_cannot_change_what_the_checks_see(ws: ans.Workspace) -> None:
    """They judge the case that was asked."""

    def sly(case: Any) -> Route:
        case.input.body = "harmless"
        return LOW

    def forbids(case: Any, answer: Any) -> ans.Finding | None:
        return ans.Finding("it is not harmless") if case.input.body != "harmless" else None

    outcome = ws.decide(decision(ans.rule(sly), checks=[forbids]), {"number": "1", "body": "hacked"})

    assert outcome.attempts[0].reason == "forbids: it is not harmless"


def test_an_input_that_cannot_be_given_back_is_given_to_nobody(ws: ans.Workspace) -> None:
    """A decider that would see something else than the record is not asked."""
    made = create_model("Input", number=(str, ...), body=(Any, None))

    outcome = ws.decide(
        decision(ans.rule(changes), ans.rule(says_body), input=made), {"number": "1", "body": {"a": (1,)}}
    )
    assert outcome.reason == "{'a': [1]}"

    class Growing(BaseModel):
        number: str
        body: str = ""

        @field_validator("number")
        def grows(cls, value: str) -> str:
            return f"{value}!"

    outcome = ws.decide(
        decision(ans.rule(changes), ans.rule(says_body), input=Growing, version="2"), {"number": "1"}
    )
    assert [a.fault for a in outcome.attempts] == [None, "invalid"]


# -- no value in a message ------------------------------------------------------------------------------

MAIL = "ann@example.com"


def says_value(cls: Any, value: Any) -> Any:
    raise ValueError(f"bad: {str(value)[:40]}")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, MAIL),
        (str, MAIL + "x" * 1000),
        (str, f"{MAIL} and more that is cut off after some characters"),
        (dict[str, int], {MAIL: "x"}),
        (dict[str, dict[str, int]], {MAIL: {MAIL: "x"}}),
        (dict[int, int], {4711: "x"}),
        (list[str], [MAIL] * 500),
        (Annotated[dict[str, str], Field(max_length=3)], {MAIL: "\ud800"}),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_no_message_holds_a_value(ws: ans.Workspace, kind: Any, value: Any, own: bool) -> None:
    """Not a validator's own text, not the key of a mapping, not a part of a long value."""
    validators: Any = {"check": field_validator("v")(says_value)} if own else {}
    made = decision(returning(LOW), input=create_model("Input", v=(kind, ...), __validators__=validators))

    reason = ws.decide(made, {"v": value}).reason

    assert not any(secret in reason for secret in ("ann", "example", "4711"))


def test_a_validators_constant_text_is_told(ws: ans.Workspace) -> None:
    """It says what to mend."""

    def rule_of(cls: Any, value: str) -> str:
        raise ValueError("must be a work address")

    made = create_model("Input", v=(str, ...), __validators__={"check": field_validator("v")(rule_of)})  # type: ignore[call-overload]

    assert ws.decide(decision(returning(LOW), input=made), {"v": "x@y"}).reason.endswith(
        "must be a work address"
    )
