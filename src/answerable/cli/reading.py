"""The commands `why` and `records`."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from answerable.cli.homes import open_home, record_named
from answerable.cli.options import LOCAL, Common, Principal, command
from answerable.cli.printing import columns_of, counted, note, say_json, say_line, say_table, short_time
from answerable.errors import UsageError, did_you_mean
from answerable.ledger.entry import KINDS
from answerable.ledger.story import READERS
from answerable.wording import values

if TYPE_CHECKING:
    from answerable.why import Why
    from answerable.workspace import Workspace

_PAGE = 1000  # entries read at a time
_WIDE = 140  # characters from which a terminal has room for all columns
_CASES = ("decision",)  # what is listed where no kind is named
_MEANT = {
    "kind": "only decisions are listed unless --kind names something else",
    "fault": "`fault` is filled for cases that failed, were refused or were flagged by a check; where "
    "somebody else answered after a fault, `degraded` has it, such as fault:timeout",
    "degraded": "`degraded` is default, input-cut, expired, or fault: and the category of the fault",
    "confidence": "`confidence` is filled only where somebody measured it",
    "label": "`label` is the one output field that lists show; it has no value where nobody answered",
    "model": "`model` is filled for cases that called one",
}  # field of a condition -> what may be mistaken about it
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")

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
    principal: Principal = LOCAL
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
        asked = {"principal": options.principal}
        record = None if options.record is None else record_named(workspace, options.record, **asked)
        found = _presentable(workspace.why(record, key=options.key, decision=options.decision, **asked))
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
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="K", help=f"What to list, decision if not named: {', '.join(KINDS)}."),
    ] = None
    since: Since = None
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="EXPR", help="Such as: status = escalated and confidence < 0.8"),
    ] = None
    principal: Principal = LOCAL
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 for all.")] = (
        50
    )


def records(options: RecordsOptions) -> None:
    """List the recorded cases, newest first. With --json: one JSON object a line.

    With --kind, which may be given several times, other entries are listed: alerts, breakers, truths.

    On a narrow terminal a record is shown by the end of its id, by which `why` finds it as well.
    """
    for kind in options.kind or ():
        if kind not in KINDS:
            raise UsageError(f"no kind of entry is called {kind!r}", next_step=did_you_mean(kind, KINDS))
    kinds = tuple(dict.fromkeys(options.kind or _CASES))
    with open_home(options.home) as workspace:
        _check_decision(workspace, options.decision)
        found = _listed(workspace, options, kinds)
        if options.json:
            for line in found:
                told: dict[str, Any] = {"what": _what(workspace, line)} if kinds != _CASES else {}
                if line["kind"] == "alert":
                    told |= _of_alert(workspace, line)
                say_json({n: v for n, v in {**line, **told}.items() if v is not None}, indent=None)
            return
        width = columns_of(sys.stdout)
        wide = width is None or width >= _WIDE
        if kinds == _CASES:
            rows = [_cells(line, wide=wide) for line in found]
            columns = ["record", "label", "by", "status", "at (UTC)", "sure"]
            columns += ["decision", "degraded"] if wide else []
        else:
            rows = [_entry_cells(line, _what(workspace, line), wide=wide) for line in found]
            columns = ["record", "kind", "at (UTC)", "status"]
            columns += ["fault", "decision", "model", "what"] if wide else ["what"]
        if not rows:
            what = "record" if kinds == _CASES else "entry"
            note(f"no {what} in the home {workspace.home.folder} fits")
            _tell_meanings(options.where or "", named=bool(options.kind))
            return
        say_table(columns, rows, numbers=["sure"], whole=["record", "kind", "status", "at (UTC)"])
        if len(rows) == options.limit:
            note(f"the newest {options.limit}; --limit 0 shows all")


def _tell_meanings(where: str, *, named: bool) -> None:
    """Tell what the fields of a condition that found nothing hold. named: whether --kind was given."""
    words = set(re.findall(r"[a-z]+", _QUOTED.sub("", where)))
    for field, meaning in _MEANT.items():
        if field in words and not (field == "kind" and named):
            note(meaning)


def _listed(
    workspace: "Workspace", options: RecordsOptions, kinds: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield the header fields a page at a time, so that a long list needs no memory."""
    before, left = None, options.limit or None
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = workspace.records(
            options.decision,
            where=options.where,
            since=options.since,
            kinds=kinds,
            limit=size,
            before=before,
            principal=options.principal,
        )
        yield from page
        if len(page) < size:
            return
        before = page[-1]["index"]
        left = None if left is None else left - size


