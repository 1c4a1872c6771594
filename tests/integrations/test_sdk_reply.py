"""A reply of an SDK is read as text, or becomes the fault that it stands for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

import answerable as ans
from remotes import remote
from roads import HIGH, decision, memory

memory = pytest.fixture(memory)
JSON = '{"team": "billing"}'


def chat(content: Any = JSON, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "cc-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "logprobs": None,
                "message": {"role": "assistant", "content": content, "refusal": None, **message},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def responses(*content: Any, **more: Any) -> dict[str, Any]:
    parts = content or ({"type": "output_text", "text": JSON, "annotations": []},)
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5",
        "status": "completed",
        "output": [
            {"type": "reasoning", "id": "r", "summary": []},
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": list(parts),
            },
        ],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    } | more


def message(*content: Any, stop: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg-1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content) or [{"type": "text", "text": JSON}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 60, "cache_read_input_tokens": 40, "output_tokens": 20},
    }


def tool(name: str = "answer") -> dict[str, Any]:
    return {"id": "t", "type": "function", "function": {"name": name, "arguments": JSON}}


def typed(reply: dict[str, Any]) -> Any:
    """The same as the object that its package returns."""
    kind: Any = ChatCompletion if "choices" in reply else Response if "output" in reply else Message
    return kind.construct(**reply)


USES = {"type": "tool_use", "id": "t", "name": "answer", "input": json.loads(JSON)}
CALLED = {"type": "function_call", "id": "f", "call_id": "c", "name": "answer", "arguments": JSON}
SPOKEN = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": JSON}]}
FORMS = pytest.mark.parametrize("form", [typed, dict], ids=["object", "dict"])


@FORMS
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(chat(), id="chat"),
        pytest.param(responses(), id="responses"),
        pytest.param(message(), id="message"),
        pytest.param(chat(None, "tool_calls", tool_calls=[tool()]), id="chat, one tool"),
        pytest.param(chat(None, "function_call", function_call=tool()["function"]), id="chat, a function"),
        pytest.param(chat(finish="STOP"), id="chat, in capitals"),
        pytest.param({**chat(), "error": None}, id="chat, no error"),
        pytest.param(responses(output=[CALLED]), id="responses, one tool"),
        pytest.param(message(USES, stop="tool_use"), id="message, one tool"),
    ],
)
def test_the_text_of_a_reply_is_read(form: Callable[[Any], Any], reply: dict[str, Any]) -> None:
    """Or the arguments of the one tool by which the answer was asked for; with what it consumed."""
    assert json.loads(ans.reply_text(form(reply))) == {"team": "billing"}

    usage = ans.reply_usage(form(reply), ans.Price(input=10, output=100))

    assert usage == ans.Usage(cost=3000, tokens_in=100, tokens_out=20, model=reply["model"])


@FORMS
@pytest.mark.parametrize(
    ("reply", "category", "held"),
    [
        (chat(None, refusal="I will not."), "refusal", "I will not."),
        (chat(JSON, "content_filter"), "content-filter", JSON),
        (chat(None, "content_filter"), "content-filter", None),
        (chat(JSON, "length"), "truncated", JSON),
        (chat(None), "empty", None),
        (chat(" \n"), "empty", None),
        (chat(None, "tool_calls", tool_calls=[tool(), tool()]), "invalid", f"{JSON}\n{JSON}"),
        ({**chat(), "choices": []}, "empty", None),
        (responses({"type": "refusal", "refusal": "I will not."}), "refusal", "I will not."),
        (responses(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "truncated", JSON),
        (responses(status="incomplete", incomplete_details={"reason": "content_filter"}), "content-filter", JSON),
        (responses(status="incomplete", incomplete_details={"reason": "other"}), "truncated", JSON),
        (responses(output=[]), "empty", None),
        (responses(output=[], status="failed", error={"code": "server_error", "message": "x"}), "server-error", None),
        (responses(output=[], status="failed", error={"code": "rate_limit_exceeded", "message": "x"}), "rate-limit", None),
        (responses(status="cancelled"), "garbled", JSON),
        (responses(status="in_progress"), "garbled", JSON),
        (responses(status="queued", output=[]), "garbled", None),
        (responses(output=[SPOKEN | {"status": "incomplete"}]), "truncated", JSON),
        (responses(output=[SPOKEN | {"status": "in_progress"}]), "garbled", JSON),
        (chat(JSON, "error"), "garbled", JSON),
        (chat(JSON, "SAFETY"), "content-filter", JSON),
        (chat(JSON, " Length "), "truncated", JSON),
        (chat(JSON, "gave_up"), "garbled", JSON),
        (chat("", "gave_up"), "content-filter", None),
        ({**chat(), "error": {"code": 502, "message": "billing"}}, "server-error", JSON),
        ({**chat(), "error": {"code": 429, "message": "slow down"}}, "rate-limit", JSON),
        (message(stop="abort"), "garbled", JSON),
        (message(stop="refusal"), "refusal", JSON),
        (message(stop="max_tokens"), "truncated", JSON),
        (message(stop="model_context_window_exceeded"), "truncated", JSON),
        (message({"type": "thinking", "thinking": "hm", "signature": "s"}), "empty", None),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault(
    form: Callable[[Any], Any], reply: dict[str, Any], category: str, held: str | None
) -> None:
    """With the usage, the reply and an id the provider knows; the model's words stay out of the reason."""
    with pytest.raises(ans.Faulted) as caught:
        ans.reply_text(form(reply), price=ans.Price(input=10, output=100))

    fault = caught.value.fault
    assert (fault.category, fault.reply or None, fault.request_id) == (category, held, reply["id"])
    assert fault.billed and caught.value.usage.cost == 3000
    assert caught.value.calls[0].get("reply") == held
    assert "will not" not in fault.reason and "billing" not in fault.reason


