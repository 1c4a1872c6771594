"""A budget is reserved before a call and settled after it; cases of one home share it, whoever runs them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.state import spending
from remotes import MOST, fault, remote, used
from roads import HIGH, LOW, decision, memory
from workspaces import KINDS, on_each_journal

memory = pytest.fixture(memory)
any_ws = pytest.fixture(params=KINDS)(on_each_journal)
CENT = 0.01


def spent(ws: ans.Workspace, name: str = "route", period: str = "") -> tuple[int, ...]:
    """Return (spent cost, held cost, spent tokens, held tokens)."""
    rows = ws.journal.rows(spending.SPENT, {"name": name, "period": period})
    return tuple(rows[0]) if rows else (0, 0, 0, 0)


def tickets(count: int) -> list[dict[str, str]]:
    return [{"number": str(i)} for i in range(count)]


def test_fifty_cases_on_the_last_cent_do_not_overspend(any_ws: ans.Workspace) -> None:
    """A cent pays for ten calls at most: ten are made, forty cases take the default, nothing stays held."""
    first, script = remote(lambda case: time.sleep(0.02) or ans.Answer(LOW, usage=MOST))
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=CENT, per="ever")])

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(lambda t: any_ws.decide(limited, t), tickets(50)))

    assert Counter(o.degraded for o in outcomes) == {None: 10, "fault:budget": 40}
    assert script.hits == 10
    assert spent(any_ws) == (10_000, 0, 200, 0)


def test_what_was_reserved_and_not_used_is_free_again(memory: ans.Workspace) -> None:
    """Calls that cost a tenth of what they might: one after the other, a hundred fit."""
    first, script = remote(used(cost=100))
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=CENT, per="ever")])

    outcomes = [memory.decide(limited, t) for t in tickets(101)]

    assert script.hits == 91  # the ninety-first may cost a thousand more, and would fit to the last
    assert spent(memory)[:2] == (9100, 0)
    assert outcomes[-1].degraded == "fault:budget"


def test_a_budget_counts_tokens_too(memory: ans.Workspace) -> None:
    """Twenty tokens at most a call: five calls of a hundred."""
    first, script = remote(lambda case: ans.Answer(LOW, usage=MOST))
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(tokens=100, per="ever")])

    for ticket in tickets(8):
        memory.decide(limited, ticket)

    assert (script.hits, spent(memory)[2:]) == (5, (100, 0))


def test_a_retry_of_a_call_that_was_never_charged_reserves_nothing_more(memory: ans.Workspace) -> None:
    """A server error costs nothing: its reservation pays for the retry."""
    first, script = remote(fault("server-error"), used(cost=400))
    limited = decision(first, budgets=[ans.Budget(money=0.001, per="ever")])

    outcome = memory.decide(limited, tickets(1)[0])

    assert (outcome.status, script.hits, spent(memory)[:2]) == ("answered", 2, (400, 0))


def test_a_call_that_may_have_been_charged_counts_in_full(any_ws: ans.Workspace) -> None:
    """A connection that broke after the request was sent: the most it can have cost."""
    first, _ = remote(fault("reset", billed=True), used(cost=400))
    limited = decision(first, budgets=[ans.Budget(money=1, per="ever")])

    outcome = any_ws.decide(limited, tickets(1)[0])

    assert spent(any_ws)[:2] == (1400, 0)
    assert outcome.attempts[0].usage.cost == 1400


def test_a_call_that_its_caller_cancelled_counts_in_full() -> None:
    """The provider may charge it: the budget and the record say so, and nothing stays held."""

    begun = asyncio.Event()

    async def never(case: Any) -> Any:
        begun.set()
        await asyncio.sleep(30)

    async def cancels(ws: ans.Workspace) -> None:
        told = {"provider": "p", "model": "m", "destination": "p.example", "most": MOST}
        slow = ans.model(never, version="1", remote=ans.Remote(**told))
        task = asyncio.create_task(
            ws.adecide(decision(slow, budgets=[ans.Budget(money=1, per="ever")]), tickets(1)[0])
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ans.Workspace("memory:") as ws:
        asyncio.run(cancels(ws))

        (line,) = ws.records()
        assert (line["fault"], line["cost"], spent(ws)[:2]) == ("cancelled", MOST.cost, (MOST.cost, 0))
        assert ws.outcome(line["record_id"]).attempts[0].fault == "cancelled"


def test_a_case_may_have_a_budget_of_its_own(memory: ans.Workspace) -> None:
    """Every case gets two calls' worth: the third attempt has no room."""
    deciders = [remote(ans.Answer({"urgency": "low"}, usage=MOST), name=n)[0] for n in ("a", "b")]
    limited = decision(*deciders, ans.default(HIGH), budgets=[ans.Budget(money=0.0015, per="case")])

    for ticket in tickets(3):
        outcome = memory.decide(limited, ticket)
        assert [a.fault for a in outcome.attempts] == [None, "budget", None]


