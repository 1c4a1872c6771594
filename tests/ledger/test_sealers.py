"""Two sealers at once: one of them stops with LockedHome, and neither removes or doubles what is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from answerable.errors import LockedHome
from answerable.ledger.entry import Unit
from answerable.ledger.segments_parquet import SegmentWriter
from sealed_home import Home, entry_id


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """1,100 entries, none sealed."""
    made = Home.make(tmp_path / "home", 1100)
    yield made
    made.close()


def readable(home: Home, count: int) -> bool:
    """Say whether each of the entries is found by its id."""
    return all(home.ledger.get(entry_id(number)) is not None for number in range(count))


def test_a_second_sealer_is_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the catalog moved on while a sealer worked, it stops and nothing is doubled."""
    finish = SegmentWriter.finish
    calls: list[int] = []

    def slow(self: SegmentWriter, value: bytes) -> tuple[str, int, bytes]:
        done = finish(self, value)
        if not calls:
            calls.append(1)
            home.seal(512)
        return done

    monkeypatch.setattr(SegmentWriter, "finish", slow)

    with pytest.raises(LockedHome, match="another sealer"):
        home.seal(512)

    assert home.verify().ok
    assert readable(home, 1100)


def test_a_sealer_that_stalled_removes_nothing_of_the_next_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last catalog row it sleeps; another one seals on; what that one published stays."""
    drop = home.journal.drop
    stops: list[int] = []

    def stalling(stop: int) -> None:
        drop(stop)
        stops.append(stop)
        if stops == [0, 512, 1024]:
            home.append(1100, 1400)
            home.seal(512)

    monkeypatch.setattr(home.journal, "drop", stalling)

    home.seal(512)

    assert len(home.files()) == 3
    assert home.verify().ok
    assert readable(home, 1400)


def test_only_unnamed_files_of_the_sealed_range_are_orphans(home: Home) -> None:
    """What the catalog names stays, and what begins behind the range, and what has no number."""
    from answerable.ledger.seal import remove_orphans

    home.seal(256)
    before = home.files()
    orphan = before[0].with_name("seg-000000000256-00000000.parquet")
    later = before[0].with_name("seg-000000001024-00000000.parquet")
    odd = before[0].with_name(
        "seg-\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2-0.parquet"
    )
    for path in (orphan, later, odd):
        path.write_bytes(b"")

    remove_orphans(home.journal, home.folder / "segments", 0, 1024)

    assert set(home.files()) == {*before, later, odd}


def test_two_sealers_at_the_same_row_are_told_apart(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one whose catalog row comes second gets LockedHome, not the database's words."""
    submit = home.journal.submit
    calls: list[int] = []

    def second(unit: Unit) -> Any:
        if not calls:
            calls.append(1)
            home.seal(512)
        return submit(unit)

    monkeypatch.setattr(home.journal, "submit", second)

    with pytest.raises(LockedHome, match="another sealer"):
        home.seal(512)

    assert home.verify().ok


@pytest.mark.parametrize("cleared", [True, False])
def test_what_another_sealer_took_is_no_damage(
    home: Home, monkeypatch: pytest.MonkeyPatch, cleared: bool
) -> None:
    """Files cleared away and entries moved while a sealer walks: LockedHome, not a missing entry or file."""
    finish, pages = SegmentWriter.finish, home.journal.pages
    calls: list[int] = []

    def without_file(self: SegmentWriter, value: bytes) -> tuple[str, int, bytes]:
        Path(self._file.name).unlink()
        return finish(self, value)

    def moved(start: int, stop: int, *, batch: int = 1024) -> Any:
        if not calls:
            calls.append(1)
            home.seal(512)
        return pages(start, stop, batch=batch)

    if cleared:
        monkeypatch.setattr(SegmentWriter, "finish", without_file)
    else:
        monkeypatch.setattr(home.journal, "pages", moved)

    with pytest.raises(LockedHome, match="another sealer"):
        home.seal(512)

    assert home.verify().ok
