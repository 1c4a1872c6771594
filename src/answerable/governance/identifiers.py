"""Finds what has a form of its own: e-mail, card, bank account, addresses of machines and of the web, crypto."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from answerable.governance import checksums
from answerable.governance.detection import Span
from answerable.governance.finding import SURE, Finder, Reading, bare, matches, whole_words

# Patterns are linear: what repeats is possessive or bounded, and begins where the last match cannot have ended.
_EMAIL = re.compile(r"(?<![\w.%+-])[.%+'-]*+(\w[\w.%+'-]*+@(?:\w(?:[\w-]{0,62}\w)?\.){1,8}[^\W\d_](?:[\w-]{0,61}\w))")
_EMAIL_AT_IP = re.compile(r"(?<![\w.%+-])([A-Za-z0-9_][\w.%+'-]*+@\[[0-9A-Fa-f.:]{7,45}\])")
_URL = re.compile(r"(?<![A-Za-z0-9])(?:(?:https?|ftps?|wss?|sftp|ssh)://|www\.(?=[\w-]))[^\s<>\"'`{}|\\^]++", re.I)
_IP4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?(?![\w]|\.[0-9])")
_IP6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:]{2,39}+(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z_:])")
_MAC = re.compile(
    r"(?<![0-9A-Za-z:.-])(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
_CARD = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9A-Fa-f]-)(?<![0-9][.,])[0-9](?:[ .-]{0,2}[0-9]){11,18}")
_CARD_WORDS = whole_words(
    "cards?|cc|credit|debit|visa|mastercard|maestro|amex|american express|discover|diners|jcb|unionpay|pan"
    "|kreditkarte|karte|carte|tarjeta|carta|kaart|cvv|cvc|expiry|expires|exp"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_SSN = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9][.,-])[0-9]{3}([- ]?)[0-9]{2}\1[0-9]{4}(?![0-9A-Za-z]|[.,-][0-9])")
_SSN_WORDS = whole_words("ssn|ssns|social security(?: number| no)?|social|ss#|soc sec|tax ?payer id")
_CRYPTO = re.compile(
    r"(?<![0-9A-Za-z])(?:(0[xX][0-9a-fA-F]{40})|((?:bc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87})"
    r"|([13][1-9A-HJ-NP-Za-km-z]{25,34}))(?![0-9A-Za-z])"
)


def _emails(reading: Reading) -> Iterator[Span]:
    for found in _EMAIL.finditer(reading.text):
        yield Span(found.start(1), found.end(1), "EMAIL", 0.95)
    if "@[" in reading.text:
        for found in _EMAIL_AT_IP.finditer(reading.text):
            yield Span(found.start(1), found.end(1), "EMAIL", 0.9)


def _urls(reading: Reading) -> Iterator[Span]:
    for found in _URL.finditer(reading.text):
        address = found[0].rstrip(".,;:!?)]")
        if address.count("(") > address.count(")") and found[0][len(address) :].startswith(")"):
            address += ")"
        if len(address) > len("http://"):
            yield Span(found.start(), found.start() + len(address), "URL", 0.5)


def _machines(reading: Reading) -> Iterator[Span]:
    for found in _IP4.finditer(reading.text):
        parts = found[0].partition("/")[0].split(".")
        if all(int(part) < 256 and (part == "0" or part[0] != "0") for part in parts):
            yield Span(found.start(), found.end(), "IP", 0.9 if "0.0.0.0" != found[0] else 0.4)


def _machines6(reading: Reading) -> Iterator[Span]:
    for found in _IP6.finditer(reading.text):
        code = found[0][:-1] if found[0].endswith(":") and not found[0].endswith("::") else found[0]
        if code.count(":") < 2 or not (any(map(str.isdigit, code)) or code.count(":") > 2):
            continue  # a::b may be a name in a program
        try:
            IPv6Address(code)
        except ValueError:
            continue
        if code.strip(":"):
            yield Span(found.start(), found.start() + len(code), "IP", 0.9)


def _macs(reading: Reading) -> Iterator[Span]:
    for found in _MAC.finditer(reading.text):
        yield Span(found.start(), found.end(), "MAC", 0.9)


def _cards(reading: Reading) -> Iterator[Span]:
    for found in matches(_CARD, reading, 12):
        end = _end_of_number(found, checksums.card)
        if end:
            near = reading.near(_CARD_WORDS, found.start(), end)
            long = len(bare(reading.text[found.start() : end])) >= 14
            yield Span(found.start(), end, "CARD", SURE if near else 0.95 if long else 0.7)


def _end_of_number(found: re.Match[str], check: checksums.Check) -> int:
    """Return where the longest number ends that begins with the match and passes the check; 0 if none does.

    It ends where a group of digits ends, so that the next number of the line is not taken for a part of it.
    """
    text, limit = found.string, found.end()
    while limit > found.start():
        whole = limit >= len(text) or not (text[limit].isalnum() or text[limit] == "_")
        if whole and text[limit - 1].isdigit() and check(bare(text[found.start() : limit])):
            return limit
        limit -= 1
        while limit > found.start() and text[limit].isdigit():
            limit -= 1  # to the end of the group before
        while limit > found.start() and not text[limit - 1].isdigit():
            limit -= 1
        if len(bare(text[found.start() : limit])) < 12:
            return 0
    return 0


def _ibans(reading: Reading) -> Iterator[Span]:
    for found in _IBAN.finditer(reading.text):
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
    for found in _CRYPTO.finditer(reading.text):
        if found[1] or checksums.bitcoin(found[0]):
            yield Span(found.start(), found.end(), "CRYPTO", SURE if not found[1] else 0.9)


IDENTIFIERS = (
    Finder("email", r"@", _emails),
    Finder("url", r"://|[wW]{3}\.", _urls),
    Finder("ip", r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _machines),
    Finder("ip6", r":[0-9A-Fa-f]{0,4}:", _machines6),
    Finder("mac", r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.", _macs),
    Finder("card", r"[0-9][0-9 .-]{11}", _cards),
    Finder("iban", r"[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9][ -]?[A-Za-z0-9]", _ibans),
    Finder("ssn", r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", _ssns),
    Finder("crypto", r"0[xX][0-9a-fA-F]{9}|[bB][cC]1[02-9A-Za-z]{9}|[13][1-9A-Za-z]{25}", _crypto),
)
