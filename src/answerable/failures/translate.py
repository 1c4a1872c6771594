"""The one door at which foreign exceptions become faults: those of SDKs, HTTP clients and plain Python.

named     the class alone says it                      ReadTimeout -> timeout
told      the provider's code, type or wording says it insufficient_quota -> quota
classed   pydantic-ai has sorted it                    ModelServerError -> server-error
status    HTTP says it                                 503 -> unavailable
vague     a wrapper that says no more than "it broke"  its cause is looked at first
invalid   the code of a decider that calls somebody could not read what it got: JSON, a pydantic model
exception nothing above: the decider's own code
"""

import errno
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite
from typing import Any

from answerable.decisions.reading import NotAnAnswer
from answerable.failures.fault import CATEGORIES, Fault, Faulted
from answerable.failures.masking import masked
from answerable.failures.plan import stricter
from answerable.failures.signals import (
    PACKAGES,
    Signal,
    exact,
    frames,
    get,
    own_text,
    read,
    without,
    wrapped,
)
from answerable.failures.table import TABLE
from answerable.failures.translate_words import CLASSED, NAMED, VAGUE, of_status, told

# The request went out, and what came back, if anything, is no answer: it may be charged all the same. A reply
# with an error status is not; the status beside a broken connection was made up by a wrapper.
_BILLED_ANYHOW = frozenset({"reset", "timeout"})
_BILLED = frozenset({"truncated", "invalid", "empty", "garbled", "content-filter", "refusal", "budget"})
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_UNREADABLE = frozenset({"JSONDecodeError", "UnicodeDecodeError"})
# How pydantic-ai says that there was nothing in a reply, itself or to the model it would have asked again.
_HOLLOW = ("without content", "empty model response", "did not contain any", "please return text")
_WRONG_SHAPE = re.compile(r"'(?:list|str|int|float|dict|bool)' object has no attribute")
_READERS = frozenset({"json", "pydantic", "pydantic_core", "codecs", "encodings"})  # called by a client
_CLIENTS = PACKAGES - {"http", "urllib"}
_MOST = 64  # members of an exception group
_READ = 20_000  # characters of a text
_CODE = 80  # characters of a provider's code or request id


def fault_of(
    exc: BaseException,
    *,
    provider: str | None = None,
    model: str | None = None,
    now: datetime | None = None,
    secrets: Sequence[str] = (),
) -> Fault:
    """Return the fault that an exception stands for; "exception" if it is none that is known.

    provider, model: whom the decider calls; None: nobody outside. now: the time a Retry-After date is
    measured from. secrets: keys that have no known shape, which are masked before any text is cut. The
    reason is one line without secrets, of at most about 500 characters. Of a group, the first 64 members
    are looked at, nested ones included. Never raises.
    """
    try:
        faults = [_fault(one, provider, model, now, secrets) for one in _members(exc)]
        return _worst(faults) if faults else _ours("exception", _plain(exc, secrets), provider, model)
    except BaseException:  # the boundary: what a foreign exception raises while it is read is not ours
        return _ours("exception", _line(str(get(type(exc), "__name__"))), provider, model)


