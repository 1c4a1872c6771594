"""`new` makes a project that works at once, from nothing or from labelled rows."""

from __future__ import annotations

import csv
import re
import runpy
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from answerable.cli.draft import answer_of, best_rule, draft
from answerable.decisions.case import Case, Principal
from answerable.decisions.rule_table import TableRule

TOPICS = {
    "billing": "please refund the invoice i was charged twice",
    "shipping": "the parcel never arrived where is my delivery",
    "account": "my password is lost and the login was hacked",
}


def _tickets(count: int = 300) -> str:
    random, lines = Random(3), ["Ticket No;E-Mail;Message Text;Amount (USD);Team;class"]
    for n in range(count):
        team = random.choice(list(TOPICS))
        words = random.sample(TOPICS[team].split(), 5) + random.sample(
            ["hello", "thanks", "urgent", "now"], 2
        )
        amount = "" if n % 9 == 0 else f"{random.random() * 100:.2f}"
        lines.append(f"{n:04d};a{n}@example.com;{' '.join(words)} number {n};{amount};{team};x")
    return "\n".join(lines) + "\n"


def _works(cli: Any, monkeypatch: Any, name: str) -> Any:
    """Check and decide in the project as its last lines say; return the summary of `decide`."""
    monkeypatch.chdir(cli.folder / name)
    monkeypatch.delenv("ANSWERABLE_HOME")
    assert cli("check").code == 0
    ran = cli("decide", "cases.csv", "-o", "results.csv", "--json")
    assert ran.code == 0, ran.err
    assert (cli.folder / name / ".answerable" / "home.toml").exists()
    assert cli("ledger", "verify").code == 0
    return ran.json


