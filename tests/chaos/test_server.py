"""The pretended providers: each reply reaches a real client as the fault that it is meant to be."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import httpx2
import openai
import pytest
from pydantic import BaseModel

from answerable.chaos import server as chaos_server
from answerable.chaos.replies import SOUND, Reply, fails, rate_limited, says
from answerable.chaos.server import FaultServer, Upstream
from waiting import soon, until


class Route(BaseModel):
    urgency: Literal["low", "high"]
    score: float


FORMAT: Any = {
    "type": "json_schema",
    "json_schema": {"name": "route", "schema": Route.model_json_schema()},
}
ASKED: Any = [{"role": "user", "content": "Where is my parcel?"}]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


@pytest.fixture
def primary(server: FaultServer) -> Upstream:
    return server.upstream("primary")


def chat(upstream: Upstream, **settings: Any) -> Any:
    """Return what a real OpenAI client gets, without retries."""
    more = {"timeout": 30.0} | settings
    with openai.OpenAI(base_url=upstream.url, api_key="x", max_retries=0, **more) as client:
        return client.chat.completions.create(model="m", messages=ASKED, response_format=FORMAT)


def test_a_sound_reply_answers_the_schema_that_was_sent(primary: Upstream) -> None:
    """A chat client gets values that fit its schema, and the call is counted with what it sent."""
    text = chat(primary).choices[0].message.content

    assert Route.model_validate_json(text).urgency == "low"
    assert primary.hits == 1
    assert primary.calls[0].body["messages"] == ASKED
    assert primary.calls[0].headers["authorization"] == "Bearer x"


def test_replies_follow_the_script_and_the_last_goes_on(primary: Upstream) -> None:
    """The first call gets the first reply; after the end of the script the last one is repeated."""
    primary.play(fails(500, None, "no"), SOUND)

    with pytest.raises(openai.InternalServerError):
        chat(primary)
    assert chat(primary).choices
    assert chat(primary).choices
    assert len(primary.waits) == 2


def test_upstreams_under_one_port_have_their_own_scripts(server: FaultServer) -> None:
    """What one provider does is not what another does."""
    first, second = server.upstream("first"), server.upstream("second")
    first.play(fails(401, "invalid_api_key", "Incorrect API key provided."))

    with pytest.raises(openai.AuthenticationError):
        chat(first)
    chat(second)

    assert (first.hits, second.hits) == (1, 1)


def test_an_error_carries_code_and_headers(primary: Upstream) -> None:
    """Status, the provider's own code and Retry-After reach the client."""
    primary.play(rate_limited(retry_after="7"))

    with pytest.raises(openai.RateLimitError) as told:
        chat(primary)

    assert told.value.code == "rate_limit_exceeded"
    assert told.value.response.headers["retry-after"] == "7"
    assert told.value.request_id == "req_chaos"


def test_a_retry_after_can_be_a_date_ahead(primary: Upstream) -> None:
    """`until` is sent as an HTTP date."""
    primary.play(rate_limited(), Reply(status=429, until=2.0))

    with pytest.raises(openai.RateLimitError) as without:
        chat(primary)
    with pytest.raises(openai.RateLimitError) as told:
        chat(primary)

    assert "retry-after" not in without.value.response.headers
    assert told.value.response.headers["retry-after"].endswith("GMT")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(wire="reset"), openai.APIConnectionError),
        (Reply(wire="cut"), openai.APIConnectionError),
        (Reply(wire="bad-gzip"), Exception),
        (Reply(wire="hang"), openai.APITimeoutError),
        (Reply(wire="stall"), openai.APITimeoutError),
        (Reply(delay=30.0), openai.APITimeoutError),
    ],
    ids=["reset", "cut", "bad-gzip", "hang", "stall", "delay"],
)
def test_the_wire_breaks_as_asked(primary: Upstream, reply: Reply, error: type[Exception]) -> None:
    """Each way of breaking the wire is seen by the client, and none lasts longer than the client waits."""
    primary.play(reply)
    started = time.monotonic()

    with pytest.raises(error):
        chat(primary, timeout=0.3)

    assert time.monotonic() - started < 10
    until(lambda: primary.hits == 1)


def test_the_server_sees_a_caller_that_leaves(primary: Upstream) -> None:
    """A call that is given up is noted with the time it lasted."""
    primary.play(Reply(wire="hang"))

    with pytest.raises(openai.APITimeoutError):
        chat(primary, timeout=0.6)
    until(lambda: primary.calls and primary.calls[0].left_after)

    left = primary.calls[0].left_after
    assert left is not None and 0.1 < left < 10


