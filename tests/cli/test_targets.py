"""A decision is found by module or file and attribute, or by the project's name; errors name the place."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_decision_is_found_by_file_and_by_module(cli: Any) -> None:
    """Both forms load the same thing from the working directory."""
    assert cli("check", "decision.py:route", "--json").json["name"] == "route-ticket"
    assert cli("check", "decision:route", "--json").json["name"] == "route-ticket"


def test_check_tells_the_decision_in_words(cli: Any) -> None:
    """Question, owner, stakes, deciders in order, key, subjects and what nobody classified."""
    out = cli("check", "decision.py:route").out

    assert "How urgent is this ticket?" in out
    assert "support-ops" in out
    assert "1. hacked" in out and "2. default" in out
    assert "key           number" in out
    assert "unclassified  body, tags" in out


PAYING = """
from decision import Keyless, Route, STAKES
import answerable as ans
def no_word(case, answer):
    return None
def call(name, **more):
    told = {"provider": name, "model": "m-1", "destination": f"api.{name}.example"}
    return ans.model(lambda case: None, version="1", name=name, remote=ans.Remote(**told | more), timeout="4s")
def decision(deciders, **more):
    return ans.Decision(
        name="paying", version="1", question="How urgent?", input=Keyless, output=Route, owner="ops",
        purpose="support", stakes=STAKES, deciders=[*deciders, ans.person(queue="triage", within="1h")], **more,
    )
