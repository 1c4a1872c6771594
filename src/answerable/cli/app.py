"""The command line: the list of its commands and the one door through which errors leave."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from answerable.cli import chaos, deciding, demo, ledger, new, policy, reading, redact, subjects, upkeep
from answerable.cli.options import Group
from answerable.cli.printing import Enough, say_error
from answerable.errors import AnswerableError, LedgerUnavailable, TamperFound

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
# Newer versions of typer carry their own click: this is the base of its usage errors in both.
_Misuse: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="answerable",
    cls=Group,
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    epilog="Example:\n\nanswerable demo",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"answerable {version('answerable')}")
        raise typer.Exit()


@app.callback()
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """AI decisions you can answer for: decide, record, explain and prove."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for part in (demo, new, deciding, reading, redact, subjects, policy, chaos, ledger, upkeep):
    part.add_to(app)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own without `args`) and return its exit code. Never raises.

    0 done, 1 failed, 2 wrong usage or input, 130 interrupted. An error is two lines on standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 shows all the same
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except (Enough, BrokenPipeError):
        # Whoever read us has enough. Without this the interpreter complains when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(args: Sequence[str] | None) -> int:
    try:
        code = typer.main.get_command(app)(args=args, prog_name="answerable", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except AnswerableError as exc:
        return _fail(
            exc.what, exc.next_step, FAILED if isinstance(exc, LedgerUnavailable | TamperFound) else MISUSED
        )
    except _Misuse as exc:
        context = getattr(exc, "ctx", None)
        path = context.command_path if context is not None else "answerable"
        return _fail(exc.format_message(), f"see `{path} --help`", MISUSED)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except (Enough, BrokenPipeError):
        raise
    except OSError as exc:
        what = f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)
        return _fail(what, "check that the place exists, may be used and has space", MISUSED)
    except Exception as exc:  # the outermost door: a fault of ours is told in two lines as well
        place = _place(exc)
        return _fail(
            f"a fault in answerable: {type(exc).__name__}: {exc} ({place})", "report that line", FAILED
        )


def _fail(what: str, next_step: str, code: int) -> int:
    say_error(what, next_step)
    return code


def _place(exc: BaseException) -> str:
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


if __name__ == "__main__":
    sys.exit(main())
