"""Our own decisions that meet the faults: two models, then a default, a person or nobody."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from answerable.chaos.variants import Setting, Variant
from answerable.decisions.cited import Cited
from answerable.decisions.decider import Decider
from answerable.decisions.deciders import default, person
from answerable.decisions.decision import Decision
from answerable.decisions.stakes import Stakes
from answerable.failures.exists import exists
from answerable.failures.grounding import quotes_stand
from answerable.failures.invariants import not_in_future, sums_up
from answerable.governance.classification import Key, Personal, Trim
from answerable.integrations.llm import llm

INSTRUCTIONS = "Say how urgent this support ticket is, which team takes it, and how many days it may wait."
BODY = "My parcel never came and nobody answers the telephone."
HISTORY = "The customer wrote before about another parcel that came late. " * 60
ORDERS = ("O-1041", "O-1042")


class Ticket(BaseModel):
    """What is asked about."""

    number: Annotated[str, Key]
    body: Annotated[str, Personal.free_text]
    history: Annotated[str, Trim(1)] = ""


class Route(BaseModel):
    """What a chat model answers."""

    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "shipping", "account", "technical"]
    days: int = Field(ge=0, le=30)


class Triage(BaseModel):
    """What a decision model answers: three typed questions."""

    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "shipping", "account", "technical"]
    known: Literal["yes", "no"]


class Purchase(BaseModel):
    """What can be made up: an id, a quote, a date and a sum."""

    order: str = Field(pattern=r"^O-\d{4}$", examples=["O-1042"])
    team: Cited[Literal["billing", "shipping"]]
    bought: date
    net: int = Field(ge=1)
    tax: int = Field(ge=1)
    total: int = Field(ge=2)


CALM = Route(urgency="normal", team="account", days=1)
CALM_TRIAGE = Triage(urgency="normal", team="account", known="no")
_NO_PURCHASE = Purchase(
    order="O-1041",
    team=Cited(value="billing", quotes=[]),
    bought=date(2026, 1, 1),
    net=1,
    tax=1,
    total=2,
)
CHECKS = (
    exists("order", ORDERS),
    quotes_stand,
    not_in_future("bought"),
    sums_up("total", ("net", "tax")),
)


def ticket(number: str, **changes: Any) -> dict[str, Any]:
    """Return a sound input."""
    return {"number": number, "body": BODY, **changes}


def decision(name: str, deciders: list[Decider], **changes: Any) -> Decision[Any, Any]:
    """Return a decision on tickets with these deciders."""
    sound: dict[str, Any] = {
        "name": name,
        "version": "1",
        "question": "How urgent is this ticket, and which team takes it?",
        "input": Ticket,
        "output": Route,
        "owner": "chaos",
        "purpose": "chaos",
        "stakes": Stakes("USD", wrong=2.0, review=1.0),
        "unmeasured": "accept",
        "deciders": deciders,
    }
    return Decision(**{**sound, **changes})


def model(name: str, url: str, *, known_as: str | None = None, timeout: float = 2.0, **more: Any) -> Decider:
    """Return a model at a pretended provider. known_as: its id there; the name without one."""
    return llm(known_as or name, url=url, instructions=INSTRUCTIONS, name=name, timeout=timeout, **more)


def met_by(variant: Variant, primary: str, second: str) -> Decision[Any, Any]:
    """Return the decision that meets a variant. primary, second: base URLs; Anthropic's without "/v1"."""
    setting: Setting = variant.setting
    ids = {
        "anthropic": "anthropic:primary",
        "decisions": "openai-decisions:primary",
        "decisions-measured": "openai-decisions:primary",
        "misspelt": "openai-chat:gpt-6-lunna",  # near to a model that is known
    }
    first = model("primary", primary, known_as=ids.get(setting), timeout=variant.timeout)
    next_one = model("second", second, timeout=variant.timeout)
    triage = setting.startswith("decisions")
    calm: Any = CALM_TRIAGE if triage else _NO_PURCHASE if setting == "checked" else CALM
    last = [default(calm)]
    if setting == "person":
        last = [person(queue="triage", within="4h", then=calm)]
    elif setting == "alone":
        last = []
    changes: dict[str, Any] = {"deadline": variant.deadline}
    if triage:
        changes["output"] = Triage
    if setting == "decisions-measured":
        changes["unmeasured"] = "review"
    if setting == "checked":
        changes |= {"output": Purchase, "checks": CHECKS}
    return decision("route-ticket", [first, next_one, *last], **changes)
