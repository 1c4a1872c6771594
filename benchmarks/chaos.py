"""Forty faults: how answerable meets them, beside pydantic-ai's FallbackModel and litellm's Router."""

from pathlib import Path
from typing import Any

from _measure import arguments, emit, held, say
from _rivals import litellm, pydantic_ai, run_rival

from answerable.chaos.run import Row, run_faults, summary

RATIO = 1.2
_QUICK = (1, 5, 8, 10, 14, 20, 22, 30)


def main() -> None:
    """Run and print a table on stderr and one JSON object on stdout."""
    given = arguments(
        "Send forty faults to answerable and to its rivals.",
        faults=(str, "", "only these, such as 1,8,27"),
        litellm_python=(str, None, "the Python of an environment that has litellm; made without it"),
        cache=(Path, Path.home() / ".cache" / "answerable-benchmarks", "where that environment is made"),
        alone=(bool, False, "without the rivals"),
    )
    numbers = [int(one) for one in given.faults.split(",") if one] or (list(_QUICK) if given.quick else [])
    say("answerable")
    rows = run_faults(numbers, progress=_say_row)
    report: dict[str, Any] = {"answerable": {**summary(rows), "rows": [row.data() for row in rows]}}
    rivals: dict[str, list[dict[str, Any]]] = {}
    for rival in [] if given.alone else [pydantic_ai(), litellm(given.litellm_python, given.cache)]:
        say(rival.name)
        told = run_rival(rival, numbers, 3 if given.quick else 20)
        rivals[rival.name] = told
        report[rival.name] = {"configuration": rival.told, **_summary(told), "rows": told}
    report["must_show"] = must_show(rows)
    _table(rows, rivals)
    emit("chaos", report, quick=given.quick)


def must_show(rows: list[Row]) -> dict[str, Any]:
    """Return what the faults of many cases showed, each number beside its limit."""
    told = {row.fault: row.told for row in rows if row.told}
    shown: dict[str, Any] = {}
    if "probes" in told.get(10, {}):
        shown["half_open_probes"] = held(told[10]["probes"], at_most=1)
    if "spent" in told.get(30, {}):
        over = max(0.0, told[30]["spent"] - told[30]["budget"])
        shown["overspent"] = held(over, at_most=told[30]["one_call"])
    if "latency_ratio" in told.get(9, {}):
        shown["dead_primary_latency_ratio"] = held(told[9]["latency_ratio"], at_most=RATIO)
        shown["dead_primary_hits"] = held(told[9]["primary_hits"], at_most=told[9]["at_most"])
    return shown


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count a rival's faults: one passed if every variant that can reach it did."""
    by_fault: dict[int, list[Any]] = {}
    for row in rows:
        by_fault.setdefault(row["fault"], []).append(row["passed"])
    reached = {n: [p for p in passed if p != "n/a"] for n, passed in by_fault.items()}
    return {
        "faults": sum(bool(passed) for passed in reached.values()),
        "passed": sum(bool(passed) and all(passed) for passed in reached.values()),
        "not_applicable": [n for n, passed in reached.items() if not passed],
    }


def _say_row(row: Row) -> None:
    state = "carried" if row.passed is None else "ok" if row.passed else "FAILED"
    more = f": {'; '.join(row.problems)}" if row.problems else ""
    say(f"{row.fault:3} {state:8} {row.seconds:6.2f} s  {row.title}, {row.variant}{more}")


def _table(rows: list[Row], rivals: dict[str, list[dict[str, Any]]]) -> None:
    """Print one line a variant: for each system whether it passed, the hits on both, and the seconds."""
    say("")
    say("each cell: passed, requests to the primary + the second, seconds")
    say(f"{'fault':62} {'answerable':>22} " + " ".join(f"{name:>26}" for name in rivals))
    beside = {name: {(row["fault"], row["variant"]): row for row in told} for name, told in rivals.items()}
    for row in rows:
        state = "carried" if row.passed is None else "ok" if row.passed else "FAILED"
        cells = [f"{_cell(state, row.hits, row.seconds):>22}"]
        for name in rivals:
            found = beside[name].get((row.fault, row.variant)) or next(
                (one for key, one in beside[name].items() if key[0] == row.fault and row.fault == 9), None
            )
            if found is None or found["passed"] == "n/a":
                cells.append(f"{'n/a':>26}")
            else:
                told = "ok" if found["passed"] else "FAILED"
                cells.append(f"{_cell(told, found['hits'], found['seconds']):>26}")
        say(f"{_named(row):62} " + " ".join(cells))


def _named(row: Row) -> str:
    title = row.title if len(row.title) <= 30 else f"{row.title[:29]}…"
    return f"{row.fault:2} {title}: {row.variant}"[:62]


def _cell(state: str, hits: dict[str, int], seconds: float) -> str:
    if state == "carried":
        return state
    return f"{state} {hits.get('primary', 0)}+{hits.get('second', 0)} {seconds:.2f}s"


if __name__ == "__main__":
    main()
