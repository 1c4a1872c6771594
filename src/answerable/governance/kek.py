"""The key-encryption key: from a file, the environment or a KMS; it wraps every data key of a home."""

import os
import secrets
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from answerable.errors import HomeError, UsageError, did_you_mean
from answerable.ledger.envelope import NONCE, Keyed
from answerable.ledger.keys import write_secret
from answerable.ports import Kek, Kms

ENV, FILE, KMS = "env:", "file:", "kms:"
OWN_KEK = "file:secrets/kek.key"  # made with the home
_BYTES = 32


class LocalKek:
    """Wraps with AES-256-GCM. home: its id. secret: 32 bytes. sealed: as the KMS keeps it, else empty."""

    def __init__(self, home: bytes, secret: bytes, *, sealed: bytes = b"") -> None:
        self._home, self._cipher, self.sealed = home, _aes()(secret), sealed
        self.check = Keyed(secret)(b"answerable/kek-check/v1\0" + home)[:16]

    def wrap(self, key_id: bytes, secret: bytes) -> bytes:
        """Return a data key encrypted and bound to its id and this home."""
        nonce = os.urandom(NONCE)
        return nonce + bytes(self._cipher.encrypt(nonce, secret, self._home + key_id))

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """Return the data key. Raises HomeError if it was wrapped with another key or for another id."""
        try:
            return bytes(self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], self._home + key_id))
        except Exception as exc:  # InvalidTag, or too short: it says nothing more
            raise HomeError(
                f"the data key {key_id.hex()} cannot be unwrapped: {type(exc).__name__}",
                next_step="restore the keys of this home from its backup",
            ) from None


def load_kek(where: str, folder: Path, env: Mapping[str, str], *, home: bytes, sealed: bytes = b"") -> Kek:
    """Return the key-encryption key of a home.

    where: "file:PATH" (relative to `folder`) or "env:NAME", which hold 64 hexadecimal digits, or
    "kms:NAME:KEY" of a plug-in. home: its id. sealed: what the key store holds for a KMS; empty: a fresh key
    is made and wrapped. Raises HomeError if it is missing or damaged, UsageError for another kind of place.
    """
    if where.startswith(KMS):
        return _from_kms(where, home, sealed)
    try:
        text = _read(where, folder, env)
        secret = bytes.fromhex(text.strip())
    except (OSError, KeyError, ValueError) as exc:
        told = "is missing" if isinstance(exc, FileNotFoundError | KeyError) else "cannot be read"
        raise HomeError(
            f"the key-encryption key {shown_kek(where)} {told}, so no case can be opened or recorded",
            next_step="put it back, or name its place in home.toml as kek",
        ) from exc
    if len(secret) != _BYTES:
        raise HomeError(
            f"the key-encryption key {shown_kek(where)} has {len(secret)} bytes",
            next_step=f"give {_BYTES} bytes as {2 * _BYTES} hexadecimal digits",
        )
    return LocalKek(home, secret)


def make_kek(path: Path) -> None:
    """Write a fresh key-encryption key, mode 0600; an existing file is never replaced."""
    write_secret(path, secrets.token_hex(_BYTES).encode())


def shown_kek(where: str) -> str:
    """Return where the key is, for people; not what may be the key itself."""
    named = where.startswith((ENV, FILE, KMS)) and where.isprintable()
    return where if named else "(not shown, it may be the key)"


def _read(where: str, folder: Path, env: Mapping[str, str]) -> str:
    if where.startswith(ENV):
        return env[where.removeprefix(ENV)]
    if where.startswith(FILE):
        return (folder / where.removeprefix(FILE)).read_text(encoding="ascii")
    raise UsageError(
        "kek says neither file: nor env: nor kms:",
        next_step='name the place of the key: "file:PATH", "env:NAME" or "kms:NAME:KEY"',
    )


def _from_kms(where: str, home: bytes, sealed: bytes) -> Kek:
    name, _, key = where.removeprefix(KMS).partition(":")
    doors = {door.name: door for door in entry_points(group="answerable.kms")}
    if name not in doors:
        raise HomeError(f"no KMS is known as {name!r}", next_step=did_you_mean(name, doors))
    try:
        kms: Kms = doors[name].load()(key)
        secret = kms.unwrap(sealed) if sealed else os.urandom(_BYTES)
        wrapped = sealed or kms.wrap(secret)
    except Exception as exc:  # the boundary: what a plug-in says may hold a secret
        raise HomeError(
            f"the KMS {name!r} gave no key: {type(exc).__name__}",
            next_step="check that it can be reached and that this process may use the key",
        ) from exc
    return LocalKek(home, secret, sealed=wrapped)


@cache
def _aes() -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM
