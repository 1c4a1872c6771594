"""Runs a decider's code where it can be abandoned: inline, on a daemon thread, or on an event loop."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from answerable.decisions.case import Case
from answerable.decisions.decider import Decider

T = TypeVar("T")
THREADS = 64
CLOSE_S = 1.0  # for cancelled calls to close what they hold
GRACE_S = 0.05  # for a loop to tell that its time was over, before it counts as blocked


class NoThread(Exception):
    """No thread was free for a call: it was never begun."""


class DeciderLeft(Exception):
    """A decider raised what may not travel further, such as SystemExit; the text names it."""


_NEVER_FROM_A_FUTURE = (StopIteration, StopAsyncIteration, FutureCancelled)


def _contained(exc: BaseException) -> Exception:
    """Return what a decider raised as an exception that cannot stop a loop, a thread or the program."""
    if isinstance(exc, Exception) and not isinstance(exc, _NEVER_FROM_A_FUTURE):
        return exc
    try:
        left = DeciderLeft(f"{type(exc).__name__} {exc}".rstrip())
    except BaseException:  # user code: even its text may raise
        left = DeciderLeft(type(exc).__name__)
    left.__cause__ = exc
    return left


class DaemonPool:
    """Daemon threads, at most `size`: one that hangs is abandoned and does not keep the process alive.

    Work waits for a free thread. An abandoned call goes on counting against `size` until it returns.
    """

    def __init__(self, size: int = THREADS) -> None:
        self._size, self._threads, self._abandoned = size, 0, 0
        self._free = 0  # threads without work; below 0: work without a thread
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Run `work` on a thread, in the caller's context. Raises NoThread if none will be free."""
        context = contextvars.copy_context()
        future: Future[T] = Future()
        with self._lock:
            if self._abandoned >= self._size:
                raise NoThread(f"all {self._size} threads are kept by calls that hang")
            self._free -= 1
            if self._free < 0 and self._threads < self._size:
                self._threads += 1
                self._free += 1
                threading.Thread(target=self._serve, name="answerable-model", daemon=True).start()
        self._jobs.put((future, lambda: context.run(work)))
        return future

    def abandon(self, future: "Future[Any]") -> bool:
        """Wait for `future` no longer; say whether it had begun. It keeps its thread until it returns."""
        if future.cancel() or future.done():
            return not future.cancelled()
        with self._lock:
            self._abandoned += 1
        future.add_done_callback(self._returned)
        return True

    def close(self) -> None:
        """Let idle threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _returned(self, _: "Future[Any]") -> None:
        with self._lock:
            self._abandoned -= 1

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            result, failed = None, None
            begun = future.set_running_or_notify_cancel()
            try:
                if begun:
                    result = work()
            except BaseException as exc:  # handed to whoever waits, or dropped if nobody does
                failed = _contained(exc)
            with self._lock:  # before the answer is told: who gets it may bring more work at once
                self._free += 1
            if failed is not None:
                future.set_exception(failed)
            elif begun:
                future.set_result(result)
            del job, future, work, result, failed


class BlockingCaller:
    """For `decide`: blocks the caller's thread; async deciders run on one loop thread, started on use."""

    def __init__(self, pool: DaemonPool) -> None:
        self._pool = pool
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    async def call(self, decider: Decider, case: Case[Any], timeout: float) -> Any:
        """Return what the decider returns. Raises TimeoutError after `timeout` seconds."""
        if decider.is_async:
            return self._on_loop(decider, case, timeout)
        if decider.inline:
            return _inline(decider, case)
        pending = self._pool.submit(lambda: decider.run(case))
        try:
            return pending.result(timeout)
        except FutureTimeout:
            if pending.done() and not pending.cancelled():
                return pending.result()  # it came at the last moment, or is the decider's own TimeoutError
            raise _too_late(timeout, begun=self._pool.abandon(pending)) from None
        except BaseException:  # Ctrl-C: nobody waits for this call any more
            if not pending.done():
                self._pool.abandon(pending)
            raise

    def _on_loop(self, decider: Decider, case: Case[Any], timeout: float) -> Any:
        loop = self._running_loop()
        future = asyncio.run_coroutine_threadsafe(_bounded(decider, case, timeout), loop)
        try:
            return future.result(timeout + GRACE_S)
        except FutureTimeout:
            if future.done():
                raise
            with self._lock:  # the decider blocks the loop: leave it to that one, and give the next a new one
                if self._loop is loop:
                    self._loop = None
            loop.call_soon_threadsafe(loop.stop)
            raise _too_late(timeout, begun=True) from None
        except BaseException:  # Ctrl-C
            future.cancel()
            raise

    async def wait(self, future: "Future[None]", timeout: float) -> None:
        """Wait until `future` is done or `timeout` seconds are over."""
        try:
            future.result(timeout)
        except FutureTimeout:
            return

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = loop = asyncio.new_event_loop()
                threading.Thread(target=_run_loop, args=(loop,), name="answerable-loop", daemon=True).start()
            return self._loop

    def close(self) -> None:
        """Stop the loop thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Serve a loop until it is stopped; abandoned calls on it are cancelled, not waited for."""
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:  # a call under way closes its socket; one that swallows its cancellation is left behind
            loop.run_until_complete(asyncio.wait(left, timeout=CLOSE_S))
    finally:
        loop.close()


