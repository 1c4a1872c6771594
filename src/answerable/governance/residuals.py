"""Compiles what Cedar leaves of the policies, when only the row is unknown, to a condition on rows.

Cedar ends with an error where a policy asks an empty column for its value, and an error denies. So each
expression is compiled to the rows where it is true, those where it is false and those where it ends at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from answerable.governance.access import Shape
from answerable.governance.rows import (
    EVERY,
    NONE,
    All,
    Always,
    Compare,
    Has,
    Like,
    Not,
    OneOf,
    Rows,
    Some,
    Value,
)

LARGEST = 250  # parts of one policy's condition, four times as many of all: databases have limits
_NEGATED: Mapping[str, Any] = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MIRRORED: Mapping[str, Any] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TYPES: Mapping[str, type] = {"text": str, "whole": int, "flag": bool}


class NotCompiled(Exception):
    """A policy has a construct that no condition on rows can say. Its text names the construct."""


@dataclass(frozen=True, slots=True)
class Three:
    """Where an expression is true, where it is false, and where it ends without an error."""

    true: Rows
    false: Rows
    ends: Rows


def compiled(residuals: Mapping[str, Mapping[str, Any]], shape: Shape) -> Rows:
    """Return which rows of a source are allowed.

    residuals: policy id -> what Cedar leaves of that policy, its policy JSON with the row as `unknown`.
    A row is allowed where at least one permit is true, no forbid is, and no policy ends with an error.
    Raises NotCompiled naming the policy and the construct.
    """
    permits: list[Rows] = []
    needs: list[Rows] = []
    for name, policy in residuals.items():
        try:
            found = every(_condition(c, shape) for c in policy["conditions"])
            if policy["effect"] == "permit":
                permits.append(found.true)
                needs.append(found.ends)
            else:
                needs.append(found.false)
        except NotCompiled as exc:
            raise NotCompiled(f'the policy "{name}" has {exc}, which no filter on rows can say') from None
        except RecursionError:
            raise NotCompiled(f'the policy "{name}" is nested too deep for a filter on rows') from None
    return _bounded(both(either(*permits), *needs), 4 * LARGEST)


def _condition(condition: Mapping[str, Any], shape: Shape) -> Three:
    found = expression(condition["body"], shape)
    return found if condition["kind"] == "when" else Three(found.false, found.true, found.ends)


def every(parts: Iterable[Three]) -> Three:
    """Return the conjunction of expressions, asked in this order."""
    found = Three(EVERY, NONE, EVERY)
    for part in parts:
        found = _and(found, part)
    return found


def expression(node: Any, shape: Shape) -> Three:
    """Compile one expression that is true or false. Raises NotCompiled naming what cannot be."""
    ((word, of),) = node.items()
    if word == "Value" and isinstance(of, bool):
        return Three(EVERY, NONE, EVERY) if of else Three(NONE, EVERY, EVERY)
    if word == "&&":
        return _and(expression(of["left"], shape), expression(of["right"], shape))
    if word == "||":
        return _or(expression(of["left"], shape), expression(of["right"], shape))
    if word == "!":
        found = expression(of["arg"], shape)
        return Three(found.false, found.true, found.ends)
    if word == "if-then-else":
        asked, yes, no = (expression(of[part], shape) for part in ("if", "then", "else"))
        return Three(
            either(both(asked.true, yes.true), both(asked.false, no.true)),
            either(both(asked.true, yes.false), both(asked.false, no.false)),
            either(both(asked.true, yes.ends), both(asked.false, no.ends)),
        )
    if word == "has" and _is_row(of["left"]):
        return _certain(Has(of["attr"]) if of["attr"] in shape.columns else NONE)
    if word == "is" and _is_row(of["left"]):
        fits = of["entity_type"] == row_type(shape.source)
        return _certain(EVERY if fits and _contains_row(of, shape) else NONE)
    if word in _NEGATED:
        return _comparison(word, of["left"], of["right"], shape)
    if word == "in" and _is_row(of["left"]):
        return _certain(EVERY if _holds_row(of["right"], shape) else NONE)
    if word == "contains":
        column = _column(of["right"], shape, word)
        values = _values(of["left"], shape, column)
        return _asked(column, OneOf(column, values) if values else NONE)
    if word == "like":
        column = _column(of["left"], shape, word)
        _check(shape, column, "")
        return _asked(column, Like(column, _pattern(of["pattern"])))
    if word == "." and _is_row(of["left"]):
        column = _column(node, shape, word)
        _check(shape, column, True)
        return Three(Compare(column, "==", True), Compare(column, "==", False), Has(column))
    raise NotCompiled(_named(word, of))


def _comparison(word: str, left: Any, right: Any, shape: Shape) -> Three:
    if _is_row(left) or _is_row(right):
        other = right if _is_row(left) else left
        if word in ("==", "!=") and "__entity" in str(other) and not _is_own_row(other, shape):
            same = _certain(NONE)  # a row is no decision, source or subject
            return same if word == "==" else Three(same.false, same.true, same.ends)
        raise NotCompiled("a comparison of the row itself")
    if "Value" in left:
        left, right, word = right, left, _MIRRORED[word]
    if "Value" not in right:
        raise NotCompiled("a comparison of two things that are both unknown before the row is read")
    column, value = _column(left, shape, word), right["Value"]
    _check(shape, column, value)
    if word not in ("==", "!=") and (isinstance(value, bool) or not isinstance(value, int)):
        raise NotCompiled(f"`{word}` on what is no whole number")
    told: Any = word
    return Three(Compare(column, told, value), Compare(column, _NEGATED[word], value), Has(column))


def _asked(column: str, rows: Rows) -> Three:
    return Three(rows, both(Has(column), negated(rows)), Has(column))


def _certain(rows: Rows) -> Three:
    return Three(rows, negated(rows), EVERY)


def _and(left: Three, right: Three) -> Three:
    # The right side is asked only where the left one is true.
    return Three(
        _bounded(both(left.true, right.true), LARGEST),
        _bounded(either(left.false, both(left.ends, right.false)), LARGEST),
        _bounded(either(left.false, both(left.ends, right.ends)), LARGEST),
    )


def _bounded(rows: Rows, most: int) -> Rows:
    if sum(1 for _ in islice(nodes(rows), most + 1)) > most:
        raise NotCompiled(f"a condition of more than {most} parts")
    return rows


def _or(left: Three, right: Three) -> Three:
    swapped = _and(Three(left.false, left.true, left.ends), Three(right.false, right.true, right.ends))
    return Three(swapped.false, swapped.true, swapped.ends)


# -- what stands in an expression ------------------------------------------------------------------------


def row_type(source: str) -> str:
    """Return the entity type of a source's rows: what is no letter, digit or _ in its name becomes _."""
    name = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in source)
    return f"Row::{name if not name[:1].isdigit() else '_' + name}"


