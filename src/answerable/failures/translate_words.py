"""The words by which providers and clients name their errors, and the category each stands for: data."""

import re
from collections.abc import Iterable, Mapping

from answerable.failures.signals import Signal


def _of(package: str, **categories: str) -> Mapping[tuple[str, str], str]:
    """Return {(package, class): category} of "Class Class" strings by category, written with `_` for `-`."""
    return {
        (package, name): category.replace("_", "-")
        for category, names in categories.items()
        for name in names.split()
    }


_HTTPX = {
    "pool": "PoolTimeout ConnectionNotAvailable",
    "connect": "ConnectTimeout ConnectError ProxyError",
    "timeout": "ReadTimeout WriteTimeout TimeoutException",
    "reset": "ReadError WriteError CloseError RemoteProtocolError NetworkError",
    "rejected": "LocalProtocolError",
    "garbled": "DecodingError TooManyRedirects",
    "not_found": "UnsupportedProtocol InvalidURL",
}

# The class alone says it. Looked up from the class to its bases, so the most special one wins.
NAMED: Mapping[tuple[str, str], str] = {
    **_of("httpx", **_HTTPX),
    **_of("httpx2", **_HTTPX),
    **_of("httpcore", **_HTTPX),
    **_of("httpcore2", **_HTTPX),
    **_of(
        "requests",
        connect="ConnectTimeout SSLError ProxyError",
        timeout="ReadTimeout Timeout",
        reset="ChunkedEncodingError",
        garbled="JSONDecodeError InvalidJSONError ContentDecodingError TooManyRedirects",
        not_found="MissingSchema InvalidSchema InvalidURL URLRequired",
        rejected="InvalidHeader",
    ),
    **_of(
        "urllib3",
        connect="ConnectTimeoutError NewConnectionError SSLError ProxyError",
        timeout="ReadTimeoutError",
        reset="ProtocolError IncompleteRead",
        garbled="DecodeError",
        pool="EmptyPoolError FullPoolError ClosedPoolError",
        not_found="LocationValueError",
        server_error="ResponseError",
    ),
    **_of("http", reset="IncompleteRead BadStatusLine HTTPException", not_found="InvalidURL"),
    **_of(
        "aiohttp",
        connect="ClientConnectorError ConnectionTimeoutError",
        timeout="ServerTimeoutError",
        reset="ServerDisconnectedError ClientPayloadError ClientOSError",
        garbled="ContentTypeError TooManyRedirects",
        not_found="InvalidURL",
    ),
    **_of(
        "botocore",
        connect="ConnectTimeoutError EndpointConnectionError SSLError ProxyConnectionError ConnectionError",
        timeout="ReadTimeoutError",
        reset="ConnectionClosedError ResponseStreamingError",
        auth="NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError "
        "UnauthorizedSSOTokenError SSOTokenLoadError",
    ),
    **_of("google", auth="DefaultCredentialsError RefreshError", connect="TransportError"),
    **_of(
        "openai",
        truncated="LengthFinishReasonError",
        content_filter="ContentFilterFinishReasonError",
        garbled="APIResponseValidationError",
    ),
    **_of("anthropic", garbled="APIResponseValidationError", auth="CredentialsError"),
    **_of(
        "litellm",
        timeout="Timeout",
        context_overflow="ContextWindowExceededError",
        content_filter="ContentPolicyViolationError",
        garbled="APIResponseValidationError",
        invalid="JSONSchemaValidationError",
        budget="BudgetExceededError",
    ),
    **_of("instructor", truncated="IncompleteOutputException", invalid="InstructorRetryException"),
    **_of(
        "pydantic_ai",
        content_filter="ContentFilterError",
        truncated="OutputTokenLimitExceeded IncompleteToolCall",
        invalid="UnexpectedModelBehavior ModelRetry ToolRetryError",
        budget="UsageLimitExceeded",
        busy="ConcurrencyLimitExceeded",
        timeout="ModelRequestTimeout RunTimedOut",
    ),
    **_of("socket", connect="gaierror herror"),
    **_of("ssl", reset="SSLEOFError SSLZeroReturnError", connect="SSLError"),
    **_of(
        "builtins",
        connect="ConnectionRefusedError",
        reset="ConnectionResetError BrokenPipeError ConnectionAbortedError",
    ),
}

