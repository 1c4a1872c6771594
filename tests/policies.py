"""A folder of policies, a source's shape and an engine over both, for the tests of access."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from answerable.decisions.case import Principal
from answerable.governance.access import Action, Ask, Column, Permit, Resource, ResourceKind, Shape
from answerable.governance.policies_cedar import CedarPolicies

CRM = Shape(
    "crm",
    "sales",
    ("support",),
    {
        "team": Column("text", empty=False),
        "note": Column("text"),
        "n": Column("whole"),
        "vip": Column("flag"),
        "tags": Column("texts"),
    },
)
ROUTE = {"owner": "ops", "purpose": "support", "severity": "low"}


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> int:
        return round(self.at * 1_000_000)

    def monotonic(self) -> float:
        return self.at


def engine(folder: Path, text: str, *, attributes: str = "", sources: Any = (CRM,)) -> CedarPolicies:
    """Return an engine over one file of policies; its clock is `_clock`."""
    folder.mkdir(exist_ok=True)
    (folder / "main.cedar").write_text(text, encoding="utf-8")
    if attributes:
        (folder / "principals.toml").write_text(attributes, encoding="utf-8")
    return CedarPolicies(folder, clock=Clock(), sources=sources)


def ask(
    who: str | Principal,
    action: Action,
    kind: ResourceKind,
    name: str = "",
    *,
    purpose: str = "support",
    context: Any = None,
    **attributes: Any,
) -> Ask:
    """Return a question."""
    principal = who if isinstance(who, Principal) else Principal(who)
    told = attributes or (ROUTE if kind == "Decision" else {})
    return Ask(principal, action, Resource(kind, name, told), purpose, context or {})


def sound(permit: Permit) -> Permit:
    """Return a permit after the contract that each of them keeps: a denial says why and what would help."""
    if not permit.allowed:
        assert permit.reason.strip(), "a denial without a reason"
        assert permit.reason.isprintable()
        assert permit.remedy.strip(), "a denial that does not say what would have allowed it"
    assert permit.policy is None or len(permit.policy) == 32
    return permit
