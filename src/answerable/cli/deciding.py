"""The commands `check`, `decide`, `resolve` and `truth import`."""

import os
import shlex
import sys
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.homes import MEMORY, open_home, record_named
from answerable.cli.options import LOCAL, Common, Json, command, group
from answerable.cli.printing import (
    counted,
    note,
    progress,
    say,
    say_error,
    say_json,
    say_line,
    say_pairs,
    say_table,
)
from answerable.encoding import MICRO
from answerable.errors import AnswerableError, InputError, UsageError, did_you_mean
from answerable.home import HOME_VARIABLE, find_project
from answerable.wording import degraded_by

if TYPE_CHECKING:
    from answerable.cli.batch import Allowance, Tally

truth_app = group("What turned out to be right.")
_SHOWN = 20  # rejected rows named one by one on a terminal
_REFUSALS = ("fault:refusal", "fault:content-filter")  # nobody is asked again until one agrees

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
    principal: Annotated[str, typer.Option(metavar="P", help="Who asks, as kind:id.")] = LOCAL
    limit: Annotated[int | None, typer.Option(metavar="N", min=0, help="Read only the first N rows.")] = None
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Cases in flight.")] = 8
    budget: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="The most that paid deciders may cost in this run."),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run into OUT.")] = False
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", help="Decide anew what is recorded as second best, or as open with nobody asked."
        ),
    ] = False
    max_rejected: MaxRejected = "5%"
    max_degraded: Annotated[
        str | None,
        typer.Option(
            "--max-degraded",
            metavar="N%",
            help="Exit 1 if more cases are second best or failed; 5% or a number.",
        ),
    ] = None
    dev: Annotated[bool, typer.Option("--dev", help="Allow another definition under a recorded version.")] = (
        False
    )
    query: Query = None
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="The column of an input field."),
    ] = None
    truth: TruthColumns = None
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="COLUMN", help="A column that is meant for no input field."),
    ] = None


def decide(options: DecideOptions) -> None:
    """Decide every row of CASES and record it.

    TARGET may be left out where the project file names one decision.

    Columns are matched to input fields by name. A column truth.FIELD or truth_FIELD is recorded as the truth.
    A bad row is reported with its line and does not stop the rest.

    A case whose key is known gets what was recorded. With --redo it is decided again, as a new record, if
    that was second best or was left open with nobody asked; a good answer stays, and so does a person's.

    A home that is not there yet is made;
    with --home memory: nothing is kept.
    """
    from answerable.cli.batch import Allowance
    from answerable.cli.results import check_place
    from answerable.cli.targets import load_target
    from answerable.decisions.case import Principal

    target, source = (options.target, options.cases) if options.cases is not None else (None, options.target)
    if source is None:
        raise UsageError("no cases are named", next_step="give a file: `answerable decide TARGET CASES`")
    allowed = Allowance.parse(options.max_rejected)
    spared = Allowance.parse(options.max_degraded or "100%", "--max-degraded")
    Principal(options.principal)  # a bad one is a misuse here, not a fault of every row
    if options.out is not None:
        check_place(options.out, source, resume=options.resume)
    decision = load_target(target)
    if options.redo:
        _check_redo(decision, resume=options.resume)
    with redirect_stdout(sys.stderr):  # a decider that prints must not spoil the result
        tally, stopped = _decided(decision, source, options)
    if options.json:
        say_json(tally.data())
    else:
        _show(tally)
        _show_second_best(tally, decision, options.home)
        _show_waiting(tally, decision, options.home)
    _tell_keys_and_right(tally)
    if tally.broken is not None:
        raise tally.broken
    if stopped:
        how = f"{_going_on(options)}; the results so far are in {options.out}.partial"
        note(f"stopped; {how}" if options.out else "stopped; what was decided is recorded")
        raise typer.Exit(130)
    too_many = spared.exceeded(tally.cases, tally.spoilt)
    if too_many:
        _tell_too_many(tally, decision, options.home)
    _judge(tally.rejected, tally.rows, allowed)
    if too_many:
        raise typer.Exit(1)


def _check_redo(decision: Any, *, resume: bool) -> None:
    """Raise UsageError where --redo would silently decide nothing anew."""
    if not decision.key_fields:
        raise UsageError(
            f"{decision.name} has no key, so nothing that was recorded can be found again",
            next_step="leave out --redo, or mark an input field with ans.Key",
        )
    if resume:  # the rows in OUT stay as they are: it would have two of a line
        raise UsageError(
            "--resume keeps what is in OUT, and --redo decides it anew",
            next_step="leave out --resume and name another -o: what came out well is not decided again",
        )


