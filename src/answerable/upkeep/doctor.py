"""Looks at a home from outside and says what is well and what is not; it changes nothing and never raises."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from answerable import formats
from answerable.alerting import CLAIM, SILENCE, read_alert
from answerable.encoding import MICRO, timestamp
from answerable.errors import AnswerableError, HomeError
from answerable.failures.alert import STEPS
from answerable.failures.fault import CATEGORIES
from answerable.governance.kek import shown_kek
from answerable.governance.keyring import open_keys
from answerable.governance.policies_load import SUFFIX, BrokenPolicies, load, read_folder
from answerable.home import Home, may_become_home, open_home
from answerable.ledger import sqlite
from answerable.ledger.catalog import FOLDER as SEGMENTS
from answerable.ledger.keys import Lookup, absent, load_signer
from answerable.ledger.note import VerifierKey, open_note
from answerable.ledger.seal import ENTRIES
from answerable.permits import OWN, policy_folder
from answerable.state.alerts import STANDING, UNDELIVERED
from answerable.state.breakers import BREAKERS
from answerable.state.roles import ROLES
from answerable.upkeep.store import HEAD, Store
from answerable.upkeep.stores import store_of
from answerable.upkeep.work import JOBS
from answerable.wording import lasted, printable, when, with_times

State = Literal["ok", "warn", "fail"]

# File systems on which locks or shared memory between machines do not hold; with or without "fuse.".
NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cephfs", "cifs", "davfs", "gcsfuse", "glusterfs", "gpfs", "lustre"),
    *("ncpfs", "nfs", "nfs4", "rclone", "s3fs", "smb", "smb2", "smb3", "smbfs", "sshfs", "vboxsf"),
    "virtiofs",
}
MOUNTS = Path("/proc/mounts")
LOW, TIGHT = 1 << 30, 100 << 20  # bytes free: a warning, and no longer well
SKEW = 60.0  # seconds that clocks may differ
STALE = 3600.0  # seconds without a sign of life of a role
LOCK_WAIT = 0.5  # seconds
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "lake": ("pyarrow", "duckdb"),
    "eval": ("numpy", "scipy", "sklearn"),
    "postgres": ("psycopg",),
    "excel": ("openpyxl",),
    "llm": ("pydantic_ai",),
    "local-llm": ("pydantic_ai", "xllamacpp"),
}
SHOWN = 20  # alerts that stand
FAILURES = 2  # the first state format that knows breakers, open cases and alerts


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at. what: what was found; next_step: what to do, empty where all is well."""

    name: str
    state: State
    what: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Patient:
    """A home that could be read, and its database."""

    home: Home
    store: Store
    env: Mapping[str, str] = field(repr=False)
    now: int  # microseconds since 1970


Looking = Callable[[_Patient], Iterator[Check]]


