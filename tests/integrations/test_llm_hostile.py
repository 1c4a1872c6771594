"""Whatever a server sends or an environment holds: no crash, no leak, and no answer that is none."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

import answerable as ans
from answerable.decisions.manifest import digest, manifest
from answerable.integrations import llm_wire
from answerable.integrations.llm import llm, rebased
from answerable.integrations.llm_wire import Seen, ended
from llm_upstream import Upstream, answer, case_of, chat, fault, upstream, uses
from roads import decision

GOOD = {"reason": "It is late.", "urgency": "high", "team": "b"}
KEY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0ffeeddcc"


@pytest.fixture
def server() -> Iterator[Upstream]:
    """A provider on this machine that answers soundly."""
    with upstream() as made:
        made.plays(chat(GOOD))
        yield made


def asked_of(server: Upstream, *others: Any, **options: Any) -> ans.Decision[Any, Any]:
    """A decision that one llm answers; what does not belong to the llm is given to the decision."""
    changes = {n: options.pop(n) for n in ("input", "output", "budgets") if n in options}
    told = {"instructions": "Judge the ticket.", "url": server.url} | options
    return decision(llm(told.pop("model", "tiny"), **told), *others, **changes)


# -- what a reply may hold ------------------------------------------------------------------------------


def test_a_lone_surrogate_is_an_invalid_reply_that_is_repaired(server: Upstream) -> None:
    """It is valid JSON on the wire, and nothing that a record can hold."""
    server.plays(chat('{"urgency": "\ud800"}'), chat(GOOD))

    with ans.Workspace("memory:") as ws:
        outcome = ws.decide(asked_of(server), {"number": "1"}, principal="service:t")

    calls = outcome.attempts[0].calls
    assert (outcome.status, [c.get("fault") for c in calls]) == ("answered", ["invalid", None])
    assert "surrogate" in calls[0]["reason"] and len(server.requests) == 2


@pytest.mark.parametrize(
    "body",
    [
        uses(("f\ud800", "{}")),
        chat(None, refusal="no \ud800"),
        chat(GOOD, model="m\ud800"),
        {"error": {"message": "\ud800", "code": "\ud800"}},
        chat(GOOD) | {"usage": {"prompt_tokens": 10**25, "completion_tokens": 10**24, "total_tokens": 1}},
        b"[" * 200_000,
        chat("[" * 100_000),
        chat('{"urgency": ' + "[" * 100_000),
    ],
)
def test_no_reply_makes_the_decider_itself_fail(server: Upstream, body: Any) -> None:
    """It is answered, or a fault of the reply; and the record can be written."""
    server.plays(body)

    with ans.Workspace("memory:") as ws:
        outcome = ws.decide(asked_of(server), {"number": "1"}, principal="service:t")
        assert ws.why(outcome.record_id)

    attempt = outcome.attempts[0]
    assert attempt.fault in (None, "invalid", "refusal", "garbled")
    assert 0 <= attempt.usage.tokens_out <= attempt.usage.tokens_in <= 1 << 50


class Weighed(BaseModel):
    share: float
    price: Decimal = Decimal(1)


@pytest.mark.parametrize(
    "text",
    ['{"share": NaN}', '{"share": 1e400}', '{"share": 1, "share": 2}', '{"share": 1, "price": "NaN"}'],
)
def test_what_no_record_can_hold_or_reads_in_two_ways_is_repaired(server: Upstream, text: str) -> None:
    """NaN, infinity, and a key given twice."""
    server.plays(chat(text))

    exc = fault(asked_of(server, output=Weighed, reason=False))

    assert (exc.fault.category, exc.fault.reply) == ("invalid", text)


class Aliased(BaseModel):
    why: str = Field(alias="reason")


def test_no_reason_is_asked_for_where_a_field_has_its_name(server: Upstream) -> None:
    """Not by an alias either: nobody could tell the two apart."""
    server.plays(chat({"why": "the value"}))

    assert answer(asked_of(server, output=Aliased)).output == {"why": "the value"}


class Own: ...


class Strange(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    own: Own | None = None


def test_an_output_that_no_schema_describes_is_refused_when_the_decision_is_built(server: Upstream) -> None:
    """Not found by the first case."""
    with pytest.raises(ans.UsageError, match="Strange has no JSON schema"):
        asked_of(server, output=Strange)


def test_a_tool_call_where_no_tools_were_given_is_invalid_and_ends_the_call(server: Upstream) -> None:
    """There is no second request that no budget has reserved."""
    server.plays(uses(("lookup", {})))

    exc = fault(asked_of(server))

    assert (exc.fault.category, len(server.requests), len(exc.calls)) == ("invalid", 1, 1)


# -- how a reply ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finish", "text", "category"),
    [
        ("max_tokens", GOOD, "truncated"),
        ("MAX_TOKENS", GOOD, "truncated"),
        ("sensitive", "", "content-filter"),
        ("SAFETY", GOOD, "content-filter"),
        ("refusal", GOOD, "refusal"),
        ("abort", GOOD, "garbled"),
        ("something-new", GOOD, "garbled"),
        ("something-new", "", "content-filter"),
        ("stop", "", "empty"),
    ],
)
def test_only_a_reply_that_says_it_is_complete_is_accepted(
    server: Upstream, finish: str, text: Any, category: str
) -> None:
    """However well it reads; and nothing at all for an unknown reason was kept back by somebody."""
    server.plays(chat(text, finish=finish))

    assert fault(asked_of(server)).fault.category == category


@pytest.mark.parametrize("finish", ["stop", "eos_token", "COMPLETE", "end_turn"])
def test_a_natural_end_has_many_names(server: Upstream, finish: str) -> None:
    """Servers call it as they like."""
    server.plays(chat(GOOD, finish=finish))

    assert answer(asked_of(server)).output["team"] == "b"


@pytest.mark.parametrize(
    ("status", "category"),
    [("incomplete", "truncated"), ("cancelled", "garbled"), ("in_progress", "garbled"), ("completed", None)],
)
def test_a_response_that_is_not_completed_is_no_answer(
    server: Upstream, status: str, category: str | None
) -> None:
    """The Responses interface says it beside the text."""
    text = [{"type": "output_text", "text": json.dumps(GOOD), "annotations": []}]
    message = {"id": "o", "type": "message", "role": "assistant", "status": status, "content": text}
    empty: dict[str, Any] = {"error": None, "incomplete_details": None, "metadata": {}, "tools": []}
    used = {"cached_tokens": 0}, {"reasoning_tokens": 0}
    usage = {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
    server.plays(
        {
            **{"id": "r", "object": "response", "created_at": 1, "model": "gpt", "status": status, **empty},
            **{"parallel_tool_calls": True, "tool_choice": "auto", "output": [message]},
            "usage": {**usage, "input_tokens_details": used[0], "output_tokens_details": used[1]},
        }
    )
    asked = asked_of(server, model="openai:gpt-5")

    if category is None:
        assert answer(asked).output["team"] == "b"
    else:
        assert fault(asked).fault.category == category


def test_the_gravest_word_about_the_end_counts() -> None:
    """A filter beside a limit is a filter."""
    body = json.dumps({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}})
    seen = Seen(status=200, body=body.encode(), whole=True)

    told = ended(seen, "length", empty=False)

    assert told is not None and told[0] == "content-filter"


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I cannot assist with this request.", "refusal"),
        ("Sorry, I am unable to comply.", "refusal"),
        ("I can\u2019t help with that", "refusal"),
        ("I cannot help you with JSON: here is prose", "invalid"),
        ("I can't tell which team. Perhaps billing?", "invalid"),
        ("The customer says: I'm sorry, I can't help with that.", "invalid"),
        ("I cannot help. " + "But consider this. " * 40, "invalid"),
    ],
)
def test_a_refusal_in_prose_is_one_only_where_it_cannot_be_read_otherwise(
    server: Upstream, words: str, category: str
) -> None:
    """Nobody else is asked after a refusal, so a mere slip of the form must not be one."""
    server.plays(chat(words))

    assert fault(asked_of(server)).fault.category == category


# -- what leaves, and what may come back --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "header"),
    [
        ("tiny", "authorization"),
        ("openai:gpt-5", "authorization"),
        ("anthropic:claude-haiku-4-5", "x-api-key"),
    ],
)
def test_headers_that_the_environment_names_do_not_reach_a_server_of_ones_own(
    server: Upstream, monkeypatch: pytest.MonkeyPatch, model: str, header: str
) -> None:
    """They are made for another place; the declared key is the one that is sent."""
    custom = (
        f"Authorization: Bearer theirs\nX-Api-Key: theirs\nX-Gateway: theirs\nHost: theirs\n{header}: theirs"
    )
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, custom)
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("MY_KEY", "my-own-key")

    fault_or_answer(asked_of(server, model=model, api_key="env:MY_KEY"))
    fault_or_answer(asked_of(server, model=model))

    assert "theirs" not in json.dumps(server.headers)
    assert not any(name.startswith("x-stainless") for name in server.headers[0])
    assert "my-own-key" in server.headers[0][header]
    assert "my-own-key" not in json.dumps(server.headers[1])


def fault_or_answer(asked: ans.Decision[Any, Any]) -> None:
    """Send one request, whatever comes back."""
    try:
        answer(asked)
    except ans.Faulted:
        return


@pytest.mark.parametrize("zipped", [True, False])
def test_a_body_without_an_end_is_not_read_to_it(
    server: Upstream, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    """Neither many bytes nor few that unpack to many; no compression is asked for."""
    monkeypatch.setattr(llm_wire, "MOST_BYTES", 1 << 20)
    body = b" " * (3 << 20) + json.dumps(chat(GOOD)).encode()
    server.more = {"content-encoding": "gzip"} if zipped else {}
    server.plays(gzip.compress(body) if zipped else body)

    exc = fault(asked_of(server))

    assert (exc.fault.category, exc.fault.reason) == ("garbled", "the reply is longer than 1 MiB")
    assert server.headers[0]["accept-encoding"] == "identity"


def test_a_model_object_serves_calls_at_the_same_time(server: Upstream) -> None:
    """No call closes the client under another one that begins."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=server.url, api_key="sk-x"))
    asked = decision(llm(model, instructions="Judge."), deadline=20)

    with ans.Workspace("memory:") as ws, ThreadPoolExecutor(8) as pool:
        given = [{"number": str(n)} for n in range(60)]
        made = list(pool.map(lambda g: ws.decide(asked, g, principal="service:t"), given))

    assert {(o.status, len(o.attempts[0].calls)) for o in made} == {("answered", 1)}


