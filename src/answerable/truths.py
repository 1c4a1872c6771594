"""Records the right answer, learned later and in parts."""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite, nan
from typing import Any

from answerable.casebook import Casebook, link
from answerable.encoding import decode, plain
from answerable.errors import UsageError, did_you_mean
from answerable.ledger.entry import Conflict, Unit
from answerable.state import cases


def record_truth(
    book: Casebook,
    decision: str,
    case_id: bytes,
    values: Mapping[str, Any],
    source: str,
    principal: Mapping[str, Any],
) -> bytes:
    """Append a truth entry to a record and return its id. values: output field -> right value.

    Checked against the manifest the record was made under, so no user code is needed.
    """
    if not source or not source.isprintable():
        raise UsageError(f"the source of a truth is {source!r}", next_step='name it, such as "chargeback"')
    stored = book.ledger.get(case_id)
    if stored is None or stored.entry.header["decision"] != decision:
        raise UsageError(f"that record is no case of {decision}", next_step="name its own decision")
    definition = stored.entry.header["definition"]
    rows = book.journal.rows(cases.MANIFEST, {"digest": definition})
    fields = {f["path"]: f for f in decode(bytes(rows[0][0]))["output"]}
    if not values:
        raise UsageError("a truth names no field", next_step=f"give one of {', '.join(sorted(fields))}")
    told = {name: _value(decision, fields, name, value) for name, value in values.items()}
    about = book.vault.following(stored)
    entry = book.entry(
        {
            "kind": "truth",
            "case_id": case_id,
            "parent": case_id,
            "decision": decision,
            "version": stored.entry.header["version"],
            "definition": definition,
            "made_by": source,
            "principal": principal["id"],
        },
        {"detail": {"fields": told, "source": source, "principal": principal}},
        about,
    )
    marks = book.vault.marks(entry.id, about)
    try:
        book.journal.submit(Unit([entry], [*marks, link(case_id, entry.id, "truth")]))
    except Conflict as conflict:
        raise book.vault.raced(conflict) or conflict from None
    return entry.id


def _value(decision: str, fields: Mapping[str, Any], name: str, value: Any) -> Any:
    """Check one field; text from a file becomes the flag or number that the field holds."""
    if name not in fields:
        raise UsageError(f"{decision} has no output field {name!r}", next_step=did_you_mean(name, fields))
    choices = fields[name]["values"]
    data = plain(value)
    if data is None and not fields[name]["required"]:
        return None
    if fields[name]["kind"] == "number" and not choices:
        return _number(name, data)
    if not choices:
        return data
    for choice in choices:  # 1 for a flag is the flag, not a number
        if data == choice or str(data) == str(choice):
            return choice
    for choice in choices:
        if str(data).lower() == str(choice).lower():
            return choice
    raise UsageError(
        f"{name} cannot be {data!r}", next_step=did_you_mean(str(data), [str(choice) for choice in choices])
    )


def _number(name: str, data: Any) -> int | float:
    if isinstance(data, int | float) and not isinstance(data, bool):
        return data
    with suppress(ValueError, TypeError):
        return int(data) if isinstance(data, str) and data.strip().lstrip("+-").isdecimal() else _finite(data)
    raise UsageError(f"{name} cannot be {data!r}", next_step="give a number")


def _finite(data: Any) -> float:
    value = float(data) if isinstance(data, str) else nan
    if not isfinite(value):
        raise ValueError
    return value
