"""What a rival's script has in common: it reads one request a line, and writes what it got as one line.

It runs under whatever Python has the rival installed, so it imports nothing of ours.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

LONGEST = 15.0  # seconds for one request; whoever takes longer is cut off here

INSTRUCTIONS = "Say how urgent this support ticket is, which team takes it, and how many days it may wait."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "urgency": {"type": "string", "enum": ["low", "normal", "high"]},
        "team": {"type": "string", "enum": ["billing", "shipping", "account", "technical"]},
        "days": {"type": "integer", "minimum": 0, "maximum": 30},
    },
    "required": ["urgency", "team", "days"],
    "additionalProperties": False,
}


def serve(ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Answer requests until the end of input. ask: returns "output", and how it shows who answered."""
    told = sys.stdout
    sys.stdout = sys.stderr  # a library that prints must not spoil the lines
    asyncio.run(_serve(ask, told))


async def _serve(ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], told: Any) -> None:
    loop = asyncio.get_running_loop()
    told.write(json.dumps({"ready": True}) + "\n")
    told.flush()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        started = time.monotonic()
        try:
            got = await asyncio.wait_for(ask(json.loads(line)), LONGEST)
        except TimeoutError as exc:
            cut = time.monotonic() - started >= LONGEST - 0.1
            got = {"error": f"no end after {LONGEST:.0f} s" if cut else _named(exc), "cut": cut}
        except BaseException as exc:  # the boundary: whatever the rival raises is its result
            got = {"error": _named(exc)}
            if isinstance(exc, KeyboardInterrupt | SystemExit):
                raise
        got["seconds"] = round(time.monotonic() - started, 3)
        told.write(json.dumps(got, default=str) + "\n")
        told.flush()


def _named(exc: BaseException) -> str:
    causes = [type(one).__name__ for one in getattr(exc, "exceptions", ())]
    return f"{type(exc).__name__}{f' of {causes}' if causes else ''}: {' '.join(str(exc).split())[:160]}"
