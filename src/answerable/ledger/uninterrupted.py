"""Holds Ctrl-C back for the moments in which the main thread must finish what it began.

Python runs a signal's handler between any two steps of the main thread, also on the way out of a `with` or
inside a `finally`. What it raises there can leave a lock held for ever, and no `try` around it helps.
"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

# The module `signal` turns each number and handler into an enum: 20 us for every commit of the main thread.
_raw = getattr(signal, "_signal", signal)
_handler_of, _set_handler = _raw.getsignal, _raw.signal

# Those that a Python handler usually raises from; SIGINT first, it is the one that is met.
_NUMBERS = [
    int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP") if hasattr(signal, name)
]
_held: "Uninterrupted | None" = None  # by the main thread; what is inside of it needs no other


class Uninterrupted:
    """A context manager: signals that come inside take effect when it ends. Other threads get none.

    open: a signal takes effect at once, as where the thread only waits. until: and from then on (monotonic
    seconds; None for never).
    """

    __slots__ = ("_before", "_came", "open", "until")

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._came: list[int] = []
        self.open = False
        self.until: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Be the handler."""
        late = self.until is not None and time.monotonic() >= self.until
        if self.open or late:
            self._before[number](number, frame)
        elif number not in self._came:
            self._came.append(number)

    def __enter__(self) -> "Uninterrupted":
        global _held
        if _held is not None or threading.get_ident() != threading.main_thread().ident:
            return self
        try:
            for number in _NUMBERS:
                self._take(number)
        except ValueError:  # the main thread of a subinterpreter, which no signal reaches
            return self
        except BaseException:
            self._give_back()
            raise
        _held = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _held
        if _held is self:
            _held = None
            self._give_back()

    def wait(self) -> None:
        """Let signals through from here on, and those that came."""
        self.open = True
        while self._came:
            signal.raise_signal(self._came.pop())

    def _take(self, number: int) -> None:
        before = _handler_of(number)
        while isinstance(before, Uninterrupted):  # it was interrupted while it gave the handler back
            before = before._before[number]
        if callable(before):
            self._before[number] = before
            _set_handler(number, self)

    def _give_back(self) -> None:
        """Put the handlers back; one that raises meanwhile leaves `self`, which lets all through."""
        self.open = True
        for number, before in self._before.items():
            if _handler_of(number) is self:  # unless a handler named another
                _set_handler(number, before)
        while self._came:
            signal.raise_signal(self._came.pop())
