"""The commands `why` and `records`."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import open_home, record_named
from answerable.cli.options import Common, command
from answerable.cli.printing import columns_of, note, say_json, say_line, say_table
from answerable.errors import UsageError, did_you_mean
from answerable.ledger.story import READERS

if TYPE_CHECKING:
    from answerable.why import Why
    from answerable.workspace import Workspace

_PAGE = 1000  # entries read at a time
_WIDE = 140  # characters from which a terminal has room for all columns

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
    The exit status is 1 if the record is not what was signed.
    """
    if options.reader not in READERS:
        raise UsageError(
            f"no reader is called {options.reader!r}", next_step=did_you_mean(options.reader, READERS)
        )
    if (options.record is None) == (options.key is None):
        raise UsageError("why needs one case", next_step='name a record id or "last", or give --key K')
    with open_home(options.home) as workspace:
        _check_decision(workspace, options.decision)
        record = None if options.record is None else record_named(workspace, options.record)
        found = _presentable(workspace.why(record, key=options.key, decision=options.decision))
        if options.json:
            say_json(found.data)
        else:
            width = columns_of(sys.stdout)
            for line in found.text(options.reader, width=width or 100).split("\n"):
                say_line(line, indent="  ")
    if not found.data["proof"]["verified"]:
        raise typer.Exit(1)


def _check_decision(workspace: "Workspace", name: str | None) -> None:
    """Raise UsageError if `name` is given and no decision in the home is called so."""
    from answerable.cli.told import choose_decision

    if name is not None:
        choose_decision(workspace, name)


def _presentable(found: "Why") -> "Why":
    """Return a why without a key that a run over a file gave the case: it means nothing to anybody."""
    from answerable.cli.results import JOB_KEY
    from answerable.ledger.story import summary
    from answerable.why import Why

    if not JOB_KEY.fullmatch(str(found.data["key"])):
        return found
    data = {**found.data, "key": None}
    return Why(data | {"summary": summary(data)})


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
    """List the recorded cases, newest first. With --json: one JSON object a line.

    On a narrow terminal a record is shown by the end of its id, by which `why` finds it as well.
    """
    with open_home(options.home) as workspace:
        _check_decision(workspace, options.decision)
        found = _listed(workspace, options)
        if options.json:
            for line in found:
                say_json({n: v for n, v in line.items() if v is not None}, indent=None)
            return
        width = columns_of(sys.stdout)
        wide = width is None or width >= _WIDE
        rows = [_cells(line, wide=wide) for line in found]
        if not rows:
            note(f"no record in the home {workspace.home.folder} fits")
            return
        columns = ["record", "label", "by", "status", "at (UTC)", "sure"]
        columns += ["decision", "degraded"] if wide else []
        say_table(columns, rows, numbers=["sure"], whole=["record", "status", "at (UTC)"])
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


def _cells(line: Mapping[str, Any], *, wide: bool) -> list[str]:
    sure, record, at = line.get("confidence"), str(line["record_id"]), str(line["at"]).replace("T", " ")
    cells = [
        record if wide else record[-12:],
        line["label"] or "",
        (line["made_by"] or "").partition("@")[0],
        line["status"] or "",
        at[:19] if wide else at[:16],
        "" if sure is None else f"{sure:.0%}",
    ]
    return [*cells, f"{line['decision']} {line['version']}", line["degraded"] or ""] if wide else cells


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "why", example="answerable why --key T-1042 --for person")(why)
    command(app, "records", example="answerable records --since 2d --where 'status = escalated'")(records)
