"""The opened home: the only composer of adapters and the only thing that holds connections."""

import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from answerable.alerting import recall_alerts
from answerable.breakers import Breakers
from answerable.callers import AwaitingCaller, BlockingCaller, DaemonPool, step
from answerable.casebook import Casebook, principal_data
from answerable.casefile import principal_of, request_of, run_budget
from answerable.chain import Chain
from answerable.counters import Counters
from answerable.decisions.answer import Answer, Usage, word
from answerable.decisions.case import Principal
from answerable.decisions.decider import Decider
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Outcome
from answerable.encoding import decode, moment
from answerable.errors import (
    AnswerableError,
    ForkedWorkspace,
    HomeError,
    InputError,
    UsageError,
)
from answerable.governance.detectors import open_detector
from answerable.governance.erasing import Person
from answerable.governance.redaction import refuse_personal
from answerable.governance.vault import Vault
from answerable.home import (
    CREATE_LOCK,
    HOME_VARIABLE,
    choose_home,
    may_become_home,
)
from answerable.ledger.entry import Filter, Unit, readable, text_id
from answerable.ledger.ledger import Ledger
from answerable.ledger.note import VerifierKey
from answerable.ledger.where import compile_where
from answerable.limits import Limits
from answerable.opening import load_lookup, open_or_make
from answerable.permits import Guard, open_policies, resource_of, shapes_of
from answerable.ports import Caller, Clock, Detector, Journal, PolicyEngine
from answerable.ports_null import AllowAll, AlwaysLive
from answerable.reads import Sources
from answerable.records import find_case, find_readable, readable_lines
from answerable.resolving import resolve
from answerable.road import Road, travel
from answerable.state import cases
from answerable.system import SystemClock, Uuid7
from answerable.truths import record_truth
from answerable.watch import Watch
from answerable.why import Why, gather