def test_a_run_has_a_budget_beside_the_decisions_own(memory: ans.Workspace) -> None:
    """`decide_many(budget=...)` limits all of them together."""
    first, script = remote(lambda case: ans.Answer(LOW, usage=MOST))
    run = ans.Budget(money=0.003, per="ever", name="run-1")

    outcomes = list(
        memory.decide_many(decision(first, ans.default(HIGH)), tickets(6), budget=run, concurrency=1)
    )

    assert script.hits == 3
    assert [o.degraded for o in outcomes if isinstance(o, ans.Outcome)][3:] == ["fault:budget"] * 3


def test_free_deciders_go_on_when_the_money_is_gone(memory: ans.Workspace) -> None:
    """The second paid model is not asked; what runs here is."""
    first, _ = remote(LOW)
    second, asked = remote(LOW, name="second")
    free = ans.model(lambda case: HIGH, version="1", name="free")
    limited = decision(first, second, free, budgets=[ans.Budget(money=0, per="day")])

    outcome = memory.decide(limited, tickets(1)[0])

    assert (outcome.decider, asked.hits) == ("free@1", 0)
    assert len(memory.records(kinds=("alert",))) == 1


def test_a_budget_needs_to_know_what_a_call_can_cost() -> None:
    """Otherwise it could not be kept: the decision says so when it is built."""
    unknown, _ = remote(LOW, most=None)
    unpriced, _ = remote(LOW, priced=False)

    for decider in (unknown, unpriced):
        with pytest.raises(ans.UsageError, match="costs at most"):
            decision(decider, budgets=[ans.Budget(money=1)])
    decision(unpriced, budgets=[ans.Budget(tokens=1)])


@pytest.mark.parametrize("wrong", [{}, {"money": -1}, {"tokens": 1.5}, {"money": 1, "per": "year"}])
def test_a_budget_that_limits_nothing_sensible_is_refused(wrong: dict[str, Any]) -> None:
    """With what to write instead."""
    with pytest.raises(ans.UsageError):
        ans.Budget(**wrong)


CHILD = """
import sys, time
import answerable as ans
from remotes import MOST, remote
from roads import HIGH, LOW, decision
first, script = remote(lambda case: time.sleep(0.01) or ans.Answer(LOW, usage=MOST))
limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=0.02, per="ever")])
with ans.Workspace(sys.argv[1]) as ws:
    for i in range(20):
        ws.decide(limited, {"number": f"{sys.argv[2]}-{i}"})
print(script.hits)
"""


def test_processes_share_a_budget(tmp_path: Path) -> None:
    """Two processes, twenty cases each, money for twenty calls: twenty are made together."""
    with ans.Workspace(tmp_path / "home"):
        pass
    place = Path(__file__).parent
    run = [sys.executable, "-c", CHILD, str(tmp_path / "home")]
    both = [
        subprocess.Popen([*run, name], cwd=place, stdout=subprocess.PIPE, text=True) for name in ("a", "b")
    ]

    hits = [int(process.communicate(timeout=200)[0]) for process in both]

    assert sum(hits) == 20
    with ans.Workspace(tmp_path / "home") as ws:
        assert spent(ws)[:2] == (20_000, 0)


def test_an_operator_hears_of_it_at_four_fifths_and_at_the_end(memory: ans.Workspace) -> None:
    """Once each, whatever else is asked for."""
    first, _ = remote(lambda case: ans.Answer(LOW, usage=MOST))
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=0.005, per="ever")])

    told = []
    for ticket in tickets(8):
        memory.decide(limited, ticket)
        told.append(len(memory.records(kinds=("alert",))))

    assert told == [0, 0, 0, 1, 1, 2, 2, 2]


