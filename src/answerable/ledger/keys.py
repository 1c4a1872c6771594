"""The log's signing key and the home's look-up key: made on first use, readable by their owner only."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from answerable.errors import HomeError, UsageError
from answerable.ledger.envelope import Keyed
from answerable.ledger.note import VerifierKey, signed_note

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ENV, FILE = "env:", "file:"


class FileSigner:
    """Signs with an Ed25519 key. name: the log's origin."""

    def __init__(self, name: str, key: "Ed25519PrivateKey") -> None:
        self.name, self._sign = name, key.sign
        self.verifier = VerifierKey.of(name, key)  # the public half, for everybody who verifies

    def sign(self, text: str) -> str:
        """Return `text` as a signed note."""
        return signed_note(text, self.verifier, self._sign)


def load_signer(origin: str, where: str, folder: Path, env: Mapping[str, str]) -> FileSigner:
    """Return the signer whose key is at `where`.

    where: "file:PATH" (relative to `folder`) or "env:NAME"; both hold a PEM (PKCS 8) Ed25519 key.
    Raises HomeError if it is missing or of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    step = "put the home's own signing key back, or name yours in home.toml as signing_key"
    try:
        pem = _read(where, folder, env)
        key = load_pem_private_key(pem, password=None)
    except (OSError, KeyError, ValueError, TypeError) as exc:
        told = "is missing" if isinstance(exc, FileNotFoundError | KeyError) else "cannot be read"
        raise HomeError(f"the signing key {shown(where)} {told}", next_step=step) from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise HomeError(f"the signing key {shown(where)} is not Ed25519", next_step=step)
    return FileSigner(origin, key)


class Withheld:
    """Stands where a key is not at hand, as in a backup without keys: reading goes on, use says why not."""

    def __init__(self, name: str, why: HomeError) -> None:
        self.name, self._why = name, why

    def sign(self, text: str) -> str:
        """Raise the error that the key's absence caused."""
        raise HomeError(self._why.what, next_step=self._why.next_step)

    def digest(self, purpose: str, *texts: bytes) -> bytes:
        """Raise the error that the key's absence caused."""
        raise HomeError(self._why.what, next_step=self._why.next_step)


def absent(error: HomeError) -> bool:
    """Say whether a key could not be loaded because it is not there, rather than damaged."""
    return isinstance(error.__cause__, FileNotFoundError | KeyError)


def make_signing_key(path: Path) -> None:
    """Write a fresh Ed25519 key to `path`, mode 0600; an existing file is never replaced."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_secret(path: Path, body: bytes) -> None:
    """Write `body` to a new file of mode 0600."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _read(where: str, folder: Path, env: Mapping[str, str]) -> bytes:
    if where.startswith(ENV):
        return env[where.removeprefix(ENV)].encode()
    if where.startswith(FILE):
        return (folder / where.removeprefix(FILE)).read_bytes()
    raise UsageError(
        "signing_key says neither file: nor env:",  # it may be the key itself, which nobody must see
        next_step='name the place of the key: "file:PATH" or "env:NAME"',
    )


def shown(where: str) -> str:
    """Return where a key is, for people; not what may be the key itself."""
    named = where.startswith((ENV, FILE)) and where.isprintable() and "-----" not in where
    return where if named else "(not shown, it may be the key)"


class Lookup:
    """Keyed digests for finding what must not stand in the log in clear: keys and inputs.

    Without the key nobody can test a guessed ticket number against the log.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = Keyed(key)

    @classmethod
    def load(cls, path: Path) -> "Lookup":
        """Read the home's look-up key. Raises HomeError if it is missing or damaged."""
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as exc:
            raise HomeError(
                f"the look-up key {path} is missing or damaged",
                next_step="restore it from a backup",
            ) from exc
        return cls(key)

    @staticmethod
    def make(path: Path) -> None:
        """Write a fresh look-up key."""
        write_secret(path, secrets.token_hex(32).encode())

    def digest(self, purpose: str, *texts: bytes) -> bytes:
        """Return the HMAC-SHA-256 (32 bytes) of `texts` for one purpose."""
        return self._keyed(b"".join((purpose.encode(), b"\0", *(len(t).to_bytes(8) + t for t in texts))))
