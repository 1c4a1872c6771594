"""Deciders that leave the machine as far as the chain can tell: they do what a test says, call by call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import answerable as ans
from roads import LOW

MOST = ans.Usage(cost=1000, tokens_in=10, tokens_out=10)


class Scripted:
    """A decider's code: each call takes the next step, the last one again and again.

    A step is a Fault (raised), an exception (raised), a function of the case, or what is returned.
    """

    def __init__(self, *steps: Any) -> None:
        self.steps, self.cases, self.times = steps, [], []  # type: ignore[var-annotated]
        self._lock = threading.Lock()

    @property
    def hits(self) -> int:
        return len(self.cases)

    def __call__(self, case: ans.Case[Any]) -> Any:
        with self._lock:
            step = self.steps[min(self.hits, len(self.steps) - 1)]
            self.cases.append(case)
            self.times.append(time.monotonic())
        if isinstance(step, ans.Fault):
            raise ans.Faulted(step)
        if isinstance(step, Exception):
            raise step
        return step(case) if callable(step) else step


def remote(
    *steps: Any, name: str = "primary", timeout: float | None = None, **told: Any
) -> tuple[ans.Decider, Scripted]:
    """Return a decider that leaves the machine, and the script it follows."""
    script = Scripted(*(steps or (LOW,)))
    known: dict[str, Any] = {"provider": name, "model": "m", "destination": f"{name}.example", "most": MOST}
    decider = ans.model(script, version="1", name=name, timeout=timeout, remote=ans.Remote(**known | told))
    return decider, script


def fault(category: str, **more: Any) -> ans.Fault:
    return ans.Fault(category=category, **more)


def used(cost: int = 0, tokens: int = 0) -> Callable[[Any], Any]:
    """A step that answers and says what it consumed."""
    return lambda case: ans.Answer(LOW, usage=ans.Usage(cost=cost, tokens_in=tokens))
