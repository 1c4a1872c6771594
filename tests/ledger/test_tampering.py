"""What somebody who may write the whole home, but has no key, does to be believed; verify names each."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from answerable.errors import HomeError
from answerable.ledger import verify_entries
from answerable.ledger.envelope import DROPPED, part_digest, stand_in
from answerable.ledger.rows import COLUMNS
from answerable.ledger.verify import _Walk
from sealed_home import Home, copied, entry_id, found

SEALED, SIZE = 512, 600  # one segment and a tail of 88


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound, closed home with a kept checkpoint."""
    folder = tmp_path_factory.mktemp("ledger") / "home"
    home = Home.make(folder, SIZE)
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


def any_types(home: Home, *statements: str) -> Home:
    """Change a database whose tables take any type and any value by now, and open it again."""
    loosened = home.sql(
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_master SET sql = replace(replace(sql, ') STRICT', ')'), ' NOT NULL', '')",
    )
    return loosened.sql("PRAGMA ignore_check_constraints = 1", *statements)


def resealed(home: Home, path: Path) -> Home:
    """Enter a changed file into the catalog, as whoever can write the home would."""
    from answerable.ledger.segments_parquet import file_digest

    return home.sql(
        "UPDATE segment SET sha256 = ?, bytes = ? WHERE path LIKE '%' || ?",
        params=(file_digest(path), path.stat().st_size, path.name),
    )


def rewritten(home: Home, path: Path, table: Any, **options: Any) -> Home:
    """Write a segment anew with its own metadata and enter it into the catalog."""
    import pyarrow.parquet as pq

    from answerable.ledger.segments_parquet import STATISTICS

    kept = pq.read_metadata(path).metadata
    given = {"write_statistics": list(STATISTICS), "store_schema": False, **options}
    with pq.ParquetWriter(path, table.schema.remove_metadata(), **given) as writer:
        writer.write_table(table.replace_schema_metadata())
        writer.add_key_value_metadata({k: v for k, v in kept.items() if k.startswith(b"answerable")})
    return resealed(home, path)


@pytest.mark.parametrize("index", ["-1", "-5", "9223372036854775807"])
def test_a_row_outside_of_every_walk_is_named(home: Home, index: str) -> None:
    """A row below 0 or at the very end belongs to no log, although lists would show it."""
    statements = (
        "CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE idx = 599",
        f"UPDATE copy SET idx = {index}, id = zeroblob(16)",
        "INSERT INTO entry SELECT * FROM copy",
    )
    if index.startswith("-"):
        with pytest.raises(Exception, match="CHECK"):
            home.sql(*statements)
    changed = home.sql("PRAGMA ignore_check_constraints = 1", *statements)

    assert found(changed.verify(), f"journal, entry {index}", "it was put there")
    changed.close()


@pytest.mark.parametrize("index", ["NULL", "'text'", "550.5", "550"])
def test_an_index_that_is_no_number_of_its_own_is_named(home: Home, index: str) -> None:
    """A table made anew without its rules may hold any index, none, or one twice."""
    changed = home.sql(
        "CREATE TABLE copy AS SELECT * FROM entry WHERE 0",
        "INSERT INTO copy SELECT * FROM entry",
        "INSERT INTO copy SELECT * FROM entry WHERE idx = 599 UNION SELECT * FROM entry WHERE idx = 598",
        f"UPDATE copy SET idx = {index} WHERE rowid > (SELECT count(*) FROM entry) + 1",
        "DELETE FROM copy WHERE rowid = (SELECT count(*) FROM entry) + 1",
        "DROP TABLE entry",
        "ALTER TABLE copy RENAME TO entry",
    )

    assert found(changed.verify(), "journal")
    changed.close()


