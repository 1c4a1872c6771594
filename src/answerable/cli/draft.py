"""Drafts a decision from labelled rows: what each column is, and the best rule that one column gives."""

import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

from answerable.cli.columns import loosely
from answerable.errors import InputError, UsageError, did_you_mean
from answerable.integrations.tables import open_table
from answerable.integrations.tables_core import Row
from answerable.integrations.tables_sql import masked

ROWS = 100_000  # read at most
HELD_OUT = 0.2  # of the rows; they are not looked at until the drafts are judged
HELD_MOST = 2_000
FEWEST = 20  # labelled rows
CLASSES = 200  # different values of the target at most
WORDS = 40  # keywords of a rule at most
LABEL = 90  # characters of a value of the target at most
TELLS = "all by itself"
WRONG = 2.0  # what the drafted stakes say a wrong answer costs
NAME = 60  # characters of a field's name at most

Cells = Mapping[str, str | None]
Kind = Literal["key", "subject", "personal", "text", "word", "number", "date", "datetime"]

_KEYS = re.compile(r"(^|[\W_])(id|no|nr|number|key|ref|reference|uuid)$", re.IGNORECASE)
# Names below are matched as words with one underscore between: ClosedDate and "Closed Date" are closed_date.
_CODES = re.compile(
    r"(^|_)(zip|zipcode|postal|postcode|plz|phone|fax|mobile|code|id|no|nr|ref|key|ssn|ean|sku)(_|$)"
)
_LATER = re.compile(
    r"(^|_)(closed|resolution|resolved|updated|modified|outcome|paid|completed|finished|cancell?ed|refunded"
    r"|chargeback|verdict|decided|(?<!marital_)(?<!civil_)(?<!employment_)status)(_|$)"
)
_PROTECTED = re.compile(
    r"(^|_)(race|ethnic|ethnicity|sex|sexual|gender|religion|religious|nationality|citizenship|disability"
    r"|disabled|pregnant|pregnancy|marital|birth|birthday|birthdate|dob|caste|native_country|national_origin)(_|$)"
    r"|^((customer|person|patient|applicant|client|user|driver|member|employee)_)?"
    r"age(_(group|years|band|range|class))?$"
)
_WHOLE = re.compile(r"\s*(\d+)\.0\s*")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")
_FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y")
_PEOPLE = re.compile(
    r"(customer|user|person|client|member|patient|account)[\W_]*(id|no|number)$", re.IGNORECASE
)
_PERSONAL = re.compile(r"e?(mail)|(phone)|(address)|(iban)|(?:first|last|full|sur|user)?(name)")
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column as an input field. kind: how it is declared. missing: some rows have no value.

    tidied: its values are written in another way in some tables (11207 as 11207.0, true as True).
    """

    column: str
    field: str
    kind: Kind
    missing: bool
    personal: str = ""
    tidied: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A decision table: (condition on `field`, answer) in order. told: what it is, for a person."""

    field: str
    rows: tuple[tuple[str, str], ...]
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What the data says. train, held: rows by field, with the label beside. labels: most common first.

    left_out: column -> why it is no input. kept: the same of columns that the caller wants all the same.
    dropped: rows that could not be used.
    """

    source: str
    target: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    train: Sequence[tuple[Cells, str]]
    held: Sequence[tuple[Cells, str]]
    rule: Rule | None
    dropped: int
    left_out: Mapping[str, str]
    kept: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a draft did on the held-out rows. answered: how many it answered; right: how many of those."""

    name: str
    answered: int
    right: int
    rows: int

    def data(self) -> dict[str, Any]:
        """Return it as JSON; accuracy counts a row without an answer as wrong."""
        return {
            "name": self.name,
            "rows": self.rows,
            "answered": self.answered,
            "right": self.right,
            "accuracy": self.right / self.rows,
            "share": self.answered / self.rows,
            "right_of_answered": self.right / self.answered if self.answered else None,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How the drafts are put together. order: of "rule" and "model". person: who ends it, else a constant.

    sure: the model's answers below this probability go on. scores: on the held-out rows.
    """

    order: tuple[str, ...]
    person: bool
    sure: float
    scores: tuple[Score, ...]

    @property
    def review(self) -> float:
        """The cost of a review that sends just those answers on; a guess where there is no model."""
        return round(WRONG * (1 - self.sure), 2) if "model" in self.order else 1.5


def draft(
    source: str, target: str, *, query: str | None = None, keep: Sequence[str] = (), seed: int = 7
) -> Draft:
    """Read `source` and draft a decision of its column `target`.

    query: for a database a SELECT or a table's name. keep: columns to use although they look like a leak or
    a protected attribute. Raises UsageError if a column is not there or the target is no choice of a few
    values, InputError for too few rows.
    """
    table = _read(source, query)
    shown = masked(source)
    column = _named(target, table.names, shown)
    kept = [_named(name, table.names, shown) for name in keep]
    rows = [
        (row, label)
        for row in table.rows
        if (label := (row.get(column) or "").strip()).isprintable() and label
    ]
    counts = _counted(column, [label for _, label in rows], shown)
    names = [name for name in table.names if name != column]
    filled = {name: [text for row, _ in rows if (text := row.get(name))] for name in names}
    columns = _columns({name: texts for name, texts in filled.items() if texts}, len(rows), table.odd)
    Random(seed).shuffle(rows)
    size = min(HELD_MOST, max(4, round(len(rows) * HELD_OUT)))
    suspects = _suspects(columns, rows[size:], column)
    left_out = {name: "it has no value in any row" for name, texts in filled.items() if not texts}
    left_out |= {name: why for name, why in suspects.items() if name not in kept}
    columns = tuple(c for c in columns if c.column not in left_out)
    if not columns:
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items()) or "there is only the target"
        raise UsageError(
            f"{shown} has no column left to decide from ({told})",
            next_step="add what the decision is made from"
            + (f", or --keep {next(iter(suspects))!r} if it is known beforehand" if suspects else ""),
        )
    cells = [({c.field: _tidy(c, row.get(c.column)) for c in columns}, label) for row, label in rows]
    return Draft(
        source=shown,
        target=_field_name(column, []),
        labels=tuple(label for label, _ in counts.most_common()),
        columns=columns,
        train=cells[size:],
        held=cells[:size],
        rule=best_rule(columns, cells[size:]),
        dropped=table.bad + len(table.rows) - len(rows),
        left_out={name: left_out[name] for name in names if name in left_out},
        kept={name: suspects[name] for name in names if name in suspects and name in kept},
    )


def _named(name: str, names: Sequence[str], source: str) -> str:
    found = name if name in names else next((n for n in names if loosely(n) == loosely(name)), None)
    if found is None:
        raise UsageError(f"{source} has no column {name!r}", next_step=did_you_mean(name, names))
    return found


def _counted(column: str, labels: Sequence[str], source: str) -> Counter[str]:
    """Count the labels; raise where they are too few, too many or too long to choose from."""
    if len(labels) < FEWEST:
        raise InputError(
            f"{source} has {len(labels)} rows with a value in {column!r}",
            next_step=f"give at least {FEWEST}",
        )
    counts = Counter(labels)
    step = "name a column with a few values, such as a team or a yes and no"
    if not 2 <= len(counts) <= CLASSES:
        raise UsageError(
            f"{column!r} has {len(counts)} different values; a choice has 2 to {CLASSES}", next_step=step
        )
    longest = max(map(len, counts))
    if longest > LABEL:
        raise UsageError(
            f"a value of {column!r} has {longest} characters; one of a choice has at most {LABEL}",
            next_step=step,
        )
    return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A table as texts. odd: columns with values that are neither text nor whole. bad: unreadable rows."""

    rows: Sequence[Mapping[str, str | None]]
    names: Sequence[str]
    odd: frozenset[str]
    bad: int


def _read(source: str, query: str | None) -> _Read:
    rows: list[dict[str, str | None]] = []
    odd: set[str] = set()
    bad = 0
    with open_table(source, query=query, limit=ROWS) as table:
        names = list(table.columns)
        for row in table:
            if isinstance(row, Row):
                rows.append({name: _text(value) for name, value in row.values.items()})
                odd.update(name for name, value in row.values.items() if isinstance(value, bool | float))
            else:
                bad += 1
    names = names or list(dict.fromkeys(name for row in rows for name in row))
    return _Read(rows=rows, names=names, odd=frozenset(odd), bad=bad)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _columns(filled: Mapping[str, Sequence[str]], rows: int, odd: frozenset[str]) -> tuple[Column, ...]:
    """Return the columns as fields. filled: column -> its values. rows: how many there are."""
    found: list[Column] = []
    for name, texts in filled.items():
        kind = _kind(name, texts, complete=len(texts) == rows, key=any(c.kind == "key" for c in found))
        told = _PERSONAL.fullmatch(loosely(name))
        personal = next(filter(None, told.groups()), "") if told else ""
        exact = kind in ("word", "key", "subject")
        found.append(
            Column(
                column=name,
                field=_field_name(name, [c.field for c in found]),
                kind="personal" if personal and kind == "word" else kind,
                missing=len(texts) < rows,
                personal=personal,
                tidied=exact and (name in odd or (_is_code(name) and any(map(_WHOLE.fullmatch, texts)))),
            )
        )
    return tuple(found)


def _kind(name: str, texts: Sequence[str], *, complete: bool, key: bool) -> Kind:
    spaced = sum(" " in text.strip() for text in texts) / len(texts)
    long = sum(map(len, texts)) / len(texts)
    different = len(set(texts))
    worded = sum(len(_WORD.findall(text)) for text in texts) / len(texts)
    phrases = long > 20 or (worded >= 2 and not _PERSONAL.fullmatch(loosely(name)))
    if spaced > 0.5 and phrases and different > min(100, len(texts) // 5):
        return "text"
    if _PEOPLE.search(name):
        return "subject"
    if not key and complete and different == len(texts) and _KEYS.search(name):
        return "key"
    if all(map(_is_date, texts)):
        return "date" if all(len(text.strip()) == 10 for text in texts) else "datetime"
    return "number" if not _is_code(name) and all(map(_is_number, texts)) else "word"


def _words(name: str) -> str:
    """Return a column's name as lower-case words with one underscore between them."""
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name)).strip("_").lower()


