"""Waiting in tests for something to hold, instead of for a time that is hoped to be enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 30.0  # a stalled machine is not a failure; what never comes is


def until(true: Callable[[], object]) -> None:
    """Block until something holds; it must within PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.002)


async def soon(true: Callable[[], object]) -> None:
    """Let the loop run until something holds; it must within PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "what was waited for did not come"
        await asyncio.sleep(0.002)
