"""The detector finds what it names where it stands, and nothing in texts that only look like it."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import UsageError
from answerable.failures.masking import masked, secrets
from answerable.governance.detection import Span
from answerable.governance.detector import Rules, apart, combined

RULES = Rules()
ascii_pieces = """
    4111111111111111 4111 1111 DE89370400440532013000 bob@example.com @ @[ +49 (030) 555-0123 536-90-4399 ssn NHS 943
    476 5919 tel: :: 2001:db8::1 1.2.3.4 00:1B:44:11:3A:B7 http:// www. .com password= token: sk-abc123DEF456 -----BEGIN
    eyJhbGciOi.eyJzdWIi.x Mr. Dear Anna regards, born 12/12/1980 DOB d.o.b. 12 Baker Street rue Box 77 AB123456C
    X1234567L 12345678Z 0x bc1q 1Bv name is -u a:b passport licence C01X00T47 %3D ?code= Authorization: Bearer I'm i
"""


def found(text: str, rules: Rules = RULES) -> list[tuple[str, str]]:
    """Return (kind, value) of all that is found."""
    return [(span.kind, text[span.start : span.end]) for span in rules.find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to Bob.O'Neil+tag@mail.example.co.uk, please", "EMAIL", "Bob.O'Neil+tag@mail.example.co.uk"),
        ("mailto:x_1@example.org?subject=a", "EMAIL", "x_1@example.org"),
        ("<müller@bücher.example>", "EMAIL", "müller@bücher.example"),
        ("paid with 4111 1111 1111 1111 today", "CARD", "4111 1111 1111 1111"),
        ("paid with 4111-1111-1111-1111.", "CARD", "4111-1111-1111-1111"),
        ("amex 378282246310005", "CARD", "378282246310005"),
        ("2 x 4111 1111 1111 1111 12", "CARD", "4111 1111 1111 1111"),
        ("to DE89 3704 0044 0532 0130 00 by Friday", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("to gb82west12345698765432.", "IBAN", "gb82west12345698765432"),
        ("SSN 536-90-4399", "SSN", "536-90-4399"),
        ("social security number: 536904399", "SSN", "536904399"),
        ("from 203.0.113.77 again", "IP", "203.0.113.77"),
        ("from 2001:db8::8a2e:370:7334.", "IP", "2001:db8::8a2e:370:7334"),
        ("mapped ::ffff:192.0.2.128 here", "IP", "::ffff:192.0.2.128"),
        ("device 00:1B:44:11:3A:B7 left", "MAC", "00:1B:44:11:3A:B7"),
        ("device 001b.4411.3ab7 left", "MAC", "001b.4411.3ab7"),
        ("see https://example.org/a?b=c.", "URL", "https://example.org/a?b=c"),
        ("see www.example.org/a, then", "URL", "www.example.org/a"),
        ("pay 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        (
            "pay bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "CRYPTO",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            "pay 0x52908400098527886E0F7030069857D2E4169EE7",
            "CRYPTO",
            "0x52908400098527886E0F7030069857D2E4169EE7",
        ),
        ("call +49 (0)30 1234567", "PHONE", "+49 (0)30 1234567"),
        ("(212) 555-0123 ext. 44", "PHONE", "(212) 555-0123 ext. 44"),
        ("0699 868 88 55", "PHONE", "0699 868 88 55"),
        ("my mobile: 72 128 827", "PHONE", "72 128 827"),
        ("call me on 5403926876", "PHONE", "5403926876"),
        ("NHS number 943 476 5919", "UK_NHS", "943 476 5919"),
        ("insurance AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
        ("Steuer-ID: 86095742719", "DE_TAX_ID", "86095742719"),
        ("NIR 2 55 08 14 168 025 38", "FR_NIR", "2 55 08 14 168 025 38"),
        ("DNI 12345678Z", "ES_DNI", "12345678Z"),
        ("NIE X1234567L", "ES_NIE", "X1234567L"),
        ("cf RSSMRA85T10A562S", "IT_FISCAL_CODE", "RSSMRA85T10A562S"),
        ("BSN 111222333", "NL_BSN", "111222333"),
        ("PESEL 44051401359", "PL_PESEL", "44051401359"),
        ("born in Ghent, 85.07.30-033.28", "BE_NRN", "85.07.30-033.28"),
        ("personnummer 811228-9874", "SE_PNR", "811228-9874"),
        ("hetu 131052-308T", "FI_HETU", "131052-308T"),
        ("CPF 529.982.247-25", "BR_CPF", "529.982.247-25"),
        ("Aadhaar 2341 2341 2346", "IN_AADHAAR", "2341 2341 2346"),
        ("PAN ABCPE1234F", "IN_PAN", "ABCPE1234F"),
        ("my SIN is 130 692 544", "CA_SIN", "130 692 544"),
        ("TFN 123 456 782", "AU_TFN", "123 456 782"),
        ("Medicare 2123 45670 1", "AU_MEDICARE", "2123 45670 1"),
        ("her passport number is C01X00T47", "PASSPORT", "C01X00T47"),
        ("driver's license: F162823540116", "DRIVER_LICENSE", "F162823540116"),
        ("born on 4 March 1987 in Bonn", "DATE_OF_BIRTH", "4 March 1987"),
        ("DOB: 03/04/1987", "DATE_OF_BIRTH", "03/04/1987"),
        ("D.O.B. 1987-04-03", "DATE_OF_BIRTH", "1987-04-03"),
        (
            "I live at 221 South Baker Street, Springfield, IL 62704.",
            "ADDRESS",
            "221 South Baker Street, Springfield, IL 62704",
        ),
        ("I live at 10 Downing Street, London SW1A 2AA.", "ADDRESS", "10 Downing Street, London SW1A 2AA"),
        ("wohnt Hauptstraße 12a, 10115 Berlin.", "ADDRESS", "Hauptstraße 12a, 10115 Berlin"),
        ("wohnt Berliner Allee 7.", "ADDRESS", "Berliner Allee 7"),
        ("habite 12 rue de la Paix, 75002 Paris.", "ADDRESS", "12 rue de la Paix, 75002 Paris"),
        ("vive en Calle Mayor 14.", "ADDRESS", "Calle Mayor 14"),
        ("to P.O. Box 1234, please", "ADDRESS", "P.O. Box 1234"),
        ("key sk-proj-abc123DEF456ghi789", "SECRET", "sk-proj-abc123DEF456ghi789"),
        ("password=hunter2!", "SECRET", "hunter2!"),
        ("postgres://app:s3cret@db.example/x", "SECRET", "app:s3cret"),
        ("I talked to Mr. Jean-Luc van der Berg yesterday", "PERSON", "Jean-Luc van der Berg"),
        ("my name is leone mazzi", "PERSON", "leone mazzi"),
        ("Dear Duqyaha,\nthank you", "PERSON", "Duqyaha"),
        ("Kind regards,\nTomomi Nishiyama", "PERSON", "Tomomi Nishiyama"),
        ("then Elizabeth Hanson came", "PERSON", "Elizabeth Hanson"),
    ],
)
def test_a_value_is_found_whole(text: str, kind: str, value: str) -> None:
    """No character more, none less, and under its own name."""
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112",  # no Luhn
        "DE89 3704 0044 0532 0130 01",  # no mod 97
        "part 536-90-439",
        "666-12-3456 and 000-12-3456 and 123-00-4567",  # never given out
        "version 1.2.3.4.5",
        "at 12:30:45 on 2024-05-06",
        "std::vector<int> a::b",
        "999.1.1.1",
        "the committee met on 5 May 2024 with 12 members",  # no word of birth
        "pi is 3.14159265358979",
        "republic 943476 5918",  # "public" is no word here, and the check digit is wrong
        "a total of 44051401359 units",  # would be a PESEL if anything said so
        "sin city sold 046454287",
        "the year 2024 had 366 days, 8760 hours",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "order number 1234567",
        "He may will the mark to rose",
        "Hello World, this is a test",
        "Dear Customer,",
        "chapter 12 of the way",
        "$1,234,567 and 12,345,678 EUR",
    ],
)
def test_what_only_looks_like_a_value_stays(text: str) -> None:
    """Each of these costs a reader something if it is taken away."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("card 4111 1111 1111 1111", "4111 1111 1111 1111"),  # full width
        ("card 4111\u200b1111\u200b1111\u200b1111", "4111\u200b1111\u200b1111\u200b1111"),
        ("card 4111\u00a01111\u20111111\u20131111", "4111\u00a01111\u20111111\u20131111"),
        ("😀😀 card ٤١١١١١١١١١١١١١١١", "٤١١١١١١١١١١١١١١١"),  # Arabic-Indic
        ("e\u0301e\u0301 card 4\u0301" + "1" * 15 + " x", "4\u0301" + "1" * 15),
        ("\x00card 41\x0011111111111111", "41\x0011111111111111"),
        ("\ud800 card 4111111111111111", "4111111111111111"),
    ],
)
def test_dress_hides_nothing_and_shifts_no_offset(text: str, value: str) -> None:
    """Offsets are code points of the text as it was given."""
    assert ("CARD", value) in found(text)


