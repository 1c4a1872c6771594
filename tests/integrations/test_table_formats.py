"""Reading cases from Parquet, Excel and SQL, and writing results."""

import datetime as dt
import io
import math
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from answerable.errors import AnswerableError, InputError, UsageError
from answerable.integrations.tables import BadRow, Row, open_table, open_writer
from table_files import notes, put, read, values


class TestParquet:
    def test_rows_are_typed_and_numbered(self, tmp_path: Path) -> None:
        """NaN stays NaN, so that admission can refuse it."""
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"a": ["x", None], "b": [1.5, math.nan]}), tmp_path / "a.parquet")

        with open_table(tmp_path / "a.parquet") as table:
            rows = list(table)

        assert (table.columns, table.total, table.format) == (("a", "b"), 2, "parquet")
        assert rows[0] == Row(line=1, values={"a": "x", "b": 1.5})
        assert isinstance(rows[1], Row) and rows[1].line == 2 and math.isnan(rows[1].values["b"])  # type: ignore[arg-type]

    def test_nanoseconds_are_cut_and_said(self, tmp_path: Path) -> None:
        """Python's times end at microseconds."""
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        stamps = pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))
        pq.write_table(pa.table({"t": stamps}), tmp_path / "a.parquet")

        assert values(tmp_path / "a.parquet") == [{"t": dt.datetime(2023, 11, 14, 22, 13, 20, 123456)}]
        assert notes(tmp_path / "a.parquet") == ("column 't' has nanoseconds and is read to the microsecond",)

    def test_a_value_python_cannot_hold_is_a_bad_row(self, tmp_path: Path) -> None:
        """The year 200,000 exists in Arrow only."""
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        stamps = pa.array([0, 6_248_000_000_000, 86_400], pa.timestamp("s"))
        pq.write_table(pa.table({"t": stamps}), tmp_path / "a.parquet")

        assert [type(row) for row in read(tmp_path / "a.parquet")] == [Row, BadRow, Row]

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        """The end of the name alone makes no Parquet file."""
        with pytest.raises(InputError, match="not a Parquet file"):
            open_table(put(tmp_path, "a.parquet", b"a,b\n1,2\n"))


class TestExcel:
    def book(self, folder: Path, rows: list[list[object]], more: str = "") -> Path:
        excel = pytest.importorskip("openpyxl")
        book = excel.Workbook()
        book.active.title = "Cases"
        for row in rows:
            book.active.append(row)
        if more:
            book.create_sheet(more).append(["z"])
        book.save(folder / "a.xlsx")
        return folder / "a.xlsx"

    def test_cells_keep_their_types_and_rows_their_numbers(self, tmp_path: Path) -> None:
        """Empty rows are left out, missing cells at the end are None."""
        path = self.book(tmp_path, [[], ["a", "b", "c"], ["0012", 1, dt.datetime(2026, 1, 2)], [], ["x"]])

        assert read(path) == [
            Row(line=3, values={"a": "0012", "b": 1, "c": dt.datetime(2026, 1, 2)}),
            Row(line=5, values={"a": "x", "b": None, "c": None}),
        ]

    def test_too_many_cells_and_excel_errors_are_bad_rows(self, tmp_path: Path) -> None:
        """The error names the cell."""
        rows = read(self.book(tmp_path, [["a"], [1, 2], ["#N/A"], [3]]))

        assert rows[0] == BadRow(line=2, error="2 cells, but the header names 1")
        assert rows[1] == BadRow(line=3, error="cell A3 holds an Excel error such as #N/A")
        assert rows[2] == Row(line=4, values={"a": 3})

    def test_the_sheet_is_said_and_can_be_chosen(self, tmp_path: Path) -> None:
        """The query names a sheet."""
        path = self.book(tmp_path, [["a"], [1]], more="Other")

        assert notes(path) == ("sheet 'Cases' of 2",)
        with open_table(path, query="Other") as table:
            assert table.columns == ("z",)
        with pytest.raises(UsageError, match="did you mean 'Other'"):
            open_table(path, query="Othr")

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        """Whatever the library raises becomes one error."""
        with pytest.raises(InputError, match="not a workbook"):
            open_table(put(tmp_path, "a.xlsx", b"PK\x03\x04 no"))


