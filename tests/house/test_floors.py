"""Imports point one way: from a module to its own floor and those below, and never in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest

from house.floors import EXCEPTIONS, FLOORS, MODULES
from house.import_graph import FACE, Import, circle, imports_of, modules_of, upward

SOURCE = Path(__file__).resolve().parents[2] / "src" / "answerable"
FILES = modules_of(SOURCE)
IMPORTS = [one for name, path in FILES.items() for one in imports_of(name, path.read_text("utf-8"), FILES)]


def test_every_module_is_entered_in_the_table() -> None:
    """A file that nobody placed has no floor; a line without a file is a leftover."""
    real = {name for name in FILES if name == FACE or not name.endswith(f".{FACE}")}

    missing, stale = sorted(real - set(MODULES)), sorted(set(MODULES) - real - {FACE})

    assert not missing, "enter in tests/house/floors.py:\n" + "\n".join(
        f'    "{name}": FLOOR,' for name in missing
    )
    assert not stale, f"remove from tests/house/floors.py, no such file: {', '.join(stale)}"


def test_the_table_names_floors_that_exist() -> None:
    """A misspelt floor would hold nothing."""
    assert set(MODULES.values()) <= set(FLOORS)


def test_no_module_imports_from_a_floor_above() -> None:
    """Lower floors do not know the higher ones, not in a function and not for a type."""
    problems = upward(IMPORTS, floors=FLOORS, modules=MODULES, exceptions=EXCEPTIONS)

    assert not problems, "\n".join(problems)


def test_no_imports_run_in_a_circle() -> None:
    """Each module can be read after those it imports, and before those that import it."""
    found = circle(IMPORTS)

    assert not found, " -> ".join(found)


def test_package_init_files_are_empty() -> None:
    """Only the top package has a face; importing a module loads nothing but that module."""
    filled = [
        name for name, path in FILES.items() if name.endswith(f".{FACE}") and path.read_text("utf-8").strip()
    ]

    assert not filled, f"empty these, and import from the modules: {', '.join(filled)}"


def test_every_exception_is_used() -> None:
    """The list of exceptions may only get shorter."""
    used = {(MODULES.get(one.importer), one.imported) for one in IMPORTS}

    assert set(EXCEPTIONS) <= used


# The test itself is tested, on a small house of three modules.

SMALL = {
    "low": "ground",
    "mid.part": "rules",
    "mid.other": "rules",
    "high": "shell",
    FACE: "doors",
}
KNOWN = {*SMALL, f"mid.{FACE}"}


@pytest.mark.parametrize(
    ("importer", "source", "imported"),
    [
        ("low", "import answerable.high", "high"),
        ("low", "import answerable.high as h", "high"),
        ("low", "from answerable.high import thing", "high"),
        ("low", "from answerable import high", "high"),
        ("low", "from answerable import Decision", FACE),
        ("low", "import answerable", FACE),
        ("low", "from answerable import *", FACE),
        ("low", "from .high import thing", "high"),
        ("low", "from . import high", "high"),
        ("mid.part", "from ..high import thing", "high"),
        ("mid.part", "from .. import high", "high"),
        ("low", "from answerable.mid import part", "mid.part"),
        ("low", "def f():\n    from answerable.high import thing", "high"),
        ("low", "if TYPE_CHECKING:\n    from answerable.high import Thing", "high"),
        ("low", "try:\n    import answerable.high\nexcept ImportError:\n    pass", "high"),
        ("low", "import importlib\nimportlib.import_module('answerable.high')", "high"),
    ],
)
def test_an_upward_import_is_found_in_every_form(importer: str, source: str, imported: str) -> None:
    """No way of writing an import gets past the table."""
    imports = imports_of(importer, source, KNOWN)

    assert [one.imported for one in imports] == [imported]
    assert len(upward(imports, floors=FLOORS, modules=SMALL, exceptions={})) == 1


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("high", "from answerable.low import thing"),
        ("mid.part", "from .other import thing"),
        ("mid.part", "from answerable.mid.other import thing"),
        ("low", "import answerable_plugin, json"),
        ("low", "from json import loads"),
    ],
)
def test_a_downward_or_level_import_is_allowed(importer: str, source: str) -> None:
    """The table forbids nothing else."""
    imports = imports_of(importer, source, KNOWN)

    assert upward(imports, floors=FLOORS, modules=SMALL, exceptions={}) == []


def test_importing_a_package_is_reported() -> None:
    """A package is empty, so importing it hides which module is meant."""
    imports = imports_of("high", "from answerable import mid", KNOWN)

    assert "mid" in upward(imports, floors=FLOORS, modules=SMALL, exceptions={})[0]


def test_an_exception_allows_only_what_it_names() -> None:
    """The written exception for one floor and module opens no other door."""
    imports = imports_of("mid.part", "import answerable\nimport answerable.high", KNOWN)

    problems = upward(imports, floors=FLOORS, modules=SMALL, exceptions={("rules", FACE)})

    assert len(problems) == 1
    assert "imports high" in problems[0]


def test_a_circle_on_one_floor_is_found() -> None:
    """Two modules of one floor may not need each other, not even through a third."""
    imports = [
        Import(importer="a", imported="b", line=1),
        Import(importer="b", imported="c", line=1),
        Import(importer="c", imported="b", line=1),
    ]

    assert circle(imports) == ["b", "c", "b"]
