"""A decision's manifest: everything that makes it what it is, as data with a digest."""

import hashlib
from dataclasses import asdict
from typing import Any

from answerable.decisions.code import code_digest
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.fields import Field
from answerable.encoding import encode, plain
from answerable.governance.source import described as source_data


def manifest(decision: Decision[Any, Any]) -> dict[str, Any]:
    """Return the manifest as plain data: what console, *why* and policies read instead of user code."""
    stakes = decision.stakes
    described = {
        "name": decision.name,
        "version": decision.version,
        "question": decision.question,
        "owner": decision.owner,
        "purpose": decision.purpose,
        "label": decision.label_field,
        "key": list(decision.key_fields),
        "input": [_field(f) for f in decision.input_fields],
        "output": [_field(f) for f in decision.output_fields],
        "stakes": {
            "currency": stakes.currency,
            "wrong": _amount(stakes.wrong),
            "review": float(stakes.review),
            "severity": stakes.severity,
            "costs": [
                {
                    "field": c.field,
                    "truth": plain(c.truth),
                    "answer": plain(c.answer),
                    "amount": _amount(c.amount),
                }
                for c in stakes.costs
            ],
            "never_automatic": plain(dict(stakes.never_automatic)),
        },
        "deadline": decision.deadline_s,
        "unmeasured": decision.unmeasured,
        "checks": [_check(c) for c in decision.checks],
        "deciders": [_decider(d) for d in decision.deciders],
    }
    if decision.faults:  # left out where there are none: what was recorded before keeps its digest
        described["faults"] = {name: asdict(decision.actions[name]) for name in sorted(decision.faults)}
    if decision.reads:  # as above
        described["reads"] = [
            {**source_data(source), "row": [_field(f) for f in source.columns]} for source in decision.reads
        ]
    if decision.retention != "standard":  # as above
        described["retention"] = decision.retention
    return described


def digest(described: dict[str, Any]) -> bytes:
    """Return the SHA-256 (32 bytes) of a manifest."""
    return hashlib.sha256(encode(described, what="manifest")).digest()


def _field(field: Field) -> dict[str, Any]:
    return {
        "path": field.path,
        "kind": field.kind,
        "required": field.required,
        "values": plain(field.values),
        "constraints": list(field.constraints),
        "classes": list(field.classes),
        "fields": [_field(f) for f in field.fields],
    }


def _decider(decider: Decider) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": decider.name,
        "kind": decider.kind,
        "version": decider.version,
        "digest": decider.digest,
        "timeout": decider.timeout,
        "settings": {name: plain(value) for name, value in decider.settings},
    }
    if decider.remote is not None:
        names = ("provider", "model", "destination")
        described["remote"] = {name: getattr(decider.remote, name) for name in names}
    if decider.clearance is not None:
        described["clearance"] = sorted(decider.clearance)
    return described


def _check(check: Any) -> dict[str, Any]:
    """Describe a check: a version of its own counts, else its code's digest."""
    return {"name": _name(check), "digest": getattr(check, "digest", None) or code_digest(check)}


def _amount(amount: Any) -> Any:
    return {"function": _name(amount), "digest": code_digest(amount)} if callable(amount) else float(amount)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
