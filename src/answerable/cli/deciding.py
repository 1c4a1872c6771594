"""The commands `check`, `decide` and `truth import`."""

import sys
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import open_home
from answerable.cli.options import Common, Json, command, group
from answerable.cli.printing import note, progress, say, say_json, say_pairs, say_table
from answerable.errors import InputError, UsageError

if TYPE_CHECKING:
    from answerable.cli.batch import Allowance, Tally

truth_app = group("What turned out to be right.")
_SHOWN = 20  # rejected rows named one by one on a terminal

Target = Annotated[
    str | None, typer.Argument(metavar="TARGET", help="module:attribute, path.py:attribute or a name.")
]
Query = Annotated[
    str | None, typer.Option("--query", metavar="SQL", help="SELECT for a database, sheet of a workbook.")
]
TruthColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--truth", metavar="FIELD=COLUMN", help="The column with the right value of an output field."
    ),
]
MaxRejected = Annotated[
    str,
    typer.Option("--max-rejected", metavar="N%", help="Exit 1 if more rows are rejected; 5% or a number."),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions(Json):
    """Options of `check`."""

    target: Target = None


def check(options: CheckOptions) -> None:
    """Load a decision and validate it; run nothing.

    TARGET may be left out where the project file names one decision.
    """
    from answerable.cli.describe import describe, in_words
    from answerable.cli.targets import load_target

    decision = load_target(options.target)
    if options.json:
        say_json(describe(decision))
    else:
        say_pairs(in_words(decision))


@dataclass(frozen=True, kw_only=True, slots=True)
class DecideOptions(Common):
    """Options of `decide`."""

    target: Target = None
    cases: Annotated[
        str | None,
        typer.Argument(metavar="CASES", help="A file (CSV, JSONL, Parquet, Excel), a SQL URL, or -."),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT", help="One row a case: .csv, .jsonl or .parquet."),
    ] = None
    principal: Annotated[str, typer.Option(metavar="P", help="Who asks, as kind:id.")] = "user:local"
    limit: Annotated[int | None, typer.Option(metavar="N", min=0, help="Read only the first N rows.")] = None
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Cases in flight.")] = 8
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run into OUT.")] = False
    max_rejected: MaxRejected = "5%"
    dev: Annotated[bool, typer.Option("--dev", help="Allow another definition under a recorded version.")] = (
        False
    )
    query: Query = None
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="The column of an input field."),
    ] = None
    truth: TruthColumns = None


def decide(options: DecideOptions) -> None:
    """Decide every row of CASES and record it.

    TARGET may be left out where the project file names one decision.

    Columns are matched to input fields by name. A column truth.FIELD or truth_FIELD is recorded as the truth.
    A bad row is reported with its line and does not stop the rest.

    A home that is not there yet is made;
    with --home memory: nothing is kept.
    """
    from answerable.cli.batch import Allowance
    from answerable.cli.targets import load_target
    from answerable.decisions.case import Principal

    target, source = (options.target, options.cases) if options.cases is not None else (None, options.target)
    if source is None:
        raise UsageError("no cases are named", next_step="give a file: `answerable decide TARGET CASES`")
    allowed = Allowance.parse(options.max_rejected)
    Principal(options.principal)  # a bad one is a misuse here, not a fault of every row
    decision = load_target(target)
    with redirect_stdout(sys.stderr):  # a decider that prints must not spoil the result
        tally, stopped = _decided(decision, source, options)
    if options.json:
        say_json(tally.data())
    else:
        _show(tally)
    if tally.broken is not None:
        raise tally.broken
    if stopped:
        how = f"go on with the same command and --resume; the results so far are in {options.out}.partial"
        note(f"stopped; {how}" if options.out else "stopped; what was decided is recorded")
        raise typer.Exit(130)
    _judge(tally.rejected, tally.rows, allowed)


def _decided(decision: Any, source: str, options: DecideOptions) -> tuple["Tally", bool]:
    """Run the batch; return its count and whether it was stopped."""
    from answerable.cli.batch import Batch, stopping
    from answerable.cli.cases import Cases
    from answerable.cli.columns import named_pairs
    from answerable.cli.results import Results
    from answerable.integrations.tables import open_table

    named = named_pairs(options.column or (), "--column", [f.path for f in decision.input_fields])
    truth = named_pairs(options.truth or (), "--truth", decision.output_names)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, query=options.query, limit=options.limit))
        cases = Cases(table, decision, named=named, truth=truth)
        _tell_columns(cases.columns.ignored, table.notes)
        workspace = stack.enter_context(open_home(options.home, make=True, dev=options.dev))
        workspace.book.register(decision)  # a changed definition is refused before a file is begun
        results = Results(options.out, decision, resume=options.resume)
        stop = stack.enter_context(stopping(lambda: note("stopping once what is in flight has ended")))
        step = stack.enter_context(progress("deciding"))
        batch = Batch(
            workspace,
            decision,
            results,
            principal=options.principal,
            concurrency=options.concurrency,
            stop=stop,
        )
        complete = False
        try:
            tally = batch.run(cases, lambda done: step(done, table.total))
            complete = tally.broken is None and not stop.is_set()
        finally:
            results.close(complete=complete)
            if not complete and options.out is not None and not stop.is_set():
                note(f"the results so far are in {options.out}.partial; go on with --resume")
    if not tally.rows and not table.columns and tally.broken is None and options.limit != 0:
        raise InputError(f"{table.name} has no rows", next_step="give at least one case")
    return tally, stop.is_set()


