"""`decide` takes a table of cases, records each one, and says what became of every row."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path
from typing import Any

import pytest

CASES = "number,body\n0012,I was hacked\n0013,hello\n"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_shape_of_the_summary(cli: Any) -> None:
    """Others build on it: keys may be added, not renamed."""
    cli.write("cases.csv", CASES)
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert ran.code == 0
    assert ran.json == {
        "cases": 2,
        "outcomes": {"answered": 2, "escalated": 0, "refused": 0, "failed": 0},
        "deciders": {"hacked": 1, "default": 1},
        "degraded": 1,
        "degraded_reasons": {"default": 1},
        "flagged": 0,
        "rejected": [],
        "rows": 2,
        "replayed": 0,
        "resumed": 0,
        "truths": 0,
        "cost": {"amount": 0.0, "currency": "USD"},
        "right": {},
    }


def test_the_result_has_one_row_a_case(cli: Any) -> None:
    """With the record id, who decided, how sure, and the answer's fields."""
    cli.write("cases.csv", CASES)
    cli("decide", "decision.py:route", "cases.csv", "-o", "out.csv")
    rows = _rows(cli.folder / "out.csv")

    assert list(rows[0]) == [
        *("line", "record_id", "outcome", "decider", "confidence", "degraded"),
        *("answer.urgency", "answer.paid"),
    ]
    assert [row["line"] for row in rows] == ["2", "3"]
    assert [row["answer.urgency"] for row in rows] == ["high", "low"]
    assert [row["degraded"] for row in rows] == ["", "default"]
    assert rows[0]["decider"].startswith("hacked@")
    assert cli("why", rows[0]["record_id"], "--json").json["input"]["number"] == "0012"


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_the_result_can_be_jsonl_or_parquet(cli: Any, name: str) -> None:
    """The end of the name says which."""
    cli.write("cases.csv", CASES)

    assert cli("decide", "decision.py:route", "cases.csv", "-o", name).code == 0
    assert (cli.folder / name).stat().st_size > 0


def test_the_result_ends_must_be_known(cli: Any) -> None:
    """Before a case is decided, not after."""
    cli.write("cases.csv", CASES)
    ran = cli("decide", "decision.py:route", "cases.csv", "-o", "out.xml")

    assert ran.code == 2
    assert cli("records").out == ""


def test_a_person_reads_a_table_and_a_decider_that_prints_does_not_spoil_it(cli: Any) -> None:
    """Standard output is the result alone."""
    cli.write("cases.csv", CASES)
    ran = cli("decide", "decision.py:route", "cases.csv")

    assert "answered" in ran.out
    assert "a decider that prints" not in ran.out
    assert "a decider that prints" in ran.err


# -- columns -----------------------------------------------------------------------------------------


def test_columns_are_matched_loosely_and_others_are_told_and_ignored(cli: Any) -> None:
    """Case, spaces and signs do not count; one note names what is not used."""
    cli.write("cases.csv", "NUMBER;Body ;A Mount;Extra\n1;hi;2.5;x\n")
    ran = cli("decide", "decision.py:route", "cases.csv")
    given = cli("why", "last", "--json").json["input"]

    assert given == {"number": "1", "body": "hi", "amount": 2.5, "tags": []}
    assert "ignored: Extra" in ran.err


def test_a_missing_column_is_one_error_before_any_case_is_run(cli: Any) -> None:
    """It says what is there and how to name the column."""
    cli.write("cases.csv", "number,text\n1,hi\n")
    ran = cli("decide", "decision.py:route", "cases.csv")

    assert (ran.code, ran.out) == (2, "")
    assert "'body'" in ran.err and "'text'" in ran.err
    assert "--column body=COLUMN" in ran.err
    assert not (cli.folder / "home").exists()
    assert cli("decide", "decision.py:route", "cases.csv", "--column", "body=text").code == 0


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--column=body", "is not FIELD=COLUMN"),
        ("--column=bdy=text", "did you mean 'body'?"),
        ("--column=body=txt", "did you mean 'text'?"),
        ("--truth=urgncy=text", "did you mean 'urgency'?"),
        ("--max-rejected=many", "write it as 5% or 20"),
        ("--max-rejected=101%", "write it as 5% or 20"),
        ("--max-degraded=many", "--max-degraded 'many' is neither"),
        ("--principal=ann@example.com", "not an opaque id"),
        ("--concurrency=0", "concurrency"),
        ("--query=SELECT 1", "a query needs a database"),
        ("--resume", "name it with -o OUT"),
    ],
)
def test_a_bad_option_is_answered_with_what_is_meant(cli: Any, option: str, said: str) -> None:
    """Exit code 2 and two lines."""
    cli.write("cases.csv", "number,text,body\n1,hi,ho\n")
    ran = cli("decide", "decision.py:route", "cases.csv", option)

    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("name", ["cases.csv", "cases.jsonl"])
