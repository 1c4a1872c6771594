"""Foreign exceptions become faults: real SDKs and clients against a real server that answers wrongly."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import httpx2
import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from answerable.failures.translate import fault_of
from wrong_replies import (
    ANTHROPIC,
    CLIENTS,
    DELAY,
    HTML,
    KEY,
    NOW,
    OPENAI,
    PER_DAY,
    PER_MINUTE,
    SDKS,
    Call,
    Server,
    Triage,
    anthropic_error,
    by_anthropic,
    by_httpx2,
    by_openai,
    by_pydantic_anthropic,
    by_pydantic_openai,
    by_requests,
    chat,
    claude,
    error,
    google,
    met,
    raised,
    serving,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


# signal: who calls, status, body, category
STATUS_FAULTS: list[Any] = [
    pytest.param(OPENAI, 429, error(code="rate_limit_exceeded"), "rate-limit", id="429"),
    pytest.param(OPENAI, 429, error(code="insufficient_quota"), "quota", id="insufficient_quota"),
    pytest.param(OPENAI, 429, error(code="billing_hard_limit_reached"), "quota", id="hard limit"),
    pytest.param(OPENAI, 429, error(code="credit_balance_exhausted"), "quota", id="credit"),
    pytest.param(OPENAI, 429, error(type="insufficient_quota", code=None), "quota", id="quota as type"),
    pytest.param(OPENAI, 429, error(code="project_spend_limit_exceeded"), "quota", id="project limit"),
    pytest.param(OPENAI, 402, error("Insufficient Balance"), "quota", id="402"),
    pytest.param(ANTHROPIC, 429, anthropic_error("rate_limit_error"), "rate-limit", id="anthropic 429"),
    pytest.param(
        ANTHROPIC,
        429,
        anthropic_error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        "quota",
        id="anthropic spend limit, which pydantic-ai calls a rate limit",
    ),
    pytest.param(
        ANTHROPIC,
        400,
        anthropic_error("invalid_request_error", "Your credit balance is too low to access the API"),
        "quota",
        id="anthropic credit balance",
    ),
    pytest.param(
        ANTHROPIC,
        400,
        anthropic_error("invalid_request_error", "You have reached your specified API usage limits."),
        "quota",
        id="anthropic usage limits",
    ),
    pytest.param(ANTHROPIC, 402, anthropic_error("billing_error"), "quota", id="anthropic billing"),
    pytest.param(
        OPENAI, 429, google("RESOURCE_EXHAUSTED", "no", PER_DAY, DELAY), "quota", id="gemini per day"
    ),
    pytest.param(
        OPENAI, 429, google("RESOURCE_EXHAUSTED", "no", PER_MINUTE), "rate-limit", id="gemini per minute"
    ),
    pytest.param(ANTHROPIC, 529, anthropic_error("overloaded_error"), "overloaded", id="529"),
    pytest.param(OPENAI, 529, b"", "overloaded", id="529 without a body"),
    pytest.param(OPENAI, 503, error("The model is overloaded."), "overloaded", id="503 overloaded"),
    pytest.param([*SDKS, *CLIENTS], 503, error("come back later"), "unavailable", id="503"),
    pytest.param([*SDKS, *CLIENTS], 500, error(), "server-error", id="500"),
    pytest.param([*SDKS, *CLIENTS], 502, HTML, "server-error", id="502 from a proxy"),
    pytest.param(OPENAI, 504, b"", "server-error", id="504"),
    pytest.param(OPENAI, 524, b"", "server-error", id="524"),
    pytest.param([*SDKS, *CLIENTS], 408, error(), "server-error", id="408"),
    pytest.param([*SDKS, *CLIENTS], 409, error(), "conflict", id="409"),
    pytest.param(OPENAI, 401, error(code="invalid_api_key"), "auth", id="401"),
    pytest.param(ANTHROPIC, 401, anthropic_error("authentication_error"), "auth", id="anthropic 401"),
    pytest.param([*SDKS, *CLIENTS], 403, error(), "auth", id="403"),
    pytest.param(
        OPENAI,
        400,
        google("INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}, code=400),
        "auth",
        id="gemini bad key, a 400",
    ),
    pytest.param(
        OPENAI,
        403,
        error(code=403, metadata={"reasons": ["violence"], "flagged_input": "a text"}),
        "content-filter",
        id="403 with moderation",
    ),
    pytest.param(OPENAI, 400, error(code="content_policy_violation"), "content-filter", id="policy"),
    pytest.param(
        OPENAI,
        400,
        error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
        "content-filter",
        id="azure filter",
    ),
    *(
        pytest.param(OPENAI, 400, error(code=code), "content-filter", id=code)
        for code in ("invalid_prompt", "data_inspection_failed", "1301")
    ),
    *(
        pytest.param([*OPENAI, by_requests], status, error(words), "content-filter", id=words)
        for status, words in (
            (400, "Output blocked by content filtering policy"),
            (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy."),
            (403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
            (400, "Content Exists Risk"),
            (400, "Input data may contain inappropriate content."),
            (400, "Your request was rejected as a result of our safety system."),
            (400, "The response was filtered due to the prompt triggering the content management policy"),
            (400, "Request blocked by guardrail"),
        )
    ),
    *(
        pytest.param(OPENAI, status, error(words), category, id=words)
        for status, words, category in (
            (403, "Your account was suspended, for it violates our usage policies.", "auth"),
            (400, "Bad value: 'it violates your usage policy, says Ann'", "rejected"),
            (400, 'Bad value "this prompt is too long, says Ann", 500 characters', "rejected"),
            (400, "Unknown parameter content_filter", "rejected"),
            (400, "max_tokens: 200000 > 64000, which is the maximum number of output tokens", "rejected"),
            (400, "input image exceeds 5000 KB maximum", "rejected"),
            (400, "prompt must be a string, maximum", "rejected"),
            (429, "Rate limit reached on tokens per min: maximum 30000, input 50000", "rate-limit"),
        )
    ),
    *(
        pytest.param([*OPENAI, by_requests], status, error(words), "context-overflow", id=words)
        for status, words in (
            (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
            (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
            (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
            (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"),
            (422, "`inputs` must have less than 4096 tokens. Given: 5000"),
            (400, "However, the model is loaded with context length of only 4096 tokens"),
            (400, "Your request exceeded model token limit: 8192"),
            (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081"),
            (400, "invalid params, context window exceeds limit (2013)"),
            (400, "Input length 5000 exceeds maximum allowed length 4096"),
            (400, "your messages have 9000 tokens, which is greater than 8000"),
            (429, "Request too large for m1 on tokens per min (TPM): Limit 30000, Requested 50000."),
        )
    ),
    pytest.param(OPENAI, 400, error("Prompt exceeds max length", code="1261"), "context-overflow", id="1261"),
    pytest.param(OPENAI, 404, error(code="model_not_found"), "not-found", id="model_not_found"),
    pytest.param([*SDKS, *CLIENTS], 404, HTML, "not-found", id="404"),
    pytest.param([*SDKS, *CLIENTS], 400, error("temperature must be a number"), "rejected", id="400"),
    pytest.param([*SDKS, *CLIENTS], 422, error(), "rejected", id="422"),
    pytest.param([*SDKS, *CLIENTS], 413, HTML, "context-overflow", id="413 from a proxy"),
    pytest.param(ANTHROPIC, 413, anthropic_error("request_too_large"), "context-overflow", id="413"),
    pytest.param(OPENAI, 400, error(code="context_length_exceeded"), "context-overflow", id="context code"),
    pytest.param(
        OPENAI,
        400,
        error("This model's maximum context length is 8192 tokens", code=400),
        "context-overflow",
        id="context wording",
    ),
    pytest.param(
        OPENAI,
        400,
        google("INVALID_ARGUMENT", "The input token count (9) exceeds the maximum", code=400),
        "context-overflow",
        id="gemini context",
    ),
    pytest.param(
        ANTHROPIC,
        400,
        anthropic_error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
        "context-overflow",
        id="anthropic context",
    ),
    pytest.param(
        OPENAI,
        400,
        error(
            "request (4031 tokens) exceeds the available context size (2048 tokens)",
            code=400,
            type="exceed_context_size_error",
        ),
        "context-overflow",
        id="llama.cpp, which pydantic-ai calls rejected",
    ),
    pytest.param(
        OPENAI,
        400,
        error("the request exceeds the available context size. try increasing it"),
        "context-overflow",
        id="llama.cpp without its type",
    ),
    pytest.param(OPENAI, 400, error(code="json_validate_failed"), "invalid", id="groq could not make JSON"),
]


@pytest.mark.parametrize(("calls", "status", "body", "category"), STATUS_FAULTS)
def test_a_reply_with_an_error_status(
    server: Server, calls: list[Call], status: int, body: bytes, category: str
) -> None:
    """The provider's code or wording decides before HTTP does; nothing was charged."""
    server.reply = (status, {}, body)

    faults = {call.__name__: met(server, call) for call in calls}

    assert {name: f.category for name, f in faults.items()} == dict.fromkeys(faults, category)
    assert {(f.status, f.billed, f.provider, f.model) for f in faults.values()} == {
        (status, False, "acme", "m1")
    }


