"""The file of one case while it is on the road: what was asked, and what happened so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from answerable.decisions.answer import JOINT, Belief, Suspend
from answerable.decisions.case import Principal
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, Status
from answerable.encoding import MICRO, timestamp
from answerable.ledger.entry import text_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a caller asks besides the input.

    deadline: seconds, or None for the decision's own. elsewhere: stands for code that already answered
    outside; its answer passes the checks but is not held against the stakes. reads: what that code read.
    """

    principal: Principal
    purpose: str | None = None
    key: str | None = None
    deadline: float | None = None
    thread: str | None = None
    parent: bytes | None = None
    elsewhere: Decider | None = None
    reads: Sequence[Mapping[str, Any]] = ()


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
    key: str | None = None
    key_digest: bytes | None = None
    stage: str | None = None
    policy: bytes | None = None
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
