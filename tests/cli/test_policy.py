"""The commands that check policies and ask them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CODE = """
from typing import Literal
from pydantic import BaseModel
import answerable as ans

class Ticket(BaseModel):
    body: str

class Route(BaseModel):
    team: Literal["billing", "account"]

route = ans.Decision(
    name="route", version="1", question="Which team?", input=Ticket, output=Route, owner="ops", purpose="support",
    stakes=ans.Stakes("USD", wrong=2.0, review=1.5), deciders=[ans.default(Route(team="billing"))],
)
"""
POLICIES = """@id("web") @reason("The web service routes tickets.")
permit (principal == Principal::"service:web", action == Action::"decide", resource == Decision::"route");
@id("agents") @reason("Agents review.")
permit (principal in Role::"agent", action == Action::"review", resource is Decision)
when { context.purpose == "support" };
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a decision and policies."""
    (tmp_path / "routing.py").write_text(CODE)
    (tmp_path / "answerable.toml").write_text(
        'home = "home"\npolicies = "rules"\n[decisions]\nroute = "routing.py:route"\n'
    )
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "main.cedar").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_lists_sound_policies(place: Path, cli: Any) -> None:
    """With where each stands, and the digest that records name."""
    done = cli("policy", "check", "--json")
    data = json.loads(done.out)

    assert (done.code, data["ok"], data["problems"], len(data["digest"])) == (0, True, [], 64)
    assert [(p["id"], p["effect"], p["file"], p["line"]) for p in data["policies"]] == [
        ("web", "permit", "main.cedar", 1),
        ("agents", "permit", "main.cedar", 3),
    ]
    assert "2 policies are sound" in cli("policy", "check").out


def test_check_fails_with_file_line_and_reason(place: Path, cli: Any) -> None:
    """Every problem is listed, not the first one alone."""
    (place / "rules" / "more.cedar").write_text(
        'permit (principal, action, resource);\n@id("b") @reason("r") permit (principal, action, resource is Row::gone);'
    )
    done = cli("policy", "check")

    assert done.code == 1
    assert "more.cedar, line 1: a policy needs an id" in done.out
    assert 'more.cedar, line 2: the policy "b": unrecognized entity type `Row::gone`' in done.out
    assert json.loads(cli("policy", "check", "--json").out)["ok"] is False


def test_explain_says_who_decides_and_what_else_would_have_allowed_it(place: Path, cli: Any) -> None:
    """In words, and as data."""
    asked = (
        "policy",
        "explain",
        "--action",
        "review",
        "--resource",
        "decision:route",
        "--principal",
        "user:7",
    )
    denied = json.loads(cli(*asked, "--json").out)
    allowed = json.loads(cli(*asked, "--role", "agent", "--json").out)

    assert denied["allowed"] is False
    assert denied["remedy"] == '"agents" would allow it if: you have the role "agent"'
    assert allowed["allowed"] is True
    assert allowed["policies"] == [{"id": "agents", "effect": "permit", "file": "main.cedar", "line": 3}]
    assert 'would be  "agents" would allow it if' in cli(*asked).out


def test_who_lists_known_principals_and_what_each_policy_asks(place: Path, cli: Any) -> None:
    """Those that a policy names, those that were recorded, and words for everybody else."""
    (place / "cases.csv").write_text("body\nhello\n")
    assert cli("decide", "cases.csv", "--principal", "service:web").code == 0

    deciders = json.loads(cli("policy", "who", "decision:route", "--action", "decide", "--json").out)
    reviewers = json.loads(cli("policy", "who", "route", "--action", "review", "--json").out)

    assert [(p["principal"], p["allowed"]) for p in deciders["principals"]] == [("service:web", True)]
    assert [(p["policy"], p["asks"]) for p in reviewers["policies"]] == [
        ("agents", ['you have the role "agent"', 'the purpose is "support"'])
    ]
    assert "service:web" in cli("policy", "who", "route", "--action", "decide").out


def test_what_lists_what_somebody_may_do(place: Path, cli: Any) -> None:
    """Over decisions, sources and the home."""
    told = json.loads(cli("policy", "what", "user:7", "--role", "agent", "--json").out)

    assert [(m["resource"], m["action"]) for m in told["may"] if m["allowed"]] == [
        ("decision:route", "review")
    ]
    assert all(m["reason"] for m in told["may"])
    assert "decision:route" in cli("policy", "what", "user:7", "--role", "agent").out


def test_schema_is_what_policies_are_checked_against(place: Path, cli: Any) -> None:
    """With the attributes of principals that the folder declares."""
    (place / "rules" / "principals.toml").write_text('region = "text"\n')

    assert "region?: String" in cli("policy", "schema").out
    assert "action erase appliesTo" in json.loads(cli("policy", "schema", "--json").out)["schema"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explain", "--principal", "me", "--action", "read", "--resource", "route"), "is not an opaque id"),
        (
            ("explain", "--principal", "user:1", "--action", "reed", "--resource", "route"),
            "did you mean 'read'",
        ),
        (
            ("explain", "--principal", "user:1", "--action", "read", "--resource", "rout"),
            "did you mean 'route'",
        ),
        (("explain", "--principal", "user:1", "--action", "read", "--resource", "x:y"), "names nothing"),
        (("who", "source:crm", "--action", "read"), "no source is called 'crm'"),
        (("what", "user:1", "--attribute", "a=b"), "policies know no attribute 'a'"),
    ],
)
def test_what_is_mistyped_is_named(place: Path, cli: Any, words: tuple[str, ...], told: str) -> None:
    """With what was meant."""
    done = cli("policy", *words)

    assert done.code == 2
    assert told in done.err


def test_without_policies_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Any) -> None:
    """And everything else answers for a home that is open to all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routing.py").write_text(CODE)
    (tmp_path / "answerable.toml").write_text('home = "home"\n[decisions]\nroute = "routing.py:route"\n')

    assert "everybody may do everything" in cli("policy", "check").err
    asked = ("--principal", "user:1", "--action", "decide", "--resource", "route", "--json")
    assert json.loads(cli("policy", "explain", *asked).out)["reason"] == "no policies are set"
