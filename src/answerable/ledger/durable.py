"""Files that are there whole or not at all: written beside their place, flushed, renamed, flushed again."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def temporary(path: Path) -> Path:
    """Return a name beside `path` that no other process uses; make its folder if there is none."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        flush_folder(path.parent.parent)
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")


def publish(file: BinaryIO, path: Path) -> None:
    """Make the open, fully written `file` (named by `temporary`) durable under the name `path`; closes it."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    os.replace(file.name, path)
    flush_folder(path.parent)


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`; a crash leaves the old file or the new one, never a part. Raises OSError."""
    name = temporary(path)
    try:
        with name.open("xb") as file:
            file.write(data)
            publish(file, path)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the system lets one open a folder."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
