"""Opens a home or makes it: its journal, its signer and its keys, each by what home.toml names."""

import os
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from answerable.errors import HomeError, LedgerUnavailable, did_you_mean
from answerable.governance.kek import OWN_KEK
from answerable.governance.keyring import open_keys
from answerable.governance.shredding import finish
from answerable.home import (
    CREATE_LOCK,
    HOME_FILE,
    OWN_KEY,
    Home,
    create_home,
    may_become_home,
    open_home,
    unmake_home,
    write_home,
)
from answerable.ledger.keys import FileSigner, Lookup, Withheld, absent, load_signer
from answerable.ledger.turns import Turn
from answerable.ports import Journal, JournalAddress, KeyStore


def open_or_make(
    folder: Path, journal: str | None, signing_key: str | None, kek: str | None
) -> tuple[Home, Journal, FileSigner | Withheld, KeyStore]:
    """Open the home, or make it where the folder is new or empty; one process makes it, the others wait."""
    if not may_become_home(folder):
        home = open_home(folder)
        if journal is not None and journal != home.journal:
            raise HomeError(
                f"the home {folder} has its journal elsewhere",
                next_step="leave out journal=, or name a new home",
            )
        return home, *_connect(home, create=False)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        turn = Turn(folder / CREATE_LOCK)
    except OSError as exc:
        raise HomeError(
            f"the home {folder} cannot be made: {exc.strerror or exc}",
            next_step="name a folder you can write to",
        ) from exc
    try:
        with turn:
            if (folder / HOME_FILE).exists():
                home = open_home(folder)
                return home, *_connect(home, create=False)
            home = create_home(
                folder,
                journal=journal or "sqlite:journal.db",
                signing_key=signing_key or OWN_KEY,
                kek=kek or OWN_KEK,
            )
            try:
                signer = load_signer(home.origin, home.signing_key, home.folder, os.environ)
                home = replace(home, verifier_keys=(signer.verifier.format(),))
                opened = _connect(home, create=True)
                write_home(home)
            except BaseException:
                unmake_home(home)
                raise
            return home, *opened
    except TimeoutError as exc:
        raise HomeError(f"the home cannot be made: {exc}", next_step="wait for it or end it") from exc
    finally:
        turn.close()


def _connect(home: Home, *, create: bool) -> tuple[Journal, FileSigner | Withheld, KeyStore]:
    signer = _signer(home)
    url = home.journal_url(os.environ)
    scheme = url.partition(":")[0].partition("+")[0]
    doors = {door.name: door for door in entry_points(group="answerable.journal")}
    if scheme not in doors:
        raise HomeError(f"no journal is known for {scheme!r}", next_step=did_you_mean(scheme, doors))
    address = JournalAddress(
        url=url, folder=home.folder, home=home.id, durability=home.durability, create=create
    )
    opened: Journal = doors[scheme].load()(address, signer)
    try:
        keys = open_keys(home, os.environ, create=create)
        with suppress(HomeError, LedgerUnavailable):  # else `answerable work` finishes it, and says why not
            finish(opened, keys, home.folder)
        return opened, signer, keys
    except BaseException:
        opened.close()
        raise


def _signer(home: Home) -> FileSigner | Withheld:
    """Return the home's signer; without its key the home can still be read and verified."""
    try:
        signer = load_signer(home.origin, home.signing_key, home.folder, os.environ)
    except HomeError as exc:
        if home.verifier_keys and absent(exc):
            return Withheld(home.origin, exc)
        raise
    key = signer.verifier.format()
    if home.verifier_keys and key not in home.verifier_keys:
        raise HomeError(
            f"the signing key {home.signing_key} is not one of this home's",
            next_step=f"put the right key back; to change keys, add {key!r} to verifier_keys in {HOME_FILE}",
        )
    return signer


def load_lookup(home: Home) -> Lookup | Withheld:
    """Return the home's look-up key; without it the home can still be read and verified."""
    try:
        return Lookup.load(home.lookup_key)
    except HomeError as exc:
        if home.verifier_keys and absent(exc):
            return Withheld(home.origin, exc)
        raise
