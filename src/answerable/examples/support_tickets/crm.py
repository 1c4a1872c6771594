"""The customers of the support demo: a small SQLite database, as another team's system would be."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel

import answerable as ans
from answerable.examples.support_tickets.generator import Customer

CRM = "crm-customer"
_OURS = 0x616E7377  # SQLite's application_id of a file that the demo made
_PLANS = ("basic", "basic", "basic", "plus", "plus", "premium")
_REGIONS = ("north", "east", "south", "west")


class CrmCustomer(BaseModel):
    """One row of the database."""

    id: Annotated[str, ans.Key, ans.Subject]
    name: Annotated[str, ans.Personal("name")]
    email: Annotated[str, ans.Personal("email")]
    plan: Literal["basic", "plus", "premium"]
    region: str


def crm_of(home: Path) -> Path:
    """Return where the demo of a home keeps its customers: beside it, as a home holds no value in clear."""
    home = home.resolve()
    return home.with_name(f"{home.name}-crm.db")


def crm_customer(path: Path) -> ans.Source[CrmCustomer]:
    """Return the source over the database at `path`."""
    from sqlalchemy import URL

    return ans.sql_source(
        CRM,
        CrmCustomer,
        url=URL.create("sqlite", database=str(path)).render_as_string(),
        table="customers",
        owner="crm-team",
        purposes=("customer-support",),
        description="Who our customers are, and what they pay for.",
    )


def make_crm(path: Path, customers: Sequence[Customer]) -> None:
    """Write the database anew. Raises UsageError if `path` is a file that the demo did not make."""
    _refuse_foreign(path)
    rows = [
        (c.id, c.name, c.email, _PLANS[i * 7 % len(_PLANS)], _REGIONS[i * 3 % len(_REGIONS)])
        for i, c in enumerate(customers)
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA application_id = {_OURS}")
        database.execute("DROP TABLE IF EXISTS customers")
        database.execute(
            "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, "
            "plan TEXT NOT NULL, region TEXT NOT NULL)"
        )
        database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows)


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as database:
            (made_by,) = database.execute("PRAGMA application_id").fetchone()
    except sqlite3.Error:
        made_by = None
    if made_by != _OURS:
        raise ans.UsageError(
            f"{path} is there already, and the demo did not make it",
            next_step="name another folder with --out: the demo's customers are kept beside it",
        )
