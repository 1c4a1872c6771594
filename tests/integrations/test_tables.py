"""Reading cases from files as people have them, and writing results."""

import csv
import datetime as dt
import gzip
import io
import json
import math
import sqlite3
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from answerable.errors import AnswerableError, InputError, UsageError
from answerable.integrations import tables_core, tables_csv, tables_json, tables_text
from answerable.integrations.tables import BadRow, Row, open_table, open_writer

QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(source: str | Path, **how: Any) -> list[Row | BadRow]:
    with open_table(source, **how) as table:
        return list(table)


def values(source: str | Path, **how: Any) -> list[dict[str, object]]:
    rows = read(source, **how)
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


def notes(source: str | Path, **how: Any) -> tuple[str, ...]:
    with open_table(source, **how) as table:
        return table.notes


class TestCsvCells:
    def test_cells_are_text_as_written(self, tmp_path: Path) -> None:
        """Leading zeros, spaces and number forms are not touched."""
        path = put(tmp_path, "a.csv", "number,amount\n0012, 1.50\n")

        assert values(path) == [{"number": "0012", "amount": " 1.50"}]

    def test_an_empty_cell_is_none_and_a_quoted_one_is_the_empty_text(self, tmp_path: Path) -> None:
        """Only quotes tell an empty text from a missing value."""
        path = put(tmp_path, "a.csv", 'a,b,c\n1,,""\n"",x"",\n')

        assert values(path) == [{"a": "1", "b": None, "c": ""}, {"a": "", "b": 'x""', "c": None}]

    def test_quoted_line_breaks_and_doubled_quotes_stay(self, tmp_path: Path) -> None:
        """A cell may span lines; its line breaks are kept as they are."""
        path = put(tmp_path, "a.csv", 'a,b\n"one\r\ntwo","say ""hi"""\n')

        assert values(path) == [{"a": "one\r\ntwo", "b": 'say "hi"'}]

    def test_header_names_are_trimmed(self, tmp_path: Path) -> None:
        """Spaces around a name are no part of it."""
        assert values(put(tmp_path, "a.csv", " a , b\n1,2\n")) == [{"a": "1", "b": "2"}]

    def test_a_nameless_column_gets_a_name_and_a_note(self, tmp_path: Path) -> None:
        """An index column without a name does not stop the file."""
        path = put(tmp_path, "a.csv", ",b\n0,x\n")

        assert values(path) == [{"column_1": "0", "b": "x"}]
        assert notes(path) == ("column 1 has no name and is called column_1",)

    def test_rows_without_any_value_are_left_out_and_said(self, tmp_path: Path) -> None:
        """Spreadsheets export empty rows as lone delimiters."""
        with open_table(put(tmp_path, "a.csv", "a,b\n\n1,2\n,\n  \n3,4\n")) as table:
            rows = list(table)

        assert [row.line for row in rows] == [3, 6]
        assert table.notes == ("rows without any value left out: 1",)


