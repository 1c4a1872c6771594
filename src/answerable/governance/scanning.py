"""What every finder of personal values gets and gives: a text being read, and the shape of a finder."""

import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple

from answerable.governance.detection import Span

BEFORE, AFTER = 48, 24  # code points in which a context word counts, before and behind a value
SURE: Final = 0.99
_RUN = re.compile(r"[0-9]++(?:[ .()/\t-]{1,3}[0-9]++)*+")
_NO_SIGNS = dict.fromkeys(map(ord, " .()/\t-+"))


# In UTF-8 all but letters become blanks; beyond ASCII plain form has letters only.
_TO_WORDS = bytes(c if c > 127 or chr(c).isalpha() else 32 for c in range(256))


class Run(NamedTuple):
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
        """The text in lower case, of the same length."""
        low = self.text.lower()
        return low if len(low) == len(self.text) else "".join(c.lower()[:1] for c in self.text)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the text, in lower case."""
        return frozenset(_words(self.lower))

    @cached_property
    def runs(self) -> list[Run]:
        """Every run of digits, from the left."""
        text = self.text
        return [Run(m.start(), m.end(), len(bare(m[0]))) for m in _RUN.finditer(text)]

    @cached_property
    def codes(self) -> list[int]:
        """Where each word of letters and digits together begins, and two letters before digits: AB 12."""
        text, starts, past = self.text, [], 0
        for run in self.runs:
            start = run.start
            while start > past and run.start - start < 40 and text[start - 1].isalnum():
                start -= 1
            after = text[run.end : run.end + 2]
            if start < run.start or after[:1].isalpha() or (after[:1] in ("-", "+") and after[1:].isalpha()):
                starts.append(start)
            if start == run.start > 2 and text[start - 1] == " " and text[start - 3 : start - 1].isalpha():
                starts += [start - 3] if start == 3 or not text[start - 4].isalnum() else []
            past = run.end
        return starts

    @cached_property
    def most_digits(self) -> int:
        """How many digits the longest run has."""
        return max((run.digits for run in self.runs), default=0)

    def has(self, words: Set[str]) -> bool:
        """Say whether the text has one of `words`, given in lower case."""
        return not self.words.isdisjoint(words)

    def near(
        self, words: Set[str], start: int, end: int, *, before: int = BEFORE, after: int = AFTER
    ) -> bool:
        """Say whether one of `words` stands close before or behind text[start:end], as a whole word."""
        if self.words.isdisjoint(words):
            return False
        first, last = max(0, start - before), min(len(self.lower), end + after)
        around = self._whole(first, start) | (self._whole(end, last) if after else set())
        return not around.isdisjoint(words)

    def _whole(self, start: int, end: int) -> set[str]:
        """Return the words of a part, without those that its edges cut."""
        low = self.lower
        while 0 < start < end and low[start - 1].isalpha() and low[start].isalpha():
            start += 1
        while start < end < len(low) and low[end - 1].isalpha() and low[end].isalpha():
            end -= 1
        return set(_words(low[start:end]))

    def places(self, words: Set[str]) -> Iterator[tuple[int, str]]:
        """Return where each of `words` (letters only) stands as a whole word, and which; by word, place."""
        low = self.lower
        for word in sorted(words & self.words):
            if len(word) < 3:  # a letter or two stand in most words, too
                yield from ((found.start(), word) for found in _alone(word).finditer(low))
                continue
            place = low.find(word)
            while place >= 0:
                end = place + len(word)
                if not (place and low[place - 1].isalpha()) and not low[end : end + 1].isalpha():
                    yield place, word
                place = low.find(word, end)


@dataclass(frozen=True, slots=True)
class Finder:
    """One part of the detector.

    gate: a pattern in the language that re and RE2 share, which occurs in every text where `find` finds
    anything; it is only there to skip work.
    """

    name: str
    gate: str
    find: Callable[[Reading], Iterable[Span]]


@cache
def _alone(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W\d_]){word}(?![^\W\d_])")


def _words(lower: str) -> list[str]:
    return lower.encode().translate(_TO_WORDS).decode().split()


def words(text: str) -> frozenset[str]:
    """Return the words of a text with blanks between them."""
    return frozenset(text.split())


def bare(number: str) -> str:
    """Return a number without the signs that group it."""
    return number.translate(_NO_SIGNS)


def any_of(words: Iterable[str]) -> str:
    """Return a gate: one of `words`, in any case."""
    return f"(?i:{'|'.join(sorted(words))})"


def matches(pattern: re.Pattern[str], reading: Reading, digits: int) -> Iterator[re.Match[str]]:
    """Return the matches of a pattern of digits inside each run of at least so many."""
    if reading.most_digits >= digits:
        for run in reading.runs:
            if run.digits >= digits:
                yield from pattern.finditer(reading.text, max(0, run.start - 2), run.end)
