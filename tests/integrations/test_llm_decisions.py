"""Decision models give probabilities, and those become beliefs, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import answerable as ans
from answerable.integrations.llm import llm
from answerable.integrations.llm_beliefs import recovered
from llm_upstream import Upstream, answer, fault, upstream
from roads import decision


class Handled(BaseModel):
    urgency: Literal["low", "high"]
    refund: bool


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as made:
        yield made


def openai_answers(*answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "answers": list(answers),
        "model": "luna-1",
        "usage": {
            "input_tokens": 50,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 50,
        },
    }


def choice(high: float = 0.9, low: float = 0.1, **more: Any) -> dict[str, Any]:
    spread = [{"value": "low", "probability": low}, {"value": "high", "probability": high}]
    made = {"name": "urgency", "type": "choice", "choice": "high", "confidence": 0.8}
    return {**made, "probabilities": spread, **more}


def yes(p: float) -> dict[str, Any]:
    return {"name": "refund", "type": "predicate", "probability": p}


def system_one(**answers: dict[str, Any]) -> dict[str, Any]:
    return {"model": "clm-1", "answers": answers, "usage": {"input_tokens": 40, "output_tokens": 2}}


def asked_of(server: Upstream, kind: str = "openai-decisions", **options: Any) -> ans.Decision[Any, Any]:
    made = llm(f"{kind}:luna", instructions="Judge the ticket.", url=server.url, **options)
    return decision(made, output=Handled)


def test_openais_probabilities_become_beliefs(server: Upstream) -> None:
    """p is the probability of the value that was chosen, with the whole distribution beside it."""
    server.plays(openai_answers(choice(), yes(0.2)))

    made = answer(asked_of(server))

    assert made.output == {"urgency": "high", "refund": False}
    assert made.beliefs["urgency"] == ans.Belief(p=0.9, distribution={"low": 0.1, "high": 0.9})
    refund = made.beliefs["refund"]
    assert refund.p == pytest.approx(0.8)
    assert refund.distribution == pytest.approx({True: 0.2, False: 0.8})
    assert (made.usage.tokens_in, made.usage.model, made.calls[0]["request_id"]) == (50, "luna-1", "req-7")
    assert server.paths == ["/v1/decisions"]


def test_system_ones_probabilities_become_beliefs_and_may_be_calibrated(server: Upstream) -> None:
    """The other wire format, and a calibration that somebody vouches for."""
    spread = {"low": 0.25, "high": 0.75}
    server.plays(
        system_one(
            urgency={"type": "choice", "choice": "high", "confidence": 0.5, "probabilities": spread},
            refund={"type": "noul", "noul": 0.97},
        )
    )

    made = answer(asked_of(server, "system-one", calibration="clm@3"))

    assert made.output == {"urgency": "high", "refund": True}
    assert made.beliefs["urgency"].distribution == spread
    assert made.beliefs["refund"].p == pytest.approx(0.97)
    assert {b.measured for b in made.beliefs.values()} == {"calibrated@clm@3"}
    assert server.paths == ["/v1/systemone"]


def test_a_threshold_of_ones_own_does_not_bend_the_probability(server: Upstream) -> None:
    """A yes counts from 0.9 on; the belief in the no is still what was measured."""
    server.plays(openai_answers(choice(), yes(0.8)))

    made = answer(asked_of(server, settings={"decision_boolean_threshold": 0.9}))

    assert made.output["refund"] is False
    assert made.beliefs["refund"].distribution == pytest.approx({True: 0.8, False: 0.2})


def test_a_question_that_is_refused_is_withheld_and_the_others_are_kept(server: Upstream) -> None:
    """A refusal of one field is not shopped around, and costs no other field."""
    server.plays(openai_answers(choice(), {"name": "refund", "type": "refusal"}))

    made = answer(asked_of(server))

    assert (made.output, made.withheld) == ({"urgency": "high"}, {"refund": "refusal"})
    assert made.beliefs["urgency"].p == pytest.approx(0.9)
    assert (made.usage.tokens_in, made.calls[0]["tokens_in"]) == (50, 50)


def test_a_model_that_refuses_everything_is_a_refusal(server: Upstream) -> None:
    """Nothing is left to keep."""
    server.plays(openai_answers(*({"name": n, "type": "refusal"} for n in ("urgency", "refund"))))

    exc = fault(asked_of(server))

    assert exc.fault.category == "refusal"
    assert exc.calls


@pytest.mark.parametrize(
    "odd",
    [
        choice(high=1.7, low=0.1),
        choice(high=0.4, low=0.2),
        choice(high=float("nan")),
        choice(probabilities=[]),
    ],
)
def test_a_malformed_confidence_counts_as_none(server: Upstream, odd: dict[str, Any]) -> None:
    """The value stands; nobody claims to know how sure it is. The other field keeps its own."""
    server.plays(openai_answers(odd, yes(0.2)))

    made = answer(asked_of(server))

    assert made.output == {"urgency": "high", "refund": False}
    assert made.beliefs["urgency"] == ans.Belief(measured="none")
    assert made.beliefs["refund"].p == pytest.approx(0.8)


def test_a_yes_or_no_without_a_probability_is_no_answer(server: Upstream) -> None:
    """The probability is the answer: where it is none, the field is left to the next decider."""
    server.plays(openai_answers(choice(), yes(float("nan"))))

    assert answer(asked_of(server)).output == {"urgency": "high"}


def test_what_is_no_body_of_answers_stays_a_fault(server: Upstream) -> None:
    """Nothing is guessed from a reply that is something else."""
    server.plays({"answers": "none"})

    assert fault(asked_of(server)).fault.category == "garbled"


def test_a_record_says_what_was_withheld(server: Upstream) -> None:
    """On the road the withheld field goes to the default, and to no other model."""
    server.plays(openai_answers(choice(), {"name": "refund", "type": "refusal"}))
    first = llm("openai-decisions:luna", instructions="Judge.", url=server.url)
    second = ans.model(lambda case: {"refund": True}, name="other", version="1")
    asked = decision(first, second, ans.default({"refund": False}), output=Handled)

    with ans.Workspace("memory:") as ws:
        outcome = ws.decide(asked, {"number": "1", "body": "x"}, principal="service:t")

    assert outcome.output == Handled(urgency="high", refund=False)


def test_decision_models_use_no_tools(server: Upstream) -> None:
    """They answer typed questions and write nothing."""

    def orders(case: ans.Case[Any]) -> str:
        return ""

    with pytest.raises(ans.UsageError, match="uses no tools"):
        asked_of(server, tools=[orders])


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["high", "choice", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["answers", "name", "type", "choice", "urgency", "refund", "probabilities", "noul"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(answers=JSON, whole=st.booleans())
def test_no_body_can_make_the_reader_fail_or_claim_what_is_no_probability(answers: Any, whole: bool) -> None:
    """Whatever a provider sends: fields of the output with sound beliefs, or nothing."""
    asked = decision(ans.default({"urgency": "low", "refund": False}), output=Handled)
    body = json.dumps(answers if whole else {"answers": answers, "usage": answers})

    told = recovered(asked, body, measured="raw", threshold=0.5)

    for name, value in (told.values if told else {}).items():
        assert (
            getattr(Handled.model_validate({"urgency": "low", "refund": False, name: value}), name) == value
        )
