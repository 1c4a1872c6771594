"""Retention, re-scan and report by command."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def home(cli: Any) -> Any:
    """A home with one case."""
    cli.write("cases.jsonl", '{"number": "T-1", "body": "write to ada.lovelace@example.org"}\n')
    assert cli("decide", "decision.py:route", "cases.jsonl").code == 0
    return cli


def test_retain_needs_times(home: Any) -> None:
    """Without [retention] nothing is ever over, and the error says where to write it."""
    ran = home("ledger", "retain")

    assert ran.code == 2
    assert "[retention]" in ran.err


def test_retain_only_says_what_would_go(home: Any) -> None:
    """Nothing changes without --apply; with it, under the sealer's role, what is due goes."""
    home.write("answerable.toml", 'home = "home"\n[retention]\nstandard = "30d"\n')

    ran = home("ledger", "retain")
    applied = home("ledger", "retain", "--apply", "--json")

    assert ran.code == applied.code == 0
    assert "0 keys to shred, 0 entries to prune; nothing was changed" in ran.out
    assert applied.json["applied"] is True
    assert applied.json["over"] == []
    assert applied.json["classes"] == {"standard": 2592000.0}


def test_retain_refuses_nonsense_in_the_project_file(home: Any) -> None:
    """A time that is none is named."""
    home.write("answerable.toml", '[retention]\nstandard = "soon"\n')

    ran = home("ledger", "retain")

    assert ran.code == 2
    assert "soon" in ran.err


def test_rescan_exits_with_1_if_something_stands_in_clear(home: Any) -> None:
    """The place and the kind are told, not the value."""
    from answerable.ledger.entry import HEADER_NAMES, Unit
    from answerable.ledger.envelope import seal_clear
    from answerable.ledger.leaf import make_entry
    from answerable.workspace import Workspace

    with Workspace(home.folder / "home") as ws:
        header = dict.fromkeys(HEADER_NAMES) | {
            "id": ws.book.ids.new(),
            "at": ws.clock.now(),
            "kind": "alert",
        }
        part = seal_clear(b'{"what":"ada.lovelace@example.org wrote"}', b"s" * 16)
        ws.book.journal.submit(Unit(entries=[make_entry(header, {"detail": part})]))

    ran, data = home("ledger", "rescan"), home("ledger", "rescan", "--json", "--sealed")

    assert ran.code == data.code == 1
    assert "EMAIL" in ran.out
    assert "ada@" not in ran.out + data.out
    assert {"where", "part", "path", "kind", "count"} == set(data.json["leaks"][0])
    assert data.json["kinds"]["EMAIL"] >= 1


def test_report_counts_and_says_what_is_missing(home: Any) -> None:
    """For a person, as data and as a page; every line has a status."""
    ran, data = home("ledger", "report", "--html", "report.html"), home("ledger", "report", "--json")

    assert ran.code == data.code == 0
    assert "1 of 1 decisions name who asked" in ran.out
    assert set(data.json["status"]) <= {"met", "partly", "missing"}
    assert data.json["counts"]["decisions"] == 1
    assert sum(data.json["status"].values()) == len(data.json["lines"])
    page = (home.folder / "report.html").read_text("utf-8")
    assert page.count("<tr class=") == len(data.json["lines"])
    assert "<script" not in page