# -- the key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "more"),
    [
        ({"error": {"message": "x" * 165 + f" key {KEY} is wrong"}}, {}),
        ({"error": {"message": "no", "code": KEY}}, {}),
        ({"error": {"message": "no"}, "request_id": KEY}, {}),
        ({"error": {"message": "no"}}, {"x-request-id": KEY}),
    ],
)
def test_the_key_stands_nowhere_in_a_record_or_log(
    server: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reply: Any,
    more: dict[str, str],
) -> None:
    """Not cut in two, not as a code or an id, and not when it was renewed meanwhile: the one it used counts."""
    monkeypatch.setenv("GW", KEY)
    server.status, server.more = 401, more

    def play(_: Any) -> Any:
        monkeypatch.setenv("GW", "another-key-by-now")
        return reply

    server.plays(play)
    with ans.Workspace("memory:") as ws:
        outcome = ws.decide(asked_of(server, api_key="env:GW"), {"number": "1"}, principal="service:t")
        told = repr((outcome.attempts, ws.why(outcome.record_id).data))

    assert outcome.attempts[0].fault == "auth"
    assert KEY[:12] not in told + caplog.text


@pytest.mark.parametrize("given", ["two words", "x" * 200, "\x1b[31m", "schl\u00fcssel", KEY])
def test_only_a_short_printable_token_is_a_request_id(
    server: Upstream, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """On success too: it stands in records and is shown on terminals."""
    monkeypatch.setenv("GW", KEY)
    server.more = {"x-request-id": given}

    made = answer(asked_of(server, api_key="env:GW"))

    assert "request_id" not in made.calls[0]


@pytest.mark.parametrize("key", ["schl\u00fcssel", "Zq9part1\nZq9part2", "Zq9\x00x"])
def test_a_key_that_no_header_can_carry_is_told_without_it(server: Upstream, tmp_path: Any, key: str) -> None:
    """A client's own error would show it."""
    (tmp_path / "key").write_text(key, "utf-8")

    exc = fault(asked_of(server, api_key=f"file:{tmp_path / 'key'}"))

    assert exc.fault.category == "auth" and not server.requests
    assert "no header may carry" in exc.fault.reason
    assert "Zq9" not in repr((exc.fault, exc.calls)) and "schl" not in exc.fault.reason


# -- what is sent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"max_completion_tokens": 50_000}, "is ours"),
        ({"n": 8}, "is ours"),
        ({"api_key": "SECRET-1"}, "looks like a secret"),
        ("x", "is a str"),
    ],
)
def test_a_body_cannot_undo_what_a_budget_reserves_or_hold_a_key(
    server: Upstream, body: Any, told: str
) -> None:
    """It would be sent as it is, and recorded."""
    with pytest.raises(ans.UsageError, match=told) as caught:
        asked_of(server, settings={"extra_body": body})
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ans.UsageError, match="extra_query"):
        asked_of(server, settings={"extra_query": {"k": "v"}})


