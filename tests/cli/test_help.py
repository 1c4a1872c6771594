"""Every command says what it does and shows how it is called; starting is quick and errors are two lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from answerable.cli import app as door
from answerable.errors import LedgerUnavailable

COMMAND = [sys.executable, "-m", "answerable.cli.app"]


def _commands(command: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(door.app)
    for name, inner in getattr(command, "commands", {}).items():
        full = f"{path} {name}".strip()
        if getattr(inner, "commands", None):
            yield from _commands(inner, full)
        else:
            yield full, inner


COMMANDS = dict(_commands())


def test_the_commands_are_those_that_the_design_names() -> None:
    """A command that is renamed or lost breaks scripts."""
    assert sorted(COMMANDS) == [
        "backup",
        "chaos",
        "check",
        "decide",
        "demo",
        "doctor",
        "ledger checkpoint",
        "ledger export",
        "ledger prove",
        "ledger report",
        "ledger rescan",
        "ledger retain",
        "ledger seal",
        "ledger verify",
        "new",
        "policy check",
        "policy explain",
        "policy schema",
        "policy what",
        "policy who",
        "records",
        "redact",
        "resolve",
        "restore",
        "subject erase",
        "subject export",
        "subject hold",
        "subject reveal",
        "subject show",
        "truth import",
        "upgrade",
        "why",
        "work",
    ]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_an_example_of_itself(name: str) -> None:
    """The help says what it does, and the example begins as a user would type it."""
    command = COMMANDS[name]

    assert len(command.help) > 30
    assert f"answerable {name}" in command.epilog
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name} says nothing"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_gives_json(name: str) -> None:
    """What a person reads a program can read too."""
    assert "--json" in {option for one in COMMANDS[name].params for option in one.opts}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command_can_be_shown(cli: Any, name: str) -> None:
    """Nothing in a help text trips over its own markup."""
    ran = cli(*name.split(), "--help")

    assert ran.code == 0
    assert "Example" in ran.out


def test_help_loads_nothing_heavy() -> None:
    """Databases, models and keys load when they are used; `benchmarks/overhead.py` times the first help."""
    heavy = "{'sqlalchemy', 'pyarrow', 'duckdb', 'numpy', 'sklearn', 'cryptography', 'cedarpy', 're2'}"
    start_up = "import sys; from answerable.cli.app import main; main(['--help'])"
    code = f"{start_up}; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.endswith("set()\n")


@pytest.mark.parametrize("name", ["", "ledger", *sorted(COMMANDS)])
def test_a_flag_is_shown_without_a_type(cli: Any, name: str) -> None:
    """It takes no value."""
    assert "bool" not in cli(*name.split(), "--help").out


def test_without_a_command_the_help_is_shown(cli: Any) -> None:
    """A newcomer who types the name alone is told what there is."""
    assert "decide" in cli().out
    assert "verify" in cli("ledger").out


def test_the_version_is_told(cli: Any) -> None:
    """As every tool does."""
    assert cli("--version").out.startswith("answerable 0.")


def test_python_runs_the_package_as_the_command(cli: Any) -> None:
    """Where scripts are not on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "answerable", "chek"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "No such command 'chek'" in done.stderr


def test_an_unknown_command_is_answered_in_two_lines(cli: Any) -> None:
    """With what was probably meant, and what to do next."""
    ran = cli("chek")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[0].startswith("error: No such command 'chek'")
    assert ran.err.splitlines()[1] == "  next: see `answerable --help`"


def test_an_unavailable_ledger_is_a_failure_and_not_a_wrong_use(cli: Any, monkeypatch: Any) -> None:
    """Exit code 1: the same command may work later."""

    def refuse(*args: Any, **more: Any) -> None:
        raise LedgerUnavailable("the disk is full\nreally", next_step="make room")

    monkeypatch.setattr("answerable.cli.targets.load_target", refuse)
    ran = cli("check", "decision.py:route")

    assert (ran.code, ran.err) == (1, "error: the disk is full really\n  next: make room\n")


def test_a_fault_of_ours_shows_no_traceback(cli: Any, monkeypatch: Any) -> None:
    """Two lines with the place, so that it can be reported."""

    def fail(*args: Any, **more: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr("answerable.cli.targets.load_target", fail)
    ran = cli("check", "decision.py:route")

    assert ran.code == 1
    assert len(ran.err.splitlines()) == 2
    assert "KeyError" in ran.err and "test_help.py:" in ran.err


def test_a_missing_extra_is_told_with_what_to_install(cli: Any, monkeypatch: Any) -> None:
    """Before the demo makes a home."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    ran = cli("demo", "--out", "there")

    assert ran.code == 2
    assert ran.err.splitlines()[-1] == '  next: pip install "answerable[eval]"'
    assert not (cli.folder / "there").exists()


def test_an_error_is_broken_between_words_on_a_terminal(cli: Any, monkeypatch: Any) -> None:
    """In a pipe it stays one line; a word that is longer than a line stays whole."""
    monkeypatch.setattr("answerable.cli.printing.columns_of", lambda stream: 40)
    err = cli("check", "nowhere_near_a_module_of_a_very_long_name:route").err

    assert all(len(line) <= 40 for line in err.splitlines() if len(line.split()) > 1)
    assert "'nowhere_near_a_module_of_a_very_long_name'" in err
    assert "\n  next: " in err


def test_an_interrupt_ends_with_130(cli: Any, monkeypatch: Any) -> None:
    """As the shell expects it of a program that Ctrl-C ended."""

    def stop(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("answerable.cli.targets.load_target", stop)

    assert cli("check", "decision.py:route").code == 130


def test_a_reader_that_goes_away_is_no_failure(cli: Any) -> None:
    """`answerable records | head -1` ends quietly."""
    cli.write("cases.csv", "body\n" + "hello\n" * 300)
    assert cli("decide", "decision.py:plain", "cases.csv").code == 0
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; echo "${PIPESTATUS[0]}"', "-", *COMMAND, "ledger", "export"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.endswith("\n0\n")
    assert done.stderr == ""


def test_the_demo_prints_its_summary_or_gives_it_as_json(cli: Any, monkeypatch: Any) -> None:
    """Exit code 1 if its ledger does not verify; an unknown demo is answered with what was meant."""
    asked: list[Any] = []

    def run(out: Any, *, seed: int) -> dict[str, Any]:
        asked.append((str(out), seed))
        return {"verify": {"ok": seed == 7}}

    monkeypatch.setattr("answerable.examples.support_tickets.demo.run", run)
    monkeypatch.setattr("answerable.examples.support_tickets.summary.show", lambda summary: print("told"))

    assert cli("demo").out == "told\n"
    assert cli("demo", "support", "--json", "--out", "there").json == {"verify": {"ok": True}}
    assert cli("demo", "--seed", 8).code == 1
    assert asked == [("answerable-demo", 7), ("there", 7), ("answerable-demo", 8)]
    assert "did you mean 'support'?" in cli("demo", "suport").err
