"""What became of a case: the attempts on it and the Outcome the caller gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from answerable.decisions.answer import NOTHING_USED, Belief, Usage
from answerable.errors import AnswerableError

T = TypeVar("T")
Result = Literal["accepted", "rejected", "abstained", "refused", "failed", "suspended"]
Status = Literal["answered", "escalated", "refused", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What one decider did with one case.

    fault: a category of `failures.fault`. notes: what was cut, what a check flagged.
    expected_cost: micro-units of the stakes' currency. latency_us: microseconds.
    output: the fields this attempt gave, as plain data; settled: which of them stand.
    calls: model calls and tool reads, as sent and received; failed and repeated calls are among them.
    """

    decider: str  # "name@version"
    result: Result
    reason: str = ""
    fault: str | None = None
    output: Mapping[str, Any] | None = None
    settled: tuple[str, ...] = ()
    beliefs: Mapping[str, Belief] = field(default_factory=dict)
    expected_cost: int | None = None
    latency_us: int = 0
    usage: Usage = NOTHING_USED
    calls: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


class NotAnswered(AnswerableError):
    """`Outcome.unwrap` found no output; the outcome is attached."""

    outcome: "Outcome[Any]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(Generic[T]):
    """The state of a case at return.

    status: answered, escalated (output None, `proposal` the best rejected answer, `due` when a person's
    time ends), refused or failed. decider: "name@version" of the one that answered. degraded: why the
    answer is second best, or None. due: RFC 3339. replayed: the key was answered before.
    """

    status: Status
    record_id: str
    decision: str
    output: T | None = None
    proposal: T | Mapping[str, Any] | None = None
    due: str | None = None
    decider: str | None = None
    confidence: float | None = None
    reason: str = ""
    degraded: str | None = None
    attempts: tuple[Attempt, ...] = ()
    replayed: bool = False

    def unwrap(self) -> T:
        """Return the output. Raises NotAnswered with the next step where there is none."""
        if self.output is not None:
            return self.output
        steps = {
            "escalated": f"wait for a person and ask again with ws.outcome({self.record_id!r})",
            "refused": f"read the reason with `answerable why {self.record_id}`",
            "failed": f"see what each decider did with `answerable why {self.record_id}`",
            "answered": f"read the record with `answerable why {self.record_id}`",
        }
        error = NotAnswered(f"{self.decision} was {self.status}: {self.reason}", next_step=steps[self.status])
        error.outcome = self
        raise error
