"""Runs the code blocks of a document, in order, and holds the output that it shows.

    ```python                 run; all of one document share a namespace
    ```python no-run: WHY     only has to compile
    ```console                `$ ` lines are run by bash, `> ` lines continue one; the lines below are
                              the output. A command that has to fail ends with `# exits N`
    ```console no-run: WHY    not run
    ```text output            what the block before it has to have printed
    ```text, ```json, ```toml shown only

`file=NAME` after the language also writes the block to that file, before it is run. In an output, `...`
stands for anything. Every document starts in an empty folder of its own.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

COMMAND_SECONDS = 180.0
SHOWN = ("json", "text", "toml")
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<info>.*)$")


class DocumentError(AssertionError):
    """A block of a document does not do what the document says; names file and line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block: what its first line says, and its text."""

    where: str  # "README.md:12", the line of the fence
    line: int
    language: str
    words: tuple[str, ...]  # after the language
    no_run: str | None  # the reason, where one is written
    text: str

    @property
    def file(self) -> str | None:
        """The name to write the block to, or None."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(name: str, document: str) -> Iterator[Block]:
    """Yield the fenced blocks of `document`; raises DocumentError for a fence that we do not know."""
    lines = iter(enumerate(document.splitlines(), start=1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        indent, ticks, body = len(opening["indent"]), opening["ticks"], []
        for _, inner in lines:
            if inner.strip().startswith(ticks) and not inner.strip(f" {ticks[0]}"):
                break
            body.append(inner[indent:] if not inner[:indent].strip() else inner)
        else:
            raise DocumentError(f"{name}:{number} opens a block that never ends")
        yield _block(name, number, opening["info"], "".join(f"{one}\n" for one in body))


def _block(name: str, line: int, info: str, text: str) -> Block:
    head, marked, reason = info.partition("no-run")
    language, *words = head.split() or [""]
    where = f"{name}:{line}"
    if language not in ("python", "console", *SHOWN):
        raise DocumentError(f"{where} has the language {language!r}; use python, console, text, json or toml")
    if marked and not reason.removeprefix(":").strip():
        raise DocumentError(f"{where} is not run and does not say why; write `no-run: REASON`")
    unknown = [
        word for word in words if not word.startswith("file=") and (language, word) != ("text", "output")
    ]
    if unknown:
        raise DocumentError(f"{where} has the unknown word {unknown[0]!r} after its language")
    no_run = reason.removeprefix(":").strip() if marked else None
    return Block(where=where, line=line, language=language, words=tuple(words), no_run=no_run, text=text)


class Reader:
    """Reads one document as a user would: types every program and command, and compares what is shown.

    folder: where it starts, empty. programs: what comes first on PATH.
    """

    def __init__(self, name: str, folder: Path, programs: Path) -> None:
        self._name = name
        self._folder = folder
        self._environment = _environment(programs)
        self._module = ModuleType("document_" + re.sub(r"\W", "_", name))
        self._printed: str | None = None

    def read(self, document: str) -> int:
        """Run all blocks of `document`; return how many were run. Raises DocumentError at the first wrong."""
        ran = 0
        sys.modules[self._module.__name__] = self._module
        try:
            with contextlib.chdir(self._folder):
                for block in list(blocks(self._name, document)):
                    ran += self._one(block)
        finally:
            del sys.modules[self._module.__name__]
        return ran

    def _one(self, block: Block) -> bool:
        if block.file is not None:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        if block.language == "python":
            self._python(block)
        elif block.language == "console" and block.no_run is None:
            self._console(block)
        elif "output" in block.words:
            if self._printed is None:
                raise DocumentError(f"{block.where} shows an output, but nothing was run before it")
            self._compare(block.where, block.text, self._printed)
        return block.language in ("python", "console") and block.no_run is None

    def _python(self, block: Block) -> None:
        # The line numbers of the document, and its text where `inspect` looks for it.
        file = f"<{block.where}>"
        source = block.text
        try:
            code = compile(source, file, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise DocumentError(f"{block.where} is not Python: {error}") from error
        if block.no_run is not None:
            return
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                exec(code, self._module.__dict__)
        except Exception as error:
            raise DocumentError(f"{block.where} raised {type(error).__name__}: {error}") from error
        self._printed = out.getvalue()

    def _console(self, block: Block) -> None:
        for command, want in _commands(block):
            expected = re.search(r"#\s*exits (\d+)\s*$", command)
            done = subprocess.run(
                ["bash", "-c", command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_SECONDS,
            )
            self._printed = done.stdout.decode("utf-8", "replace")
            if done.returncode != (int(expected[1]) if expected else 0):
                shown = (
                    f"{block.where} `{command}` ended with {done.returncode} and printed:\n{self._printed}"
                )
                raise DocumentError(shown)
            if want.strip():
                self._compare(f"{block.where} `{command}`", want, self._printed)

    def _compare(self, where: str, want: str, got: str) -> None:
        want, got = _tidy(want), _tidy(got)
        flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_BLANKLINE
        if not doctest.OutputChecker().check_output(want, got, flags):
            raise DocumentError(f"{where} shows\n{want}\nbut the output is\n{got}")


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output shown below it."""
    command, want = "", ""
    going_on = False
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, want
            command, want = line.removeprefix("$ "), ""
        elif going_on or (command and not want and line.startswith("> ")):
            command += "\n" + line.removeprefix("> ")
        elif command:
            want += line + "\n"
        elif line.strip():
            raise DocumentError(f"{block.where} does not start with a `$ ` line")
        going_on = not want and command.endswith("\\")
    if not command:
        raise DocumentError(f"{block.where} has no `$ ` line to run; mark it `text`")
    yield command, want


def _tidy(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def _environment(programs: Path) -> dict[str, str]:
    """Return the environment of a command: without our homes and paths, for a terminal of 100 columns."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSWERABLE", "PYTHON"))
    }
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
