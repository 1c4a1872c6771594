"""Copies a running home into one file.

    home.toml        as it is
    checkpoints/     kept signed heads
    journal/         one state of the database: journal.db, or a file a table
    segments/        what that state's catalog names
    blobs/           parts over 256 KiB
    keys/            the keys of persons and days, wrapped; what erasures destroyed
    policies/
    secrets/         the keys, unless they are left out
    manifest.json    format numbers, and the size and SHA-256 of every file; the last member

A backup holds the keys: whoever has it can read and sign as the home. It is mode 0600. The order is the
reason that it fits together while writers append: a checkpoint must not know more than the journal, and
whatever the journal names was written before it.

It is made in a folder `.answerable-backup-...` beside it, with a copy of the journal. A backup that was
killed leaves that behind, until the next one into the same place.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from answerable.errors import HomeError, InputError, UsageError
from answerable.governance.kek import OWN_KEK, shown_kek
from answerable.governance.keyring import open_keys
from answerable.governance.shredding import ERASURES
from answerable.home import HOME_FILE, Home, open_home
from answerable.ledger.catalog import FOLDER as SEGMENTS
from answerable.ledger.durable import flush_folder
from answerable.ledger.keys import shown
from answerable.ledger.turns import Turn
from answerable.ports import KeptKey
from answerable.upkeep.store import Copied, Store
from answerable.upkeep.stores import store_of

BACKUP = 1  # the number of this layout
MANIFEST = "manifest.json"
KEYS = "keys/data_keys.jsonl"
WITH_KEYS = 3  # the first state format whose homes have keys
STAGING, LOCK = ".answerable-backup-", "lock"
YOUNG = 10.0  # seconds that a backup has to take its lock

Progress = Callable[[int, int], None]  # bytes done, bytes to do (about)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One file of a backup. mode: its permissions. sha256: of its bytes, in hex."""

    bytes: int
    sha256: str
    mode: int = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a backup says about itself.

    home: id in hex. journal: "sqlite" or "postgresql". entries: the size of the log. root: its root in hex.
    keys: whether the keys are in it. left_out: what belongs to the home and is not in it, and why.
    """

    backup: int
    made: str
    by: str
    home: str
    origin: str
    journal: str
    entries: int
    root: str
    keys: bool
    formats: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    files: Mapping[str, Member] = field(default_factory=dict)


def backup(folder: Path, out: Path, *, keys: bool = True, progress: Progress | None = None) -> Path:
    """Write one consistent copy of the home in `folder` to a tar file; return its path.

    out: the file, or an existing folder in which it gets a name. keys: with `secrets/`; without them a
    restored home can be read and verified but not written until its keys are put back. progress: called
    with bytes done and about how many there are. The home may be in use meanwhile. Raises HomeError if it
    cannot be read whole, UsageError if there is a file at `out`.
    """
    home = open_home(folder, older=True)
    store = store_of(home, os.environ)
    if out.is_dir():
        out = out / f"answerable-{home.id.hex()[:8]}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
    if out.exists():
        raise UsageError(f"there is a file at {out} already", next_step="name another; no backup is replaced")
    try:
        with _staging(out.parent) as staging:
            partial = staging / "backup.tar"
            with partial.open("xb") as file:
                os.chmod(partial, 0o600)
                _Writer(home, store, file, staging, progress).write(keys=keys)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(out)
            flush_folder(out.parent)
    except OSError as exc:
        raise HomeError(
            f"the backup {out} cannot be written: {exc.strerror or exc}",
            next_step="name a place with enough room that you can write to",
        ) from exc
    return out


@contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """Give a folder in `place` that is gone afterwards; remove those that killed backups left there."""
    for path in place.glob(f"{STAGING}*"):
        with suppress(OSError):  # somebody else's, or one that is at work, which holds the lock
            if time.time() - path.stat().st_mtime >= YOUNG and not path.is_symlink():
                turn = Turn(path / LOCK, wait=0.0)
                with closing(turn), turn:
                    shutil.rmtree(path)
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=place) as name:
        turn = Turn(Path(name) / LOCK)
        with closing(turn), turn:
            yield Path(name)


def describe(archive: Path) -> Manifest:
    """Return the manifest of a backup. Raises InputError if the file is none."""
    with opened(archive) as tar:
        return read_manifest(tar, archive)


def opened(archive: Path) -> tarfile.TarFile:
    """Open a backup for reading. Raises InputError if it is no tar file."""
    try:
        return tarfile.open(archive, "r:")
    except (OSError, tarfile.TarError) as exc:
        raise InputError(
            f"{archive} is no backup: {exc}", next_step="name a file that `backup` wrote"
        ) from exc


def read_manifest(tar: tarfile.TarFile, archive: Path) -> Manifest:
    """Return the manifest of an opened backup. Raises InputError if it is missing, damaged or newer."""
    step = "name a whole file that `backup` wrote"
    try:
        file = tar.extractfile(MANIFEST)
        data = json.loads(file.read()) if file is not None else {}
        if int(data["backup"]) > BACKUP:
            raise InputError(
                f"{archive} has the backup format {data['backup']}, this version knows {BACKUP}",
                next_step="install a newer answerable",
            )
        files = {str(name): Member(**member) for name, member in data.pop("files").items()}
        return Manifest(**{**data, "left_out": tuple(data["left_out"]), "files": files})
    except (KeyError, ValueError, TypeError, AttributeError, OSError, tarfile.TarError) as exc:
        raise InputError(f"{archive} has no sound {MANIFEST}: {exc!r}", next_step=step) from exc


class _Writer:
    """Writes one backup into `file`, by way of the folder `staging`."""

    def __init__(self, home: Home, store: Store, file: Any, staging: Path, progress: Progress | None) -> None:
        self._home, self._store, self._staging, self._progress = home, store, staging, progress
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self._files: dict[str, Member] = {}
        self._done = self._todo = 0

    def write(self, *, keys: bool) -> None:
        """Write every file in the order that keeps them consistent, then the manifest."""
        home = self._home.folder
        toml = (home / HOME_FILE).read_bytes()
        self._text(HOME_FILE, toml)
        for path in _files(home / "checkpoints"):
            self._text(_inside(home, path), path.read_bytes())
        copy = self._staging / "journal"
        copy.mkdir(mode=0o700)
        taken = self._store.copy(copy)
        segments = home / SEGMENTS
        named = [segments / path for path in taken.segments]
        blobs = list(_files(home / "blobs"))
        self._todo = self._done + _total([*copy.iterdir(), *named, *blobs])
        for path in sorted(copy.iterdir()):
            self._file(f"journal/{path.name}", path)
            path.unlink()  # the room is better used for the archive
        for path, name in zip(named, taken.segments, strict=True):
            self._file(f"segments/{name}", path)
        for path in (*blobs, *_files(home / "policies")):
            self._file(_inside(home, path), path)
        # After the journal, so that no entry of it misses its key; its erasures last, so that none is missed.
        if taken.state_format >= WITH_KEYS:
            self._text(KEYS, packed(self._home))
            if (home / ERASURES).exists():
                self._text(f"keys/{ERASURES}", (home / ERASURES).read_bytes())
        left_out = list(self._secrets(keys))
        data = tomllib.loads(toml.decode())
        self._manifest(taken, data["formats"], keys=keys, left_out=left_out)
        self._tar.close()

    def _secrets(self, keys: bool) -> Iterator[str]:
        home = self._home
        if keys:
            for path in _files(home.folder / "secrets"):
                self._file(_inside(home.folder, path), path)
        else:
            yield "secrets/: left out as asked; keep it elsewhere"
        where = home.signing_key
        kept = where.startswith("file:") and (home.folder / where[5:]).parent == home.folder / "secrets"
        if not kept:
            yield f"the signing key: it is not in secrets/, but at {shown(where)}"
        if home.kek != OWN_KEK:
            yield f"the key-encryption key: it is not in secrets/, but at {shown_kek(home.kek)}"

    def _manifest(
        self, taken: Copied, formats: Mapping[str, int], *, keys: bool, left_out: list[str]
    ) -> None:
        manifest = Manifest(
            backup=BACKUP,
            made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            by=f"answerable {version('answerable')}",
            home=self._home.id.hex(),
            origin=self._home.origin,
            journal=self._store.kind,
            entries=taken.size,
            root=taken.root.hex(),
            keys=keys,
            formats={**formats, "state": taken.state_format},
            left_out=tuple(left_out),
            files=self._files,
        )
        self._text(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())

    def _text(self, name: str, body: bytes) -> None:
        self._add(name, io.BytesIO(body), len(body), 0o600)

    def _file(self, name: str, path: Path) -> None:
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                self._add(name, file, found.st_size, found.st_mode & 0o700)
        except FileNotFoundError as exc:
            raise HomeError(
                f"{path} is missing, so this home cannot be backed up whole",
                next_step="run `answerable ledger verify`, then put the file back from an older backup",
            ) from exc

    def _add(self, name: str, file: Any, size: int, mode: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, mode, int(time.time())
        hashing = _Hashing(file, self._tell)
        self._tar.addfile(info, hashing)  # raises OSError if there is less to read than it said
        self._files[name] = Member(bytes=size, sha256=hashing.digest.hexdigest(), mode=mode)

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._done, self._todo))


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: Any, tell: Callable[[int], None]) -> None:
        self._file, self._tell, self.digest = file, tell, hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        """Read at most `count` bytes."""
        block: bytes = self._file.read(count)
        self.digest.update(block)
        self._tell(len(block))
        return block


def packed(home: Home) -> bytes:
    """Return every key of a home as it is kept, a line of JSON each, after one of the key that wraps them.

    Raises HomeError if the key store cannot be read.
    """
    keys = open_keys(home, os.environ)
    try:
        lines = [json.dumps([half.hex() for half in keys.kek_mark()])]
        lines += [json.dumps([k.id.hex(), k.wrapped.hex(), k.made, k.retention, k.day]) for k in keys.kept()]
    finally:
        keys.close()
    return "".join(f"{line}\n" for line in lines).encode()


def unpacked(text: bytes) -> tuple[tuple[bytes, bytes], list[KeptKey]]:
    """Return what `packed` wrote: the mark of the key-encryption key, and the keys."""
    first, *lines = text.splitlines()
    check, sealed = (bytes.fromhex(half) for half in json.loads(first))
    found = []
    for key_id, wrapped, made, retention, day in map(json.loads, lines):
        found.append(KeptKey(bytes.fromhex(key_id), bytes.fromhex(wrapped), made, retention, day))
    return (check, sealed), found


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files under `folder` in order, without those that are still being written."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".partial":
            yield path


def _inside(home: Path, path: Path) -> str:
    return path.relative_to(home).as_posix()


def _total(paths: Iterable[Path]) -> int:
    size = 0
    for path in paths:
        with suppress(OSError):  # a missing one is reported when its turn comes
            size += path.stat().st_size
    return size
