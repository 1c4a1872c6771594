"""A Decision that is built is sound: every mistake is found at construction, with what was probably meant."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

import answerable as ans


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str


class Route(BaseModel):
    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "technical"] | None = None
    urgent: bool = False


def silent(case: ans.Case[Ticket]) -> ans.Abstain:
    """Say nothing."""
    return ans.Abstain()


async def awaited(case: Any, answer: Any) -> None:
    """A check that nobody would wait for."""


MONEY = ans.Remote(provider="p", model="m", destination="p.example", most=0.02)


def decision(**changes: Any) -> ans.Decision[Any, Any]:
    """Return a sound decision with some changes."""
    sound: dict[str, Any] = {
        "name": "route-ticket",
        "version": "1",
        "question": "How urgent is it?",
        "input": Ticket,
        "output": Route,
        "owner": "ops",
        "purpose": "support",
        "stakes": ans.Stakes("USD", wrong=2, review=1),
        "deciders": [ans.rule(silent)],
    }
    return ans.Decision(**sound | changes)


def stakes(**more: Any) -> ans.Stakes:
    return ans.Stakes("USD", wrong=2, review=1, **more)


@pytest.mark.parametrize(
    ("changes", "what", "step"),
    [
        ({"name": "Route Ticket"}, "not kebab-case", "lower-case words"),
        ({"name": None}, "not kebab-case", "lower-case words"),
        ({"name": "a" * 65}, "not kebab-case", "lower-case words"),
        ({"version": ""}, "version is ''", "say the version"),
        ({"version": 3}, "version is 3", "say the version"),
        ({"version": "1" * 201}, "version is", "at most 200"),
        ({"question": "two\nlines"}, "question is", "in one line"),
        ({"owner": "  "}, "owner is", "in one line"),
        ({"purpose": "a\0b"}, "purpose is", "in one line"),
        ({"deadline": 0}, "deadline is 0", "above zero"),
        ({"deadline": "soon"}, "deadline 'soon' is not a duration", '"90s"'),
        ({"deadline": float("nan")}, "deadline is nan", "above zero"),
        ({"deadline": None}, "deadline is None", "above zero"),
        ({"keep_key": "999999w"}, "keep_key is '999999w'", "at most 100 years"),
        ({"keep_key": -1}, "keep_key is -1", "above zero"),
        ({"unmeasured": "perhaps"}, "unmeasured is 'perhaps'", "sample:0.05"),
        ({"unmeasured": "sample:1.5"}, "unmeasured is 'sample:1.5'", "sample:0.05"),
        ({"unmeasured": 0.05}, "unmeasured is 0.05", "sample:0.05"),
        ({"input": dict}, "input is <class 'dict'>", "pydantic model"),
        ({"output": BaseModel}, "output is", "with a field"),
        ({"label": "urgencey"}, "the label names 'urgencey'", "did you mean 'urgency'"),
        ({"stakes": 3}, "stakes is 3", "ans.Stakes"),
        ({"stakes": stakes(costs=[ans.Cost("urgenzy", "low", "high", 1)])}, "a cost names 'urgenzy'", "'urgency'"),
        ({"stakes": stakes(costs=[ans.Cost("urgency", "low", "hihg", 1)])}, "names 'hihg'", "did you mean 'high'"),
        ({"stakes": stakes(never_automatic={"taem": ["billing"]})}, "names 'taem'", "did you mean 'team'"),
        ({"stakes": stakes(never_automatic={"team": ["biling"]})}, "names 'biling'", "did you mean 'billing'"),
        ({"deciders": []}, "has no decider", "add a rule"),
        ({"deciders": [silent]}, "is no decider", "wrap it in ans.rule"),
        ({"deciders": [ans.rule(silent), ans.rule(silent)]}, "two deciders named 'silent'", "name="),
        ({"deciders": [ans.rule(silent, name="a@b")]}, 'holds "@"', "leave it out"),
        ({"deciders": [ans.rule(silent, name="a\0")]}, "the name of a decider is", "printable"),
        ({"deciders": [ans.model(silent, version="")]}, "the version of silent is ''", "printable"),
        ({"deciders": [ans.rule("bdy", field="urgency")]}, "no such column: bdy", "did you mean 'body'"),
        ({"deciders": [ans.rule("'low'", field="urgencyy")]}, "'urgencyy' answers no output field", "'urgency'"),
        ({"deciders": [ans.default({"urgenci": "low"})]}, "names 'urgenci'", "did you mean 'urgency'"),
        ({"deciders": [ans.default({"urgency": "hi"})]}, "no answer", "give a Route"),
        ({"deciders": [ans.default("low")]}, "no answer", "give a Route"),
        (
            {"deciders": [ans.person(queue="q", within="4h", then={"team": "billing"})]},
            "the `then` of person is no answer: urgency: Field required",
            "give a Route",
        ),
        (
            {
                "stakes": stakes(never_automatic={"urgency": ["high"]}),
                "deciders": [ans.person(queue="q", within="4h", then=Route(urgency="high"))],
            },
            "gives urgency = 'high', which is never automatic",
            "then=None",
        ),
        ({"checks": ["quotes"]}, "the check 'quotes' is no function", "give a function"),
        ({"checks": [ans.exists]}, "exists makes a check", "exists(...)"),
        ({"checks": [ans.within]}, "within makes a check", "within(...)"),
        ({"checks": [ans.Finding]}, "the check Finding is a class", "def Finding(case, answer)"),
        ({"checks": [silent]}, "silent does not take a case and an answer", "def silent(case, answer)"),
        ({"checks": [awaited]}, "awaited would have to be awaited", "def awaited(case, answer)"),
        ({"checks": ans.quotes_stand}, "checks is a DeclaredCheck", "write checks=["),
        ({"checks": silent}, "checks is a function", "write checks=["),
        ({"deciders": ans.rule(silent)}, "deciders is a Decider", "write deciders=["),
        ({"deciders": "rule"}, "deciders is a str", "write deciders=["),
        ({"budgets": ans.Budget(money=1)}, "budgets is a Budget", "write budgets=["),
        ({"budgets": {"money": 1}}, "budgets is a dict", "write budgets=["),
        ({"budgets": None}, "budgets is a NoneType", "write budgets=["),
        ({"faults": ["quota"]}, "faults is a list", '{"rate-limit": {"retry": 2}}'),
        ({"faults": None}, "faults is a NoneType", '{"rate-limit": {"retry": 2}}'),
        ({"version": 1}, "version is 1", 'version="1"'),
        (
            {
                "deciders": [ans.model(silent, version="1", remote=MONEY)],
                "budgets": [ans.Budget(tokens=100)],
            },
            "how many tokens a call of silent takes",
            "tokens_in=",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_found_at_construction(changes: dict[str, Any], what: str, step: str) -> None:
    """The error names the offending value and what to do next."""
    with pytest.raises(ans.UsageError) as caught:
        decision(**changes)

    assert what in caught.value.what
    assert step in caught.value.next_step


LAST = ans.default(Route(urgency="low"))
ASKED = ans.person(queue="q", within="4h")


@pytest.mark.parametrize(
    ("deciders", "told"),
    [
        ([LAST, ans.rule(silent)], "silent is never asked: default before it"),
        ([ASKED, LAST], "default is never asked: person before it"),
        ([ans.default({"urgency": "low"}), ans.rule(silent)], "silent is never asked"),
        ([ans.rule(silent), LAST, ASKED], "person is never asked: default before it"),
        ([ASKED, ans.person(queue="r", within=1, name="second")], "second is never asked"),
    ],
)
def test_who_can_never_be_asked_is_found(deciders: Any, told: str) -> None:
    """The order is wrong, and the error says which decider to move."""
    with pytest.raises(ans.UsageError) as caught:
        decision(deciders=deciders)

    assert told in caught.value.what
    assert "to the end" in caught.value.next_step


def test_who_may_be_asked_after_a_default_is_left_alone() -> None:
    """A default that leaves a field open goes on; what only a person may answer passes a default by."""
    decision(deciders=[ans.default({"team": "billing"}), ans.rule(silent)])
    decision(deciders=[LAST, ASKED], stakes=stakes(never_automatic={"urgency": ["high"]}))
    decision(deciders=[LAST, ASKED], checks=[lambda case, answer: None])
    decision(deciders=[LAST, ASKED], faults={"refusal": {"then": "person"}})


def test_a_check_that_is_fed_what_checks_are_given_tells_nothing_of_the_case() -> None:
    """A factory that is called like a check raises; its text goes to the record."""

    class Secretive:
        def __repr__(self) -> str:
            return "Ann Smith"

    factories: list[Any] = [ans.exists, ans.within, ans.sums_up, ans.injection, ans.numbers_stand]
    for factory in factories:
        with pytest.raises(Exception) as caught:
            factory(Secretive(), Secretive())
        assert "Ann" not in str(caught.value)


def test_a_sound_decision_is_built() -> None:
    """The table above changes one thing of this one."""
    assert decision().key_fields == ("number",)


def test_a_cost_may_name_the_missing_value_of_an_optional_field() -> None:
    """No team at all can be the right answer."""
    decision(stakes=stakes(costs=[ans.Cost("team", truth=None, answer="billing", amount=1)]))


def test_a_cost_may_name_a_member_of_an_enum() -> None:
    """The declaration reads as the code does."""

    class Level(Enum):
        LOW = "low"

    class Rating(BaseModel):
        level: Level

    decision(
        output=Rating,
        stakes=stakes(costs=[ans.Cost("level", Level.LOW, "low", 1)], never_automatic={"level": [Level.LOW]}),
    )


def test_a_default_may_answer_some_fields_only() -> None:
    """It gives what is still missing."""
    decision(deciders=[ans.default({"team": "billing"})])


def test_a_fallback_of_a_model_with_aliases_goes_by_field_names() -> None:
    """Our own data never uses a model's aliases."""

    class Aliased(BaseModel):
        urgency: str = Field(alias="Urgency")

    decision(output=Aliased, deciders=[ans.person(queue="q", within=1, then={"urgency": "low"})])


def test_the_label_is_the_first_class_or_flag_unless_it_is_named() -> None:
    """Lists show one field of the answer."""
    assert decision().label_field == "urgency"
    assert decision(label="team").label_field == "team"


def test_an_unknown_decider_is_named_with_what_was_meant() -> None:
    """`--baseline` and friends look deciders up by name."""
    assert decision().decider("silent").kind == "rule"
    with pytest.raises(ans.UsageError, match="did you mean 'silent'"):
        decision().decider("silnet")


def test_a_decision_does_not_change_with_the_list_it_was_given() -> None:
    """A definition would otherwise differ from its recorded digest."""
    deciders = [ans.rule(silent)]
    made = decision(deciders=deciders)

    deciders.clear()

    assert len(made.deciders) == 1


def test_a_decision_is_frozen() -> None:
    """It is a value."""
    with pytest.raises(AttributeError):
        decision().name = "other"  # type: ignore[misc]
