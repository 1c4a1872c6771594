"""The file of one case while it is on the road: what was asked, and what happened so far."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from answerable.decisions.answer import JOINT, NOTHING_USED, Belief, Suspend, Usage, word
from answerable.decisions.case import Case, Principal
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, Outcome, Status
from answerable.decisions.stored import revive
from answerable.encoding import MICRO, decode, encode, seconds, timestamp
from answerable.errors import UsageError, did_you_mean
from answerable.failures.budget import Budget
from answerable.failures.table import Then
from answerable.governance.access import Permit
from answerable.governance.protection import Protected
from answerable.governance.read import Reader
from answerable.governance.vault import About
from answerable.ledger.entry import text_id


def spoilt(outcome: Outcome[Any]) -> bool:
    """Say whether a fault made an answer second best."""
    return (outcome.degraded or "").startswith("fault:")


RUN = "run-"  # begins the name of a budget that is made for one run


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a caller asks besides the input.

    deadline: seconds, or None for the decision's own. elsewhere: stands for code that already answered
    outside; its answer passes the checks but is not held against the stakes. reads: what that code read.
    budgets: besides the decision's own. redo: decide anew what is recorded under the key as second best.
    """

    principal: Principal
    purpose: str | None = None
    key: str | None = None
    deadline: float | None = None
    thread: str | None = None
    parent: bytes | None = None
    elsewhere: Decider | None = None
    reads: Sequence[Mapping[str, Any]] = ()
    budgets: Sequence[Budget] = ()
    redo: bool = False


@dataclass(kw_only=True, slots=True)
class Account:
    """What happened to a case so far; the only thing on the road that changes."""

    id: bytes
    decision: Decision[Any, Any]
    request: Request
    started: float  # a reading of the clock's monotonic seconds
    at: int  # microseconds since 1970
    input: Any = None
    body: bytes | None = None  # the input as stored (encoder v1)
    private: Protected | None = None  # what in the input is personal; None: there is no valid input
    key: str | None = None
    key_digest: bytes | None = None
    stage: str | None = None
    permit: Permit | None = None  # the policies' word, once they were asked
    status: Status = "failed"
    reason: str = ""
    fault: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stored: dict[int, bytes] = field(default_factory=dict)  # attempts as stored, where that is known already
    answered: dict[str, Any] = field(default_factory=dict)  # settled fields, validated
    settled_by: list[Attempt] = field(default_factory=list)  # accepted attempts, whose fields stand
    output: Any = None
    output_data: Any = None  # the output as plain data, as it is stored
    made_by: Decider | None = None
    suspended: Suspend | None = None
    withheld: dict[str, str] = field(default_factory=dict)  # fields that a model would not answer, and why
    ended: bool = False  # recorded
    flagged: bool = False  # a check noted something beside an answer that stands
    instead: bytes | None = None  # the case whose key this one takes over, if it comes out better
    instead_waits: bool = False  # that one was left open
    asking: Decider | None = None  # the one that is being asked
    used_before: Usage = NOTHING_USED  # when it began
    cut: bool = False  # a decider whose answer stands did not see all of the input
    asks: Then = "next"  # who may still be asked, after what went wrong so far
    named: tuple[str, ...] = ()  # the persons that an invalid input names
    about: About | None = None  # everyone, with the key that seals what is recorded about them
    about_whom: tuple[str, ...] = ()  # who everyone was then
    opened: bytes | None = None  # the id of its `opened` entry: something may have left this machine
    sure: bool = False  # whether that unit is known to be durable
    held: Usage = NOTHING_USED  # reserved of every budget
    used: Usage = NOTHING_USED  # consumed, or perhaps consumed
    reader: Reader | None = None  # makes the governed reads, where the decision declares any

    def spoil(self, fault: str, reason: str) -> None:
        """Turn it into a failed case; its attempts and what it consumed stay."""
        self.status, self.fault, self.reason = "failed", fault, reason
        self.output = self.output_data = self.suspended = self.made_by = None

    def better(self, outcome: Outcome[Any]) -> bool:
        """Say whether this outcome is worth the key of the case it was to replace."""
        return outcome.status == "answered" and not spoilt(outcome)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Everything that limits what this case may spend."""
        return (*self.decision.budgets, *self.request.budgets)

    def own_input(self, *, abandoned: bool = False) -> bool:
        """Give what follows the input as it was recorded, should a decider have changed it.

        The usual case costs one encoding; a new input is read from the record's body only where it differs.
        abandoned: a decider that was given up may still write to the old one. False: it cannot be read back.
        """
        if self.body is None:
            return True
        with suppress(Exception):  # user code, here and below: what raises now did not at admission
            if not abandoned and encode(self.input) == self.body:
                return True
        with suppress(Exception):
            kept = revive(self.decision.input, decode(self.body))
            if not abandoned and kept == self.input:  # only what it computes differs, by the clock perhaps
                return True
            self.input = kept
            return encode(kept) == self.body
        return False

    def case(self, clock: Callable[[], float]) -> Case[Any]:
        """Return the case as deciders and checks get it."""
        return Case(
            id=self.record_id,
            decision=self.decision.name,
            input=self.input,
            principal=self.request.principal,
            purpose=self.purpose,
            key=self.key,
            clock=clock,
            deadline=self.deadline,
            answered=dict(self.answered),
            reader=self.reader,
        )

    @property
    def purpose(self) -> str:
        """Why the data is used."""
        return self.request.purpose or self.decision.purpose

    @property
    def denied(self) -> str | None:
        """Why the case has to be refused: it asked a source for what may not be read."""
        return None if self.reader is None else self.reader.denied

    def reads(self) -> list[Mapping[str, Any]]:
        """Return what was read, as a record holds it: by code outside, and for this case."""
        made = () if self.reader is None else self.reader.made
        return [*self.request.reads, *(read.data() for read in made)]

    @property
    def subjects(self) -> tuple[str, ...]:
        """The ids of the people it is about."""
        return self.named if self.private is None else self.private.subjects

    @property
    def everyone(self) -> tuple[str, ...]:
        """The ids of all whose data its record holds: those that it is about, and those of whom it read."""
        made = () if self.reader is None else self.reader.made
        return tuple(dict.fromkeys((*self.subjects, *(s for read in made for s in read.subjects))))

    def concealed(self, text: str) -> str:
        """Return text that leaves the record, such as an alert, without the case's personal values."""
        return text if self.private is None else str(self.private.concealed(text))

    @property
    def record_id(self) -> str:
        """The id by which the case is found for good."""
        return text_id(self.id)

    def beliefs_of(self, attempt: Attempt) -> dict[str, Belief]:
        """Return an attempt's beliefs about the fields of it that stand."""
        return {n: b for n, b in attempt.beliefs.items() if n == JOINT or n in attempt.settled}

    @property
    def deadline(self) -> float:
        """The reading of the monotonic clock at which the automatic part ends."""
        own = self.decision.deadline_s
        return self.started + min(own, self.request.deadline or own)

    @property
    def due_at(self) -> int | None:
        """When a person's time ends, microseconds since 1970."""
        return None if self.suspended is None else self.at + round(self.suspended.within * MICRO)

    @property
    def due(self) -> str | None:
        """`due_at` as RFC 3339."""
        return None if self.due_at is None else timestamp(self.due_at)


