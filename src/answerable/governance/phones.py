"""Finds telephone numbers: by a form that nothing else has, that of a region, or the words before them."""

import re
from collections.abc import Iterator

from answerable.errors import UsageError, did_you_mean
from answerable.governance.detection import Span
from answerable.governance.scanning import Finder, Reading, bare, words

_EXTENSION = r"(?: ?(?:x|ext\.?|extension|#) ?[0-9]{1,6})?"
_END = r"(?![0-9A-Za-z_]|[.,:/-][0-9])"
_START = r"(?<![0-9A-Za-z_+])(?<![0-9][.,:/-])(?<![$€£#])"
_INTERNATIONAL = re.compile(
    r"(?<![0-9A-Za-z_])(?:\+|(?<![.,])\(\+|(?<![.,/-])(?:00|011 ?)(?=[ 1-9-])) ?-?"
    rf"[1-9](?:[ ()./-]{{0,3}}[0-9]){{6,14}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_AMERICAN = re.compile(  # the North American plan: (212) 555-0123
    rf"{_START}(?:1[ .-]?)?(?:\([2-9][0-9]{{2}}\) ?[0-9]{{3}}[ .-]|[2-9][0-9]{{2}}([ .-])[0-9]{{3}}\1)"
    rf"[0-9]{{4}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_TRUNK = re.compile(  # the zero with which most other countries begin
    rf"{_START}(?:\(0[1-9][0-9]{{0,4}}\)[ -]?|0[1-9][0-9]{{0,4}}[ ./-])"
    rf"[0-9]{{2,8}}(?:[ .-][0-9]{{2,5}}){{0,4}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_GROUPED = re.compile(
    rf"{_START}(?:\([0-9]{{1,5}}\)[ -]?|[0-9]{{1,5}}[ ./-])[0-9]{{2,8}}(?:[ .-][0-9]{{2,5}}){{0,4}}"
    rf"{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_PAIRED = re.compile(  # 60-56-85-91, 555-0123, (72) 754-186
    rf"{_START}(?:(?:[0-9]{{2}}([ -])){{3}}[0-9]{{2}}(?:\1[0-9]{{2}})?|(?:[0-9]{{2}}\.){{4}}[0-9]{{2}}"
    rf"|[0-9]{{3}}-[0-9]{{4}}|[0-9]{{3}}-[0-9]{{3}}-[0-9]{{3}}"
    rf"|\([0-9]{{2,5}}\) ?[0-9]{{3,4}}[ -][0-9]{{3,4}}){_EXTENSION}{_END}",
    re.IGNORECASE,
)
_PLAIN = re.compile(rf"{_START}[0-9]{{7,12}}{_EXTENSION}{_END}", re.IGNORECASE)
_FORMS = (  # the form, its score without a word before it, and how many digits it must have for that
    (_INTERNATIONAL, 0.85, 7),
    (_AMERICAN, 0.75, 10),
    (_TRUNK, 0.6, 9),
    (_PAIRED, 0.45, 7),
    (_GROUPED, 0.0, 0),
    (_PLAIN, 0.0, 0),
)
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:(?:19|20)[0-9]{2}|[0-9]{2})"
_DATE = re.compile(
    rf"(?:{_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_MONTH}[./-]{_DAY}[./-]{_YEAR}"
    rf"|(?:19|20)[0-9]{{2}}[./-]{_MONTH}[./-]{_DAY})"
    r"(?![0-9]|[./-][0-9])"
)
_SAID = words(
    """
    phone phones telephone tel tele mobile mob cell cellphone fax desk landline office home work hotline
    call calls called calling dial ring text texted sms whatsapp signal viber telegram reach reached
    contact answering voicemail message messages registered telefon handy mobil mobilnummer rufnummer
    anrufen telefono teléfono telephone téléphone portable appeler celular movil móvil llámame telefone
    telefoon bellen puhelin tlf puh
    """
)
_NUMBER = words("number numbers no nr num nummer numéro numero")
_OF_ELSE = words(  # with one of these it is the number of something else
    """
    card account order invoice ticket case reference ref tracking serial policy member membership iban
    id license licence passport security tax insurance flight model part room house confirmation booking
    customer zip
    """
)
_BEFORE = 40  # code points in which such a word counts
_NEXT = re.compile(r"[+(]{0,2}[0-9]*+[^0-9]++")
_LETTER = re.compile("[a-zA-Z#]")
_REGIONS: dict[str, str] = {  # region -> how its numbers are written at home, without signs between
    "AU": r"0[2-478][0-9]{8}|1[38]00[0-9]{6}",
    "AT": r"0[1-9][0-9]{5,11}",
    "BE": r"0[1-9][0-9]{7,8}",
    "BR": r"0?[1-9]{2}9?[0-9]{8}",
    "CA": r"1?[2-9][0-9]{2}[2-9][0-9]{6}",
    "CH": r"0[1-9][0-9]{8}",
    "DE": r"0[1-9][0-9]{5,11}",
    "DK": r"[2-9][0-9]{7}",
    "ES": r"[6-9][0-9]{8}",
    "FI": r"0[1-9][0-9]{5,10}",
    "FR": r"0[1-9][0-9]{8}",
    "GB": r"0[1-357-9][0-9]{8,9}",
    "IE": r"0[1-9][0-9]{6,9}",
    "IN": r"0?[6-9][0-9]{9}",
    "IT": r"0[0-9]{5,10}|3[0-9]{8,9}",
    "JP": r"0[1-9][0-9]{8,9}",
    "NL": r"0[1-9][0-9]{8}",
    "NO": r"[2-9][0-9]{7}",
    "PL": r"[1-9][0-9]{8}",
    "PT": r"[239][0-9]{8}",
    "SE": r"0[1-9][0-9]{5,9}",
    "US": r"1?[2-9][0-9]{2}[2-9][0-9]{6}",
}


