"""What `case.read` holds: declared only, allowed only, once a case, within its time, and all of it recorded."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.governance.rows import Compare
from roads import memory
from sources import (
    ADA,
    HIGH,
    LOW,
    SAID,
    Customer,
    Policies,
    Route,
    Ticket,
    counted,
    crm,
    decision,
    governed,
    reading,
    recorded,
)

ws = pytest.fixture(memory)
# -- allowed -------------------------------------------------------------------------------------------


def test_a_denied_read_refuses_the_case_and_nobody_else_is_asked(ws: ans.Workspace) -> None:
    """It is no fault: no retry, no next decider, no default; the reason and what would help are told."""
    governed(ws, Policies(no="support may not see customers"))
    calls: list[Any] = []
    source = counted(calls)
    asked = decision(source, reading(source, []))

    outcome = ws.decide(asked, {"number": "1"})

    assert (outcome.status, outcome.output, calls) == ("refused", None, [])
    assert [attempt.result for attempt in outcome.attempts] == ["refused"]
    assert outcome.reason == "the source crm: support may not see customers; ask the data owner"
    (told,) = recorded(ws, outcome)
    assert (told["result"], told["reason"], told["policies"]) == ("denied", outcome.reason, ["deny-crm"])
    assert ws.records(where="fault = denied")[0]["record_id"] == outcome.record_id
    assert ws.records(kinds=("alert",)) == []


def swallowing(source: ans.Source[Any]) -> Any:
    def look(case: ans.Case[Any]) -> Any:
        try:
            return HIGH if case.read(source) else ans.Abstain("nobody")
        except Exception:
            return HIGH

    return look


def test_a_decider_cannot_make_anything_else_of_a_denial(ws: ans.Workspace) -> None:
    """One that catches everything and answers all the same has not answered."""
    governed(ws, Policies(no="no"))
    source = counted([])

    outcome = ws.decide(decision(source, swallowing(source)), {"number": "1"})

    assert (outcome.status, outcome.output) == ("refused", None)


def test_a_check_that_may_not_read_refuses_too(ws: ans.Workspace) -> None:
    """Checks read under the same rules as deciders."""
    governed(ws, Policies(no="no"))
    source = counted([])

    def known(case: ans.Case[Any], answer: ans.Answer[Any]) -> ans.Finding | None:
        return None if case.read(source) else ans.Finding("nobody knows this customer")

    outcome = ws.decide(decision(source, checks=[known]), {"number": "1"})

    assert (outcome.status, outcome.output, outcome.decider) == ("refused", None, "default@" + LOW_VERSION)


LOW_VERSION = ans.default(LOW).version


def test_an_error_in_a_policy_means_no(ws: ans.Workspace) -> None:
    """Policies that cannot be asked let nothing through, and the error's text is not told."""
    governed(ws, Policies(raises=RuntimeError("ada@example.org")))
    source = counted([])

    outcome = ws.decide(decision(source, reading(source, [])), {"number": "1"})

    assert outcome.status == "refused"
    assert "RuntimeError" in outcome.reason
    assert "ada" not in outcome.reason


def test_a_filter_on_what_a_row_does_not_have_means_no(ws: ans.Workspace) -> None:
    """A condition that cannot be applied is no condition."""
    governed(ws, Policies(Compare("tenant", "==", "a")))
    source = counted([])

    outcome = ws.decide(decision(source, reading(source, [])), {"number": "1"})

    assert (outcome.status, "tenant" in outcome.reason) == ("refused", True)


def test_another_purpose_than_the_sources_is_refused(ws: ans.Workspace) -> None:
    """Why the data is used belongs to the case, and the source says for what it is there."""
    calls: list[Any] = []
    source = counted(calls)

    outcome = ws.decide(decision(source, reading(source, [])), {"number": "1"}, purpose="marketing")

    assert (outcome.status, calls) == ("refused", [])
    assert "marketing" in outcome.reason
    assert "support" in outcome.reason


