"""Applies a condition on rows: as part of a query, or to one row at a time."""

from collections.abc import Mapping
from typing import Any

from answerable.governance.rows import All, Always, Compare, Has, Like, Not, OneOf, Rows, Some


def to_sql(rows: Rows, columns: Mapping[str, Any]) -> Any:
    """Return the condition as an SQLAlchemy expression that is never NULL. columns: name -> its column."""
    import sqlalchemy as sa

    def one(node: Rows) -> Any:
        match node:
            case Always(value):
                return sa.true() if value else sa.false()
            case Has(column):
                return columns[column].is_not(None)
            case Compare(column, operator, value):
                got = columns[column]
                made = {
                    "==": got == value,
                    "!=": got != value,
                    "<": got < value,
                    "<=": got <= value,
                    ">": got > value,
                    ">=": got >= value,
                }[operator]
                return sa.and_(got.is_not(None), made)
            case OneOf(column, values):
                return sa.and_(columns[column].is_not(None), columns[column].in_(values))
            case Not(of):
                return sa.not_(one(of))
            case All(of):
                return sa.and_(sa.true(), *map(one, of))
            case Some(of):
                return sa.or_(sa.false(), *map(one, of))
        raise NotImplementedError

    return one(rows)


def matches(rows: Rows, row: Mapping[str, Any]) -> bool:
    """Say whether one row satisfies the condition."""
    match rows:
        case Always(value):
            return value
        case Has(column):
            return row.get(column) is not None
        case Compare(column, operator, value):
            got = row.get(column)
            if got is None:
                return False
            return bool({"==": got == value, "!=": got != value}.get(operator, False))
        case OneOf(column, values):
            return row.get(column) in values
        case Not(of):
            return not matches(of, row)
        case All(of):
            return all(matches(one, row) for one in of)
        case Some(of):
            return any(matches(one, row) for one in of)
        case Like():
            raise NotImplementedError
