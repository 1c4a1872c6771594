"""What the demo's tickets promise: the same for a seed, shares as stated, and no real person's data."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from itertools import pairwise

import pytest

from answerable.errors import UsageError
from answerable.examples.support_tickets.generator import TEST_CARDS, TicketRow, generate
from answerable.examples.support_tickets.words import PRODUCTS
from answerable.examples.support_tickets.words_more import NEW_LINE

GOLDEN = "5d3334b5b50071f13b0c67f8538617f712a8f6f626b747122720486420a0c5fe"
KNOWN = {product.name for product in PRODUCTS}
LATE = {product.name for product in NEW_LINE}


@pytest.fixture(scope="module")
def tickets() -> tuple[list[TicketRow], list[TicketRow]]:
    """The demo's own tickets, of seed 7."""
    return generate(7)


def share(rows: list[TicketRow], **wanted: str) -> float:
    """The part of `rows` whose fields have the wanted values."""
    return sum(all(getattr(row, k) == v for k, v in wanted.items()) for row in rows) / len(rows)


def wrong(row: TicketRow) -> bool:
    """Whether the label of `row` differs from its truth in a field."""
    return (row.label_urgency, row.label_team) != (row.urgency, row.team)


def test_a_seed_gives_these_very_rows(tickets):
    """Seed 7 gives the same bytes on every platform and Python; a change here changes every demo number."""
    rows = [*tickets[0], *tickets[1]]
    lines = "\n".join("|".join((*row[:5], row.received.isoformat(), *row[6:])) for row in rows)

    assert hashlib.sha256(lines.encode()).hexdigest() == GOLDEN


def test_the_same_seed_gives_the_same_rows():
    """Nothing carries over from one call to the next."""
    assert generate(3, 200, 100) == generate(3, 200, 100)


def test_another_seed_gives_other_rows():
    """The seed matters."""
    assert generate(3, 50, 50) != generate(4, 50, 50)


def test_sizes_are_as_asked(tickets):
    """6,000 and 2,000 unless told otherwise; none is a number too."""
    assert [len(part) for part in tickets] == [6000, 2000]
    assert [len(part) for part in generate(1, 0, 3)] == [0, 3]
    assert generate(1, 0, 0) == ([], [])


@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 1, "history": -5}, {"seed": 1, "new": -1}])
def test_a_negative_number_is_refused(bad):
    """The error names the argument and its value."""
    name, value = list(bad.items())[-1]

    with pytest.raises(UsageError, match=f"{name} is {value}"):
        generate(**bad)


@pytest.mark.parametrize(
    ("urgency", "low", "high"), [("low", 0.31, 0.39), ("normal", 0.50, 0.60), ("high", 0.08, 0.12)]
)
def test_urgencies_have_their_shares(tickets, urgency, low, high):
    """About 35, 55 and 10 %, in the history and in the new tickets alike."""
    assert all(low <= share(part, urgency=urgency) <= high for part in tickets)


@pytest.mark.parametrize("team", ["billing", "shipping", "account", "technical"])
def test_no_team_is_rare(tickets, team):
    """Each team gets between 17 and 33 %."""
    assert all(0.17 <= share(part, team=team) <= 0.33 for part in tickets)


def test_exactly_three_percent_of_the_history_is_labelled_wrong(tickets):
    """180 of 6,000, in both fields; the labels of new tickets are right."""
    history, new = tickets

    assert sum(map(wrong, history)) == 180
    assert not any(map(wrong, new))
    assert sum(row.label_urgency != row.urgency for row in history) > 60
    assert sum(row.label_team != row.team for row in history) > 60


def test_attacks_come_only_in_new_tickets(tickets):
    """2 % injections and 1.5 % snooping, none in the history."""
    history, new = tickets

    assert {row.kind for row in history} == {"ordinary", "takeover"}
    assert sum(row.kind == "injection" for row in new) == 40
    assert sum(row.kind == "snooping" for row in new) == 30


def test_injections_also_hide_emergencies(tickets):
    """Some injected orders sit in tickets of high urgency, whose truth stays high."""
    injected = [row for row in tickets[1] if row.kind == "injection"]

    assert sum(row.urgency == "high" for row in injected) >= 4


def test_takeovers_are_high_and_for_the_account_team(tickets):
    """Nobody would say otherwise; a request for another's data goes to the same team and is never low."""
    rows = [*tickets[0], *tickets[1]]

    assert {(r.urgency, r.team) for r in rows if r.kind == "takeover"} == {("high", "account")}
    assert {row.team for row in rows if row.kind == "snooping"} == {"account"}
    assert {row.urgency for row in rows if row.kind == "snooping"} == {"high", "normal"}