class AwaitingCaller:
    """For `adecide`: awaits on the caller's loop; sync models run on the daemon pool."""

    def __init__(self, pool: DaemonPool) -> None:
        self._pool = pool

    async def call(self, decider: Decider, case: Case[Any], timeout: float) -> Any:
        """Return what the decider returns. Raises TimeoutError after `timeout` seconds."""
        if decider.is_async:
            return await _bounded(decider, case, timeout)
        if decider.inline:
            return _inline(decider, case)
        running = self._pool.submit(lambda: decider.run(case))
        pending = asyncio.wrap_future(running)
        try:
            done, _ = await asyncio.wait([pending], timeout=timeout)
        except asyncio.CancelledError:
            self._pool.abandon(running)
            pending.add_done_callback(_ignore)
            raise
        if not done:
            begun = self._pool.abandon(running)
            pending.add_done_callback(_ignore)
            raise _too_late(timeout, begun=begun)
        return pending.result()

    async def wait(self, future: "Future[None]", timeout: float) -> None:
        """Wait until `future` is done or `timeout` seconds are over."""
        await asyncio.wait([asyncio.wrap_future(future)], timeout=timeout)


def _inline(decider: Decider, case: Case[Any]) -> Any:
    try:
        return decider.run(case)
    except KeyboardInterrupt:  # on the caller's thread it is the person at the keyboard
        raise
    except BaseException as exc:
        raise _contained(exc) from exc


def _too_late(timeout: float, *, begun: bool) -> Exception:
    if begun:
        return TimeoutError(f"no answer within {timeout:.3g} s")
    return NoThread(f"no thread was free within {timeout:.3g} s")


def _ignore(future: "asyncio.Future[Any]") -> None:
    """Take the result of an abandoned call, so that nobody warns of it."""
    if not future.cancelled():
        future.exception()


async def _bounded(decider: Decider, case: Case[Any], timeout: float) -> Any:
    """Await an async decider; one that swallows its cancellation is abandoned, not waited for."""
    task = asyncio.ensure_future(_async_run(decider, case))
    task.add_done_callback(_ignore)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise _too_late(timeout, begun=True)
    if task.cancelled():  # by itself: the caller did not cancel
        raise DeciderLeft("CancelledError")
    if (exc := task.exception()) is not None:
        raise _contained(exc) from exc.__cause__
    return task.result()


async def _async_run(decider: Decider, case: Case[Any]) -> Any:
    try:
        return await decider.run(case)
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as exc:  # SystemExit in a task would end the whole loop
        if isinstance(exc, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        raise _contained(exc) from exc


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose ports block instead of suspending, on this thread and without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise RuntimeError("a blocking port suspended")
