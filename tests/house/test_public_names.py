"""The face: what a user may import from `answerable`, and how little that costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import answerable

# Each takes from 20 to 600 ms to load and none is needed to declare a decision.
LOADED_ON_USE = (
    "alembic",
    "cryptography",
    "duckdb",
    "numpy",
    "openpyxl",
    "psycopg",
    "pyarrow",
    "pysqlite3",
    "rich",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "sqlite3",
    "typer",
)


def order(name: str) -> tuple[int, str]:
    """Return the place of `name`: constants, then classes, then the rest, each by alphabet."""
    return (0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2, name)


def test_all_is_sorted_and_has_no_doubles() -> None:
    """A reader finds a name in the list where the alphabet puts it."""
    assert list(answerable.__all__) == sorted(set(answerable.__all__), key=order)


def test_all_is_exactly_what_is_public() -> None:
    """A name is public because it is listed, and listed because it is public."""
    here = {
        name
        for name, value in vars(answerable).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert here <= set(answerable.__all__)
    assert all(hasattr(answerable, name) for name in answerable.__all__)
    assert set(answerable.__all__) <= set(dir(answerable))


def test_every_public_class_and_function_says_what_it_is() -> None:
    """Each has a docstring that somebody wrote."""
    silent = []
    for name in answerable.__all__:
        value = getattr(answerable, name)
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        said = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        if not said or said.startswith(f"{value.__name__}("):  # the second is what dataclass writes by itself
            silent.append(name)

    assert not silent, f"no docstring: {', '.join(silent)}"


def test_importing_the_face_loads_nothing_heavy() -> None:
    """A service that only declares decisions pays for no database, table engine or terminal."""
    program = "import sys, answerable; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert sorted(set(done.stdout.split()) & set(LOADED_ON_USE)) == []