@pytest.mark.parametrize(
    "odd", [{}, {"error": {"message": "x"}}, 3, {"choices": [{"message": 3}]}, {"output": 3}]
)
def test_another_shape_is_garbled(odd: Any) -> None:
    """A gateway may send anything with status 200."""
    with pytest.raises(ans.Faulted) as caught:
        ans.reply_text(odd)

    assert caught.value.fault.category == "garbled"


def test_the_request_id_of_the_package_comes_first() -> None:
    """It is the one that a provider asks for."""
    reply = typed(chat(None))
    reply._request_id = "req-7"

    with pytest.raises(ans.Faulted) as caught:
        ans.reply_text(reply)

    assert caught.value.fault.request_id == "req-7"


def test_what_is_not_a_whole_response_is_a_mistake_of_the_code() -> None:
    """Only the response says why the model stopped."""

    async def later() -> Any: ...

    coroutine = later()
    for wrong in (JSON, None, chat()["choices"][0]["message"], coroutine, iter([1])):
        with pytest.raises(ans.UsageError, match="next"):
            ans.reply_text(wrong)
    coroutine.close()
    with pytest.raises(ans.UsageError, match=r"ans\.Price\("):
        ans.reply_usage(chat(), 0.25)  # type: ignore[arg-type]


def test_usage_that_is_none_counts_nothing() -> None:
    """A gateway may leave it out, or send what is no count."""
    assert ans.reply_usage({**chat(), "usage": None, "model": "a\nb"}) == ans.Usage()
    assert ans.reply_usage({"usage": {"input_tokens": -1, "output_tokens": "7"}}) == ans.Usage()


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["length", "text", "refusal"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "text", "type", "output", "tool_calls", "usage"])
        | st.sampled_from(["finish_reason", "stop_reason", "refusal", "status", "function", "input_tokens"]),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
@settings(deadline=None, max_examples=100)
def test_nothing_that_comes_back_breaks_the_reader(reply: Any) -> None:
    """It is text, a fault, or told to be no response."""
    with suppress(ans.Faulted, ans.UsageError):
        assert isinstance(ans.reply_text(reply), str)


def test_on_the_road_a_refusal_goes_to_the_default(memory: ans.Workspace) -> None:
    """Not to the next model, as the TypeError of an empty content would; async code is read likewise."""

    async def asks(case: ans.Case[Any]) -> Any:
        await asyncio.sleep(0)
        return json.loads(ans.reply_text(typed(chat(None, refusal="I will not."))))

    first = ans.model(
        asks, version="1", remote=ans.Remote(provider="p", model="m", destination="p.example", most=1)
    )
    second, script = remote(name="second")

    outcome = memory.decide(decision(first, second, ans.default(HIGH)), {"number": "1"})

    assert (outcome.output, outcome.degraded, script.hits) == (HIGH, "fault:refusal", 0)
    assert outcome.attempts[0].calls[0]["reply"] == "I will not."


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (f"```json\n{JSON}\n```", JSON),
        (f"\n```JSON \n{JSON}```\n", JSON),
        (f"```\n{JSON}\n```", JSON),
        ("```\nls -l\n```", None),
        (f"Here it is:\n```json\n{JSON}\n```", None),
        (f"```json\n{JSON}\n```\nor\n```json\n{JSON}\n```", None),
    ],
)
def test_a_reply_that_is_wholly_one_fence_is_what_stands_in_it(said: str, read: str | None) -> None:
    """As a language model's is; prose around it stays, and so does a fence that may be meant."""
    assert ans.reply_text(chat(said)) == (said if read is None else read)


def raw(package: Any) -> Any:
    """What `with_raw_response` of a package gives."""
    reply = json.dumps(chat() if package is openai else message())
    there = httpx2.MockTransport(lambda request: httpx2.Response(200, text=reply, headers=HEADERS))
    kind = package.OpenAI if package is openai else package.Anthropic
    asked: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    with kind(api_key="k", http_client=httpx2.Client(transport=there), max_retries=0) as client:
        if package is openai:
            return client.chat.completions.with_raw_response.create(**asked)
        return client.messages.with_raw_response.create(max_tokens=9, **asked)


HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize("package", [openai, anthropic], ids=["openai", "anthropic"])
def test_a_raw_response_is_to_be_parsed_first(package: Any) -> None:
    """It is a misuse of our call, and nothing that the provider spoilt."""
    response = raw(package)

    with pytest.raises(ans.UsageError, match=r"response\.parse\(\)"):
        ans.reply_text(response)
    assert ans.reply_text(response.parse()) == JSON