@pytest.mark.parametrize("call", [*SDKS, *CLIENTS])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 10:00:20 GMT"}, 20.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "abc"}, None),
        ({"retry-after": "Mon, 23 Nov 2020 10:00:20 GMT"}, None),
        ({}, None),
    ],
)
def test_a_wait_comes_from_this_reply(
    server: Server, call: Call, headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds, date (by the `now` given) and milliseconds reach the fault from every client."""
    server.reply = (429, headers, error(type="rate_limit_error"))

    fault = met(server, call)

    assert (fault.category, fault.retry_after) == ("rate-limit", seconds)


@pytest.mark.parametrize("call", OPENAI)
def test_gemini_says_the_wait_in_the_body(server: Server, call: Call) -> None:
    """RetryInfo stands where others send a header."""
    server.reply = (429, {}, google("RESOURCE_EXHAUSTED", "no", PER_MINUTE, DELAY))

    assert met(server, call).retry_after == 14.0


@pytest.mark.parametrize(
    ("call", "header"),
    [
        *((c, "x-request-id") for c in OPENAI),
        *((c, "request-id") for c in ANTHROPIC),
        (by_httpx2, "request-id"),
    ],
)
def test_the_request_id_is_kept(server: Server, call: Call, header: str) -> None:
    """By it the provider finds the call."""
    server.reply = (500, {header: "req_42"}, error())

    assert met(server, call).request_id == "req_42"


def test_the_provider_s_code_is_kept(server: Server) -> None:
    """The most telling of its words: not the status, not the type."""
    server.reply = (
        429,
        {},
        anthropic_error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
    )
    assert met(server, by_pydantic_anthropic).code == "enforced_spend_limit_reached"

    server.reply = (429, {}, error(code="insufficient_quota", type="x"))
    assert met(server, by_openai).code == "insufficient_quota"


def test_a_model_the_provider_offers_instead_is_kept(server: Server) -> None:
    """pydantic-ai finds a near name for a misspelt one."""

    async def call(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            model = OpenAIChatModel("gpt-6-lun", provider=OpenAIProvider(openai_client=client))
            return await Agent(model).run("x")

    server.reply = (404, {}, error(code="model_not_found"))

    fault = fault_of(raised(lambda: asyncio.run(call(server.url))))

    assert fault.category == "not-found"
    assert fault.suggestion is not None and "gpt-6-luna" in fault.suggestion
    assert fault.model == "gpt-6-lun"


# What came with status 200 and is no answer.
@pytest.mark.parametrize(
    ("call", "headers", "body", "category"),
    [
        pytest.param(by_pydantic_openai, {}, chat("yes, gladly"), "invalid", id="prose"),
        pytest.param(by_pydantic_openai, {}, chat('{"intent": "cancel"}'), "invalid", id="wrong enum"),
        pytest.param(by_pydantic_openai, {}, chat('{"intent": "ref', "length"), "truncated", id="cut off"),
        pytest.param(by_pydantic_openai, {}, chat(None, "length"), "truncated", id="nothing, cut off"),
        pytest.param(by_pydantic_openai, {}, chat(None, "content_filter"), "content-filter", id="filtered"),
        pytest.param(by_pydantic_openai, {}, b'{"id":"1","object":"chat.completion","created":1,"model":"gpt","choices":[]}', "empty", id="choices []"),
        pytest.param(by_pydantic_openai, {}, chat(None), "empty", id="no content"),
        pytest.param(by_pydantic_openai, {}, chat(""), "empty", id="empty content"),
        pytest.param(by_pydantic_openai, {}, chat(None, reasoning_content="hm"), "empty", id="thinking only"),
        pytest.param(by_pydantic_openai, {}, chat(None, refusal="I will not"), "refusal", id="refusal"),
        pytest.param(by_pydantic_anthropic, {}, claude("refusal"), "refusal", id="refusal, anthropic"),
        pytest.param(by_pydantic_anthropic, {}, claude("max_tokens"), "truncated", id="cut off, anthropic"),
        pytest.param(by_pydantic_anthropic, {}, claude("end_turn"), "empty", id="no content, anthropic"),
        pytest.param(by_pydantic_anthropic, {}, b"null", "empty", id="null, anthropic"),
        pytest.param(by_pydantic_anthropic, {}, b"[]", "garbled", id="a list, anthropic"),
        pytest.param(by_pydantic_openai, {}, b"[]", "garbled", id="a list"),
        pytest.param(by_pydantic_openai, {}, chat(None).replace(b'{"role": "assistant", "content": null}', b"null"), "garbled", id="message null"),
        pytest.param(by_pydantic_openai, {"content-type": "text/html"}, HTML, "garbled", id="HTML, pydantic-ai"),
        pytest.param(by_pydantic_openai, {}, b"{not JSON", "garbled", id="no JSON, pydantic-ai"),
        pytest.param(by_openai, {}, b"{not JSON", "garbled", id="no JSON, openai"),
        pytest.param(by_anthropic, {}, b"{not JSON", "garbled", id="no JSON, anthropic"),
        pytest.param(by_httpx2, {"content-type": "text/html"}, HTML, "garbled", id="HTML, httpx2"),
        pytest.param(by_requests, {"content-type": "text/html"}, HTML, "garbled", id="HTML, requests"),
        *(
            pytest.param(call, {"content-encoding": "gzip"}, b"no gzip", "garbled", id=f"gzip, {call.__name__}")
            for call in (*SDKS, *CLIENTS)
        ),
    ],
)  # fmt: skip
def test_a_reply_that_is_no_answer(
    server: Server, call: Call, headers: dict[str, str], body: bytes, category: str
) -> None:
    """It may have been charged, though nothing usable came."""
    server.reply = (200, headers, body)

    fault = met(server, call)

    assert (fault.category, fault.billed) == (category, True)
    assert "<html>" not in fault.reason and "I will not" not in fault.reason


def test_openai_s_own_parsing(server: Server) -> None:
    """The SDK's `parse` has exceptions of its own for a cut and a filtered answer, and pydantic's for a bad one."""

    def parse(url: str) -> Any:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            return client.chat.completions.parse(
                model="gpt", messages=[{"role": "user", "content": "x"}], response_format=Triage
            )

    found = {}
    for finish, content in (("length", '{"inte'), ("content_filter", ""), ("stop", '{"intent": "no"}')):
        server.reply = (200, {}, chat(content, finish))
        found[finish] = met(server, parse).category

    assert found == {"length": "truncated", "content_filter": "content-filter", "stop": "invalid"}


@pytest.mark.parametrize("call", [*SDKS, *CLIENTS])
@pytest.mark.parametrize("reply", ["reset", "cut"])
def test_the_way_back_breaks(server: Server, call: Call, reply: Literal["reset", "cut"]) -> None:
    """The request was sent, so the provider may have answered and charged."""
    server.reply = reply

    fault = met(server, call)

    assert (fault.category, fault.billed, fault.status) == ("reset", True, None)


@pytest.mark.parametrize("call", [*SDKS, *CLIENTS])
def test_no_answer_in_time(server: Server, call: Call) -> None:
    """The answer may still be made, and charged, after we hung up."""
    server.reply = "stall"

    fault = met(server, lambda url: call(url, read=0.1))

    assert (fault.category, fault.billed, fault.status) == ("timeout", True, None)


@pytest.mark.parametrize("call", [*SDKS, *CLIENTS])
def test_nobody_listens(call: Call) -> None:
    """Nothing was sent, so nothing was charged."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        fault = fault_of(raised(lambda: call(url)))

    assert (fault.category, fault.billed) == ("connect", False)


@pytest.mark.parametrize("call", [by_openai, by_pydantic_openai, *CLIENTS])
def test_no_tls_is_spoken(server: Server, call: Call) -> None:
    """A failed handshake is no connection."""
    server.reply = (200, {}, b"")

    fault = fault_of(raised(lambda: call(server.url.replace("http:", "https:"))))

    assert (fault.category, fault.billed) == ("connect", False)


@pytest.mark.parametrize("call", [by_openai, by_pydantic_anthropic, *CLIENTS])
def test_the_address_is_none(call: Call) -> None:
    """A scheme nobody speaks is a wrong address in the configuration: an operator is told."""
    assert fault_of(raised(lambda: call("gopher://127.0.0.1"))).category == "not-found"


def test_all_our_own_connections_are_in_use(server: Server) -> None:
    """A full pool is our shortage, also where the SDK calls it a timeout."""
    server.reply = "stall"
    limits = httpx2.Limits(max_connections=1)

    async def call() -> list[Any]:
        timeout = httpx2.Timeout(20, pool=0.05)
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1",
            api_key=KEY,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
            timeout=timeout,
        ) as client:
            one: Any = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]}
            both = (client.chat.completions.create(**one) for _ in range(2))
            return await asyncio.gather(*both, return_exceptions=True)

    faults = [fault_of(exc) for exc in asyncio.run(call())]

    assert sorted((f.category, f.billed) for f in faults) == [("pool", False), ("reset", True)]