def _members(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, or of a group its members in order, groups within it too: at most _MOST in all."""
    waiting = [exc]
    for _ in range(_MOST):
        if not waiting:
            return
        one = waiting.pop()
        held = get(one, "exceptions") if isinstance(one, BaseExceptionGroup) else None
        if isinstance(held, tuple | list):
            waiting += reversed([e for e in held[:_MOST] if isinstance(e, BaseException)])
        else:
            yield one


def _fault(
    exc: BaseException,
    provider: str | None,
    model: str | None,
    now: datetime | None,
    secrets: Sequence[str],
) -> Fault:
    category = None
    links: list[Signal] = []
    at = 0
    for link in wrapped(exc):
        if isinstance(link, Faulted) and isinstance(told_fault := get(link, "fault"), Fault):
            return _sound(told_fault, secrets)
        if isinstance(link, NotAnAnswer):
            kind = link.fault if link.fault in TABLE else "invalid"
            return _ours(kind, _line(str(link), secrets=secrets), provider, model)
        signal = read(link, now, secrets)
        links.append(signal)
        found, certain = _judged(link, signal)
        if found and (certain or category is None):
            category, at = found, len(links) - 1
        if found and certain:
            break
    if category is None and provider is not None and (unread := _unread(exc)) is not None:
        return _generated(unread, provider, model, secrets)
    if category is None:
        return _ours("exception", _plain(exc, secrets), provider, model)
    # What the deciding exception does not tell, the ones around it may.
    links = [*links[at:], *links[:at]]
    return _filled(category, links, provider, model)


def _judged(exc: BaseException, signal: Signal) -> tuple[str | None, bool]:
    """Return the category one exception stands for, if any, and whether nothing beneath could say more."""
    if phase := _by_phase(signal):
        return phase, True
    for name in signal.names:
        if name in NAMED:
            return _refined(NAMED[name], exc, signal), True
    if (category := told(signal)) is not None:
        return category, True
    for name in signal.names:
        if name in CLASSED:
            return CLASSED[name], True
    unsent = ("litellm", "APIConnectionError") in signal.names  # its status 500 is made up
    if signal.status is not None and not unsent and (category := of_status(signal.status)) is not None:
        return category, True
    for name in signal.names:
        if name in VAGUE:
            return VAGUE[name], False
    if signal.package in _CLIENTS and _lacks_key(signal):
        return "auth", True
    return _by_code(exc, signal), True


def _by_phase(signal: Signal) -> str | None:
    """Return what pydantic-ai's transport errors say: at which stage of the request it broke."""
    if signal.package != "pydantic_ai" or signal.phase is None:
        return None
    if signal.phase in ("pool", "connect"):
        return signal.phase
    return "timeout" if ("pydantic_ai", "ModelTimeoutError") in signal.names else "reset"


def _refined(category: str, exc: BaseException, signal: Signal) -> str:
    """Tell apart what pydantic-ai calls unexpected behaviour: no reply of the interface, or none at all."""
    if ("pydantic_ai", "UnexpectedModelBehavior") not in signal.names:
        return category
    if category == "content-filter" and "refusal" in signal.text:
        return "refusal"
    if category != "invalid":
        return category
    if signal.text.startswith("invalid response from"):
        return "garbled"
    cause = get(exc, "__cause__")
    if isinstance(cause, ValueError) and type(cause).__name__ in _UNREADABLE:
        return "garbled"
    said = signal.text if cause is None else own_text(cause).lower()
    return "empty" if any(phrase in said for phrase in _HOLLOW) else category


def _by_code(exc: BaseException, signal: Signal) -> str | None:
    """Return what an exception of plain Python stands for by the code it came through."""
    if isinstance(exc, OSError):
        return "connect" if exc.errno in _UNREACHABLE else None
    path = frames(exc)
    while path and path[-1] in _READERS:
        path.pop()
    if not path or path[-1] not in _CLIENTS:
        return None
    if isinstance(exc, IndexError | TypeError | AttributeError):
        # A client reads `choices[0]` of an empty list, or a field of null; the rest is misuse.
        if isinstance(exc, IndexError) or "nonetype" in signal.text:
            return "empty"
        return "garbled" if _WRONG_SHAPE.match(signal.text) else None
    if ("pydantic_core", "ValidationError") in signal.names:
        return "invalid"
    return "garbled" if type(exc).__name__ in _UNREADABLE and isinstance(exc, ValueError) else None


def _lacks_key(signal: Signal) -> bool:
    """Say whether a client could not even be made, for want of a key."""
    return signal.status is None and any(
        phrase in signal.text
        for phrase in ("api_key", "api key", "authentication method", "credentials", "_key` environment")
    )


def _filled(category: str, links: list[Signal], provider: str | None, model: str | None) -> Fault:
    def first(name: str) -> Any:
        return next((value for s in links if (value := getattr(s, name)) is not None), None)

    status = first("status")
    failed = status is not None and status >= 400
    provider = provider or first("provider")
    model = model or first("model")
    code = first("code")
    in_stream = any(s.in_stream for s in links)
    told_by = next((s for s in links if s.answered and s.message), None)
    if told_by is None and not failed:
        told_by = next((s for s in links if s.message), None)
    package, name = links[0].names[0]
    who = " ".join(word for word in (provider or (package if package in PACKAGES else name), model) if word)
    marks = ", ".join(mark for mark in (f"HTTP {status}" if failed else "", code or "") if mark)
    if category == "refusal":  # the model's own words
        told_by = None
    said = _line(told_by.message, 200) if told_by and not told_by.message.lstrip().startswith("<") else ""
    if who == name and said:  # plain Python: "TimeoutError: no answer within 3 s" says it all
        reason = f"{name}: {said}"
    else:
        reason = _line(f"{who}: {CATEGORIES[category]}", 250)
        reason += (f" ({marks})" if marks else "") + (f": {said}" if said else "")
    return Fault(
        category=category,
        reason=reason,
        provider=provider,
        model=model,
        status=status,
        code=code,
        retry_after=first("retry_after"),
        billed=in_stream or category in _BILLED_ANYHOW or (not failed and category in _BILLED),
        request_id=first("request_id"),
        suggestion=first("suggestion"),
    )


def _ours(category: str, reason: str, provider: str | None, model: str | None) -> Fault:
    """Return a fault of the decider's own code: whom it called may have answered, and charged, before."""
    return Fault(
        category=category, reason=reason, provider=provider, model=model, billed=provider is not None
    )


def _unread(exc: BaseException) -> BaseException | None:
    """Return the exception by which a reader of JSON or of a model says that a text is none."""
    for link in wrapped(exc):
        names = read(link, None).names
        if ("json", "JSONDecodeError") in names or ("pydantic_core", "ValidationError") in names:
            return link
    return None


def _generated(unread: BaseException, provider: str, model: str | None, secrets: Sequence[str] = ()) -> Fault:
    """Return the fault of code that calls somebody and could not read what came back: what was generated.

    The text that was no JSON is kept as the reply, for a repair.
    """
    held = get(unread, "doc")
    return Fault(
        category="invalid",
        reason=_plain(unread, secrets),
        provider=provider,
        model=model,
        billed=True,
        reply=held if isinstance(held, str) else None,
    )


def _worst(faults: list[Fault]) -> Fault:
    """Return the fault of several that lets fewest be asked, the last of equals; charged if any was."""
    worst = faults[0]
    for fault in faults[1:]:
        mine, theirs = (TABLE[f.category].then if f.category in TABLE else "stop" for f in (worst, fault))
        if stricter(mine, theirs) == theirs:
            worst = fault
    billed = any(fault.billed for fault in faults)
    return worst if worst.billed == billed else replace(worst, billed=billed)


def _sound(fault: Fault, secrets: Sequence[str]) -> Fault:
    """Return a decider's own fault as a record may hold it: itself, unless something in it is unsound.

    Every text becomes one printable line without secrets, of at most 200 characters (the reason 500); what
    is no text, no short code or no finite number is left out.
    """

    def text(value: Any, longest: int = 200) -> str | None:
        return _line(value, longest, secrets) or None if isinstance(value, str) else None

    held: dict[str, Any] = {name: text(getattr(fault, name)) for name in ("provider", "model", "suggestion")}
    for name in ("code", "request_id"):
        value = text(getattr(fault, name))
        held[name] = value if value and " " not in value and len(value) <= _CODE else None
    held["reason"] = text(fault.reason, 500) or ""
    status, wait = fault.status, fault.retry_after
    held["status"] = status if type(status) is int and 100 <= status < 600 else None
    sound_wait = type(wait) in (int, float) and isfinite(wait or 0) and (wait or 0) >= 0
    held["retry_after"] = wait if sound_wait else None
    held["billed"] = fault.billed is True
    held["reply"] = fault.reply if isinstance(fault.reply, str) else None
    changed = {name: value for name, value in held.items() if getattr(fault, name) != value}
    return replace(fault, **changed) if changed else fault


def _plain(exc: BaseException, secrets: Sequence[str] = ()) -> str:
    """Return "TypeName: text" of an exception of the decider's own code."""
    name = _line(str(get(type(exc), "__name__")), 80)
    what = get(exc, "what")  # of our own errors, without the next step
    text = _line(what if isinstance(what, str) else own_text(exc), secrets=secrets)
    return f"{name}: {text}" if text else name


def _line(text: str, longest: int = 300, secrets: Sequence[str] = ()) -> str:
    """Return a text as one printable line, masked before it is cut: half a key has no known shape."""
    plain = without(exact(text)[:_READ], secrets)
    if len(text) > _READ:  # the last word may be half a key
        head, space, _ = plain.rpartition(" ")
        plain = head if space else plain
    plain = masked(plain.encode("utf-8", "replace").decode())
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
