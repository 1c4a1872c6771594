"""The command `demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from answerable.cli.options import Json, command
from answerable.cli.printing import say_json
from answerable.errors import UsageError, did_you_mean
from answerable.integrations.tables_core import load

_DEMOS = ("support",)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions(Json):
    """Options of `demo`."""

    name: Annotated[str, typer.Argument(metavar="DEMO", help="Which one: support.")] = "support"
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Its home and its files.", show_default=True)
    ] = Path("answerable-demo")
    seed: Annotated[int, typer.Option(metavar="N", help="Of the generated cases.")] = 7
    llm: Annotated[
        str | None,
        typer.Option(
            metavar="local|ID", help="Ask a language model too: a small one of this machine, or by its id."
        ),
    ] = None
    llm_tokens: Annotated[
        int, typer.Option(metavar="N", help="What it may use in all; then the default answers.")
    ] = 5000


def demo(options: DemoOptions) -> None:
    """Run the main job end to end on your machine: support tickets decided, explained and proved."""
    if options.name not in _DEMOS:
        raise UsageError(f"no demo is called {options.name!r}", next_step=did_you_mean(options.name, _DEMOS))
    from answerable.examples.support_tickets.demo import run
    from answerable.examples.support_tickets.summary import show

    load("sklearn", extra="eval", purpose="the demo")  # before it makes a home that it could not fill
    if options.llm is None:
        summary = run(options.out, seed=options.seed)
    else:
        from answerable.examples.support_tickets.language_model import language_model

        with language_model(options.llm) as llm:
            summary = run(options.out, seed=options.seed, llm=llm, tokens=options.llm_tokens)
    if options.json:
        say_json(summary)
    else:
        show(summary)
    if not summary["verify"]["ok"]:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "demo", example="answerable demo --out my-demo --seed 7")(demo)
