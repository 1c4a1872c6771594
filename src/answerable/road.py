"""The way of one case: admit, loop over the deciders, record, act. Read it from top to bottom.

It is one coroutine that awaits only ports, so `decide` steps it by hand on the caller's thread and
`adecide` awaits it on the caller's loop.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

from answerable.casebook import PART_BYTES, Casebook
from answerable.casefile import Account, Request, spoilt
from answerable.chain import ABANDONED, Chain
from answerable.decisions.answer import Abstain, Refuse, Suspend, confidence_of
from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, Outcome, Result
from answerable.decisions.reading import NotAnAnswer, key_of, read_input, subjects_of, unstorable
from answerable.encoding import MICRO, encode, plain
from answerable.errors import HomeError, InputError, KeyReused, LedgerUnavailable, UsageError
from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.plan import may_be_asked, stricter
from answerable.governance.access import Ask
from answerable.governance.leaves import walk
from answerable.governance.protection import Protected, seen_by
from answerable.governance.redaction import refuse_personal
from answerable.judging import judge, one_line, said
from answerable.ledger.entry import Conflict, Unit, text_id
from answerable.permits import resource_of
from answerable.ports import Clock, Detector, Ids, PolicyEngine, Releases
from answerable.reads import Sources
from answerable.spending import CaseEnded, ending, minus

Calls = tuple[Mapping[str, Any], ...]
_REFUSALS = (CATEGORIES["refusal"], CATEGORIES["content-filter"])  # how a withheld field is noted
_SAID = ("messages", "reply", "arguments", "result")  # of a call: what may be long
_CANCELLED = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # not a fault of the decider's
KEY_BYTES = 64 * 1024  # of a key; it stands in a part beside other things


@dataclass(frozen=True, kw_only=True, slots=True)
class Road:
    """What the road stands on: ports only."""

    book: Casebook  # finds records and writes them up
    chain: Chain  # calls deciders, within every limit
    clock: Clock
    ids: Ids
    policies: PolicyEngine
    releases: Releases
    sources: Sources
    detector: Detector


async def travel(road: Road, decision: Decision[Any, Any], given: Any, request: Request) -> Outcome[Any]:
    """Take one case from its input to its recorded outcome.

    Raises UsageError, HomeError and LedgerUnavailable only: every fault of the case itself is in the outcome.
    """
    for what in ("thread", "purpose"):
        if (word := getattr(request, what)) is not None:
            refuse_personal(word, road.detector, what=what)
    account = Account(
        id=road.ids.new(),
        decision=decision,
        request=request,
        started=road.clock.monotonic(),
        at=road.clock.now(),
    )
    who = request.principal
    account.reader = road.sources.of(decision, who, account.purpose, road.policies, road.clock)
    try:
        if not admit(road, account, given):
            return await record(road, account)
        if account.key is None:
            return await answer_and_record(road, account)
        async with road.book.turn(decision.name, account.key, road.chain.caller, account.deadline):
            known = recorded_before(road, account)
            return known or await answer_and_record(road, account)
    except _CANCELLED:
        if not account.ended:
            with suppress(Exception):  # what goes on is the cancellation
                await record_cancelled(road, account)
        raise


async def record_cancelled(road: Road, account: Account) -> None:
    """Record a case that its caller gave up; if its own record is being written already, that one stands."""
    if account.asking is not None:
        usage = minus(account.used, account.used_before)
        account.attempts.append(
            Attempt(
                decider=account.asking.made_by,
                result="failed",
                reason="the caller cancelled",
                fault="cancelled",
                usage=usage,
            )
        )
    account.spoil("cancelled", "the caller cancelled")
    await record(road, account)


def admit(road: Road, account: Account, given: Any) -> bool:
    """Who asks, may they, is the input valid, what stage is it in. False: refused, with a reason."""
    decision, request = account.decision, account.request
    account.stage = road.releases.stage(decision.name)
    try:
        account.input = read_input(decision, given)
        account.body = storable(account.input)
        account.private = protect(road, account.input, plain(account.input))
        account.key = request.key or key_of(decision, account.input)
        if account.key is not None:
            if len(storable(account.key)) > KEY_BYTES:
                raise InputError(f"the key has more than {KEY_BYTES:,} bytes", next_step="use a digest of it")
            account.key_digest = road.book.key_digest(decision.name, account.key)
    except InputError as exc:
        account.status, account.reason, account.fault = "refused", one_line(exc.what), "invalid-input"
        account.key, account.body = None, account.body or as_given(given)
        account.named = subjects_of(decision, given)
        return False
    purpose = request.purpose or decision.purpose
    permit = road.policies.authorize(Ask(request.principal, "decide", resource_of(decision), purpose))
    account.permit = permit
    if not permit.allowed:
        account.status, account.reason, account.fault = "refused", permit.reason, "denied"
    return permit.allowed


def protect(road: Road, value: Any, data: Any) -> Protected:
    """Return what in an input is personal; data: its plain form."""
    return Protected(partial(walk, value, data), road.detector)


def storable(data: Any) -> bytes:
    """Return `data` as a record stores it. Raises InputError with the path of what cannot be stored."""
    try:
        body = encode(data, what="input")
    except Exception as exc:  # user code: a computed field, a serializer or a mapping may raise anything
        raise InputError(unstorable(data, "input"), next_step="send a value JSON can hold") from exc
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
    if known is None or known[0] == account.instead:
        return None
    case_id, input_digest = known
    if input_digest != road.book.input_digest(account.body):
        raise KeyReused(
            f"{account.decision.name} has answered this key for another input",
            next_step=f"use a new key, or read what was answered: `answerable why {text_id(case_id)}`",
        )
    outcome = road.book.outcome(case_id, account.decision, replayed=True)
    if account.request.redo and account.instead is None and second_best(outcome):
        account.instead, account.instead_waits = case_id, outcome.status == "escalated"
        return None
    return outcome


def second_best(outcome: Outcome[Any]) -> bool:
    """Say whether an outcome may be decided anew: a fault spoilt it, or it waits for nobody in particular.

    Never where a model refused: that would only be a slower way of asking until one agrees.
    """
    faults = {a.fault for a in outcome.attempts} | {c.get("fault") for a in outcome.attempts for c in a.calls}
    withheld = any(note.endswith(_REFUSALS) for a in outcome.attempts for note in a.notes)
    if withheld or not faults.isdisjoint(("refusal", "content-filter", "never-automatic")):
        return False
    if outcome.status == "answered":
        return spoilt(outcome)
    return outcome.status == "escalated" and outcome.due is None and "check" not in faults


async def answer_and_record(road: Road, account: Account) -> Outcome[Any]:
    """Run the deciders and record what came of it."""
    try:
        await ask_deciders(road, account)
    except CaseEnded:  # a worker took it for interrupted: what it recorded stands
        account.ended = True
        return road.book.outcome(account.id, account.decision)
    return await record(road, account)


async def ask_deciders(road: Road, account: Account) -> None:
    """Ask one decider after the other, under one deadline and one budget, until every field is settled."""
    elsewhere = account.request.elsewhere
    for decider in account.decision.deciders if elsewhere is None else [elsewhere]:
        if not may_be_asked(account.asks, kind=decider.kind, leaves=decider.remote is not None):
            continue
        last = account.attempts[-1] if account.attempts else None
        if last is None or account.own_input(abandoned=last.fault in ABANDONED):
            attempt = await ask(road, account, decider)
        else:
            attempt = lost_input(decider)
        account.attempts.append(attempt)
        account.asking = None
        for category in account.withheld.values():  # no other model is asked until one agrees
            account.asks = stricter(account.asks, account.decision.actions[category].then)
        if attempt.fault is not None:
            road.chain.watch.counters.add(
                "answerable_faults_total", decider=decider.name, category=attempt.fault
            )
            account.asks = stricter(account.asks, account.decision.actions[attempt.fault].then)
        if account.output is not None:
            account.status, account.made_by = "answered", decider
            return
        if attempt.result == "refused":
            account.fault = None if account.denied is None else "denied"
            account.status, account.reason, account.made_by = "refused", attempt.reason, decider
            return
        if attempt.result == "suspended":
            account.status, account.reason, account.made_by = "escalated", attempt.reason, decider
            return
    # What must not be asked of another model waits for a person, even where none is declared.
    failed = account.asks in ("next", "local") and all(a.result == "failed" for a in account.attempts)
    account.status = "failed" if failed else "escalated"
    account.reason = account.attempts[-1].reason
    if failed:
        account.fault = account.attempts[-1].fault


def lost_input(decider: Decider) -> Attempt:
    """Return the attempt of a decider that could not be asked."""
    reason = "a decider before changed the input, which its record does not give back"
    return Attempt(decider=decider.made_by, result="failed", reason=reason, fault="invalid")


async def ask(road: Road, account: Account, decider: Decider) -> Attempt:
    """Make one attempt: protect what it sees, run it, read what it gave, judge it."""
    started = road.clock.monotonic()
    case = account.case(road.clock.monotonic)

    def see(faults: tuple[Fault, ...]) -> Case[Any]:
        seen = replace(case, input=account.input, faults=faults) if faults else case
        assert account.private is not None  # `admit` let it through
        return seen_by(seen, decider, account.private)

    room = PART_BYTES // (4 * len(account.decision.deciders))
    account.asking, account.used_before = decider, account.used
    tried = await road.chain.ask(account, decider, see)

    def ended(result: Result, reason: str, **more: Any) -> Attempt:
        took = round((road.clock.monotonic() - started) * MICRO)
        return Attempt(
            decider=decider.made_by,
            result=result,
            reason=one_line(reason),
            latency_us=took,
            usage=tried.usage,
            calls=tried.calls if result in ("accepted", "rejected") else storable_calls(tried.calls, room),
            **more,
        )

    if tried.fault is not None:
        return ended("failed", tried.fault.reason, fault=tried.fault.category)
    given = tried.given
    if isinstance(given, Abstain):
        return ended("abstained", given.reason)
    if isinstance(given, Refuse):
        return ended("refused", given.reason)
    if isinstance(given, Suspend):
        account.suspended = given
        return ended("suspended", given.reason)
    assert given is not None
    try:
        if account.decision.checks and not account.own_input():
            raise NotAnAnswer("invalid", f"{decider.name} changed the input, which cannot be read back")
        if case.input is not account.input:
            case = replace(case, input=account.input)
        return judge(account, case, given, ended)
    except NotAnAnswer as exc:
        return ended("failed", one_line(exc), fault=exc.fault)
    except Exception as exc:  # the boundary: what a decider gave may raise when it is weighed
        return ended("failed", f"{decider.name} gave what raised {said(exc)}", fault="exception")


def storable_calls(calls: Calls, room: int) -> Calls:
    """Return the calls of a failed attempt as its record holds them, in at most `room` bytes.

    Without what was said where that is too much; none where a decider told what has no stored form.
    """
    for kept in (calls, tuple({n: v for n, v in c.items() if n not in _SAID} for c in calls)):
        try:
            if len(encode(kept)) <= room:
                return kept
        except Exception:  # user code: a mapping may raise anything
            return ()
    return ()


async def record(road: Road, account: Account) -> Outcome[Any]:
    """Make the whole account durable before anything leaves; then tell the caller.

    A rival that answered the same key first wins: its outcome is returned, and this one leaves no trace
    unless it had called somebody.
    """
    took = round((road.clock.monotonic() - account.started) * MICRO)
    try:
        outcome, unit = written(road, account, took)
    except (UsageError, HomeError, LedgerUnavailable):
        raise
    except Exception as exc:  # the net: what no step before has found makes a small record all the same
        give_up(account, exc)
        outcome, unit = written(road, account, took)
    try:
        await road.chain.submit(unit)
        # act: effects will leave through the outbox from here on; no decision can declare one yet
    except Conflict as conflict:
        if road.book.renew(account, conflict):
            return await record(road, account)
        account.ended = True
        if conflict.clash == "key":
            return await superseded(road, account, took)
        if road.book.ledger.get(account.id) is None:
            raise
        # A worker ended it, because it took too long; or it was cancelled while it was being recorded.
        return road.book.outcome(account.id, account.decision)
    account.ended = True
    await road.chain.watch.recorded(account, outcome, took)
    if account.instead is not None and not account.better(outcome):  # the key keeps what it had
        return road.book.outcome(account.instead, account.decision, replayed=True)
    return outcome


async def superseded(road: Road, account: Account, took: int) -> Outcome[Any]:
    """Return what a rival recorded under the same key; what this case called and spent is told all the same.

    Raises KeyReused if the rival had another input.
    """
    account.instead, account.request = None, replace(account.request, redo=False)
    try:
        known = recorded_before(road, account)
        assert known is not None
        return known
    finally:
        if account.opened is not None:
            account.spoil("superseded", "the same key was answered meanwhile")
            account.key_digest = None
            await road.chain.submit(written(road, account, took)[1])


def written(road: Road, account: Account, took: int) -> tuple[Outcome[Any], Unit]:
    """Return what the caller will be told, and the unit that makes it durable."""
    outcome = told_outcome(account)
    unit = road.book.unit(account, outcome, took)
    if account.opened is not None:
        unit = Unit(unit.entries, [*ending(account), *unit.writes])
    return outcome, unit


def told_outcome(account: Account) -> Outcome[Any]:
    """Return what the caller will be told, once it is durable."""
    return Outcome(
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


def give_up(account: Account, exc: Exception) -> None:
    """Turn a case that cannot be recorded as it is into a failed one, of what surely can be."""
    account.status, account.fault = "failed", account.fault or "invalid"
    account.reason = f"the case cannot be recorded as it is: {type(exc).__name__}"
    account.request, account.reader = replace(account.request, reads=()), None
    account.attempts = [
        Attempt(decider=a.decider, result=a.result, fault=a.fault, latency_us=a.latency_us, usage=a.usage)
        for a in account.attempts
    ]
    account.stored, account.answered, account.settled_by = {}, {}, []
    account.output = account.output_data = account.suspended = account.made_by = None


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
    """Say why an answer is second best: a decider before failed, input was cut, or it is the default."""
    if account.output is None or account.made_by is None:
        return None
    fault = next((a.fault for a in account.attempts if a.result == "failed"), None)
    if fault is not None:
        return f"fault:{fault}"
    if account.cut:
        return "input-cut"
    return "default" if account.made_by.kind == "default" else None
