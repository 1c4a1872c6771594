"""An alert that is over: told once, by whoever raised it or saw it; the next one is told anew."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import answerable as ans
from answerable import alerting
from answerable.alerting import alerts, recall_alerts, resolve_alert, undelivered
from answerable.breakers import Change
from answerable.callers import step
from answerable.counters import Counters
from answerable.encoding import MICRO
from answerable.errors import LedgerUnavailable
from answerable.ledger.entry import Receipt, Unit
from answerable.watch import Watch
from failures.test_alerting import QUOTA, alerts_pass, entries, forget, hooked, join, tell
from waiting import until
from webhooks import Receiver, receiving
from workspaces import KINDS, memory, on_each_journal, standing_clock

any_ws = pytest.fixture(params=KINDS, name="any_ws")(on_each_journal)
ws = pytest.fixture(name="ws")(memory)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes everything."""
    with receiving() as made:
        yield made


def end(ws: ans.Workspace, key: str = QUOTA.key, **more: Any) -> bool:
    """End an alert as a blocking caller does."""

    async def submit(unit: Unit) -> Receipt:
        return ws.journal.submit(unit)

    return step(resolve_alert(ws.book, submit, key, **more))


def test_an_alert_that_is_over_is_an_entry_and_a_line(
    any_ws: ans.Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """With what it was about and why it is over; how often it came up stays known."""
    clock = standing_clock(any_ws)
    tell(any_ws)
    forget(any_ws)
    tell(any_ws)
    raised = entries(any_ws)[0]
    clock.at += MICRO
    caplog.clear()

    with caplog.at_level(logging.INFO, logger="answerable.alerts"):
        over = [end(any_ws, what="calls succeed again"), end(any_ws)]

    assert over == [True, False]
    resolved, _ = entries(any_ws)
    assert (resolved["status"], resolved["fault"], resolved["parent"]) == (
        "resolved",
        "quota",
        raised["record_id"],
    )
    (row,) = alerts(any_ws.journal)
    assert (row.status, row.times, row.last, row.delivered) == ("resolved", 2, clock.at, None)
    assert (row.alert.what, row.alert.next_step) == ("p m: no credit", "nothing: calls succeed again")
    (line,) = caplog.records
    assert (line.levelname, line.message) == ("INFO", "resolved: p m: no credit; calls succeed again")
    assert any_ws.ledger.verify().ok


def test_the_next_one_after_that_is_told_anew_at_once(any_ws: ans.Workspace) -> None:
    """Also within the minute in which a process counts by itself."""
    tell(any_ws)
    end(any_ws)

    anew, repeated = tell(any_ws), tell(any_ws)

    assert (anew, repeated) == (True, False)
    (row,) = alerts(any_ws.journal)
    assert (row.status, row.times) == ("raised", 1)
    assert [entry["status"] for entry in reversed(entries(any_ws))] == ["raised", "resolved", "raised"]
    assert end(any_ws)


def test_another_process_tells_it_anew_after_its_minute(any_ws: ans.Workspace) -> None:
    """Until then it only counts, as it does for every repetition."""
    clock = standing_clock(any_ws)
    tell(any_ws)
    other = alerting._MEMORIES.pop(any_ws.book)
    tell(any_ws)
    end(any_ws)

    alerting._MEMORIES[any_ws.book] = other
    within = tell(any_ws)
    clock.at += 61 * MICRO

    assert (within, tell(any_ws)) == (False, True)


def test_what_this_process_never_saw_costs_no_read(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked after every call that went well."""
    tell(ws)
    end(ws)

    def never(*_: Any) -> Any:
        raise AssertionError("the database was read")

    monkeypatch.setattr(ws.book.journal, "rows", never)

    assert not end(ws)
    assert not end(ws, "auth:p m")


def test_a_process_that_saw_a_repetition_ends_what_another_raised(any_ws: ans.Workspace) -> None:
    """And one that has just begun, if it recalls what stands."""
    tell(any_ws)
    forget(any_ws)
    assert not end(any_ws)
    tell(any_ws)
    seen = end(any_ws)

    tell(any_ws)
    forget(any_ws)
    recalled = recall_alerts(any_ws.book)

    assert (seen, recalled, end(any_ws)) == (True, 1, True)
    assert recall_alerts(any_ws.book) == 0


def test_fifty_threads_end_it_once(any_ws: ans.Workspace) -> None:
    """One of them says so."""
    tell(any_ws)
    together = threading.Barrier(50)

    def one(_: int) -> bool:
        together.wait()
        return end(any_ws)

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(one, range(50)))

    assert sum(told) == 1
    assert len(entries(any_ws)) == 2


def test_what_could_not_be_recorded_as_over_still_stands(ws: ans.Workspace) -> None:
    """The next success ends it."""
    tell(ws)

    async def fails(unit: Unit) -> Receipt:
        raise LedgerUnavailable("the disk is full", next_step="make room")

    with pytest.raises(LedgerUnavailable):
        step(resolve_alert(ws.book, fails, QUOTA.key))

    assert end(ws)


def test_what_another_one_ended_in_this_moment_is_told_anew(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repetition is not counted for what is over."""
    tell(ws)
    forget(ws)
    rows = ws.journal.rows

    def then_over(statement: Any, params: Any) -> Any:
        found = rows(statement, params)
        monkeypatch.setattr(ws.book.journal, "rows", rows)
        alerting._MEMORIES[ws.book][QUOTA.key].standing = True
        end(ws)
        return found

    monkeypatch.setattr(ws.book.journal, "rows", then_over)

    assert tell(ws)
    assert len(entries(ws)) == 3


def test_the_webhook_hears_that_it_is_over(any_ws: ans.Workspace, receiver: Receiver) -> None:
    """From the process that saw it, or from the worker; with an id of its own."""
    home = hooked(any_ws, receiver.url)
    tell(any_ws, home=home)
    join("answerable-alert")
    receiver.status = 500
    end(any_ws, home=home, what="calls succeed again")
    join("answerable-alert")
    receiver.status = 200

    assert alerts_pass(any_ws).done == 1

    first, failed, last = [json.loads(body) for _, _, body in receiver.got]
    assert (first["status"], last["status"]) == ("raised", "resolved")
    assert failed == last
    assert last | {"status": "raised", "next_step": "pay the bill"} == first
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 2


def test_what_another_process_raised_is_ended_by_one_that_looks(any_ws: ans.Workspace) -> None:
    """A breaker may close in another process than the one whose call opened it, even after it closed here."""
    tell(any_ws)
    end(any_ws)
    here = alerting._MEMORIES.pop(any_ws.book)
    tell(any_ws)
    alerting._MEMORIES[any_ws.book] = here
    assert not end(any_ws)
    seen_once = end(any_ws, look=True)

    tell(any_ws)
    forget(any_ws)

    assert (seen_once, end(any_ws, look=True), end(any_ws, look=True)) == (True, True, False)
    assert tell(any_ws)


def test_a_breaker_that_closes_in_another_process_ends_its_alert(any_ws: ans.Workspace) -> None:
    """Else the next outage would only be counted, and told to nobody."""
    tell(any_ws, replace(QUOTA, key="breaker:p m"))
    forget(any_ws)

    async def submit(unit: Unit) -> Receipt:
        return any_ws.journal.submit(unit)

    watch = Watch(submit=submit, book=any_ws.book, counters=Counters(), home=any_ws.home)
    closed = Change(event="closed", provider="p", model="m", what="a probe succeeded", fault="timeout")
    account: Any = None  # who called does not matter
    step(watch.changed(account, closed, told=False))

    assert [row.status for row in alerts(any_ws.journal)] == ["resolved"]
    assert tell(any_ws, replace(QUOTA, key="breaker:p m"))


def test_a_webhook_that_hangs_costs_one_thread(
    ws: ans.Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many alerts there are; so many wait for it, and what does not fit is left for the worker."""
    monkeypatch.setattr(alerting, "_QUEUED", 3)
    home, go_on, posted = hooked(ws, receiver.url), threading.Event(), alerting.post

    def hangs(*given: Any, **more: Any) -> None:
        go_on.wait(30)
        posted(*given, **more)

    monkeypatch.setattr(alerting, "post", hangs)
    for n in range(10):
        tell(ws, replace(QUOTA, key=f"k{n}"), home=home)

    threads = [thread for thread in threading.enumerate() if thread.name == "answerable-alert"]
    go_on.set()
    join("answerable-alert")

    assert len(threads) == 1
    assert not threads[0].is_alive()  # it ends when nothing waits
    sent = [json.loads(body)["key"] for _, _, body in receiver.got]
    assert sent[:3] == ["k0", "k1", "k2"] and len(sent) in (3, 4)  # the first may be under way already
    assert alerts_pass(ws).done == 10 - len(sent)
    tell(ws, home=home)  # the next is sent at once again
    join("answerable-alert")
    assert len(receiver.got) == 11


def test_where_nobody_replies_what_waits_is_left_for_the_worker(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else each of them would wait as long, one after the other."""
    go_on, posted, tries = threading.Event(), alerting.post, []

    def waits(*given: Any, **more: Any) -> None:
        tries.append(1)
        go_on.wait(30)
        posted(*given, **more)

    monkeypatch.setattr(alerting, "post", waits)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: nobody else gets the port meanwhile
        home = hooked(ws, f"http://127.0.0.1:{taken.getsockname()[1]}")
        for n in range(3):
            tell(ws, replace(QUOTA, key=f"k{n}"), home=home)
        until(lambda: tries)
        go_on.set()
        join("answerable-alert")

    assert len(tries) == 1
    assert len(undelivered(ws.journal, ws.clock)) == 3
    assert "waits (and 2 more) for `answerable work`" in caplog.messages[-1]
