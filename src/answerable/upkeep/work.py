"""The background work of a home: each role runs in one worker at a time, however many workers there are."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from answerable.alerting import deliver, undelivered
from answerable.encoding import MICRO
from answerable.errors import AnswerableError, UsageError
from answerable.governance.shredding import destroy_again, finish
from answerable.interrupted import end_interrupted, overdue
from answerable.ledger.catalog import segments
from answerable.ledger.drop import drop_parts
from answerable.ledger.entry import Conflict, Unit, Write
from answerable.ledger.seal import ENTRIES
from answerable.ledger.tlog import TILE
from answerable.ledger.verify import CHECKPOINTS
from answerable.resolving import expire
from answerable.state.cases import DUE
from answerable.state.subjects import DROPPED, ERASED_WITH, UNDESTROYED, UNDROPPED
from answerable.upkeep.roles import LOST, Lease, new_holder, roles, take
from answerable.workspace import Workspace

SEAL_AFTER = 15 * 60.0  # seconds that a full block of 256 entries may wait in the journal
KEEP_AFTER = 3600.0  # seconds between two kept checkpoints
CLEAN_AFTER = 24 * 3600.0  # seconds; what was begun before that and never finished is removed
BEAT = 60.0  # seconds after which a role with nothing to do still says that it is alive
DELIVER_AFTER = (
    30.0  # seconds between two passes over undelivered alerts: how long a failing webhook has rest
)
_PIECE = 500  # cases that expire between two looks at the lease

Told = Literal["ran", "idle", "held", "lost", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """What became of one role in one pass, or in all of them together.

    told: it ran; was idle (nothing to do); is held by another worker; was lost to another one on the way;
    or failed. done: how many things it did (cases, entries, checkpoints, files). note: a sentence.
    """

    role: str
    told: Told
    done: int = 0
    note: str = ""


Progress = Callable[[Pass], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One role.

    due: whether there is something to do; its flag is true for a single pass by hand, which does not wait
    for the time to come. run: does it, returns how much and says what. rest: seconds between two looks.
    """

    name: str
    due: Callable[[Workspace, bool], bool]
    run: Callable[[Workspace, Lease], tuple[int, str]]
    rest: float = 0.0


