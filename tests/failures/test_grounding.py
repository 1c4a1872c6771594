"""What an answer quotes and counts is in the input: quotes word for word, numbers by value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from time import process_time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.cited import Cited
from answerable.decisions.manifest import manifest
from answerable.failures.grounding import numbers_in, numbers_stand, quotes_stand, quotes_stand_in
from roads import decision, memory


class Line(BaseModel):
    amount: float | None = None
    said: Cited[str] | None = None


class Output(BaseModel):
    cause: Cited[str] | None = None
    lines: list[Line] = []
    table: dict[str, Cited[int]] = {}
    amount: Decimal | None = None
    summary: str = ""


@dataclass
class Put:
    """A case as far as these checks read it."""

    input: Any
    reads: tuple[()] = ()

    def view(self) -> Any:
        return self.input


def look(check: Any, output: Any, **given_input: Any) -> str | None:
    """Return what a check says of an output for an input."""
    found = check(Put(given_input), ans.Answer(output))
    return None if found is None else found.reason


def cited(*quotes: str, sources: tuple[str, ...] = ()) -> Output:
    return Output(cause=Cited(value="late", quotes=list(quotes), sources=list(sources)))


BODY = "The parcel didn\u2019t come \u2014 it was \u201clost\u201d,\n they  said. I paid 1,500.00 EUR. I can't wait."


@pytest.fixture
def ws() -> Iterator[ans.Workspace]:
    yield from memory()


# Quotes


@pytest.mark.parametrize(
    "quote",
    [
        "The parcel didn't come",
        'didn\'t come - it was "lost", they said.',
        "  it was   lost  ".replace("lost", "\u00ablost\u00bb"),
        "I paid 1,500.00 EUR",
        "lost",
    ],
)
def test_a_quote_from_the_input_stands(quote: str) -> None:
    """White space, quotation marks and dashes may be written otherwise."""
    assert look(quotes_stand, cited(quote), body=BODY) is None


@pytest.mark.parametrize(
    ("quote", "where"),
    [
        ("The parcel did come", "did"),
        ("the parcel", "the"),
        ("The parcel ... they said.", "..."),
        ("parce", "parce"),
        ("500.00 EUR", "500.00"),
        ("I can", "can"),
    ],
)
def test_a_quote_that_is_changed_does_not(quote: str, where: str) -> None:
    """Neither case, nor an omission, nor a part of a word or number is let pass; the first wrong word is told."""
    assert look(quotes_stand, cited(quote), body=BODY) == (
        f"cause: quote 1 is not in the input; it departs from it at {where!r}"
    )


def test_part_of_a_word_may_be_quoted_where_words_are_not_spaced() -> None:
    """Chinese has no space at which a quote could begin."""
    assert (
        look(
            quotes_stand, cited("\u6ca1\u6709\u6536\u5230"), body="\u6211\u6ca1\u6709\u6536\u5230\u5305\u88f9"
        )
        is None
    )


def test_an_accent_may_be_written_in_two_ways() -> None:
    """Canonically equal texts are the same text."""
    assert look(quotes_stand, cited("cafe\u0301"), body="the caf\u00e9 closed") is None


@pytest.mark.parametrize(
    ("body", "stands", "falls"),
    [
        ("Wir zahlen 1 500 EUR", "zahlen 1\u202f500 EUR", "500 EUR"),
        ("Wir zahlen '1 500 EUR'", "1 500 EUR", "500 EUR"),
        ("about 12 345 678.50 in all", "12 345 678.50", "345 678.50"),
        ("about 12 345 678 in all", "12 345 678 in", "about 12 345"),
        ("in 2024 500 people came", "500 people", "24 500"),
        ("not un\u00adauthorised", "unauthorised", "authorised"),
        ("not un\u200bauthorised", "un\u00adauthorised", "authorised"),
        ("Saldo -80 EUR", "-80 EUR", "80 EUR"),
        ("Saldo: \u2212\u20ac80", "-\u20ac80", "80"),
        ("for 70\u201380 EUR", "80 EUR", "0 EUR"),
        ("Items:\n- 80 EUR lamp", "80 EUR lamp", "0 EUR lamp"),
    ],
)
def test_words_and_numbers_are_whole(body: str, stands: str, falls: str) -> None:
    """Groups of three digits and a minus belong to a number; what is shown as nothing ends no word."""
    assert look(quotes_stand, cited(stands), body=body) is None
    assert look(quotes_stand, cited(falls), body=body) is not None


def test_only_a_word_of_the_model_s_own_is_told_of_a_quote_with_a_spaced_number() -> None:
    """The number before it is somebody's data, and is one word."""
    assert look(quotes_stand, cited("paid 1 500 never"), body="paid 1 500 EUR") == (
        "cause: quote 1 is not in the input; it departs from it at 'never'"
    )


