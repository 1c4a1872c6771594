"""An id that an answer names is one that there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.cited import Cited
from answerable.failures.exists import exists
from roads import decision, memory


class Line(BaseModel):
    sku: str


class Output(BaseModel):
    customer: str | None = None
    owner: Cited[str] | None = None
    lines: list[Line] = []


@dataclass
class Put:
    """A case as far as this check reads it."""

    input: Any
    reads: tuple[Any, ...] = ()

    def view(self) -> Any:
        return self.input


def look(check: Any, output: Any, **given: Any) -> ans.Finding | None:
    """Return what a check finds in an output for an input."""
    found = check(Put(given), ans.Answer(output))
    assert found is None or isinstance(found, ans.Finding)
    return found


@pytest.fixture
def ws() -> Iterator[ans.Workspace]:
    yield from memory()


def test_an_id_of_the_collection_stands() -> None:
    """Also one in a cited value; None names nothing."""
    assert look(exists("customer", {"C-1", "C-2"}), Output(customer="C-2")) is None
    assert look(exists("customer", {"C-1": "Ann"}), Output()) is None
    assert look(exists("owner", ["U-1"]), Output(owner=Cited(value="U-1", quotes=["u"]))) is None


def test_an_id_that_does_not_exist_is_a_finding() -> None:
    """It is the model's own, so it is told, cut to 60 characters."""
    check = exists("lines.sku", {"A"}, name="the catalogue")

    assert look(check, Output(lines=[Line(sku="A"), Line(sku="B" * 90)])) == ans.Finding(
        f"lines[1].sku: '{'B' * 57}...' is not in the catalogue", "exists", "next"
    )


def test_an_id_that_stands_in_the_input_is_not_repeated() -> None:
    """It may be somebody's name."""
    found = look(exists("customer", {"C-1"}), Output(customer="Ann Low"), body="I am Ann Low")

    assert found is not None and found.reason == "customer: its value is not in the source"


def test_a_function_is_asked_once_for_each_id() -> None:
    """What it returns has to be true."""
    asked: list[str] = []

    def known(sku: str) -> Any:
        asked.append(sku)
        return {"A": {"price": 1}}.get(sku)

    check = exists("lines.sku", known)

    assert look(check, Output(lines=[Line(sku="A"), Line(sku="A")])) is None
    assert look(check, Output(lines=[Line(sku="B")])) is not None
    assert asked == ["A", "B"]


def test_a_batch_function_is_asked_once() -> None:
    """It returns those that exist."""
    asked: list[list[str]] = []

    def known(skus: list[str]) -> set[str]:
        asked.append(skus)
        return {"A", "B"} & set(skus)

    check = exists("lines.sku", known, batch=True)

    assert look(check, Output(lines=[Line(sku="B"), Line(sku="A"), Line(sku="B")])) is None
    assert look(check, Output(lines=[Line(sku="C")])) is not None
    assert look(check, Output()) is None
    assert asked == [["B", "A"], ["C"]]


def test_a_source_that_raises_needs_a_person() -> None:
    """Nobody can say that the answer is wrong; the exception's text stays out of the finding."""

    def down(sku: str) -> bool:
        raise ConnectionError("password=secret")

    found = look(exists("customer", down, name="the CRM"), Output(customer="C-1"))

    assert found == ans.Finding(
        "customer: it could not be looked up in the CRM (ConnectionError)", "exists", "person"
    )


async def later(sku: str) -> bool:
    return True


def test_what_has_to_be_awaited_is_no_answer() -> None:
    """A coroutine is true, whatever it would say."""
    with pytest.raises(ans.UsageError, match="coroutine"):
        exists("customer", later)

    found = look(exists("customer", lambda sku: later(sku)), Output(customer="C-1"))

    assert found is not None and found.then == "person"


def test_a_batch_function_returns_a_collection() -> None:
    """True for a list of ids would say nothing of each."""
    found = look(exists("customer", lambda ids: True, batch=True), Output(customer="C-1"))

    assert found is not None and found.then == "person"


@pytest.mark.parametrize("source", ["C-1", 7, None, dict])
def test_a_source_is_a_collection_or_a_function(source: Any) -> None:
    """A text is no collection of ids, though it holds characters."""
    with pytest.raises(ans.UsageError, match="the source is a"):
        exists("customer", source)


def test_the_definition_moves_with_the_source() -> None:
    """Its members or its code count, unless a version stands for them."""
    assert exists("a", ["x", "y"]).digest == exists("a", {"y", "x"}).digest
    assert exists("a", ["x"]).digest != exists("a", ["y"]).digest != exists("b", ["y"]).digest
    assert exists("a", ["x"], version="1").digest == exists("a", ["y"], version="1").digest
    by_x = exists("a", lambda i: i == "x")
    by_y = exists("a", lambda i: i == "y")
    assert by_x.digest != by_y.digest
    assert exists("a", [UUID(int=1)]).digest
    with pytest.raises(ans.UsageError, match="no stored form"):
        exists("a", [object()])


def test_a_collection_is_copied() -> None:
    """A definition does not change under its recorded digest."""
    ids = ["C-1"]
    check = exists("customer", ids)
    ids.append("C-2")

    assert look(check, Output(customer="C-2")) is not None


def test_a_hallucinated_id_is_rejected_and_the_next_decider_answers(ws: ans.Workspace) -> None:
    """The whole way of a case: the first answer never leaves."""
    asked = decision(
        ans.model(lambda case: Output(customer="C-99"), version="1", name="first"),
        ans.model(lambda case: Output(customer="C-1"), version="1", name="second"),
        output=Output,
        checks=[exists("customer", {"C-1", "C-2"}, name="the customers")],
    )
    outcome = ws.decide(asked, {"number": "T-1", "body": "hello"}, principal="service:web")

    assert (outcome.status, outcome.decider) == ("answered", "second@1")
    assert outcome.output == Output(customer="C-1")
    assert outcome.attempts[0].fault == "check"
    assert outcome.attempts[0].reason == "exists: customer: 'C-99' is not in the customers"
