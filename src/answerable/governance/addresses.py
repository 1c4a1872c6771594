"""Finds postal addresses in the forms of the USA, Great Britain, Germany, France, Italy, Spain and alike.

Every form has a number, so it is looked for around the digits of a text only.
"""

import re
from collections.abc import Iterator

from answerable.governance.detection import Span
from answerable.governance.scanning import Finder, Reading, any_of, words

_WORD = r"[^\W\d_][\w'.-]{0,30}"
_STREET = (
    "street|str|st|avenue|aven|ave|av|road|rd|drive|drv|dr|lane|ln|boulevard|blvd|court|ct|place|pl|square|sq"
    "|terrace|ter|way|wy|circle|cir|parkway|pkwy|highway|hwy|trail|trl|crescent|cres|close|alley|aly|row|walk|mews"
    "|loop|plaza|plz|pike|turnpike|tpke|expressway|expy|freeway|fwy|route|rte|crossing|xing|causeway|gardens|grove"
    "|hill|heights|green|park|parade|view|vista|ridge|run|path|pass|point|cove|bend|creek|glen|manor|isle|valley"
)
_SURE = words(
    """
    street str avenue ave road rd lane ln boulevard blvd court ct drive dr terrace parkway pkwy highway
    hwy crescent circle cir place pl square sq way
    """
)
_UNIT = (
    r"(?:[,;]? {0,2}\n? ?(?:apartment|apt|suite|ste|unit|room|rm|floor|fl|flat|building|bldg|lot|#)\.? ?#? ?"
    r"(?:[0-9]{1,5}[a-z]?|[a-z](?![a-z])-?[0-9]{0,4}))"
)
_STATE = (
    "a[klrz]|c[aot]|d[ce]|fl|ga|hi|i[adln]|k[sy]|la|m[adeinost]|n[cdehjmvy]|o[hkr]|p[ar]|ri|s[cd]|t[nx]|ut"
    "|v[ait]|w[aivy]"
)
_ZIP = r"[0-9]{5}(?:-[0-9]{4})?"
_POSTCODE = r"[a-z]{1,2}[0-9][a-z0-9]? [0-9][a-z]{2}"
_NAME = r"[^\W\d_](?:[\w'-]|\.(?=[ \w])){0,30}"  # as a word, without the full stop of a sentence
_TOWN = rf"{_NAME}(?: {_NAME}){{0,3}}"
# What may follow the street: a unit, a town, a state and its zip code, or a postcode.
_REST = (
    rf"(?:{_UNIT}){{0,2}}"
    rf"(?:,? {{0,2}}\n? ?(?:{_TOWN}),? ?\n? ?(?:(?:{_STATE})\.?,? {_ZIP}|{_POSTCODE})(?!\w)"
    rf"|,? (?:{_STATE})\.? {_ZIP}(?!\w)|,? {_ZIP}(?!\w))?"
)
_HOUSE = re.compile(
    r"[0-9]{1,6}(?:-[0-9]{1,5})?(?: ?[a-zA-Z](?![\w'.])| ?1/2)?,? "
    rf"((?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)(?!\w))(?: |(?=[,\n;)]|\Z))){{2,6}})"
)
_SIDE = re.compile(r" (?:[nsew][ew]?|north|south|east|west)(?!\w)\.?", re.IGNORECASE)
_MORE = re.compile(_REST, re.IGNORECASE)
_FRENCH_STREET = (
    "rue|avenue|av\\.|boulevard|bd\\.?|place|chemin|impasse|all[ée]e|quai|route|cours|passage|square"
)
_NEXT = rf"(?:[ -](?=[A-ZÀ-Þ]|de |du |des |la |le ){_NAME})"
_FRENCH = re.compile(
    rf"[0-9]{{1,4}}(?: ?(?:bis|ter|quater|[a-d]))?,? (?:{_FRENCH_STREET}) "
    rf"(?:(?:de|du|des|la|le|les|d'|l') ?){{0,3}}{_NAME}{_NEXT}{{0,4}}"
    rf"(?:,? {{0,2}}\n? ?[0-9]{{5}} {_NAME}{_NEXT}{{0,2}})?"
)
# Where the number stands behind the street: how its last word ends, what it may be, and what it begins with.
_ENDINGS = tuple(
    words(
        """
    straße strasse str. str weg platz allee gasse damm ufer ring gracht straat laan plein gatan vägen
    katu tie vej gade veien gata
        """
    )
)
_LAST = words(
    """
    straße strasse str. weg platz allee gasse damm ufer út utca u. ulica street
    """
)
_FIRST = words(
    """
    calle avenida avda. avda plaza paseo carrer c/ via viale piazza corso rua ulica ul. rue largo
    travessa
    """
)
_NUMBER = re.compile(
    r"[0-9]{1,4}(?: ?[a-z](?!\w))?(?:[-/][0-9]{1,4}[a-z]?)?(?!\w)"
    rf"(?:,? {{0,2}}\n? ?(?:[a-z]{{1,2}}-)?[0-9]{{4,5}}(?: [a-z]{{2}}(?!\w))? {_NAME}{_NEXT}{{0,2}})?"
)
_BOX = re.compile(
    r"(?:p\.? ?o\.? ?box|post office box|postfach|apartado|psc [0-9]{1,5},? box|unit [0-9]{1,5} box)"
    rf" #?[0-9]{{1,6}}(?!\w)(?:,? ?\n?(?:[af]po|dpo) (?:a[aep]) [0-9]{{5}})?{_REST}",
    re.IGNORECASE,
)
_STATES = words(
    """
    AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY
    OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY
    """
)
_ZIPPED = re.compile(r"[ ,][A-Z]{2} [0-9]{5}(?:-[0-9]{4})?(?![0-9A-Za-z])")
_LINE = re.compile(r"[\w ,.#&'/\n-]*")
_BEGINS = re.compile(r"[0-9]{1,6}(?:-[0-9]{1,5})?[A-Za-z]? [A-Za-z]")
_OPEN = ("", " ", "\n", "(", '"', "'")
_LOOKED = 70  # code points before a number in which its street must begin


