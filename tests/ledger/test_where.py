"""A condition means the same in SQLite, in DuckDB and in words; errors name the position."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import UsageError
from answerable.ledger.where import FIELDS, MAX_DEPTH, compile_where

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
DAY = 86_400_000_000


def compiled(text: str) -> tuple[str, tuple[Any, ...]]:
    """Compile at a fixed time."""
    return compile_where(text, now=NOW)


# -- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("status = failed", "failed"),
        ("label = 'a b'", "a b"),
        ('label = "it\'s"', "it's"),
        ("label = 'and'", "and"),
        ("decider = security_words@1", "security_words@1"),
        ("principal = service:web", "service:web"),
        ("confidence < 0.5", 0.5),
        ("latency > 200ms", 200_000),
        ("latency > 1h30m", 5_400_000_000),
        ("latency > 2", 2_000_000),
        ("latency > 0", 0),
        ("cost >= 0.05", 50_000),
        ("cost = -1", -1_000_000),
        ("at > 2026-09-21", 1_789_948_800_000_000),
        ("at > 2026-09-21T14:13:20Z", NOW),
        ("at > 2026-09-21T16:13:20+02:00", NOW),
        ("at > 2d ago", NOW - 2 * DAY),
        ("at > '1d12h ago'", NOW - 3 * DAY // 2),
    ],
)
def test_values_are_read_by_their_field(text: str, value: object) -> None:
    """Words, quoted text, numbers, durations in microseconds, money in micro-units, times in UTC."""
    assert compiled(text)[1] == (value,)


def test_an_empty_condition_is_none() -> None:
    """Nothing asked, nothing filtered."""
    assert compiled("  ") == ("", ())


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("label", 6, "expected one of"),
        ("label =", 8, "expected a value"),
        ("label = and", 9, "in quotes"),
        ("label = 'a", 9, "not closed"),
        ("label = a b", 11, "expected `and`, `or` or the end"),
        ("(label = a", 11, "expected `)`"),
        ("label = a)", 10, "expected `and`, `or` or the end"),
        ("label < a", 7, "no order"),
        ("cost ~ 1", 6, "only a text contains"),
        ("label ~ ''", 9, "empty"),
        ("label in a", 10, "expected `(`"),
        ("label in ()", 11, "expected a value"),
        ("label is 1", 10, "expected `none`"),
        ("= 1", 1, "expected a field"),
        ("not", 4, "expected a field"),
        ("label = a and", 14, "expected a field"),
        ("confidence = high", 14, "not a number"),
        ("confidence = nan", 14, "not a number"),
        ("latency > 5 minutes", 13, "expected `and`"),
        ("latency > -1", 11, "not a duration"),
        ("cost > 1e30", 8, "too large"),
        ("cost > x", 8, "not an amount"),
        ("at > yesterday", 6, "not a time"),
        ("at > x ago", 6, "not a time"),
        ("label ! a", 7, "means nothing here"),
        ("'label' = a", 1, "expected a field"),
    ],
)
def test_an_error_names_its_position(text: str, position: int, why: str) -> None:
    """Counted from 1, with what was expected there."""
    with pytest.raises(UsageError) as caught:
        compiled(text)

    assert f"position {position}," in caught.value.what
    assert why in caught.value.what


def test_an_unknown_field_gets_a_suggestion() -> None:
    """The nearest field is named; the key is not one of them."""
    with pytest.raises(UsageError, match="did you mean 'status'"):
        compiled("stauts = failed")
    with pytest.raises(UsageError, match=r"no field is named 'key' \(position 16\)"):
        compiled("label = ab and key = 1")


@pytest.mark.parametrize(
    ("text", "position", "meant"),
    [
        ("status = answerd", 10, "'answered'"),
        ("status in (failed, refusd)", 20, "'refused'"),
        ("cost = 1 or not kind != decisions", 25, "'decision'"),
        ("status = resolvd", 10, "'resolved'"),
        ("fault = time-out", 9, "'timeout'"),
        ("fault = fault:timeout", 9, "'timeout'"),
        ("degraded = conect", 12, "'connect'"),
        ("degraded in (default, fault:conect)", 23, "'connect'"),
        ("degraded = fault:default", 12, "'default'"),
    ],
)
def test_a_field_with_known_words_takes_no_other(text: str, position: int, meant: str) -> None:
    """A slip would quietly find nothing; the nearest word is named."""
    with pytest.raises(UsageError, match=rf"\(position {position}\) is none of") as caught:
        compiled(text)

    assert caught.value.next_step == f"did you mean {meant}?"
    assert compiled("status ~ answ")[1] == ("answ",)


def found(text: str, column: str, values: list[str | None]) -> list[str]:
    """Return which of the values a condition over one column finds, in SQLite and in DuckDB alike."""
    duckdb = pytest.importorskip("duckdb")
    where, params = compiled(text)
    each = []
    for connection in (sqlite3.connect(":memory:"), duckdb.connect(":memory:")):
        connection.execute(f"CREATE TABLE entry ({column} TEXT)")
        connection.executemany("INSERT INTO entry VALUES (?)", [(value,) for value in values])
        rows = connection.execute(f"SELECT {column} FROM entry WHERE {where}", params).fetchall()
        each.append([row[0] for row in rows])
        connection.close()
    assert each[0] == each[1]
    return each[0]


@pytest.mark.parametrize(
    ("text", "deciders"),
    [
        ("decider = default", ["default@7b45acc2", "default@1"]),
        ("decider = default@1", ["default@1"]),
        ("decider != default", ["default2@1", "Default@1", "dé_%@2", "person:user:ann"]),
        ("decider in (dé_%, 'person:user:ann')", ["dé_%@2", "person:user:ann"]),
        ("decider = defaul", []),
        ("not decider = default and decider is not none and decider ~ '@1'", ["default2@1", "Default@1"]),
    ],
)
def test_a_decider_is_found_by_its_name_with_or_without_its_version(text: str, deciders: list[str]) -> None:
    """`default` is every version of it; a person has none."""
    known = ["default@7b45acc2", "default@1", "default2@1", "Default@1", "dé_%@2", "person:user:ann", None]

    assert found(text, "made_by", known) == deciders


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("degraded = connect", ["fault:connect"]),
        ("degraded = fault:connect", ["fault:connect"]),
        ("degraded in (timeout, default)", ["fault:timeout", "default"]),
        ("degraded != connect", ["fault:timeout", "default"]),
    ],
)
def test_a_second_best_answer_is_found_by_the_bare_category(text: str, reasons: list[str]) -> None:
    """Which the record keeps as "fault:connect"."""
    assert found(text, "degraded", ["fault:connect", "fault:timeout", "default", None]) == reasons


def test_length_and_depth_are_bounded() -> None:
    """No condition exhausts the stack, ours or the database's."""
    deep = "(" * (MAX_DEPTH - 1) + "cost = 1" + ")" * (MAX_DEPTH - 1)
    compiled(deep)
    with pytest.raises(UsageError, match="deep"):
        compiled("(" * 60 + "cost = 1" + ")" * 60)
    with pytest.raises(UsageError, match="deep"):
        compiled("not " * 60 + "cost = 1")
    with pytest.raises(UsageError, match="characters"):
        compiled("cost = 1 or " * 400 + "cost = 1")
    where, params = compiled("cost = 1 or " * 332 + "cost = 1")
    assert sqlite3.connect(":memory:").execute(f"SELECT {where.replace('cost', '5')}", params).fetchone() == (
        0,
    )


