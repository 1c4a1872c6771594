"""Ends cases that sent something out and never came back: their process died, or hangs beyond its lease."""

from collections.abc import Sequence

from answerable.casebook import Casebook, told
from answerable.decisions.answer import NOTHING_USED, Usage
from answerable.errors import HomeError
from answerable.governance.vault import About
from answerable.ledger.entry import Conflict, Entry, Stored, Unit, Write
from answerable.spending import settle
from answerable.state import spending

REASON = "the process ended before the case did; what it called may be charged"
_FROM_OPENED = (
    "case_id",
    "parent",
    "thread",
    "decision",
    "version",
    "definition",
    "principal",
    "purpose",
    "policy",
    "stage",
    "key_digest",
    "currency",
)


def overdue(book: Casebook, *, now: int) -> bool:
    """Say whether a case waits to be ended. now: microseconds since 1970."""
    return bool(book.journal.rows(spending.OVERDUE, {"now": now, "at_most": 1}))


def end_interrupted(book: Casebook, *, now: int, at_most: int = 1000, fence: Sequence[Write] = ()) -> int:
    """Record overdue cases as failed, "interrupted", the longest overdue first; return how many.

    Their budgets are settled at the most their calls can have cost. fence: as in `resolving.expire`.
    """
    ended = 0
    for case_id, entry_id in book.journal.rows(spending.OVERDUE, {"now": now, "at_most": at_most}):
        ended += _end(book, bytes(case_id), book.ledger.get(bytes(entry_id)), fence)
    return ended


def _end(book: Casebook, case_id: bytes, opened: Stored | None, fence: Sequence[Write]) -> bool:
    """Record one case as interrupted; False if it came back, or somebody else was first."""
    writes = [*fence, Write(spending.END_OPENED, {"of_case": case_id}, expect=1, clash="interrupted")]
    most = NOTHING_USED
    for name, period, cost, tokens in book.journal.rows(spending.RESERVED, {"case_id": case_id}):
        most = Usage(cost=cost, tokens_in=tokens)
        writes.append(settle(case_id, name, period, used=most))
    writes.append(Write(spending.RELEASE, {"of_case": case_id}))
    # One that is recorded already is only tidied away, so that it never keeps others from being ended.
    recorded = opened is None or book.ledger.get(case_id) is not None
    entries = []
    if opened is not None and not recorded:
        about = _about(book, opened)
        entries = [_entry(book, case_id, opened, most, about)]
        writes += book.vault.marks(case_id, about)
    try:
        book.journal.submit(Unit(entries, writes))
    except Conflict as exc:
        if any(exc.clash == write.clash for write in fence):  # this worker has nothing more to say
            raise
        return False
    return bool(entries)


def _about(book: Casebook, opened: Stored) -> About:
    """Return whom the case is about; nobody if they were erased meanwhile, with all it held of them."""
    try:
        return book.vault.following(opened)
    except HomeError:
        return About(opened.entry.header["retention"])


def _entry(book: Casebook, case_id: bytes, opened: Stored, most: Usage, about: About) -> Entry:
    detail = book.ledger.body(opened, "detail") or {}
    header = {
        **{name: opened.entry.header[name] for name in _FROM_OPENED},
        "id": case_id,
        "at": detail.get("at") or opened.entry.header["at"],
        "kind": "decision",
        "status": "failed",
        "fault": "interrupted",
        "cost": most.cost,
        "tokens_in": most.tokens_in or None,
    }
    parts = {
        "input": book.ledger.body(opened, "input") or None,
        "reads": book.ledger.body(opened, "reads") or None,
        "output": told(reason=REASON),
        "detail": {"key": detail.get("key"), "principal": detail.get("principal")},
    }
    return book.entry(header, {name: value for name, value in parts.items() if value is not None}, about)
