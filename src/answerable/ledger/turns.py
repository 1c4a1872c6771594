"""An operating-system lock on a file, held around a transaction so that processes take turns.

SQLite's own busy handler is unfair: of four writing processes the slowest starves. The kernel's queue would
be fair, but waits for ever behind a process that was stopped. So each asks again and again, for a time; and
who found others at work lately lets them ask first.
"""

import os
import random
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

WAIT = 10.0  # seconds
STEP, LONGEST = 0.0002, 0.005  # seconds between two tries, at first and at last
EAGER = 0.25  # seconds of asking at the first pace
CROWDED = 0.05  # seconds for which it is remembered that others were at work
_LOCKS = Path("/proc/locks")


class Turn:
    """A context manager; one thread of one process at a time is inside. Released by the kernel on a crash.

    Entering raises TimeoutError, which is an OSError, after `wait` seconds.
    """

    def __init__(self, path: Path, *, wait: float = WAIT) -> None:
        self._path, self._wait = path, wait
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._threads = threading.Lock()  # the file's lock belongs to the process: it holds back no thread
        self._crowded = 0.0  # until when others are taken to be at work; monotonic seconds

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)

    def __enter__(self) -> None:
        ours = False
        try:
            ours = self._threads.acquire(timeout=self._wait)
            if not ours:
                raise self._late("another thread of this process")
            self._queue()
        except BaseException:
            if ours:
                self._threads.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._unlock()
        finally:
            self._threads.release()

    def _queue(self) -> None:
        """Take the file's lock, or raise TimeoutError."""
        began = time.monotonic()
        if began < self._crowded:
            time.sleep(STEP)  # else the one that just released it would always be the first to ask
        elif self._lock():
            return
        step = STEP
        while not self._lock():
            now = time.monotonic()
            if now - began >= self._wait:
                raise self._late(f"another process{self._holder()}")
            if now - began >= EAGER:
                step = min(step * 1.2, LONGEST)
            self._crowded = now + CROWDED
            time.sleep(step * random.uniform(0.5, 1.5))

    def _late(self, who: str) -> TimeoutError:
        return TimeoutError(f"{who} holds the lock {self._path}, for longer than {self._wait:g} s")

    def _holder(self) -> str:
        """Name the process that holds the file's lock, where the system tells."""
        with suppress(OSError, ValueError, IndexError):
            node = str(os.fstat(self._fd).st_ino)
            for line in _LOCKS.read_text().splitlines():
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == node:
                    return f" (pid {fields[4]})"
        return ""

    if sys.platform == "win32":
        import msvcrt

        def _lock(self) -> bool:
            """Try to take the lock; say whether it is ours."""
            os.lseek(self._fd, 0, os.SEEK_SET)
            try:
                self.msvcrt.locking(self._fd, self.msvcrt.LK_NBLCK, 1)
            except OSError:
                return False
            return True

        def _unlock(self) -> None:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self.msvcrt.locking(self._fd, self.msvcrt.LK_UNLCK, 1)

    else:
        import fcntl

        def _lock(self) -> bool:
            """Try to take the lock; say whether it is ours."""
            try:
                self.fcntl.flock(self._fd, self.fcntl.LOCK_EX | self.fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def _unlock(self) -> None:
            self.fcntl.flock(self._fd, self.fcntl.LOCK_UN)
