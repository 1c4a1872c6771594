"""A small decision on tickets, workspaces of every kind and a clock, for the tests of the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

import answerable as ans
from roads import memory

__all__ = ["memory"]
KINDS = ("memory", "sqlite", "postgresql")
MICRO = 1_000_000


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str = ""


class Route(BaseModel):
    urgency: Literal["low", "high"]
    vip: bool = False
    score: float = 0.0


LOW, HIGH = Route(urgency="low"), Route(urgency="high")


def words(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Names an account takeover."""
    if case.input.body == "crash":
        raise ValueError("the secret text of an exception")
    return HIGH if "hacked" in case.input.body else ans.Abstain("no security word")


TRIAGE = ans.person(queue="triage", within="4h", then=LOW)


def decision(*deciders: ans.Decider, **changes: Any) -> ans.Decision[Any, Any]:
    """Return a decision with these deciders; a rule and a person otherwise."""
    sound: dict[str, Any] = {
        "name": "route",
        "version": "1",
        "question": "How urgent is it?",
        "input": Ticket,
        "output": Route,
        "owner": "ops",
        "purpose": "support",
        "deadline": 30,
        "stakes": ans.Stakes("USD", wrong=2, review=1),
        "deciders": deciders or (ans.rule(words), TRIAGE),
    }
    return ans.Decision(**sound | changes)


ROUTE = decision()


def on_each_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ans.Workspace]:
    """A workspace on each kind of journal."""
    if request.param == "memory":
        made = ans.Workspace("memory:")
    elif request.param == "sqlite":
        made = ans.Workspace(tmp_path / "home")
    else:
        made = ans.Workspace(tmp_path / "home", journal=request.getfixturevalue("postgres_url"))
    with made:
        yield made


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * MICRO

    def now(self) -> int:
        """Microseconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds."""
        return self.at / MICRO


def standing_clock(ws: ans.Workspace) -> Clock:
    """The clock of `ws`, which stands still."""
    made = Clock()
    ws._road, ws._aroad = replace(ws._road, clock=made), replace(ws._aroad, clock=made)
    ws.clock = ws.book.clock = made  # type: ignore[assignment]
    return made


def entries(ws: ans.Workspace, *kinds: str) -> list[Any]:
    return ws.records(kinds=kinds, limit=None)
