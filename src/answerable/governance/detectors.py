"""Opens a detector by its name: the built-in rules, or a backend that a plugin or an extra brings."""

from importlib.metadata import entry_points
from typing import Any

from answerable.errors import UsageError, did_you_mean
from answerable.governance.detector import Rules, combined
from answerable.ports import Detector

GROUP = "answerable.detector"


def open_detector(backend: str | None = None, **options: Any) -> Detector:
    """Return the built-in rules, together with a backend for names if one is named.

    backend: a name in the entry point group `answerable.detector`, such as "presidio" or "gliner".
    options: of the rules, see `Rules`. Raises UsageError if there is no such backend or its extra is missing.
    """
    rules = Rules(**options)
    if backend is None or backend == "rules":
        return rules
    found = entry_points(group=GROUP)
    if backend not in found.names:
        names = sorted(found.names)
        raise UsageError(f"no detector is named {backend!r}", next_step=did_you_mean(backend, names))
    made: Detector = found[backend].load()()
    return combined([rules, made])