def test_context_counts_as_whole_words_only() -> None:
    """ "nhs" within another word says nothing."""
    assert found("NHS 943 476 5919")[0][0] == "UK_NHS"
    assert "UK_NHS" not in [kind for kind, _ in found("xnhsx 943 476 5919")]


def test_a_word_near_makes_it_surer() -> None:
    """The score tells a number alone from one that is named."""
    alone, named = RULES.find("536-90-4399")[0], RULES.find("ssn 536-90-4399")[0]

    assert alone.score < named.score <= 1


def test_a_region_makes_its_home_form_a_phone() -> None:
    """A German number needs no word before it once the region is known; another region's does."""
    text = "bitte 030/1234567 oder 612 345 678"

    assert found(text, Rules(region="de"))[0] == ("PHONE", "030/1234567")
    assert ("PHONE", "612 345 678") in found(text, Rules(region="ES"))
    with pytest.raises(UsageError, match="XX"):
        Rules(region="XX")


def test_names_can_be_left_out_and_the_version_says_so() -> None:
    """A record that names the detector tells how it was set."""
    text = "Dear Anna, your card 4111111111111111"

    assert [kind for kind, _ in found(text, Rules(names=False))] == ["CARD"]
    assert RULES.version != Rules(names=False).version != Rules(least=0.9).version


