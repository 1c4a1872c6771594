"""What `verify` says: each problem with its place, how far the result can be trusted, and the report."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from answerable.errors import AnswerableError

Trust = Literal["self-signed", "external key", "witnessed"]

LISTED = 20  # problems of one place; a file of garbage would give one for each entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong. where: a segment, "journal", "head", "catalog" or a checkpoint; the entry."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The result of a walk over the whole ledger.

    entries: found, of which `journal_tail` are not sealed. trust: what the result rests on; `self-signed`
    finds damage and outsiders, not the holder of the key. checkpoint: the head's size, root (hex), signers.
    pruned: entries whose time is over; their leaves are gone, the roots over them are kept. dropped: parts
    that are gone by entries that say so. unexplained: parts that are gone without; each is a problem too.
    """

    entries: int
    segments: int
    journal_tail: int
    trust: Trust
    checkpoint: dict[str, Any]
    problems: tuple[Problem, ...]
    pruned: int = 0
    dropped: int = 0
    unexplained: int = 0

    @property
    def ok(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems

    def data(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "segments": self.segments,
            "journal_tail": self.journal_tail,
            "pruned": self.pruned,
            "dropped": self.dropped,
            "unexplained": self.unexplained,
            "trust": self.trust,
            "checkpoint": self.checkpoint,
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
        }


class Findings:
    """Collects problems; of each place only the first ones are listed, the rest are counted."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._count: Counter[str] = Counter()

    def add(self, place: str, what: str | Exception, entry: int | None = None) -> None:
        """Note a problem at `place`, with the entry's index if one is to blame."""
        self._count[place] += 1
        if self._count[place] <= LISTED:
            where = place if entry is None else f"{place}, entry {entry}"
            self._found.append(Problem(where=where, what=_words(what)))

    def all(self) -> tuple[Problem, ...]:
        """Return the problems, in the order of the walk."""
        more = [
            Problem(where=place, what=f"{count - LISTED} more problems here are not listed")
            for place, count in self._count.items()
            if count > LISTED
        ]
        return (*self._found, *more)


def _words(what: str | Exception) -> str:
    if isinstance(what, AnswerableError):
        return what.what
    return what if isinstance(what, str) else f"{type(what).__name__}: {what}"
