"""Puts numbered words in the place of personal values: [EMAIL_1], the same for the same value."""

from collections.abc import Sequence
from dataclasses import dataclass

from answerable.errors import UsageError
from answerable.governance.detection import Span
from answerable.ports import Detector

SURE = 0.9  # a score from which on a value is refused, not only hidden


@dataclass(frozen=True, slots=True)
class Redacted:
    """text: with a word for every value. spans: of the values, in the original."""

    text: str
    spans: Sequence[Span]


class Words:
    """The words given out so far; one of these over several texts gives a value the same word in all."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def word(self, kind: str, value: str) -> str:
        """Return [KIND_n]; n counts the distinct values of a kind from 1.

        Two spellings are one value if they differ only in case, blanks and signs.
        """
        key = (kind, "".join(c for c in value.casefold() if c.isalnum()) or value)
        if key not in self._words:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._words[key] = f"[{kind}_{self._counts[kind]}]"
        return self._words[key]


def refuse_personal(text: str | None, detector: Detector, *, what: str) -> None:
    """Raise UsageError if a word that stands in clear, such as a thread's, surely holds a personal value."""
    found = next((s for s in detector.find(text or "") if s.score >= SURE and s.kind != "URL"), None)
    if found is not None:
        raise UsageError(
            f"the {what} holds what looks like a personal value ({found.kind}), and it stands in clear",
            next_step="use an opaque id",
        )


def redacted(text: str, detector: Detector, words: Words | None = None) -> Redacted:
    """Return `text` with what `detector` finds replaced by words such as [EMAIL_1].

    words: those of the texts before, which this one continues; None: of this text alone.
    """
    words = Words() if words is None else words
    spans = detector.find(text)
    pieces, place = [], 0
    for span in spans:
        pieces += [text[place : span.start], words.word(span.kind, text[span.start : span.end])]
        place = span.end
    return Redacted("".join((*pieces, text[place:])), spans)
