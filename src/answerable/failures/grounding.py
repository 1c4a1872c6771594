"""Is what an answer says written in the input? Quotes word for word, numbers by value."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from answerable.decisions.answer import Answer, Finding
from answerable.decisions.case import Case
from answerable.decisions.code import code_digest
from answerable.errors import UsageError
from answerable.failures.checking import (
    SHOWN,
    WIDE,
    DeclaredCheck,
    Then,
    below,
    decimal,
    given_texts,
    input_texts,
    is_cited,
    leaves,
    named,
    parts_of,
    shown,
    values_at,
)

SourceText = str | Callable[[Case[Any]], str]

# Quotes ------------------------------------------------------------------------------------------

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\0": " ",
    }
)
# Thai to Tibetan, Burmese, Khmer, Chinese, Japanese and Korean run words together: any cut is a word's edge.
_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
# Shown as nothing: a soft hyphen, widths of zero, marks of direction.
_INVISIBLE = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_MINUS = r"(?:(?<![^\s(\[{:=/,;|\"'])-(?=[$\u00a2-\u00a5\u20a0-\u20cf]?\d)[$\u00a2-\u00a5\u20a0-\u20cf]?)"
_THOUSANDS = r"(?<!\w)(?<!\d[.,'])[1-9]\d{0,2}(?: \d{3}(?!\d))+"  # 1 500
# One word; "1,500.00", "1 500", "-80" and "can't" are one too, or "500", "80" and "can" would be quotes.
_WORD = re.compile(
    rf"{_MINUS}?{_THOUSANDS}(?:[^\W{_UNSPACED}]|(?<=\d)[.,'](?=\d))*"
    rf"|{_MINUS}?(?:[^\W{_UNSPACED}]|(?<=\d)[.,'](?=\d)|(?<=n)'(?=t(?!\w)))+",
    re.IGNORECASE,
)
_SPACED_NUMBER = re.compile(_THOUSANDS)
_ID_NAMES = ("id", "source", "source_id")  # by which an item of the input may be named as a source


def folded(text: str) -> str:
    """Return `text` as quotes are compared: plain quotes and dashes, single spaces, words set apart.

    Canonically equal texts (one code point or a letter and its accent) become the same, and what is shown as
    nothing, such as a soft hyphen, is left out; nothing else is changed. A zero character stands around each
    word, so that a quote never begins or ends within one: "1 500" and "-80" are words. Linear.
    """
    plain = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).translate(_TYPOGRAPHIC)
    return _WORD.sub("\0\\g<0>\0", " ".join(plain.split()))


def _no_quote(text: str) -> bool:
    return not any(character.isalnum() for character in text)


def departure(quote: str, texts: Iterable[str]) -> str:
    """Return the first word at which a quote leaves all of `texts` (folded), cut to 60 characters.

    Only this word is surely the model's own: what stands around it may be somebody's data.
    """
    whole = _SPACED_NUMBER.sub(lambda found: found[0].replace(" ", "\u00a0"), " ".join(quote.split()))
    texts, words = list(texts), whole.split(" ")
    stands, fails = 0, len(words)  # the first `stands` words are in a text; the first `fails` are not
    while fails - stands > 1:
        middle = (stands + fails) // 2
        start = folded(" ".join(words[:middle]))
        if any(start in text for text in texts):
            stands = middle
        else:
            fails = middle
    word = words[fails - 1].replace("\u00a0", " ")
    return word if len(word) <= SHOWN else f"{word[: SHOWN - 3]}..."


def cited_in(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every cited value in an output with its path, nested ones and those in lists too."""
    if is_cited(value):
        yield path, value
        yield from cited_in(value.value, path)
    else:
        for step, part in parts_of(value) or ():
            yield from cited_in(part, below(path, step))


