"""What operators were told, once per cause; and who brings it to the webhook.

`times` is 0 once it is over; how often it came up stands in the body then. `delivered` is None until somebody
sends, minus the moment of the claim while somebody does, and the moment of delivery after that; all in
microseconds since 1970.
"""

from typing import Any

from sqlalchemy import and_, bindparam, case, or_, select, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import alert

_COLUMNS = (
    alert.c.key,
    alert.c.entry_id,
    alert.c.first,
    alert.c.last,
    alert.c.times,
    alert.c.delivered,
    alert.c.body,
)


def _raise_alert(dialect: str) -> Any:
    row = insert(dialect, alert)
    names = ("entry_id", "first", "last", "times", "delivered", "body")
    return row.on_conflict_do_update(
        index_elements=["key"],
        set_={name: row.excluded[name] for name in names},
        where=or_(alert.c.last <= bindparam("silent_since"), alert.c.times == 0),
    )


# Touches no row if somebody raised the same alert since `silent_since` and it is not over.
RAISE_ALERT = Statement("raise_alert", _raise_alert)
# The next two touch no row if it is over, RESOLVE_ALERT also if it was raised anew meanwhile.
REPEAT_ALERT = Statement(
    "repeat_alert",
    lambda d: (
        update(alert)
        .where(and_(alert.c.key == bindparam("of_key"), alert.c.times > 0))
        .values(
            times=alert.c.times + bindparam("more"),
            # The clocks of two processes may differ: the later of the two moments stands.
            last=case((alert.c.last < bindparam("at"), bindparam("at")), else_=alert.c.last),
        )
    ),
)
RESOLVE_ALERT = Statement(
    "resolve_alert",
    lambda d: (
        update(alert)
        .where(and_(alert.c.key == bindparam("of_key"), alert.c.entry_id == bindparam("of_entry")))
        .where(alert.c.times > 0)
        .values(
            entry_id=bindparam("by_entry"),
            last=bindparam("at"),
            times=0,
            delivered=None,
            body=bindparam("told"),
        )
    ),
)
ALERT = Statement("alert", lambda d: select(*_COLUMNS).where(alert.c.key == bindparam("key")))
ALERTS = Statement("alerts", lambda d: select(*_COLUMNS).order_by(alert.c.first, alert.c.key))


def _free() -> Any:
    """Say that nobody sends it: it was never claimed, or the claim is older than `-stale`."""
    claimed = and_(alert.c.delivered < 0, alert.c.delivered >= bindparam("stale"))
    return or_(alert.c.delivered.is_(None), claimed)


UNDELIVERED = Statement(
    "undelivered",
    lambda d: (
        select(*_COLUMNS).where(_free()).order_by(alert.c.first, alert.c.key).limit(bindparam("at_most"))
    ),
)
# The next two touch no row if somebody else was first, or if the alert was raised anew meanwhile.
CLAIM_ALERT = Statement(
    "claim_alert",
    lambda d: (
        update(alert)
        .where(and_(alert.c.key == bindparam("of_key"), alert.c.entry_id == bindparam("of_entry")))
        .where(_free())
        .values(delivered=bindparam("claim"))
    ),
)
END_CLAIM = Statement(
    "end_claim",
    lambda d: (
        update(alert)
        .where(and_(alert.c.key == bindparam("of_key"), alert.c.entry_id == bindparam("of_entry")))
        .where(alert.c.delivered == bindparam("claim"))
        .values(delivered=bindparam("ended"))
    ),
)
# Those that stand: raised since a moment and not over, the oldest first.
STANDING = Statement(
    "standing",
    lambda d: (
        select(*_COLUMNS)
        .where(and_(alert.c.times > 0, alert.c.last > bindparam("since")))
        .order_by(alert.c.first, alert.c.key)
        .limit(bindparam("at_most"))
    ),
)
