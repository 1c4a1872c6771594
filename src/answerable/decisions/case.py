"""One input put to a decision, and who asks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from answerable.encoding import plain
from answerable.errors import Denied, UsageError
from answerable.failures.fault import Fault

T = TypeVar("T")
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
        return data if self.veil is None else self.veil.concealed(data)