@pytest.mark.parametrize(
    ("event", "category"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow down"}, "rate-limit"),
        ({"code": "insufficient_quota", "message": "pay"}, "quota"),
        ({"type": "server_error", "message": "oops"}, "server-error"),
        ({"code": "server_is_overloaded", "message": "oops"}, "overloaded"),
        ({"code": "context_length_exceeded", "message": "too long"}, "context-overflow"),
        ({"code": 502, "message": "bad gateway"}, "server-error"),
        ({"message": "something"}, "server-error"),
    ],
)
def test_an_error_inside_an_open_stream(server: Server, event: dict[str, Any], category: str) -> None:
    """A status of 200 was sent long ago; the error object counts."""
    body = b"data: " + json.dumps({"error": event}).encode() + b"\n\n"
    server.reply = (200, {"content-type": "text/event-stream"}, body)

    def stream(url: str) -> Any:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            return list(client.chat.completions.create(model="gpt", messages=[], stream=True))

    async def run() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
            model = OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=client))
            async with Agent(model).run_stream("x") as streamed:
                return await streamed.get_output()

    assert met(server, stream).category == category
    assert met(server, lambda _: asyncio.run(run())).category == category


def test_an_error_inside_an_open_stream_of_anthropic(server: Server) -> None:
    """The SDK gives it the status 200 of the stream."""
    body = b"event: error\ndata: " + anthropic_error("overloaded_error") + b"\n\n"
    server.reply = (200, {"content-type": "text/event-stream"}, body)

    def stream(url: str) -> Any:
        with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as client:
            message: Any = {"role": "user", "content": "x"}
            return list(client.messages.create(model="c", messages=[message], max_tokens=9, stream=True))

    assert met(server, stream).category == "overloaded"


def test_urllib_too(server: Server) -> None:
    """The standard library's client, whose error carries its status as `code`."""
    server.reply = (429, {"retry-after": "3"}, error())

    def call() -> Any:
        with urllib.request.urlopen(server.url, timeout=20) as reply:
            return reply.read()

    with raised(call) as exc:  # type: ignore[attr-defined]  # it holds the open reply
        fault = fault_of(exc, now=NOW)

    assert (fault.category, fault.status, fault.retry_after) == ("rate-limit", 429, 3.0)
