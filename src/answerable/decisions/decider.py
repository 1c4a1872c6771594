"""One shape for everything that answers: a Decider is a named, versioned callable of one case."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from answerable.decisions.case import Case
from answerable.decisions.fields import Field
from answerable.decisions.stakes import Stakes
from answerable.failures.remote import Remote

DeciderKind = Literal["rule", "model", "llm", "person", "default"]
Run = Callable[[Case[Any]], Any | Awaitable[Any]]


class Asked(Protocol):
    """What a decider may know beforehand of the decision it belongs to."""

    @property
    def name(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def input(self) -> type[BaseModel]: ...
    @property
    def output(self) -> type[BaseModel]: ...
    @property
    def input_fields(self) -> tuple[Field, ...]: ...
    @property
    def output_fields(self) -> tuple[Field, ...]: ...
    @property
    def stakes(self) -> Stakes: ...


Binding = Callable[[Asked], "Decider | None"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decider:
    """One way to answer.

    run: `(case) -> Answer | output | Abstain | Refuse | Suspend`, sync or async. inline: it costs
    microseconds and runs on the caller's thread; others run where they can be abandoned at `timeout`
    (seconds for one call; None: the case's deadline). digest: what its version stands for, hex. reason:
    what an answer without reasons of its own gets. remote: whom it calls, if it leaves this machine. bind:
    checks it against its decision, and may return itself made ready for that one. clearance: the kinds of
    personal data that it may see ("email", "free-text", "subject"); None: all that the case has.
    """

    name: str
    kind: DeciderKind
    run: Run
    version: str
    digest: str
    inline: bool = False
    timeout: float | None = None
    reason: str = ""
    remote: Remote | None = None
    bind: Binding | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    clearance: frozenset[str] | None = None

    @property
    def made_by(self) -> str:
        """How records name it: "name@version"."""
        return f"{self.name}@{self.version}"

    @property
    def is_async(self) -> bool:
        """Whether `run` is a coroutine function."""
        call = getattr(self.run, "__call__", None)  # noqa: B004 - the bound method of a callable object
        return inspect.iscoroutinefunction(self.run) or inspect.iscoroutinefunction(call)
