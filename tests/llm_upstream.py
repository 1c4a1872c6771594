"""A loopback server that speaks a provider's interface with scripted replies, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import answerable as ans
from answerable.failures.fault import Faulted

Reply = Any  # a JSON value, bytes, or a function of the request's JSON that gives one of them


@dataclass
class Upstream:
    """One pretended provider. replies: one a request, the last one for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)  # of the client: one a connection
    status: int = 200
    kind: str = "application/json"
    more: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None  # a reply waits for it
    left: threading.Event = field(default_factory=threading.Event)  # the client closed while it waited

    def plays(self, *replies: Reply) -> None:
        """Answer with these replies from now on."""
        self.replies[:] = replies


def chat(text: Any, *, finish: str = "stop", model: str = "tiny-1", **message: Any) -> dict[str, Any]:
    """A chat completion. text: a value is sent as JSON."""
    content = text if text is None or isinstance(text, str) else json.dumps(text)
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 15, "total_tokens": 135},
    }


def uses(*calls: tuple[str, Any]) -> dict[str, Any]:
    """A chat completion that wants tools: (name, arguments)."""
    made = [
        {
            "id": f"t-{place}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for place, (name, given) in enumerate(calls)
    ]
    return chat(None, finish="tool_calls", tool_calls=made)


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Serve until the end of the block."""
    state = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
            place = len(state.requests)
            state.requests.append(given)
            state.headers.append({n.lower(): v for n, v in self.headers.items()})
            state.paths.append(self.path)
            state.ports.append(self.client_address[1])
            if state.hold is not None and not self._waited():
                return
            reply = state.replies[min(place, len(state.replies) - 1)]
            reply = reply(given) if callable(reply) else reply
            body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(state.status)
            for name, value in {"content-type": state.kind, "x-request-id": "req-7", **state.more}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _waited(self) -> bool:
            self.connection.settimeout(0.02)
            while state.hold is not None and not state.hold.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        state.left.set()
                        self.close_connection = True
                        return False
                except TimeoutError:
                    continue
            self.connection.settimeout(None)
            return True

        def log_message(self, *args: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        if state.hold is not None:
            state.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


def case_of(asked: ans.Decision[Any, Any], left: float = 30.0, **more: Any) -> ans.Case[Any]:
    """A case as the chain gives it to a decider. left: seconds. given: the input."""
    given = more.pop("given", {"number": "1", "body": "help"})
    return ans.Case(
        id="r-1",
        decision=asked.name,
        input=asked.input.model_validate(given),
        principal=ans.Principal("service:t"),
        purpose="support",
        key=None,
        clock=time.monotonic,
        deadline=time.monotonic() + left,
        **more,
    )


def answer(asked: ans.Decision[Any, Any], left: float = 30.0, **more: Any) -> ans.Answer[Any]:
    """What the first decider gives for one case, called as the chain calls it: once."""
    made: ans.Answer[Any] = asyncio.run(asked.deciders[0].run(case_of(asked, left, **more)))
    return made


def fault(asked: ans.Decision[Any, Any], left: float = 30.0, **more: Any) -> Faulted:
    """The fault that the first decider raises for one case."""
    with pytest.raises(Faulted) as caught:
        answer(asked, left, **more)
    return caught.value
