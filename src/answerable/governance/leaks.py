"""Looks for personal values in data that stands in clear: where they are and of what kind, never which."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from answerable.ports import Detector

Leaks = Counter[tuple[str, str]]  # (path, kind) -> how many


def leaks_in(detector: Detector, value: Any, path: str = "") -> Leaks:
    """Return what the detector finds in JSON data: how many values of each kind at each path.

    A path is such as "reads[2].email"; a name in it that is a personal value itself is shown as its kind.
    """
    found: Leaks = Counter()
    for place, text in _texts(detector, value, path):
        for span in detector.find(text):
            found[place, span.kind] += 1
    return found


def kinds_of(found: Leaks) -> dict[str, int]:
    """Return how many values of each kind there are, wherever they stand."""
    kinds: Counter[str] = Counter()
    for (_, kind), count in found.items():
        kinds[kind] += count
    return dict(sorted(kinds.items()))


def _texts(detector: Detector, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            spans = detector.find(name)
            shown = f"[{spans[0].kind}]" if spans else name
            place = f"{path}.{shown}" if path else shown
            if spans:
                yield place, name
            yield from _texts(detector, inner, place)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _texts(detector, inner, f"{path}[{at}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, str(value)  # a card or account number may be stored as a number
