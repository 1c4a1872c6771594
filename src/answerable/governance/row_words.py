"""Says a condition on rows in words that an auditor reads."""

from answerable.encoding import encode
from answerable.governance.rows import All, Always, Compare, Has, Like, Not, OneOf, Rows, Some, Value


def in_words(rows: Rows) -> str:
    """Return the condition as one line, such as `region = "north" and not (closed = true)`."""
    match rows:
        case Always(value):
            return "every row" if value else "no row"
        case Has(column):
            return f"{column} is there"
        case Compare(column, operator, value):
            return f"{column} {'=' if operator == '==' else operator} {_value(value)}"
        case OneOf(column, values):
            return f"{column} in ({', '.join(map(_value, values))})"
        case Like(column, pattern):
            return f"{column} like {_value('*'.join(pattern))}"
        case Not(of):
            return f"not ({in_words(of)})"
        case All(of):
            return " and ".join(map(_inner, of)) or "every row"
        case Some(of):
            return " or ".join(map(_inner, of)) or "no row"


def columns_in(rows: Rows) -> set[str]:
    """Return the columns that the condition looks at."""
    match rows:
        case Always():
            return set()
        case Not(of):
            return columns_in(of)
        case All(of) | Some(of):
            return {name for one in of for name in columns_in(one)}
        case _:
            return {rows.column}


def _inner(rows: Rows) -> str:
    return f"({in_words(rows)})" if isinstance(rows, All | Some) else in_words(rows)


def _value(value: Value) -> str:
    return encode(value).decode()
