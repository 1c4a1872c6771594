"""Finds records: one by its id, by "last" or by its key; and the newest ones that somebody may read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from answerable.casebook import Casebook
from answerable.casefile import record_id_of
from answerable.decisions.case import Principal
from answerable.encoding import timestamp
from answerable.errors import HomeError, UsageError
from answerable.ledger.entry import Filter, Listed
from answerable.permits import Guard
from answerable.state import cases


def find_case(
    book: Casebook, folder: Path, record: str | None, *, decision: str | None = None, key: str | None = None
) -> bytes:
    """Return the case id of a record id, "last" or a key.

    folder: of the home, which is named where there is no such record: that is a HomeError.
    """
    if key is not None:
        names = (
            [decision]
            if decision
            else sorted({row[0] for row in book.journal.rows(cases.ALL_DEFINITIONS, {})})
        )
        found = [
            held[0] for name in names if (held := book.keyed(name, book.key_digest(name, key))) is not None
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"several decisions know the key {key!r}", next_step="name the decision too")
        for name in names:
            digest = book.key_digest(name, key)
            under = Filter(
                kinds=("opened",), decision=name, where="key_digest = ?", params=(digest,), limit=1
            )
            for line in book.ledger.latest(under):
                raise HomeError(
                    f"the case {key!r} of {name}, begun at {timestamp(line.header['at'])}, has no end: "
                    "it is under way, or its process died",
                    next_step="ask again when it is done; `answerable work` ends what was interrupted",
                )
        raise HomeError(
            f"no record with the key {key!r} is in the home {folder}",
            next_step="check the key and the home; `answerable records` lists what is there",
        )
    if record in (None, "last"):
        newest = book.ledger.latest(Filter(decision=decision, limit=1))
        if not newest:
            raise HomeError(
                f"the home {folder} has no record yet",
                next_step="decide a case, or name another home",
            )
        return bytes(newest[0].header["id"])
    case_id = record_id_of(record)
    if book.ledger.get(case_id) is None:
        raise HomeError(
            f"no record {record} is in the home {folder}",
            next_step="check the id and the home; `answerable records` lists what is there",
        )
    return case_id


def find_readable(
    guard: Guard, folder: Path, who: Principal, record: str | None, **named: str | None
) -> bytes:
    """Return the case id of a record that somebody may read. named: decision and key, as `find_case` takes.

    Raises Denied where they may not, also where there is none and they may not read everything; HomeError
    as `find_case` does.
    """
    decision, key = named.get("decision"), named.get("key")
    if decision is not None:
        guard.demand(who, "read", guard.named(decision))
    if key is None and record in (None, "last"):
        newest = readable_lines(guard, who, Filter(decision=decision, limit=1))
        if newest:
            return bytes(newest[0].header["id"])
    try:
        case_id = find_case(guard.book, folder, record, decision=decision, key=key)
    except HomeError:
        if decision is None and not guard.sees_all(who):
            raise guard.unseen() from None
        raise
    stored = guard.book.ledger.get(case_id)
    if stored is not None:
        guard.demand_entry(who, stored.entry.header)
    return case_id


def readable_lines(guard: Guard, who: Principal, wanted: Filter) -> Sequence[Listed]:
    """Return the entries that `wanted` describes and somebody may read, newest first."""
    known: dict[tuple[Any, Any], bool] = {}

    def seen(header: Mapping[str, Any]) -> bool:
        about = (header["decision"], header["definition"])
        if about not in known:
            known[about] = guard.sees(who, header)
        return known[about]

    found: list[Listed] = []
    while True:
        page = guard.book.ledger.latest(wanted)
        found += [line for line in page if seen(line.header)]
        if wanted.limit is None or len(page) < wanted.limit or len(found) >= wanted.limit:
            return found if wanted.limit is None else found[: wanted.limit]
        wanted = replace(wanted, before=page[-1].index)
