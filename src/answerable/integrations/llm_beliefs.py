"""Beliefs from decision models: probabilities that a provider measured, read field by field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from answerable.decisions.answer import UNMEASURED, Belief
from answerable.decisions.decider import Asked
from answerable.decisions.fields import Field
from answerable.errors import UsageError

_NEAR = 0.01  # how far displayed probabilities may sum from 1: they come with two decimals


@dataclass(slots=True)
class Told:
    """What a decision model said. values: of the fields it answered. withheld: those it would not."""

    values: dict[str, Any] = field(default_factory=dict)
    beliefs: dict[str, Belief] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    tokens: tuple[int, int] = (0, 0)
    model: str | None = None


def beliefs_of(
    asked: Asked, values: Mapping[str, Any], details: Mapping[str, Any], *, measured: str, threshold: float
) -> dict[str, Belief]:
    """Return the belief in each value from a response's `provider_details`; none where it is malformed.

    A flag's confidence is the distance of its probability from the threshold, scaled: it is scaled back.
    """
    sure, spread = details.get("confidence") or {}, details.get("probabilities") or {}
    held: dict[str, Belief] = {}
    for known in asked.output_fields:
        name = known.path
        if name not in values:
            continue
        if known.kind == "flag" and known.values == (False, True) and _probability(sure.get(name)):
            s, yes = float(sure[name]), bool(values[name])
            p = threshold + s * (1 - threshold) if yes else threshold - s * threshold
            held[name] = _flag(p, yes, measured)
        else:
            held[name] = _class(known, values[name], spread.get(name), measured)
    return held


def recovered(asked: Asked, body: Any, *, measured: str, threshold: float) -> Told | None:
    """Read the raw body of a reply that pydantic-ai refused as a whole: the fields that stand are kept.

    It refuses it all for one question that the model would not answer, and for one malformed number.
    threshold: from which probability a flag is set. None: it is no such body. Both wire formats: a list of
    named answers (OpenAI), a mapping (System One).
    """
    try:
        data = json.loads(body)
        answers = data["answers"]
        named = answers if isinstance(answers, dict) else {a["name"]: a for a in answers}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    told = Told(model=data.get("model") if isinstance(data.get("model"), str) else None)
    usage = data.get("usage")
    if isinstance(usage, dict):
        told.tokens = (_count(usage.get("input_tokens")), _count(usage.get("output_tokens")))
    for known in asked.output_fields:
        answer = named.get(known.path)
        if not isinstance(answer, dict):
            continue
        if answer.get("type") == "refusal":
            told.withheld[known.path] = "refusal"
        elif known.kind == "flag":
            p: Any = answer.get("probability", answer.get("noul"))
            if _probability(p):  # without one there is no answer either
                told.values[known.path] = p >= threshold
                told.beliefs[known.path] = _flag(float(p), p >= threshold, measured)
        elif known.values and (value := _value(known, answer.get("choice"))) is not None:
            told.values[known.path] = value
            told.beliefs[known.path] = _class(known, value, _spread(answer.get("probabilities")), measured)
    return told if told.values or told.withheld else None


def _flag(p: float, yes: bool, measured: str) -> Belief:
    p = min(1.0, max(0.0, p))
    return Belief(p=p if yes else 1 - p, distribution={True: p, False: 1 - p}, measured=measured)


def _class(known: Field, value: Any, spread: Any, measured: str) -> Belief:
    """Return the belief in a choice; every label must be a value of the field, and they must sum to 1."""
    if not isinstance(spread, Mapping) or not all(_probability(p) for p in spread.values()):
        return UNMEASURED
    total = sum(spread.values())
    if abs(total - 1) > max(_NEAR, 0.005 * len(spread)):
        return UNMEASURED
    label = str(getattr(value, "value", value))
    ps = {_value(known, name): float(p) / total for name, p in spread.items()}
    try:
        if None in ps or not ps:  # one label stands for "none of these"
            return (
                Belief(p=float(spread[label]) / total, measured=measured) if label in spread else UNMEASURED
            )
        return Belief(p=ps.get(getattr(value, "value", value)), distribution=ps, measured=measured)
    except UsageError:
        return UNMEASURED


def _spread(probabilities: Any) -> Any:
    """Return OpenAI's list of {value, probability} as the mapping that System One sends."""
    if not isinstance(probabilities, list):
        return probabilities
    try:
        return {str(one["value"]): one["probability"] for one in probabilities}
    except (TypeError, KeyError):
        return None


def _value(known: Field, label: Any) -> Any:
    return next((value for value in known.values if str(value) == str(label)), None)


def _probability(p: Any) -> bool:
    return isinstance(p, int | float) and not isinstance(p, bool) and isfinite(p) and 0 <= p <= 1


def _count(tokens: Any) -> int:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens < 1 << 40 else 0
