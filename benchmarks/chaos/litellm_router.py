"""The rival litellm: its Router with a fallback, its retries and its own check of JSON schemas."""

import json
from typing import Any

import _rival
import litellm
from litellm import Router

litellm.enable_json_schema_validation = True  # without it every invalid answer is returned as it is
litellm.suppress_debug_info = True
litellm.telemetry = False
_routers: dict[tuple[Any, ...], Router] = {}


def router(given: dict[str, Any]) -> Router:
    """Return the router for these URLs; one that was made stays, for its cooldowns."""
    key = (given["fresh"], given["primary"], given["second"], given["timeout"])
    if key not in _routers:
        models = [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{name}",
                    "api_base": given[name],
                    "api_key": "sk-rival",
                    "timeout": given["timeout"],
                },
            }
            for name in ("primary", "second")
        ]
        _routers[key] = Router(
            model_list=models, fallbacks=[{"primary": ["second"]}], num_retries=2, timeout=given["timeout"]
        )
    return _routers[key]


async def ask(given: dict[str, Any]) -> dict[str, Any]:
    """Ask once."""
    response = await router(given).acompletion(
        model="primary",
        messages=[
            {"role": "system", "content": _rival.INSTRUCTIONS},
            {"role": "user", "content": given["body"]},
        ],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "route", "schema": _rival.SCHEMA, "strict": True},
        },
    )
    text = response.choices[0].message.content if response.choices else None
    told = (response._hidden_params or {}).get("additional_headers") or {}
    shown = {n: v for n, v in told.items() if "fallback" in n or "model-group" in n or "model_group" in n}
    return {"output": _values(text), "text": text, "shown": f"model {response.model}" + _headers(shown)}


def _values(text: str | None) -> Any:
    """Return what a caller would read: the JSON of the text, or the text itself."""
    try:
        return json.loads(text or "")
    except ValueError:
        return text


def _headers(shown: dict[str, Any]) -> str:
    return "".join(f", {name} {value}" for name, value in sorted(shown.items()))


if __name__ == "__main__":
    _rival.serve(ask)