class Message(BaseModel):
    text: Annotated[str, ans.Trim(1)]


class Thread(BaseModel):
    number: str
    thread: list[Message] = []


class Notes(BaseModel):
    number: str
    notes: Annotated[list[str], ans.Trim(2)] = []


@pytest.mark.parametrize(("kind", "told"), [(Thread, "thread.text.*inside a list"), (Notes, "notes.*a set")])
def test_a_mark_where_nothing_can_be_cut_is_refused(
    server: Upstream, kind: type[BaseModel], told: str
) -> None:
    """It would be forgotten, and the first long case would fail."""
    with pytest.raises(ans.UsageError, match=told):
        asked_of(server, input=kind)


class Two(BaseModel):
    number: str = "1"
    hidden: Annotated[str, ans.Trim(1)] = ""
    body: Annotated[str, ans.Trim(2)] = ""


@pytest.mark.parametrize(
    ("template", "body"),
    [("Judge {body}", "b" * 3000), ("Judge.", '"\n' * 1200), ("{body} {body}", "b" * 1500)],
)
def test_as_much_as_fits_is_kept_and_what_is_not_sent_is_not_cut(
    server: Upstream, template: str, body: str
) -> None:
    """Whatever it takes to write a character, and however often the field stands there."""
    options: dict[str, Any] = {"input": Two, "instructions": template, "context": 600}
    hidden = "" if template == "Judge." else "h" * 3000

    asked = asked_of(server, settings={"max_tokens": 50}, **options)
    made = answer(asked, given={"body": body, "hidden": hidden})

    assert [line.partition(" from ")[0] for line in made.cut] == ["cut body"]
    sent = sum(len(m["content"]) for m in server.requests[0]["messages"])
    assert sent > 1200  # of the 550 tokens or so that are left, three bytes each, without the schema


