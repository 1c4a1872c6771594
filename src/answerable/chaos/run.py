"""Runs the faults against our own reference decisions, each in a fresh home, and says how they were met."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from answerable.alerting import LOGGER, alerts
from answerable.chaos import scenarios
from answerable.chaos.faults import FAULTS
from answerable.chaos.judging import Seen, problems, who
from answerable.chaos.reference import HISTORY, met_by, ticket
from answerable.chaos.server import FaultServer
from answerable.chaos.variants import Fault, Variant
from answerable.encoding import MICRO
from answerable.errors import UsageError
from answerable.workspace import MEMORY, Workspace

NOWHERE = "http://nowhere.invalid/v1"  # a name that never exists: RFC 6761
_CLOSING_S = 1.0  # for the server to see that a caller left


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """How one variant or scenario was met.

    passed: None where it is carried to a later part. hits: requests for each upstream. seconds: of all
    cases together. told: what came back, such as who answered and the category of the fault.
    """

    fault: int
    title: str
    variant: str
    passed: bool | None
    problems: tuple[str, ...] = ()
    hits: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "fault": self.fault,
            "title": self.title,
            "variant": self.variant,
            "passed": self.passed,
            "problems": list(self.problems),
            "hits": self.hits,
            "seconds": round(self.seconds, 3),
            **self.told,
        }


def run_faults(
    numbers: Sequence[int] = (), *, progress: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Run the faults with these numbers (all without any) and return their rows, in order.

    progress: called with each row as it is done. Raises UsageError for a number that no fault has.
    """
    chosen = chosen_faults(numbers)
    rows: list[Row] = []
    with FaultServer() as server, quiet():
        for fault in chosen:
            for row in _rows(fault, server):
                rows.append(row)
                progress(row)
    return rows


def chosen_faults(numbers: Sequence[int]) -> list[Fault]:
    """Return the faults with these numbers, or all. Raises UsageError for an unknown number."""
    known = {fault.number: fault for fault in FAULTS}
    for number in numbers:
        if number not in known:
            raise UsageError(f"no fault has the number {number}", next_step=f"give one of 1 to {max(known)}")
    return [known[number] for number in (numbers or known)]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep alerts about pretended faults away from whoever reads the real ones."""
    propagated, nobody = LOGGER.propagate, logging.NullHandler()
    LOGGER.propagate = False
    LOGGER.addHandler(nobody)
    try:
        yield
    finally:
        LOGGER.propagate = propagated
        LOGGER.removeHandler(nobody)


def _rows(fault: Fault, server: FaultServer) -> Iterator[Row]:
    if fault.carried is not None:
        told = {"carried": fault.carried}
        yield Row(fault=fault.number, title=fault.title, variant="", passed=None, told=told)
    if fault.scenario is not None:
        for upstream in server.upstreams.values():
            upstream.forget()
        started = time.perf_counter()
        report = _guarded(getattr(scenarios, fault.scenario), server)
        yield Row(
            fault=fault.number,
            title=fault.title,
            variant=fault.scenario.replace("_", " "),
            passed=not report.problems,
            problems=tuple(report.problems),
            hits={name: upstream.hits for name, upstream in server.upstreams.items() if upstream.hits},
            seconds=time.perf_counter() - started,
            told=report.told,
        )
    for variant in fault.variants:
        yield _variant_row(fault, variant, server)


def _guarded(scenario: Callable[[FaultServer], Any], server: FaultServer) -> scenarios.Report:
    """Run a scenario; one that raises did not pass, and does not end the run."""
    try:
        report: scenarios.Report = scenario(server)
        return report
    except Exception as exc:  # the boundary: whatever it meets is a result
        return scenarios.Report(problems=[f"it raised {type(exc).__name__}: {exc}"])


def _variant_row(fault: Fault, variant: Variant, server: FaultServer) -> Row:
    common: dict[str, Any] = {"fault": fault.number, "title": fault.title, "variant": variant.name}
    try:
        seen = observed(variant, server)
    except Exception as exc:  # as above
        return Row(passed=False, problems=(f"it raised {type(exc).__name__}: {exc}",), **common)
    wrong = problems(variant, seen)
    outcome = seen.outcomes[0]
    return Row(
        passed=not wrong,
        problems=tuple(wrong),
        hits={"primary": len(seen.primary), "second": len(seen.second)},
        seconds=sum(seen.seconds),
        told={
            "status": outcome.status,
            "by": who(outcome),
            "degraded": outcome.degraded,
            "faults": [a.fault for a in outcome.attempts if a.fault],
            "alerts": sorted({category for category, _ in seen.alerts}),
        },
        **common,
    )


def observed(variant: Variant, server: FaultServer) -> Seen:
    """Run one variant in a fresh home and return what was seen."""
    primary, second = server.upstream("primary"), server.upstream("second")
    for upstream, script in ((primary, variant.primary), (second, variant.second)):
        upstream.forget()
        upstream.play(*script)
    places = {
        "server": primary.origin if variant.setting == "anthropic" else primary.url,
        "refused": server.refusing() if variant.reach == "refused" else "",
        "nowhere": NOWHERE,
        "expired-tls": server.expired_tls("primary") if variant.reach == "expired-tls" else "",
    }
    decision = met_by(variant, places[variant.reach], second.url)
    changes = {"history": HISTORY} if variant.setting == "long" else {}
    outcomes, seconds = [], []
    with Workspace(MEMORY) as ws:
        for number in range(variant.cases):
            started = time.perf_counter()
            outcomes.append(ws.decide(decision, ticket(f"T-{number}", **changes)))
            seconds.append(time.perf_counter() - started)
        if "left" in variant.expected.also:
            _wait_for_leaving([*primary.calls, *second.calls])
        whys = [ws.why(outcome.record_id) for outcome in outcomes]
        stories = tuple(
            "\n".join(
                (*(why.text(reader) for reader in ("person", "operator", "auditor")), json.dumps(why.data))
            )
            for why in whys
        )
        now = ws.clock.now()
        return Seen(
            outcomes=tuple(outcomes),
            whys=tuple(why.data for why in whys),
            texts=tuple(why.text("person", width=10_000) for why in whys),
            stories=stories,
            seconds=tuple(seconds),
            primary=tuple(replace(call) for call in primary.calls),
            second=tuple(replace(call) for call in second.calls),
            alerts=tuple((a.alert.category or "", a.alert.what) for a in alerts(ws.book.journal)),
            circuits=tuple((c.model, (c.until - now) / MICRO) for c in ws.breakers.states()),
        )


def _wait_for_leaving(calls: Sequence[Any]) -> None:
    """Give the server a moment to see which of its callers left."""
    until = time.monotonic() + _CLOSING_S
    while sum(call.left_after is None for call in calls) > 1 and time.monotonic() < until:
        time.sleep(0.02)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Count faults: one passed if all of its rows did. carried: number -> what it waits for."""
    by_fault: dict[int, list[Row]] = {}
    for row in rows:
        by_fault.setdefault(row.fault, []).append(row)
    carried = {n: rows[0].told["carried"] for n, rows in by_fault.items() if rows[0].passed is None}
    passed = [n for n, rows in by_fault.items() if all(row.passed for row in rows)]
    return {
        "faults": len(by_fault),
        "passed": len(passed),
        "failed": [n for n in by_fault if n not in passed and n not in carried],
        "carried": carried,
    }
