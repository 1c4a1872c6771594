"""Sources over SQL: bound, read-only, pooled, bounded in time, and silent about passwords and values."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import answerable as ans
from answerable.governance.policies_cedar import CedarPolicies
from answerable.governance.rows import Compare
from answerable.system import SystemClock
from roads import memory
from sources import (
    HIGH,
    KINDS,
    LOW,
    SAID,
    TABLE,
    Customer,
    Policies,
    crm,
    decision,
    governed,
    postgres_table,
    reading,
    recorded,
    sqlite_file,
)

ws = pytest.fixture(memory)
SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT * FROM customers WHERE (SELECT count(*) FROM n) > 0",
    "duckdb": "SELECT c.* FROM customers c, (SELECT max(hash(a.i, b.i)) FROM range(1000000) a(i), "
    "range(1000000) b(i)) s",
    "postgresql": "SELECT c.* FROM customers c, (SELECT pg_sleep(30)) s",
}


def got(ws: ans.Workspace, source: ans.Source[Any], **params: Any) -> tuple[list[Any], ans.Outcome[Any]]:
    """Return what a case read, and its outcome."""
    found: list[Any] = []
    outcome = ws.decide(decision(source, reading(source, found, **params)), {"number": "1"})
    return found, outcome


def test_the_filter_holds_around_a_query_whatever_stands_in_it(ws: ans.Workspace, tmp_path: Path) -> None:
    """An OR, a comment or an ORDER BY of the query cannot reach past the condition."""
    governed(ws, Policies(Compare("region", "==", "south")))
    query = "SELECT * FROM customers WHERE id = :id OR 1 = 1 ORDER BY id LIMIT 100 -- all of them"
    source = ans.sql_source("crm", Customer, url=sqlite_file(tmp_path / "crm.db"), query=query, **SAID)

    (rows,), _ = got(ws, source, id="7")

    assert [row.id for row in rows] == ["8"]


@pytest.mark.parametrize(
    ("params", "what"),
    [({}, "needs the parameter 'id'"), ({"id": "7", "di": "8"}, "has no parameter 'di'")],
)
def test_a_query_takes_exactly_its_parameters(
    ws: ans.Workspace, tmp_path: Path, params: Any, what: str
) -> None:
    """One that is missing or misspelt is named."""
    _, outcome = got(ws, crm("query", tmp_path), **params)

    assert what in outcome.attempts[0].reason


def test_a_table_takes_its_columns(ws: ans.Workspace, tmp_path: Path) -> None:
    """Another name is told with what was meant, and a value that a column cannot be compared with too."""
    source = crm("sqlite", tmp_path)

    _, misspelt = got(ws, source, regoin="north")
    odd = ws.decide(decision(source, reading(source, [], id={"a": 1}), name="odd"), {"number": "1"})

    assert "'regoin', which is no column" in misspelt.attempts[0].reason
    assert "with a dict" in odd.attempts[0].reason


def test_a_value_no_row_can_have_finds_no_row(ws: ans.Workspace, tmp_path: Path) -> None:
    """What a customer wrote is no fault of the database."""
    (rows,), outcome = got(ws, crm("sqlite", tmp_path), orders="many")

    assert (rows, outcome.output) == ([], HIGH)


def test_an_empty_value_finds_empty_cells(ws: ans.Workspace, tmp_path: Path) -> None:
    """None asks for rows without a value, which `=` would never find."""
    (rows,), _ = got(ws, crm("sqlite", tmp_path), email=None)

    assert [row.id for row in rows] == ["8"]


def test_a_missing_column_is_a_fault_and_no_text(ws: ans.Workspace, tmp_path: Path) -> None:
    """SQLite would take a bare quoted name that is no column for a text, and give it as data."""

    class Other(BaseModel):
        id: str
        Salary: str

    source = ans.sql_source("crm", Other, url=sqlite_file(tmp_path / "crm.db"), table="customers", **SAID)

    found, outcome = got(ws, source)

    assert (found, outcome.degraded) == ([], "fault:source")


def test_odd_names_are_names(ws: ans.Workspace, tmp_path: Path) -> None:
    """A column may be called anything; an alias says what."""

    class Odd(BaseModel):
        number: Annotated[str, ans.Key, Field(alias='no "1"; DROP TABLE t --')]
        share: Annotated[int, Field(alias="100%:x")]

    path = tmp_path / "odd.db"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "order" ("no ""1""; DROP TABLE t --" TEXT, "100%:x" INT)')
        connection.execute('INSERT INTO "order" VALUES (?, ?)', ("7", 5))
    connection.close()
    source = ans.sql_source("odd", Odd, url=f"sqlite:///{path}", table="order", **SAID)
    governed(ws, Policies(Compare("share", "<", 9)))

    (rows,), outcome = got(ws, source, number="7")

    assert (rows[0].number, rows[0].share) == ("7", 5)
    assert recorded(ws, outcome)[0]["keys"] == [{"number": "7"}]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "duckdb"])
def test_a_source_cannot_write(
    kind: str, ws: ans.Workspace, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Not even a query that tries."""
    source = crm(kind, tmp_path, request)
    evil = "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone"
    tries = ans.sql_source("evil", Customer, url=source.origin.url, query=evil, **SAID)  # type: ignore[union-attr]

    found, outcome = got(ws, tries)
    (rows,), _ = again(ws, source)

    assert (found, outcome.degraded, len(rows)) == ([], "fault:source", 4)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "duckdb"])
