"""Brings a home that an older version wrote up to this version: a backup first, then the state tables."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from answerable import formats
from answerable.errors import HomeError, LockedHome, NewerHome
from answerable.governance.keyring import open_keys
from answerable.home import Home, open_home, write_home
from answerable.state.migrate import migrate
from answerable.state.roles import ROLES
from answerable.upkeep.backup import Progress, backup
from answerable.upkeep.store import HEAD, Store
from answerable.upkeep.stores import store_of

BACKUPS = "backups"  # in the home; not part of its own backups


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgraded:
    """What an upgrade did. was, now: the state format. steps: what each migration says; backup: made before.

    With nothing to do `was` equals `now`, there are no steps and no backup.
    """

    home: Home
    was: int
    now: int
    steps: tuple[str, ...] = ()
    backup: Path | None = None


def upgrade(folder: Path, *, out: Path | None = None, progress: Progress | None = None) -> Upgraded:
    """Upgrade the home in `folder`; nothing is changed before a backup of it is on the disk.

    out: the backup's file, or a folder for it; without one it goes to `backups/` in the home. Entries and
    segments are never touched. May be run again after a crash. Stop what uses the home first. Raises
    NewerHome if a newer version wrote it, LockedHome if a worker holds a role, HomeError if it is damaged.
    """
    home = open_home(folder, older=True)
    store = store_of(home, os.environ)
    was = _state_format(home, store)
    if was == formats.STATE and not _is_older(folder):
        return Upgraded(home=home, was=was, now=was)
    _refuse_workers(store)
    saved = backup(folder, out or _folder_for_backups(folder), progress=progress)
    steps: list[str] = []
    if was < formats.STATE:
        with store.migrating() as connection:
            steps = migrate(connection, start=was, stop=formats.STATE)
            connection.exec_driver_sql(f"UPDATE head SET state_format = {formats.STATE:d}")
    open_keys(home, os.environ, create=True).close()  # homes have had keys since state format 3
    write_home(home)  # last: a crash before it leaves a home that is still to be upgraded
    return Upgraded(home=home, was=was, now=formats.STATE, steps=tuple(steps), backup=saved)


def _state_format(home: Home, store: Store) -> int:
    rows = store.rows("SELECT home FROM head")
    if not rows or bytes(rows[0][0]) != home.id:
        raise HomeError(
            f"the journal {store.name} belongs to another home",
            next_step="put back the journal that belongs to this home.toml, or restore a backup",
        )
    found: int = store.rows(HEAD)[0][0]
    if found > formats.STATE:
        raise NewerHome(
            f"the journal {store.name} has the state format {found}, this version knows {formats.STATE}",
            next_step="install the newer version of answerable that wrote it",
        )
    return found


def _is_older(folder: Path) -> bool:
    """Say whether home.toml has an older number, although the state may be up to date: after a crash."""
    try:
        open_home(folder)
    except HomeError:
        return True
    return False


def _refuse_workers(store: Store) -> None:
    now = time.time_ns() // 1000
    for name, holder, _, expires, *_ in store.rows(ROLES):
        if expires > now:
            raise LockedHome(
                f"the worker {holder} is running the role {name} in this home",
                next_step="stop `answerable work` and everything else that uses the home, then upgrade",
            )


def _folder_for_backups(folder: Path) -> Path:
    place = folder / BACKUPS
    place.mkdir(mode=0o700, exist_ok=True)
    return place
