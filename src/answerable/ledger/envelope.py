"""Part envelope v1: how one part of an entry is wrapped, so that it can be hidden and still proved.

    codec(1) | salt(16) | key_id(16) | commitment(32) | nonce | body

codec 0 clear: key_id and commitment are zero, no nonce. codec 1 aes256gcm-hkdf: zstd, then encrypted under
the key `key_id`, nonce of 12 bytes. codec 2 dropped and codec 3 elsewhere (in the blob store): salt, key_id
and commitment are zero, no nonce, and the body is the digest of the envelope that stood here.

Digest = SHA-256("answerable/part/v1" 0x00 | name length (1 byte) | name | envelope). A part is never
re-encoded, only dropped or moved.
"""

import hashlib

from answerable.errors import TamperFound

CLEAR, AES256GCM_HKDF, DROPPED, ELSEWHERE = 0, 1, 2, 3
PREFIX = 1 + 16 + 16 + 32
_DOMAIN = b"answerable/part/v1\0"
_NO_KEY = bytes(16 + 32)
_STAND_IN = bytes(16 + 16 + 32)
_seeds: dict[str, "hashlib._Hash"] = {}


def seal_clear(body: bytes, salt: bytes) -> bytes:
    """Return `body` in a clear envelope; salt: 16 random bytes, so that equal bodies have unequal digests."""
    return b"\0" + salt + _NO_KEY + body


def open_clear(envelope: bytes) -> bytes | None:
    """Return the body of a clear envelope; None if it is encrypted, dropped or elsewhere."""
    return envelope[PREFIX:] if envelope[0] == CLEAR else None


def key_id_of(envelope: bytes) -> bytes | None:
    """Return the id (16 bytes) of the key that an envelope was sealed with; None if it is not encrypted."""
    return envelope[17:33] if envelope[0] == AES256GCM_HKDF else None


def stand_in(codec: int, digest: bytes) -> bytes:
    """Return what stands for a part that was DROPPED or is ELSEWHERE: its digest (32 bytes)."""
    return bytes([codec]) + _STAND_IN + digest


def part_digest(name: str, envelope: bytes) -> bytes:
    """Return the 32-byte digest that the leaf commits to. A stand-in carries it as its body.

    Raises TamperFound if the bytes cannot be an envelope.
    """
    if len(envelope) < PREFIX or envelope[0] > ELSEWHERE:
        raise TamperFound(f"the part {name!r} is no envelope", next_step="restore this entry from a backup")
    if envelope[0] >= DROPPED:
        if len(envelope) != PREFIX + 32 or envelope[1:PREFIX] != _STAND_IN:
            raise TamperFound(
                f"the part {name!r} is no stand-in", next_step="restore this entry from a backup"
            )
        return envelope[PREFIX:]
    seed = _seeds.get(name)
    if seed is None:
        raw = name.encode()
        seed = _seeds[name] = hashlib.sha256(_DOMAIN + bytes([len(raw)]) + raw)
    digest = seed.copy()
    digest.update(envelope)
    return digest.digest()