# pydantic-ai's categories: it knows codes of providers that we do not, so they come before the HTTP status.
CLASSED: Mapping[tuple[str, str], str] = _of(
    "pydantic_ai",
    rate_limit="ModelRateLimitError",
    quota="ModelQuotaExceededError",
    overloaded="ModelOverloadedError",
    unavailable="ModelUnavailableError",
    server_error="ModelServerError",
    context_overflow="ModelContextWindowExceededError",
    auth="ModelAuthenticationError",
    not_found="ModelNotFoundError",
    rejected="ModelRequestRejectedError",
)

# The class says that something broke; what it wraps knows better. `ConnectionError` may have sent the
# request, so without a cause it counts as broken off after it.
VAGUE: Mapping[tuple[str, str], str] = {
    **_of("openai", timeout="APITimeoutError", reset="APIConnectionError", server_error="APIError"),
    **_of("anthropic", timeout="APITimeoutError", reset="APIConnectionError", server_error="APIError"),
    **_of("litellm", reset="APIConnectionError", server_error="APIError"),
    **_of(
        "pydantic_ai",
        timeout="ModelTimeoutError",
        reset="ModelConnectionError",
        server_error="ModelAPIError",
    ),
    **_of("requests", reset="ConnectionError"),
    **_of("urllib3", reset="MaxRetryError"),
    **_of("urllib", reset="URLError ContentTooShortError"),
    **_of("httpx", reset="TransportError"),
    **_of("httpx2", reset="TransportError"),
    **_of("aiohttp", reset="ClientConnectionError"),
    **_of("botocore", reset="HTTPClientError"),
    **_of("builtins", reset="ConnectionError", timeout="TimeoutError"),
}

# The provider's code or type decides, whatever the HTTP status beside it.
_DECISIVE: Mapping[str, str] = {
    word: category
    for category, words in {
        "quota": "insufficient_quota billing_hard_limit_reached billing_not_active credit_balance_exhausted "
        "organization_spend_limit_exceeded project_spend_limit_exceeded organization_usage_limit_exceeded "
        "enforced_spend_limit_reached billing_error exceeded_current_quota_error budget_exceeded "
        "servicequotaexceededexception",
        "context-overflow": "context_length_exceeded exceed_context_size_error request_too_large "
        "string_above_max_length context_window_exceeded",
        "content-filter": "content_filter content_policy_violation responsibleaipolicyviolation "
        "moderation_blocked invalid_prompt data_inspection_failed datainspectionfailed safety sensitive",
        "overloaded": "overloaded_error overloaded server_is_overloaded",
        "auth": "invalid_api_key api_key_invalid accessdeniedexception unrecognizedclientexception "
        "invalidsignatureexception expiredtokenexception expiredtoken",
        "not-found": "model_not_found resourcenotfoundexception",
        "rate-limit": "throttlingexception",
        "unavailable": "modelnotreadyexception mpagreementbeingcreated",
        "server-error": "modelstreamerrorexception",
        "invalid": "json_validate_failed tool_use_failed",  # Groq: the model's output, not our request
        "truncated": "length max_tokens",
    }.items()
    for word in words.split()
}
_FINISHES = ("length", "max_tokens", "safety", "sensitive")  # finish reasons, which come without a status
# Numbers say it only in a provider's reply that is refused as such: Z.ai.
_NUMBERED: Mapping[str, str] = {"1301": "content-filter", "1261": "context-overflow"}
# Only where there is no status: an error object inside a stream, or a gRPC status.
_WITHOUT_STATUS: Mapping[str, str] = {
    word: category
    for category, words in {
        "rate-limit": "rate_limit_exceeded rate_limit_error too_many_requests resource_exhausted",
        "unavailable": "service_unavailable service_unavailable_error unavailable "
        "serviceunavailableexception",
        "server-error": "server_error api_error internal internal_error internal_server_error "
        "internalserverexception timeout_error deadline_exceeded",
        "auth": "authentication_error permission_error unauthenticated permission_denied",
        "not-found": "not_found_error not_found",
        "conflict": "conflict_error aborted already_exists",
        "rejected": "invalid_request_error invalid_argument validationexception failed_precondition",
    }.items()
    for word in words.split()
}

