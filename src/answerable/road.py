"""The way of one case: admit, loop over the deciders, record, act. Read it from top to bottom.

It is one coroutine that awaits only ports, so `decide` steps it by hand on the caller's thread and
`adecide` awaits it on the caller's loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

from answerable.casebook import PART_BYTES, Casebook
from answerable.casefile import Account, Request
from answerable.decisions.acceptance import Verdict, accept, cheapest
from answerable.decisions.answer import Abstain, Answer, Belief, Finding, Refuse, Suspend, confidence_of
from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, Outcome, Result
from answerable.decisions.reading import NotAnAnswer, key_of, read_input, read_returned, whole
from answerable.encoding import MICRO, encode, plain
from answerable.errors import AnswerableError, InputError, KeyReused
from answerable.ledger.entry import Conflict, Receipt, Unit, text_id
from answerable.ports import Caller, Clock, Ids, PolicyEngine, Protector, Releases


@dataclass(frozen=True, kw_only=True, slots=True)
class Road:
    """What the road stands on: ports only."""

    book: Casebook  # finds records and writes them up
    submit: Callable[[Unit], Awaitable[Receipt]]  # the journal's
    caller: Caller  # runs deciders
    clock: Clock
    ids: Ids
    policies: PolicyEngine
    releases: Releases
    protector: Protector


async def travel(road: Road, decision: Decision[Any, Any], given: Any, request: Request) -> Outcome[Any]:
    """Take one case from its input to its recorded outcome.

    Raises KeyReused, HomeError and LedgerUnavailable only: every fault of the case itself is in the outcome.
    """
    account = Account(
        id=road.ids.new(),
        decision=decision,
        request=request,
        started=road.clock.monotonic(),
        at=road.clock.now(),
    )
    admitted = admit(road, account, given)
    if not admitted:
        return await record(road, account)
    if account.key is None:
        return await answer_and_record(road, account)
    async with road.book.turn(decision.name, account.key, road.caller, account.deadline):
        known = recorded_before(road, account)
        return known or await answer_and_record(road, account)


def admit(road: Road, account: Account, given: Any) -> bool:
    """Who asks, may they, is the input valid, what stage is it in. False: refused, with a reason."""
    decision, request = account.decision, account.request
    account.stage = road.releases.stage(decision.name)
    try:
        account.input = read_input(decision, given)
        account.body = storable(account.input)
        account.key = request.key or key_of(decision, account.input)
        if account.key is not None:
            storable(account.key)
            account.key_digest = road.book.key_digest(decision.name, account.key)
    except InputError as exc:
        account.status, account.reason, account.fault = "refused", one_line(exc.what), "invalid-input"
        account.key, account.body = None, account.body or as_given(given)
        return False
    purpose = request.purpose or decision.purpose
    permit = road.policies.authorize(request.principal, "decide", decision.name, purpose)
    account.policy = permit.policy
    if not permit.allowed:
        account.status, account.reason, account.fault = "refused", permit.reason, "denied"
    return permit.allowed


def storable(data: Any) -> bytes:
    """Return `data` as a record stores it. Raises InputError with the path of what cannot be stored."""
    body = encode(data, what="input")
    if len(body) > PART_BYTES:
        raise InputError(
            f"the input has more than {PART_BYTES:,} bytes", next_step="send a reference instead"
        )
    return body


def as_given(given: Any) -> bytes | None:
    """Return an input as it came, as far as a record can hold it: a refused case shows what was refused."""
    try:
        return storable(given)
    except InputError:
        return None


def recorded_before(road: Road, account: Account) -> Outcome[Any] | None:
    """Return the outcome that this key already has. Raises KeyReused if it had another input."""
    assert account.key_digest is not None and account.body is not None
    known = road.book.keyed(account.decision.name, account.key_digest, now=account.at)
    if known is None:
        return None
    case_id, input_digest = known
    if input_digest != road.book.input_digest(account.body):
        raise KeyReused(
            f"{account.decision.name} has answered the key {account.key!r} for another input",
            next_step=f"use a new key, or read what was answered: `answerable why {text_id(case_id)}`",
        )
    return road.book.outcome(case_id, account.decision, replayed=True)


async def answer_and_record(road: Road, account: Account) -> Outcome[Any]:
    """Run the deciders and record what came of it; a cancelled case is recorded too."""
    try:
        await ask_deciders(road, account)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        account.status, account.reason, account.fault = "failed", "the caller cancelled", "cancelled"
        await record(road, account)
        raise
    return await record(road, account)


async def ask_deciders(road: Road, account: Account) -> None:
    """Ask one decider after the other, under one deadline, until every field is settled."""
    only_a_person = False
    elsewhere = account.request.elsewhere
    for decider in account.decision.deciders if elsewhere is None else [elsewhere]:
        if only_a_person and decider.kind != "person":
            continue
        attempt = await ask(road, account, decider)
        account.attempts.append(attempt)
        if account.output is not None:
            account.status, account.made_by = "answered", decider
            return
        if attempt.result == "refused":
            account.status, account.reason, account.made_by = "refused", attempt.reason, decider
            return
        if attempt.result == "suspended":
            account.status, account.reason, account.made_by = "escalated", attempt.reason, decider
            return
        only_a_person = only_a_person or attempt.fault == "never-automatic"
    failed = all(a.result == "failed" for a in account.attempts)
    account.status = "failed" if failed else "escalated"
    account.reason = account.attempts[-1].reason
    if failed:
        account.fault = account.attempts[-1].fault


async def ask(road: Road, account: Account, decider: Decider) -> Attempt:
    """Make one attempt: protect what it sees, run it, read what it gave, judge it."""
    started = road.clock.monotonic()
    deadline = account.deadline
    case = Case(
        id=account.record_id,
        decision=account.decision.name,
        input=account.input,
        principal=account.request.principal,
        purpose=account.request.purpose or account.decision.purpose,
        key=account.key,
        clock=road.clock.monotonic,
        deadline=deadline,
        answered=dict(account.answered),
    )

    def ended(result: Result, reason: str, **more: Any) -> Attempt:
        took = round((road.clock.monotonic() - started) * MICRO)
        return Attempt(
            decider=decider.made_by, result=result, reason=one_line(reason), latency_us=took, **more
        )

    timeout = min(case.remaining, decider.timeout or case.remaining)
    if timeout <= 0 and not decider.inline:
        return ended("failed", "the deadline was over", fault="deadline")
    try:
        returned = await road.caller.call(decider, road.protector.view(case, decider), timeout)
        answer = read_returned(account.decision, decider, returned, account.answered)
    except NotAnAnswer as exc:
        return ended("failed", str(exc), fault=exc.fault)
    except TimeoutError as exc:
        return ended("failed", str(exc) or "it timed out", fault="timeout")
    except Exception as exc:  # the boundary: a decider is user code and may raise anything
        return ended("failed", f"{decider.name} raised {said(exc)}", fault="exception")
    if isinstance(answer, Abstain):
        return ended("abstained", answer.reason)
    if isinstance(answer, Refuse):
        return ended("refused", answer.reason)
    if isinstance(answer, Suspend):
        account.suspended = answer
        return ended("suspended", answer.reason)
    return judge(road, account, case, answer, ended)


def judge(
    road: Road, account: Account, case: Case[Any], answer: Answer[Any], ended: Callable[..., Attempt]
) -> Attempt:
    """Accept an answer or say why not: cost of error first, then, once it is whole, its checks."""
    decision = account.decision
    room = PART_BYTES // (2 * len(decision.deciders))  # so that all attempts together fit a part
    try:
        sure = [list(belief.distribution or ()) for belief in answer.beliefs.values()]
        body = encode([answer.output, answer.calls, answer.reasons, sure], what="the answer")
        if len(body) > room:
            return ended("failed", f"the answer has more than {room:,} bytes", fault="invalid")
        values, beliefs, verdict = weigh(account, case, answer)
        merged = {**account.answered, **{name: values[name] for name in verdict.stands}}
        output = None
        if verdict.act == "accept" and not left_open(account, values, merged):
            output = whole(decision, merged)
    except NotAnAnswer as exc:
        return ended("failed", str(exc), fault=exc.fault)
    except InputError as exc:  # text or numbers that no record can hold
        return ended("failed", exc.what, fault="invalid")
    except Exception as exc:  # the boundary: stakes may be functions of the input
        return ended("failed", f"the stakes raised {said(exc)}", fault="exception")
    more = {
        "output": plain(values),
        "beliefs": beliefs,
        "usage": answer.usage,
        "calls": answer.calls,
        "expected_cost": verdict.expected_cost,
    }
    if verdict.act != "accept":
        fault = "never-automatic" if verdict.act == "person" else None
        return ended("rejected", verdict.because, fault=fault, **more)
    if output is not None:
        finding = examine(decision, case, Answer(output, beliefs=beliefs, reason=answer.reasons))
        if finding is not None:
            return ended("rejected", f"{finding.check}: {finding.reason}", fault="check", **more)
    reasons = answer.reasons if len(verdict.stands) == len(values) else (*answer.reasons, verdict.because)
    reason = "; ".join(reasons) or verdict.because
    attempt = ended("accepted", reason, settled=verdict.stands, **more)
    account.answered, account.output = merged, output
    account.settled_by.append(attempt)
    return attempt


def left_open(account: Account, values: Mapping[str, Any], settled: Mapping[str, Any]) -> bool:
    """Say whether a field was answered but does not stand: its declared default must not step in for it."""
    given = {name for attempt in account.attempts for name in attempt.output or ()}
    return bool((given | set(values)) - set(settled))


def weigh(
    account: Account, case: Case[Any], answer: Answer[Any]
) -> tuple[dict[str, Any], dict[str, Belief], Verdict]:
    """Choose the cheapest value where beliefs are calibrated, and hold all against the stakes."""
    decision = account.decision
    fields = {f.path: f for f in decision.output_fields}
    values, beliefs = dict(answer.output), dict(answer.beliefs)
    for name, belief in answer.beliefs.items():
        if belief.distribution is not None and name in values:
            best = cheapest(decision.stakes, fields[name], values[name], belief, case.input)
            if best != values[name]:
                values[name], beliefs[name] = best, replace(belief, p=belief.distribution[best])
    if account.request.elsewhere is not None:
        return values, beliefs, Verdict("accept", "it was answered outside", stands=tuple(values))
    unmeasured = partial(stands_unmeasured, account)
    return values, beliefs, accept(values, beliefs, fields, decision.stakes, case.input, unmeasured)


def examine(decision: Decision[Any, Any], case: Case[Any], answer: Answer[Any]) -> Finding | None:
    """Return the first finding of the decision's checks; one that raises counts as a finding."""
    for check in decision.checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            finding = check(case, answer)
        except Exception as exc:  # the boundary: user code; what it cannot judge is not let through
            return Finding(f"it raised {said(exc)}", name)
        if finding is None:
            continue
        if not isinstance(finding, Finding):
            return Finding(f"it returned a {type(finding).__name__}, no Finding and not None", name)
        return finding if finding.check else replace(finding, check=name)
    return None


