"""An operating-system lock on a file, held around a transaction so that processes take turns.

SQLite's own busy handler is unfair: of four writing processes the slowest starves. The kernel's queue is not.
"""

import os
import sys
import threading
from pathlib import Path
from types import TracebackType


class Turn:
    """A context manager; one thread of one process at a time is inside. Released by the kernel on a crash."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._threads = threading.Lock()  # the file's lock belongs to the process: it holds back no thread

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            self._lock()
        except BaseException:
            self._threads.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._unlock()
        finally:
            self._threads.release()

    if sys.platform == "win32":
        import msvcrt

        def _lock(self) -> None:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self.msvcrt.locking(self._fd, self.msvcrt.LK_LOCK, 1)

        def _unlock(self) -> None:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self.msvcrt.locking(self._fd, self.msvcrt.LK_UNLCK, 1)

    else:
        import fcntl

        def _lock(self) -> None:
            self.fcntl.flock(self._fd, self.fcntl.LOCK_EX)

        def _unlock(self) -> None:
            self.fcntl.flock(self._fd, self.fcntl.LOCK_UN)