def test_a_column_that_is_nearly_a_field_is_no_silent_default(cli: Any, name: str) -> None:
    """A field with a default would get it in every row; the user says what the column is, or that it is not."""
    cli.write("cases.csv", "number,body,amonut\n1,hi,2.5\n")
    cli.write("cases.jsonl", '{"number":"1","body":"hi","amonut":2.5}\n')
    ran = cli("decide", "decision.py:route", name)

    assert (ran.code, ran.out) == (2, "")
    assert "'amonut' is nearly called like 'amount'" in ran.err
    assert "say --column amount=amonut; to ignore it on purpose: --ignore amonut" in ran.err
    assert not (cli.folder / "home").exists()

    ignored = cli("decide", "decision.py:route", name, "--ignore", "amonut", "--home", "memory:")
    assert ignored.code == 0
    assert "ignored" not in ignored.err
    assert cli("decide", "decision.py:route", name, "--column", "amount=amonut").code == 0
    assert cli("why", "last", "--json").json["input"]["amount"] == 2.5


def test_a_row_of_json_with_a_slip_is_rejected_alone(cli: Any) -> None:
    """Other rows name the field right, so that the file as a whole does."""
    cli.write("cases.jsonl", '{"number":"1","body":"a","amount":1}\n{"number":"2","body":"b","amonut":2}\n')
    ran = cli("decide", "decision.py:route", "cases.jsonl", "--json", "--max-rejected", 1)

    assert ran.json["cases"] == 1
    assert ran.json["rejected"][0]["line"] == 2
    assert "'amonut' is nearly called like 'amount'" in ran.json["rejected"][0]["error"]


def test_an_ignored_column_is_not_there(cli: Any) -> None:
    """Not even for a field of its name; one that is not in the file is a slip."""
    cli.write("cases.csv", "number,body,amount\n1,hi,2.5\n")
    cli("decide", "decision.py:route", "cases.csv", "--ignore", "amount")
    assert cli("why", "last", "--json").json["input"]["amount"] is None

    ran = cli("decide", "decision.py:route", "cases.csv", "--ignore", "amuont")
    assert ran.code == 2
    assert "did you mean 'amount'?" in ran.err


def test_the_slip_of_a_required_field_is_named(cli: Any) -> None:
    """As a command that can be typed."""
    cli.write("cases.csv", "number,bodyy\n1,hi\n")

    assert "--column body=bodyy" in cli("decide", "decision.py:route", "cases.csv").err


def test_two_columns_that_could_be_one_field_are_not_guessed_between(cli: Any) -> None:
    """The user says which."""
    cli.write("cases.csv", "number,Body,BODY\n1,hi,ho\n")

    assert "--column body=COLUMN" in cli("decide", "decision.py:route", "cases.csv").err


def test_empty_cells_are_left_out_but_for_texts(cli: Any) -> None:
    """A field with a default gets it; a text may be empty."""
    cli.write("cases.csv", "number,body,amount\n1,,\n")
    cli("decide", "decision.py:route", "cases.csv")

    assert cli("why", "last", "--json").json["input"] == {
        "number": "1",
        "body": "",
        "amount": None,
        "tags": [],
    }


def test_a_cell_may_hold_a_json_list(cli: Any) -> None:
    """Where the field is a list or a record."""
    cli.write("cases.csv", 'number,body,tags\n1,hi,"[""a"",""b""]"\n')
    cli("decide", "decision.py:route", "cases.csv")

    assert cli("why", "last", "--json").json["input"]["tags"] == ["a", "b"]


def test_json_rows_name_their_own_columns(cli: Any) -> None:
    """A row without a field that has a default is fine, one without a required field is rejected."""
    cli.write(
        "cases.jsonl", '{"number":"1","Body":"hi"}\n{"number":"2","body":"ho","amount":1}\n{"number":"3"}\n'
    )
    ran = cli("decide", "decision.py:route", "cases.jsonl", "--json", "--max-rejected", 1)

    assert ran.code == 0
    assert ran.json["outcomes"]["answered"] == 2
    assert ran.json["rejected"] == [{"line": 3, "error": "body: Field required"}]