def test_no_sign_is_cut_in_two(server: Upstream) -> None:
    """A letter with its accents, and an emoji of several."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    asked = asked_of(server, input=Two, context=600, settings={"max_tokens": 50})

    for unit in (family, "e\u0301\u0327"):
        answer(asked, given={"body": unit * 900})
        kept = server.requests[-1]["messages"][-1]["content"].partition('"body": "')[2].partition(" [...")[0]
        assert kept and kept == unit * (len(kept) // len(unit))


# -- which one it is ----------------------------------------------------------------------------------------


def test_a_server_on_this_machine_is_the_same_at_every_port() -> None:
    """It gets another one each time, and a home keeps the definition."""
    one, two = (decision(llm("t", url=f"http://127.0.0.1:{p}/v1", instructions="x")) for p in (8001, 8002))
    far = [llm("t", url=f"http://10.0.0.7:{p}/v1", instructions="x").digest for p in (8001, 8002)]

    assert digest(manifest(one)) == digest(manifest(two))
    assert one.deciders[0].remote is not None and one.deciders[0].remote.destination == "127.0.0.1"
    assert len(set(far)) == 2


def test_a_decider_sent_elsewhere_keeps_its_digest_when_it_is_bound_again(server: Upstream) -> None:
    """A decision binds what it is given; the moved one must stay the one that it was."""
    asked = decision(llm("tiny", url="https://far.example/v1", instructions="x"))
    old = asked.deciders[0]

    moved = replace(asked, deciders=[rebased(old, server.url)]).deciders[0]

    assert (moved.made_by, moved.digest) == (old.made_by, old.digest)
    assert moved.remote is not None and moved.remote.destination == "127.0.0.1"


class Handled(BaseModel):
    refund: bool
    vip: bool


def test_the_threshold_of_flags_holds_where_one_question_is_refused(server: Upstream) -> None:
    """A refusal beside it does not turn a no into a yes."""
    details = {"cache_write_tokens": 0, "cached_tokens": 0}, {"reasoning_tokens": 0}
    usage = {"input_tokens": 50, "output_tokens": 0, "total_tokens": 50}
    server.plays(
        {
            "answers": [
                {"name": "refund", "type": "predicate", "probability": 0.6},
                {"name": "vip", "type": "refusal"},
            ],
            "model": "luna",
            "usage": {**usage, "input_tokens_details": details[0], "output_tokens_details": details[1]},
        }
    )
    strict = {"decision_boolean_threshold": 0.9}

    made = answer(asked_of(server, model="openai-decisions:luna", settings=strict, output=Handled))

    assert (made.output, made.withheld) == ({"refund": False}, {"vip": "refusal"})
    assert made.beliefs["refund"].p == pytest.approx(0.4)


def test_what_is_reserved_counts_the_question_wherever_it_is_sent(server: Upstream) -> None:
    """It stands beside the schema too."""
    asked = replace(asked_of(server), question="q" * 9_000)
    case = case_of(asked)
    remote = asked.deciders[0].remote
    assert remote is not None

    asyncio.run(asked.deciders[0].run(case))

    assert remote.reserve(case).tokens_in >= json.dumps(server.requests[0]).count("q" * 9_000) * 9_000


def test_the_servers_process_leaves_an_interrupt_to_its_parent() -> None:
    """The terminal's Ctrl-C reaches all its processes."""
    code = (
        "import os, signal, sys, types\n"
        "from answerable.integrations import llm_local\n"
        "def load(*a, **k):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('alive', flush=True)\n"
        "    raise SystemExit(0)\n"
        "llm_local.load = load\n"
        "llm_local.serve()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)

    assert (done.stdout, done.returncode) == ("alive\n", 0)
