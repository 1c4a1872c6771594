"""Each built-in decider answers as it says, and finds its own mistakes when the decision is built."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.code import code_digest


class Level(Enum):
    GOLD = "gold"
    TIN = "tin"


class Order(BaseModel):
    body: str = ""
    product: Literal["lamp", "chair"] = "lamp"
    level: Level = Level.TIN
    amount: float = 0.0
    price: Decimal = Decimal("0.00")
    count: int = 0
    express: bool = False
    tags: list[str] = []
    day: date = date(2026, 11, 22)
    note: str | None = None


class Route(BaseModel):
    urgency: Literal["low", "high"]
    team: Literal["a", "b"] | None = None
    ship: bool = False
    score: float = 0.0


def run(decider: ans.Decider, answered: dict[str, Any] | None = None, **given: Any) -> Any:
    """Run a decider on one case, bound to a decision as it would be."""
    ans.Decision(
        name="d",
        version="1",
        question="q",
        input=Order,
        output=Route,
        owner="o",
        purpose="p",
        stakes=ans.Stakes("USD", wrong=1, review=1),
        deciders=[decider],
    )
    return decider.run(
        ans.Case(
            id="1",
            decision="d",
            input=Order(**given),
            principal=ans.Principal("user:1"),
            purpose="p",
            key=None,
            clock=lambda: 0.0,
            deadline=1.0,
            answered=answered or {},
        )
    )


# -- a function -------------------------------------------------------------------------------------


def long_words(case: ans.Case[Order]) -> Route | ans.Abstain:
    """Says much.

    And more.
    """
    return Route(urgency="high") if len(case.input.body) > 5 else ans.Abstain("short")


def test_a_rule_is_named_after_its_function_and_explained_by_its_docstring() -> None:
    """The first line is the default reason."""
    rule = ans.rule(long_words)

    assert (rule.name, rule.reason, rule.inline) == ("long_words", "Says much.", True)
    assert rule.made_by == f"long_words@{rule.digest[:8]}"


def test_an_explicit_version_stands_for_the_source() -> None:
    """`name@version` is what records show."""
    assert ans.rule(long_words, version="7").made_by == "long_words@7"


def test_a_model_is_explained_by_its_functions_docstring() -> None:
    """Also behind a partial; its digest is that of the code, so what was recorded before keeps it."""

    class Client:
        """Calls the model."""

        def __call__(self, case: Any) -> Any: ...

    assert ans.model(long_words, version="1").reason == "Says much."
    assert ans.model(partial(long_words), version="1", name="p").reason == "Says much."
    assert ans.model(lambda case: None, version="1", name="silent").reason == "silent chose it"
    assert ans.model(Client(), version="1", name="client").reason == "client chose it"
    assert ans.model(long_words, version="1").digest == code_digest(long_words)


def test_whom_a_model_calls_is_a_remote() -> None:
    """A name is not enough to budget and to pause by."""
    with pytest.raises(ans.UsageError, match="remote is a str") as caught:
        ans.model(long_words, version="1", remote="acme")  # type: ignore[arg-type]

    assert "ans.Remote(" in caught.value.next_step


@pytest.mark.parametrize("what", [None, 3, "body", {}])
def test_a_rule_is_a_function_an_expression_or_a_table(what: Any) -> None:
    """An expression also needs its field."""
    with pytest.raises(ans.UsageError):
        ans.rule(what)


def above(limit: int) -> Any:
    return lambda case: Route(urgency="high" if case.input.count > limit else "low")


def test_the_digest_of_code_tells_other_code_and_other_constants_apart() -> None:
    """A changed limit is a changed rule, also where a closure or a partial holds it."""
    assert code_digest(above(3)) == code_digest(above(3))
    assert code_digest(above(3)) != code_digest(above(4))
    assert code_digest(partial(above, 3)) != code_digest(partial(above, 4))
    assert code_digest(long_words) != code_digest(above)


# -- SQL --------------------------------------------------------------------------------------------


def test_an_expression_answers_its_field_and_gives_itself_as_the_reason() -> None:
    """What was evaluated is what the record shows."""
    answer = run(ans.rule("CASE WHEN amount > 100 THEN 'high' END", field="urgency"), amount=101)

    assert answer.output == {"urgency": "high"}
    assert answer.reasons == ("urgency: CASE WHEN amount > 100 THEN 'high' END",)


def test_null_leaves_a_field_open() -> None:
    """With no value at all the rule abstains."""
    rule = ans.rule({"urgency": "CASE WHEN count THEN 'low' END", "team": "'a'"})

    assert run(rule, count=0).output == {"team": "a"}
    assert isinstance(run(ans.rule("NULL", field="urgency")), ans.Abstain)


def test_fields_that_are_answered_are_not_evaluated_again() -> None:
    """A rule has nothing to say about them."""
    rule = ans.rule({"urgency": "'low'", "team": "'a'"})

    assert run(rule, answered={"team": "b"}).output == {"urgency": "low"}
    assert isinstance(run(rule, answered={"team": "b", "urgency": "low"}), ans.Abstain)


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("express", {"express": True}, 1),
        ("json_extract(tags, '$[0]') = 'x'", {"tags": ["x"]}, 1),
        ("level = 'gold'", {"level": "gold"}, 1),
        ("day < '2026-12-01'", {}, 1),
        ("price = 1.5", {"price": "1.50"}, 1),
        ("price > 1000", {"price": "7"}, 0),
        ("note IS NULL", {}, 1),
        ("body = 'it''s \"; DROP'", {"body": "it's \"; DROP"}, 1),
    ],
)
def test_columns_are_the_inputs_fields_as_sql_knows_them(
    expression: str, given: dict[str, Any], value: Any
) -> None:
    """Flags are numbers, lists JSON, members of an Enum their values, times and decimals text."""
    assert run(ans.rule(expression, field="ship"), **given).output == {"ship": value}


@pytest.mark.parametrize("expression", ["1) , (2", "SELECT 1, 2", "bdy", "1; DROP TABLE x", "1 --", "?", ""])
def test_an_expression_that_is_none_is_refused(expression: str) -> None:
    """One expression, complete, over the input's columns."""
    with pytest.raises(ans.UsageError, match="does not compile"):
        run(ans.rule(expression, field="urgency"))