@pytest.mark.parametrize("quotes", [(), ("",), ("...",)])
def test_a_cited_value_without_words_quoted_is_a_finding(quotes: tuple[str, ...]) -> None:
    """Nothing quoted is nothing shown."""
    found = look(quotes_stand, cited(*quotes), body=BODY)

    assert found is not None and ("no quote" in found or "no word" in found)


def test_cited_values_are_found_anywhere() -> None:
    """In lists, mappings and in other models; a key, which may be personal, is not told."""
    bad = Cited(value="x", quotes=["never said"])

    assert look(quotes_stand, Output(lines=[Line(), Line(said=bad)]), body=BODY) == (
        "lines[1].said: quote 1 is not in the input; it departs from it at 'never'"
    )
    assert look(quotes_stand, Output(table={"Ann": Cited(value=1, quotes=["no"])}), body=BODY) == (
        "table.*: quote 1 is not in the input; it departs from it at 'no'"
    )


def test_an_output_without_cited_values_has_nothing_to_check() -> None:
    """The check asks for no quotes where none are declared."""
    assert look(quotes_stand, Output(summary="anything"), body=BODY) is None


def test_a_quote_never_runs_over_two_fields() -> None:
    """What stands in two places was not said in one."""
    assert look(quotes_stand, cited("late again"), subject="late", body="again") is not None


@pytest.mark.parametrize("source", ["body", "thread[1].text", "thread.1", "doc-7", "input"])
def test_a_quote_stands_in_the_source_it_names(source: str) -> None:
    """A source is a path of the input, the id of an item of it, or all of it."""
    thread = [{"id": "doc-6", "text": "no"}, {"id": "doc-7", "text": "a broken lamp"}]

    assert (
        look(quotes_stand, cited("broken lamp", sources=(source,)), body="a broken lamp", thread=thread)
        is None
    )


def test_a_quote_from_another_source_does_not_stand() -> None:
    """It is in the input, but not where the answer says."""
    found = look(quotes_stand, cited("lost", sources=("subject",)), body=BODY, subject="hello")

    assert found == "cause: quote 1 is not in the source it names; it departs from it at 'lost'"


def test_a_source_that_does_not_exist_is_a_finding() -> None:
    """A made-up source is as bad as a made-up quote."""
    found = look(quotes_stand, cited("lost", sources=("policy-9",)), body=BODY)

    assert found == "cause: it names 'policy-9' as its source, which is none"


def test_sources_can_be_declared() -> None:
    """A text, or a function of the case."""
    check = quotes_stand_in(
        {"policy": "Refunds within 30 days.", "crm": lambda case: f"tier {case.input['tier']}"}
    )

    assert look(check, cited("within 30 days", sources=("policy",)), tier="gold") is None
    assert look(check, cited("tier gold", sources=("crm",)), tier="gold") is None
    assert look(check, cited("tier gold", sources=("policy",)), tier="gold") is not None


def test_a_source_that_cannot_be_read_needs_a_person() -> None:
    """Nobody can say that the quote is wrong; the text of the exception stays out of the finding."""

    def broken(case: Any) -> str:
        raise ConnectionError("secret")

    found = quotes_stand_in({"crm": broken})(Put({}), ans.Answer(cited("a", sources=("crm",))))  # type: ignore[arg-type]

    assert found == ans.Finding(
        "cause: a source could not be read (ConnectionError)", "quotes_stand", "person"
    )


def test_a_source_is_a_text_or_a_function() -> None:
    """Anything else is an error at once."""
    with pytest.raises(ans.UsageError, match="a list"):
        quotes_stand_in({"policy": ["a"]})  # type: ignore[dict-item]


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(list(" \n\t\u00a0\u2019\u201c\u2014.,'-09an")),
    max_size=80,
)


