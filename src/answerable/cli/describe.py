"""Says in words and as data what a decision is."""

from typing import Any

from answerable.decisions.decision import Decision
from answerable.decisions.manifest import digest, manifest
from answerable.encoding import seconds


def describe(decision: Decision[Any, Any]) -> dict[str, Any]:
    """Return the manifest with its digest (hex), the subjects and what carries no classification."""
    described = manifest(decision)
    return {
        "ok": True,
        **described,
        "definition": digest(described).hex(),
        "subjects": [f.path for f in decision.input_fields if "Subject" in f.classes],
        "unclassified": unclassified(decision),
    }


def unclassified(decision: Decision[Any, Any]) -> list[str]:
    """Return the input fields of free form that nobody classified: they may hold personal data."""
    return [f.path for f in decision.input_fields if f.kind in ("text", "record", "set") and not f.classes]


def in_words(decision: Decision[Any, Any]) -> dict[str, str]:
    """Return heading -> text, for a person."""
    stakes = decision.stakes
    wrong = (
        "an amount that depends on the case"
        if callable(stakes.wrong)
        else f"{stakes.wrong:g} {stakes.currency}"
    )
    costs = f"; {len(stakes.costs)} listed mistakes cost more or less" if stakes.costs else ""
    never = "; ".join(
        f"{name} = {', '.join(map(str, values))}" for name, values in stakes.never_automatic.items()
    )
    order = [f"{n}. {d.name} ({d.kind}, {d.version})" for n, d in enumerate(decision.deciders, start=1)]
    words = {
        "decision": f"{decision.name} version {decision.version}",
        "question": decision.question,
        "owner": f"{decision.owner}, for the purpose {decision.purpose}",
        "takes": ", ".join(f.path for f in decision.input_fields),
        "answers": "; ".join(_answer(f.path, f.kind, f.values) for f in decision.output_fields),
        "stakes": f"{stakes.severity}; a wrong field costs {wrong}, "
        f"a review {stakes.review:g} {stakes.currency}{costs}",
        "never automatic": never,
        "deciders": " -> ".join(order),
        "checks": ", ".join(str(getattr(c, "__name__", type(c).__name__)) for c in decision.checks),
        "deadline": f"{seconds(decision.deadline):g} s",
        "key": ", ".join(decision.key_fields) or "none: a case cannot be found by a number of yours",
        "subjects": ", ".join(f.path for f in decision.input_fields if "Subject" in f.classes)
        or "none is named",
        "unclassified": ", ".join(unclassified(decision)) or "nothing",
    }
    return {name: text for name, text in words.items() if text}


def _answer(name: str, kind: str, values: tuple[Any, ...]) -> str:
    if not values:
        return f"{name} ({kind})"
    shown = ", ".join(str(value) for value in values[:8])
    return f"{name}: {shown}" + (f" and {len(values) - 8} more" if len(values) > 8 else "")
