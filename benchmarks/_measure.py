"""How every benchmark here measures: CPU and wall time, medians of repeats, and ratios within one run.

The machine may be shared and slow, so no number stands alone: each is held against a limit or against a
peer that does the same work in the same run, turn by turn. CPU time says more than wall time there.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MILLI, MICRO = 1e3, 1e6


@dataclass(frozen=True, slots=True)
class Timing:
    """What some work took. wall, cpu: seconds; cpu is of this process, over all its threads."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> tuple[Any, Timing]:
    """Run `work` once; return what it gave and what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    given = work()
    return given, Timing(time.perf_counter() - wall, time.process_time() - cpu)


def repeated(work: Callable[[], Any], times: int) -> list[Timing]:
    """Run `work` several times; return what each run took."""
    return [timed(work)[1] for _ in range(times)]


def in_turn(works: dict[str, Callable[[], Timing]], times: int) -> dict[str, list[Timing]]:
    """Run rivals turn by turn, the order reversed each round, so that a busy moment hits all alike."""
    taken: dict[str, list[Timing]] = {name: [] for name in works}
    for number in range(times):
        names = list(works)
        for name in names if number % 2 == 0 else reversed(names):
            taken[name].append(works[name]())
    return taken


def ratio(ours: Sequence[Timing], peer: Sequence[Timing], *, of: str = "wall") -> float:
    """Return how fast ours is beside the peer (1 is as fast, 0.5 half as fast): the median of the pairs."""
    return statistics.median(getattr(p, of) / getattr(o, of) for o, p in zip(ours, peer, strict=True))


def median(timings: Sequence[Timing]) -> Timing:
    """Return the median wall and the median CPU time."""
    return Timing(statistics.median(t.wall for t in timings), statistics.median(t.cpu for t in timings))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of `values` lie; nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def rate(count: int, timings: Sequence[Timing]) -> dict[str, float]:
    """Return how many a second, by the clock and as one core's work: the median run, and the best one.

    Neighbours on the machine only ever add time, so the best run is nearest to what the code costs.
    """
    middle = median(timings)
    return {
        "best_per_second": round(count / min(t.wall for t in timings)),
        "best_per_core_second": round(count / min(t.cpu for t in timings)),
        "per_second": round(count / middle.wall),
        "per_core_second": round(count / middle.cpu),
        "cpu_us_each": round(middle.cpu / count * MICRO, 2),
    }


def held(value: float, *, at_most: float | None = None, at_least: float | None = None) -> dict[str, Any]:
    """Return a number beside its limit. ratio: value / limit, which is on the right side of 1 if it holds."""
    limit = at_most if at_most is not None else at_least
    assert limit is not None
    kind = "at_most" if at_most is not None else "at_least"
    return {
        "value": _short(value),
        kind: limit,
        "ratio": _short(value / limit),
        "holds": value <= limit if at_most is not None else value >= limit,
    }


def arguments(about: str, **defaults: tuple[type, Any, str]) -> argparse.Namespace:
    """Read the command line. defaults: option -> (type, value, help), besides --quick."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="smaller counts, under 20 s")
    for name, (kind, value, told) in defaults.items():
        flag = f"--{name.replace('_', '-')}"
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=told)
        else:
            parser.add_argument(flag, type=kind, default=value, help=told)
    return parser.parse_args()


def say(text: str) -> None:
    """Tell how it goes, on stderr."""
    print(text, file=sys.stderr, flush=True)


def emit(name: str, report: dict[str, Any], *, quick: bool) -> None:
    """Print the one JSON object of a benchmark on stdout."""
    whole = {"benchmark": name, "quick": quick, "machine": machine(), **report}
    print(json.dumps(whole, indent=2, ensure_ascii=False))


def machine() -> dict[str, Any]:
    """Say where this ran. load: processes that wanted a core; above `cores`, wall times say little."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "note": "nothing is pinned, and other work may share the cores: trust ratios and CPU time",
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
