"""Reads the rows of a table as cases of a decision: an input and, where the table knows it, the truth."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from types import NoneType
from typing import Any, get_args

from answerable.cli.columns import Columns, match_columns
from answerable.decisions.decision import Decision
from answerable.errors import UsageError, did_you_mean
from answerable.integrations.tables_core import BadRow, Row, Table

_PEEK = 20  # rows of JSON looked at for the names of its columns
_KNOWN = 1000  # sets of names kept for rows of JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One row as a case. input: data for the decision's input model. truth: output field -> right value.

    empty: required input fields whose cell is empty.
    """

    line: int
    input: Mapping[str, object]
    truth: Mapping[str, object]
    empty: tuple[str, ...] = ()


class Cases:
    """The rows of an opened table as cases.

    named, truth: field -> column, as the caller says. ignore: columns not to look at. Raises UsageError at
    once, before any row is used, if a required field has no column, or another one only a misspelt one.
    `columns` says how the table's stand to the decision.
    """

    def __init__(
        self,
        table: Table,
        decision: Decision[Any, Any],
        *,
        named: Mapping[str, str],
        truth: Mapping[str, str],
        ignore: Collection[str] = (),
    ) -> None:
        self._decision, self._named, self._truth, self._ignore = decision, named, truth, ignore
        self._free = not table.columns  # each row of JSON names its own columns
        self._text = table.format == "csv"
        self._rows: Iterator[Row | BadRow] = iter(table)
        names = list(table.columns)
        if self._free:
            first = list(islice(self._rows, _PEEK))
            names = list(dict.fromkeys(n for row in first if isinstance(row, Row) for n in row.values))
            self._rows = chain(first, self._rows)
        for column in ignore:
            if column not in names and not self._free:
                raise UsageError(
                    f"--ignore names the column {column!r}, which is not there",
                    next_step=did_you_mean(column, names),
                )
        self.columns = match_columns(decision, names, named=named, truth=truth, ignore=ignore)
        if names or not self._free:
            self.columns.check(decision.name, names)
        self._known: dict[tuple[str, ...], Columns] = {}
        self._kinds = {f.path: f.kind for f in decision.input_fields}

    def __iter__(self) -> Iterator[Given | BadRow]:
        for row in self._rows:
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                columns = self._columns_of(row) if self._free else self.columns
                given = self._input(row.values, columns)
                yield Given(
                    line=row.line,
                    input=given,
                    truth=truth_of(row.values, columns.truth),
                    empty=self._empty(row.values, columns, given),
                )
            except UsageError as exc:
                yield BadRow(line=row.line, error=exc.what)

    def _columns_of(self, row: Row) -> Columns:
        names = tuple(row.values)
        known = self._known.get(names)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[names] = match_columns(
                self._decision,
                names,
                named={f: c for f, c in self._named.items() if c in row.values},
                truth={f: c for f, c in self._truth.items() if c in row.values},
                ignore=self._ignore,
            )
            if not known.missing:  # a required field is the input model's to miss
                known.check(self._decision.name, names)
        return known

    def _input(self, values: Mapping[str, object], columns: Columns) -> dict[str, object]:
        """Return the input as data. An empty cell is left out, but in a text field it is the empty text."""
        read: dict[str, object] = {}
        for name, column in columns.input.items():
            value, info = values[column], self._decision.input.model_fields[name]
            if value is None:
                if info.annotation is str and info.is_required():
                    value = ""
                elif not _nullable(info.annotation) or (not self._free and not info.is_required()):
                    continue
            elif self._text and self._kinds[name] in ("record", "set"):
                value = unfolded(value)
            elif type(value) is int and not self._free and info.annotation in (str, str | None):
                value = str(value)  # a sheet or database holds `1042` as a number, the model as a text
            read[self._key(name)] = value
        return read

    def _empty(
        self, values: Mapping[str, object], columns: Columns, given: Mapping[str, object]
    ) -> tuple[str, ...]:
        fields = self._decision.input.model_fields
        empty = [name for name, column in columns.input.items() if values[column] is None]
        needed = (self._key(name) for name in empty if fields[name].is_required())
        return tuple(key for key in needed if key not in given)

    def _key(self, name: str) -> str:
        """Return the name by which the input model takes a field."""
        model = self._decision.input
        alias = model.model_fields[name].validation_alias
        by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
        return alias if isinstance(alias, str) and not by_name else name


def truth_of(values: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    """Return output field -> right value of a row, without the empty cells. columns: field -> column."""
    return {
        field: values[column] for field, column in columns.items() if values.get(column) not in (None, "")
    }


def _nullable(annotation: Any) -> bool:
    return annotation in (Any, object, None, NoneType) or NoneType in get_args(annotation)


def unfolded(value: object) -> object:
    """Read a cell that holds a JSON list or object; another text stays for the model to refuse."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
