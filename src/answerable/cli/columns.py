"""Matches the columns of a table to the fields of a decision by their names."""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from answerable.decisions.decision import Decision
from answerable.errors import UsageError, did_you_mean

_TRUTH = re.compile(r"truth[._](.+)", re.IGNORECASE)
_LOOSE = re.compile(r"[\W_]+")
_NEAR = 0.8  # how alike two names are of which one is probably a slip; as for file names


def loosely(name: str) -> str:
    """Return the letters and digits of `name`, in one case: by these names are compared."""
    return _LOOSE.sub("", name).casefold()


def named_pairs(options: Sequence[str], option: str, known: Iterable[str]) -> dict[str, str]:
    """Return FIELD -> COLUMN of options such as `--truth team=Team`.

    Raises UsageError for another form or field.
    """
    names, pairs = list(known), {}
    for given in options:
        field, equals, column = given.partition("=")
        if not equals or not column:
            raise UsageError(
                f"{option} {given!r} is not FIELD=COLUMN", next_step=f"write {option} FIELD=COLUMN"
            )
        if field not in names:
            raise UsageError(
                f"{option} names {field!r}, which is no field", next_step=did_you_mean(field, names)
            )
        pairs[field] = column
    return pairs


def match(
    fields: Iterable[str], columns: Sequence[str], given: Mapping[str, str], *, option: str
) -> dict[str, str]:
    """Return field -> column: as `given` says, else of the same name, else of nearly the same.

    Raises UsageError where a given column is not there or where two columns are nearly the same.
    """
    found: dict[str, str] = {}
    for field in fields:
        if field in given:
            if given[field] not in columns:
                raise UsageError(
                    f"{option} names the column {given[field]!r}, which is not there",
                    next_step=did_you_mean(given[field], columns),
                )
            found[field] = given[field]
        elif field in columns:
            found[field] = field
        else:
            near = [column for column in columns if loosely(column) == loosely(field)]
            if len(near) > 1:
                raise UsageError(
                    f"the columns {', '.join(map(repr, near))} could all be {field!r}",
                    next_step=f"say which with {option} {field}=COLUMN",
                )
            if near:
                found[field] = near[0]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """How a table's columns stand to a decision.

    input, truth: field -> column. ignored: columns that are neither. missing: required fields that have none.
    slips: field without a column -> ignored column that is nearly called so.
    """

    input: Mapping[str, str]
    truth: Mapping[str, str]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    slips: Mapping[str, str]

    def check(self, decision: str, columns: Sequence[str]) -> None:
        """Raise UsageError if a required field has no column, or another one only a misspelt one.

        columns: all that there are. Without the latter every row would quietly get the field's default.
        """
        if not self.missing:
            self._check_slips(decision)
            return
        what = ", ".join(map(repr, self.missing))
        there = ", ".join(map(repr, columns)) or "none"
        near = self.slips.get(self.missing[0])
        meant = "COLUMN" if near is None else shlex.quote(near)
        raise UsageError(
            f"{decision} needs {what}, and no column is named so; there is {there}",
            next_step=f"rename a column, or say which it is: --column {self.missing[0]}={meant}",
        )

    def _check_slips(self, decision: str) -> None:
        for field, column in self.slips.items():
            quoted = shlex.quote(column)
            raise UsageError(
                f"the column {column!r} is nearly called like {field!r}, an input field of {decision} "
                "that no column gives",
                next_step=f"rename it or say --column {field}={quoted}; "
                f"to ignore it on purpose: --ignore {quoted}",
            )


def match_columns(
    decision: Decision[Any, Any],
    columns: Sequence[str],
    *,
    named: Mapping[str, str],
    truth: Mapping[str, str],
    ignore: Collection[str] = (),
) -> Columns:
    """Return how `columns` stand to `decision`. named, truth: field -> column as the caller says.

    ignore: columns that are not there for us, whatever they are called.
    """
    columns = [column for column in columns if column not in ignore]
    inputs = match([f.path for f in decision.input_fields], columns, named, option="--column")
    truths = match_truth(
        decision.output_names, [c for c in columns if c not in inputs.values()], truth, columns
    )
    used = {*inputs.values(), *truths.values()}
    ignored = tuple(column for column in columns if column not in used)
    return Columns(
        input=inputs,
        truth=truths,
        ignored=ignored,
        missing=tuple(f.path for f in decision.input_fields if f.required and f.path not in inputs),
        slips=_slips([f.path for f in decision.input_fields if f.path not in inputs], ignored),
    )


def _slips(fields: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Return field -> the column that is nearly called so, where there is one."""
    names = {loosely(column): column for column in reversed(columns)}
    found = {field: get_close_matches(loosely(field), names, n=1, cutoff=_NEAR) for field in fields}
    return {field: names[near[0]] for field, near in found.items() if near}


def match_truth(
    fields: Sequence[str], free: Sequence[str], given: Mapping[str, str], columns: Sequence[str]
) -> dict[str, str]:
    """Return output field -> column: as `given` says (any of `columns`), else of `free` by its name.

    The names are `truth.FIELD` and `truth_FIELD`.
    """
    found = match([f for f in fields if f in given], columns, given, option="--truth")
    for column in free:
        told = _TRUTH.fullmatch(column)
        name = told and next((f for f in fields if loosely(f) == loosely(told[1])), None)
        if name and name not in found:
            found[name] = column
    return found
