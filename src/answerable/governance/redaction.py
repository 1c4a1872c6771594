"""Puts numbered words in the place of personal values: [EMAIL_1], the same for the same value."""

from collections.abc import Sequence
from dataclasses import dataclass

from answerable.governance.detection import Span
from answerable.ports import Detector


@dataclass(frozen=True, slots=True)
class Redacted:
    """text: with a word for every value. spans: of the values, in the original."""

    text: str
    spans: Sequence[Span]


def redacted(text: str, detector: Detector) -> Redacted:
    """Return `text` with what `detector` finds replaced by [KIND_n]; n counts distinct values of a kind from 1.

    Two spellings are one value if only case, blanks and dashes differ.
    """
    spans = detector.find(text)
    numbers: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}
    pieces, place = [], 0
    for span in spans:
        value = (span.kind, _same(text[span.start : span.end]))
        if value not in numbers:
            numbers[value] = counts[span.kind] = counts.get(span.kind, 0) + 1
        pieces += [text[place : span.start], f"[{span.kind}_{numbers[value]}]"]
        place = span.end
    return Redacted("".join((*pieces, text[place:])), spans)


def _same(value: str) -> str:
    return "".join(c for c in value.casefold() if c.isalnum()) or value
