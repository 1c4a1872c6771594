"""The result of `decide` takes nobody else's place, and an interrupted run goes on without a double."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from waiting import until

CASES = "number,body\n0012,I was hacked\n0013,hello\n"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- the place of the result -------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--resume",)])
@pytest.mark.parametrize(
    ("cases", "out"),
    [
        ("cases.csv", "cases.csv"),
        ("cases.csv", "below/../cases.csv"),
        ("link.csv", "cases.csv"),
        ("cases.csv", "link.csv"),
        ("out.csv.partial", "out.csv"),
    ],
)
def test_a_result_never_takes_the_place_of_the_cases(
    cli: Any, cases: str, out: str, more: tuple[str, ...]
) -> None:
    """However the file is named; nothing is run."""
    cli.write("cases.csv", CASES)
    cli.write("out.csv.partial", CASES)
    (cli.folder / "below").mkdir()
    (cli.folder / "link.csv").symlink_to(cli.folder / "cases.csv")
    ran = cli("decide", "decision.py:route", cases, "-o", out, *more)

    assert ran.code == 2
    assert "would destroy them" in ran.err
    assert (cli.folder / "cases.csv").read_text() == CASES
    assert (cli.folder / "out.csv.partial").read_text() == CASES
    assert not (cli.folder / "home").exists()


def test_a_result_never_takes_the_place_of_another_file(cli: Any) -> None:
    """It may be yesterday's."""
    cli.write("cases.csv", CASES)
    cli.write("out.csv", "yesterday\n")
    ran = cli("decide", "decision.py:route", "cases.csv", "-o", "out.csv")

    assert ran.code == 2
    assert ran.err.splitlines() == [
        "error: out.csv is there already",
        "  next: name another -o, delete it, or go on with --resume",
    ]
    assert (cli.folder / "out.csv").read_text() == "yesterday\n"


# -- resuming ----------------------------------------------------------------------------------------


def test_a_crash_doubles_no_case_that_the_world_knows_by_no_key(cli: Any, monkeypatch: Any) -> None:
    """The job id beside OUT gives each line a key: what was recorded and not written answers again."""
    from answerable.cli.results import Results

    cli.write("cases.csv", "body\n" + "".join(f"text {n}\n" for n in range(10)))
    write, count = Results.write, []

    def crash(self: Results, line: int, outcome: Any) -> None:
        count.append(line)
        if len(count) > 4:
            raise OSError(28, "No space left on device", "out.csv.partial")
        write(self, line, outcome)

    monkeypatch.setattr(Results, "write", crash)
    ran = cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv")
    assert ran.code == 2
    assert "No space left" in ran.err and "--resume" in ran.err
    assert (cli.folder / "out.csv.job").exists()
    with (cli.folder / "out.csv.partial").open("ab") as file:
        file.write(b"7,0190-torn,answ")
    recorded = cli("records", "--json").out.count("\n")
    assert recorded > 4

    monkeypatch.setattr(Results, "write", write)
    assert "--resume" in cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv").err
    ran = cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv", "--resume", "--json")

    assert ran.code == 0
    assert ran.json["cases"] == 10
    assert (ran.json["resumed"], ran.json["replayed"]) == (4, recorded - 4)
    rows = _rows(cli.folder / "out.csv")
    assert [row["line"] for row in rows] == [str(n) for n in range(2, 12)]
    assert len({row["record_id"] for row in rows}) == 10
    assert cli("records", "--json").out.count("\n") == 10
    assert sorted(path.name for path in cli.folder.glob("out.*")) == ["out.csv"]


def test_resuming_a_finished_run_decides_nothing(cli: Any) -> None:
    """It may be repeated."""
    cli.write("cases.csv", "body\nhi\nho\n")
    cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv")
    before = (cli.folder / "out.csv").read_bytes()
    ran = cli("decide", "decision.py:plain", "cases.csv", "-o", "out.csv", "--resume", "--json")

    assert (ran.json["cases"], ran.json["resumed"]) == (2, 2)
    assert (cli.folder / "out.csv").read_bytes() == before


SLOW = """
import time
from decision import Keyless, Route, decision
import answerable as ans

def slow(case):
    time.sleep(0.05)
    return ans.Answer(Route(urgency="low"), confidence=1.0)

route = decision("slow", Keyless, [ans.model(slow, version="1")])
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on(cli: Any) -> None:
    """Each recorded case is in the result, and the rest follows with --resume."""
    cli.write("slow.py", SLOW)
    cli.write("cases.csv", "body\n" + "hi\n" * 400)
    command = [
        sys.executable,
        "-m",
        "answerable.cli.app",
        "decide",
        "slow.py:route",
        "cases.csv",
        "-o",
        "out.csv",
    ]
    process = subprocess.Popen(
        [*command, "--concurrency", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    partial = cli.folder / "out.csv.partial"
    until((cli.folder / "home" / "home.toml").exists)
    until(lambda: cli("records", "--json", "--limit", 0).out.count("\n") > 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=200)

    assert process.returncode == 130
    assert "--resume" in err and "Traceback" not in err
    done = len(_rows(partial))
    assert 0 < done < 400
    assert cli("records", "--json", "--limit", 0).out.count("\n") == done
