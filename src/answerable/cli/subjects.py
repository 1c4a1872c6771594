"""`answerable subject`: what is held about one person is shown, revealed, exported, held or erased."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import home_folder
from answerable.cli.options import Common, command, group
from answerable.cli.printing import counted, note, say_json, say_line, say_pairs, say_table, short_time
from answerable.errors import UsageError

if TYPE_CHECKING:
    from answerable.governance.erasing import Done, Person


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectOptions(Common):
    """What every command about a person takes."""

    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The person, as inputs name them.")]
    purpose: Annotated[str, typer.Option(help="Why, one word; it is recorded.")] = "privacy"
    principal: Annotated[str, typer.Option(help="Who acts.")] = "user:local"


@contextmanager
def _person(options: SubjectOptions) -> Iterator["Person"]:
    from answerable.workspace import Workspace

    with Workspace(home_folder(options.home)) as workspace:
        yield workspace.subject(options.subject, principal=options.principal, purpose=options.purpose)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShowOptions(SubjectOptions):
    """Options of `subject show`."""


def show(options: ShowOptions) -> None:
    """List the entries about a person, without their content."""
    with _person(options) as person:
        lines = person.show()
    if options.json:
        say_json({"entries": lines})
        return
    names = ("record_id", "kind", "decision", "status", "at")
    rows = [[str(line[name] or "") for name in names] for line in lines]
    say_table(["record", *names[1:4], "at (UTC)"], rows, whole=["record", "kind", "status", "at (UTC)"])


@dataclass(frozen=True, kw_only=True, slots=True)
class RevealOptions(SubjectOptions):
    """Options of `subject reveal`."""

    record: Annotated[str | None, typer.Option(metavar="RECORD", help="One case only, by its record id.")] = (
        None
    )


def reveal(options: RevealOptions) -> None:
    """Show what was recorded about a person in clear. Who asked, and why, is recorded first."""
    from answerable.casefile import record_id_of

    record = None if options.record is None else record_id_of(options.record)
    with _person(options) as person:
        found = person.reveal(record)
    if options.json:
        say_json({"entries": found})
        return
    for entry in found:
        _say_entry(entry)


def _say_entry(entry: Mapping[str, Any]) -> None:
    from answerable.wording import printable, short

    of = f" of {entry['decision']}" if entry.get("decision") else ""
    say_line(f"{entry['kind']}{of}, {short_time(entry['at'])}, record {entry['record_id']}")
    for name, value in entry["parts"].items():
        if name != "versions":
            say_line(printable(f"  {name}: {short(value)}"), indent="    ")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions(SubjectOptions):
    """Options of `subject export`."""


def export(options: ExportOptions) -> None:
    """Print the person's own copy as JSON: every entry about them, without what is about others as well."""
    with _person(options) as person:
        say_json(person.export())


@dataclass(frozen=True, kw_only=True, slots=True)
class EraseOptions(SubjectOptions):
    """Options of `subject erase`."""

    reason: Annotated[str, typer.Option(help="The legal basis, such as GDPR 17(1)(b).")] = ""
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown, or asked.")] = (
        False
    )


def erase(options: EraseOptions) -> None:
    """Destroy the keys of everything about a person, for good. Without --yes it says what would go.

    The receipt is an entry of the log. Refused while a hold stands.
    """
    with _person(options) as person:
        if not (options.yes or _agreed(options, person)):
            return
        done = person.erase(options.reason)
    _say_done(options, done, "erased", {"entries": f"{done.entries:,}", "keys": f"{done.keys:,}"})


def _agreed(options: EraseOptions, person: "Person") -> bool:
    """Say what would go, and whether whoever sits at the terminal wants it."""
    scope = person.scope()
    counts = {"entries": len(scope.entries), "keys": len(scope.keys), "others": scope.others}
    if options.json:
        say_json({"status": "dry-run", **counts, "holds": list(scope.holds)})
        return False
    say_line(f"{counted(counts['entries'], 'entry', 'entries')} about this person would be erased, for good")
    if scope.others:
        say_line(f"some of it is about {counted(scope.others, 'other person', 'other people')} as well")
    for hold in scope.holds:
        say_line(f"but it is held: {hold}")
    if not scope.holds and sys.stdin.isatty() and typer.confirm("erase it?"):
        return True
    note("nothing was erased; --yes does it")
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldOptions(SubjectOptions):
    """Options of `subject hold`."""

    reason: Annotated[str, typer.Option(help="Why nothing may be erased, or why it may again.")] = ""
    release: Annotated[bool, typer.Option("--release", help="End every hold on the person.")] = False


def hold(options: HoldOptions) -> None:
    """Keep everything about a person from being erased, for a reason, until --release."""
    if not options.release and not options.reason:
        raise UsageError("a hold needs a reason", next_step="say why: --reason TEXT")
    with _person(options) as person:
        done = person.release_hold(options.reason) if options.release else person.hold(options.reason)
    _say_done(options, done, "released" if options.release else "held", {})


def _say_done(options: SubjectOptions, done: "Done", what: str, more: Mapping[str, str]) -> None:
    if options.json:
        told = {"status": what if done.status == "done" else done.status, "record_id": done.record_id}
        rest = {"entries": done.entries, "keys": done.keys, "finished": done.finished, "note": done.note}
        say_json(told | rest)
    elif done.status == "requested":
        say_line(f"requested, record {done.record_id}: another person has seven days to do the same")
    else:
        say_pairs({"status": what, **more, "record": done.record_id})
        if done.note:
            say_line(f"`answerable work` finishes it: {done.note}")
    if not done.finished:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    subject = group("What is held about one person: shown, revealed, exported, held, erased.")
    command(subject, "show", example="answerable subject show c-77")(show)
    command(subject, "reveal", example="answerable subject reveal c-77 --purpose complaint")(reveal)
    command(subject, "export", example="answerable subject export c-77 > copy.json")(export)
    command(subject, "erase", example="answerable subject erase c-77 --reason 'GDPR 17(1)(b)' --yes")(erase)
    command(subject, "hold", example="answerable subject hold c-77 --reason 'court case 12/2026'")(hold)
    app.add_typer(subject, name="subject")
