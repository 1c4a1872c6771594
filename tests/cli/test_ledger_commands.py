"""The ledger is sealed, verified, proved and taken away by command; so is the upkeep of its home."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from answerable.cli.printing import counted
from answerable.ledger.note import Proof


@pytest.fixture
def home(cli: Any) -> Any:
    """A home with 300 cases."""
    cli.write("cases.csv", "body\n" + "".join(f"text {n}\n" for n in range(300)))
    assert cli("decide", "decision.py:plain", "cases.csv").code == 0
    return cli


def test_verify_json_has_the_pinned_shape(home: Any) -> None:
    """Others build on it: keys may be added, not renamed."""
    ran = home("ledger", "verify", "--json")

    assert ran.code == 0
    assert {"ok", "entries", "segments", "journal_tail", "trust", "checkpoint", "problems"} <= set(ran.json)
    assert {"size", "root", "signed_by"} <= set(ran.json["checkpoint"])
    assert (ran.json["ok"], ran.json["entries"]) == (True, 301)


def test_sealing_moves_full_blocks_and_everything_still_verifies(home: Any) -> None:
    """And *why* and the lists read on."""
    ran = home("ledger", "seal", "--json")

    assert (ran.json["entries"], ran.json["journal_tail"], len(ran.json["segments"])) == (256, 45, 1)
    assert home("ledger", "verify", "--json").json["segments"] == 1
    assert home("records", "--json", "--limit", 0).out.count("\n") == 300
    assert "nothing" in home("work", "--once").out


def test_a_changed_row_fails_verification_and_is_named(home: Any) -> None:
    """Exit code 1, and the place in words and in JSON."""
    database = sqlite3.connect(home.folder / "home" / "journal.db")
    table = next(
        name
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if "made_by" in {column[1] for column in database.execute(f'PRAGMA table_info("{name}")')}
    )
    with database:
        assert database.execute(f'UPDATE "{table}" SET made_by = ? WHERE idx = 7', ("x@1",)).rowcount == 1
    database.close()
    told, data = home("ledger", "verify"), home("ledger", "verify", "--json")

    assert (told.code, data.code) == (1, 1)
    assert "PROBLEM in" in told.out and "entry 7" in told.out
    assert data.json["ok"] is False and data.json["problems"][0].keys() == {"where", "what"}


def test_a_proof_is_a_file_that_can_be_read_back(home: Any) -> None:
    """On standard output, to a file, or in JSON with the key that verifies it."""
    out = home("ledger", "prove", "last").out
    ran = home("ledger", "prove", "last", "-o", "one.proof", "--json")

    assert Proof.parse(out).index == Proof.parse((home.folder / "one.proof").read_text()).index
    assert ran.json["file"] == "one.proof"
    assert ran.json["proof"] == (home.folder / "one.proof").read_text()
    assert "+" in ran.json["key"]


def test_a_checkpoint_is_kept_and_printed(home: Any) -> None:
    """Standard output is the signed note alone, so that it can be sent away."""
    ran = home("ledger", "checkpoint")
    data = home("ledger", "checkpoint", "--json").json

    assert ran.out.split("\n")[1] == "301"
    assert "verifier key answerable.local/" in ran.err
    assert data["note"] == ran.out
    assert home("ledger", "prove", "last", "--kept").code == 0


def test_an_export_has_every_entry_as_a_line(home: Any) -> None:
    """In the order of the log."""
    lines = [json.loads(line) for line in home("ledger", "export").out.splitlines()]
    ran = home("ledger", "export", "-o", "all.jsonl", "--since", "1h", "--json")

    assert [line["index"] for line in lines] == list(range(301))
    assert ran.json == {"entries": 301, "file": "all.jsonl"}
    assert home("ledger", "export", "--since", "2100-01-01").out == ""


# -- upkeep ------------------------------------------------------------------------------------------


def test_a_home_is_backed_up_and_restored(home: Any) -> None:
    """The restored one verifies and has the same records."""
    made = home("backup", "saved.tar", "--json").json
    ran = home("restore", "saved.tar", "again", "--json")

    assert made["bytes"] == (home.folder / "saved.tar").stat().st_size
    assert ran.code == 0
    assert ran.json["verify"]["ok"] is True
    assert home("records", "--json", "--limit", 0, "--home", "again").out.count("\n") == 300


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("restore", "missing.tar", "again"), "missing.tar"),
        (("restore", "decision.py", "again"), "decision.py"),
        (("restore", "saved.tar", "home"), "not empty"),
        (("backup", "decision.py"), "already"),
        (("backup", "no/such/folder/x.tar"), "no/such/folder"),
    ],
)
def test_a_backup_that_cannot_be_is_a_clear_error(home: Any, args: tuple[str, ...], said: str) -> None:
    """Nothing is replaced and nothing half-made stays."""
    home("backup", "saved.tar")
    ran = home(*args)

    assert ran.code == 2
    assert said in ran.err
    assert not (home.folder / "again").exists()


def test_work_once_does_what_is_due_and_tells_it(home: Any) -> None:
    """One line a role."""
    ran = home("work", "--once", "--json")

    assert ran.code == 0
    assert {"expiry", "sealer"} <= {one["role"] for one in ran.json["roles"]}
    assert home("ledger", "verify", "--json").json["segments"] == 1


def test_doctor_looks_at_a_home(home: Any) -> None:
    """Each check has a name, a state and what was found."""
    ran = home("doctor", "--json")

    assert ran.code == 0
    assert ran.json["ok"] is True
    assert all({"name", "state", "what", "next"} == set(one) for one in ran.json["checks"])
    assert "SQLite" in home("doctor").out


def test_doctor_tells_of_a_home_that_is_none(cli: Any) -> None:
    """Exit code 1, and it does not make one."""
    ran = cli("doctor", "--home", "nowhere")

    assert ran.code == 1
    assert "nowhere" in ran.out
    assert not (cli.folder / "nowhere").exists()


def test_upgrade_of_a_current_home_does_nothing(home: Any) -> None:
    """And says so."""
    ran = home("upgrade")

    assert ran.code == 0
    assert "nothing to do" in ran.out


def test_a_waiting_case_is_shown_with_its_time(cli: Any) -> None:
    """Escalated cases have no answer, and the result file says so."""
    cli.write("cases.csv", "body\nhi\n")
    ran = cli("decide", "decision.py:ask", "cases.csv", "-o", "out.jsonl", "--json")
    row = json.loads((cli.folder / "out.jsonl").read_text())

    assert ran.json["outcomes"]["escalated"] == 1 and ran.json["deciders"] == {}
    assert (row["outcome"], row["answer.urgency"]) == ("escalated", None)
    assert cli("records", "--json", "--where", "status = escalated").out.count("\n") == 1


def test_one_is_not_told_as_many() -> None:
    """1 segment, 2,000 segments."""
    assert counted(1, "segment", "segments") == "1 segment"
    assert counted(2000, "entry", "entries") == "2,000 entries"
