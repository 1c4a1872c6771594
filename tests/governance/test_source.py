"""A source is checked when it is declared, and stands in the decision's definition without its address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.decisions.manifest import digest, manifest
from sources import HIGH, SAID, Customer, crm, decision

TABLE: dict[str, Any] = {"connection": "crm", "table": "customers"}


def made(**changes: Any) -> ans.Source[Any]:
    """Return a source that is right but for the changes."""
    name, row = changes.pop("name", "crm"), changes.pop("row", Customer)
    told = {**SAID, **TABLE, **changes}
    return ans.sql_source(name, row, **{n: v for n, v in told.items() if v is not ...})


@pytest.mark.parametrize(
    ("changes", "what", "step"),
    [
        ({"name": "CRM"}, "a source is named 'CRM'", "kebab-case"),
        ({"owner": ...}, "it has no owner", "owner="),
        ({"owner": " "}, "owner is ' '", "say who answers"),
        ({"purposes": "support"}, "purposes is 'support'", "purposes=("),
        ({"purposes": ()}, "purposes is ()", "purposes=("),
        ({"row": dict}, "row is <class 'dict'>", "pydantic model"),
        ({"url": "env:CRM_URL"}, "connection and url are two ways", "connection="),
        ({"connection": ...}, "connection and url are two ways", "url="),
        ({"connection": "postgresql://u:hunter2@h/d"}, "connection holds a URL", "env:"),
        ({"query": "SELECT 1"}, "one of a table and a query", "table="),
        ({"table": "customers; DROP TABLE x"}, "is no table's name", "query="),
        ({"table": ..., "query": " ; "}, "the query is empty", "query="),
        ({"freshness": "1d"}, "nothing tells how fresh it is", "as_of="),
        ({"freshness": "soon", "as_of": "region"}, "'soon' is not a duration", "90s"),
        ({"freshness": "1d", "as_of": "regoin"}, "as_of names 'regoin', which is no column", "'region'"),
        ({"as_of": "region"}, "it has no freshness", "freshness="),
        ({"freshness": "1d", "as_of": "region", "stale": "drop"}, "stale is 'drop'", '"refuse"'),
        ({"mask": {"credti": "hr"}}, "mask names 'credti', which is no column", "'credit'"),
        ({"mask": {"orders": "hr"}}, "orders, which cannot be None", "orders: ... | None"),
        ({"mask": {"id": "hr"}}, "by which a record finds its rows", "leave it out"),
        ({"mask": {"credit": ""}}, "mask gives credit to ''", "role"),
        ({"limit": 0}, "limit is 0", "1 to 100,000"),
        ({"limits": 5}, "a source has no 'limits'", "'limit'"),
    ],
)
def test_what_cannot_hold_is_refused_at_once(changes: Any, what: str, step: str) -> None:
    """The error says what is wrong with the source and what was meant, and shows no password."""
    with pytest.raises(ans.UsageError) as caught:
        made(**changes)

    assert what in caught.value.what
    assert step in caught.value.next_step
    assert "hunter2" not in str(caught.value)


def test_a_function_that_has_to_be_awaited_is_refused() -> None:
    """It would block nobody, but a read is bounded by a thread of its own."""

    async def customers() -> list[Any]:
        return []

    with pytest.raises(ans.UsageError, match="would have to be awaited"):
        ans.source("crm", Customer, **SAID)(customers)


def test_a_decision_checks_what_it_reads() -> None:
    """Only sources, each name once, and for the decision's own purpose."""
    source = made()
    for reads, what in (
        (["crm"], "reads holds a str, no source"),
        ([source, source], "two sources named 'crm'"),
        ([made(purposes=("suport",))], "not for the purpose 'support'"),
    ):
        with pytest.raises(ans.UsageError, match=what):
            decision(reads, lambda case: HIGH)


def test_sources_stand_in_the_definition_and_only_where_there_are_any() -> None:
    """Another contract is another definition; a decision without sources keeps the digest it had."""
    reads, other = decision(made(), name="a"), decision(made(limit=5), name="a")
    none = manifest(decision([], name="a"))
    (told,) = manifest(reads)["reads"]

    assert digest(manifest(reads)) != digest(manifest(other))
    assert "reads" not in none
    assert (told["name"], told["owner"], told["from"]) == ("crm", "crm-team", TABLE)
    assert [(f["path"], f["classes"]) for f in told["row"]][:2] == [
        ("id", ["Key", "Subject"]),
        ("email", ["Personal:email"]),
    ]


def test_the_address_of_a_database_stands_nowhere(tmp_path: Path) -> None:
    """Neither a definition nor a text shows a URL, which may hold a password."""
    source = made(connection=..., url="postgresql+psycopg://u:hunter2@db/x")

    assert "hunter2" not in f"{manifest(decision(source))} {source!r}"
    assert manifest(decision(made(connection=..., url="env:CRM_URL")))["reads"][0]["from"]["connection"] == (
        "env:CRM_URL"
    )


def test_a_policy_can_ask_for_text_whole_numbers_and_flags(tmp_path: Path) -> None:
    """What a policy cannot ask for, such as an amount, is not there for it."""
    assert crm("file", tmp_path).cells == {
        "id": ("text", False),
        "email": ("text", True),
        "region": ("text", False),
        "orders": ("whole", False),
        "vip": ("flag", True),
    }
