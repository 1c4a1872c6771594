"""The wire of a model's call: which headers leave, how much may come back, and how a reply says it ended."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from answerable.failures.masking import MASK

SEEN_BYTES = 1 << 20
MOST_BYTES = (
    8 << 20
)  # of a body after decompression: no reply is as long, and reading it stops everybody else
_SHORTEST_KEY = 4  # a shorter one is a word of every text
_SHORTEST_IN_BODY = 8  # in a body that is read afterwards, a short one could be a part of its form
_MOST_TOKENS = 1 << 40
_REQUEST_IDS = ("x-request-id", "request-id")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@=+-]{0,127}")
# What a server at an address of one's own gets. The clients add headers that environment variables name,
# made for another place, and a description of this machine.
_SENT = frozenset(
    {
        *("accept", "connection", "content-length", "content-type", "host", "transfer-encoding"),
        *("anthropic-beta", "anthropic-version", "user-agent"),
    }
)
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_KEY_HEADER = {"": "authorization", "openai": "authorization", "anthropic": "x-api-key"}

# The provider's own word for why a reply ended, in lower case.
_DONE = frozenset(
    {
        *("stop", "stop_sequence", "stop_token", "end_turn", "eos", "eos_token", "normal", "finished"),
        *("complete", "completed", "tool_calls", "tool_call", "tool_use", "function_call"),
    }
)
_STOPPED: Mapping[str, str] = {
    "refusal": "refusal",
    **dict.fromkeys(
        (
            *("content_filter", "content_filtered", "sensitive", "safety", "recitation", "blocklist"),
            *("prohibited_content", "spii", "image_safety", "guardrail_intervened", "error_toxic", "blocked"),
        ),
        "content-filter",
    ),
    **dict.fromkeys(
        (
            *("length", "max_tokens", "max_output_tokens", "model_length", "incomplete"),
            "model_context_window_exceeded",
        ),
        "truncated",
    ),
    **dict.fromkeys(
        (
            *("cancelled", "canceled", "in_progress", "queued", "failed", "abort", "aborted", "error"),
            *("pause_turn", "malformed_function_call", "network_error", "insufficient_system_resource"),
        ),
        "garbled",
    ),
}
_GRAVEST = ("refusal", "content-filter", "truncated", "garbled")


@dataclass(slots=True)
class Seen:
    """What came back over the wire for one request. body: the bytes, up to SEEN_BYTES."""

    status: int | None = None
    request_id: str | None = None
    content_type: str = ""
    body: bytes = b""
    whole: bool = False  # the body arrived to its end
    huge: bool = False  # it was longer than MOST_BYTES, and was not read on


seen_now: ContextVar[Seen | None] = ContextVar("seen_now", default=None)


def sending(family: str, *, key: str | None, placeholder: str, own: bool) -> Callable[[Any], Any]:
    """Return a request hook that lets only known headers leave, with the declared key.

    family: the provider, "" for any compatible one. placeholder: stands where there is no key. own: it is an
    address of one's own.
    """
    name, expected = _KEY_HEADER.get(family), key or placeholder

    async def send(request: Any) -> None:
        headers = request.headers
        headers["accept-encoding"] = "identity"  # no reply is so long that compressing it saves time
        if own:
            headers["host"] = request.url.netloc.decode("ascii")
            for other in [n for n in headers if n not in _SENT and n not in _KEY_HEADERS]:
                if other != "accept-encoding":
                    del headers[other]
        if not own and (key is None or name is None):
            return
        for header in _KEY_HEADERS:
            if header in headers and headers[header] not in (expected, f"Bearer {expected}"):
                del headers[header]
        if name is not None:
            headers[name] = expected if name != "authorization" else f"Bearer {expected}"

    return send


def looking(key: str | None) -> Callable[[Any], Any]:
    """Return a response hook that reads a body within bounds, before any client library interprets it.

    key: is taken out of what a server says of an error, before anybody cuts it in two.
    """

    async def look(response: Any) -> None:
        seen = seen_now.get() or Seen()
        headers = response.headers
        for name in _REQUEST_IDS:
            if name in headers and request_id(headers[name], key) is None:
                del headers[name]
        seen.status, seen.content_type = response.status_code, headers.get("content-type", "")
        seen.request_id = next((headers[name] for name in _REQUEST_IDS if name in headers), None)
        parts, size = [], 0
        async with aclosing(response.aiter_bytes()) as stream:
            async for part in stream:
                size += len(part)
                parts.append(part)
                if size > MOST_BYTES:
                    seen.huge = True
                    break
        body = b"".join(parts)
        if response.status_code >= 400:
            body = body[:SEEN_BYTES]
            for form in _forms(key, _SHORTEST_IN_BODY):
                body = body.replace(form.encode(), MASK.encode())
        elif seen.huge:
            body = b""  # nobody reads it: `strange_reply` and the judge of a reply look at `huge` first
        response._content = body  # what `aread` would have kept
        seen.body, seen.whole = body[:SEEN_BYTES], True

    return look


def request_id(given: Any, key: str | None) -> str | None:
    """Return a request id if it is one: a short printable token, without the key."""
    if not isinstance(given, str) or not _REQUEST_ID.fullmatch(given) or without_key(given, key) != given:
        return None
    return given


def without_key(text: str, key: str | None) -> str:
    """Return a text as valid Unicode, without the key in any form that it may have there."""
    text = clean(text)
    for form in _forms(key, _SHORTEST_KEY):
        text = text.replace(form, MASK)
    return text


def safe(value: Any, key: str | None) -> Any:
    """Return data that came over the wire with every text in it valid and without the key."""
    if isinstance(value, str):
        return without_key(value, key)
    if isinstance(value, Mapping):
        return {safe(name, key): safe(held, key) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [safe(held, key) for held in value]
    return value


def clean(text: str) -> str:
    """Return a text as valid Unicode: a lone surrogate becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def count(tokens: Any) -> int:
    """Return a number of tokens as a server tells it, if it can be one."""
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        return 0
    return min(_MOST_TOKENS, max(0, tokens))


