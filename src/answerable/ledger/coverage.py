"""Counts what a home records: the evidence that `governance.acceptance` judges."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from answerable.governance.retention import STANDARD
from answerable.ledger.entry import Filter, Stored
from answerable.ledger.envelope import AES256GCM_HKDF, DROPPED
from answerable.ledger.ledger import Ledger
from answerable.ledger.verify import CHECKPOINTS

SAMPLE = 1000  # newest decisions whose parts are read
_HALF_YEAR, _YEAR = 183 * 86_400.0, 365 * 86_400.0  # seconds
_FIELDS = (
    "version", "definition", "principal", "purpose", "policy", "stage", "confidence", "retention",
    "latency_us", "degraded",
)  # fmt: skip


def counted(ledger: Ledger, times: Mapping[str, float]) -> dict[str, int]:
    """Return the counts by name. times: retention class -> seconds, as the project says.

    `kind.K` and `status.S` count entries, `decisions.F` those decisions whose header field F is filled,
    `sample.W` those of the newest 1,000 decisions that hold W; of the names, each is there once it is not 0.
    """
    found: Counter[str] = Counter()
    for kind, status, entries, *filled in ledger.filled():
        found["entries"] += entries
        found[f"kind.{kind}"] += entries
        if kind == "decision":
            found["decisions"] += entries
            found[f"status.{status}"] += entries
            found["denied"] += filled[len(_FIELDS)]
            for name, count in zip(_FIELDS, filled, strict=False):
                found[f"decisions.{name}"] += count
    found["disposals"] = sum(found[f"kind.{kind}"] for kind in ("erasure", "drop", "retention"))
    found["access"] = found["kind.reveal"] + found["kind.export"]
    found["checkpoints"] = _files(ledger.folder / CHECKPOINTS, "*.note")
    newest = ledger.latest(Filter(limit=SAMPLE))
    _sample(found, ledger, (ledger.get(listed.header["id"]) for listed in newest))
    used = {listed.header["retention"] or STANDARD for listed in newest}
    for name in {*times, *used}:
        found["classes"] += 1
        found["classes.timed"] += name in times
        found["classes.half-year"] += times.get(name, _YEAR) >= _HALF_YEAR
        found["classes.year"] += times.get(name, _YEAR) >= _YEAR
    return {name: count for name, count in sorted(found.items()) if count}


def _files(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))


def _sample(found: Counter[str], ledger: Ledger, newest: Iterable[Stored | None]) -> None:
    for stored in newest:
        if stored is None:  # pruned since it was listed
            continue
        found["sample"] += 1
        output, detail = _part(ledger, stored, "output"), _part(ledger, stored, "detail")
        found["sample.reason"] += bool(output.get("reason") or output.get("reasons"))
        found["sample.reads"] += "reads" in stored.entry.parts
        found["sample.personal"] += "personal" in detail
        found["sample.consent"] += bool(detail.get("consent"))
        envelope = ledger.envelope(stored, "input")
        found["sample.sealed"] += envelope is not None and envelope[0] in (AES256GCM_HKDF, DROPPED)


def _part(ledger: Ledger, stored: Stored, name: str) -> Mapping[str, Any]:
    body = ledger.body(stored, name)
    return body if isinstance(body, dict) else {}
