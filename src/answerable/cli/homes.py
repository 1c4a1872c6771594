"""Opens the home that a command line means."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from answerable.cli.printing import note
from answerable.errors import HomeError
from answerable.home import HOME_FILE, choose_home

if TYPE_CHECKING:
    from answerable.workspace import Workspace

MEMORY = "memory:"


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