def test_a_drip_is_longer_than_any_timeout_between_bytes(
    primary: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then passes a client's read timeout: only a clock over the whole call ends it."""
    monkeypatch.setattr(chaos_server, "_DRIP_S", 0.3)
    primary.play(Reply(wire="drip", body=b'"drips on"'))
    started = time.monotonic()

    response = httpx2.post(f"{primary.url}/chat/completions", json={}, timeout=1.9)

    assert response.content == b'"drips on"'
    assert time.monotonic() - started > 1.9


@pytest.mark.parametrize(
    ("reply", "content", "finish"),
    [
        (says(values=lambda v: v | {"urgency": "maximal"}), '{"urgency": "maximal", "score": 1.0}', "stop"),
        (says(values=lambda v: v | {"more": 1}), '{"urgency": "low", "score": 1.0, "more": 1}', "stop"),
        (says(text=lambda t: f"```json\n{t}\n```"), '```json\n{"urgency": "low", "score": 1.0}\n```', "stop"),
        (says(finish="length"), '{"urgency": "low"', "length"),
        (says(finish="content-filter"), None, "content_filter"),
        (says(finish="refusal"), None, "stop"),
        (says(lacks="content"), "", "stop"),
        (says(thinking=True), "", "stop"),
    ],
)
def test_a_chat_model_says_what_it_should_not(
    primary: Upstream, reply: Reply, content: str | None, finish: str
) -> None:
    """Every wrong answer comes in a well-formed envelope."""
    primary.play(reply)

    choice = chat(primary).choices[0]

    assert choice.finish_reason == finish
    told = choice.message.content
    assert told == content or (finish == "length" and content is not None and told == content[: len(told)])


def test_envelopes_lack_what_they_should(primary: Upstream) -> None:
    """No choices, and a choice without a message."""
    primary.play(says(lacks="choices"), says(lacks="message"))

    assert chat(primary).choices == []
    assert chat(primary).choices[0].message is None


def test_a_page_of_a_captive_portal_is_sent_as_it_is(primary: Upstream) -> None:
    """A body of one's own goes out with its content type."""
    primary.play(Reply(body="<html>Log in</html>", kind="text/html"))

    response = httpx2.post(f"{primary.url}/chat/completions", json={})

    assert (response.text, response.headers["content-type"]) == ("<html>Log in</html>", "text/html")


def test_anthropic_clients_are_served(primary: Upstream) -> None:
    """The messages interface answers a forced tool with its input, and errors come in its own form."""
    tool: Any = {"name": "route", "input_schema": Route.model_json_schema()}
    primary.play(SOUND, fails(529, "overloaded_error", "Overloaded"))

    with anthropic.Anthropic(base_url=primary.origin, api_key="x", max_retries=0) as client:
        asked: Any = {"model": "m", "max_tokens": 9, "messages": ASKED, "tools": [tool]}
        answer = client.messages.create(**asked)
        with pytest.raises(anthropic.APIStatusError) as told:
            client.messages.create(**asked)

    assert answer.stop_reason == "tool_use"
    assert Route.model_validate(answer.content[0].input).urgency == "low"  # type: ignore[union-attr]
    assert told.value.status_code == 529
    assert told.value.body == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_chaos",
    }


def test_decisions_are_answered_and_refused_one_by_one(primary: Upstream) -> None:
    """A typed question gets its first choice with a probability; the first ones may be refused."""
    primary.play(says(refuses=1, doubt=0.41))
    choices: Any = [{"value": "low"}, {"value": "high"}]
    asked: Any = [{"type": "choice", "name": n, "instructions": "?", "choices": choices} for n in ("a", "b")]

    with openai.OpenAI(base_url=primary.url, api_key="x", max_retries=0) as client:
        decision = client.decisions.create(model="m", input="hello", questions=asked)

    refused, answered = decision.answers
    assert refused.type == "refusal"
    assert answered.type == "choice" and (answered.choice, answered.confidence) == ("low", 0.41)
    assert sum(share.probability for share in answered.probabilities) == pytest.approx(1.0)


def test_the_responses_interface_is_served(primary: Upstream) -> None:
    """OpenAI's newer interface answers its schema too."""
    wanted: Any = {"format": {"type": "json_schema", "name": "route", "schema": Route.model_json_schema()}}

    with openai.OpenAI(base_url=primary.url, api_key="x", max_retries=0) as client:
        response = client.responses.create(model="m", input="hello", text=wanted)

    assert Route.model_validate_json(response.output_text).urgency == "low"


def test_values_stand_in_for_a_schema(server: FaultServer) -> None:
    """A caller that sends no schema gets the values that the server was given."""
    server.values = {"urgency": "high"}
    upstream = server.upstream("plain")

    with openai.OpenAI(base_url=upstream.url, api_key="x", max_retries=0) as client:
        told = client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content

    assert json.loads(told or "") == {"urgency": "high"}


def test_connections_are_refused_and_certificates_expired(server: FaultServer) -> None:
    """Two ways of not getting there, which no reply can show."""
    for url in (server.refusing(), server.expired_tls("primary")):
        with pytest.raises(httpx2.ConnectError):
            httpx2.post(f"{url}/chat/completions", json={})

    assert server.upstream("primary").hits == 0


def test_a_busy_upstream_counts_its_calls_under_way(primary: Upstream) -> None:
    """How many calls were under way at once is known."""
    primary.play(Reply(wire="hang"))

    async def three_at_once() -> None:
        async with httpx2.AsyncClient(timeout=30) as client:
            calls = [client.post(f"{primary.url}/chat/completions", json={}) for _ in range(3)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await soon(lambda: primary.busy == 3)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    asyncio.run(three_at_once())
    until(lambda: primary.busy == 0)

    assert primary.most_busy == 3
