"""Finds what has a form of its own: e-mail, card, bank account, addresses of machines and the web."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from answerable.governance import checksums
from answerable.governance.detection import Span
from answerable.governance.scanning import SURE, Finder, Reading, bare, matches, words

# Patterns are linear: what repeats is possessive or bounded, and begins where no other match can have ended.
_LOCAL = re.compile(r"(?<![\w.%+-])[.%+'-]*+(\w[\w.%+'-]*+)\Z")
_DOMAIN = re.compile(r"(?:\w(?:[\w-]{0,62}\w)?\.){1,8}[^\W\d_](?:[\w-]{0,61}\w)|\[[0-9A-Fa-f:.]{7,45}\]")
_LOCAL_LONG = 256  # code points before "@" that are looked at; a standard address has 64
_SCHEMES = re.compile(r"(?:https?|ftps?|wss?|sftp|ssh|file)\Z", re.IGNORECASE)
_URL = re.compile(r"[^\s<>\"'`{}|\\^]++")
_IP4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?(?![\w]|\.[0-9])")
_IP6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:]{2,39}+(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z_:])")
_MAC = re.compile(
    r"(?<![0-9A-Za-z:.-])(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
_WWW = frozenset(("www",))
_HEX = frozenset("0123456789abcdefABCDEF")
_CARD = re.compile(  # groups of digits, or single digits and no more than a card has
    r"(?<![0-9A-Za-z_])(?<![0-9A-Fa-f]-)(?<![0-9][.,])(?:[0-9]{2,}+(?:[ .-]{1,2}[0-9]{2,}+){0,8}"
    r"|(?<![0-9][ -])[0-9](?:[ .-]{1,2}[0-9]){11,18}(?![ .-]{0,2}[0-9]))"
)
_GROUP = re.compile(r"[0-9]++[^0-9]++")
_CARD_WORDS = words(
    """
    card cards cc credit debit visa mastercard maestro amex discover diners jcb unionpay kreditkarte
    karte carte tarjeta carta kaart cvv cvc expiry expires exp
    """
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_SSN = re.compile(
    r"(?<![0-9A-Za-z_])(?<![0-9][.,-])[0-9]{3}([- ]?)[0-9]{2}\1[0-9]{4}(?![0-9A-Za-z]|[.,-][0-9])"
)
_SSN_WORDS = frozenset(("ssn", "ssns", "social", "itin", "taxpayer"))
_CRYPTO = re.compile(
    r"(?<![0-9A-Za-z])(?:(0[xX][0-9a-fA-F]{40})|((?:bc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87})"
    r"|([13][1-9A-HJ-NP-Za-km-z]{25,34}))(?![0-9A-Za-z])"
)


def _emails(reading: Reading) -> Iterator[Span]:
    text, past = reading.text, 0
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(past, at - _LOCAL_LONG), at)
        domain = _DOMAIN.match(text, at + 1) if local else None
        if local and domain:
            yield Span(local.start(1), domain.end(), "EMAIL", 0.95)
        past = at + 1
        at = text.find("@", past)


def _urls(reading: Reading) -> Iterator[Span]:
    text = reading.text
    place = text.find("://")
    while place >= 0:
        scheme = _SCHEMES.search(text, max(0, place - 5), place)
        span = _url(text, scheme.start(), place + 3) if scheme else None
        if span:
            yield span
        place = text.find("://", span.end if span else place + 3)
    past = 0
    for place, word in reading.places(_WWW):
        dot = place + len(word)
        if place >= past and text[dot : dot + 1] == "." and text[place - 1 : place] not in ("/", ".", "@"):
            span = _url(text, place, dot + 1)
            if span:
                past = span.end
                yield span


def _url(text: str, start: int, inside: int) -> Span | None:
    """Return an address of the web that begins at `start`, and whose host begins at `inside`."""
    found = _URL.match(text, inside)
    if found is None:
        return None
    address = found[0].rstrip(".,;:!?)]")
    if address.count("(") > address.count(")") and found[0][len(address) :].startswith(")"):
        address += ")"
    return Span(start, inside + len(address), "URL", 0.5) if len(address) > 1 else None


def _machines(reading: Reading) -> Iterator[Span]:
    for found in matches(_IP4, reading, 4):
        parts = found[0].partition("/")[0].split(".")
        if all(int(part) < 256 and (part == "0" or part[0] != "0") for part in parts):
            yield Span(found.start(), found.end(), "IP", 0.9 if found[0] != "0.0.0.0" else 0.4)


def _machines6(reading: Reading) -> Iterator[Span]:
    text, past = reading.text, 0
    colon = text.find(":")
    while colon >= 0:
        start = colon
        while start > past and colon - start < 4 and text[start - 1] in _HEX:
            start -= 1
        found = _IP6.match(text, start)
        if found:
            code = found[0][:-1] if found[0].endswith(":") and not found[0].endswith("::") else found[0]
            if _is_ip6(code):
                yield Span(start, start + len(code), "IP", 0.9)
        past = found.end() if found else colon + 1
        colon = text.find(":", past)


def _is_ip6(code: str) -> bool:
    if code.count(":") < 2 or not (any(map(str.isdigit, code)) or code.count(":") > 2):
        return False  # a::b may be a name in a program
    try:
        IPv6Address(code)
    except ValueError:
        return False
    return code.strip(":") != ""


def _macs(reading: Reading) -> Iterator[Span]:
    text = reading.text
    dotted = text.count(".") > 1 and reading.codes
    if text.count(":") < 5 and text.count("-") < 5 and not dotted:
        return
    for found in _MAC.finditer(text):
        yield Span(found.start(), found.end(), "MAC", 0.9)


def _cards(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for run in reading.runs:
        place = run.start
        while run.digits >= 12 and place < run.end:
            found = _CARD.match(text, place)
            near = found is not None and reading.near(_CARD_WORDS, place, found.end())
            check = checksums.numbered_card if near else checksums.card
            end = _end_of_number(found, check) if found else 0
            if end:
                long = len(bare(text[place:end])) >= 14
                yield Span(place, end, "CARD", SURE if near else 0.95 if long else 0.7)
            step = None if end else _GROUP.match(text, place, run.end)
            place = end or (step.end() if step else run.end)


def _end_of_number(found: re.Match[str], check: checksums.Check) -> int:
    """Return where the longest number ends that begins with the match and passes the check; 0 if none does.

    It ends where a group of digits ends, so that the next number of the line is not taken for a part of it.
    """
    text, start, limit = found.string, found.start(), found.end()
    while limit > start:
        while limit > start and not text[limit - 1].isdigit():
            limit -= 1
        number = bare(text[start:limit])
        if len(number) < 12:
            break
        if (
            len(number) <= 19
            and check(number)
            and not (text[limit : limit + 1].isalnum() or text[limit : limit + 1] == "_")
        ):
            return limit
        limit = start + len(text[start:limit].rstrip("0123456789"))
    return 0


def _ibans(reading: Reading) -> Iterator[Span]:
    for place in reading.codes:
        found = _IBAN.match(reading.text, place)
        if found is None:
            continue
        code = found[0].upper()
        length = checksums.iban_length(code[:2])
        end = start = 0
        for place, char in enumerate(code):  # the length tells where it ends, whatever words follow
            start += char not in " -"
            if start == length:
                end = place + 1
                break
        after = reading.text[found.start() + end : found.start() + end + 1]
        if end and not after.isalnum() and checksums.iban("".join(c for c in code[:end] if c not in " -")):
            yield Span(found.start(), found.start() + end, "IBAN", SURE)


def _ssns(reading: Reading) -> Iterator[Span]:
    for found in matches(_SSN, reading, 9):
        digits = bare(found[0])
        near = reading.near(_SSN_WORDS, found.start(), found.end())
        if checksums.us_ssn(digits) and (near or found[1] == "-"):
            yield Span(found.start(), found.end(), "SSN", SURE if near else 0.85)
        elif near and digits[0] == "9" and digits[3] in "56789":  # a taxpayer without one has an ITIN
            yield Span(found.start(), found.end(), "SSN", 0.8)


def _crypto(reading: Reading) -> Iterator[Span]:
    for place in reading.codes:
        found = _CRYPTO.match(reading.text, place)
        if found and (found[1] or checksums.bitcoin(found[0])):
            yield Span(found.start(), found.end(), "CRYPTO", SURE if not found[1] else 0.9)


IDENTIFIERS = (
    Finder("email", r"@", _emails),
    Finder("url", r"://|[wW]{3}", _urls),
    Finder("ip", r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _machines),
    Finder("ip6", r":[0-9A-Fa-f]{0,4}:", _machines6),
    Finder(
        "mac", r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.", _macs
    ),
    Finder("card", r"[0-9][0-9 .-]{11}", _cards),
    Finder("iban", r"[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9][ -]?[A-Za-z0-9]", _ibans),
    Finder("ssn", r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", _ssns),
    Finder("crypto", r"0[xX][0-9a-fA-F]{9}|[bB][cC]1[02-9A-Za-z]{9}|[13][1-9A-Za-z]{25}", _crypto),
)
