"""Parts too large for a row: each envelope is a file named by its digest, written once and never changed."""

from pathlib import Path

from answerable.errors import TamperFound
from answerable.ledger import durable
from answerable.ledger.envelope import PREFIX, key_id_of, part_digest

FOLDER = "blobs"  # in the home


class Blobs:
    """The blob store under `folder`: blobs/ab/<digest in hex>."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, digest: bytes, envelope: bytes) -> None:
        """Make `envelope` durable under its part digest (32 bytes). Again is harmless. Raises OSError."""
        path = self._path(digest)
        try:
            if path.read_bytes() == envelope:
                return
        except FileNotFoundError:
            pass
        durable.write(path, envelope)

    def get(self, name: str, digest: bytes) -> bytes:
        """Return the envelope of the part `name` with this digest.

        Raises TamperFound if it is missing, cannot be read or has another digest.
        """
        path = self._path(digest)
        try:
            envelope = path.read_bytes()
        except OSError as exc:
            why = "is missing" if isinstance(exc, FileNotFoundError) else f"cannot be read: {exc}"
            raise TamperFound(
                f"the blob {digest.hex()} of the part {name!r} {why}",
                next_step="restore blobs/ from a backup",
            ) from exc
        # A stand-in carries any digest as its body, so it is never what belongs here.
        if envelope[:1] not in (b"\0", b"\1") or part_digest(name, envelope) != digest:
            raise TamperFound(
                f"the blob {digest.hex()} of the part {name!r} was changed",
                next_step="restore this file from a backup",
            )
        return envelope

    def key_of(self, digest: bytes) -> bytes | None:
        """Return the id of the key under which a blob is sealed; None if it is clear or not there."""
        try:
            with self._path(digest).open("rb") as file:
                prefix = file.read(PREFIX)
        except OSError:
            return None
        return key_id_of(prefix) if len(prefix) == PREFIX else None

    def remove(self, digest: bytes) -> int:
        """Delete a blob, if it is there; return how many bytes it had."""
        path = self._path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name