def _going_on(options: DecideOptions) -> str:
    """Say which command goes on with a run that did not come to its end."""
    return f"go on with the same command and {'another -o' if options.redo else '--resume'}"


def _decided(decision: Any, source: str, options: DecideOptions) -> tuple["Tally", bool]:
    """Run the batch; return its count and whether it was stopped."""
    from answerable.cli.batch import Batch, stopping
    from answerable.cli.cases import Cases
    from answerable.cli.columns import named_pairs
    from answerable.cli.results import Results
    from answerable.failures.budget import Budget
    from answerable.integrations.tables import open_table

    named = named_pairs(options.column or (), "--column", [f.path for f in decision.input_fields])
    truth = named_pairs(options.truth or (), "--truth", decision.output_names)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, query=options.query, limit=options.limit))
        cases = Cases(table, decision, named=named, truth=truth, ignore=tuple(options.ignore or ()))
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
            budget=None if options.budget is None else Budget(money=options.budget, per="ever"),
            stop=stop,
            redo=options.redo,
        )
        complete = False
        try:
            tally = batch.run(cases, lambda done: step(done, table.total))
            complete = tally.broken is None and not stop.is_set()
        finally:
            results.close(complete=complete)
            if not complete and options.out is not None and not stop.is_set():
                note(f"the results so far are in {options.out}.partial; {_going_on(options)}")
    if not tally.rows and not table.columns and tally.broken is None and options.limit != 0:
        raise InputError(f"{table.name} has no rows", next_step="give at least one case")
    return tally, stop.is_set()


def _tell_columns(ignored: tuple[str, ...], notes: tuple[str, ...]) -> None:
    for said in notes:
        note(said)
    if ignored:
        shown = ", ".join(ignored[:10]) + (f" and {len(ignored) - 10} more" if len(ignored) > 10 else "")
        note(f"columns that are no input field are ignored: {shown}")


def _tell_keys_and_right(tally: "Tally") -> None:
    if tally.keyless:
        rows = counted(tally.keyless, "row has", "rows have")
        note(f"{rows} no key: without one a case can neither be found nor retried by it")
    for name, (right, of) in tally.right.items():
        note(f"{name}: {right:,} of {of:,} right")


def _show(tally: "Tally") -> None:
    data = tally.data()
    names = ["cases", *data["outcomes"], "degraded"]
    counts = [data["cases"], *data["outcomes"].values(), data["degraded"]]
    say_table(names, [[f"{count:,}" for count in counts]], numbers=names)
    if tally.rejected:
        rows = counted(len({line for line, _ in tally.rejected}), "row was", "rows were")
        told = f", {tally.invalid:,} of them counted above as refused" if tally.invalid else ""
        say(f"{rows} rejected as unreadable or invalid{told}")
    if data["deciders"]:
        say()
        say_table(
            ["answered by", "cases"], [[n, f"{c:,}"] for n, c in data["deciders"].items()], numbers=["cases"]
        )
    for name, told in (
        ("replayed", "had been answered before, under the same key and with the same input"),
        ("resumed", "were in the results of the earlier run"),
    ):
        if data[name]:
            say(f"{data[name]:,} {told}")
    if tally.cost:
        say(f"paid deciders cost {tally.cost / MICRO:.4f} {tally.currency}")
    if tally.truths:
        say(f"{counted(tally.truths, 'truth was', 'truths were')} recorded")


def _show_second_best(tally: "Tally", decision: Any, home: str | None) -> None:
    """Say why answers are second best, which command lists them, and what decides them anew."""
    if not tally.degraded:
        return
    say()
    say_table(
        ["second best", "cases", "because"],
        [[why, f"{count:,}", degraded_by(why)] for why, count in tally.degraded.most_common()],
        numbers=["cases"],
        whole=["second best"],
    )
    if home == MEMORY:  # nothing is kept there that could be listed
        return
    again = "; --redo decides them anew" if _redoable(tally, decision) else ""
    say(f"{_listing(decision, _degraded(tally), home)} lists them{again}")


