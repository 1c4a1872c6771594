"""Every detector keeps one contract; a backend is one more detector, and is loaded only on request."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from answerable.errors import UsageError
from answerable.governance import detectors
from answerable.governance.detector import Rules, combined
from answerable.governance.detector_gliner import Gliner
from answerable.governance.detector_presidio import Presidio
from answerable.ports import Detector

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class Analyzer:
    """Stands for Presidio's engine: it finds "Ottoline", twice, as Presidio does where two recognisers agree."""

    def analyze(
        self, *, text: str, language: str, entities: list[str], score_threshold: float
    ) -> list[SimpleNamespace]:
        """Return results of the form that Presidio's have."""
        start = text.find("Ottoline")
        if start < 0 or "PERSON" not in entities:
            return []
        return [
            SimpleNamespace(start=start, end=start + 8, entity_type="PERSON", score=0.85),
            SimpleNamespace(start=start, end=start + 4, entity_type="NRP", score=0.5),
        ]


class Model:
    """Stands for a GLiNER model: it sees 1,000 characters and finds "Ottoline" in them."""

    def predict_entities(self, text: str, labels: list[str], threshold: float) -> list[dict[str, Any]]:
        """Return entities of the form that GLiNER's have."""
        assert len(text) <= 1000
        start = text.find("Ottoline")
        return [{"start": start, "end": start + 8, "label": "person", "score": 0.9}] if start >= 0 else []


class DetectorContract:
    """What every detector promises."""

    def make(self) -> Detector:
        """Return the detector."""
        raise NotImplementedError

    def test_it_names_itself_with_a_version(self) -> None:
        """Records say who looked."""
        assert "@" in self.make().version

    @pytest.mark.parametrize(
        "text", ["", " ", "Ottoline, bob@example.com", "\U0001f600 Mr. Ottoline", "\ud800"]
    )
    def test_spans_are_ordered_apart_and_inside(self, text: str) -> None:
        """Whoever replaces them needs nothing else."""
        place = 0
        for span in self.make().find(text):
            assert place <= span.start < span.end <= len(text)
            assert 0 <= span.score <= 1 and span.kind == span.kind.upper()
            place = span.end

    def test_it_says_the_same_twice(self) -> None:
        """A record can be checked again."""
        detector = self.make()

        assert list(detector.find("Mr. Ottoline, 4111111111111111")) == list(
            detector.find("Mr. Ottoline, 4111111111111111")
        )


class TestRules(DetectorContract):
    def make(self) -> Detector:
        return Rules()


class TestRulesWithoutRe2(DetectorContract):
    def make(self) -> Detector:
        return Rules(quick=False)


class TestPresidio(DetectorContract):
    def make(self) -> Detector:
        return Presidio(engine=Analyzer())


class TestGliner(DetectorContract):
    def make(self) -> Detector:
        return Gliner(engine=Model())


class TestCombined(DetectorContract):
    def make(self) -> Detector:
        return combined([Rules(), Presidio(engine=Analyzer()), Gliner(engine=Model())])


def test_a_backend_adds_names_that_rules_do_not_know() -> None:
    """Merged, and each place has one kind."""
    found = combined([Rules(), Presidio(engine=Analyzer())]).find("saw Ottoline, bob@example.com")

    assert [(span.kind, span.start, span.end) for span in found] == [("PERSON", 4, 12), ("EMAIL", 14, 29)]


def test_gliner_reads_a_long_text_in_windows() -> None:
    """The model cuts off what is longer, and a name on an edge is seen whole by one window."""
    for place in (0, 500, 795, 798, 999, 1500, 2400):
        text = "x" * (place - 1) + " " * (place > 0) + "Ottoline" + " y" * 100

        assert [(s.start, s.kind) for s in Gliner(engine=Model()).find(text)] == [(place, "PERSON")]


@pytest.mark.parametrize(("backend", "module"), [("presidio", "presidio_analyzer"), ("gliner", "gliner")])
def test_a_missing_extra_is_an_error_that_names_the_command(
    backend: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when the backend is asked for, not when something is imported."""
    monkeypatch.setattr(detectors, "entry_points", _declared)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(UsageError) as caught:
        detectors.open_detector(backend)

    assert f'pip install "answerable[{backend}]"' in caught.value.next_step


def test_presidio_without_a_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presidio itself would fetch one from the network."""
    monkeypatch.setitem(sys.modules, "presidio_analyzer", ModuleType("presidio_analyzer"))
    with pytest.raises(UsageError, match="no spaCy model"):
        Presidio(model="no_such_model")


def test_built_in_detectors_register_as_a_plugin_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry point leads to something that gives a detector; an unknown name is told with the known ones."""
    monkeypatch.setattr(detectors, "entry_points", _declared)

    assert [p.load() for p in _declared(group=detectors.GROUP)] == [Rules, Presidio, Gliner]
    assert detectors.open_detector().version == "rules@1"
    assert detectors.open_detector("rules", names=False).version == Rules(names=False).version
    with pytest.raises(UsageError) as caught:
        detectors.open_detector("presidoi")
    assert "presidio" in caught.value.next_step


def _declared(*, group: str) -> EntryPoints:
    """Return what pyproject.toml declares; the installed metadata may be of another time."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    return EntryPoints(EntryPoint(n, v, group) for n, v in project["entry-points"][group].items())
