"""Circuit breakers that are open, shared by every process of a home: a closed one has no row."""

from typing import Any

from sqlalchemy import and_, bindparam, delete, select, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import breaker

_COLUMNS = (
    breaker.c.provider,
    breaker.c.model,
    breaker.c.since,
    breaker.c.until,
    breaker.c.probing,
    breaker.c.pauses,
    breaker.c.fault,
)

BREAKER = Statement(
    "breaker",
    lambda d: select(*_COLUMNS).where(
        breaker.c.provider == bindparam("provider"), breaker.c.model == bindparam("model")
    ),
)
BREAKERS = Statement("breakers", lambda d: select(*_COLUMNS).order_by(breaker.c.provider, breaker.c.model))


def _open(dialect: str) -> Any:
    row = insert(dialect, breaker)
    return row.on_conflict_do_update(
        index_elements=["provider", "model"],
        set_={name: row.excluded[name] for name in ("until", "fault")},
        where=breaker.c.until < bindparam("if_before"),
    )


# Opens a closed breaker. One that is open is only prolonged, and only if it would end before `if_before`:
# otherwise no row is touched, somebody else had the same news first.
OPEN = Statement("open_breaker", _open)

_IT = and_(breaker.c.provider == bindparam("of_provider"), breaker.c.model == bindparam("of_model"))
_AS_READ = and_(breaker.c.since == bindparam("of_since"), breaker.c.until == bindparam("of_until"))
# A probe is known by the opening it belongs to and the moment it would be given up.
_MY_PROBE = and_(breaker.c.since == bindparam("of_since"), breaker.c.probing == bindparam("my_probe"))

# Touches a row for exactly one of those that read it in the same state.
CLAIM = Statement(
    "claim_probe",
    lambda d: (
        update(breaker)
        .where(_IT, _AS_READ, breaker.c.probing == bindparam("was_probing"))
        .values(probing=bindparam("given_up"))
    ),
)
RELEASE = Statement("release_probe", lambda d: update(breaker).where(_IT, _MY_PROBE).values(probing=0))
PROLONG = Statement(
    "prolong_breaker",
    lambda d: (
        update(breaker)
        .where(_IT, _MY_PROBE)
        .values(
            until=bindparam("new_until"), pauses=bindparam("now_pauses"), probing=0, fault=bindparam("by")
        )
    ),
)
CLOSE = Statement("close_breaker", lambda d: delete(breaker).where(_IT, _MY_PROBE))
# Corrects an end that only a clock set back could have put so far away.
SHORTEN = Statement(
    "shorten_breaker",
    lambda d: update(breaker).where(_IT, _AS_READ).values(until=bindparam("new_until")),
)