class TestSql:
    def base(self, folder: Path) -> str:
        pytest.importorskip("sqlalchemy")
        with sqlite3.connect(folder / "x.db") as base:
            base.execute("CREATE TABLE tickets (id TEXT, n INTEGER)")
            base.executemany("INSERT INTO tickets VALUES (?, ?)", [("0012", 1), ("b%:x", None)])
        base.close()
        return f"sqlite:///{folder / 'x.db'}"

    def test_a_query_or_a_table_gives_numbered_rows(self, tmp_path: Path) -> None:
        """Colons and percent signs in the query are only text."""
        url = self.base(tmp_path)

        assert read(url, query="tickets")[0] == Row(line=1, values={"id": "0012", "n": 1})
        assert values(url, query="SELECT id FROM tickets WHERE id LIKE '%:x';") == [{"id": "b%:x"}]
        assert len(read(url, query="tickets", limit=1)) == 1

    def test_a_missing_or_wrong_query_says_what_to_do(self, tmp_path: Path) -> None:
        """Each mistake has its own next step."""
        url = self.base(tmp_path)

        with pytest.raises(UsageError, match="needs a query"):
            open_table(url)
        with pytest.raises(InputError, match="did you mean 'tickets'"):
            open_table(url, query="tickts")
        with pytest.raises(InputError, match="syntax error"):
            open_table(url, query="SELEC 1")
        with pytest.raises(InputError, match="more than once"):
            open_table(url, query="SELECT 1 AS a, 2 AS a")
        with pytest.raises(InputError, match="no SQLite file"):
            open_table(f"sqlite:///{tmp_path / 'none.db'}", query="x")
        assert not (tmp_path / "none.db").exists()

    @pytest.mark.parametrize("query", ["DELETE FROM tickets", "DROP TABLE tickets", "CREATE TABLE t (a)"])
    def test_nothing_can_be_written(self, tmp_path: Path, query: str) -> None:
        """A query that would change the data is refused and changes nothing."""
        url = self.base(tmp_path)

        with pytest.raises(AnswerableError):
            open_table(url, query=query)

        assert len(read(url, query="tickets")) == 2

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://bob:s3cr3t@localhost:1/db",
            "postgresql+psycopg://bob:s3cr3t@localhost:1/db?connect_timeout=1",
            "nosuchdb://bob:s3cr3t@host/db",
            "postgresql+psycopg://bob:s3cr3t@x@ho st:port/db",
            "postgresql+psycopg://localhost:1/db?password=s3cr3t",
            "postgresql+psycopg://:s3cr3t@localhost:1/db",
        ],
    )
    def test_a_password_is_never_shown(self, url: str) -> None:
        """Not in the message, and not in the errors it came from."""
        with pytest.raises(AnswerableError) as caught:
            open_table(url, query="SELECT 1")

        error: BaseException | None = caught.value
        while error is not None:
            assert "s3cr3t" not in str(error)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

    def test_a_missing_driver_is_named_with_its_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only for PostgreSQL is there an extra of ours."""
        monkeypatch.setitem(sys.modules, "MySQLdb", None)
        monkeypatch.setitem(sys.modules, "psycopg2", None)

        with pytest.raises(UsageError, match="needs a driver for mysql") as mysql:
            open_table("mysql://bob:s3cr3t@host/db", query="SELECT 1")
        with pytest.raises(UsageError, match="needs a driver for postgresql") as postgres:
            open_table("postgresql+psycopg2://bob:s3cr3t@host/db", query="SELECT 1")

        assert "answerable[" not in mysql.value.next_step and "mysql+pymysql://" in mysql.value.next_step
        assert 'pip install "answerable[postgres]"' in postgres.value.next_step


class TestSources:
    def test_each_wrong_source_has_a_next_step(self, tmp_path: Path) -> None:
        """Missing, misspelt, a directory, of an unknown kind, with a query, with a bad limit."""
        path = put(tmp_path, "cases.csv", "a\n1\n")

        with pytest.raises(InputError, match=r"did you mean '.*cases\.csv'"):
            open_table(tmp_path / "case.csv")
        with pytest.raises(InputError, match="is a directory"):
            open_table(tmp_path)
        with pytest.raises(InputError, match="cannot read"):
            open_table("x" * 5_000 + ".csv")
        with pytest.raises(InputError, match="no known kind"):
            open_table(put(tmp_path, "cases.doc", "x"))
        with pytest.raises(UsageError, match="a query needs a database"):
            open_table(path, query="SELECT 1")
        with pytest.raises(UsageError, match="limit is -1"):
            open_table(path, limit=-1)

    @pytest.mark.parametrize(
        ("name", "package", "extra"), [("a.parquet", "pyarrow", "lake"), ("a.xlsx", "openpyxl", "excel")]
    )
    def test_a_missing_extra_names_the_pip_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
    ) -> None:
        """The reader loads its package on use only."""
        monkeypatch.setitem(sys.modules, package, None)

        with pytest.raises(UsageError, match=rf'pip install "answerable\[{extra}\]"'):
            open_table(put(tmp_path, name, b"x"))

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            (b"a;b\n\xe4;2\n", {"a": "ä", "b": "2"}),
            (b'{"a": 1}\n', {"a": 1}),
            (b'[{"a": 1}]', {"a": 1}),
        ],
    )
    def test_standard_input_is_csv_or_json(
        self, monkeypatch: pytest.MonkeyPatch, given: bytes, found: dict[str, object]
    ) -> None:
        """The first sign tells them apart; it stays open."""
        stdin = io.TextIOWrapper(io.BytesIO(given))
        monkeypatch.setattr(sys, "stdin", stdin)

        assert values("-") == [found]
        assert not stdin.buffer.closed

    def test_limit_counts_bad_rows_and_bounds_the_total(self, tmp_path: Path) -> None:
        """`limit` is the number of rows read."""
        with open_table(put(tmp_path, "a.csv", "a,b\n1\n1,2\n3,4\n"), limit=2) as table:
            assert table.total == 2
            assert [type(row) for row in table] == [BadRow, Row]

    def test_a_table_is_read_once(self, tmp_path: Path) -> None:
        """A second loop would silently see nothing."""
        table = open_table(put(tmp_path, "a.csv", "a\n1\n"))
        assert len(list(table)) == 1

        with pytest.raises(UsageError, match="already read or closed"):
            list(table)

    def test_reading_streams(self, tmp_path: Path) -> None:
        """Rows that would fill tens of MB as objects pass through a few."""
        import tracemalloc

        path = put(tmp_path, "a.csv", b"a,b\n" + b"1234567890," + b"x" * 89 + b"\n")
        with path.open("ab") as file:
            file.write((b"1234567890," + b"x" * 89 + b"\n") * 50_000)
        tracemalloc.start()
        with open_table(path) as table:
            count = sum(1 for _ in table)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert count == 50_001
        assert peak < 4_000_000


class TestWriting:
    def test_csv_tells_none_from_empty_and_keeps_numbers(self, tmp_path: Path) -> None:
        """Every value has one plain form."""
        row = {"n": -1.5, "i": -3, "d": Decimal("-0.10"), "t": "", "m": None, "b": True, "l": [1, "ä"],
               "w": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)}  # fmt: skip
        with open_writer(tmp_path / "a.csv") as writer:
            writer.write(row)

        text = (tmp_path / "a.csv").read_text(encoding="utf-8")
        assert text.splitlines()[1] == '-1.5,-3,-0.10,"",,true,"[1,""ä""]",2026-01-02T00:00:00+00:00'

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(self, tmp_path: Path, text: str) -> None:
        """In cells and in column names."""
        with open_writer(tmp_path / "a.csv") as writer:
            writer.write({"a": text, "=b": "x"})

        assert values(tmp_path / "a.csv") == [{"a": "'" + text, "'=b": "x"}]

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
    def test_an_error_leaves_the_partial_file_and_not_the_real_one(self, tmp_path: Path, name: str) -> None:
        """What stands under the real name is finished; the partial one can be read."""
        put(tmp_path, name, "old")
        with pytest.raises(RuntimeError), open_writer(tmp_path / name) as writer:
            writer.write({"a": "1"})
            raise RuntimeError

        assert (tmp_path / name).read_text() == "old"
        assert values(tmp_path / f"{name}.partial") == [{"a": "1"}]

    @pytest.mark.parametrize(
        ("name", "torn"), [("a.csv", '2,"half\n'), ("a.csv", "2"), ("a.jsonl", '{"a": "2", "b')]
    )
    def test_append_goes_on_where_a_crash_stopped(self, tmp_path: Path, name: str, torn: str) -> None:
        """A torn last row is dropped and the whole ones are counted."""
        with pytest.raises(RuntimeError), open_writer(tmp_path / name) as writer:
            writer.write({"a": "1", "b": "x\ny"})
            raise RuntimeError
        with (tmp_path / f"{name}.partial").open("a") as file:
            file.write(torn)

        with open_writer(tmp_path / name, append=True) as writer:
            assert writer.kept == 1
            writer.write({"a": "2", "b": "z"})

        assert values(tmp_path / name) == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "z"}]
        assert not (tmp_path / f"{name}.partial").exists()

    def test_append_goes_on_after_a_finished_file(self, tmp_path: Path) -> None:
        """And refuses other columns."""
        for text in ("1", "2"):
            with open_writer(tmp_path / "a.csv", ["a"], append=True) as writer:
                writer.write({"a": text})

        assert values(tmp_path / "a.csv") == [{"a": "1"}, {"a": "2"}]
        with pytest.raises(UsageError, match="other columns"):
            open_writer(tmp_path / "a.csv", ["b"], append=True)

    def test_parquet_widens_when_later_rows_bring_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first rows may have no confidence, or whole numbers only."""
        pytest.importorskip("pyarrow")
        monkeypatch.setattr("answerable.integrations.tables_write._GROUP", 2)
        rows: list[dict[str, object]] = [{"a": None, "n": 1}, {"a": None, "n": 1}]
        rows += [{"a": "x", "n": 1.5, "c": True}, {"a": "x", "n": 1.5, "c": True}]

        with open_writer(tmp_path / "a.parquet") as writer:
            for row in rows:
                writer.write(row)

        assert values(tmp_path / "a.parquet") == [
            {"a": None, "n": 1.0, "c": None}, {"a": None, "n": 1.0, "c": None},
            {"a": "x", "n": 1.5, "c": True}, {"a": "x", "n": 1.5, "c": True},
        ]  # fmt: skip
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]

    @pytest.mark.parametrize("wrong", [[{"a": {}}], [{"a": 1}, {"a": "x"}], [{"a": 1}, {"a": object()}]])
    def test_a_column_that_parquet_cannot_hold_is_an_error(
        self, tmp_path: Path, wrong: list[dict[str, object]]
    ) -> None:
        """Mixed and empty types show at the latest when the block ends, and nothing is put in place."""
        with pytest.raises(InputError, match="one type a column"), open_writer(tmp_path / "a.parquet") as out:
            for row in wrong:
                out.write(row)

        assert not (tmp_path / "a.parquet").exists()

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
    def test_named_columns_are_written_even_without_rows(self, tmp_path: Path, name: str) -> None:
        """An empty result is a table with a header (JSON lines have none)."""
        with open_writer(tmp_path / name, ["a", "b"]):
            pass

        with open_table(tmp_path / name) as table:
            assert table.columns == (() if name == "a.jsonl" else ("a", "b"))
            assert list(table) == []

    def test_each_wrong_write_has_a_next_step(self, tmp_path: Path) -> None:
        """And the rows before it stay good."""
        with open_writer(tmp_path / "a.jsonl") as lines, open_writer(tmp_path / "a.csv") as cells:
            for writer in (lines, cells):
                writer.write({"a": 1})
                for wrong in (math.nan, "\ud800", object()):
                    with pytest.raises(InputError):
                        writer.write({"a": wrong})
            with pytest.raises(UsageError, match="the file has not: 'z'"):
                cells.write({"a": 1, "z": 2})

        assert values(tmp_path / "a.jsonl") == [{"a": 1}]
        assert values(tmp_path / "a.csv") == [{"a": "1"}]
        with pytest.raises(UsageError, match="already closed"):
            cells.write({"a": 1})
        with pytest.raises(UsageError, match="format follows the name"):
            open_writer(tmp_path / "a.xls")
        with pytest.raises(InputError, match="cannot write"):
            open_writer(tmp_path / "none" / "a.csv")
        with pytest.raises(InputError, match="is a directory"):
            (tmp_path / "d.csv").mkdir()
            open_writer(tmp_path / "d.csv")