class TestCsvLines:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_line_is_the_physical_line_where_the_row_starts(self, tmp_path: Path, end: str) -> None:
        """Line breaks inside cells and blank lines count."""
        path = put(tmp_path, "a.csv", end.join(["a,b", '"x', 'y",1', "", "2,3", "bad", "4,5"]))

        assert [row.line for row in read(path)] == [2, 5, 6, 7]

    def test_a_ragged_row_names_both_counts_and_the_next_row_comes(self, tmp_path: Path) -> None:
        """Too many and too few cells are bad rows."""
        path = put(tmp_path, "a.csv", "a,b\n1\n1,2,3\n1,2\n")

        assert read(path) == [
            BadRow(line=2, error="1 cell, but the header names 2"),
            BadRow(line=3, error="3 cells, but the header names 2"),
            Row(line=4, values={"a": "1", "b": "2"}),
        ]

    def test_a_quote_that_never_closes_costs_one_row(self, tmp_path: Path) -> None:
        """The rows after the open quote are still read, with their right lines."""
        path = put(tmp_path, "a.csv", 'a,b\n"oops,1\n2,3\n4,5\n')

        assert read(path) == [
            BadRow(line=2, error="a quoted cell is never closed"),
            Row(line=3, values={"a": "2", "b": "3"}),
            Row(line=4, values={"a": "4", "b": "5"}),
        ]

    def test_a_quote_that_is_not_doubled_is_a_bad_row(self, tmp_path: Path) -> None:
        """Guessing what was meant would change the text."""
        path = put(tmp_path, "a.csv", 'a,b\n"5" pipe",1\n2,3\n')

        assert read(path)[0] == BadRow(line=2, error="a quote inside a quoted cell is not doubled")
        assert read(path)[1] == Row(line=3, values={"a": "2", "b": "3"})

    def test_nul_bytes_are_a_bad_row(self, tmp_path: Path) -> None:
        """A row with NUL cannot be stored faithfully."""
        path = put(tmp_path, "a.csv", b"a,b\n1,\0\n2,3\n")

        assert read(path) == [
            BadRow(line=2, error="holds a NUL byte"),
            Row(line=3, values={"a": "2", "b": "3"}),
        ]

    def test_a_cell_of_ten_megabytes_is_read_and_one_over_the_limit_is_a_bad_row(
        self, tmp_path: Path
    ) -> None:
        """16 MiB a cell; the row behind it still comes."""
        big, huge = "x" * 10_000_000, '"' + ("y" * 127 + "\n") * (150 * 2**10) + '"'
        path = put(tmp_path, "a.csv", f"a,b\n1,{big}\n2,{huge}\n3,4\n")

        first, second, third = read(path)

        assert isinstance(first, Row) and first.values["b"] == big
        assert second == BadRow(line=3, error="a cell is longer than 16 MiB")
        assert third.line == 3 + 150 * 2**10 + 1

    def test_a_row_over_the_limit_does_not_fill_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An open quote in a large file is given up at the limit and costs one row."""
        monkeypatch.setattr(tables_csv, "ROW_LIMIT", 10_000)
        path = put(tmp_path, "a.csv", 'a,b\n"x,1\n' + "2,3\n" * 500)

        rows = read(path)

        assert isinstance(rows[0], BadRow) and "perhaps a quote is never closed" in rows[0].error
        assert [row.line for row in rows[1:]] == list(range(3, 503))

    def test_hostile_quotes_take_linear_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each of these lines opens a cell that closes nowhere; reading again has a budget."""
        monkeypatch.setattr(tables_csv, "ROW_LIMIT", 100_000)
        path = put(tmp_path, "a.csv", "a,b\n" + 'x","\n' * 40_000)

        started = time.perf_counter()
        rows = read(path)

        assert time.perf_counter() - started < 5
        assert rows and all(isinstance(row, BadRow) for row in rows)

    def test_one_endless_line_is_a_bad_row(self, tmp_path: Path) -> None:
        """A line over the limit is skipped to its end without being held."""
        chunks = [b"a\n", b"x" * 50, b"y" * 50, b"z\nb\n", b"c"]

        blocks = list(tables_text.whole_lines(chunks, 80))

        assert [blocks[0], *blocks[2:]] == [b"a\n", b"b\n", b"c"]
        assert blocks[1] is tables_text._OVERLONG


class TestCsvHeader:
    def test_names_given_twice_are_named(self, tmp_path: Path) -> None:
        """Two columns of one name would lose one of them."""
        with pytest.raises(InputError, match="more than once: 'a'"):
            open_table(put(tmp_path, "a.csv", "a,b,a \n1,2,3\n"))

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_file_is_an_error(self, tmp_path: Path, content: str) -> None:
        """No header, no table."""
        with pytest.raises(InputError, match="is empty"):
            open_table(put(tmp_path, "a.csv", content))

    def test_a_header_alone_has_no_rows(self, tmp_path: Path) -> None:
        """Nothing to decide is no error."""
        assert read(put(tmp_path, "a.csv", "a,b")) == []

    def test_a_binary_file_says_what_it_is(self, tmp_path: Path) -> None:
        """A workbook renamed to .csv is recognised."""
        with pytest.raises(InputError, match="zip archive"):
            open_table(put(tmp_path, "a.csv", b"PK\x03\x04rest"))
        with pytest.raises(InputError, match="NUL byte"):
            open_table(put(tmp_path, "b.csv", "a,b\n1,2\n".encode("utf-16-le")))


