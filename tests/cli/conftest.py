"""A command line in an empty folder, and a small decision to run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from answerable.cli.app import main

DECISION = '''
from typing import Annotated, Literal

from pydantic import BaseModel

import answerable as ans


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str
    amount: float | None = None
    tags: list[str] = []


class Route(BaseModel):
    urgency: Literal["low", "high"]
    paid: bool = False


def hacked(case):
    """Names an account takeover."""
    print("a decider that prints")
    if "explode" in case.input.body:
        raise RuntimeError("no")
    if "hacked" in case.input.body.lower():
        return Route(urgency="high")
    return ans.Abstain("no such word")


STAKES = ans.Stakes("USD", wrong=2.0, review=1.0)


def decision(name, given, deciders):
    return ans.Decision(
        name=name, version="1", question="How urgent is this ticket?", input=given, output=Route,
        owner="support-ops", purpose="customer-support", stakes=STAKES, deciders=deciders,
    )


route = decision("route-ticket", Ticket, [ans.rule(hacked), ans.default(Route(urgency="low"))])


class Keyless(BaseModel):
    body: str


plain = decision("plain", Keyless, [ans.rule(hacked), ans.default(Route(urgency="low"))])
ask = decision("ask", Keyless, [ans.person(queue="triage", within="1h")])
'''


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


class CommandLine:
    """Runs command lines in `folder`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *args: object) -> Ran:
        self._capsys.readouterr()
        code = main([str(arg) for arg in args])
        said = self._capsys.readouterr()
        return Ran(code=code, out=said.out, err=said.err)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the folder."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """A command line in an empty folder that holds decision.py; its home is the folder's `home`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANSWERABLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    line = CommandLine(tmp_path, capsys)
    line.write("decision.py", DECISION)
    before = set(sys.modules)
    yield line
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
