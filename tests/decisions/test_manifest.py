"""The manifest is what a decision is, as data: its digest changes with the decision and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.decisions.manifest import digest, manifest

GOLDEN = "47102892e09ce76c3e76d7d2274b11e6585c2c9757aa85195e181cebf3978d63"


class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: Annotated[str, ans.Personal.free_text]


class Route(BaseModel):
    urgency: Literal["low", "high"]


def quoted(case: ans.Case[Any], answer: ans.Answer[Any]) -> ans.Finding | None:
    """Find nothing."""
    return None


def decision(**changes: Any) -> ans.Decision[Any, Any]:
    """Return a decision without user code, so that its digest depends on no source file."""
    sound: dict[str, Any] = {
        "name": "route-ticket",
        "version": "1",
        "question": "How urgent is it?",
        "input": Ticket,
        "output": Route,
        "owner": "ops",
        "purpose": "support",
        "stakes": ans.Stakes("USD", wrong=2, review=1, never_automatic={"urgency": ["high"]}),
        "deciders": [
            ans.rule("CASE WHEN body LIKE '%hacked%' THEN 'high' END", field="urgency", name="words"),
            ans.default(Route(urgency="low")),
        ],
    }
    return ans.Decision(**sound | changes)


def digest_of(**changes: Any) -> str:
    return digest(manifest(decision(**changes))).hex()


def test_the_digest_of_one_decision_never_changes() -> None:
    """Recorded definitions are found by it: another digest would refuse every recorded version."""
    assert digest_of() == GOLDEN


@pytest.mark.parametrize(
    "changes",
    [
        {"question": "Is it urgent?"},
        {"owner": "sales"},
        {"purpose": "training"},
        {"deadline": 5},
        {"unmeasured": "accept"},
        {"stakes": ans.Stakes("EUR", wrong=2, review=1)},
        {"stakes": ans.Stakes("USD", wrong=2, review=1.5)},
        {"stakes": ans.Stakes("USD", wrong=2, review=1, costs=[ans.Cost("urgency", "high", "low", 9)])},
        {"stakes": ans.Stakes("USD", wrong=2, review=1, severity="safety")},
        {"stakes": ans.Stakes("USD", wrong=lambda given: 2, review=1)},
        {"checks": [quoted]},
        {"deciders": [ans.default(Route(urgency="low"))]},
        {"deciders": [ans.default(Route(urgency="high"))]},
        {"deciders": [ans.rule("'low'", field="urgency"), ans.default(Route(urgency="low"))]},
        {"deciders": [ans.person(queue="a", within=5)]},
        {"deciders": [ans.person(queue="b", within=5)]},
        {"deciders": [ans.person(queue="b", within=6)]},
    ],
)
def test_the_digest_changes_with_whatever_makes_the_decision(changes: dict[str, Any]) -> None:
    """Question, stakes, checks, deadline and deciders."""
    assert digest_of(**changes) != digest_of()


def test_the_digest_changes_with_the_type_of_a_field() -> None:
    """Input and output are part of the definition."""

    class Wider(BaseModel):
        urgency: Literal["low", "high", "none"]

    assert digest_of(output=Wider, deciders=[ans.rule("'low'", field="urgency")]) != digest_of(
        deciders=[ans.rule("'low'", field="urgency")]
    )


def test_the_digest_does_not_change_with_the_way_a_number_is_written() -> None:
    """2 and 2.0 dollars are the same stakes, and "30s" and 30 the same deadline."""
    same = ans.Stakes("USD", wrong=2.0, review=1.0, never_automatic={"urgency": ("high",)})

    assert digest_of(stakes=same, deadline="30s") == digest_of()


def test_the_digest_does_not_change_with_what_only_runs_it() -> None:
    """How long a key is kept says nothing about the answer."""
    assert digest_of(keep_key="1d") == digest_of()


PROGRAM = """
import sys; sys.path[:0] = {path!r}
from typing import Annotated, Literal
from pydantic import AfterValidator, BaseModel
import answerable as ans
from answerable.decisions.manifest import digest, manifest
class In(BaseModel):
    n: Annotated[int, AfterValidator(lambda v: v)]
class Out(BaseModel):
    flag: bool
def words(case):
    return Out(flag=case.input.n in {{1, 2, 3}} or "x" in {{"a", "b", "c", "d"}})
d = ans.Decision(name="d", version="1", question="q", input=In, output=Out, owner="o", purpose="p",
    stakes=ans.Stakes("USD", wrong=1, review=1), deciders=[ans.rule(words)])
print(digest(manifest(d)).hex())
"""


def test_the_digest_is_the_same_in_every_process() -> None:
    """Code without a source file, sets in it and validators on a field give one digest, whatever the seed."""
    program = PROGRAM.format(path=sys.path)

    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1
