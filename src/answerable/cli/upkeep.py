"""The commands `work`, `doctor`, `backup`, `restore` and `upgrade`."""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from answerable.cli.homes import home_folder, open_home
from answerable.cli.options import Common, Json, command
from answerable.cli.printing import (
    counted,
    note,
    progress,
    say,
    say_findings,
    say_json,
    say_line,
    say_pairs,
    say_table,
)
from answerable.home import choose_home


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkOptions(Common):
    """Options of `work`."""

    once: Annotated[bool, typer.Option("--once", help="One pass over what can be done now.")] = False


def work(options: WorkOptions) -> None:
    """Do the background work of a home: end what waited too long, seal, keep checkpoints, clean up.

    Each role runs in one worker at a time, however many there are. Ctrl-C ends it between two roles.
    Exit code 1 if a role failed.
    """
    from answerable.upkeep.work import work as do

    stop = threading.Event()
    if threading.current_thread() is threading.main_thread() and not options.once:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda number, frame: stop.set())
    with open_home(options.home) as workspace:
        if not options.once:
            note(f"working on the home {workspace.home.folder}; Ctrl-C ends it")
        done = do(
            workspace,
            once=options.once,
            stop=stop,
            progress=None if options.once else lambda one: note(f"{one.role}: {one.told}; {one.note}"),
        )
    if options.json:
        say_json({"roles": [{"role": p.role, "told": p.told, "done": p.done, "note": p.note} for p in done]})
    else:
        say_table(["role", "told", "done", "note"], [[p.role, p.told, f"{p.done:,}", p.note] for p in done])
    if any(one.told == "failed" for one in done):
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupOptions(Common):
    """Options of `backup`."""

    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file, or a folder in which it gets a name.")]
    keys: Annotated[bool, typer.Option("--keys/--no-keys", help="With the secrets of the home.")] = True


def backup(options: BackupOptions) -> None:
    """Write one consistent copy of a home to a tar file; the home may be in use.

    With its keys the file is as secret as the home is.
    """
    from answerable.upkeep.backup import backup as make

    with progress("backing up") as step:
        path = make(home_folder(options.home), options.out, keys=options.keys, progress=step)
    size = path.stat().st_size
    if options.json:
        say_json({"file": str(path), "bytes": size, "keys": options.keys})
    else:
        say(f"{path} has {size:,} bytes, {'with' if options.keys else 'without'} keys")


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreOptions(Json):
    """Options of `restore`."""

    archive: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")]
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]
    journal: Annotated[
        str | None, typer.Option(metavar="URL", help="Where its journal goes, if not where it was.")
    ] = None
    erasures: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The home in use last, or its erasures.log: it stays erased."),
    ] = None


def restore(options: RestoreOptions) -> None:
    """Make the home of a backup in a new folder and verify its ledger.

    The new home is the old one, with its id and keys: stop the old one first. Exit code 1 if the ledger does
    not verify.
    """
    from answerable.upkeep.restore import restore as make

    with progress("restoring") as step:
        done = make(
            options.archive, options.folder, journal=options.journal, erasures=options.erasures, progress=step
        )
    report = None if done.report is None else done.report.data()
    if options.json:
        home = {"home": str(done.home.folder), "entries": done.manifest.entries, "made": done.manifest.made}
        told = {"erased": done.erased, "erasures": done.erasures}
        say_json(home | {"verify": report, "note": done.note} | told)
    else:
        verified = "was not verified" if report is None else "verifies" if report["ok"] else "does NOT verify"
        say_pairs(
            {
                "home": str(done.home.folder),
                "made": done.manifest.made,
                "ledger": f"{counted(done.manifest.entries, 'entry', 'entries')}; it {verified}",
                "erased": f"{counted(done.erased, 'key', 'keys')}, by {done.erasures}",
            }
        )
        if done.note:
            say_line(done.note)
        for problem in (report or {}).get("problems", ()):
            say_line(f"PROBLEM in {problem['where']}: {problem['what']}")
    if report is not None and not report["ok"]:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpgradeOptions(Common):
    """Options of `upgrade`."""

    out: Annotated[
        Path | None,
        typer.Option("--backup", metavar="OUT", help="Where the backup goes, if not into the home."),
    ] = None


def upgrade(options: UpgradeOptions) -> None:
    """Bring an older home to this version's format, after a backup. Entries are never touched.

    Stop what uses the home first.
    """
    from answerable.upkeep.upgrade import upgrade as make

    with progress("upgrading") as step:
        done = make(home_folder(options.home), out=options.out, progress=step)
    saved = None if done.backup is None else str(done.backup)
    if options.json:
        say_json({"was": done.was, "now": done.now, "steps": list(done.steps), "backup": saved})
        return
    if not done.steps and saved is None:
        say(f"the home has state format {done.now} already; nothing to do")
        return
    for step_told in done.steps:
        say(step_told)
    say(f"state format {done.was} is now {done.now}; the backup made before is {saved}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorOptions(Common):
    """Options of `doctor`."""


def doctor(options: DoctorOptions) -> None:
    """Look at a home and this machine for what will cause trouble, and say how to mend it.

    Exit code 1 if something must be mended; what should be known only is told.
    """
    from answerable.upkeep.doctor import doctor as examine

    checks = examine(choose_home(options.home, os.environ, Path.cwd()))
    bad = any(one.state == "fail" for one in checks)
    if options.json:
        told = [{"name": c.name, "state": c.state, "what": c.what, "next": c.next_step} for c in checks]
        say_json({"ok": not bad, "checks": told})
    else:
        say_findings((c.name, c.state, c.what, c.next_step) for c in checks)
    if bad:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "work", example="answerable work --once")(work)
    command(app, "doctor", example="answerable doctor --home my-home")(doctor)
    command(app, "backup", example="answerable backup /backups")(backup)
    command(app, "restore", example="answerable restore answerable-1f2e3d4c.tar new-home")(restore)
    command(app, "upgrade", example="answerable upgrade")(upgrade)
