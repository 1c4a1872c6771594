"""How the command line speaks: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class Enough(Exception):
    """Whoever reads our output has closed it; that is no failure."""


def say(text: str = "") -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON value; its text is ASCII where the terminal is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    sys.stdout.write(
        json.dumps(value, ensure_ascii=encoding != "utf8", indent=indent, allow_nan=False) + "\n"
    )


def note(text: str) -> None:
    """Tell a person something on the side."""
    sys.stderr.write(f"{one_line(text)}\n")


def one_line(text: str) -> str:
    """Return `text` without line breaks and without characters that steer a terminal."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def say_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table; a column named in `numbers` is set to the right, one in `whole` is never broken."""
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
        table.add_row(*[Text(one_line(cell)) for cell in row])
    # A pipe has no width: rows are not to be cut there.
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, highlight=False, markup=False, width=width).print(table)


def say_pairs(pairs: Mapping[str, str]) -> None:
    """Print `name  value` lines, the values below each other."""
    wide = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        say(f"{name:{wide}}  {one_line(value)}")


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