class TestDelimiters:
    @pytest.mark.parametrize(
        ("text", "note"),
        [
            ("a;b\n1,5;2\n3,5;4\n", "delimiter ;"),
            ("a\tb\n1\t2\n", "delimiter tab"),
            ("a|b\n1|x, y, z\n", "delimiter |"),
            ('"a,x";b\n"1;2";2\n', "delimiter ;"),
            ("sep=;\na;b\n1;2\n", "delimiter ;"),
            ("name;note, long\nx;hello, dear, you\n", "delimiter ;"),
        ],
    )
    def test_the_delimiter_is_found_and_said(self, tmp_path: Path, text: str, note: str) -> None:
        """Decimal commas, text with commas and quoted delimiters do not mislead it."""
        path = put(tmp_path, "a.csv", text)

        assert notes(path) == (note,)
        assert all(isinstance(row, Row) for row in read(path))

    def test_the_usual_one_needs_no_note(self, tmp_path: Path) -> None:
        """Comma in .csv and tab in .tsv are expected."""
        assert notes(put(tmp_path, "a.csv", "a,b\n1,2\n")) == ()
        assert notes(put(tmp_path, "a.tsv", "a\tb\n1,x\t2\n")) == ()

    def test_excels_sep_line_counts_as_a_line(self, tmp_path: Path) -> None:
        """The header is then line 2."""
        assert read(put(tmp_path, "a.csv", "sep=|\r\na|b\r\n1|2\r\n"))[0].line == 3


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "said"),
        [
            ("utf-8", ()),
            ("utf-8-sig", ("byte-order mark",)),
            ("utf-16", ("encoding UTF-16, byte-order mark",)),
            ("cp1252", ("encoding cp1252",)),
        ],
    )
    def test_text_comes_back_and_the_encoding_is_said(
        self, tmp_path: Path, encoding: str, said: tuple[str, ...]
    ) -> None:
        """The four encodings that people's files have."""
        path = put(tmp_path, "a.csv", "name,city\nMüller,Köln €\n".encode(encoding))

        assert values(path) == [{"name": "Müller", "city": "Köln €"}]
        assert notes(path) == said

    def test_a_late_odd_byte_does_not_turn_a_utf8_file_into_cp1252(self, tmp_path: Path) -> None:
        """The odd line is bad, the others are not garbled."""
        path = put(tmp_path, "a.csv", "a\nä\nö\n".encode() + b"\xe4\n" + "ü\n".encode())

        rows = read(path)

        assert rows[2] == BadRow(line=4, error="not valid UTF-8: 0xE4 at byte 1 of the line")
        assert rows[3] == Row(line=5, values={"a": "ü"})

    def test_a_utf8_line_in_a_cp1252_file_is_a_bad_row(self, tmp_path: Path) -> None:
        """Read as cp1252 it would be garbled without a word."""
        path = put(tmp_path, "a.csv", "a\nä\nö\n".encode("cp1252") + "é\n".encode())

        rows = read(path)

        assert rows[:2] == [Row(line=2, values={"a": "ä"}), Row(line=3, values={"a": "ö"})]
        assert isinstance(rows[2], BadRow) and "UTF-8" in rows[2].error

    def test_bytes_that_cp1252_does_not_have_are_a_bad_row(self, tmp_path: Path) -> None:
        """0x81 means nothing there."""
        path = put(tmp_path, "a.csv", b"a\n\xe4\n\x81\n")

        assert read(path)[1] == BadRow(line=3, error="not valid cp1252: 0x81 at byte 1 of the line")

    def test_the_whole_file_decides(self, tmp_path: Path) -> None:
        """The first special sign may stand a long way down."""
        path = put(tmp_path, "a.csv", b"a,b\n" + b"1,2\n" * 300_000 + "3,ß\n".encode("cp1252"))

        with open_table(path) as table:
            assert table.notes == ("encoding cp1252",)
            assert table.total == 300_001
            last = list(table)[-1]
        assert last == Row(line=300_002, values={"a": "3", "b": "ß"})

    def test_half_a_character_in_utf16_is_a_bad_row(self, tmp_path: Path) -> None:
        """A lone surrogate and an odd last byte do not pass."""
        path = put(tmp_path, "a.csv", b"\xff\xfea\0\n\0\x00\xd8\n\0b\0\n\0c\0\n")

        assert [type(row) for row in read(path)] == [BadRow, Row, BadRow]

    def test_gzip_is_seen_through(self, tmp_path: Path) -> None:
        """Also for cp1252, and a damaged archive is an error, not a short table."""
        packed = gzip.compress("a;b\nä;1\n".encode("cp1252"))

        assert values(put(tmp_path, "a.csv.gz", packed)) == [{"a": "ä", "b": "1"}]
        with pytest.raises(InputError, match="cannot read"):
            read(put(tmp_path, "b.csv.gz", packed[:-9]))
        with pytest.raises(InputError, match="cannot read"):
            read(put(tmp_path, "c.csv.gz", b"a,b\n"))