def _show_waiting(tally: "Tally", decision: Any, home: str | None) -> None:
    """Say what waits for a person and what a check noted, and which commands list and answer it."""
    if home == MEMORY:
        return
    if waiting := tally.outcomes["escalated"]:
        answer = " ".join(["--key K" if decision.key_fields else "RECORD", *_answer_form(decision)])
        listed = _listing(decision, "status = escalated", home)
        say(
            f"{listed} lists {counted(waiting, 'case that waits', 'cases that wait')} for an answer; "
            f"answerable resolve {answer} --principal user:ID{_of_home(home)} answers one"
        )
    if tally.flagged:
        listed = _listing(decision, "fault = flagged", home)
        say(f"{listed} lists {counted(tally.flagged, 'case', 'cases')} with a finding of a check")


def _redoable(tally: "Tally", decision: Any) -> bool:
    """Say whether --redo decides any of the second-best answers anew: what a fault spoilt, and no refusal."""
    return bool(decision.key_fields) and any(
        why.startswith("fault:") and why not in _REFUSALS for why in tally.degraded
    )


def _degraded(tally: "Tally") -> str:
    only = next(iter(tally.degraded)) if len(tally.degraded) == 1 else None
    return "degraded is not none" if only is None else f"degraded = {only}"


def _listing(decision: Any, where: str, home: str | None) -> str:
    """Return the command that lists the decision's cases of which a condition holds."""
    command = ["answerable", "records", "--decision", decision.name, "--where", where]
    return shlex.join(command) + _of_home(home)


def _of_home(home: str | None) -> str:
    """Return the option that names a home, where a command would find another one without it."""
    named = home is not None and home != os.environ.get(HOME_VARIABLE)
    return f" {shlex.join(['--home', str(home)])}" if named else ""


def _answer_form(decision: Any) -> list[str]:
    """Return how an answer is written: FIELD=VALUE of each field that must be given."""
    needed = [f for f in decision.output_fields if f.required] or decision.output_fields[:1]
    return [f"{f.path}={'|'.join(map(str, f.values)) if 0 < len(f.values) <= 4 else 'VALUE'}" for f in needed]


def _tell_too_many(tally: "Tally", decision: Any, home: str | None) -> None:
    """Say that too many cases are second best or failed, and what to do about it."""
    cases = f"{tally.spoilt:,} of {tally.cases:,} cases"
    where = [_degraded(tally)] if tally.degraded else []
    where += ["status = failed"] if tally.outcomes["failed"] else []
    listed = " and ".join(f"`{_listing(decision, one, home)}`" for one in where)
    see = "" if home == MEMORY else f"see them with {listed}"
    redo = "decide them anew with --redo once that is mended" if _redoable(tally, decision) else ""
    step = ", ".join(filter(None, (see, redo))) or "mend what is told above"
    what = f"{cases} are second best{_and_failed(tally)}, which is more than --max-degraded allows"
    say_error(what, f"{step}, or allow more with --max-degraded")


def _and_failed(tally: "Tally") -> str:
    return f" or failed ({tally.outcomes['failed']:,} failed)" if tally.outcomes["failed"] else ""


def _judge(rejected: list[tuple[int, str]], rows: int, allowed: "Allowance") -> None:
    """Name the rejected rows; exit 1 if they are too many."""
    rejected = sorted(rejected)
    for line, error in rejected[:_SHOWN]:
        note(f"line {line}: {error}")
    if len(rejected) > _SHOWN:
        note(f"and {len(rejected) - _SHOWN:,} more rejected rows; --json lists all")
    count = len({line for line, _ in rejected})
    if allowed.exceeded(rows, count):
        what = f"{count:,} of {rows:,} rows were rejected, which is more than --max-rejected allows"
        say_error(what, "correct the rows named above, or allow more with --max-rejected")
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolveOptions(Common):
    """Options of `resolve`."""

    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORD] FIELD=VALUE...",
            help="The record id or last, unless --key is given; the answer.",
        ),
    ] = None
    principal: Annotated[
        str | None, typer.Option(metavar="P", help="Who answers, as kind:id; must be given.")
    ] = None
    key: Annotated[str | None, typer.Option("--key", metavar="K", help="The key of the case instead.")] = None
    decision: Annotated[
        str | None,
        typer.Option("--decision", metavar="TARGET", help="As for decide; may be left out as there."),
    ] = None
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="A sentence that the affected person may read.")
    ] = ""


