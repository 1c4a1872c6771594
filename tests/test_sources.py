"""One contract for every kind of source: what comes back, what is left out, and what the record tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.governance.rows import NONE, All, Compare, Has, Like, Not, OneOf, Rows, Some
from roads import memory
from sources import (
    GOOD,
    HIGH,
    KINDS,
    TABLE,
    Customer,
    Policies,
    crm,
    decision,
    governed,
    reading,
    recorded,
    whole,
)

ws = pytest.fixture(memory)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def source(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> ans.Source[Customer]:
    return crm(kind, tmp_path, request)


def read(
    ws: ans.Workspace, source: ans.Source[Any], *, by: str | ans.Principal = "user:1", **params: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Return what one case read, and what its record tells of it."""
    got: list[Any] = []
    number = f"{len(ws.records(limit=None))}"
    asked = decision(source, reading(source, got, **params), name=f"route-{number}")
    outcome = ws.decide(asked, {"number": number}, principal=by)
    assert outcome.output == HIGH, outcome
    (told,) = recorded(ws, outcome)
    return got[0], told


def test_a_row_comes_back_as_its_model(ws: ans.Workspace, source: ans.Source[Customer]) -> None:
    """Text of a file or a database becomes what the contract declares; `0012` stays what it is."""
    rows, _ = read(ws, source, id="7")

    assert rows == [
        Customer(id="7", email="ada@example.org", region="north", orders=3, vip=True, credit=12.5)
    ]


def test_an_id_is_text_as_written(ws: ans.Workspace, source: ans.Source[Customer]) -> None:
    """Leading zeros stay, and a value that is empty is None."""
    rows, _ = read(ws, source, id="0012")

    assert rows == [Customer(id="0012", email="zoë@example.org", region="north", orders=2)]


def test_rows_that_break_the_contract_are_left_out_and_counted(
    ws: ans.Workspace, source: ans.Source[Customer]
) -> None:
    """The good rows still come; the record names the broken ones by key and rule, never by value."""
    rows, told = read(ws, source, **whole(source))

    assert sorted(row.id for row in rows) == sorted(GOOD)
    assert (told["count"], told["quarantined"]) == (4, 2)
    assert sorted(broken["key"]["id"] for broken in told["broken"]) == ["66", "67"]
    assert all("much" not in broken["problem"] for broken in told["broken"])
    assert any(broken["problem"].startswith("credit: ") for broken in told["broken"])


def test_the_record_tells_every_value_that_was_used(ws: ans.Workspace, source: ans.Source[Customer]) -> None:
    """Values by column and row, the rows' keys and the persons in them: a replay can run from it."""
    rows, told = read(ws, source, **whole(source))

    assert [Customer.model_validate(row) for row in told["rows"]] == rows
    assert told["keys"] == [{"id": row.id} for row in rows]
    assert told["subjects"] == [row.id for row in rows]
    assert (told["source"], told["owner"], told["purpose"], told["result"]) == (
        "crm",
        "crm-team",
        "support",
        "read",
    )
    assert told["columns"] == list(Customer.model_fields)
    assert told["latency_us"] > 0


FILTERS: list[tuple[Rows, tuple[str, ...]]] = [
    (Compare("region", "==", "north"), ("0012", "7", "9")),
    (Not(Compare("region", "==", "north")), ("8",)),
    (Compare("orders", ">=", 2), ("0012", "7")),
    (Compare("vip", "==", True), ("7",)),
    (Compare("vip", "!=", True), ("9",)),
    (Not(Has("vip")), ("0012", "8")),
    (OneOf("id", ("7", "8", "nobody")), ("7", "8")),
    (Like("email", ("", "@example.org")), ("0012", "7")),
    (
        All((Compare("region", "==", "north"), Some((Has("vip"), Compare("orders", "==", 2))))),
        ("0012", "7", "9"),
    ),
    (Compare("email", "==", "x'; DROP TABLE customers; --"), ("9",)),
    (NONE, ()),
]


def test_only_the_rows_that_the_policy_allows_come_back(
    ws: ans.Workspace, source: ans.Source[Customer]
) -> None:
    """The same rows whatever the kind, empty values included; the record tells the condition and the policy."""
    for rows, ids in FILTERS:
        governed(ws, Policies(rows))

        found, told = read(ws, source, **whole(source))

        assert sorted(row.id for row in found) == sorted(ids), rows
        assert told["filter"]
        assert (told["policies"], told["policy"]) == (["allow-crm"], "01" * 32)


def test_a_row_that_may_not_be_seen_looks_like_one_that_is_not_there(
    ws: ans.Workspace, source: ans.Source[Customer]
) -> None:
    """Neither the caller nor the record's count tells whether such a row exists."""
    governed(ws, Policies(Compare("region", "==", "north")))

    hidden, told_hidden = read(ws, source, id="8")
    absent, told_absent = read(ws, source, id="nobody")

    assert hidden == absent == []
    varies = ("params", "latency_us")
    assert {n: v for n, v in told_hidden.items() if n not in varies} == {
        n: v for n, v in told_absent.items() if n not in varies
    }


def test_a_masked_column_is_none_but_for_its_role(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, ws: ans.Workspace
) -> None:
    """What is masked stands neither in the row nor in the record, which names the column."""
    source = crm(kind, tmp_path, request, mask={"credit": "finance"})

    (row,), told = read(ws, source, id="7")
    (cleared,), _ = read(ws, source, by=ans.Principal("user:2", roles=("finance",)), id="7")

    assert (row.credit, cleared.credit) == (None, 12.5)
    assert told["masked"] == ["credit"]
    assert "credit" not in told["columns"]
    assert "12.5" not in str(told)


def test_a_masked_column_may_not_be_asked_about(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, ws: ans.Workspace
) -> None:
    """Whether a row with such a value is there would tell the value."""
    source = crm(kind, tmp_path, request, mask={"credit": "finance"})
    got: list[Any] = []

    outcome = ws.decide(decision(source, reading(source, got, credit=12.5)), {"number": "1"})

    assert (outcome.status, got) == ("refused", [])
    assert "credit" in outcome.reason
    assert "12.5" not in outcome.reason


def test_what_a_value_says_is_never_run(ws: ans.Workspace, source: ans.Source[Customer]) -> None:
    """A parameter is bound, whatever stands in it."""
    hostile = "7' OR '1'='1"

    rows, _ = read(ws, source, id=hostile)
    again, _ = read(ws, source, **whole(source))

    assert rows == []
    assert len(again) == len(GOOD)


def test_no_more_rows_than_the_limit_come_and_the_record_says_so(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, ws: ans.Workspace
) -> None:
    """A source gives at most `limit` rows; that there were more is never silent."""
    source = crm(kind, tmp_path, request, rows=TABLE[:4], limit=3)

    rows, told = read(ws, source, **whole(source))
    exact, told_exact = read(ws, source, id="7")

    assert (len(rows), told["cut"]) == (3, True)
    assert (len(exact), told_exact.get("cut")) == (1, None)
