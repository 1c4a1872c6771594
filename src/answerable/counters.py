"""Counts what happens in this process, under names and labels that a Prometheus server can read."""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from answerable.errors import UsageError, did_you_mean

Labels = tuple[tuple[str, str], ...]
LABEL_SETS = 1000  # of one metric; whatever comes after them counts as OTHER
OTHER = "other"
_VALUE = 200  # characters of a label's value
_CACHED = 20_000  # ways of naming a cell that are found again without being checked
# Upper bounds in seconds: from a rule's microseconds to a slow agent.
BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. buckets: upper bounds in its unit, for a histogram; none: it is a counter."""

    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("answerable_outcomes_total", "Cases that ended.", ("decision", "status", "decider", "degraded")),
    Metric("answerable_faults_total", "Attempts that ended with a fault.", ("decider", "category")),
    Metric("answerable_calls_total", "Calls that left this machine.", ("provider", "model", "result")),
    Metric("answerable_retries_total", "Calls made again within an attempt.", ("decider", "category")),
    Metric(
        "answerable_tokens_total", "Tokens sent (in) and received (out).", ("provider", "model", "direction")
    ),
    Metric("answerable_cost_micro_total", "Cost in millionths of the currency.", ("decision", "currency")),
    Metric("answerable_alerts_total", "Alerts that operators were told.", ("category",)),
    Metric(
        "answerable_breaker_changes_total", "Circuit breakers that changed.", ("provider", "model", "state")
    ),
    Metric("answerable_decision_seconds", "Time from input to recorded outcome.", ("decision",), BUCKETS),
)
_BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


class _Cell:
    """The numbers of one label set: a sum and, for a histogram, how many values fell into each bucket."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.sum: float = 0  # exact for as long as only whole numbers are added
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1) if bounds else []


class Counters:
    """All metrics of one process, from zero; any number of threads may add at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[str, dict[Labels, _Cell]] = {metric.name: {} for metric in METRICS}
        self._found: dict[tuple[Any, ...], _Cell] = {}  # by name and labels as they were given

    def add(self, name: str, value: float = 1, /, **labels: str | None) -> None:
        """Add `value` (0 or more) to a counter, or enter it into a histogram.

        labels: exactly the metric's; None stands for "". Raises UsageError for an unknown name, other labels,
        or a value that is no such number.
        """
        if (value.__class__ is not int and value.__class__ is not float) or not 0 <= value < inf:
            raise UsageError(f"{name} cannot count {value!r}", next_step="add a number of 0 or more")
        try:
            cell = self._found.get((name, *labels.items()))
        except TypeError:  # a value that cannot even be looked up is no text
            cell = None
        if cell is None:
            cell = self._cell(name, labels)
        with self._lock:
            cell.sum += value
            if cell.counts:
                cell.counts[bisect_left(cell.bounds, value)] += 1

    def read(self) -> dict[str, dict[Labels, float]]:
        """Return every number: name -> labels, as (name, value) pairs -> value.

        A histogram gives NAME_bucket (with the label "le", cumulative), NAME_sum and NAME_count.
        """
        with self._lock:
            held = {
                name: {labels: (cell.sum, tuple(cell.counts)) for labels, cell in cells.items()}
                for name, cells in self._cells.items()
            }
        told: dict[str, dict[Labels, float]] = {}
        for metric in METRICS:
            cells = held[metric.name]
            if not metric.buckets:
                told[metric.name] = {labels: total for labels, (total, _) in cells.items()}
                continue
            buckets = told.setdefault(f"{metric.name}_bucket", {})
            for labels, (_, counts) in cells.items():
                below = 0
                for bound, count in zip((*metric.buckets, inf), counts, strict=True):
                    below += count
                    buckets[*labels, ("le", _number(bound))] = below
            told[f"{metric.name}_sum"] = {labels: total for labels, (total, _) in cells.items()}
            told[f"{metric.name}_count"] = {labels: sum(counts) for labels, (_, counts) in cells.items()}
        return told

    def text(self) -> str:
        """Return everything in the text format that Prometheus reads.

        Source: Prometheus, "Exposition formats", text format 0.0.4.
        """
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        told = self.read()
        for metric in METRICS:
            yield f"# HELP {metric.name} {metric.help}"
            yield f"# TYPE {metric.name} {'histogram' if metric.buckets else 'counter'}"
            for ending in ("_bucket", "_sum", "_count") if metric.buckets else ("",):
                for labels, value in told[metric.name + ending].items():
                    named = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
                    yield f"{metric.name}{ending}{{{named}}} {_number(value)}"

    def _cell(self, name: str, labels: Mapping[str, str | None]) -> _Cell:
        """Return the cell for labels that were not seen before in this order."""
        metric = _BY_NAME.get(name)
        if metric is None:
            raise UsageError(f"no metric is called {name!r}", next_step=did_you_mean(str(name), _BY_NAME))
        if labels.keys() != set(metric.labels):
            raise UsageError(
                f"{name} was given the labels {sorted(labels)}", next_step=f"give {', '.join(metric.labels)}"
            )
        for label, value in labels.items():
            if value is not None and not isinstance(value, str):
                raise UsageError(f"{name}: {label} is {value!r}", next_step="give a text or None")
        wanted = tuple((label, _clean(labels[label])) for label in metric.labels)
        with self._lock:
            cells = self._cells[name]
            if wanted not in cells and len(cells) >= LABEL_SETS - 1:
                # Not remembered under its own name: that would grow without an end as well.
                wanted = tuple((label, OTHER) for label in metric.labels)
                return cells.setdefault(wanted, _Cell(metric.buckets))
            cell = cells.setdefault(wanted, _Cell(metric.buckets))
            if len(self._found) < _CACHED:
                self._found[name, *labels.items()] = cell
            return cell


def _clean(value: str | None) -> str:
    """Return a label's value as text that UTF-8 can hold, and not too long."""
    return "" if value is None else value[:_VALUE].encode("utf-8", "replace").decode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if value == inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
