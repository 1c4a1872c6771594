"""Brings text into the plain form that patterns are written for, and finds the way back to its offsets.

Digits of all scripts, full-width letters, typographic dashes, quotes and spaces become their ASCII likeness,
and what nobody sees (zero-width characters, marks on letters, direction signs) is dropped: a card number is
found however it is dressed up.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from answerable.governance.detection import Span

_DROPPED = "\0"
_ODD = re.compile("[^\x01-\x7fÀ-ÖØ-öø-įĲ-žΆΈ-ΊΌΎ-ΡΣ-ϏЀ-ҁ]")  # all that may have another plain form
_KEPT = 4096  # characters whose plain form is remembered


class _Plain(dict[int, str]):
    """Code point -> its plain form, one character; worked out when first met."""

    def __missing__(self, point: int) -> str:
        plain = _plain(chr(point))
        if len(self) < _KEPT:
            self[point] = plain
        return plain


def _plain(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category in ("Mn", "Me", "Cf"):
        return _DROPPED
    if category == "Pd" or char == "\N{MINUS SIGN}":
        return "-"
    if category in ("Zl", "Zp"):
        return "\n"
    if char.isspace():
        return " "
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"  # half a character; some engines take none
    if char in "\u2018\u2019\u02bc":
        return "'"
    if char in "İı":
        return "I" if char == "İ" else "i"
    like = unicodedata.normalize("NFKC", char)
    if category != "No" and len(like) == 1 and like.isascii():
        return like
    if category == "Sc":
        return "$"
    return char if category[0] == "L" or category == "Mc" else '"'  # a sign, an emoji: it parts words


_PLAIN = _Plain()


@dataclass(frozen=True, slots=True)
class Folded:
    """text: in plain form. places: of each of its characters, the offset in the original; None: the same."""

    text: str
    places: Sequence[int] | None
    length: int  # code points of the original

    def original(self, span: Span) -> Span:
        """Return a span of the plain form as one of the original, with what was dropped in and behind it."""
        if self.places is None:
            return span
        end = self.places[span.end] if span.end < len(self.places) else self.length
        return Span(self.places[span.start], end, span.kind, span.score)


def folded(text: str) -> Folded:
    """Return `text` in plain form."""
    if _ODD.search(text) is None:
        return Folded(text, None, len(text))
    plain = text.translate(_PLAIN)
    if _DROPPED not in plain:
        return Folded(plain, None, len(text))
    places = [place for place, char in enumerate(plain) if char != _DROPPED]
    return Folded(plain.replace(_DROPPED, ""), places, len(text))
