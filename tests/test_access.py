"""A workspace asks the policies of its home or its project, and records what they said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.governance.policies_cedar import CedarPolicies
from answerable.ports_null import AllowAll
from answerable.upkeep.doctor import doctor
from workspaces import HIGH, LOW, ROUTE, TRIAGE, decision

POLICIES = """
@id("web-decides") @reason("The web service routes tickets.")
permit (principal == Principal::"service:web", action == Action::"decide", resource == Decision::"route");

@id("agents") @reason("Agents read and review what was decided for support.")
permit (principal in Role::"agent", action in [Action::"read", Action::"review"], resource is Decision)
when { resource.purpose == "support" };
"""
WEB, AGENT = "service:web", ans.Principal("user:1", ("agent",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with policies of its own."""
    ans.Workspace(tmp_path / "home").close()
    (tmp_path / "home" / "policies" / "main.cedar").write_text(POLICIES)
    return tmp_path / "home"


@pytest.fixture
def ws(folder: Path) -> Iterator[ans.Workspace]:
    """It, opened."""
    with ans.Workspace(folder) as made:
        yield made


def test_a_home_without_policies_lets_everybody_do_everything_and_the_doctor_says_so(tmp_path: Path) -> None:
    """For one user on one machine."""
    with ans.Workspace(tmp_path / "home") as ws:
        assert isinstance(ws.policies, AllowAll)
        assert ws.decide(ROUTE, {"number": "1", "body": "hacked"}).status == "answered"
        assert ws.why("last").data["permit"] == {}

    (told,) = [check.what for check in doctor(tmp_path / "home") if check.name == "policies"]
    assert told == "no policies: everybody who can open this home may do everything"


def test_who_may_decide_does_and_the_record_names_the_policy(ws: ans.Workspace) -> None:
    """Its id, and the digest of the set that was in force."""
    outcome = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)
    data = ws.why(outcome.record_id, principal=AGENT).data

    assert isinstance(ws.policies, CedarPolicies)
    assert (outcome.status, data["permit"]) == ("answered", {"policies": ["web-decides"]})
    assert data["versions"]["policies"] == ws.policies.policies.digest.hex()
    assert "decided by the policies web-decides" in ws.why(outcome.record_id, principal=AGENT).text("auditor")


def test_who_may_not_is_refused_with_a_reason_that_is_recorded(ws: ans.Workspace) -> None:
    """With what would have allowed it, for the operator to read."""
    outcome = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal="service:other")
    why = ws.why(outcome.record_id, principal=AGENT)

    assert (outcome.status, outcome.output) == ("refused", None)
    assert outcome.reason.startswith('no policy permits deciding the decision "route"; the nearest')
    assert why.data["reason"] == outcome.reason
    assert why.data["permit"] == {"remedy": '"web-decides" would allow it if: you are one of those it names'}
    assert 'next: "web-decides" would allow it if' in why.text("operator")


def test_an_answer_is_not_replayed_to_who_may_not_ask(ws: ans.Workspace) -> None:
    """The same key and input as somebody else's show nothing of what they were told."""
    first = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)
    second = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal="service:other")
    third = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)

    assert (second.status, second.output, second.record_id != first.record_id) == ("refused", None, True)
    assert (third.replayed, third.record_id) == (True, first.record_id)


def test_what_one_may_not_read_is_as_if_it_were_not_there(ws: ans.Workspace) -> None:
    """A record, a key and the newest one: the same words for those that are there and those that are not."""
    outcome = ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)
    absent = "01a00000-0000-7000-8000-000000000000"
    told = set()

    for asked in ({"record": outcome.record_id}, {"record": absent}, {"key": "1"}, {"key": "2"}, {}):
        with pytest.raises(ans.Denied) as caught:
            ws.why(**asked, principal="user:2")
        told.add((caught.value.what, caught.value.next_step))
    with pytest.raises(ans.Denied):
        ws.outcome(outcome.record_id, principal="user:2")

    assert told == {
        ("there is no such record, or you may not read it", "name its decision: then the reason can be told")
    }
    assert ws.records(principal="user:2") == []
    assert [line["record_id"] for line in ws.records(principal=AGENT)] == [outcome.record_id]


def test_who_may_read_all_is_told_that_a_record_is_not_there(ws: ans.Workspace) -> None:
    """As in a home without policies."""
    ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)

    with pytest.raises(ans.HomeError, match="no record with the key '2'"):
        ws.why(key="2", principal=AGENT)


def test_with_its_decision_named_a_denial_says_why(ws: ans.Workspace) -> None:
    """It is the same whether the record is there or not."""
    ws.decide(ROUTE, {"number": "1", "body": "hacked"}, principal=WEB)
    told = set()

    for key in ("1", "2"):
        with pytest.raises(ans.Denied) as caught:
            ws.why(key=key, decision="route", principal="user:2")
        told.add((caught.value.what, caught.value.next_step))

    assert told == {
        (
            'no policy permits reading the decision "route"; the nearest, "agents", asks for more',
            '"agents" would allow it if: you have the role "agent"',
        )
    }


