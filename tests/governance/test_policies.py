"""Who may do what is said by policies in a folder: every denial has a reason, and every error denies."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from answerable.decisions.case import Principal
from answerable.errors import UsageError
from answerable.governance.access import ACTIONS, APPLIES, Column, Shape
from answerable.governance.policies_cedar import REMEMBERED, CedarPolicies
from answerable.governance.policies_load import BrokenPolicies
from answerable.ports_null import AllowAll
from policies import CRM, Clock, ask, engine, sound

AGENTS = """
@id("agents-decide")
@reason("Agents decide tickets.")
permit (principal in Role::"agent", action == Action::"decide", resource is Decision)
when { context.purpose == "support" && resource.owner == "ops" };
"""
SLOW = """
@id("slow") @reason("Nobody of a high level.")
forbid (principal, action, resource)
when { principal has level && principal.level * 9223372036854775807 > 0 };
"""
AGENT = Principal("user:1", ("agent",))


class Engines:
    """What every PolicyEngine keeps; subclass once for each."""

    def make(self, folder: Path) -> Any:
        raise NotImplementedError

    @pytest.mark.parametrize("action", ACTIONS)
    def test_every_answer_keeps_the_contract(self, tmp_path: Path, action: Any) -> None:
        """Allowed or not: a denial has a reason and says what would have allowed it."""
        made = self.make(tmp_path / "policies")

        for kind in ("Decision", "Source", "Row", "Subject", "Home"):
            sound(made.authorize(ask(AGENT, action, kind, "crm")))
            sound(made.rows(ask(AGENT, action, kind, "crm")).permit)


class TestAllowAll(Engines):
    def make(self, folder: Path) -> AllowAll:
        return AllowAll()


class TestCedar(Engines):
    def make(self, folder: Path) -> CedarPolicies:
        return engine(folder, AGENTS)


def test_a_permit_is_told_with_its_reason_its_id_and_the_set_it_is_of(tmp_path: Path) -> None:
    """A record can name what decided."""
    permit = engine(tmp_path / "p", AGENTS).authorize(ask(AGENT, "decide", "Decision", "route"))

    assert (permit.allowed, permit.policies, permit.reason) == (
        True,
        ("agents-decide",),
        "Agents decide tickets",
    )
    assert permit.policy == engine(tmp_path / "p", AGENTS).policies.digest


@pytest.mark.parametrize(
    ("who", "changes", "remedy"),
    [
        ("user:1", {}, '"agents-decide" would allow it if: you have the role "agent"'),
        (AGENT, {"purpose": "ads"}, '"agents-decide" would allow it if: the purpose is "support"'),
        (
            "user:1",
            {"purpose": "ads"},
            '"agents-decide" would allow it if: you have the role "agent"; the purpose is "support"',
        ),
        (AGENT, {"owner": "x"}, '"agents-decide" would allow it if: the resource\'s owner is "ops"'),
    ],
)
def test_a_denial_says_what_would_have_allowed_it(
    tmp_path: Path, who: Any, changes: Any, remedy: str
) -> None:
    """The nearest permit is named, with what it asks for besides."""
    permit = sound(
        engine(tmp_path / "p", AGENTS).authorize(ask(who, "decide", "Decision", "route", **changes))
    )

    assert not permit.allowed
    assert permit.reason == (
        'no policy permits deciding the decision "route"; the nearest, "agents-decide", asks for more'
    )
    assert permit.remedy == remedy


def test_where_no_permit_is_near_the_denial_says_so(tmp_path: Path) -> None:
    """A policy about another action is no help."""
    permit = sound(engine(tmp_path / "p", AGENTS).authorize(ask(AGENT, "erase", "Subject", "ab12")))

    assert permit.reason == "no policy permits erasing a subject"


def test_a_denial_names_no_other_principal_and_no_subject(tmp_path: Path) -> None:
    """Who may is not told to who may not, nor whether somebody exists."""
    text = '@id("one") @reason("r") permit (principal == Principal::"user:boss", action, resource == Subject::"ab");'
    made = engine(tmp_path / "p", text)

    known, unknown = (sound(made.authorize(ask("user:1", "erase", "Subject", s))) for s in ("ab", "zz"))

    assert "boss" not in f"{known.reason} {known.remedy} {unknown.reason} {unknown.remedy}"
    assert "zz" not in f"{unknown.reason} {unknown.remedy}"


def test_a_forbid_wins_and_several_reasons_are_joined(tmp_path: Path) -> None:
    """Each policy that forbids is named with its reason."""
    text = AGENTS + "".join(
        f'@id("no-{n}") @reason("Reason {n}.") forbid (principal, action, resource);' for n in (1, 2)
    )
    permit = sound(engine(tmp_path / "p", text).authorize(ask(AGENT, "decide", "Decision", "route")))

    assert (permit.policies, permit.reason) == (("no-1", "no-2"), "Reason 1; Reason 2")


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_whose_condition_ends_with_an_error_denies(tmp_path: Path, effect: str) -> None:
    """Cedar would skip it and allow."""
    text = AGENTS + SLOW.replace("forbid", effect)
    made = engine(tmp_path / "p", text, attributes='level = "whole"')
    who = Principal("user:1", ("agent",), {"level": 4})

    permit = sound(made.authorize(ask(who, "decide", "Decision", "route")))
    calm = made.authorize(ask(Principal("user:1", ("agent",), {"level": 0}), "decide", "Decision", "route"))

    assert (permit.allowed, permit.policies) == (False, ("slow",))
    assert permit.reason == 'the policy "slow" could not be judged, and what cannot be judged is denied'
    assert calm.allowed


def test_a_row_filter_of_a_policy_that_ends_with_an_error_denies(tmp_path: Path) -> None:
    """No row is read on the strength of a set that could not be judged."""
    text = SLOW + '@id("all") @reason("r") permit (principal, action, resource is Row::crm);'
    made = engine(tmp_path / "p", text, attributes='level = "whole"')

    told = made.rows(ask(Principal("user:1", (), {"level": 4}), "read", "Source", "crm"))

    assert not sound(told.permit).allowed
    assert made.rows(ask("user:1", "read", "Source", "crm")).permit.allowed


BROKEN = [
    ("permit (principal, action, resource);", "line 1: a policy needs an id of letters, digits"),
    ('\n// x\n@id("a")\npermit (principal, action, resource);', 'line 3: the policy "a" needs a reason'),
    ('@id("a") @reason(" ") permit (principal, action, resource);', 'the policy "a" needs a reason'),
    ('@id("a b") @reason("r") permit (principal, action, resource);', "line 1: a policy needs an id"),
    (AGENTS + AGENTS, 'line 7: the id "agents-decide" is taken by the policy in main.cedar, line 2'),
    ('@id("a") @reason("r") permit (principal, action, resource)', "line 1: it is no Cedar"),
    ('@id("a") @reason("r") permit (principal, action, resource) when { 1 + };', "line 1: it is no Cedar"),
    ('@id("a") @reason("r") permit (principal == ?principal, action, resource);', "it is a template"),
    ("", "main.cedar: it holds no policy"),
    ("// nothing yet\n", "main.cedar: it holds no policy"),
    (
        '@id("a") @reason("r") permit (principal, action == Action::"read", resource is Row::crm)\n'
        'when { resource.note == "x" };',
        "unable to guarantee safety of access to optional attribute `note`",
    ),
    ('@id("a") @reason("r") permit (principal, action == Action::"fly", resource);', "unrecognized action"),
    (
        '@id("a") @reason("r") permit (principal, action, resource) when { principal.region == "x" };',
        "attribute `region` on entity type `Principal` not found",
    ),
    ('@id("a") @reason("r") permit (principal, action, resource) when { "a;//b" };', "unexpected type"),
]


@pytest.mark.parametrize(("text", "told"), BROKEN)
def test_a_broken_set_is_an_error_at_the_first_open(tmp_path: Path, text: str, told: str) -> None:
    """It names file, line and reason; nothing is permitted by mistake."""
    with pytest.raises(BrokenPolicies) as caught:
        engine(tmp_path / "p", text)

    assert told in str(caught.value)
    assert caught.value.problems[0].file == "main.cedar"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * ((1 << 20) + 1)])
def test_bytes_that_are_no_text_are_an_error(tmp_path: Path, content: bytes) -> None:
    """Nothing is guessed from them."""
    (tmp_path / "a.cedar").write_bytes(content)

    with pytest.raises(BrokenPolicies, match=r"a\.cedar"):
        CedarPolicies(tmp_path, clock=Clock())


def test_a_byte_order_mark_is_no_part_of_a_policy(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "a.cedar").write_bytes(b"\xef\xbb\xbf" + AGENTS.encode())

    assert CedarPolicies(tmp_path, clock=Clock()).policies.policies.keys() == {"agents-decide"}


def test_a_link_is_followed_and_a_dangling_one_is_an_error(tmp_path: Path) -> None:
    """Mounted configuration is linked; what it stands for may not silently go away."""
    (tmp_path / "real").write_text(AGENTS)
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "a.cedar").symlink_to(tmp_path / "real")
    assert "agents-decide" in CedarPolicies(folder, clock=Clock()).policies.policies

    (tmp_path / "real").unlink()

    with pytest.raises(BrokenPolicies, match=r"a\.cedar"):
        CedarPolicies(folder, clock=Clock())


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would keep the process waiting."""
    os.mkfifo(tmp_path / "a.cedar")

    with pytest.raises(BrokenPolicies, match="it is no file"):
        CedarPolicies(tmp_path, clock=Clock())


