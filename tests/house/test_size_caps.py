"""Nothing grows past what one can read at a glance: a file, a function, a list of parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "benchmarks", "docs", "scripts")

FILE_LINES = 600
FUNCTION_LINES = 60
PARAMETERS = 8  # self and cls not counted

# What is over a cap, and why it may be: "PATH" for a file, "PATH::NAME lines" or "PATH::NAME parameters" for
# a function. May only get shorter: a line that is not needed fails the test.
EXCEPTIONS: dict[str, str] = {}


def over(path: str, source: str) -> Iterator[str]:
    """Yield what in `source` is over a cap, in the words of EXCEPTIONS, with the size after a colon."""
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines"
    for name, node in functions(ast.parse(source, path)):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield f"{path}::{name} lines: {length}"
        if (count := parameters(node)) > PARAMETERS:
            yield f"{path}::{name} parameters: {count}"


def functions(
    node: ast.AST, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function below `node` with its dotted name."""
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                yield name, child
        yield from functions(child, name)


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a caller sees."""
    arguments = node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if names and names[0] in ("self", "cls"):
        del names[0]
    return len(names) + len(arguments.kwonlyargs) + bool(arguments.vararg) + bool(arguments.kwarg)


def test_nothing_is_over_a_cap_without_a_written_reason() -> None:
    """A file has 600 lines, a function 60, a call 8 parameters; the few exceptions say why."""
    files = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    found = [
        line
        for path in files
        for line in over(path.relative_to(REPOSITORY).as_posix(), path.read_text("utf-8"))
    ]

    unexcused = [line for line in found if line.rsplit(": ", 1)[0] not in EXCEPTIONS]

    assert not unexcused, "split these, or write a reason in EXCEPTIONS:\n" + "\n".join(unexcused)
    unused = sorted(set(EXCEPTIONS) - {line.rsplit(": ", 1)[0] for line in found})
    assert not unused, f"no longer needed, remove from EXCEPTIONS: {unused}"
    assert all(reason.strip() for reason in EXCEPTIONS.values())


def test_each_cap_is_really_measured() -> None:
    """A file of 601 lines, a function of 61 and one with 9 parameters are found; one less is not."""
    body = "    x = 1\n" * 60
    nine = "a, b, /, c, d, *e, f, g, h, **i"

    assert list(over("f.py", "\n" * 601)) == ["f.py: 601 lines"]
    assert list(over("f.py", "\n" * 600)) == []
    assert list(over("f.py", f"def long():\n{body}")) == ["f.py::long lines: 61"]
    assert list(over("f.py", f"class A:\n  async def m(self, {nine}): ...\n")) == ["f.py::A.m parameters: 9"]
    assert list(over("f.py", "class A:\n  def m(self, a, b, c, d, e, f, g, h): ...\n")) == []
