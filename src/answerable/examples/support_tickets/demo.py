"""The main job from end to end: learn from a history, decide new tickets, record, explain and prove them."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import answerable as ans
from answerable.alerting import alerts
from answerable.examples.support_tickets.crm import crm_of, make_crm
from answerable.examples.support_tickets.decision import (
    SAFE,
    Route,
    Ticket,
    build,
    text_of,
    train,
    version_of,
)
from answerable.examples.support_tickets.generator import TicketRow, customers, generate
from answerable.examples.support_tickets.language_model import TOKENS, account
from answerable.examples.support_tickets.privacy import found_in_texts, is_refused, refused, to_erase
from answerable.examples.support_tickets.scoring import Score, score
from answerable.examples.support_tickets.words_more import NEW_LINE

HISTORY, NEW = 6000, 2000
PRODUCTS_OF_NEW_LINE = frozenset(product.name for product in NEW_LINE)


def run(
    out: Path,
    *,
    seed: int = 7,
    quiet: bool = False,
    llm: ans.Decider | None = None,
    tokens: int = TOKENS,
) -> dict[str, Any]:
    """Run the demo in the home `out` and return its summary as data; `quiet` prints no progress.

    llm: is asked what rule and model leave open, for as long as its `tokens` last. The customers are in a
    database beside the home. A second run with the same seed returns what the first one recorded; what was
    erased since is decided anew. Raises UsageError if `out` holds the demo of another seed or llm, or if a
    file that is not the demo's is where the customers go.
    """
    with ans.Workspace(out) as ws:
        _refuse_other(ws, out, seed, llm)
        with _step("making tickets and learning from the history", quiet):
            history, new = generate(seed, HISTORY, NEW)
            crm = crm_of(out)
            if not (crm.exists() and ws.records(limit=1)):
                make_crm(crm, customers(seed, HISTORY, NEW))
            estimators = train([(f"{t.product} {t.body}", t.label_urgency, t.label_team) for t in history])
        decision = build(estimators, seed=seed, crm=crm, llm=llm)
        started = time.perf_counter()
        what = f"deciding {len(new):,} new tickets, each one recorded"
        with _step(what, quiet, end="" if llm is None else "\n"):  # alerts may be logged meanwhile
            outcomes = _decided(ws, decision, new, llm, tokens)
        took = time.perf_counter() - started
        _tell_truths(ws, decision, outcomes, new, quiet)
        with _step("verifying the ledger", quiet):
            report = ws.ledger.verify()
        summary = {
            "home": str(out),
            "seed": seed,
            "tickets": len(new),
            "replayed": sum(outcome.replayed for outcome in outcomes),
            "seconds": took,
            "deciders": _count(outcomes, decision),
            **_worth(outcomes, new, estimators, llm),
            "why": ws.why(_worth_telling(outcomes, new)).data,
            "verify": report.data(),
        }
        with _step("counting what was hidden and refused", quiet):
            summary |= {"personal": found_in_texts(ws, outcomes), "refused": refused(ws, outcomes, new)}
        stories = (summary["why"], summary["refused"]["example"])
        summary["subject"] = to_erase(new, [story["key"] for story in stories if story])
        if llm is not None:
            told = [{"what": raised.alert.what, "times": raised.times} for raised in alerts(ws.journal)]
            asked = next(decider for decider in decision.deciders if decider.made_by == llm.made_by)
            summary["llm"] = {**account(asked, outcomes, new), "tokens": tokens, "alerts": told}
        return summary


def _tell_truths(
    ws: ans.Workspace,
    decision: ans.Decision[Ticket, Route],
    outcomes: Sequence[ans.Outcome[Route]],
    new: Sequence[TicketRow],
    quiet: bool,
) -> None:
    """Record the right answers of what was answered now; what was read back has them already."""
    pairs = [(o, t) for o, t in zip(outcomes, new, strict=True) if o.output is not None and not o.replayed]
    if pairs:
        with _step("recording what was right in the end", quiet):
            for _, ticket in pairs:
                right = {"urgency": ticket.urgency, "team": ticket.team}
                ws.truth(decision, key=ticket.number, source="agent", fields=right)


def _worth(
    outcomes: Sequence[ans.Outcome[Route]],
    new: Sequence[TicketRow],
    estimators: dict[str, Any],
    llm: ans.Decider | None,
) -> dict[str, Any]:
    """Return the scores over the tickets that were answered, and over those on what nobody had seen."""
    whole = f"rule, model, {'' if llm is None else 'llm, '}default"
    answered = [(o, t) for o, t in zip(outcomes, new, strict=True) if o.output is not None]
    unseen = [(o, t) for o, t in answered if t.product in PRODUCTS_OF_NEW_LINE]
    return {
        name: [s.as_dict() for s in _scores(whole, [o for o, _ in of], [t for _, t in of], estimators)]
        for name, of in (("scores", answered), ("new_product_line", unseen))
    }


def _decided(
    ws: ans.Workspace,
    decision: ans.Decision[Ticket, Route],
    new: Sequence[TicketRow],
    llm: ans.Decider | None,
    tokens: int,
) -> list[ans.Outcome[Route]]:
    """Decide all tickets. With an llm one at a time: what several reserve together is more than they use."""
    more: dict[str, Any] = {}
    if llm is not None:
        budget = ans.Budget(tokens=tokens, per="ever", name=f"demo {llm.name}")
        more = {"concurrency": 1, "budget": budget}
    results = ws.decide_many(decision, map(ticket_of, new), principal="service:demo", **more)
    return [_outcome(result) for result in results]


def _refuse_other(ws: ans.Workspace, out: Path, seed: int, llm: ans.Decider | None) -> None:
    newest = ws.records(limit=1)
    version, wanted = newest[0]["version"] if newest else "", version_of(seed, llm)
    if not version or version == wanted:
        return
    if version.partition("+")[0] == version_of(seed):
        held = version.partition("+")[2]
        raise ans.UsageError(
            f"{out} holds a demo with {f'the language model {held}' if held else 'no language model'}",
            next_step="name another folder with --out, or give the same --llm as then",
        )
    raise ans.UsageError(
        f"{out} holds a demo of another seed, or of an older answerable",
        next_step="name another folder with --out, or that seed",
    )


def ticket_of(row: TicketRow) -> Ticket:
    return Ticket(
        number=row.number, customer_id=row.customer_id, email=row.email, body=row.body, product=row.product
    )


def _outcome(result: Any) -> ans.Outcome[Route]:
    if isinstance(result, ans.Failure):
        raise result.error
    outcome: ans.Outcome[Route] = result
    return outcome


def _count(outcomes: Sequence[ans.Outcome[Route]], decision: ans.Decision[Ticket, Route]) -> dict[str, int]:
    """Return how many tickets each decider finished, in the order in which they are asked."""
    names = [_finished(o).partition("@")[0] for o in outcomes]
    order = (*(decider.name for decider in decision.deciders), "nobody")
    return {name: names.count(name) for name in order if name in names}


def _finished(outcome: ans.Outcome[Route]) -> str:
    return (outcome.attempts[-1].decider if is_refused(outcome) else outcome.decider) or "nobody"


def _scores(
    whole: str,
    outcomes: Sequence[ans.Outcome[Route]],
    new: Sequence[TicketRow],
    estimators: dict[str, Any],
) -> Iterator[Score]:
    """Score the whole decision beside each simpler way of answering every ticket."""
    texts = [text_of(ticket_of(t)) for t in new]
    predicted = zip(*(estimators[field].predict(texts) for field in ("urgency", "team")), strict=True)
    by_rule = [Route(urgency="high", team="account") if "hacked" in t.body.lower() else COMMON for t in new]
    yield score(whole, [o.unwrap() for o in outcomes], new)
    yield score("the rule alone", by_rule, new)
    yield score("the model alone", [Route(urgency=u, team=t) for u, t in predicted], new)
    yield score("always the default", [SAFE] * len(new), new)


COMMON = Route(urgency="normal", team="technical")  # what the rule alone says of a ticket it does not know


def _worth_telling(outcomes: Sequence[ans.Outcome[Route]], new: Sequence[TicketRow]) -> str:
    """Return the record of an urgent ticket that the model, asked third, answered rightly."""

    def merit(pair: tuple[ans.Outcome[Route], TicketRow]) -> tuple[bool, bool, bool]:
        outcome, ticket = pair
        right = outcome.output == Route(urgency=ticket.urgency, team=ticket.team)
        return right, ticket.urgency == "high", outcome.degraded is None and len(outcome.attempts) == 3

    return max(zip(outcomes, new, strict=True), key=merit)[0].record_id


@contextmanager
def _step(what: str, quiet: bool, end: str = "") -> Iterator[None]:
    if not quiet:
        print(f"{what} ...", end=end, file=sys.stderr, flush=True)
    started = time.perf_counter()
    yield
    if not quiet:
        print(f" {time.perf_counter() - started:.1f} s", file=sys.stderr)
