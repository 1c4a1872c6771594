"""What of a read reaches deciders that are not cleared for everything, and the tools of a language model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

import answerable as ans
from answerable.integrations.llm import llm
from llm_upstream import Upstream, chat, upstream, uses
from roads import memory
from sources import ADA, HIGH, LOW, SAID, Customer, Policies, counted, decision, governed, reading, recorded

ws = pytest.fixture(memory)


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as made:
        yield made


def asking(server: Upstream, source: ans.Source[Any]) -> ans.Decision[Any, Any]:
    """Return a decision whose model may look customers up."""

    def customer(case: ans.Case[Any], id: str) -> Any:
        """Look a customer up."""
        return case.read(source, id=id)

    model = llm("tiny", instructions="Judge.", url=server.url, tools=(customer,))
    return decision(source, model)


def test_a_tool_reads_under_the_same_rules(ws: ans.Workspace, server: Upstream) -> None:
    """What the model looks up is a read of the case."""
    source = counted([])
    server.plays(uses(("customer", {"id": "8"})), chat({"reason": "r", "urgency": "high", "amount": 0}))

    outcome = ws.decide(asking(server, source), {"number": "1"})

    assert outcome.output == HIGH
    assert [told["params"] for told in recorded(ws, outcome)] == [{"id": "8"}]
    shown = json.loads(server.requests[1]["messages"][-1]["content"])
    assert [row["region"] for row in shown] == ["north"]
    assert "ada@example.org" not in str(server.requests)


class Named(Customer):
    name: Annotated[str, ans.Personal("name")] = "Nobody Knows"


def test_what_only_the_source_calls_personal_is_hidden_from_the_model_too(
    ws: ans.Workspace, server: Upstream
) -> None:
    """A name that no detector finds is known by the class of its column."""

    @ans.source("crm", Named, **SAID)
    def customers(id: str) -> list[Any]:
        return [ADA | {"id": id, "name": "Xiu Qwertzson"}]

    server.plays(uses(("customer", {"id": "8"})), chat({"reason": "r", "urgency": "high", "amount": 0}))

    outcome = ws.decide(asking(server, customers), {"number": "1"})

    assert outcome.output == HIGH
    assert "Qwertzson" not in str(server.requests)
    assert recorded(ws, outcome)[0]["rows"][0]["name"] == "Xiu Qwertzson"


def test_a_decider_reads_only_what_it_is_cleared_for(ws: ans.Workspace) -> None:
    """Code that calls somebody elsewhere gets no row with a kind of data that it is not cleared for."""
    source = counted([])
    told = ans.Remote(provider="acme", model="m", destination="api.acme.com")

    def model(name: str, clearance: Any) -> ans.Decider:
        return ans.model(reading(source, []), version="1", name=name, remote=told, clearance=clearance)

    some = decision(source, model("some", ["email"]), name="some")
    every = decision(source, model("every", ["email", "income", "subject"]), name="every")

    uncleared, cleared = ws.decide(some, {"number": "1"}), ws.decide(every, {"number": "1"})

    assert (uncleared.output, recorded(ws, uncleared)) == (LOW, [])
    assert "not cleared for all that the source holds: income, subject" in uncleared.attempts[0].reason
    assert cleared.output == HIGH


def test_a_tool_that_may_not_read_ends_the_case(ws: ans.Workspace, server: Upstream) -> None:
    """The model is not asked again, what it consumed is kept, and nobody else answers."""
    governed(ws, Policies(no="no"))
    server.plays(uses(("customer", {"id": "8"})), chat({"reason": "r", "urgency": "high", "amount": 0}))

    outcome = ws.decide(asking(server, counted([])), {"number": "1"})

    assert (outcome.status, len(server.requests)) == ("refused", 1)
    assert [call["kind"] for call in outcome.attempts[0].calls] == ["model", "tool"]
    assert outcome.attempts[0].usage.tokens_in > 0
    assert ws.records(kinds=("alert",)) == []


def test_a_tools_source_that_fails_says_nothing_against_the_model(
    ws: ans.Workspace, server: Upstream
) -> None:
    """The next decider answers, and no breaker of the provider counts it."""

    @ans.source("crm", Customer, **SAID)
    def customers(id: str) -> list[Any]:
        raise ConnectionError

    asked = asking(server, customers)
    for number in range(6):
        server.plays(uses(("customer", {"id": "8"})))
        outcome = ws.decide(asked, {"number": str(number)})
        assert (outcome.output, outcome.degraded) == (LOW, "fault:source")

    assert len(server.requests) == 6
    assert ws.breakers.states() == []


def test_a_story_hides_what_a_read_held(ws: ans.Workspace) -> None:
    """`why` shows pseudonyms for the persons in a read, by the classes of its columns."""

    @ans.source("crm", Named, **SAID)
    def customers(id: str) -> list[Any]:
        return [ADA | {"id": id, "name": "Xiu Qwertzson"}]

    outcome = ws.decide(decision(customers, reading(customers, [], id="cust-77")), {"number": "1"})
    why = ws.why(outcome.record_id)

    assert why.data["reads"][0]["rows"][0]["region"] == "north"
    for value in ("Qwertzson", "cust-77", "ada@example.org"):
        assert value not in f"{why.data['reads']} {why.text()}"
