"""What went wrong, in one word: the categories of faults, and the Fault that carries one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from answerable.decisions.answer import Usage
from answerable.errors import UsageError, did_you_mean

# Category -> what it says to an operator. Headers, metrics and `records --where fault = ...` use these words.
CATEGORIES: Mapping[str, str] = {
    # the provider says no, or not now
    "rate-limit": "the provider's rate limit is reached",
    "quota": "the account's quota, credit or spend limit is used up",
    "overloaded": "the provider is overloaded",
    "unavailable": "the provider is unavailable",
    "server-error": "the provider had an internal error",
    "conflict": "the provider reported a conflict with another request",
    "auth": "the provider does not accept our credentials",
    "not-found": "the provider does not know this model or address",
    "rejected": "the provider rejected the request as malformed",
    # the request does not fit, or is not answered
    "context-overflow": "the input is larger than the model's context",
    "content-filter": "the provider's content filter stopped it",
    "refusal": "the model refused to answer",
    # what came back is no answer
    "truncated": "the answer was cut off before its end",
    "invalid": "the output does not fit the declared type",
    "wrong-type": "the decider returned something that is no answer",
    "empty": "the reply held no answer at all",
    "garbled": "the reply was not what the provider's interface sends",
    # the way there
    "connect": "no connection could be made",
    "pool": "all our own connections were in use",
    "reset": "the connection broke off after the request was sent",
    "timeout": "it did not answer in time",
    "deadline": "the case's deadline was over",
    # our own limits
    "budget": "the budget does not allow another paid call",
    "circuit-open": "calls are paused because too many have failed",
    "busy": "too many calls are waiting already",
    # our own judgement
    "check": "a check found something wrong",
    "never-automatic": "only a person may give this answer",
    "exception": "the decider's code raised an exception",
    # what it reads
    "source": "a source of data could not be read",
    # of the whole case
    "flagged": "a check noted something beside the answer",
    "invalid-input": "the input is not valid",
    "denied": "a policy does not allow it",
    "cancelled": "the caller cancelled",
    "interrupted": "the process ended before the case did",
    "superseded": "another process answered the same key first",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that went wrong in one call.

    category: a key of CATEGORIES. reason: one line for an operator, without a secret. status: of HTTP.
    code: the provider's own word. retry_after: seconds the provider asks to wait. billed: the call may
    have been charged though no usage came back. request_id: by which the provider finds the call.
    suggestion: a model id the provider offers instead. reply: the raw text that was no answer, for a
    repair. Raises UsageError for an unknown category.
    """

    category: str
    reason: str = ""
    provider: str | None = None
    model: str | None = None
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    billed: bool = False
    request_id: str | None = None
    suggestion: str | None = None
    reply: str | None = None

    def __post_init__(self) -> None:
        known_category(self.category)
        if not self.reason:
            object.__setattr__(self, "reason", CATEGORIES[self.category])


def known_category(category: Any) -> str:
    """Return `category` if it is one. Raises UsageError with what was probably meant."""
    if category not in CATEGORIES:
        raise UsageError(
            f"no fault is called {category!r}", next_step=did_you_mean(str(category), CATEGORIES)
        )
    return str(category)


class Faulted(Exception):
    """A decider's way to say which fault it met, what was said and received, and what that consumed.

    fault: a Fault, or the word of its category, then with its reason. calls: as in Answer. usage: what the
    failed call is known to have consumed. Raises UsageError for an unknown category.
    """

    def __init__(
        self,
        fault: Fault | str,
        *,
        reason: str = "",
        calls: Sequence[Mapping[str, Any]] = (),
        usage: Usage | None = None,
    ) -> None:
        if isinstance(fault, str):
            fault = Fault(category=fault, reason=reason)
        elif not isinstance(fault, Fault) or reason:
            raise UsageError(
                "a Fault has its own reason" if reason else f"the fault is a {type(fault).__name__}",
                next_step='write Faulted("refusal", reason="...") or Faulted(Fault(category="refusal"))',
            )
        super().__init__(f"{fault.category}: {fault.reason}")
        self.fault, self.calls, self.usage = fault, tuple(calls), usage or Usage()

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call __init__ with the text: a decider may work in another process.
        return (_again, (self.fault, self.calls, self.usage))


def _again(fault: Fault, calls: tuple[Mapping[str, Any], ...], usage: Usage) -> Faulted:
    return Faulted(fault, calls=calls, usage=usage)