def _is_row(node: Any) -> bool:
    return bool(node == {"unknown": [{"Value": "resource"}]})


def _entities(node: Any) -> list[tuple[str, str]]:
    """Return (type, id) of every entity that a set or a single one names."""
    if set(node) == {"Set"}:
        return [found for item in node["Set"] for found in _entities(item)]
    value = node.get("Value")
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and set(item) == {"__entity"} for item in items):
        raise NotCompiled("`in` with something else than named entities")
    return [(item["__entity"]["type"], item["__entity"]["id"]) for item in items]


def _holds_row(node: Any, shape: Shape) -> bool:
    found = _entities(node)
    if any(kind == row_type(shape.source) for kind, _ in found):
        raise NotCompiled("a row named by its id")
    return ("Source", shape.source) in found


def _contains_row(of: Mapping[str, Any], shape: Shape) -> bool:
    return "in" not in of or _holds_row(of["in"], shape)


def _is_own_row(node: Any, shape: Shape) -> bool:
    return any(kind == row_type(shape.source) for kind, _ in _entities(node))


def _column(node: Any, shape: Shape, word: str) -> str:
    """Return the column that stands in an expression with `word`."""
    inner = node.get(".")
    if inner is None or not _is_row(inner["left"]):
        own = next(iter(node))
        raise NotCompiled(_named(word if own in ("Value", ".") else own, node))
    name: str = inner["attr"]
    if name not in shape.columns:
        raise NotCompiled(f"the column {name!r}, which the source does not declare,")
    return name


