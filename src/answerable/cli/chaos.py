"""The command `chaos`."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.deciding import Query, Target
from answerable.cli.options import Json, command
from answerable.cli.printing import counted, note, progress, say, say_json, say_table
from answerable.errors import InputError, UsageError
from answerable.integrations.tables_core import load

if TYPE_CHECKING:
    from answerable.chaos.server import FaultServer
    from answerable.chaos.target import Met

_KEY = "sk-chaos"  # no real key is sent, not even to our own machine
_ROWS = 20  # of the cases, among which one is looked for that reaches a model


@dataclass(frozen=True, kw_only=True, slots=True)
class ChaosOptions(Json):
    """Options of `chaos`."""

    target: Target = None
    cases: Annotated[
        str | None,
        typer.Argument(metavar="CASES", help="A file with rows as for decide; an example without one."),
    ] = None
    faults: Annotated[
        str, typer.Option("--faults", metavar="N,N", help="Only these faults, such as 1,8,27.")
    ] = ""
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", metavar="S", min=0.1, help="Seconds a case may take, if less."),
    ] = None
    query: Query = None


def chaos(options: ChaosOptions) -> None:
    """Send faults to a decision's models and say what it would have done wrong.

    TARGET may be left out where the project file names one decision.

    Its models are pretended on this machine: those of ans.llm, and those that its own code calls by clients
    that heed OPENAI_BASE_URL or ANTHROPIC_BASE_URL. Nothing is sent out: a connection to any other place is
    refused and counts as a problem. No record is kept.

    Exit 1 if a problem is found.
    """
    numbers = _numbers(options.faults)
    load("pydantic_ai", extra="llm", purpose="chaos")
    from answerable.chaos.guard import nothing_leaves
    from answerable.chaos.server import FaultServer
    from answerable.chaos.target import aim, meet
    from answerable.cli.targets import load_target

    with (
        FaultServer() as server,
        _environment(server),
        nothing_leaves(server),
        redirect_stdout(sys.stderr),  # a decider that prints must not spoil the result
        progress("sending faults") as step,
    ):
        decision = load_target(options.target)
        inputs = [] if options.cases is None else _inputs(decision, options.cases, options.query)
        aimed = aim(decision, inputs, server, deadline=options.deadline)
        for told in aimed.notes:
            note(told)
        done: list[Met] = []

        def count(met: "Met") -> None:
            done.append(met)
            step(len(done), None)

        met = meet(aimed, server, numbers, progress=count)
    problems = sum(len(one.problems) for one in met)
    if options.json:
        say_json(
            {
                "decision": decision.name,
                "models": aimed.models,
                "sound": aimed.sound,
                "faults": len({one.fault for one in met}),
                "problems": problems,
                "rows": [one.data() for one in met],
            }
        )
    else:
        _show(met, problems)
    if problems:
        raise typer.Exit(1)


def _show(met: Sequence["Met"], problems: int) -> None:
    rows = [
        [
            f"{one.fault}",
            f"{one.title}: {one.variant}",
            f"{one.status} by {one.by}" + (" (degraded)" if one.degraded else ""),
            ", ".join(f"{name} {hits}" for name, hits in one.hits.items()),
            f"{one.seconds:.2f}",
            "; ".join(one.problems) or "ok",
        ]
        for one in met
    ]
    say_table(["", "fault", "came back", "calls", "seconds", "problems"], rows, numbers=["seconds"])
    say()
    faults = counted(len({one.fault for one in met}), "fault", "faults")
    told = counted(problems, "problem", "problems") if problems else "no problem"
    say(f"{faults} in {counted(len(met), 'variant', 'variants')} sent: {told}")


def _numbers(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not word.isdecimal():
            raise UsageError(f"--faults names {word!r}", next_step="give numbers, such as --faults 1,8,27")
    return [int(word) for word in words]


def _inputs(decision: Any, source: str, query: str | None) -> list[Mapping[str, object]]:
    """Return the first rows of the cases as inputs. Raises InputError if there is none."""
    from answerable.cli.cases import Cases, Given
    from answerable.integrations.tables import open_table

    with open_table(source, query=query, limit=_ROWS) as table:
        rows = list(Cases(table, decision, named={}, truth={}))
    inputs = [row.input for row in rows if isinstance(row, Given)]
    if not inputs:
        raise InputError(f"{source} has no readable row", next_step="give at least one case")
    return inputs


@contextmanager
def _environment(server: "FaultServer") -> Iterator[None]:
    """Lead clients that are made from now on to the fault server, with keys that are none."""
    from answerable.chaos.target import ENVIRONMENT

    upstream = server.upstream(ENVIRONMENT)
    changes = {
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_API_BASE": upstream.url,
        "ANTHROPIC_BASE_URL": upstream.origin,
        "OPENAI_API_KEY": _KEY,
        "ANTHROPIC_API_KEY": _KEY,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "chaos", example="answerable chaos decision.py:route_ticket cases.csv")(chaos)
