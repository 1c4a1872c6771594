"""What a foreign exception tells of itself, read by name and by shape so that no vendor is imported."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from answerable.failures.masking import MASK, masked
from answerable.failures.retry_after import retry_after

# The packages whose exceptions wrap one another; between them also an implicit context is the cause.
_MODELS = ("openai", "anthropic", "google", "botocore", "groq", "mistralai", "cohere", "huggingface_hub")
_ABOVE = ("pydantic_ai", "litellm", "instructor", "ollama", "boto3")
_HTTP = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "urllib", "aiohttp", "http")
PACKAGES = frozenset((*_MODELS, *_ABOVE, *_HTTP))
_SHOWN = re.compile(r"[A-Za-z0-9_.:/\-]{1,80}")
_RANDOM = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9].*[0-9])[A-Za-z0-9]{16,}")
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id")
_OUTPUT_IN_BODY = frozenset({("pydantic_ai", "UnexpectedModelBehavior")})  # and in the text
_LONGEST_BODY = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One exception, read. Words are lower case, except in `code`, which is the provider's own.

    names: (top package, class) from the class to its bases. words: the provider's codes and types, the
    most telling first. message: what the provider, or else the exception, says. answered: it came in a
    reply. text: where to look for phrases. flagged: the provider's moderation says so.
    """

    names: tuple[tuple[str, str], ...]
    status: int | None = None
    words: tuple[str, ...] = ()
    code: str | None = None
    message: str = ""
    answered: bool = False
    text: str = ""
    phase: str | None = None
    in_stream: bool = False
    flagged: bool = False
    daily: bool = False
    retry_after: float | None = None
    request_id: str | None = None
    suggestion: str | None = None
    model: str | None = None
    provider: str | None = None

    @property
    def foreign(self) -> bool:
        """Whether it comes from an SDK or a client, by its class, or from a reply, by its shape."""
        known = any(package in PACKAGES for package, _ in self.names)
        return known or self.answered or self.status is not None

    @property
    def package(self) -> str:
        """The top package that the exception's class comes from."""
        return self.names[0][0]


def read(exc: BaseException, now: datetime | None, secrets: Sequence[str] = ()) -> Signal:
    """Return what `exc` tells. Reads attributes only, never a stream; whatever raises counts as absent.

    secrets: texts that must stand in nothing of it that is shown.
    """
    response = get(exc, "response")
    names = tuple(_names(exc))
    body = None if _OUTPUT_IN_BODY.intersection(names) else _body(exc, response)
    error = _error(body)
    details = [d for d in _list(error.get("details")) if isinstance(d, Mapping)]
    words = list(dict.fromkeys(_words(exc, error, details)))
    status = _status(exc, response, error, words, names[0][0])
    if status is not None and status < 400 and (error is body or isinstance(body, str)):
        body, error = None, {}  # a reply, and no error object in it: its text is nobody's message
    message = whole = _said(body, error) if body else _text(get(exc, "message")) or own_text(exc)
    if _OUTPUT_IN_BODY.intersection(names):
        message = whole.partition("\n")[0].partition(": ")[0]  # what follows may quote the output
    headers = _headers(exc, response)
    named = [word for word in words if not word.isdigit() and _SHOWN.fullmatch(word)]
    return Signal(
        names=names,
        status=status,
        words=tuple(word.lower() for word in words),
        code=_code(named, secrets),
        message=without(message, secrets),
        answered=body is not None,
        text=f"{whole[:4000]} {body[:4000] if isinstance(body, str) else ''}".lower(),
        phase=_text(get(exc, "phase")) or None,
        in_stream=get(exc, "in_stream") is True,
        flagged=_flagged(error),
        daily=any("PerDay" in quota for quota in _quotas(details)),
        retry_after=_wait(exc, headers, details, now),
        request_id=_request_id(exc, body, headers, secrets),
        suggestion=shown_name(get(exc, "suggested_model_id"), secrets),
        model=shown_name(get(exc, "model_name"), secrets) or shown_name(get(exc, "model"), secrets),
        provider=shown_name(get(exc, "llm_provider"), secrets),
    )


