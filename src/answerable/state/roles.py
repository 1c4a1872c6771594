"""Background roles: one holder at a time by lease; the token fences a holder that lost it."""

from typing import Any

from sqlalchemy import bindparam, or_, select, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import role

ROLES = Statement(
    "roles",
    lambda d: select(
        role.c.name, role.c.holder, role.c.token, role.c.expires, role.c.ran, role.c.note
    ).order_by(role.c.name),
)


def _take_role(dialect: str) -> Any:
    row = insert(dialect, role)
    return row.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": row.excluded.holder, "expires": row.excluded.expires, "token": role.c.token + 1},
        where=or_(role.c.expires <= bindparam("now"), role.c.holder == row.excluded.holder),
    )


TAKE_ROLE = Statement("take_role", _take_role)
# Every write of a role's work carries this beside it: it fails once another holder took the role.
FENCE = Statement(
    "fence",
    lambda d: (
        update(role)
        .where(role.c.name == bindparam("of_role"), role.c.token == bindparam("of_token"))
        .values(note=role.c.note)
    ),
)
# Keeps a lease during long work; it too fails once another holder took the role.
RENEW = Statement(
    "renew_role",
    lambda d: (
        update(role)
        .where(role.c.name == bindparam("of_role"), role.c.token == bindparam("of_token"))
        .values(expires=bindparam("until"))
    ),
)
END_ROLE = Statement(
    "end_role",
    lambda d: (
        update(role)
        .where(role.c.name == bindparam("of_role"), role.c.token == bindparam("of_token"))
        .values(ran=bindparam("at"), expires=0, note=bindparam("said"))
    ),
)