def _pytest(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def _own_test(folder: Path, monkeypatch: Any) -> None:
    """The project's test without pytest and in this process, which has loaded scikit-learn already."""
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("decision", None)
    runpy.run_path(str(folder / "test_decision.py"), run_name="__main__")


def test_a_new_project_works_at_once(cli: Any, monkeypatch: Any) -> None:
    """Check, decide, verify and its own test."""
    ran = cli("new", "Route Mail", "--json")

    assert ran.json["files"] == [
        *(".gitignore", "README.md", "answerable.toml", "cases.csv", "decision.py", "test_decision.py")
    ]
    summary = _works(cli, monkeypatch, "route-mail")
    assert summary["outcomes"]["answered"] == summary["truths"] == 5
    _pytest(cli.folder / "route-mail")


def test_a_project_is_drafted_from_data(cli: Any, monkeypatch: Any) -> None:
    """The input model comes from the columns, the rule and the model from the rows."""
    cli.write("tickets.csv", _tickets())
    ran = cli("new", "tickets", "--from", "tickets.csv", "--target", "team", "--json")

    assert ran.json["inputs"] == {
        "ticket_no": "key",
        "e_mail": "personal",
        "message_text": "text",
        "amount_usd": "number",
        "class_": "word",
    }
    right = {one["name"]: one["accuracy"] for one in ran.json["held_out"]}
    assert right["model"] > 0.9 and right["rule"] > 0.6
    summary = _works(cli, monkeypatch, "tickets")
    assert summary["outcomes"]["answered"] + summary["outcomes"]["escalated"] == summary["truths"] == 60
    whole = cli("decide", "../tickets.csv", "--truth", "team=Team", "--json")
    assert whole.code == 0 and whole.json["cases"] == 300
    _own_test(cli.folder / "tickets", monkeypatch)


def test_the_same_model_file_has_the_same_definition_in_every_process(cli: Any, monkeypatch: Any) -> None:
    """Else the second run would be refused as a changed decision."""
    cli.write("tickets.csv", _tickets())
    cli("new", "tickets", "--from", "tickets.csv", "--target", "team")
    monkeypatch.chdir(cli.folder / "tickets")
    first = cli("check", "--json").out
    command = [sys.executable, "-m", "answerable.cli.app", "check", "--json"]
    second = subprocess.run(command, capture_output=True, text=True).stdout

    assert "definition" in first
    assert first == second


def test_without_scikit_learn_the_draft_is_a_rule(cli: Any, monkeypatch: Any) -> None:
    """And it works all the same."""
    monkeypatch.setattr("answerable.cli.draft_model.find_spec", lambda name: None)
    cli.write("tickets.csv", _tickets())
    ran = cli("new", "tickets", "--from", "tickets.csv", "--target", "team", "--json")

    assert ran.json["deciders"] == ["rule", "person"]
    assert "scikit-learn is not installed" in ran.json["verdict"]
    assert _works(cli, monkeypatch, "tickets")["cases"] == 60


def _leaky(count: int = 80) -> str:
    lines = ["Opened Date,Code Name,Due Date,Status,sex,Marital-Status,empty,team,note"]
    for n in range(count):
        team, month = ("billing", "sales")[n % 2], n % 9 + 1
        words = f"{('refund', 'offer')[(n + (n % 7 == 0)) % 2]} please number {n} of them"
        lines.append(f"2025-0{month}-01,{team[:1]},2025-0{month}-09,{n % 3},f,{n % 4},,{team},{words}")
    return "\n".join(lines) + "\n"


def test_leaks_and_protected_attributes_are_left_out_and_said(cli: Any, monkeypatch: Any) -> None:
    """In the terminal, in the README and beside the code; neither input, rule nor model has them."""
    cli.write("cases.csv", _leaky())
    ran = cli("new", "x", "--from", "cases.csv", "--target", "team", "--json")

    why = {
        "Code Name": "it tells team all by itself",
        "Due Date": "it is mostly later than Opened Date",
        "Status": "its name says that it is known only afterwards",
        "sex": "it is a protected attribute",
        "Marital-Status": "it is a protected attribute",
        "empty": "it has no value in any row",
    }
    assert ran.json["columns_left_out"] == why
    assert ran.json["inputs"] == {"opened_date": "date", "note": "text"}
    assert ran.json["leak"] == "Code Name"
    readme, code = ((cli.folder / "x" / name).read_text("utf-8") for name in ("README.md", "decision.py"))
    for name, reason in why.items():
        assert f"- `{name}`: {reason}" in readme
        assert f"#   {name}: {reason}" in code
    assert "--keep 'Code Name'" in readme
    assert "--keep 'Code Name'" in code
    said = cli("new", "y", "--from", "cases.csv", "--target", "team").out
    assert all(reason in said for reason in why.values())
    assert "A protected attribute needs a reason" in said
    _works(cli, monkeypatch, "x")


def test_a_column_that_was_left_out_is_put_back_with_keep(cli: Any) -> None:
    """The project still says what it is."""
    cli.write("cases.csv", _leaky())
    ran = cli("new", "x", "--from", "cases.csv", "--target", "team", "--keep", "code_name", "--keep", "sex")

    assert "Code Name is used because --keep said so, though it tells team all by itself" in ran.out
    assert "no better than the rule" in ran.out
    readme, code = ((cli.folder / "x" / name).read_text("utf-8") for name in ("README.md", "decision.py"))
    assert "Used because `--keep` said so:\n\n- `Code Name`: it tells team all by itself" in readme
    assert '    code_name: str  # the column "Code Name"\n' in code
    assert "    sex: str\n" in code


def test_a_database_is_read_with_a_query(cli: Any) -> None:
    """A SELECT or the name of a table; without one the error names the option."""
    with sqlite3.connect(cli.folder / "x.sqlite") as connection:
        connection.execute("CREATE TABLE tickets (body TEXT, team TEXT)")
        rows = [(f"{TOPICS[team]} {n}", team) for n, team in enumerate(list(TOPICS) * 20)]
        connection.executemany("INSERT INTO tickets VALUES (?, ?)", rows)
    connection.close()
    args = ("--from", "sqlite:///x.sqlite", "--target", "team")

    refused = cli("new", "none", *args)
    assert refused.code == 2
    assert 'add --query TABLE, or --query "SELECT ... FROM ..."' in refused.err
    assert cli("new", "one", *args, "--query", "tickets", "--json").json["rows"] == 60
    some = cli("new", "two", *args, "--query", "SELECT * FROM tickets LIMIT 30", "--json")
    assert some.json["rows"] == 30


def _topics(classes: int, *, unclear: int) -> str:
    random, lines = Random(5), ["text,topic"]
    for n in range(900):
        topic = random.randrange(classes)
        words = ["some", "words"] if n % unclear == 0 else [chr(97 + topic) * 3, chr(97 + topic) * 4]
        lines.append(f"hello {' '.join(words)} number{n} of a longer message,topic {topic}")
    return "\n".join(lines) + "\n"


def test_what_the_model_is_unsure_of_goes_to_a_person(cli: Any, monkeypatch: Any) -> None:
    """Where a constant is no fair answer: the decision is righter than its model, on fewer cases."""
    cli.write("messages.csv", _topics(8, unclear=4))
    ran = cli("new", "x", "--from", "messages.csv", "--target", "topic", "--json").json

    held = {one["name"]: one for one in ran["held_out"]}
    model, whole = held["model"], held["the decision, as drafted"]
    assert ran["deciders"][-1] == "person"
    assert model["share"] == 1.0 and model["accuracy"] < 0.9
    assert 0.6 < whole["share"] < 0.9 and whole["right_of_answered"] > 0.98
    readme = (cli.folder / "x" / "README.md").read_text("utf-8")
    for name, told in (("model alone", model), ("the decision, as drafted", whole)):
        assert (
            f"| {name} | {told['share']:.1%} | {told['right_of_answered']:.1%} | {told['accuracy']:.1%} |"
            in readme
        )
    assert "| rule alone |" in readme
    outcomes = _works(cli, monkeypatch, "x")["outcomes"]
    assert outcomes["escalated"] == round(180 * (1 - whole["share"]))
    _own_test(cli.folder / "x", monkeypatch)


def test_the_decision_is_never_worse_than_its_model(cli: Any) -> None:
    """With few classes and a constant to end with."""
    random, lines = Random(1), ["text,answer"]
    for n in range(400):
        yes = random.random() < 0.3
        words = ("good", "fine") if yes == (random.random() < 0.75) else ("bad", "poor")
        lines.append(f"it was {random.choice(words)} as of day{n % 13} i would say,{'yes' if yes else 'no'}")
    cli.write("votes.csv", "\n".join(lines) + "\n")
    ran = cli("new", "x", "--from", "votes.csv", "--target", "answer", "--json").json

    right = {one["name"]: one["right"] for one in ran["held_out"]}
    assert ran["deciders"][-1] == "default"
    assert right["the decision, as drafted"] >= max(right["model"], right["rule"])


def test_without_a_rule_none_is_written(cli: Any, monkeypatch: Any) -> None:
    """And it is said, where a rule of 0.0% would be shown."""
    random, lines = Random(2), ["word,answer"]
    lines += [f"{random.random():.6f}x,{'yes' if random.random() < 0.1 else 'no'}" for _ in range(200)]
    cli.write("noise.csv", "\n".join(lines) + "\n")
    ran = cli("new", "x", "--from", "noise.csv", "--target", "answer")

    assert "There is no rule" in ran.out
    assert "rule alone" not in ran.out
    assert "There is no rule" in (cli.folder / "x" / "README.md").read_text("utf-8")
    assert not (cli.folder / "x" / "rule.csv").exists()
    _works(cli, monkeypatch, "x")


def test_codes_stay_texts_and_dates_are_dates_only_where_all_are(cli: Any, monkeypatch: Any) -> None:
    """A spreadsheet's 11207.0 is 11207, in the cases and wherever the decision meets it."""
    lines = ["Home Zip,Phone,made,due,seen,amount,branch,team,words"]
    for n in range(60):
        due = "soon" if n == 7 else f"2024-02-{n % 28 + 1:02}"
        made = f"2025-03-{n % 28 + 1:02}" + (" 10:30" if n % 2 else "")
        seen = "" if n % 5 == 0 else f"2025-01-{n % 28 + 1:02}"
        words = f"{('refund', 'offer')[n % 2]} {n}"
        lines.append(
            f"112{n % 4:02}.0,{4915100000 + n},{made},{due},{seen},{n}.5,0{n % 4},{'bs'[n % 2]},{words}"
        )
    cli.write("cases.csv", "\n".join(lines) + "\n")
    kept = ("--keep", "Home Zip", "--keep", "branch", "--keep", "seen")
    ran = cli("new", "x", "--from", "cases.csv", "--target", "team", "--json", *kept).json

    assert ran["inputs"] == {
        **{"home_zip": "word", "phone": "personal", "made": "datetime", "due": "word", "seen": "date"},
        **{"amount": "number", "branch": "word", "words": "word"},
    }
    folder = cli.folder / "x"
    assert "    seen: date | None = None\n" in (folder / "decision.py").read_text("utf-8")
    assert all(".0," not in path.read_text("utf-8") for path in folder.glob("*.csv"))
    _works(cli, monkeypatch, "x")
    assert cli("decide", "../cases.csv", "-o", "all.csv").code == 0
    told = cli("why", "last", "--json").out
    assert re.search(r'"112\d\d"', told) and not re.search(r"112\d\d\.0", told)


def test_short_messages_are_texts() -> None:
    """A few words, each time others; not a name of which there are only a few."""
    from answerable.cli.draft import _kind

    messages = [f"login broken {n}" for n in range(40)]
    assert _kind("message", messages, complete=True, key=False) == "text"
    assert _kind("address", messages, complete=True, key=False) == "word"
    assert _kind("place", ["New York City", "Staten Island"] * 20, complete=True, key=False) == "word"


def test_generated_code_is_formatted(cli: Any) -> None:
    """As ruff does it, no line over 110 characters, whatever the data is called."""
    labels = [
        'the "best" one',
        "it's",
        "back\\slash",
        "東" * 45,
        "x" * 90,
        *(f"topic {n}" for n in range(30)),
    ]
    names = ["A long name that somebody gave a question " * 4, "date", "note", "ticket id", "Phone Number"]
    with (cli.folder / "odd.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "What is the right answer to the question of the case at hand?"])
        for n in range(350):
            label = labels[n % 35 if n % 3 else 0]
            rows.writerow(
                [f"a{n % 5}", "2025-01-01" if n % 2 else "", f"word{n} {label}", n, f"{n}.0", label]
            )
    for made in (
        ("x", "--from", "odd.csv", "--target", "whatistherightanswertothequestionofthecaseathand"),
        ("y",),
    ):
        assert cli("new", *made).code == 0
        folder = cli.folder / made[0]
        ruff = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length=110", "."]
        done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        for name in ("decision.py", "test_decision.py", "README.md", "answerable.toml"):
            assert max(map(len, (folder / name).read_text("utf-8").splitlines())) <= 110, name


@pytest.mark.parametrize(
    ("name", "folder", "shown"),
    [
        ("My Decision!", "my-decision", "my-decision"),
        ("RouteMail", "RouteMail", "RouteMail"),
        ("a place/It's new", "a place/it-s-new", "'a place/it-s-new'"),
    ],
)
def test_the_next_step_can_be_pasted_into_a_shell(cli: Any, name: str, folder: str, shown: str) -> None:
    """The folder has a plain name, and a place that has none is quoted."""
    ran = cli("new", name)

    assert (cli.folder / folder / "decision.py").exists()
    assert f"next: cd {shown} && answerable check" in ran.out


def test_the_projects_test_runs_without_pytest(cli: Any) -> None:
    """As its README says."""
    cli("new", "x")
    assert "    python test_decision.py " in (cli.folder / "x" / "README.md").read_text("utf-8")
    code = "import runpy, sys; sys.modules['pytest'] = None; sys.path.insert(0, '.')\n"
    code += "runpy.run_path('test_decision.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=cli.folder / "x", capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "every case got an answer" in done.stdout


def test_a_drafted_rule_answers_as_its_decision_table_does(tmp_path: Path) -> None:
    """The accuracy that is printed is that of the rule that is written."""
    path = tmp_path / "tickets.csv"
    path.write_text(_tickets(), encoding="utf-8")
    drafted = draft(str(path), "Team")
    assert drafted.rule is not None
    lines = [f"{drafted.rule.field},answer.team", *(f'"{c}",{a}' for c, a in drafted.rule.rows)]
    (tmp_path / "rule.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = TableRule.read(tmp_path / "rule.csv")

    for cells, _ in drafted.held:
        told: Any = table(_case(dict(cells)))
        assert getattr(told, "output", {}).get("team") == answer_of(drafted.rule, cells)


def _case(values: dict[str, Any]) -> Case[Any]:
    return Case(
        id="x",
        decision="d",
        input=SimpleNamespace(**values),
        principal=Principal("user:local"),
        purpose="p",
        key=None,
        clock=lambda: 0.0,
        deadline=1.0,
    )


def test_a_number_is_cut_where_the_answer_changes() -> None:
    """One limit on one column."""
    from answerable.cli.draft import Column

    rows = [({"age": str(n)}, "young" if n < 30 else "old") for n in range(60)]
    rule = best_rule([Column(column="age", field="age", kind="number", missing=False)], rows)

    assert rule is not None
    assert rule.rows == (("<= 29.0", "young"), ("> 29.0", "old"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("new", "2024"), "no name for a decision"),
        (("new", "there"), "is there already"),
        (("new", "x", "--from", "tickets.csv"), "go together"),
        (("new", "x", "--from", "tickets.csv", "--target", "Teams"), "did you mean 'Team'?"),
        (("new", "x", "--from", "tickets.csv", "--target", "Ticket No"), "300 different values"),
        (("new", "x", "--from", "tickets.csv", "--target", "class"), "1 different values"),
        (("new", "x", "--from", "few.csv", "--target", "b"), "1 rows with a value"),
        (("new", "x", "--from", "none.csv", "--target", "b"), "no file"),
        (("new", "x", "--query", "t"), "need --from"),
        (
            ("new", "x", "--from", "tickets.csv", "--target", "team", "--keep", "E-Mai"),
            "did you mean 'E-Mail'?",
        ),
        (("new", "x", "--from", "leak.csv", "--target", "b"), "--keep 'a' if it is known beforehand"),
        (("new", "x", "--from", "long.csv", "--target", "b"), "has 91 characters"),
    ],
)
def test_a_project_that_cannot_be_made_leaves_nothing(cli: Any, args: tuple[str, ...], said: str) -> None:
    """One clear error, no folder."""
    cli.write("tickets.csv", _tickets())
    cli.write("few.csv", "a,b\n1,2\n")
    cli.write("leak.csv", "a,b\n" + "x,1\ny,2\n" * 40)
    cli.write("long.csv", "a,b\n" + f"x,1\ny,{'2' * 91}\n" * 40)
    (cli.folder / "there").mkdir()
    cli.write("there/file", "x")
    ran = cli(*args)

    assert ran.code == 2
    assert said in ran.err
    assert not (cli.folder / "x").exists()


def test_names_that_a_model_cannot_have_are_changed(tmp_path: Path) -> None:
    """A column may be called anything."""
    path = tmp_path / "odd.csv"
    names = "class,copy,2024,Größe (cm),a b,A-B,model_x"
    path.write_text(f"{names},y\n" + "".join(f"a,b,c,d,e,f,g,{['no', 'yes'][n % 2]}\n" for n in range(30)))

    assert [column.field for column in draft(str(path), "y").columns] == [
        *("class_", "copy_", "column_2024", "größe_cm", "a_b", "a_b_2", "model_x_")
    ]
