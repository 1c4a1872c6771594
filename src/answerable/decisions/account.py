"""The account of a case as data: what goes into a record's parts, and the way back to an Outcome."""

from collections.abc import Mapping
from typing import Any

from answerable.decisions.answer import Belief, Usage
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, Outcome
from answerable.decisions.stored import revive
from answerable.encoding import timestamp
from answerable.errors import UsageError


def belief_data(belief: Belief) -> dict[str, Any]:
    """Return a belief as data to encode; a distribution is a list of pairs, as a value may be no string."""
    data: dict[str, Any] = {"p": belief.p, "measured": belief.measured}
    if belief.distribution is not None:
        data["distribution"] = [[v, p] for v, p in belief.distribution.items()]
    return data


def _belief(data: Mapping[str, Any]) -> Belief:
    pairs = data.get("distribution")
    return Belief(
        p=data["p"],
        measured=data["measured"],
        distribution=None if pairs is None else {v: p for v, p in pairs},
    )


def attempt_data(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as data to encode, without what is empty."""
    data = {
        "decider": attempt.decider,
        "result": attempt.result,
        "reason": attempt.reason,
        "fault": attempt.fault,
        "output": attempt.output,
        "settled": list(attempt.settled),
        "beliefs": {n: belief_data(b) for n, b in attempt.beliefs.items()},
        "expected_cost": attempt.expected_cost,
        "latency_us": attempt.latency_us,
        "usage": {
            n: v for n in ("cost", "tokens_in", "tokens_out", "model") if (v := getattr(attempt.usage, n))
        },
        "calls": attempt.calls,
        "notes": list(attempt.notes),
    }
    return {n: v for n, v in data.items() if v not in (None, {}, [], (), "")}


def _attempt(data: Mapping[str, Any]) -> Attempt:
    return Attempt(
        decider=data["decider"],
        result=data["result"],
        reason=data.get("reason", ""),
        fault=data.get("fault"),
        output=data.get("output"),
        settled=tuple(data.get("settled", ())),
        beliefs={n: _belief(b) for n, b in data.get("beliefs", {}).items()},
        expected_cost=data.get("expected_cost"),
        latency_us=data.get("latency_us", 0),
        usage=Usage(**data.get("usage", {})),
        calls=tuple(data.get("calls", ())),
        notes=tuple(data.get("notes", ())),
    )


def outcome_from(
    header: Mapping[str, Any],
    record_id: str,
    output: Mapping[str, Any] | None,
    attempts: list[dict[str, Any]] | None,
    decision: Decision[Any, Any] | None,
    *,
    replayed: bool = False,
) -> Outcome[Any]:
    """Return the Outcome that a record tells of.

    output, attempts: its parts, or None where they were dropped. decision: gives the typed output back;
    without it output and proposal are plain data. Raises UsageError if the output does not fit it any more.
    """
    told = output or {}

    def typed(data: Any) -> Any:
        if decision is None or data is None:
            return data
        try:
            return revive(decision.output, data)
        except Exception as exc:  # user code: a validator may raise anything
            raise UsageError(
                f"the record {record_id} of {header['decision']} version {header['version']} holds no "
                f"{decision.output.__name__} any more",
                next_step="read it as data: ws.outcome(record) without a decision",
            ) from exc

    return Outcome(
        status=header["status"],
        record_id=record_id,
        decision=header["decision"],
        output=typed(told.get("output")),
        proposal=told.get("proposal"),
        due=timestamp(told["due"]) if told.get("due") else None,
        decider=header["made_by"],
        confidence=header["confidence"],
        reason=told.get("reason", ""),
        degraded=header["degraded"],
        attempts=tuple(_attempt(a) for a in attempts or ()),
        replayed=replayed,
    )