def resolve(options: ResolveOptions) -> None:
    """Answer a case that waits for a person: a value for each output field.

    The first answer stands; a later one is kept as an opinion and changes nothing.
    """
    from answerable.encoding import plain

    record, words = _case_and_words(options)
    decision = _asked(options.decision)
    answer = _answer(decision, words)
    with open_home(options.home) as workspace:
        asked = {"principal": options.principal or LOCAL}
        named = None if record is None else record_named(workspace, record, **asked)
        found = workspace.why(named, key=options.key, decision=decision.name, **asked).data
        case = found["record_id"]
        if found["decision"] == decision.name and found["status"] != "escalated" and not found["reviews"]:
            raise UsageError(
                f"the case {case} is {found['status']} and never waited for a person",
                next_step="say what the right answer was with `answerable truth import` or `ws.truth`",
            )
        if options.principal is None:
            raise UsageError("nobody is named who answers", next_step="add --principal, such as user:4711")
        outcome = workspace.resolve(
            decision, case, answer, principal=options.principal, reason=options.reason
        )
        kept_as = workspace.why(case, **asked).data["reviews"][-1]["kind"]
    output = plain(outcome.output)
    if options.json:
        told = {"record_id": case, "status": outcome.status, "output": output, "decider": outcome.decider}
        say_json(told | {"kept_as": kept_as})
        return
    shown = ", ".join(f"{name} = {value}" for name, value in output.items())
    say_line(f"{case} is {outcome.status} by {outcome.decider}: {shown}")
    if kept_as == "opinion":
        note("that answer was there first; yours is kept as an opinion")


def _case_and_words(options: ResolveOptions) -> tuple[str | None, list[str]]:
    """Return the record, if one is named, and the words that are the answer.

    Raises UsageError for no case and for two; beside a key, words without any = are no record but an answer
    in which the field is missing.
    """
    words = list(options.words or ())
    is_answer = not words or "=" in words[0]
    if options.key is not None and not any("=" in word for word in words):
        form = "FIELD=VALUE"
        with suppress(AnswerableError):  # which decision it is may not be known yet
            form = " ".join(_answer_form(_asked(options.decision)))
        said = f"{words[0]!r} is not FIELD=VALUE" if words else "no answer is given: FIELD=VALUE is missing"
        raise UsageError(said, next_step=f"write {form}")
    record = None if is_answer else words.pop(0)
    if (record is None) == (options.key is None):
        raise UsageError("resolve needs one case", next_step='name a record id or "last", or give --key K')
    return record, words


def _asked(target: str | None) -> Any:
    """Load the decision that is meant; where nothing says which, the error names the option."""
    from answerable.cli.targets import load_target

    project = find_project(Path.cwd()) if target is None else None
    if target is None and (project is None or len(project.decisions) != 1):
        known = sorted(project.decisions) if project is not None else []
        step = f"give one of them, such as --decision {known[0]}" if known else "give --decision FILE.py:NAME"
        try:
            return load_target(None)
        except UsageError as exc:
            raise UsageError(exc.what, next_step=step) from None
    return load_target(target)


def _answer(decision: Any, words: list[str]) -> dict[str, object]:
    """Return output field -> value of words such as team=billing. Raises UsageError for what is no answer."""
    from answerable.cli.cases import unfolded

    fields = {f.path: f for f in decision.output_fields}
    answer: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not FIELD=VALUE", next_step="write such as team=billing")
        if name not in fields:
            raise UsageError(
                f"{decision.name} has no output field {name!r}", next_step=did_you_mean(name, fields)
            )
        known = {str(value).lower(): value for value in fields[name].values}
        if known and text.lower() not in known:
            raise UsageError(f"{name} cannot be {text!r}", next_step=did_you_mean(text, known))
        answer[name] = known[text.lower()] if known else unfolded(text)
    missing = [name for name, f in fields.items() if f.required and name not in answer]
    if missing:
        raise UsageError(f"no value is given for {', '.join(missing)}", next_step=f"add {missing[0]}=VALUE")
    return answer


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
    principal: Annotated[str, typer.Option(metavar="P", help="Who imports it, as kind:id.")] = LOCAL
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
    command(app, "resolve", example="answerable resolve --key T-1042 team=billing --principal user:4711")(
        resolve
    )
    example = "answerable truth import chargebacks.csv --by number --source chargeback"
    command(truth_app, "import", example=example)(truth_import)
    app.add_typer(truth_app, name="truth")
