"""Where an llm's calls go, with whose key, at what price and for how long."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import answerable as ans
from answerable.failures.fault import Fault
from answerable.integrations import llm_models
from answerable.integrations.llm import llm, rebased
from answerable.integrations.llm_models import is_loopback
from llm_upstream import Upstream, answer, case_of, chat, fault, upstream
from roads import decision

GOOD = {"reason": "It is late.", "urgency": "high", "team": "b"}


@pytest.fixture
def server() -> Iterator[Upstream]:
    """A provider on this machine that answers soundly."""
    with upstream() as made:
        made.plays(chat(GOOD))
        yield made


def asked_of(server: Upstream, **options: Any) -> ans.Decision[Any, Any]:
    """A decision that one llm answers; what does not belong to the llm is given to the decision."""
    changes = {n: options.pop(n) for n in ("input", "output", "stakes", "label") if n in options}
    told = {"instructions": "Judge the ticket.", "url": server.url} | options
    return decision(llm("tiny", **told), **changes)


# -- keys, places and digests -----------------------------------------------------------------------------


def test_a_key_is_a_reference_and_is_found_nowhere_else(
    server: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is read on each use: a renewed one counts from the next call on."""
    monkeypatch.setenv("TINY_KEY", "key-one-4711")
    (tmp_path / "key").write_text("key-two-4711\n", "utf-8")
    asked = asked_of(server, api_key="env:TINY_KEY")
    filed = asked_of(server, api_key=f"file:{tmp_path / 'key'}")

    made = answer(asked)
    monkeypatch.setenv("TINY_KEY", "key-new-4711")
    answer(asked)
    answer(filed)

    sent_keys = [h["authorization"] for h in server.headers]
    assert sent_keys == ["Bearer key-one-4711", "Bearer key-new-4711", "Bearer key-two-4711"]
    assert "4711" not in repr((asked, filed, made.calls))
    assert asked.deciders[0].digest == filed.deciders[0].digest


