"""A Read: what one governed read of one case gave, under which rule, and from which rows it came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Protocol

from answerable.governance.rows import EVERY, Rows
from answerable.governance.source import Source, kind_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One read as a record tells it. rows: the values as given, a mapping of column -> value each.

    classes: column -> how it is classified.
    result: "read", "denied", "failed", or "unfinished" when the case ended first. keys: of each row, in
    order, the values of its Key columns. subjects: the persons in it. filter: the policy's condition on rows;
    "" for none. policies: ids of those that decided; policy: hex of the set. quarantined: rows that broke the
    contract; broken: some of them, by place or key, with the rule. cut: there were more rows than the limit.
    as_of: the time of the data; stale: it is older than it may be. latency_us: microseconds.
    """

    source: str
    owner: str
    purpose: str
    result: Literal["read", "denied", "failed", "unfinished"] = "read"
    reason: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    filter: str = ""
    policies: tuple[str, ...] = ()
    policy: str | None = None
    rows: tuple[Mapping[str, Any], ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()
    subjects: tuple[str, ...] = ()
    quarantined: int = 0
    broken: tuple[Mapping[str, Any], ...] = ()
    cut: bool = False
    as_of: str | None = None
    stale: bool = False
    latency_us: int = 0

    @property
    def personal(self) -> Iterator[tuple[str, str]]:
        """The personal values in it, each with its kind; free text is none."""
        for name, words in self.classes.items():
            kind = next((k for k in map(kind_of, words) if k not in (None, "free-text")), None)
            values = (row.get(name) for row in self.rows)
            if kind is not None:
                yield from ((kind, str(value)) for value in values if isinstance(value, str | int | float))

    def data(self) -> dict[str, Any]:
        """Return it as data to encode, without what is empty; how many rows came is always told."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        kept = {name: value for name, value in told.items() if value not in (None, "", (), {}, False)}
        return {**kept, "count": len(self.rows), "quarantined": self.quarantined}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What one kind of source is asked for.

    params: of the read. rows: the condition of the policy, over the row model's fields. columns: field ->
    name of the column, without those that are masked. until: seconds from now.
    """

    source: Source[Any]
    params: Mapping[str, Any]
    rows: Rows = EVERY
    columns: Mapping[str, str]
    within: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A row that could not even be read. place: such as "line 7". problem: one line without a value."""

    place: str
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What came: rows as column -> value, or models. picked: `params` and `rows` are applied already.

    as_of: the time of the data, where the place itself tells it.
    """

    rows: Any  # an iterable of mappings, models and Unreadable
    picked: bool
    as_of: datetime | None = None


class Reader(Protocol):
    """Makes the governed reads of one case: each source and its parameters once, for all its deciders."""

    @property
    def made(self) -> tuple[Read, ...]:
        """The reads so far."""

    def kinds(self, source: Source[Any] | str) -> frozenset[str]:
        """The kinds of personal data in a source. Raises UsageError for one that is not declared."""

    @property
    def denied(self) -> str | None:
        """Why the case has to be refused: somebody asked for what may not be read. None: nobody did."""

    def close(self) -> None:
        """Give nothing from now on: the case is about to be recorded."""

    def read(self, source: Source[Any] | str, params: Mapping[str, Any], deadline: float) -> Sequence[Any]:
        """Return the rows. deadline: a reading of the case's clock.

        Raises Denied, UsageError for a source that is not declared, and Faulted("source").
        """

    async def aread(
        self, source: Source[Any] | str, params: Mapping[str, Any], deadline: float
    ) -> Sequence[Any]:
        """`read` for async code."""
