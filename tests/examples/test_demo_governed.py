"""The demo's governed side: customers in a database, tickets that are refused, a person who is erased."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.cli.app import main
from answerable.examples.support_tickets import demo
from answerable.examples.support_tickets.crm import make_crm
from answerable.examples.support_tickets.decision import build, train
from answerable.examples.support_tickets.generator import customers, generate
from answerable.examples.support_tickets.somebody_else import asked_about
from answerable.examples.support_tickets.summary import show


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """A demo of a second or two, which learns once."""
    learned = demo.train(
        [(f"{t.product} {t.body}", t.label_urgency, t.label_team) for t in generate(7, 800)[0]]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "HISTORY", 800)
        patch.setattr(demo, "NEW", 200)
        patch.setattr(demo, "train", lambda history: learned)
        yield


@pytest.fixture(scope="module")
def ran(small: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with the home of one run, for all tests that only look at it; and its summary."""
    folder = tmp_path_factory.mktemp("ran")
    return folder, run(folder)


def run(folder: Path) -> dict[str, Any]:
    """Run the small demo without a word."""
    return demo.run(folder / "home", quiet=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Please show me the account of C-00354.", {"c-00354": "customer number"}),
        ("Give me the new address of my ex-wife Ada Quill!", {"ada quill": "name"}),
        ("I have to know where Ada Quill lives now.", {"ada quill": "name"}),
        ("what did my neighbour ada quill order from you?", {"ada quill": "name"}),
        ("i am the manager of ada quill, give me her last invoices.", {"ada quill": "name"}),
        ("Please reset the password of ada@example.org, he knows.", {"ada@example.org": "e-mail address"}),
        ("Please add my e-mail to ada@example.org.", {"ada@example.org": "e-mail address"}),
    ],
)
def test_a_request_for_somebodys_data_names_them(text: str, named: dict[str, str]) -> None:
    """By customer number, name or address, also where everything is written small."""
    assert asked_about(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "My customer number is C-00354. Where is my order?",
        "Please send the invoice to ada@example.org.",
        "I got a strange mail from ada@example.org. What is it?",
        "The e-mail on my account was changed to ada@example.org and that is not me.",
        "Please send me the invoice of the Aria Speaker.",
        "Please send me the invoice of Aria Speaker.",
        "what did my wife order the last time, and where is my order now?",
        "Where is my parcel? Regards,\nAda Quill",
        "",
    ],
)
def test_what_only_mentions_somebody_is_no_request_for_their_data(text: str) -> None:
    """A number in a sentence of its own, a sender, a recipient, a product, a signature."""
    assert asked_about(text, apart_from="Aria Speaker") == {}


def test_the_generated_tickets_that_ask_are_found_and_no_other() -> None:
    """Of 2,000 new tickets at least 28 of the 30 that ask for it; no honest one, of these or the history."""
    history, new = generate(7)
    names = {customer.id: customer.name for customer in customers(7)}

    def asks(row: Any) -> bool:
        own = {value.casefold() for value in (row.customer_id, row.email, names[row.customer_id])}
        return bool(asked_about(row.body, apart_from=row.product).keys() - own)

    asking = [row for row in [*history, *new] if asks(row)]

    assert {row.kind for row in asking} == {"snooping"}
    assert 28 <= len(asking) <= sum(row.kind == "snooping" for row in new) == 30


def test_only_whoever_writes_is_looked_up(tmp_path: Path) -> None:
    """One's own number may be asked about; who is unknown is refused as a customer is, and is not read."""
    make_crm(tmp_path / "what? 100%.db", customers(1))
    learned = train([("the lamp", "low", "billing"), ("the lamp", "high", "account")])
    decision = build(learned, seed=1, crm=tmp_path / "what? 100%.db")
    own, other, nobody = "C-00001", "C-00002", "C-99999"

    with ans.Workspace("memory:") as ws:
        outcomes = {}
        for asked in (own, other, nobody):
            ticket = {"number": asked, "customer_id": own, "email": "x@example.org", "product": "Brew One"}
            outcomes[asked] = ws.decide(decision, ticket | {"body": f"Show me the account of {asked}."})
        reads = [ws.why(outcome.record_id).data["reads"] for outcome in outcomes.values()]

    assert [outcome.status for outcome in outcomes.values()] == ["answered", "refused", "refused"]
    assert outcomes[other].reason == outcomes[nobody].reason
    assert [(read["source"], read["count"]) for (read,) in reads] == [("crm-customer", 1)] * 3
    assert {read["rows"][0]["id"] for (read,) in reads} == {"[SUBJECT_1]"}


def test_the_summary_tells_what_was_hidden_and_refused(
    ran: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """By kind, with the number of records; the example shows no value, and a refused case is not scored."""
    summary = ran[1]
    show(summary)
    shown = " ".join(capsys.readouterr().out.split())
    personal, refused = summary["personal"], summary["refused"]

    assert personal["records"] == 200 and 50 < personal["with_values"] < 200
    assert {"PERSON", "PHONE", "EMAIL", "IBAN"} <= set(personal["found"])
    assert 0 < refused["refused"] <= refused["asks"] == 3 and refused["wrongly"] == 0
    assert summary["deciders"]["other_customer"] == refused["refused"]
    assert summary["scores"][0]["tickets"] == 200 - refused["refused"]
    assert "@example" not in json.dumps([refused, summary["why"]])
    assert f"{sum(personal['found'].values()):,} personal values" in shown
    assert f"refused: {refused['example']['reason']}" in shown


def test_the_customers_are_beside_the_home_which_holds_nobody_in_clear(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    """All of them are in the database; no file of the home has one of the addresses or names in it."""
    folder = ran[0]
    with closing(sqlite3.connect(folder / "home-crm.db")) as database:
        rows = database.execute("SELECT id, name, email FROM customers ORDER BY id").fetchall()
    held = b"".join(path.read_bytes() for path in (folder / "home").rglob("*") if path.is_file())

    assert rows == [tuple(customer) for customer in customers(7, 800, 200)]
    assert not [row for row in rows if row[1].encode() in held or row[2].encode() in held]


def test_a_file_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    """Where the customers would go lies something else: the error says where, and it stays as it is."""
    (tmp_path / "home-crm.db").write_text("precious")

    with pytest.raises(ans.UsageError, match=r"home-crm\.db is there already"):
        run(tmp_path)

    assert (tmp_path / "home-crm.db").read_text() == "precious"


def test_the_suggested_erasure_works_and_the_next_run_decides_those_tickets_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands as they are printed, but for the program; then the log still verifies."""
    first = run(tmp_path)
    show(first)
    home, subject = str(tmp_path / "home"), first["subject"]
    printed = " ".join(capsys.readouterr().out.split())
    at = ["--home", home, "--purpose", "privacy"]
    erase = ["subject", "erase", subject["customer"], *at, "--reason", "GDPR 17(1)(b)", "--yes"]

    codes = [
        main(["subject", "show", subject["customer"], *at]),
        main(erase),
        main(["ledger", "verify", *at[:2]]),
    ]
    again = main(erase)
    said = capsys.readouterr().err
    second = run(tmp_path)
    show(second)

    assert f"subject erase {subject['customer']} --home {home} --purpose privacy --reason 'GDPR" in printed
    assert codes == [0, 0, 0]
    assert again == 2 and "or it was erased" in said
    assert second["replayed"] == 200 - subject["tickets"] < 200
    assert second["verify"]["ok"] and second["personal"]["records"] == 200
    assert f"{subject['tickets']} that were not there, or were erased" in " ".join(
        capsys.readouterr().out.split()
    )
