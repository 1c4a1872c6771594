"""The real clock and the real ids."""

import os
import threading
import time


class SystemClock:
    """Clock of this machine."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class Uuid7:
    """Makes UUIDv7 ids that grow within the process even when its clock goes back (RFC 9562, method 3).

    Randomness is drawn a page at a time, because a system call a case is too dear. Not for use after a
    fork, like the workspace that holds it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._page, self._at = b"", 0

    def new(self) -> bytes:
        """Return a fresh id, 16 bytes: 48 bits of milliseconds, 12 of their fraction, 62 random."""
        stamp = (time.time_ns() << 12) // 1_000_000
        tail = int.from_bytes(self.random(8)) & (1 << 62) - 1
        with self._lock:
            self._last = stamp = max(stamp, self._last + 1)
        return ((stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | tail).to_bytes(16)

    def random(self, count: int) -> bytes:
        """Return `count` bytes, at most 4096, that were never returned before."""
        with self._lock:
            if self._at + count > len(self._page):
                self._page, self._at = os.urandom(4096), 0
            self._at += count
            return self._page[self._at - count : self._at]
