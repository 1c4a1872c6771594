"""Null implementations: the steps of the road that have no rules yet let everything through."""

from typing import Any

from answerable.decisions.case import Case, Principal
from answerable.decisions.decider import Decider
from answerable.ports import Permit


class AllowAll:
    """PolicyEngine without policies: everybody may do everything (single user)."""

    def authorize(self, principal: Principal, action: str, resource: str, purpose: str) -> Permit:
        """Allow."""
        return Permit(True, "no policies are set")


class AlwaysLive:
    """Releases without releases: every decision answers."""

    def stage(self, decision: str) -> str:
        """Return "live"."""
        return "live"


class ShowAll:
    """Protector without clearances: every decider sees the whole case."""

    def view(self, case: Case[Any], decider: Decider) -> Case[Any]:
        """Return the case as it is."""
        return case
