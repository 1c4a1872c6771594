"""The action table: what a user may change in it, and that nothing a call can produce is missing."""

from dataclasses import FrozenInstanceError

import pytest

from answerable.errors import UsageError
from answerable.failures.fault import CATEGORIES
from answerable.failures.table import TABLE, Action, with_overrides

# These end a whole case, or come before any call, so nobody is asked because of them.
OF_A_CASE = {"flagged", "invalid-input", "denied", "cancelled", "interrupted", "superseded"}


def test_every_category_that_a_call_can_produce_has_a_row() -> None:
    """The table holds exactly the categories that are not of the whole case."""
    assert set(TABLE) == set(CATEGORIES) - OF_A_CASE


def test_one_column_is_changed_and_the_others_stay() -> None:
    """A mapping is merged into the row of the table."""
    table = with_overrides({"rate-limit": {"retry": 2}})

    assert table["rate-limit"] == Action(retry=2, told=3, breaker="until")


def test_an_action_replaces_the_whole_row() -> None:
    """A whole Action is taken as it is; what it does not say is Action's default, not the row's."""
    table = with_overrides({"quota": Action(then="stop")})

    assert table["quota"] == Action(then="stop")


def test_other_rows_and_the_table_itself_stay_as_they_are() -> None:
    """An override is a copy: another decision does not see it."""
    before = dict(TABLE)

    table = with_overrides({"timeout": {"retry": 1}})

    assert dict(TABLE) == before
    assert TABLE["timeout"].retry == 0
    assert {c: a for c, a in table.items() if c != "timeout"} == {
        c: a for c, a in before.items() if c != "timeout"
    }


def test_a_row_cannot_be_changed_in_place() -> None:
    """Rows are frozen, so a decision's table cannot drift after its digest was taken."""
    with pytest.raises(FrozenInstanceError):
        TABLE["timeout"].retry = 3  # type: ignore[misc]


def test_no_overrides_give_the_table() -> None:
    """Nothing changed is the table itself, by value."""
    assert with_overrides({}) == TABLE


@pytest.mark.parametrize(
    ("changes", "what", "next_step"),
    [
        pytest.param({"rate_limit": {"retry": 1}}, "rate_limit", "rate-limit", id="unknown category"),
        pytest.param({"denied": {"retry": 1}}, "denied", "", id="category of a whole case"),
        pytest.param({"quota": {"retries": 1}}, "retries", "retry", id="unknown column"),
        pytest.param({"quota": {"retry": -1}}, "-1", "between 0 and 1000", id="negative number"),
        pytest.param({"quota": {"retry": True}}, "True", "number", id="a flag as number"),
        pytest.param({"quota": {"retry": 1.5}}, "1.5", "number", id="half a retry"),
        pytest.param({"quota": {"retry": None}}, "None", "number", id="no retry"),
        pytest.param({"quota": {"patience": float("nan")}}, "nan", "number", id="patience is no number"),
        pytest.param({"quota": {"then": "nobody"}}, "nobody", "stop", id="unknown word"),
        pytest.param({"quota": {"breaker": "yes"}}, "yes", "opens", id="unknown breaker"),
        pytest.param({"quota": "stop"}, "stop", "retry", id="no row at all"),
        pytest.param({"quota": {"page": "yes"}}, "'yes'", "True or False", id="a page that is no flag"),
        pytest.param({"quota": {"page": 1}}, "page is 1", "True or False", id="a number as page"),
        pytest.param(
            {"check": {"page": True}}, "page has no effect on 'check'", "leave page", id="page of a check"
        ),
        pytest.param(
            {"never-automatic": Action(then="person", retry=1)}, "retry", "leave retry", id="retry of a rule"
        ),
        pytest.param({"deadline": {"retry": 1}}, "retry has no effect", "leave retry", id="no time to retry"),
        pytest.param(
            {"circuit-open": {"breaker": "counts"}}, "breaker", "leave breaker", id="no call to count"
        ),
        pytest.param({"truncated": {"told": 3}}, "told has no effect", "leave told", id="no wait to be told"),
        pytest.param({"timeout": {"patience": 9}}, "not retried", "retry=", id="patience without a retry"),
        pytest.param([("quota", {})], "faults is a list", "mapping", id="no mapping"),
    ],
)
def test_a_wrong_override_says_what_is_wrong_and_what_to_do(
    changes: dict[str, object], what: str, next_step: str
) -> None:
    """Every mistake is a UsageError that names the value and the way out."""
    with pytest.raises(UsageError) as raised:
        with_overrides(changes)  # type: ignore[arg-type]

    assert what in raised.value.what
    assert next_step in raised.value.next_step


def test_told_may_be_left_open() -> None:
    """`told` alone may be None: then a provider's wish changes nothing about how often."""
    assert with_overrides({"rate-limit": {"told": None}})["rate-limit"].told is None


def test_what_has_an_effect_is_taken() -> None:
    """Columns that are read stay free, and so does a whole row that says nothing of the others."""
    changes = {
        "check": Action(then="person"),
        "timeout": {"retry": 1, "patience": 9},
        "budget": {"patience": 1},
        "busy": {"retry": 2},
        "invalid": {"retry": 0, "breaker": "no"},
    }

    assert {name: with_overrides(changes)[name].then for name in changes}["check"] == "person"


@pytest.mark.parametrize("category", ["exception", "wrong-type"])
def test_a_bug_in_a_deciders_code_is_told(category: str) -> None:
    """The next decider answers, so nobody would hear of it otherwise."""
    assert TABLE[category].page


@pytest.mark.parametrize("category", ["content-filter", "refusal"])
def test_a_refusal_is_never_shopped_around(category: str) -> None:
    """After a refusal only a declared default or a person answers, and the same model is not asked again."""
    assert (TABLE[category].retry, TABLE[category].then) == (0, "safe")


@pytest.mark.parametrize("category", ["quota", "auth", "not-found"])
def test_what_waiting_does_not_mend_is_not_retried_and_somebody_is_told(category: str) -> None:
    """Quota, credentials and unknown models page an operator and are asked once."""
    assert (TABLE[category].retry, TABLE[category].page) == (0, True)
