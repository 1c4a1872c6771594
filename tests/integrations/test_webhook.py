"""Posting to a webhook: signed as Standard Webhooks says, bounded in time, and silent about its address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from answerable.errors import UsageError
from answerable.integrations.webhook import NotDelivered, post, signature
from webhooks import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = 1_614_265_330_000_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes everything."""
    with receiving() as made:
        yield made


def send(url: str, *, secret: str | None = SECRET, timeout: float = 30.0) -> None:
    post(
        url, b'{"test": 2432232314}', secret=secret, id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=AT, timeout=timeout
    )


def test_the_signature_is_the_one_that_others_compute() -> None:
    """The vector that the libraries of Standard Webhooks test themselves with."""
    made = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", AT // 1_000_000, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_arrives_whole_and_signed(receiver: Receiver) -> None:
    """Body, type, and the three headers."""
    send(f"{receiver.url}/hooks/1?x=1")

    ((path, headers, body),) = receiver.got
    assert (path, body) == ("/hooks/1?x=1", b'{"test": 2432232314}')
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_secret_it_is_not_signed(receiver: Receiver) -> None:
    """The id and the time stay."""
    send(receiver.url, secret=None)

    assert "webhook-signature" not in receiver.got[0][1]
    assert "webhook-id" in receiver.got[0][1]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(receiver: Receiver, status: int) -> None:
    """It could lead the message, and its signature, to another host."""
    with receiving() as other:
        receiver.status, receiver.location = status, f"{other.url}/elsewhere"

        with pytest.raises(NotDelivered, match=f"replied {status}") as caught:
            send(receiver.url)

        assert caught.value.status == status
        assert other.got == []
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_a_reply_that_is_no_success_is_an_error_with_its_status(receiver: Receiver, status: int) -> None:
    """One post, no retry: that is its caller's."""
    receiver.status = status

    with pytest.raises(NotDelivered) as caught:
        send(f"{receiver.url}/T0/very-secret-path?token=very-secret")

    assert caught.value.status == status
    assert "very-secret" not in str(caught.value)
    assert len(receiver.got) == 1


def test_an_address_where_nobody_listens_is_an_error_without_a_status() -> None:
    """It says what the system said, and the host only."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]

        with pytest.raises(
            NotDelivered, match=r"127\.0\.0\.1 cannot be reached: Connection refused"
        ) as caught:
            send(f"http://127.0.0.1:{port}/very-secret")

    assert caught.value.status is None
    assert "very-secret" not in str(caught.value)


def test_a_slow_receiver_is_given_up(receiver: Receiver) -> None:
    """Within the time given for all of it."""
    receiver.wait = 30
    started = time.monotonic()

    with pytest.raises(NotDelivered, match=r"no reply within 0\.1 s|timed out|TimeoutError"):
        send(receiver.url, timeout=0.1)

    assert time.monotonic() - started < 10


def test_a_receiver_that_drips_is_given_up() -> None:
    """A byte now and then keeps a socket's own timeout from ending; the clock on the wall does not care."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1000:
                    if stop.wait(0.02):
                        return
                    connection.sendall(bytes([byte]))

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        started = time.monotonic()

        with pytest.raises(NotDelivered, match="no reply within"):
            send(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.15)

        assert time.monotonic() - started < 10  # all of its drops take twenty
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/very-secret",
        "file:///etc/passwd",
        "https:///very-secret",
        "https://user:very-secret@host/",
        "https://very-secret@host/",
        "https://host/very secret",
        "https://host/very-secret\r\nX-Other: 1",
        "https://host:port/very-secret",
        "very-secret",
        "",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    """No other scheme, no user, no second line in the request."""
    with pytest.raises(UsageError, match="cannot be used") as caught:
        send(url)

    assert "very" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "ümlaut"])
def test_a_secret_of_another_form_is_refused_without_showing_it(receiver: Receiver, secret: str) -> None:
    """Nothing is sent with a signature that nobody could check."""
    with pytest.raises(UsageError, match="not in base64") as caught:
        send(receiver.url, secret=secret)

    assert "not base64!" not in str(caught.value)
    assert receiver.got == []
