"""One input put to a decision, and who asks."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Protocol, TypeVar, overload

from pydantic import BaseModel

from answerable.encoding import plain
from answerable.errors import Denied, UsageError
from answerable.failures.fault import Fault
from answerable.governance.read import Read, Reader
from answerable.governance.source import Source

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*:[A-Za-z0-9._:\-/]{1,200}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: an opaque id such as "service:web" or "user:4711", never a name or an e-mail address.

    verified: whether a credential was checked; an asserted principal is only what the caller says.
    on_behalf_of: the principal for whom this one acts. Raises UsageError for an id or
    roles of another form.
    """

    id: str
    roles: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    verified: bool = False
    on_behalf_of: str | None = None

    def __post_init__(self) -> None:
        for name in (self.id, *(() if self.on_behalf_of is None else (self.on_behalf_of,))):
            if not isinstance(name, str) or not _ID.fullmatch(name):
                raise UsageError(
                    f"the principal {name!r} is not an opaque id",
                    next_step='use "kind:id", such as "service:web" or "user:4711", with no e-mail in it',
                )
        if isinstance(self.roles, str) or not all(isinstance(r, str) and r.isprintable() for r in self.roles):
            raise UsageError(f"roles is {self.roles!r}", next_step='give a tuple such as ("reviewer",)')


class Veil(Protocol):
    """What stands between a case and a decider that is not cleared to see everything in it."""

    @property
    def real(self) -> Any:
        """The input."""

    @property
    def clearance(self) -> frozenset[str] | None:
        """The kinds of personal data that the decider may see; None: everything."""

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Conceal these personal values too, (kind, value) each, such as what was read."""

    def view(self) -> Any:
        """Return the input as plain data, personal values as pseudonyms or left out."""

    def restored(self, data: Any) -> Any:
        """Return plain data with every pseudonym replaced by its value."""

    def concealed(self, data: Any) -> Any:
        """Return plain data, or text, with every personal value replaced by its pseudonym."""


class Hidden:
    """Stands where an input is that its decider may not see; every use of it says so."""

    __slots__ = ("_decider",)

    def __init__(self, decider: str) -> None:
        self._decider = decider

    def __getattr__(self, name: str) -> NoReturn:
        raise Denied(
            f"{self._decider} is not cleared for personal data, so it has no case.input",
            next_step="use case.view(), where pseudonyms stand for it, or declare what it may see: "
            'clearance=["email"]',
        )

    def __repr__(self) -> str:
        return f"<hidden from {self._decider}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case(Generic[T]):
    """What a decider gets.

    input: validated, real values; Hidden where it is not cleared for them. veil: None where it is cleared
    for everything. answered: fields that earlier deciders settled. faults: what went wrong
    in the earlier calls of this same attempt, so that a decider can repair, cut or ask for more.
    `remaining` is the time left in seconds, read from the case's one deadline.
    """

    id: str
    decision: str
    input: T
    principal: Principal
    purpose: str
    key: str | None
    clock: Callable[[], float]  # seconds, monotonic
    deadline: float  # a reading of `clock`
    answered: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    reader: Reader | None = field(default=None, repr=False, compare=False)
    veil: Veil | None = None

    @property
    def remaining(self) -> float:
        """Seconds until the case's deadline, never below 0."""
        return max(0.0, self.deadline - self.clock())

    def view(self) -> Any:
        """Return the input as its decider may see it: plain JSON data, with pseudonyms for the rest."""
        return plain(self.input) if self.veil is None else self.veil.view()

    def restored(self, data: Any) -> Any:
        """Return what a decider made of its view with the real values in it: the caller's own output."""
        return data if self.veil is None else self.veil.restored(data)

    def concealed(self, data: Any) -> Any:
        """Return plain data or text as the case's decider may see it, such as the result of a tool."""
        if self.veil is None:
            return data
        made = () if self.reader is None else self.reader.made
        self.veil.learn(pair for read in made for pair in read.personal)
        return self.veil.concealed(data)

    @property
    def reads(self) -> tuple[Read, ...]:
        """What was read for this case so far, by whichever decider, as far as this one is cleared for it."""
        if self.reader is None or self.veil is None or self.veil.clearance is None:
            return () if self.reader is None else self.reader.made
        made, cleared = self.reader.made, self.veil.clearance
        return tuple(read for read in made if cleared.issuperset(self.reader.kinds(read.source)))

    @overload
    def read(self, source: Source[R], /, **params: Any) -> list[R]: ...
    @overload
    def read(self, source: str, /, **params: Any) -> list[Any]: ...
    def read(self, source: Source[Any] | str, /, **params: Any) -> list[Any]:
        """Return the rows of a declared source that this principal may see, read once a case.

        params: column -> value of a table or a file, or what a query or a function takes. Blocks, at most
        until the deadline. Raises Denied, which ends the case as refused whatever is done with it, UsageError
        for what is not declared, and Faulted("source") where it cannot be read.
        """
        return list(self._reader(source).read(source, params, self.deadline))

    @overload
    def read_one(self, source: Source[R], /, **params: Any) -> R | None: ...
    @overload
    def read_one(self, source: str, /, **params: Any) -> Any: ...
    def read_one(self, source: Source[Any] | str, /, **params: Any) -> Any:
        """`read` for one row: return it, or None if there is none. Raises UsageError if there are several."""
        rows = self._reader(source).read(source, params, self.deadline)
        if len(rows) > 1:
            name = source if isinstance(source, str) else source.name
            raise UsageError(
                f"{name} gave {len(rows)} rows where one was asked for", next_step="use read, or narrow it"
            )
        return rows[0] if rows else None

    @overload
    async def aread(self, source: Source[R], /, **params: Any) -> list[R]: ...
    @overload
    async def aread(self, source: str, /, **params: Any) -> list[Any]: ...
    async def aread(self, source: Source[Any] | str, /, **params: Any) -> list[Any]:
        """`read` for async deciders: does not block their loop."""
        return list(await self._reader(source).aread(source, params, self.deadline))

    def _reader(self, source: Source[Any] | str) -> Reader:
        if self.reader is None:
            name = source if isinstance(source, str) else source.name
            raise UsageError(
                f"{self.decision} reads {name!r}, which it does not declare",
                next_step="add it to the decision: reads=[...]",
            )
        hidden = (
            frozenset() if self.veil is None else self.reader.kinds(source) - (self.veil.clearance or set())
        )
        if hidden:
            raise Denied(
                f"it is not cleared for all that the source holds: {', '.join(sorted(hidden))}",
                next_step="read it in a decider or a tool that runs here, or declare what it may see: "
                'clearance=["email"]',
            )
        return self.reader