def _addresses(reading: Reading) -> Iterator[Span]:
    text, place = reading.text, 0
    english = reading.has(_ENGLISH_WORDS)
    french = reading.has(_FRENCH_WORDS)
    for run in reading.runs:
        if run.start < place:
            continue
        span = _before_street(text, run.start, english, french)
        span = span or _behind_street(text, max(place, run.start - _LOOKED), run.start)
        if span:
            place = span.end
            yield span


def _before_street(text: str, start: int, english: bool, french: bool) -> Span | None:
    """Return an address that begins with its number."""
    if start and (text[start - 1].isalnum() or text[start - 1] in "_.,$€£/-"):
        return None
    span = _english(text, start) if english else None
    if span:
        return span
    found = _FRENCH.match(text, start) if french else None
    return Span(start, found.end(), "ADDRESS", 0.7) if found else None


def _english(text: str, start: int) -> Span | None:
    house = _HOUSE.match(text, start)
    if house is None:
        return None
    parts = house[1].split(" ")
    for count in range(1, min(6, len(parts))):
        street = parts[count].rstrip(".").lower()
        named = parts[count - 1]
        if street not in _ENGLISH_WORDS or not named:
            continue
        sure = street in _SURE
        titled = named[0].isupper() or named[0].isdigit()
        plain = sure and named.islower() and named not in _SMALL and parts[count].islower()
        if not plain and not (titled and (sure or parts[count][0].isupper())):
            continue
        end = house.start(1) + len(" ".join(parts[: count + 1]))
        for pattern in (_SIDE, _MORE):
            more = pattern.match(text, end)
            end = more.end() if more else end
        return Span(start, end, "ADDRESS", 0.8 if sure and titled else 0.5)
    return None


def _behind_street(text: str, first: int, start: int) -> Span | None:
    """Return an address whose number, at `start`, stands behind the street's name."""
    if start < 4 or text[start - 1] != " ":
        return None
    parts = text[first:start].rpartition("\n")[2].rstrip(" ,").split(" ")
    last = parts[-1].lower()
    if last in _LAST:
        count = 2 + (len(parts) > 2 and parts[-3][:1].isupper())
    elif last.endswith(_ENDINGS) and parts[-1][0].isupper():
        count = 1
    else:
        count = next((n for n in range(2, min(6, len(parts) + 1)) if parts[-n].lower() in _FIRST), 0)
    if not count or count > len(parts) or (count > 1 and not parts[1 - count][:1].isalpha()):
        return None
    number = _NUMBER.match(text, start)
    begins = text.rfind(" ".join(parts[-count:]), first, start)
    return Span(begins, number.end(), "ADDRESS", 0.75) if number and begins >= 0 else None


def _zipped(reading: Reading) -> Iterator[Span]:
    """Find what begins with a number and ends with state and zip code: 70 W Madison, Chicago, IL 60602."""
    text, runs = reading.text, reading.runs
    for place, run in enumerate(runs):
        state = text[run.start - 3 : run.start - 1]
        if state not in _STATES or not _ZIPPED.match(text, run.start - 4):
            continue
        first = None
        for before in reversed(runs[max(0, place - 6) : place]):
            if run.start - before.start > _LOOKED or not _LINE.fullmatch(text, before.end, run.start):
                break
            if _BEGINS.match(text, before.start) and text[max(0, before.start - 1) : before.start] in _OPEN:
                first = before.start
        zipped = _ZIPPED.match(text, run.start - 4)
        if first is not None and zipped:
            yield Span(first, zipped.end(), "ADDRESS", 0.85)


def _boxes(reading: Reading) -> Iterator[Span]:
    past = 0
    for place, word in reading.places(_BOX_WORDS):
        found = _BOX.search(reading.text, max(past, place - 18), place + 90)
        if found and found.start() <= place:
            past = place + len(word)
            yield Span(found.start(), found.end(), "ADDRESS", 0.8)


_SMALL = words(
    "a an the this that of in on at to by from for and or same own next wrong right other long last"
)
_ENGLISH_WORDS = frozenset(_STREET.split("|"))
_FRENCH_WORDS = words(
    """
    rue avenue av boulevard bd place chemin impasse allée allee quai route cours passage square
    """
)
_BOX_WORDS = frozenset(("box", "postfach", "apartado", "pobox"))
ADDRESSES = (
    Finder("address", r"[0-9]", _addresses),
    Finder("zip", r"[A-Z]{2} [0-9]{5}", _zipped),
    Finder("box", any_of(_BOX_WORDS), _boxes),
)
