"""A process that drops parts is killed at any moment: the home stays whole and the next run ends the work."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import segments
from answerable.ledger.drop import drop_parts
from answerable.ledger.entry import Unit
from answerable.ledger.envelope import DROPPED
from crash_writers import Nursery, is_alive
from dropping import book_of, entry, key, parts_of
from sealed_home import Home

ROUNDS, COUNT, KEYS = 4, 1600, 8


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Starts processes; none of them may have printed an error."""
    made = Nursery(tmp_path / "errors")
    yield made
    made.close()
    assert made.errors.read_text() == ""


def wait_for_work(home: Home, pid: int, size: int) -> None:
    """Return when the process has dropped something, or is gone."""
    end = time.monotonic() + 30
    while is_alive(pid) and home.journal.head().size == size and time.monotonic() < end:
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_dropper_leaves_a_whole_home(nursery: Nursery, tmp_path: Path) -> None:
    """After each kill -9 all verifies and no other part differs; a last run leaves no part and no file."""
    folder = tmp_path / "home"
    home = Home.open(folder, create=True)
    blobs = Blobs(folder / "blobs")
    made = [entry(n, {"input": n % KEYS, "output": None, "text": n % 2}, blobs=blobs) for n in range(COUNT)]
    home.journal.submit(Unit(entries=made))
    home.seal(512)
    before = dict(parts_of(home.ledger))
    seed = time.time_ns()
    print(f"chance starts from {seed}")
    chance = random.Random(seed)

    for _ in range(ROUNDS):
        pid = nursery.start("drop", folder=str(folder), keys=[*range(2, KEYS)])
        wait_for_work(home, pid, home.journal.head().size)
        time.sleep(chance.uniform(0.0, 0.15))
        if is_alive(pid):
            nursery.kill(pid)

        after = dict(parts_of(home.ledger))
        report = home.verify()

        assert report.problems == ()
        assert all(after[place] == before[place] for place in before if after[place][0] != DROPPED)
        assert report.dropped == sum(part[0] == DROPPED for part in after.values())
        print(f"{report.dropped} parts dropped so far")

    drop_parts(book_of(home.journal, folder), [key(number) for number in range(KEYS)])

    after = dict(parts_of(home.ledger))
    assert {name for (index, name), part in after.items() if part[0] != DROPPED} == {"output", "detail"}
    assert {path.name for path in home.files()} == {Path(s.path).name for s in segments(home.journal)}
    assert list(folder.glob("blobs/*/*")) == []
    assert home.verify().ok
    home.close()