def test_the_policies_are_asked_about_this_principal_source_and_purpose(ws: ans.Workspace) -> None:
    """Once a read, with the case's own purpose."""
    policies = Policies()
    governed(ws, policies)
    source = counted([])

    ws.decide(decision(source, reading(source, [])), {"number": "1"}, principal="user:9")

    (ask,) = policies.asked
    assert (ask.principal.id, ask.action, ask.resource.kind, ask.resource.id, ask.purpose) == (
        *("user:9", "read", "Source"),
        *("crm", "support"),
    )


def test_a_function_may_say_no_itself(ws: ans.Workspace) -> None:
    """The authentication that another system has in place is kept: its no is a no."""

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        raise ans.Denied("the CRM says no", next_step="ask its owner")

    outcome = ws.decide(decision(customers, reading(customers, [])), {"number": "1"})

    assert (outcome.status, outcome.reason) == ("refused", "the CRM says no")


# -- declared ------------------------------------------------------------------------------------------


def test_what_is_not_declared_is_not_read(ws: ans.Workspace) -> None:
    """The next decider answers, and the reason says what to declare."""
    calls: list[Any] = []
    declared, other = counted([]), counted(calls, owner="else")

    @ans.source("orders", Customer, **SAID)
    def orders() -> list[Any]:
        calls.append("orders")
        return []

    for what in (orders, "orderz", other):
        asked = decision(declared, lambda case, what=what: case.read(what), name=f"route-{len(str(what))}")
        outcome = ws.decide(asked, {"number": "1"})
        assert (outcome.output, outcome.degraded) == (LOW, "fault:exception")
        assert "does not declare" in outcome.attempts[0].reason
    nothing = decision([], lambda case: case.read(orders), name="reads-nothing")
    assert "does not declare" in ws.decide(nothing, {"number": "1"}).attempts[0].reason
    assert calls == []


def test_a_source_can_be_read_by_its_name(ws: ans.Workspace) -> None:
    """So that a tool or a decider of another module needs no import."""
    source = counted([])
    seen: list[Any] = []

    def look(case: ans.Case[Any]) -> Route:
        seen.append((case.read("crm", id="8")[0].id, case.read_one(source, id="8")))
        return HIGH

    ws.decide(decision(source, look), {"number": "1"})

    assert seen[0][0] == seen[0][1].id == "8"


def test_one_row_is_asked_for_and_one_comes_or_none(ws: ans.Workspace, tmp_path: Path) -> None:
    """Several are a mistake that is told."""
    source = crm("file", tmp_path)
    seen: list[Any] = []

    def look(case: ans.Case[Any]) -> Route:
        seen.append(case.read_one(source, id="8"))
        seen.append(case.read_one(source, id="nobody"))
        case.read_one(source, region="north")
        return HIGH

    outcome = ws.decide(decision(source, look), {"number": "1"})

    assert (seen[0].id, seen[1]) == ("8", None)
    assert "crm gave 3 rows where one was asked for" in outcome.attempts[0].reason


# -- once ----------------------------------------------------------------------------------------------


def test_a_source_is_read_once_a_case_for_all_its_deciders(ws: ans.Workspace) -> None:
    """Other parameters are another read; who changes a row changes only his own."""
    calls: list[Any] = []
    source = counted(calls)
    seen: list[Any] = []

    def first(case: ans.Case[Any]) -> ans.Abstain:
        (row,) = case.read(source, id="7")
        row.region = "changed"
        case.read(source, id="8")
        return ans.Abstain("not I")

    def second(case: ans.Case[Any]) -> Route:
        seen.extend(case.read(source, id="7"))
        return HIGH

    outcome = ws.decide(decision(source, first, second), {"number": "1"})

    assert calls == ["7", "8"]
    assert seen[0].region == "north"
    assert [told["params"]["id"] for told in recorded(ws, outcome)] == ["7", "8"]