def test_what_others_only_hold_is_waited_for(any_ws: ans.Workspace) -> None:
    """Twenty cases at once, each holding ten times what it uses: the budget pays for all of them."""
    first, script = remote(lambda case: time.sleep(0.02) or ans.Answer(LOW, usage=ans.Usage(cost=100)))
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=0.003, per="ever")])

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda t: any_ws.decide(limited, t), tickets(20)))

    assert {o.degraded for o in outcomes} == {None}
    assert (script.hits, spent(any_ws)[:2]) == (20, (2000, 0))


def test_each_run_without_a_name_has_a_budget_of_its_own(memory: ans.Workspace) -> None:
    """The second run starts from zero."""
    first, script = remote(lambda case: ans.Answer(LOW, usage=MOST))
    made = decision(first, ans.default(HIGH))

    for run in ("a", "b"):
        some = [{"number": f"{run}{i}"} for i in range(3)]
        list(memory.decide_many(made, some, budget=ans.Budget(money=0.002), concurrency=1))

    assert script.hits == 4


@pytest.mark.parametrize(
    "said",
    [
        ans.Answer(LOW, usage=ans.Usage(tokens_in=10, tokens_out=10)),
        ans.Fault(category="truncated"),
        ans.Fault(category="refusal"),
    ],
    ids=["tokens and no money", "cut off, and nothing said", "refused, and nothing said"],
)
def test_what_a_call_does_not_say_counts_as_the_most(memory: ans.Workspace, said: Any) -> None:
    """A provider charges for it; a budget must not believe that it was free."""
    first, _ = remote(said)
    limited = decision(
        first,
        ans.default(HIGH),
        budgets=[ans.Budget(money=1, per="ever")],
        faults={"truncated": {"retry": 0}},
    )

    memory.decide(limited, tickets(1)[0])

    assert spent(memory)[:2] == (MOST.cost, 0)


def test_a_call_whose_cost_nobody_knows_is_not_made_on_a_budget(memory: ans.Workspace) -> None:
    """A function that says nothing about this case."""
    first, script = remote(LOW, most=lambda case: None)
    limited = decision(first, ans.default(HIGH), budgets=[ans.Budget(money=1)])

    outcome = memory.decide(limited, tickets(1)[0])

    assert (outcome.degraded, script.hits) == ("fault:budget", 0)


def test_a_case_does_not_wait_for_its_own_money(memory: ans.Workspace) -> None:
    """What the first call may have cost is all there is: the default answers at once."""
    first, _ = remote(fault("timeout", billed=True), name="first")
    second, _ = remote(LOW, name="second")
    limited = decision(first, second, ans.default(HIGH), budgets=[ans.Budget(money=0.0015, per="ever")])
    began = time.monotonic()

    outcome = memory.decide(limited, tickets(1)[0])

    assert (outcome.output, time.monotonic() - began < 10) == (HIGH, True)  # of a deadline of thirty


def test_waiting_for_money_keeps_no_place_from_others(memory: ans.Workspace) -> None:
    """A place for one call: while one case waits for the budget, another without a budget is served."""
    begun, go = threading.Event(), threading.Event()

    def hold(case: Any) -> Any:
        begun.set()
        go.wait(30)
        return ans.Answer(LOW, usage=MOST)

    holds, _ = remote(hold, name="holds")
    waits, _ = remote(LOW, limit=ans.Limit(at_once=1))
    budget = ans.Budget(money=0.001, per="ever", name="shared")
    rich = decision(holds, budgets=[budget], name="rich")
    poor = decision(waits, ans.default(HIGH), budgets=[budget], name="poor")
    free = decision(waits, ans.default(HIGH), name="free")

    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(memory.decide, rich, tickets(1)[0])
        assert begun.wait(30)
        waiting = pool.submit(memory.decide, poor, tickets(1)[0])
        time.sleep(0.1)  # it should wait by now; if it does not yet, the more places are free
        served = memory.decide(free, tickets(1)[0])
        go.set()

    assert (served.degraded, held.result().degraded) == (None, None)
    assert waiting.result().degraded == "fault:budget"
