"""Governed reads: a case asks for a source, the policies say which rows, and the record tells what came.

named     is it declared by the decision                             no: UsageError
allowed   is it for this purpose, and what do the policies say       no: Denied, and the case is refused
once      was it read for this case already, by whichever decider    yes: the same rows
fetch     on a thread of its own, within the time that is left        fails: Faulted("source")
collect   the contract, the filter, the mask, the freshness
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from answerable.callers import DaemonPool, NoThread
from answerable.casebook import PART_BYTES
from answerable.decisions.case import Principal
from answerable.decisions.decision import Decision
from answerable.encoding import MICRO, encode, micros, plain, timestamp
from answerable.errors import AnswerableError, Denied, InputError, UsageError, did_you_mean
from answerable.failures.fault import Fault, Faulted
from answerable.governance.access import Ask, Permit, Resource, RowPermit
from answerable.governance.contract import Kept, collect, column_values, failed, moment_of
from answerable.governance.read import Fetched, Read, Wanted
from answerable.governance.row_words import columns_in, in_words
from answerable.governance.rows import EVERY
from answerable.governance.source import Source, Sql
from answerable.home import connection_url, find_project
from answerable.integrations.source_call import CallReader
from answerable.integrations.source_file import FileReader
from answerable.integrations.source_sql import SqlReader
from answerable.ports import Clock, PolicyEngine, SourceReader

THREADS = 32  # reads at once in one process
ROOM = PART_BYTES // 2  # for all reads of a case: nothing is used that a record cannot hold
PARAMS_BYTES = 8 * 1024
MOST_READS = 500  # of one case, failed ones too: a model's tool may ask for ever


class Sources:
    """What a workspace reads with. start: where the project file is looked for, upward."""

    def __init__(self, start: Path | None = None) -> None:
        self._start = start or Path.cwd()
        self.pool = DaemonPool(THREADS)
        self._readers: dict[str, SourceReader] = {
            "sql": SqlReader(self._address),
            "file": FileReader(),
            "function": CallReader(),
        }

    def of(
        self,
        decision: Decision[Any, Any],
        principal: Principal,
        purpose: str,
        policies: PolicyEngine,
        clock: Clock,
    ) -> "CaseReads | None":
        """Return what makes the reads of one case; None for a decision that reads nothing.

        Raises UsageError if a source names a connection that the project file does not have.
        """
        if not decision.reads:
            return None
        for source in decision.reads:
            if isinstance(source.origin, Sql) and source.origin.connection is not None:
                self._named(source, source.origin.connection)
        return CaseReads(self, decision, principal, purpose, policies, clock)

    def fetch(self, wanted: Wanted) -> Fetched:
        """Fetch with the reader of the source's kind."""
        return self._readers[wanted.source.kind].fetch(wanted)

    def close(self) -> None:
        """Let go of all connections and idle threads."""
        self.pool.close()
        for reader in self._readers.values():
            reader.close()

    def _named(self, source: Source[Any], name: str) -> tuple[Any, Path]:
        project = find_project(self._start)
        known = {} if project is None else project.connections
        if project is None or name not in known:
            step = f'write `[connections.{name}]` and `url = "env:NAME"` below it'
            where = (
                "there is no project file" if project is None else "the project file has no such connection"
            )
            raise UsageError(
                f"the source {source.name} is read over the connection {name!r}, and {where}",
                next_step=did_you_mean(name, known) if known else step,
            )
        return known[name], project.folder

    def _address(self, source: Source[Any]) -> str:
        origin = source.origin
        assert isinstance(origin, Sql)
        if origin.connection is not None:
            told, folder = self._named(source, origin.connection)
            return connection_url(origin.connection, told, folder, os.environ)
        return connection_url(f"of {source.name}", origin.url, self._start, os.environ)


_Place = tuple[str, bytes]  # a source and its parameters, encoded


@dataclass(slots=True)
class _Flight:
    """A read under way, or done. started: a reading of the clock. dropped: nobody waits for it any more."""

    begun: Read
    started: float
    future: "Future[Sequence[Any]]" = field(default_factory=Future)
    dropped: bool = False