def change(made: CedarPolicies, text: str) -> None:
    """Change the one file, and let the time go by after which it is looked at."""
    (made.folder / "main.cedar").write_text(text, encoding="utf-8")
    made._clock.at += 2  # type: ignore[attr-defined]


def test_a_changed_file_is_in_force_within_a_second(tmp_path: Path) -> None:
    """Without a restart; what was remembered counts no more."""
    made = engine(tmp_path / "p", AGENTS)
    question = ask("user:1", "decide", "Decision", "route")
    before = made.authorize(question)

    change(made, '@id("all") @reason("Everybody.") permit (principal, action, resource);')
    after = made.authorize(question)

    assert (before.allowed, after.allowed, made.problem) == (False, True, "")
    assert before.policy != after.policy


@pytest.mark.parametrize("text", ["permit", "", "permit (principal, action, resource);"])
def test_a_broken_change_keeps_the_last_good_set_and_says_so(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in the log, and for as long as it is so in `problem`; a mended file is in force again."""
    made = engine(tmp_path / "p", AGENTS)
    question = ask(AGENT, "decide", "Decision", "route")
    good = made.authorize(question)

    change(made, text)
    kept = [made.authorize(question), made.authorize(question)]
    made._clock.at += 2  # type: ignore[attr-defined]

    assert kept == [good, good]
    assert "main.cedar" in made.problem
    assert caplog.text.count("changed policies are not in force, the last good ones stay") == 1

    change(made, AGENTS)
    assert (made.authorize(question), made.problem) == (good, "")


def test_a_folder_that_went_away_keeps_the_last_good_set(tmp_path: Path) -> None:
    """Deleting the policies does not open the home."""
    made = engine(tmp_path / "p", AGENTS)
    (tmp_path / "p" / "main.cedar").unlink()
    made._clock.at += 2  # type: ignore[attr-defined]

    assert not made.authorize(ask("user:1", "decide", "Decision", "route")).allowed
    assert "there is no .cedar file any more" in made.problem


def test_a_source_that_does_not_fit_the_policies_is_refused(tmp_path: Path) -> None:
    """A policy on rows that nobody declared yet is checked as soon as they are."""
    text = '@id("a") @reason("r") permit (principal, action == Action::"read", resource is Row::crm) when { resource.vip };'
    made = engine(tmp_path / "p", text, sources=())
    assert made.policies.unknown == ("crm",)

    with pytest.raises(BrokenPolicies, match="optional attribute `vip`"):
        made.know(CRM)

    assert not sound(made.rows(ask("user:1", "read", "Source", "crm")).permit).allowed
    made.know(Shape("crm", columns={"vip": Column("flag", empty=False)}))
    assert made.rows(ask("user:1", "read", "Source", "crm")).permit.allowed


def test_two_sources_whose_rows_would_be_one_type_are_refused(tmp_path: Path) -> None:
    """A policy for the one would hold for the other."""
    with pytest.raises(UsageError, match="would both be Row::a_b to policies"):
        engine(tmp_path / "p", AGENTS, sources=(Shape("a-b"), Shape("a.b")))


# -- what an attacker might try ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["route2", "rout", "xroute", "Route", "route ", "route\0", 'route"', "route\n", "röute", ""]
)
def test_only_the_very_same_name_is_meant(tmp_path: Path, name: str) -> None:
    """No prefix, suffix, case or escape makes another decision pass for one that is permitted."""
    text = '@id("a") @reason("r") permit (principal, action, resource == Decision::"route");'
    made = engine(tmp_path / "p", text)

    assert made.authorize(ask("user:1", "decide", "Decision", "route")).allowed
    assert not sound(made.authorize(ask("user:1", "decide", "Decision", name))).allowed


@pytest.mark.parametrize("name", ["user:1x", "user:11", "service:1", "User:1", "user:01"])
def test_only_the_very_same_principal_is_meant(tmp_path: Path, name: str) -> None:
    """An id is compared whole, its kind included."""
    text = '@id("a") @reason("r") permit (principal == Principal::"user:1", action, resource);'

    assert not sound(engine(tmp_path / "p", text).authorize(ask(name, "decide", "Decision", "route"))).allowed


@pytest.mark.parametrize(
    "name", ['user:1" || true', "user:", "user:a b", "user:ä", "user:1\n", "user:\\u0031"]
)
def test_an_id_that_could_be_taken_for_cedar_is_no_principal(name: str) -> None:
    """It is refused before any policy is asked."""
    with pytest.raises(UsageError, match="is not an opaque id"):
        Principal(name)


@pytest.mark.parametrize("role", ['agent" || "', "agent\\", "ägent", "agent ", "AGENT", "🙂"])
def test_a_role_is_compared_whole(tmp_path: Path, role: str) -> None:
    """Whatever stands in it is data."""
    who = Principal("user:1", (role,))

    assert not sound(
        engine(tmp_path / "p", AGENTS).authorize(ask(who, "decide", "Decision", "route"))
    ).allowed


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1),
        ("text", True),
        ("text", ["a"]),
        ("whole", "1"),
        ("whole", True),
        ("whole", 2**63),
        ("whole", 1.0),
        ("flag", 1),
        ("flag", "true"),
        ("texts", "abc"),
        ("texts", [1]),
        ("texts", {"__entity": {"type": "Role", "id": "agent"}}),
        ("text", {"__extn": {"fn": "ip", "arg": "x"}}),
    ],
)
def test_an_attribute_of_another_type_than_declared_denies(tmp_path: Path, kind: str, value: Any) -> None:
    """Nothing is made of it, and no entity can be smuggled in as a value."""
    made = engine(tmp_path / "p", AGENTS, attributes=f'x = "{kind}"')

    permit = sound(
        made.authorize(ask(Principal("user:1", ("agent",), {"x": value}), "decide", "Decision", "r"))
    )

    assert (permit.allowed, permit.reason) == (False, f"your x is not of the declared type ({kind})")


def test_an_attribute_that_nobody_declared_is_not_seen(tmp_path: Path) -> None:
    """A caller cannot bring what policies are to believe: id, roles and verified are not attributes."""
    who = Principal("user:1", ("agent",), {"verified": True, "id": "user:2", "other": object()})
    text = '@id("a") @reason("r") permit (principal, action, resource) when { principal.verified };'

    assert not sound(engine(tmp_path / "p", text).authorize(ask(who, "decide", "Decision", "r"))).allowed


def test_one_and_true_are_not_remembered_as_the_same(tmp_path: Path) -> None:
    """Python takes them for equal; the second question is judged by itself."""
    made = engine(tmp_path / "p", AGENTS, attributes='x = "whole"')

    told = [
        made.authorize(ask(Principal("user:1", ("agent",), {"x": x}), "decide", "Decision", "r")).allowed
        for x in (1, True)
    ]

    assert told == [True, False]


def test_who_acts_for_each_other_in_a_circle_is_judged(tmp_path: Path) -> None:
    """On whose behalf somebody acts is a name to policies, never followed."""
    text = (
        '@id("a") @reason("r") permit (principal, action, resource) '
        'when { principal has on_behalf_of && principal.on_behalf_of == "user:1" };'
    )
    made = engine(tmp_path / "p", text)

    assert made.authorize(ask(Principal("user:1", on_behalf_of="user:1"), "decide", "Decision", "r")).allowed
    other = Principal("user:1", on_behalf_of="user:2")
    assert not sound(made.authorize(ask(other, "decide", "Decision", "r"))).allowed


def test_a_context_that_no_policy_can_judge_denies(tmp_path: Path) -> None:
    """A fact under a wrong name or of a wrong type is not passed over."""
    made = engine(tmp_path / "p", AGENTS)

    for context in ({"two_people": True}, {"two_persons": "yes"}, {"purpose": 1}):
        assert not sound(made.authorize(ask(AGENT, "decide", "Decision", "r", context=context))).allowed


def test_a_second_person_can_be_asked_for(tmp_path: Path) -> None:
    """Four eyes are a fact of the question; without them the denial says so."""
    text = '@id("four-eyes") @reason("r") permit (principal, action == Action::"erase", resource is Subject) when { context.two_persons };'
    made = engine(tmp_path / "p", text)

    alone = sound(made.authorize(ask("user:1", "erase", "Subject", "ab")))
    both = made.authorize(ask("user:1", "erase", "Subject", "ab", context={"two_persons": True}))

    assert (alone.allowed, both.allowed) == (False, True)
    assert alone.remedy == '"four-eyes" would allow it if: a second person agrees'


def test_unless_is_the_contrary_of_when(tmp_path: Path) -> None:
    """And is told in words."""
    text = (
        '@id("a") @reason("r") permit (principal, action, resource) unless { principal.kind == "service" };'
    )
    made = engine(tmp_path / "p", text)

    permit = sound(made.authorize(ask("service:1", "decide", "Decision", "r")))

    assert made.authorize(ask("user:1", "decide", "Decision", "r")).allowed
    assert permit.remedy == '"a" would allow it if: your kind is not "service"'


def test_thousands_of_policies_and_roles_are_judged(tmp_path: Path) -> None:
    """None is lost, whatever its place in the file."""
    text = "".join(
        f'@id("p{n}") @reason("r{n}") permit (principal in Role::"r{n}", action == Action::"decide", resource);\n'
        for n in range(500)
    )
    made = engine(tmp_path / "p", text)
    who = Principal("user:1", tuple(f"r{n}" for n in range(499, 3000)))

    assert made.authorize(ask(who, "decide", "Decision", "r")).policies == ("p499",)
    assert not sound(made.authorize(ask("user:1", "decide", "Decision", "r"))).allowed


def test_only_so_many_answers_are_remembered(tmp_path: Path) -> None:
    """Whoever asks about ever new names does not fill the memory."""
    made = engine(tmp_path / "p", AGENTS)
    made._remembered.update(
        {n: made.authorize(ask(AGENT, "decide", "Decision", "r")) for n in range(REMEMBERED + 50)}
    )

    made.authorize(ask(AGENT, "decide", "Decision", "another"))

    assert len(made._remembered) == REMEMBERED


def test_threads_get_the_same_answers_while_files_change(tmp_path: Path) -> None:
    """A set is put in force whole."""
    made = engine(tmp_path / "p", AGENTS)
    other = AGENTS.replace("agents-decide", "agents-may")
    seen: set[tuple[str, ...]] = set()

    def asking() -> None:
        for number in range(100):
            seen.add(made.authorize(ask(AGENT, "decide", "Decision", f"r{number}")).policies)

    threads = [threading.Thread(target=asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    for text in (other, AGENTS, other):
        change(made, text)
    for thread in threads:
        thread.join()

    assert seen <= {("agents-decide",), ("agents-may",)}


def test_what_an_action_is_done_with_is_the_same_in_code_and_schema(tmp_path: Path) -> None:
    """A question that the schema does not know is denied before Cedar sees it."""
    made = engine(tmp_path / "p", '@id("all") @reason("r") permit (principal, action, resource);')

    for action in ACTIONS:
        for kind in ("Decision", "Source", "Row", "Subject", "Home"):
            row = {"team": "a"} if kind == "Row" else {}
            allowed = made.authorize(ask("user:1", action, kind, "crm", **row)).allowed
            assert allowed is (kind in APPLIES[action]), (action, kind)