def test_a_page_of_records_is_full_of_what_one_may_read(folder: Path) -> None:
    """What is left out does not count."""
    (folder / "policies" / "main.cedar").write_text(
        POLICIES + '@id("all") @reason("r") permit (principal, action == Action::"decide", resource);'
    )
    other = decision(ans.rule(lambda case: LOW, version="1", name="low"), name="other", purpose="sales")
    with ans.Workspace(folder) as ws:
        for number in range(4):
            for asked in (ROUTE, other):
                ws.decide(asked, {"number": str(number), "body": "hacked"}, principal=WEB)

        lines = ws.records(limit=3, principal=AGENT)

    assert [line["decision"] for line in lines] == ["route"] * 3


def test_reviewing_and_telling_the_truth_are_asked_for(ws: ans.Workspace) -> None:
    """Nothing is recorded of what is denied."""
    outcome = ws.decide(decision(TRIAGE), {"number": "1"}, principal=WEB)

    with pytest.raises(ans.Denied, match="no policy permits reviewing"):
        ws.resolve(decision(TRIAGE), outcome.record_id, HIGH, principal="user:2")
    with pytest.raises(ans.Denied, match="no policy permits reviewing"):
        ws.truth("route", record=outcome.record_id, source="agent", urgency="low", principal="user:2")
    assert ws.why(outcome.record_id, principal=AGENT).data["truths"] == []

    assert ws.resolve(decision(TRIAGE), outcome.record_id, HIGH, principal=AGENT).status == "answered"
    assert ws.truth("route", record=outcome.record_id, source="agent", urgency="low", principal=AGENT)


def test_a_home_with_broken_policies_does_not_open(folder: Path) -> None:
    """Nothing is permitted by mistake, and nothing is left open that keeps it from being opened again."""
    (folder / "policies" / "main.cedar").write_text("permit (principal, action, resource);")

    with pytest.raises(ans.HomeError, match=r"main\.cedar, line 1: a policy needs an id"):
        ans.Workspace(folder)

    (folder / "policies" / "main.cedar").write_text(POLICIES)
    ans.Workspace(folder).close()


def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, policies: str | None = POLICIES) -> Path:
    """Return a project whose file names a folder of policies; the working directory is there."""
    folder = tmp_path / "project"
    (folder / "rules").mkdir(parents=True)
    (folder / "answerable.toml").write_text('home = "../home"\npolicies = "rules"\n')
    if policies is not None:
        (folder / "rules" / "main.cedar").write_text(policies)
    monkeypatch.chdir(folder)
    return folder


def test_a_project_names_its_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept with its code; the home remembers them for who starts from elsewhere."""
    folder = project(tmp_path, monkeypatch)
    ans.Workspace().close()
    monkeypatch.chdir(tmp_path)

    with ans.Workspace(tmp_path / "home") as ws:
        assert isinstance(ws.policies, CedarPolicies)
        assert ws.policies.folder == (folder / "rules").resolve()
        assert ws.decide(ROUTE, {"number": "1"}, principal="service:other").status == "refused"


@pytest.mark.parametrize("moved", [False, True])
def test_policies_that_a_project_names_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """Without them the home would be open to all."""
    folder = project(tmp_path, monkeypatch, policies=POLICIES if moved else None)
    if moved:
        ans.Workspace().close()
        monkeypatch.chdir(tmp_path)
        os.rename(folder, tmp_path / "elsewhere")

    with pytest.raises(ans.HomeError, match=r"which holds no \.cedar file"):
        ans.Workspace(tmp_path / "home")


def test_only_one_set_of_policies_can_be_in_force(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to guess which one it is."""
    project(tmp_path, monkeypatch)

    with pytest.raises(ans.HomeError, match="there are policies in"):
        ans.Workspace()


def test_policies_of_a_project_are_those_of_its_own_home_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another home that is opened from there has its own."""
    project(tmp_path, monkeypatch)

    with ans.Workspace(tmp_path / "other") as ws:
        assert isinstance(ws.policies, AllowAll)


@pytest.mark.parametrize(("policies", "told"), [("7", "policies is 7"), ('["a"]', "policies is")])
def test_a_project_names_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policies: str, told: str
) -> None:
    """Anything else is a mistake that is named."""
    folder = project(tmp_path, monkeypatch)
    (folder / "answerable.toml").write_text(f'home = "../home"\npolicies = {policies}\n')

    with pytest.raises(ans.UsageError, match=told):
        ans.Workspace()


def test_the_doctor_names_the_set_and_what_is_broken(folder: Path) -> None:
    """From outside, without opening the home."""

    def told() -> Any:
        return next(check for check in doctor(folder) if check.name == "policies")

    assert (told().state, told().what.partition(" in ")[0]) == ("ok", "2")
    (folder / "policies" / "more.cedar").write_text("")
    assert told().state == "fail"
    assert "more.cedar: it holds no policy" in told().what
