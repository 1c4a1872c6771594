"""Nobody waits for ever: not after Ctrl-C, wherever it strikes, and not for a process that stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from answerable.errors import LedgerUnavailable
from answerable.ledger import group_commit
from answerable.ledger.entry import Receipt
from answerable.ledger.journal_sqlite import SqliteJournal
from answerable.ledger.turns import Turn
from answerable.ledger.uninterrupted import Uninterrupted
from journals import HOME, TestSigner, audit, one
from waiting import until

STORM = """
import os, random, signal, sys, threading, time
from pathlib import Path
from answerable.ledger.journal_sqlite import SqliteJournal
from journals import HOME, TestSigner, audit, one

journal = SqliteJournal(Path(sys.argv[1]), home=HOME, signer=TestSigner(), create=True)
told, came, stop = [], 0, False

def submit():
    unit = one()
    journal.submit(unit)
    told.append(unit.entries[0].id)

def others():
    while not stop:
        submit()

strike = threading.Semaphore(0)

def striking():
    while True:
        strike.acquire()
        time.sleep(random.uniform(0.0, 0.0015))
        os.kill(os.getpid(), signal.SIGINT)

threads = [threading.Thread(target=others, daemon=True) for _ in range(int(sys.argv[2]))]
for thread in [*threads, threading.Thread(target=striking, daemon=True)]:
    thread.start()
for _ in range(int(sys.argv[3])):
    try:
        strike.release()
        while True:
            submit()
    except KeyboardInterrupt:
        came += 1
stop = True
for thread in threads:
    thread.join(10)
    assert not thread.is_alive(), "a caller waits for ever"
submit()
journal.close()
again = SqliteJournal(Path(sys.argv[1]), home=HOME, signer=TestSigner())
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert set(told) <= set(audit(again)), "an acknowledged entry is missing"
print("well", flush=True)
os._exit(0)
"""

HOLD = """
import sys
from pathlib import Path
from answerable.ledger.turns import Turn
with Turn(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def python(code: str, *arguments: Any) -> subprocess.Popen[str]:
    """Start a process that runs `code`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """An empty journal."""
    made = SqliteJournal(tmp_path / "journal.db", home=HOME, signer=TestSigner(), create=True)
    yield made
    made.close()


def in_a_thread(journal: SqliteJournal) -> list[Receipt]:
    """Submit a unit from another thread, which may take 5 seconds."""
    got: list[Receipt] = []
    thread = threading.Thread(target=lambda: got.append(journal.submit(one())), daemon=True)
    thread.start()
    thread.join(5)
    return got


@pytest.mark.parametrize("name", ["_tell", "_appoint", "_commit"])
def test_the_lead_goes_on_after_an_interrupt(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """While it commits, tells the others or appoints the next: the next caller is served."""
    where: Any = group_commit if name == "_tell" else journal._group
    real, once = getattr(where, name), [1]

    def struck(*arguments: Any) -> Any:
        if once and (name != "_appoint" or journal._group._led):
            once.pop()
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(where, name, struck)

    with pytest.raises(KeyboardInterrupt):
        journal.submit(one())

    assert len(in_a_thread(journal)) == 1
    assert journal.submit(one()).indexes == (len(audit(journal)) - 1,)


def test_ctrl_c_waits_for_the_commit_and_then_takes_effect(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is durable; the handler stays the program's own."""
    real = journal._group._commit

    def struck(units: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(units)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(journal._group, "_commit", struck)

    with pytest.raises(KeyboardInterrupt):
        journal.submit(one())

    assert len(audit(journal)) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_a_commit_that_hangs(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it comes through at once."""
    monkeypatch.setattr(group_commit, "PATIENCE", 0.0)
    real = journal._group._commit

    def hangs(units: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    monkeypatch.setattr(journal._group, "_commit", hangs)

    with pytest.raises(KeyboardInterrupt):
        journal.submit(one())

    monkeypatch.setattr(journal._group, "_commit", real)
    assert len(in_a_thread(journal)) == 1


def test_ctrl_c_comes_through_while_others_commit(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits in the queue may leave it at once; the unit is taken back."""
    real, began, go = journal._group._commit, threading.Event(), threading.Event()

    def slow(units: Any) -> Any:
        began.set()
        assert go.wait(60)
        return real(units)

    monkeypatch.setattr(journal._group, "_commit", slow)
    leader = threading.Thread(target=lambda: journal.submit(one()))
    leader.start()
    assert began.wait(60)

    def strike() -> None:
        until(lambda: journal._group._queue)
        os.kill(os.getpid(), signal.SIGINT)

    striker = threading.Thread(target=strike)
    striker.start()

    with pytest.raises(KeyboardInterrupt):
        journal.submit(one())

    striker.join()
    go.set()
    leader.join(60)
    assert len(audit(journal)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no alarm on Windows")
@pytest.mark.parametrize("others", [0, 2])
def test_a_storm_of_interrupts(tmp_path: Path, others: int) -> None:
    """Hundreds of them at random moments: all that was acknowledged is there, and work goes on."""
    process = python(STORM, tmp_path / "journal.db", others, 600)

    try:
        out, _ = process.communicate(timeout=200)
    finally:
        process.kill()  # a storm that goes on would slow everything after it
        process.communicate()

    assert out.strip() == "well"  # and nobody else was told of an error


def test_signals_are_held_back_only_inside() -> None:
    """The handler that is put back is the one that was there, also when the body raises."""
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), Uninterrupted():
        signal.raise_signal(signal.SIGINT)
        reached = True

    assert reached
    with pytest.raises(ValueError), Uninterrupted():
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_that_holds_the_lock_is_not_waited_for_without_limit(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    """As one that was stopped; the error names it, and later all is well."""
    journal._turn._wait = 0.3
    with python(HOLD, tmp_path / "journal.lock") as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        start = time.monotonic()

        with pytest.raises(LedgerUnavailable, match=r"another process.* holds the lock") as caught:
            journal.submit(one())

        assert time.monotonic() - start < 9  # without the limit of this test it would be ten
        if sys.platform == "linux":
            assert f"pid {holder.pid}" in caught.value.what
        holder.communicate()

    assert journal.submit(one()) == Receipt((0,))


def test_a_turn_that_could_not_be_had_is_not_kept(tmp_path: Path) -> None:
    """Neither among the threads of this process nor on the file."""
    first, second = Turn(tmp_path / "lock"), Turn(tmp_path / "lock", wait=0.05)
    with first, pytest.raises(TimeoutError), second:
        pass

    with second:
        pass
    with first:
        pass
    first.close()
    second.close()
