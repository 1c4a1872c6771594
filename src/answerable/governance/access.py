"""Who asks to do what with what, and the answer: allowed or not, always with a reason a person can read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from answerable.decisions.case import Principal
from answerable.governance.rows import EVERY, Rows

Action = Literal["decide", "read", "reveal", "review", "approve", "erase", "export", "administer"]
ACTIONS: tuple[Action, ...] = (
    "decide",
    "read",
    "reveal",
    "review",
    "approve",
    "erase",
    "export",
    "administer",
)
ResourceKind = Literal["Decision", "Source", "Row", "Subject", "Home"]
APPLIES: Mapping[Action, tuple[ResourceKind, ...]] = {
    "decide": ("Decision",),
    "read": ("Decision", "Source", "Row", "Subject", "Home"),
    "reveal": ("Decision", "Subject"),
    "review": ("Decision",),
    "approve": ("Decision", "Subject", "Home"),
    "erase": ("Subject", "Home"),
    "export": ("Decision", "Subject", "Home"),
    "administer": ("Decision", "Home"),
}  # what each action can be done with
ColumnKind = Literal["text", "whole", "flag", "texts"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a source's rows that policies may ask for. empty: whether a row may have no value in it."""

    kind: ColumnKind
    empty: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """A source as policies know it. columns: name -> what it holds; those that are not here stay unseen."""

    source: str
    owner: str = ""
    purposes: tuple[str, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted on: a decision, a source or a row of it by the source's name, a subject, the home.

    id: a subject's is its keyed digest. attributes: what policies may ask of it: of a decision its owner,
    purpose and severity; of a row its columns (None: empty).
    """

    kind: ResourceKind
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the policies. context: further facts, such as {"two_persons": True}."""

    principal: Principal
    action: Action
    resource: Resource
    purpose: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Permit:
    """The policies' word.

    reason: for a person, never empty on a denial. policy: SHA-256 of the set in force, or None. policies: ids
    of those that decided. remedy: what would have allowed it, or "".
    """

    allowed: bool
    reason: str = ""
    policy: bytes | None = None
    policies: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RowPermit:
    """The policies' word on the rows of a source. rows: which of them; where `allowed` is False, none."""

    permit: Permit
    rows: Rows = EVERY
