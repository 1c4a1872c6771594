"""A full disk or a locked database ends in a clear error, loses nothing and is over when it is over."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from answerable.errors import LedgerUnavailable
from answerable.ledger.entry import Receipt, Unit
from answerable.ledger.journal_sqlite import SqliteJournal
from journals import HOME, TestSigner, audit, make, one

HOLD = """
import sys
from answerable.ledger.sqlite import library
connection = library().connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def journal_in(folder: Path, *, create: bool = True) -> SqliteJournal:
    """Open the journal of a folder."""
    return SqliteJournal(folder / "journal.db", home=HOME, signer=TestSigner(), create=create)


def big() -> Unit:
    """Return a unit of 20 kB that does not compress."""
    return Unit(entries=[make({"output": os.urandom(20_000)})])


def fill(journal: SqliteJournal) -> list[bytes]:
    """Append until there is no room; return the ids that were acknowledged."""
    told = []
    while True:
        unit = big()
        try:
            journal.submit(unit)
        except LedgerUnavailable as exc:
            assert "nothing was recorded" in exc.what
            assert "free the disk" in exc.next_step
            return told
        told.append(unit.entries[0].id)


def works_again(journal: SqliteJournal, folder: Path, told: list[bytes]) -> None:
    """Check that all of `told` is there, and that the log goes on, here and after opening again."""
    assert audit(journal) == told
    assert journal.submit(one()) == Receipt((len(told),))
    assert len(audit(journal)) == len(told) + 1
    journal.close()
    again = journal_in(folder, create=False)
    assert audit(again)[:-1] == told
    assert again.submit(one()) == Receipt((len(told) + 1,))
    again.close()


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let this process write no file beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A quota behaves as a full disk does: nothing is acknowledged that is not there."""
    journal = journal_in(tmp_path)
    with room(2_000_000):
        told = fill(journal)
        assert fill(journal) == []

    assert len(told) > 20
    works_again(journal, tmp_path, told)


def test_a_full_disk(small_disk: Path) -> None:
    """What was acknowledged before stays, and there is work again when there is room again."""
    (small_disk / "other").write_bytes(bytes(1_000_000))
    journal = journal_in(small_disk)
    told = fill(journal)
    assert fill(journal) == []

    (small_disk / "other").unlink()

    assert len(told) > 20
    works_again(journal, small_disk, told)


def test_a_crash_on_a_full_disk(small_disk: Path) -> None:
    """A process that ends while the disk is full leaves a log that opens."""
    (small_disk / "other").write_bytes(bytes(1_000_000))
    journal = journal_in(small_disk)
    told = fill(journal)
    for connection in (*journal._readers, journal._write):
        connection.close()

    (small_disk / "other").unlink()

    works_again(journal_in(small_disk, create=False), small_disk, told)


def test_a_locked_journal(tmp_path: Path) -> None:
    """While another program holds it, a unit is refused in time and readers go on; then all is well."""
    journal = journal_in(tmp_path)
    journal.submit(one())
    journal._write.execute("PRAGMA busy_timeout=100")
    before = audit(journal)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "journal.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"

        with pytest.raises(LedgerUnavailable, match="locked"):
            journal.submit(one())
        with pytest.raises(LedgerUnavailable, match="locked"):
            journal.drop(1)
        assert audit(journal) == before

        holder.communicate()

    works_again(journal, tmp_path, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; the test is skipped where one cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system can be mounted only as root, on Linux")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