def _cells(line: Mapping[str, Any], *, wide: bool) -> list[str]:
    sure, record, at = line.get("confidence"), str(line["record_id"]), short_time(str(line["at"]))
    cells = [
        record if wide else record[-12:],
        line["label"] or "",
        (line["made_by"] or "").partition("@")[0],
        line["status"] or "",
        at if wide else at[:16],
        "" if sure is None else f"{sure:.0%}",
    ]
    return [*cells, f"{line['decision']} {line['version']}", line["degraded"] or ""] if wide else cells


def _entry_cells(line: Mapping[str, Any], what: str, *, wide: bool) -> list[str]:
    """Return the cells of an entry of any kind; its record is the case that it is about, if it is of one."""
    record, at = str(line["case_id"] or line["record_id"]), short_time(str(line["at"]))
    cells = [record if wide else record[-12:], line["kind"], at if wide else at[:16], line["status"] or ""]
    if not wide:
        return [*cells, what or line["fault"] or ""]
    return [*cells, line["fault"] or "", line["decision"] or "", line["model"] or "", what]


def _what(workspace: "Workspace", line: Mapping[str, Any]) -> str:
    """Return what an entry says, in one line; of an alert or a breaker that stands in a part of it."""
    if line["kind"] in ("alert", "breaker", "truth", "opened", "drop", "retention"):
        stored = workspace.ledger.get(UUID(str(line["record_id"])).bytes)
        detail = (stored and workspace.ledger.body(stored, "detail")) or {}
        if line["kind"] == "truth":
            return f"{line['made_by']} says {values(detail.get('fields'))}"
        if line["kind"] == "drop":
            runs = [run for of_part in (detail.get("parts") or {}).values() for run in of_part]
            return counted(sum(last - first + 1 for first, last in runs), "part dropped", "parts dropped")
        if line["kind"] == "retention":
            keys = counted(len(detail.get("shredded") or ()), "key", "keys")
            return f"{keys} shredded, {counted(detail.get('pruned') or 0, 'entry', 'entries')} pruned"
        if line["kind"] == "opened":
            return f"data left for {', '.join(detail.get('destinations') or ()) or 'nobody'}"
        if line["kind"] == "breaker":
            until = f" until {detail['until']}" if line["status"] == "open" and detail.get("until") else ""
            return f"{detail.get('provider') or ''}{until}: {detail.get('why') or ''}"
        return str(detail.get("what") or "")
    version = f"version {line['version']}" if line["kind"] == "definition" else ""
    return line["label"] or line["degraded"] or version


def _of_alert(workspace: "Workspace", line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to do about an alert, and how often it came up; that of one that still stands only."""
    from answerable.alerting import read_alert
    from answerable.state.alerts import ALERT

    entry_id = UUID(str(line["record_id"])).bytes
    stored = workspace.ledger.get(entry_id)
    detail = (stored and workspace.ledger.body(stored, "detail")) or {}
    stands = map(read_alert, workspace.book.journal.rows(ALERT, {"key": detail.get("key")}))
    times = next((one.times for one in stands if one.entry_id == entry_id and one.times), None)
    return {"next": detail.get("next_step"), "times": times}


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "why", example="answerable why --key T-1042 --for person")(why)
    command(app, "records", example="answerable records --since 2d --where 'status = escalated'")(records)
