"""`decide` says why answers are second best, may fail for too many of them, and decides them anew."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest


@pytest.fixture
def flaky(cli: Any) -> Any:
    """A decision whose model works while the file `up` is there; else its declared default answers."""
    cli.write(
        "flaky.py",
        "from pathlib import Path\n"
        "from decision import Keyless, Route, Ticket, decision\n"
        "import answerable as ans\n"
        "def guess(case):\n"
        "    if not Path('up').exists():\n"
        "        raise TimeoutError('no answer')\n"
        "    return ans.Answer(Route(urgency='high'), confidence=0.99)\n"
        "chain = [ans.model(guess, version='1'), ans.default(Route(urgency='low'))]\n"
        "route = decision('flaky', Ticket, chain)\n"
        "plain = decision('flaky-plain', Keyless, chain)\n",
    )
    cli.write("cases.csv", "number,body,truth.urgency\n1,hi,high\n2,ho,high\n3,hu,high\n")
    return cli


def test_why_answers_are_second_best_is_told_with_the_command_that_lists_them(flaky: Any) -> None:
    """A count for each reason, and a line that can be typed."""
    ran = flaky("decide", "flaky.py:route", "cases.csv")
    hint = next(line for line in ran.out.splitlines() if line.startswith("answerable records"))
    command = shlex.split(hint.partition(" lists them")[0])

    assert re.search(r"fault:timeout +3 +an earlier decider failed: it did not answer in time", ran.out)
    assert command == ["answerable", "records", "--decision", "flaky", "--where", "degraded = fault:timeout"]
    assert flaky(*command[1:], "--json").out.count("\n") == 3
    assert "--redo decides them anew" in hint


def test_the_reasons_are_data_beside_their_sum(flaky: Any) -> None:
    """`degraded` stays a number."""
    told = flaky("decide", "flaky.py:route", "cases.csv", "--json").json

    assert (told["degraded"], told["degraded_reasons"]) == (3, {"fault:timeout": 3})


def test_the_reasons_of_a_resumed_run_are_counted_too(flaky: Any) -> None:
    """From the results that the earlier run left."""
    flaky("decide", "flaky.py:route", "cases.csv", "-o", "out.csv")
    told = flaky("decide", "flaky.py:route", "cases.csv", "-o", "out.csv", "--resume", "--json").json

    assert (told["resumed"], told["degraded_reasons"]) == (3, {"fault:timeout": 3})


def test_nothing_is_said_of_second_best_where_nothing_is(flaky: Any) -> None:
    """And where nothing is kept no command is offered that would list it."""
    memory = flaky("decide", "flaky.py:route", "cases.csv", "--home", "memory:").out
    flaky.write("up", "")

    assert "fault:timeout" in memory and "answerable records" not in memory
    assert "second best" not in flaky("decide", "flaky.py:route", "cases.csv").out


def test_another_home_is_named_in_the_command(flaky: Any) -> None:
    """Else it would list what is somewhere else."""
    assert (
        "--home 'my home' lists them"
        in flaky("decide", "flaky.py:route", "cases.csv", "--home", "my home").out
    )


@pytest.mark.parametrize(("most", "code"), [("2", 1), ("66%", 1), ("3", 0), ("100%", 0), ("0", 1)])
def test_too_many_second_best_answers_fail_at_the_end(flaky: Any, most: str, code: int) -> None:
    """Every case is decided and counted all the same; without the option there is no limit."""
    ran = flaky("decide", "flaky.py:route", "cases.csv", "--json", "--max-degraded", most)

    assert (ran.code, ran.json["cases"]) == (code, 3)
    assert ("3 of 3 cases are second best, which is more than --max-degraded allows" in ran.err) == bool(code)


def test_redo_decides_anew_what_was_second_best(flaky: Any) -> None:
    """Under the same key, as a new record with its own truth; a good answer is not asked for again."""
    flaky("decide", "flaky.py:route", "cases.csv")
    replayed = flaky("decide", "flaky.py:route", "cases.csv", "--json").json
    flaky.write("up", "")
    redone = flaky("decide", "flaky.py:route", "cases.csv", "--json", "--redo").json
    again = flaky("decide", "flaky.py:route", "cases.csv", "--json", "--redo").json

    assert (replayed["replayed"], replayed["degraded"]) == (3, 3)
    assert (redone["replayed"], redone["degraded"], redone["truths"]) == (0, 0, 3)
    assert redone["right"] == {"urgency": {"right": 3, "of": 3}}
    assert (again["replayed"], again["degraded"]) == (3, 0)
    assert flaky("why", "--key", "1", "--json").json["output"]["urgency"] == "high"
    assert flaky("records", "--json").out.count("\n") == 6


def test_redo_without_a_key_is_a_misuse(flaky: Any) -> None:
    """Every run makes new cases there, so that nothing is ever redone."""
    flaky.write("plain.csv", "body\nhi\n")
    ran = flaky("decide", "flaky.py:plain", "plain.csv", "--redo")

    assert ran.code == 2
    assert "flaky-plain has no key" in ran.err
    assert "--redo" not in flaky("decide", "flaky.py:plain", "plain.csv").out