def _is_code(name: str) -> bool:
    return _CODES.search(_words(name)) is not None  # its digits are a name, not an amount


def _is_date(text: str) -> bool:
    """Say whether pydantic reads it as a date or time; it would take a bare number for one, we do not."""
    if not _ISO.fullmatch(text.strip()):
        return False
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _tidy(column: Column, text: str | None) -> str | None:
    """Return a value as the drafted input model will read it."""
    whole = _WHOLE.fullmatch(text) if text and column.tidied else None
    return whole[1] if whole else text


def _suspects(columns: Sequence[Column], rows: Sequence[tuple[Cells, str]], target: str) -> dict[str, str]:
    """Return column -> why it should not be decided from."""
    found: dict[str, str] = {}
    for column in columns:
        name = _words(column.column)
        if _PROTECTED.search(name):
            found[column.column] = "it is a protected attribute"
        elif _LATER.search(name):
            found[column.column] = "its name says that it is known only afterwards"
    found |= _late(columns, [row for row, _ in rows[:2_000]], found)
    for column in columns:
        if column.kind not in ("key", "subject") and column.column not in found and _tells(column, rows):
            found[column.column] = f"it tells {target} {TELLS}"
    return found


def _late(columns: Sequence[Column], rows: Sequence[Cells], known: Mapping[str, str]) -> dict[str, str]:
    """Return the dates that are mostly later than the first of their row: they may not be known yet."""
    first: tuple[str, list[datetime | None]] | None = None
    found: dict[str, str] = {}
    for column in columns:
        if column.column in known or column.kind not in ("word", "date", "datetime"):
            continue
        moments = _moments([row.get(column.column) for row in rows])
        if moments is None:
            continue
        if first is None:
            first = (column.column, moments)
            continue
        pairs = [(a, b) for a, b in zip(first[1], moments, strict=True) if a and b]
        if pairs and sum(b > a for a, b in pairs) > len(pairs) / 2:
            found[column.column] = f"it is mostly later than {first[0]}"
    return found


