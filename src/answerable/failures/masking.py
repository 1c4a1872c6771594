"""Takes secrets out of any text that ends up in a record, a log or an error."""

import re
from typing import Final

MASK: Final = "***"

# Every pattern is linear: no repetition inside a repetition, and what may fail late is possessive, bounded,
# or begins where the last one ended. Names of a value, longest first where one begins another.
_NAMES = (
    "passphrase|password|passwd|pwd|credentials?|secret|token|signature"
    "|(?:api|access|account|private|auth|encryption|subscription)[_-]?key"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_URL = re.compile(r"://([^\s\"'<>]*+)")
_SLASH = re.compile(r"[/?#]")
_PORT = re.compile(r"[0-9]{1,5}(?:[/?#]|\Z)")
_HEADER = re.compile(
    r"((?:authorization|cookie)\\{0,3}[\"']?\s{0,4}[:=]\s{0,4}(?:b(?=[\"']))?\\{0,3}[\"']?)([^\"'\r\n\\]++)",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"(?<![A-Za-z0-9])((?:bearer|basic)\s{1,4})(?!(?:bearer|basic)\s)([A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE
)
_NAMED = re.compile(
    rf"({_NAMES}|(?<![a-z])(?:sig|pass|pw)|[?&](?:key|auth|code))"
    r"(\\{0,3}[\"']?\s{0,4}(?:=>|[=:]|%3d)\s{0,4}(?:b(?=[\"']))?)"
    r"(?:(\\{1,3}[\"'])([^\"'\r\n\\]*+)"  # JSON inside a JSON string
    r'|(")((?:[^"\\\r\n]|\\.)*+)'
    r"|(')((?:[^'\\\r\n]|\\.)*+)"
    r"|([^\s&;\"'<>\\]++))",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?<!\S)(--([a-z-]{2,40})\s{1,4})([^\s\"'-][^\s\"']*+)", re.IGNORECASE)
_OPTION_NAME = re.compile(rf"(?:{_NAMES})\Z", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"sk-[A-Za-z0-9_*-]{6,}"  # OpenAI, Anthropic and who copied them; also half masked by the provider
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}"  # Stripe
    r"|A[KS]IA[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}"  # Slack
    r"|AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{16,}"  # Google
    r"|(?:hf|gsk|npm|r8)_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}"
    r"|(?<!-)eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+)?"  # JSON web token
    r")"
)
_SLACK_HOOK = re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]+")
_NOTHING = frozenset({"", "null", "none", "true", "false", MASK})
_FREELY = frozenset({"token", "secret", "signature", "credential", "credentials"})  # also words of a sentence


def masked(text: str) -> str:
    """Return `text` with every secret in it replaced by `***`; masking twice changes nothing more.

    Known: credentials in URLs (scheme and host stay), Authorization and cookie headers, values named
    password, token, secret, key and the like in queries, JSON, ini files and connection strings, private
    keys, and keys whose shape gives them away. Takes time in proportion to the length.
    """
    text = _SHAPES.sub(_shape, _PRIVATE_KEY.sub(MASK, text))
    if "://" in text:
        text = _URL.sub(_url, text)
        text = _SLACK_HOOK.sub(rf"\1{MASK}", text)
    text = _HEADER.sub(_header, text)
    text = _SCHEME.sub(_scheme, text)
    text = _NAMED.sub(_named, text)
    return _OPTION.sub(_option, text)


def _header(found: re.Match[str]) -> str:
    return found[1] + (found[2] if found[2].strip().lower() in _NOTHING else MASK)


def _scheme(found: re.Match[str]) -> str:
    """Mask what follows "Bearer", unless it is a word: the bearer certificate."""
    return found[1] + MASK if _like_a_key(found[2]) else found[0]


def _url(found: re.Match[str]) -> str:
    """Mask the credentials of one URL, or of several without a space between them."""
    if "@" not in found[1]:
        return found[0]
    parts = found[1].split("://")
    return "://" + "://".join(_without_login(part) if "@" in part else part for part in parts)


def _without_login(part: str) -> str:
    """Mask what stands before the host. A password may hold "/", but host:8080/?by=a@b is none."""
    at = part.rindex("@")
    slash = _SLASH.search(part)
    end = slash.start() if slash else len(part)
    if at < end:
        return MASK + part[at:]
    if "@" in part[:end]:
        return MASK + part[part.rindex("@", 0, end) :]
    colon = part.find(":", 0, end)
    return MASK + part[at:] if colon >= 0 and not _PORT.match(part, colon + 1) else part


def _option(found: re.Match[str]) -> str:
    return found[1] + (MASK if _OPTION_NAME.search(found[2]) else found[3])


def _named(found: re.Match[str]) -> str:
    name, between = found[1], found[2]
    for quote, value in ((found[3], found[4]), (found[5], found[6]), (found[7], found[8])):
        if quote is not None:
            return name + between + quote + (value if value.lower() in _NOTHING else MASK)
    value = found[9]
    prose = ":" in between and name.lower() in _FREELY and not _like_a_key(value)
    if prose or value.lower().rstrip(",)}]") in _NOTHING:
        return found[0]
    return name + between + MASK


def _shape(found: re.Match[str]) -> str:
    value = found[0]
    return value if value.startswith("sk-") and not _like_a_key(value) else MASK


def _like_a_key(value: str) -> bool:
    """Say whether it is no word: it has a digit, a sign, or letters of both cases within, or is very long."""
    inner = value[1:]
    return (
        len(value) >= 32
        or any(c.isdigit() or c in "*=+/" for c in value)
        or (any(c.isupper() for c in inner) and any(c.islower() for c in inner))
    )
