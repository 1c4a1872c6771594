"""Finds postal addresses in the forms of the United States, Great Britain, Germany, France, Italy, Spain and alike.

Every form has a number, so it is looked for around the digits of a text only.
"""

import re
from collections.abc import Iterator

from answerable.governance.detection import Span
from answerable.governance.finding import Finder, Reading

_WORD = r"[^\W\d_][\w'.-]{0,30}"
_STREET = (
    "street|str|st|avenue|aven|ave|av|road|rd|drive|drv|dr|lane|ln|boulevard|blvd|court|ct|place|pl|square|sq"
    "|terrace|ter|way|wy|circle|cir|parkway|pkwy|highway|hwy|trail|trl|crescent|cres|close|alley|aly|row|walk|mews"
    "|loop|plaza|plz|pike|turnpike|tpke|expressway|expy|freeway|fwy|route|rte|crossing|xing|causeway|gardens|grove"
    "|hill|heights|green|park|parade|view|vista|ridge|run|path|pass|point|cove|bend|creek|glen|manor|isle|valley"
)
_SURE = frozenset(
    "street str avenue ave road rd lane ln boulevard blvd court ct drive dr terrace parkway pkwy highway hwy crescent"
    " circle cir place pl square sq way".split()
)
_UNIT = (
    r"(?:[,;]? {0,2}\n? ?(?:apartment|apt|suite|ste|unit|room|rm|floor|fl|flat|building|bldg|lot|#)\.? ?#? ?"
    r"(?:[0-9]{1,5}[a-z]?|[a-z](?![a-z])-?[0-9]{0,4}))"
)
_STATE = (
    "a[klrz]|c[aot]|d[ce]|fl|ga|hi|i[adln]|k[sy]|la|m[adeinost]|n[cdehjmvy]|o[hkr]|p[ar]|ri|s[cd]|t[nx]|ut|v[ait]|w[aivy]"
)
_POSTCODE = r"[a-z]{1,2}[0-9][a-z0-9]? [0-9][a-z]{2}"
_TOWN = rf"{_WORD}(?: {_WORD}){{0,3}}"
# What may follow the street: a unit, a town, a state and its zip code, or a postcode.
_REST = (
    rf"(?:{_UNIT}){{0,2}}"
    rf"(?:[,]? {{0,2}}\n? ?(?:{_TOWN}),? ?\n? ?(?:(?:{_STATE})\.?,? [0-9]{{5}}(?:-[0-9]{{4}})?|{_POSTCODE})(?!\w)"
    rf"|,? (?:{_STATE})\.? [0-9]{{5}}(?:-[0-9]{{4}})?(?!\w)|,? [0-9]{{5}}(?:-[0-9]{{4}})?(?!\w))?"
)
_ENGLISH = re.compile(
    rf"[0-9]{{1,6}}(?:-[0-9]{{1,5}})?(?: ?[a-z](?![\w'])| ?1/2)?,? (?:[nsew]\.?[nsew]?\.? |(?:north|south|east|west) )?"
    rf"(?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{1,4}}?(?P<street>{_STREET})(?!\w)\.?"
    rf"(?: (?:[nsew][ew]?|north|south|east|west)(?!\w)\.?)?{_REST}",
    re.IGNORECASE,
)
_FRENCH = re.compile(
    r"[0-9]{1,4}(?: ?(?:bis|ter|quater|[a-d]))?,? (?:rue|avenue|av\.|boulevard|bd\.?|place|chemin|impasse|all[ée]e|quai"
    rf"|route|cours|passage|square)(?: (?:de|du|des|la|le|les|d'|l'))*(?: ?{_WORD}){{1,4}}?"
    rf"(?=[\n,.;:)]|$| [0-9]{{5}}| [a-z])(?:,? {{0,2}}\n? ?[0-9]{{5}} {_WORD}(?:[ -]{_WORD}){{0,2}})?",
    re.IGNORECASE,
)
_BEHIND = re.compile(  # the number stands behind the street: the words before it, read up to the number
    r"(?:(?<!\w)[^\W\d_][\w.-]{1,30}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|damm|ufer|ring|gracht|straat|laan|plein"
    r"|gatan|v[äa]gen|katu|tie|vej|gade|veien|gata)"
    r"|(?<!\w)(?:[^\W\d_][\w-]{1,30} ){1,3}?(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|damm|ufer|[úu]t|utca|ulica|street)"
    r"|(?<!\w)(?:calle|avenida|avda\.|plaza|paseo|carrer|c/|via|viale|piazza|corso|rua|ulica|ul\.|rue|largo|travessa)"
    r"(?: (?:de|del|della|di|da|do|dos|la|las|los|el))*(?: [^\W\d_][\w'.-]{1,30}){1,3}),?(?: n[º°.o]\.?)? \Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    rf"[0-9]{{1,4}}(?: ?[a-z](?!\w))?(?:[-/][0-9]{{1,4}}[a-z]?)?(?!\w)(?:,? {{0,2}}\n? ?(?:[a-z]{{1,2}}-)?[0-9]{{4,5}}(?: [a-z]{{2}}(?!\w))?"
    rf" {_WORD}(?:[ -](?=[A-ZÀ-Þ]){_WORD}){{0,2}})?"
)
_BOX = re.compile(
    rf"(?:p\.? ?o\.? ?box|post office box|postfach|b\.p\.|apartado|psc [0-9]{{1,5}},? box|unit [0-9]{{1,5}} box) #?[0-9]{{1,6}}(?!\w)"
    rf"(?:,? ?\n?(?:[af]po|dpo) (?:a[aep]) [0-9]{{5}})?(?:{_REST})",
    re.IGNORECASE,
)
_LOOKED = 70  # code points before a number in which its street must begin


def _addresses(reading: Reading) -> Iterator[Span]:
    text, place = reading.text, 0
    for run in reading.runs:
        if run.start < place:
            continue
        span = _before_street(text, run.start) or _behind_street(text, max(place, run.start - _LOOKED), run.start)
        if span:
            place = span.end
            yield span


def _before_street(text: str, start: int) -> Span | None:
    if start and (text[start - 1].isalnum() or text[start - 1] in "_.,$€£/-"):
        return None
    found = _ENGLISH.match(text, start)
    if found:
        word = found["street"]
        named = text[start : found.start("street")].split()[-1]
        if word.lower() in _SURE or (word[0].isupper() and named[0].isupper()):
            titled = named[0].isupper() or named[0].isdigit() or found[0].islower()
            return Span(start, found.end(), "ADDRESS", 0.8 if titled and word.lower() in _SURE else 0.5)
    found = _FRENCH.match(text, start)
    return Span(start, found.end(), "ADDRESS", 0.7) if found else None


def _behind_street(text: str, first: int, start: int) -> Span | None:
    if start < 2 or text[start - 1] != " " or not (text[start - 2].isalpha() or text[start - 2] in ".,º°"):
        return None
    while first < start and first and text[first - 1].isalnum():
        first += 1  # a word is seen whole or not at all
    street = _BEHIND.search(text, first, start)
    number = _NUMBER.match(text, start) if street else None
    return Span(street.start(), number.end(), "ADDRESS", 0.75) if street and number else None


def _boxes(reading: Reading) -> Iterator[Span]:
    for found in _BOX.finditer(reading.text):
        yield Span(found.start(), found.end(), "ADDRESS", 0.8)


ADDRESSES = (
    Finder("address", r"[0-9]", _addresses),
    Finder("box", r"(?i)box|postfach|b\.p\.|apartado", _boxes),
)
