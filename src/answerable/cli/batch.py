"""Decides all rows of a table: what goes in, what comes out, and the count of it."""

import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from answerable.cli.cases import Cases, Given
from answerable.cli.results import Results
from answerable.cli.told import already_told
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Outcome
from answerable.encoding import MICRO, plain
from answerable.errors import AnswerableError, Denied, UsageError
from answerable.failures.budget import Budget
from answerable.integrations.tables_core import BadRow

if TYPE_CHECKING:
    from answerable.workspace import Workspace

STATUSES = ("answered", "escalated", "refused", "failed")
SOURCE = "file"  # who a truth column of a case file is said to come from


@dataclass(kw_only=True, slots=True)
class Tally:
    """The count of a run. rows: read. rejected: (line, error) of what could not be taken as it was.

    right: output field -> [right, of so many answers whose truth the table tells].
    """

    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    deciders: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)  # why second best -> answers
    flagged: int = 0  # beside whose answer a check noted something
    replayed: int = 0  # answered before, under the same key
    resumed: int = 0  # in OUT already
    truths: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    invalid: int = 0  # rejected and, as cases, refused
    keyless: int = 0
    cost: int = 0  # of paid deciders, micro-units of `currency`
    currency: str = ""
    right: dict[str, list[int]] = field(default_factory=dict)
    broken: AnswerableError | None = None  # why the table could not be read to its end

    @property
    def cases(self) -> int:
        """How many cases came to an end, of whatever kind."""
        return self.outcomes.total()

    @property
    def spoilt(self) -> int:
        """How many cases are second best or failed, which is worse."""
        return self.degraded.total() + self.outcomes["failed"]

    def count(self, status: str, made_by: str | None, degraded: object) -> None:
        """Count one case. made_by: "name@version"."""
        self.outcomes[status] += 1
        if status == "answered" and made_by:
            self.deciders[made_by.partition("@")[0]] += 1
        if degraded and status != "failed":
            self.degraded[str(degraded)] += 1

    def data(self) -> dict[str, Any]:
        """Return the `decide` shape of the command line; `cases` is the sum of the outcomes."""
        return {
            "cases": self.cases,
            "outcomes": {status: self.outcomes[status] for status in STATUSES},
            "deciders": dict(self.deciders.most_common()),
            "degraded": self.degraded.total(),
            "degraded_reasons": dict(self.degraded.most_common()),
            "flagged": self.flagged,
            "rejected": [{"line": line, "error": error} for line, error in sorted(self.rejected)],
            "rows": self.rows,
            "replayed": self.replayed,
            "resumed": self.resumed,
            "truths": self.truths,
            "cost": {"amount": self.cost / MICRO, "currency": self.currency},
            "right": {name: {"right": right, "of": of} for name, (right, of) in self.right.items()},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """How much of something is still taken: a share of it all, or a number."""

    share: float | None = None
    count: int = 0

    @classmethod
    def parse(cls, text: str, option: str = "--max-rejected") -> "Allowance":
        """Read "5%" or "20". Raises UsageError, which names `option`, for another form."""
        number = text.strip().removesuffix("%")
        try:
            value = float(number)
            if number == text.strip():
                return cls(count=int(number))
        except ValueError:
            value = -1.0
        if not 0 <= value <= 100:
            raise UsageError(
                f"{option} {text!r} is neither a share nor a number", next_step="write it as 5% or 20"
            )
        return cls(share=value / 100)

    def exceeded(self, of: int, found: int) -> bool:
        """Say whether `found` of so many are too many."""
        return found > (self.count if self.share is None else self.share * of)


@contextmanager
def stopping(told: Callable[[], None]) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that what is in flight can finish; the second interrupts."""
    stop = threading.Event()

    def on_interrupt(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        told()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Batch:
    """One run over a table's cases.

    tally: counts it. stop: when it is set no further row is begun. redo: as in `Workspace.decide_many`.
    """

    def __init__(
        self,
        workspace: "Workspace",
        decision: Decision[Any, Any],
        results: Results,
        *,
        principal: str,
        concurrency: int,
        budget: Budget | None,
        stop: threading.Event,
        redo: bool = False,
    ) -> None:
        self._ws, self._decision, self._results = workspace, decision, results
        self._principal, self._concurrency, self._budget, self._stop = principal, concurrency, budget, stop
        self._redo = redo
        self.tally = Tally(currency=decision.stakes.currency)
        self._fed: deque[Given] = deque()
        self._keys: dict[int, str | None] = {}
        self._telling: deque[tuple[int, Future[bool]]] = deque()

    def run(self, cases: Cases, progress: Callable[[int], None]) -> Tally:
        """Decide what is not decided yet; write, count and tell the truth of each case."""
        with ThreadPoolExecutor(min(8, self._concurrency)) as tellers:
            outcomes = self._ws.decide_many(
                self._decision,
                self._inputs(cases),
                principal=self._principal,
                keys=self._keys.get,
                concurrency=self._concurrency,
                budget=self._budget,
                redo=self._redo,
            )
            for number, outcome in enumerate(outcomes):
                given = self._fed.popleft()
                self._keys.pop(number, None)
                if not isinstance(outcome, Outcome):
                    self.tally.rejected.append((given.line, outcome.error.what))
                    continue
                self._take(given, outcome)
                if given.truth:
                    self._telling.append((given.line, tellers.submit(self._tell, given, outcome)))
                    self._listen(at_most=4 * self._concurrency)
                progress(self.tally.rows)
            self._listen(at_most=0)
        return self.tally

    def _inputs(self, cases: Cases) -> Iterator[Any]:
        """Yield the inputs to decide; a table that breaks ends them, so that those in flight are kept."""
        number = 0
        try:
            for given in cases:
                if self._stop.is_set():
                    return
                self.tally.rows += 1
                if isinstance(given, BadRow):
                    self.tally.rejected.append((given.line, given.error))
                elif (earlier := self._results.earlier.get(given.line)) is not None:
                    self.tally.resumed += 1
                    made_by = str(earlier["decider"] or "")
                    self.tally.count(str(earlier["outcome"]), made_by, earlier["degraded"])
                    if earlier["outcome"] == "answered":
                        answer = {name: earlier.get(f"answer.{name}") for name in given.truth}
                        self._compare(given.truth, answer)
                else:
                    self._fed.append(given)
                    self._keys[number] = self._key(given)
                    number += 1
                    yield given.input
        except AnswerableError as exc:
            self.tally.broken = exc

    def _key(self, given: Given) -> str | None:
        """Return a key of the job for a case that the world knows by none."""
        return None if self._has_key(given) else self._results.key(given.line)

    def _has_key(self, given: Given) -> bool:
        own = self._decision.key_fields
        return bool(own) and all(given.input.get(name) not in (None, "") for name in own)

    def _take(self, given: Given, outcome: Outcome[Any]) -> None:
        self.tally.count(outcome.status, outcome.decider, outcome.degraded)
        self.tally.replayed += outcome.replayed
        self.tally.flagged += self._flagged(outcome)
        if not outcome.replayed:
            self.tally.cost += sum(attempt.usage.cost for attempt in outcome.attempts)
        if outcome.status == "refused" and outcome.decider is None:  # no decider was asked: the row is bad
            reason = outcome.reason
            for name in given.empty:
                reason = reason.replace(f"{name}: Field required", f"{name}: is empty")
            self.tally.rejected.append((given.line, reason))
            self.tally.invalid += 1
        elif self._decision.key_fields and not self._has_key(given):
            self.tally.keyless += 1
        if outcome.output is not None:
            self._compare(given.truth, plain(outcome.output))
        self._results.write(given.line, outcome)

    def _flagged(self, outcome: Outcome[Any]) -> bool:
        """Say whether the record is flagged; only a case with a note can be, so others are not looked up."""
        if not any(attempt.notes for attempt in outcome.attempts):
            return False
        stored = self._ws.ledger.get(UUID(outcome.record_id).bytes)
        return stored is not None and stored.entry.header["fault"] == "flagged"

    def _compare(self, truth: Mapping[str, object], answer: Mapping[str, object]) -> None:
        """Count which fields of an answer are right; a truth that the field cannot hold does not count."""
        fields = {f.path: f for f in self._decision.output_fields}
        for name, right in truth.items():
            values, number = fields[name].values, fields[name].kind == "number"
            if values and not any(_same(value, right, number=number) for value in values):
                continue
            count = self.tally.right.setdefault(name, [0, 0])
            count[0] += _same(answer.get(name), right, number=number)
            count[1] += 1

    def _tell(self, given: Given, outcome: Outcome[Any]) -> bool:
        """Record the truth of a row; False where it was told before."""
        if (
            outcome.replayed
            and already_told(self._ws, outcome.record_id, SOURCE).keys() >= given.truth.keys()
        ):
            return False
        self._ws.truth(
            self._decision,
            source=SOURCE,
            record=outcome.record_id,
            principal=self._principal,
            fields=given.truth,
        )
        return True

    def _listen(self, *, at_most: int) -> None:
        """Take what became of the oldest truths until at most so many are under way."""
        while len(self._telling) > at_most:
            line, told = self._telling.popleft()
            try:
                self.tally.truths += told.result()
            except (UsageError, Denied) as exc:
                self.tally.rejected.append((line, f"truth: {exc.what}"))


def _same(one: object, other: object, *, number: bool) -> bool:
    """Compare two values of which a table may hold one as text."""
    if one == other or str(one).lower() == str(other).lower():
        return True
    try:
        return number and float(str(one)) == float(str(other))
    except ValueError:
        return False
