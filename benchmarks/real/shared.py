"""Where the real data sets are, and where what was learned from them is kept."""

import csv
import gzip
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import answerable as ans

SHARED_VARIABLE = "ANSWERABLE_SHARED"
CACHE_VARIABLE = "ANSWERABLE_BENCH_CACHE"
CHECKOUT = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Return the folder of the data sets: `data` in ANSWERABLE_SHARED, or in `shared` beside the checkout."""
    return Path(os.environ.get(SHARED_VARIABLE) or CHECKOUT.parent / "shared") / "data"


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a gzipped CSV under the data folder. Raises UsageError if it is not there."""
    try:
        with gzip.open(data_folder() / name, "rt", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise ans.UsageError(
            f"there is no {name} in {data_folder()}",
            next_step=f"name the folder that holds `data` in {SHARED_VARIABLE}",
        ) from None


def learned(name: str, learn: Callable[[], Any]) -> Any:
    """Return what `learn` gives, from the cache where an earlier run left it for the same code and data.

    name: of the cached file; it says everything the result depends on.
    """
    path = cache_folder() / f"{name}.pickle"
    try:
        return _read(path)
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError):
        pass
    made = learn()
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        pickle.dump(made, file, protocol=5)
    partial.replace(path)
    return _read(
        path
    )  # not `made`: a model's digest is that of its bytes, and they differ until it was read back


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def cache_folder() -> Path:
    """Return the folder for trained models, outside of the checkout and this user's own.

    A pickle runs code when it is read, so nobody else may be able to write there.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        Path(named).mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(named)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"answerable-bench-{user}"
    folder.mkdir(exist_ok=True, mode=0o700)
    owner = folder.stat()
    if hasattr(os, "getuid") and (owner.st_uid != os.getuid() or owner.st_mode & 0o022):
        raise ans.UsageError(
            f"the cache folder {folder} could be changed by others",
            next_step=f"name another one in {CACHE_VARIABLE}",
        )
    return folder


def fingerprint(*files: Path, more: str = "") -> str:
    """Return 12 hex digits that change with the contents of `files` and with `more`."""
    digest = hashlib.sha256(more.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
