"""What a pretended provider does with one call: a value, written without the words of any one provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# How the bytes travel. whole: as they should. hang: nothing is ever sent. stall: the headers only. drip: one
# byte a second. reset: the connection is broken off before the headers; cut: in the middle of the body.
# bad-gzip: said to be compressed, and is not.
Wire = Literal["whole", "hang", "stall", "drip", "reset", "cut", "bad-gzip"]
Finish = Literal["stop", "length", "content-filter", "refusal"]
Lacks = Literal["choices", "message", "content"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How an answer differs from a sound one.

    values: changes the sound values, a mapping of the asked fields. text: changes the text that holds them.
    finish: why it ended. lacks: what is missing around the text. thinking: only thoughts are said.
    refuses: how many questions of a decision model get a refusal. doubt: the probability that a decision
    model gives its choice (JSON allows nan here); loses: how much its probabilities lack to a sum of 1.
    """

    values: Callable[[dict[str, Any]], Any] | None = None
    text: Callable[[str], str] | None = None
    finish: Finish = "stop"
    lacks: Lacks | None = None
    thinking: bool = False
    refuses: int = 0
    doubt: float = 0.97
    loses: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What one call gets.

    status, headers: of HTTP. kind: the content type. body: sent as it is (bytes, text, or a value as
    JSON); None: an answer, or for a status of 400 and above an error, in the form of whatever interface
    was called. code, message, more: the provider's word for that error, its sentence and further members.
    said: how the answer differs from a sound one. until: a Retry-After given as the date that many seconds
    ahead. delay: seconds before anything is sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    body: Any = None
    code: str | None = None
    message: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    said: Said = field(default_factory=Said)
    until: float | None = None
    delay: float = 0.0
    wire: Wire = "whole"


SOUND = Reply()


def says(**said: Any) -> Reply:
    """Return a reply with status 200 whose answer differs from a sound one; see Said."""
    return Reply(said=Said(**said))


def fails(status: int, code: str | None, message: str, **more: Any) -> Reply:
    """Return an error reply in the form of the called interface; more: as in Reply."""
    return Reply(status=status, code=code, message=message, **more)


def rate_limited(**headers: str) -> Reply:
    """Return a 429 with these headers, `_` standing for `-`."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return fails(429, "rate_limit_exceeded", "Rate limit reached for requests per minute.", headers=told)


# -- what is sent more than once -------------------------------------------------------------------------

QUOTA = fails(429, "insufficient_quota", "You exceeded your current quota, check your plan and billing.")
SPEND_LIMIT = fails(
    429,
    "rate_limit_error",
    "This request would exceed your organization's spend limit.",
    more={"details": {"error_code": "enforced_spend_limit_reached"}},
)
OVERLOADED = fails(529, "overloaded_error", "Overloaded")
DOWN = fails(500, None, "The server had an error while processing your request.")
NO_KEY = fails(401, "invalid_api_key", "Incorrect API key provided: sk-chaos-secret-0000.")
NO_MODEL = fails(404, "model_not_found", "The model does not exist or you do not have access to it.")
MALFORMED = fails(400, "invalid_schema", "Invalid schema for response_format 'route'.")
TOO_LONG = fails(
    400, "context_length_exceeded", "This model's maximum context length is 8192 tokens, you sent 9127."
)
TOO_LONG_LLAMA = Reply(
    status=400,
    body={
        "error": {
            "code": 400,
            "message": "request (4031 tokens) exceeds the available context size (2048 tokens)",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 4031,
            "n_ctx": 2048,
        }
    },
)
TOO_LARGE = Reply(
    status=413, kind="text/html", body="<html><head><title>413 Request Entity Too Large</title></head></html>"
)
PORTAL = Reply(kind="text/html", body="<html><body>Sign in to the guest network</body></html>")
AZURE_FILTER = fails(
    400,
    "content_filter",
    "The response was filtered due to the prompt triggering the content management policy.",
    more={"innererror": {"code": "ResponsibleAIPolicyViolation"}},
)
HALF = says(finish="length")
BROKEN = says(text=lambda text: text.replace("}", ""))
WRONG_CHOICE = says(values=lambda v: {n: "other" if isinstance(x, str) else x for n, x in v.items()})
NUMBER_AS_WORD = says(
    values=lambda v: {n: "three" if isinstance(x, int | float) else x for n, x in v.items()}
)
NUMBER_AS_TEXT = says(values=lambda v: {n: str(x) if isinstance(x, int | float) else x for n, x in v.items()})
MORE_KEYS = says(values=lambda v: v | {"certainty": "very high"})
PROSE = says(text=lambda text: "This looks like something for the billing team, and it is rather urgent.")
FENCED = says(text=lambda text: f"```json\n{text}\n```")
