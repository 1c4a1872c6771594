"""The commands `why` and `records`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import open_home
from answerable.cli.options import Common, command
from answerable.cli.printing import note, say, say_json, say_table
from answerable.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from answerable.workspace import Workspace

READERS = ("person", "operator", "auditor")
_PAGE = 1000  # entries read at a time

DecisionName = Annotated[
    str | None, typer.Option("--decision", metavar="NAME", help="Only of this decision.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="T", help="Only since then: 2d, a date, or a time (UTC).")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class WhyOptions(Common):
    """Options of `why`."""

    record: Annotated[str | None, typer.Argument(metavar="RECORD", help="A record id, or last.")] = None
    key: Annotated[str | None, typer.Option("--key", metavar="K", help="The key of the case instead.")] = None
    decision: DecisionName = None
    reader: Annotated[
        str, typer.Option("--for", metavar="READER", help="person (affected), operator or auditor.")
    ] = "operator"


def why(options: WhyOptions) -> None:
    """Tell why a case came out as it did: what was given, what was tried, what came of it, and the proof.

    The case is named by its record id, by "last" or by the key that the outside world knows it by.
    """
    if options.reader not in READERS:
        raise UsageError(
            f"no reader is called {options.reader!r}", next_step=did_you_mean(options.reader, READERS)
        )
    if (options.record is None) == (options.key is None):
        raise UsageError("why needs one case", next_step='name a record id or "last", or give --key K')
    with open_home(options.home) as workspace:
        found = workspace.why(options.record, key=options.key, decision=options.decision)
        if options.json:
            say_json(found.data)
        else:
            say(found.text(options.reader))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordsOptions(Common):
    """Options of `records`."""

    decision: DecisionName = None
    since: Since = None
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="EXPR", help="Such as: status = escalated and confidence < 0.8"),
    ] = None
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 for all.")] = (
        50
    )


def records(options: RecordsOptions) -> None:
    """List the recorded cases, newest first. With --json: one JSON object a line."""
    with open_home(options.home) as workspace:
        found = _listed(workspace, options)
        if options.json:
            for line in found:
                say_json({n: v for n, v in line.items() if v is not None}, indent=None)
            return
        rows = [_cells(line) for line in found]
        if not rows:
            note(f"no record in the home {workspace.home.folder} fits")
            return
        columns = ["at", "record", "decision", "status", "label", "sure", "by", "degraded"]
        say_table(columns, rows, numbers=["sure"], whole=["at", "record", "status"])
        if len(rows) == options.limit:
            note(f"the newest {options.limit}; --limit 0 shows all")


def _listed(workspace: "Workspace", options: RecordsOptions) -> Iterator[Mapping[str, Any]]:
    """Yield the header fields a page at a time, so that a long list needs no memory."""
    before, left = None, options.limit or None
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = workspace.records(
            options.decision, where=options.where, since=options.since, limit=size, before=before
        )
        yield from page
        if len(page) < size:
            return
        before = page[-1]["index"]
        left = None if left is None else left - size


def _cells(line: Mapping[str, Any]) -> list[str]:
    sure = line.get("confidence")
    return [
        str(line["at"])[:19].replace("T", " "),
        str(line["record_id"]),
        f"{line['decision']} {line['version']}",
        line["status"] or "",
        line["label"] or "",
        "" if sure is None else f"{sure:.0%}",
        (line["made_by"] or "").partition("@")[0],
        line["degraded"] or "",
    ]


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "why", example="answerable why --key T-1042 --for person")(why)
    command(app, "records", example="answerable records --since 2d --where 'status = escalated'")(records)
