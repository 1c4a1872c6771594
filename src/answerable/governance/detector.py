"""Finds personal values and secrets in text: all finders together, in time proportional to the text.

Without a model, and the same everywhere: google-re2 only tells faster which finders can be left out.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from answerable.failures.masking import SIGNS, secrets
from answerable.governance.addresses import ADDRESSES
from answerable.governance.detection import Span
from answerable.governance.folding import folded
from answerable.governance.identifiers import IDENTIFIERS
from answerable.governance.names import NAMES
from answerable.governance.national import NATIONAL
from answerable.governance.phones import phones
from answerable.governance.scanning import SURE, Finder, Reading
from answerable.ports import Detector

VERSION = "1"  # raised whenever anything is found that was not, or no longer


def _secrets(reading: Reading) -> Iterator[Span]:
    last: tuple[int, int] | None = None
    for start, end in sorted(secrets(reading.text)):
        if last is not None and start < last[1]:
            last = (last[0], max(last[1], end))  # found twice, in parts
            continue
        if last is not None:
            yield Span(*last, "SECRET", SURE)
        last = (start, end) if start < end else last
    if last is not None:
        yield Span(*last, "SECRET", SURE)


class Rules:
    """The built-in detector: patterns, check digits, context words and a few rules for names.

    region: two letters, such as "DE", whose telephone numbers need no word before them. names: look for
    names of people, which is less sure than all else. least: the lowest score that is told, 0 to 1. quick:
    use google-re2 where it is installed; what is found is the same.
    Raises UsageError for an unknown region.
    """

    def __init__(
        self, *, region: str | None = None, names: bool = True, least: float = 0.4, quick: bool = True
    ) -> None:
        self.version = f"rules@{VERSION}"
        if region is not None or not names or least != 0.4:
            self.version += f"[{region or '-'},{'names' if names else 'no-names'},{least:g}]"
        self._least = least
        self._finders = (
            *IDENTIFIERS,
            phones(region),
            *NATIONAL,
            *ADDRESSES,
            *(NAMES if names else ()),
            Finder("secret", SIGNS, _secrets),
        )
        self._promising = _gate(self._finders) if quick else None

    def find(self, text: str) -> Sequence[Span]:
        """Return what was found, by start, without overlaps; offsets are code points of `text`."""
        plain = folded(text)
        if self._promising is None:
            finders: Iterable[Finder] = self._finders
        else:
            finders = [self._finders[place] for place in self._promising(plain.text)]
            if not finders:
                return ()
        reading = Reading(plain.text)
        found = [s for finder in finders for s in finder.find(reading) if s.score >= self._least]
        return tuple(plain.original(span) for span in apart(found))


def apart(spans: Iterable[Span]) -> list[Span]:
    """Return `spans` without overlaps, by start: the higher score stays, then the longer, then the first.

    A secret always stays, so that no part of it is left beside another value.
    """
    kept: list[Span] = []
    ranked = sorted(spans, key=lambda s: (s.kind != "SECRET", -s.score, s.start - s.end, s.start, s.kind))
    taken: list[tuple[int, int]] = []
    for span in ranked:
        place = bisect_left(taken, (span.start, span.start))
        before = place > 0 and taken[place - 1][1] > span.start
        if not before and (place == len(taken) or taken[place][0] >= span.end):
            taken.insert(place, (span.start, span.end))
            kept.append(span)
    return sorted(kept, key=lambda s: s.start)


def _gate(finders: Sequence[Finder]) -> Callable[[str], Sequence[int]] | None:
    """Return what tells which finders a text may have something for; None without google-re2."""
    try:
        import re2
    except ImportError:
        return None
    options = re2.Options()
    options.max_mem = 64 << 20  # bytes; the automaton is made as texts need it
    options.log_errors = False
    gates: Any = re2.Set.SearchSet(options)
    for finder in finders:
        gates.Add(finder.gate)
    always = gates.Add("")
    gates.Compile()

    def promising(text: str) -> Sequence[int]:
        told = gates.Match(text)
        # What matches always is missing if the automaton ran out of memory: then nothing may be left out.
        return sorted(place for place in told if place != always) if told and always in told else every

    every = range(len(finders))
    return promising


class _Combined:
    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self.version = "+".join(detector.version for detector in detectors)

    def find(self, text: str) -> Sequence[Span]:
        return tuple(apart(span for detector in self._detectors for span in detector.find(text)))


def combined(detectors: Sequence[Detector]) -> Detector:
    """Return one detector that finds what any of `detectors` finds; where two overlap, as `apart` says."""
    return detectors[0] if len(detectors) == 1 else _Combined(detectors)
