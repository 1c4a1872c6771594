"""The decision of the support demo: how urgent is a ticket, and which team takes it?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel

import answerable as ans
from answerable.examples.support_tickets.crm import CRM, crm_customer
from answerable.examples.support_tickets.somebody_else import asked_about


class Ticket(BaseModel):
    """One support ticket as it comes in."""

    number: Annotated[str, ans.Key]
    customer_id: Annotated[str, ans.Subject]
    email: Annotated[str, ans.Personal("email")]
    body: Annotated[str, ans.Personal.free_text]
    product: str


class Route(BaseModel):
    """Where a ticket goes."""

    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "shipping", "account", "technical"]


QUESTION = "How urgent is this support ticket, and which team takes it?"
INSTRUCTIONS = "Sort the support ticket.\nProduct: {product}\nMessage: {body}"  # for a language model

SAFE = Route(urgency="high", team="technical")  # what nobody can judge is looked at first

STAKES = ans.Stakes(
    "USD",
    wrong=2.0,  # a ticket that goes to the wrong team, or in the wrong order
    review=5.0,  # five minutes of a team lead
    severity="financial",
    costs=[  # a real emergency that waits
        ans.Cost("urgency", truth="high", answer="low", amount=40.0),
        ans.Cost("urgency", truth="high", answer="normal", amount=25.0),
    ],
)


NOT_YOURS = (
    "the ticket asks for somebody else's data, giving their {how}; "
    "what we hold about a customer is given to that customer only"
)


def other_customer(case: ans.Case[Ticket]) -> ans.Refuse | ans.Abstain:
    """Refuses a ticket that asks for somebody else's data.

    Only the customer who writes is looked up. Whoever else is named is not: the same refusal for a customer
    and for somebody nobody knows tells nothing about either.
    """
    named = asked_about(case.input.body, apart_from=case.input.product)
    if not named:
        return ans.Abstain("asks for nobody's data")
    writer = case.read_one(CRM, id=case.input.customer_id)
    own = {case.input.customer_id, case.input.email, *((writer.name, writer.email) if writer else ())}
    others = named.keys() - {value.casefold() for value in own}
    if not others:
        return ans.Abstain("asks for data of the customer who writes")
    return ans.Refuse(NOT_YOURS.format(how=" and ".join(sorted({named[other] for other in others}))))


def security_words(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Names an account takeover."""
    if "hacked" in case.input.body.lower():
        return Route(urgency="high", team="account")
    return ans.Abstain("no security word")


def text_of(ticket: Ticket) -> str:
    """Return what the model reads."""
    return f"{ticket.product} {ticket.body}"


def train(history: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return an estimator a field, trained on (text, urgency, team) of past tickets."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = [text for text, _, _ in history]
    estimators = {}
    for place, field in enumerate(("urgency", "team"), start=1):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        estimators[field] = make_pipeline(words, LogisticRegression(C=5.0, max_iter=500))
        estimators[field].fit(texts, [row[place] for row in history])
    return estimators


def version_of(seed: int, llm: ans.Decider | None = None) -> str:
    """Return the decision's version: which history the model learned from, and which llm comes after it."""
    return f"2.{seed}" if llm is None else f"2.{seed}+{llm.made_by}"


def build(
    estimators: dict[str, Any], *, seed: int, crm: Path, llm: ans.Decider | None = None
) -> ans.Decision[Ticket, Route]:
    """Return the decision around trained estimators.

    seed: of the history they learned from. crm: the database of the customers. llm: is asked what rule and
    estimators leave open. Nobody measures how sure it is; such answers stand here, which the version with an
    llm declares.
    """
    last = ans.default(SAFE, reason="nobody could say, so it is treated as urgent")
    return ans.Decision(
        name="route-ticket",
        version=version_of(seed, llm),
        label="urgency",
        question=QUESTION,
        input=Ticket,
        output=Route,
        owner="support-ops",
        purpose="customer-support",
        deadline=8.0 if llm is None else 60.0,
        stakes=STAKES,
        reads=[crm_customer(crm)],
        deciders=[
            ans.rule(other_customer),
            ans.rule(security_words),
            ans.model(estimators, features=text_of, version=f"seed-{seed}"),
            *([] if llm is None else [llm]),
            last,
        ],
        unmeasured="review" if llm is None else "accept",
    )
