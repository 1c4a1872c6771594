"""Real queues as decisions, every one recorded: how right, how fast, what it costs, and does the ledger hold?

NYC 311 team routing and BANKING77 intents, learned from the past (or the train split), decided on the rest.
"""

import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _measure import MICRO, arguments, emit, held, rate, say, timed

import answerable as ans

REAL = Path(__file__).resolve().parent / "real"
QUICK = 400  # cases a queue
Said = Mapping[str, Sequence[str | None]]  # decider -> its answer to each case, None where it abstains
Z95 = 1.959964  # of the normal distribution, two-sided


@dataclass(frozen=True, slots=True)
class Queue:
    """A decision, the cases to put to it and the right answers of its one field."""

    decision: ans.Decision[Any, Any]
    field: str
    cases: Sequence[Any]
    truths: Sequence[str]
    note: str


def main() -> None:
    """Run every queue and print one JSON object."""
    given = arguments(
        "Decide real queues and record every case.",
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
    if not shared.data_folder().is_dir():
        emit("real_decisions", {"skipped": f"no shared data in {shared.data_folder()}"}, quick=given.quick)
        return
    report = {}
    for queue in queues(QUICK if given.quick else None):
        say(f"{queue.decision.name}: {len(queue.cases)} cases")
        report[queue.decision.name] = run(queue)
    emit("real_decisions", report, quick=given.quick)


def queues(limit: int | None) -> list[Queue]:
    """Return what is decided. limit: cases of each, spread over the whole; None for all."""
    import banking77
    import nyc311
    import shared

    say("loading what was learned; the first time it is trained, about 20 s")
    _, future = nyc311.split()
    texts = shared.rows(banking77.TEST)
    early = [nyc311.Call(**request.model_dump(exclude={"complaint_type"})) for request, _ in future]
    agencies = [agency for _, agency in future]
    found = [
        Queue(
            nyc311.decision,
            "agency",
            [request for request, _ in future],
            agencies,
            "the complaint type names the agency: a table is enough, and nothing here needs a model",
        ),
        Queue(
            nyc311.early,
            "agency",
            early,
            agencies,
            "before a complaint type is chosen; without the location type, whose values depend on it",
        ),
        Queue(
            banking77.decision,
            "intent",
            [banking77.Query(text=row["text"]) for row in texts],
            [row["category"] for row in texts],
            "trained on the train split, decided on the whole test split",
        ),
    ]
    return [_some(queue, limit) for queue in found]


def _some(queue: Queue, limit: int | None) -> Queue:
    step = max(1, len(queue.cases) // limit) if limit else 1
    return Queue(queue.decision, queue.field, queue.cases[::step], queue.truths[::step], queue.note)


def run(queue: Queue) -> dict[str, Any]:
    """Decide all cases in a home of their own; return accuracy, money, throughput and the ledger's state."""
    with (
        tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder,
        ans.Workspace(Path(folder) / "home") as ws,
    ):
        results, took = timed(lambda: list(ws.decide_many(queue.decision, queue.cases)))
        failures = [r for r in results if isinstance(r, ans.Failure)]
        if failures:
            raise failures[0].error
        say("  measuring each decider alone")
        alone = {
            decider.name: timed(partial(answers_alone, queue, decider))
            for decider in queue.decision.deciders
            if decider.kind != "person"
        }
        said = {name: answers for name, (answers, _) in alone.items()}
        report = {
            "cases": len(queue.cases),
            "note": queue.note,
            "statuses": dict(Counter(r.status for r in results)),
            "accuracy": accuracy(queue, results, said),
            "money": money(queue, results, said),
            "throughput": {
                **rate(len(results), [took]),
                "what": "decide_many, 8 in flight, durable",
                "deciders_alone_cpu_us": {
                    name: round(spent.cpu / len(results) * MICRO, 1) for name, (_, spent) in alone.items()
                },
            },
            "why": str(ws.why(results[0].record_id).data["summary"]),
        }
        say("  sealing and verifying")
        report["ledger"] = ledger(ws, queue)
        return report


# -- how right ---------------------------------------------------------------------------------------


def accuracy(queue: Queue, outcomes: Sequence[ans.Outcome[Any]], said: Said) -> dict[str, Any]:
    """Return the accuracy of each decider on all cases it answers by itself, and of the chain."""
    scores: dict[str, Any] = {}
    for name, alone in said.items():
        made_by = queue.decision.decider(name).made_by
        inside = [value_of(queue, o) if o.decider == made_by else None for o in outcomes]
        scores[name] = {"alone": score(alone, queue.truths), "in_chain": score(inside, queue.truths)}
    scores["chain"] = score([value_of(queue, o) for o in outcomes], queue.truths)
    return scores


def value_of(queue: Queue, outcome: ans.Outcome[Any]) -> str | None:
    """Return what was answered, or None if the case was not answered by itself."""
    return None if outcome.output is None else str(getattr(outcome.output, queue.field))


def answers_alone(queue: Queue, decider: ans.Decider) -> list[str | None]:
    """Return what a decider says to every case when it is asked first; None where it abstains."""
    said: list[str | None] = []
    for number, given in enumerate(queue.cases):
        case = ans.Case(
            id=str(number),
            decision=queue.decision.name,
            input=given,
            principal=ans.Principal("service:benchmark"),
            purpose=queue.decision.purpose,
            key=None,
            clock=lambda: 0.0,
            deadline=60.0,
        )
        answer = decider.run(case)
        said.append(None if isinstance(answer, ans.Abstain) else str(answer.output[queue.field]))
    return said


def score(answers: Sequence[str | None], truths: Sequence[str]) -> dict[str, Any]:
    """Return accuracy over what was answered, with its 95 % interval, and the share that was answered."""
    given = [(a, t) for a, t in zip(answers, truths, strict=True) if a is not None]
    right = sum(a == t for a, t in given)
    return {
        "accuracy": wilson(right, len(given)),
        "answered": len(given),
        "coverage": round(len(given) / len(truths), 4),
    }


def wilson(right: int, of: int) -> dict[str, float | None]:
    """Return the share `right` / `of` with its 95 % interval. Source: Wilson, JASA 1927."""
    if not of:
        return {"value": None, "low": None, "high": None}
    p, z2 = right / of, Z95**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return {
        "value": round(p, 4),
        "low": round(max(0.0, middle - half), 4),
        "high": round(min(1.0, middle + half), 4),
    }


# -- what it costs -----------------------------------------------------------------------------------


def money(queue: Queue, outcomes: Sequence[ans.Outcome[Any]], said: Said) -> dict[str, Any]:
    """Return what errors and reviews cost: the chain, each decider with its rest reviewed, and people only.

    A person is taken to be always right.
    """
    stakes = queue.decision.stakes
    wrong, review = float(stakes.wrong), stakes.review  # type: ignore[arg-type]

    def cost(answers: Sequence[str | None]) -> dict[str, Any]:
        each = [
            review if a is None else 0.0 if a == t else wrong
            for a, t in zip(answers, queue.truths, strict=True)
        ]
        return bootstrapped(each)

    found = {"chain": cost([value_of(queue, o) for o in outcomes])}
    for name, alone in said.items():
        found[f"{name} alone, the rest reviewed"] = cost(alone)
    found["people only"] = cost([None] * len(queue.truths))
    return {"currency": stakes.currency, "wrong": wrong, "review": review, "total": found}


def bootstrapped(values: Sequence[float], *, resamples: int = 1000) -> dict[str, float]:
    """Return the sum of `values` with its 95 % percentile bootstrap interval."""
    import numpy as np

    held_values = np.asarray(values)
    chance = np.random.default_rng(0)
    sums = held_values[chance.integers(0, len(values), (resamples, len(values)))].sum(axis=1)
    low, high = np.quantile(sums, [0.025, 0.975])
    return {
        "value": round(float(held_values.sum()), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }


# -- does the ledger hold ----------------------------------------------------------------------------


def ledger(ws: ans.Workspace, queue: Queue) -> dict[str, Any]:
    """Return whether every case has its entry and whether the ledger verifies, before and after sealing."""
    before = {"entries": gap_free(ws, queue), "verify": verified(ws)}
    sealed = ws.ledger.seal()
    after = {"entries": gap_free(ws, queue), "verify": verified(ws)}
    return {"before_sealing": before, "sealed": sealed.entries, "after_sealing": after}


def gap_free(ws: ans.Workspace, queue: Queue) -> dict[str, Any]:
    """Count the decision's entries and say whether their indexes have no gap and no entry is there twice."""
    lines = ws.records(queue.decision.name, limit=None)
    indexes = sorted(line["index"] for line in lines)
    whole = indexes == list(range(indexes[0], indexes[0] + len(queue.cases)))
    once = len({line["record_id"] for line in lines}) == len(lines)
    return {**held(len(lines), at_least=len(queue.cases)), "gap_free": whole, "each_once": once}


def verified(ws: ans.Workspace) -> dict[str, Any]:
    """Return the verdict of `verify` in short."""
    found = ws.ledger.verify()
    return {"ok": found.ok, "entries": found.entries, "segments": found.segments}


if __name__ == "__main__":
    main()
