"""What does it cost to let each person see their rows only?

A table of a million rows in SQLite (in memory) is read with the filter that the policies compile to and
without it, turn by turn, and each row is counted. Cedar, asked about some rows one by one, says how long
it would take for all, and that the filter lets through the same. What one question costs stands beside it.
"""

import tempfile
from pathlib import Path
from typing import Any

from _measure import MICRO, arguments, emit, held, median, repeated, say, timed
from sqlalchemy import Boolean, Column, Engine, Integer, MetaData, String, Table, create_engine, func, select

from answerable.decisions.case import Principal
from answerable.governance.access import Ask, Resource, Shape
from answerable.governance.access import Column as Known
from answerable.governance.policies_cedar import CedarPolicies
from answerable.governance.row_filter import to_sql
from answerable.ledger import sqlite
from answerable.system import SystemClock

ROWS, QUICK = 1_000_000, 100_000
TIMES = 5
ASKED = 1_000  # rows that Cedar is asked about one by one
REGIONS = ("north", "south", "east", "west", "EU-a", "EU-b")
SHAPE = Shape(
    "crm",
    "sales",
    ("support",),
    {
        "region": Known("text", empty=False),
        "email": Known("text"),
        "score": Known("whole"),
        "vip": Known("flag"),
    },
)
POLICIES = """
@id("own-region") @reason("Agents read the customers of their region.")
permit (principal in Role::"agent", action == Action::"read", resource is Row::crm)
when { principal has region && resource.region == principal.region && context.purpose == "support" };

@id("europe") @reason("The European desk reads Europe, but for the best customers.")
permit (principal in Role::"agent", action == Action::"read", resource is Row::crm)
when { resource.region like "EU-*" && !(resource has score && resource.score > 90) };

@id("no-vip") @reason("Nobody reads important persons in passing.")
forbid (principal, action == Action::"read", resource is Row::crm)
when { resource has vip && resource.vip };
"""
table = Table(
    "crm",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("region", String),
    Column("email", String),
    Column("score", Integer),
    Column("vip", Boolean),
)


def main() -> None:
    """Measure and print one JSON object."""
    given = arguments("Measure what a row filter costs.", rows=(int, ROWS, "rows of the table"))
    count = min(given.rows, QUICK) if given.quick else given.rows
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.cedar").write_text(POLICIES, encoding="utf-8")
        (Path(folder) / "principals.toml").write_text('region = "text"\n', encoding="utf-8")
        policies = CedarPolicies(Path(folder), clock=SystemClock(), sources=[SHAPE])
        report = measured(policies, count)
    emit("row_filter", report, quick=given.quick)


def measured(policies: CedarPolicies, count: int) -> dict[str, Any]:
    """Fill the table, read it both ways, and hold them against each other."""
    who = Principal("user:1", ("agent",), {"region": "north"})
    ask = Ask(who, "read", Resource("Source", "crm"), "support")
    permit, compiling = timed(lambda: policies.rows(ask))
    say(f"{count:,} rows")
    data = [row(number) for number in range(count)]
    database = create_engine("sqlite://", module=sqlite.library())
    try:
        with database.begin() as connection:
            table.metadata.create_all(connection)
            connection.execute(table.insert(), data)
        condition = to_sql(permit.rows, table.c)
        filtered, longest = select(table).where(condition), select(func.sum(func.length(table.c.email)))
        queries = {
            "plain": select(table),
            "filtered": filtered,
            "plain_scan": longest,
            "filtered_scan": longest.where(condition),
        }
        times: dict[str, list[Any]] = {name: [] for name in queries}
        for _ in range(TIMES):
            for name, query in queries.items():
                say(name)
                times[name] += repeated(lambda query=query: fetched(database, query), 1)  # type: ignore[misc]
        seen = {one[0] for one in raw(database, filtered)}
    finally:
        database.dispose()
    some = data[:: max(1, len(data) // ASKED)][:ASKED]
    allowed, one_by_one = timed(lambda: {one["id"] for one in some if asked(policies, who, one)})
    again = repeated(lambda: [policies.authorize(ask) for _ in range(1000)], 3)
    return {
        "rows": count,
        "let_through": len(seen),
        "same_as_cedar": allowed == {one["id"] for one in some if one["id"] in seen},
        "asked_one_by_one": len(some),
        "seconds": {name: round(median(taken).wall, 4) for name, taken in times.items()},
        "filtered_against_plain": held(
            median(times["filtered"]).cpu / median(times["plain"]).cpu, at_most=2.0
        ),
        # Of a query that brings no row to Python: what the filter alone adds to SQLite's own work.
        "scan_against_plain_scan": round(
            median(times["filtered_scan"]).cpu / median(times["plain_scan"]).cpu, 2
        ),
        "one_by_one_extrapolated_seconds": round(one_by_one.wall / len(some) * count, 1),
        "compile_us": round(compiling.wall * MICRO),
        "question_us": {
            "new": round(one_by_one.cpu / len(some) * MICRO, 1),
            "repeated": round(median(again).cpu / 1000 * MICRO, 2),
        },
    }


def row(number: int) -> dict[str, Any]:
    """Return a row; every seventh value is missing somewhere."""
    return {
        "id": number,
        "region": REGIONS[number % len(REGIONS)],
        "email": f"c{number}@example.org" if number % 7 else None,
        "score": number * 37 % 101 if number % 11 else None,
        "vip": number % 13 == 0 if number % 5 else None,
    }


def raw(database: Engine, query: Any) -> list[Any]:
    """Return the rows of a query, as the driver gives them."""
    with database.connect() as connection:
        return list(connection.execute(query).all())


def fetched(database: Engine, query: Any) -> int:
    """Read all rows of a query; return how many there were."""
    return len(raw(database, query))


def asked(policies: CedarPolicies, who: Principal, one: dict[str, Any]) -> bool:
    """Ask Cedar about one row."""
    return policies.authorize(Ask(who, "read", Resource("Row", "crm", one), "support")).allowed


if __name__ == "__main__":
    main()
