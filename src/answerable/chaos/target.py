"""Runs the faults of single calls against a user's own decision, and says what it would have done wrong."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from answerable.chaos.dialects import dialect_of
from answerable.chaos.filled import filled
from answerable.chaos.judging import SLACK, leak, who
from answerable.chaos.replies import SOUND, Reply, Said
from answerable.chaos.run import NOWHERE, chosen_faults, quiet
from answerable.chaos.server import FaultServer, Upstream
from answerable.chaos.variants import Fault, Variant
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Outcome
from answerable.decisions.reading import problems as input_problems
from answerable.decisions.reading import read_input
from answerable.errors import InputError, UsageError
from answerable.integrations.llm import rebased
from answerable.workspace import MEMORY, Workspace

ENVIRONMENT = "environment"  # the provider that clients find by their environment variables
_GIVEN_UP_S = 2.0  # a client's own retries wait about so long
_CLIENT = "let its client take its address from OPENAI_BASE_URL"
_LOOKED_AT = 20  # inputs, until one is found that reaches a model
# Settings that stand for a decision of ours; here the user's own is what meets the fault.
_OURS = ("person", "alone", "checked", "misspelt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Met:
    """How a decision met one variant of a fault.

    hits: upstream -> requests. degraded: as in the outcome. faults: categories of its attempts.
    """

    fault: int
    title: str
    variant: str
    status: str
    by: str
    degraded: str | None
    faults: tuple[str, ...]
    hits: Mapping[str, int]
    seconds: float
    problems: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "fault": self.fault,
            "title": self.title,
            "variant": self.variant,
            "status": self.status,
            "by": self.by,
            "degraded": self.degraded,
            "faults": list(self.faults),
            "hits": dict(self.hits),
            "seconds": round(self.seconds, 3),
            "problems": list(self.problems),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """A decision whose models are pretended.

    upstreams: in the order in which a sound case called them, then those it did not need. names: of the
    deciders behind each. deadline: seconds a case may take. sound: whether it accepts a sound answer.
    """

    decision: Decision[Any, Any]
    given: Mapping[str, Any]
    upstreams: tuple[Upstream, ...]
    names: Mapping[str, str]
    dialect: str
    deadline: float
    sound: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def models(self) -> list[str]:
        """The deciders whose models are pretended, the one that is called first before the others."""
        return [self.names.get(u.name, u.name) for u in self.upstreams if u.calls or u.name in self.names]


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Return data that `model` accepts, made from its JSON schema. Raises UsageError where that fails."""
    step = "give CASES: a file with at least one row as it comes in"
    try:
        made = filled(model.model_json_schema())
        model.model_validate(made)
    except ValidationError as exc:
        raise UsageError(
            f"no example of {model.__name__} could be made: {input_problems(exc, model)}", next_step=step
        ) from None
    except Exception as exc:  # user code: a type may have no schema, a validator may raise anything
        raise UsageError(
            f"no example of {model.__name__} could be made: {type(exc).__name__}", next_step=step
        ) from exc
    return dict(made)


def aim(
    decision: Decision[Any, Any],
    inputs: Sequence[Mapping[str, Any]],
    server: FaultServer,
    *,
    deadline: float | None = None,
) -> Aim:
    """Send a decision's models to the fault server, and find an input that reaches one.

    inputs: as they come in, or none for an example. deadline: seconds, if not the decision's own. Raises
    UsageError if no input reaches a model, InputError if none is valid.
    """
    server.values = filled(decision.output.model_json_schema())
    moved, names = _moved(decision, server)
    allowed = min(moved.deadline_s, deadline or moved.deadline_s)
    invalid: InputError | None = None
    for given in list(inputs)[:_LOOKED_AT] or [example(decision.input)]:
        try:
            read_input(decision, given)
        except InputError as exc:
            invalid = invalid or exc
            continue
        invalid = None
        for upstream in server.upstreams.values():
            upstream.forget()
        with Workspace(MEMORY) as ws, quiet():
            outcome = ws.decide(moved, given)  # with its own deadline: clients are imported here
        called = sorted((u for u in server.upstreams.values() if u.calls), key=lambda u: u.calls[0].at)
        if called:
            rest = [u for u in server.upstreams.values() if u not in called]
            rest.sort(key=lambda u: u.name == ENVIRONMENT)
            first = names.get(called[0].name, ENVIRONMENT)
            sound = outcome.status == "answered" and not outcome.degraded
            notes = () if sound else (_unsound(outcome, first),)
            return Aim(
                decision=moved,
                given=given,
                upstreams=(*called, *rest),
                names=names,
                dialect=dialect_of(called[0].calls[0].path) or "",
                deadline=allowed,
                sound=sound,
                notes=notes,
            )
    if invalid is not None:
        raise invalid
    if server.tried:
        raise UsageError(
            f"{decision.name} called {', '.join(server.tried)} itself, and nothing may leave this machine",
            next_step=f"{_CLIENT}, or ANTHROPIC_BASE_URL",
        )
    raise UsageError(
        f"no input of {decision.name} reached a model that can be pretended",
        next_step="give CASES with one that its rules leave open; models are found behind ans.llm, and "
        "behind clients that heed OPENAI_BASE_URL or ANTHROPIC_BASE_URL",
    )


