"""`why` and `records` tell what a home holds; `resolve` and `truth import` add what people know."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from answerable.cli.printing import say_findings, say_table
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
        (("why", "last", "--decision", "route-tickets"), "did you mean 'route-ticket'?"),
        (("why", "deadbeef"), "ends in 'deadbeef'"),
        (("records", "--decision", "other"), "choose one of 'route-ticket'"),
        (("records", "--where", "status = answerd"), "did you mean 'answered'?"),
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


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("decision.py", "decision.py is a file, not a folder"),
        ("postgresql://ada:s3cret@host/ledger", "a postgresql URL, and a home is a folder"),
        ("sqlite:///journal.db", "a sqlite URL, and a home is a folder"),
    ],
)
def test_a_home_is_a_folder(cli: Any, home: str, said: str, monkeypatch: Any) -> None:
    """A file or a URL is refused, wherever it is named, before anything is made."""
    cli.write("cases.csv", "number,body\n1,hi\n")
    before = sorted(path.name for path in cli.folder.iterdir())
    named = cli("decide", "decision.py:route", "cases.csv", "--home", home)
    monkeypatch.setenv("ANSWERABLE_HOME", home)
    by_environment = cli("decide", "decision.py:route", "cases.csv")
    monkeypatch.delenv("ANSWERABLE_HOME")
    cli.write("answerable.toml", f'home = "{home}"\n')
    by_project = cli("decide", "decision.py:route", "cases.csv")

    for ran in (named, by_environment, by_project):
        assert ran.code == 2
        assert said in ran.err and "s3cret" not in ran.err
    kept = {"answerable.toml", "__pycache__", *before}
    assert {path.name for path in cli.folder.iterdir()} <= kept


def test_a_record_is_found_by_the_end_of_its_id(home: Any) -> None:
    """As a narrow list shows it; not by less than 8 characters."""
    record = home("why", "last", "--json").json["record_id"]

    assert home("why", record[-12:], "--json").json["record_id"] == record
    assert home("why", record[-8:].upper(), "--json").json["record_id"] == record
    assert home("why", record[-7:]).code == 2
    assert home("ledger", "prove", record[-12:]).code == 0


def test_a_key_that_a_run_gave_is_not_shown(cli: Any) -> None:
    """It is of the machinery; a key of the world is shown."""
    cli.write("cases.csv", "body\nhi\n")
    cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv")
    told, data = cli("why", "last").out, cli("why", "last", "--json").json

    assert data["key"] is None
    assert "about" not in data["summary"]
    assert not re.search(r"[0-9a-f]{32}", told)


# -- records -----------------------------------------------------------------------------------------


def test_records_lists_the_newest_first(home: Any) -> None:
    """With who decided and how sure it was."""
    out = home("records").out

    assert out.index("high") < out.index("low")
    assert home("records", "--limit", 2, "--json").out.count("\n") == 2


def test_records_on_a_narrow_terminal_keep_the_answer(home: Any, monkeypatch: Any) -> None:
    """Record, label, decider, status and time stand in this order, each in its line, at 80 characters."""
    monkeypatch.setattr("answerable.cli.reading.columns_of", lambda stream: 80)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    record = home("why", "last", "--json").json["record_id"]
    head, _, first, *_ = home("records").out.splitlines()

    assert head.split() == ["record", "label", "by", "status", "at", "(UTC)", "sure"]
    assert first.split()[:4] == [record[-12:], "high", "hacked", "answered"]
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d +$", first)


def test_records_show_how_sure_only_where_it_was_measured(cli: Any) -> None:
    """A rule and a default say so; nobody measured it."""
    cli.write(
        "sure.py",
        "from decision import Keyless, Route, decision\n"
        "import answerable as ans\n"
        "def guess(case):\n"
        "    return ans.Answer(Route(urgency='low'), confidence=0.97)\n"
        "route = decision('sure', Keyless, [ans.model(guess, version='1')])\n",
    )
    cli.write("cases.csv", "body\nhi\n")
    cli("decide", "decision.py:plain", "cases.csv")
    assert "%" not in cli("records").out

    cli("decide", "sure.py:route", "cases.csv")
    assert cli("records").out.count("97%") == 1


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
    assert "no record" in home("records", "--since", "2100-01-01").err


@pytest.fixture
def troubled(cli: Any) -> Any:
    """A home with an alert: the credentials of a provider are not accepted."""
    cli.write(
        "troubled.py",
        "from decision import Route, Ticket, decision\n"
        "import answerable as ans\n"
        "def call(case):\n"
        "    raise ans.Faulted(ans.Fault(category='auth', provider='acme', model='m-1'))\n"
        "acme = ans.Remote(provider='acme', model='m-1', destination='api.acme.example')\n"
        "chain = [ans.model(call, version='1', remote=acme), ans.default(Route(urgency='low'))]\n"
        "route = decision('troubled', Ticket, chain)\n",
    )
    cli.write("cases.csv", "number,body,truth.urgency\n1,hi,low\n")
    assert cli("decide", "troubled.py:route", "cases.csv").code == 0
    return cli


def test_other_kinds_of_entries_can_be_listed(troubled: Any) -> None:
    """With what they say, and the case that they are about."""
    case = _lines(troubled("records", "--json").out)[0]["record_id"]
    table = troubled("records", "--kind", "alert", "--kind", "truth", "--kind", "opened").out
    lines = _lines(troubled("records", "--kind", "alert", "--kind", "truth", "--json").out)

    assert table.splitlines()[0].split() == [
        *("record", "kind", "at", "(UTC)", "status", "fault", "decision", "model", "what")
    ]
    assert re.search(
        rf"{case} +alert +[\d-]+ [\d:]+ +raised +auth +troubled +acme m-1: the provider does", table
    )
    assert re.search(rf"{case} +truth .+ file says urgency = low", table)
    assert re.search(rf"{case} +opened .+ data left for api.acme.example", table)
    assert [line["kind"] for line in lines] == ["truth", "alert"]
    assert "does not accept our credentials" in lines[1]["what"]
    assert "what" not in _lines(troubled("records", "--json").out)[0]


def test_entries_fit_a_narrow_terminal(troubled: Any, monkeypatch: Any) -> None:
    """By the end of the case's id, with what is said."""
    monkeypatch.setattr("answerable.cli.reading.columns_of", lambda stream: 80)
    head, _, first, *_ = troubled("records", "--kind", "definition").out.splitlines()

    assert head.split() == ["record", "kind", "at", "(UTC)", "status", "what"]
    assert re.search(r"definition +[\d-]+ \d\d:\d\d +version 1", first)


