"""The check digits of identifiers: whether a number is one that its issuer could have given out.

All take the bare characters, without blanks and dashes, and give False for anything of another length.
"""

from collections.abc import Callable, Sequence
from functools import cache

Check = Callable[[str], bool]

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_IBAN_LENGTHS = {  # ISO 13616 registry
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FO", "GL", "NL", "SD", "FK"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK", "MN"), 20),
    **dict.fromkeys(("CH", "CR", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "SO", "TL", "OM"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    **dict.fromkeys(("LC",), 32),
    **dict.fromkeys(("RU",), 33),
}
_SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"
_FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ITALIAN_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (*_ODD, *_ODD, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def luhn(digits: str) -> bool:
    """Payment cards and many others: every second digit from the right doubled, the sum divisible by 10."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def card(digits: str) -> bool:
    """A payment card: Luhn, and a length that the issuer of its first digits uses (ISO/IEC 7812)."""
    return _issued(digits) and numbered_card(digits)


def numbered_card(digits: str) -> bool:
    """What is called a card: Luhn, whoever issued it."""
    return len(set(digits)) > 1 and luhn(digits)


def _issued(digits: str) -> bool:
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    match digits[0]:
        case "4":  # Visa
            return length in (13, 16, 19)
        case "5":  # Mastercard; Maestro
            return length == 16 if 51 <= two <= 55 else 12 <= length <= 19
        case "6":  # Discover, UnionPay, RuPay, Maestro
            return 12 <= length <= 19
        case "3":  # American Express; Diners Club; JCB
            if two in (34, 37):
                return length == 15
            if two == 35:
                return 16 <= length <= 19
            return two in (30, 36, 38, 39) and 14 <= length <= 19
        case "2":  # Mastercard; Mir; JCB
            if 2200 <= four <= 2204:
                return 16 <= length <= 19
            return (length == 16 and 2221 <= four <= 2720) or (length == 15 and four == 2131)
        case "1":
            return four == 1800 and length == 15  # JCB
        case "8":
            return two in (81, 82) and length == 16  # RuPay
    return four == 9792 and length == 16  # Troy


def iban_length(country: str) -> int:
    """Return how many characters an IBAN of a country (two letters) has; 0: it has none."""
    return _IBAN_LENGTHS.get(country, 0)


def iban(code: str) -> bool:
    """An IBAN: the length of its country, and ISO 7064 mod 97-10."""
    return iban_length(code[:2]) == len(code) and mod97(code[4:] + code[:4]) == 1


def mod97(code: str) -> int:
    """Return the rest by 97 of digits and letters, a letter counting 10 to 35."""
    return int("".join(str(int(c, 36)) for c in code)) % 97


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Return the sum of each digit times its weight."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def us_ssn(digits: str) -> bool:
    """US social security number: no check digit, but ranges that were never given out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        len(digits) == 9
        and area not in ("000", "666")
        and area < "900"
        and group != "00"
        and serial != "0000"
    )


def uk_nhs(digits: str) -> bool:
    """UK health service number, mod 11."""
    check = 11 - weighted(digits, range(10, 1, -1)) % 11
    return len(digits) == 10 and len(set(digits)) > 1 and check % 11 == int(digits[9]) and check != 10


def uk_nino(code: str) -> bool:
    """UK national insurance number: prefixes that are given out."""
    return code[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def de_tax_id(digits: str) -> bool:
    """German Steuer-ID: ISO 7064 mod 11,10; one of the ten digits is there twice or three times."""
    if len(digits) != 11 or digits[0] == "0" or max(map(digits[:10].count, digits[:10])) not in (2, 3):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def fr_nir(code: str) -> bool:
    """French social security number, mod 97; the departments of Corsica have letters."""
    body = code[:13].replace("2A", "19").replace("2B", "18")
    return (
        len(code) == 15
        and body.isdecimal()
        and code[13:].isdecimal()
        and 97 - int(body) % 97 == int(code[13:])
    )


def es_dni(code: str) -> bool:
    """Spanish DNI, and NIE, whose first letter stands for a digit; mod 23."""
    digits = code[:-1].translate({88: "0", 89: "1", 90: "2"})
    return len(code) == 9 and digits.isdecimal() and _SPANISH[int(digits) % 23] == code[-1]


def it_fiscal_code(code: str) -> bool:
    """Italian codice fiscale: a table for odd places, plain values for even ones, mod 26."""
    if len(code) != 16 or not code.isalnum() or not code.isascii():
        return False
    odd = sum(_ITALIAN_ODD[c] for c in code[0:15:2])
    even = sum(int(c) if c.isdecimal() else ord(c) - 65 for c in code[1:15:2])
    return chr(65 + (odd + even) % 26) == code[15]


def nl_bsn(digits: str) -> bool:
    """Dutch burgerservicenummer: the test of eleven."""
    return len(digits) == 9 and int(digits) > 0 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pl_pesel(digits: str) -> bool:
    """Polish PESEL, mod 10, with a month of one of five centuries."""
    return (
        len(digits) == 11
        and 1 <= int(digits[2:4]) % 20 <= 12
        and 1 <= int(digits[4:6]) <= 31
        and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def be_nrn(digits: str) -> bool:
    """Belgian national number, mod 97; born from 2000 on, a 2 stands before it."""
    if len(digits) != 11 or int(digits[2:4]) % 20 > 12 or int(digits[4:6]) > 31:
        return False
    body, check = int(digits[:9]), int(digits[9:])
    return check in (97 - body % 97, 97 - (2_000_000_000 + body) % 97)


def se_pnr(digits: str) -> bool:
    """Swedish personnummer, Luhn over the last ten; also of co-ordination numbers, whose day is 60 more."""
    last = digits[-10:]
    return (
        len(digits) in (10, 12)
        and 1 <= int(last[2:4]) <= 12
        and 1 <= int(last[4:6]) % 60 <= 31
        and luhn(last)
    )


def fi_hetu(code: str) -> bool:
    """Finnish henkilötunnus, mod 31."""
    return 1 <= int(code[:2]) <= 31 and 1 <= int(code[2:4]) <= 12 and (
        _FINNISH[int(code[:6] + code[7:10]) % 31] == code[10]
    )  # fmt: skip


def br_cpf(digits: str) -> bool:
    """Brazilian CPF: two digits, mod 11."""
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    checks = (weighted(digits, range(n, 1, -1)) * 10 % 11 % 10 for n in (10, 11))
    return all(check == int(digits[place]) for place, check in zip((9, 10), checks, strict=True))


def in_aadhaar(digits: str) -> bool:
    """Indian Aadhaar: Verhoeff; never begins with 0 or 1."""
    return len(digits) == 12 and digits[0] > "1" and verhoeff(digits)


@cache
def _dihedral() -> tuple[list[list[int]], list[list[int]]]:
    """Return the product table of the dihedral group of ten, and eight powers of the permutation."""
    table = [
        [(a + b) % 5 + 5 * (b // 5) if a < 5 else (a - b) % 5 + 5 * (1 - b // 5) for b in range(10)]
        for a in range(10)
    ]
    powers = [list(range(10))]
    for _ in range(7):
        powers.append([powers[-1][d] for d in (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)])
    return table, powers


def verhoeff(digits: str) -> bool:
    """Verhoeff's check, which finds every transposition of neighbours."""
    table, powers = _dihedral()
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = table[check][powers[place % 8][int(digit)]]
    return check == 0


def ca_sin(digits: str) -> bool:
    """Canadian social insurance number: Luhn; none begins with 0 or 8."""
    return len(digits) == 9 and digits[0] not in "08" and luhn(digits)


def au_tfn(digits: str) -> bool:
    """Australian tax file number, mod 11."""
    return len(digits) == 9 and weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_medicare(digits: str) -> bool:
    """Australian Medicare card: the ninth digit, mod 10; begins with 2 to 6."""
    return (
        len(digits) in (10, 11)
        and digits[0] in "23456"
        and weighted(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])
    )


def bitcoin(code: str) -> bool:
    """A Bitcoin address: Base58Check with a version of the main net, or Bech32 and Bech32m (BIP 173, 350)."""
    return _bech32(code.lower()) if code[:3].lower() == "bc1" else _base58check(code)


def _base58check(code: str) -> bool:
    from hashlib import sha256

    number = 0
    for char in code:
        number = number * 58 + _BASE58.index(char)
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25)
    return raw[0] in (0, 5) and sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def _bech32(code: str) -> bool:
    check = 1
    for value in (3, 3, 0, 2, 3, *map(_BECH32.index, code[3:])):  # "bc", its high bits first
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