def quotes_stand_in(sources: Mapping[str, SourceText], *, then: Then = "next") -> DeclaredCheck:
    """Return a check like `quotes_stand` that knows more sources than the input.

    sources: name -> its text, or a function of the case that returns it (a function that raises sends the
    case to a person). A text is part of the decision's definition, of a function its code is.
    Raises UsageError for a source of another kind.
    """
    held = dict(sources)
    for name, text in held.items():
        if not isinstance(name, str) or not (isinstance(text, str) or callable(text)):
            raise UsageError(
                f"quotes_stand: the source {named(name)} is a {type(text).__name__}",
                next_step="give its text, or a function of the case that returns it",
            )
    said = {name: text if isinstance(text, str) else code_digest(text) for name, text in held.items()}
    return DeclaredCheck(
        "quotes_stand", partial(_quotes, held), settings={"sources": said}, version=2, then=then
    )


def _quotes(sources: Mapping[str, SourceText], case: Case[Any], answer: Answer[Any]) -> str | Finding | None:
    anywhere: list[str] | None = None
    known: dict[str, list[str]] = {}
    for path, cited in cited_in(answer.output):
        if anywhere is None:
            anywhere = [folded(text) for _, text in input_texts(case)]
        named = [cited.sources] if isinstance(cited.sources, str) else list(cited.sources or ())
        for name in named:
            if name in known:
                continue
            try:
                texts = _source(sources, case, name)
            except Exception as exc:  # a user's function
                why = f"{path}: a source could not be read ({type(exc).__name__})"
                return Finding(why, "quotes_stand", "person")
            if texts is None:
                return f"{path}: it names {shown(case, name)} as its source, which is none"
            known[name] = [folded(text) for text in texts]
        quotes = [cited.quotes] if isinstance(cited.quotes, str) else list(cited.quotes or ())
        if not quotes:
            return f"{path}: it has no quote"
        places = [text for name in named for text in known[name]] if named else anywhere
        for number, quote in enumerate(quotes):
            problem = _quote(quote, places, "the source it names" if named else "the input")
            if problem:
                return f"{path}: quote {number + 1} {problem}"
    return None


def _quote(quote: Any, places: list[str], where: str) -> str | None:
    if not isinstance(quote, str) or _no_quote(quote):
        return "has no word in it"
    wanted = folded(quote)
    if any(wanted in text for text in places):
        return None
    return f"is not in {where}; it departs from it at {departure(quote, places)!r}"


def _source(sources: Mapping[str, SourceText], case: Case[Any], name: Any) -> list[str] | None:
    """Return the texts of a source: a declared one, an input field by its path, what was read by the name of
    its source, an item of the input or a row by its id.
    """
    if not isinstance(name, str):
        return None
    if name in sources:
        text = sources[name]
        return [text if isinstance(text, str) else str(text(case))]
    view = case.view()
    if name == "input":
        return [text for _, text in given_texts(case)]
    held = [row for read in case.reads for row in read.rows if read.source == name]
    held += _items([view, *(list(read.rows) for read in case.reads)], name)
    with_path = _by_path(view, name)
    if with_path is not None:
        held.append(with_path)
    return [str(leaf) for part in held for leaf in _scalars(part)] if held else None


def _by_path(view: Any, name: str) -> Any:
    """Return what stands at a path such as "thread[2].text", or None."""
    for step in name.replace("[", ".").replace("]", "").split("."):
        if isinstance(view, dict) and step in view:
            view = view[step]
        elif isinstance(view, list) and step.isdecimal() and len(step) < 9 and int(step) < len(view):
            view = view[int(step)]
        else:
            return None
    return view


def _items(view: Any, name: str) -> Iterator[Any]:
    """Yield what in the input calls itself `name`: a document with its id."""
    if isinstance(view, dict):
        if any(str(view[key]) == name for key in _ID_NAMES if isinstance(view.get(key), str | int)):
            yield view
            return
        view = list(view.values())
    if isinstance(view, list):
        for part in view:
            yield from _items(part, name)