def test_nothing_is_read_that_nobody_asks_for(ws: ans.Workspace) -> None:
    """Reads are lazy: a case that a rule answers at once touches no source."""
    calls: list[Any] = []
    source = counted(calls)

    outcome = ws.decide(decision(source, lambda case: HIGH), {"number": "1"})

    assert (calls, recorded(ws, outcome)) == ([], [])


def test_threads_of_one_case_share_a_read(ws: ans.Workspace) -> None:
    """Those that come while it is under way wait for it."""
    calls: list[Any] = []
    begun = threading.Event()

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        calls.append(1)
        begun.wait(2)
        return [ADA]

    def look(case: ans.Case[Any]) -> Route:
        with ThreadPoolExecutor(4) as pool:
            reads = [pool.submit(case.read, customers) for _ in range(4)]
            begun.set()
            assert all(read.result()[0].id == "7" for read in reads)
        return HIGH

    outcome = ws.decide(decision(customers, ans.model(look, version="1")), {"number": "1"})

    assert (outcome.output, len(calls), len(recorded(ws, outcome))) == (HIGH, 1, 1)


def test_a_repeated_key_reads_nothing_again(ws: ans.Workspace) -> None:
    """The recorded outcome is returned, and its record keeps what was read then."""
    calls: list[Any] = []
    source = counted(calls)
    asked = decision(source, reading(source, []))

    first = ws.decide(asked, {"number": "1"})
    again = ws.decide(asked, {"number": "1"})

    assert (again.replayed, again.record_id, len(calls)) == (True, first.record_id, 1)


def test_cases_at_once_each_read_for_themselves(ws: ans.Workspace) -> None:
    """What one principal may see is never given to another from a cache."""
    calls: list[Any] = []
    source = counted(calls)
    asked = decision(source, lambda case: HIGH if case.read(source, id=case.input.customer_id) else LOW)

    given = [{"number": str(n), "customer_id": str(n)} for n in range(20)]
    outcomes = list(ws.decide_many(asked, given))

    assert sorted(calls) == sorted(str(n) for n in range(20))
    assert [recorded(ws, o)[0]["subjects"] for o in outcomes] == [[str(n)] for n in range(20)]


# -- async ---------------------------------------------------------------------------------------------


def test_async_deciders_await_a_read(ws: ans.Workspace) -> None:
    """The loop goes on meanwhile; in `decide` and in `adecide`, and with the blocking form too."""
    calls: list[Any] = []
    source = counted(calls)

    async def look(case: ans.Case[Any]) -> Route:
        rows = await asyncio.gather(case.aread(source, id="7"), case.aread(source, id="8"))
        assert [row[0].id for row in rows] == ["7", "8"]
        assert case.read(source, id="7")[0].id == "7"
        return HIGH

    asked = decision(source, ans.model(look, version="1"))
    blocking = ws.decide(asked, {"number": "1"})
    awaited = asyncio.run(ws.adecide(asked, {"number": "2"}))

    assert (blocking.output, awaited.output) == (HIGH, HIGH)
    assert sorted(calls) == ["7", "7", "8", "8"]


# -- faults --------------------------------------------------------------------------------------------


def test_a_source_that_fails_is_a_fault_and_the_next_decider_answers(ws: ans.Workspace) -> None:
    """`degraded` says so, an operator is told, and no text of the exception is kept: it may be personal."""

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        raise ConnectionError("ada@example.org password=hunter2")

    outcome = ws.decide(decision(customers, reading(customers, [])), {"number": "1"})

    assert (outcome.output, outcome.degraded) == (LOW, "fault:source")
    (told,) = recorded(ws, outcome)
    assert (told["result"], told["reason"]) == ("failed", "crm: its function raised ConnectionError")
    assert outcome.attempts[0].reason == told["reason"]
    (alert,) = ws.records(kinds=("alert",))
    assert "hunter2" not in str(ws.why(outcome.record_id).data) + str(alert)


