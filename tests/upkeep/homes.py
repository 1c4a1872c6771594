"""A small decision and homes of it, for the tests of upkeep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

import answerable as ans
from answerable.workspace import Workspace


class Ticket(BaseModel):
    """What comes in."""

    number: str
    body: str


class Route(BaseModel):
    """What goes out."""

    team: Literal["billing", "shipping"]


def by_word(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Knows one word."""
    return Route(team="billing") if "invoice" in case.input.body else ans.Abstain("no word known")


STAKES = ans.Stakes("USD", wrong=2.0, review=1.0)
DECISION: ans.Decision[Ticket, Route] = ans.Decision(
    name="route",
    version="1",
    question="Which team takes this ticket?",
    input=Ticket,
    output=Route,
    owner="support",
    purpose="customer-support",
    deadline=30.0,
    stakes=STAKES,
    deciders=[
        ans.rule(by_word),
        ans.person(queue="triage", within=0.001, then=Route(team="shipping")),
    ],
)


def answered(number: int, body: str = "an invoice") -> dict[str, Any]:
    """Return a ticket that the rule answers."""
    return {"number": str(number), "body": body}


def waiting(number: int) -> dict[str, Any]:
    """Return a ticket that waits for a person; it expires after a millisecond."""
    return {"number": str(number), "body": "where is it?"}


def fill(workspace: Workspace, count: int) -> None:
    """Decide `count` cases."""
    for _ in workspace.decide_many(DECISION, (answered(n) for n in range(count)), concurrency=4):
        pass


def make_home(folder: Path, count: int = 3, **more: Any) -> Path:
    """Make a home with `count` decided cases and return its folder."""
    with Workspace(folder, **more) as workspace:
        fill(workspace, count)
    return folder


@contextmanager
def writers(workspace: Workspace, count: int = 2) -> Iterator[None]:
    """Decide cases on `count` threads for the length of the block."""
    stop = threading.Event()

    def write(base: int) -> None:
        number = base
        while not stop.is_set():
            workspace.decide(DECISION, answered(number))
            number += 1

    threads = [threading.Thread(target=write, args=(n * 1_000_000,)) for n in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class SetClock:
    """A clock that stands where it is put. now_: microseconds since 1970."""

    def __init__(self, now: int = 1_800_000_000_000_000) -> None:
        self.at = now

    def now(self) -> int:
        """Microseconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds."""
        return self.at / 1_000_000

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.at += round(seconds * 1_000_000)