def doctor(folder: Path) -> list[Check]:
    """Examine the home in `folder`; return what was found, also of a home that cannot be opened."""
    found = [*_guarded("SQLite", _library), *_guarded("extras", _extras)]
    try:
        home = open_home(folder)
    except AnswerableError as exc:
        missing = Check(name="home", state="fail", what=exc.what, next_step=exc.next_step)
        if may_become_home(folder):
            return [missing]  # there is nothing else to look at
        found.append(missing)
        try:
            home = open_home(folder, older=True)
        except AnswerableError:
            return [*found, *_guarded("folder", lambda: _folder(folder))]
    else:
        found.append(Check(name="home", state="ok", what=f"{home.folder}, id {home.id.hex()}"))
    found += [*_guarded("folder", lambda: _folder(folder)), *_guarded("policies", lambda: _policies(home))]
    try:
        store = store_of(home, os.environ)
    except AnswerableError as exc:
        return [*found, Check(name="journal", state="fail", what=exc.what, next_step=exc.next_step)]
    patient = _Patient(home=home, store=store, env=os.environ, now=time.time_ns() // 1000)
    for name, look in _LOOKS.items():
        found += _guarded(name, lambda look=look: look(patient))  # type: ignore[misc]
    return found


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """Run a look; what it raises becomes a finding, after what it found before."""
    found: list[Check] = []
    try:
        for check in look():
            found.append(check)
    except AnswerableError as exc:
        found.append(Check(name=name, state="fail", what=exc.what, next_step=exc.next_step))
    except Exception as exc:  # a damaged home may do anything; the doctor still says the rest
        what = f"could not be looked at: {exc!r}"
        found.append(Check(name=name, state="fail", what=what, next_step="run `answerable ledger verify`"))
    return found


# -- the machine -------------------------------------------------------------------------------------


def _library() -> Iterator[Check]:
    version = ".".join(map(str, sqlite.version()))
    where = sqlite.library().__name__.partition(".")[0]
    if sqlite.version() >= sqlite.WAL_RESET_FIXED:
        yield Check(name="SQLite", state="ok", what=f"{version} from {where}")
        return
    yield Check(
        name="SQLite",
        state="warn",
        what=f"{version} from {where}: before 3.51.3 a write-ahead log that is reset while two connections "
        "checkpoint can damage the database",
        next_step="install pysqlite3 where it has a wheel, or a Python with a newer SQLite",
    )


def _extras() -> Iterator[Check]:
    there = [name for name, modules in EXTRAS.items() if all(find_spec(module) for module in modules)]
    missing = [name for name in EXTRAS if name not in there]
    what = f"installed: {', '.join(there) or 'none'}; not installed: {', '.join(missing) or 'none'}"
    yield Check(name="extras", state="ok", what=what)


def file_system(path: Path, mounts: str) -> tuple[str, str]:
    """Return (mount point, type) of the file system that holds `path`; mounts: the text of /proc/mounts."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].encode().decode("unicode_escape")  # blanks stand there as \040
        if path.is_relative_to(point) and len(point) >= len(best):  # of two at one point the later one holds
            best, kind = point, fields[2]
    return best, kind


# -- the folder --------------------------------------------------------------------------------------


def _folder(folder: Path) -> Iterator[Check]:
    folder = folder.resolve()
    yield from _network(folder)
    free = shutil.disk_usage(folder).free
    step = "free the disk or move the home: a full one records nothing, and so decides nothing"
    what = f"{free / 2**30:,.1f} GiB free"
    state: State = "fail" if free < TIGHT else "warn" if free < LOW else "ok"
    yield Check(name="disk", state=state, what=what, next_step="" if state == "ok" else step)
    if sys.platform != "win32":
        yield from _permissions(folder)
    for path in sorted((*folder.glob("*.partial"), *folder.glob(".restore-*"))):
        yield Check(
            name="leftovers",
            state="warn",
            what=f"{path} was begun and never finished",
            next_step="remove it once nothing is at work here",
        )


def _network(folder: Path) -> Iterator[Check]:
    if not MOUNTS.exists():
        what = "not known on this system; a local disk is needed"
        yield Check(name="file system", state="ok", what=what)
        return
    point, kind = file_system(folder, MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind.removeprefix("fuse.") in NETWORK:
        yield Check(
            name="file system",
            state="warn",
            what=f"{folder} is on {kind} (mounted at {point}): locks and shared memory do not hold on it",
            next_step="move the home to a local disk, or its journal to PostgreSQL",
        )
    else:
        yield Check(name="file system", state="ok", what=f"{kind}, mounted at {point}")


def _permissions(folder: Path) -> Iterator[Check]:
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        what = f"{folder} has mode {mode:04o}: others may look inside"
        yield Check(name="permissions", state="warn", what=what, next_step=f"chmod 700 {folder}")
    keys = sorted((folder / "secrets").iterdir()) if (folder / "secrets").is_dir() else []
    wide = [path for path in keys if path.stat().st_mode & 0o077]
    for path in wide:
        what = f"{path} has mode {path.stat().st_mode & 0o777:04o}: others may read the key"
        step = f"chmod 600 {path}, and take a new key if somebody may have read it"
        yield Check(name="secrets", state="fail", what=what, next_step=step)
    if not wide:
        what = f"{len(keys)} keys that only their owner may read" if keys else "no keys are here"
        yield Check(name="secrets", state="ok", what=what)


def _policies(home: Home) -> Iterator[Check]:
    folder = policy_folder(home.folder, Path.cwd())
    if folder is None:
        what = "no policies: everybody who can open this home may do everything"
        step = ""
        if any(path.is_file() for path in (home.folder / OWN).rglob("*")):
            what += f"; what lies in {home.folder / OWN} is no policy"
            step = f"name a file of policies NAME{SUFFIX}, straight in that folder"
        yield Check(name="policies", state="warn" if step else "ok", what=what, next_step=step)
        return
    try:
        found = load(folder, read_folder(folder), ())
    except BrokenPolicies as exc:
        what = f"{exc.what}; a process that runs keeps the last good ones"
        yield Check(name="policies", state="fail", what=what, next_step=exc.next_step)
        return
    what = f"{len(found.policies)} in {folder}, set {found.digest.hex()[:16]}"
    if found.unknown:
        what += f"; {', '.join(found.unknown)}: rows that only `answerable policy check` checks"
    yield Check(name="policies", state="ok", what=what)


# -- the journal -------------------------------------------------------------------------------------


def _identity(patient: _Patient) -> Iterator[Check]:
    store, home = patient.store, patient.home
    rows = store.rows("SELECT home FROM head")
    if not rows or bytes(rows[0][0]) != home.id:
        what = f"the journal {store.name} belongs to another home"
        step = "put back the journal that belongs to this home.toml, or restore a backup"
        yield Check(name="journal", state="fail", what=what, next_step=step)
        return
    ((found, size, _),) = store.rows(HEAD)
    yield Check(name="journal", state="ok", what=f"{store.name}, {size:,} entries, {store.space():,} bytes")
    if found == formats.STATE:
        yield Check(name="state format", state="ok", what=f"{found}")
    elif found < formats.STATE:
        what = f"{found}, this version works with {formats.STATE}"
        yield Check(name="state format", state="fail", what=what, next_step="run `answerable upgrade`")
    else:
        what = f"{found}, this version knows {formats.STATE}"
        yield Check(name="state format", state="fail", what=what, next_step="install a newer answerable")


def _durability(patient: _Patient) -> Iterator[Check]:
    wanted = patient.home.durability
    sound, what = patient.store.durability(wanted)
    if not sound:
        step = "check the database's settings: what was acknowledged may be lost in a power cut"
        yield Check(name="durability", state="fail", what=f"{wanted} is not in force: {what}", next_step=step)
    elif wanted != "FULL":
        what = f"{wanted}: acknowledged entries survive a crash, not a power cut"
        yield Check(
            name="durability", state="warn", what=what, next_step='set durability = "FULL" in home.toml'
        )
    else:
        yield Check(name="durability", state="ok", what=f"{wanted}: {what}")


def _lock(patient: _Patient) -> Iterator[Check]:
    blocked = patient.store.blocked(LOCK_WAIT)
    if blocked is None:
        yield Check(name="lock", state="ok", what="writers get their turn")
    else:
        what = f"{blocked}, for longer than {LOCK_WAIT:g} s"
        step = "see which process that is; nothing can be recorded meanwhile"
        yield Check(name="lock", state="warn", what=what, next_step=step)


def _signature(patient: _Patient) -> Iterator[Check]:
    home = patient.home
    known = [VerifierKey.parse(key) for key in home.verifier_keys]
    ((note,),) = patient.store.rows("SELECT note FROM head")
    if _keyless(patient):
        open_note(note, known)
        what = "the keys are not here: this home can be read and verified, and records nothing"
        step = "put its secrets/ back where it is to record; to read it nothing is needed"
        yield Check(name="signing key", state="warn", what=what, next_step=step)
        return
    try:
        signer = load_signer(home.origin, home.signing_key, home.folder, patient.env)
    except HomeError as exc:
        yield _unwritable("signing key", home, exc)
        return
    if known and signer.verifier not in known:
        what = f"the signing key {home.signing_key} is not one of this home's"
        step = "put the right key back; how to change keys stands in the page on homes"
        yield Check(name="signing key", state="fail", what=what, next_step=step)
        return
    # After a change of the key the head is the old one's until the next entry.
    open_note(note, known or [signer.verifier])
    yield Check(name="signing key", state="ok", what=f"{home.signing_key}; the head of the log is signed")


def _lookup(patient: _Patient) -> Iterator[Check]:
    if _keyless(patient):
        return  # said of both keys at once
    try:
        Lookup.load(patient.home.lookup_key)
    except HomeError as exc:
        yield _unwritable("look-up key", patient.home, exc)
    else:
        yield Check(name="look-up key", state="ok", what="it is there")


def _data_keys(patient: _Patient) -> Iterator[Check]:
    if _keyless(patient):
        return  # as above
    home = patient.home
    keys = open_keys(home, os.environ)
    try:
        keys.make(0)  # needs the key-encryption key, and makes nothing
    except HomeError as exc:
        yield Check(name="data keys", state="fail", what=exc.what, next_step=exc.next_step)
    else:
        what = f"cases can be sealed and opened; the keys are wrapped with {shown_kek(home.kek)}"
        yield Check(name="data keys", state="ok", what=what)
    finally:
        keys.close()


def _unwritable(name: str, home: Home, error: HomeError) -> Check:
    """Return the check of a key that could not be loaded; raises `error` if the home does not open so."""
    if not (home.verifier_keys and absent(error)):
        raise error
    what = f"{error.what}: this home can be read, not written"
    return Check(name=name, state="warn", what=what, next_step=error.next_step)


def _keyless(patient: _Patient) -> bool:
    """Say whether this is a copy to read: all of its keys were left out, and nothing is damaged."""
    home = patient.home
    if home.lookup_key.exists() or not home.verifier_keys:
        return False
    try:
        load_signer(home.origin, home.signing_key, home.folder, patient.env)
    except HomeError as exc:
        return absent(exc)
    return False


def _clock(patient: _Patient) -> Iterator[Check]:
    newest = patient.store.rows("SELECT at FROM entry ORDER BY idx DESC LIMIT 1")
    newest = newest or patient.store.rows("SELECT at_hi FROM segment ORDER BY lo DESC LIMIT 1")
    ahead = (newest[0][0] - patient.now) / MICRO if newest else 0.0
    if ahead > SKEW:
        what = f"the newest entry is {ahead:,.0f} s in the future"
        step = "set this machine's clock, or that of the machine that wrote it"
        yield Check(name="clock", state="warn", what=what, next_step=step)
    else:
        yield Check(name="clock", state="ok", what="no entry is from the future")


# -- the segments ------------------------------------------------------------------------------------


def _tail(patient: _Patient) -> Iterator[Check]:
    ((size,),) = patient.store.rows("SELECT size FROM head")
    ((sealed,),) = patient.store.rows("SELECT coalesce(max(hi), 0) FROM segment")
    waiting = size - sealed
    what = f"{sealed:,} entries are sealed, {waiting:,} are in the journal"
    if waiting > 2 * ENTRIES:
        step = "let `answerable work` run, or run `answerable ledger seal`"
        yield Check(name="sealing", state="warn", what=what, next_step=step)
    else:
        yield Check(name="sealing", state="ok", what=what)


def _segments(patient: _Patient) -> Iterator[Check]:
    found = [*_missing_segments(patient), *_stray_files(patient)]
    if not found:
        ((count,),) = patient.store.rows("SELECT count(*) FROM segment WHERE path <> ''")
        found.append(Check(name="segments", state="ok", what=f"{count:,} in the catalog, all there"))
    yield from found


def _missing_segments(patient: _Patient) -> Iterator[Check]:
    folder = patient.home.folder / SEGMENTS
    rows = patient.store.rows("SELECT path, bytes FROM segment WHERE path <> '' ORDER BY lo")
    for name, size in rows:
        path = folder / name
        there = path.stat().st_size if path.is_file() else None
        if there != size:
            wrong = "is missing" if there is None else f"has {there:,} bytes instead of {size:,}"
            step = "put the file back from a backup, then run `answerable ledger verify`"
            yield Check(name="segments", state="fail", what=f"{path} {wrong}", next_step=step)
    if rows and not all(find_spec(module) for module in EXTRAS["lake"]):
        what = f"{len(rows):,} segments, but nothing here can read them"
        step = 'run `pip install "answerable[lake]"`'
        yield Check(name="segments", state="fail", what=what, next_step=step)


def _stray_files(patient: _Patient) -> Iterator[Check]:
    folder = patient.home.folder / SEGMENTS
    named = {row[0] for row in patient.store.rows("SELECT path FROM segment")}
    stray = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    stray = [path for path in stray if path.relative_to(folder).as_posix() not in named]
    if stray:
        what = f"{len(stray):,} files are in no catalog, such as {stray[0]}"
        step = "nothing, if a sealer is at work; else the next `answerable ledger seal` removes them"
        yield Check(name="segments", state="warn", what=what, next_step=step)


def _roles(patient: _Patient) -> Iterator[Check]:
    if _keyless(patient):
        return  # nothing is to be done in a copy that records nothing
    rows = {row[0]: row for row in patient.store.rows(ROLES)}
    never = [job.name for job in JOBS if job.name not in rows]
    idle: dict[str, int] = {}  # role -> when it last ran
    for name in (job.name for job in JOBS if job.name in rows):
        _, holder, _, expires, ran, note = rows[name]
        if expires > patient.now:
            yield Check(name=f"role {name}", state="ok", what=f"at work: {holder}")
        elif ran is None:
            what = f"gave no sign since {holder} took it"
            yield Check(name=f"role {name}", state="warn", what=what, next_step=_WORK)
        elif note.startswith("failed"):
            what = f"last ran on {when(timestamp(ran))}: {note}"
            yield Check(name=f"role {name}", state="warn", what=what, next_step=_WORK)
        elif patient.now - ran > STALE * MICRO:
            idle[name] = ran
        else:
            what = f"last ran {lasted(max(0, patient.now - ran))} ago: {note}"
            yield Check(name=f"role {name}", state="ok", what=what)
    if never:
        yield _workless(never, "has never run", "have never run")
    if idle:
        since = when(timestamp(max(idle.values())))
        yield _workless([*idle], f"has not run since {since}", f"have not run since {since} or before")


_WORK = "run `answerable work`, or `answerable work --once` from time to time"


def _workless(names: Sequence[str], alone: str, together: str) -> Check:
    """Return one check for all roles that nobody does, as one command mends them all."""
    if len(names) == 1:
        return Check(name=f"role {names[0]}", state="warn", what=alone, next_step=_WORK)
    what = f"{', '.join(names[:-1])} and {names[-1]} {together}"
    return Check(name="roles", state="warn", what=what, next_step=_WORK)


# -- calls that leave the machine --------------------------------------------------------------------


def _circuits(patient: _Patient) -> Iterator[Check]:
    if _before_failures(patient):
        return
    circuits = patient.store.rows(BREAKERS)
    bad = False
    for provider, model, since, until, _, _, fault in circuits:
        where = f"calls to {provider} {model}"
        cause = CATEGORIES.get(fault, "calls took too long")
        began, ends = when(timestamp(since)), when(timestamp(until))
        if patient.now < until:
            left = lasted(until - patient.now)
            told = f"pause since {began} until {ends}, for another {left}, because {cause}"
        elif patient.now < until + STALE * MICRO:
            told = f"paused from {began} until {ends}, because {cause}; one may probe"
        else:  # nobody calls it any more: that is no trouble
            continue
        bad = True
        step = _mended(fault)
        yield Check(name="breakers", state="warn", what=printable(f"{where} {told}"), next_step=step)
    if not bad:
        what = f"none is open; {len(circuits):,} wait for their next call" if circuits else "none is open"
        yield Check(name="breakers", state="ok", what=what)


def _mended(fault: str) -> str:
    if fault == "quota":
        return STEPS["quota"]
    return STEPS["circuit-open"]


def _interrupted(patient: _Patient) -> Iterator[Check]:
    if _before_failures(patient):
        return
    of_opened = f"SELECT count(*), min(expires) FROM opened WHERE expires <= {patient.now:d}"
    ((overdue, oldest),) = patient.store.rows(of_opened)
    if overdue:
        age = (patient.now - oldest) / MICRO
        what = f"{overdue:,} called somebody and never ended; the longest is {age:,.0f} s past its lease"
        step = "run `answerable work`: it records them as interrupted and settles their budgets"
        yield Check(name="interrupted cases", state="warn", what=what, next_step=step)
        return
    ((under_way,),) = patient.store.rows("SELECT count(*) FROM opened")
    what = f"none is past its lease; under way: {under_way:,}"
    yield Check(name="interrupted cases", state="ok", what=what)


def _standing(patient: _Patient) -> Iterator[Check]:
    if _before_failures(patient):
        return
    params = {"since": patient.now - round(SILENCE * MICRO), "at_most": SHOWN + 1}
    rows = patient.store.rows(STANDING, params)
    for raised in map(read_alert, rows[:SHOWN]):
        times = f", {raised.times:,} times" if raised.times > 1 else ""
        what = with_times(f"{raised.alert.what} (since {when(timestamp(raised.first))}{times})")
        step = raised.alert.next_step
        yield Check(name="alerts", state="warn", what=printable(what), next_step=printable(step))
    if len(rows) > SHOWN:
        step = "mend those above first, then look again"
        yield Check(name="alerts", state="warn", what="more than these stand", next_step=step)
    if not rows:
        yield Check(name="alerts", state="ok", what="none stands that was raised within 24 hours")


def _undelivered(patient: _Patient) -> Iterator[Check]:
    if _before_failures(patient):
        return
    if patient.home.webhook is None:
        what = "none is set: alerts are in the log and in the ledger only"
        yield Check(name="webhook", state="ok", what=what)
        return
    params = {"stale": round(CLAIM * MICRO) - patient.now, "at_most": 1000}
    waiting = patient.store.rows(UNDELIVERED, params)
    step = "see that the webhook answers, then run `answerable work`"
    known = True
    try:
        patient.home.webhook_url(patient.env)
        patient.home.webhook_key(patient.env)
    except HomeError as exc:
        known = False
        yield Check(name="webhook", state="warn", what=exc.what, next_step=exc.next_step)
    if waiting:
        key, _, first, *_ = waiting[0]
        many = f"{len(waiting):,}{' or more' if len(waiting) == 1000 else ''}"
        what = f"{many} alerts did not reach it; the oldest is of {when(timestamp(first))}: {key}"
        yield Check(name="webhook", state="warn", what=printable(what), next_step=step)
    elif known:
        yield Check(name="webhook", state="ok", what="all alerts reached it")


def _before_failures(patient: _Patient) -> bool:
    """Say whether there is nothing to look at: an older home, or a copy that calls nobody."""
    ((found, *_),) = patient.store.rows(HEAD)
    return bool(found < FAILURES) or _keyless(patient)


_LOOKS: Mapping[str, Looking] = {
    "journal": _identity,
    "durability": _durability,
    "lock": _lock,
    "signing key": _signature,
    "look-up key": _lookup,
    "data keys": _data_keys,
    "clock": _clock,
    "sealing": _tail,
    "segments": _segments,
    "roles": _roles,
    "breakers": _circuits,
    "interrupted cases": _interrupted,
    "alerts": _standing,
    "webhook": _undelivered,
}
