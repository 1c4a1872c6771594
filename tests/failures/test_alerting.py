"""Alerts: once per cause, whoever raises them; in the ledger, in the log, and at the webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable import alerting
from answerable.alerting import alerts, deliver, deliver_soon, raise_alert, undelivered
from answerable.callers import step
from answerable.encoding import MICRO
from answerable.errors import HomeError, LedgerUnavailable
from answerable.failures.alert import Alert
from answerable.home import Home, open_home, write_home
from answerable.integrations.webhook import NotDelivered
from answerable.ledger.entry import Conflict, Receipt, Unit, Write
from answerable.state.roles import FENCE
from answerable.upkeep import work as working
from answerable.upkeep.work import work
from webhooks import Receiver, receiving
from workspaces import KINDS, ROUTE, on_each_journal, standing_clock

any_ws = pytest.fixture(params=KINDS, name="any_ws")(on_each_journal)
QUOTA = Alert(
    key="quota:p m", what="p m: no credit", next_step="pay the bill", decision="route", category="quota"
)
DAY = 24 * 3600 * MICRO


@pytest.fixture
def ws() -> Iterator[ans.Workspace]:
    """A workspace in memory."""
    with ans.Workspace("memory:") as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes everything."""
    with receiving() as made:
        yield made


def tell(ws: ans.Workspace, alert: Alert = QUOTA, **more: Any) -> bool:
    """Raise an alert as a blocking caller does."""

    async def submit(unit: Unit) -> Receipt:
        return ws.journal.submit(unit)

    return step(raise_alert(ws.book, submit, alert, **more))


def entries(ws: ans.Workspace) -> list[Any]:
    return ws.records(kinds=("alert",), limit=None)


def forget(ws: ans.Workspace) -> None:
    """Let this process know nothing, as one that has just begun."""
    alerting._MEMORIES.pop(ws.book, None)


# -- once per cause ----------------------------------------------------------------------------------