def said(exc: Exception) -> str:
    """Return an exception as an attempt tells it."""
    try:
        return f"{type(exc).__name__}: {exc.what if isinstance(exc, AnswerableError) else exc}"
    except Exception:  # even its text may raise
        return type(exc).__name__


def one_line(text: str) -> str:
    """Return free-form text as a record keeps it: one line of valid Unicode, at most 2,000 characters."""
    return " ".join(str(text).encode("utf-8", "replace").decode().split())[:2000]


def stands_unmeasured(account: Account) -> bool:
    """Say whether an answer nobody measured may stand: never, always, or but for a reviewed sample."""
    rule = account.decision.unmeasured
    if rule.startswith("sample:"):
        return int.from_bytes(account.id[-4:]) / 2**32 >= float(rule.removeprefix("sample:"))
    return rule == "accept"


async def record(road: Road, account: Account) -> Outcome[Any]:
    """Make the whole account durable before anything leaves; then tell the caller.

    A rival that answered the same key first wins: its outcome is returned, this one leaves no trace.
    """
    took = round((road.clock.monotonic() - account.started) * MICRO)
    outcome = Outcome(
        status=account.status,
        record_id=account.record_id,
        decision=account.decision.name,
        output=account.output,
        proposal=proposal(account),
        due=account.due,
        decider=account.made_by.made_by if account.made_by else None,
        confidence=confidence(account),
        reason=account.reason or (account.attempts[-1].reason if account.attempts else ""),
        degraded=degraded(account),
        attempts=tuple(account.attempts),
    )
    try:
        await road.submit(road.book.unit(account, outcome, took))
        # act: effects will leave through the outbox from here on; no decision can declare one yet
        return outcome
    except Conflict as conflict:
        if conflict.clash != "key":
            raise
        known = recorded_before(road, account)
        assert known is not None
        return known


def confidence(account: Account) -> float | None:
    """Return the probability that the whole answer is right, over all attempts that settled a part of it."""
    if account.output is None:
        return None
    ps = [confidence_of(account.beliefs_of(attempt)) for attempt in account.settled_by]
    return None if None in ps else prod(p for p in ps if p is not None)


def proposal(account: Account) -> Mapping[str, Any] | None:
    """Return the best answer of a case that was not answered: what stands, and the cheapest of the rest."""
    if account.output is not None:
        return None
    proposed = [a for a in account.attempts if a.result in ("rejected", "accepted") and a.output]
    proposed.sort(key=lambda a: (a.expected_cost is None, a.expected_cost or 0))
    best = dict(proposed[0].output or {}) if proposed else {}
    return {**best, **account.answered} or None


def degraded(account: Account) -> str | None:
    """Say why an answer is second best: the default gave it, or a decider before it failed."""
    if account.output is None or account.made_by is None:
        return None
    fault = next((a.fault for a in account.attempts if a.result == "failed"), None)
    if fault is not None:
        return f"fault:{fault}"
    return "default" if account.made_by.kind == "default" else None
