"""The faults against a user's own decision: careful ones pass, careless ones are told what is wrong."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from answerable.cli.chaos import ChaosOptions, chaos
from answerable.errors import UsageError
from webhooks import Receiver, receiving

pytest.importorskip("pydantic_ai")
SHARED = '''
import json
from typing import Annotated, Literal

import openai
from pydantic import BaseModel

import answerable as ans
from answerable.integrations.llm import llm


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str


class Route(BaseModel):
    urgency: Literal["low", "high"]


def hacked(case):
    """Names an account takeover."""
    return Route(urgency="high") if "hacked" in case.input.body else ans.Abstain("no such word")


def decision(*deciders):
    return ans.Decision(
        name="route-ticket", version="1", question="How urgent is it?", input=Ticket, output=Route,
        owner="support", purpose="support", deadline=20, unmeasured="accept",
        stakes=ans.Stakes("USD", wrong=2, review=1), deciders=[ans.rule(hacked), *deciders],
    )


def first(**more):
    return llm("openai:gpt-5-mini", instructions="Route it.", name="first", timeout=10, **more)


second = llm("openai:gpt-5", instructions="Route it.", name="second", timeout=10)
default = ans.default(Route(urgency="high"))
careful = decision(first(), second, default)
alone = decision(first())
shopping = ans.Decision(**{
    **{n: getattr(careful, n) for n in ("name", "version", "question", "input", "output", "owner", "purpose",
       "deadline", "unmeasured", "stakes")},
    "deciders": [first(), second, default], "faults": {"refusal": {"then": "next"}},
})


def ask(case):
    with openai.OpenAI(timeout=10) as client:
        said = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": case.input.body}]
        )
    return json.loads(said.choices[0].message.content)


own = decision(ans.model(ask, version="1"), default)
rules = decision(default)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the decisions above."""
    (tmp_path / "chaos_target.py").write_text(SHARED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("chaos_target", None)


def run(
    capsys: pytest.CaptureFixture[str], name: str, faults: str, **more: Any
) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the JSON of a run."""
    code = 0
    capsys.readouterr()
    try:
        target = name if ":" in name else f"chaos_target.py:{name}"
        chaos(ChaosOptions(target=target, faults=faults, json=True, **more))
    except typer.Exit as ended:
        code = ended.exit_code
    return code, json.loads(capsys.readouterr().out)


def problems(told: dict[str, Any]) -> set[str]:
    return {problem for row in told["rows"] for problem in row["problems"]}


def test_a_careful_decision_has_no_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two models and a default behind them meet every fault well."""
    code, told = run(capsys, "careful", "2,5,8,14,17,18,20,22,31")

    assert (code, told["problems"], problems(told)) == (0, 0, set())
    assert told["models"][:2] == ["first", "second"]
    assert {row["by"] for row in told["rows"]} == {"first", "second", "default"}


def test_a_decision_without_a_last_resort_is_told_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a model fails and nobody stands behind it, the case is left open."""
    code, told = run(capsys, "alone", "8")

    assert code == 1
    assert problems(told) == {
        "the case is left open, and nobody is asked: add ans.default(...) or ans.person(...)"
    }


def test_a_refusal_that_is_carried_on_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that was changed to ask the next model after a refusal is a problem."""
    code, told = run(capsys, "shopping", "22")

    assert code == 1
    assert problems(told) == {"after a refusal another model was asked"}


def test_own_code_meets_the_faults_through_its_client(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function with an SDK client is led to the server by the environment; its hidden retries are found."""
    before = os.environ.get("OPENAI_BASE_URL")

    code, told = run(capsys, "own", "5")

    assert code == 1
    assert told["models"] == ["environment"]
    assert problems(told) == {
        "a model was called 3 times, not 1 at most: turn off its client's retries; "
        "or it does not read a reply in a code fence: use ans.reply_text"
    }
    assert os.environ.get("OPENAI_BASE_URL") == before


def test_a_row_that_reaches_a_model_is_looked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that a rule answers say nothing about models, and are passed over."""
    (folder / "cases.csv").write_text("number,body\nT-1,I was hacked\nT-2,Where is it?\n")

    code, told = run(capsys, "careful", "5", cases="cases.csv")

    assert code == 0
    assert [row["hits"] for row in told["rows"]] == [{"first": 1, "second": 1}]


def test_a_decision_without_models_is_refused(folder: Path) -> None:
    """Rules alone have nothing that could be pretended."""
    with pytest.raises(UsageError, match="no input of route-ticket reached a model"):
        chaos(ChaosOptions(target="chaos_target.py:rules"))


REAL = """
from chaos_target import *


def ask_there(case, url=f"http://127.0.0.1:PORT/v1"):
    with openai.OpenAI(base_url=url, timeout=10, max_retries=0) as client:
        said = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": case.input.body}]
        )
    return json.loads(said.choices[0].message.content)


def ask_by_name(case):
    return ask_there(case, "http://models.example.com:8080/v1")


there = decision(ans.model(ask_there, version="1"), default)
named = decision(ans.model(ask_by_name, version="1"), default)
both = decision(ans.model(ask_there, version="1"), second, default)
"""


@pytest.fixture
def real(folder: Path) -> Iterator[Receiver]:
    """A server that stands for a real provider; decisions of chaos_real.py have its address in their code."""
    with receiving() as made:
        (folder / "chaos_real.py").write_text(REAL.replace("PORT", made.url.rpartition(":")[2]))
        yield made
    sys.modules.pop("chaos_real", None)


@pytest.mark.parametrize("name", ["there", "named"])
def test_nothing_is_sent_to_a_place_that_the_code_names_itself(
    folder: Path, real: Receiver, name: str
) -> None:
    """A client with an address of its own would reach the real provider, with the real key."""
    place = "models.example.com:8080" if name == "named" else real.url.removeprefix("http://")

    with pytest.raises(UsageError, match=f"called {place} itself") as caught:
        chaos(ChaosOptions(target=f"chaos_real.py:{name}"))

    assert "let its client take its address from OPENAI_BASE_URL" in caught.value.next_step
    assert real.got == []
    with socket.create_connection(("127.0.0.1", int(real.url.rpartition(":")[2])), timeout=5):
        pass  # afterwards connections are free again


def test_what_was_not_let_out_is_a_problem(
    folder: Path, real: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where another model of the decision can be pretended."""
    code, told = run(capsys, "chaos_real.py:both", "5")

    client = "let its client take its address from OPENAI_BASE_URL"
    assert code == 1
    assert f"it called {real.url.removeprefix('http://')} itself; {client}" in problems(told)
    assert real.got == []


@pytest.mark.parametrize("numbers", ["6", "99", "5,99"])
def test_numbers_that_select_nothing_are_refused(folder: Path, numbers: str) -> None:
    """With those that there are, instead of a run that sent nothing and found no problem."""
    with pytest.raises(UsageError, match=f"has the number {numbers[-2:].strip(',')}") as caught:
        chaos(ChaosOptions(target="chaos_target.py:careful", faults=numbers))

    there = caught.value.next_step.removeprefix("give one of ").split(", ")
    assert "5" in there and "6" not in there


def test_faults_are_named_by_numbers(folder: Path) -> None:
    """Another word is refused before anything is loaded."""
    with pytest.raises(UsageError, match="--faults names 'eight'"):
        chaos(ChaosOptions(target="chaos_target.py:careful", faults="eight"))


def test_the_table_shows_what_came_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads a line a variant, and the count at the end."""
    chaos(ChaosOptions(target="chaos_target.py:careful", faults="14"))

    out = capsys.readouterr().out
    assert "answered by default (degraded)" in out
    assert out.endswith("1 fault in 1 variant sent: no problem\n")
