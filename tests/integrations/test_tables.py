"""Reading cases from text as people have it: CSV and JSON."""

import gzip
import time
from pathlib import Path

import pytest

from answerable.errors import InputError
from answerable.integrations import tables_csv, tables_json, tables_text
from answerable.integrations.tables import BadRow, Row, open_table
from table_files import notes, put, read, values


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

    def test_hostile_quotes_take_linear_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of these lines opens a cell that closes nowhere; reading again has a budget."""
        monkeypatch.setattr(tables_csv, "ROW_LIMIT", 100_000)
        path = put(tmp_path, "a.csv", "a,b\n" + 'x","\n' * 40_000)

        started = time.process_time()
        rows = read(path)

        assert time.process_time() - started < 20
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
    def test_what_cannot_be_kept_exactly_is_a_bad_row(self, tmp_path: Path, line: bytes, error: str) -> None:
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