# Longer passages in quotation marks may be the user's text, unless they are the message of an error object.
_DOUBLE = r'"(?:[^"\\]|\\.)*+"'
_SINGLE = r"(?<!\w)'(?:[^'\\]|\\.|(?<=\w)'(?=\w))*+'(?!\w)"
_QUOTED = re.compile(
    r"(?:(?P<name>[\"']?(?:message|msg|detail|error|reason|description)[\"']\s{0,3}:\s{0,3})|)"
    rf"(?P<quoted>{_DOUBLE}|{_SINGLE}|\u201c[^\u201d]*+\u201d|\u201e[^\u201c]*+\u201c|\u00ab[^\u00bb]*+\u00bb)",
    re.DOTALL,
)
_FILTERED = re.compile(
    r"\b(?:blocked|filtered|flagged|stopped|rejected|refused) "
    r"(?:by|due to|as a result of|because of|for|under) (?:[\w'-]{1,30} ){0,5}"
    r"(?:content[ -](?:filter|management|polic|moderation|safety)|safety|moderation"
    r"|guardrail|(?:usage|acceptable use) (?:polic|guideline))"
    r"|\bviolat(?:e|es|ed|ing|ion of) (?:[\w'-]{1,30} ){0,4}(?:usage|use|content|safety|our)[ -]"
    r"(?:polic|guideline)"
    r"|\btrigger(?:ed|ing|s)? (?:[\w'-]{1,30} ){0,4}content (?:management|filter)"
    r"|content exists risk|inappropriate content|safety_check_type|failed check: safety"
    r"|\u4e0d\u5b89\u5168\u6216\u654f\u611f\u5185\u5bb9"  # Z.ai: unsafe or sensitive content
)
_SUSPENDED = re.compile(
    r"\b(?:account|organi[sz]ation|project|api key|access|user)\b[^.]{0,60}"
    r"\b(?:suspended|disabled|deactivated|banned|terminated|revoked)\b"
)
_OVERFLOW = (
    "maximum context length",
    "maximum model length",
    "maximum prompt length",
    "reduce the length of the messages",
    "exceeds the available context size",
    "exceed context limit",
    "exceeds the context window",
    "exceeds the model's context",
    "longer than the model's context",
    "context window exceeds limit",
    "context length of only",
    "context the overflows",
    "exceeded model token limit",
    "prompt exceeds max length",
    "too many tokens",
    "`inputs` tokens",
    "`inputs` must have less than",
    "input token count",
    "number of tokens allowed",
    "prompt is too long",
    "input is too long",
    "input tokens exceeded",
)
# The other wordings: what is too much, how it is too much, and a number.
_SIZE = r"\b(?:tokens?|context|prompt|inputs?|input_tokens|input length|sequence length)\b"
_EXCESS = r"\b(?:exceed(?:s|ed|ing)?|longer than|too long|too many|maximum|greater than)\b"
_OVERFLOWING = re.compile(rf"{_SIZE}[^\n]{{0,60}}?{_EXCESS}|{_EXCESS}[^\n]{{0,60}}?{_SIZE}")
_NUMBER = re.compile(r"\d{3}")
_OTHER_SIZE = re.compile(  # what is asked for, how often, or how large something else is
    r"\b(?:per (?:second|minute|hour|day)|images?|files?|audio|video|pdf|pages?|documents?|tools?|functions?"
    r"|arrays?|items?|elements|stop|logprobs?|[kmg]b|bytes|seconds|temperature)\b"
)
_OUTPUT = re.compile(r"\bmax_(?:completion_|output_|new_)?tokens\b|\b(?:output|completion) tokens\b")
_INPUT = re.compile(r"\b(?:context|prompt|inputs?|input_tokens|messages)\b")
_UNPAID = (
    "spend limit",
    "spending limit",
    "usage limits",
    "credit balance",
    "insufficient balance",
    "insufficient credits",
    "insufficient_quota",
    "enable billing",
)
_LOADED = ("overloaded", "over capacity")


