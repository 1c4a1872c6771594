"""A webhook's receiving side for tests: a real HTTP server on this machine that keeps what it got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What was received. status: of the replies; wait: seconds before each; location: where it redirects to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []  # path, headers in small letters, body
        self.status, self.wait, self.location = 204, 0.0, ""
        self.ends = threading.Event()  # nobody waits for it any more
        self.url = ""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver for the length of a block."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if kept.ends.wait(kept.wait):
                return
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.ends.set()
        server.shutdown()
        server.server_close()
        thread.join()
