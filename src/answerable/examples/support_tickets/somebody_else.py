"""Finds whom a text asks to be told about: by customer number, e-mail address or name. Plain patterns."""

import re
from collections.abc import Iterator

_ASKS = re.compile(
    r"\b(?:show|send|give|tell|need|want|which|what|who|know|reset|add|forward|look up)\b", re.IGNORECASE
)
_DATA = re.compile(
    r"\b(?:accounts?|orders?|order history|buy|bought|purchases?|invoices?|bills?|payments?|address|lives?|"
    r"e-?mail|phone|number|password|reset|data|details)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\bC-\d{5}\b", re.IGNORECASE)
# An address that something is sent to, or that was seen somewhere, is no request for its owner's data.
_EMAIL = re.compile(r"\b(?:of|about|does|customer|add my \S+ to) (\S+@[\w-]+(?:\.[\w-]+)+)", re.IGNORECASE)
_CLOSE = (
    r"(?:(?:ex-?)?(?:husband|wife|boyfriend|girlfriend|partner)|brother|sister|mother|father|son|daughter|"
    r"cousin|friend|neighbour|neighbor|colleague|boss|tenant|landlord)"
)
_FOR = r"(?:manager|accountant|lawyer|assistant|boss|brother|sister|husband|wife|partner) of"
_NAME = r"([A-Z][\w'-]+ [A-Z][\w'-]+)"
_NAMES = re.compile(rf"\b(?:of|about|where|did|does|customer)(?: (?:my|our|his|her) [\w-]+)? {_NAME}")
# Who types in small letters writes names so too; then only words that a name must follow count.
_SMALL = re.compile(rf"\b(?:my {_CLOSE}|{_FOR}) ([a-z'-]+ [a-z'-]+)|\bwhere ([a-z'-]+ [a-z'-]+) lives\b")
_NO_NAME = re.compile(r"\b(?:my|your|our|his|her|their|the|a|it|he|she|they|who|and|is|was|has|did)\b")
_END = re.compile(r"(?<=[.!?])\s+|\n")


def asked_about(text: str, *, apart_from: str = "") -> dict[str, str]:
    """Return whom sentences of a text ask to be told about: the value in small letters -> what it is.

    apart_from: what looks like a person's name and is none, such as a product. Whoever writes may be among
    those found. Two words with capitals are taken for a name; a first name alone is not found.
    """
    found: dict[str, str] = {}
    for sentence in _END.split(text):
        if _ASKS.search(sentence) and _DATA.search(sentence):
            found |= {value.casefold(): what for value, what in _named(sentence)}
    found.pop(apart_from.casefold(), None)
    return found


def _named(sentence: str) -> Iterator[tuple[str, str]]:
    yield from ((value, "customer number") for value in _NUMBER.findall(sentence))
    yield from ((value, "e-mail address") for value in _EMAIL.findall(sentence))
    yield from ((value, "name") for value in _NAMES.findall(sentence))
    if not any(map(str.isupper, sentence)):
        names = (after or between for after, between in _SMALL.findall(sentence))
        yield from ((name, "name") for name in names if not _NO_NAME.search(name))
