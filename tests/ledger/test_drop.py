"""Parts under a key that is gone leave rows, segments and blobs; everything else stays byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import LockedHome, TamperFound
from answerable.ledger import drop as dropping
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import segments
from answerable.ledger.drop import Dropped, drop_parts
from answerable.ledger.entry import Conflict, Filter, Gone, Unit
from answerable.ledger.envelope import DROPPED, ELSEWHERE, part_digest, stand_in
from answerable.ledger.journal_memory import MemoryJournal
from answerable.ledger.journal_postgres import PostgresJournal
from answerable.ledger.journal_sql import SqlJournal
from answerable.ledger.journal_sqlite import SqliteJournal
from answerable.ledger.note import Checkpoint, Proof, open_note
from answerable.ledger.seal import seal
from answerable.ledger.tlog import leaf_hash, verify_inclusion
from answerable.ports import Journal
from answerable.state.roles import FENCE
from answerable.upkeep.roles import LOST, take
from dropping import book_of, entry, everything, key, parts_of
from sealed_home import HOME, KEY, Home, Signer, copied, entry_id, found

PARTS = ("input", "output", "text")


def fill(journal: Journal, folder: Path, count: int, *, start: int = 0) -> None:
    """Append entries; entry n has its input and text under key n % 10 and a clear output."""
    blobs = Blobs(folder / "blobs")
    for lo in range(start, start + count, 256):
        some = [
            entry(n, {"input": n % 10, "output": None, "text": n % 10 if n % 4 == 0 else None}, blobs=blobs)
            for n in range(lo, min(lo + 256, start + count))
        ]
        journal.submit(Unit(entries=some))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,100 entries under 10 keys, 1,024 of them in two segments; closed."""
    made = Home.open(tmp_path_factory.mktemp("made") / "home", create=True)
    fill(made.journal, made.folder, 1100)
    made.seal(512)
    made.close()
    return made.folder


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of it, opened."""
    made = copied(template, tmp_path / "home")
    yield made
    made.close()


def holds(proof: Proof) -> bool:
    """Say whether a proof shows its leaf under the root that its checkpoint signed."""
    signed = Checkpoint.parse(open_note(proof.checkpoint_note, [KEY])[0])
    leaf = leaf_hash(proof.extra or b"")
    return verify_inclusion(leaf, proof.index, signed.size, proof.hashes, signed.root)


def drop(home: Home, *keys: int, **more: Any) -> Dropped:
    """Drop the parts under the keys with these numbers."""
    return drop_parts(book_of(home.journal, home.folder), [key(number) for number in keys], **more)


def test_only_the_parts_of_the_key_go(home: Home) -> None:
    """Each part under the key is its digest afterwards; every other part is the same, byte for byte."""
    before = dict(parts_of(home.ledger))
    digests = {s.index: s.entry.digests for s in everything(home.ledger)}

    done = drop(home, 3)

    after = dict(parts_of(home.ledger))
    gone = {place for place, envelope in after.items() if envelope[0] == DROPPED}
    assert gone == {(n, "input") for n in range(3, 1100, 10)} | {
        (n, "text") for n in range(1100) if n % 20 == 3 and n % 4 == 0
    }
    assert all(after[place] == stand_in(DROPPED, digests[place[0]][place[1]]) for place in gone)
    assert {p: after[p] for p in before.keys() - gone} == {p: before[p] for p in before.keys() - gone}
    assert (done.entries, done.parts, done.segments) == (110, 110, 2)
    report = home.verify()
    assert report.ok
    assert (report.dropped, report.unexplained) == (110, 0)


def test_a_blob_goes_with_its_part(home: Home) -> None:
    """A part in the blob store becomes its digest too, and its file is deleted."""
    files = len(list(home.folder.glob("blobs/*/*")))

    done = drop(home, 4)

    assert (files, len(list(home.folder.glob("blobs/*/*")))) == (28, 0)
    stored = home.ledger.get(entry_id(44))
    assert stored is not None
    assert stored.entry.parts["text"][0] == DROPPED
    assert home.ledger.body(stored, "text") == Gone("locked")
    assert done.parts == 110 + 55
    assert home.verify().ok


def test_nothing_is_found_a_second_time(home: Home) -> None:
    """Running it again changes no file, no row and no entry."""
    drop(home, 4)
    files, size = home.files(), home.journal.head().size

    again = drop(home, 4)

    assert again == Dropped(entries=0, parts=0, segments=0, bytes=0)
    assert (home.files(), home.journal.head().size) == (files, size)


def test_earlier_proofs_still_verify(home: Home) -> None:
    """A proof exported before, of a record whose parts went, holds; a new one of it does too."""
    earlier = home.ledger.prove(entry_id(13))
    tail = home.ledger.prove(entry_id(1093))

    drop(home, 3)

    for proof in (earlier, tail, home.ledger.prove(entry_id(13)), home.ledger.prove(entry_id(1093))):
        assert holds(proof)


def test_the_named_entries_say_which_segments_are_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `entries`, a segment that holds none of them is not opened."""
    looked: list[int] = []
    rewrite = dropping._Pass.rewrite

    def looking(self: Any, segment: Any) -> None:
        looked.append(segment.lo)
        rewrite(self, segment)

    monkeypatch.setattr(dropping._Pass, "rewrite", looking)

    done = drop(home, 3, entries=[entry_id(3), entry_id(13), entry_id(1093), b"nobody" * 2 + b"here"])

    assert looked == [0]
    assert done.segments == 1
    assert done.parts == 51 + 1
    assert home.verify().ok