def phones(region: str | None) -> Finder:
    """Return the finder. region: two letters, such as "DE"; its home form needs no word before it.

    Raises UsageError for a region whose numbers are not known; None is no region.
    """
    home = None
    if region is not None:
        if region.upper() not in _REGIONS:
            raise UsageError(
                f"no form of phone numbers is known for {region!r}", next_step=did_you_mean(region, _REGIONS)
            )
        home = re.compile(_REGIONS[region.upper()])

    def find(reading: Reading) -> Iterator[Span]:
        text = reading.text
        for run in reading.runs:
            if run.digits < 7:
                continue
            place = run.start
            while place and run.start - place < 2 and text[place - 1] in "(+":
                place -= 1
            while place < run.end:
                found, alone = _first(text, place)
                if found is None:  # on to the next group of digits
                    later = _NEXT.match(text, place, run.end)
                    place = later.end() if later else run.end
                    continue
                score = _score(reading, found, alone, home)
                if score:
                    yield Span(found.start(), found.end(), "PHONE", score)
                place = found.end()

    return Finder("phone", r"[0-9][0-9 ().+/-]{5}", find)


def _first(text: str, place: int) -> tuple[re.Match[str] | None, float]:
    """Return what has the form of a number at a place of the text, and the score of that form alone."""
    for form, alone, least in _FORMS:
        found = form.match(text, place)
        if found:
            return found, alone if len(bare(_LETTER.split(found[0], maxsplit=1)[0])) >= least else 0.0
    return None, 0.0


def _score(reading: Reading, found: re.Match[str], alone: float, home: re.Pattern[str] | None) -> float:
    number = _LETTER.split(found[0], maxsplit=1)[0]
    digits = bare(number)
    if not 7 <= len(digits) <= 17 or len(set(digits)) == 1 or _DATE.match(number):
        return 0.0
    grouped = len(digits) < len(number)
    if home is not None and home.fullmatch(digits) and (grouped or len(digits) >= 10):
        alone = max(alone, 0.7)
    start, end = found.span()
    if reading.near(_SAID, start, end, before=_BEFORE, after=0):
        return 0.95 if alone else 0.7
    if grouped and reading.near(_NUMBER, start, end, before=_BEFORE, after=0):
        return 0.0 if reading.near(_OF_ELSE, start, end, before=_BEFORE, after=0) else max(alone, 0.6)
    return alone
