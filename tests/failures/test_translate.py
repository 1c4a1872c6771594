"""Foreign exceptions become faults: real SDKs and clients against a real server that answers wrongly."""

import asyncio
import gzip
import json
import socket
import ssl
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import anthropic
import httpx2
import openai
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_ai import Agent, NativeOutput, UsageLimits
from pydantic_ai.exceptions import (
    ConcurrencyLimitExceeded,
    ContentFilterError,
    FallbackExceptionGroup,
    IncompleteToolCall,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestTimeout,
    ModelRetry,
    ModelTimeoutError,
    OutputTokenLimitExceeded,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from answerable.decisions.reading import NotAnAnswer
from answerable.failures.fault import Fault, Faulted
from answerable.failures.table import TABLE
from answerable.failures.translate import fault_of

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = "sk-" + "test-0123456789abcdef"


class Triage(BaseModel):
    intent: Literal["refund", "bug"]


class Server(ThreadingHTTPServer):
    """Answers every request with what `reply` holds: status, headers, body; or breaks off, or stalls."""

    daemon_threads = True
    reply: tuple[int, dict[str, str], bytes] | Literal["reset", "cut", "stall"] = "stall"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.close_connection = True
        reply = self.server.reply
        if reply == "stall":
            time.sleep(0.25)
        elif reply == "reset":
            pass
        elif reply == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        else:
            status, headers, body = reply
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def by_openai(url: str) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=0.1) as client:
        return client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])


def by_anthropic(url: str) -> Any:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=0.1) as client:
        message: Any = {"role": "user", "content": "x"}
        return client.messages.create(model="claude", messages=[message], max_tokens=9)


def by_pydantic_openai(url: str) -> Any:
    async def call() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=0.1) as client:
            model = OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=client))
            return await Agent(model, output_type=NativeOutput(Triage), retries=0).run("x")

    return asyncio.run(call())


def by_pydantic_anthropic(url: str) -> Any:
    async def call() -> Any:
        async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, timeout=0.1) as client:
            model = AnthropicModel("claude", provider=AnthropicProvider(anthropic_client=client))
            return await Agent(model, output_type=Triage, retries=0).run("x")

    return asyncio.run(call())


def by_httpx2(url: str) -> Any:
    return httpx2.post(url, json={}, timeout=0.1).raise_for_status().json()


def by_requests(url: str) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(url, json={}, timeout=0.1)
    reply.raise_for_status()
    return reply.json()


OPENAI = [by_openai, by_pydantic_openai]
ANTHROPIC = [by_anthropic, by_pydantic_anthropic]
SDKS = [*OPENAI, *ANTHROPIC]
CLIENTS = [by_httpx2, by_requests]
Call = Callable[[str], Any]


def raised(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


def met(server: Server, call: Call) -> Fault:
    return fault_of(raised(lambda: call(server.url)), provider="acme", model="m1", now=NOW)


def error(message: str = "no", **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


def anthropic_error(kind: str, message: str = "no", **more: Any) -> bytes:
    inner = {"type": kind, "message": message, **more}
    return json.dumps({"type": "error", "error": inner, "request_id": "req_1"}).encode()


def chat(content: str | None, finish: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice]}).encode()


def claude(stop: str) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": usage}
    return json.dumps({**message, "stop_reason": stop}).encode()


def google(status: str, message: str = "no", *details: dict[str, Any], code: int = 429) -> bytes:
    inner = {"code": code, "message": message, "status": status, "details": list(details)}
    return json.dumps([{"error": inner}]).encode()


PER_DAY = {"@type": "QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
PER_MINUTE = {"@type": "QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}]}
DELAY = {"@type": "RetryInfo", "retryDelay": "14s"}
HTML = b"<html><body>Request too large</body></html>"

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
    pytest.param(OPENAI, 429, google("RESOURCE_EXHAUSTED", "no", PER_DAY, DELAY), "quota", id="gemini per day"),
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
        [by_openai],
        400,
        error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
        "content-filter",
        id="azure filter",
    ),
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
    [*((c, "x-request-id") for c in OPENAI), *((c, "request-id") for c in ANTHROPIC), (by_httpx2, "request-id")],
)
def test_the_request_id_is_kept(server: Server, call: Call, header: str) -> None:
    """By it the provider finds the call."""
    server.reply = (500, {header: "req_42"}, error())

    assert met(server, call).request_id == "req_42"


