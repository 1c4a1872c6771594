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
    """Makes UUIDv7 ids that grow within the process even when its clock goes back (RFC 9562, method 3)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> bytes:
        """Return a fresh id, 16 bytes: 48 bits of milliseconds, 12 of their fraction, 62 random."""
        stamp = (time.time_ns() << 12) // 1_000_000
        with self._lock:
            self._last = stamp = max(stamp, self._last + 1)
        tail = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
        return ((stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | tail).to_bytes(16)
