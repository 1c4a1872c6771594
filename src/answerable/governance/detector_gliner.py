"""GLiNER as a detector: names and whatever else one can name, by a model that is told what to look for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from answerable.governance.detection import Span
from answerable.governance.detector import apart
from answerable.integrations.tables_core import load

LABELS: Final[Mapping[str, str]] = {
    "person": "PERSON",
    "address": "ADDRESS",
    "organization": "ORGANIZATION",
}
MODEL: Final = "urchade/gliner_multi_pii-v1"
_WINDOW, _OVERLAP = 1000, 200  # code points the model sees at once: it cuts off what is longer


class Gliner:
    """GLiNER behind our port.

    labels: what it is asked to find -> the kind it is told as. model: a folder, or a name that gliner itself
    looks up, and fetches if it is not there. Raises UsageError without the extra.
    """

    def __init__(
        self,
        *,
        labels: Mapping[str, str] = LABELS,
        model: str = MODEL,
        least: float = 0.5,
        engine: Any = None,
    ) -> None:
        self._labels, self._least = dict(labels), least
        if engine is None:
            package = load("gliner", extra="gliner", purpose="the detector gliner")
            engine = package.GLiNER.from_pretrained(model)
        self._engine = engine
        self.version = f"gliner@{model}"

    def find(self, text: str) -> Sequence[Span]:
        """Return what the model found, by start, without overlaps; long text is read in windows."""
        found = []
        for start in range(0, max(1, len(text) - _OVERLAP), _WINDOW - _OVERLAP):
            part = text[start : start + _WINDOW]
            for entity in self._engine.predict_entities(part, list(self._labels), threshold=self._least):
                kind = self._labels.get(entity["label"], str(entity["label"]).upper())
                found.append(
                    Span(start + entity["start"], start + entity["end"], kind, float(entity["score"]))
                )
        return tuple(apart(found))
