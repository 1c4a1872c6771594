"""An erasure holds at any moment: beside other processes, after a crash, without keys, and in a restored backup."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import answerable as ans
from answerable.errors import HomeError
from answerable.governance.shredding import ERASURES, noted
from answerable.ledger.entry import Filter, Gone
from answerable.state import subjects as state
from answerable.upkeep.backup import backup
from answerable.upkeep.restore import restore
from answerable.upkeep.work import work
from persons import DECISION, body, decide, erase


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of an empty home on SQLite."""
    ans.Workspace(tmp_path / "home").close()
    return tmp_path / "home"


# -- at the same time, and after a crash ---------------------------------------------------------------


def test_another_process_that_knows_the_old_key_gets_a_new_one(home: Path) -> None:
    """What it sealed with a key that is gone is never recorded; it is sealed again."""
    with ans.Workspace(home) as one, ans.Workspace(home) as other:
        first = decide(one, 1, "ada")
        erase(other, "ada")

        second = decide(one, 2, "ada")

        assert isinstance(body(one, first), Gone)
        assert body(one, second)["number"] == body(other, second)["number"] == "T-2"
        assert one.ledger.verify().ok


def test_deciding_goes_on_while_a_person_is_erased(home: Path) -> None:
    """Every case is recorded, each is readable or erased, and none of those erased opens."""
    records: list[str] = []
    with ans.Workspace(home) as ws, ans.Workspace(home) as other:
        decide(ws, 0, "ada")
        stop = threading.Event()

        def go_on(number: int) -> None:
            while not stop.is_set():
                number += 10
                records.append(decide(ws, number, "ada"))

        threads = [threading.Thread(target=go_on, args=(n,)) for n in range(1, 4)]
        for thread in threads:
            thread.start()
        done = [erase(other, "ada") for _ in range(5) if _settled(other)]
        stop.set()
        for thread in threads:
            thread.join()

        gone = [r for r in records if isinstance(body(other, r), Gone)]
        assert sum(one.entries for one in done) == len(gone) + 1
        assert len(ws.ledger.latest(Filter(limit=None))) == len(records) + 1
        assert other.ledger.verify().ok


def _settled(ws: ans.Workspace) -> bool:
    """Wait until something about ada is recorded."""
    token = ws.book.vault.token("ada")
    while not ws.journal.rows(state.ENTRIES_OF, {"token": token}):
        pass
    return True


KILLED = """
import os, signal, sys
import answerable as ans
from answerable.governance import shredding
{patch}
with ans.Workspace(sys.argv[1]) as ws:
    ws.subject("ada", purpose="privacy").erase()
"""
BEFORE_SHRED = """
from answerable.governance.keys_sqlite import SqliteKeys
SqliteKeys.shred = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
"""
AFTER_SHRED = """
from answerable.governance.keys_sqlite import SqliteKeys
SqliteKeys._forget_bytes = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("patch", [BEFORE_SHRED, AFTER_SHRED], ids=["before the shred", "after it"])
def test_an_erasure_that_was_killed_is_finished_by_the_next_opening(home: Path, patch: str) -> None:
    """Once the receipt is durable the key goes, whatever happens in between."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
        (wrapped,) = [k.wrapped for k in ws.book.vault.keys.kept() if k.day is None]

    killed = subprocess.run([sys.executable, "-c", KILLED.format(patch=patch), str(home)], check=False)
    assert killed.returncode == -signal.SIGKILL

    with ans.Workspace(home) as ws:
        assert isinstance(body(ws, record), Gone)
        assert ws.records(kinds=("erasure",))[0]["status"] == "erased"
        assert ws.journal.rows(state.UNDESTROYED, {}) == []
        files = [path for path in home.rglob("*") if path.is_file()]
        assert not any(wrapped in path.read_bytes() for path in files)
        assert len(noted(home / ERASURES)) == 1


def test_a_key_put_back_from_a_copy_is_destroyed_by_the_worker(home: Path) -> None:
    """As the tombstone stands for ever."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    copy = (home / "keys.db").read_bytes()
    with ans.Workspace(home) as ws:
        erase(ws, "ada")
    (home / "keys.db").write_bytes(copy)

    with ans.Workspace(home) as ws:
        done = {one.role: one for one in work(ws, once=True)}

        assert (done["erasure"].told, done["erasure"].done) == ("ran", 1)
        assert isinstance(body(ws, record), Gone)


# -- without keys, and from a backup -----------------------------------------------------------------


@pytest.mark.parametrize("lost", ["secrets/kek.key", "keys.db"])
def test_without_its_keys_a_home_can_be_verified_but_not_opened(home: Path, lost: str) -> None:
    """It says what is missing; deciding says what to do."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    (home / lost).unlink()

    with ans.Workspace(home) as ws:
        assert ws.ledger.verify().ok
        assert body(ws, record) == Gone("locked")
        assert ws.why(record).data["gone"]["told"] == "is locked: its key is not at hand"
        with pytest.raises(HomeError, match=r"missing"):
            decide(ws, 2, "ada")


def test_a_restored_backup_opens_nothing_that_was_erased(tmp_path: Path, home: Path) -> None:
    """Neither what was erased before it was made, nor, given the newer home, what was erased after."""
    with ans.Workspace(home) as ws:
        records = [decide(ws, n, person) for n, person in enumerate(("ada", "bob", "eve"))]
        erase(ws, "ada")
        archive = backup(home, tmp_path / "one.tar")
        erase(ws, "bob")

    old = restore(archive, tmp_path / "old")
    new = restore(archive, tmp_path / "new", erasures=home)

    assert "no newer one was given" in old.erasures
    assert "no newer one" not in new.erasures
    assert (old.erased, new.erased) == (1, 2)
    found = {}
    for name in ("old", "new"):
        with ans.Workspace(tmp_path / name) as ws:
            found[name] = [bool(body(ws, record)) for record in records]
            assert ws.ledger.verify().ok
    assert found == {"old": [False, True, True], "new": [False, False, True]}
    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, records[1]).why == "erased"
        with pytest.raises(HomeError):
            ws.subject("bob", purpose="privacy").show()
        assert not ws.decide(DECISION, {"number": "T-1", "customer": "bob"}).replayed
        key = noted(tmp_path / "new" / ERASURES)
        assert len(key) == 2


def test_a_backup_without_keys_holds_nothing_that_opens(tmp_path: Path, home: Path) -> None:
    """The wrapped keys come along, what wraps them does not; put back, everything opens."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    kek = (home / "secrets" / "kek.key").read_bytes()
    archive = backup(home, tmp_path / "one.tar", keys=False)
    assert kek not in archive.read_bytes()

    restore(archive, tmp_path / "new")

    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, record) == Gone("locked")
    (tmp_path / "new" / "secrets" / "kek.key").write_bytes(kek)
    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, record)["customer"] == "ada"


def test_nothing_of_a_case_stands_in_clear_on_the_disk(home: Path) -> None:
    """Neither in the journal nor in a segment, nor the person's id anywhere."""
    with ans.Workspace(home) as ws:
        for number in range(256):
            decide(ws, number, "planted-person", body="the planted parcel")
        ws.ledger.seal()
        decide(ws, 1000, "planted-person", body="the planted parcel")

        raw = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())

    assert b"planted" not in raw
