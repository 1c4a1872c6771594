"""Runs a decider's code where it can be abandoned: inline, on a daemon thread, or on an event loop."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from answerable.decisions.case import Case
from answerable.decisions.decider import Decider

T = TypeVar("T")
THREADS = 64


class PoolExhausted(Exception):
    """Every thread is busy, most likely with abandoned calls that never returned."""


class DaemonPool:
    """Daemon threads, at most `size`: one that hangs is abandoned and does not keep the process alive.

    An abandoned call goes on counting against `size` until it returns.
    """

    def __init__(self, size: int = THREADS) -> None:
        self._size, self._idle, self._threads = size, 0, 0
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Run `work` on a thread, in the caller's context. Raises PoolExhausted if none is free."""
        context = contextvars.copy_context()
        future: Future[T] = Future()
        with self._lock:
            if self._idle == 0:
                if self._threads >= self._size:
                    raise PoolExhausted(f"all {self._size} threads are busy; calls that hang keep theirs")
                self._threads += 1
                threading.Thread(target=self._serve, name="answerable-model", daemon=True).start()
            else:
                self._idle -= 1
        self._jobs.put((future, lambda: context.run(work)))
        return future

    def close(self) -> None:
        """Let idle threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as exc:  # handed to whoever waits, or dropped if nobody does
                    future.set_exception(exc)
                else:
                    future.set_result(result)
            del job, future, work
            with self._lock:
                self._idle += 1


class BlockingCaller:
    """For `decide`: blocks the caller's thread; async deciders run on one loop thread, started on use."""

    def __init__(self, pool: DaemonPool) -> None:
        self._pool = pool
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    async def call(self, decider: Decider, case: Case[Any], timeout: float) -> Any:
        """Return what the decider returns. Raises TimeoutError after `timeout` seconds."""
        if decider.inline and not decider.is_async:
            return decider.run(case)
        if decider.is_async:
            future = asyncio.run_coroutine_threadsafe(_bounded(decider, case, timeout), self._running_loop())
            return future.result()
        pending = self._pool.submit(lambda: decider.run(case))
        try:
            return pending.result(timeout)
        except FutureTimeout:
            if pending.done():
                raise  # the decider's own TimeoutError
            raise TimeoutError(f"no answer within {timeout:.3g} s") from None

    async def wait(self, future: "Future[None]", timeout: float) -> None:
        """Wait until `future` is done or `timeout` seconds are over."""
        try:
            future.result(timeout)
        except FutureTimeout:
            return

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="answerable-loop", daemon=True).start()
            return self._loop

    def close(self) -> None:
        """Stop the loop thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)


class AwaitingCaller:
    """For `adecide`: awaits on the caller's loop; sync models run on the daemon pool."""

    def __init__(self, pool: DaemonPool) -> None:
        self._pool = pool

    async def call(self, decider: Decider, case: Case[Any], timeout: float) -> Any:
        """Return what the decider returns. Raises TimeoutError after `timeout` seconds."""
        if decider.inline and not decider.is_async:
            return decider.run(case)
        if decider.is_async:
            return await _bounded(decider, case, timeout)
        pending = asyncio.wrap_future(self._pool.submit(lambda: decider.run(case)))
        done, _ = await asyncio.wait([pending], timeout=timeout)
        if not done:
            pending.add_done_callback(_ignore)
            raise TimeoutError(f"no answer within {timeout:.3g} s")
        return pending.result()

    async def wait(self, future: "Future[None]", timeout: float) -> None:
        """Wait until `future` is done or `timeout` seconds are over."""
        await asyncio.wait([asyncio.wrap_future(future)], timeout=timeout)


def _ignore(future: "asyncio.Future[Any]") -> None:
    """Take the result of an abandoned call, so that nobody warns of it."""
    if not future.cancelled():
        future.exception()


async def _bounded(decider: Decider, case: Case[Any], timeout: float) -> Any:
    """Await an async decider; one that swallows its cancellation is abandoned, not waited for."""
    task = asyncio.ensure_future(_as_coroutine(decider.run(case)))
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.add_done_callback(_ignore)
        task.cancel()
        raise TimeoutError(f"no answer within {timeout:.3g} s")
    return task.result()


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose ports block instead of suspending, on this thread and without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise RuntimeError("a blocking port suspended")
