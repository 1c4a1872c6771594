"""State tables change under the rules their statements promise, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from answerable.ledger.entry import Conflict, Statement, Unit, Write
from answerable.ledger.journal_memory import MemoryJournal
from answerable.ledger.journal_postgres import PostgresJournal
from answerable.ledger.journal_sql import SqlJournal
from answerable.state import alerts, breakers, cases, roles, segments, spending, subjects
from answerable.state.statements import Compiler
from journals import HOME, TestSigner

STATEMENTS = [
    value
    for module in (alerts, breakers, cases, roles, segments, spending, subjects)
    for value in vars(module).values()
    if isinstance(value, Statement)
]


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest) -> Iterator[SqlJournal]:
    """An empty journal on each kind of database."""
    made: SqlJournal
    if request.param == "sqlite":
        made = MemoryJournal(home=HOME, signer=TestSigner())
    else:
        url = request.getfixturevalue("postgres_url")
        made = PostgresJournal(url, home=HOME, signer=TestSigner(), create=True)
    yield made
    made.close()


def run(journal: SqlJournal, statement: Statement, expect: int | None = None, **params: Any) -> None:
    """Run one writing statement as a unit of its own."""
    journal.submit(Unit(writes=[Write(statement, params, expect=expect, clash=statement.name)]))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_every_statement_compiles(statement: Statement, dialect: str) -> None:
    """On both databases, with every parameter that may be left out as NULL."""
    text, bind = Compiler(dialect)(statement)

    if dialect == "sqlite":
        assert text.count("?") == len(bind({}))
    else:
        assert set(re.findall(r"%\((\w+)\)s", text)) <= set(bind({}))


def test_statement_names_are_unique() -> None:
    """They are compiled once by name."""
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS)


def test_a_key_is_taken_until_it_expires(journal: SqlJournal) -> None:
    """A rival before that clashes; one after it takes the key over."""
    key = {"decision": "d", "key_digest": b"k" * 32}
    run(journal, cases.TAKE_KEY, 1, **key, case_id=b"1" * 16, input_digest=b"a", expires=100, now=10)

    with pytest.raises(Conflict, match="take_key"):
        run(journal, cases.TAKE_KEY, 1, **key, case_id=b"2" * 16, input_digest=b"b", expires=200, now=99)
    assert journal.rows(cases.KEYED, key) == [(b"1" * 16, b"a", 100)]

    run(journal, cases.TAKE_KEY, 1, **key, case_id=b"3" * 16, input_digest=b"c", expires=300, now=100)
    assert journal.rows(cases.KEYED, key) == [(b"3" * 16, b"c", 300)]


def test_a_role_has_one_holder_and_a_growing_token(journal: SqlJournal) -> None:
    """Its holder may renew it, another takes it only after it expired, and then the first is fenced off."""

    def take(holder: str, now: int) -> None:
        run(
            journal,
            roles.TAKE_ROLE,
            1,
            name="seal",
            holder=holder,
            token=1,
            expires=now + 100,
            note="",
            now=now,
        )

    take("a", 0)
    take("a", 50)
    with pytest.raises(Conflict, match="take_role"):
        take("b", 149)
    assert [row[:4] for row in journal.rows(roles.ROLES, {})] == [("seal", "a", 2, 150)]
    run(journal, roles.FENCE, 1, of_role="seal", of_token=2)

    take("b", 150)

    assert [row[:4] for row in journal.rows(roles.ROLES, {})] == [("seal", "b", 3, 250)]
    with pytest.raises(Conflict, match="fence"):
        run(journal, roles.FENCE, 1, of_role="seal", of_token=2)
    run(journal, roles.END_ROLE, 1, of_role="seal", of_token=3, at=200, said="done")
    assert journal.rows(roles.ROLES, {}) == [("seal", "b", 3, 0, 200, "done")]


def test_a_definition_and_a_link_are_added_once(journal: SqlJournal) -> None:
    """Adding them again changes nothing and is no error."""
    made = {"decision": "d", "version": "1", "digest": b"x" * 32, "manifest": b"{}"}
    for entry_id in (b"1" * 16, b"2" * 16):
        run(journal, cases.ADD_DEFINITION, **made, entry_id=entry_id)
        run(journal, cases.ADD_LINK, parent=b"p" * 16, child=b"c" * 16, kind="truth")

    found = journal.rows(cases.DEFINITIONS, {"decision": "d", "version": "1"})
    assert found == [(b"x" * 32, b"1" * 16, b"{}")]
    assert journal.rows(cases.MANIFEST, {"digest": b"x" * 32}) == [(b"{}",)]
    assert journal.rows(cases.CHILDREN, {"parent": b"p" * 16}) == [(b"c" * 16, "truth")]


def test_due_cases_come_oldest_first(journal: SqlJournal) -> None:
    """Only open ones with something to apply, at most as many as asked."""
    for case, due, fallback in ((b"1", 30, b"{}"), (b"2", 10, b"{}"), (b"3", 20, None), (b"4", 90, b"{}")):
        values = {"decision": "d", "queue": "q", "opened": 1, "state": "open", "resolution": None}
        run(journal, cases.ADD_PENDING, **values, case_id=case, due=due, fallback=fallback)

    due = journal.rows(cases.DUE, {"now": 50, "at_most": 10})
    first = journal.rows(cases.DUE, {"now": 50, "at_most": 1})

    assert [row[0] for row in due] == [b"2", b"1"]
    assert [row[0] for row in first] == [b"2"]
