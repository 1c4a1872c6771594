"""Finds names of people by what stands around them and by common first names; no model, so much stays unfound.

A name costs nothing to be looked for here, but who must find most of them adds a backend: see docs/redaction.md.
"""

import re
from collections.abc import Iterator

from answerable.governance.detection import Span
from answerable.governance.finding import Finder, Reading
from answerable.governance.first_names import ALSO_WORDS, FIRST_NAMES

_CAP = r"[A-ZÀ-ÖØ-ÞĀ-ſ][\w'-]{0,30}"  # of Ā to ſ every other is small: checked after
_PARTICLE = r"(?:von|van|de|der|den|del|della|di|da|dos|la|le|el|al|bin|ibn|zu|af|ten|ter)"
_FULL = rf"{_CAP}(?:\.(?= [A-Z]))?(?: {_PARTICLE}){{0,2}}(?: {_CAP}(?:\.(?= [A-Z]))?(?: {_PARTICLE}(?= [A-Z])){{0,2}}){{0,3}}"
_SURNAME = re.compile(rf"(?: [A-Z]\.?(?=[ ]))?(?:(?: {_PARTICLE}){{0,2}} {_CAP}){{1,3}}")
_WORD = re.compile(r"(?<![\w'@#/.-])[A-ZÀ-ÖØ-ÞĀ-ſ][\w]{1,20}(?:-[A-Z]\w{1,20})?(?![\w@]|\.\w)")
_TITLED = re.compile(
    r"(?<![\w])(?:[Mm]rs?|[Mm]s|[Mm]iss|[Mm]x|[Dd]r|[Pp]rof|Professor|Sir|Madam|Lady|Lord|Herrn?|Frau|Monsieur|Madame|Mme|Mlle"
    r"|Se[ñn]ora?|Sra?|Dott|Ing|Rev|Fr[äa]ulein|MR|MRS|MS|DR)(?:\. ?| )(?:(?:Dr|Prof)\.? )?"
    rf"({_FULL})"
)
_SAID = re.compile(
    r"(?<!\w)(?:(?:my|her|his|full|customer'?s?|patient'?s?|client'?s?|nombre|mein|meine) name(?: is|'s|:)|name:|named|called|mein name ist"
    r"|ich hei(?:ß|ss)e|je m'appelle|me llamo|mi chiamo|meu nome [ée]|jag heter|nazywam si[ęe]|signed by|signed:|sincerely yours,?)"
    r"[ \n]{1,2}((?:[^\W\d_][\w'-]{0,30}|[a-z]\.)(?: (?:[^\W\d_][\w'-]{0,30}|[a-z]\.)(?![\w])){0,3})",
    re.IGNORECASE,
)
_AM = re.compile(rf"(?<![\w'])(?:I am|I'm|i'm|i am|This is|this is|Ich bin|Je suis|Soy) ({_FULL})")
_GREETED = re.compile(
    r"(?<!\w)(?:[Dd]ear|[Hh]i|[Hh]ello|[Hh]ey|Hallo|Liebe[r]?|Bonjour|Hola|Ciao|Cher|Ch[èe]re|Querid[oa]|Geachte|Beste),? "
    rf"({_FULL})(?=[,!.;:\n]|\Z| [-–])"
)
_SIGNED = re.compile(
    r"(?:(?:kind|best|warm|many)? ?regards|sincerely|yours (?:truly|faithfully)|cheers|thanks(?: again)?|thank you|best wishes|respectfully"
    r"|(?:mit freundlichen|viele|liebe|beste) gr(?:ü|ue)(?:ß|ss)en?|cordialement|saludos|atentamente|cordiali saluti|med v[äa]nliga h[äa]lsningar)"
    r"[,.!]? {0,3}\n{1,2} {0,3}(?:- ?)?([^\W\d_][^\n0-9@]{1,50})(?=\n|\Z)",
    re.IGNORECASE,
)
_NO_NAME = frozenset(
    """
    a all am an and any are as at back both but buddy by calling colleague colleagues customer dear everybody everyone
    folks for friend friends from gentlemen going guys happy here hiring i in interested is it just ladies looking
    madam manager me my no not of officer ok on our please ready really sad sir sorry sure support team thank thanks that
    the there this to trying unable using very we what when where why with writing world you your
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december
    street road avenue university college bank company inc ltd llc gmbh hotel school hospital airport island north south
    """.split()
)


def _clean(value: str) -> str:
    """Return the leading words of a value that may belong to a name."""
    words = []
    for word in value.split(" "):
        if word.lower().strip(".,'") in _NO_NAME or (words and "\n" in word):
            break
        words.append(word)
    return " ".join(words).rstrip(" .,-'")


def _span(found: re.Match[str], score: float) -> Iterator[Span]:
    value = _clean(found[1])
    if len(value) > 1 and (found[1][0].isupper() or score >= 0.7):
        yield Span(found.start(1), found.start(1) + len(value), "PERSON", score)


def _said(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for found in _TITLED.finditer(text):
        yield from _span(found, 0.8)
    for found in _SAID.finditer(text):
        yield from _span(found, 0.75) if found[1][0].isupper() else _lower(found)
    for found in _AM.finditer(text):
        value = _clean(found[1])
        if value.split(" ")[0] in FIRST_NAMES or " " in value:
            yield from _span(found, 0.6)
    for found in _GREETED.finditer(text):
        yield from _span(found, 0.65)
    for found in _SIGNED.finditer(text):
        words = found[1].split()
        if len(words) <= 4 and all(w[0].isupper() or len(w) < 4 for w in words):
            yield from _span(found, 0.65)


def _lower(found: re.Match[str]) -> Iterator[Span]:
    """Take one or two words after "my name is" where somebody types without capitals."""
    value = " ".join(_clean(found[1]).split(" ")[:2])
    if len(value) > 1 and not found[0].lower().startswith(("named", "called")):
        yield Span(found.start(1), found.start(1) + len(value), "PERSON", 0.6)


def _known(reading: Reading) -> Iterator[Span]:
    text, place = reading.text, 0
    for found in _WORD.finditer(text):
        name = found[0]
        if found.start() < place or (name not in FIRST_NAMES and name.split("-")[0] not in FIRST_NAMES):
            continue
        behind = _SURNAME.match(text, found.end())
        whole = _clean(name + behind[0]) if behind else name
        if whole != name:
            place = found.start() + len(whole)
            yield Span(found.start(), place, "PERSON", 0.6)
        elif name not in ALSO_WORDS:
            yield Span(found.start(), found.end(), "PERSON", 0.45)


NAMES = (
    Finder(
        "names-said",
        r"(?i)mrs?|ms|miss|mx|dr|prof|sir|madam|lady|lord|herr|frau|monsieur|mme|mlle|se.or|sra?[. ]|dott|ing[. ]|rev|fr..?ulein"
        r"|name|called|hei..?e|appelle|llamo|chiamo|nome|heter|nazywam|signed|sincerely|regards|yours|cheers|thank|wishes|respectfully"
        r"|gr..?.?.?.?en? ?|gr.{1,4}\n|cordial|saludos|atentamente|h.{1,2}lsningar|i am|i'm|this is|ich bin|je suis|soy"
        r"|dear|hi|hello|hey|hallo|liebe|bonjour|hola|ciao|ch.{1,2}re?|querid|geachte|beste",
        _said,
    ),
    Finder("names-known", "|".join(sorted(FIRST_NAMES)), _known),
)