class CaseReads:
    """The Reader of one case. Safe from several threads and tasks; it gives nothing after the case's end."""

    def __init__(
        self,
        sources: Sources,
        decision: Decision[Any, Any],
        principal: Principal,
        purpose: str,
        policies: PolicyEngine,
        clock: Clock,
    ) -> None:
        self._sources, self._decision, self._policies, self._clock = sources, decision, policies, clock
        self._principal, self._purpose = principal, purpose
        self._lock = threading.Lock()
        self._flights: dict[_Place, _Flight] = {}
        self._made: list[Read] = []
        self._bytes, self._closed = 0, False
        self._denied: Denied | None = None

    @property
    def made(self) -> tuple[Read, ...]:
        """The reads so far, in the order in which they ended."""
        with self._lock:
            return tuple(self._made)

    @property
    def denied(self) -> str | None:
        """Why the case has to be refused, once somebody asked for what may not be read."""
        return None if self._denied is None else self._denied.what

    def close(self) -> None:
        """Give nothing from now on: the case is about to be recorded. What is under way is told as such."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for flight in self._flights.values():
                if not flight.future.done():
                    why = "the case ended first"
                    self._made.append(replace(flight.begun, result="unfinished", reason=why, columns=()))

    def read(self, source: Source[Any] | str, params: Mapping[str, Any], deadline: float) -> list[Any]:
        """Return the rows; blocks until they are there, at most until `deadline`."""
        place, flight = self._flight(source, params, deadline)
        try:
            flight.future.result(max(0.0, deadline - self._clock.monotonic()))
        except (FutureTimeout, CancelledError):
            pass  # or it is what the read raised: below
        except KeyboardInterrupt:
            self._abandon(place, flight)
            raise
        except Exception:  # below
            pass
        return self._given(place, flight)

    async def aread(self, source: Source[Any] | str, params: Mapping[str, Any], deadline: float) -> list[Any]:
        """`read`, without blocking the event loop."""
        place, flight = self._flight(source, params, deadline)
        waited = asyncio.wrap_future(flight.future)
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody warns of it
        await asyncio.wait([waited], timeout=max(0.0, deadline - self._clock.monotonic()))
        return self._given(place, flight)

    def _given(self, place: _Place, flight: _Flight) -> list[Any]:
        """Return copies of what came: deciders may change theirs. Raises what the read raised."""
        if not flight.future.done() or flight.future.cancelled():
            raise self._abandon(place, flight)
        try:
            return [model.model_copy(deep=True) for model in flight.future.result()]
        except Exception:
            self._drop(place, flight)
            raise

    def kinds(self, source: Source[Any] | str) -> frozenset[str]:
        """The kinds of personal data in a declared source."""
        return self._declared(source).kinds

    # -- asking --------------------------------------------------------------------------------------

    def _flight(
        self, named: Source[Any] | str, params: Mapping[str, Any], deadline: float
    ) -> tuple[_Place, _Flight]:
        """Return the read under way, or begin it."""
        source = self._declared(named)
        try:
            told = encode(dict(params), what=f"the parameters of {source.name}")
        except InputError as exc:
            raise UsageError(exc.what, next_step="give single values, such as a text or a number") from None
        if len(told) > PARAMS_BYTES:
            raise UsageError(
                f"the parameters of {source.name} have more than {PARAMS_BYTES:,} bytes",
                next_step="ask for less at once",
            )
        place = (source.name, told)
        with self._lock:
            if self._closed:
                raise UsageError("this case has ended", next_step="read while its deciders are asked")
            if self._denied is not None:
                raise self._denied
            if (known := self._flights.get(place)) is not None:
                return place, known
            if len(self._made) >= MOST_READS:
                raise failed(source, f"the case reads more than {MOST_READS} times", "too-many")
            asked = self._asked(source, params)
            permit = self._permitted(asked, source, params)
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise Faulted("deadline")
            try:
                flight = _Flight(replace(asked, **_permit_told(permit)), self._clock.monotonic())
                flight.future = self._sources.pool.submit(
                    lambda: self._fetched(flight, source, params, permit, deadline)
                )
            except NoThread as exc:
                raise failed(source, f"it was not asked: {exc}", "busy") from None
            self._flights[place] = flight
            return place, flight

    def _declared(self, named: Source[Any] | str) -> Source[Any]:
        name = named.name if isinstance(named, Source) else named
        declared = self._decision.reads
        found = next((source for source in declared if source.name == name), None)
        if found is not None and (found is named or isinstance(named, str) or found == named):
            return found
        known = [source.name for source in declared]
        what = f"{self._decision.name} reads {str(name)[:100]!r}, which it does not declare"
        step = f"add it to the decision: reads=[{', '.join([*known, '...'])}]"
        if isinstance(named, str) and known:
            step = f"{did_you_mean(name, known)} or {step}"
        raise UsageError(what, next_step=step)

    def _asked(self, source: Source[Any], params: Mapping[str, Any]) -> Read:
        masked = source.masked_for(self._principal.roles)
        return Read(
            source=source.name,
            owner=source.owner,
            purpose=self._purpose,
            params=plain(dict(params)),
            columns=tuple(f.path for f in source.columns if f.path not in masked),
            classes={f.path: f.classes for f in source.columns if f.classes and f.path not in masked},
            masked=masked,
        )

    def _permitted(self, asked: Read, source: Source[Any], params: Mapping[str, Any]) -> RowPermit:
        """Return what the policies allow. Raises Denied; called under the lock."""
        if self._purpose not in source.purposes:
            reason = f"it may not be read for the purpose {self._purpose}"
            self._deny(asked, source, Permit(False, reason, remedy=f"ask for {' or '.join(source.purposes)}"))
        hidden = next((name for name in params if name in asked.masked), None)
        if hidden is not None:  # whether a row with such a value exists would tell the value
            remedy = f"somebody with the role {source.mask[hidden]} may"
            self._deny(asked, source, Permit(False, f"its {hidden} may not be asked about", remedy=remedy))
        try:
            permit = self._policies.rows(
                Ask(self._principal, "read", Resource("Source", source.name), self._purpose)
            )
            unknown = columns_in(permit.rows) - set(source.cells)
        except Exception as exc:  # an error in a policy means no
            reason = f"the policies could not be asked ({type(exc).__name__})"
            self._deny(asked, source, Permit(False, reason))
        if not permit.permit.allowed:
            self._deny(asked, source, permit.permit)
        if unknown:
            reason = f"a policy looks at {', '.join(sorted(unknown))}, which it does not have"
            self._deny(asked, source, replace(permit.permit, allowed=False, reason=reason))
        return permit

    def _deny(self, asked: Read, source: Source[Any], permit: Permit) -> NoReturn:
        reason = f"the source {source.name}: {permit.reason or 'no policy allows it'}"
        remedy = f"; {permit.remedy}" if permit.remedy else ""
        told = _permit_told(RowPermit(permit))
        self._made.append(replace(asked, result="denied", reason=f"{reason}{remedy}", columns=(), **told))
        step = permit.remedy or "ask somebody who may read it"
        self._denied = Denied(f"{reason}{remedy}", next_step=step)
        raise self._denied

    # -- fetching, on a thread of the pool -----------------------------------------------------------

    def _fetched(
        self,
        flight: _Flight,
        source: Source[Any],
        params: Mapping[str, Any],
        permit: RowPermit,
        deadline: float,
    ) -> Sequence[Any]:
        begun, clock = flight.begun, self._clock

        def late() -> None:
            if clock.monotonic() >= deadline or flight.dropped:
                raise failed(source, "it did not answer in time", "timeout")

        try:
            columns = {n: c for n, c in source.stored_as.items() if n not in begun.masked}
            within = max(0.0, deadline - clock.monotonic())
            wanted = Wanted(source=source, params=params, rows=permit.rows, columns=columns, within=within)
            fetched = self._sources.fetch(wanted)
            kept = _kept(fetched, wanted, begun.masked, late)
            read = replace(begun, latency_us=self._took(flight), **self._told(source, fetched, kept))
            if read.stale and source.stale == "refuse":
                raise failed(source, f"its data is of {read.as_of or 'an unknown time'}: too old", "stale")
            return self._hold(flight, read, kept)
        except Exception as exc:  # the boundary: a driver and user code may raise anything
            fault = exc
            if not isinstance(exc, Faulted | Denied | UsageError):
                what = (
                    exc.what
                    if isinstance(exc, AnswerableError)
                    else f"reading it raised {type(exc).__name__}"
                )
                fault = failed(source, what, "exception")
            self._failed(flight, fault)
            raise fault from None if fault is exc else exc

    def _took(self, flight: _Flight) -> int:
        return round((self._clock.monotonic() - flight.started) * MICRO)

    def _told(self, source: Source[Any], fetched: Fetched, kept: Kept) -> dict[str, Any]:
        """Return what a record tells of the rows."""
        at, timeless = fetched.as_of, False
        if callable(source.as_of):
            at = moment_of(source.as_of())
            timeless = at is None
        elif source.as_of is not None:
            at, timeless = kept.oldest, kept.timeless
        stale = timeless
        if source.freshness_s is not None and at is not None:
            stale = stale or self._clock.now() - micros(at) > source.freshness_s * MICRO
        return {
            "rows": tuple(kept.rows),
            "keys": tuple({n: row[n] for n in source.key_columns} for row in kept.rows)
            if source.key_columns
            else (),
            "subjects": tuple(kept.subjects),
            "quarantined": kept.quarantined,
            "broken": tuple(kept.broken),
            "cut": kept.cut,
            "as_of": None if at is None else timestamp(at),
            "stale": stale,
        }

    def _hold(self, flight: _Flight, read: Read, kept: Kept) -> Sequence[Any]:
        """Take a read in, before anybody gets a row of it."""
        size = len(encode(read.data()))
        with self._lock:
            if self._closed or flight.dropped:
                raise UsageError("this case has ended", next_step="give the decision more time")
            if self._bytes + size > ROOM:
                why = f"{read.source}: the case reads more than {ROOM:,} bytes"
                raise Faulted(Fault(category="source", reason=why, code="too-large"))
            self._bytes += size
            self._made.append(read)
        return kept.models

    def _failed(self, flight: _Flight, exc: Exception) -> None:
        """Note a read that gave nothing, unless that was told already."""
        reason = exc.fault.reason if isinstance(exc, Faulted) else getattr(exc, "what", "")
        with self._lock:
            if isinstance(exc, Denied):
                self._denied = self._denied or exc
            self._note(flight, "denied" if isinstance(exc, Denied) else "failed", reason)

    def _note(self, flight: _Flight, result: Literal["denied", "failed"], reason: str) -> None:
        """Tell the record of a read that gave nothing; called under the lock."""
        if not self._closed and not flight.dropped:
            noted = replace(flight.begun, reason=reason, columns=(), latency_us=self._took(flight))
            self._made.append(replace(noted, result=result))

    def _abandon(self, place: _Place, flight: _Flight) -> Faulted:
        """Give up a read that nobody has the time to wait for; return the fault that it is."""
        fault = Fault(category="source", reason=f"{place[0]}: it did not answer in time", code="timeout")
        with self._lock:
            known = self._flights.get(place) is flight
            if known:
                self._note(flight, "failed", fault.reason)
                flight.dropped = True
                del self._flights[place]
        if known:
            self._sources.pool.abandon(flight.future)
        return Faulted(fault)

    def _drop(self, place: _Place, flight: _Flight) -> None:
        """Forget a read that failed, so that a retry reads again."""
        with self._lock:
            if self._flights.get(place) is flight:
                del self._flights[place]


def _kept(fetched: Fetched, wanted: Wanted, masked: tuple[str, ...], late: Callable[[], None]) -> Kept:
    """Hold what came against the contract, and apply what its place could not."""
    source = wanted.source
    rows = EVERY if fetched.picked else wanted.rows
    by_column = not fetched.picked and source.kind == "file"
    params = (column_values(source, wanted.params) or {}) if by_column else {}
    try:
        return collect(source, fetched.rows, masked=masked, rows=rows, params=params, late=late)
    finally:
        if callable(
            close := getattr(fetched.rows, "close", None)
        ):  # of a generator that was not read to its end
            close()


def _permit_told(permit: RowPermit) -> dict[str, Any]:
    """Return what a record tells of the policies' word."""
    said = permit.permit
    return {
        "filter": "" if permit.rows == EVERY or not said.allowed else in_words(permit.rows),
        "policies": said.policies,
        "policy": None if said.policy is None else said.policy.hex(),
    }