def test_days_take_every_encrypted_part(home: Home) -> None:
    """By retention class and day each encrypted part of such an entry goes, whichever key it names."""
    day = 24 * 3600 * 1_000_000
    first = 1_790_000_000_000_000 // day

    done = drop(home, days=[("standard", first)])

    held = [s for s in everything(home.ledger) if s.entry.header["kind"] == "decision"]
    assert done.parts > 0
    for stored in held:
        states = {name: part[0] for name, part in stored.entry.parts.items() if name != "output"}
        of_day = stored.entry.header["at"] // day == first
        assert (states["input"] == DROPPED) == of_day
    assert home.verify().ok


def test_lists_and_exports_cope_with_what_is_gone(home: Home, tmp_path: Path) -> None:
    """Header fields are listed as before; the export names the state of a part that went."""
    before = home.ledger.latest(Filter(limit=None))

    drop(home, *range(10))

    assert home.ledger.latest(Filter(limit=None)) == before
    assert home.ledger.kinds() == {"decision": 1100, "drop": 3}
    count = home.ledger.export(tmp_path / "all.jsonl")
    assert count == 1103
    assert '"state": "dropped"' in (tmp_path / "all.jsonl").read_text().splitlines()[0]


def test_what_is_sealed_later_carries_the_digests_on(home: Home) -> None:
    """Parts dropped in the journal stay dropped when the entries are sealed."""
    drop(home, 3)
    fill(home.journal, home.folder, 300, start=1100)

    home.seal(512)

    report = home.verify()
    assert report.ok
    assert report.dropped == 110


def test_a_part_taken_out_without_an_entry_is_a_problem(home: Home) -> None:
    """Beside a true drop, a clear part that is replaced by its digest is counted and named."""
    drop(home, 3)
    stored = home.ledger.get(entry_id(1090))
    assert stored is not None
    gone = stand_in(DROPPED, part_digest("output", stored.entry.parts["output"]))
    changed = home.sql("UPDATE entry SET output = ? WHERE idx = 1090", params=(gone,))

    report = changed.verify()

    assert found(report, "journal, entry 1090", "taken out")
    assert (report.dropped, report.unexplained) == (110, 1)
    changed.close()


