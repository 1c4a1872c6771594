"""Looks for known values in texts: whole words only, in whatever letters they are written."""

import re
import unicodedata
from collections.abc import Iterator

from answerable.governance.detection import Span
from answerable.governance.folding import folded

_WORD = re.compile(r"[^\W_]+")


class _Base(dict[int, str]):
    """Code point -> its letter without case and marks, one character."""

    def __missing__(self, point: int) -> str:
        base = unicodedata.normalize("NFKD", chr(point).lower())[:1] or chr(point)
        if len(self) < 4096:
            self[point] = base
        return base


_BASE = _Base()


class KnownValues:
    """Values and their kinds; what `find` costs grows with the text, not with how many there are."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}  # folded value -> kind
        self._forms: dict[str, dict[tuple[int, int], None]] = {}  # first word -> (its place, length)

    def add(self, value: str, kind: str) -> None:
        """Look for `value` too, if it has a letter or digit; the first kind of a value stays."""
        plain = folded(value).text.translate(_BASE)
        first = _WORD.search(plain)
        if first is not None and self._kinds.setdefault(plain, kind) == kind:
            self._forms.setdefault(first[0], {})[first.start(), len(plain)] = None

    def find(self, text: str) -> Iterator[Span]:
        """Yield what stands in a text, from the left, the longest where several begin alike."""
        if not self._kinds:
            return
        plain = folded(text)
        low, past = plain.text.translate(_BASE), 0
        for word in _WORD.finditer(low):
            for offset, length in sorted(self._forms.get(word[0], ()), key=lambda form: -form[1]):
                start = word.start() - offset
                end = start + length
                kind = self._kinds.get(low[start:end]) if start >= past else None
                if kind is not None and end - start == length and _alone(low, start, end):
                    yield plain.original(Span(start, end, kind, 1.0))
                    past = end
                    break


def _alone(text: str, start: int, end: int) -> bool:
    """Say whether no word goes on over the edges of text[start:end]."""
    before = start > 0 and _inside(text[start - 1]) and _inside(text[start])
    return not before and not (end < len(text) and _inside(text[end - 1]) and _inside(text[end]))


def _inside(char: str) -> bool:
    return char == "_" or char.isalnum()
