"""How the command line speaks: results on standard output, everything else on standard error."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")
_PIPE = 200  # characters from which a row is folded where there is no terminal
_RULE = 100  # characters of the line below the heads there


class Enough(Exception):
    """Whoever reads our output has closed it; that is no failure."""


def say(text: str = "") -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say_line(line: str, *, indent: str = "  ") -> None:
    """Print a line for a person to read; on a terminal it is broken between words, then indented so."""
    say(folded(line, columns_of(sys.stdout), indent=indent))


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON value; its text is ASCII where the terminal is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    sys.stdout.write(
        json.dumps(value, ensure_ascii=encoding != "utf8", indent=indent, allow_nan=False) + "\n"
    )


def note(text: str, *, indent: str = "") -> None:
    """Tell a person something on the side. indent: of the lines after the first, on a terminal."""
    sys.stderr.write(f"{folded(one_line(text), columns_of(sys.stderr), indent=indent)}\n")


def say_error(what: str, next_step: str) -> None:
    """Tell what is wrong and what to do next, in the two lines that every error has."""
    note(f"error: {what}", indent="  ")
    note(f"  next: {next_step}", indent="  ")


def columns_of(stream: TextIO) -> int | None:
    """Return the width of the terminal that `stream` is, in characters; None for a file or a pipe."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def folded(line: str, width: int | None, *, indent: str = "") -> str:
    """Return `line` in lines of at most `width` characters, broken between words only; None: as it is."""
    if width is None or len(line) <= width:
        return line
    own = line[: len(line) - len(line.lstrip())]
    told = textwrap.wrap(
        line.lstrip(),
        width,
        initial_indent=own,
        subsequent_indent=own + indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(told)


def counted(number: int, one: str, many: str) -> str:
    """Return such as "1 entry" or "2,000 entries"."""
    return f"{number:,} {one if number == 1 else many}"


def one_line(text: str) -> str:
    """Return `text` without line breaks and without characters that steer a terminal."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def short_time(text: str) -> str:
    """Return `text` with each moment in it (RFC 3339, UTC) as people read it: 2026-05-03 10:00:00."""
    return _MOMENT.sub(r"\1 \2", text)


def say_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table; a column named in `numbers` is set to the right, one in `whole` is never broken.

    Moments (RFC 3339) are shown short. On a terminal cells are folded to fit; elsewhere a row is one line.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        right = column in numbers
        table.add_column(
            column, justify="right" if right else "left", overflow="fold", no_wrap=right or column in whole
        )
    for row in rows:
        table.add_row(*[Text(one_line(short_time(cell))) for cell in row])
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False, markup=False).print(table)
        return
    console = Console(file=sys.stdout, highlight=False, markup=False, width=_PIPE, force_terminal=False)
    with console.capture() as drawn:
        console.print(table)
    for number, line in enumerate(drawn.get().splitlines()):
        shown = line.rstrip()  # nobody needs the blanks behind the last column
        say(shown[:_RULE] if number == 1 else shown)


def say_pairs(pairs: Mapping[str, str]) -> None:
    """Print `name  value` lines, the values below each other, also where a terminal is too narrow for one."""
    wide = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        say_line(f"{name:{wide}}  {one_line(value)}", indent=" " * (wide + 2))


def say_findings(found: Iterable[tuple[str, str, str, str]]) -> None:
    """Print (name, state, what, next step) in lines; each step stands once, below all that it mends.

    Findings of one name and one step are put together, and no finding is told twice.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    for name, state, what, step in found:
        groups.setdefault((name, step or what), {})[state, what] = None
    wide = max((len(name) for name, _ in groups), default=0)
    for (name, step), told in groups.items():
        inside = " " * (wide + 2)
        for state, what in told:
            say_line(f"{name:{wide}}  {state:4}  {one_line(short_time(what))}", indent=f"{inside}      ")
        if all(step != what for _, what in told):
            say_line(f"{inside}      next: {one_line(step)}", indent="  ")


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function to call with what is done and what there is in all; a bar shows on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