def test_the_provider_s_code_is_kept(server: Server) -> None:
    """The most telling of its words: not the status, not the type."""
    server.reply = (429, {}, anthropic_error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}))
    assert met(server, by_pydantic_anthropic).code == "enforced_spend_limit_reached"

    server.reply = (429, {}, error(code="insufficient_quota", type="x"))
    assert met(server, by_openai).code == "insufficient_quota"


def test_a_model_the_provider_offers_instead_is_kept(server: Server) -> None:
    """pydantic-ai finds a near name for a misspelt one."""

    async def call(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            model = OpenAIChatModel("gpt-4oo", provider=OpenAIProvider(openai_client=client))
            return await Agent(model).run("x")

    server.reply = (404, {}, error(code="model_not_found"))

    fault = fault_of(raised(lambda: asyncio.run(call(server.url))))

    assert fault.category == "not-found"
    assert fault.suggestion is not None and fault.suggestion.startswith("gpt-4")
    assert fault.model == "gpt-4oo"


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
@pytest.mark.parametrize(
    ("reply", "category", "billed"),
    [("reset", "reset", True), ("cut", "reset", True), ("stall", "timeout", True)],
)
def test_the_way_back_breaks(
    server: Server, call: Call, reply: Literal["reset", "cut", "stall"], category: str, billed: bool
) -> None:
    """The request was sent, so the provider may have answered and charged."""
    server.reply = reply

    fault = met(server, call)

    assert (fault.category, fault.billed, fault.status) == (category, billed, None)


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
        timeout = httpx2.Timeout(2, pool=0.05)
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
        with urllib.request.urlopen(server.url, timeout=1) as reply:
            return reply.read()

    with raised(call) as exc:  # type: ignore[attr-defined]
        fault = fault_of(exc, now=NOW)

    assert (fault.category, fault.status, fault.retry_after) == ("rate-limit", 429, 3.0)


def foreign(package: str, name: str, *bases: type, **attributes: Any) -> BaseException:
    """An exception as a package that is not installed here would raise it."""
    made: Any = type(name, bases or (Exception,), {"__module__": f"{package}.errors", **attributes})
    return made("it failed")  # type: ignore[no-any-return]


def bedrock(code: str, status: int, message: str = "no") -> BaseException:
    meta = {"HTTPStatusCode": status, "RequestId": "r1", "HTTPHeaders": {"retry-after": "2"}}
    return foreign("botocore", "ClientError", response={"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta})


def gemini(code: int, status: str, **more: Any) -> BaseException:
    body = {"error": {"code": code, "status": status, "message": "no", **more}}
    return foreign("google", "APIError", code=code, status=status, details=body, message="no")


@pytest.mark.parametrize(
    ("exc", "category", "billed"),
    [
        pytest.param(TimeoutError(), "timeout", True, id="TimeoutError"),
        pytest.param(asyncio.TimeoutError("slow"), "timeout", True, id="asyncio.TimeoutError"),
        pytest.param(ConnectionRefusedError(111, "refused"), "connect", False, id="refused"),
        pytest.param(socket.gaierror(-2, "Name or service not known"), "connect", False, id="DNS"),
        pytest.param(ssl.SSLError("bad certificate"), "connect", False, id="TLS"),
        pytest.param(ssl.SSLCertVerificationError("expired"), "connect", False, id="TLS certificate"),
        pytest.param(OSError(113, "No route to host"), "connect", False, id="no route"),
        pytest.param(ConnectionResetError(104, "reset"), "reset", True, id="reset"),
        pytest.param(BrokenPipeError(32, "pipe"), "reset", True, id="broken pipe"),
        pytest.param(ConnectionError("?"), "reset", True, id="ConnectionError, nothing known"),
        pytest.param(urllib.error.URLError(socket.gaierror(-2, "?")), "connect", False, id="URLError"),
        pytest.param(httpx2.PoolTimeout("full"), "pool", False, id="httpx2 pool"),
        pytest.param(httpx2.ConnectTimeout("slow"), "connect", False, id="httpx2 connect timeout"),
        pytest.param(foreign("httpx", "ReadTimeout"), "timeout", True, id="httpx read timeout"),
        pytest.param(foreign("httpx", "DecodingError"), "garbled", True, id="httpx decoding"),
        pytest.param(foreign("httpcore", "RemoteProtocolError"), "reset", True, id="httpcore"),
        pytest.param(foreign("aiohttp", "ServerDisconnectedError"), "reset", True, id="aiohttp"),
        pytest.param(foreign("aiohttp", "ClientResponseError", status=503), "unavailable", False, id="aiohttp 503"),
        pytest.param(UsageLimitExceeded("over"), "budget", True, id="UsageLimitExceeded"),
        pytest.param(ConcurrencyLimitExceeded("over"), "busy", False, id="ConcurrencyLimitExceeded"),
        pytest.param(ContentFilterError("no"), "content-filter", True, id="ContentFilterError"),
        pytest.param(OutputTokenLimitExceeded("cut"), "truncated", True, id="OutputTokenLimitExceeded"),
        pytest.param(IncompleteToolCall("cut"), "truncated", True, id="IncompleteToolCall"),
        pytest.param(UnexpectedModelBehavior("odd"), "invalid", True, id="UnexpectedModelBehavior"),
        pytest.param(UnexpectedModelBehavior("Streamed response ended without content or tool calls"), "empty", True, id="empty stream"),
        pytest.param(ModelRetry("again"), "invalid", True, id="ModelRetry"),
        pytest.param(ModelRequestTimeout("m", 1.0), "timeout", True, id="ModelRequestTimeout"),
        pytest.param(RunTimedOut("m"), "timeout", True, id="RunTimedOut"),
        pytest.param(ModelTimeoutError("m", "slow"), "timeout", True, id="ModelTimeoutError"),
        pytest.param(ModelTimeoutError("m", "slow", phase="read"), "timeout", True, id="reading"),
        pytest.param(ModelTimeoutError("m", "slow", phase="connect"), "connect", False, id="connecting"),
        pytest.param(ModelTimeoutError("m", "slow", phase="pool"), "pool", False, id="waiting in the pool"),
        pytest.param(ModelConnectionError("m", "gone"), "reset", True, id="somewhere"),
        pytest.param(ModelConnectionError("m", "gone", phase="write"), "reset", True, id="writing"),
        pytest.param(ModelHTTPError(429, "m", {"error": {"code": "1113"}}), "rate-limit", False, id="bare 429"),
        pytest.param(
            ModelHTTPError.for_category(ModelQuotaExceededError, status_code=429, model_name="m", body={"code": "1113"}),
            "quota", False, id="a code only pydantic-ai knows",
        ),
        pytest.param(ModelAPIError("m", "?"), "server-error", False, id="ModelAPIError"),
        pytest.param(ModelAPIError("m", "?", provider_error_code="rate_limit_error", in_stream=True), "rate-limit", True, id="in a stream"),
        pytest.param(bedrock("ThrottlingException", 429), "rate-limit", False, id="bedrock throttling"),
        pytest.param(bedrock("ServiceQuotaExceededException", 400), "quota", False, id="bedrock quota"),
        pytest.param(bedrock("ModelNotReadyException", 429), "unavailable", False, id="bedrock not ready"),
        pytest.param(bedrock("ValidationException", 400, "Input is too long"), "context-overflow", False, id="bedrock context"),
        pytest.param(bedrock("AccessDeniedException", 403), "auth", False, id="bedrock access"),
        pytest.param(foreign("botocore", "NoCredentialsError"), "auth", False, id="bedrock no key"),
        pytest.param(foreign("botocore", "ReadTimeoutError"), "timeout", True, id="bedrock timeout"),
        pytest.param(gemini(429, "RESOURCE_EXHAUSTED", details=[PER_DAY]), "quota", False, id="gemini per day"),
        pytest.param(gemini(429, "RESOURCE_EXHAUSTED"), "rate-limit", False, id="gemini 429"),
        pytest.param(gemini(400, "INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]), "auth", False, id="gemini key"),
        pytest.param(gemini(503, "UNAVAILABLE"), "unavailable", False, id="gemini 503"),
        pytest.param(gemini(500, "INTERNAL"), "server-error", False, id="gemini 500"),
        pytest.param(foreign("litellm", "Timeout", openai.APITimeoutError, status_code=408, __init__=Exception.__init__), "timeout", True, id="litellm timeout"),
        pytest.param(foreign("litellm", "ContextWindowExceededError", status_code=400), "context-overflow", False, id="litellm context"),
        pytest.param(foreign("litellm", "ContentPolicyViolationError", status_code=400), "content-filter", False, id="litellm filter"),
        pytest.param(foreign("litellm", "APIConnectionError", status_code=500), "reset", True, id="litellm connection"),
        pytest.param(foreign("litellm", "RateLimitError", status_code=429), "rate-limit", False, id="litellm 429"),
        pytest.param(foreign("mylib", "TheirError", status_code=503), "unavailable", False, id="any status_code"),
        pytest.param(ValueError("odd"), "exception", False, id="ValueError"),
        pytest.param(KeyError("intent"), "exception", False, id="KeyError"),
        pytest.param(IndexError("mine"), "exception", False, id="an IndexError of one's own code"),
        pytest.param(FileNotFoundError(2, "no file"), "exception", False, id="a file"),
        pytest.param(foreign("mylib", "Odd", code=503, status=404), "exception", False, id="numbers of another meaning"),
        pytest.param(KeyboardInterrupt(), "exception", False, id="KeyboardInterrupt"),
    ],
)  # fmt: skip
def test_an_exception_by_its_name_and_shape(exc: BaseException, category: str, billed: bool) -> None:
    """Packages need not be installed: names and attributes are enough."""
    fault = fault_of(exc, now=NOW)

    assert (fault.category, fault.billed) == (category, billed)
    assert category in TABLE


def test_a_missing_key_is_a_matter_of_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client can be made without one; that is for an operator, not a bug of the decider."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    for make in (openai.OpenAI, lambda: OpenAIChatModel("gpt-5")):
        assert fault_of(raised(make)).category == "auth"


def test_a_usage_limit_of_pydantic_ai_is_a_budget(server: Server) -> None:
    """The run is stopped by our own limit."""

    async def call() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
            model = OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=client))
            return await Agent(model).run("x", usage_limits=UsageLimits(request_limit=0))

    assert fault_of(raised(lambda: asyncio.run(call()))).category == "budget"


def test_a_fault_is_given_back_as_it_is() -> None:
    """A decider that says what it met is not second-guessed."""
    fault = Fault(category="refusal", reply="no")

    assert fault_of(Faulted(fault), provider="other") is fault


@pytest.mark.parametrize("category", ["invalid", "wrong-type"])
def test_what_was_returned_and_is_no_answer(category: str) -> None:
    """Reading says which; who called a provider for it may have paid."""
    fault = fault_of(NotAnAnswer(category, "triage returned a list"))

    assert (fault.category, fault.reason, fault.billed) == (category, "triage returned a list", False)
    assert fault_of(NotAnAnswer(category, "x"), provider="acme").billed


def test_a_wrapper_of_one_s_own_is_looked_through(server: Server) -> None:
    """`raise MyError from exc` says itself what the cause is."""
    server.reply = (429, {"retry-after": "1"}, error())

    def call() -> Any:
        try:
            return by_openai(server.url)
        except openai.APIError as exc:
            raise RuntimeError("the model failed") from exc

    fault = fault_of(raised(call), now=NOW)

    assert (fault.category, fault.retry_after) == ("rate-limit", 1.0)


def test_a_bug_while_handling_a_fault_is_a_bug(server: Server) -> None:
    """What merely happened before is no cause."""
    server.reply = (429, {}, error())

    def call() -> Any:
        try:
            return by_openai(server.url)
        except openai.APIError:
            return {}["cached"]

    assert fault_of(raised(call)).category == "exception"


def test_json_of_one_s_own_is_a_bug() -> None:
    """Only what a client could not read is a garbled reply."""
    assert fault_of(raised(lambda: json.loads("{"))).category == "exception"


def test_of_several_faults_the_strictest_holds() -> None:
    """A group asks fewest afterwards, and may be charged if any was; of equals the last counts."""
    refused, slow = ContentFilterError("no"), TimeoutError()
    limited, gone = ModelHTTPError(429, "m"), ModelHTTPError(503, "m")

    assert fault_of(FallbackExceptionGroup("all", [refused, slow])).category == "content-filter"
    assert fault_of(ExceptionGroup("all", [limited, gone])).category == "unavailable"
    assert fault_of(ExceptionGroup("all", [slow, gone])).billed


def test_the_reason_says_who_and_what_in_one_line(server: Server) -> None:
    """Provider, model, our word for it, status, its code, its message."""
    server.reply = (429, {}, error("Slow\ndown,\x1b[31m please", code="rate_limit_exceeded"))

    assert met(server, by_openai).reason == (
        "acme m1: the provider's rate limit is reached (HTTP 429, rate_limit_exceeded): Slow down, [31m please"
    )


@pytest.mark.parametrize("call", OPENAI)
def test_a_key_in_the_provider_s_message_is_masked(server: Server, call: Call) -> None:
    """Providers repeat the key they refuse; the message is cut besides."""
    server.reply = (401, {}, error(f"Incorrect API key provided: {KEY}. " + "x" * 900, code="invalid_api_key"))

    fault = met(server, call)

    assert KEY not in repr(fault) and "***" in fault.reason
    assert len(fault.reason) < 400


def test_the_model_s_own_words_stay_out_of_the_reason(server: Server) -> None:
    """An answer that does not fit may quote the input, which may be personal."""

    def parse(url: str) -> Any:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            return client.chat.completions.parse(
                model="gpt", messages=[{"role": "user", "content": "x"}], response_format=Triage
            )

    for body in (chat("Ann has cancer"), chat('{"intent": "Ann"}'), chat("Ann").replace(b'"assistant"', b'"Ann"')):
        server.reply = (200, {}, body)
        assert "Ann" not in repr(met(server, by_pydantic_openai))
    server.reply = (200, {}, chat('{"intent": "Ann"}'))
    assert "Ann" not in repr(met(server, parse))


def test_the_reason_of_a_bug_is_its_type_and_text() -> None:
    """Masked, in one line; a validation error by path and rule, for its text holds the value."""
    exc = raised(lambda: Triage.model_validate({"intent": "Ann Smith"}))

    assert fault_of(ValueError(f"no\nkey {KEY}")).reason == "ValueError: no key ***"
    assert fault_of(ValueError()).reason == "ValueError"
    assert isinstance(exc, ValidationError)
    assert fault_of(exc).reason == "ValidationError: intent: literal_error"


def test_a_bug_after_a_paid_call_counts_as_charged() -> None:
    """Whether the provider was reached nobody knows; a budget must not be told too little."""
    assert fault_of(KeyError("x"), provider="acme").billed
    assert not fault_of(KeyError("x")).billed


class Hostile(Exception):
    """Everything about it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_it_never_raises() -> None:
    """An exception whose attributes and text raise, and chains that run in a circle."""
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one

    assert (fault_of(Hostile()).category, fault_of(Hostile()).reason) == ("exception", "Hostile")
    assert fault_of(Hostile(), provider="acme").billed
    assert fault_of(one).category == "exception"
    assert fault_of(ExceptionGroup("g", [ExceptionGroup("g", [Hostile()])])).category == "exception"


class Prickly:
    """A value that cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20)
    | st.sampled_from([429, 503, "429", '{"error": {"code": 1}}', "[]", '[[[', Prickly(), object(), int]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "code", "type", "details", "message", "metadata", "innererror", "violations", "retry-after",
             "ResponseMetadata", "Error", "HTTPHeaders", "reasons", "retryDelay", "reason", "quotaId"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    package=st.sampled_from(["openai", "anthropic", "pydantic_ai", "google", "botocore", "requests", "mine"]),
    name=st.sampled_from(["APIError", "ModelHTTPError", "ClientError", "UnexpectedModelBehavior", "Odd"]),
    attributes=st.dictionaries(
        st.sampled_from(
            ["status_code", "response", "body", "headers", "code", "type", "request_id", "retry_after", "phase",
             "provider_error_code", "suggested_model_id", "reason", "details", "message", "status", "in_stream",
             "model_name", "errors", "args"]
        ),
        ANYTHING,
    ),
)  # fmt: skip
def test_nothing_an_exception_carries_makes_it_raise(package: str, name: str, attributes: dict[str, Any]) -> None:
    """Whatever its attributes hold, there is a category with a row, and one short printable line."""
    made = type(name, (Exception,), {"__module__": package, **attributes})

    fault = fault_of(made("text"), now=NOW)

    assert fault.category in TABLE
    assert fault.reason.isprintable() and len(fault.reason) < 700
    assert fault.retry_after is None or fault.retry_after >= 0


def test_bytes_that_are_no_gzip_are_told_from_those_that_are(server: Server) -> None:
    """The server of these tests can send a good compressed reply, so a garbled one is the data's fault."""
    server.reply = (200, {"content-encoding": "gzip"}, gzip.compress(b"{}"))

    assert by_httpx2(server.url) == {}


def test_no_vendor_is_imported() -> None:
    """The door must cost nothing in a process that calls no model."""
    import subprocess
    import sys

    code = (
        "import sys, answerable.failures.translate as t; t.fault_of(ValueError('x'));"
        "print([m for m in ('openai','anthropic','httpx2','requests','pydantic_ai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "[]", done.stderr or traceback.format_exc()
