"""Drafts a decision from labelled rows: what each column is, and the best rule that one column gives."""

import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from answerable.cli.columns import loosely
from answerable.errors import InputError, UsageError, did_you_mean
from answerable.integrations.tables import open_table
from answerable.integrations.tables_core import Row

ROWS = 100_000  # read at most
HELD_OUT = 0.2  # of the rows; they are not looked at until the drafts are judged
HELD_MOST = 2_000
FEWEST = 20  # labelled rows
CLASSES = 200  # different values of the target at most
WORDS = 40  # keywords of a rule at most

Cells = Mapping[str, str | None]
Kind = Literal["key", "subject", "personal", "text", "word", "number"]

_KEYS = re.compile(r"(^|[\W_])(id|no|nr|number|key|ref|reference|uuid)$", re.IGNORECASE)
_PEOPLE = re.compile(
    r"(customer|user|person|client|member|patient|account)[\W_]*(id|no|number)$", re.IGNORECASE
)
_PERSONAL = re.compile(r"e?(mail)|(phone)|(address)|(iban)|(?:first|last|full|sur|user)?(name)")
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column as an input field. kind: how it is declared. missing: some rows have no value."""

    column: str
    field: str
    kind: Kind
    missing: bool
    personal: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A decision table: (condition on `field`, answer) in order. told: what it is, for a person."""

    field: str
    rows: tuple[tuple[str, str], ...]
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What the data says. train, held: rows by field, with the label beside. labels: most common first."""

    source: str
    target: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    train: Sequence[tuple[Cells, str]]
    held: Sequence[tuple[Cells, str]]
    rule: Rule | None
    dropped: int


def draft(source: str, target: str, *, seed: int = 7) -> Draft:
    """Read `source` and draft a decision of its column `target`.

    Raises UsageError if the column is not there or is no choice of a few values, InputError for too few rows.
    """
    rows, names, dropped = _read(source)
    column = next((n for n in names if n == target), None) or next(
        (n for n in names if loosely(n) == loosely(target)), None
    )
    if column is None:
        raise UsageError(f"{source} has no column {target!r}", next_step=did_you_mean(target, names))
    labelled = [
        (row, label) for row in rows if (label := (row.get(column) or "").strip()).isprintable() and label
    ]
    dropped += len(rows) - len(labelled)
    if len(labelled) < FEWEST:
        raise InputError(
            f"{source} has {len(labelled)} rows with a value in {column!r}",
            next_step=f"give at least {FEWEST}",
        )
    counts = Counter(label for _, label in labelled)
    if not 2 <= len(counts) <= CLASSES:
        raise UsageError(
            f"{column!r} has {len(counts)} different values; a choice has 2 to {CLASSES}",
            next_step="name a column with a few values, such as a team or a yes and no",
        )
    columns = _columns([n for n in names if n != column], [row for row, _ in labelled])
    if not columns:
        raise UsageError(
            f"{source} has no column but the target", next_step="add what the decision is made from"
        )
    cells = [({c.field: row.get(c.column) for c in columns}, label) for row, label in labelled]
    Random(seed).shuffle(cells)
    held = cells[: min(HELD_MOST, max(4, round(len(cells) * HELD_OUT)))]
    train = cells[len(held) :]
    return Draft(
        source=source,
        target=_field_name(column, []),
        labels=tuple(label for label, _ in counts.most_common()),
        columns=columns,
        train=train,
        held=held,
        rule=best_rule(columns, train),
        dropped=dropped,
    )


def _read(source: str) -> tuple[list[dict[str, str | None]], list[str], int]:
    rows: list[dict[str, str | None]] = []
    bad = 0
    with open_table(source, limit=ROWS) as table:
        names = list(table.columns)
        for row in table:
            if isinstance(row, Row):
                rows.append({name: _text(value) for name, value in row.values.items()})
            else:
                bad += 1
    return rows, names or list(dict.fromkeys(name for row in rows for name in row)), bad


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _columns(names: Iterable[str], rows: Sequence[Cells]) -> tuple[Column, ...]:
    found: list[Column] = []
    for name in names:
        values = [value for row in rows if (value := row.get(name)) not in (None, "")]
        if not values:
            continue
        texts = [str(value) for value in values]
        kind = _kind(name, texts, complete=len(texts) == len(rows), key=any(c.kind == "key" for c in found))
        told = _PERSONAL.fullmatch(loosely(name))
        personal = next(filter(None, told.groups()), "") if told else ""
        found.append(
            Column(
                column=name,
                field=_field_name(name, [c.field for c in found]),
                kind="personal" if personal and kind == "word" else kind,
                missing=len(texts) < len(rows),
                personal=personal,
            )
        )
    return tuple(found)


def _kind(name: str, texts: Sequence[str], *, complete: bool, key: bool) -> Kind:
    spaced = sum(" " in text.strip() for text in texts) / len(texts)
    long = sum(map(len, texts)) / len(texts)
    if spaced > 0.5 and long > 20:
        return "text"
    if _PEOPLE.search(name):
        return "subject"
    if not key and complete and len(set(texts)) == len(texts) and _KEYS.search(name):
        return "key"
    return "number" if all(map(_is_number, texts)) else "word"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?\s*", text) is not None  # `0012` is a name


def _field_name(column: str, taken: Sequence[str]) -> str:
    """Return a name that a pydantic model takes, as near to the column's as can be."""
    from pydantic import BaseModel

    name = re.sub(r"\W+", "_", column.strip()).strip("_").lower()
    name = name if name.isidentifier() else f"column_{name}".rstrip("_")
    if keyword.iskeyword(name) or hasattr(BaseModel, name) or name.startswith("model_"):
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
