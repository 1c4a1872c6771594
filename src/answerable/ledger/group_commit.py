"""Group commit: units that wait are made durable together, by whichever caller comes first.

There is no timer and no thread for blocking callers: the first one leads. It commits what is queued, wakes
the others and appoints the next leader; the time a commit takes forms the next group. A thread leads where
the first in the queue is awaited by an event loop.

Whoever leads must tell and appoint, or everybody waits for ever: Ctrl-C is held back until that is done.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from answerable.errors import LedgerUnavailable
from answerable.ledger.entry import Receipt, Unit
from answerable.ledger.uninterrupted import Uninterrupted

Committed = Receipt | Exception
Commit = Callable[[Sequence[Unit]], Sequence[Committed]]
GROUP_UNITS = 1024
GROUP_BYTES = 4 * 1024 * 1024
QUEUE_UNITS = 8192
TRIES = 5  # to tell and to appoint
PATIENCE = 1.0  # seconds of a commit; then Ctrl-C comes through, so that it ends what hangs


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting:
    """A unit in the queue. turn: released when it has its result, or before that when its caller leads."""

    unit: Unit
    awaited: asyncio.Future[Receipt] | None = None
    result: Committed | None = None
    leads: bool = False
    turn: threading.Lock = field(default_factory=_locked)


class GroupCommit:
    """Feeds `commit` with groups of at most GROUP_UNITS units or about GROUP_BYTES."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._queue: deque[_Waiting] = deque()
        self._gate = threading.Lock()  # over the queue and these three
        self._led = False  # somebody commits, or is appointed to
        self._closed = False
        self._thread: threading.Thread | None = None
        self._call = threading.Semaphore(0)  # appoints the thread

    def submit(self, unit: Unit) -> Receipt:
        """Block until `unit` is durable. Raises what the commit gave for it.

        Ctrl-C comes through while it waits for others, and after a commit that it leads itself.
        """
        waiting = _Waiting(unit)
        with Uninterrupted() as calm:
            try:
                self._put(waiting)
                if not waiting.leads:
                    calm.wait()
                    waiting.turn.acquire()
                    calm.open = False
                if waiting.result is None:
                    self._lead(calm)
            except BaseException:  # Ctrl-C
                calm.open = False
                self._give_up(waiting)
                raise
        if isinstance(waiting.result, Receipt):
            return waiting.result
        assert waiting.result is not None  # whoever leads finds its own unit first in the queue
        raise waiting.result

    async def enqueue(self, unit: Unit) -> Receipt:
        """Wait until `unit` is durable without blocking the loop."""
        while len(self._queue) >= QUEUE_UNITS:
            await asyncio.sleep(0.001)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._put(_Waiting(unit, awaited=future))
        # A cancelled caller takes no unit back that may be in flight: it only stops to be told.
        return await future

    def close(self) -> None:
        """Commit what is queued, then refuse more."""
        with self._gate:
            self._closed = True
        while self._led:  # the last leader finds the queue empty
            time.sleep(0.001)
        if self._thread is not None:
            self._call.release()
            self._thread.join()

    def _put(self, waiting: _Waiting) -> None:
        with self._gate:
            if self._closed:
                raise LedgerUnavailable("the journal is closed", next_step="open the workspace again")
            if waiting.awaited is not None and self._thread is None:
                thread = threading.Thread(target=self._follow, name="answerable-journal", daemon=True)
                with Uninterrupted():
                    thread.start()
                    self._thread = thread
            self._queue.append(waiting)
            if not self._led:
                self._appoint()

    def _give_up(self, waiting: _Waiting) -> None:
        """Take the unit back if it is not in flight, and leave the lead to the next."""
        with self._gate:
            if waiting in self._queue:
                self._queue.remove(waiting)
                if waiting.leads:
                    self._appoint()

    def _follow(self) -> None:
        """Lead whenever the first in the queue is awaited."""
        while True:
            self._call.acquire()
            with self._gate:
                first = self._queue[0] if self._queue else None
                closed = self._closed and first is None and not self._led
            if closed:
                return
            if first is not None and first.leads and first.awaited is not None:
                with suppress(BaseException):  # its callers were told; without this thread others would wait
                    self._lead(Uninterrupted())

    def _lead(self, calm: Uninterrupted) -> None:
        """Commit one group, then appoint who leads next."""
        group: list[_Waiting] = []
        results: Sequence[Committed] = ()
        try:
            with self._gate:
                size = 0
                while self._queue and len(group) < GROUP_UNITS and size < GROUP_BYTES:
                    group.append(self._queue.popleft())
                    size += group[-1].unit.size
            calm.until = time.monotonic() + PATIENCE
            try:
                results = self._commit([waiting.unit for waiting in group])
            except Exception as exc:  # the whole group failed: each of its callers learns why
                results = [exc] * len(group)
        finally:
            calm.until = None  # what is left takes no time
            # After a Ctrl-C there are no results; the others must not wait for ever.
            self._finish(group, results or [_INTERRUPTED] * len(group))

    def _finish(self, group: Sequence[_Waiting], results: Sequence[Committed]) -> None:
        """Tell `group` and appoint the next, whatever is raised in between; then raise it."""
        raised: BaseException | None = None
        told = False
        for _ in range(TRIES):
            try:
                if not told:
                    _tell(group, results)
                    told = True
                with self._gate:
                    self._appoint()
                break
            except BaseException as exc:
                raised = exc
        if raised is not None:
            raise raised

    def _appoint(self) -> None:
        """Let the first in the queue lead; its caller is awake, or wakes by this."""
        self._led = bool(self._queue)
        if not self._led:
            return
        # No call stands between here and the release: a Ctrl-C in `enqueue` cannot come between either.
        first = self._queue[0]
        first.leads = True
        if first.awaited is not None:
            self._call.release()
            return
        try:  # noqa: SIM105 - entering `suppress` would be such a call
            first.turn.release()
        except RuntimeError:  # it is awake
            pass


_INTERRUPTED = LedgerUnavailable(
    "the commit was interrupted, it may be durable or not", next_step="submit the same unit again"
)


def _tell(group: Sequence[_Waiting], results: Sequence[Committed]) -> None:
    """Wake each of `group` with its result."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Receipt], Committed]]] = {}
    for waiting, result in zip(group, results, strict=True):
        waiting.result = result
        if waiting.awaited is not None:
            loops.setdefault(waiting.awaited.get_loop(), []).append((waiting.awaited, result))
        elif waiting.turn.locked():  # the leader's own may be open
            waiting.turn.release()
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
