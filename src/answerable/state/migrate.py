"""Brings the state tables of an older format up to a newer one, step by step, with Alembic's operations.

The files in `migrations/` are the steps: revision "0001" makes state format 1, and so on. The number in
force is `head.state_format`, beside the tables, so there is neither a version table nor an environment.
"""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection


def migrate(connection: "Connection", *, start: int, stop: int) -> list[str]:
    """Take the state tables behind `connection` from format `start` (0: none) to `stop`.

    Returns what each step says it does, in order. Runs in the caller's transaction, which both databases
    roll back whole.
    """
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    context = MigrationContext.configure(connection)
    said = []
    with Operations.context(context):
        for step in _steps(start, stop):
            step.module.upgrade()
            said.append(str(step.doc))
    return said


def newest() -> int:
    """Return the highest format that a step makes."""
    return int(_script().get_current_head() or 0)


def _steps(start: int, stop: int) -> list[Any]:
    if start >= stop:
        return []
    revisions = _script().iterate_revisions(f"{stop:04}", f"{start:04}" if start else "base")
    return sorted(revisions, key=lambda step: step.revision)


def _script() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    folder = str(files("answerable.state").joinpath("migrations"))
    return ScriptDirectory(folder, version_locations=[folder])
