"""Whom a decider calls, at what price and how often: what is wrong in it is found when it is written."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import answerable as ans


def remote(**changes: Any) -> ans.Remote:
    return ans.Remote(**{"provider": "acme", "model": "m-1", "destination": "api.acme.com"} | changes)


def test_a_number_is_the_money_that_a_call_costs_at_most() -> None:
    """In units of the currency, as a budget is; a Usage counts in millionths."""
    assert remote(most=0.02).most == ans.Usage(cost=20_000)
    assert remote(most=1).most == ans.Usage(cost=1_000_000)
    assert remote(most=ans.Usage(tokens_in=5)).most == ans.Usage(tokens_in=5)


@pytest.mark.parametrize(
    ("changes", "what", "step"),
    [
        ({"most": "0.02"}, "most is a str", "most=0.02"),
        ({"most": True}, "most is a bool", "ans.Usage("),
        ({"most": -1.0}, "most is -1.0", "0 or more"),
        ({"most": float("nan")}, "most is nan", "0 or more"),
        ({"most": ans.Price(input=1, output=1)}, "most is a Price", "ans.Usage("),
        ({"limit": 5}, "limit is a int", "ans.Limit("),
        ({"breaker": None}, "breaker is a NoneType", "ans.Breaker("),
        ({"priced": "no"}, "priced is a str", "True or False"),
        ({"destination": "https://api.acme.com/v1"}, "no host", "'api.acme.com'"),
        ({"destination": "https://me:hush@api.acme.com:8080/v1?key=hush"}, "no host", "'api.acme.com:8080'"),
        ({"destination": "api.acme.com/v1"}, "no host", "'api.acme.com'"),
        ({"destination": "the cloud"}, "no host", "give"),
        ({"provider": ""}, "provider is ''", "printable"),
    ],
)
def test_a_mistake_in_a_remote_is_found_at_once(changes: dict[str, Any], what: str, step: str) -> None:
    """With the value that is wrong, without a secret in it, and with what to write instead."""
    with pytest.raises(ans.UsageError) as caught:
        remote(**changes)

    assert what in caught.value.what and step in caught.value.next_step
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("host", ["api.acme.com", "127.0.0.1:8080", "[::1]:8080", "gpu1"])
def test_a_host_may_have_a_port(host: str) -> None:
    """It stands in records as it is written."""
    assert remote(destination=host).destination == host


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: ans.Limit(), "limits nothing"),
        (lambda: ans.Limit(queue=5), "limits nothing"),
        (lambda: ans.Limit(at_once=2.5), "at_once is 2.5"),  # type: ignore[arg-type]
        (lambda: ans.Breaker(failures=2.5), "failures is 2.5"),  # type: ignore[arg-type]
    ],
)
def test_a_limit_that_could_not_be_kept_is_refused(make: Any, what: str) -> None:
    """Half a call is none, and a limit without a number would be believed."""
    with pytest.raises(ans.UsageError, match=what):
        make()


def test_a_fault_may_be_said_in_a_word() -> None:
    """With a reason, or with the category's own."""
    assert ans.Faulted("refusal").fault == ans.Fault(category="refusal")
    assert ans.Faulted("refusal", reason="it is medical").fault.reason == "it is medical"
    with pytest.raises(ans.UsageError, match="did you mean 'refusal'"):
        ans.Faulted("refused")


@pytest.mark.parametrize("fault", [None, 429, ValueError("x")])
def test_what_is_no_fault_is_refused(fault: Any) -> None:
    """The error shows how one is written."""
    with pytest.raises(ans.UsageError, match='Faulted\\("refusal"'):
        ans.Faulted(fault)


def test_a_fault_has_one_reason() -> None:
    """Two would leave open which one stands in the record."""
    with pytest.raises(ans.UsageError, match="its own reason"):
        ans.Faulted(ans.Fault(category="refusal"), reason="no")


def test_a_fault_comes_back_from_another_process() -> None:
    """With what was said and consumed."""
    sent = ans.Faulted("empty", calls=[{"kind": "call"}], usage=ans.Usage(cost=3))

    back = pickle.loads(pickle.dumps(sent))

    assert (back.fault, back.calls, back.usage, str(back)) == (sent.fault, sent.calls, sent.usage, str(sent))
