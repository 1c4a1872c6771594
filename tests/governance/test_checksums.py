"""Check digits: numbers that their issuers publish as examples pass, and a changed digit is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from answerable.governance import checksums

EXAMPLES: list[tuple[Callable[[str], bool], str]] = [
    (checksums.card, "4111111111111111"),
    (checksums.card, "5555555555554444"),
    (checksums.card, "378282246310005"),
    (checksums.card, "6011111111111117"),
    (checksums.card, "3530111333300000"),
    (checksums.card, "30569309025904"),
    (checksums.iban, "GB82WEST12345698765432"),
    (checksums.iban, "FR1420041010050500013M02606"),
    (checksums.iban, "NO9386011117947"),
    (checksums.uk_nhs, "9434765919"),
    (checksums.de_tax_id, "86095742719"),
    (checksums.fr_nir, "255081416802538"),
    (checksums.es_dni, "12345678Z"),
    (checksums.es_dni, "X1234567L"),
    (checksums.it_fiscal_code, "RSSMRA85T10A562S"),
    (checksums.nl_bsn, "111222333"),
    (checksums.pl_pesel, "44051401359"),
    (checksums.be_nrn, "85073003328"),
    (checksums.se_pnr, "8112289874"),
    (checksums.fi_hetu, "131052-308T"),
    (checksums.br_cpf, "52998224725"),
    (checksums.in_aadhaar, "234123412346"),
    (checksums.ca_sin, "130692544"),
    (checksums.au_tfn, "123456782"),
    (checksums.au_medicare, "2123456701"),
]


@pytest.mark.parametrize(("check", "number"), EXAMPLES)
def test_a_published_example_passes_and_one_changed_digit_fails(
    check: Callable[[str], bool], number: str
) -> None:
    """Every scheme here sees any one digit that is wrong (but for those it does not cover)."""
    assert check(number)
    place = next(n for n, c in enumerate(number) if c.isdigit() and n >= len(number) // 2)
    changed = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    assert not check(changed)


@pytest.mark.parametrize(
    "address",
    [
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
)
def test_bitcoin_addresses_of_all_three_kinds_pass(address: str) -> None:
    """Base58Check, Bech32 and Bech32m; another last character fails."""
    assert checksums.bitcoin(address)
    assert not checksums.bitcoin(address[:-1] + ("3" if address[-1] != "3" else "4"))


def test_cards_need_an_issuer_unless_something_calls_them_cards() -> None:
    """Luhn alone lets one number in ten through."""
    assert not checksums.card("7992739871300005")
    assert checksums.numbered_card("79927398713")
    assert not checksums.numbered_card("0000000000000000")


def test_verhoeff_sees_two_digits_that_changed_places() -> None:
    """Which a sum does not."""
    assert checksums.verhoeff("2363") and not checksums.verhoeff("2633")
