"""Whatever is changed, removed or set back in a ledger, verify finds it, names the place and never raises."""

from __future__ import annotations

import base64
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.errors import UsageError
from answerable.ledger.envelope import DROPPED, part_digest, stand_in
from answerable.ledger.note import COSIGNATURE, Checkpoint, VerifierKey, sign_note
from answerable.ledger.rows import COLUMNS
from answerable.ledger.verify import checkpoint_name
from sealed_home import HOME, KEY, ORIGIN, Home, Signer, copied, found

SEALED, SIZE = 1024, 1100  # two segments of 512 and a tail of 76


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound, closed home: checkpoints kept at 300, 700 and 1100 entries."""
    folder = tmp_path_factory.mktemp("ledger") / "home"
    home = Home.make(folder, 300)
    home.ledger.checkpoint()
    home.append(300, 700)
    home.ledger.checkpoint()
    home.append(700, SIZE)
    home.ledger.checkpoint()
    home.seal()
    assert home.verify().data()["problems"] == []
    home.close()
    return folder


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of the home to damage."""
    opened = copied(original, tmp_path / "home")
    yield opened
    opened.close()


def flip(path: Path, at: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def test_a_sound_ledger_is_ok_and_counted(home: Home) -> None:
    """The report counts sealed and unsealed entries and names the signed head."""
    report = home.verify()

    assert report.ok
    assert (report.entries, report.segments, report.journal_tail) == (SIZE, 2, SIZE - SEALED)
    assert report.trust == "self-signed"
    assert report.checkpoint == {"size": SIZE, "root": home.journal.head().root.hex(), "signed_by": [ORIGIN]}
    assert set(report.data()) == {
        "ok",
        "entries",
        "segments",
        "journal_tail",
        "pruned",
        "dropped",
        "unexplained",
        "trust",
        "checkpoint",
        "problems",
    }


def test_an_empty_ledger_is_ok(tmp_path: Path) -> None:
    """A log without entries has the empty tree's root."""
    home = Home.open(tmp_path / "home", create=True)

    assert home.verify().ok
    home.close()


def test_progress_reaches_the_size_of_the_log(home: Home) -> None:
    """The callback sees entries done and entries to do, up to the end."""
    seen: list[tuple[int, int]] = []

    home.ledger.verify(progress=lambda done, total: seen.append((done, total)))

    assert seen[0] == (512, SIZE)
    assert seen[-1] == (SIZE, SIZE)


def test_any_flipped_byte_of_a_segment_is_found(home: Home) -> None:
    """Wherever a sealed file is damaged, data or footer, the file is named and nothing raises."""
    path = home.files()[0]
    sound = path.read_bytes()
    pick = random.Random(7)
    places = [pick.randrange(len(sound)) for _ in range(60)]
    places += [len(sound) - 1 - pick.randrange(3000) for _ in range(40)]  # the footer
    for at in (0, 4, *places, len(sound) - 8, len(sound) - 5, len(sound) - 1):
        flip(path, at)
        assert found(home.verify(), f"segment {path.parent.name}/{path.name}", "SHA-256")
        path.write_bytes(sound)

    assert home.verify().ok


def test_garbage_and_an_empty_file_are_found(home: Home) -> None:
    """A segment that is no Parquet file at all is a problem, and the other one is still checked."""
    first, second = home.files()
    first.write_bytes(random.Random(1).randbytes(5000))
    second.write_bytes(b"")

    report = home.verify()

    assert found(report, f"segment {first.parent.name}/{first.name}", "cannot be read")
    assert found(report, f"segment {second.parent.name}/{second.name}", "cannot be read")


def test_a_rewritten_segment_names_the_entry(home: Home) -> None:
    """Someone who rewrites the file, its digest in the catalog too, is still found, at the entry."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from answerable.ledger.segments_parquet import file_digest

    path = home.files()[1]
    table = pq.read_table(path, partitioning=None)
    labels = table.column("label").to_pylist()
    labels[100] = "forged"
    table = table.set_column(table.schema.get_field_index("label"), "label", pa.array(labels, pa.string()))
    pq.write_table(table, path)
    changed = home.sql("UPDATE segment SET sha256 = ? WHERE lo = 512", params=(file_digest(path),))

    assert found(
        changed.verify(), f"segment {path.parent.name}/{path.name}, entry 612", "not what was signed"
    )
    changed.close()


def test_a_consistent_forgery_is_found_by_the_catalogs_tile(home: Home) -> None:
    """With the leaf hash made to fit as well, the tile no longer fits, and then the head and checkpoints."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from answerable.ledger.leaf import leaf_data
    from answerable.ledger.segments_parquet import SegmentFile, file_digest, schema
    from answerable.ledger.tlog import leaf_hash

    path = home.files()[0]
    with SegmentFile(path) as file:
        victim = list(file.stored())[9].entry
    table = pq.read_table(path, partitioning=None).cast(schema())
    for name, value in (
        ("label", "forged"),
        ("leaf", leaf_hash(leaf_data({**victim.header, "label": "forged"}, victim.digests))),
    ):
        values = table.column(name).to_pylist()
        values[9] = value
        table = table.set_column(
            COLUMNS.index(name), table.schema.field(name), pa.array(values, table.schema.field(name).type)
        )
    kept = pq.read_metadata(path).metadata
    pq.write_table(
        table.replace_schema_metadata({k: v for k, v in kept.items() if k.startswith(b"answerable")}), path
    )
    changed = home.sql("UPDATE segment SET sha256 = ? WHERE lo = 0", params=(file_digest(path),))

    report = changed.verify()

    assert found(report, f"segment {path.parent.name}/{path.name}, entry 0", "do not give the tile")
    changed.close()


def test_a_missing_segment_file_is_named(home: Home) -> None:
    """The file is named; the tree goes on with the catalog's tiles, so nothing else is blamed."""
    path = home.files()[0]
    path.unlink()

    report = home.verify()

    assert found(report, f"segment {path.parent.name}/{path.name}", "missing")
    assert len(report.problems) == 1


def test_a_missing_catalog_row_is_named(home: Home) -> None:
    """Entries that no segment of the catalog holds are missing; the file that may hold them is named."""
    without_first = home.sql("DELETE FROM segment WHERE lo = 0")
    assert found(without_first.verify(), "catalog", "entries 0 to 511 are in no segment")
    assert found(without_first.verify(), "catalog", "does not name the file day=")
    without_first.close()


def test_a_missing_last_catalog_row_is_named(home: Home) -> None:
    """Without the newest row the journal should hold its entries, and does not."""
    changed = home.sql("DELETE FROM segment WHERE lo = 512")

    assert found(changed.verify(), "journal, entry 512", "entries 512 to 1023 are missing")
    changed.close()


@pytest.mark.parametrize(
    "change",
    [
        "path = '../../secret'",
        "hi = 1000000000000",
        "tiles = x'00'",
        "at_lo = 5",
        "id_hi = x'00'",
        "lo = 256",
        "format = 9",
    ],
)
def test_a_changed_catalog_row_is_found(home: Home, change: str) -> None:
    """Paths that lead outside, wrong ranges, tiles or spans: each is a problem and none is believed."""
    changed = home.sql(f"UPDATE segment SET {change} WHERE lo = 512")

    assert not changed.verify().ok
    changed.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", "'forged'"), ("cost", "999"), ("confidence", "0.5"), ("at", "1"), ("definition", "x'00'"),
        ("id", "x'00112233445566778899aabbccddeeff'"), ("input", "x'00'"), ("output", "NULL"),
        ("output", "zeroblob(90)"), ("detail", "zeroblob(70)"), ("leaf", "zeroblob(32)"), ("thread", "'t'"),
    ],
)  # fmt: skip
def test_a_changed_journal_row_is_named(home: Home, column: str, value: str) -> None:
    """Whichever column of an unsealed entry is changed, the entry is named."""
    changed = home.sql(f"UPDATE entry SET {column} = {value} WHERE idx = 1051")

    assert found(changed.verify(), "journal, entry 1051")
    changed.close()