def test_a_key_that_a_provider_repeats_is_taken_out(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever form it has: it is known, so it is found."""
    monkeypatch.setenv("TINY_KEY", "plain words 4711")
    server.status = 401
    server.plays({"error": {"message": "wrong: plain words 4711", "code": "invalid_api_key"}})

    exc = fault(asked_of(server, api_key="env:TINY_KEY"))

    assert exc.fault.category == "auth"
    assert "4711" not in repr((exc.fault, exc.calls, exc.args))


@pytest.mark.parametrize("literal", ["sk-live-4711", "env:", "env:NOT A NAME", "file:"])
def test_a_key_in_code_is_refused_without_repeating_it(server: Upstream, literal: str) -> None:
    """The error names env: and not the key."""
    with pytest.raises(ans.UsageError, match="env:NAME") as caught:
        asked_of(server, api_key=literal)
    assert "4711" not in str(caught.value)


def test_a_missing_key_is_a_fault_of_the_call(server: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a crash, and not at definition: the machine that reads definitions has no keys."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    named = fault(asked_of(server, api_key="env:NOWHERE_KEY"))
    hosted = fault(decision(llm("openai:gpt-5-mini", instructions="Judge.")))

    assert (named.fault.category, hosted.fault.category) == ("auth", "auth")
    assert "env:NOWHERE_KEY" in named.fault.reason and "OPENAI_API_KEY" in hosted.fault.reason


def test_the_key_of_one_place_is_not_sent_to_another(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of one's own does not get the key for OpenAI that lies about in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")

    answer(asked_of(server))
    answer(decision(llm("openai-chat:gpt-5-mini", instructions="Judge.", url=server.url)))

    assert all("sk-for" not in json.dumps(h) for h in server.headers)
    assert llm("openai:gpt-5-mini", instructions="Judge.").remote.destination == "api.openai.com"  # type: ignore[union-attr]


def test_the_digest_covers_what_decides_the_answer_and_not_the_price(server: Upstream) -> None:
    """A changed template is another version; a changed price is not."""

    def made(**changes: Any) -> str:
        told = {"instructions": "Judge.", "url": server.url} | changes
        return llm(told.pop("model", "tiny"), **told).digest

    same = made()
    changed = [
        made(instructions="Judge well."),
        made(model="tiny-2"),
        made(settings={"temperature": 0}),
        made(mode="prompted"),
        made(examples=[({"number": "0"}, {"team": "a"})]),
        made(context=4000),
    ]
    assert made(price=ans.Price(input=1, output=2), limit=ans.Limit(at_once=2)) == same
    assert len({same, *changed}) == 7
    assert llm("tiny", instructions="Judge.", url=server.url).version == same[:8]


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("openai:gpt-5-mini", {"temprature": 0}, "temprature"),
        ("openai:gpt-5-mini", {"time_out": 3}, "did you mean 'timeout'"),
        ("gpt-5-mini", {}, "names no provider"),
        ("opnai:gpt-5-mini", {}, "did you mean 'openai'"),
        ("openai:gpt-5-mini", {"mode": "nativ"}, "did you mean 'native'"),
        ("openai:gpt-5-mini", {"settings": {"max_retries": 3}}, "faults="),
        ("openai:gpt-5-mini", {"settings": {"extra_headers": {}}}, "api_key="),
        ("openai:gpt-5-mini", {"settings": {"max_tokens": 0}}, "max_tokens"),
        ("openai:gpt-5-mini", {"settings": {"max_tokens": "many"}}, "max_tokens"),
        ("openai:gpt-5-mini", {"settings": {"temperature": "0"}}, "temperature is '0'"),
        ("openai:gpt-5-mini", {"settings": "cold"}, "settings is a str"),
        ("openai:gpt-5-mini", {"price": 0.25}, "ans.Price("),
        ("openai:gpt-5-mini", {"limit": 5}, "ans.Limit("),
        ("openai:gpt-5-mini", {"breaker": 5}, "ans.Breaker("),
        ("openai:gpt-5-mini", {"provider": "acme"}, "beside url="),
        ("openai:gpt-5-mini", {"context": -1}, "context"),
        ("tiny", {"url": "ftp://x"}, "http"),
        ("tiny", {"url": "http://me:secret@host/v1"}, "api_key="),
        ("tiny", {"url": "http://host/v1?key=secret"}, "api_key="),
        (object(), {}, "object"),
        ("system-one:clm", {}, "url="),
    ],
)
def test_what_cannot_work_is_refused_at_definition(model: Any, options: dict[str, Any], told: str) -> None:
    """With what to do instead, and without a secret."""
    with pytest.raises(ans.UsageError) as caught:
        llm(model, instructions="Judge.", **options)

    assert told in str(caught.value)
    assert "secret" not in str(caught.value).replace("perhaps a secret", "")


@pytest.mark.parametrize("package", ["httpx2", "genai_prices", "openai"])
def test_half_an_extra_is_found_when_the_decision_is_built(
    server: Upstream, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Another package may have brought a part of it; no case has to find out."""
    found = llm_models.find_spec
    monkeypatch.setattr(llm_models, "find_spec", lambda name: None if name == package else found(name))

    with pytest.raises(ans.UsageError, match=rf'needs the package {package!r}[^$]+"answerable\[llm\]"'):
        asked_of(server)


def test_an_extra_that_cannot_be_imported_is_found_too(
    server: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version of a package may lack what is used."""

    def fails(*given: Any) -> Any:
        raise ImportError("cannot import name 'x'")

    monkeypatch.setattr(llm_models, "_make", fails)

    with pytest.raises(ans.UsageError, match="cannot import name"):
        asked_of(server)


def test_settings_that_nobody_reads_are_refused_when_the_decision_is_built(server: Upstream) -> None:
    """A misspelt one would change nothing, and nobody would know."""
    with pytest.raises(ans.UsageError, match="did you mean 'temperature'"):
        asked_of(server, settings={"temprature": 0})

    asked_of(server, settings={"extra_body": {"grammar": "x"}, "openai_reasoning_effort": "low", "seed": 1})


def test_who_is_at_an_address_may_have_a_name(server: Upstream) -> None:
    """Breakers and records use it; the destination stays the host."""
    named, plain = asked_of(server, provider="acme").deciders[0], asked_of(server).deciders[0]

    assert named.remote is not None and plain.remote is not None
    assert (named.remote.provider, plain.remote.provider) == ("acme", plain.remote.destination)
    assert named.remote.destination == plain.remote.destination
    assert named.digest == plain.digest
    server.status = 500
    assert fault(asked_of(server, provider="acme")).fault.provider == "acme"


def test_without_the_extra_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is told with the pip command that brings it."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("answerable.integrations.llm_models.find_spec", lambda name: None)
    monkeypatch.setattr("answerable.integrations.tables_core.import_module", missing)

    with pytest.raises(ans.UsageError, match=r'pip install "answerable\[llm\]"'):
        llm("openai:gpt-5-mini", instructions="Judge.")


def test_pydantic_ai_is_imported_with_the_first_decision_that_needs_it() -> None:
    """Not by `import answerable` or `llm(...)`, and not in the time of a case."""
    code = (
        "import sys, answerable\n"
        "from answerable.integrations.llm import llm\n"
        "llm('openai:gpt-5-mini', instructions='x')\n"
        "assert not {'pydantic_ai', 'openai', 'httpx2', 'genai_prices'} & set(sys.modules)\n"
        "from roads import decision\n"
        "decision(llm('tiny', url='http://127.0.0.1:1', instructions='x'))\n"
        "assert {'pydantic_ai.direct', 'pydantic_ai.models.openai'} <= set(sys.modules)\n"
    )
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200, env=environment)


# -- money ----------------------------------------------------------------------------------------------


def test_a_call_costs_what_its_price_says_and_nothing_on_this_machine(server: Upstream) -> None:
    """Cost is in micro-units of the decision's currency."""
    priced = answer(asked_of(server, price=ans.Price(input=0.25, output=2)))
    free = answer(asked_of(server))
    named = answer(decision(llm("gpt-5-mini", instructions="Judge.", url=server.url)))

    assert priced.usage.cost == 60  # 120 x 0.25 + 15 x 2
    assert free.usage.cost == named.usage.cost == 0


def test_without_a_price_the_list_counts_for_decisions_in_dollars() -> None:
    """Elsewhere nobody knows what it costs, and a budget in money refuses it."""
    hosted = llm("openai:gpt-5-mini", instructions="Judge.")
    euros = ans.Stakes("EUR", wrong=2, review=1)
    strange = llm("tiny", instructions="Judge.", url="https://llm.example.org/v1")

    dollars = decision(hosted)
    most = dollars.deciders[0].remote.reserve(case_of(dollars))  # type: ignore[union-attr]

    assert most.cost > 1024 * 2  # the reply alone: 1,024 tokens at 2 dollars a million
    decision(hosted, budgets=[ans.Budget(money=1)])
    for unknown in (hosted, strange):
        stakes = euros if unknown is hosted else ans.Stakes("USD", wrong=2, review=1)
        with pytest.raises(ans.UsageError, match="price="):
            decision(unknown, stakes=stakes, budgets=[ans.Budget(money=1)])
        decision(unknown, stakes=stakes, budgets=[ans.Budget(tokens=10**9)])


def test_what_is_reserved_is_never_less_than_what_is_sent(server: Upstream) -> None:
    """No token is shorter than a byte; a repair and a longer reply count."""
    asked = asked_of(server, settings={"max_tokens": 50}, price=ans.Price(input=1, output=1))
    case = case_of(asked, given={"number": "1", "body": "日本語 ✓ " * 50})
    again = replace(case, faults=(Fault(category="truncated"), Fault(category="invalid", reply="r" * 100)))
    remote = asked.deciders[0].remote
    assert remote is not None

    asyncio.run(asked.deciders[0].run(case))
    most, more = remote.reserve(case), remote.reserve(again)

    assert most.tokens_in > len(json.dumps(server.requests[0], ensure_ascii=False).encode()) - 200
    assert (most.tokens_out, more.tokens_out) == (50, 100)
    assert more.tokens_in > most.tokens_in + 100
    assert most.cost == most.tokens_in + most.tokens_out


# -- time and connections --------------------------------------------------------------------------------


def test_a_model_that_takes_too_long_is_a_timeout_with_what_was_sent(server: Upstream) -> None:
    """The limit is the decider's, or what the case has left; the connection is closed."""
    import threading

    asked = asked_of(server, timeout=0.5)
    server.hold = threading.Event()

    started = time.monotonic()
    exc = fault(asked)

    assert exc.fault.category == "timeout"
    assert time.monotonic() - started < 10
    assert exc.calls[0]["messages"]
    assert server.left.wait(30)


def test_a_cancelled_call_closes_its_connection(server: Upstream) -> None:
    """The provider sees at once that nobody waits any more."""
    import threading

    asked = asked_of(server)
    answer(asked)
    server.hold = threading.Event()

    async def cancelled() -> None:
        task = asyncio.ensure_future(asked.deciders[0].run(case_of(asked)))
        while len(server.requests) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert server.left.wait(30)


def test_concurrent_calls_share_a_client_and_leave_none_behind(server: Upstream) -> None:
    """One model object a loop while calls are in flight; afterwards no socket is open."""
    asked = asked_of(server)
    models = asked.deciders[0].run.declared.spec.models  # type: ignore[attr-defined]

    async def many() -> tuple[int, list[Any]]:
        cases = [case_of(asked) for _ in range(8)]
        tasks = [asyncio.ensure_future(asked.deciders[0].run(c)) for c in cases]
        while not models._held:
            await asyncio.sleep(0.001)
        held = len(models._held)
        return held, list(await asyncio.gather(*tasks))

    held, made = asyncio.run(many())

    assert (held, len(made), len(models._held)) == (1, 8, 0)


def test_the_same_decider_serves_two_loops_at_once(server: Upstream) -> None:
    """`decide` on threads and `adecide` on a loop never share a connection."""
    asked = asked_of(server)

    async def mixed() -> list[Any]:
        with ans.Workspace("memory:") as ws:
            given = [{"number": str(n), "body": "x"} for n in range(6)]
            threads = [asyncio.to_thread(ws.decide, asked, g, principal="service:t") for g in given[:3]]
            here = [ws.adecide(asked, g, principal="service:t") for g in given[3:]]
            return list(await asyncio.gather(*threads, *here))

    assert {outcome.status for outcome in asyncio.run(mixed())} == {"answered"}


# -- other places -----------------------------------------------------------------------------------------


def test_a_decider_can_be_sent_elsewhere(server: Upstream) -> None:
    """Same version, same words, another address: what a chaos run does to a decision."""
    with upstream() as other:
        other.plays(chat(GOOD))
        asked = asked_of(server)
        moved = rebased(asked.deciders[0], other.url)

        again = replace(asked, deciders=[moved])
        answer(again)

        assert (len(server.requests), len(other.requests)) == (0, 1)
        assert (moved.made_by, moved.remote.destination) == (  # type: ignore[union-attr]
            asked.deciders[0].made_by,
            "127.0.0.1",
        )
    with pytest.raises(ans.UsageError, match="calls no model"):
        rebased(ans.default({"team": "a"}), server.url)


def test_a_model_object_may_be_given(server: Upstream) -> None:
    """Its own address and key are used."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("tiny", provider=OpenAIProvider(base_url=server.url, api_key="x"))
    asked = decision(llm(model, instructions="Judge."))

    made = [answer(asked), answer(asked)]

    assert [m.output for m in made] == [{"urgency": "high", "team": "b"}] * 2
    assert asked.deciders[0].remote.destination == "127.0.0.1"  # type: ignore[union-attr]


@pytest.mark.parametrize(("mode", "key"), [("tool", "tools"), ("prompted", "messages")])
def test_the_form_of_the_reply_can_be_asked_for_in_other_ways(server: Upstream, mode: Any, key: str) -> None:
    """As a tool call, or by words alone, for servers that cannot enforce a schema."""
    if mode == "tool":
        from llm_upstream import uses

        server.plays(uses(("final_result", GOOD)))

    assert answer(asked_of(server, mode=mode)).output == {"urgency": "high", "team": "b"}
    assert "urgency" in json.dumps(server.requests[0][key])


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1:80", True), ("localhost", True), ("[::1]:9", True), ("10.0.0.1", False), ("x.org", False)],
)
def test_this_machine_is_known_by_its_address(host: str, local: bool) -> None:
    """Only what runs here is free of charge."""
    assert is_loopback(host) is local
