"""Makes a home from a backup: everything is checked before anything is written, home.toml comes last."""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from answerable import formats
from answerable.errors import AnswerableError, HomeError, InputError, NewerHome, UsageError
from answerable.governance.keyring import open_keys
from answerable.governance.shredding import ERASURES, apply, note, noted
from answerable.home import HOME_FILE, Home, open_home, refuse_password, write_home
from answerable.ledger.durable import flush_folder
from answerable.upkeep.backup import (
    KEYS,
    MANIFEST,
    Manifest,
    Member,
    Progress,
    opened,
    read_manifest,
    unpacked,
)
from answerable.upkeep.store import Store
from answerable.upkeep.stores import store_of
from answerable.workspace import Workspace

FOLDERS = ("checkpoints", "journal", "keys", "segments", "blobs", "policies", "secrets")
_ASIDE = ("journal", "keys")  # whose files become databases
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What came of a restore. report: of `ledger verify`, or None where it could not run; note: why.

    erased: keys that were left out or destroyed, as lists of erasures ask. erasures: which lists those were,
    and what to do where none is newer than the backup.
    """

    home: Home
    manifest: Manifest
    report: Any | None
    note: str = ""
    erased: int = 0
    erasures: str = ""


def restore(
    archive: Path,
    folder: Path,
    *,
    journal: str | None = None,
    erasures: Path | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Make the home of a backup in `folder`, which must be new or empty, and verify its ledger.

    journal: where its journal goes, of the same kind as before: "sqlite:FILE" instead of journal.db in
    `folder`, or an empty PostgreSQL database instead of the one that home.toml names. erasures: the home
    that was in use last, or its erasures.log: what was erased after the backup stays erased. progress: called
    with bytes done and to do. The new home is the old one, with its id and keys: two of them that go on
    writing would sign two different logs, so stop the old one first. Raises InputError if the backup is
    damaged, HomeError if the folder or the database is in use.
    """
    refuse_password(journal or "")
    since = _list_of(erasures)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HomeError(f"{folder} is not empty", next_step="name a new or empty folder; nothing is replaced")
    with opened(archive) as tar:
        manifest = read_manifest(tar, archive)
        check(tar, manifest, archive)
        with _filling(folder):
            gone = _noted_in(tar) | since
            home = _unpack(tar, manifest, folder, journal, gone, progress)
    lists = "the backup's own list" if erasures is None else f"the backup's own list and {erasures}"
    newer = ""
    if erasures is None:
        newer = f"; no newer one was given, so what was erased after {manifest.made} can be opened again: "
        newer += "name the home that was in use last, or its erasures.log (--erasures)"
    return replace(_verified(home, manifest), erased=len(gone), erasures=f"{lists}{newer}")


def _list_of(erasures: Path | None) -> dict[bytes, int]:
    """Return the keys that a home's list of erasures names. Raises InputError if there is none."""
    if erasures is None:
        return {}
    path = erasures / ERASURES if erasures.is_dir() else erasures
    if not path.exists() and erasures.is_dir() and (erasures / HOME_FILE).exists():
        return {}  # a home in which nothing was ever erased
    try:
        return noted(path)
    except OSError as exc:
        raise InputError(
            f"the erasures {path} cannot be read: {exc.strerror}",
            next_step="name the home that was in use last, or its erasures.log",
        ) from exc


def _noted_in(tar: tarfile.TarFile) -> dict[bytes, int]:
    with TemporaryDirectory() as name, suppress(KeyError):
        source = tar.extractfile(f"keys/{ERASURES}")
        assert source is not None  # `check` saw that it is a regular file
        path = Path(name) / ERASURES
        path.write_bytes(source.read())
        return noted(path)
    return {}


def check(tar: tarfile.TarFile, manifest: Manifest, archive: Path) -> None:
    """Compare every file with the manifest. Raises InputError that names the first that differs."""
    seen: set[str] = set()
    for info in tar:
        if info.name == MANIFEST:
            continue
        wanted = manifest.files.get(info.name)
        if wanted is None or info.name in seen or not info.isreg() or not _harmless(info.name):
            raise _damaged(archive, f"{info.name!r} does not belong in it")
        seen.add(info.name)
        if (info.size, _digest(tar, info)) != (wanted.bytes, wanted.sha256):
            raise _damaged(archive, f"{info.name!r} is not what was written")
    missing = sorted(set(manifest.files) - seen) or sorted({HOME_FILE} - seen)
    if missing:
        raise _damaged(archive, f"{missing[0]!r} is missing")


def _harmless(name: str) -> bool:
    """Say whether a name stays in the home, on every system, and is one of those that a home has."""
    path = PureWindowsPath(name)  # takes both kinds of slashes, drives and shares for what they are
    if path.anchor or ".." in path.parts or "\0" in name:
        return False
    return name == HOME_FILE or (len(path.parts) > 1 and path.parts[0] in FOLDERS)