def test_an_unknown_kind_is_answered_with_what_was_meant(home: Any) -> None:
    """Nothing would fit it, which reads as if nothing had happened."""
    ran = home("records", "--kind", "alerts")

    assert (ran.code, ran.out) == (2, "")
    assert "did you mean 'alert'?" in ran.err


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("fault = timeout", "`degraded` has it, such as fault:timeout"),
        ("not degraded ~ t and status = failed", "`degraded` is default"),
        ("model = m-1", "`model` is filled for cases that called one"),
        ("kind = alert", "unless --kind names something else"),
    ],
)
def test_a_condition_that_finds_nothing_is_explained(home: Any, where: str, said: str) -> None:
    """What its fields hold is told; of other fields nothing is, nor of a word that is a value."""
    ran = home("records", "--where", where)

    assert (ran.code, ran.out) == (0, "")
    assert said in ran.err
    assert "`label`" not in ran.err
    assert "`model`" not in home("records", "--where", "label = 'model'").err


def test_a_decision_that_is_not_there_is_an_error_in_an_empty_home_too(cli: Any) -> None:
    """An empty list would say that it has not decided anything yet."""
    cli.write("cases.csv", "number,body\n")
    cli("decide", "decision.py:route", "cases.csv")

    assert cli("records", "--decision", "rout").code == 2


def test_a_table_in_a_pipe_has_no_blanks_at_the_end(home: Any) -> None:
    """One row a line, with the time to the second and nothing that only fills up."""
    lines = home("records").out.splitlines()

    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines[1:2])) <= 100
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", lines[2])


def test_moments_in_a_table_are_short(capsys: Any) -> None:
    """In every one, also within a sentence; other texts stay as they are."""
    say_table(
        ["found"], [["open until 2026-05-03T10:00:00.123456Z, because"], ["2026-05-03"], ["T10:00:00Z"]]
    )
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]

    assert lines[2:] == ["open until 2026-05-03 10:00:00, because", "2026-05-03", "T10:00:00Z"]


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


# -- resolve -----------------------------------------------------------------------------------------


@pytest.fixture
def waiting(cli: Any) -> Any:
    """A home with one case that waits for a person, and a project file that names its decision."""
    text = (cli.folder / "decision.py").read_text()
    cli.write("asked.py", text.replace('decision("ask", Keyless', 'decision("ask", Ticket'))
    cli.write("answerable.toml", 'decisions = ["asked.py:ask"]\n')
    cli.write("cases.csv", "number,body\n7,hi\n")
    assert cli("decide", "cases.csv").code == 0
    return cli


