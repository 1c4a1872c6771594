"""Tools a model may use: plain functions of the case that read, and never change anything."""

import asyncio
import inspect
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from answerable.decisions.case import Case
from answerable.decisions.code import code_digest
from answerable.decisions.reading import problems
from answerable.encoding import plain
from answerable.errors import Denied, UsageError
from answerable.failures.fault import Faulted

RESULT_BYTES = 8_000  # of one result; more is cut, so that a call's cost has a bound


class BadCall(Exception):
    """A tool could not be called, or raised; the text may be shown to the model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """One tool. arguments: a model of what it takes beside the case."""

    name: str
    about: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    digest: str

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    async def call(self, case: Case[Any], given: str) -> str:
        """Call it with arguments as JSON; return the result as text. Raises BadCall, TimeoutError, and
        Denied and Faulted where it reads a source.

        It runs here and is cleared for everything: pseudonyms in its arguments become the real values, and
        the personal values in its result become pseudonyms.
        """
        given = _restored(case, given or "{}")
        real = case if case.veil is None else replace(case, input=case.veil.real, veil=None)
        try:
            made = self.arguments.model_validate_json(given, extra="forbid")
        except ValidationError as exc:
            raise BadCall(f"the arguments are not valid: {problems(exc, self.arguments)}") from None
        values = {name: getattr(made, name) for name in self.arguments.model_fields}
        try:
            async with asyncio.timeout(case.remaining):
                if inspect.iscoroutinefunction(self.function):
                    result = await self.function(real, **values)
                else:
                    result = await _on_thread(lambda: self.function(real, **values))
            shown = case.concealed(result if isinstance(result, str) else plain(result))
            text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
        except TimeoutError:
            if case.remaining <= 0:
                raise
            raise BadCall("the tool failed (TimeoutError)") from None
        except (Denied, Faulted):  # no matter of the model's: the case is refused, or the next is asked
            raise
        except Exception as exc:  # user code: its text may hold anything, so only its type is told
            raise BadCall(f"the tool failed ({type(exc).__name__})") from exc
        return _short(text)


def _restored(case: Case[Any], given: str) -> str:
    """Return arguments as JSON with the values for which their pseudonyms stand."""
    if case.restored(given) == given:
        return given
    try:
        return json.dumps(case.restored(json.loads(given)))
    except ValueError:  # no JSON: the tool's own types say so
        return given


def tools_of(functions: Sequence[Callable[..., Any]]) -> tuple[Tool, ...]:
    """Return functions as tools. Raises UsageError for one whose arguments have no types, or no case."""
    made = tuple(_tool(function) for function in functions)
    names = [tool.name for tool in made]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two tools are called {name!r}", next_step="rename one")
    return made


def _tool(function: Callable[..., Any]) -> Tool:
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function) or not name.isidentifier():
        raise UsageError(f"the tool {function!r} is no function", next_step="give a function of the case")
    taken = list(inspect.signature(function).parameters.values())
    if not taken or taken[0].kind not in (taken[0].POSITIONAL_ONLY, taken[0].POSITIONAL_OR_KEYWORD):
        raise UsageError(
            f"the tool {name} takes no case", next_step=f"write `def {name}(case, order_id: str)`"
        )
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in taken[1:]:
        if parameter.name not in hints or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
            parameter.POSITIONAL_ONLY,
        ):
            raise UsageError(
                f"the tool {name} takes {parameter.name!r} without a type",
                next_step=f"write `{parameter.name}: str`: the model must know what to give",
            )
        fields[parameter.name] = (
            hints[parameter.name],
            ... if parameter.default is parameter.empty else parameter.default,
        )
    return Tool(
        name=name,
        about=inspect.getdoc(function) or name.replace("_", " "),
        function=function,
        arguments=create_model(name, __config__=ConfigDict(extra="forbid"), **fields),
        digest=code_digest(function),
    )


def _short(text: str) -> str:
    body = text.encode("utf-8", "replace")
    if len(body) <= RESULT_BYTES:
        return text
    return f"{body[: RESULT_BYTES - 32].decode(errors='ignore')} [... cut here]"


async def _on_thread(work: Callable[[], Any]) -> Any:
    """Run blocking work on a daemon thread: one that hangs is abandoned and keeps no process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def tell(result: Any, failed: BaseException | None) -> None:
        if not done.done():
            done.set_exception(failed) if failed is not None else done.set_result(result)

    def serve() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as exc:  # handed to whoever waits
            sound = isinstance(exc, Exception) and not isinstance(exc, StopIteration)
            failed = exc if sound else RuntimeError(type(exc).__name__)
        try:
            loop.call_soon_threadsafe(tell, result, failed)
        except RuntimeError:  # the loop has ended: nobody waits
            return

    threading.Thread(target=serve, name="answerable-tool", daemon=True).start()
    return await done
