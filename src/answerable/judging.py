"""Judges what a decider answered: the cost of its error first, then, once it is whole, its checks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from answerable.casebook import PART_BYTES
from answerable.casefile import Account
from answerable.decisions.acceptance import Verdict, accept, cheapest
from answerable.decisions.account import attempt_data
from answerable.decisions.answer import Answer, Belief, Finding
from answerable.decisions.case import Case
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt
from answerable.decisions.reading import NotAnAnswer, unstorable, whole
from answerable.decisions.stored import comes_back
from answerable.encoding import encode, plain
from answerable.errors import AnswerableError
from answerable.failures.fault import CATEGORIES
from answerable.failures.masking import masked
from answerable.failures.plan import stricter


def judge(account: Account, case: Case[Any], answer: Answer[Any], ended: Callable[..., Attempt]) -> Attempt:
    """Accept an answer or say why not: cost of error first, then, once it is whole, its checks.

    What will be stored is encoded here, so that a value no record can hold is this attempt's fault.
    """
    decision = account.decision
    try:
        values, beliefs, verdict = weigh(account, case, answer)
        merged = {**account.answered, **{name: values[name] for name in verdict.stands}}
        output = None
        if verdict.act == "accept" and not left_open(account, values, merged):
            output = whole(decision, merged)
    except NotAnAnswer as exc:
        return ended("failed", str(exc), fault=exc.fault)
    except Exception as exc:  # the boundary: stakes may be functions of the input
        return ended("failed", f"the stakes raised {said(exc)}", fault="exception")
    notes = [one_line(line) for line in answer.cut]
    notes += [f"{name}: {CATEGORIES[category]}" for name, category in answer.withheld.items()]
    more: dict[str, Any] = {"beliefs": beliefs, "expected_cost": verdict.expected_cost}
    reasons = tuple(map(one_line, answer.reasons))
    if verdict.act == "accept" and len(verdict.stands) < len(values):
        reasons = (*reasons, verdict.because)
    result, told = "accepted", "; ".join(reasons) or verdict.because
    fault, settled = None, verdict.stands
    if verdict.act != "accept":
        result, told, settled = "rejected", verdict.because, ()
        fault = "never-automatic" if verdict.act == "person" else None
    elif output is not None and decision.checks:
        finding, flags = examine(decision, case, Answer(output, beliefs=beliefs, reason=answer.reasons))
        if account.denied is not None:  # a check may read too
            return ended("refused", account.denied)
        notes += [f"flag: {flag_text(flag)}" for flag in flags]
        account.flagged = bool(flags)
        if finding is not None:
            result, told, settled = "rejected", flag_text(finding), ()
            fault, output = "check", None
            account.asks = stricter(account.asks, "person" if finding.then == "person" else "next")
    try:
        data = None if output is None else stored_output(decision, output)
        more |= {"output": stored_values(values), "notes": tuple(notes), "settled": settled}
        attempt = ended(result, told, fault=fault, **more)
        body = stored_attempt(attempt, answer.reasons)
        room = PART_BYTES // (2 * len(decision.deciders))  # so that all attempts together fit a part
        if max(len(body), 0 if data is None else len(encode(data))) > room:
            raise NotAnAnswer("invalid", f"the answer has more than {room:,} bytes")
    except NotAnAnswer as exc:
        return ended("failed", str(exc), fault=exc.fault)
    account.stored[len(account.attempts)] = body
    if result == "accepted":
        account.answered, account.output, account.output_data = merged, output, data
        account.settled_by.append(attempt)
        account.cut = account.cut or bool(answer.cut)
    return attempt


def stored_output(decision: Decision[Any, Any], output: Any) -> Any:
    """Return an output as plain data. Raises NotAnAnswer if no replay would give it back as it is."""
    try:
        data = plain(output)
    except Exception as exc:  # user code: a computed field or a serializer may raise anything
        raise NotAnAnswer("invalid", unstorable(output, "the output")) from exc
    if not decision.output_surely_comes_back and not comes_back(output, data):
        raise NotAnAnswer("invalid", "the output would not come back from its record as it is")
    return data


def stored_values(values: Mapping[str, Any]) -> Any:
    """Return answered values as plain data. Raises NotAnAnswer naming what has no stored form."""
    try:
        return plain(values)
    except Exception as exc:  # as above
        raise NotAnAnswer("invalid", unstorable(values, "the answer")) from exc


def stored_attempt(attempt: Attempt, reasons: Sequence[Any]) -> bytes:
    """Return an attempt as it is stored. Raises NotAnAnswer naming what has no stored form.

    reasons: as given, before they became one line of valid text.
    """
    try:
        encode(reasons)
        return encode(attempt_data(attempt))
    except Exception as exc:  # as above, in what the decider told about its calls
        held = [attempt.output, attempt.calls, reasons]
        raise NotAnAnswer("invalid", unstorable(held, "the answer")) from exc


def left_open(account: Account, values: Mapping[str, Any], settled: Mapping[str, Any]) -> bool:
    """Say whether a field was answered or refused but does not stand: its type's default must not step in."""
    given = {name for attempt in account.attempts for name in attempt.output or ()}
    return bool((given | set(values) | set(account.withheld)) - set(settled))


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


def examine(
    decision: Decision[Any, Any], case: Case[Any], answer: Answer[Any]
) -> tuple[Finding | None, list[Finding]]:
    """Return the finding that keeps an answer from standing, and those that are only noted beside it.

    All checks are asked: one that wants a person outweighs one before it that would ask the next decider. A
    check that raises counts as a finding: what it cannot judge is not let through.
    """
    against: Finding | None = None
    flags: list[Finding] = []
    for check in decision.checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            finding = check(case, answer)
        except Exception as exc:  # the boundary: user code
            finding = Finding(f"it raised {said(exc)}", name)
        if finding is None:
            continue
        if not isinstance(finding, Finding):
            finding = Finding(f"it returned a {type(finding).__name__}, no Finding and not None", name)
        finding = finding if finding.check else replace(finding, check=name)
        if finding.then == "flag":
            flags.append(finding)
        elif against is None or (finding.then == "person" and against.then != "person"):
            against = finding
    return against, flags


def flag_text(finding: Finding) -> str:
    """Return a finding as a record tells it."""
    return f"{one_line(finding.check)}: {one_line(finding.reason)}"


def said(exc: Exception) -> str:
    """Return an exception as an attempt tells it."""
    try:
        return masked(f"{type(exc).__name__}: {exc.what if isinstance(exc, AnswerableError) else exc}")
    except Exception:  # even its text may raise
        return type(exc).__name__


def one_line(text: Any) -> str:
    """Return free-form text as a record keeps it: one line of valid Unicode, at most 2,000 characters."""
    try:
        return " ".join(str(text).encode("utf-8", "replace").decode().split())[:2000]
    except Exception:  # user code: even its text may raise
        return f"a {type(text).__name__} without a text"


def stands_unmeasured(account: Account) -> bool:
    """Say whether an answer nobody measured may stand: never, always, or but for a reviewed sample."""
    rule = account.decision.unmeasured
    if rule.startswith("sample:"):
        return int.from_bytes(account.id[-4:]) / 2**32 >= float(rule.removeprefix("sample:"))
    return rule == "accept"
