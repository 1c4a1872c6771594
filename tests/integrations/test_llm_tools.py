"""An agent run is one attempt: the model may read through tools, and every call of it is kept."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest

import answerable as ans
from answerable.integrations.llm import llm
from llm_upstream import Upstream, answer, case_of, chat, fault, upstream, uses
from roads import decision

GOOD = {"reason": "Two orders are late.", "urgency": "high", "team": "b"}


def late_orders(case: ans.Case[Any], status: Literal["late", "lost"], limit: int = 5) -> list[dict[str, Any]]:
    """Return the orders of this customer in one status."""
    return [{"id": 7, "status": status, "ticket": case.input.number}][:limit]


def broken(case: ans.Case[Any]) -> str:
    """Always fails."""
    raise RuntimeError("password=hunter2")


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as made:
        yield made


def asked_of(server: Upstream, *tools: Any, **options: Any) -> ans.Decision[Any, Any]:
    return decision(llm("tiny", instructions="Judge.", url=server.url, tools=tools, **options))


def test_a_tool_is_used_and_both_sides_are_recorded(server: Upstream) -> None:
    """Each request and each tool call stands in the attempt, in order, with arguments and result."""
    server.plays(uses(("late_orders", {"status": "late"})), chat(GOOD))

    made = answer(asked_of(server, late_orders))

    assert made.output == {"urgency": "high", "team": "b"}
    assert [call["kind"] for call in made.calls] == ["model", "tool", "model"]
    tool = made.calls[1]
    assert (tool["name"], json.loads(tool["arguments"])) == ("late_orders", {"status": "late"})
    assert json.loads(tool["result"]) == [{"id": 7, "status": "late", "ticket": "1"}]
    assert server.requests[1]["messages"][-1]["content"] == tool["result"]
    assert (made.usage.tokens_in, made.usage.tokens_out) == (240, 30)


def test_the_model_is_told_what_a_tool_takes(server: Upstream) -> None:
    """Name, first lines of the docstring and a schema of the typed arguments, without the case."""
    server.plays(chat(GOOD))

    answer(asked_of(server, late_orders))

    told = server.requests[0]["tools"][0]["function"]
    assert (told["name"], told["description"]) == (
        "late_orders",
        "Return the orders of this customer in one status.",
    )
    assert set(told["parameters"]["properties"]) == {"status", "limit"}


def test_a_tool_may_be_async_and_several_may_be_used_at_once(server: Upstream) -> None:
    """What the model asks for in one reply is answered in one request."""

    async def weather(case: ans.Case[Any], town: str) -> str:
        await asyncio.sleep(0)
        return f"rain in {town}"

    server.plays(uses(("weather", {"town": "A"}), ("weather", {"town": "B"})), chat(GOOD))

    made = answer(asked_of(server, weather))

    assert [c.get("result") for c in made.calls] == [None, "rain in A", "rain in B", None]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (("broken", {}), "the tool failed (RuntimeError)"),
        (("late_orders", {"status": "open"}), "status: Input should be 'late' or 'lost'"),
        (("late_orders", {"status": "late", "more": 1}), "more"),
        (("late_orders", "{not json"), "the arguments are not valid"),
        (("unknown", {}), "there is no such tool"),
    ],
)
def test_a_failing_tool_is_told_to_the_model_once_without_its_text(
    server: Upstream, use: tuple[str, Any], told: str
) -> None:
    """The model may try another way; the second failure ends the attempt."""
    server.plays(uses(use), chat(GOOD))
    made = answer(asked_of(server, late_orders, broken))
    assert told in made.calls[1]["result"]
    assert told in server.requests[-1]["messages"][-1]["content"]

    server.requests.clear()
    server.plays(uses(use), uses(use), chat(GOOD))
    exc = fault(asked_of(server, late_orders, broken))
    assert exc.fault.category == "exception"
    assert "hunter2" not in repr((made.calls, exc.calls, exc.fault))


def test_an_agent_that_does_not_come_to_an_end_is_stopped(server: Upstream) -> None:
    """Requests and tool calls count together."""
    server.plays(uses(("late_orders", {"status": "late"})))

    exc = fault(asked_of(server, late_orders, max_calls=5))

    assert exc.fault.category == "budget"
    assert [call["kind"] for call in exc.calls] == ["model", "tool", "model", "tool", "model"]


def test_tools_share_the_cases_time(server: Upstream) -> None:
    """A tool that hangs is abandoned at the deadline."""

    go = threading.Event()

    def slow(case: ans.Case[Any]) -> str:
        go.wait(30)
        return ""

    asked = asked_of(server, slow)
    server.plays(uses(("slow", {})))

    started = time.monotonic()
    exc = fault(asked, left=1.5)  # enough for the request before it
    took = time.monotonic() - started
    go.set()

    assert (exc.fault.category, exc.calls[-1]["kind"]) == ("deadline", "tool")
    assert took < 10


def test_a_long_result_is_cut(server: Upstream) -> None:
    """What one result may add to a prompt has a bound, as its cost must have."""

    def long(case: ans.Case[Any]) -> str:
        return "é" * 20_000

    server.plays(uses(("long", {})), chat(GOOD))

    result = answer(asked_of(server, long)).calls[1]["result"]

    assert len(result.encode()) <= 8_000 and result.endswith("[... cut here]")


def test_what_is_reserved_covers_the_whole_run(server: Upstream) -> None:
    """Every request with all results before it."""

    def long(case: ans.Case[Any]) -> str:
        return "x" * 8_000

    server.plays(uses(("long", {}), ("long", {})), uses(("long", {})), chat(GOOD))
    asked = asked_of(server, long, max_calls=6)
    remote = asked.deciders[0].remote
    assert remote is not None

    answer(asked)
    sent = sum(len(json.dumps(request).encode()) for request in server.requests)

    assert remote.reserve(case_of(asked)).tokens_in > sent - 3000  # JSON around the text is no text


def test_a_tool_without_types_or_case_is_refused() -> None:
    """The model has to know what to give, and the tool whose case it is."""

    def untyped(case: ans.Case[Any], order) -> str:  # type: ignore[no-untyped-def]
        return ""

    def caseless() -> str:
        return ""

    for tools, told in (([untyped], "order"), ([caseless], "no case"), ([broken, broken], "two tools")):
        with pytest.raises(ans.UsageError, match=told):
            llm("openai:gpt-5-mini", instructions="Judge.", tools=tools)


def test_a_changed_tool_is_another_version(server: Upstream) -> None:
    """What a tool does is part of how the question is answered."""

    def changed(case: ans.Case[Any]) -> str:
        return "another"

    changed.__name__ = "broken"
    first, second = (
        llm("tiny", instructions="Judge.", url=server.url, tools=[tool]) for tool in (broken, changed)
    )

    assert first.digest != second.digest
