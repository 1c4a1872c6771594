"""Reads a reply of the openai or anthropic package: its text, or the fault that there is none to read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from answerable.decisions.answer import Usage
from answerable.errors import UsageError
from answerable.failures.fault import Fault, Faulted
from answerable.failures.remote import Price
from answerable.failures.signals import shown_name

# Why a provider says that it stopped, and what that makes of the reply. Every other word is a natural end.
_STOPPED: Mapping[str, str] = {
    "length": "truncated",
    "max_tokens": "truncated",
    "max_output_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "pause_turn": "truncated",
    "content_filter": "content-filter",
    "refusal": "refusal",
}
_MOST_TOKENS = 1 << 40


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reply:
    """What one reply holds. uses: the arguments of each tool call, as JSON. stopped: why it ended."""

    texts: Sequence[Any]
    uses: Sequence[str]
    refusals: Sequence[Any]
    stopped: str | None


def reply_text(response: Any, *, price: Price | None = None) -> str:
    """Return the text of a model's reply, or raise the fault that it stands for.

    response: a chat completion or a Responses object of the `openai` package, a message of the `anthropic`
    package, or one of them as a dict (`response.json()`). Where a reply is no text but one call of a tool,
    the call's arguments are the text, as JSON. price: see `reply_usage`.

    Raises Faulted: "refusal", "content-filter", "truncated" (its end is missing, even if it reads well),
    "empty", "invalid" (several tool calls), "garbled" (none of the shapes above), and "server-error" or
    "rate-limit" for a response that failed. It carries the usage and the request id where the response has
    them, and as `reply` what came back, for a repair. Raises UsageError for what is no response at all: a
    coroutine, a stream, or only its message or text.
    """
    reply = _read(response)
    if reply is None:
        _faulted(response, price, "garbled", "the reply is not what the provider's interface sends")
    text = "".join(part for part in reply.texts if isinstance(part, str))
    refusal = " ".join(part for part in reply.refusals if isinstance(part, str) and part.strip())
    category = "refusal" if refusal else _STOPPED.get(reply.stopped or "")
    if category is None and _part(response, "status") == "failed":
        code = _part(_part(response, "error"), "code")
        category = "rate-limit" if code == "rate_limit_exceeded" else "server-error"
    held = text or refusal or "\n".join(reply.uses)
    if category is not None:
        _faulted(response, price, category, held=held)
    if text.strip():
        return text
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


def _of_chat(response: Any) -> _Reply | None:
    choices = _parts(response, "choices")
    message = _part(choices[0], "message") if choices else None
    if not (message is None or isinstance(message, Mapping)) and not hasattr(message, "content"):
        return None
    stopped = _part(choices[0], "finish_reason") if choices else None
    content = _part(message, "content")
    blocks = [_part(block, "text") for block in _parts(message, "content")]
    return _Reply(
        texts=blocks or [content],
        uses=[
            _arguments(_part(_part(call, "function"), "arguments")) for call in _parts(message, "tool_calls")
        ],
        refusals=[_part(message, "refusal"), *(_part(b, "refusal") for b in _parts(message, "content"))],
        stopped=stopped if isinstance(stopped, str) else None,
    )


def _of_responses(response: Any) -> _Reply | None:
    items = _parts(response, "output")
    if not items and not isinstance(_part(response, "output"), list | tuple):
        return None
    blocks = [block for item in items for block in _parts(item, "content")]
    reason = _part(_part(response, "incomplete_details"), "reason")
    if _part(response, "status") == "incomplete" and reason not in _STOPPED:
        reason = "length"
    return _Reply(
        texts=[_part(b, "text") for b in blocks if _part(b, "type") == "output_text"],
        uses=[_arguments(_part(i, "arguments")) for i in items if _part(i, "type") == "function_call"],
        refusals=[_part(b, "refusal") for b in blocks],
        stopped=reason if isinstance(reason, str) else None,
    )


def _of_message(response: Any) -> _Reply | None:
    blocks = _parts(response, "content")
    if not isinstance(_part(response, "content"), list | tuple):
        return None
    stopped = _part(response, "stop_reason")
    return _Reply(
        texts=[_part(b, "text") for b in blocks if _part(b, "type") == "text"],
        uses=[_arguments(_part(b, "input")) for b in blocks if _part(b, "type") == "tool_use"],
        refusals=[],
        stopped=stopped if isinstance(stopped, str) else None,
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