@settings(deadline=None, max_examples=200)
@given(TEXTS, st.data(), st.sampled_from([" ", "\n", " \u00a0\t"]))
def test_every_run_of_words_of_a_text_is_a_quote_from_it(text: str, data: st.DataObject, space: str) -> None:
    """Whatever the text holds and however its spaces are written."""
    assume(not re.search(r"\d\s+\d{3}", text))  # a spaced number is one word
    words = text.split()
    first = data.draw(st.integers(0, len(words)))
    quote = space.join(words[first : data.draw(st.integers(first, len(words)))])

    if any(c.isalnum() for c in quote):
        assert look(quotes_stand, cited(quote), body=text) is None


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from(["not", "paid", "500", "can't", "a-b", "\u00fcber"]), min_size=1, max_size=8),
    st.data(),
)
def test_a_quote_with_a_changed_word_never_stands(words: list[str], data: st.DataObject) -> None:
    """One other word, or one letter or digit less, is enough."""
    at = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(
        st.sampled_from(["never", "5000", "50", words[at][1:], words[at][:-1], f"{words[at]}s"])
    )
    changed = [*words[:at], other, *words[at + 1 :]]
    found = look(quotes_stand, cited(" ".join(changed)), body=" ".join(words))

    assert (found is not None) or other in ("-b", "a-")  # a hyphen ends a word