# -- meaning -------------------------------------------------------------------------------------------

COLUMNS = {
    "stage": "TEXT",
    "label": "TEXT",
    "confidence": "DOUBLE",
    "latency_us": "BIGINT",
    "cost": "BIGINT",
    "at": "BIGINT",
}
TEXTS = ("a", "b", "ab", "A", "", "ä", "a b", "x%_\\", "none", "Ω")
Row = dict[str, Any]
Rule = tuple[str, Callable[[Row], bool]]  # the condition as text, and what it means

_rows = st.fixed_dictionaries(
    {
        "stage": st.none() | st.sampled_from(TEXTS),
        "label": st.none() | st.sampled_from(TEXTS),
        "confidence": st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "latency_us": st.none() | st.integers(0, 3).map(lambda n: n * 1_000_000),
        "cost": st.none() | st.integers(-1, 2).map(lambda n: n * 1_000_000),
        "at": st.integers(-2, 2).map(lambda n: NOW + n * DAY),
    }
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def _quoted(text: str) -> str:
    return f'"{text}"'


@st.composite
def _comparison(draw: st.DrawFn) -> Rule:
    field = draw(st.sampled_from(["stage", "label", "confidence", "latency", "cost", "at"]))
    column = FIELDS[field][0].strip('"')
    form = draw(st.sampled_from(["compare", "in", "is", "is not", "contains"]))
    if form == "is":
        return f"{field} is none", lambda row: row[column] is None
    if form == "is not":
        return f"{field} IS NOT none", lambda row: row[column] is not None
    if field in ("stage", "label"):
        values: list[Any] = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))
        shown = [_quoted(value) for value in values]
        if form == "contains" and values[0]:
            return f"{field} ~ {shown[0]}", lambda row: row[column] is not None and values[0] in row[column]
    elif field == "at":
        days = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
        values, shown = [NOW - n * DAY for n in days], [f"{n}d ago" for n in days]
    else:
        numbers = draw(st.lists(st.sampled_from([0, 0.25, 0.5, 1, 2]), min_size=1, max_size=3))
        scale = 1 if field == "confidence" else 1_000_000
        values, shown = [n * scale for n in numbers], [str(n) for n in numbers]
    if form == "in":
        return (
            f"{field} in ({', '.join(shown)})",
            lambda row: row[column] is not None and row[column] in values,
        )
    operator = draw(st.sampled_from(["=", "!="] if field in ("stage", "label") else list(_ORDER)))
    return (
        f"{field}{operator}{shown[0]}",
        lambda row: row[column] is not None and _ORDER[operator](row[column], values[0]),
    )


