"""What holds for every table, however broken."""

import csv
import gzip
import io
import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from answerable.errors import AnswerableError
from answerable.integrations import tables_core
from answerable.integrations.tables import Row, open_writer
from table_files import put, read, values

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
