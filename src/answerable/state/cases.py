"""State of cases: definitions in force, keys, links between entries, and cases that wait for a person."""

from typing import Any

from sqlalchemy import and_, bindparam, or_, select, union, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import case_key, definition, link, opened, pending

ADD_DEFINITION = Statement("add_definition", lambda d: insert(d, definition).on_conflict_do_nothing())
DEFINITIONS = Statement(
    "definitions",
    lambda d: select(definition.c.digest, definition.c.entry_id, definition.c.manifest).where(
        definition.c.decision == bindparam("decision"), definition.c.version == bindparam("version")
    ),
)
MANIFEST = Statement(
    "manifest", lambda d: select(definition.c.manifest).where(definition.c.digest == bindparam("digest"))
)
ALL_DEFINITIONS = Statement(
    "all_definitions",
    lambda d: select(definition.c.decision, definition.c.version, definition.c.digest).order_by(
        definition.c.decision, definition.c.version
    ),
)

KEYED = Statement(
    "keyed",
    lambda d: select(case_key.c.case_id, case_key.c.input_digest, case_key.c.expires).where(
        case_key.c.decision == bindparam("decision"), case_key.c.key_digest == bindparam("key_digest")
    ),
)


def _take_key(dialect: str) -> Any:
    row = insert(dialect, case_key)
    return row.on_conflict_do_update(
        index_elements=["decision", "key_digest"],
        set_={name: row.excluded[name] for name in ("case_id", "input_digest", "expires")},
        where=or_(case_key.c.expires <= bindparam("now"), case_key.c.case_id == bindparam("instead")),
    )


# Takes the key only where nobody holds it any more: a rival's unit then fails on its expectation.
TAKE_KEY = Statement("take_key", _take_key)

ADD_LINK = Statement("add_link", lambda d: insert(d, link).on_conflict_do_nothing())
CHILDREN = Statement(
    "children",
    lambda d: (
        select(link.c.child, link.c.kind).where(link.c.parent == bindparam("parent")).order_by(link.c.child)
    ),
)

ADD_PENDING = Statement("add_pending", lambda d: insert(d, pending))
PENDING = Statement(
    "pending",
    lambda d: select(pending.c.state, pending.c.queue, pending.c.due, pending.c.resolution).where(
        pending.c.case_id == bindparam("case_id")
    ),
)
DUE = Statement(
    "due",
    lambda d: (
        select(pending.c.case_id, pending.c.decision, pending.c.fallback)
        .where(pending.c.state == "open", pending.c.due <= bindparam("now"), pending.c.fallback.is_not(None))
        .order_by(pending.c.due)
        .limit(bindparam("at_most"))
    ),
)
# Every case that has not ended: one that waits for somebody, or is on the road.
WAITING = Statement(
    "waiting",
    lambda d: union(select(pending.c.case_id).where(pending.c.state == "open"), select(opened.c.case_id)),
)
# The first resolution wins; a later one finds no open row and is kept as an opinion.
RESOLVE = Statement(
    "resolve",
    lambda d: (
        update(pending)
        .where(and_(pending.c.case_id == bindparam("of_case"), pending.c.state == "open"))
        .values(state="resolved", resolution=bindparam("resolved_by"))
    ),
)