def test_one_rule_serves_two_decisions_with_other_inputs() -> None:
    """A rule belongs to no decision."""
    rule = ans.rule("CASE WHEN body = 'x' THEN 'high' END", field="urgency")
    run(rule)

    class Short(BaseModel):
        body: str

    ans.Decision(
        name="other",
        version="1",
        question="q",
        input=Short,
        output=Route,
        owner="o",
        purpose="p",
        stakes=ans.Stakes("USD", wrong=1, review=1),
        deciders=[rule],
    )

    assert run(rule, body="x").output == {"urgency": "high"}


# -- a table ----------------------------------------------------------------------------------------


def table(tmp_path: Path, text: str | bytes) -> ans.Decider:
    """Return a rule from a decision table with this text."""
    path = tmp_path / "orders.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ans.rule(table=path)


@pytest.mark.parametrize(
    ("column", "condition", "given", "holds"),
    [
        ("body", "", {"body": "anything"}, True),
        ("product", "lamp", {"product": "lamp"}, True),
        ("product", "chair", {"product": "lamp"}, False),
        ("product", "chair|lamp", {"product": "lamp"}, True),
        ("product", "!=chair", {"product": "lamp"}, True),
        ("product", "!= lamp", {"product": "lamp"}, False),
        ("product", "=lamp", {"product": "lamp"}, True),
        ("level", "gold", {"level": "gold"}, True),
        ("level", "tin", {"level": "gold"}, False),
        ("amount", "<100", {"amount": 99.5}, True),
        ("amount", "<100", {"amount": 100}, False),
        ("amount", "<= 100", {"amount": 100}, True),
        ("amount", ">100", {"amount": 100}, False),
        ("amount", ">=100", {"amount": 100}, True),
        ("amount", "5", {"amount": 5.0}, True),
        ("amount", "!=5", {"amount": 5.0}, False),
        ("price", "1.5", {"price": "1.50"}, True),
        ("price", ">1.49", {"price": "1.50"}, True),
        ("count", "3|4", {"count": 4}, True),
        ("body", "<20", {"body": "0012"}, True),
        ("body", "<20", {"body": "many"}, False),
        ("body", "~HACKED", {"body": "I was hacked!"}, True),
        ("body", "~ hacked", {"body": "all well"}, False),
        ("express", "true", {"express": True}, True),
        ("express", "TRUE", {"express": False}, False),
        ("note", "!=x", {"note": None}, True),
        ("note", "~x", {"note": None}, False),
        ("tags", "~vip", {"tags": ["a", "VIP"]}, True),
        ("day", "2026-11-22", {}, True),
    ],
)
def test_each_condition_of_a_table_means_what_it_says(
    tmp_path: Path, column: str, condition: str, given: dict[str, Any], holds: bool
) -> None:
    """Numbers compare as numbers, flags by name, text exactly or by what it contains."""
    rule = table(tmp_path, f'{column},answer.urgency\n"{condition}",high\n')

    answer = run(rule, **given)

    assert isinstance(answer, ans.Answer) == holds


