"""Finds names of people by what stands around them and by common first names; much stays unfound.

There is no model in it. Who must find most names adds a backend: see docs/redaction.md.
"""

import re
from collections.abc import Iterator

from answerable.governance.detection import Span
from answerable.governance.first_names import ALSO_WORDS, FIRST_NAMES
from answerable.governance.scanning import Finder, Reading, words

_CAP = r"[A-ZÀ-ÖØ-ÞĀ-ž][\w'-]{0,30}"  # of Ā to ž every other is small, and no name
_PARTICLE = r"(?:von|van|de|der|den|del|della|di|da|dos|la|le|el|al|bin|ibn|zu|af|ten|ter)"
_PARTS = rf"{_CAP}(?:\.(?= [A-Z]))?(?: {_PARTICLE}(?= [A-Z]| {_PARTICLE} [A-Z])){{0,2}}"
_FULL = rf"{_PARTS}(?: {_PARTS}){{0,3}}"
_SURNAME = re.compile(rf"(?: [A-Z]\.?(?=[ ]))?(?:(?: {_PARTICLE}){{0,2}} {_CAP}){{1,3}}")
_TITLES = words(
    """
    mr mrs ms miss mx dr prof professor sir madam lady lord herr herrn frau monsieur madame mme mlle
    señor señora senor senora sr sra dott ing rev fräulein
    """
)
_BEHIND_TITLE = re.compile(rf"(?:\. ?| )(?:(?:Dr|Prof)\.? )?({_FULL})")
_SAYS = words(
    """
    name named called heiße heisse appelle llamo chiamo heter nazywam signed
    """
)
_SAID = re.compile(  # read on from such a word
    r"(?<![\w-])(?:(?<!file )(?<!user )(?<!domain )name(?: is| ist|'s|:)|named|called|ich hei(?:ß|ss)e"
    r"|hei(?:ß|ss)e ich|appelle|me llamo|mi chiamo|jag heter|nazywam si[ęe]|signed(?: by|:))"
    r"[ \n]{1,2}((?:[^\W\d_][\w'-]{0,30}|[a-z]\.)(?: (?:[^\W\d_][\w'-]{0,30}|[a-z]\.)(?!\w)){0,3})",
    re.IGNORECASE,
)
_I = frozenset(("i", "this", "ich", "je", "soy"))
_AM = re.compile(rf"(?:[iI] am|[iI]'m|[tT]his is|[iI]ch bin|[jJ]e suis|[sS]oy) ({_FULL})")
_GREETINGS = words(
    """
    dear hi hello hey hallo liebe lieber bonjour hola ciao cher chère querido querida geachte beste
    """
)
_GREETED = re.compile(rf",? ({_FULL})(?=[,!.;:\n]|\Z| -)")
_CLOSINGS = words(
    """
    regards sincerely truly faithfully cheers thanks again you wishes respectfully grüßen grüße gruß
    grüssen cordialement saludos atentamente saluti hälsningar best yours
    """
)
_SIGNED = re.compile(r"[,.!]? {0,3}\n{1,2} {0,3}(?:- ?)?([^\W\d_][^\n0-9@:]{1,50})(?=\n|\Z)")
_NO_NAME = words(
    """
    a all am an and any are as at back both but buddy by calling colleague colleagues customer dear
    everybody everyone folks for friend friends from gentlemen going guys happy here hiring i in
    interested is it just ladies looking madam manager me my no not of officer ok on our please ready
    really sad sir sorry sure support team thank thanks that the there this to trying unable using very
    we what when where why with writing world you your monday tuesday wednesday thursday friday saturday
    sunday january february march april may june july august september october november december street
    road avenue university college bank company inc ltd llc gmbh hotel school hospital airport island
    north south
    """
)


def _clean(value: str) -> str:
    """Return the leading words of a value that may belong to a name."""
    kept: list[str] = []
    for word in value.split(" "):
        if word.lower().strip(".,'") in _NO_NAME or (kept and "\n" in word):
            break
        kept.append(word)
    return " ".join(kept).rstrip(" .,-'")


