"""The commands `ledger retain`, `rescan` and `report`: what is kept how long, what leaked, what is shown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import open_home
from answerable.cli.options import Common, command
from answerable.cli.printing import counted, note, progress, say, say_json, say_line, say_table
from answerable.cli.reading import Since
from answerable.errors import UsageError
from answerable.home import find_project

if TYPE_CHECKING:
    from answerable.governance.acceptance import Line
    from answerable.ledger.retain import Retained


def _times() -> dict[str, float]:
    project = find_project(Path.cwd())
    return dict(project.retention) if project is not None else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class RetainOptions(Common):
    """Options of `ledger retain`."""

    apply: Annotated[bool, typer.Option("--apply", help="Do it; without it nothing is changed.")] = False


def retain(options: RetainOptions) -> None:
    """Shred the day keys whose retention is over, drop what they sealed, and prune the oldest segments.

    Times stand in the project file: [retention], standard = "400d". Without --apply it only says what would
    go. A class without a time is kept for ever.
    """
    from answerable.ledger.retain import retain
    from answerable.upkeep.roles import held
    from answerable.upkeep.work import SEALER

    times = _times()
    if not times:
        raise UsageError(
            "no retention time is set",
            next_step='write [retention] and standard = "400d" into answerable.toml, and run it from there',
        )
    with open_home(options.home) as workspace:
        if not options.apply:
            done = retain(workspace.book, workspace.book.vault.keys, times)
        else:
            with (
                held(workspace.journal, workspace.clock, SEALER) as lease,
                progress("dropping") as step,
            ):

                def on(now: int, total: int) -> None:
                    lease.keep()
                    step(now, total)

                keys, fence = workspace.book.vault.keys, lease.fence
                done = retain(workspace.book, keys, times, dry_run=False, fence=fence, progress=on)
    if options.json:
        say_json(done.data(times))
    else:
        _show_retained(done)


def _show_retained(done: "Retained") -> None:
    plan, shred = done.plan, "shredded" if done.applied else "would be shredded"
    rows = [
        [line["retention"], line["day"], f"{line['entries']:,}", state]
        for lines, state in ((plan.over, shred), (plan.held, "held: it stays"))
        for line in (one.data() for one in lines)
    ]
    if rows:
        say_table(["class", "day", "entries", "key"], rows, numbers=["entries"], whole=["day"])
    for name, days in sorted(plan.unknown.items()):
        say_line(
            f"the class {name} has no time and is kept for ever ({counted(days, 'day key', 'day keys')})"
        )
    pruned = counted(plan.pruned, "entry", "entries")
    if done.applied:
        parts = counted(done.dropped.parts, "part", "parts")
        say(f"{counted(len(plan.over), 'key', 'keys')} shredded, {parts} dropped, {pruned} pruned")
    else:
        say(f"{counted(len(plan.over), 'key', 'keys')} to shred, {pruned} to prune; nothing was changed")
        note("--apply does it; what is shredded is gone for good")


@dataclass(frozen=True, kw_only=True, slots=True)
class RescanOptions(Common):
    """Options of `ledger rescan`."""

    since: Since = None
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Show at most so many places; 0 for all.")
    ] = 100
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Open sealed parts too and compare them with their records.")
    ] = False


def rescan(options: RescanOptions) -> None:
    """Look for personal values that stand in clear, in entries, blobs and state, with today's detector.

    Only the place, the kind and the number are told, never the value. The exit status is 1 if there are any.
    """
    from answerable.encoding import moment
    from answerable.governance.detectors import open_detector
    from answerable.ledger.rescan import rescan

    with open_home(options.home) as workspace, progress("scanning") as step:
        since = None if options.since is None else moment(options.since, now=workspace.clock.now())
        found = rescan(workspace.ledger, open_detector(), since=since, sealed=options.sealed, progress=step)
    data = found.data(options.limit or None)
    if options.json:
        say_json(data)
    else:
        if found.leaks:
            rows = [
                [str(one[n]) for n in ("where", "part", "path", "kind", "count")] for one in data["leaks"]
            ]
            say_table(["where", "part", "path", "kind", "count"], rows, numbers=["count"], whole=["where"])
        _show_sealed(data["sealed"], options.sealed)
        places = counted(len(found.leaks), "place", "places")
        entries = counted(found.entries, "entry", "entries")
        say(f"personal values in clear in {places} of {entries} and the state, by {found.detector}")
    if found.leaks:
        raise typer.Exit(1)


def _show_sealed(sealed: dict[str, Any], asked: bool) -> None:
    if not asked:
        return
    for one in sealed["differences"]:
        say_line(f"{one['record']}: {one['said']} {one['kind']} recorded, {one['found']} found today")
    opened = counted(sealed["opened"], "sealed part", "sealed parts")
    say_line(f"{opened} opened, {sealed['closed']:,} could not be; {sealed['different']:,} counts differ")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions(Common):
    """Options of `ledger report`."""

    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write it as a page.")] = (
        None
    )


def report(options: ReportOptions) -> None:
    """Hold what this home records against what laws and standards ask for, by counts.

    AI Act, GDPR, NIST AI RMF, ISO/IEC 42001 and SOC 2, in our own words; no legal advice. What is missing is
    said with the next step.
    """
    from answerable.governance.acceptance import judge
    from answerable.ledger.coverage import counted as count

    with open_home(options.home) as workspace:
        counts = count(workspace.ledger, _times())
        folder = workspace.home.folder
    lines = judge(counts)
    states = Counter(line.status for line in lines)
    if options.html is not None:
        options.html.write_text(_page(lines, str(folder)), encoding="utf-8")
        note(f"written to {options.html}")
    if options.json:
        say_json(
            {"home": str(folder), "status": dict(states), "counts": counts}
            | {"lines": [x.data() for x in lines]}
        )
        return
    for line in lines:
        say_line(f"{line.status.upper():8}{line.source}: {line.wants}", indent=" " * 8)
        for text in line.evidence:
            say_line(f"          has {text}", indent=" " * 14)
        for text in line.missing:
            say_line(f"      misses {text}", indent=" " * 14)
    say(", ".join(f"{states.get(status, 0)} {status}" for status in ("met", "partly", "missing")))


def _page(lines: "Sequence[Line]", home: str) -> str:
    """Return the report as one HTML page that needs nothing else."""
    rows = "".join(
        f"<tr class={line.status}><td>{line.status}<td>{escape(line.source)}<td>{escape(line.wants)}"
        f"<td>{_items(line.evidence)}<td>{_items(line.missing)}"
        for line in lines
    )
    style = (
        "body{font:15px/1.4 system-ui;margin:2rem auto;max-width:75rem;color-scheme:light dark}"
        "td,th{vertical-align:top;text-align:left;padding:.4rem .6rem;border-top:1px solid #8886}"
        "ul{margin:0;padding-left:1rem}.met td:first-child{color:#287}.missing td:first-child{color:#b33}"
    )
    heads = "".join(f"<th>{head}" for head in ("status", "source", "asks for", "recorded", "missing"))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>What this home records</title>"
        f"<style>{style}</style><h1>What this home records</h1><p>{escape(home)}. No legal advice.</p>"
        f"<table><tr>{heads}{rows}</table>\n"
    )


def _items(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}' for text in texts)}</ul>" if texts else ""


def add_to(ledger: typer.Typer) -> None:
    """Put the commands into the group `ledger`."""
    command(ledger, "retain", example="answerable ledger retain")(retain)
    command(ledger, "rescan", example="answerable ledger rescan --since 7d")(rescan)
    command(ledger, "report", example="answerable ledger report --html report.html")(report)