def _scalars(value: Any) -> Iterator[Any]:
    return (leaf for _, leaf in leaves(value) if isinstance(leaf, str | int | float) and leaf is not True)


quotes_stand = quotes_stand_in({})
"""Every quote of every `Cited` value, wherever it stands in the output, stands word for word.

It has to stand in the input or in what the case read. With named sources it has to stand in one of them: a
path of the input, the id of one of its items or of a row that was read, a governed source by its name, or a
source of `quotes_stand_in`. White space, typographic quotes and dashes are folded, and soft hyphens and the
like are left out; nothing else is changed.
"""

# Numbers ------------------------------------------------------------------------------------------

_SPACES = " \u00a0\u2007\u2009\u202f'\u2019_"  # what may stand between groups of three digits
_TOKEN = re.compile(rf"[0-9]+(?:[.,{_SPACES}][0-9]+)*")
_SIGN = re.compile(
    r"([-\u2212\u2013(])\s?(?:[A-Za-z]{0,3}[\u0024\u00a2-\u00a5\u20a0-\u20cf]?|[A-Za-z]{3})\s?\Z"
)
_PART = re.compile(r"\s?(?:([%\u066a\uff05]|per ?cent\b|pct\b|prozent\b)|(\u2030))", re.IGNORECASE)
_GROUPED = {
    ",": re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+|[1-9][0-9]?(,[0-9]{2})+,[0-9]{3}"),  # 12,34,567 in India
    ".": re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3})+"),
}
_MOST_DIGITS = 60  # nothing longer is a number that somebody states
_MOST_GROUPS = 10  # of three digits
_DIGITS = str.maketrans(
    {
        **{chr(zero + i): str(i) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for i in range(10)},
        **{"\u066b": ".", "\u066c": ",", "\uff0c": ",", "\uff0e": "."},
    }
)


def numbers_in(text: str) -> Iterator[set[Decimal]]:
    """Yield what each number in `text` may mean: "1.234" is 1.234 or 1234, "5 %" is 5 or 0.05.

    Read are 1234.5, 1,234.50, 1.234,50, 1 234.50, 1'234.50 and 12,34,567, with a sign, a currency or a
    percent sign. A minus that may be a hyphen, a dash or a bullet, as in "3-5", "80 EUR - 90 EUR" and "- 80",
    gives both. Linear in the text.
    """
    text = text.translate(_DIGITS)
    for token in _TOKEN.finditer(text):
        pieces = re.split(f"[{_SPACES}]", token.group())
        sign = _SIGN.search(text, max(0, token.start() - 6), token.start())
        part = _PART.match(text, token.end())
        for number, piece in enumerate(pieces):
            values = _readings(piece)
            if len(pieces) > 1:
                values |= _spaced(pieces[number : number + _MOST_GROUPS])
            if number == 0 and sign:
                negative = {value.copy_negate() for value in values}
                values = negative if _surely_minus(text, sign) else values | negative
            if number == len(pieces) - 1 or len(pieces) <= _MOST_GROUPS:
                values |= {v.scaleb(-2 if part[1] else -3, WIDE) for v in values} if part else set()
            if values:
                yield values


def _surely_minus(text: str, sign: re.Match[str]) -> bool:
    """Say whether a sign is a minus and cannot be a dash, a bullet or the hyphen of a range."""
    if sign[1] not in "-\u2212" or sign[0][1:2].isspace():
        return False
    before = text[max(0, sign.start() - 2) : sign.start()]
    if before and not before[-1].isspace() and before[-1] not in "([{:=/,;|\"'":
        return False
    last = before.rstrip()[-1:]
    return not (last.isdigit() or last in tuple("%\u2030$\u20ac\u00a3\u00a5"))