def test_a_part_taken_out_of_the_journal_is_named(home: Home) -> None:
    """A stand-in keeps the leaf valid, but no entry says who dropped it."""
    stored = home.ledger.get(next(iter(home.journal.scan(1060, 1061)))[0].entry.id)
    assert stored is not None
    gone = stand_in(DROPPED, part_digest("output", stored.entry.parts["output"]))
    changed = home.sql("UPDATE entry SET output = ? WHERE idx = 1060", params=(gone,))

    assert found(changed.verify(), "journal, entry 1060", "taken out")
    changed.close()


@pytest.mark.parametrize("index", [SEALED, 1050, SIZE - 1])
def test_a_deleted_journal_row_is_named(home: Home, index: int) -> None:
    """The oldest, a middle and the newest unsealed entry: each is missing by its index."""
    changed = home.sql(f"DELETE FROM entry WHERE idx = {index}")

    assert found(changed.verify(), f"journal, entry {index}", "missing")
    changed.close()


def test_a_removed_newest_row_with_the_head_set_back_is_found(home: Home) -> None:
    """Whoever rewrites the size cannot sign it, and the kept checkpoint remembers."""
    changed = home.sql("DELETE FROM entry WHERE idx = 1099", "UPDATE head SET size = 1099")

    report = changed.verify()

    assert found(report, "head", "but it signed other ones")
    assert found(report, f"checkpoint {SIZE:020d}", "entries were removed")
    changed.close()


