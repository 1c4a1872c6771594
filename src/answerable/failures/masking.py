"""Takes secrets out of any text that ends up in a record, a log or an error."""

import re
from collections.abc import Callable, Iterator
from typing import Final

MASK: Final = "***"

# Every pattern is linear: no repetition inside a repetition, and what may fail late is possessive, bounded,
# or begins where the last one ended. Names of a value, longest first where one begins another.
_NAMES = (
    "passphrase|password|passwd|pwd|credentials?|secret|token|signature"
    "|(?:api|access|account|private|auth|encryption|subscription|secret|functions?|master|signing|shared|storage"
    "|webhook|deploy)[_ -]?key|(?<![a-z])(?:j?sessionid|phpsessid)"
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
_SCHEMES = re.compile(
    "bearer|basic|digest|token|(?:api-?)?key|negotiate|ntlm|hawk|hoba|mutual|oauth|aws4-hmac-sha256|dpop",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"(?<![A-Za-z0-9])((?:bearer|basic)\s{1,4})(?!(?:bearer|basic)\s)([A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE
)
_NAMED = re.compile(
    rf"(?=[acdefjmpstw?&])({_NAMES}|(?<![a-z])(?:sig|pass|pw)|[?&](?:key|auth|code))"  # first: for speed
    r"(\\{0,3}[\"']?\s{0,4}(?:=>|[=:]|%3d)\s{0,4}(?:b(?=[\"']))?)"
    r"(?:(\\{1,3}[\"'])([^\"'\r\n\\]*+)"  # JSON inside a JSON string
    r'|(")((?:[^"\\\r\n]|\\.)*+)'
    r"|(')((?:[^'\\\r\n]|\\.)*+)"
    r"|([^\s&;\"'<>\\]++))",
    re.IGNORECASE,
)
# A pair, as headers are shown: (b'x-api-key', b'...').
_PAIR = re.compile(
    rf"(\(b?([\"'])[\w-]{{0,30}}?(?:{_NAMES}|authorization|cookie)\2,\s{{0,4}}b?([\"']))([^\"'\r\n]++)(?=\3\))",
    re.IGNORECASE,
)
_ELEMENT = re.compile(rf"(<(?:[a-z0-9_]{{1,20}}:)?(?:{_NAMES})>)([^<]++)(?=</)", re.IGNORECASE)
_SAID = re.compile(  # in a sentence: API key provided: ..., the password is ...
    r"((?:pass(?:word|phrase|wd)|api[ _-]?key|token|secret)\s(?:is|was|provided|used|given)\s?:?"
    r"\s{1,3}[\"'`]?)([^\s\"'`<>]++)",
    re.IGNORECASE,
)
_SQL = re.compile(
    r"(\b(?:identified\s{1,4}(?:with\s{1,4}\S{1,60}\s{1,4})?by|password)\s{1,4}(?:as\s{1,4})?([\"']))([^\"'\s]++)(?=\2)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<!\S)((?:-u|--user|--proxy-user)[ =]{0,4}[\"']?[^\s:\"'/]{1,100}:)([^\s\"']++)")
_OPTION = re.compile(r"(?<!\S)(--([a-z-]{2,40})\s{1,4})([^\s\"'-][^\s\"']*+)", re.IGNORECASE)
_OPTION_NAME = re.compile(rf"(?:{_NAMES})\Z", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_*-]{6,}"  # OpenAI, Anthropic and who copied them; also half masked by the provider
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}"  # Stripe
    r"|A[KS]IA[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}"  # Slack
    r"|AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{16,}"  # Google
    r"|AQ\.[A-Za-z0-9_-]{20,}"
    r"|(?:hf|gsk|npm|r8|rpa|figd|ntn)_[A-Za-z0-9]{20,}|(?:xai|tvly|pplx|nvapi|csk|pypi)-[A-Za-z0-9_-]{20,}"
    r"|tgp_v1_[A-Za-z0-9_-]{20,}|lsv2_[a-z]{2}_[A-Za-z0-9_]{20,}|dapi[0-9a-f]{32}|lin_api_[A-Za-z0-9]{20,}"
    r"|ABSK[A-Za-z0-9+/=]{40,}|do[por]_v1_[0-9a-f]{32,}"  # Amazon Bedrock; DigitalOcean
    r"|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+|hv[sbr]\.[A-Za-z0-9_-]{20,}"  # SendGrid; Vault
    r"|gl(?:sa|c)_[A-Za-z0-9_+/=]{20,}|shp(?:at|ss|ca|pa)_[A-Za-z0-9]{16,}|AT(?:ATT|CTT|BB)[A-Za-z0-9_=-]{20,}"
    r"|[0-9]{8,12}:A[A-Za-z0-9_-]{32,}"  # of a Telegram bot
    r"|(?<!-)eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+)?"  # JSON web token
    r")"
)
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/"
    r"|discord(?:app)?\.com/api/(?:v[0-9]{1,3}/)?webhooks/"
    r"|webhook\.office\.com/webhookb2/|outlook\.office(?:365)?\.com/webhook/"
    r"|api\.telegram\.org/(?:file/)?bot|hooks\.zapier\.com/hooks/catch/)[A-Za-z0-9/_@:*-]+",
    re.IGNORECASE,
)
SIGNS: Final = (  # occurs in every text that holds a secret; in the language that re and RE2 share
    rf"-----BEGIN|(?i:{_NAMES.replace('(?<![a-z])', '')}|authorization|cookie|bearer|basic|identified|passwd)"
    r"|(?i:sig|pass|pw)[\\\"' \t\r\n\x0b\x0c\x1c-\x1f]{0,12}(?:[=:]|%3[dD])|[?&](?i:key|auth|code)|://[^ ]*@"
    r"|(?:^|[ \t\r\n\x0b\x0c\x1c-\x1f])(?:-u|--user|--proxy-user)"
    r"|sk-|[srp]k_(?:live|test)_|whsec_|A[KS]IA[A-Z0-9]|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|xapp-|AIza"
    r"|ya29\.|AQ\."
    r"|(?:hf|gsk|npm|r8|rpa|figd|ntn)_|(?:xai|tvly|pplx|nvapi|csk|pypi)-|tgp_v1_|lsv2_|dapi[0-9a-f]|lin_api_|ABSK"
    r"|do[por]_v1|SG\.|hv[sbr]\.|gl(?:sa|c)_|shp(?:at|ss|ca|pa)_|AT(?:ATT|CTT|BB)|[0-9]{8}:A|eyJ"
    r"|(?i:hooks\.slack|discord|webhook\.office|outlook\.office|api\.telegram|hooks\.zapier)"
)
_VERBS = ("is", "was", "provided", "used", "given")
_NOTHING = frozenset({"", "null", "none", "true", "false", MASK})
_FREELY = frozenset({"token", "secret", "signature", "credential", "credentials"})  # also words of a sentence
_MARKER = re.compile(
    r"(?<![a-z])(?:stop|pad|eos|bos|unk|sep|cls|mask|end|start)[_-]\Z", re.IGNORECASE
)  # stop_token
_BEGINS = re.compile(  # with these a sentence goes on: password: must be 8 characters
    "must|is|are|was|has|should|may|can|cannot|required|missing|invalid|not|no|too|at|needs|wrong|incorrect"
    "|field|expected|does|string|value|the|this|your|please|only|contains",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return `text` with every secret in it replaced by `***`; masking twice changes nothing more.

    Known: credentials in URLs (scheme and host stay) and after `-u`, Authorization and cookie headers, values
    named password, token, secret, key and the like in queries, JSON, XML, SQL, ini files, connection strings
    and sentences, addresses of webhooks, private keys, and keys whose shape gives them away. Takes time in
    proportion to the length.
    """
    for pattern, change in _stages(text):
        text = pattern.sub(change, text)
    return text


def secrets(text: str) -> list[tuple[int, int]]:
    """Return where the secrets stand that `masked` would replace, (start, end); some may overlap."""
    places = []
    for pattern, change in _stages(text):
        for found in pattern.finditer(text):
            whole, told = found[0], found.expand(change) if isinstance(change, str) else change(found)
            if told != whole:
                before = _alike(whole, told)
                behind = _alike(whole[before:][::-1], told[before:][::-1])
                places.append((found.start() + before, found.end() - behind))
    return places


def _alike(one: str, other: str) -> int:
    """Return how many characters the two begin with in common."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _stages(text: str) -> "Iterator[_Stage]":
    """Return the patterns that may match, in their order."""
    seen = text.lower()
    for words, pattern, change in _STAGES:
        if all(any(one in seen for one in each) for each in words):
            yield pattern, change


def _header(found: re.Match[str]) -> str:
    """Mask a header's value, unless it is a sentence: Authorization: the customer agreed."""
    value = found[2].strip()
    words = value.split()
    prose = len(words) > 2 and not _SCHEMES.fullmatch(words[0])
    prose = prose and not any(_like_a_key(word) for word in words if MASK not in word)
    return found[1] + (found[2] if prose or value.lower() in _NOTHING else MASK)


def _said(found: re.Match[str]) -> str:
    """Mask what a sentence calls a key, if it has letters and digits; the full stop after it stays."""
    value = found[2].rstrip(".,;:!?)")
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return found[1] + MASK + found[2][len(value) :] if len(value) >= 7 and mixed else found[0]


def _element(found: re.Match[str]) -> str:
    return found[1] + (found[2] if found[2].strip().lower() in _NOTHING else MASK)


def _login(found: re.Match[str]) -> str:
    """Mask the password of `curl -u user:password`; `docker run -u 1000:1000` has none."""
    return found[0] if found[2].isdecimal() else found[1] + MASK


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
    if name.lower() == "token" and _MARKER.search(found.string, max(0, found.start() - 9), found.start()):
        return found[0]
    for quote, value in ((found[3], found[4]), (found[5], found[6]), (found[7], found[8])):
        if quote is not None:
            return name + between + quote + (value if value.lower() in _NOTHING else MASK)
    value = found[9]
    if value.lower().rstrip(",)}]") in _NOTHING or _harmless(found, value, between):
        return found[0]
    return name + between + MASK


def _harmless(found: re.Match[str], value: str, between: str) -> bool:
    """Say whether what follows a name without quotes is a word of a sentence, a number or a short code."""
    name = found[1].lower()
    if name[0] in "?&":  # code=DE is a country
        return name.endswith("code") and (len(value) < 8 or not _like_a_key(value))
    if name.endswith("sessionid") or name == "phpsessid":
        return len(value) < 8
    if ":" not in between:
        return False
    text, end = found.string, found.end()
    goes_on = text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha()
    if name in _FREELY or " " in name:  # token: 151643 is out of range
        return not _like_a_key(value) or (goes_on and value.isdecimal() and len(value) < 8)
    return goes_on and between.endswith(" ") and _BEGINS.fullmatch(value) is not None


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


_Change = str | Callable[[re.Match[str]], str]
_Stage = tuple[re.Pattern[str], _Change]
_KEYS = ("pass", "pwd", "pw", "credential", "secret", "token", "sig", "key", "sessid", "sessionid")
_BEGINNINGS = tuple(  # of keys with a shape of their own, in lower case
    re.findall(
        r"\S+",
        """
        sk- k_live_ k_test_ whsec_ akia asia ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox xapp- aiza ya29.
        aq. hf_ gsk_ npm_ r8_ rpa_ figd_ ntn_ xai- tvly- pplx- nvapi- csk- pypi- tgp_v1_ lsv2_ dapi lin_api_
        absk _v1_ sg. hvs. hvb. hvr. glsa_ glc_ shpat_ shpss_ shpca_ shppa_ atatt atctt atbb :a eyj
        """,
    )
)
_STAGES: Final[tuple[tuple[tuple[tuple[str, ...], ...], re.Pattern[str], _Change], ...]] = (
    # of each of the first one occurs where the pattern matches; the pattern; what comes instead
    ((("-----begin",),), _PRIVATE_KEY, MASK),
    ((_BEGINNINGS,), _SHAPES, _shape),
    ((("://",), ("hooks.", "discord", "webhook", "telegram")), _HOOK, rf"\1{MASK}"),
    ((("://",), ("@",)), _URL, _url),
    ((("authorization", "cookie"),), _HEADER, _header),
    ((("('", '("', "(b"), ("',", '",')), _PAIR, rf"\1{MASK}"),
    ((("bearer", "basic"),), _SCHEME, _scheme),
    (((*_KEYS, "?auth", "&auth", "?code", "&code"), ("=", ":", "%3d")), _NAMED, _named),
    ((_KEYS, _VERBS), _SAID, _said),
    ((("password", "identified"),), _SQL, rf"\1{MASK}"),
    ((_KEYS, ("</",)), _ELEMENT, _element),
    ((("-u", "--user", "--proxy-user"), (":",)), _LOGIN, _login),
    ((_KEYS, ("--",)), _OPTION, _option),
)
