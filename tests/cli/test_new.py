"""`new` makes a project that works at once, from nothing or from labelled rows."""

from __future__ import annotations

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


def test_a_new_project_works_at_once(cli: Any, monkeypatch: Any) -> None:
    """Check, decide, verify and its own test."""
    ran = cli("new", "Route Mail", "--json")

    assert ran.json["files"] == [
        *(".gitignore", "README.md", "answerable.toml", "cases.csv", "decision.py", "test_decision.py")
    ]
    summary = _works(cli, monkeypatch, "Route Mail")
    assert summary["outcomes"]["answered"] == summary["truths"] == 5
    _pytest(cli.folder / "Route Mail")


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
    assert summary["outcomes"]["answered"] == summary["truths"] == 60
    whole = cli("decide", "../tickets.csv", "--truth", "team=Team", "--json")
    assert whole.code == 0 and whole.json["cases"] == 300
    _pytest(cli.folder / "tickets")


def test_the_same_model_file_has_the_same_definition_in_every_process(cli: Any) -> None:
    """Else the second run would be refused as a changed decision."""
    cli.write("tickets.csv", _tickets())
    cli("new", "tickets", "--from", "tickets.csv", "--target", "team")
    command = [sys.executable, "-m", "answerable.cli.app", "check", "--json"]
    first, second = (
        subprocess.run(command, cwd=cli.folder / "tickets", capture_output=True, text=True).stdout
        for _ in range(2)
    )

    assert "definition" in first
    assert first == second


def test_without_scikit_learn_the_draft_is_a_rule(cli: Any, monkeypatch: Any) -> None:
    """And it works all the same."""
    monkeypatch.setattr("answerable.cli.draft_model.find_spec", lambda name: None)
    cli.write("tickets.csv", _tickets())
    ran = cli("new", "tickets", "--from", "tickets.csv", "--target", "team", "--json")

    assert ran.json["deciders"] == ["rule", "default"]
    assert "scikit-learn is not installed" in ran.json["verdict"]
    assert _works(cli, monkeypatch, "tickets")["cases"] == 60


def test_a_column_that_gives_the_answer_away_is_told(cli: Any) -> None:
    """It is too good to be true."""
    lines = ["code,team", *(f"{'ab'[n % 2]},{('billing', 'sales')[n % 2]}" for n in range(60))]
    cli.write("tickets.csv", "\n".join(lines) + "\n")
    ran = cli("new", "tickets", "--from", "tickets.csv", "--target", "team")

    assert "code tells team all by itself" in ran.out
    assert "no better than the rule" in ran.out


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
    ],
)
def test_a_project_that_cannot_be_made_leaves_nothing(cli: Any, args: tuple[str, ...], said: str) -> None:
    """One clear error, no folder."""
    cli.write("tickets.csv", _tickets())
    cli.write("few.csv", "a,b\n1,2\n")
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
