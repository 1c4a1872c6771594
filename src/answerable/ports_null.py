"""Null implementations: the steps of the road that have no rules yet let everything through."""

from answerable.governance.access import Ask, Permit, RowPermit, Shape


class AllowAll:
    """PolicyEngine without policies: everybody may do everything (single user)."""

    def know(self, source: Shape) -> None:
        """Need nothing."""

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