def _check(shape: Shape, column: str, value: Any) -> None:
    kind = shape.columns[column].kind
    if type(value) is not _TYPES.get(kind):
        raise NotCompiled(f"the column {column!r} ({kind}) held against what is of another type")


def _values(node: Any, shape: Shape, column: str) -> tuple[Value, ...]:
    if "Set" in node and all(set(item) == {"Value"} for item in node["Set"]):
        found = [item["Value"] for item in node["Set"]]
    elif isinstance(node.get("Value"), list):
        found = node["Value"]
    else:
        raise NotCompiled("a set that is not known before the row is read")
    for value in found:
        _check(shape, column, value)
    return tuple(dict.fromkeys(found))


def _pattern(pieces: Iterable[Any]) -> tuple[str, ...]:
    found = [""]
    for piece in pieces:
        if piece == "Wildcard":
            found.append("")
        else:
            found[-1] += piece["Literal"]
    return tuple(found)


def _named(word: str, of: Any) -> str:
    if word in ("Var", "error") or "'Var'" in str(of):
        # Cedar leaves as it was what would end with an error for this principal.
        return "a part that ends with an error for this principal"
    return f"`{word}`"


# -- conditions, put together as small as they can easily be ------------------------------------------


def negated(rows: Rows) -> Rows:
    """Return the rows that `rows` leaves out."""
    if isinstance(rows, Always):
        return Always(not rows.value)
    return rows.of if isinstance(rows, Not) else Not(rows)


def both(*parts: Rows) -> Rows:
    """Return the rows that are in all of `parts`."""
    return _joined(parts, All, EVERY, NONE)


def either(*parts: Rows) -> Rows:
    """Return the rows that are in at least one of `parts`."""
    return _joined(parts, Some, NONE, EVERY)


def _joined(parts: Iterable[Rows], kind: Any, nothing: Rows, end: Rows) -> Rows:
    """Put parts together. nothing: the part that changes nothing. end: the part that decides it."""
    flat = [inner for part in parts for inner in (part.of if isinstance(part, kind) else (part,))]
    told = dict.fromkeys(part for part in flat if part != nothing)
    asked = {part.column for part in told if isinstance(part, Compare | OneOf | Like)}
    if kind is All:  # what has such a value has one
        told = {part: None for part in told if not (isinstance(part, Has) and part.column in asked)}
    else:
        full = {part.column for part in told if isinstance(part, Has)}
        told = {
            part: None
            for part in told
            if not (isinstance(part, Compare | OneOf | Like) and part.column in full)
        }
    if end in told or any(negated(part) in told for part in told):
        return end
    other = Some if kind is All else All
    kept: list[Rows] = []
    for part in told:
        if kind is All and isinstance(part, Some) and _follows(part, told):
            continue
        if isinstance(part, other):
            if any(inner in told for inner in part.of):
                continue  # a and (a or b) is a
            left = tuple(inner for inner in part.of if negated(inner) not in told)
            if len(left) < len(part.of):  # a and (not a or b) is a and b
                rest = [p for p in told if p is not part]
                return _joined((*rest, _joined(left, other, end, nothing)), kind, nothing, end)
        kept.append(part)
    if not kept:
        return nothing
    return kept[0] if len(kept) == 1 else kind(tuple(kept))


def _follows(part: Some, told: Iterable[Rows]) -> bool:
    """Say whether another choice of `told` leaves `part` nothing to decide: its ways are part's too."""
    has = {inner.column for inner in part.of if isinstance(inner, Has)}
    return any(
        all(
            inner in part.of or (isinstance(inner, Compare | OneOf | Like) and inner.column in has)
            for inner in other.of
        )
        for other in told
        if isinstance(other, Some) and other != part and len(other.of) <= 50
    )


def nodes(rows: Rows) -> Iterator[Rows]:
    """Yield every part of a condition; each value of a list counts as one."""
    yield rows
    if isinstance(rows, Not):
        yield from nodes(rows.of)
    elif isinstance(rows, All | Some):
        for part in rows.of:
            yield from nodes(part)
    elif isinstance(rows, OneOf):
        yield from (Always(True) for _ in rows.values)
