"""Reads who imports whom from source text, without running it.

Modules are named relative to the package: `ledger.entry`; `__init__` is the face.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "answerable"
FACE = "__init__"


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """One import: `importer`, at `line` of its file, names `imported` (a module, or a bare package)."""

    importer: str
    imported: str
    line: int


def modules_of(folder: Path) -> dict[str, Path]:
    """Return module name -> file for everything under `folder`; packages as `ledger.__init__`."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path
        for path in sorted(folder.rglob("*.py"))
    }


def imports_of(importer: str, source: str, known: Collection[str]) -> list[Import]:
    """Return the imports of our own modules that `source` makes anywhere, also in functions and for types.

    known: all module names, to tell `from answerable.ledger import entry` (a module) from a name in one.
    """
    found = []
    for node in ast.walk(ast.parse(source, f"<{importer}>")):
        for dotted in _dotted(importer, node):
            found.append(Import(importer=importer, imported=_module(dotted, known), line=node.lineno))  # type: ignore[attr-defined]
    return sorted(set(found), key=lambda one: (one.line, one.imported))


def _dotted(importer: str, node: ast.AST) -> Iterator[str]:
    """Yield the full dotted names below the package that `node` imports."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] == PACKAGE)
        case ast.ImportFrom(module=module, names=names, level=level):
            parts = [PACKAGE, *importer.split(".")][:-level] if level else []
            base = ".".join([*parts, *([module] if module else [])])
            if base.split(".")[0] == PACKAGE:
                yield from (f"{base}.{alias.name}" for alias in names)
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ) if name.split(".")[0] == PACKAGE:
            yield name


def _module(dotted: str, known: Collection[str]) -> str:
    """Return the module that `dotted` stands for: itself, or the module that it is a name of."""
    name = dotted.removeprefix(PACKAGE).removeprefix(".")
    while name:
        if name in known:
            return name
        if f"{name}.{FACE}" in known:
            return f"{name}.{FACE}"
        name = name.rpartition(".")[0]
    return FACE


def upward(
    imports: Sequence[Import],
    *,
    floors: Sequence[str],
    modules: Mapping[str, str],
    exceptions: Collection[tuple[str, str]],
) -> list[str]:
    """Return one sentence for each import that goes to a floor above, or to a package instead of a module."""
    problems = []
    for one in imports:
        where = f"{one.importer} line {one.line}"
        if one.imported.endswith(f".{FACE}"):
            package = one.imported.removesuffix(f".{FACE}")
            problems.append(f"{where} imports the package {package}, which is empty; name a module of it")
            continue
        if one.importer not in modules or one.imported not in modules:
            continue  # reported once, as a module that is not entered
        low, high = modules[one.importer], modules[one.imported]
        if floors.index(high) > floors.index(low) and (low, one.imported) not in exceptions:
            problems.append(f"{where} ({low}) imports {one.imported} ({high}), which is a floor above")
    return problems


def circle(imports: Sequence[Import]) -> list[str]:
    """Return the modules of one circle, its first module again at the end; empty if there is none."""
    targets: dict[str, list[str]] = {}
    for one in imports:
        targets.setdefault(one.importer, []).append(one.imported)
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in targets.get(module, []):
            if found := visit(target, [*path, module]):
                return found
        done.add(module)
        return []

    for module in sorted(targets):
        if found := visit(module, []):
            return found
    return []