def _readings(piece: str) -> set[Decimal]:
    """Return what digits with dots and commas may mean."""
    marks = [c for c in piece if c in ".,"]
    if len(piece) > _MOST_DIGITS:
        return set() if not marks else {v for p in re.split("[.,]", piece) for v in _readings(p)}
    if not marks:
        return {Decimal(piece)}
    last = marks[-1]
    whole, _, fraction = piece.rpartition(last)
    found: set[Decimal] = set()
    if len(set(marks)) == 1 and _GROUPED[last].fullmatch(piece):
        found.add(Decimal(piece.replace(last, "")))
    if len(marks) == 1:
        found.add(Decimal(f"{whole}.{fraction}"))
    elif marks.count(last) == 1:
        other = marks[0]
        if _GROUPED[other].fullmatch(whole):
            found.add(Decimal(f"{whole.replace(other, '')}.{fraction}"))
    # Otherwise it is no one number but a list, a date or a version: each part counts.
    return found or {v for p in re.split("[,]" if "," in marks else "[.]", piece) for v in _readings(p)}


def _spaced(pieces: list[str]) -> set[Decimal]:
    """Return the numbers that start with the first piece and go on in groups of three digits."""
    if not re.fullmatch("[1-9][0-9]{0,2}", pieces[0]):
        return set()
    found: set[Decimal] = set()
    digits = pieces[0]
    for piece in pieces[1:]:
        if not re.fullmatch("[0-9]{3}([.,][0-9]+)?", piece):
            break
        digits += piece.replace(",", ".")
        if len(digits) > _MOST_DIGITS:
            break
        found.add(Decimal(digits))
        if len(piece) > 3:
            break
    return found


def numbers_stand(*fields: str, tolerance: float | Decimal = 0, then: Then = "next") -> DeclaredCheck:
    """Return a check that the numbers in these output fields occur in the input or in what the case read.

    In any usual format.

    fields: paths such as "amount" or "lines.amount", of numbers or of text (whose numbers are looked at);
    the whole output if none is named. tolerance: how far a number may be from one in the input, absolute.
    Raises UsageError for a tolerance below 0.
    """
    allowed = tolerance_of(tolerance, "numbers_stand")
    look = partial(_numbers, fields, allowed)
    return DeclaredCheck(
        "numbers_stand", look, settings={"tolerance": str(allowed)}, version=2, then=then, fields=fields
    )


def tolerance_of(tolerance: Any, check: str) -> Decimal:
    """Return a tolerance as an exact number. Raises UsageError if it is none or below 0."""
    allowed = decimal(tolerance)
    if allowed is None or allowed < 0:
        raise UsageError(
            f"{check}: the tolerance is {named(tolerance)}", next_step="give a number of 0 or more"
        )
    return allowed


def _numbers(fields: tuple[str, ...], allowed: Decimal, case: Case[Any], answer: Answer[Any]) -> str | None:
    known: list[Decimal] | None = None
    for path, leaf in _looked_at(answer.output, fields):
        if isinstance(leaf, bool) or not isinstance(leaf, int | float | Decimal | str):
            continue
        number = None if isinstance(leaf, str) else decimal(leaf)
        if number is None and not isinstance(leaf, str):
            return f"{path}: it is no finite number"
        for meant in numbers_in(leaf) if isinstance(leaf, str) else [{number}]:
            if known is None:
                texts = [text for _, text in input_texts(case)]
                known = sorted({v for text in texts for values in numbers_in(text) for v in values})
            if not any(_near(known, value, allowed) for value in meant if value is not None):
                said = "a number in it" if isinstance(leaf, str) else shown(case, leaf)
                return f"{path}: {said} is not in the input"
    return None


def _looked_at(output: Any, fields: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not fields:
        yield from leaves(output)
    for name in fields:
        for path, value in values_at(output, name):
            yield from leaves(value, path)


def _near(known: list[Decimal], value: Decimal, allowed: Decimal) -> bool:
    """Say whether a sorted list holds a number at most `allowed` from `value`."""
    at = bisect_left(known, WIDE.subtract(value, allowed))
    return at < len(known) and known[at] <= WIDE.add(value, allowed)