def test_a_read_that_takes_too_long_is_abandoned_at_the_deciders_time(ws: ans.Workspace) -> None:
    """Also where a rule runs on the caller's own thread; the default answers in the time that is left."""
    free = threading.Event()

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        free.wait(5)
        return [ADA]

    outcome = ws.decide(decision(customers, reading(customers, [])), {"number": "1"}, deadline=0.2)
    free.set()

    assert (outcome.output, outcome.degraded) == (LOW, "fault:source")
    (told,) = recorded(ws, outcome)
    assert told["reason"] == "crm: it did not answer in time"


def test_after_a_failed_read_the_next_decider_may_try_again(ws: ans.Workspace) -> None:
    """Only what was read is kept for the case; each try is recorded."""
    calls: list[Any] = []

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError
        return [ADA]

    asked = decision(customers, reading(customers, []), ans.rule(reading(customers, []), name="second"))
    outcome = ws.decide(asked, {"number": "1"})

    assert outcome.output == HIGH
    assert [told["result"] for told in recorded(ws, outcome)] == ["failed", "read"]


def test_a_case_that_has_ended_gives_nothing_more(ws: ans.Workspace) -> None:
    """What is not in the record is not read: an abandoned decider gets an error instead of rows."""
    kept: list[ans.Case[Any]] = []
    calls: list[Any] = []
    source = counted(calls)

    def look(case: ans.Case[Any]) -> Route:
        kept.append(case)
        return HIGH

    ws.decide(decision(source, look), {"number": "1"})

    with pytest.raises(ans.UsageError, match="this case has ended"):
        kept[0].read(source)
    assert calls == []


def test_a_read_under_way_when_the_case_ends_is_recorded_as_such(ws: ans.Workspace) -> None:
    """Nobody can say afterwards that the source was not asked."""
    free, begun = threading.Event(), threading.Event()

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        begun.set()
        free.wait(5)
        return [ADA]

    async def look(case: ans.Case[Any]) -> Route:
        asyncio.ensure_future(case.aread(customers))  # noqa: RUF006 - nobody waits for it
        while not begun.is_set():
            await asyncio.sleep(0.001)
        return HIGH

    outcome = ws.decide(decision(customers, ans.model(look, version="1")), {"number": "1"})
    free.set()

    assert outcome.output == HIGH
    (told,) = recorded(ws, outcome)
    assert (told["result"], told["count"]) == ("unfinished", 0)


def test_a_case_reads_no_more_than_a_record_holds(ws: ans.Workspace) -> None:
    """A read that is too large fails before anybody gets a row of it."""

    @ans.source("crm", Customer, **SAID)
    def customers() -> list[Any]:
        return [ADA | {"id": str(n), "region": "x" * 20_000} for n in range(500)]

    outcome = ws.decide(decision(customers, reading(customers, [])), {"number": "1"})

    assert (outcome.output, outcome.degraded) == (LOW, "fault:source")
    assert "more than 8,388,608 bytes" in outcome.attempts[0].reason


def test_a_case_reads_only_so_often(ws: ans.Workspace) -> None:
    """A tool that asks for ever ends as a fault, and what it read until then is recorded."""
    source = counted([])

    def look(case: ans.Case[Any]) -> Route:
        for number in range(10_000):
            case.read(source, id=str(number))
        return HIGH

    outcome = ws.decide(decision(source, look, deadline=60), {"number": "1"})

    assert outcome.degraded == "fault:source"
    assert "more than 500 times" in outcome.attempts[0].reason
    assert len(recorded(ws, outcome)) == 500


# -- fresh ---------------------------------------------------------------------------------------------


class Stamped(Customer):
    updated: datetime | None = None


def stamped(*ages: timedelta | None, **said: Any) -> ans.Source[Stamped]:
    """Return a source with rows of these ages that may be a day old."""

    @ans.source("crm", Stamped, **(SAID | {"freshness": "1d", "as_of": "updated"} | said))
    def customers() -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        return [ADA | {"updated": None if age is None else now - age} for age in ages]

    return customers


HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


@pytest.mark.parametrize(
    ("ages", "stale"),
    [((HOUR,), False), ((HOUR, WEEK), True), ((HOUR, None), True), ((-HOUR,), False), ((), False)],
)
def test_data_is_as_old_as_its_oldest_row(ws: ans.Workspace, ages: Any, stale: bool) -> None:
    """A row without a time may be of any age; no row is never too old."""
    source = stamped(*ages)

    outcome = ws.decide(decision(source, reading(source, [])), {"number": "1"})

    (told,) = recorded(ws, outcome)
    assert (outcome.output, told.get("stale", False)) == (HIGH, stale)
    assert ("as_of" in told) is any(age is not None for age in ages)


def test_stale_data_is_not_given_where_the_source_refuses_it(ws: ans.Workspace) -> None:
    """It is a fault of the source: the next decider answers."""
    source = stamped(WEEK, stale="refuse")
    got: list[Any] = []

    outcome = ws.decide(decision(source, reading(source, got)), {"number": "1"})

    assert (got, outcome.output, outcome.degraded) == ([], LOW, "fault:source")
    assert "too old" in outcome.attempts[0].reason


def test_a_file_is_as_old_as_its_last_change(ws: ans.Workspace, tmp_path: Path) -> None:
    """It needs no column for that; a function may tell the time too."""
    import os

    source = crm("file", tmp_path, freshness="1d", stale="refuse")
    week_ago = time.time() - 7 * 86_400
    assert ws.decide(decision(source, reading(source, [])), {"number": "1"}).output == HIGH
    os.utime(tmp_path / "crm.csv", (week_ago, week_ago))
    told = ans.source("crm", Customer, **SAID, freshness="1d", as_of=lambda: datetime.now(UTC) - WEEK)
    loaded = told(lambda: [ADA])

    old = ws.decide(decision(source, reading(source, [])), {"number": "2"})
    by_function = ws.decide(decision(loaded, reading(loaded, []), name="other"), {"number": "1"})

    assert old.degraded == "fault:source"
    assert recorded(ws, by_function)[0]["stale"] is True


# -- seen by checks ------------------------------------------------------------------------------------


def test_case_reads_tells_what_was_read(ws: ans.Workspace) -> None:
    """Checks and later deciders see every read of the case, with the persons in it."""
    source = counted([])
    seen: list[Any] = []

    def look(case: ans.Case[Any], answer: ans.Answer[Any]) -> None:
        seen.extend(case.reads)

    ws.decide(decision(source, reading(source, [], id="8"), checks=[look]), Ticket(number="1"))

    (read,) = seen
    assert (read.source, read.subjects, read.rows[0]["id"], read.result) == ("crm", ("8",), "8", "read")


class Quoted(Route):
    note: ans.Cited[str] | None = None


def test_numbers_and_quotes_may_stand_in_what_was_read(ws: ans.Workspace) -> None:
    """An answer is grounded by the input and by the reads of its case, and by nothing else."""
    source = counted([])

    def answers(quote: str, amount: float, *, reads: bool) -> Any:
        def look(case: ans.Case[Any]) -> Quoted:
            if reads:
                case.read(source)
            note = ans.Cited[str](value="where", quotes=[quote], sources=["crm"] if reads else [])
            return Quoted(urgency="high", amount=amount, note=note)

        return look

    checks = [ans.quotes_stand, ans.numbers_stand("amount")]
    statuses = []
    for number, look in enumerate(
        [
            answers("north", 3, reads=True),
            answers("south", 3, reads=True),
            answers("north", 4, reads=True),
            answers("north", 3, reads=False),
        ]
    ):
        asked = decision(
            source, look, checks=checks, output=Quoted, default=Quoted(urgency="low"), name=f"route-{number}"
        )
        statuses.append(ws.decide(asked, {"number": "T-1"}).status == "answered")

    assert statuses == [True, False, False, False]
