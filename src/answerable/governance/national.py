"""Finds the numbers that states give to people, by their check digits and by the words that stand near them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from answerable.governance import checksums
from answerable.governance.checksums import Check
from answerable.governance.detection import Span
from answerable.governance.finding import SURE, Finder, Reading, matches, whole_words


@dataclass(frozen=True, slots=True)
class National:
    """One kind of number.

    form: of one written plainly or grouped. words: that may stand near it. alone: the score without one of them;
    None: it is not taken for one then, because too many other numbers look like it. digits: how many it has in a row.
    """

    kind: str
    form: re.Pattern[str]
    check: Check
    words: str
    alone: float | None
    digits: int = 0

    @property
    def context(self) -> re.Pattern[str]:
        """The words as a pattern."""
        return _contexts[self.kind]


def _form(body: str) -> re.Pattern[str]:
    """Return the pattern of a whole number: nothing that belongs to it stands before or behind."""
    return re.compile(rf"(?<![0-9A-Za-z_])(?<![0-9][.,/-])(?:{body})(?![0-9A-Za-z_]|[.,/-][0-9])", re.IGNORECASE)


_TAX = "tax id|tax number|tax identification|tin"
DIGITS = (
    National("UK_NHS", _form(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{4}"), checksums.uk_nhs, "nhs|national health", None, 10),
    National(
        "DE_TAX_ID",
        _form(r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}"),
        checksums.de_tax_id,
        f"steuer-?id(?:nr|-nr)?\\.?|steuernummer|steueridentifikationsnummer|identifikationsnummer|idnr|{_TAX}",
        None,
        11,
    ),
    National(
        "FR_NIR",
        _form(r"[1-478] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"),
        checksums.fr_nir,
        "nir|insee|s[ée]curit[ée] sociale|num[ée]ro de s[ée]cu|nss",
        0.8,
        15,
    ),
    National("NL_BSN", _form(r"[0-9]{4}([ .]?)[0-9]{2}\1[0-9]{3}"), checksums.nl_bsn, "bsn|burgerservicenummer|sofinummer", None, 9),
    National("PL_PESEL", _form(r"[0-9]{11}"), checksums.pl_pesel, "pesel", None, 11),
    National(
        "BE_NRN",
        _form(r"[0-9]{2}\.?[0-9]{2}\.?[0-9]{2}-?[0-9]{3}\.?[0-9]{2}"),
        checksums.be_nrn,
        "rijksregister(?:nummer)?|registre national|num[ée]ro national|niss|insz|national number|nrn",
        None,
        11,
    ),
    National("BE_NRN", _form(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}"), checksums.be_nrn, "nrn", 0.9, 11),
    National(
        "SE_PNR",
        _form(r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}"),
        checksums.se_pnr,
        "personnummer|personnr|pnr|samordningsnummer|swedish personal",
        None,
        10,
    ),
    National("SE_PNR", _form(r"(?:19|20)?[0-9]{6}[-+][0-9]{4}"), checksums.se_pnr, "pnr", 0.7, 10),
    National("BR_CPF", _form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), checksums.br_cpf, "cpf", 0.95, 11),
    National("BR_CPF", _form(r"[0-9]{11}"), checksums.br_cpf, "cpf", None, 11),
    National("IN_AADHAAR", _form(r"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}"), checksums.in_aadhaar, "aadhaar", 0.75, 12),
    National("IN_AADHAAR", _form(r"[0-9]{12}"), checksums.in_aadhaar, "aadhaa?r|uidai|uid", None, 12),
    National("CA_SIN", _form(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}"), checksums.ca_sin, "sin|social insurance|nas", None, 9),
    National("AU_TFN", _form(r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}"), checksums.au_tfn, "tfn|tax file(?: number)?", None, 9),
    National(
        "AU_MEDICARE",
        _form(r"[0-9]{4} ?[0-9]{5} ?[0-9](?:[ /-]?[0-9])?"),
        checksums.au_medicare,
        "medicare",
        None,
        10,
    ),
)
LETTERED = (
    National(
        "UK_NINO",
        _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"),
        checksums.uk_nino,
        "nino|ni number|national insurance(?: number| no)?|insurance number",
        0.8,
    ),
    National("ES_NIE", _form(r"[XYZ]-?[0-9]{7}-?[A-Z]"), checksums.es_dni, "nie|nif|extranjero", 0.9),
    National("ES_DNI", _form(r"[0-9]{8}-?[A-Z]"), checksums.es_dni, "dni|nif|documento nacional", 0.7),
    National(
        "IT_FISCAL_CODE",
        _form(r"[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]"),
        checksums.it_fiscal_code,
        "codice fiscale|cf|fiscal code",
        0.95,
    ),
    National(
        "IN_PAN",
        _form(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"),
        lambda code: True,
        "pan|permanent account(?: number)?|income tax",
        0.6,
    ),
    National("FI_HETU", _form(r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]"), checksums.fi_hetu, "hetu|henkil[öo]tunnus", 0.9),
)
_contexts = {
    kind: whole_words("|".join(n.words for n in (*DIGITS, *LETTERED) if n.kind == kind))
    for kind in {n.kind for n in (*DIGITS, *LETTERED)}
}
_LOOK = re.compile(  # how any of the lettered ones begins; a look before six patterns run
    r"(?<![0-9A-Za-z_])(?:[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2}|[0-9]{6,8}[-+A-Za-z]|[XYZxyz]-?[0-9]{7}"
    r"|[A-Za-z]{5}(?:[0-9]{4}|[A-Za-z][0-9]{2}[A-Za-z]))"
)
_CODE = str.maketrans("", "", " -+./")


def _numbers(reading: Reading) -> Iterator[Span]:
    for number in DIGITS:
        if not any(run.digits >= number.digits for run in reading.runs):
            continue
        if number.alone is None and not number.context.search(reading.lower):
            continue
        for found in matches(number.form, reading, number.digits):
            yield from _judged(number, found, reading)


def _lettered(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for look in _LOOK.finditer(text):
        for number in LETTERED:
            found = number.form.match(text, look.start())
            if found:
                yield from _judged(number, found, reading)


def _judged(number: National, found: re.Match[str], reading: Reading) -> Iterator[Span]:
    code = found[0].upper().translate(_CODE)
    if number.kind == "FI_HETU":
        code = found[0].upper()
    if not number.check(code):
        return
    near = reading.near(number.context, found.start(), found.end())
    if near or number.alone is not None:
        yield Span(found.start(), found.end(), number.kind, SURE if near else number.alone or 0.0)


_PAPERS = re.compile(
    r"(?<![a-z])(?:(driver'?s?'?|driving) ?licen[cs]e|(passport))(?: (?:number|no|num|nr|id))?[.:#]{0,2}(?: is)?[:# ]{1,3}"
    r"(?=[a-z -]{0,6}[0-9])([a-z0-9](?:[ -]?[a-z0-9]){4,16})(?![a-z0-9])"
)


def _papers(reading: Reading) -> Iterator[Span]:
    for found in _PAPERS.finditer(reading.lower):
        value = re.match(r"(?:[a-z]{0,3}-?[0-9][a-z0-9]*|[a-z0-9]+)(?:[ -](?=[a-z]{0,2}[0-9])[a-z0-9]+)*", found[3])
        if value and sum(map(str.isdigit, value[0])) >= 4:
            kind = "PASSPORT" if found[2] else "DRIVER_LICENSE"
            yield Span(found.start(3), found.start(3) + value.end(), kind, 0.85)


_BORN = whole_words(
    "born(?: on)?|dob|d\\.o\\.b\\.?|date of birth|birth ?date|birthday|geboren(?: am)?|geb\\.?|geburtsdatum"
    "|n[ée]e?(?: le)?|date de naissance|fecha de nacimiento|nacid[oa]|data di nascita|nat[oa](?: il)?|geboortedatum"
    "|data de nascimento|nascid[oa]"
)
_MONTH = (
    "jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|mar(?:ch|s|zo)?|m[äa]rz|apr(?:il)?|avril|abril|may|mai|mayo"
    "|june?|juni|juin|junio|july?|juli|juillet|julio|aug(?:ust)?|ao[ûu]t|agosto|sept?(?:ember|embre)?|septiembre"
    "|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d[ée]cembre|diciembre"
)
_DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{1,2}([./ -])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})|[0-9]{4}([./-])[0-9]{1,2}\2[0-9]{1,2}"
    rf"|(?:the )?[0-9]{{1,2}}(?:st|nd|rd|th|er|\.)?(?: of| de)? ?(?:{_MONTH})\.?,?(?: de)? ?(?:[0-9]{{4}}|'?[0-9]{{2}})"
    rf"|(?:{_MONTH})\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:[0-9]{{4}}|'[0-9]{{2}}))(?![0-9])"
)


def _births(reading: Reading) -> Iterator[Span]:
    for word in _BORN.finditer(reading.lower):
        found = _DATE.search(reading.lower, word.end(), word.end() + 40)
        if found:
            yield Span(found.start(), found.end(), "DATE_OF_BIRTH", 0.9)


NATIONAL = (
    Finder("national", r"[0-9][0-9 ./+-]{7}[0-9]", _numbers),
    Finder(
        "national-letters",
        r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2}|[0-9]{6}[0-9A-Za-z+-]|[XYZxyz]-?[0-9]{7}|[A-Za-z]{5}[0-9]{2}|[A-Za-z]{6}[0-9]{2}",
        _lettered,
    ),
    Finder("papers", r"(?i)licen[cs]e|passport", _papers),
    Finder(
        "birth",
        r"(?i)born|dob|d\.o\.b|birth|geb\.|geb |geburt|geboren|geboorte|n[ée]e? |n[ée]e?:|naissance|nacimiento|nacid|nascit|nat[oa]|nasc",
        _births,
    ),
)