def _unsound(outcome: Outcome[Any], first: str) -> str:
    why = outcome.attempts[-1].reason if outcome.attempts else outcome.reason
    told = next((a.reason for a in outcome.attempts if a.decider.startswith(f"{first}@")), why)
    return f"a sound answer of {first} does not stand here: {told[:200]}"


def _moved(
    decision: Decision[Any, Any], server: FaultServer, *, first: str | None = None
) -> tuple[Decision[Any, Any], dict[str, str]]:
    """Return the decision with its `llm` deciders at the server. first: a URL for the first one instead."""
    names: dict[str, str] = {}
    deciders = []
    for decider in decision.deciders:
        if decider.kind == "llm":
            upstream = server.upstream(f"model-{len(names) + 1}")
            anthropic = str(dict(decider.settings).get("model", "")).startswith("anthropic")
            place = upstream.origin if anthropic else upstream.url
            decider = rebased(decider, first if first and not names else place)
            names[upstream.name] = decider.name
        deciders.append(decider)
    return replace(decision, deciders=deciders), names


def meet(
    aimed: Aim,
    server: FaultServer,
    numbers: Sequence[int] = (),
    *,
    progress: Callable[[Met], None] = lambda met: None,
) -> list[Met]:
    """Send the faults with these numbers (all without any) and return how each was met, in order.

    progress: called with each as it is done. A fault that cannot reach this decision is left out. Raises
    UsageError for a number that there is not, and if all of them are left out.
    """
    found: list[Met] = []
    there = [f.number for f in chosen_faults(()) if any(_applies(v, aimed) for v in f.variants)]
    known = {fault.number for fault in chosen_faults(())}
    if numbers and (not known.issuperset(numbers) or not set(there).intersection(numbers)):
        wrong = [number for number in numbers if number not in there]
        raise UsageError(
            f"no fault that can be sent to {aimed.decision.name} has the number {', '.join(map(str, wrong))}",
            next_step=f"give one of {', '.join(map(str, there))}",
        )
    with quiet():
        for fault in chosen_faults(numbers):
            for variant in fault.variants:
                if _applies(variant, aimed):
                    found.append(_met(fault, variant, aimed, server))
                    progress(found[-1])
    return found


def _applies(variant: Variant, aimed: Aim) -> bool:
    if variant.setting in _OURS:
        return False
    decides = aimed.dialect in ("decisions", "systemone")
    if variant.setting.startswith("decisions") and not decides:
        return False
    if variant.setting == "anthropic" and aimed.dialect != "messages":
        return False
    if variant.reach != "server" and aimed.upstreams[0].name == ENVIRONMENT:
        return False  # a client's address was read when it was made
    return not (decides and any(_is_text(reply.said) for reply in variant.primary))


def _is_text(said: Said) -> bool:
    """Whether a reply is wrong in a way that only a model that writes text can be."""
    return replace(said, refuses=0, doubt=SOUND.said.doubt, loses=0.0) != SOUND.said


