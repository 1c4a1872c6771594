"""A row filter lets through exactly the rows that Cedar, asked about each of them, would allow."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Engine, Integer, MetaData, String, Table, create_engine, select
from sqlalchemy.dialects import mysql, postgresql

from answerable.decisions.case import Principal
from answerable.errors import UsageError
from answerable.governance.residuals import NotCompiled, compiled
from answerable.governance.row_filter import matches, to_sql
from answerable.governance.rows import EVERY, NONE, All, Compare, Has, Like, Not, OneOf, Some
from answerable.ledger import sqlite
from policies import CRM, ask, engine, sound

ATTRIBUTES = 'region = "text"\nlevel = "whole"\nteams = "texts"\n'
TEXTS = ("", "a", "A", "ab", "a%b", "a_b", "a*b", "[a]", "ä", "a\nb", "it's", "!", "\\", '"', "😀", "b?")
HOSTILE = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
NUMBERS = st.sampled_from((-(2**63), -1, 0, 1, 2, 2**31, 2**63 - 1))
ROWS = st.fixed_dictionaries(
    {
        "team": st.sampled_from(TEXTS),
        "note": st.none() | HOSTILE,
        "n": st.none() | NUMBERS,
        "vip": st.none() | st.booleans(),
    }
)


def quoted(text: str) -> str:
    """Return a text as Cedar writes it."""
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\u{{{ord(c):x}}}" for c in text) + '"'


def pattern(text: str) -> str:
    """Return a text as a pattern of Cedar in which each `*` is a wildcard."""
    return '"' + "".join(c if c == "*" else quoted(c)[1:-1] for c in text) + '"'


texts = st.sampled_from(TEXTS).map(quoted)
numbers = NUMBERS.map(lambda n: str(n) if n >= 0 else f"({n})")
columns = {"team": "resource.team", "note": "resource.note", "n": "resource.n", "vip": "resource.vip"}


def guarded(column: str, told: str) -> str:
    """Return a condition that asks first whether the column has a value, as the schema demands."""
    return told if column == "team" else f"(resource has {column} && {told})"


@st.composite
def leaves(draw: st.DrawFn) -> str:
    """A condition on one column, or on the principal."""
    column = draw(st.sampled_from(("team", "note")))
    told = columns[column]
    return draw(
        st.one_of(
            st.sampled_from(("==", "!=")).flatmap(
                lambda op: texts.map(lambda t: guarded(column, f"{told} {op} {t}"))
            ),
            st.lists(texts, min_size=1, max_size=3).map(
                lambda ts: guarded(column, f"[{', '.join(ts)}].contains({told})")
            ),
            st.text("ab*A%_", max_size=4).map(lambda p: guarded(column, f"{told} like {pattern(p)}")),
            st.tuples(st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), numbers).map(
                lambda o: guarded("n", f"resource.n {o[0]} {o[1]}")
            ),
            numbers.map(lambda n: guarded("n", f"{n} < resource.n")),
            st.sampled_from(("resource.vip", "resource.vip == false", "resource.vip != true")).map(
                lambda t: guarded("vip", t)
            ),
            st.sampled_from(("note", "n", "vip")).map(lambda c: f"resource has {c}"),
            st.just("(principal has region && resource.team == principal.region)"),
            st.just("(principal has teams && principal.teams.contains(resource.team))"),
            st.just("(principal has level && resource has n && resource.n > principal.level)"),
            st.sampled_from(('context.purpose == "support"', "principal.verified", "true", "false")),
            # This one ends with an error for some principals: the policy cannot be judged then.
            st.just("(principal has level && principal.level * 4611686018427387904 > 0)"),
        )
    )


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A condition of conditions."""
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: f"({p[0]} && {p[1]})"),
        pair.map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda i: f"!({i})"),
        st.tuples(inner, inner, inner).map(lambda p: f"(if {p[0]} then {p[1]} else {p[2]})"),
    )


conditions = st.recursive(leaves(), combined, max_leaves=5)


@st.composite
def sets(draw: st.DrawFn) -> str:
    """A set of one to four policies on the rows of the source."""
    lines = []
    for number in range(draw(st.integers(1, 4))):
        effect = "permit" if number == 0 else draw(st.sampled_from(("permit", "forbid")))
        who = draw(st.sampled_from(("principal", 'principal in Role::"agent"')))
        tail = draw(st.sampled_from(("when", "unless")))
        lines.append(
            f'@id("p{number}") @reason("r{number}") {effect} ({who}, action == Action::"read", '
            f"resource is Row::crm) {tail} {{ {draw(conditions)} }};"
        )
    return "\n".join(lines)


