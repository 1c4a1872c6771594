"""A small decision on tickets, for the tests of the road."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel

import answerable as ans


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str = ""


class Route(BaseModel):
    urgency: Literal["low", "high"]
    team: Literal["a", "b"]


LOW = Route(urgency="low", team="a")
HIGH = Route(urgency="high", team="b")


def memory() -> Iterator[ans.Workspace]:
    """A workspace in memory, closed at the end."""
    with ans.Workspace("memory:") as made:
        yield made


def decision(*deciders: Any, **changes: Any) -> ans.Decision[Any, Any]:
    """Return a decision with these deciders; a bare function becomes a model that needs no measurement."""
    made = [d if isinstance(d, ans.Decider) else ans.model(d, version="1") for d in deciders]
    sound: dict[str, Any] = {
        "name": "route",
        "version": "1",
        "question": "How urgent is it?",
        "input": Ticket,
        "output": Route,
        "owner": "ops",
        "purpose": "support",
        "deadline": 30,  # no test of something else ends at it, however slow the machine is
        "unmeasured": "accept",
        "stakes": ans.Stakes("USD", wrong=2, review=1),
        "deciders": made,
    }
    return ans.Decision(**sound | changes)


def raising(exc: BaseException) -> Callable[[Any], Any]:
    def fails(case: Any) -> Any:
        raise exc

    return fails


def returning(value: Any) -> Callable[[Any], Any]:
    def gives(case: Any) -> Any:
        return value

    return gives
