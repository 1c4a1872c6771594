"""A server that misbehaves on purpose: pretended providers on this machine, each with a script of replies.

It speaks HTTP/1.1 by itself, because no server library lets one break it.
"""

import asyncio
import json
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from answerable.chaos.dialects import body_of, dialect_of
from answerable.chaos.replies import SOUND, Reply

HOST = "127.0.0.1"
_MOST_BYTES = 32 * 1024 * 1024  # of a request
_DRIP_S = 1.0  # between two bytes


@dataclass(kw_only=True, slots=True)
class Call:
    """One request that arrived. at: time.monotonic(). body: its JSON, or None.

    left_after: seconds until the caller closed the connection before it had the whole reply; None: it waited.
    """

    at: float
    path: str
    headers: Mapping[str, str]
    body: Any = None
    left_after: float | None = None


class Upstream:
    """One pretended provider: what it replies, and who called. Without a script it answers soundly."""

    def __init__(self, name: str, origin: str) -> None:
        self.name = name
        self.origin = f"{origin}/{name}"  # what Anthropic's clients call a base URL
        self.url = f"{self.origin}/v1"  # what OpenAI's clients call a base URL
        self.calls: list[Call] = []
        self.busy = self.most_busy = 0  # requests under way, now and at most
        self._script: tuple[Reply, ...] = (SOUND,)
        self._from = 0

    def play(self, *replies: Reply) -> None:
        """Answer the next calls with these replies, in order; the last one goes on for ever."""
        self._script, self._from = replies or (SOUND,), len(self.calls)

    def forget(self) -> None:
        """Forget all calls and answer soundly."""
        self.calls = []
        self.play()

    @property
    def hits(self) -> int:
        """How many requests arrived."""
        return len(self.calls)

    @property
    def waits(self) -> list[float]:
        """Seconds between each request and the next."""
        return [later.at - call.at for call, later in pairwise(self.calls)]

    def next_reply(self, call: Call) -> Reply:
        """Count a call and return what it gets."""
        place = len(self.calls) - self._from
        self.calls.append(call)
        return self._script[min(place, len(self._script) - 1)]