def test_a_database_is_read_by_a_query(cli: Any) -> None:
    """A number in a column is taken as the text that the field is."""
    with sqlite3.connect(cli.folder / "cases.db") as database:
        database.execute("CREATE TABLE ticket (number INTEGER, body TEXT)")
        database.execute("INSERT INTO ticket VALUES (12, 'hi'), (13, 'ho')")
    database.close()
    query = "SELECT * FROM ticket WHERE number > 12"
    ran = cli("decide", "decision.py:route", "sqlite:///cases.db", "--query", query, "--json")

    assert ran.json["cases"] == 1
    assert cli("why", "--key", "13", "--json").json["input"]["number"] == "13"


def test_a_database_without_a_query_says_which_option_is_missing(cli: Any) -> None:
    """In the words of the command line."""
    sqlite3.connect(cli.folder / "cases.db").close()
    ran = cli("decide", "decision.py:route", "sqlite:///cases.db")

    assert ran.code == 2
    assert '--query "SELECT ..." or --query TABLE' in ran.err


# -- bad rows ----------------------------------------------------------------------------------------


def test_a_bad_row_is_named_with_its_line_and_stops_nobody(cli: Any) -> None:
    """An invalid one is recorded as refused too; one that cannot be read never becomes a case."""
    rows = "".join(f"{n},fine,1\n" for n in range(40))
    cli.write("cases.csv", f"number,body,amount\n{rows}x,hi,abc\ny,hi\nz,hi,nan\nlast,hi,1\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json", "--max-rejected", "10%")

    assert ran.code == 0
    assert ran.json["rows"] == 44
    assert ran.json["cases"] == 43
    assert ran.json["outcomes"] == {"answered": 41, "escalated": 0, "refused": 2, "failed": 0}
    assert [one["line"] for one in ran.json["rejected"]] == [42, 43, 44]
    assert ran.json["rejected"][0]["error"].startswith("amount: Input should be a valid number")
    assert "not a finite number" in ran.json["rejected"][2]["error"]
    assert "line 42: amount:" in ran.err


