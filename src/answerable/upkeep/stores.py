"""Finds the database of a home."""

from collections.abc import Mapping
from pathlib import Path

from answerable.errors import UsageError, did_you_mean
from answerable.home import Home
from answerable.upkeep.store import Store
from answerable.upkeep.store_postgres import PostgresStore
from answerable.upkeep.store_sqlite import SqliteStore


def store_of(home: Home, env: Mapping[str, str]) -> Store:
    """Return the database of `home`. Raises UsageError if it is of an unknown kind."""
    return store_at(home.journal_url(env), home.folder)


def store_at(url: str, folder: Path) -> Store:
    """Return the database at `url`; folder: of the home, which "sqlite:FILE" is relative to."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqliteStore(folder / url.removeprefix("sqlite:").removeprefix("//"))
    if scheme in ("postgresql", "postgres"):
        return PostgresStore(url)
    raise UsageError(
        f"a journal of the kind {scheme!r} cannot be copied or examined",
        next_step=did_you_mean(scheme, ("sqlite", "postgresql")),
    )
