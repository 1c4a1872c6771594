"""One shape for everything that answers: a Decider is a named, versioned callable of one case."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from answerable.decisions.case import Case
from answerable.decisions.fields import Field

DeciderKind = Literal["rule", "model", "llm", "person", "default"]
Run = Callable[[Case[Any]], Any | Awaitable[Any]]
Binding = Callable[[Sequence[Field], Sequence[Field]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decider:
    """One way to answer.

    run: `(case) -> Answer | output | Abstain | Refuse | Suspend`, sync or async. inline: it costs
    microseconds and runs on the caller's thread; others run where they can be abandoned at `timeout`
    (seconds; None: the case's deadline). digest: what its version stands for, hex. reason: what an
    answer without reasons of its own gets. bind: checks it against the input and output fields.
    """

    name: str
    kind: DeciderKind
    run: Run
    version: str
    digest: str
    inline: bool = False
    timeout: float | None = None
    reason: str = ""
    bind: Binding | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def made_by(self) -> str:
        """How records name it: "name@version"."""
        return f"{self.name}@{self.version}"

    @property
    def is_async(self) -> bool:
        """Whether `run` is a coroutine function."""
        call = getattr(self.run, "__call__", None)  # noqa: B004 - the bound method of a callable object
        return inspect.iscoroutinefunction(self.run) or inspect.iscoroutinefunction(call)
