"""Reads a reply of the openai or anthropic package: its text, or the fault that there is none to read."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, NoReturn

from answerable.decisions.answer import Usage
from answerable.errors import UsageError
from answerable.failures.fault import Fault, Faulted
from answerable.failures.remote import Price
from answerable.failures.signals import shown_name
from answerable.integrations.llm_wire import why_ended

_MOST_TOKENS = 1 << 40
_FENCE = re.compile(r"\s*```(json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reply:
    """What one reply holds. uses: the arguments of each tool call, as JSON. ended: words for why it did."""

    texts: Sequence[Any]
    uses: Sequence[str]
    refusals: Sequence[Any]
    ended: Sequence[Any]


def reply_text(response: Any, *, price: Price | None = None) -> str:
    """Return the text of a model's reply, or raise the fault that it stands for.

    response: a chat completion or a Responses object of the `openai` package, a message of the `anthropic`
    package, or one of them as a dict (`response.json()`). Where a reply is no text but one call of a tool,
    the call's arguments are the text, as JSON; a reply that is wholly one ```json fence is what stands in it.
    price: see `reply_usage`.

    Raises Faulted: "refusal", "content-filter", "truncated" (its end is missing, even if it reads well),
    "empty", "invalid" (several tool calls), "garbled" (none of the shapes above, or it ended as no whole
    reply does), and "server-error" or "rate-limit" for a response that failed. It carries the usage and the
    request id where the response has them, and as `reply` what came back, for a repair. Raises UsageError for
    what is no response at all: a coroutine, a stream, a raw response that was not parsed, or only its message
    or text.
    """
    reply = _read(response)
    if reply is None:
        _faulted(response, price, "garbled", "the reply is not what the provider's interface sends")
    text = "".join(part for part in reply.texts if isinstance(part, str))
    refusal = " ".join(part for part in reply.refusals if isinstance(part, str) and part.strip())
    held = text or refusal or "\n".join(reply.uses)
    error = _part(response, "error")
    if refusal:
        _faulted(response, price, "refusal", held=held)
    if _part(response, "status") == "failed" or error:  # some gateways send both an error and a reply
        limited = _part(error, "code") in ("rate_limit_exceeded", 429, "429")
        _faulted(response, price, "rate-limit" if limited else "server-error", held=held)
    if (cut := why_ended(reply.ended, empty=not held.strip())) is not None:
        _faulted(response, price, *cut, held=held)
    if text.strip():
        return _unfenced(text)
    if len(reply.uses) > 1:
        _faulted(response, price, "invalid", f"the reply is {len(reply.uses)} tool calls", held=held)
    if not reply.uses:
        _faulted(response, price, "empty")
    return reply.uses[0]


def reply_usage(response: Any, price: Price | None = None) -> Usage:
    """Return what a reply says that it consumed, for `Answer(..., usage=...)`; nothing where it says nothing.

    response: as in `reply_text`. Tokens read from and written to a cache count as input, at the full price.
    price: per million tokens; without one only the tokens are told, and a budget in money counts the most
    that the call can cost.
    """
    if price is not None and not isinstance(price, Price):
        raise UsageError(
            f"price is a {type(price).__name__}", next_step="give ans.Price(input=0.25, output=2.0)"
        )
    told = _part(response, "usage")
    tokens_in = _count(told, "input_tokens", "prompt_tokens")
    # OpenAI's count holds what came from a cache, Anthropic's does not.
    tokens_in += _count(told, "cache_read_input_tokens") + _count(told, "cache_creation_input_tokens")
    tokens_out = _count(told, "output_tokens", "completion_tokens")
    return Usage(
        cost=0 if price is None else price.cost(tokens_in, tokens_out),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        model=shown_name(_part(response, "model")),
    )


def _read(response: Any) -> _Reply | None:
    """Return what a response holds; None if it has none of the known shapes."""
    for name in ("__await__", "__next__", "__anext__"):
        if hasattr(type(response), name):
            raise UsageError(
                f"the response is a {type(response).__name__}, which has not come back yet",
                next_step="await it, and do not stream: an answer is read as a whole",
            )
    if (parse := _parse_of(response)) is not None:
        raise UsageError(
            f"the response is a {type(response).__name__}, which is not parsed yet",
            next_step=f"give {parse}, or call the client without with_raw_response",
        )
    if response is None or isinstance(response, str) or isinstance(_part(response, "content"), str):
        raise UsageError(
            f"the response is only a {type(response).__name__}",
            next_step="give what the client returned as a whole: it says why the model stopped",
        )
    if _part(response, "choices") is not None:
        return _of_chat(response)
    if _part(response, "output") is not None:
        return _of_responses(response)
    if _part(response, "content") is not None or _part(response, "stop_reason") is not None:
        return _of_message(response)
    return None


def _parse_of(response: Any) -> str | None:
    """Return the call that parses what `with_raw_response` gave; None for every other response."""
    kind = type(response)
    parse = getattr(kind, "parse", None)
    if not callable(parse) or not hasattr(kind, "http_request"):
        return None
    return "`await response.parse()`" if iscoroutinefunction(parse) else "`response.parse()`"


def _unfenced(text: str) -> str:
    """Return what stands in the one code fence that a text wholly is; any other text as it is.

    A fence that does not say what it holds is opened only if that looks like JSON: it may be meant.
    """
    found = _FENCE.fullmatch(text)
    if found is None or "\n```" in found[2]:
        return text
    held = found[2].strip()
    return held if held and (found[1] or held[0] in "{[") else text


def _of_chat(response: Any) -> _Reply | None:
    choices = _parts(response, "choices")
    message = _part(choices[0], "message") if choices else None
    if not (message is None or isinstance(message, Mapping)) and not hasattr(message, "content"):
        return None
    calls = [_part(call, "function") for call in _parts(message, "tool_calls")]
    if not calls and (old := _part(message, "function_call")) is not None:
        calls = [old]  # before there were tools
    content = _part(message, "content")
    blocks = [_part(block, "text") for block in _parts(message, "content")]
    return _Reply(
        texts=blocks or [content],
        uses=[_arguments(_part(call, "arguments")) for call in calls],
        refusals=[_part(message, "refusal"), *(_part(b, "refusal") for b in _parts(message, "content"))],
        ended=[_part(choices[0], "finish_reason") if choices else None],
    )


def _of_responses(response: Any) -> _Reply | None:
    items = _parts(response, "output")
    if not items and not isinstance(_part(response, "output"), list | tuple):
        return None
    blocks = [block for item in items for block in _parts(item, "content")]
    ended = [_part(response, "status")]
    if ended == ["incomplete"]:  # the details say more, where they are not new
        reason = _part(_part(response, "incomplete_details"), "reason")
        ended = [reason if reason == "content_filter" else "length"]
    spoken = [item for item in items if _part(item, "type") in ("message", "function_call")]
    return _Reply(
        texts=[_part(b, "text") for b in blocks if _part(b, "type") == "output_text"],
        uses=[_arguments(_part(i, "arguments")) for i in items if _part(i, "type") == "function_call"],
        refusals=[_part(b, "refusal") for b in blocks],
        ended=[*ended, *(_part(item, "status") for item in spoken)],
    )


def _of_message(response: Any) -> _Reply | None:
    blocks = _parts(response, "content")
    if not isinstance(_part(response, "content"), list | tuple):
        return None
    return _Reply(
        texts=[_part(b, "text") for b in blocks if _part(b, "type") == "text"],
        uses=[_arguments(_part(b, "input")) for b in blocks if _part(b, "type") == "tool_use"],
        refusals=[],
        ended=[_part(response, "stop_reason")],
    )


def _faulted(
    response: Any, price: Price | None, category: str, reason: str = "", *, held: str = ""
) -> NoReturn:
    """Raise the fault of a reply; what the model said stays out of its reason, for it may be personal."""
    usage = reply_usage(response, price)
    call: dict[str, Any] = {"kind": "call", "tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}
    if held:
        call["reply"] = held
    asked = (_part(response, name) for name in ("_request_id", "request_id", "id"))
    fault = Fault(
        category=category,
        reason=reason,
        model=usage.model,
        billed=True,
        request_id=next((name for value in asked if (name := shown_name(value))), None),
        reply=held or None,
    )
    raise Faulted(fault, calls=[call], usage=usage)


def _part(thing: Any, name: str) -> Any:
    """Return one part of an object or a dict; None where there is none, or where reading it raises."""
    if isinstance(thing, Mapping):
        return thing.get(name)
    try:
        return getattr(thing, name, None)
    except Exception:  # foreign code
        return None


def _parts(thing: Any, name: str) -> Sequence[Any]:
    held = _part(thing, name)
    return held if isinstance(held, list | tuple) else ()


def _arguments(given: Any) -> str:
    """Return the arguments of a tool call as JSON: OpenAI sends text, Anthropic an object."""
    if isinstance(given, str):
        return given
    try:
        return json.dumps(given, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def _count(told: Any, *names: str) -> int:
    """Return the first of these counts that is one, else 0."""
    for name in names:
        value = _part(told, name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS:
            return value
    return 0
