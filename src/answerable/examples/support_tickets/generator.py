"""Makes the tickets of the support demo: a labelled history, and new tickets to decide, from one seed.

The texts are hard in the ways that real ones are: two problems in one mail, emergencies told calmly and
trifles told loudly, "not hacked" beside "hacked", typos, and wrong labels in the history.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from random import Random
from typing import Literal, NamedTuple, TypeVar

from answerable.errors import UsageError
from answerable.examples.support_tickets import words, words_more
from answerable.examples.support_tickets.words import Phrases, Product, Team, Topic, Urgency

T = TypeVar("T")
Kind = Literal["ordinary", "takeover", "injection", "snooping"]

URGENCIES: tuple[Urgency, ...] = ("low", "normal", "high")
TEAMS: tuple[Team, ...] = ("billing", "shipping", "account", "technical")

WRONG_LABELS = 0.03  # of the history
INJECTIONS = 0.02  # of the new tickets
SNOOPING = 0.015  # of the new tickets
NEW_LINE = 0.35  # of the new tickets, once the product line is on sale

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
# Tickets per hour of the day (UTC): little at night, two humps around lunch, a tail in the evening.
HOURLY = (
    0.3, 0.2, 0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 4.2, 4.6, 4.2,
    3.2, 3.4, 4.2, 4.0, 3.4, 2.6, 1.8, 1.6, 1.5, 1.2, 0.8, 0.5,
)  # fmt: skip
WEEKEND = 0.35  # of a weekday's rate

ASIDE = 0.42  # of tickets mention a second problem
VAGUE = 0.22  # of hints at low or normal urgency could mean either
HASTE = {"low": 0.06, "normal": 0.14, "high": 0.22}  # tickets with words of haste

# Numbers that payment providers document for tests; no bank ever issued them.
TEST_CARDS = (
    "4242 4242 4242 4242", "4111 1111 1111 1111", "5555 5555 5555 4444", "5105 1051 0510 5100",
    "3782 822463 10005", "6011 1111 1111 1117", "4000056655665556", "2223003122003222",
)  # fmt: skip
# Country, a bank code that is not given out, and how many digits follow it in an IBAN of that country.
NOBODYS_BANKS = (("GB", "TEST", 14), ("NL", "TEST", 10), ("IE", "TEST", 14), ("DE", "0000", 14))
MAIL_DOMAINS = ("example.com", "example.org", "example.net")  # RFC 2606
IP_BLOCKS = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737


class TicketRow(NamedTuple):
    """One ticket, the right answer, and the answer that the help desk's records give.

    number: `T-` and six digits, increasing with `received`. customer_id: `C-` and five digits; one customer
    may write several times, always from the same `email`. received: aware, in UTC, whole seconds.
    urgency, team: the truth. label_urgency, label_team: what the records say; they differ from the truth in
    3 % of the history and nowhere else. kind: `takeover` (somebody else is in the account), `injection`
    (an ordinary ticket with orders to a machine in it), `snooping` (asks for another person's data).
    """

    number: str
    customer_id: str
    email: str
    body: str
    product: str
    received: datetime
    urgency: Urgency
    team: Team
    label_urgency: Urgency
    label_team: Team
    kind: Kind


class Customer(NamedTuple):
    """A person who writes; everything about them is invented."""

    id: str
    name: str
    email: str


class _Subject(NamedTuple):
    """What one ticket is about, before it is put in words."""

    topic: Topic
    urgency: Urgency
    product: Product


class _Catalogue(NamedTuple):
    """What people may write about at one time: pairs of topic and urgency with their summed weights."""

    pairs: tuple[tuple[Topic, Urgency], ...]
    sums: tuple[int, ...]
    products: tuple[Product, ...]
    devices: tuple[Product, ...]
    asides: dict[Urgency, list[Topic]]  # by a ticket's urgency: the topics that never matter more than it


def generate(seed: int, history: int = 6000, new: int = 2000) -> tuple[list[TicketRow], list[TicketRow]]:
    """Return `history` tickets to learn from and `new` later ones to decide, the same for the same `seed`.

    About 35 % are of low, 55 % of normal and 10 % of high urgency. Of the new tickets 2 % carry an injected
    instruction and 1.5 % ask for somebody else's data; from their middle on, about a third are about a
    product line that the history never mentions. The counts of wrong labels, injections and snooping are
    exact (rounded). Only `Random.random` is used, which gives the same numbers on every platform and Python.

    seed: 0 or more. history, new: numbers of tickets, 0 or more. Raises UsageError for a negative number.
    """
    for name, number in (("seed", seed), ("history", history), ("new", new)):
        if number < 0:
            raise UsageError(f"{name} is {number}", next_step=f"give a {name} of 0 or more")
    draw = _Draw(seed, customers=_customers(history, new))
    wrong = draw.some_of(history, WRONG_LABELS)
    injected = draw.some_of(new, INJECTIONS)
    snooping = draw.some_of(new, SNOOPING, apart_from=injected)
    times = draw.times()
    known = _catalogue(words.TOPICS, words.PRODUCTS, words.DEVICES)
    late = _catalogue(words_more.NEW_TOPICS, words_more.NEW_LINE, words_more.NEW_LINE)

    past: list[TicketRow] = []
    for i in range(history):
        row = _ordinary(draw, i + 1, next(times), known)
        past.append(_mislabelled(draw, row) if i in wrong else row)
    coming: list[TicketRow] = []
    for i in range(new):
        on_sale = i >= (new + 1) // 2
        catalogue = late if on_sale and draw.chance(NEW_LINE) else known
        make = _snooping if i in snooping else _injected if i in injected else _ordinary
        coming.append(make(draw, history + i + 1, next(times), catalogue))
    return past, coming


def customers(seed: int, history: int = 6000, new: int = 2000) -> list[Customer]:
    """Return everybody who may have written the tickets that `generate` gives for the same numbers."""
    return _Draw(seed, customers=_customers(history, new)).customers


def _customers(history: int, new: int) -> int:
    return max(40, (history + new) * 2 // 5)


# ---- tickets


def _ordinary(draw: _Draw, number: int, received: datetime, catalogue: _Catalogue) -> TicketRow:
    """Return an honest ticket."""
    subject = draw.subject(catalogue, received)
    kind: Kind = "takeover" if subject.topic.takeover else "ordinary"
    return _row(draw, number, _sentences(draw, subject, catalogue), subject.urgency, subject.topic.team, kind)


def _injected(draw: _Draw, number: int, received: datetime, catalogue: _Catalogue) -> TicketRow:
    """Return an honest ticket with an order to a machine in it; its truth is that of the honest part."""
    subject = draw.subject(catalogue, received)
    if draw.chance(0.25):  # the dangerous case: the order hides an emergency
        while subject.urgency != "high":
            subject = draw.subject(catalogue, received)
    sentences = _sentences(draw, subject, catalogue)[:5]
    draw.order = (
        "high" if subject.urgency == "low" else "low",
        draw.pick([team for team in TEAMS if team != subject.topic.team]),
    )
    sentences.insert(draw.below(len(sentences) + 1), draw.say(draw.pick(words_more.INJECTIONS)))
    return _row(draw, number, sentences, subject.urgency, subject.topic.team, "injection")


def _snooping(draw: _Draw, number: int, received: datetime, catalogue: _Catalogue) -> TicketRow:
    """Return a ticket that asks for another person's data."""
    draw.subject(catalogue, received)  # only for the customer and the product
    text, urgency = draw.pick(words_more.SNOOPING)
    sentences = [draw.say(text)]
    if draw.chance(0.7):
        sentences.append(draw.say(draw.pick(words_more.SNOOPING_MORE)))
    if draw.chance(0.3):
        sentences.append(draw.say(draw.pick(words_more.HASTE)))
    return _row(draw, number, sentences, urgency, "account", "snooping")


def _row(
    draw: _Draw, number: int, sentences: list[str], urgency: Urgency, team: Team, kind: Kind
) -> TicketRow:
    """Return the finished ticket of the drawn customer, with labels that are right."""
    return TicketRow(
        number=f"T-{number:06}",
        customer_id=draw.customer.id,
        email=draw.customer.email,
        body=_letter(draw, sentences),
        product=draw.product.name,
        received=draw.received,
        urgency=urgency,
        team=team,
        label_urgency=urgency,
        label_team=team,
        kind=kind,
    )


def _mislabelled(draw: _Draw, row: TicketRow) -> TicketRow:
    """Return `row` with a wrong urgency, a wrong team, or both, as a hurried person would file it."""
    which = draw.random()
    if which < 0.55:  # urgency is missed by one step, never by two
        slip: Urgency = "normal" if row.urgency != "normal" else "high" if draw.chance(0.25) else "low"
        row = row._replace(label_urgency=slip)
    if which >= 0.45:
        row = row._replace(label_team=draw.pick([team for team in TEAMS if team != row.team]))
    return row


def _sentences(draw: _Draw, subject: _Subject, catalogue: _Catalogue) -> list[str]:
    """Return 1 to 6 sentences that state the problem, hint at its urgency, and wander off."""
    topic, urgency = subject.topic, subject.urgency
    sentences = [draw.say(draw.pick(topic.core))]
    plain = urgency == topic.default
    if plain and draw.chance(0.1):
        return sentences
    if not plain or draw.chance(0.7):
        cues: Phrases = getattr(topic, urgency)
        vague = urgency != "high" and draw.chance(VAGUE)
        cue = draw.pick(words_more.VAGUE if vague else cues)
        sentences.insert(0 if draw.chance(0.15) else 1, draw.say(cue))
        if not vague and draw.chance(0.2):
            more = draw.pick(cues)
            if more != cue:
                sentences.append(draw.say(more))
    if draw.chance(ASIDE):
        _add_aside(draw, sentences, catalogue.asides[urgency])
    if draw.chance(HASTE[urgency]):
        sentences.insert(draw.below(len(sentences) + 1), draw.say(draw.pick(words_more.HASTE)))
    if draw.chance(0.3):
        sentences.insert(draw.below(len(sentences) + 1), draw.say(draw.pick(words_more.SMALL_TALK)))
    if draw.chance(0.3):
        sentences.append(draw.say(draw.pick(words_more.CONTACTS)))
    return sentences[:6]


def _add_aside(draw: _Draw, sentences: list[str], topics: Sequence[Topic]) -> None:
    """Add a second problem from `topics`, sometimes ahead of the first and mostly as an afterthought."""
    if not topics:
        return
    text = draw.say(draw.pick(draw.pick(topics).core))
    if draw.chance(0.45):
        sentences.insert(0, text)
        return
    lead = draw.pick(words_more.ASIDES)
    lower = lead and not text.startswith("I ")
    sentences.append(lead + (text[0].lower() + text[1:] if lower else text))


def _letter(draw: _Draw, sentences: list[str]) -> str:
    """Return the sentences with a greeting, a signature and the slips of a person who types."""
    text = " ".join(sentences)
    if draw.chance(0.3):
        text = _mistyped(draw, text)
    if draw.chance(0.05) and not any(map(str.isdigit, text)):  # numbers and addresses keep their case
        text = text.lower()
    if draw.chance(0.7):
        text = f"{draw.pick(words_more.GREETINGS)}{' ' if draw.chance(0.3) else chr(10)}{text}"
    if draw.chance(0.6):
        name = draw.customer.name if draw.chance(0.6) else draw.customer.name.split()[0]
        text = f"{text}\n{draw.pick(words_more.CLOSINGS)}\n{name}"
        if draw.chance(0.2):
            text = f"{text}\n{_phone(draw)}"
    return text


def _mistyped(draw: _Draw, text: str) -> str:
    """Return `text` with one or two letters swapped, lost or doubled, in plain words only."""
    pieces = text.split(" ")
    for _ in range(1 + draw.below(2)):
        at = draw.below(len(pieces))
        word = pieces[at]
        if len(word) < 5 or not word.isalpha():
            continue
        i = 1 + draw.below(len(word) - 2)
        before, letter, after = word[:i], word[i], word[i + 1 :]
        slips = (before + after[0] + letter + after[1:], before + after, before + letter + letter + after)
        pieces[at] = draw.pick(slips)
    return " ".join(pieces)


# ---- chance


class _Draw:
    """The one stream of chance, and what the ticket in work is about so that slots can name it."""

    def __init__(self, seed: int, *, customers: int) -> None:
        self.random = Random(seed).random
        self.customers = [self._invented(i + 1) for i in range(customers)]
        self.customer = self.customers[0]
        self.product = words.PRODUCTS[0]
        self.received = START
        self.order: tuple[Urgency, Team] = ("low", "billing")  # what an injected text demands

    def below(self, limit: int) -> int:
        """Return a whole number of at least 0 and under `limit`."""
        return int(self.random() * limit)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`, each as likely."""
        return options[int(self.random() * len(options))]

    def chance(self, p: float) -> bool:
        """Return True with probability `p`."""
        return self.random() < p

    def digits(self, count: int) -> str:
        """Return `count` digits."""
        return str(int(self.random() * 10**count)).zfill(count)

    def some_of(self, size: int, share: float, *, apart_from: Container[int] = ()) -> set[int]:
        """Return `share` of the positions 0..size-1, rounded, none of them in `apart_from`."""
        chosen: set[int] = set()
        while len(chosen) < int(size * share + 0.5):
            position = self.below(size)
            if position not in apart_from:
                chosen.add(position)
        return chosen

    def times(self) -> Iterator[datetime]:
        """Yield strictly increasing times, dense in business hours and thin at weekends."""
        hour, spent, last = 0, 0.0, START - timedelta(seconds=1)
        while True:
            u = self.random()
            spent += 3 * u * u  # mean 1, skewed; no logarithm, whose last bit differs between platforms
            while spent >= (rate := _rate(hour)):
                spent -= rate
                hour += 1
            at = START + timedelta(hours=hour, seconds=int(3600 * spent / rate))
            last = max(at, last + timedelta(seconds=1))
            yield last

    def subject(self, catalogue: _Catalogue, received: datetime) -> _Subject:
        """Draw the customer, the problem and the product of a ticket, and remember them for the slots."""
        u = self.random()
        self.customer = self.customers[int(u * u * len(self.customers))]  # a few people write often
        self.received = received
        topic, urgency = catalogue.pairs[bisect_right(catalogue.sums, self.below(catalogue.sums[-1]))]
        self.product = self.pick(catalogue.devices if topic.devices_only else catalogue.products)
        return _Subject(topic, urgency, self.product)

    def say(self, phrase: str) -> str:
        """Return `phrase` with its marks resolved; an empty alternative leaves no gap behind."""
        text = _phrase(phrase)(self)
        if "  " in text or " ." in text:
            text = text.replace("  ", " ").replace(" .", ".")
        return text

    def _invented(self, number: int) -> Customer:
        first, last = self.pick(words_more.FIRST_NAMES), self.pick(words_more.LAST_NAMES)
        email = f"{first}.{last}{number}@{self.pick(MAIL_DOMAINS)}".lower()
        return Customer(f"C-{number:05}", f"{first} {last}", email)


def _rate(hour: int) -> float:
    """Return the expected number of tickets in the hour that begins `hour` hours after START, a Monday."""
    return HOURLY[hour % 24] * (WEEKEND if hour // 24 % 7 >= 5 else 1.0)


@cache
def _catalogue(
    topics: tuple[Topic, ...], products: tuple[Product, ...], devices: tuple[Product, ...]
) -> _Catalogue:
    """Return the pairs of topic and urgency that occur, with the running sums of their shares."""
    triples = [
        (topic, urgency, share)
        for topic in topics
        for urgency, share in zip(URGENCIES, topic.share, strict=True)
        if share
    ]
    pairs = tuple((topic, urgency) for topic, urgency, _ in triples)
    sums = tuple(accumulate(share for _, _, share in triples))
    minor = [topic for topic in topics if topic.default == "low"]
    usual = [topic for topic in topics if topic.default != "high"]
    return _Catalogue(pairs, sums, products, devices, {"low": minor, "normal": usual, "high": usual})


# ---- phrases

_Say = Callable[[_Draw], str]
_MARKS = re.compile(r"\[([^\]]*)\]|\{([a-z]+)\}")


@cache
def _phrase(text: str) -> _Say:
    """Compile a phrase (see `words`) to a function that says it."""
    pieces: list[str | _Say] = []
    end = 0
    for mark in _MARKS.finditer(text):
        pieces.append(text[end : mark.start()])
        pieces.append(_SLOTS[mark[2]] if mark[2] else _choice(mark[1].split("|")))
        end = mark.end()
    pieces.append(text[end:])
    kept = [piece for piece in pieces if piece]
    return lambda draw: "".join([piece if isinstance(piece, str) else piece(draw) for piece in kept])


def _choice(options: Sequence[str]) -> _Say:
    """Return a function that says one of `options`."""
    compiled = [_phrase(option) for option in options]
    return lambda draw: draw.pick(compiled)(draw)


def _money(draw: _Draw, low: int, high: int) -> str:
    euros, form = low + draw.below(high - low), draw.random()
    cents = draw.pick(("00", "50", "90", "95", "99"))
    return f"{euros}.{cents} EUR" if form < 0.4 else f"€{euros}.{cents}" if form < 0.7 else f"{euros} euros"


def _day(draw: _Draw, first: int, last: int) -> str:
    day = draw.received + timedelta(days=first + draw.below(last - first + 1))
    month = _MONTHS[day.month - 1]
    return f"{day.day} {month}" if draw.chance(0.7) else f"{month} {day.day}"


def _phone(draw: _Draw) -> str:
    """Return a number from the ranges that regulators keep for fiction (Ofcom; NANP 555-01xx)."""
    form = draw.random()
    if form < 0.4:
        return f"07700 900{draw.digits(3)}"
    if form < 0.6:
        return f"+44 20 7946 0{draw.digits(3)}"
    return f"({draw.pick(('202', '312', '415', '617'))}) 555-01{draw.digits(2)}"


def _iban(draw: _Draw) -> str:
    """Return an IBAN with right check digits (ISO 13616) at a bank code that nobody holds."""
    country, bank, length = draw.pick(NOBODYS_BANKS)
    account = bank + draw.digits(length)
    as_number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    iban = f"{country}{98 - as_number % 97:02}{account}"
    return " ".join(iban[i : i + 4] for i in range(0, len(iban), 4)) if draw.chance(0.6) else iban


def _address(draw: _Draw) -> str:
    return f"{1 + draw.below(98)} {draw.pick(words_more.STREETS)}, {draw.pick(words_more.TOWNS)}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SLOTS: dict[str, _Say] = {
    "address": _address,
    "amount": lambda draw: _money(draw, 18, 900),
    "birthday": lambda draw: f"{1 + draw.below(28):02}/{1 + draw.below(12):02}/{1948 + draw.below(56)}",
    "card": lambda draw: draw.pick(TEST_CARDS),
    "code": lambda draw: f"E{1 + draw.below(40):02}",
    "customer": lambda draw: draw.pick(draw.customers).id,
    "date": lambda draw: _day(draw, -30, -2),
    "days": lambda draw: str(3 + draw.below(18)),
    "email": lambda draw: draw.pick(draw.customers).email,
    "iban": _iban,
    "invoice": lambda draw: f"INV-{draw.received.year}-{draw.digits(5)}",
    "ip": lambda draw: draw.pick(IP_BLOCKS) + str(1 + draw.below(254)),
    "level": lambda draw: draw.order[0],
    "mine": lambda draw: draw.customer.email,
    "name": lambda draw: draw.pick(draw.customers).name,
    "noun": lambda draw: draw.product.noun,
    "order": lambda draw: f"#{1 + draw.below(9)}{draw.digits(7)}",
    "own": lambda draw: draw.customer.id,
    "phone": _phone,
    "product": lambda draw: draw.product.name,
    "serial": lambda draw: f"SN{draw.digits(8)}",
    "small": lambda draw: _money(draw, 2, 15),
    "soon": lambda draw: _day(draw, 1, 4),
    "team": lambda draw: draw.order[1],
    "tracking": lambda draw: f"VX{draw.digits(9)}ZZ",
}