def test_a_part_taken_out_of_a_segment_is_named(home: Home) -> None:
    """The leaf stays valid and the catalog can be made to fit, but no entry says who dropped it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from answerable.ledger.segments_parquet import schema

    path = home.files()[0]
    table = pq.read_table(path, partitioning=None).cast(schema())
    values = table.column("output").to_pylist()
    values[10] = stand_in(DROPPED, part_digest("output", values[10]))
    table = table.set_column(COLUMNS.index("output"), "output", pa.array(values, pa.binary()))
    changed = rewritten(home, path, table)

    problems = changed.verify().problems

    assert [(p.where.rsplit(", ")[1], p.what) for p in problems] == [
        ("entry 10", "its part 'output' was taken out, and no entry of the log says so")
    ]
    changed.close()


@pytest.mark.parametrize("column", ["id", "decision", "kind"])
def test_false_statistics_are_found(home: Home, column: str) -> None:
    """Statistics are in no leaf, and a reader that believes false ones never sees the entries."""
    from answerable.ledger.footer import statistics

    path = home.files()[0]
    stored = statistics(path)[0][column]
    data = path.read_bytes()
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[at:].replace(stored[5], bytes(len(stored[5] or b"")))
    path.write_bytes(data[:at] + footer)
    changed = resealed(home, path)
    victim = changed.ledger.get(entry_id(300)) if column == "id" else None

    assert victim is None
    assert found(
        changed.verify(),
        f"segment {path.parent.name}/{path.name}, entry 0",
        f"false statistics of ['{column}']",
    )
    changed.close()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"write_page_index": True}, "may hide entries"),
        ({"sorting_columns": []}, "may hide entries"),
        ({"write_statistics": ["label"]}, "statistics that nothing checks, of label"),
    ],
)
def test_what_nothing_checks_is_not_in_a_segment(home: Home, options: dict[str, Any], what: str) -> None:
    """Page indexes and statistics of other columns would let readers skip rows by unchecked values."""
    import pyarrow.parquet as pq

    from answerable.ledger.segments_parquet import schema

    path = home.files()[0]
    if "sorting_columns" in options:
        options = {"sorting_columns": [pq.SortingColumn(0)]}
    changed = rewritten(home, path, pq.read_table(path, partitioning=None).cast(schema()), **options)

    problems = changed.verify().problems

    assert [(p.where, what in p.what) for p in problems] == [
        (f"segment {path.parent.name}/{path.name}", True)
    ]
    changed.close()


def test_a_footer_of_any_bytes_raises_only_what_is_caught(tmp_path: Path, home: Home) -> None:
    """Numbers without end, deep nesting, bytes that stop: an error of the reader, and soon."""
    from answerable.ledger.footer import statistics

    path = tmp_path / "footer"
    pick = random.Random(5)
    garbage = [b"", b"\x15" + b"\xff" * 5000, b"\x1c" * 3000, b"\x19" * 3000, b"\x19\xfc" + b"\xff" * 9]
    for data in (*garbage, *(pick.randbytes(300) for _ in range(200))):
        path.write_bytes(data + len(data).to_bytes(4, "little") + b"PAR1")
        with contextlib.suppress(ValueError, IndexError, KeyError, TypeError, AttributeError):
            statistics(path)


@pytest.mark.parametrize(
    "column", ["id", "at", "kind", "definition", "confidence", "input", "output", "leaf"]
)
def test_a_value_of_any_type_is_a_finding(home: Home, column: str) -> None:
    """Whatever stands where an id, a number, a part or a leaf should be, verify names the entry."""
    values = ["7", "'text'", "printf('%.*c', 80, 'x')", "2.5", "x'02'", "x''", "NULL"]
    updates = [
        f"UPDATE entry SET {column} = {value} WHERE idx = {550 + 2 * n}" for n, value in enumerate(values)
    ]
    changed = any_types(home, *updates)

    report = changed.verify()

    named = {p.where for p in report.problems if p.where.startswith("journal")}
    assert named == {f"journal, entry {550 + 2 * n}" for n in range(len(values))}
    changed.close()


@pytest.mark.parametrize(
    "value",
    ["size = 'x'", "size = 1.5", "root = 'x'", "note = x'00'", "frontier = 7", "size = -1", "note = NULL"],
)
def test_a_head_of_any_type_is_a_finding(home: Home, value: str) -> None:
    """Its types are looked at before anything is computed with it."""
    changed = any_types(home, f"UPDATE head SET {value}")

    assert found(changed.verify(), "head")
    changed.close()


@pytest.mark.parametrize(
    "column", ["lo", "hi", "at_lo", "id_lo", "bytes", "path", "sha256", "tiles", "format"]
)
@pytest.mark.parametrize("value", ["'text'", "1.5"])
def test_a_catalog_row_of_any_type_is_a_finding(home: Home, column: str, value: str) -> None:
    """A row that cannot be believed is named, and the walk goes on."""
    changed = any_types(home, f"UPDATE segment SET {column} = {value} WHERE path LIKE '%-000000000000-%'")

    assert not changed.verify().ok
    changed.close()


def test_the_size_of_a_file_is_compared(home: Home) -> None:
    """The catalog's number of bytes is the file's."""
    changed = home.sql("UPDATE segment SET bytes = bytes + 1 WHERE lo = 0")
    path = changed.files()[0]

    assert found(changed.verify(), f"segment {path.parent.name}/{path.name}", "bytes, not")
    changed.close()


def test_a_head_that_counts_without_end_does_not_hold_verify_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no row can be read, the walk ends soon, however many entries the head speaks of."""
    monkeypatch.setattr(verify_entries, "_GIVE_UP", 2)
    changed = home.sql("UPDATE head SET size = 9223372036854775807", "DROP TABLE entry")

    assert found(changed.verify(), "journal")
    changed.close()


def test_a_missing_head_is_called_so(home: Home) -> None:
    """A home whose head row was deleted is damaged; it is not another home."""
    with pytest.raises(HomeError, match="has no head"):
        home.sql("DELETE FROM head")


def test_an_entry_and_its_checkpoint_that_come_meanwhile_are_no_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decides and keeps a checkpoint while verify looks has removed nothing."""
    read_head = _Walk._read_head

    def then_others_go_on(walk: _Walk) -> None:
        read_head(walk)
        home.append(SIZE, SIZE + 1)
        home.ledger.checkpoint()

    monkeypatch.setattr(_Walk, "_read_head", then_others_go_on)

    assert home.verify().data()["problems"] == []
