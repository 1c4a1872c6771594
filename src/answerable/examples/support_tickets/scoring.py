"""What the demo's answers were worth: accuracy, money, and how the urgent tickets fared."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from answerable.decisions.acceptance import cell
from answerable.encoding import MICRO
from answerable.examples.support_tickets.decision import STAKES, Route
from answerable.examples.support_tickets.generator import TicketRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How one way of answering did. cost: USD over all tickets. Shares are in [0, 1].

    high_precision: of the tickets called high, how many were. high_recall: of those that were, how many
    were called so. false_high, missed_high: counts.
    """

    name: str
    tickets: int
    urgency: float
    team: float
    cost: float
    false_high: int
    missed_high: int
    high_precision: float | None
    high_recall: float | None

    def as_dict(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


def score(name: str, answers: Sequence[Route], truths: Iterable[TicketRow]) -> Score:
    """Compare answers with the truth, ticket by ticket, by the decision's own stakes."""
    pairs = list(zip(answers, truths, strict=True))
    called = [a.urgency == "high" for a, _ in pairs]
    was = [t.urgency == "high" for _, t in pairs]
    hits = sum(c and w for c, w in zip(called, was, strict=True))
    micro = sum(
        cell(STAKES, "urgency", t.urgency, a.urgency, None) + cell(STAKES, "team", t.team, a.team, None)
        for a, t in pairs
    )
    return Score(
        name=name,
        tickets=len(pairs),
        urgency=sum(a.urgency == t.urgency for a, t in pairs) / len(pairs),
        team=sum(a.team == t.team for a, t in pairs) / len(pairs),
        cost=micro / MICRO,
        false_high=sum(called) - hits,
        missed_high=sum(was) - hits,
        high_precision=hits / sum(called) if any(called) else None,
        high_recall=hits / sum(was) if any(was) else None,
    )