def test_a_changed_digest_of_a_dropped_part_is_found(home: Home) -> None:
    """The leaf commits to the digest that stands where the part was."""
    drop(home, 3)
    forged = stand_in(DROPPED, b"f" * 32)
    changed = home.sql("UPDATE entry SET input = ? WHERE idx = 1093", params=(forged,))

    assert found(changed.verify(), "journal, entry 1093", "not what was signed")
    changed.close()


def test_a_damaged_segment_is_not_written_anew(home: Home) -> None:
    """Its damage would get a fresh digest in the catalog; so it stays, and is named."""
    path = home.files()[0]
    data = path.read_bytes()
    path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])

    with pytest.raises(TamperFound, match="seg-000000000000"):
        drop(home, 3)

    assert home.files()[0] == path


def test_who_lost_the_role_drops_nothing(home: Home) -> None:
    """The fence stands in every unit: once another worker holds the role, nothing is replaced."""
    book = book_of(home.journal, home.folder)
    lease = take(home.journal, book.clock, "sealer", "one")
    assert lease is not None
    lease.end("over")
    assert take(home.journal, book.clock, "sealer", "two") is not None
    before = dict(parts_of(home.ledger))

    with pytest.raises(Conflict, match=LOST):
        drop_parts(book, [key(3)], fence=lease.fence)

    assert FENCE.name == lease.fence[0].statement.name
    assert dict(parts_of(home.ledger)) == before


def test_a_segment_that_somebody_else_replaced_is_left_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once without a role: the second sees that the catalog changed, and nothing is lost."""
    written = dropping._Pass._written
    calls: list[int] = []

    def slow(self: Any, *args: Any) -> Any:
        row = written(self, *args)
        if not calls:
            calls.append(1)
            drop(home, 5)
        return row

    monkeypatch.setattr(dropping._Pass, "_written", slow)

    with pytest.raises(LockedHome, match="sealer's role"):
        drop(home, 3)
    monkeypatch.undo()
    drop(home, 3)

    assert home.verify().ok
    assert {n for (n, name), part in parts_of(home.ledger) if name == "input" and part[0] == DROPPED} == {
        n for n in range(1100) if n % 10 in (3, 5)
    }


def test_a_reader_that_holds_the_old_catalog_reads_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone between catalog and opening is looked up again, for one entry, lists and exports."""
    file = home.ledger._file
    waiting: list[int] = []

    def late(segment: Any) -> Path:
        if waiting:
            drop(home, waiting.pop())
        return file(segment)

    def meanwhile(number: int, read: Callable[[], Any]) -> Any:
        waiting.append(number)
        return read()

    monkeypatch.setattr(home.ledger, "_file", late)

    got = meanwhile(1, lambda: home.ledger.get(entry_id(7)))
    listed = meanwhile(2, lambda: home.ledger.latest(Filter(limit=None)))
    kinds = meanwhile(3, home.ledger.kinds)
    whole = meanwhile(4, lambda: everything(home.ledger))

    assert got.index == 7
    assert len(listed) == kinds["decision"] == 1100
    assert [stored.index for stored in whole] == list(range(len(whole)))
    assert waiting == []


def test_a_blob_that_goes_while_its_entry_is_read_is_dropped_not_damaged(home: Home) -> None:
    """Who read the row before and the blob after sees a dropped part."""
    stored = home.ledger.get(entry_id(44))
    assert stored is not None
    assert stored.entry.parts["text"][0] == ELSEWHERE

    drop(home, 4)

    assert home.ledger.body(stored, "text") == Gone("locked")


