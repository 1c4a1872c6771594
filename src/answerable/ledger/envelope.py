"""Part envelope v1: how one part of an entry is wrapped, so that it can be hidden and still proved.

    codec(1) | salt(16) | key_id(16) | commitment(32) | nonce | body

codec 0 clear: key_id and commitment are zero, no nonce. codec 1 aes256gcm-hkdf: zstd, then
AES-256-GCM with a nonce of 12 bytes and everything before it as additional data. Key and commitment are the
first and second 32 bytes of HKDF-Expand(SHA-256, data key, "answerable/envelope/v1" 0x00 | salt): an envelope
opens with one data key only, because no other has its commitment (AES-GCM alone would let two keys open it).
codec 2 dropped and codec 3 elsewhere (in the blob store): salt, key_id and commitment are zero, no nonce, and
the body is the digest of the envelope that stood here.

Digest = SHA-256("answerable/part/v1" 0x00 | name length (1 byte) | name | envelope). A part is never
re-encoded, only dropped or moved.
"""

import hashlib
import hmac
import threading
from functools import cache
from typing import Any

from answerable.errors import TamperFound

CLEAR, AES256GCM_HKDF, DROPPED, ELSEWHERE = 0, 1, 2, 3
PREFIX = 1 + 16 + 16 + 32
_DOMAIN = b"answerable/part/v1\0"
_NO_KEY = bytes(16 + 32)
_STAND_IN = bytes(16 + 16 + 32)
_seeds: dict[str, "hashlib._Hash"] = {}
NONCE = 12
MOST_BYTES = 16 * 1024 * 1024  # of an opened part
_INFO = b"answerable/envelope/v1\0"
_LEVEL = -1  # of zstd: half the time of level 1 for a tenth more bytes
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class Keyed:
    """HMAC-SHA-256 under one key by its definition (RFC 2104), the key's two blocks hashed once.

    A quarter of the time of hmac.digest, which looks the algorithm up each time. key: at most 64 bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def __call__(self, data: bytes) -> bytes:
        """Return the code of `data`, 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class PartKey:
    """Seals and opens the parts of one entry. key_id: 16 bytes. secret: its data key, 32 random bytes."""

    __slots__ = ("_expand", "_last", "id")

    def __init__(self, key_id: bytes, secret: bytes) -> None:
        self.id, self._expand = key_id, Keyed(secret)
        self._last: tuple[bytes, Any, bytes] = (b"", None, b"")  # salt, cipher, prefix

    def seal(self, body: bytes, salt: bytes, nonce: bytes) -> bytes:
        """Return `body` in an encrypted envelope; salt, nonce: 16 and 12 random bytes.

        The parts of one entry may share a salt, never a nonce: what it gives is then derived once.
        """
        last = self._last
        if last[0] != salt:
            key, commitment = self._derived(salt)
            last = self._last = (salt, _aes()(key), b"".join((b"\1", salt, self.id, commitment)))
        _, cipher, prefix = last
        return b"".join((prefix, nonce, cipher.encrypt(nonce, _zstd().compress(body), prefix)))

    def open(self, envelope: bytes) -> bytes:
        """Return the body of an encrypted envelope.

        Raises TamperFound if it was sealed with another key or changed, or is larger than any part may be.
        """
        salt, commitment = envelope[1:17], envelope[33:PREFIX]
        key, ours = self._derived(salt)
        if not hmac.compare_digest(ours, commitment):
            raise TamperFound(
                "a part was not sealed with the key that it names",
                next_step="run `answerable ledger verify`; restore the keys of this home from its backup",
            )
        try:
            nonce, body = envelope[PREFIX : PREFIX + NONCE], envelope[PREFIX + NONCE :]
            return _unpacked(_aes()(key).decrypt(nonce, body, envelope[:PREFIX]))
        except Exception as exc:  # of two libraries: what it says may quote the content
            raise TamperFound(
                f"an encrypted part cannot be opened: {type(exc).__name__}",
                next_step="run `answerable ledger verify`; restore this entry from a backup",
            ) from None

    def _derived(self, salt: bytes) -> tuple[bytes, bytes]:
        info = _INFO + salt
        first = self._expand(info + b"\1")
        return first, self._expand(b"".join((first, info, b"\2")))


def key_id_of(envelope: bytes) -> bytes | None:
    """Return the id (16 bytes) of the key that an envelope was sealed with; None if it is not encrypted."""
    return envelope[17:33] if envelope[0] == AES256GCM_HKDF else None


def combined(one: Keyed, other: bytes) -> bytes:
    """Return the data key (32 bytes) that needs both of two secrets of 32 bytes.

    HKDF-Extract (RFC 5869) with `one` as its salt, which stands keyed: it serves many.
    """
    return one(b"answerable/data-key/v1\0" + other)


_local = threading.local()  # a compressor is no thing for two threads


def _zstd() -> Any:
    try:
        return _local.compressor
    except AttributeError:
        from zstandard import ZstdCompressor

        _local.compressor = ZstdCompressor(level=_LEVEL)
        return _local.compressor


def _unpacked(packed: bytes) -> bytes:
    from zstandard import ZstdDecompressor, frame_content_size

    if not 0 <= frame_content_size(packed) <= MOST_BYTES:
        raise ValueError("too large")
    body: bytes = ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES)
    return body


@cache
def _aes() -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM


def seal_clear(body: bytes, salt: bytes) -> bytes:
    """Return `body` in a clear envelope; salt: 16 random bytes, so that equal bodies have unequal digests."""
    return b"\0" + salt + _NO_KEY + body


def open_clear(envelope: bytes) -> bytes | None:
    """Return the body of a clear envelope; None if it is encrypted, dropped or elsewhere."""
    return envelope[PREFIX:] if envelope[0] == CLEAR else None


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