def wrapped(exc: BaseException) -> Iterator[BaseException]:
    """Yield `exc` and what it was raised for: its causes, and between known packages also its context."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen and len(seen) < 12:
        seen.add(id(current))
        yield current
        following = get(current, "__cause__")
        if following is None and any(package in PACKAGES for package, _ in _names(current)):
            args = get(current, "args")
            inside = (get(current, "reason"), args[0] if isinstance(args, tuple) and args else None)
            following = next((e for e in inside if isinstance(e, BaseException)), None)
            if following is None and get(current, "__suppress_context__") is not True:
                following = get(current, "__context__")
        current = following if isinstance(following, BaseException) else None


def frames(exc: BaseException) -> list[str]:
    """Return the top packages of the code an exception passed through, the place that raised it last."""
    found: list[str] = []
    trace = get(exc, "__traceback__")
    while trace is not None and len(found) < 1000:
        found.append(str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        trace = trace.tb_next
    return found


def get(thing: Any, name: str) -> Any:
    """Return an attribute, or None: a foreign property may raise anything."""
    try:
        return getattr(thing, name, None)
    except BaseException:  # foreign code, which may even want to end the process
        return None


def exact(text: str) -> str:
    """Return a text as a plain `str`: a subclass may do anything in its methods."""
    return str.__str__(text)


def without(text: str, secrets: Sequence[str]) -> str:
    """Return `text` with each of these texts masked, wherever it stands."""
    for secret in secrets:
        text = text.replace(secret, MASK) if secret else text
    return text


def _names(exc: BaseException) -> Iterator[tuple[str, str]]:
    for cls in type(exc).__mro__:
        module, name = get(cls, "__module__"), get(cls, "__name__")
        yield (str(module).partition(".")[0], str(name))


def _body(exc: BaseException, response: Any) -> Any:
    """Return the reply's body as JSON if it is some, else as text; None where there is none at hand."""
    for held in (get(exc, "body"), get(exc, "details"), response, get(response, "_content")):
        # `_content` (httpx, requests) is what was read already; `.content` would read from the network.
        if isinstance(held, bytes | bytearray):
            held = bytes(held[:_LONGEST_BODY]).decode("utf-8", "replace")
        if isinstance(held, str) and held.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):
                held = json.loads(exact(held))
        if isinstance(held, list) and held:
            held = held[0]  # Google's compatible interface sends a list of one
        if isinstance(held, str):
            held = exact(held)
        if held and isinstance(held, Mapping | str):
            return held
    return None


def _error(body: Any) -> Mapping[str, Any]:
    """Return the error object within a body; it may be the body itself."""
    if not isinstance(body, Mapping):
        return {}
    for name in ("error", "Error"):  # the second is AWS's
        inner = body.get(name)
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, Mapping):
            return inner
    return body


def _words(exc: BaseException, error: Mapping[str, Any], details: list[Mapping[str, Any]]) -> Iterator[str]:
    inner = error.get("innererror")
    detail = error.get("details")
    candidates = [
        detail.get("error_code") if isinstance(detail, Mapping) else None,
        inner.get("code") if isinstance(inner, Mapping) else None,
        *(d.get("reason") for d in details[:20]),
        *(error.get(name) for name in ("error_code", "code", "Code", "status", "type")),
        *(get(exc, name) for name in ("provider_error_code", "error_code", "code", "status")),
        *(get(exc, name) for name in ("provider_error_type", "type", "finish_reason")),
    ]
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(int(value)) if 0 <= value < 100_000 else ""
        if isinstance(value, str) and 0 < len(value) <= 100:
            yield exact(value)


def own_text(exc: BaseException) -> str:
    """Return an exception's text; of pydantic's path and rule only, for its text quotes the values."""
    try:
        if ("pydantic_core", "ValidationError") in _names(exc):
            errors = get(exc, "errors")(include_input=False, include_url=False, include_context=False)
            return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in errors[:3])
        return exact(str(exc))
    except BaseException:  # foreign code
        return ""