def test_the_first_row_that_holds_wins_and_gives_its_reason(tmp_path: Path) -> None:
    """Without a reason the row's line says where the answer comes from."""
    rule = table(tmp_path, "count,answer.urgency,answer.team,reason\n>9,high,a,many\n>5,low,,\n>1,high,b,\n")

    first, second = run(rule, count=10), run(rule, count=6)

    assert (first.output, first.reasons) == ({"urgency": "high", "team": "a"}, ("many",))
    assert (second.output, second.reasons) == ({"urgency": "low"}, ("orders.csv, line 3",))
    assert isinstance(run(rule, count=0), ans.Abstain)


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Byte-order mark, CRLF, blank lines, spaces and line breaks in a quoted cell."""
    rule = table(tmp_path, '\ufeffbody , answer.urgency,reason\r\n\r\n"a\r\nb", high ,two\r\n'.encode())

    assert run(rule, body="a\r\nb").output == {"urgency": "high"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "answers nothing"),
        (b"body,answer.urgency\n", "answers nothing"),
        (b"body,urgency\nx,high\n", "answers nothing"),
        (b"body;answer.urgency\nx;high\n", "answers nothing"),
        (b"body,answer.urgency\nx\n", "line 2 has 1 cells and the header 2"),
        (b"body,answer.urgency\nx,high,more\n", "line 2 has 3 cells"),
        (b"body,body,answer.urgency\nx,y,high\n", "two columns 'body'"),
        (b"body,answer.urgency\n\xff,high\n", "cannot be read"),
        (b"amount,answer.urgency\n<many,high\n", "compares with 'many'"),
        (b"amount,answer.urgency\n<nan,high\n", "compares with 'nan'"),
        (b"amount,answer.urgency\n<,high\n", "compares with 'nothing'"),
        (b"body,answer.urgency\n~,high\n", "compares with 'nothing'"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, text: bytes, what: str) -> None:
    """The error names the file and the line."""
    with pytest.raises(ans.InputError) as caught:
        table(tmp_path, text)

    assert what in caught.value.what
    assert "orders.csv" in caught.value.what


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    """A wrong path is found at once."""
    with pytest.raises(ans.InputError, match="cannot be read"):
        ans.rule(table=tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "what", "step"),
    [
        ("bdy,answer.urgency\nx,high\n", "'bdy', which is no field", "did you mean 'body'"),
        ("body,answer.urgenci\nx,high\n", "'urgenci', which is no field", "did you mean 'urgency'"),
        ("body,answer.urgency,answer.taem\nx,high,\n", "'taem', which is no field", "'team'"),
        ("body,answer.urgency\nx,high\ny,hihg\n", "'hihg' in line 3", "did you mean 'high'"),
        ("product,answer.urgency\nlamb,high\n", "'lamb' in line 2", "did you mean 'lamp'"),
        ("express,answer.urgency\nyes,high\n", "'yes' in line 2", "true"),
    ],
)
def test_a_table_about_other_fields_or_values_is_refused(
    tmp_path: Path, text: str, what: str, step: str
) -> None:
    """Every column and every cell is held against the types."""
    with pytest.raises(ans.UsageError) as caught:
        run(table(tmp_path, text))

    assert what in caught.value.what
    assert step in caught.value.next_step


def test_the_version_of_a_table_changes_with_its_bytes(tmp_path: Path) -> None:
    """A table is code."""
    first = table(tmp_path, "body,answer.urgency\nx,high\n").version
    second = table(tmp_path, "body,answer.urgency\nx,low\n").version

    assert first != second


# -- estimators -------------------------------------------------------------------------------------


class Coin:
    """Stands for a trained estimator."""

    classes_ = ("low", "high")

    def __init__(self, *ps: float) -> None:
        self.ps = ps

    def predict_proba(self, rows: Any) -> Any:
        """Return the same probabilities for every row."""
        return [self.ps for _ in rows]


class Wrong(Coin):
    """Knows a value that the field does not."""

    classes_ = ("low", "hihg")


class Fixed:
    """An estimator that measures nothing."""

    def predict(self, rows: Any) -> Any:
        """Return "a" for every row."""
        return ["a" for _ in rows]


def text_of(order: Order) -> str:
    return order.body


def trained() -> Any:
    """Return a small pipeline of scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    return pipeline.fit(
        ["late parcel", "hacked account", "late again", "account hacked"], ["low", "high"] * 2
    )


def test_scikit_learn_estimators_answer_a_field_each_with_its_distribution() -> None:
    """Values and probabilities are Python's own."""
    answer = run(
        ans.model({"urgency": trained()}, features=text_of, version="1"), body="my account was hacked"
    )

    belief = answer.beliefs["urgency"]
    assert answer.output == {"urgency": "high"}
    assert belief.p == belief.distribution["high"] > 0.5
    assert (type(answer.output["urgency"]), type(belief.p), belief.measured) == (str, float, "raw")


