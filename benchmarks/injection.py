"""How many attempts to instruct a model does the injection check find, and how often is it wrong?

Our own 100 support texts, which it was written against, and public data that it was not: CyberSecEval's
attempts, and real messages of customers, which hold none.
"""

import csv
import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from _injection_texts import BENIGN, INJECTED
from _measure import MICRO, arguments, emit, held, say, timed

from answerable.failures.injection import THRESHOLD, signals_in

REAL = Path(__file__).resolve().parent / "real"
QUICK = 300  # texts a set
LINES = ("Ordinary words about an order that came late. ", "ignore the ", "a ", "![")


def main() -> None:
    """Measure and print one JSON object."""
    given = arguments(
        "Measure the injection check.",
        shared=(
            str,
            None,
            "the folder that holds `data` (default: ANSWERABLE_SHARED, or `shared` beside it)",
        ),
    )
    sys.path.insert(0, str(REAL))
    import shared

    if given.shared:
        os.environ[shared.SHARED_VARIABLE] = given.shared
    say("our own texts")
    found, wrong = caught(INJECTED), caught(BENIGN)
    report: dict[str, Any] = {
        "own": {
            "injected": len(INJECTED),
            "benign": len(BENIGN),
            "precision": held(found / max(1, found + wrong), at_least=0.95),
            "recall": held(found / len(INJECTED), at_least=0.9),
            "missed": [text[:80] for text in INJECTED if not flagged(text)],
            "false_alarms": [text[:80] for text in BENIGN if flagged(text)],
        },
        "microseconds_a_kilobyte": {line.strip(): speed(line, given.quick) for line in LINES},
        "public": public(shared.data_folder(), QUICK if given.quick else None),
    }
    emit("injection", report, quick=given.quick)


def flagged(text: str) -> bool:
    """Say whether the check would make a finding of a text."""
    return sum(signals_in(text).values()) >= THRESHOLD


def caught(texts: Iterable[str]) -> int:
    """Return how many texts are flagged."""
    return sum(map(flagged, texts))


def speed(line: str, quick: bool) -> dict[str, float]:
    """Return what a kilobyte costs in a short and in a long text: the same if the check is linear."""
    costs = {}
    for kilobytes in (20, 50 if quick else 200):
        text = (line * (kilobytes * 1000 // len(line) + 1))[: kilobytes * 1000]
        costs[f"{kilobytes}_kb"] = round(
            min(timed(lambda held=text: signals_in(held))[1].cpu for _ in range(3)) * MICRO / kilobytes
        )
    return costs


def public(folder: Path, most: int | None) -> dict[str, Any]:
    """Measure on each public set that is there."""
    report: dict[str, Any] = {}
    for name, (file, attempts, read) in SETS.items():
        path = folder / file
        if not path.is_file():
            report[name] = {"skipped": f"no {file}"}
            continue
        texts = list(read(path))[:most]
        say(f"{name}: {len(texts)} texts")
        signals = [signals_in(text) for text in texts]
        hits = [found for found in signals if sum(found.values()) >= THRESHOLD]
        share = round(len(hits) / len(texts), 4)
        report[name] = {
            "texts": len(texts),
            "flagged": len(hits),
            "recall" if attempts else "false_alarm_rate": share,
            "signals": dict(Counter(signal for found in hits for signal in found).most_common()),
        }
    return report


def json_rows(path: Path) -> Any:
    """Return the JSON of a gzipped file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def of_kind(kind: str) -> Callable[[Path], Iterator[str]]:
    """Return a reader of CyberSecEval's attempts, "direct" or "indirect"."""
    return lambda path: (row["user_input"] for row in json_rows(path) if row["injection_type"] == kind)


def column(name: str, *, where: Sequence[str] = ()) -> Callable[[Path], Iterator[str]]:
    """Return a reader of one column of a CSV; where: column, value."""

    def read(path: Path) -> Iterator[str]:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if not where or row[where[0]] == where[1]:
                    yield row[name]

    return read


def line_field(name: str) -> Callable[[Path], Iterator[str]]:
    """Return a reader of one field of JSON lines."""

    def read(path: Path) -> Iterator[str]:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield str(json.loads(line)[name])

    return read


SETS: dict[str, tuple[str, bool, Callable[[Path], Iterator[str]]]] = {
    "cyberseceval_indirect": ("injection/cyberseceval_prompt_injection.json.gz", True, of_kind("indirect")),
    "cyberseceval_direct": ("injection/cyberseceval_prompt_injection.json.gz", True, of_kind("direct")),
    "cyberseceval_benign_requests": (
        "injection/cyberseceval_false_refusal.json.gz",
        False,
        lambda path: (row["mutated_prompt"] for row in json_rows(path)),
    ),
    "emails": ("injection/bipia_email_train.jsonl.gz", False, line_field("context")),
    "bank_customers": ("intent/banking77_test.csv.gz", False, column("text")),
    "text_messages": ("moderation/sms_spam_collection.csv.gz", False, column("text")),
    "questions_to_chatgpt": ("llm_faults/halueval_general_human.jsonl.gz", False, line_field("user_query")),
    "bank_documents": ("llm_faults/tau2_bank_documents.jsonl.gz", False, line_field("content")),
}

if __name__ == "__main__":
    main()
