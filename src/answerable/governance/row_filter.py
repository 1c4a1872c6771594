"""Applies a condition on rows: as SQL inside the query itself, or row by row for what is no database.

Both say the same of every row. In SQL each node is true or false and never null.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from answerable.errors import UsageError
from answerable.governance.rows import All, Always, Compare, Has, Like, Not, OneOf, Rows, Some, Value

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

DIALECTS = ("sqlite", "postgresql", "duckdb")  # whose comparisons of text are known to be exact
_LONGEST = 1000  # characters of a pattern; SQLite takes no very long one
_NUL = "\U0010ffff"  # stands for NUL in SQLite, whose GLOB ends there; no character, so in no sound pattern
_OPERATORS: Mapping[str, Any] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def matches(rows: Rows, row: Mapping[str, Any]) -> bool:
    """Say whether a row satisfies the condition. row: column -> value, None or absent where it is empty.

    A value of another type than the condition's equals nothing and is not less or greater than anything.
    """
    match rows:
        case Always(value):
            return value
        case Has(column):
            return row.get(column) is not None
        case Compare(column, operator, value):
            found = row.get(column)
            if found is None or type(found) is not type(value):
                return found is not None and operator == "!="
            if operator in ("==", "!="):
                return bool((found == value) is (operator == "=="))
            return bool(_OPERATORS[operator](found, value))
        case OneOf(column, values):
            found = row.get(column)
            return any(type(found) is type(value) and found == value for value in values)
        case Like(column, pattern):
            found = row.get(column)
            return isinstance(found, str) and _is_like(found, pattern)
        case Not(of):
            return not matches(of, row)
        case All(parts):
            return all(matches(part, row) for part in parts)
        case Some(parts):
            return any(matches(part, row) for part in parts)


def _is_like(text: str, pattern: tuple[str, ...]) -> bool:
    """Match pieces with anything between them; linear, as each piece is taken where it first occurs."""
    first, *middle = pattern
    if not middle:
        return text == first
    last = middle.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def to_sql(rows: Rows, columns: "Mapping[str, ColumnElement[Any]]") -> "ColumnElement[bool]":
    """Return the condition as SQL for SQLite, PostgreSQL or DuckDB: true or false for each row, never null.

    columns: name -> the typed column that holds it. Raises UsageError for a column that is not there or of
    another type, for text a database cannot hold, and, when it is compiled, for any other database.
    """
    from sqlalchemy import and_, false, not_, or_, true

    match rows:
        case Always(value):
            return true() if value else false()
        case Has(column):
            return _found(columns, column).is_not(None)
        case Compare(column, operator, value):
            return _compare(_typed(columns, column, value), operator, value)
        case OneOf(column, values):
            typed = [_typed(columns, column, value) for value in values]
            return _among(typed[0], values) if values else false()
        case Like(column, pattern):
            return _like(_typed(columns, column, ""), pattern)
        case Not(of):
            return not_(to_sql(of, columns).self_group())
        case All(parts):
            return and_(true(), *(to_sql(part, columns) for part in parts))
        case Some(parts):
            return or_(false(), *(to_sql(part, columns) for part in parts))


def _found(columns: "Mapping[str, ColumnElement[Any]]", name: str) -> "ColumnElement[Any]":
    if name not in columns:
        raise UsageError(
            f"the row filter asks for the column {name!r}, which the table does not have",
            next_step="let the source's model declare only columns that are there",
        )
    return columns[name]


def _typed(columns: "Mapping[str, ColumnElement[Any]]", name: str, value: Value) -> "ColumnElement[Any]":
    """Return a column that holds what `value` is. Raises UsageError otherwise."""
    from sqlalchemy import types

    column = _found(columns, name)
    kinds: dict[type, Any] = {str: types.String, int: types.Integer, bool: types.Boolean}
    odd = (types.Enum, types.CHAR, types.NCHAR)  # padded with blanks, or compared in their own way
    if not isinstance(column.type, kinds[type(value)]) or isinstance(column.type, odd):
        raise UsageError(
            f"the row filter holds the column {name!r} ({column.type!r}) against a value of type "
            f"{type(value).__name__}",
            next_step="declare the column in the source's model as what the table holds",
        )
    if isinstance(value, str) and "\0" in value:
        raise UsageError("the row filter has text with a NUL character in it", next_step="leave it out")
    return column


def _compare(column: "ColumnElement[Any]", operator: str, value: Value) -> "ColumnElement[bool]":
    from sqlalchemy import and_, not_

    if isinstance(value, bool):
        return column.is_(value if operator == "==" else not value)
    if operator in _OPERATORS:
        return and_(column.is_not(None), _OPERATORS[operator](column, value))
    if isinstance(value, int):
        return and_(column.is_not(None), column == value if operator == "==" else column != value)
    exact = _exact(column) == value
    # The plain comparison lets a database use its index; the exact one decides.
    return and_(column.is_not(None), *((column == value, exact) if operator == "==" else (not_(exact),)))


def _among(column: "ColumnElement[Any]", values: tuple[Value, ...]) -> "ColumnElement[bool]":
    from sqlalchemy import and_, false, or_

    if isinstance(values[0], bool):
        return or_(false(), *(column.is_(value) for value in values))
    exact = [_exact(column).in_(values)] if isinstance(values[0], str) else []
    return and_(column.is_not(None), column.in_(values), *exact)


def _like(column: "ColumnElement[Any]", pattern: tuple[str, ...]) -> "ColumnElement[bool]":
    from sqlalchemy import and_

    if sum(map(len, pattern)) > _LONGEST or len(pattern) > 20:
        raise UsageError("the row filter has too long a pattern", next_step=f"keep it below {_LONGEST}")
    if any(c in piece for piece in pattern for c in ("\0", _NUL)):
        raise UsageError("the row filter has a pattern with what is no character", next_step="leave it out")
    return and_(column.is_not(None), _is_pattern(column, pattern))


@cache
def _constructs() -> tuple[Any, Any]:
    """Return two SQL constructs: a text column compared by its characters, and one held to a pattern."""
    from sqlalchemy import Boolean, String
    from sqlalchemy.ext.compiler import compiles
    from sqlalchemy.sql.functions import FunctionElement

    class ExactText(FunctionElement[str]):
        type = String()
        inherit_cache = True

    class IsLike(FunctionElement[bool]):
        type = Boolean()
        inherit_cache = True

    def exact(element: Any, compiler: Any, **more: Any) -> str:
        (column,) = element.clauses
        order = "BINARY" if _dialect(compiler) == "sqlite" else '"C"'
        return f"({compiler.process(column, **more)} COLLATE {order})"

    def is_like(element: Any, compiler: Any, **more: Any) -> str:
        column, glob, like = element.clauses
        if _dialect(compiler) == "sqlite":  # whose LIKE does not tell A from a, and whose GLOB ends at NUL
            text = f"replace({compiler.process(column, **more)}, char(0), char({ord(_NUL)}))"
            return f"({text} GLOB {compiler.process(glob, **more)})"
        text = f'{compiler.process(column, **more)} COLLATE "C"'
        return f"({text} LIKE {compiler.process(like, **more)} ESCAPE '!')"

    compiles(ExactText)(exact)
    compiles(IsLike)(is_like)
    return ExactText, IsLike


def _exact(column: "ColumnElement[str]") -> "ColumnElement[str]":
    made: ColumnElement[str] = _constructs()[0](column)
    return made


def _is_pattern(column: "ColumnElement[str]", pattern: tuple[str, ...]) -> "ColumnElement[bool]":
    from sqlalchemy import String, literal

    glob = "*".join("".join(f"[{c}]" if c in "*?[" else c for c in piece) for piece in pattern)
    like = "%".join("".join(f"!{c}" if c in "%_!" else c for c in piece) for piece in pattern)
    texts = [literal(text, String()) for text in (glob, like)]
    made: ColumnElement[bool] = _constructs()[1](column, *texts)
    return made


def _dialect(compiler: Any) -> str:
    name: str = compiler.dialect.name
    if name not in DIALECTS:
        raise UsageError(
            f"a row filter on text is not known to be exact on {name}",
            next_step=f"read it from one of {', '.join(DIALECTS)}, or let the policies ask for numbers only",
        )
    return name