def _forms(key: str | None, shortest: int) -> Iterator[str]:
    for line in dict.fromkeys([key or "", *(key or "").splitlines()]):
        if len(line.strip()) >= shortest:
            yield from dict.fromkeys([line, line.strip(), json.dumps(line)[1:-1], quote(line, safe="")])


def ended(seen: Seen, told: str | None, *, empty: bool) -> tuple[str, str] | None:
    """Return category and reason if a reply did not end by itself, by the provider's own word; else None.

    told: the word as a client library passes it on. empty: nothing was said. Unknown words say no
    completion: without any text, something kept it back.
    """
    return why_ended((told, *_words(seen)), empty=empty)


def why_ended(told: Sequence[Any], *, empty: bool) -> tuple[str, str] | None:
    """Return category and reason if one of these words says that a reply did not end by itself; else None.

    told: the provider's words, in any case; what is no text is passed over. empty: as in `ended`.
    """
    words = [w.strip().lower() for w in told if isinstance(w, str) and w.strip()]
    found = {_STOPPED[word] for word in words if word in _STOPPED}
    for category in _GRAVEST:
        if category in found:
            return category, "the reply was stopped before its end" if category == "garbled" else ""
    strange = next((word for word in words if word not in _DONE), None)
    if strange is None:
        return None
    shown = strange if re.fullmatch(r"[a-z0-9_.-]{1,40}", strange) else "one of its own"
    return ("content-filter" if empty else "garbled"), f"the reply ended for an unknown reason ({shown})"


def _words(seen: Seen) -> list[Any]:
    """Return why the raw body says that it ended, in any of the interfaces."""
    try:
        data = json.loads(seen.body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(data, dict):
        return []
    details = data.get("incomplete_details")
    words = [data.get("stop_reason"), data.get("status")]
    if isinstance(details, dict):  # it says more than the status
        words[1:] = [details.get("reason") or data.get("status")]
    for name, word in (("choices", "finish_reason"), ("candidates", "finishReason")):
        made = data.get(name)
        if isinstance(made, list) and made and isinstance(made[0], dict):
            words.append(made[0].get(word))
    output = data.get("output")
    if isinstance(output, list):
        words += [o.get("status") for o in output if isinstance(o, dict) and o.get("type") == "message"]
    return words


def strange_reply(exc: Exception | None, seen: Seen) -> tuple[str, str] | None:
    """Return category and reason for a reply of status 200 that is none; None where it is something else."""
    if seen.huge and (seen.status is None or seen.status < 400):
        return "garbled", f"the reply is longer than {MOST_BYTES >> 20} MiB"
    if exc is None:
        return None
    if any(type(link).__name__ == "DecodingError" for link in _chain(exc)):
        return "garbled", "the reply's compression is broken"
    if seen.status is not None and 300 <= seen.status < 400:
        return "garbled", "the address redirects elsewhere"
    if seen.status is None or not 200 <= seen.status < 300 or not seen.whole:
        return None
    try:
        data = json.loads(seen.body)
    except RecursionError:
        return "garbled", "the reply is nested too deeply"
    except ValueError:
        kind = seen.content_type.partition(";")[0] or "no content type"
        return "garbled", f"the reply is no JSON ({clean(kind)[:60]})"
    if isinstance(data, dict) and "error" in data and data["error"]:
        return None
    if not isinstance(data, dict):
        return "garbled", "the reply is no JSON object"
    if "choices" in data:
        choices = data["choices"]
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, dict) or first.get("message") is None:
            return "empty", "the reply holds no message"
    name = type(exc).__name__
    if name in ("UnexpectedModelBehavior", "IndexError", "AttributeError", "TypeError", "KeyError"):
        return "garbled", "the reply is not what the provider's interface sends"
    return None


def _chain(exc: BaseException | None) -> Sequence[BaseException]:
    found: list[BaseException] = []
    while exc is not None and len(found) < 10:
        found.append(exc)
        exc = exc.__cause__ or exc.__context__
    return found
