"""What a hosted model costs and how much it takes at once, from the list in genai-prices; no network."""

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

from answerable.encoding import MICRO
from answerable.integrations.llm_models import Source
from answerable.integrations.tables_core import load

_MOST = 1 << 61


def listed_cost(source: Source, tokens_in: int, tokens_out: int) -> int | None:
    """Return the list price in micro-dollars, rounded up; None where the list does not know the model."""
    found = _calculated(source, tokens_in, tokens_out)
    return None if found is None else micro_dollars(found.total_price)


@lru_cache(maxsize=256)
def listed_window(source: Source) -> int | None:
    """Return the model's context in tokens; None where the list does not know it."""
    found = _calculated(source, 1, 1)
    window = None if found is None else found.model.context_window
    return window if isinstance(window, int) and window > 0 else None


def response_cost(response: Any) -> int | None:
    """Return what a response cost in micro-dollars, by what the provider reports; None if not listed."""
    try:
        return micro_dollars(response.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        return None


def micro_dollars(amount: Decimal) -> int:
    """Return dollars as micro-units, rounded up: a budget must never be told too little."""
    return min(_MOST, int((amount * MICRO).to_integral_value(rounding=ROUND_CEILING)))


def _calculated(source: Source, tokens_in: int, tokens_out: int) -> Any:
    if source.prefix is None:  # somebody's server: its prices are its own
        return None
    prices = load("genai_prices", extra="llm", purpose="an llm decider")
    usage = prices.Usage(input_tokens=tokens_in, output_tokens=tokens_out)
    named = source.prefix if source.prefix.endswith("-decisions") else source.family
    try:
        return prices.calc_price(usage, model_ref=source.name, provider_id=named)
    except (LookupError, ValueError):
        return None
