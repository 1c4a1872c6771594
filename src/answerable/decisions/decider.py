"""One shape for everything that answers: a Decider is a named, versioned callable of one case."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import CodeType
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


def code_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256 (hex) of a function's source, or of its bytecode where there is no source."""
    target = inspect.unwrap(function)
    if not hasattr(target, "__code__"):
        target = type(target)
    try:
        seed = inspect.getsource(target)
    except (OSError, TypeError):
        code = getattr(target, "__code__", None)
        seed = _code_text(code) if code else f"{target.__module__}.{target.__qualname__}"
    return hashlib.sha256(seed.encode()).hexdigest()


def _code_text(code: CodeType) -> str:
    inner = [_code_text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()}|{code.co_names}|{inner}"
