"""The page of the command line has a heading and an example for every command, and for nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from answerable.cli.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
HEADING = re.compile(r"^## (answerable(?: [a-z-]+)+)$", re.MULTILINE)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something: full name and command, without hidden ones and groups."""
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from commands(inner, f"{name} {word}")
    if not hasattr(command, "commands"):
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app), "answerable"))


def section(page: str, name: str) -> str:
    """Return the text below the heading of a command."""
    return page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_every_command_has_a_heading() -> None:
    """A reader finds each command by its full name."""
    missing = sorted(set(COMMANDS) - set(HEADING.findall(PAGE.read_text("utf-8"))))

    assert missing == [], f"docs/command-line.md has no heading for {missing}"


def test_every_heading_is_a_command() -> None:
    """The page does not promise what is not there."""
    gone = sorted(set(HEADING.findall(PAGE.read_text("utf-8"))) - set(COMMANDS))

    assert gone == [], f"docs/command-line.md has headings for {gone}, which are no commands"


def test_every_command_is_shown_in_use() -> None:
    """Below its heading stands a console block that types the command."""
    page = PAGE.read_text("utf-8")
    without = [name for name in COMMANDS if f"\n$ {name}" not in section(page, name)]

    assert without == [], f"docs/command-line.md shows no example of {without}"


def test_options_that_the_page_names_exist() -> None:
    """An option in a command's section is one of that command's."""
    page = PAGE.read_text("utf-8")
    known = {
        name: {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        for name, command in COMMANDS.items()
    }
    wrong = [
        (name, flag)
        for name in COMMANDS
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", section(page, name))
        if flag not in known[name] | {"--help"}
    ]

    assert wrong == []