acme = call(
    "acme", most=ans.Usage(cost=20_000, tokens_in=4_000, tokens_out=500),
    limit=ans.Limit(at_once=8, per_second=2.5, queue=50), breaker=ans.Breaker(failures=3, slow=2.0),
)
paying = decision(
    [acme, call("globex", most=lambda case: ans.Usage(cost=1))], checks=[no_word],
    budgets=[ans.Budget(money=5, tokens=9_000), ans.Budget(tokens=10, per="ever", name="all")],
    faults={"unavailable": {"retry": 2}, "timeout": {"page": True}},
)
open_ended = decision([call("initech")])
"""


def test_check_tells_what_calls_may_cost_and_what_stops_them(cli: Any) -> None:
    """Of each decider where its data goes, its times and limits; the budgets; the rows that differ."""
    cli.write("paying.py", PAYING)
    told = dict(line.strip().split(None, 1) for line in cli("check", "paying.py:paying").out.splitlines())

    assert told["acme"] == (
        "sees in clear: nothing personal; at most 4 s a call; sends data to api.acme.example (provider acme, model m-1); a call costs at most "
        "0.02 USD and 4,500 tokens; at most 8 calls at once and 2.5 a second in a process, 50 more may wait; "
        "paused for 30 s once 3 calls and 50% of those in 60 s failed or took 2 s"
    )
    assert "what a call costs at most depends on the case" in told["globex"]
    assert told["person"] == "the queue triage has 3600 s; then the case stays open"
    assert told["checks"] == "no_word"
    assert (
        told["budgets"]
        == "5 USD and 9,000 tokens per day; 10 tokens for ever, shared by all budgets named all"
    )
    assert told["after"] == ("a fault  unavailable: retry 2 (usually 1); timeout: page True (usually False)")


def test_check_says_where_nothing_limits_the_cost(cli: Any) -> None:
    """Silence would read as if somebody had."""
    cli.write("paying.py", PAYING)
    out = cli("check", "paying.py:open_ended").out

    assert "nobody knows what a call costs at most" in out
    assert "none: nothing limits what calls may cost" in out
    assert "budgets" not in cli("check", "decision.py:route").out


def test_check_gives_calls_and_budgets_as_data(cli: Any) -> None:
    """Beside the manifest, whose digest does not move with them."""
    cli.write("paying.py", PAYING)
    told = cli("check", "paying.py:paying", "--json").json

    assert told["calls"]["acme"]["most"]["cost"] == 20_000
    assert told["calls"]["acme"]["limit"] == {"at_once": 8, "per_second": 2.5, "queue": 50}
    assert told["calls"]["globex"]["most"] == "depends"
    assert told["budgets"][0] == {"money": 5, "tokens": 9_000, "per": "day", "name": None}


def test_check_says_what_unclassified_means(cli: Any) -> None:
    """The word alone tells a newcomer nothing."""
    out = cli("check", "decision.py:route").out

    assert "free text in which nobody said what is personal; mark it" in out


def test_check_runs_nothing_and_makes_no_home(cli: Any) -> None:
    """It is safe in any folder."""
    cli("check", "decision.py:route")

    assert not (cli.folder / "home").exists()


def test_the_projects_only_decision_needs_no_name(cli: Any) -> None:
    """The project file names it, also from a folder below."""
    cli.write("answerable.toml", 'decisions = ["decision.py:route"]\n')

    assert cli("check", "--json").json["name"] == "route-ticket"
    assert cli("check", "route", "--json").json["name"] == "route-ticket"


def test_of_several_decisions_one_has_to_be_named(cli: Any) -> None:
    """Nothing is guessed."""
    cli.write("answerable.toml", '[decisions]\na = "decision.py:route"\nb = "decision.py:plain"\n')
    ran = cli("check")

    assert ran.code == 2
    assert "2 decisions (a, b)" in ran.err
    assert "did you mean 'a'" in cli("check", "aa").err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decisions = 5", "decisions is 5"),
        ("decisions = [5]", "decisions is [5]"),
        ("[decisions]\na = 1", "decisions is {'a': 1}"),
        ("home = 3", "home is 3"),
        ("connections = []", "connections is []"),
    ],
)
def test_a_setting_of_another_type_is_a_usage_error_that_names_the_file(
    cli: Any, text: str, said: str
) -> None:
    """And says what is expected there."""
    cli.write("answerable.toml", text)
    ran = cli("check")

    assert ran.code == 2
    assert f"answerable.toml: {said}\n  next: write " in ran.err


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("decision.py:rout", "did you mean 'route'?"),
        ("decision.py:STAKES", "is not a Decision but of type Stakes"),
        ("decision.py", "add it: decision.py:NAME"),
        ("decision.py:", "is not `module:attribute`"),
        (":route", "is not `module:attribute`"),
        ("decision.py:route ticket", "is not `module:attribute`"),
        ("decision.py:1", "is not `module:attribute`"),
        ("a b:c", "'a b' is no module name"),
        ("decison.py:route", "did you mean 'decision.py'?"),
        ("nowhere:route", "no module is named 'nowhere'"),
        ("no/such/file.py:route", "no file"),
        ("elsewhere.py:route", "check the path"),
        ("nothing", "no decision is named 'nothing'"),
    ],
)
def test_a_bad_target_is_a_usage_error_that_helps(cli: Any, target: str, said: str) -> None:
    """Exit code 2, two lines, and what to write instead."""
    ran = cli("check", target)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.splitlines()[1].startswith("  next: ")
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\n1 / 0\n", "bad.py, line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "bad.py, line 1: SyntaxError"),
        ("import nothing_of_that_name\n", "bad.py, line 1: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "bad.py, line 1: SystemExit"),
        ("import json\njson.loads('x')\n", "bad.py, line 2: JSONDecodeError"),
        (
            "import answerable as ans\n\nans.Stakes('usd', wrong=1, review=1)\n",
            "bad.py, line 3: currency 'usd' is not a code",
        ),
        (
            "import answerable as ans\n\nans.Decision(ownr='x')\n",
            "did you mean 'owner'?",
        ),
    ],
)
def test_an_error_in_the_users_module_names_file_and_line(cli: Any, code: str, said: str) -> None:
    """The user mends their line; they see no traceback of ours."""
    cli.write("bad.py", code)
    ran = cli("check", "bad.py:decision")

    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 2


def test_what_a_module_prints_is_not_in_the_result(cli: Any) -> None:
    """Standard output holds one JSON object."""
    cli.write("loud.py", "print('hello')\nfrom decision import route\n")
    ran = cli("check", "loud.py:route", "--json")

    assert ran.json["ok"] is True
    assert "hello" in ran.err


def test_a_file_named_like_a_loaded_module_is_still_loaded(cli: Any) -> None:
    """A user's json.py is theirs."""
    cli.write("json.py", "from decision import route\n")

    assert cli("check", "json.py:route").code == 0