principals = st.builds(
    Principal,
    id=st.sampled_from(("user:1", "user:2")),
    roles=st.sampled_from(((), ("agent",), ("agent", "other"))),
    verified=st.booleans(),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "region": st.sampled_from(TEXTS),
            "level": st.sampled_from((0, 1, 2)),
            "teams": st.lists(st.sampled_from(TEXTS), max_size=3),
        },
    ),
)

metadata = MetaData()
table = Table(
    "crm",
    metadata,
    Column("row", Integer),
    Column("team", String),
    Column("note", String),
    Column("n", Integer),
    Column("vip", Boolean),
)


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[Engine, duckdb.DuckDBPyConnection]]:
    """An empty table in SQLite and one in DuckDB."""
    database = create_engine("sqlite://", module=sqlite.library())
    metadata.create_all(database)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE crm (row INT, team VARCHAR, note VARCHAR, n BIGINT, vip BOOLEAN)")
        yield database, connection
    database.dispose()


def found_by_sqlite(database: Engine, rows: Any, data: list[dict[str, Any]]) -> set[int]:
    """Return the numbers of the rows that the filter lets through in SQLite."""
    with database.begin() as connection:
        connection.execute(table.delete())
        connection.execute(table.insert(), [{**row, "row": i} for i, row in enumerate(data)])
        return set(connection.scalars(select(table.c.row).where(to_sql(rows, table.c))))


def found_by_duckdb(connection: duckdb.DuckDBPyConnection, rows: Any, data: list[dict[str, Any]]) -> set[int]:
    """Return the same of DuckDB, which reads the SQL that is made for PostgreSQL."""
    query = select(table.c.row).where(to_sql(rows, table.c))
    made = query.compile(
        dialect=postgresql.dialect(paramstyle="qmark"), compile_kwargs={"render_postcompile": True}
    )
    sql = str(made)
    for kind in ("VARCHAR", "INTEGER", "BOOLEAN", "BIGINT"):
        sql = sql.replace(f"::{kind}", "")
    values = [[i, *(row[name] for name in ("team", "note", "n", "vip"))] for i, row in enumerate(data)]
    connection.execute("DELETE FROM crm")
    connection.executemany("INSERT INTO crm VALUES (?, ?, ?, ?, ?)", values)
    bound = [made.params[name] for name in made.positiontup or ()]
    return {row for (row,) in connection.execute(sql, bound).fetchall()}