def _tell_columns(ignored: tuple[str, ...], notes: tuple[str, ...]) -> None:
    for said in notes:
        note(said)
    if ignored:
        shown = ", ".join(ignored[:10]) + (f" and {len(ignored) - 10} more" if len(ignored) > 10 else "")
        note(f"columns that are no input field are ignored: {shown}")


def _show(tally: "Tally") -> None:
    data = tally.data()
    say_table(
        ["cases", *data["outcomes"], "degraded", "rejected"],
        [
            [
                f"{data['cases']:,}",
                *(f"{n:,}" for n in data["outcomes"].values()),
                f"{data['degraded']:,}",
                f"{len(data['rejected']):,}",
            ]
        ],
        numbers=["cases", *data["outcomes"], "degraded", "rejected"],
    )
    if data["deciders"]:
        say()
        say_table(
            ["answered by", "cases"], [[n, f"{c:,}"] for n, c in data["deciders"].items()], numbers=["cases"]
        )
    for name, told in (
        ("replayed", "had been answered before, under the same key and with the same input"),
        ("resumed", "were in the results of the earlier run"),
        ("truths", "truths were recorded"),
    ):
        if data[name]:
            say(f"{data[name]:,} {told}")


def _judge(rejected: list[tuple[int, str]], rows: int, allowed: "Allowance") -> None:
    """Name the rejected rows; exit 1 if they are too many."""
    rejected = sorted(rejected)
    for line, error in rejected[:_SHOWN]:
        note(f"line {line}: {error}")
    if len(rejected) > _SHOWN:
        note(f"and {len(rejected) - _SHOWN:,} more rejected rows; --json lists all")
    count = len({line for line, _ in rejected})
    if allowed.exceeded(rows, count):
        note(f"{count:,} of {rows:,} rows were rejected, which is more than --max-rejected allows")
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthOptions(Common):
    """Options of `truth import`."""

    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file (CSV, JSONL, Parquet, Excel), a SQL URL, or -.")
    ]
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="KEY", help="The column with the case's key (a,b for several), or record_id."
        ),
    ]
    source: Annotated[str, typer.Option("--source", metavar="S", help='Who says so, such as "chargeback".')]
    decision: Annotated[
        str | None, typer.Option("--decision", metavar="NAME", help="Needed where the home knows several.")
    ] = None
    truth: TruthColumns = None
    principal: Annotated[str, typer.Option(metavar="P", help="Who imports it, as kind:id.")] = "user:local"
    max_rejected: MaxRejected = "5%"
    query: Query = None


def truth_import(options: TruthOptions) -> None:
    """Record what the right answers were, from a file that came later.

    The case is found by its key. The right values are in columns truth.FIELD, truth_FIELD, FIELD, or as
    --truth says. An empty cell says nothing; what the same source told before is not recorded again.
    """
    from answerable.cli.batch import Allowance
    from answerable.cli.truths import import_truths
    from answerable.decisions.case import Principal

    allowed = Allowance.parse(options.max_rejected)
    Principal(options.principal)
    with open_home(options.home) as workspace:
        told = import_truths(
            workspace,
            options.file,
            by=options.by,
            source=options.source,
            decision=options.decision,
            truth=options.truth or (),
            principal=options.principal,
            query=options.query,
        )
    if options.json:
        say_json(told.data())
    else:
        say_pairs({name: f"{told.data()[name]:,}" for name in ("rows", "truths", "unchanged", "empty")})
    _judge(told.rejected, told.rows, allowed)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "check", example="answerable check decision.py:route_ticket")(check)
    command(app, "decide", example="answerable decide decision.py:route_ticket cases.csv -o results.csv")(
        decide
    )
    example = "answerable truth import chargebacks.csv --by number --source chargeback"
    command(truth_app, "import", example=example)(truth_import)
    app.add_typer(truth_app, name="truth")