def _moments(texts: Sequence[str | None]) -> list[datetime | None] | None:
    """Read texts as times, all in one way; None if that cannot be done."""
    ways: list[Callable[[str], datetime]] = [datetime.fromisoformat]
    ways += [lambda text, form=form: datetime.strptime(text, form) for form in _FORMATS]  # type: ignore[misc]
    if not any(texts) or any(text and not re.match(r"\s*\d+[-/.]\d", text) for text in texts):
        return None
    for way in ways:
        try:
            # Without an offset: times with and without one cannot be compared.
            return [way(text.strip()).replace(tzinfo=None) if text else None for text in texts]
        except ValueError:
            continue
    return None


def _tells(column: Column, rows: Sequence[tuple[Cells, str]]) -> bool:
    """Say whether the label follows from this column alone, with hardly an exception.

    What each value (or side of a limit) means is learnt from one half of `rows` and tried on the other.
    """
    cells: list[tuple[Cells, str]] = [({column.field: row.get(column.column)}, label) for row, label in rows]
    known, tried = cells[: len(cells) // 2], cells[len(cells) // 2 :]
    seen: dict[str | None, Counter[str]] = defaultdict(Counter)
    for one, label in known:
        seen[one[column.field]][label] += 1
    answers = {value: counts.most_common(1)[0][0] for value, counts in seen.items()}
    found = [(answers.get(one[column.field]), label) for one, label in tried]
    if column.kind == "number" and sum(answer is None for answer, _ in found) > len(found) / 10:
        rule = _by_limit(column.field, known)
        found = [(answer_of(rule, one) if rule else None, label) for one, label in tried]
    usual = Counter(label for _, label in known).most_common(1)[0][0] if known else None
    told = [(answer, label) for answer, label in found if answer is not None]
    missed = sum(label != usual for _, label in told)
    wrong = sum(answer != label for answer, label in told)
    # Rare values may be new to the other half; what a constant gets right anyway proves nothing.
    return len(told) >= max(10, 0.9 * len(found)) and missed >= 3 and wrong <= 0.02 * missed


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?\s*", text) is not None  # `0012` is a name


def _field_name(column: str, taken: Sequence[str]) -> str:
    """Return a name that a pydantic model takes, as near to the column's as can be."""
    from pydantic import BaseModel

    name = re.sub(r"\W+", "_", column.strip()).strip("_").lower()
    name = (name if name.isidentifier() else f"column_{name}")[:NAME].rstrip("_")
    # A field `date: date | None = None` would hide the type of the fields below it.
    hidden = name in ("date", "datetime", "float", "str")
    if hidden or keyword.iskeyword(name) or hasattr(BaseModel, name) or name.startswith("model_"):
        name = f"{name}_"
    while name in taken:
        name = f"{name}_2"
    return name


def best_rule(columns: Sequence[Column], rows: Sequence[tuple[Cells, str]]) -> Rule | None:
    """Return the rule over one column that is right most often on `rows`; None if none beats a constant."""
    usual, best = Counter(label for _, label in rows).most_common(1)[0]
    chosen: Rule | None = None
    for column in columns:
        made = {"word": _by_value, "text": _by_keyword, "number": _by_limit}.get(column.kind)
        rule = made(column.field, rows) if made else None
        if rule is None:
            continue
        right = sum((answer_of(rule, cells) or usual) == label for cells, label in rows)
        if right > best:
            chosen, best = rule, right
    return chosen


def answer_of(rule: Rule, cells: Cells) -> str | None:
    """Return what a drafted rule answers, as its decision table will; None if no row matches."""
    value = cells.get(rule.field) or ""
    for condition, answer in rule.rows:
        sign, wanted = condition[0], condition[1:].strip()
        if sign == "~" and wanted in value.lower():
            return answer
        if sign == "=" and value.strip() == wanted:
            return answer
        if sign in "<>" and _is_number(value):
            limit = float(wanted.removeprefix("="))
            if (float(value) <= limit) == (sign == "<"):
                return answer
    return None


def _by_value(field: str, rows: Sequence[tuple[Cells, str]]) -> Rule | None:
    """The most common label of each value, where values come often enough to say something."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for cells, label in rows:
        if (value := (cells[field] or "").strip()) and value.isprintable():
            seen[value][label] += 1
    if not 2 <= len(seen) <= min(100, len(rows) // 5):
        return None
    table = [(f"={value}", counts.most_common(1)[0][0]) for value, counts in sorted(seen.items())]
    return Rule(field=field, rows=tuple(table), told=f"the usual answer for each {field}")


def _by_limit(field: str, rows: Sequence[tuple[Cells, str]]) -> Rule | None:
    """One limit on a number: the most common label on either side of it."""
    numbers = sorted((float(cells[field] or 0), label) for cells, label in rows if cells[field])
    below, above = Counter[str](), Counter(label for _, label in numbers)
    best: tuple[int, float, str, str] | None = None
    for place, (value, label) in enumerate(numbers[:-1]):
        below[label] += 1
        above[label] -= 1
        if numbers[place + 1][0] == value or place % max(1, len(numbers) // 200):
            continue
        (low, n), (high, m) = below.most_common(1)[0], above.most_common(1)[0]
        if low != high and (best is None or n + m > best[0]):
            best = (n + m, value, low, high)
    if best is None:
        return None
    _, limit, low, high = best
    return Rule(
        field=field, rows=((f"<= {limit!r}", low), (f"> {limit!r}", high)), told=f"{field} up to {limit:g}"
    )


def _by_keyword(field: str, rows: Sequence[tuple[Cells, str]]) -> Rule | None:
    """A list of words, the surest first; each has to prove itself on the rows that none before it took."""
    texts = [(cells[field] or "").lower() for cells, _ in rows]
    labels = [label for _, label in rows]
    fewest = max(3, len(rows) // 500)
    common = Counter(word for text in texts for word in set(_WORD.findall(text)))
    words = [word for word, count in common.most_common(600) if fewest <= count <= len(rows) // 2]
    places = {word: {n for n, text in enumerate(texts) if word in text} for word in words}
    usual = Counter(labels)
    left = set(range(len(rows)))
    table: list[tuple[str, str]] = []
    while words and len(table) < WORDS:
        best: tuple[float, int, str, str] | None = None
        for word in words:
            here = places[word] & left
            if len(here) < fewest:
                continue
            label, count = Counter(labels[n] for n in here).most_common(1)[0]
            # Two imagined misses, so that a word seen thrice does not go before one seen a hundred times.
            sure = count / (len(here) + 2)
            if sure > max(0.5, usual[label] / len(rows)) and (best is None or (sure, count) > best[:2]):
                best = (sure, count, word, label)
        if best is None:
            break
        table.append((f"~{best[2]}", best[3]))
        left -= places[best[2]]
        words.remove(best[2])
    return Rule(field=field, rows=tuple(table), told=f"{len(table)} words in {field}") if table else None
