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
    from answerable.system import SystemClock

    since = None if options.since is None else moment(options.since, now=SystemClock().now())
    with open_home(options.home) as workspace:
        found = _listed(workspace, options, since)
        if options.json:
            for line in found:
                say_json(shown(line), indent=None)
            return
        rows = [_cells(shown(line)) for line in found]
        if not rows:
            note(f"no record in the home {workspace.home.folder} fits")
            return
        columns = ["at", "record", "decision", "status", "label", "sure", "by", "degraded"]
        say_table(columns, rows, numbers=["sure"], whole=["at", "record", "status"])
        if len(rows) == options.limit:
            note(f"the newest {options.limit}; --limit 0 shows all")


def _listed(
    workspace: "Workspace", options: RecordsOptions, since: int | None
) -> Iterator[Mapping[str, Any]]:
    """Yield the header fields a page at a time, so that a long list needs no memory."""
    before, left = None, options.limit or None
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = workspace.records(
            options.decision, where=options.where, since=since, limit=size, before=before
        )
        yield from page
        if len(page) < size:
            return
        before = page[-1]["index"]
        left = None if left is None else left - size


def shown(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return header fields as JSON, without the empty ones: digests in hex, times as RFC 3339."""
    from answerable.encoding import timestamp
    from answerable.ledger.entry import text_id

    data: dict[str, Any] = {"record_id": text_id(header["id"]), "at": timestamp(header["at"])}
    for name, value in header.items():
        if name in ("id", "at") or value is None:
            continue
        if isinstance(value, bytes):
            value = text_id(value) if len(value) == 16 else value.hex()
        data[name] = value
    return data


def _cells(line: Mapping[str, Any]) -> list[str]:
    sure = line.get("confidence")
    return [
        str(line["at"])[:19].replace("T", " "),
        str(line["record_id"]),
        f"{line['decision']} {line['version']}",
        str(line.get("status", "")),
        str(line.get("label", "")),
        "" if sure is None else f"{sure:.0%}",
        str(line.get("made_by", "")).partition("@")[0],
        str(line.get("degraded", "")),
    ]


def moment(text: str, *, now: int) -> int:
    """Return a time in microseconds since 1970.

    text: "2d" before `now`, a date or a time; in UTC if it says nothing else.
    Raises UsageError for another form.
    """
    from datetime import UTC, datetime

    from answerable.encoding import MICRO, micros, seconds

    try:
        at = datetime.fromisoformat(text)
        return micros(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        pass
    try:
        return now - round(seconds(text) * MICRO)
    except UsageError:
        raise UsageError(
            f"{text!r} is no time",
            next_step="write it as 2d or 4h, as 2026-01-31, or as 2026-01-31T12:00:00Z",
        ) from None


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "why", example="answerable why --key T-1042 --for person")(why)
    command(app, "records", example="answerable records --since 2d --where 'status = escalated'")(records)