def test_a_row_beyond_the_head_is_named(home: Home) -> None:
    """Rows that the head does not count were put there by somebody else, or the head was set back."""
    changed = home.sql(
        "CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE idx = 1099",
        "UPDATE copy SET idx = 1100, id = zeroblob(16)",
        "INSERT INTO entry SELECT * FROM copy",
    )

    assert found(changed.verify(), "journal, entry 1100", "beyond")
    changed.close()


def test_a_journal_set_back_to_an_older_copy_is_found(tmp_path: Path) -> None:
    """An older journal is sound in itself; the newer checkpoint and the newer segment say what is gone."""
    home = Home.make(tmp_path / "home", 300)
    home.close()
    shutil.copy(tmp_path / "home/journal.db", tmp_path / "older.db")
    home = Home.open(tmp_path / "home")
    home.append(300, 600)
    home.ledger.checkpoint()
    home.seal(256)
    home.close()
    shutil.copy(tmp_path / "older.db", tmp_path / "home/journal.db")
    home = Home.open(tmp_path / "home")

    report = home.verify()

    assert found(report, f"checkpoint {600:020d}", "newer checkpoint than the log")
    home.close()


def test_a_journal_older_than_its_segments_is_found_without_a_checkpoint(tmp_path: Path) -> None:
    """A segment file whose entries the head does not count is the trace of a journal set back."""
    home = Home.make(tmp_path / "home", 200)
    home.close()
    shutil.copy(tmp_path / "home/journal.db", tmp_path / "older.db")
    home = Home.open(tmp_path / "home")
    home.append(200, 600)
    home.seal(256)
    home.close()
    shutil.copy(tmp_path / "older.db", tmp_path / "home/journal.db")
    home = Home.open(tmp_path / "home")

    assert found(
        home.verify(), f"segment {home.files()[1].parent.name}/{home.files()[1].name}", "journal is older"
    )
    home.close()


@pytest.mark.parametrize("column", ["size = 5", "root = zeroblob(32)", "frontier = x'00'", "note = 'x'"])
def test_a_changed_head_is_found(home: Home, column: str) -> None:
    """Size, root, frontier and note must all belong together."""
    changed = home.sql(f"UPDATE head SET {column}")

    assert found(changed.verify(), "head")
    changed.close()


def test_a_head_signed_by_another_key_is_found(home: Home) -> None:
    """A consistent head under a stranger's key is not the log's."""
    head = home.journal.head()
    text = Checkpoint(origin=ORIGIN, size=head.size, root=head.root).text()
    forged = sign_note(text, ORIGIN, Ed25519PrivateKey.generate())
    changed = home.sql("UPDATE head SET note = ?", params=(forged,))

    assert found(changed.verify(), "head", "no trusted key")
    changed.close()