def principal_of(principal: str | Principal) -> Principal:
    """Return a principal given as its id."""
    return principal if isinstance(principal, Principal) else Principal(principal)


def record_id_of(record: Any) -> bytes:
    """Return the 16 bytes of a record id as people write it. Raises UsageError for anything else."""
    try:
        return UUID(str(record)).bytes
    except ValueError:
        raise UsageError(
            f"{record!r} is no record id",
            next_step='use the id that decide printed, "last", or --key KEY',
        ) from None


def run_budget(budget: Any) -> tuple[Any, ...]:
    """Return the budget of one run: of a name of its own where it has none, and for as long as it takes."""
    if not isinstance(budget, Budget) or budget.name is not None:
        return () if budget is None else (budget,)
    return (replace(budget, name=f"{RUN}{uuid4()}", per="ever" if budget.per != "case" else "case"),)


def request_of(
    decision: Decision[Any, Any],
    principal: str | Principal,
    key: str | None,
    deadline: float | None,
    **more: Any,
) -> Request:
    """Return what a caller asks. Raises UsageError for an unknown argument, with what was probably meant."""
    decision.check_budgets(more.get("budgets", ()))
    for name in more:
        if name not in ("purpose", "thread", "parent", "budgets", "redo"):
            known = ("principal", "key", "deadline", "purpose", "thread", "parent", "budgets", "redo")
            raise UsageError(f"decide knows no {name!r}", next_step=did_you_mean(name, known))
        if more[name] is not None and name in ("purpose", "thread"):
            word(more[name], what=name)
    parent = more.pop("parent", None)
    return Request(
        principal=principal_of(principal),
        key=None if key is None else str(key),
        deadline=None if deadline is None else seconds(deadline, what="deadline"),
        parent=None if parent is None else record_id_of(parent),
        **more,
    )