def test_an_estimator_without_probabilities_is_unmeasured() -> None:
    """A missing measurement is said, not invented."""
    answer = run(ans.model({"team": Fixed()}, features=text_of, version="1"))

    assert answer.beliefs["team"] == ans.Belief(measured="none")


def test_estimators_leave_settled_fields_alone() -> None:
    """They cost time."""
    model = ans.model({"urgency": Coin(0.5, 0.5)}, features=text_of, version="1")

    assert isinstance(run(model, answered={"urgency": "low"}), ans.Abstain)


def test_probabilities_that_rounding_put_outside_are_brought_back() -> None:
    """1.0000000000000002 is 1."""
    answer = run(ans.model({"urgency": Coin(-2e-17, 1 + 2e-16)}, features=text_of, version="1"))

    assert answer.beliefs["urgency"].p == 1.0


def test_a_calibration_is_named_in_the_belief() -> None:
    """Only then may the value of least cost be chosen over the likeliest."""
    model = ans.model({"urgency": Coin(0.4, 0.6)}, features=text_of, version="1", calibration="iso@2")

    assert run(model).beliefs["urgency"].measured == "calibrated@iso@2"


def test_an_estimator_for_another_field_or_other_values_is_refused() -> None:
    """It is found when the decision is built, with what was probably meant."""

    with pytest.raises(ans.UsageError, match="did you mean 'urgency'"):
        run(ans.model({"urgenc": Coin(0.5, 0.5)}, features=text_of, version="1"))
    with pytest.raises(ans.UsageError, match="did you mean 'high'"):
        run(ans.model({"urgency": Wrong(0.5, 0.5)}, features=text_of, version="1"))


def test_estimators_need_features() -> None:
    """An input model is no row."""
    with pytest.raises(ans.UsageError, match="features"):
        ans.model({"urgency": Coin(0.5, 0.5)}, version="1")


def test_a_bare_estimator_is_no_model() -> None:
    """It does not say which field it answers."""
    with pytest.raises(ans.UsageError, match="field -> estimator"):
        ans.model(Fixed(), version="1")  # type: ignore[arg-type]


def test_an_estimator_that_cannot_be_pickled_has_no_digest() -> None:
    """Without a digest nobody could say which artefact answered."""
    coin = Coin(0.5, 0.5)
    coin.ps = lambda: None  # type: ignore[assignment]

    with pytest.raises(ans.UsageError, match="have no digest"):
        ans.model({"urgency": coin}, features=text_of, version="1")


def test_an_estimator_has_one_digest_trained_or_loaded() -> None:
    """Saving and loading changes no artefact."""
    fresh = trained()
    loaded = pickle.loads(pickle.dumps(fresh))

    digests = {ans.model({"urgency": m}, features=text_of, version="1").digest for m in (fresh, loaded)}

    assert len(digests) == 1


TRAINING = """
import sys; sys.path[:0] = {path!r}
import answerable as ans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
m = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["late parcel", "my account"], ["low", "high"])
print(ans.model({{"urgency": m}}, features=lambda order: order.body, version="1").digest)
"""


def test_an_estimator_trained_twice_alike_has_one_digest() -> None:
    """The same data and the same code give the same artefact, in every process."""
    program = TRAINING.format(path=sys.path)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, env={"PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    ]

    digests = {process.communicate()[0] for process in running}

    assert len(digests) == 1
    assert digests != {b""}


# -- default and person -----------------------------------------------------------------------------


def test_a_default_always_answers() -> None:
    """It is the last resort, and says so."""
    answer = run(ans.default(Route(urgency="low")))

    assert answer.output == Route(urgency="low")
    assert answer.reasons == ("the declared default",)


def test_a_default_of_nothing_is_refused() -> None:
    """It could never answer."""
    with pytest.raises(ans.UsageError, match="needs an output"):
        ans.default(None)


def test_a_person_suspends_with_queue_time_and_fallback() -> None:
    """The road stores them; the version stands for all three."""
    decider = ans.person(queue="triage", within="4h", then=Route(urgency="low"))

    suspended = run(decider)

    assert (suspended.queue, suspended.within) == ("triage", 14_400.0)
    assert suspended.then == Route(urgency="low")
    assert decider.version != ans.person(queue="triage", within="5h", then=Route(urgency="low")).version


@pytest.mark.parametrize(("queue", "within"), [("", 5), ("a\nb", 5), ("triage", 0), ("triage", "later")])
def test_a_person_needs_a_queue_and_a_time(queue: str, within: Any) -> None:
    """Otherwise the case would be lost."""
    with pytest.raises(ans.UsageError):
        ans.person(queue=queue, within=within)