def work(
    workspace: Workspace,
    *,
    once: bool,
    every: float = 5.0,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> list[Pass]:
    """Do the background work of a home; return one line a role, with the sums of all passes.

    once: one pass over everything that can be done now; else a pass `every` seconds until `stop` is set,
    which ends it between two roles. progress: called with each role's pass that was not idle. A role that
    fails does not stop the others; its error is in its line.
    """
    if every <= 0:
        raise UsageError(f"every is {every}", next_step="give a number of seconds above 0")
    stop = stop or threading.Event()
    holder = new_holder()
    sums = {job.name: Pass(role=job.name, told="idle") for job in JOBS}
    looked: dict[str, float] = {}
    while True:
        for job in JOBS:
            now = workspace.clock.monotonic()
            if stop.is_set():
                break
            if job.name in looked and now - looked[job.name] < job.rest:
                continue
            looked[job.name] = now
            done = _attempt(workspace, job, holder, at_once=once)
            sums[job.name] = _sum(sums[job.name], done)
            if progress is not None and done.told != "idle":
                progress(done)
        if once or stop.wait(every):
            return list(sums.values())


def _attempt(workspace: Workspace, job: Job, holder: str, *, at_once: bool) -> Pass:
    """Run one role if it is due and free; a fault becomes its line."""
    lease: Lease | None = None
    try:
        if not (at_once or job.due(workspace, False) or _silent(workspace, job.name)):
            return Pass(role=job.name, told="idle")
        lease = take(workspace.journal, workspace.clock, job.name, holder)
        if lease is None:
            holds = roles(workspace.journal).get(job.name)
            return Pass(
                role=job.name, told="held", note=f"held by {holds.holder if holds else 'another worker'}"
            )
        done, note = job.run(workspace, lease) if job.due(workspace, at_once) else (0, "nothing to do")
        lease.end(note)
        return Pass(role=job.name, told="ran" if done else "idle", done=done, note=note)
    except Conflict as exc:
        told: Told = "lost" if exc.clash == LOST else "failed"
        return Pass(role=job.name, told=told, note=f"another worker went on ({exc.clash})")
    except Exception as exc:  # the boundary: one role's fault must not stop the others
        note = f"{exc.what}; {exc.next_step}" if isinstance(exc, AnswerableError) else repr(exc)
        if lease is not None:
            with suppress(Exception):  # what is wrong is being told already
                lease.end(f"failed: {note}")
        return Pass(role=job.name, told="failed", note=note)


def _silent(workspace: Workspace, name: str) -> bool:
    """Say whether the role has not been heard of for BEAT seconds, so that its age shows it is alive."""
    role = roles(workspace.journal).get(name)
    now = workspace.clock.now()
    return role is None or (role.expires <= now and (role.ran or 0) + BEAT * MICRO <= now)


def _sum(before: Pass, now: Pass) -> Pass:
    if now.told == "idle" and before.told != "idle":
        return before
    return replace(now, done=before.done + now.done)


# -- expiry ------------------------------------------------------------------------------------------


def _cases_due(workspace: Workspace, at_once: bool) -> bool:
    return bool(workspace.journal.rows(DUE, {"now": workspace.clock.now(), "at_most": 1}))


def _expire(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """End what waited too long with its declared fallback."""
    ended = 0
    while _cases_due(workspace, True):
        ended += expire(workspace.book, now=workspace.clock.now(), at_most=_PIECE, fence=lease.fence)
        lease.keep()
    return ended, f"{ended:,} cases ended with their fallback"


# -- interrupted cases -------------------------------------------------------------------------------


def _overdue(workspace: Workspace, at_once: bool) -> bool:
    return overdue(workspace.book, now=workspace.clock.now())


def _end_interrupted(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """End what called somebody and never came back."""
    ended = 0
    while now := end_interrupted(
        workspace.book, now=workspace.clock.now(), at_most=_PIECE, fence=lease.fence
    ):
        ended += now
        lease.keep()
    return ended, f"{ended:,} interrupted cases ended"


# -- sealing -----------------------------------------------------------------------------------------


def _blocks_due(workspace: Workspace, at_once: bool) -> bool:
    sealed = segments(workspace.journal)
    start = sealed[-1].hi if sealed else 0
    waiting = workspace.ledger.head().size - start
    if waiting < TILE:
        return False
    if at_once or waiting >= ENTRIES:
        return True
    for batch in workspace.journal.scan(start, start + 1):
        oldest: int = batch[0].entry.header["at"]
        return workspace.clock.now() - oldest >= SEAL_AFTER * MICRO
    return True  # the sealer finds out why the entry is not there


def _sealer_due(workspace: Workspace, at_once: bool) -> bool:
    return bool(workspace.journal.rows(UNDROPPED, {})) or _blocks_due(workspace, at_once)


def _seal(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """Drop what erased keys sealed, then seal every full block."""
    dropped = _drop(workspace, lease)
    if not _blocks_due(workspace, True):
        return dropped, f"{dropped:,} erased entries emptied"
    sealed = workspace.ledger.seal(fence=lease.fence, progress=lambda done, todo: lease.keep())
    told = f"{sealed.entries:,} entries sealed into {len(sealed.segments)} segments"
    return dropped + sealed.entries, f"{told}, {dropped:,} erased entries emptied" if dropped else told


def _drop(workspace: Workspace, lease: Lease) -> int:
    """Take what erased keys sealed out of journal, segments and blobs; return of how many entries."""
    keys = [bytes(key_id) for (key_id,) in workspace.journal.rows(UNDROPPED, {})]
    if not keys:
        return 0
    entries = [
        bytes(entry_id)
        for key_id in keys
        for (entry_id,) in workspace.journal.rows(ERASED_WITH, {"key_id": key_id})
    ]
    done = drop_parts(
        workspace.book,
        keys,
        entries=entries,
        fence=lease.fence,
        progress=lambda done, todo: lease.keep(),
    )
    workspace.journal.submit(Unit(writes=[*lease.fence, *(Write(DROPPED, {"of_key": key}) for key in keys)]))
    return done.entries


# -- checkpoints -------------------------------------------------------------------------------------


def _checkpoint_due(workspace: Workspace, at_once: bool) -> bool:
    kept = sorted((workspace.home.folder / CHECKPOINTS).glob("*.note"))
    size = workspace.ledger.head().size
    if not kept:
        return size > 0
    newest = kept[-1]
    if newest.name.startswith(f"{size:020d}-"):
        return False  # the log has not grown
    return at_once or time.time() - newest.stat().st_mtime >= KEEP_AFTER


def _checkpoint(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """Keep the signed head."""
    kept = workspace.ledger.checkpoint()
    return 1, f"checkpoint of {kept.checkpoint.size:,} entries kept"


# -- cleaning ----------------------------------------------------------------------------------------


def _leftovers(folder: Path) -> Iterator[Path]:
    """Yield files that a crash left half-written: nobody writes at one for a day."""
    old = time.time() - CLEAN_AFTER
    for place in ("blobs", "checkpoints", "segments"):
        for path in (folder / place).rglob(".*.tmp"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < old:
                    yield path


def _clean(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """Remove what crashes left half-written."""
    found = list(_leftovers(workspace.home.folder))
    for path in found:
        lease.keep()
        path.unlink(missing_ok=True)
    return len(found), f"{len(found):,} unfinished files removed"


def _leftovers_due(workspace: Workspace, at_once: bool) -> bool:
    return any(_leftovers(workspace.home.folder))


# -- alerts ------------------------------------------------------------------------------------------


def _alerts_due(workspace: Workspace, at_once: bool) -> bool:
    if workspace.home.webhook is None:
        return False
    return bool(undelivered(workspace.journal, workspace.clock, at_most=1))


def _deliver(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """Send the alerts that no process could send when it raised them."""
    return deliver(workspace.journal, workspace.clock, workspace.home, fence=lease.fence, between=lease.keep)


# -- erasure -----------------------------------------------------------------------------------------


def _undestroyed(workspace: Workspace, at_once: bool) -> bool:
    return at_once or bool(workspace.journal.rows(UNDESTROYED, {}))


def _erase(workspace: Workspace, lease: Lease) -> tuple[int, str]:
    """Destroy the keys of erasures that were cut short, and those that somebody put back from a copy."""
    keys = workspace.book.vault.keys
    done = finish(workspace.journal, keys, workspace.home.folder)
    lease.keep()
    done += destroy_again(workspace.journal, keys)
    return done, f"{done:,} erased keys destroyed" if done else "nothing to do"


ERASURE = "erasure"
EXPIRY, SEALER, KEEPER, CLEANER, ALERTS = "expiry", "sealer", "checkpoints", "cleaner", "alerts"
INTERRUPTED = "interrupted"
JOBS: Sequence[Job] = (
    Job(name=EXPIRY, due=_cases_due, run=_expire),
    Job(name=INTERRUPTED, due=_overdue, run=_end_interrupted),
    Job(name=ERASURE, due=_undestroyed, run=_erase),
    Job(name=SEALER, due=_sealer_due, run=_seal),
    Job(name=KEEPER, due=_checkpoint_due, run=_checkpoint),
    Job(name=CLEANER, due=_leftovers_due, run=_clean, rest=3600.0),
    Job(name=ALERTS, due=_alerts_due, run=_deliver, rest=DELIVER_AFTER),
)