def _both(pair: tuple[Rule, Rule]) -> Rule:
    (one, means_one), (other, means_other) = pair
    return f"({one}) and {other}", lambda row: means_one(row) and means_other(row)


def _either(pair: tuple[Rule, Rule]) -> Rule:
    (one, means_one), (other, means_other) = pair
    return f"({one} OR ({other}))", lambda row: means_one(row) or means_other(row)


def _not(rule: Rule) -> Rule:
    return f"not ({rule[0]})", lambda row: not rule[1](row)


_rules = st.recursive(
    _comparison(),
    lambda inner: st.tuples(inner, inner).map(_both) | st.tuples(inner, inner).map(_either) | inner.map(_not),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def databases() -> list[Callable[[str, tuple[Any, ...], list[Row]], list[int]]]:
    """SQLite and DuckDB: each runs a condition over rows and gives the numbers of those that fit."""
    duckdb = pytest.importorskip("duckdb")
    ddl = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())

    def make(connection: Any, kinds: str) -> Callable[[str, tuple[Any, ...], list[Row]], list[int]]:
        connection.execute(f"CREATE TABLE entry (n BIGINT, {kinds})")

        def ask(where: str, params: tuple[Any, ...], rows: list[Row]) -> list[int]:
            connection.execute("DELETE FROM entry")
            places = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
            values = [
                value
                for number, row in enumerate(rows)
                for value in (number, *(row[name] for name in COLUMNS))
            ]
            connection.execute(f"INSERT INTO entry VALUES {places}", values)
            never = connection.execute(
                f"SELECT count(*) FROM entry WHERE ({where}) IS NULL", params
            ).fetchone()
            assert never == (0,), "a node is NULL"
            found = connection.execute(f"SELECT n FROM entry WHERE {where} ORDER BY n", params).fetchall()
            return [number for (number,) in found]

        return ask

    lite = ddl.replace("DOUBLE", "REAL").replace("BIGINT", "INTEGER")
    return [make(sqlite3.connect(":memory:"), lite), make(duckdb.connect(":memory:"), ddl)]


@given(rule=_rules, rows=st.lists(_rows, min_size=1, max_size=6))
@settings(max_examples=80)
def test_a_condition_means_what_it_says_in_every_database(
    databases: Any, rule: Rule, rows: list[Row]
) -> None:
    """A comparison with a missing value is false and `not` of it true; nothing is ever NULL."""
    text, means = rule
    where, params = compiled(text)

    wanted = [number for number, row in enumerate(rows) if means(row)]

    for ask in databases:
        assert ask(where, params, rows) == wanted, text


def test_and_binds_closer_than_or_and_not_closest() -> None:
    """As everywhere."""
    assert compiled("not cost = 1 or cost = 2 and cost = 3") == compiled(
        "(not (cost = 1)) or (cost = 2 and cost = 3)"
    )
