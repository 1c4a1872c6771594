"""Redaction puts the same word for the same value, and nothing of the value stays."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.governance.detector import Rules
from answerable.governance.folding import _plain, folded
from answerable.governance.redaction import Words, redacted

RULES = Rules()


def test_values_are_numbered_by_kind_in_the_order_they_come() -> None:
    """Spelling does not make a second value."""
    done = redacted(
        "a@example.com, 4111 1111 1111 1111, b@example.com, A@example.com, 4111-1111-1111-1111", RULES
    )

    assert done.text == "[EMAIL_1], [CARD_1], [EMAIL_2], [EMAIL_1], [CARD_1]"
    assert [span.kind for span in done.spans] == ["EMAIL", "CARD", "EMAIL", "EMAIL", "CARD"]


def test_numbers_go_on_over_several_texts() -> None:
    """A case of several fields has one set of words."""
    words = Words()

    assert redacted("b@example.com", RULES, words).text == "[EMAIL_1]"
    assert redacted("a@example.com b@example.com", RULES, words).text == "[EMAIL_2] [EMAIL_1]"


def test_a_text_without_values_is_the_same_text() -> None:
    """Also one that looks redacted already."""
    assert redacted("see [EMAIL_1]", RULES).text == "see [EMAIL_1]"


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30), st.text(max_size=30))
def test_what_stands_around_a_value_stays(before: str, behind: str) -> None:
    """Only the spans change."""
    text = f"{before} \x01 bob@example.com \x01 {behind}"
    done = redacted(text, RULES)
    rest = done.text
    for span in reversed(done.spans):
        assert span.end <= len(text)
    assert "bob@example.com" not in rest
    if not RULES.find(before) and not RULES.find(behind) and len(done.spans) == 1:
        assert rest == f"{before} \x01 [EMAIL_1] \x01 {behind}"


def test_plain_form_changes_no_letter_that_patterns_know() -> None:
    """The quick way round the table skips only what the table leaves alone."""
    for point in range(1, 0x3000):
        char = chr(point)
        assert folded(char).text == (_plain(char) if _plain(char) != "\0" else "")


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40))
def test_plain_form_finds_its_way_back(text: str) -> None:
    """One place for each character, rising, inside the text."""
    plain = folded(text)
    places = list(plain.places) if plain.places is not None else list(range(len(text)))

    assert len(places) == len(plain.text)
    assert all(0 <= a < b < len(text) for a, b in pairwise(places))