def test_too_many_rejected_rows_fail_at_the_end(cli: Any) -> None:
    """Every good row is decided all the same."""
    cli.write("cases.csv", "number,body,amount\n1,hi,1\n2,hi,abc\n3,hi,1\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert ran.code == 1
    assert ran.json["outcomes"]["answered"] == 2
    assert "1 of 3 rows were rejected" in ran.err


def test_an_empty_cell_of_a_required_field_is_called_empty(cli: Any) -> None:
    """In every kind of table; a row of JSON may lack the field, which is something else."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    text = (cli.folder / "decision.py").read_text().replace("amount: float | None = None", "amount: float")
    cli.write("needs.py", text)
    parquet.write_table(
        arrow.table({"number": ["1", "2"], "body": ["a", "b"], "amount": [None, 1.0]}),
        cli.folder / "cases.parquet",
    )
    cli.write("cases.csv", "number,body,amount\n3,a,\n")
    cli.write("cases.jsonl", '{"number":"4","body":"a","amount":null}\n{"number":"5","body":"a"}\n')

    def errors(name: str) -> list[str]:
        ran = cli("decide", "needs.py:route", name, "--json", "--max-rejected", 2)
        return [one["error"] for one in ran.json["rejected"]]

    assert errors("cases.parquet") == ["amount: is empty"]
    assert errors("cases.csv") == ["amount: is empty"]
    assert errors("cases.jsonl") == ["amount: is empty", "amount: Field required"]


def test_a_row_that_is_refused_is_not_shown_as_two(cli: Any) -> None:
    """The line below the table says that the rejected row is the refused case."""
    cli.write("cases.csv", "number,body,amount\n1,hi,abc\n2,hi\n3,hi,1\n")
    out = cli("decide", "decision.py:route", "cases.csv", "--max-rejected", 2).out

    assert "rejected" not in out.splitlines()[0]
    assert "2 rows were rejected as unreadable or invalid, 1 of them counted above as refused" in out


def test_rows_without_a_key_are_told_once(cli: Any) -> None:
    """Nobody can find such a case by it; a decision without a key field is told nothing."""
    cli.write("cases.csv", "number,body\n1,hi\n,ho\n,hu\n")
    cli.write("plain.csv", "body\nhi\n")

    assert "2 rows have no key: " in cli("decide", "decision.py:route", "cases.csv").err
    assert "no key" not in cli("decide", "decision.py:plain", "plain.csv").err


def test_a_value_is_never_shown_in_an_error(cli: Any) -> None:
    """It may be personal."""
    cli.write("cases.csv", "number,body,amount\n1,hi,secret-value\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert "secret-value" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "empty"),
        ("empty.jsonl", b"", "error: empty.jsonl has no rows"),
        ("zeros.csv", b"\x00" * 100, "zeros.csv"),
        ("list.json", b"[1, 2", "not a valid JSON list"),
        ("cases.doc", b"x", "has no known kind"),
        ("twice.csv", b"number,number\n1,2\n", "more than once"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_error(cli: Any, name: str, content: bytes, said: str) -> None:
    """Exit code 2, the file's name, two lines at the end."""
    cli.write(name, content)
    ran = cli("decide", "decision.py:route", name)

    assert ran.code == 2
    assert said in ran.err
    assert ran.err.splitlines()[-1].startswith("  next: ")


def test_a_missing_file_is_told_with_the_nearest_name(cli: Any) -> None:
    """Before a home is made."""
    cli.write("cases.csv", CASES)
    ran = cli("decide", "decision.py:route", "case.csv")

    assert ran.code == 2
    assert "did you mean 'cases.csv'" in ran.err
    assert not (cli.folder / "home").exists()
    assert "did you mean" not in cli("decide", "decision.py:route", "truths.csv").err


def test_a_table_with_a_header_only_has_no_cases(cli: Any) -> None:
    """A day on which nothing happened is no error."""
    cli.write("cases.csv", "number,body\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert (ran.code, ran.json["cases"]) == (0, 0)


def test_a_file_that_is_not_utf8_is_read_and_told(cli: Any) -> None:
    """As Excel writes it."""
    cli.write("cases.csv", "number;body\n1;Gr\xfc\xdfe\n".encode("cp1252"))
    ran = cli("decide", "decision.py:route", "cases.csv")

    assert cli("why", "last", "--json").json["input"]["body"] == "Gr\xfc\xdfe"
    assert "cp1252" in ran.err


def test_a_cell_of_ten_megabytes_is_decided(cli: Any) -> None:
    """It is recorded, and shown short."""
    cli.write("cases.csv", b"number,body\n1," + b"x" * 10_000_000 + b"\n2,hi\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert ran.json["outcomes"]["answered"] == 2
    assert len(cli("why", "--key", "1").out) < 5_000


def test_a_cell_too_large_for_a_record_is_rejected_alone(cli: Any) -> None:
    """The rest is decided."""
    large = ("\N{SNOWMAN}" * 6_000_000).encode()
    cli.write("cases.csv", b"number,body\n1," + large + b"\n2,hi\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json", "--max-rejected", 1)

    assert ran.json["outcomes"]["answered"] == 1
    assert [one["line"] for one in ran.json["rejected"]] == [2]


def test_nan_a_lone_surrogate_and_nul_are_contained(cli: Any) -> None:
    """NaN and half a character are rejected with their line; NUL is a character like others or rejected."""
    lines = [
        b'{"number":"1","body":"hi","amount":NaN}',
        b'{"number":"2","body":"\\ud800"}',
        b'{"number":"3","body":"a\\u0000b"}',
        b'{"number":"4","body":"fine"}',
    ]
    cli.write("cases.jsonl", b"\n".join(lines) + b"\n")
    ran = cli("decide", "decision.py:route", "cases.jsonl", "--json", "--max-rejected", "100%")
    lines_rejected = [one["line"] for one in ran.json["rejected"]]

    assert ran.code == 0
    assert lines_rejected[:2] == [1, 2] and 4 not in lines_rejected
    assert cli("why", "--key", "4").code == 0


def test_the_same_id_twice_is_answered_once(cli: Any) -> None:
    """The second row gets what the first one recorded."""
    cli.write("cases.csv", "number,body\n7,hi\n7,hi\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "-o", "out.csv", "--json")
    rows = _rows(cli.folder / "out.csv")

    assert ran.json["replayed"] == 1
    assert rows[0]["record_id"] == rows[1]["record_id"]
    assert cli("records", "--json").out.count("\n") == 1


def test_the_same_id_with_another_input_is_rejected(cli: Any) -> None:
    """It is named with its line; nothing is recorded for it."""
    cli.write("cases.csv", "number,body\n7,hi\n7,ho\n8,hi\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json", "--max-rejected", "50%")

    assert ran.code == 0
    assert ran.json["cases"] == 2
    assert ran.json["rejected"][0]["line"] == 3
    assert "another input" in ran.json["rejected"][0]["error"]


def test_a_decider_that_raises_is_an_attempt_and_not_an_error(cli: Any) -> None:
    """The next decider answers, and the answer is marked."""
    cli.write("cases.csv", "number,body\n1,explode\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert ran.code == 0
    assert (ran.json["outcomes"]["answered"], ran.json["degraded"]) == (1, 1)


def test_a_changed_definition_needs_a_new_version_or_dev(cli: Any) -> None:
    """The record must say by what it was decided."""
    cli.write("cases.csv", CASES)
    cli("decide", "decision.py:route", "cases.csv")
    changed = (cli.folder / "decision.py").read_text().replace("How urgent", "How very urgent")
    cli.write("later.py", changed)
    cli.write("more.csv", "number,body\n99,hi\n")
    ran = cli("decide", "later.py:route", "more.csv", "-o", "out.csv")

    assert ran.code == 2
    assert "it differs in question" in ran.err
    assert not list(cli.folder.glob("out.csv*"))
    assert cli("decide", "later.py:route", "more.csv", "--dev").code == 0


def test_a_new_home_is_never_made_silently(cli: Any) -> None:
    """It may be a second one; the old one is not mentioned again."""
    cli.write("cases.csv", CASES)

    assert "a new home was made in" in cli("decide", "decision.py:route", "cases.csv").err
    assert "home" not in cli("decide", "decision.py:route", "cases.csv").err


def test_memory_keeps_nothing(cli: Any) -> None:
    """A dry run."""
    cli.write("cases.csv", CASES)
    ran = cli("decide", "decision.py:route", "cases.csv", "--home", "memory:", "--json")

    assert ran.json["cases"] == 2
    assert not (cli.folder / "home").exists()


# -- truth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "options"),
    [("truth.urgency", ()), ("truth_urgency", ()), ("Right", ("--truth", "urgency=Right"))],
)
def test_truth_columns_are_recorded_after_the_decision(
    cli: Any, column: str, options: tuple[str, ...]
) -> None:
    """An empty cell says nothing; a value that cannot be is rejected with its line."""
    cli.write("cases.csv", f"number,body,{column}\n1,hi,high\n2,hi,\n3,hi,nonsense\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json", "--max-rejected", 1, *options)

    assert ran.json["truths"] == 1
    assert ran.json["outcomes"]["answered"] == 3
    assert ran.json["rejected"][0]["line"] == 4
    assert ran.json["rejected"][0]["error"].startswith("truth: urgency cannot be")
    assert cli("why", "--key", "1", "--json").json["truth"] == {"urgency": "high"}


def test_the_truth_of_a_replayed_case_is_not_recorded_twice(cli: Any) -> None:
    """The same file again changes nothing."""
    cli.write("cases.csv", "number,body,truth.urgency\n1,hi,high\n")
    cli("decide", "decision.py:route", "cases.csv")
    ran = cli("decide", "decision.py:route", "cases.csv", "--json")

    assert (ran.json["replayed"], ran.json["truths"]) == (1, 0)
    assert len(cli("why", "last", "--json").json["truths"]) == 1


def test_how_many_were_right_is_told_for_each_field(cli: Any) -> None:
    """Of the answers whose truth the table tells; on the side, and as data. A resumed run counts all."""
    head = "number,body,truth.urgency,truth.paid"
    cli.write("cases.csv", f"{head}\n1,hi,HIGH,false\n2,ho,low,\n3,I was hacked,high,nonsense\n")
    command = ("decide", "decision.py:route", "cases.csv", "--max-rejected", 1, "-o", "out.csv")
    ran = cli(*command, "--json")

    assert ran.json["right"] == {"urgency": {"right": 2, "of": 3}, "paid": {"right": 1, "of": 1}}
    assert "urgency: 2 of 3 right\n" in ran.err
    assert cli(*command, "--json", "--resume").json["right"] == ran.json["right"]


def test_a_case_without_an_answer_is_neither_right_nor_wrong(cli: Any) -> None:
    """It waits for a person."""
    cli.write("cases.csv", "body,truth.urgency\nhi,high\n")

    assert cli("decide", "decision.py:ask", "cases.csv", "--json").json["right"] == {}