MEMORY = "memory:"
LOCAL = "user:local"  # who asks where nobody is named


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A case of a batch that could not be decided. index: its place, from 0. error: what and what next."""

    index: int
    error: AnswerableError


class Workspace:
    """One home, opened.

    home: a folder (opened, or made if it is new), "memory:" for one that ends with this object, or None
    for the project's. For a new home: journal, "sqlite:journal.db", a PostgreSQL URL or "env:NAME" of one;
    signing_key, "file:PATH" or "env:NAME" of your own Ed25519 key (PEM); kek, the same of your own
    key-encryption key (64 hexadecimal digits), or "kms:NAME:KEY". detector: of personal values in texts; the
    built-in one by default. dev: a decision may change under its version. Raises HomeError if the home cannot
    be used.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        journal: str | None = None,
        signing_key: str | None = None,
        kek: str | None = None,
        detector: Detector | None = None,
        dev: bool = False,
    ) -> None:
        self._pid, self._closed = os.getpid(), False
        self._temporary: weakref.finalize[..., Any] | None = None
        if str(home) == MEMORY:
            folder, journal = Path(tempfile.mkdtemp(prefix="answerable-")), MEMORY
            self._temporary = weakref.finalize(self, _remove, folder, self._pid)
        else:
            folder = choose_home(home, os.environ, Path.cwd())
            if home is None and os.environ.get(HOME_VARIABLE):
                _refuse_new(folder)
        self.home, self._journal, signer, self._keys = open_or_make(folder, journal, signing_key, kek)
        lookup = load_lookup(self.home)
        vault = Vault(self._keys, self._journal, lookup)
        self.ledger = Ledger(
            self._journal,
            folder=self.home.folder,
            signer=signer,
            keys=[VerifierKey.parse(key) for key in self.home.verifier_keys],
            home_id=self.home.id,
            opener=vault.open,
        )
        self._pool = DaemonPool()
        self._blocking, self._awaiting = BlockingCaller(self._pool), AwaitingCaller(self._pool)
        self.clock, ids = (clock := SystemClock()), Uuid7()
        self.detector = detector or open_detector()
        self.book = Casebook(
            journal=self._journal,
            ledger=self.ledger,
            lookup=lookup,
            vault=vault,
            clock=clock,
            ids=ids,
            dev=dev,
        )
        self.breakers, self.counters, self._limits = Breakers(self.book, clock), Counters(), Limits(clock)
        self._lately: dict[str, deque[bool]] = {}
        self.policies = AllowAll() if self._temporary else self._policies(clock)
        self._guard = Guard(policies=self.policies, book=self.book)
        recall_alerts(self.book)  # so that what another process raised can be seen to be over
        self._road = self._new_road(ids)
        self._aroad = replace(self._road, chain=self._chain(self._journal.enqueue, self._awaiting))

    def _new_road(self, ids: Uuid7) -> Road:
        return Road(
            book=self.book,
            chain=self._chain(self._submit, self._blocking),
            clock=self.clock,
            ids=ids,
            policies=self.policies,
            releases=AlwaysLive(),  # there are none yet
            sources=Sources(),
            detector=self.detector,
        )

    def _policies(self, clock: Clock) -> PolicyEngine:
        try:
            return open_policies(self.home.folder, Path.cwd(), clock)
        except BaseException:
            self.ledger.close()
            self._journal.close()
            raise

    def _chain(self, submit: Any, caller: Caller) -> Chain:
        return Chain(
            submit=submit,
            caller=caller,
            book=self.book,
            breakers=self.breakers,
            limits=self._limits,
            watch=Watch(
                submit=submit, book=self.book, counters=self.counters, home=self.home, lately=self._lately
            ),
        )

    # -- deciding ------------------------------------------------------------------------------------

    def decide(
        self,
        decision: Decision[Any, Any],
        given: Any,
        *,
        principal: str | Principal = LOCAL,
        key: str | None = None,
        deadline: float | None = None,
        **more: Any,
    ) -> Outcome[Any]:
        """Answer one case and record it; return its outcome.

        given: the decision's input model, or a mapping of its fields. key: instead of the input's Key
        fields. deadline: seconds, at most the decision's own. more: purpose, thread, parent (a record id),
        budgets (besides the decision's own), redo (decide anew what this key's record has as second best).
        Every fault of the case is in the outcome; raises UsageError, HomeError and LedgerUnavailable only.
        """
        self._ready(decision)
        return step(
            travel(self._road, decision, given, request_of(decision, principal, key, deadline, **more))
        )

    async def adecide(
        self,
        decision: Decision[Any, Any],
        given: Any,
        *,
        principal: str | Principal = LOCAL,
        key: str | None = None,
        deadline: float | None = None,
        **more: Any,
    ) -> Outcome[Any]:
        """`decide` for async code; a cancelled case is recorded as failed and the cancellation goes on."""
        self._ready(decision)
        return await travel(
            self._aroad, decision, given, request_of(decision, principal, key, deadline, **more)
        )

    def decide_many(
        self,
        decision: Decision[Any, Any],
        inputs: Iterable[Any],
        *,
        principal: str | Principal = LOCAL,
        keys: Callable[[int], str | None] | None = None,
        concurrency: int = 8,
        progress: Callable[[int], None] | None = None,
        **more: Any,
    ) -> Iterator[Outcome[Any] | Failure]:
        """Decide many cases at once; yield an Outcome or a Failure for each, in the order of `inputs`.

        keys: index -> key, which makes a second run return what the first one recorded. concurrency:
        cases in flight. progress: called with the number of cases done. more: budget (for all of them
        together), redo, and what `decide` takes.
        Raises LedgerUnavailable and HomeError, which would fail every further case too.
        """
        self._check_alive()
        if concurrency < 1:
            raise UsageError(f"concurrency is {concurrency}", next_step="give 1 or more")
        self._ready(decision)
        principal = principal_of(principal)
        decision.check_budgets(budgets := (*more.pop("budgets", ()), *run_budget(more.pop("budget", None))))

        def one(index: int, given: Any) -> Outcome[Any] | Failure:
            try:
                key = keys(index) if keys else None
                return self.decide(decision, given, principal=principal, key=key, budgets=budgets, **more)
            except (UsageError, InputError) as exc:
                return Failure(index=index, error=exc)

        def window() -> Iterator[Outcome[Any] | Failure]:
            ahead: list[Future[Outcome[Any] | Failure]] = []
            with ThreadPoolExecutor(concurrency, thread_name_prefix="answerable-case") as pool:
                try:
                    for index, given in enumerate(inputs):
                        ahead.append(pool.submit(one, index, given))
                        if len(ahead) >= concurrency * 4:
                            yield ahead.pop(0).result()
                    while ahead:
                        yield ahead.pop(0).result()
                finally:
                    for waiting in ahead:
                        waiting.cancel()

        for done, result in enumerate(window(), start=1):
            if progress is not None:
                progress(done)
            yield result

    def record(
        self,
        decision: Decision[Any, Any],
        given: Any,
        output: Any,
        *,
        made_by: str,
        reads: Sequence[Mapping[str, Any]] = (),
        messages: Sequence[Mapping[str, Any]] = (),
        usage: Usage | None = None,
        **more: Any,
    ) -> Outcome[Any]:
        """Record an answer that other code made, after every check; return its outcome.

        output: the decision's output, or an Answer where it comes with beliefs. made_by: "name@version" of
        that code. reads, messages: what it read and what was said to a model. more: principal, key, purpose,
        thread, parent. An answer that a check rejects is escalated.
        """
        self._check_alive()
        name, _, version = made_by.partition("@")
        if not name or not version:
            raise UsageError(
                f"made_by is {made_by!r}", next_step='name the code and its version: "name@version"'
            )
        word(made_by, what="made_by")
        for read in reads:
            if not isinstance(read, Mapping) or not isinstance(read.get("classes", {}), Mapping):
                form = 'give [{"source": "crm", "rows": [...]}]'
                raise UsageError("a read is told as a mapping", next_step=form)
        given_answer = output if isinstance(output, Answer) else Answer(output)
        answer: Answer[Any] = Answer(
            given_answer.output,
            beliefs=given_answer.beliefs,
            reason=given_answer.reasons or f"{name} answered outside",
            usage=usage or given_answer.usage,
            calls=messages or given_answer.calls,
            withheld=given_answer.withheld,
            cut=given_answer.cut,
        )
        elsewhere = Decider(
            name=name,
            kind="model",
            run=lambda case: answer,
            version=version,
            digest="",
            inline=True,
        )
        self._ready(decision)
        request = request_of(decision, more.pop("principal", LOCAL), more.pop("key", None), None, **more)
        return step(
            travel(self._road, decision, given, replace(request, elsewhere=elsewhere, reads=tuple(reads)))
        )

    def resolve(
        self,
        decision: Decision[Any, Any],
        record: str,
        output: Any,
        *,
        principal: str | Principal,
        reason: str = "",
    ) -> Outcome[Any]:
        """End an escalated case with a person's answer; return its outcome as it stands now.

        reason: a sentence that the affected person may read.
        The first resolution wins; a later one is kept as an opinion and does not change the outcome.
        Raises UsageError if the record never waited for anybody, or if the output is no valid answer.
        """
        self._check_alive()
        who = principal_of(principal)
        self._guard.demand(who, "review", resource_of(decision))
        return resolve(self.book, decision, self.find(record), output, principal=who, reason=reason)

    def truth(
        self,
        decision: Decision[Any, Any] | str,
        *,
        source: str,
        key: str | None = None,
        record: str | None = None,
        principal: str | Principal = LOCAL,
        fields: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> str:
        """Record what the right answer was, in whole or in part; return the id of the entry.

        The case is found by `key` or by `record`. source: who says so, such as "chargeback" or "agent".
        fields, or keywords: output field -> right value. Raises UsageError for an unknown field or value
        and HomeError if no such case is recorded.
        """
        self._check_alive()
        if (key is None) == (record is None):
            raise UsageError("a truth is about one case", next_step="give its key= or its record=")
        name, who = decision if isinstance(decision, str) else decision.name, principal_of(principal)
        about = self._guard.named(name) if isinstance(decision, str) else resource_of(decision)
        self._guard.demand(who, "review", about)
        case_id = self.find(record, decision=name, key=key)
        refuse_personal(source, self.detector, what="source")
        values = {**(fields or {}), **named}
        return text_id(record_truth(self.book, name, case_id, values, source, principal_data(who)))

    # -- reading -------------------------------------------------------------------------------------

    def outcome(
        self,
        record: str,
        decision: Decision[Any, Any] | None = None,
        *,
        principal: str | Principal = LOCAL,
    ) -> Outcome[Any]:
        """Return a case's outcome as it stands now.

        decision: gives its output as the decision's type; without it, output and proposal are plain data.
        Raises Denied, here and below, if the policies do not let `principal` read it.
        """
        self._check_alive()
        return self.book.outcome(
            find_readable(self._guard, self.home.folder, principal_of(principal), record), decision
        )

    def why(
        self,
        record: str | None = None,
        *,
        key: str | None = None,
        decision: str | None = None,
        principal: str | Principal = LOCAL,
    ) -> Why:
        """Return why a case came out as it did, with pseudonyms for what is personal.

        record: an id or "last"; or the key of the case.
        """
        self._check_alive()
        who, folder = principal_of(principal), self.home.folder
        found = find_readable(self._guard, folder, who, record, decision=decision, key=key)
        return gather(self.book, found, self.detector)

    def records(
        self,
        decision: str | None = None,
        *,
        where: str | None = None,
        since: int | str | None = None,
        kinds: Sequence[str] = ("decision",),
        limit: int | None = 50,
        before: int | None = None,
        principal: str | Principal = LOCAL,
    ) -> list[Mapping[str, Any]]:
        """Return header fields of the newest entries, newest first, each with its `record_id` and `index`.

        where: a condition such as `status = escalated and confidence < 0.8`. since: microseconds since
        1970, or text such as "2d" or a date. before: only indexes below it, for the next page. Ids are
        text, digests hex, times RFC 3339. What `principal` may not read is left out.
        """
        self._check_alive()
        who = principal_of(principal)
        if decision is not None:
            self._guard.demand(who, "read", self._guard.named(decision))
        condition, params = compile_where(where, now=self.clock.now()) if where else ("", ())
        wanted = Filter(
            kinds=tuple(kinds),
            decision=decision,
            since=moment(since, now=self.clock.now()) if isinstance(since, str) else since,
            before=before,
            where=condition,
            params=tuple(params),
            limit=limit,
        )
        return [readable(line) for line in readable_lines(self._guard, who, wanted)]

    def find(self, record: str | None, *, decision: str | None = None, key: str | None = None) -> bytes:
        """Return the case id of a record id, "last" or a key. Raises HomeError, naming this home, if none.

        It asks no policy: what is done with the record does.
        """
        return find_case(self.book, self.home.folder, record, decision=decision, key=key)

    def manifest(self, definition: bytes) -> dict[str, Any]:
        """Return the recorded manifest of a definition digest."""
        rows = self._journal.rows(cases.MANIFEST, {"digest": definition})
        if not rows:
            raise HomeError("that definition is not in this home", next_step="check the home")
        described: dict[str, Any] = decode(bytes(rows[0][0]))
        return described

    def subject(self, id: str, *, principal: str | Principal = LOCAL, purpose: str) -> Person:
        """Return the door to one person's records: show, reveal, export, hold and erase.

        id: as inputs name them in a field marked Subject. purpose: why they are looked at, one word.
        """
        self._check_alive()
        return Person(
            self.book,
            self._road.policies,
            self.home.folder,
            id,
            principal=principal_of(principal),
            purpose=purpose,
        )

    # -- the object itself ---------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        """The opened journal."""
        return self._journal

    def close(self) -> None:
        """Finish what is queued and let go of the home. A second call does nothing."""
        if self._pid != os.getpid() or self._closed:
            return
        self._closed = True
        self._blocking.close()
        self._pool.close()
        self._road.sources.close()
        self.ledger.close()
        self._journal.close()
        self._keys.close()
        if self._temporary is not None:
            self._temporary()

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _submit(self, unit: Unit) -> Any:
        return self._journal.submit(unit)

    def _ready(self, decision: Any) -> None:
        """Check what is decided, and record its definition at first use."""
        self._check_alive()
        if not isinstance(decision, Decision):
            raise UsageError(
                f"{str(decision)[:100]!r} is no decision",
                next_step="give the ans.Decision, not its name",
            )
        for shape in shapes_of(decision):
            self.policies.know(shape)
        self.book.register(decision)

    def _check_alive(self) -> None:
        if self._pid != os.getpid():
            raise ForkedWorkspace(
                "this workspace was opened before the process was forked",
                next_step="open a Workspace in each process, after the fork",
            )
        if self._closed:
            raise UsageError("this workspace is closed", next_step="open a Workspace again")


def _remove(folder: Path, pid: int) -> None:
    """Remove a home in memory's folder; a forked child that ends leaves it to its parent."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_new(folder: Path) -> None:
    """Raise HomeError if a name from the environment, which may be mistyped, would make a home."""
    if may_become_home(folder) and not (folder / CREATE_LOCK).exists():
        raise HomeError(
            f"{HOME_VARIABLE} names {folder}, where there is no home",
            next_step="correct it; a new home is made where it is named: Workspace(folder)",
        )