def test_checkpoints_that_were_swapped_or_replaced_are_named(home: Home) -> None:
    """A checkpoint must be the log's, lie under its own name and fit the entries."""
    first, second, third = sorted((home.folder / "checkpoints").glob("*.note"))
    one, two = first.read_text(), second.read_text()
    first.write_text(two)
    second.write_text(one)
    assert found(home.verify(), f"checkpoint {first.name}", "it holds the checkpoint")
    assert found(home.verify(), f"checkpoint {second.name}", "it holds the checkpoint")

    other = Checkpoint(origin=ORIGIN, size=300, root=b"r" * 32)
    first.unlink()
    (first.parent / checkpoint_name(other)).write_text(sign_note(other.text(), ORIGIN, Signer().key))
    assert found(home.verify(), f"checkpoint {checkpoint_name(other)}", "the log was rewritten")

    third.write_bytes(b"\xff\xfe garbage")
    assert found(home.verify(), f"checkpoint {third.name}", "cannot be read")
    third.write_text("")
    assert found(home.verify(), f"checkpoint {third.name}")


def test_a_missing_or_changed_blob_is_named(home: Home) -> None:
    """A part that is elsewhere must be there, and be what the leaf commits to."""
    blobs = sorted((home.folder / "blobs").glob("*/*"))
    sound = blobs[0].read_bytes()

    blobs[0].write_bytes(stand_in(DROPPED, bytes.fromhex(blobs[0].name)))
    assert "was changed" in str(home.verify().problems)
    blobs[0].write_bytes(sound[:-1] + b"?")
    assert "was changed" in str(home.verify().problems)
    blobs[0].unlink()
    report = home.verify()

    assert [p.where.rsplit(", ", 1)[1] for p in report.problems] in (
        ["entry 7"],
        ["entry 407"],
        ["entry 807"],
    )
    assert blobs[0].name in report.problems[0].what


def test_another_homes_segment_is_found(home: Home) -> None:
    """A segment carries the id of its home."""
    from answerable.ledger.verify import verify

    report = verify(home.journal, home.folder, home=b"x" * 16, keys=[KEY])

    assert found(report, "segment ", "its home is")


def test_pages_of_garbage_in_the_database_do_not_stop_the_walk(home: Home) -> None:
    """A damaged database page is a problem at its entries; sealed segments are still checked."""
    home.close()
    path = home.folder / "journal.db"
    data = bytearray(path.read_bytes())
    pages = [
        at for at in range(8192, len(data), 8192) if data[at] == 0x0D and b"printer" in data[at : at + 8192]
    ]
    data[pages[-1] : pages[-1] + 200] = b"\xff" * 200
    path.write_bytes(data)
    home = Home.open(home.folder)

    report = home.verify()

    assert not report.ok
    assert report.entries >= SEALED
    home.close()


def test_trust_says_what_the_result_rests_on(home: Home) -> None:
    """Self-signed by default, external by the caller's word, witnessed by enough valid cosignatures."""
    private = Ed25519PrivateKey.generate()
    witness = VerifierKey(
        name="witness.example", public=private.public_key().public_bytes_raw(), algorithm=COSIGNATURE
    )
    assert home.ledger.verify().trust == "self-signed"
    assert home.ledger.verify(external=True).trust == "external key"
    assert home.ledger.verify(external=True, witnesses=[witness]).trust == "external key"

    path = sorted((home.folder / "checkpoints").glob("*.note"))[-1]
    text = path.read_text().split("\n\n")[0] + "\n"
    time = 1_790_000_000
    signature = private.sign(b"cosignature/v1\ntime %d\n" % time + text.encode())
    line = base64.b64encode(witness.key_id + time.to_bytes(8, "big") + signature).decode()
    path.write_text(path.read_text() + f"\u2014 witness.example {line}\n")

    assert home.ledger.verify(witnesses=[witness]).trust == "witnessed"
    assert home.ledger.verify(witnesses=[witness], quorum=2).trust == "self-signed"
    assert home.ledger.verify(witnesses=[witness]).ok


def test_a_garbage_log_lists_few_problems_of_one_place(home: Home) -> None:
    """Hundreds of wrong entries in one place are counted, not listed one by one."""
    changed = home.sql("UPDATE entry SET label = 'forged'")

    problems = changed.verify().problems

    assert len(problems) < 30
    assert "56 more problems here" in problems[-1].what
    changed.close()


def test_a_ledger_without_a_key_cannot_be_verified(home: Home) -> None:
    """Without a key nothing would be proved, so it is refused."""
    from answerable.ledger.verify import verify

    with pytest.raises(UsageError, match="without a key"):
        verify(home.journal, home.folder, home=HOME, keys=[])