def _met(fault: Fault, variant: Variant, aimed: Aim, server: FaultServer) -> Met:
    first, *others = aimed.upstreams
    first.forget()
    first.play(*variant.primary)
    for upstream in others:
        upstream.forget()
        upstream.play(*variant.second)
    decision = aimed.decision
    if variant.reach != "server":
        place = {"refused": server.refusing(), "nowhere": NOWHERE}.get(variant.reach)
        decision, _ = _moved(decision, server, first=place or server.expired_tls(first.name))
    with Workspace(MEMORY) as ws:
        started = time.perf_counter()
        outcome = ws.decide(decision, aimed.given, deadline=aimed.deadline)
        seconds = time.perf_counter() - started
        story = ws.why(outcome.record_id).text("person", width=10_000)
    hits = {u.name: u.hits for u in aimed.upstreams if u.hits}
    away = [f"it called {place} itself; {_CLIENT}" for place in server.tried]
    server.tried.clear()
    problems = (*away, *_problems(variant, aimed, outcome, seconds), *leak(story))
    if first.name == ENVIRONMENT and seconds > aimed.deadline / SLACK:
        first.play(SOUND)  # a client that was given up may go on calling; it must not disturb what follows
        time.sleep(_GIVEN_UP_S)
    return Met(
        fault=fault.number,
        title=fault.title,
        variant=variant.name,
        status=outcome.status,
        by=who(outcome),
        degraded=outcome.degraded,
        faults=tuple(a.fault for a in outcome.attempts if a.fault),
        hits={aimed.names.get(name, name): count for name, count in hits.items()},
        seconds=seconds,
        problems=problems,
    )


def _problems(variant: Variant, aimed: Aim, outcome: Outcome[Any], seconds: float) -> Iterator[str]:
    """Yield what a decision should not have done with a fault."""
    expected, first = variant.expected, aimed.upstreams[0]
    name = aimed.names.get(first.name, "a model")
    if seconds > aimed.deadline * SLACK:
        yield f"it took {seconds:.1f} s, and its deadline is {aimed.deadline:g} s"
    if outcome.status == "failed":
        yield "the case failed: add ans.default(...) or ans.person(...) behind its models"
    allowed = _allowed(variant, aimed.decision)
    if first.hits > allowed:
        step = "turn off its client's retries"
        if first.name == ENVIRONMENT:  # its own code may call again because of what it could not read
            step += "; or it does not read a reply in a code fence: use ans.reply_text"
        yield f"{name} was called {first.hits} times, not {allowed} at most: {step}"
    refused = not {"primary", "second"} & set(expected.by) and _is_refusal(variant)
    if refused and any(u.hits for u in aimed.upstreams[1:]):
        yield "after a refusal another model was asked"
    wrong = all(_is_no_answer(reply) for reply in variant.primary) and "primary" not in expected.by
    by_first = who(outcome) == name or (first.name == ENVIRONMENT and _is_callable(aimed, outcome))
    if wrong and outcome.status == "answered" and by_first and not outcome.degraded:
        yield f"what {name} replied is no answer, and was accepted as one"
    second_best = outcome.status == "answered" and not by_first and expected.by != ("primary",)
    if second_best and expected.degraded and not outcome.degraded:
        yield "the answer is not marked as second best"
    waits_for = any(decider.kind == "person" for decider in aimed.decision.deciders)
    if outcome.status == "escalated" and not waits_for:
        yield "the case is left open, and nobody is asked: add ans.default(...) or ans.person(...)"


def _allowed(variant: Variant, decision: Decision[Any, Any]) -> int:
    """Return how often the first model may be called in one case, by the decision's own action table."""
    expected = variant.expected
    rows = [decision.actions[name] for name in expected.faults if name in decision.actions]
    by_table = max((1 + max(row.retry, row.told or 0) for row in rows), default=0)
    return max(by_table, -(-expected.primary[1] // variant.cases), 1)


def _is_refusal(variant: Variant) -> bool:
    return bool({"refusal", "content-filter"} & set(variant.expected.faults))


def _is_no_answer(reply: Reply) -> bool:
    return reply.status != 200 or reply.body is not None or reply.wire != "whole" or reply.said != SOUND.said


def _is_callable(aimed: Aim, outcome: Outcome[Any]) -> bool:
    """Whether a decider of the user's own code answered."""
    kinds = {d.name: d.kind for d in aimed.decision.deciders}
    return kinds.get(who(outcome)) == "model"