def test_overlaps_go_to_the_higher_score_and_a_secret_stays() -> None:
    """One place, one name; a longer one wins among equals."""
    spans = [Span(0, 9, "URL", 0.5), Span(4, 8, "EMAIL", 0.9), Span(10, 12, "A", 0.5), Span(10, 14, "B", 0.5)]

    assert [span.kind for span in apart(spans)] == ["EMAIL", "B"]
    assert [span.kind for span in apart([Span(0, 4, "SECRET", 0.5), Span(2, 9, "CARD", 0.99)])] == ["SECRET"]


def test_combined_detectors_find_what_each_finds() -> None:
    """One more detector is one more in the list."""

    class Towns:
        version = "towns@1"

        def find(self, text: str) -> list[Span]:
            place = text.find("Ghent")
            return [Span(place, place + 5, "LOCATION", 0.9)] if place >= 0 else []

    both = combined([RULES, Towns()])

    assert both.version == "rules@1+towns@1"
    assert [span.kind for span in both.find("bob@example.com of Ghent")] == ["EMAIL", "LOCATION"]


_PIECES = st.sampled_from(
    [
        *ascii_pieces.split(),
        *(
            "\n",
            "\t",
            "\x00",
            "\x0b",
            "\x1f",
            "\u200b",
            "\xe9",
            "\u017f",
            "\u212a",
            "\u0131",
            "\u0130",
            "\xdf",
        ),
        *("\uff11\uff12", "\u0664\u0661", "\U0001f600", "\u201c", "\u201d", "\u2013", "\u2026", "\ud800"),
        *("Zo\xeb", "\xdcnal", "Hauptstra\xdfe", "Se\xf1ora", "gr\xfc\xdfe,"),
    ]
)


PLAIN = Rules(quick=False)


@settings(deadline=None, max_examples=250)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=6)), max_size=12), st.sampled_from(["", " ", " "]))
def test_google_re2_changes_nothing(pieces: list[str], between: str) -> None:
    """It only skips finders that would find nothing; every find has its gate."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    text = between.join(pieces)

    assert RULES.find(text) == PLAIN.find(text)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=20)), max_size=8))
def test_spans_are_in_order_apart_and_inside(pieces: list[str]) -> None:
    """Whatever the text is: also lone surrogates, marks and control characters."""
    text = " ".join(pieces)
    place = 0
    for span in PLAIN.find(text):
        assert place <= span.start < span.end <= len(text)
        assert 0 < span.score <= 1 and span.kind.replace("_", "").isupper()
        place = span.end


@settings(deadline=None, max_examples=150)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=20)), max_size=8))
def test_secrets_are_what_masking_takes_out(pieces: list[str]) -> None:
    """One knowledge of secrets: a text is free of them for one exactly if it is for the other."""
    text = " ".join(pieces)

    assert bool(secrets(text)) == (masked(text) != text)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "a@",
        "1-",
        "1 ",
        "((((",
        "[[{{",
        "+1(",
        "A1",
        "AB12 ",
        ":",
        "a:",
        "1.",
        "12 Aa ",
        "Anna ",
        "Mr. ",
        "http://",
        "\u200b",
        "é",
        "4111 ",
        "name is a ",
        "regards\n",
        "password=",
        "born 1",
    ],
)
def test_hostile_texts_are_read_in_linear_time(piece: str) -> None:
    """Eight times the text, about eight times the work."""

    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        started = process_time()
        RULES.find(text)
        return process_time() - started

    # Once will do: other work on the machine only ever adds time.
    assert any(cost(40_000) < 24 * max(cost(5_000), 0.004) for _ in range(4))


def test_long_texts_without_a_break_are_read() -> None:
    """One run of digits, one word, one address: none is read again from each of its characters."""
    for text in ("7" * 2**20, "x" * 2**20, "a@" * 2**17, "1-" * 2**16):
        assert len(RULES.find(text)) < len(text)
