"""Writes a Reply in the interface that was called: OpenAI's three, System One's or Anthropic's."""

import json
from collections.abc import Mapping
from typing import Any

from answerable.chaos.filled import filled
from answerable.chaos.replies import Reply, Said

_PATHS = (
    ("/chat/completions", "chat"),
    ("/responses", "responses"),
    ("/decisions", "decisions"),
    ("/systemone", "systemone"),
    ("/messages", "messages"),
    ("/models", "models"),
)
_STOPS = {"stop": "stop", "length": "length", "content-filter": "content_filter", "refusal": "stop"}
_ANTHROPIC = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content-filter": "refusal",
    "refusal": "refusal",
}
REFUSAL = "I cannot help with that."
_THOUGHT = "Let me think about which of these fits best."


def dialect_of(path: str) -> str | None:
    """Return which interface a path belongs to: chat, responses, decisions, systemone, messages, models."""
    return next((name for ending, name in _PATHS if path.rstrip("/").endswith(ending)), None)


def body_of(reply: Reply, dialect: str, asked: Any, values: Any) -> bytes:
    """Return the body of `reply` for a request. asked: its JSON. values: answered without a schema."""
    if reply.body is not None:
        if isinstance(reply.body, bytes):
            return reply.body
        return reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
    asked = asked if isinstance(asked, Mapping) else {}
    if reply.status >= 400:
        return json.dumps(_error(reply, dialect)).encode()
    write = {
        "chat": _chat,
        "responses": _responses,
        "messages": _messages,
        "decisions": _decisions,
        "systemone": _systemone,
    }.get(dialect)
    if write is None:
        return json.dumps(_models()).encode()
    return json.dumps(write(reply.said, asked, values)).encode()


def _error(reply: Reply, dialect: str) -> dict[str, Any]:
    if dialect == "messages":
        told = {"type": reply.code or "api_error", "message": reply.message, **reply.more}
        return {"type": "error", "error": told, "request_id": "req_chaos"}
    kind = "invalid_request_error" if reply.status < 429 else "server_error"
    told = {"message": reply.message, "type": kind, "param": None, "code": reply.code}
    if reply.status == 429:
        told["type"] = reply.code or "requests"
    return {"error": {**told, **reply.more}}


def _models() -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "chaos", "object": "model", "created": 0, "owned_by": "chaos"}]}


# -- what is said --------------------------------------------------------------------------------------


