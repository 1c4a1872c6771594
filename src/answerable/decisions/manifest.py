"""A decision's manifest: everything that makes it what it is, as data with a digest."""

import hashlib
from typing import Any

from answerable.decisions.code import code_digest
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.fields import Field
from answerable.encoding import encode, plain


def manifest(decision: Decision[Any, Any]) -> dict[str, Any]:
    """Return the manifest as plain data: what console, *why* and policies read instead of user code."""
    stakes = decision.stakes
    return {
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
        "checks": [{"name": _name(c), "digest": code_digest(c)} for c in decision.checks],
        "deciders": [_decider(d) for d in decision.deciders],
    }


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
    return {
        "name": decider.name,
        "kind": decider.kind,
        "version": decider.version,
        "digest": decider.digest,
        "timeout": decider.timeout,
        "settings": {name: plain(value) for name, value in decider.settings},
    }


def _amount(amount: Any) -> Any:
    return {"function": _name(amount), "digest": code_digest(amount)} if callable(amount) else float(amount)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
