"""The rival pydantic-ai: its FallbackModel over two models, as its documentation shows it."""

from typing import Any, Literal

import _rival
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings


class Route(BaseModel):
    """The same question that all are asked."""

    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "shipping", "account", "technical"]
    days: int = Field(ge=0, le=30)


async def ask(given: dict[str, Any]) -> dict[str, Any]:
    """Ask once. The client's own retries stay as they are by default."""
    settings = ModelSettings(timeout=given["timeout"])
    models = [
        OpenAIChatModel(
            name, provider=OpenAIProvider(base_url=given[name], api_key="sk-rival"), settings=settings
        )
        for name in ("primary", "second")
    ]
    agent = Agent(FallbackModel(*models), output_type=NativeOutput(Route), instructions=_rival.INSTRUCTIONS)
    result = await agent.run(given["body"])
    last = next(m for m in reversed(result.all_messages()) if isinstance(m, ModelResponse))
    failed = getattr(last, "failed_attempts", None)
    return {
        "output": result.output.model_dump(),
        "shown": f"model_name {last.model_name}" + (", failed_attempts" if failed else ""),
    }


if __name__ == "__main__":
    _rival.serve(ask)
