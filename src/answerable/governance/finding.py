"""What every finder of personal values gets and gives: a text being read, and the shape of a finder."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from answerable.governance.detection import Span

BEFORE, AFTER = 48, 24  # code points in which a context word counts, before and behind a value
SURE: Final = 0.99
_RUN = re.compile(r"[0-9]++(?:[ .()/\t-]{1,3}[0-9]++)*+")
_NO_SIGNS = dict.fromkeys(map(ord, " .()/\t-+"))


@dataclass(frozen=True, slots=True)
class Run:
    """text[start:end] are digits with at most three signs between; digits: how many."""

    start: int
    end: int
    digits: int


class Reading:
    """A text in plain form while it is read; what several finders need is worked out once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        """The text in lower case; plain form keeps the length."""
        low = self.text.lower()
        return low if len(low) == len(self.text) else "".join(c.lower()[:1] for c in self.text)

    @cached_property
    def runs(self) -> list[Run]:
        """Every run of digits, from the left."""
        text = self.text
        return [Run(m.start(), m.end(), len(bare(m[0]))) for m in _RUN.finditer(text)]

    def near(self, words: re.Pattern[str], start: int, end: int, *, after: int = AFTER) -> bool:
        """Say whether one of `words` stands close before or behind text[start:end]."""
        if words.search(self.lower, max(0, start - BEFORE), start):
            return True
        return after > 0 and words.search(self.lower, end, end + after) is not None


@dataclass(frozen=True, slots=True)
class Finder:
    """One part of the detector.

    gate: a pattern in the language that re and RE2 share, which occurs in every text where `find` finds anything;
    it is only there to skip work.
    """

    name: str
    gate: str
    find: Callable[[Reading], Iterable[Span]]


def bare(number: str) -> str:
    """Return a number without the signs that group it."""
    return number.translate(_NO_SIGNS)


def whole_words(words: str) -> re.Pattern[str]:
    """Return a pattern of words in lower case, given as "a|b c"; each counts as a whole word only."""
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])")


def matches(pattern: re.Pattern[str], reading: Reading, digits: int) -> Iterator[re.Match[str]]:
    """Return the matches of a pattern of digits inside each run of at least so many."""
    for run in reading.runs:
        if run.digits >= digits:
            yield from pattern.finditer(reading.text, max(0, run.start - 2), run.end)