def test_long_hostile_texts_are_checked_in_linear_time() -> None:
    """Ten times the text, about ten times the work: a quadratic check would take a hundred times."""

    def cost(size: int) -> float:
        started = process_time()
        look(quotes_stand, cited("a" * (size // 2)), body="a" * size)
        look(quotes_stand, cited("a b " * (size // 8) + "c"), body="a b " * (size // 4))
        look(
            numbers_stand("amount"),
            Output(amount=Decimal(7)),
            body="123 " * (size // 8) + "1,1." * (size // 8),
        )
        return process_time() - started

    limit = 40 * max(cost(10_000), 0.005)
    assert any(cost(100_000) < limit for _ in range(3))  # once is enough: others may have the processor


def test_a_hallucinated_quote_is_rejected_and_the_next_decider_answers(ws: ans.Workspace) -> None:
    """The whole way of a case: the attempt says which check failed, and why."""

    def says(*quotes: str) -> Any:
        return lambda case: cited(*quotes)

    asked = decision(
        ans.model(says("the box was wet"), version="1", name="first"),
        ans.model(says("is broken"), version="1", name="second"),
        output=Output,
        checks=[quotes_stand],
    )
    outcome = ws.decide(asked, {"number": "T-1", "body": "The lamp is broken."}, principal="service:web")

    assert outcome.status == "answered" and outcome.decider == "second@1"
    assert [a.fault for a in outcome.attempts] == ["check", None]
    assert outcome.attempts[0].reason == (
        "quotes_stand: cause: quote 1 is not in the input; it departs from it at 'the'"
    )
    assert manifest(asked)["checks"] == [{"name": "quotes_stand", "digest": quotes_stand.digest}]


def test_the_definition_moves_with_a_declared_source() -> None:
    """Another policy text is another check."""
    assert quotes_stand_in({"policy": "a"}).digest != quotes_stand_in({"policy": "b"}).digest
    assert quotes_stand_in({}).digest == quotes_stand.digest


# Numbers


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("It cost 1,234.50 EUR", "1234.5"),
        ("It cost 1.234,50 \u20ac.", "1234.50"),
        ("It cost 1 234,50", "1234.5"),
        ("It cost 1\u202f234.5!", "1234.5"),
        ("It cost CHF 1'234.50", "1234.5"),
        ("It cost $1234.5", "1234.5"),
        ("12,34,567 rupees", "1234567"),
        ("1.234 pieces", "1234"),
        ("1.234 pieces", "1.234"),
        ("the rate is 12.5 %", "0.125"),
        ("the rate is 12.5%", "12.5"),
        ("minus -5 degrees", "-5"),
        ("-$5.00", "-5"),
        ("Items:\n- 80 EUR lamp\n- 20 EUR shipping", "80"),
        ("Betrag: -80 EUR", "-80"),
        ("Betrag: \u201380 EUR", "-80"),
        ("80\u20ac-90\u20ac", "90"),
        ("80\u20ac\u201390\u20ac", "90"),
        ("5 % - 10 %", "10"),
        ("5%-10%", "10"),
        ("5 -10 days", "10"),
        ("(5.00)", "-5"),
        ("3-5 days", "5"),
        ("on 2026-03-14", "14"),
        ("\u0661\u0662\u0663 items", "123"),
        ("rooms 1,2,3", "2"),
    ],
)
def test_a_number_stands_in_any_usual_format(text: str, amount: str) -> None:
    """Signs, currencies, percent and separators of several countries are read."""
    assert look(numbers_stand("amount"), Output(amount=Decimal(amount)), body=text) is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("It cost 1,234.50", "1234"),
        ("It cost 1,234.50", "234.5"),
        ("It cost 15", "1.5"),
        ("minus -5 degrees", "5"),
        ("Betrag: -80 EUR", "80"),
        ("Betrag:\n-80 EUR", "80"),
        ("no number", "0"),
        ("9" * 28 + "1", "9" * 28 + "2"),
    ],
)
def test_another_number_does_not(text: str, amount: str) -> None:
    """Part of a number, or one with another sign or more digits than a float has, is another one."""
    assert look(numbers_stand("amount"), Output(amount=Decimal(amount)), body=text) is not None


def test_a_number_may_be_off_by_the_declared_tolerance() -> None:
    """And by no more."""
    check = numbers_stand("amount", tolerance=0.01)

    assert look(check, Output(amount=Decimal("33.33")), body="33.34") is None
    assert look(check, Output(amount=Decimal("33.33")), body="33.35") == "amount: '33.33' is not in the input"


def test_numbers_in_text_fields_and_lists_are_looked_at() -> None:
    """A summary may not state an amount that nobody mentioned; its text is not repeated."""
    check = numbers_stand("summary", "lines.amount")

    assert look(check, Output(summary="paid 1.500,00"), body="1500") is None
    assert (
        look(check, Output(summary="Ann paid 99"), body="1500")
        == "summary: a number in it is not in the input"
    )
    assert (
        look(check, Output(lines=[Line(amount=2), Line(amount=3)]), body="2")
        == "lines[1].amount: '3.0' is not in the input"
    )


def test_without_fields_every_number_is_looked_at() -> None:
    """Also that of a field which somebody adds later."""
    assert look(numbers_stand(), Output(lines=[Line(amount=4)]), body="5") is not None
    assert look(numbers_stand(), Output(lines=[Line(amount=4)]), count=4) is None


def test_a_field_that_does_not_exist_is_told() -> None:
    """With what was probably meant."""
    with pytest.raises(ans.UsageError, match=r"'lines\.amont' names no field"):
        look(numbers_stand("lines.amont"), Output(lines=[Line()]), body="")


@pytest.mark.parametrize("tolerance", [-1, float("nan"), "a", True])
def test_a_tolerance_is_a_number_of_0_or_more(tolerance: Any) -> None:
    """Anything else is an error at once."""
    with pytest.raises(ans.UsageError, match="tolerance"):
        numbers_stand("amount", tolerance=tolerance)


STYLES = [
    lambda n: f"{n}",
    lambda n: f"{n:,}",
    lambda n: f"{n:,}".replace(",", "_").replace(".", ",").replace("_", "."),
    lambda n: f"{n:,}".replace(",", "\u00a0"),
    lambda n: f"{n:,}".replace(",", " ").replace(".", ","),
    lambda n: f"${n:,}",
    lambda n: f"{n:,} \u20ac",
    lambda n: f"{n:,}".replace(",", "'"),
]


@settings(deadline=None, max_examples=200)
@given(
    st.decimals(0, 10**12, places=2) | st.integers(0, 10**12).map(Decimal),
    st.sampled_from(STYLES),
    st.sampled_from(["{}", "I paid {}.", "a {}, b", "({})", "{} 17"]),
)
def test_a_number_stands_however_it_is_written(number: Decimal, style: Any, around: str) -> None:
    """Every style of writing it, within any sentence."""
    text = around.format(style(number))

    assert any(number in meant for meant in numbers_in(text))


def test_a_hallucinated_number_is_rejected_and_the_next_decider_answers(ws: ans.Workspace) -> None:
    """The whole way of a case."""
    asked = decision(
        ans.model(lambda case: Output(amount=Decimal(9999)), version="1", name="first"),
        ans.model(lambda case: Output(amount=Decimal("1200.5")), version="1", name="second"),
        output=Output,
        checks=[numbers_stand("amount")],
    )
    outcome = ws.decide(asked, {"number": "T-1", "body": "I paid 1.200,50 EUR"}, principal="service:web")

    assert outcome.decider == "second@1"
    assert outcome.attempts[0].fault == "check"
    assert outcome.attempts[0].reason == "numbers_stand: amount: '9999' is not in the input"
