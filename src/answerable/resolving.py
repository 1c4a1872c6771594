"""Ends an escalated case: by a person's answer, or by the clock with the declared fallback."""

from collections.abc import Mapping, Sequence
from typing import Any

from answerable.casebook import Casebook, label_text, link, principal_data, told
from answerable.decisions.case import Principal
from answerable.decisions.decision import Decision
from answerable.decisions.fields import full_output
from answerable.decisions.outcome import Outcome
from answerable.decisions.reading import problems
from answerable.decisions.stored import comes_back
from answerable.encoding import decode, plain
from answerable.errors import UsageError
from answerable.governance.vault import About
from answerable.ledger.entry import Conflict, Unit, Write, text_id
from answerable.state import cases

EXPIRY = "service:expiry"
_RESOLVED = "resolved"


def resolve(
    book: Casebook,
    decision: Decision[Any, Any],
    case_id: bytes,
    output: Any,
    *,
    principal: Principal,
    reason: str = "",
) -> Outcome[Any]:
    """Record a person's answer to a waiting case. The first wins; a later one is kept as an opinion."""
    output = valid_output(decision, output)
    stored = book.ledger.get(case_id)
    if stored is None or stored.entry.header["decision"] != decision.name:
        raise UsageError(
            f"the record {text_id(case_id)} is no case of {decision.name}", next_step="give its own decision"
        )
    if not book.journal.rows(cases.PENDING, {"case_id": case_id}):
        raise UsageError(
            f"the record {text_id(case_id)} never waited for a person",
            next_step="say what the right answer was with ws.truth instead",
        )
    data = plain(output)
    label = label_text(decision, output)
    header, parts = _ending(decision.name, case_id, data, principal, f"person:{principal.id}", reason)
    header["label"] = label
    if not _end(book, case_id, header, parts):
        about = book.vault.following(stored)
        late = book.entry({**header, "kind": "opinion", "status": "late"}, parts, about)
        marks = book.vault.marks(late.id, about)
        try:
            book.journal.submit(Unit([late], [*marks, link(case_id, late.id, "opinion")]))
        except Conflict as conflict:
            raise book.vault.raced(conflict) or conflict from None
    return book.outcome(case_id, decision)


def expire(book: Casebook, *, now: int, at_most: int = 1000, fence: Sequence[Write] = ()) -> int:
    """Apply the fallback to waiting cases whose time is over, the longest overdue first.

    Returns how many it ended, at most `at_most`; a case that a person answers meanwhile stays theirs.
    fence: written with each ending, so that a worker that lost its role fails with Conflict.
    """
    ended = 0
    for case_id, decision, fallback in book.journal.rows(cases.DUE, {"now": now, "at_most": at_most}):
        reason = "nobody answered in time; the declared fallback stands"
        data = decode(bytes(fallback))
        header, parts = _ending(decision, bytes(case_id), data, Principal(EXPIRY), "default", reason)
        header["degraded"] = "expired"
        ended += _end(book, bytes(case_id), header, parts, fence)
    return ended


def valid_output(decision: Decision[Any, Any], output: Any) -> Any:
    """Return `output` as the decision's output model. Raises UsageError naming what is wrong."""
    from pydantic import ValidationError

    try:
        valid = full_output(decision.output, output)
    except ValidationError as exc:
        raise UsageError(
            f"that is no answer to {decision.name}: {problems(exc, decision.output)}",
            next_step=f"give a {decision.output.__name__} or a mapping of all its fields",
        ) from None
    if not decision.output_surely_comes_back and not comes_back(valid, plain(valid)):
        raise UsageError(
            f"that answer to {decision.name} would not come back from its record as it is",
            next_step="give its fields types whose values JSON can hold",
        )
    return valid


def _ending(
    decision: str, case_id: bytes, data: Any, principal: Principal, made_by: str, reason: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the parts of the entry that ends a case with the output `data`."""
    header = {
        "kind": "resolution",
        "case_id": case_id,
        "parent": case_id,
        "decision": decision,
        "status": "answered",
        "made_by": made_by,
        "principal": principal.id,
    }
    return header, {
        "output": told(output=data, reason=reason),
        "detail": {"principal": principal_data(principal)},
    }


def _end(
    book: Casebook,
    case_id: bytes,
    header: Mapping[str, Any],
    parts: Mapping[str, Any],
    fence: Sequence[Write] = (),
) -> bool:
    """Record the resolution if the case still waits; say whether it did."""
    case = book.ledger.get(case_id)
    about = About() if case is None else book.vault.following(case)
    entry = book.entry(header, parts, about)
    wins = Write(cases.RESOLVE, {"of_case": case_id, "resolved_by": entry.id}, expect=1, clash=_RESOLVED)
    marks = book.vault.marks(entry.id, about)
    try:
        book.journal.submit(Unit([entry], [*fence, *marks, wins, link(case_id, entry.id, "resolution")]))
    except Conflict as exc:
        if exc.clash != _RESOLVED:  # the fence's: this worker has nothing more to say
            raise book.vault.raced(exc) or exc from None
        return False
    return True
