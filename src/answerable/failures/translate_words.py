"""The words by which providers and clients name their errors, and the category each stands for: data."""

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
        "moderation_blocked",
        "overloaded": "overloaded_error overloaded server_is_overloaded",
        "auth": "invalid_api_key api_key_invalid accessdeniedexception unrecognizedclientexception "
        "invalidsignatureexception expiredtokenexception expiredtoken",
        "not-found": "model_not_found resourcenotfoundexception",
        "rate-limit": "throttlingexception",
        "unavailable": "modelnotreadyexception mpagreementbeingcreated",
        "server-error": "modelstreamerrorexception",
        "invalid": "json_validate_failed tool_use_failed",  # Groq: the model's output, not our request
        "truncated": "length max_tokens",  # as a finish reason
    }.items()
    for word in words.split()
}
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

_OVERFLOW = (
    "maximum context length",
    "reduce the length of the messages",
    "exceeds the available context size",
    "exceed context limit",
    "exceeds the context window",
    "exceeds the model's context",
    "input token count",
    "number of tokens allowed",
    "prompt is too long",
    "input is too long",
    "input tokens exceeded",
)
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
        if word in _DECISIVE and (word not in ("length", "max_tokens") or status is None):
            return _DECISIVE[word]
    if status in (None, 400, 413, 422, 500) and _phrase(signal, _OVERFLOW):
        return "context-overflow"
    if status in (400, 403, 429) and _phrase(signal, _UNPAID):
        return "quota"
    if status in (None, 500, 503) and signal.answered and _phrase(signal, _LOADED):
        return "overloaded"
    if status is None and (signal.answered or signal.in_stream):
        return next((_WITHOUT_STATUS[word] for word in signal.words if word in _WITHOUT_STATUS), None)
    return None


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


def _phrase(signal: Signal, phrases: Iterable[str]) -> bool:
    return any(phrase in signal.text for phrase in phrases)
