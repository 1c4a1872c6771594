"""A server that answers wrongly, real SDKs and clients that call it, and the bodies providers send."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import anthropic
import httpx2
import openai
import requests
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from answerable.failures.fault import Fault
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
            time.sleep(1.0)
        elif reply == "reset":
            pass
        elif reply == "cut":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
            )
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


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server in a thread for as long as the block lasts."""
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


# A slow machine must not make a timeout of what is none; only the test that stalls reads for less.
READ = 20.0


def patience(read: float) -> httpx2.Timeout:
    return httpx2.Timeout(READ, read=read)


def by_openai(url: str, read: float = READ) -> Any:
    base = f"{url}/v1"
    with openai.OpenAI(base_url=base, api_key=KEY, max_retries=0, timeout=patience(read)) as client:
        return client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])


def by_anthropic(url: str, read: float = READ) -> Any:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=patience(read)) as client:
        message: Any = {"role": "user", "content": "x"}
        return client.messages.create(model="claude", messages=[message], max_tokens=9)


def by_pydantic_openai(url: str, read: float = READ) -> Any:
    async def call() -> Any:
        base = f"{url}/v1"
        async with openai.AsyncOpenAI(
            base_url=base, api_key=KEY, max_retries=0, timeout=patience(read)
        ) as client:
            model = OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=client))
            return await Agent(model, output_type=NativeOutput(Triage), retries=0).run("x")

    return asyncio.run(call())


def by_pydantic_anthropic(url: str, read: float = READ) -> Any:
    async def call() -> Any:
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key=KEY, max_retries=0, timeout=patience(read)
        ) as client:
            model = AnthropicModel("claude", provider=AnthropicProvider(anthropic_client=client))
            return await Agent(model, output_type=Triage, retries=0).run("x")

    return asyncio.run(call())


def by_httpx2(url: str, read: float = READ) -> Any:
    return httpx2.post(url, json={}, timeout=patience(read)).raise_for_status().json()


def by_requests(url: str, read: float = READ) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(url, json={}, timeout=(READ, read))
    reply.raise_for_status()
    return reply.json()


OPENAI = [by_openai, by_pydantic_openai]
ANTHROPIC = [by_anthropic, by_pydantic_anthropic]
SDKS = [*OPENAI, *ANTHROPIC]
CLIENTS = [by_httpx2, by_requests]
Call = Callable[..., Any]


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
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **message},
    }
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice]}
    ).encode()


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
