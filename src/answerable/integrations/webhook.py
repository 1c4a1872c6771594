"""Posts one signed message to a webhook, in the form of Standard Webhooks.

Source: standardwebhooks.com, specification 1.0: headers webhook-id, webhook-timestamp, webhook-signature.
"""

import base64
import binascii
import hashlib
import hmac
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from urllib.parse import urlsplit

from answerable.encoding import MICRO
from answerable.errors import AnswerableError, UsageError

PREFIX = "whsec_"


class NotDelivered(AnswerableError):
    """The webhook did not take the message. status: of HTTP, or None if there was no reply."""

    def __init__(self, what: str, *, next_step: str, status: int | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.status = status


def post(url: str, body: bytes, *, secret: str | None, id: str, at: int, timeout: float = 5.0) -> None:
    """POST the JSON text `body` and return once the other side has taken it.

    secret: as Standard Webhooks writes it ("whsec_" and base64); None: unsigned. id: the same for each try,
    so that the receiver knows a repetition. at: microseconds since 1970. timeout: seconds for all of it. A
    redirection is not followed: it could lead the message to another host. Raises NotDelivered, and
    UsageError for a URL or secret of another form; no error shows more of the URL than its host.
    """
    host = _host(url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "answerable",
        "webhook-id": id,
        "webhook-timestamp": str(at // MICRO),
    }
    if secret is not None:
        headers["webhook-signature"] = signature(secret, id, at // MICRO, body)
    status = _bounded(url, body, headers, timeout, host)
    if not 200 <= status < 300:
        step = (
            "give the address it redirects to" if 300 <= status < 400 else "see what it says in its own log"
        )
        raise NotDelivered(f"the webhook at {host} replied {status}", next_step=step, status=status)


def signature(secret: str, id: str, seconds: int, body: bytes) -> str:
    """Return the value of webhook-signature: "v1," and the HMAC-SHA-256 of "id.seconds.body" in base64."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise UsageError(
            "the webhook's secret is not in base64",
            next_step=f"give {PREFIX!r} and the base64 of 24 to 64 random bytes",
        )
    made = hmac.digest(key, b".".join((id.encode(), str(seconds).encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(made).decode()}"


def _host(url: str) -> str:
    """Return the host of a URL, which errors may show. Raises UsageError for a URL that cannot be used."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    # Control characters and blanks would end up in the request line, or in an error that quotes the URL.
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or not plain:
        raise UsageError(
            "the webhook's URL cannot be used",
            next_step="give https://HOST/PATH in ASCII, without a user or a password",
        )
    return host


def _bounded(url: str, body: bytes, headers: dict[str, str], timeout: float, host: str) -> int:
    """Return the status of the reply, within `timeout` seconds of the clock on the wall.

    A socket's timeout begins anew with each byte, and the look-up of a name has none; so a thread of its own
    does it, which is left behind when the time is over.
    """
    told: Future[int] = Future()

    def run() -> None:
        try:
            told.set_result(_exchange(url, body, headers, timeout))
        except Exception as exc:  # handed to whoever waits
            told.set_exception(exc)

    threading.Thread(target=run, name="answerable-webhook", daemon=True).start()
    said = f"no reply within {timeout:.3g} s"
    try:
        return told.result(timeout)
    except TooLate:
        pass
    except Exception as exc:  # the library raises many kinds, and some of them quote the URL
        reason = getattr(exc, "reason", exc)
        said = (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
    raise NotDelivered(
        f"the webhook at {host} cannot be reached: {said}",
        next_step="check that it runs and that this machine may reach it",
    ) from None


def _exchange(url: str, body: bytes, headers: dict[str, str], timeout: float) -> int:
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """Follows no redirection; the reply itself becomes the result."""

        def redirect_request(self, *_: object) -> None:
            return None

    try:
        with build_opener(Stay).open(Request(url, body, headers, method="POST"), timeout=timeout) as reply:
            return int(reply.status)
    except HTTPError as exc:
        exc.close()
        return exc.code
