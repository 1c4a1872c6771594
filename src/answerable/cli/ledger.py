"""The commands `ledger seal`, `verify`, `prove`, `checkpoint` and `export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli import keeping
from answerable.cli.homes import open_home, record_named
from answerable.cli.options import Common, command, group
from answerable.cli.printing import counted, note, progress, say, say_json, say_line, say_pairs
from answerable.cli.reading import Since

if TYPE_CHECKING:
    from answerable.ledger.findings import Report

app = group("The append-only log: seal, verify, prove and export it.")

_TRUST = {
    "self-signed": "finds damage and outsiders, not the holder of the signing key",
    "external key": "the signing key is held elsewhere",
    "witnessed": "others have signed the head too",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SealOptions(Common):
    """Options of `ledger seal`."""


def seal(options: SealOptions) -> None:
    """Move all full blocks of 256 entries from the journal into sealed segments.

    Nothing is lost if it is interrupted; run it again. `answerable work` does it by itself.
    """
    from answerable.upkeep.roles import held
    from answerable.upkeep.work import SEALER

    with (
        open_home(options.home) as workspace,
        held(workspace.journal, workspace.clock, SEALER) as lease,
        progress("sealing") as step,
    ):

        def on(done: int, total: int) -> None:
            lease.keep()
            step(done, total)

        done = workspace.ledger.seal(fence=lease.fence, progress=on)
        left = workspace.ledger.head().size - _end(workspace)
    if options.json:
        paths = [segment.path for segment in done.segments]
        say_json({"entries": done.entries, "segments": paths, "journal_tail": left})
    else:
        entries, files = counted(done.entries, "entry", "entries"), len(done.segments)
        sealed = f"{entries} sealed in {counted(files, 'segment', 'segments')}"
        say(f"{sealed}; {counted(left, 'is', 'are')} in the journal")


def _end(workspace: Any) -> int:
    from answerable.ledger import catalog

    sealed = catalog.segments(workspace.journal)
    return sealed[-1].hi if sealed else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions(Common):
    """Options of `ledger verify`."""


def verify(options: VerifyOptions) -> None:
    """Recompute the whole log from its stored bytes and compare it with everything that was signed.

    Exit code 1 if anything does not match; the place is named.
    """
    with open_home(options.home) as workspace, progress("verifying") as step:
        report = workspace.ledger.verify(progress=step)
    if options.json:
        say_json(report.data())
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def _show(report: "Report") -> None:
    size, root = report.checkpoint.get("size"), str(report.checkpoint.get("root") or "")
    say_pairs(
        {
            "verified": "yes" if report.ok else "NO",
            "entries": f"{report.entries:,}, of which {report.journal_tail:,} are in the journal",
            "segments": f"{report.segments:,}",
            "taken out": _taken_out(report),
            "trust": f"{report.trust}: {_TRUST[report.trust]}",
            "signed head": "none" if size is None else f"{size:,} entries, root {root}",
            "signed by": ", ".join(map(str, report.checkpoint.get("signed_by") or ())) or "nobody we know",
        }
    )
    for problem in report.problems:
        say_line(f"PROBLEM in {problem.where}: {problem.what}")


def _taken_out(report: "Report") -> str:
    """Return what is not there any more, and whether the log says so."""
    parts = counted(report.dropped, "part", "parts")
    text = f"{parts} dropped, {counted(report.pruned, 'entry', 'entries')} pruned, as the log says"
    return f"{text}; {report.unexplained:,} more without a word" if report.unexplained else text


@dataclass(frozen=True, kw_only=True, slots=True)
class ProveOptions(Common):
    """Options of `ledger prove`."""

    record: Annotated[str, typer.Argument(metavar="ID", help="A record id, or last.")]
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to; without it, on standard output."),
    ] = None
    kept: Annotated[
        bool, typer.Option("--kept", help="Against the newest kept checkpoint, not the head.")
    ] = False


def prove(options: ProveOptions) -> None:
    """Write the proof that one record stands in the signed log; it can be checked offline.

    The checker needs the file, the log's verifier key (`answerable ledger checkpoint` shows it) and nothing
    of ours.
    """
    with open_home(options.home) as workspace:
        case_id = workspace.find(record_named(workspace, options.record))
        proof = workspace.ledger.prove(case_id, kept=options.kept)
        key = workspace.ledger.keys[-1].format()
    text = proof.format()
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8", newline="")
    if options.json:
        where = None if options.out is None else str(options.out)
        say_json(
            {"record_id": _uuid(case_id), "index": proof.index, "key": key, "file": where, "proof": text}
        )
    elif options.out is None:
        say(text.removesuffix("\n"))
    else:
        say(f"{options.out} proves entry {proof.index}; verifier key {key}")


def _uuid(case_id: bytes) -> str:
    from answerable.ledger.entry import text_id

    return text_id(case_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointOptions(Common):
    """Options of `ledger checkpoint`."""


def checkpoint(options: CheckpointOptions) -> None:
    """Keep the log's signed head and print it, for a place that the home's owner cannot reach.

    Every later log has to contain it: `ledger verify` checks that.
    """
    with open_home(options.home) as workspace:
        kept = workspace.ledger.checkpoint()
        key = workspace.ledger.keys[-1].format()
    if options.json:
        held = kept.checkpoint
        data = {"size": held.size, "root": held.root.hex(), "origin": held.origin, "note": kept.note}
        say_json(data | {"file": str(kept.path), "key": key})
        return
    say(kept.note.removesuffix("\n"))
    note(f"kept as {kept.path}")
    note(f"verifier key {key}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions(Common):
    """Options of `ledger export`."""

    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to; without it, on standard output."),
    ] = None
    since: Since = None


def export(options: ExportOptions) -> None:
    """Write every entry with its clear parts as a line of JSON, oldest first."""
    import shutil
    import sys
    import tempfile

    from answerable.encoding import moment

    with open_home(options.home) as workspace, tempfile.TemporaryDirectory(prefix="answerable-") as folder:
        since = None if options.since is None else moment(options.since, now=workspace.clock.now())
        path = options.out or Path(folder) / "export.jsonl"
        count = workspace.ledger.export(path, since=since)
        if options.out is None:
            sys.stdout.flush()
            with path.open(encoding="utf-8") as file:
                shutil.copyfileobj(file, sys.stdout)
    if options.out is not None and options.json:
        say_json({"entries": count, "file": str(options.out)})
    elif options.out is not None:
        say(f"{counted(count, 'entry', 'entries')} written to {options.out}")


def add_to(parent: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "seal", example="answerable ledger seal")(seal)
    command(app, "verify", example="answerable ledger verify --json")(verify)
    command(app, "prove", example="answerable ledger prove last -o proof.tlog-proof")(prove)
    command(app, "checkpoint", example="answerable ledger checkpoint > checkpoint.note")(checkpoint)
    command(app, "export", example="answerable ledger export -o entries.jsonl --since 7d")(export)
    keeping.add_to(app)
    parent.add_typer(app, name="ledger")
