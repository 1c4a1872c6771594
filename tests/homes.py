"""A home and a decision for the tests of homes."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

import answerable as ans
from answerable.workspace import Workspace


class Order(BaseModel):
    """What is decided about."""

    number: Annotated[str, ans.Key]


class Answered(BaseModel):
    """A yes or no."""

    ship: bool


DECISION = ans.Decision(
    name="ship-order",
    version="1",
    question="May it be shipped?",
    input=Order,
    output=Answered,
    owner="sales",
    purpose="fulfilment",
    stakes=ans.Stakes("EUR", wrong=2.0, review=1.0),
    deciders=[ans.default({"ship": True})],
)


def make(folder: Path) -> Path:
    """Make an empty home."""
    Workspace(folder).close()
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    """Change home.toml."""
    path = folder / "home.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