class Stop(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("where", ["before the swap", "before the file goes", "before the blobs go"])
def test_a_crash_is_finished_by_running_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """At each step the home stays readable and verifies; a second run leaves no file behind."""

    def stop(*args: Any, **more: Any) -> Any:
        raise Stop

    if where == "before the swap":
        monkeypatch.setattr(dropping._Pass, "_commit", stop)
    elif where == "before the file goes":
        monkeypatch.setattr(Path, "unlink", stop)
    else:
        monkeypatch.setattr(Blobs, "remove", stop)
    book = book_of(home.journal, home.folder)
    with pytest.raises(Stop):
        drop_parts(book, [key(4)])
    monkeypatch.undo()

    assert home.verify().ok
    assert home.ledger.get(entry_id(14)) is not None
    drop(home, 4)

    assert home.verify().ok
    assert home.verify().dropped == 110 + 55
    assert {path.name for path in home.files()} == {Path(s.path).name for s in segments(home.journal)}
    assert list(home.folder.glob("blobs/*/*")) == []


@settings(max_examples=6)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(PARTS), st.none() | st.integers(0, 3), max_size=3),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=3),
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_any_drops_at_any_seal_points_leave_the_rest(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[dict[str, int | None]],
    drops: list[set[int]],
    blocks: list[int],
) -> None:
    """Whatever is dropped before, between and after seals: the log verifies, other parts are identical."""
    folder = tmp_path_factory.mktemp("any")
    home = Home.open(folder, create=True)
    blobs, number = Blobs(folder / "blobs"), 0
    wanted: dict[tuple[bytes, str], int | None] = {}
    before: dict[tuple[bytes, str], bytes] = {}
    gone: set[int] = set()
    for turn, keys in enumerate(drops):
        some = []
        for _ in range(blocks[turn % len(blocks)] * 100 + 70):
            shape = shapes[number % len(shapes)]
            made = entry(number, {n: k for n, k in shape.items() if k not in gone}, blobs=blobs)
            wanted |= {(made.id, n): k for n, k in shape.items() if k not in gone}
            before |= {(made.id, n): part for n, part in made.parts.items()}
            some.append(made)
            number += 1
        home.journal.submit(Unit(entries=some))
        if turn % 2 == 0:
            home.seal(256)
        drop_parts(book_of(home.journal, folder), [key(k) for k in keys])
        gone |= keys

    after = {
        (s.entry.id, name): part
        for s in everything(home.ledger)
        if s.entry.header["kind"] == "decision"
        for name, part in s.entry.parts.items()
    }
    report = home.verify()
    home.close()
    shutil.rmtree(folder)

    assert report.ok
    assert report.dropped == sum(k in gone for k in wanted.values())
    assert after.keys() == before.keys()
    for place, part in after.items():
        if wanted[place] in gone:
            assert part[0] == DROPPED
        else:
            assert part == before[place]


@pytest.fixture
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlJournal]:
    """An empty journal of each kind."""
    make: Callable[[], SqlJournal] = {
        "memory": lambda: MemoryJournal(home=HOME, signer=Signer()),
        "sqlite": lambda: SqliteJournal(tmp_path / "journal.db", home=HOME, signer=Signer(), create=True),
        "postgres": lambda: PostgresJournal(
            request.getfixturevalue("postgres_url"), home=HOME, signer=Signer(), create=True
        ),
    }[request.param]
    made = make()
    yield made
    made.close()


@pytest.mark.parametrize("journal", ["memory", "sqlite", "postgres"], indirect=True)
def test_every_journal_drops_alike(journal: SqlJournal, tmp_path: Path) -> None:
    """In memory, on SQLite and on PostgreSQL: rows and segments lose the key's parts and verify."""
    fill(journal, tmp_path, 700)
    seal(journal, tmp_path / "segments", home=HOME, entries=256)
    book = book_of(journal, tmp_path)

    done = drop_parts(book, [key(3)])

    report = book.ledger.verify()
    assert report.ok
    assert report.dropped == done.parts == 70
    assert done.segments == 2
    tail = book.ledger.get(entry_id(693))
    assert tail is not None
    assert tail.entry.parts["input"][0] == DROPPED
    book.ledger.close()
