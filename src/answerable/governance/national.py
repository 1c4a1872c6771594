"""Finds the numbers that states give to people, by their check digits and the words near them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from answerable.governance import checksums
from answerable.governance.checksums import Check
from answerable.governance.detection import Span
from answerable.governance.scanning import SURE, Finder, Reading, any_of, matches, words


@dataclass(frozen=True, slots=True)
class National:
    """One kind of number.

    form: of one written plainly or grouped. words: of which one may stand near it. alone: the score without;
    None: it is not taken for one then, as too many other numbers look like it. digits: how many in a row.
    """

    kind: str
    form: re.Pattern[str]
    check: Check
    words: frozenset[str]
    alone: float | None
    digits: int = 0


def _form(body: str) -> re.Pattern[str]:
    """Return the pattern of a whole number: nothing that belongs to it stands before or behind."""
    return re.compile(
        rf"(?<![0-9A-Za-z_])(?<![0-9][.,/-])(?:{body})(?![0-9A-Za-z_]|[.,/-][0-9])", re.IGNORECASE
    )


_BELGIAN = words("rijksregister rijksregisternummer registre national niss insz nrn")
_SWEDISH = words("personnummer personnr pnr samordningsnummer")
_INDIAN = words("aadhaar aadhar uidai uid")
DIGITS = (
    National("UK_NHS", _form(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{4}"), checksums.uk_nhs, words("nhs"), None, 10),
    National(
        "DE_TAX_ID",
        _form(r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}"),
        checksums.de_tax_id,
        words(
            "steuer steuerid steueridnr steuernummer steueridentifikationsnummer identifikationsnummer idnr"
            " tax tin"
        ),
        None,
        11,
    ),
    National(
        "FR_NIR",
        _form(r"[1-478] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"),
        checksums.fr_nir,
        words("nir insee sécurité securite sécu secu nss"),
        0.8,
        15,
    ),
    National(
        "NL_BSN",
        _form(r"[0-9]{4}([ .]?)[0-9]{2}\1[0-9]{3}"),
        checksums.nl_bsn,
        words("bsn burgerservicenummer sofinummer"),
        None,
        9,
    ),
    National("PL_PESEL", _form(r"[0-9]{11}"), checksums.pl_pesel, words("pesel"), None, 11),
    National(
        "BE_NRN",
        _form(r"[0-9]{2}\.?[0-9]{2}\.?[0-9]{2}-?[0-9]{3}\.?[0-9]{2}"),
        checksums.be_nrn,
        _BELGIAN,
        None,
        11,
    ),
    National(
        "BE_NRN",
        _form(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}"),
        checksums.be_nrn,
        _BELGIAN,
        0.9,
        11,
    ),
    National(
        "SE_PNR",
        _form(r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}"),
        checksums.se_pnr,
        _SWEDISH,
        None,
        10,
    ),
    National("SE_PNR", _form(r"(?:19|20)?[0-9]{6}[-+][0-9]{4}"), checksums.se_pnr, _SWEDISH, 0.7, 10),
    National(
        "BR_CPF", _form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), checksums.br_cpf, words("cpf"), 0.95, 11
    ),
    National("BR_CPF", _form(r"[0-9]{11}"), checksums.br_cpf, words("cpf"), None, 11),
    National(
        "IN_AADHAAR", _form(r"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}"), checksums.in_aadhaar, _INDIAN, 0.75, 12
    ),
    National("IN_AADHAAR", _form(r"[0-9]{12}"), checksums.in_aadhaar, _INDIAN, None, 12),
    National(
        "CA_SIN",
        _form(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}"),
        checksums.ca_sin,
        words("sin insurance nas"),
        None,
        9,
    ),
    National("AU_TFN", _form(r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}"), checksums.au_tfn, words("tfn tax"), None, 9),
    National(
        "AU_MEDICARE",
        _form(r"[0-9]{4} ?[0-9]{5} ?[0-9](?:[ /-]?[0-9])?"),
        checksums.au_medicare,
        words("medicare"),
        None,
        10,
    ),
)
LETTERED = (
    National(
        "UK_NINO",
        _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"),
        checksums.uk_nino,
        words("nino ni insurance"),
        0.8,
    ),
    National("ES_NIE", _form(r"[XYZ]-?[0-9]{7}-?[A-Z]"), checksums.es_dni, words("nie nif extranjero"), 0.9),
    National("ES_DNI", _form(r"[0-9]{8}-?[A-Z]"), checksums.es_dni, words("dni nif documento"), 0.7),
    National(
        "IT_FISCAL_CODE",
        _form(r"[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]"),
        checksums.it_fiscal_code,
        words("codice cf fiscal fiscale"),
        0.95,
    ),
    National(
        "IN_PAN",
        _form(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"),
        lambda code: True,
        words("pan permanent income"),
        0.6,
    ),
    National(
        "FI_HETU",
        _form(r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]"),
        checksums.fi_hetu,
        words("hetu henkilötunnus henkilotunnus"),
        0.9,
    ),
)
_CODE = str.maketrans("", "", " -+./")


def _numbers(reading: Reading) -> Iterator[Span]:
    for number in DIGITS:
        if reading.most_digits < number.digits or (number.alone is None and not reading.has(number.words)):
            continue
        for found in matches(number.form, reading, number.digits):
            yield from _judged(number, found, reading)


def _lettered(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for place in reading.codes:
        for number in LETTERED:
            found = number.form.match(text, place)
            if found:
                yield from _judged(number, found, reading)


def _judged(number: National, found: re.Match[str], reading: Reading) -> Iterator[Span]:
    code = found[0].upper().translate(_CODE)
    if number.kind == "FI_HETU":
        code = found[0].upper()
    if not number.check(code):
        return
    near = reading.near(number.words, found.start(), found.end())
    if near or number.alone is not None:
        yield Span(found.start(), found.end(), number.kind, SURE if near else number.alone or 0.0)


_LABEL = re.compile(r"(?: (?:number|no|num|nr|id|nummer))?[.:#]{0,2}(?: is| ist)?[:# ]{1,3}")
_VALUE = re.compile(r"[a-z]{0,3}-?[0-9][a-z0-9]*(?:[ -](?=[a-z]{0,2}[0-9])[a-z0-9]+){0,4}(?![a-z0-9])")
_PAPERS = {
    "license": "DRIVER_LICENSE",
    "licence": "DRIVER_LICENSE",
    "passport": "PASSPORT",
    "passeport": "PASSPORT",
    "reisepass": "PASSPORT",
    "pasaporte": "PASSPORT",
}
_DRIVER = frozenset(("driver", "drivers", "driving"))


def _papers(reading: Reading) -> Iterator[Span]:
    for place, word in reading.places(_PAPERS.keys()):
        label = _LABEL.match(reading.lower, place + len(word))
        value = _VALUE.match(reading.lower, label.end()) if label else None
        if value is None or sum(map(str.isdigit, value[0])) < 4:
            continue
        if _PAPERS[word] == "PASSPORT" or reading.near(_DRIVER, place, place, before=12, after=0):
            yield Span(value.start(), value.end(), _PAPERS[word], 0.85)


_BORN = words(
    """
    born dob birth birthdate birthday geboren geb geburtsdatum née né nee naissance nacimiento nacido
    nacida nascita nato nata geboortedatum nascimento nascido nascida
    """
)
_MONTH = (
    "jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|mar(?:ch|s|zo)?|m[äa]rz|apr(?:il)?|avril|abril"
    "|may|mai|mayo|june?|juni|juin|junio|july?|juli|juillet|julio|aug(?:ust)?|ao[ûu]t|agosto|sept?(?:ember|embre)?"
    "|septiembre|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d[ée]cembre|diciembre"
)
_DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{1,2}([./ -])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})|[0-9]{4}([./-])[0-9]{1,2}\2[0-9]{1,2}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|er|\.)?(?: of| de)? ?(?:{_MONTH})\.?,?(?: de)? ?"
    r"(?:[0-9]{4}|'?[0-9]{2})"
    rf"|(?:{_MONTH})\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:[0-9]{{4}}|'[0-9]{{2}}))(?![0-9])"
)
_LETTERS_D_O_B = re.compile(r"(?<![a-z])d\. ?o\. ?b\b")


def _births(reading: Reading) -> Iterator[Span]:
    ends = [place + len(word) for place, word in reading.places(_BORN)]
    if "d" in reading.words and "b" in reading.words:
        ends += [found.end() for found in _LETTERS_D_O_B.finditer(reading.lower)]
    for end in ends:
        found = _DATE.search(reading.lower, end, end + 40)
        if found:
            yield Span(found.start(), found.end(), "DATE_OF_BIRTH", 0.9)


NATIONAL = (
    Finder("national", r"[0-9][0-9 ./+-]{7}[0-9]", _numbers),
    Finder(
        "national-letters",
        r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2}|[0-9]{6}[0-9A-Za-z+-]|[XYZxyz]-?[0-9]{7}|[A-Za-z]{5}[0-9]{2}"
        r"|[A-Za-z]{6}[0-9]{2}",
        _lettered,
    ),
    Finder("papers", any_of(_PAPERS), _papers),
    Finder("birth", rf"{any_of(_BORN)}|[dD]\. ?[oO]\. ?[bB]", _births),
)
