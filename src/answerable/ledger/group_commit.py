"""Group commit: units that wait are made durable together, by whichever caller comes first.

There is no timer and no thread for blocking callers: one of them leads, commits everything that is queued
and wakes the others; the time a commit takes forms the next group. A thread leads for event loops only.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from answerable.errors import LedgerUnavailable
from answerable.ledger.entry import Receipt, Unit

Committed = Receipt | Exception
Commit = Callable[[Sequence[Unit]], Sequence[Committed]]
GROUP_UNITS = 1024
GROUP_BYTES = 4 * 1024 * 1024
QUEUE_UNITS = 8192


@dataclass(slots=True, eq=False)
class _Waiting:
    unit: Unit
    blocking: Future[Receipt] | None = None
    awaited: asyncio.Future[Receipt] | None = None


class GroupCommit:
    """Feeds `commit` with groups of at most GROUP_UNITS units or about GROUP_BYTES."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._queue: deque[_Waiting] = deque()
        self._gate = threading.Lock()  # nothing is queued after `close` looked at the queue
        self._lead = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, unit: Unit) -> Receipt:
        """Block until `unit` is durable. Raises what the commit gave for it."""
        future: Future[Receipt] = Future()
        self._put(_Waiting(unit, blocking=future))
        while not future.done():
            with self._lead:
                if not future.done():
                    self._commit_group()
        return future.result()

    async def enqueue(self, unit: Unit) -> Receipt:
        """Wait until `unit` is durable without blocking the loop."""
        while len(self._queue) >= QUEUE_UNITS:
            await asyncio.sleep(0.001)
        future = asyncio.get_running_loop().create_future()
        self._put(_Waiting(unit, awaited=future))
        if self._thread is None:
            self._start()
        self._wake.set()
        # A cancelled caller must not take a unit back that may be in flight: the future is left to finish.
        return await asyncio.shield(future)

    def close(self) -> None:
        """Commit what is queued, then refuse more."""
        with self._gate:
            self._closed = True
        with self._lead:
            while self._queue:
                self._commit_group()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _put(self, waiting: _Waiting) -> None:
        with self._gate:
            if self._closed:
                raise LedgerUnavailable("the journal is closed", next_step="open the workspace again")
            self._queue.append(waiting)

    def _start(self) -> None:
        with self._lead:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._follow_loops, name="answerable-journal", daemon=True
                )
                self._thread.start()

    def _follow_loops(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                with self._lead:
                    self._commit_group()

    def _commit_group(self) -> None:
        group: list[_Waiting] = []
        size = 0
        while self._queue and len(group) < GROUP_UNITS and size < GROUP_BYTES:
            waiting = self._queue.popleft()
            group.append(waiting)
            size += waiting.unit.size
        if not group:
            return
        try:
            results = self._commit([w.unit for w in group])
        except Exception as exc:  # the whole group failed: each of its callers learns why
            results = [exc] * len(group)
        except BaseException:  # Ctrl-C hit the leading thread: the others must not wait for ever
            _tell(group, [_INTERRUPTED] * len(group))
            raise
        _tell(group, results)


_INTERRUPTED = LedgerUnavailable(
    "the commit was interrupted, it may be durable or not", next_step="submit the same unit again"
)


def _tell(group: Sequence[_Waiting], results: Sequence[Committed]) -> None:
    """Wake each of `group` with its result."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Receipt], Committed]]] = {}
    for waiting, result in zip(group, results, strict=True):
        if waiting.awaited is not None:
            loops.setdefault(waiting.awaited.get_loop(), []).append((waiting.awaited, result))
        elif waiting.blocking is not None and isinstance(result, Exception):
            waiting.blocking.set_exception(result)
        elif waiting.blocking is not None:
            waiting.blocking.set_result(result)  # type: ignore[arg-type]
    for loop, settled in loops.items():
        with suppress(RuntimeError):  # the loop is closed, its callers are gone; their entries are durable
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple["asyncio.Future[Receipt]", Committed]]) -> None:
    for future, result in settled:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
