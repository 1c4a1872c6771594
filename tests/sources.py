"""The customers of a small CRM behind each kind of source, and a decision that reads them."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.governance.access import Ask, Permit, RowPermit, Shape
from answerable.governance.rows import EVERY, Rows

KINDS = ("sqlite", "postgresql", "duckdb", "query", "file", "function")


class Customer(BaseModel):
    id: Annotated[str, ans.Key, ans.Subject]
    email: Annotated[str | None, ans.Personal("email")] = None
    region: str
    orders: int
    vip: bool | None = None
    credit: Annotated[float | None, ans.Sensitive("income")] = None


# id, email, region, orders, vip, credit; the last two break the contract.
TABLE: tuple[tuple[Any, ...], ...] = (
    ("7", "ada@example.org", "north", 3, True, 12.5),
    ("8", None, "south", 0, None, None),
    ("9", "x'; DROP TABLE customers; --", "north", 1, False, 99.0),
    ("0012", "zoë@example.org", "north", 2, None, None),
    ("66", "much@example.org", "north", 4, None, "much"),
    ("67", "south@example.org", None, 4, None, None),
)
GOOD = ("0012", "7", "8", "9")
NAMES = tuple(Customer.model_fields)


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    customer_id: Annotated[str, ans.Subject] = "7"


class Route(BaseModel):
    urgency: Literal["low", "high"]
    amount: float = 0.0


LOW, HIGH = Route(urgency="low"), Route(urgency="high")
SAID: dict[str, Any] = {"owner": "crm-team", "purposes": ("support",)}


class Policies:
    """PolicyEngine that allows these rows of every source, or says no."""

    def __init__(self, rows: Rows = EVERY, *, no: str = "", raises: Exception | None = None) -> None:
        self.allowed, self.no, self.raises, self.asked = rows, no, raises, list[Ask]()

    def know(self, source: Shape) -> None:
        """Need nothing."""

    def authorize(self, ask: Ask) -> Permit:
        """Allow."""
        return Permit(True, "yes")

    def rows(self, ask: Ask) -> RowPermit:
        """Say which rows."""
        self.asked.append(ask)
        if self.raises is not None:
            raise self.raises
        if self.no:
            return RowPermit(Permit(False, self.no, b"\1" * 32, ("deny-crm",), "ask the data owner"))
        return RowPermit(Permit(True, "yes", b"\1" * 32, ("allow-crm",)), self.allowed)


def governed(ws: ans.Workspace, policies: Any) -> None:
    """Put policies in force."""
    ws.policies = policies
    ws._road, ws._aroad = replace(ws._road, policies=policies), replace(ws._aroad, policies=policies)


def sqlite_file(path: Path, rows: Iterable[tuple[Any, ...]] = TABLE) -> str:
    """Make a SQLite CRM and return its URL."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE customers (id TEXT, email TEXT, region TEXT, orders INT, vip INT, credit)"
    )
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", list(rows))
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def postgres_table(url: str, rows: Iterable[tuple[Any, ...]] = TABLE) -> str:
    """Make a PostgreSQL CRM and return its URL for SQLAlchemy."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE customers (id TEXT, email TEXT, region TEXT, orders INT, vip BOOL, credit TEXT)"
        )
        for row in rows:
            connection.execute("INSERT INTO customers VALUES (%s, %s, %s, %s, %s, %s)", row)
    return url.replace("postgresql://", "postgresql+psycopg://")


def duckdb_file(path: Path, rows: Iterable[tuple[Any, ...]] = TABLE) -> str:
    """Make a DuckDB CRM and return its URL."""
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE customers (id TEXT, email TEXT, region TEXT, orders INT, vip BOOL, credit TEXT)"
        )
        for row in rows:
            connection.execute("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", row)
    return f"duckdb:///{path}"


def csv_file(path: Path, rows: Iterable[tuple[Any, ...]] = TABLE) -> Path:
    """Write the customers as text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return path


def crm(
    kind: str,
    folder: Path,
    request: pytest.FixtureRequest | None = None,
    rows: Iterable[tuple[Any, ...]] = TABLE,
    **said: Any,
) -> ans.Source[Customer]:
    """Return the CRM behind one kind of source; it is read by `id`, or whole."""
    told = SAID | said
    if kind == "sqlite":
        url = sqlite_file(folder / "crm.db", rows)
        return ans.sql_source("crm", Customer, url=url, table="customers", **told)
    if kind == "postgresql":
        assert request is not None
        url = postgres_table(request.getfixturevalue("postgres_url"), rows)
        return ans.sql_source("crm", Customer, url=url, table="customers", **told)
    if kind == "duckdb":
        url = duckdb_file(folder / "crm.duckdb", rows)
        return ans.sql_source("crm", Customer, url=url, table="customers", **told)
    if kind == "query":
        url = sqlite_file(folder / "crm.db", rows)
        query = "SELECT * FROM customers WHERE :id = '' OR id = :id  -- by id"
        return ans.sql_source("crm", Customer, url=url, query=query, **told)
    if kind == "file":
        return ans.file_source("crm", Customer, path=csv_file(folder / "crm.csv", rows), **told)
    held = [dict(zip(NAMES, row, strict=True)) for row in rows]

    @ans.source("crm", Customer, **told)
    def customers(id: str = "") -> list[dict[str, Any]]:
        """The customers of the CRM."""
        return [row for row in held if id in ("", row["id"])]

    return customers


ADA = {"id": "7", "email": "ada@example.org", "region": "north", "orders": 3}


def counted(calls: list[Any], **said: Any) -> ans.Source[Customer]:
    """Return a source that counts how often it is asked."""

    @ans.source("crm", Customer, **(SAID | said))
    def customers(id: str = "7") -> list[dict[str, Any]]:
        calls.append(id)
        return [ADA | {"id": id}]

    return customers


def whole(source: ans.Source[Any]) -> dict[str, Any]:
    """Return the parameters that ask for every row."""
    return {"id": ""} if getattr(source.origin, "query", None) else {}


def decision(
    source: ans.Source[Any] | list[ans.Source[Any]], *deciders: Any, **changes: Any
) -> ans.Decision[Any, Any]:
    """Return a decision that reads `source`; a bare function becomes a rule, and a default stands behind it."""
    made = [d if isinstance(d, ans.Decider) else ans.rule(d) for d in deciders]
    fallback = changes.pop("default", LOW)
    sound: dict[str, Any] = {
        "name": "route",
        "version": "1",
        "question": "How urgent is it?",
        "input": Ticket,
        "output": Route,
        "owner": "ops",
        "purpose": "support",
        "deadline": 5,
        "unmeasured": "accept",
        "stakes": ans.Stakes("USD", wrong=2, review=1),
        "reads": source if isinstance(source, list) else [source],
        "deciders": [*made, ans.default(fallback)],
    }
    return ans.Decision(**sound | changes)


def reading(
    source: ans.Source[Any], got: list[Any], **params: Any
) -> Callable[[ans.Case[Any]], Route | ans.Abstain]:
    """Return a rule that reads, and keeps what it got."""

    def look(case: ans.Case[Any]) -> Route | ans.Abstain:
        got.append(case.read(source, **params))
        return HIGH

    return look


def recorded(ws: ans.Workspace, outcome: ans.Outcome[Any]) -> list[Any]:
    """Return the reads of a record."""
    stored = ws.ledger.get(UUID(outcome.record_id).bytes)
    assert stored is not None
    return list(ws.ledger.body(stored, "reads") or [])