class FaultServer:
    """Pretended providers under one port, in a thread of their own; use it in a `with` block.

    values: what an answer holds where the request gives no JSON schema for it. tried: "HOST:PORT" of
    connections to other places, which were refused; see `guard`.
    """

    def __init__(self, *, values: Any = None) -> None:
        self.values = values
        self.upstreams: dict[str, Upstream] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="answerable-chaos", daemon=True)
        self._ready: Future[int] = Future()
        self._tls: asyncio.Server | None = None
        self._ports: set[int] = set()
        self._taken: list[socket.socket] = []
        self.tried: list[str] = []
        self.port = 0

    def __enter__(self) -> "FaultServer":
        self._thread.start()
        self.port = self._ready.result(timeout=10)
        self._ports.add(self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)
        for taken in self._taken:
            taken.close()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{HOST}:{self.port}"

    def upstream(self, name: str) -> Upstream:
        """Return the provider called `name`; a new one answers soundly."""
        if name not in self.upstreams:
            self.upstreams[name] = Upstream(name, self.origin)
        return self.upstreams[name]

    def expired_tls(self, name: str) -> str:
        """Return a URL of this provider whose certificate is out of date."""
        made = asyncio.run_coroutine_threadsafe(self._serve_tls(), self._loop).result(timeout=20)
        self._ports.add(made)
        return f"https://{HOST}:{made}/{name}/v1"

    def refusing(self) -> str:
        """Return a URL of its own on which nobody listens: connections are refused."""
        taken = socket.socket()  # kept until the end: nobody else gets the port and listens on it
        self._taken.append(taken)
        taken.bind((HOST, 0))
        port = int(taken.getsockname()[1])
        self._ports.add(port)
        return f"http://{HOST}:{port}/v1"

    def is_ours(self, host: str, port: int) -> bool:
        """Say whether an address is one of this server's."""
        return host in (HOST, "localhost") and port in self._ports

    # -- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as exc:  # told to whoever waits for the start
            if not self._ready.done():
                self._ready.set_exception(exc)
        finally:
            for task in (left := asyncio.all_tasks(self._loop)):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, HOST, 0, backlog=512)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        for listening in filter(None, (server, self._tls)):
            listening.close()

    async def _serve_tls(self) -> int:
        if self._tls is None:
            self._tls = await asyncio.start_server(self._connection, HOST, 0, ssl=_expired())
        return int(self._tls.sockets[0].getsockname()[1])

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled is what remains open at the end, and nobody is there to be told.
        with suppress(ConnectionError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        with suppress(Exception):  # it may be broken already, which is what it is for
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; say whether the connection may go on."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {n.strip().lower(): v.strip() for n, _, v in (r.partition(":") for r in rest if r)}
        length = min(int(headers.get("content-length") or 0), _MOST_BYTES)
        sent = await reader.readexactly(length)
        path = line.split(" ")[1].partition("?")[0]
        call = Call(at=time.monotonic(), path=path, headers=headers, body=_json(sent))
        upstream = self.upstream(path.split("/")[1])
        dialect = dialect_of(path) or "models"
        if dialect == "models":  # a look at the list is no call of a model
            return await _send(Reply(), body_of(Reply(), dialect, None, None), call, reader, writer)
        reply = upstream.next_reply(call)
        with _counted(upstream):
            body = body_of(reply, dialect, call.body, self.values)
            return await _send(reply, body, call, reader, writer)


@contextmanager
def _counted(upstream: Upstream) -> Iterator[None]:
    upstream.busy += 1
    upstream.most_busy = max(upstream.most_busy, upstream.busy)
    try:
        yield
    finally:
        upstream.busy -= 1


async def _send(
    reply: Reply, body: bytes, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    if reply.delay and await _left(call, reader, reply.delay):
        return False
    if reply.wire == "hang":
        await _left(call, reader, None)
        return False
    if reply.wire == "reset":
        _reset(writer)
        return False
    writer.write(_head(reply, len(body)))
    if reply.wire == "stall":
        await writer.drain()
        await _left(call, reader, None)
        return False
    if reply.wire == "cut":
        writer.write(body[: len(body) // 2])
        await writer.drain()
        await asyncio.sleep(0.02)  # so that half a body has arrived when it breaks
        _reset(writer)
        return False
    if reply.wire == "drip":
        for place in range(len(body)):
            writer.write(body[place : place + 1])
            await writer.drain()
            if await _left(call, reader, _DRIP_S):
                return False
        return True
    writer.write(body)
    await writer.drain()
    return True


async def _left(call: Call, reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Wait; return early, and note it, where the caller closes the connection."""
    gone = False
    with suppress(TimeoutError):
        try:
            gone = await asyncio.wait_for(reader.read(1), seconds) == b""
        except ConnectionError:
            gone = True
    if gone:
        call.left_after = time.monotonic() - call.at
    return gone


def _head(reply: Reply, length: int) -> bytes:
    headers = {"content-type": reply.kind, "content-length": str(length), "x-request-id": "req_chaos"}
    if reply.wire == "bad-gzip":
        headers["content-encoding"] = "gzip"
    if reply.until is not None:
        # A date has no fractions: rounded up, so that a wait until then is never shorter than was asked.
        when = datetime.now(UTC) + timedelta(seconds=reply.until + 0.999)
        headers["retry-after"] = format_datetime(when, usegmt=True)
    headers |= reply.headers
    try:
        reason = HTTPStatus(reply.status).phrase
    except ValueError:  # such as 529, which is Anthropic's own
        reason = "Overloaded"
    lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{n}: {v}" for n, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off (RST) instead of closing it."""
    made = writer.get_extra_info("socket")
    if made is not None:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _json(sent: bytes) -> Any:
    try:
        return json.loads(sent) if sent else None
    except ValueError:
        return None


def _expired() -> ssl.SSLContext:
    """Return a TLS context whose certificate ended long ago."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expired.pem"
        path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context