def test_a_waiting_case_is_answered_by_its_key_or_its_record(waiting: Any) -> None:
    """The first answer stands; a later one is told to be an opinion."""
    record = waiting("why", "last", "--json").json["record_id"]
    by = ("--principal", "user:ann", "--reason", "Somebody is in danger")
    first = waiting("resolve", "--key", "7", "urgency=HIGH", "paid=true", *by)
    later = waiting("resolve", record[-12:], "urgency=low", "--principal", "user:ben", "--json")

    assert first.out == f"{record} is answered by person:user:ann: urgency = high, paid = True\n"
    assert later.json == {
        "record_id": record,
        "status": "answered",
        "output": {"urgency": "high", "paid": True},
        "decider": "person:user:ann",
        "kept_as": "opinion",
    }
    assert "Somebody is in danger" in waiting("why", record, "--for", "person").out
    assert "kept as an opinion" in waiting("resolve", "last", "urgency=low", "--principal", "user:cy").err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("urgency=high",), "needs one case"),
        (("last", "--key", "7", "urgency=high"), "needs one case"),
        (("last", "urgency"), "is not FIELD=VALUE"),
        (("last", "urgncy=high"), "did you mean 'urgency'?"),
        (("last", "urgency=hgh"), "did you mean 'high'?"),
        (("last", "paid=true"), "no value is given for urgency"),
        (("last", "urgency=high", "--principal", "ann@example.com"), "not an opaque id"),
        (("--key", "8", "urgency=high"), "no record with the key '8'"),
        (("--key", "7", "urgency=high", "--decision", "asked.py:plain"), "no record with the key '7'"),
    ],
)
def test_a_wrong_answer_is_one_clear_error(waiting: Any, args: tuple[str, ...], said: str) -> None:
    """And the case goes on waiting."""
    ran = waiting("resolve", "--principal", "user:ann", *args)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert waiting("why", "--key", "7", "--json").json["status"] == "escalated"


@pytest.mark.parametrize("words", [("high",), ()])
def test_a_key_without_a_field_says_that_the_field_is_missing(waiting: Any, words: tuple[str, ...]) -> None:
    """The case is named; and of two things missing the answer is told before who gives it."""
    ran = waiting("resolve", "--key", "7", *words)

    assert ran.code == 2
    assert "FIELD=VALUE" in ran.err and "one case" not in ran.err and "principal" not in ran.err
    assert "next: write urgency=low|high" in ran.err


def test_who_answers_is_asked_for_last(waiting: Any) -> None:
    """Whatever else is wrong would stay wrong."""
    assert "no record with the key '8'" in waiting("resolve", "--key", "8", "urgency=high").err
    last = waiting("resolve", "--key", "7", "urgency=high")

    assert (last.code, "add --principal" in last.err) == (2, True)
    assert waiting("why", "--key", "7", "--json").json["status"] == "escalated"


def test_of_several_decisions_the_option_is_named(waiting: Any) -> None:
    """`resolve` has no place for a TARGET but --decision."""
    waiting.write("answerable.toml", 'decisions = ["asked.py:ask", "asked.py:plain"]\n')
    ran = waiting("resolve", "--key", "7", "urgency=high", "--principal", "user:ann")

    assert "the project names 2 decisions" in ran.err and "such as --decision ask" in ran.err


def test_of_an_answered_case_the_truth_is_told_instead(cli: Any) -> None:
    """It never waited, so there is nothing to resolve."""
    cli.write("cases.csv", "number,body\n1,hi\n")
    cli("decide", "decision.py:route", "cases.csv")
    ran = cli("resolve", "--key", "1", "urgency=high", "--decision", "decision.py:route")

    assert ran.code == 2
    assert "is answered and never waited for a person" in ran.err
    assert "`answerable truth import` or `ws.truth`" in ran.err


def test_findings_of_one_cause_stand_above_what_mends_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to match two lists by their order, and no line is there twice."""
    say_findings(
        [
            ("disk", "ok", "9 GiB free", ""),
            ("alerts", "warn", "a is down", "wait"),
            ("alerts", "warn", "b has no key", "renew it"),
            ("alerts", "warn", "c is down", "wait"),
            ("alerts", "warn", "a is down", "wait"),
        ]
    )

    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "disk ok 9 GiB free",
        *("alerts warn a is down", "alerts warn c is down", "next: wait"),
        *("alerts warn b has no key", "next: renew it"),
    ]