def _span(found: re.Match[str], score: float) -> Iterator[Span]:
    value = _clean(found[1])
    if len(value) > 1 and (found[1][0].isupper() or score >= 0.7):
        yield Span(found.start(1), found.start(1) + len(value), "PERSON", score)


def _said(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for place, word in reading.places(_TITLES):
        if text[place].isupper() or word in ("mr", "mrs", "ms", "dr", "miss"):
            yield from _behind(_BEHIND_TITLE, text, place + len(word), 0.8)
    for place, _ in reading.places(_SAYS):
        found = (
            _SAID.match(text, max(0, place - 4))
            or _SAID.match(text, max(0, place - 3))
            or _SAID.match(text, place)
        )
        if found:
            yield from _span(found, 0.75) if found[1][0].isupper() else _lower(found)
    for place, _ in reading.places(_I):
        found = _AM.match(text, place)
        value = _clean(found[1]) if found else ""
        if found and (value.split(" ")[0] in FIRST_NAMES or " " in value):
            yield from _span(found, 0.6)
    for place, word in reading.places(_GREETINGS):
        yield from _behind(_GREETED, text, place + len(word), 0.65)
    for place, word in reading.places(_CLOSINGS):
        found = _SIGNED.match(text, place + len(word))
        parts: list[str] = found[1].split() if found else []
        if found and len(parts) <= 4 and all(w[0].isupper() or len(w) < 4 for w in parts):
            yield from _span(found, 0.65)


def _behind(pattern: re.Pattern[str], text: str, place: int, score: float) -> Iterator[Span]:
    found = pattern.match(text, place)
    if found:
        yield from _span(found, score)


def _lower(found: re.Match[str]) -> Iterator[Span]:
    """Take one or two words after "my name is" where somebody types without capitals."""
    value = " ".join(_clean(found[1]).split(" ")[:2])
    if len(value) > 1 and not found[0].lower().startswith(("named", "called")):
        yield Span(found.start(1), found.start(1) + len(value), "PERSON", 0.6)


def _known(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for place, low in reading.places(_LOWER.keys()):
        name, end = _LOWER[low], place + len(low)
        if (
            text[place:end] != name
            or text[place - 1 : place] in ("@", "#", "/", "_", ".")
            or text[end : end + 1] in ("@", "_")
        ):
            continue
        if text[end : end + 1] == "-" and text[end + 1 : end + 2].isupper():
            end = _PART.match(text, end + 1).end()  # type: ignore[union-attr]
        behind = _SURNAME.match(text, end)
        whole = _clean(text[place : behind.end() if behind else end])
        if len(whole) > end - place:
            yield Span(place, place + len(whole), "PERSON", 0.6)
        elif name not in ALSO_WORDS:
            yield Span(place, end, "PERSON", 0.45)


_PART = re.compile(r"\w+")
_LOWER = {name.lower(): name for name in FIRST_NAMES}
_BIG = "[A-ZÀ-ÖØ-ÞĀ-ž]"


def _any(these: frozenset[str]) -> str:
    return f"(?i:{'|'.join(sorted(these))})"


# What `_said` reads on from, with what has to follow it: most texts have such words, few a name behind one.
_MAY_SAY = "|".join(
    (
        rf"{_any(_TITLES)}(?:\. ?| ){_BIG}",
        rf"{_any(_SAYS)}(?:[^A-Za-z]|$)",
        rf"(?:[iI] am|[iI]'m|[tT]his is|[iI]ch bin|[jJ]e suis|[sS]oy) {_BIG}",
        rf"{_any(_GREETINGS)},? {_BIG}",
        rf"{_any(_CLOSINGS)}[,.!]? {{0,3}}\n",
    )
)
NAMES = (
    Finder("names-said", rf"(?:^|[^A-Za-z])(?:{_MAY_SAY})", _said),
    Finder("names-known", "|".join(sorted(FIRST_NAMES)), _known),
)
