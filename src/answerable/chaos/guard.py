"""Lets no connection leave this machine while a decision meets pretended faults."""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from answerable.chaos.server import FaultServer

_LOOKED_UP = ("socket.getaddrinfo", "socket.gethostbyname")
_SENT_TO = ("socket.connect", "socket.sendto")
_OUTSIDE = (socket.AF_INET, socket.AF_INET6)
_HERE = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # looking them up asks nobody
_NO_NAME = ".invalid"  # reserved for names that do not exist
_guarded: list[FaultServer] = []  # a hook cannot be removed again, so it looks here whether it is wanted
_hooked = False


@contextmanager
def nothing_leaves(server: FaultServer) -> Iterator[None]:
    """Refuse every connection of this process that does not go to `server`, and every look-up of a name.

    Where one was tried is added to `server.tried`, as "HOST:PORT". The code that tried gets a
    ConnectionRefusedError. Holds for Python's sockets, in every thread; a child process or a library that
    opens sockets in C, as a database driver may, is not seen.
    """
    global _hooked
    if not _hooked:
        sys.addaudithook(_watch)
        _hooked = True
    _guarded.append(server)
    try:
        yield
    finally:
        _guarded.remove(server)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _guarded or not event.startswith("socket."):  # first: it sees every event of the process
        return
    if event in _LOOKED_UP:
        host = _name(args[0])
        port = args[1] if len(args) > 1 else None
        if host in _HERE or host.endswith(_NO_NAME) or _is_number(host):
            return  # what is connected to is looked at when it is
    elif event in _SENT_TO and args[0].family in _OUTSIDE and isinstance(args[1], Sequence):
        host, port = _name(args[1][0]), args[1][1]
        if any(server.is_ours(host, port) for server in _guarded):
            return
    else:
        return
    place = f"{host}:{port}" if port not in (None, 0) else host
    for server in _guarded:
        if place not in server.tried:
            server.tried.append(place)
    raise ConnectionRefusedError(f"answerable chaos lets nothing leave this machine: {place}")


def _name(host: Any) -> str:
    if isinstance(host, bytes | bytearray):
        return host.decode("ascii", "replace").lower()
    return str(host or "").lower()


def _is_number(host: str) -> bool:
    """Say whether a host is an address already, which needs no look-up."""
    for family in _OUTSIDE:
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