def told(signal: Signal) -> str | None:
    """Return the category that a provider's codes, types or wording decide; None: let HTTP or the class."""
    if not signal.foreign:  # a decider's own "the input is too long" is no provider's
        return None
    status = signal.status if signal.status is not None and signal.status >= 400 else None
    if signal.flagged or _any(signal.words, ("content_filter", "responsibleaipolicyviolation")):
        return "content-filter"
    if signal.daily:
        return "quota"
    for word in signal.words:
        if word in _DECISIVE and (word not in _FINISHES or status is None):
            return _DECISIVE[word]
        if word in _NUMBERED and signal.answered and status in (None, 400, 422):
            return _NUMBERED[word]
    said = _own_words(signal.text)
    if status in (None, 400, 403, 422, 451, 500) and _FILTERED.search(said) and not _SUSPENDED.search(said):
        return "content-filter"
    if _overflows(status, said):
        return "context-overflow"
    if status in (400, 403, 429) and _phrase(said, _UNPAID):
        return "quota"
    if status in (None, 500, 503) and signal.answered and _phrase(said, _LOADED):
        return "overloaded"
    if status is None and (signal.answered or signal.in_stream):
        return next((_WITHOUT_STATUS[word] for word in signal.words if word in _WITHOUT_STATUS), None)
    return None


def _overflows(status: int | None, said: str) -> bool:
    """Say whether a provider's words call the input too long: by known words, else by what they speak of."""
    if status == 429:  # waiting makes no request smaller
        return "request too large for" in said
    if status in (None, 400, 413, 422, 500) and _phrase(said, _OVERFLOW):
        return True
    if status not in (400, 413, 422) or not _NUMBER.search(said) or _OTHER_SIZE.search(said):
        return False
    if _OUTPUT.search(said) and not _INPUT.search(said):
        return False
    return _OVERFLOWING.search(said) is not None


def _own_words(text: str, *, inside: bool = False) -> str:
    """Return a provider's text without the longer passages that it quotes: they may be the user's."""

    def kept(found: re.Match[str]) -> str:
        name, quoted = found["name"], found["quoted"]
        if name and not inside:
            return f"{name}{quoted[0]}{_own_words(quoted[1:-1], inside=True)}{quoted[-1]}"
        return found[0] if quoted.count(" ") < 2 else f"{name or ''}{quoted[0]}{quoted[-1]}"

    return _QUOTED.sub(kept, text)


def of_status(status: int) -> str | None:
    """Return the category that an HTTP status stands for by itself; None below 400."""
    known = {
        401: "auth",
        402: "quota",
        403: "auth",
        404: "not-found",
        407: "auth",
        408: "server-error",
        409: "conflict",
        410: "not-found",
        413: "context-overflow",
        425: "unavailable",
        429: "rate-limit",
        503: "unavailable",
        529: "overloaded",
    }
    if status in known:
        return known[status]
    if status >= 500:
        return "server-error"
    return "rejected" if status >= 400 else None


def _any(words: Iterable[str], known: Iterable[str]) -> bool:
    return not set(known).isdisjoint(words)


def _phrase(said: str, phrases: Iterable[str]) -> bool:
    return any(phrase in said for phrase in phrases)