class TestJson:
    def test_values_keep_their_types(self, tmp_path: Path) -> None:
        """A byte-order mark and blank lines are no rows."""
        path = put(tmp_path, "a.jsonl", '\ufeff{"a": 1, "b": [true, null]}\n\n{"a": "0012"}\r\n')

        assert read(path) == [
            Row(line=1, values={"a": 1, "b": [True, None]}),
            Row(line=3, values={"a": "0012"}),
        ]

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            (b'{"a": NaN}', "NaN is not a JSON number"),
            (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
            (b'{"a": 1e999}', "a number is too large for a float"),
            (b'{"a": {"b": 1, "b": 2}}', "the key 'b' is given twice in one object"),
            (b"[1]", "a row must be an object, this is a list"),
            (b"null", "a row must be an object, this is null"),
            (b'{"a": {"b": ["\\ud800"]}}', "half a character (a lone surrogate) at a.b[0]"),
            (b'{"a": "\xff"}', "not valid UTF-8: 0xFF at byte 8 of the line"),
            (b'{"a": 1', "not valid JSON: Expecting ',' delimiter at column 8"),
            (b'{"a":' + b"[" * 100_000, "nested too deeply"),
            (b'{"a":' + b"9" * 5_000 + b"}", "a number has too many digits"),
        ],
    )
    def test_what_cannot_be_kept_exactly_is_a_bad_row(
        self, tmp_path: Path, line: bytes, error: str
    ) -> None:
        """The row before and the row behind are read."""
        path = put(tmp_path, "a.jsonl", b'{"a": 1}\n' + line + b'\n{"a": 2}\n')

        assert read(path) == [
            Row(line=1, values={"a": 1}),
            BadRow(line=2, error=error),
            Row(line=3, values={"a": 2}),
        ]

    def test_a_pair_of_surrogates_is_one_character(self, tmp_path: Path) -> None:
        """JSON escapes characters beyond the first plane in two halves."""
        assert values(put(tmp_path, "a.jsonl", '{"a": "\\ud83d\\ude00"}')) == [{"a": "😀"}]

    def test_a_list_of_objects_is_read_with_lines(self, tmp_path: Path) -> None:
        """Bad elements do not stop the list."""
        text = '[\n {"a": 1},\n {"a": NaN},\n 5,\n {"a":\n 2}\n]\n'

        assert read(put(tmp_path, "a.json", text)) == [
            Row(line=2, values={"a": 1}),
            BadRow(line=3, error="NaN is not a JSON number"),
            BadRow(line=4, error="a row must be an object, this is a number"),
            Row(line=5, values={"a": 2}),
        ]
        assert read(put(tmp_path, "b.json", " [ ] ")) == []

    @pytest.mark.parametrize("text", ["[1", "[1 2]", "[1] 2", "[,]", "[" * 100_000, '[{"a":1},]'])
    def test_a_broken_list_is_an_error(self, tmp_path: Path, text: str) -> None:
        """It is found before the first row is used."""
        with pytest.raises(InputError, match="not a valid JSON list"):
            open_table(put(tmp_path, "a.json", text))

    def test_a_json_file_may_hold_lines(self, tmp_path: Path) -> None:
        """Many tools write lines under .json; one large object is refused."""
        assert values(put(tmp_path, "a.json", '{"a":1}\n{"a":2}\n')) == [{"a": 1}, {"a": 2}]
        with pytest.raises(InputError, match="one object over several lines"):
            open_table(put(tmp_path, "b.json", '{\n "a": 1\n}\n'))

    def test_a_list_too_large_for_memory_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lines have no such limit."""
        monkeypatch.setattr(tables_json, "LIST_LIMIT", 10)
        with pytest.raises(InputError, match="lists are read whole"):
            open_table(put(tmp_path, "a.json", '[\n{"a": 1},\n{"a": 2}\n]'))


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
        """40 MB of rows pass through a few MB of memory."""
        import tracemalloc

        path = put(tmp_path, "a.csv", b"a,b\n" + b"1234567890," + b"x" * 89 + b"\n")
        with path.open("ab") as file:
            file.write((b"1234567890," + b"x" * 89 + b"\n") * 100_000)
        tracemalloc.start()
        with open_table(path) as table:
            count = sum(1 for _ in table)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert count == 100_001
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


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
latin = st.text("abc ,;|\t\"'\r\n0=äöüßé€ñ", max_size=12)


class TestProperties:
    @QUIET
    @given(
        rows=st.lists(st.lists(cell, min_size=3, max_size=3), max_size=30),
        delimiter=st.sampled_from(",;\t|"),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        end=st.sampled_from(["\n", "\r\n"]),
        packed=st.booleans(),
    )
    def test_every_table_comes_back(
        self, tmp_path: Path, rows: list[list[str]], delimiter: str, encoding: str, end: str, packed: bool
    ) -> None:
        """What the csv module wrote is read the same, with the lines it stands on."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
        writer.writerow(["alpha", "beta", "gamma"])
        expected = []
        for row in rows:
            # Before Python 3.13 the csv module leaves a lone CR unquoted beside LF line ends.
            row = [text.replace("\r", "\r\n") for text in row]
            before = out.getvalue()
            writer.writerow(row)
            if any(row):
                line = before.count("\n") + before.replace("\r\n", "").count("\r") + 1
                expected.append((line, [text or None for text in row]))
        raw = out.getvalue().encode(encoding)
        path = put(tmp_path, "t.csv.gz" if packed else "t.csv", gzip.compress(raw) if packed else raw)

        found = read(path)

        assert all(isinstance(row, Row) for row in found)
        assert [(r.line, list(r.values.values())) for r in found if isinstance(r, Row)] == expected

    @QUIET
    @given(rows=st.lists(st.lists(latin, min_size=2, max_size=2), max_size=20))
    def test_cp1252_comes_back_or_is_bad_but_never_garbled(
        self, tmp_path: Path, rows: list[list[str]]
    ) -> None:
        """Each cell read from a cp1252 file is the cell written."""
        out = io.StringIO(newline="")
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
        path = put(tmp_path, "t.csv", out.getvalue().encode("cp1252"))

        found = read(path)

        written = {tuple(row) for row in rows}
        assert all(tuple(row.values.values()) in written for row in found if isinstance(row, Row))
        assert len(found) == len(rows)

    @QUIET
    @given(
        junk=st.binary(max_size=300) | st.text('a,;"\n\r\t|\0{}[]:1é', max_size=300).map(str.encode),
        name=st.sampled_from(
            ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.csv.gz", "t.jsonl.gz", "t.parquet", "t.xlsx"]
        ),
    )
    @example(junk=b'a,b\n"' + b'x","\n' * 40, name="t.csv")
    @example(junk=b"\xff\xfe", name="t.csv")
    @example(junk=b"\xfe\xff\xd8", name="t.jsonl")
    @example(junk=b"\x1f\x8b\x08\x00", name="t.csv.gz")
    def test_junk_never_raises_anything_but_our_errors(self, tmp_path: Path, junk: bytes, name: str) -> None:
        """Any bytes end in rows, bad rows or one AnswerableError."""
        try:
            rows = read(put(tmp_path, name, junk))
        except AnswerableError as error:
            assert error.next_step
        else:
            assert [row.line for row in rows] == sorted({row.line for row in rows})

    @QUIET
    @given(
        rows=st.lists(
            st.dictionaries(
                cell,
                st.recursive(
                    st.none()
                    | st.booleans()
                    | st.integers()
                    | st.floats(allow_nan=False, allow_infinity=False)
                    | cell,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cell, inner, max_size=3),
                    max_leaves=6,
                ),
                max_size=4,
            ),
            max_size=10,
        )
    )
    def test_json_lines_come_back(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        """What is written is read the same."""
        with open_writer(tmp_path / "t.jsonl") as writer:
            for row in rows:
                writer.write(row)

        assert values(tmp_path / "t.jsonl") == rows
        (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
        assert values(tmp_path / "t.json") == rows

    @QUIET
    @given(rows=st.lists(st.tuples(cell | st.none(), cell | st.none()), max_size=10))
    def test_written_csv_comes_back(self, tmp_path: Path, rows: list[tuple[str | None, str | None]]) -> None:
        """Apart from the apostrophe in front of formulas; None and the empty text stay apart."""
        with open_writer(tmp_path / "t.csv", ["a", "b"]) as writer:
            for a, b in rows:
                writer.write({"a": a, "b": b})

        def safe(text: str | None) -> str | None:
            return f"'{text}" if text and text[0] in "=+-@\t\r" else text

        kept = [row for row in rows if row != (None, None)]
        assert values(tmp_path / "t.csv") == [{"a": safe(a), "b": safe(b)} for a, b in kept]


def test_the_limits_are_the_documented_ones() -> None:
    """16 MiB a cell, 64 MiB a row."""
    assert (tables_core.CELL_LIMIT, tables_core.ROW_LIMIT) == (16 * 2**20, 64 * 2**20)