def test_the_keyword_finds_some_emergencies_and_some_false_ones(tickets):
    """The word "hacked" is in 35 to 45 % of the urgent tickets and, now and then, in another."""
    rows = [*tickets[0], *tickets[1]]
    urgent = [row for row in rows if row.urgency == "high"]
    named = [row for row in rows if "hacked" in row.body.lower()]

    assert 0.35 <= sum(row.urgency == "high" for row in named) / len(urgent) <= 0.45
    assert 10 <= sum(row.urgency != "high" for row in named) <= 100


def test_the_new_product_line_appears_half_way(tickets):
    """Never in the history or the first half of the new tickets, then in about a third."""
    history, new = tickets

    assert {row.product for row in history + new[:1000]} == KNOWN
    assert {row.product for row in new[1000:]} == KNOWN | LATE
    assert 0.28 <= sum(row.product in LATE for row in new[1000:]) / 1000 <= 0.42


def test_numbers_are_unique_and_increase_with_time(tickets):
    """Each ticket comes after the one before, over history and new tickets together."""
    rows = [*tickets[0], *tickets[1]]

    assert [row.number for row in rows] == [f"T-{i:06}" for i in range(1, 8001)]
    assert all(a.received < b.received for a, b in pairwise(rows))
    assert all(row.received.utcoffset() == timedelta(0) for row in rows)


def test_people_write_in_business_hours(tickets):
    """More than half come from 08 to 16 UTC on weekdays, and a weekend day has under half of a weekday's."""
    rows = tickets[0]
    weekday = [row for row in rows if row.received.weekday() < 5]

    assert sum(8 <= row.received.hour < 16 for row in weekday) / len(rows) > 0.5
    assert (len(rows) - len(weekday)) / 2 < 0.5 * len(weekday) / 5


def test_a_customer_always_writes_from_one_address(tickets):
    """Several tickets may be of one person, so that a subject can be shown and erased."""
    rows = [*tickets[0], *tickets[1]]
    pairs = {(row.customer_id, row.email) for row in rows}

    assert len({customer for customer, _ in pairs}) == len({email for _, email in pairs}) == len(pairs)
    assert len(pairs) < len(rows) / 2


def test_no_ticket_is_empty_or_shows_a_mark(tickets):
    """Every phrase mark is filled in, and no gap is left where an alternative is empty."""
    for row in [*tickets[0], *tickets[1]]:
        assert len(row.body.strip()) >= 15
        assert not re.search(r"[\[\]|]|\{[a-z]+\}| {2}| \.", row.body), row.body


def test_every_mail_address_is_in_a_domain_kept_for_examples(tickets):
    """In the fields and in the texts: example.com, example.org, example.net."""
    for row in [*tickets[0], *tickets[1]]:
        for address in [row.email, *re.findall(r"\S+@\S+", row.body)]:
            assert re.fullmatch(r"[a-z]+\.[a-z]+\d+@example\.(com|org|net)[.,;]?", address), address


def test_every_iban_has_valid_check_digits(tickets):
    """ISO 13616: moved and read in base 36, the number is 1 modulo 97; the bank code is nobody's."""
    pattern = r"\b(?:GB|NL|IE|DE)\d\d ?(?:TEST|0000)(?: ?\d){10,14}"
    found = [iban.replace(" ", "") for r in tickets[0] for iban in re.findall(pattern, r.body)]

    assert len(found) > 100
    assert {int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 for iban in found} == {1}
    assert {len(iban) for iban in found} == {18, 22}


def test_cards_are_published_test_numbers(tickets):
    """Every run of digits as long as a card number is one of them, apart from IBANs."""
    cards = {card.replace(" ", "") for card in TEST_CARDS}
    number = r"(?<=[a-z] )\d(?: ?\d){13,15}\b"  # after a word: the middle of an IBAN follows digits
    runs = [run for row in tickets[0] for run in re.findall(number, row.body)]

    assert len(runs) > 100
    assert {run.replace(" ", "") for run in runs} <= cards


def test_ip_addresses_are_kept_for_documentation(tickets):
    """RFC 5737."""
    found = [ip for row in tickets[0] for ip in re.findall(r"\b(\d+\.\d+\.\d+)\.\d+\b", row.body)]

    assert set(found) == {"192.0.2", "198.51.100", "203.0.113"}