@given(text=sets(), who=principals, data=st.lists(ROWS, min_size=1, max_size=8))
@settings(max_examples=60)
def test_the_filter_lets_through_what_cedar_allows_row_by_row(
    databases: tuple[Engine, duckdb.DuckDBPyConnection],
    text: str,
    who: Principal,
    data: list[dict[str, Any]],
) -> None:
    """For random policies, principals and tables, empty columns included; or else it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        policies = engine(Path(folder) / "policies", text, attributes=ATTRIBUTES)
        told = policies.rows(ask(who, "read", "Source", "crm"))
        each = [sound(policies.authorize(ask(who, "read", "Row", "crm", **row))) for row in data]
    allowed = {i for i, permit in enumerate(each) if permit.allowed}

    sound(told.permit)
    if not told.permit.allowed and told.permit.policies:
        assert "which no filter on rows can say" in told.permit.reason or allowed == set()
        assert told.rows == NONE
        return
    assert {i for i, row in enumerate(data) if matches(told.rows, row)} == allowed
    assert found_by_sqlite(databases[0], told.rows, data) == allowed
    assert found_by_duckdb(databases[1], told.rows, data) == allowed


# -- what Cedar leaves, compiled ----------------------------------------------------------------------------


def rows_of(folder: Path, condition: str, *, effect: str = "permit", who: Any = "user:1") -> Any:
    """Return the row permit of a policy with this condition, beside one that permits all for a forbid."""
    head = f'principal, action == Action::"read", resource is Row::crm) when {{ {condition} }};'
    text = f'@id("it") @reason("r") {effect} ({head}'
    if effect == "forbid":
        text += '@id("all") @reason("r") permit (principal, action, resource is Row::crm);'
    return engine(folder, text, attributes=ATTRIBUTES).rows(ask(who, "read", "Source", "crm"))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("true", EVERY),
        ('resource.team == "a"', Compare("team", "==", "a")),
        ('"a" != resource.team', Compare("team", "!=", "a")),
        ("resource has n && 3 < resource.n", Compare("n", ">", 3)),
        ("resource has n && !(resource.n >= 3)", Compare("n", "<", 3)),
        ('["a", "b"].contains(resource.team)', OneOf("team", ("a", "b"))),
        ('resource.team like "a*\\*"', Like("team", ("a", "*"))),
        ("resource has note", Has("note")),
        ("!(resource has note)", Not(Has("note"))),
        ("resource has vip && resource.vip", Compare("vip", "==", True)),
        ('resource in Source::"crm"', EVERY),
        ("principal.verified || resource has n", Has("n")),
        ('resource has n || resource.team == "a"', Some((Has("n"), Compare("team", "==", "a")))),
    ],
)
def test_a_condition_becomes_the_smallest_filter(tmp_path: Path, condition: str, rows: Any) -> None:
    """What every row satisfies, or no row, leaves nothing behind; an empty team ends with an error."""
    found = rows_of(tmp_path / "p", condition)

    without_guard = (
        All(tuple(p for p in found.rows.of if p != Has("team")))
        if isinstance(found.rows, All)
        else found.rows
    )
    assert found.permit.allowed
    assert without_guard in (rows, All((rows,)))


def test_an_empty_column_that_a_forbid_asks_for_denies_the_row(tmp_path: Path) -> None:
    """Cedar would skip that forbid, and show the row."""
    found = rows_of(tmp_path / "p", 'resource.team == "secret"', effect="forbid")

    assert found.rows == Compare("team", "!=", "secret")
    assert [matches(found.rows, {"team": t}) for t in ("open", "secret", None)] == [True, False, False]


def test_the_right_side_is_asked_only_where_the_left_one_leaves_it_open(tmp_path: Path) -> None:
    """`x || true` ends with an error where x cannot be told, as in Cedar."""
    found = rows_of(tmp_path / "p", 'resource.team == "a" || true')

    assert [matches(found.rows, {"team": t}) for t in ("a", "b", None)] == [True, True, False]


@pytest.mark.parametrize(
    ("condition", "construct"),
    [
        ("resource has n && resource.n + 1 > 3", "`+`"),
        ("resource has note && resource.note == resource.team", "two things that are both unknown"),
        ('resource has tags && resource.tags.contains("x")', "`contains`"),
        ('resource has tags && resource.tags.containsAny(["x"])', "`containsAny`"),
        ("resource has tags && resource.tags.isEmpty()", "`isEmpty`"),
        ('resource == Row::crm::"1"', "a comparison of the row itself"),
        ('resource in [Row::crm::"1"]', "a row named by its id"),
        (" || ".join(f'resource.team == "{n}"' for n in range(300)), "more than 250 parts"),
    ],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_what_no_filter_can_say_is_refused(
    tmp_path: Path, condition: str, construct: str, effect: str
) -> None:
    """The denial names the policy and the construct; no row is let through."""
    found = rows_of(tmp_path / "p", condition, effect=effect)

    assert (sound(found.permit).allowed, found.rows) == (False, NONE)
    assert found.permit.policies == ("it",)
    assert 'the policy "it" has' in found.permit.reason
    assert construct in found.permit.reason


def test_a_policy_that_would_end_with_an_error_for_this_principal_is_refused(tmp_path: Path) -> None:
    """Cedar leaves such a part as it was."""
    condition = "resource has n && principal has level && principal.level * 9223372036854775807 > 0"
    found = rows_of(tmp_path / "p", condition, who=Principal("user:1", (), {"level": 4}))

    assert not sound(found.permit).allowed
    assert "ends with an error for this principal" in found.permit.reason


def test_a_source_that_is_forbidden_gives_no_row(tmp_path: Path) -> None:
    """Though a policy permits its rows."""
    text = (
        '@id("rows") @reason("r") permit (principal, action == Action::"read", resource is Row::crm);'
        '@id("closed") @reason("It is closed.") forbid (principal, action, resource == Source::"crm");'
    )
    policies = engine(tmp_path / "p", text)

    found = policies.rows(ask("user:1", "read", "Source", "crm"))

    assert (sound(found.permit).reason, found.rows) == ("It is closed", NONE)
    assert not policies.authorize(ask("user:1", "read", "Row", "crm", team="a")).allowed


def test_a_denial_of_rows_says_what_would_have_allowed_some(tmp_path: Path) -> None:
    """Without asking what rows there are."""
    found = rows_of(tmp_path / "p", 'context.purpose == "audit" && resource.team == "a"')

    assert sound(found.permit).remedy == '"it" would allow it if: the purpose is "audit"'


def test_an_expression_that_is_not_known_is_refused() -> None:
    """A newer Cedar may leave what this version does not know."""
    left = {"it": {"effect": "permit", "conditions": [{"kind": "when", "body": {"new": {"arg": 1}}}]}}

    with pytest.raises(NotCompiled, match='the policy "it" has `new`'):
        compiled(left, CRM)


# -- the filter as SQL -------------------------------------------------------------------------------------


def test_a_column_that_takes_a_for_A_is_compared_by_its_characters(
    databases: tuple[Engine, duckdb.DuckDBPyConnection],
) -> None:
    """Cedar tells them apart, whatever the table was declared with."""
    loose = Table("loose", MetaData(), Column("team", String(collation="NOCASE")))
    rows = Some((Compare("team", "==", "ab"), OneOf("team", ("ab", "x")), Like("team", ("a", ""))))

    with databases[0].begin() as connection:
        loose.metadata.create_all(connection)
        connection.execute(loose.insert(), [{"team": "AB"}, {"team": "ab"}])
        found = set(connection.scalars(select(loose.c.team).where(to_sql(rows, loose.c))))
        other = set(connection.scalars(select(loose.c.team).where(to_sql(Not(rows), loose.c))))
        loose.drop(connection)

    assert (found, other) == ({"ab"}, {"AB"})


def test_the_filter_is_the_same_on_postgresql(postgres_url: str) -> None:
    """Case, wildcards of its own LIKE and empty columns included."""
    rows = All((Some((OneOf("note", ("ab", "x")), Like("note", ("a", "%", "")))), Not(Compare("n", "==", 2))))
    data = [
        {"team": "t", "note": note, "n": n, "vip": None}
        for note in ("ab", "AB", "a%b", "axb", "a\n%", None)
        for n in (1, 2, None)
    ]
    database = create_engine(postgres_url)
    try:
        with database.begin() as connection:
            metadata.create_all(connection)
            connection.execute(table.insert(), [{**row, "row": i} for i, row in enumerate(data)])
            found = set(connection.scalars(select(table.c.row).where(to_sql(rows, table.c))))
    finally:
        database.dispose()

    assert found == {i for i, row in enumerate(data) if matches(rows, row)}
    assert found


def test_a_database_whose_comparisons_are_not_known_is_refused() -> None:
    """MySQL takes A for a unless told otherwise."""
    with pytest.raises(UsageError, match="not known to be exact on mysql"):
        select(table).where(to_sql(Compare("team", "==", "a"), table.c)).compile(dialect=mysql.dialect())


@pytest.mark.parametrize(
    "rows",
    [
        Compare("team", "==", 1),
        Compare("n", "==", "1"),
        Compare("n", "==", True),
        Compare("vip", "==", 1),
        Compare("gone", "==", 1),
        Has("gone"),
        OneOf("team", ("a", 1)),
        Like("n", ("1", "")),
        Like("team", ("\0", "")),
        Like("team", ("a" * 1001, "")),
        Compare("team", "==", "\0"),
    ],
)
def test_what_a_table_cannot_answer_is_refused(rows: Any) -> None:
    """A column of another type, one that is not there, and text that no database holds."""
    with pytest.raises(UsageError, match="the row filter"):
        to_sql(rows, table.c)


@given(pieces=st.lists(st.text("ab%", max_size=3), min_size=1, max_size=4), text=st.text("ab%", max_size=9))
@example(pieces=["a", "a"], text="a")
@example(pieces=["", "ab", "b", ""], text="aab")
def test_a_pattern_is_matched_as_a_regular_expression_would(pieces: list[str], text: str) -> None:
    """Pieces stand in their order, without overlap."""
    wanted = re.fullmatch(".*".join(map(re.escape, pieces)), text, re.DOTALL) is not None

    assert matches(Like("note", tuple(pieces)), {"note": text}) is wanted