def test_a_slow_query_ends_in_the_database_too(
    kind: str, ws: ans.Workspace, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The case goes on in time, and the connection is free again."""
    url = crm(kind, tmp_path, request).origin.url  # type: ignore[union-attr]
    source = ans.sql_source("slow", Customer, url=url, query=SLOW[kind], **SAID)
    asked = decision(source, reading(source, []))

    outcomes = [ws.decide(asked, {"number": str(n)}, deadline=0.3) for n in range(2)]

    assert [outcome.degraded for outcome in outcomes] == ["fault:source"] * 2
    assert "it did not answer in time" in outcomes[1].attempts[0].reason
    ws.close()
    pool = ws._road.sources.pool
    until = time.monotonic() + 10
    while pool._abandoned and time.monotonic() < until:
        time.sleep(0.01)
    assert pool._abandoned == 0


def test_no_fault_shows_a_password_or_a_value(ws: ans.Workspace, request: pytest.FixtureRequest) -> None:
    """PostgreSQL repeats what it could not read; we tell its name for the error only."""
    url = postgres_table(request.getfixturevalue("postgres_url"))
    query = "SELECT * FROM customers WHERE orders = CAST(:id AS INT)"
    source = ans.sql_source("crm", Customer, url=url, query=query, **SAID)
    dead = ans.sql_source(
        "dead", Customer, url="postgresql+psycopg://u:hunter2@127.0.0.1:9/x", table="t", **SAID
    )

    _, refused = got(ws, source, id="ada@example.org")
    unreachable = ws.decide(decision(dead, reading(dead, []), name="dead"), {"number": "1"})

    assert "refused the query (InvalidTextRepresentation)" in refused.attempts[0].reason
    assert "cannot be reached" in unreachable.attempts[0].reason
    for outcome in (refused, unreachable):
        assert outcome.output == LOW
        told = [str(read["reason"]) for read in recorded(ws, outcome)] + [str(outcome.attempts)]
        assert not any("ada" in text or "hunter2" in text for text in told)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:////nowhere/crm.db", "no SQLite file"),
        ("env:NO_SUCH_VARIABLE_HERE", "not in the environment as NO_SUCH_VARIABLE_HERE"),
        ("file:nowhere.txt", "cannot be read"),
        ("nonsense", "is not a database URL"),
        ("oracle+nothing://u:hunter2@h/x", "no database driver is known"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_fault(ws: ans.Workspace, url: str, why: str) -> None:
    """The next decider answers, and the reason says what is wrong with it, without a password."""
    source = ans.sql_source("crm", Customer, url=url, table="customers", **SAID)

    _, outcome = got(ws, source)

    assert (outcome.output, outcome.degraded) == (LOW, "fault:source")
    assert why in outcome.attempts[0].reason
    assert "hunter2" not in outcome.attempts[0].reason


def test_connections_are_named_in_the_project_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text or with `url =`, from the environment or a file; an unknown name is told before any case."""
    sqlite_file(tmp_path / "crm.db")
    (tmp_path / "crm.url").write_text(f"sqlite:///{tmp_path}/crm.db\n")
    (tmp_path / "answerable.toml").write_text(
        '[connections]\nplain = "env:CRM_URL"\n[connections.table]\nurl = "file:crm.url"\n'
    )
    monkeypatch.setenv("CRM_URL", f"sqlite:///{tmp_path}/crm.db")
    monkeypatch.chdir(tmp_path)
    with ans.Workspace("memory:") as ws:
        for name in ("plain", "table"):
            source = ans.sql_source("crm", Customer, connection=name, table="customers", **SAID)
            (rows,), _ = got(ws, source, id="7") if name == "plain" else again(ws, source, id="7")
            assert [row.id for row in rows] == ["7"]
        wrong = ans.sql_source("crm", Customer, connection="tabel", table="customers", **SAID)

        with pytest.raises(ans.UsageError, match="'tabel'") as caught:
            ws.decide(decision(wrong, name="wrong"), {"number": "1"})

        assert caught.value.next_step == "did you mean 'table'?"


def again(ws: ans.Workspace, source: ans.Source[Any], **params: Any) -> tuple[list[Any], Any]:
    """`got` for a second source of the same name."""
    found: list[Any] = []
    return found, ws.decide(decision(source, reading(source, found, **params), name="again"), {"number": "1"})


POLICY = """
@id("own-region") @reason("support sees the customers of its region")
permit (principal, action == Action::"read", resource is Row::crm)
when { principal has region && resource.region == principal.region };
@id("all-decide") @reason("everybody may ask")
permit (principal, action == Action::"decide", resource);
"""


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_cedar_policy_says_which_rows_come(
    kind: str, ws: ans.Workspace, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """From the text of a policy to the rows of any source, and to the reason of a denial."""
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "main.cedar").write_text(POLICY)
    (policies / "principals.toml").write_text('region = "text"\n')
    governed(ws, CedarPolicies(policies, clock=SystemClock()))
    source = crm(kind, tmp_path, request)
    found: list[Any] = []
    asks = decision(source, reading(source, found, **({"id": ""} if kind == "query" else {})))

    seen = ws.decide(asks, {"number": "1"}, principal=ans.Principal("user:1", attributes={"region": "south"}))
    nobody = ws.decide(asks, {"number": "2"}, principal="user:2")

    assert ([row.id for row in found[0]], seen.output) == (["8"], HIGH)
    assert recorded(ws, seen)[0]["policies"] == ["own-region"]
    assert recorded(ws, seen)[0]["filter"] == 'region = "south"'
    assert (nobody.status, len(found)) == ("refused", 1)
    assert nobody.reason.startswith("the source crm: ")


def test_a_million_cells_are_not_fetched_for_a_limit(ws: ans.Workspace, tmp_path: Path) -> None:
    """The limit stands in the query: a large table costs what a small one does."""
    rows = [(str(n), None, "north", n, None, None) for n in range(20_000)]
    source = crm("sqlite", tmp_path, rows=rows, limit=5)

    (found,), outcome = got(ws, source)

    assert (len(found), recorded(ws, outcome)[0]["cut"], len(TABLE)) == (5, True, 6)
