"""Foreign exceptions by name, shape and cause; and what a fault's reason says and keeps to itself."""

import asyncio
import gzip
import json
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_ai import Agent, UsageLimits
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
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from answerable.decisions.reading import NotAnAnswer
from answerable.failures.fault import Fault, Faulted
from answerable.failures.table import TABLE
from answerable.failures.translate import fault_of
from wrong_replies import (
    KEY,
    NOW,
    OPENAI,
    PER_DAY,
    Call,
    Server,
    Triage,
    by_httpx2,
    by_openai,
    by_pydantic_openai,
    chat,
    error,
    met,
    raised,
    serving,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def foreign(package: str, name: str, *bases: type, **attributes: Any) -> BaseException:
    """An exception as a package that is not installed here would raise it."""
    made: Any = type(name, bases or (Exception,), {"__module__": f"{package}.errors", **attributes})
    return made("it failed")  # type: ignore[no-any-return]


def bedrock(code: str, status: int, message: str = "no") -> BaseException:
    meta = {"HTTPStatusCode": status, "RequestId": "r1", "HTTPHeaders": {"retry-after": "2"}}
    return foreign(
        "botocore",
        "ClientError",
        response={"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta},
    )


def gemini(code: int, status: str, **more: Any) -> BaseException:
    body = {"error": {"code": code, "status": status, "message": "no", **more}}
    return foreign("google", "APIError", code=code, status=status, details=body, message="no")


@pytest.mark.parametrize(
    ("exc", "category", "billed"),
    [
        pytest.param(TimeoutError(), "timeout", True, id="TimeoutError"),
        pytest.param(TimeoutError("slow"), "timeout", True, id="TimeoutError with a text"),
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
        pytest.param(ValueError("the prompt is too long"), "exception", False, id="words of one's own code"),
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


def test_a_fault_of_a_decider_is_made_fit_for_a_record() -> None:
    """Its texts come from anywhere: one printable line each, masked and cut; numbers are finite or absent."""
    odd: Any = {
        "provider": 5,
        "model": "m\n1" + "x" * 900,
        "code": "\ud800 y",
        "request_id": "r1",
        "suggestion": f"key {KEY}",
        "status": "503",
        "retry_after": float("inf"),
        "reason": f"no\x00 {KEY} " + "x " * 900,
    }
    fault = fault_of(Faulted(Fault(category="refusal", **odd)))

    assert (fault.provider, fault.code, fault.status, fault.retry_after) == (None, None, None, None)
    assert (fault.request_id, fault.suggestion) == ("r1", "key ***")
    assert fault.model is not None and fault.model.startswith("m 1x") and len(fault.model) == 200
    assert fault.reason.startswith("no *** x") and fault.reason.isprintable() and len(fault.reason) == 500
    wait: Any = "5"
    assert fault_of(Faulted(Fault(category="busy", retry_after=wait))).retry_after is None
    assert fault_of(Faulted(Fault(category="busy", retry_after=5))).retry_after == 5


def test_a_key_without_a_shape_is_masked_before_a_text_is_cut(server: Server) -> None:
    """Half of it would be known by nobody; it may stand in the code and the request id as well."""
    key = "qzxkvwmbqzxkvwmbqzxkvwmb"
    body = json.loads(error("x" * 180 + f" {key} is no key", code=key))
    server.reply = (401, {"x-request-id": f"req-{key}"}, json.dumps(body).encode())

    fault = fault_of(raised(lambda: by_openai(server.url)), secrets=[key])

    assert "qzxk" not in repr(fault)
    assert fault.request_id == "req-***" and "*** is" in fault.reason
    assert "qzxk" not in fault_of(ValueError(f"no {key}"), secrets=[key]).reason
    assert fault_of(Faulted(Fault(category="busy", code=key)), secrets=[key]).code == "***"


def test_a_code_is_a_few_words(server: Server) -> None:
    """Random letters, a sentence or a control character are none."""
    for code in ("q7Zx9Lm2Kp4Rt8Vw1Yb3", "The caller may not", "a\x1bb"):
        server.reply = (401, {}, error(code=code, type="auth_error"))
        assert met(server, by_openai).code == "auth_error"


def test_of_a_group_64_members_are_looked_at() -> None:
    """A tree of groups grows without bound; the members come in order, nested ones too."""
    looked: list[int] = []

    class Counted(Exception):
        @property
        def status_code(self) -> int:
            looked.append(1)
            return 503

    group: ExceptionGroup[Exception] = ExceptionGroup("g", [Counted()] * 20)
    for _ in range(3):
        group = ExceptionGroup("g", [group] * 20)

    assert fault_of(group).category == "unavailable"
    assert 0 < len(looked) < 1000


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exception_cannot_end_the_process(end: type[BaseException]) -> None:
    """Whatever its properties and its text raise, a fault is all that comes of it."""

    class Ending(Exception):
        @property
        def body(self) -> Any:
            raise end

        def __str__(self) -> str:
            raise end

    class Letters(str):
        def lower(self) -> str:
            raise end

        __getitem__ = replace = lower  # type: ignore[assignment]

    assert fault_of(Ending()).reason == "Ending"
    assert fault_of(foreign("openai", "APIError", message=Letters("odd"))).category == "server-error"


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
            return dict[str, str]()["cached"]

    assert fault_of(raised(call)).category == "exception"


def test_json_of_one_s_own_is_a_bug() -> None:
    """Only what a client could not read is a garbled reply."""
    assert fault_of(raised(lambda: json.loads("{"))).category == "exception"


def test_what_a_called_model_wrote_and_nobody_can_read_is_invalid() -> None:
    """It was generated, paid for, and may come out better; without a provider it is a bug."""

    def wrapping() -> Any:
        try:
            return json.loads("so be it")
        except ValueError as exc:
            raise RuntimeError("no JSON") from exc

    for call in (
        lambda: json.loads("so be it"),
        lambda: Triage.model_validate_json("so be it"),
        lambda: Triage.model_validate({"intent": "Ann Smith"}),
        wrapping,
    ):
        fault = fault_of(raised(call), provider="acme", model="m1")

        assert (fault.category, fault.billed, fault.provider, fault.model) == ("invalid", True, "acme", "m1")
        assert "so be it" not in fault.reason and "Ann" not in fault.reason
        assert fault_of(raised(call)).category == "exception"
    assert fault_of(raised(wrapping), provider="acme").reply == "so be it"
    assert fault_of(KeyError("team"), provider="acme").category == "exception"


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
    server.reply = (
        401,
        {},
        error(f"Incorrect API key provided: {KEY}. " + "x" * 900, code="invalid_api_key"),
    )

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

    for body in (
        chat("Ann has cancer"),
        chat('{"intent": "Ann"}'),
        chat("Ann").replace(b'"assistant"', b'"Ann"'),
    ):
        server.reply = (200, {}, body)
        assert "Ann" not in repr(met(server, by_pydantic_openai))
    server.reply = (200, {}, chat('{"intent": "Ann"}'))
    assert "Ann" not in repr(met(server, parse))


def test_the_reason_of_a_bug_is_its_type_and_text() -> None:
    """Masked, in one line; a validation error by path and rule, for its text holds the value."""
    exc = raised(lambda: Triage.model_validate({"intent": "Ann Smith"}))

    assert fault_of(ValueError(f"no\nkey {KEY}")).reason == "ValueError: no key ***"
    assert fault_of(ValueError()).reason == "ValueError"
    assert fault_of(TimeoutError("none within 3 s")).reason == "TimeoutError: none within 3 s"
    assert fault_of(TimeoutError()).reason == "TimeoutError: it did not answer in time"
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
        if name.startswith("_"):  # so that hypothesis can print it
            raise AttributeError(name)
        raise RuntimeError("no")

    def __repr__(self) -> str:
        return "Prickly()"

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


@settings(deadline=None, max_examples=150)
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
def test_nothing_an_exception_carries_makes_it_raise(
    package: str, name: str, attributes: dict[str, Any]
) -> None:
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
    code = (
        "import sys, answerable.failures.translate as t; t.fault_of(ValueError('x'));"
        "print([m for m in ('openai','anthropic','httpx2','requests','pydantic_ai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)

    assert done.stdout.strip() == "[]", done.stderr