@contextmanager
def _filling(folder: Path) -> Iterator[None]:
    """Leave the folder as it was if the restore fails."""
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield
    except BaseException as exc:
        for path in folder.iterdir() if folder.exists() else ():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        if not there and folder.exists():
            folder.rmdir()
        if isinstance(exc, OSError):
            raise HomeError(
                f"{folder} cannot be filled: {exc.strerror or exc}",
                next_step="name a folder with enough room that you can write to",
            ) from exc
        raise


def _unpack(
    tar: tarfile.TarFile,
    manifest: Manifest,
    folder: Path,
    journal: str | None,
    gone: Mapping[bytes, int],
    progress: Progress | None,
) -> Home:
    with TemporaryDirectory(prefix=".restore-", dir=folder) as name:
        staging = Path(name)
        _write(tar, tar.getmember(HOME_FILE), staging / HOME_FILE, manifest.files[HOME_FILE])
        old = open_home(staging, older=True)
        # Segments that were outside of the old home come inside: the old one's files are not ours to write.
        # So is a journal on SQLite: a backup does not say where on this machine files are written.
        usual = "sqlite:journal.db" if manifest.journal == "sqlite" else old.journal
        own = old.keys is None or old.keys.startswith("sqlite:")  # the key store too
        home = replace(
            old, folder=folder.absolute(), journal=journal or usual, keys=None if own else old.keys
        )
        refuse_password(home.journal)
        store = _database(home, manifest)
        for place in FOLDERS:
            if place not in _ASIDE:
                (folder / place).mkdir(mode=0o700)
        done, todo = 0, sum(member.bytes for member in manifest.files.values())
        for file, member in manifest.files.items():
            if file != HOME_FILE:
                base = staging if file.partition("/")[0] in _ASIDE else folder
                _write(tar, tar.getmember(file), base / file, member)
            done += member.bytes
            if progress is not None:
                progress(done, todo)
        store.load(staging / "journal", manifest.formats["state"])
        if KEYS in manifest.files:
            _load_keys(home, (staging / KEYS).read_bytes(), gone)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            flush_folder(path)
    write_home(home, manifest.formats)
    return home


def _load_keys(home: Home, text: bytes, gone: Mapping[bytes, int]) -> None:
    """Fill the key store, but for keys that were erased since: those never come back."""
    mark, kept = unpacked(text)
    keys = open_keys(home, os.environ, create=True, mark=mark)
    try:
        keys.put_back([replace(key, wrapped=b"") if key.id in gone else key for key in kept])
        keys.shred(list(gone))  # where the store was there already
    finally:
        keys.close()
    if gone:
        note(home.folder, gone)


def _database(home: Home, manifest: Manifest) -> Store:
    """Return the database to fill. Raises if it is of another kind, not empty, or of a newer format."""
    if manifest.formats.get("state", 0) > formats.STATE:
        raise NewerHome(
            f"this backup has the state format {manifest.formats['state']}, newer than {formats.STATE}",
            next_step="install a newer answerable",
        )
    store = store_of(home, os.environ)
    if store.kind != manifest.journal:
        raise UsageError(
            f"this backup is of a journal on {manifest.journal}, {store.name} is {store.kind}",
            next_step=f"name a place on {manifest.journal}",
        )
    if store.exists():
        raise HomeError(
            f"there is a journal at {store.name} already", next_step="name another place with --journal"
        )
    return store


def _write(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path, member: Member) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = tar.extractfile(info)
    assert source is not None  # `check` saw that it is a regular file
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o700 | 0o600), "wb") as file:
        shutil.copyfileobj(source, file, _BLOCK)
        file.flush()
        os.fsync(file.fileno())


def _digest(tar: tarfile.TarFile, info: tarfile.TarInfo) -> str:
    source = tar.extractfile(info)
    assert source is not None
    digest = hashlib.sha256()
    try:
        while block := source.read(_BLOCK):
            digest.update(block)
    except (OSError, tarfile.TarError):  # the archive ends in the middle
        return ""
    return digest.hexdigest()


def _damaged(archive: Path, what: str) -> InputError:
    return InputError(f"{archive} is damaged: {what}", next_step="use another backup; nothing was written")


def _verified(home: Home, manifest: Manifest) -> Restored:
    try:
        with Workspace(home.folder) as workspace:
            path = home.folder / ERASURES
            if path.exists():
                apply(workspace.journal, workspace.book.vault.keys, home.folder, noted(path))
            return Restored(home=home, manifest=manifest, report=workspace.ledger.verify())
    except AnswerableError as exc:  # no keys in the backup, say, or an older state: the home is there
        return Restored(home=home, manifest=manifest, report=None, note=f"{exc.what}; {exc.next_step}")
