"""Null implementations: the steps of the road that have no rules yet let everything through."""

from collections.abc import Sequence

from answerable.governance.access import Ask, Permit, RowPermit
from answerable.governance.detection import Span


class AllowAll:
    """PolicyEngine without policies: everybody may do everything (single user)."""

    def authorize(self, ask: Ask) -> Permit:
        """Allow."""
        return Permit(True, "no policies are set")

    def rows(self, ask: Ask) -> RowPermit:
        """Allow every row."""
        return RowPermit(self.authorize(ask))


class AlwaysLive:
    """Releases without releases: every decision answers."""

    def stage(self, decision: str) -> str:
        """Return "live"."""
        return "live"


class FindNothing:
    """Detector that finds nothing: only what is classified is protected."""

    version = "none@1"

    def find(self, text: str) -> Sequence[Span]:
        """Return nothing."""
        return ()
