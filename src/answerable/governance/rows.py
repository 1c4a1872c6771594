"""Which rows of a table somebody may see, as a small closed language; each node is true or false, never null.

A policy engine makes one from its rules, and it is compiled into the query itself.
"""

from dataclasses import dataclass
from typing import Literal

Value = str | int | bool
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Always:
    """Every row, or none."""

    value: bool


@dataclass(frozen=True, slots=True)
class Has:
    """The row has a value in `column`."""

    column: str


@dataclass(frozen=True, slots=True)
class Compare:
    """The column's value compares so with `value`; false where the column is empty (also for "!=")."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The column's value is one of `values`; false where the column is empty."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """The column's text matches `pattern`: pieces of literal text with anything between them.

    pattern: ("a", "b") stands for a*b: starts with the first piece and ends with the last, case counts.
    """

    column: str
    pattern: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The row does not satisfy `of`."""

    of: "Rows"


@dataclass(frozen=True, slots=True)
class All:
    """The row satisfies each of them."""

    of: tuple["Rows", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """The row satisfies at least one of them."""

    of: tuple["Rows", ...]


Rows = Always | Has | Compare | OneOf | Like | Not | All | Some
EVERY, NONE = Always(True), Always(False)