def test_the_first_of_a_key_is_an_entry_a_row_and_a_warning(
    any_ws: ans.Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """With what happened and what to do, and the case it came up in."""
    record = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"}).record_id
    case_id = any_ws.find(record)

    with caplog.at_level(logging.WARNING, logger="answerable.alerts"):
        new = tell(any_ws, record=case_id)

    (entry,) = entries(any_ws)
    assert new
    assert (entry["status"], entry["decision"], entry["fault"]) == ("raised", "route", "quota")
    assert entry["case_id"] == record
    stored = any_ws.ledger.get(any_ws.book.children(case_id)[0][0])
    assert stored is not None
    assert any_ws.ledger.body(stored, "detail") == {
        "key": "quota:p m",
        "what": "p m: no credit",
        "next_step": "pay the bill",
    }
    (row,) = alerts(any_ws.journal)
    assert (row.alert, row.record, row.times, row.delivered) == (QUOTA, record, 1, None)
    assert caplog.messages == [f"p m: no credit; next: pay the bill (record {record})"]
    assert any_ws.ledger.verify().ok


def test_the_story_of_the_case_tells_the_alert(any_ws: ans.Workspace) -> None:
    """It is linked to its record."""
    record = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"}).record_id
    tell(any_ws, record=any_ws.find(record))

    why = any_ws.why(record)

    assert "an operator was told: p m: no credit; next: pay the bill" in why.text("operator")
    assert why.data["messages"] == {"person": why.message("person"), "operator": why.message("operator")}
    assert record in why.message()


def test_a_repetition_only_counts(any_ws: ans.Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """By this process and by others; the log stays silent."""
    tell(any_ws)
    caplog.clear()

    repeated = [tell(any_ws), tell(any_ws)]
    forget(any_ws)  # another process
    repeated.append(tell(any_ws))

    assert repeated == [False, False, False]
    assert len(entries(any_ws)) == 1
    assert alerts(any_ws.journal)[0].times == 2  # two more are counted in the process that forgot them
    assert caplog.messages == []


def test_repetitions_within_a_minute_touch_no_database_and_are_counted_later(ws: ans.Workspace) -> None:
    """The next repetition after the minute brings them along."""
    clock = standing_clock(ws)
    tell(ws)
    reads, rows = [], ws.journal.rows
    ws.book.journal.rows = lambda *a: reads.append(a) or rows(*a)  # type: ignore[method-assign,func-returns-value]

    for _ in range(100):
        clock.at += MICRO // 2
        tell(ws)
    assert reads == []
    clock.at += 30 * MICRO
    tell(ws)

    assert len(reads) == 1
    (row,) = alerts(ws.journal)
    assert (row.times, row.last) == (102, clock.at)


def test_after_a_day_of_silence_it_is_told_anew(any_ws: ans.Workspace) -> None:
    """Not after a day of repetitions: somebody knows of those."""
    clock = standing_clock(any_ws)
    tell(any_ws)
    clock.at += DAY - MICRO
    again = tell(any_ws)
    clock.at += DAY - MICRO
    still = tell(any_ws)
    clock.at += DAY

    anew = tell(any_ws)

    assert (again, still, anew) == (False, False, True)
    (row,) = alerts(any_ws.journal)
    assert (row.times, row.first) == (1, clock.at)
    assert len(entries(any_ws)) == 2


def test_a_process_remembers_so_many_keys_and_no_more(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond them the database counts; what is over a minute old makes room."""
    monkeypatch.setattr(alerting, "_KEYS", 2)
    clock = standing_clock(ws)
    for n in (1, 2, 3):
        tell(ws, replace(QUOTA, key=f"k{n}"))
        tell(ws, replace(QUOTA, key=f"k{n}"))
    assert list(alerting._MEMORIES[ws.book]) == ["k1", "k2"]
    assert [row.times for row in alerts(ws.journal)] == [1, 1, 2]

    clock.at += 61 * MICRO
    tell(ws, replace(QUOTA, key="k4"))

    assert list(alerting._MEMORIES[ws.book]) == ["k4"]


def test_the_log_gets_one_line(ws: ans.Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """What a provider says cannot forge a second one."""
    tell(ws, replace(QUOTA, what="no credit\n2026-01-01 ALL IS WELL\x1b[2J"))

    assert caplog.messages[0].isprintable()


def test_alerts_of_other_keys_are_others(ws: ans.Workspace) -> None:
    """One key, one cause."""
    assert tell(ws)
    assert tell(ws, replace(QUOTA, key="quota:q m"))
    assert [row.alert.key for row in alerts(ws.journal)] == ["quota:p m", "quota:q m"]


def test_fifty_threads_make_one_entry(any_ws: ans.Workspace) -> None:
    """Each of them is told whether it was the first."""
    together = threading.Barrier(50)

    def one(_: int) -> bool:
        together.wait()
        return tell(any_ws)

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(one, range(50)))

    assert sum(told) == 1
    assert len(entries(any_ws)) == 1


def test_fifty_threads_that_know_nothing_of_each_other_make_one_entry(
    any_ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the memory of the process it is the database that decides, and every one is counted."""
    monkeypatch.setattr(alerting, "_turn", lambda book, key: (alerting._Known(0.0), 0))
    together = threading.Barrier(50)

    def one(_: int) -> bool:
        together.wait()
        return tell(any_ws)

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(one, range(50)))

    assert sum(told) == 1
    assert len(entries(any_ws)) == 1
    assert alerts(any_ws.journal)[0].times == 50


@pytest.mark.parametrize("remembers", [True, False])
def test_fifty_tasks_make_one_entry(
    any_ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch, remembers: bool
) -> None:
    """On an event loop it awaits the journal."""
    if not remembers:
        monkeypatch.setattr(alerting, "_turn", lambda book, key: (alerting._Known(0.0), 0))

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(
            *(raise_alert(any_ws.book, any_ws.journal.enqueue, QUOTA) for _ in range(50))
        )

    assert sum(asyncio.run(all_at_once())) == 1
    assert len(entries(any_ws)) == 1


RIVAL = """
import sys
sys.path[:0] = {path}
import answerable as ans
from failures.test_alerting import tell
with ans.Workspace(sys.argv[1]) as ws:
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum(tell(ws) for _ in range(25)), flush=True)
"""


def test_two_processes_make_one_entry(tmp_path: Path) -> None:
    """They share nothing but the home."""
    with ans.Workspace(tmp_path / "home") as ws:
        code = RIVAL.format(path=[str(Path(__file__).parent.parent)])
        command = [sys.executable, "-c", code, str(ws.home.folder)]
        rivals = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert [rival.stdout.readline() for rival in rivals if rival.stdout] == ["ready\n"] * 2
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write("\n")
            rival.stdin.flush()
        told = [int(rival.communicate(timeout=200)[0]) for rival in rivals]

        assert sum(told) == 1
        assert len(entries(ws)) == 1
        assert alerts(ws.journal)[0].times == 2  # the rest was counted by each for itself


def test_what_could_not_be_recorded_is_told_by_the_next(
    ws: ans.Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """The process does not remember what nobody was told."""

    async def fails(unit: Unit) -> Receipt:
        raise LedgerUnavailable("the disk is full", next_step="make room")

    with pytest.raises(LedgerUnavailable):
        step(raise_alert(ws.book, fails, QUOTA))
    assert caplog.messages == []

    assert tell(ws)


# -- the webhook -------------------------------------------------------------------------------------

KEY = b"0123456789abcdef0123456789abcdef"


def hooked(ws: ans.Workspace, url: str, secret: str | None = None) -> Home:
    """Give the workspace's home a webhook."""
    ws.home = replace(ws.home, webhook=url, webhook_secret=secret)
    return ws.home


def test_an_alert_reaches_the_webhook_from_the_process_that_raises_it(
    any_ws: ans.Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon after it is durable: signed, and marked as delivered."""
    monkeypatch.setenv("HOOK_KEY", "whsec_" + base64.b64encode(KEY).decode())
    home = hooked(any_ws, f"{receiver.url}/hook", "env:HOOK_KEY")
    record = any_ws.decide(ROUTE, {"number": "1", "body": "hacked"}).record_id

    tell(any_ws, record=any_ws.find(record), home=home)
    join("answerable-alert")

    ((_, headers, body),) = receiver.got
    (row,) = alerts(any_ws.journal)
    assert json.loads(body) == {
        "type": "alert",
        "status": "raised",
        "key": "quota:p m",
        "what": "p m: no credit",
        "next_step": "pay the bill",
        "decision": "route",
        "category": "quota",
        "record_id": record,
        "home": home.origin,
        "first": any_ws.why(record).data["links"][0]["at"],
        "times": 1,
    }
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{made}"
    assert row.delivered is not None
    assert undelivered(any_ws.journal, any_ws.clock) == []


def join(name: str) -> None:
    """Wait for the threads of that name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(5)


def test_nothing_is_sent_where_there_is_no_webhook(ws: ans.Workspace) -> None:
    """No thread either."""
    tell(ws)

    (row,) = alerts(ws.journal)
    assert deliver_soon(ws.journal, ws.clock, ws.home, row) is None
    assert alerts_pass(ws).told == "idle"


def alerts_pass(ws: ans.Workspace) -> working.Pass:
    return next(one for one in work(ws, once=True) if one.role == "alerts")


def test_the_worker_sends_what_nobody_could_the_oldest_first(
    any_ws: ans.Workspace, receiver: Receiver
) -> None:
    """And each of them once."""
    clock = standing_clock(any_ws)
    for n in (1, 2, 3):
        clock.at += MICRO
        tell(any_ws, replace(QUOTA, key=f"k{n}"))
    hooked(any_ws, receiver.url)

    done, again = alerts_pass(any_ws), alerts_pass(any_ws)

    assert (done.told, done.done, done.note) == ("ran", 3, "3 alerts sent")
    assert again.told == "idle"
    assert [json.loads(body)["key"] for _, _, body in receiver.got] == ["k1", "k2", "k3"]


def test_a_failing_webhook_is_tried_again_with_the_same_id(
    ws: ans.Workspace, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Its receiver can tell a repetition; the log does not show its address."""
    receiver.status = 500
    home = hooked(ws, f"{receiver.url}/very-secret")
    tell(ws, home=home)
    join("answerable-alert")
    assert "replied 500" in caplog.messages[-1]
    assert not any("very-secret" in line for line in caplog.messages)

    failed = alerts_pass(ws)
    receiver.status = 200
    done = alerts_pass(ws)

    assert failed.told == "failed"
    assert "replied 500" in failed.note
    assert "very-secret" not in failed.note
    assert (done.told, done.done) == ("ran", 1)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_one_alert_that_is_not_taken_does_not_stop_the_others(ws: ans.Workspace, receiver: Receiver) -> None:
    """A webhook that replies at all is asked for each."""
    for n in (1, 2):
        tell(ws, replace(QUOTA, key=f"k{n}"))
    home = hooked(ws, receiver.url)

    def first_fails() -> None:
        receiver.status = 200 if receiver.got else 400

    sent, note = deliver(ws.journal, ws.clock, home, between=first_fails)

    assert sent == 1
    assert note == "1 alerts sent, not all: the webhook at 127.0.0.1 replied 400"
    assert [row.alert.key for row in undelivered(ws.journal, ws.clock)] == ["k1"]


def test_where_nobody_replies_the_rest_waits_too(ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred timeouts would hold the worker up for minutes."""
    for n in range(3):
        tell(ws, replace(QUOTA, key=f"k{n}"))
    home, tries = hooked(ws, "http://127.0.0.1:9/"), []

    def silent(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise NotDelivered("no reply", next_step="wait")

    monkeypatch.setattr(alerting, "post", silent)

    with pytest.raises(NotDelivered):
        deliver(ws.journal, ws.clock, home)

    assert len(tries) == 1
    assert len(undelivered(ws.journal, ws.clock)) == 3


def test_the_worker_and_the_process_do_not_both_send(any_ws: ans.Workspace, receiver: Receiver) -> None:
    """Whoever claims it first sends it."""
    tell(any_ws)
    home = hooked(any_ws, receiver.url)
    (row,) = alerts(any_ws.journal)
    together = threading.Barrier(8)

    def one(_: int) -> bool:
        together.wait()
        return alerting._send(any_ws.journal, any_ws.clock, home, row)

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(one, range(8)))

    assert sum(sent) == 1
    assert len(receiver.got) == 1


def test_a_claim_whose_sender_died_is_taken_over_after_a_minute(
    ws: ans.Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: it may still be on its way."""
    clock = standing_clock(ws)
    tell(ws)
    home = hooked(ws, receiver.url)
    (row,) = alerts(ws.journal)
    claims = ws.journal.submit

    def dies(*_: Any, **__: Any) -> None:
        ws.book.journal.submit = lost  # type: ignore[method-assign]
        raise SystemExit

    def lost(unit: Unit) -> Receipt:
        raise LedgerUnavailable("the process is dead", next_step="")

    monkeypatch.setattr(alerting, "post", dies)
    with pytest.raises(SystemExit):
        alerting._send(ws.journal, clock, home, row)
    ws.book.journal.submit = claims  # type: ignore[method-assign]
    monkeypatch.undo()

    clock.at += 59 * MICRO
    early = deliver(ws.journal, clock, home)
    clock.at += MICRO
    late = deliver(ws.journal, clock, home)

    assert (early[0], late[0]) == (0, 1)
    assert len(receiver.got) == 1
    assert alerts(ws.journal)[0].delivered == clock.at


def test_an_alert_told_anew_meanwhile_is_not_marked_by_the_old_delivery(
    ws: ans.Workspace, receiver: Receiver
) -> None:
    """The new one is delivered by itself."""
    clock = standing_clock(ws)
    tell(ws)
    home = hooked(ws, receiver.url)
    (old,) = alerts(ws.journal)
    clock.at += 2 * DAY
    tell(ws)

    assert alerting._send(ws.journal, clock, home, old) is False

    assert len(undelivered(ws.journal, clock)) == 1


def test_a_worker_that_lost_its_role_sends_nothing(ws: ans.Workspace, receiver: Receiver) -> None:
    """Its fence fails with the claim."""
    tell(ws)
    home = hooked(ws, receiver.url)
    fence = [Write(FENCE, {"of_role": "alerts", "of_token": 7}, expect=1, clash="lease")]

    with pytest.raises(Conflict, match="lease"):
        deliver(ws.journal, ws.clock, home, fence=fence)

    assert receiver.got == []


def test_a_missing_variable_fails_the_role_and_not_the_alert(ws: ans.Workspace) -> None:
    """The error names the variable."""
    home = hooked(ws, "env:HOOK_THAT_IS_NOT_SET")

    assert tell(ws, home=home)

    assert "HOOK_THAT_IS_NOT_SET" in alerts_pass(ws).note


# -- home.toml ---------------------------------------------------------------------------------------


def test_home_toml_names_the_webhook_and_keeps_it(tmp_path: Path) -> None:
    """Also when it is written anew, as by an upgrade."""
    with ans.Workspace(tmp_path / "home"):
        pass
    path = tmp_path / "home" / "home.toml"
    assert "[alerts]" not in path.read_text()
    path.write_text(path.read_text() + '\n[alerts]\nwebhook = "https://host.example/x"\nsecret = "env:K"\n')

    home = open_home(tmp_path / "home")
    write_home(home)

    assert (home.webhook, home.webhook_secret) == ("https://host.example/x", "env:K")
    assert open_home(tmp_path / "home") == home
    assert home.webhook_url({}) == "https://host.example/x"
    assert home.webhook_key({"K": "whsec_x"}) == "whsec_x"


@pytest.mark.parametrize(
    "lines",
    [
        'webhook = "https://ann:very-secret@host.example/x"',
        'webhook = "https://very-secret@host.example/x"',
        'webhook = "https://host.example/x?password=very-secret"',
        'webhook = "ftp://very-secret"',
        'webhook = "https://[very-secret"',
        "webhook = 7",
        'webhook = "env:HOOK"\nsecret = "whsec_very-secret"',
        'secret = "env:K"',
        'webhok = "https://host.example/x"',
    ],
)
def test_a_webhook_that_would_show_a_password_or_makes_no_sense_is_refused(
    tmp_path: Path, lines: str
) -> None:
    """With a next step, and without the value."""
    with ans.Workspace(tmp_path / "home"):
        pass
    path = tmp_path / "home" / "home.toml"
    path.write_text(f"{path.read_text()}\n[alerts]\n{lines}\n")

    with pytest.raises(HomeError, match="alerts") as caught:
        ans.Workspace(tmp_path / "home")

    assert caught.value.next_step
    assert "very-secret" not in str(caught.value)
