"""Opens the home that a command line means, and finds the record in it."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from answerable.cli.options import LOCAL
from answerable.cli.printing import note
from answerable.errors import HomeError, UsageError
from answerable.home import HOME_FILE, choose_home

if TYPE_CHECKING:
    from answerable.workspace import Workspace

MEMORY = "memory:"
_END = re.compile(r"[0-9a-fA-F-]{8,31}")  # of a record id
_NEWEST = 1_000  # records among which an end is looked for


def home_folder(home: str | None) -> Path:
    """Return the folder of an existing home. Raises HomeError that names it where there is none."""
    folder = choose_home(home, os.environ, Path.cwd())
    if not (folder / HOME_FILE).is_file():
        raise HomeError(
            f"there is no home in {folder}",
            next_step="name the right one with --home DIR; `answerable decide` makes a new one",
        )
    return folder


def open_home(home: str | None, *, make: bool = False, dev: bool = False) -> "Workspace":
    """Open a home. make: one that is not there yet is made; without it that is an error."""
    from answerable.workspace import Workspace

    if home == MEMORY:
        return Workspace(home, dev=dev)
    folder = choose_home(home, os.environ, Path.cwd()) if make else home_folder(home)
    is_new = not (folder / HOME_FILE).is_file()
    workspace = Workspace(folder, dev=dev)
    if is_new:
        note(f"a new home was made in {workspace.home.folder}")  # never silently: it may be a second one
    return workspace


def record_named(workspace: "Workspace", name: str, *, principal: str = LOCAL) -> str:
    """Return the record id that ends in `name`, 8 characters or more, if only one of the newest 1,000 does.

    Another name is returned as it is. Raises HomeError if none ends so, UsageError if several do.
    """
    if not _END.fullmatch(name):
        return name
    ids = [str(line["record_id"]) for line in workspace.records(limit=_NEWEST, principal=principal)]
    found = [one for one in ids if one.endswith(name.lower())]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} of the newest records end in {name!r}", next_step="give more of the id"
        )
    if not found:
        raise HomeError(
            f"none of the newest {_NEWEST:,} records in the home {workspace.home.folder} ends in {name!r}",
            next_step="give the whole id, or --key if it is the case's key",
        )
    return found[0]
