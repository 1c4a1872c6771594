"""Turns a frozen set of options into a command: its fields are the arguments, its docstring the help."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from answerable.cli.printing import Enough
from answerable.home import HOME_VARIABLE

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Json:
    """What every command takes."""

    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else, on stdout.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Common(Json):
    """What every command takes that works on a home."""

    home: Annotated[
        str | None,
        typer.Option(
            "--home",
            metavar="DIR",
            envvar=HOME_VARIABLE,
            help="The home to work on; without it the project file's.",
        ),
    ] = None


Principal = Annotated[str, typer.Option("--principal", metavar="P", help="Who asks, as kind:id.")]
LOCAL = "user:local"


class _Plain:
    """Shows a flag without a type: it takes no value."""

    def get_params(self, context: Any) -> Any:
        """Return the parameters, `--help` with them."""
        found = super().get_params(context)  # type: ignore[misc]
        for parameter in found:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return found


class Command(_Plain, TyperCommand):
    """A command."""


class Group(_Plain, TyperGroup):
    """A group of commands."""


def command(
    app: typer.Typer, name: str, *, example: str
) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
    """Add `run(options)` to `app` as a command; `options` is a dataclass with a typer parameter a field.

    Thus a command with twelve options is a function of one value. example: shown below the help.
    """

    def add(run: Callable[[T], None]) -> Callable[[T], None]:
        kind: Any = next(iter(get_type_hints(run).values()))

        def call(**given: Any) -> None:
            try:
                run(kind(**given))
            except BrokenPipeError as exc:
                raise Enough from exc  # typer would end with 1, as if something had failed

        # A line break is only one of the source: paragraphs are told apart by an empty line.
        call.__doc__ = "\n\n".join(" ".join(p.split()) for p in (inspect.getdoc(run) or "").split("\n\n"))
        call.__annotations__ = get_type_hints(kind, include_extras=True)
        call.__signature__ = _signature(kind, call.__annotations__)  # type: ignore[attr-defined]
        app.command(name, epilog=f"Example:\n\n{example}", cls=Command)(call)
        return run

    return add


def _signature(kind: Any, hints: dict[str, Any]) -> inspect.Signature:
    """Give a field the place it has in the class, but the common ones, which come first there, the end."""
    own = [f for f in fields(kind) if f.name not in ("home", "json")]
    common = [f for f in fields(kind) if f.name in ("home", "json")]
    return inspect.Signature(
        [
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if f.default is MISSING else f.default,
                annotation=hints[f.name],
            )
            for f in (*own, *reversed(common))
        ]
    )


def group(help: str) -> typer.Typer:
    """Return a group of commands that shows its help where no command is named."""
    app = typer.Typer(
        help=help,
        cls=Group,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback(help=help)
    def bare(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app
