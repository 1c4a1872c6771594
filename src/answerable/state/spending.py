"""Budgets and the cases that draw on them: reserved before a call leaves, settled when the case ends."""

from typing import Any

from sqlalchemy import and_, bindparam, delete, func, select, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import budget, opened, reservation

ADD_OPENED = Statement("add_opened", lambda d: insert(d, opened))
# Touches no row if somebody else has ended the case as interrupted.
END_OPENED = Statement("end_opened", lambda d: delete(opened).where(opened.c.case_id == bindparam("of_case")))
# Keeps an open case open for longer; it too touches no row if the case was ended.
RENEW_OPENED = Statement(
    "renew_opened",
    lambda d: (
        update(opened).where(opened.c.case_id == bindparam("of_case")).values(expires=bindparam("until"))
    ),
)
OVERDUE = Statement(
    "overdue",
    lambda d: (
        select(opened.c.case_id, opened.c.entry_id)
        .where(opened.c.expires <= bindparam("now"))
        .order_by(opened.c.expires)
        .limit(bindparam("at_most"))
    ),
)

# parameters: name, period
ADD_BUDGET = Statement(
    "add_budget",
    lambda d: (
        insert(d, budget)
        .values(
            name=bindparam("name"),
            period=bindparam("period"),
            spent_cost=0,
            held_cost=0,
            spent_tokens=0,
            held_tokens=0,
        )
        .on_conflict_do_nothing()
    ),
)


def _hold(dialect: str) -> Any:
    room_cost = budget.c.spent_cost + budget.c.held_cost + bindparam("cost") <= bindparam("most_cost")
    room_tokens = budget.c.spent_tokens + budget.c.held_tokens + bindparam("tokens") <= bindparam(
        "most_tokens"
    )
    return (
        update(budget)
        .where(and_(budget.c.name == bindparam("of_name"), budget.c.period == bindparam("of_period")))
        .where(and_(room_cost, room_tokens))
        .values(
            held_cost=budget.c.held_cost + bindparam("cost"),
            held_tokens=budget.c.held_tokens + bindparam("tokens"),
        )
    )


# Touches no row where the budget has no room left: what two cases want at once is given to one of them.
HOLD = Statement("hold", _hold)


def _reserve(dialect: str) -> Any:
    row = insert(dialect, reservation)
    return row.on_conflict_do_update(
        index_elements=["case_id", "name", "period"],
        set_={
            "cost": reservation.c.cost + row.excluded.cost,
            "tokens": reservation.c.tokens + row.excluded.tokens,
        },
    )


RESERVE = Statement("reserve", _reserve)
RESERVED = Statement(
    "reserved",
    lambda d: select(
        reservation.c.name, reservation.c.period, reservation.c.cost, reservation.c.tokens
    ).where(reservation.c.case_id == bindparam("case_id")),
)
RELEASE = Statement(
    "release", lambda d: delete(reservation).where(reservation.c.case_id == bindparam("of_case"))
)


def _settle(dialect: str) -> Any:
    mine = and_(
        reservation.c.case_id == bindparam("of_case"),
        reservation.c.name == budget.c.name,
        reservation.c.period == budget.c.period,
    )

    def reserved(column: Any) -> Any:
        # From the row itself: what a process remembers may differ from it after a cancel.
        return func.coalesce(select(column).where(mine).correlate(budget).scalar_subquery(), 0)

    return (
        update(budget)
        .where(and_(budget.c.name == bindparam("of_name"), budget.c.period == bindparam("of_period")))
        .values(
            spent_cost=budget.c.spent_cost + bindparam("cost"),
            spent_tokens=budget.c.spent_tokens + bindparam("tokens"),
            held_cost=budget.c.held_cost - reserved(reservation.c.cost),
            held_tokens=budget.c.held_tokens - reserved(reservation.c.tokens),
        )
    )


SETTLE = Statement("settle", _settle)
SPENT = Statement(
    "spent",
    lambda d: select(
        budget.c.spent_cost, budget.c.held_cost, budget.c.spent_tokens, budget.c.held_tokens
    ).where(and_(budget.c.name == bindparam("name"), budget.c.period == bindparam("period"))),
)
