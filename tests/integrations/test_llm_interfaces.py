"""The llm decider over each provider's own interface, against the pretended providers of the chaos server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import answerable as ans
from answerable.chaos.replies import Reply, Said
from answerable.chaos.server import FaultServer, Upstream
from answerable.integrations.llm import llm, rebased
from llm_upstream import answer, fault
from roads import decision
from waiting import until

INTERFACES = ("openai:gpt-5-mini", "openai-chat:gpt-5-mini", "anthropic:claude-haiku-4-5", "tiny")


@pytest.fixture(scope="module")
def servers() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


@pytest.fixture
def server(servers: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    monkeypatch.setenv("TEST_KEY", "key-4711")
    made = servers.upstream("primary")
    made.forget()
    return made


def asked_of(server: Upstream, model: str) -> ans.Decision[Any, Any]:
    url = server.origin if model.startswith("anthropic") else server.url
    return decision(llm(model, instructions="Judge.", url=url, api_key="env:TEST_KEY"))


@pytest.mark.parametrize("model", INTERFACES)
def test_each_interface_answers(server: Upstream, model: str) -> None:
    """Chat completions, responses and messages give the same answer."""
    made = answer(asked_of(server, model))

    assert made.output == {"urgency": "low", "team": "a"}
    assert made.usage.tokens_in > 0
    assert made.calls[0]["request_id"] == "req_chaos"
    assert server.hits == 1


@pytest.mark.parametrize("model", INTERFACES)
@pytest.mark.parametrize(
    ("reply", "category"),
    [
        (Reply(said=Said(finish="length")), "truncated"),
        (Reply(said=Said(finish="refusal")), "refusal"),
        (Reply(said=Said(lacks="content")), "empty"),
        (Reply(said=Said(thinking=True)), "empty"),
        (Reply(said=Said(text=lambda text: f"Sure! {text}")), "invalid"),
        (Reply(body="<html>", kind="text/html"), "garbled"),
        (Reply(wire="bad-gzip"), "garbled"),
        (Reply(wire="reset"), "reset"),
        (Reply(wire="cut"), "reset"),
        (Reply(status=401, code="invalid_api_key"), "auth"),
    ],
)
def test_each_interface_gives_the_same_faults(
    server: Upstream, model: str, reply: Reply, category: str
) -> None:
    """The action table needs one word, whatever the provider calls it; and no client retries by itself."""
    server.play(reply)

    exc = fault(asked_of(server, model))

    assert exc.fault.category == category
    assert len(exc.calls) == server.hits == 1
    assert "key-4711" not in repr((exc.fault, exc.calls))


@pytest.mark.parametrize("wire", ["hang", "stall", "drip"])
def test_a_reply_that_never_ends_is_cut_at_the_deadline(server: Upstream, wire: Any) -> None:
    """Measured by the clock, not by the bytes that still arrive; the socket is closed."""
    asked = asked_of(server, "tiny")
    server.play(Reply(wire=wire))

    started = time.monotonic()
    exc = fault(asked, left=0.7)

    assert exc.fault.category == "timeout"
    assert time.monotonic() - started < 10
    until(lambda: server.calls and server.calls[-1].left_after is not None)


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", "anthropic:claude-haiku-4-5"])
def test_a_hosted_model_can_be_sent_to_a_pretended_provider(
    server: Upstream, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chaos run needs no real key and does not show one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real-4711")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-real-4711")
    url = server.origin if model.startswith("anthropic") else server.url

    moved = rebased(llm(model, instructions="Judge."), url)
    answer(decision(moved))

    assert "4711" not in repr(server.calls[0].headers)
    assert moved.remote is not None and moved.remote.model == model.partition(":")[2]
