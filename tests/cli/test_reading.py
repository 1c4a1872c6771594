"""`why` and `records` tell what a home holds; `truth import` adds what turned out to be right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from answerable.encoding import MICRO, moment
from answerable.errors import UsageError

NOW = 1_800_000_000 * MICRO


@pytest.fixture
def home(cli: Any) -> Any:
    """A home with three cases: one hacked, two not."""
    cli.write("cases.csv", "number,body\n1,hi\n2,ho\n3,I was hacked\n")
    assert cli("decide", "decision.py:route", "cases.csv", "--concurrency", 1).code == 0
    return cli


def _lines(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


# -- why ---------------------------------------------------------------------------------------------


def test_why_json_has_the_pinned_shape(home: Any) -> None:
    """Others build on it: keys may be added, not renamed."""
    data = home("why", "last", "--json").json

    assert {
        *("record_id", "decision", "at", "principal", "purpose", "input", "reads", "attempts", "checks"),
        *("output", "status", "degraded", "effects", "reviews", "truth", "versions", "proof", "summary"),
    } <= set(data)
    assert {"checkpoint", "index", "verified"} <= set(data["proof"])
    assert data["proof"]["verified"] is True


def test_why_finds_a_case_by_last_by_key_and_by_id(home: Any) -> None:
    """All three name the same record."""
    last = home("why", "--key", "3", "--json").json

    assert home("why", last["record_id"], "--json").json["input"]["number"] == "3"
    assert home("why", "--key", "3", "--decision", "route-ticket", "--json").json == last
    assert home("why", "last").code == 0


def test_why_speaks_to_its_reader(home: Any) -> None:
    """A person reads no technical word, an auditor the definition."""
    person = home("why", "--key", "3", "--for", "person").out
    auditor = home("why", "--key", "3", "--for", "auditor").out

    assert "urgency = high" in person and "latency" not in person and "@" not in person
    assert "definition" in auditor


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("why",), "needs one case"),
        (("why", "last", "--key", "1"), "needs one case"),
        (("why", "1042"), "is no record id"),
        (("why", "01900000-0000-7000-8000-000000000000"), "is in the home"),
        (("why", "--key", "99"), "no record with the key '99'"),
        (("why", "last", "--for", "auditer"), "did you mean 'auditor'?"),
        (("records", "--since", "yesterday"), "is no time"),
        (("records", "--where", "statsu = failed"), "did you mean 'status'?"),
        (("ledger", "prove", "nothing"), "is no record id"),
    ],
)
def test_a_wrong_question_is_answered_with_what_to_ask(home: Any, args: tuple[str, ...], said: str) -> None:
    """Exit code 2, two lines, nothing on standard output."""
    ran = home(*args)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_reading_never_makes_a_home(cli: Any) -> None:
    """A mistyped folder is named, and stays away."""
    for args in (
        ("why", "last"),
        ("records",),
        ("ledger", "verify"),
        ("work", "--once"),
        ("backup", "out.tar"),
    ):
        ran = cli(*args, "--home", "hoem")
        assert ran.code == 2
        assert "hoem" in ran.err
    assert not (cli.folder / "hoem").exists()


# -- records -----------------------------------------------------------------------------------------


def test_records_lists_the_newest_first(home: Any) -> None:
    """With who decided and how sure it was."""
    out = home("records").out

    assert out.index("high") < out.index("low")
    assert home("records", "--limit", 2, "--json").out.count("\n") == 2


def test_records_json_is_one_object_a_line(home: Any) -> None:
    """Ids as people write them, times as RFC 3339."""
    first = _lines(home("records", "--json").out)[0]

    assert first["label"] == "high"
    assert first["status"] == "answered"
    assert first["at"].endswith("Z")
    assert len(first["record_id"]) == 36 and len(first["definition"]) == 64
    assert home("why", first["record_id"]).code == 0


def test_records_can_be_filtered(home: Any) -> None:
    """By decision, by time and by a condition."""
    assert len(_lines(home("records", "--json", "--where", "label = high").out)) == 1
    assert len(_lines(home("records", "--json", "--decision", "route-ticket", "--since", "1h").out)) == 3
    assert home("records", "--json", "--decision", "other").out == ""
    assert "no record" in home("records", "--since", "2100-01-01").err


def test_a_long_list_is_read_a_page_at_a_time(home: Any, monkeypatch: Any) -> None:
    """Nothing is lost or doubled between two pages."""
    monkeypatch.setattr("answerable.cli.reading._PAGE", 2)
    lines = _lines(home("records", "--json", "--limit", 0).out)

    assert [line["index"] for line in lines] == sorted({line["index"] for line in lines}, reverse=True)
    assert len(lines) == 3


def test_a_time_is_told_in_three_ways() -> None:
    """A duration back from now, a date, a time; UTC where it says nothing else."""
    assert moment("2d", now=NOW) == NOW - 2 * 86_400 * MICRO
    assert moment("2027-01-15", now=NOW) == moment("2027-01-15T00:00:00Z", now=NOW)
    assert moment("2027-01-15T10:00+02:00", now=NOW) == moment("2027-01-15T08:00", now=NOW)
    for bad in ("", "soon", "2027-13-01", "-2d", "0s"):
        with pytest.raises(UsageError):
            moment(bad, now=NOW)


# -- truth -------------------------------------------------------------------------------------------


def test_truth_is_imported_by_key(home: Any) -> None:
    """An unknown key and an impossible value are rejected with their line; an empty cell says nothing."""
    home.write("late.csv", "Number,urgency,other\n1,high,x\n2,,x\n99,low,x\n3,medium,x\n")
    ran = home(
        *("truth", "import", "late.csv", "--by", "number", "--source", "agent"),
        *("--json", "--max-rejected", 2),
    )

    assert ran.code == 0
    assert {name: ran.json[name] for name in ("rows", "truths", "unchanged", "empty")} == {
        "rows": 4,
        "truths": 1,
        "unchanged": 0,
        "empty": 1,
    }
    assert [one["line"] for one in ran.json["rejected"]] == [4, 5]
    assert home("why", "--key", "1", "--json").json["truth"] == {"urgency": "high"}


def test_the_same_truth_of_the_same_source_is_recorded_once(home: Any) -> None:
    """Another source, or another value, is another truth."""
    home.write("late.csv", "number,truth.urgency\n1,high\n")
    command = ("truth", "import", "late.csv", "--by", "number", "--json", "--source")

    assert home(*command, "agent").json["truths"] == 1
    assert home(*command, "agent").json["unchanged"] == 1
    assert home(*command, "chargeback").json["truths"] == 1


def test_truth_can_be_imported_by_record_id_and_from_any_column(home: Any) -> None:
    """As the result file names the cases."""
    record = _lines(home("records", "--json", "--where", "label = high").out)[0]["record_id"]
    home.write("late.jsonl", json.dumps({"record_id": record, "verdict": "low", "free": True}) + "\n")
    ran = home(
        *("truth", "import", "late.jsonl", "--by", "record_id", "--source", "agent"),
        *("--truth", "urgency=verdict", "--truth", "paid=free"),
    )

    assert ran.code == 0
    assert home("why", record, "--json").json["truth"] == {"urgency": "low", "paid": True}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--by", "nr", "--source", "agent"), "has no column 'nr'"),
        (("--by", "number", "--source", "agent"), "tells an output field"),
        (("--by", "number", "--source", "agent", "--truth", "urgncy=x"), "did you mean 'urgency'?"),
        (("--by", "number", "--source", "agent", "--decision", "rout"), "no decision 'rout' is recorded"),
        (("--by", "number"), "--source"),
    ],
)
def test_a_wrong_import_is_one_clear_error(home: Any, args: tuple[str, ...], said: str) -> None:
    """Before anything is recorded."""
    home.write("late.csv", "number,x\n1,high\n")
    ran = home("truth", "import", "late.csv", *args)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_too_many_rejected_truths_fail(home: Any) -> None:
    """The others are recorded."""
    home.write("late.csv", "number,urgency\n1,high\n99,high\n")
    ran = home("truth", "import", "late.csv", "--by", "number", "--source", "agent")

    assert ran.code == 1
    assert "line 3: no record with the key '99'" in ran.err
