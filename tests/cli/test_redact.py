"""`redact` takes personal values out of a text or of lines of JSON, and never shows one elsewhere."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n\n7bq9Zw==\n-----END RSA PRIVATE KEY-----\n"


def given(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    """Put `text` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_a_text_comes_back_as_text(cli: Any) -> None:
    """The same value gets the same word, whatever its spelling; everything else stays to the byte."""
    cli.write("note.txt", "Bob: bob@example.com, BOB@example.com, eve@example.com\r\n\tend")
    ran = cli("redact", "note.txt")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Bob: [EMAIL_1], [EMAIL_1], [EMAIL_2]\r\n\tend"


def test_lines_of_json_come_back_as_lines_of_json(cli: Any) -> None:
    """The pinned shape: text and spans, offsets in code points of the input."""
    cli.write("t.jsonl", '{"text": "\U0001f600 mail bob@example.com"}\n\n{"text": "nothing"}\n')
    ran = cli("redact", "t.jsonl")
    rows = [json.loads(line) for line in ran.out.splitlines()]

    assert ran.code == 0
    assert rows[0]["text"] == "\U0001f600 mail [EMAIL_1]"
    assert rows[0]["spans"] == [{"start": 7, "end": 22, "class": "EMAIL", "score": 0.95}]
    assert rows[1] == {"text": "nothing", "spans": []}


def test_other_fields_are_redacted_too(cli: Any) -> None:
    """A value is not safe because it stands beside the text; what is none stays as it was."""
    row = {
        "id": "T-7",
        "n": 3,
        "to": ["bob@example.com"],
        "card": 4111111111111111,
        "text": "bob@example.com",
    }
    cli.write("t.jsonl", json.dumps(row))

    assert json.loads(cli("redact", "t.jsonl").out) == {
        "id": "T-7",
        "n": 3,
        "to": ["[EMAIL_1]"],
        "card": "[CARD_1]",
        "text": "[EMAIL_1]",
        "spans": [{"start": 0, "end": 15, "class": "EMAIL", "score": 0.95}],
    }


def test_a_bad_line_is_told_by_number_and_stops_nothing(cli: Any) -> None:
    """Its content, which may be personal, is not shown."""
    cli.write(
        "t.jsonl",
        b'{"text": "a"}\n{"text": "bob@example.com\n{"text": 5}\n["x"]\n{"text": "\xff"}\n{"text": "b"}\n',
    )
    ran = cli("redact", "t.jsonl")

    assert ran.code == 1
    assert [json.loads(line)["text"] for line in ran.out.splitlines()] == ["a", "b"]
    assert [f"line {n}:" in ran.err for n in range(1, 7)] == [False, True, True, True, True, False]
    assert "bob" not in ran.err


def test_spans_of_a_text_come_as_one_object(cli: Any) -> None:
    """--spans and --json say the same."""
    cli.write("note.txt", "card 4111 1111 1111 1111")

    for option in ("--spans", "--json"):
        assert cli("redact", "note.txt", option).json == {
            "text": "card [CARD_1]",
            "spans": [{"start": 5, "end": 24, "class": "CARD", "score": 0.99}],
        }


def test_a_key_of_several_lines_does_not_leak(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from standard input either, and not where a long text is read in blocks."""
    filler = "plain words here\n" * 70_000
    given(monkeypatch, (filler + KEY + "\n" + filler + "bob@example.com\n").encode())
    ran = cli("redact", "-")

    assert ran.code == 0
    assert ran.out == filler + "[SECRET_1]\n\n" + filler + "[EMAIL_1]\n"


def test_bytes_that_are_no_utf8_are_read_all_the_same(cli: Any) -> None:
    """And a byte-order mark is no part of the text."""
    cli.write("old.txt", "M\xfcller: bob@example.com".encode("latin-1"))
    cli.write("bom.txt", b"\xef\xbb\xbfbob@example.com")
    cli.write("wide.txt", "bob@example.com".encode("utf-16"))

    assert cli("redact", "old.txt").out == "M\xfcller: [EMAIL_1]"
    assert cli("redact", "bom.txt").out == "[EMAIL_1]"
    assert cli("redact", "wide.txt").code == 2


def test_an_empty_text_and_a_text_that_begins_like_json(cli: Any) -> None:
    """A brace alone makes no JSON."""
    cli.write("empty.txt", "")
    cli.write("brace.txt", "{see bob@example.com}\n")

    assert (cli("redact", "empty.txt").out, cli("redact", "empty.txt").code) == ("", 0)
    assert cli("redact", "brace.txt").out == "{see [EMAIL_1]}\n"


def test_what_is_wrong_is_told_in_two_lines(cli: Any) -> None:
    """A missing file, an unknown country, an unknown backend: exit 2."""
    cli.write("note.txt", "x")

    for arguments in (["none.txt"], ["note.txt", "--region", "XX"], ["note.txt", "--backend", "none"]):
        ran = cli("redact", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "next:" in ran.err


def test_names_may_be_left_out(cli: Any) -> None:
    """They are the least sure."""
    cli.write("note.txt", "Dear Anna,")

    assert cli("redact", "note.txt").out == "Dear [PERSON_1],"
    assert cli("redact", "note.txt", "--no-names").out == "Dear Anna,"
