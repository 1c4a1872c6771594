"""A Source: a governed place to read from, with its owner, its purposes and the contract of its rows."""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar, Union, Unpack, get_args, get_origin

from pydantic import BaseModel

from answerable.decisions.code import code_digest
from answerable.decisions.fields import Field, field_adapter, fields_of
from answerable.encoding import seconds
from answerable.errors import UsageError, did_you_mean

R = TypeVar("R", bound=BaseModel)
LIMIT = 1_000  # rows of one read
MOST = 100_000  # what `limit` may be
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WORD = re.compile(r"[\w.\-]{1,64}")
_TABLE = re.compile(r"\w+(\.\w+)?")
Function = Callable[..., Iterable[Any]]
Cell = Literal["text", "whole", "flag"]
_CELLS: Mapping[Any, Cell] = {str: "text", int: "whole", bool: "flag"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sql:
    """Rows of a database. connection: named in the project file; or url, "env:NAME" or "file:PATH" of one.

    table: a table or view ("schema.name" too); or query: one SELECT with its parameters as `:name`.
    """

    connection: str | None = None
    url: str | None = field(default=None, repr=False)  # it may hold a password
    table: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """Rows of a file that `answerable decide` could read: CSV, JSONL, Parquet and so on."""

    path: Path


@dataclass(frozen=True, slots=True)
class Called:
    """Rows that a function returns: mappings or models."""

    call: Function


Origin = Sql | File | Called


class Contract(TypedDict, total=False):
    """What every source says of itself, see Source."""

    owner: str
    purposes: tuple[str, ...]
    description: str
    freshness: float | str | timedelta
    as_of: str | Callable[[], datetime]
    stale: Literal["flag", "refuse"]
    mask: Mapping[str, str]
    limit: int


@dataclass(frozen=True, kw_only=True)
class Source(Generic[R]):
    """A place that decisions may read from, and the only way to it: `case.read(source, ...)`.

    name: kebab-case, at most 64 characters. row: the contract, a pydantic model whose marks say what is
    personal; a row that breaks it is left out and counted. owner: who answers for the data. purposes: for
    which it may be read. freshness: how old it may be (seconds or "1d"); as_of: the column, or the function,
    that tells its time (a file has its own); stale: what follows, "flag" or "refuse". mask: column -> the
    role that sees it; for others it is None. limit: rows of one read. Raises UsageError for what cannot hold.
    """

    name: str
    row: type[R]
    origin: Origin
    owner: str
    purposes: tuple[str, ...]
    description: str = ""
    freshness: float | str | timedelta | None = None
    as_of: str | Callable[[], datetime] | None = None
    stale: Literal["flag", "refuse"] = "flag"
    mask: Mapping[str, str] = field(default_factory=dict)
    limit: int = LIMIT

    def __post_init__(self) -> None:
        self._check_words()
        if not (isinstance(self.row, type) and issubclass(self.row, BaseModel) and self.row.model_fields):
            raise self._wrong(f"row is {self.row!r}", "give a pydantic model with a field a column")
        object.__setattr__(self, "mask", dict(self.mask))
        self._check_freshness()
        self._check_mask()
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or not 1 <= self.limit <= MOST:
            raise self._wrong(f"limit is {self.limit!r}", f"give a number of rows from 1 to {MOST:,}")

    def _check_words(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or len(self.name) > 64:
            raise UsageError(
                f"a source is named {self.name!r}", next_step='use kebab-case, such as "crm-customer"'
            )
        if not isinstance(self.owner, str) or not self.owner.strip():
            raise self._wrong(f"owner is {self.owner!r}", 'say who answers for the data: owner="crm-team"')
        purposes = self.purposes
        step = 'give purposes=("customer-support",)'
        if isinstance(purposes, str) or not isinstance(purposes, Iterable):
            raise self._wrong(f"purposes is {purposes!r}", step)
        purposes = tuple(purposes)
        if not purposes or not all(isinstance(word, str) and _WORD.fullmatch(word) for word in purposes):
            raise self._wrong(f"purposes is {purposes!r}", step)
        object.__setattr__(self, "purposes", purposes)

    def _check_freshness(self) -> None:
        if self.stale not in ("flag", "refuse"):
            raise self._wrong(f"stale is {self.stale!r}", 'use "flag" or "refuse"')
        if self.freshness is None:
            if self.as_of is not None or self.stale != "flag":
                raise self._wrong("it has no freshness to hold", 'say how old it may be: freshness="1d"')
            return
        assert self.freshness_s  # raises for what is no duration
        if isinstance(self.as_of, str):
            self.column(self.as_of, "as_of")
        elif self.as_of is None and not isinstance(self.origin, File):
            raise self._wrong(
                "nothing tells how fresh it is", 'name the column, or give a function: as_of="updated_at"'
            )

    def _check_mask(self) -> None:
        for name, role in self.mask.items():
            described = self.column(name, "mask")
            if not isinstance(role, str) or not role:
                raise self._wrong(f"mask gives {name} to {role!r}", "name the role that sees it")
            if {"Key", "Subject"} & set(described.classes):
                raise self._wrong(
                    f"mask names {name}, by which a record finds its rows and persons", "leave it out"
                )
            try:
                field_adapter(self.row, name).validate_python(None)
            except ValueError:
                raise self._wrong(
                    f"mask names {name}, which cannot be None",
                    f"write `{name}: ... | None` in {self.row.__name__}",
                ) from None

    def _wrong(self, what: str, step: str) -> UsageError:
        return UsageError(f"the source {self.name}: {what}", next_step=step)

    def column(self, name: str, who: str) -> Field:
        """Return a column's description. Raises UsageError that says who named it and what was meant."""
        for known in self.columns:
            if known.path == name:
                return known
        raise self._wrong(
            f"{who} names {name!r}, which is no column", did_you_mean(name, [f.path for f in self.columns])
        )

    @cached_property
    def columns(self) -> tuple[Field, ...]:
        """The row's fields, described."""
        return fields_of(self.row)

    @cached_property
    def stored_as(self) -> Mapping[str, str]:
        """Field -> the name of its column where the data is."""
        names = {}
        for name, info in self.row.model_fields.items():
            alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
            names[name] = alias or name
        return names

    @cached_property
    def cells(self) -> Mapping[str, tuple[Cell, bool]]:
        """Column -> what it holds and whether it may be empty, for those that a policy can ask for."""
        found = {}
        for name, info in self.row.model_fields.items():
            cell, empty = _cell(info.annotation)
            if cell is not None:
                found[name] = (cell, empty)
        return found

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of personal data in its rows; a person's id is of the kind "subject"."""
        return frozenset(_kinds(self.columns))

    @cached_property
    def key_columns(self) -> tuple[str, ...]:
        """The columns by which a row is found again."""
        return tuple(f.path for f in self.columns if "Key" in f.classes)

    @cached_property
    def freshness_s(self) -> float | None:
        """`freshness` in seconds, or None."""
        return None if self.freshness is None else seconds(self.freshness, what="freshness")

    @cached_property
    def kind(self) -> Literal["sql", "file", "function"]:
        """What it reads from."""
        return (
            "sql" if isinstance(self.origin, Sql) else "file" if isinstance(self.origin, File) else "function"
        )

    def masked_for(self, roles: Iterable[str]) -> tuple[str, ...]:
        """Return the columns that somebody with these roles does not see."""
        return tuple(name for name, role in self.mask.items() if role not in roles)


def sql_source(
    name: str,
    row: type[R],
    *,
    connection: str | None = None,
    url: str | None = None,
    table: str | None = None,
    query: str | None = None,
    **contract: Unpack[Contract],
) -> Source[R]:
    """Return a source over SQL: any database SQLAlchemy has a dialect for.

    connection: a name below [connections] in the project file; or url: "env:NAME", "file:PATH" or the URL.
    table: a table or view, of which `case.read(source, column=value)` picks rows; or query: one SELECT, to
    whose `:name` parameters `case.read(source, name=value)` is bound. contract: see Source.
    """
    wrong = None
    if (connection is None) == (url is None):
        wrong = (
            "connection and url are two ways to say one thing",
            'give connection="crm", or url="env:CRM_URL"',
        )
    elif (table is None) == (query is None):
        wrong = "it needs one of a table and a query", 'give table="customers", or query="SELECT ..."'
    elif table is not None and not _TABLE.fullmatch(table):
        wrong = f"{table!r} is no table's name", 'write "name" or "schema.name", else give query="SELECT ..."'
    elif query is not None and not query.strip().rstrip(";"):
        wrong = "the query is empty", 'give query="SELECT ..."'
    elif connection is not None and "://" in connection:
        wrong = "connection holds a URL", 'name one of the project file, or give url="env:CRM_URL"'
    if wrong is not None:
        raise UsageError(f"the source {name}: {wrong[0]}", next_step=wrong[1])
    query = None if query is None else query.strip().rstrip(";")
    return _made(name, row, Sql(connection=connection, url=url, table=table, query=query), contract)


def file_source(name: str, row: type[R], *, path: str | Path, **contract: Unpack[Contract]) -> Source[R]:
    """Return a source over a file (.csv, .jsonl, .parquet and so on), read anew for each read.

    path: relative to the working directory. `case.read(source, column=value)` picks rows by their typed
    values. contract: see Source.
    """
    return _made(name, row, File(Path(path)), contract)


def source(name: str, row: type[R], **contract: Unpack[Contract]) -> Callable[[Function], Source[R]]:
    """Return a decorator that makes a source of a function.

    `case.read(source, id=7)` calls it with `id=7`; it returns its rows as mappings or models. It runs on a
    thread of its own and may be abandoned. contract: see Source.
    """

    def wrap(function: Function) -> Source[R]:
        if not callable(function) or isinstance(function, type):
            raise UsageError(f"the source {name}: {function!r} is no function", next_step="give a function")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(
                f"the source {name}: its function would have to be awaited",
                next_step="write `def`, not `async def`: it runs on a thread of its own",
            )
        said: Contract = (
            contract if contract.get("description") else {**contract, "description": _first_line(function)}
        )
        return _made(name, row, Called(function), said)

    return wrap


def _made(name: str, row: type[R], origin: Origin, contract: Contract) -> Source[R]:
    for wanted, one in (("owner", '"crm-team"'), ("purposes", '("customer-support",)')):
        if wanted not in contract:
            raise UsageError(f"the source {name}: it has no {wanted}", next_step=f"add {wanted}={one}")
    known = tuple(Contract.__annotations__)
    for given in contract:
        if given not in known:
            raise UsageError(f"a source has no {given!r}", next_step=did_you_mean(given, known))
    return Source(name=name, row=row, origin=origin, **contract)


def kind_of(word: str) -> str | None:
    """Return the kind of personal data that a class is, such as "email" of "Personal:email@short"."""
    name, _, kind = word.partition(":")
    if name in ("Personal", "Sensitive"):
        return kind.partition("@")[0]
    return "subject" if word == "Subject" else None


def _kinds(columns: Iterable[Field]) -> Iterator[str]:
    for column in columns:
        yield from (kind for kind in map(kind_of, column.classes) if kind is not None)
        yield from _kinds(column.fields)


def _cell(annotation: Any) -> tuple[Cell | None, bool]:
    """Return what a type is to a policy, None for what it cannot ask for, and whether it allows None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _cell(args[0])
    for meant in ("__value__", "__supertype__"):  # a type alias, a NewType
        if hasattr(annotation, meant):
            return _cell(getattr(annotation, meant))
    if origin in (Union, types.UnionType):
        arms = [_cell(arm) for arm in args if arm is not types.NoneType]
        return (arms[0][0] if len(arms) == 1 else None), len(arms) < len(args) or any(e for _, e in arms)
    values = args if origin is Literal else ()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = tuple(member.value for member in annotation)
    kinds = {type(value) for value in values if value is not None} if values else {annotation}
    return (_CELLS.get(kinds.pop()) if len(kinds) == 1 else None), None in values


def _first_line(function: Any) -> str:
    text = (getattr(function, "__doc__", None) or "").strip()
    return text.splitlines()[0] if text else ""


def described(source: Source[Any]) -> dict[str, Any]:
    """Return a source as data for a decision's manifest, without the address of its database."""
    origin, as_of = source.origin, source.as_of
    if isinstance(origin, Sql):
        named = origin.url if (origin.url or "").startswith(("env:", "file:")) else None
        where: dict[str, Any] = {
            "connection": origin.connection or named,
            "table": origin.table,
            "query": origin.query,
        }
    elif isinstance(origin, File):
        where = {"path": str(origin.path)}
    else:
        where = {"digest": code_digest(origin.call)}
    return {
        "name": source.name,
        "kind": source.kind,
        "owner": source.owner,
        "purposes": list(source.purposes),
        "description": source.description,
        "from": {name: value for name, value in where.items() if value is not None},
        "freshness": source.freshness_s,
        "as_of": as_of if isinstance(as_of, str) or as_of is None else code_digest(as_of),
        "stale": source.stale,
        "mask": dict(source.mask),
        "limit": source.limit,
    }