def _answer(said: Said, schema: Mapping[str, Any] | None, asked: Any, values: Any) -> tuple[Any, str]:
    """Return the answered values and their text, as `said` wants them."""
    made = filled(schema, source=_words(asked)) if schema else values
    if made is None:
        made = "ok"
    if said.values is not None and isinstance(made, dict):
        made = said.values(dict(made))
    text = made if isinstance(made, str) else json.dumps(made)
    if said.finish == "length":
        text = text[: max(1, len(text) // 2)]
    return made, said.text(text) if said.text else text


def _words(asked: Any) -> str:
    """Return the text of the first message of the user, which is where the case stands."""
    if isinstance(asked, str):
        return asked
    if isinstance(asked, Mapping):
        given = asked.get("messages", asked.get("input", asked.get("content", asked.get("text", ""))))
        if isinstance(given, list):
            users = [one for one in given if isinstance(one, Mapping) and one.get("role") == "user"]
            given = users[:1] or given
        return _words(given)
    return "\n".join(map(_words, asked)) if isinstance(asked, list) else ""


def _size(value: Any) -> int:
    return max(1, len(json.dumps(value, default=str)) // 4)  # about four characters a token


def _chat(said: Said, asked: Mapping[str, Any], values: Any) -> dict[str, Any]:
    wanted = asked.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema")
    tool = None
    if schema is None and asked.get("tools"):
        tool = asked["tools"][0].get("function", {})
        schema = tool.get("parameters")
    _, text = _answer(said, schema, asked, values)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if said.finish == "refusal":
        message |= {"content": None, "refusal": REFUSAL}
    elif said.finish == "content-filter" or said.lacks == "content":
        message["content"] = "" if said.lacks else None
    elif said.thinking:
        message |= {"content": "", "reasoning_content": _THOUGHT}
    elif tool is not None:
        call = {"name": tool.get("name"), "arguments": text}
        message |= {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        }
    finish = "tool_calls" if "tool_calls" in message and said.finish == "stop" else _STOPS[said.finish]
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    if said.lacks == "message":
        choice["message"] = None
    size_in, size_out = _size(asked), _size(text)
    return {
        "id": "chatcmpl-chaos",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": asked.get("model", "chaos"),
        "choices": [] if said.lacks == "choices" else [choice],
        "usage": {
            "prompt_tokens": size_in,
            "completion_tokens": size_out,
            "total_tokens": size_in + size_out,
        },
    }


def _responses(said: Said, asked: Mapping[str, Any], values: Any) -> dict[str, Any]:
    wanted = (asked.get("text") or {}).get("format") or {}
    schema, tool = wanted.get("schema"), None
    if schema is None and asked.get("tools"):
        tool = asked["tools"][0]
        schema = tool.get("parameters")
    _, text = _answer(said, schema, asked, values)
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
    if said.finish == "refusal":
        part = {"type": "refusal", "refusal": REFUSAL}
    item: dict[str, Any] = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    if tool is not None and said.finish == "stop":
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        item |= {"name": tool.get("name"), "arguments": text}
    output = [item]
    if said.thinking:
        output = [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": _THOUGHT}]}
        ]
    elif said.lacks or said.finish == "content-filter":
        output = []
    cut = {"length": "max_output_tokens", "content-filter": "content_filter"}.get(said.finish)
    size_in, size_out = _size(asked), _size(text)
    return {
        "id": "resp_chaos",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": asked.get("model", "chaos"),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": size_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": size_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": size_in + size_out,
        },
    }


def _messages(said: Said, asked: Mapping[str, Any], values: Any) -> dict[str, Any]:
    form = asked.get("output_format") or (asked.get("output_config") or {}).get("format") or {}
    schema, tool = form.get("schema"), None
    if schema is None and asked.get("tools"):
        tool = asked["tools"][0]
        schema = tool.get("input_schema")
    made, text = _answer(said, schema, asked, values)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if said.thinking:
        content = [{"type": "thinking", "thinking": _THOUGHT, "signature": "chaos"}]
    elif said.lacks or said.finish in ("content-filter", "refusal"):
        content = []
    elif tool is not None and said.text is None and said.finish == "stop":
        content = [{"type": "tool_use", "id": "toolu_1", "name": tool.get("name"), "input": made}]
    used_tool = bool(content) and content[0]["type"] == "tool_use"
    return {
        "id": "msg_chaos",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", "chaos"),
        "content": content,
        "stop_reason": "tool_use" if used_tool else _ANTHROPIC[said.finish],
        "stop_sequence": None,
        "usage": {"input_tokens": _size(asked), "output_tokens": _size(text)},
    }


# -- models that answer typed questions ------------------------------------------------------------------


def _shares(said: Said, count: int) -> list[float]:
    """Return the probabilities of `count` choices, the first one chosen, as `said` wants them."""
    rest = (1.0 - said.doubt - said.loses) / max(1, count - 1)
    return [said.doubt, *([rest] * (count - 1))]


def _decisions(said: Said, asked: Mapping[str, Any], values: Any) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    for place, question in enumerate(asked.get("questions", ())):
        named = {"name": question.get("name"), "type": question.get("type")}
        if place < said.refuses:
            answers.append({**named, "type": "refusal"})
        elif named["type"] == "choice":
            choices = [choice["value"] for choice in question["choices"]]
            shares = [
                {"value": v, "probability": p}
                for v, p in zip(choices, _shares(said, len(choices)), strict=True)
            ]
            answers.append({**named, "choice": choices[0], "confidence": said.doubt, "probabilities": shares})
        elif named["type"] == "score":
            levels = [level["label"] for level in question["levels"]]
            scored = zip(levels, _shares(said, len(levels)), strict=True)
            held = [{"label": n, "probability": p, "value": i} for i, (n, p) in enumerate(scored)]
            answers.append({**named, "score": 0.0, "confidence": said.doubt, "probabilities": held})
        else:
            answers.append({**named, "probability": said.doubt})
    return {
        "answers": answers,
        "model": asked.get("model", "chaos"),
        "usage": {
            "input_tokens": _size(asked),
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": _size(asked),
        },
    }


def _systemone(said: Said, asked: Mapping[str, Any], values: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for name, question in (asked.get("questions") or {}).items():
        kind, criteria = question.get("type"), question.get("criteria") or ()
        held: dict[str, Any] = {"type": kind, "confidence": said.doubt}
        if kind == "noul":
            held = {"type": kind, "noul": said.doubt}
        elif kind == "choice":
            shares = zip(criteria, _shares(said, len(criteria)), strict=True)
            held |= {"choice": next(iter(criteria)), "probabilities": dict(shares)}
        else:
            held |= {"score": 0.0, "probabilities": dict(enumerate(_shares(said, len(criteria))))}
        answers[name] = held
    usage = {"input_tokens": _size(asked), "output_tokens": 0}
    return {"answers": answers, "model": asked.get("model", "chaos"), "usage": usage}