def _said(body: Any, error: Mapping[str, Any]) -> str:
    """Return the provider's own sentence; a page of HTML holds none."""
    for name in ("message", "Message", "detail", "error", "error_description"):
        if text := _text(error.get(name)):
            return text
    return body if isinstance(body, str) and not body.lstrip().startswith("<") else ""


def _status(
    exc: BaseException, response: Any, error: Mapping[str, Any], words: list[str], package: str
) -> int | None:
    meta = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    candidates = [get(exc, "status_code"), get(response, "status_code")]
    if isinstance(meta, Mapping):
        candidates.append(meta.get("HTTPStatusCode"))
    if package in PACKAGES:  # elsewhere these words mean other things
        candidates += [get(exc, "status"), get(exc, "code"), get(response, "status")]
    given = [int(s) for s in candidates if isinstance(s, int) and not isinstance(s, bool)]
    # Gateways send the status of an error inside a 200 reply as its code.
    coded = [int(word) for word in words if word.isdecimal() and word.isascii() and len(word) == 3]
    bad = [s for s in (*given, *(coded if error else ())) if 400 <= s < 600]
    return bad[0] if bad else next((s for s in given if 100 <= s < 400), None)


def _headers(exc: BaseException, response: Any) -> Any:
    meta = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    held = (
        get(exc, "headers"),
        get(response, "headers"),
        meta.get("HTTPHeaders") if isinstance(meta, Mapping) else None,
    )
    return next((h for h in held if h is not None), {})


def _flagged(error: Mapping[str, Any]) -> bool:
    """Say whether moderation stopped the input: OpenRouter says so in the metadata of a 403."""
    metadata = error.get("metadata")
    return isinstance(metadata, Mapping) and ("flagged_input" in metadata or bool(metadata.get("reasons")))


def _quotas(details: list[Mapping[str, Any]]) -> Iterator[str]:
    for detail in details[:20]:
        for violation in _list(detail.get("violations"))[:20]:
            if isinstance(violation, Mapping):
                yield str(violation.get("quotaId"))


def _wait(
    exc: BaseException, headers: Any, details: list[Mapping[str, Any]], now: datetime | None
) -> float | None:
    """Return the seconds to wait: by header, else as the SDK read it, else of Google's RetryInfo, "14s"."""
    told = retry_after(headers, now=now)
    if told is not None:
        return told
    if now is None or _header(headers, "retry-after") is None:  # a header we refuse, the SDK may have taken
        told = _seconds(get(exc, "retry_after"))
    for detail in details[:20] if told is None else ():
        raw = detail.get("retryDelay")
        if isinstance(raw, str) and raw.endswith("s"):
            return retry_after({"retry-after": raw[:-1]}, now=None)
    return told


def _header(headers: Any, name: str) -> Any:
    try:
        return headers.get(name)
    except BaseException:  # foreign: any header class
        return None


def _request_id(exc: BaseException, body: Any, headers: Any, secrets: Sequence[str]) -> str | None:
    held = [get(exc, "request_id"), body.get("request_id") if isinstance(body, Mapping) else None]
    held += [_header(headers, name) for name in _REQUEST_IDS]
    return next((shown for value in held if (shown := shown_name(value, secrets))), None)


def shown_name(value: Any, secrets: Sequence[str] = ()) -> str | None:
    """Return a name the provider gave if it looks like one: it goes to records as it is."""
    if not isinstance(value, str) or not _SHOWN.fullmatch(value):
        return None
    return masked(without(exact(value), secrets))


def _code(named: list[str], secrets: Sequence[str]) -> str | None:
    """Return the first of a provider's words that is no key: a code is a few words, not random letters."""
    return next((shown_name(word, secrets) for word in named if not _RANDOM.fullmatch(word)), None)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _text(value: Any) -> str:
    return exact(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
