"""Leaf v1: the bytes of an entry that the Merkle tree commits to.

    "answerable/leaf/v1" 0x00, then each field of HEADER in order: 0x00 for none, or 0x01 and
        id: 16 bytes   digest: 32 bytes
        int: 8 bytes, signed, big-endian   float: IEEE 754 double, big-endian
        text: length (4 bytes, big-endian) and UTF-8
    then the number of parts (1 byte) and for each, sorted by name: name length (1 byte), name, digest.

The tree's leaf hash is SHA-256(0x00 | these bytes). `tests/ledger/vectors` pins the format.
"""

import struct
from collections.abc import Mapping
from typing import Any

from answerable.errors import TamperFound
from answerable.ledger.entry import HEADER, Entry
from answerable.ledger.envelope import part_digest
from answerable.ledger.tlog import leaf_hash

MAGIC = b"answerable/leaf/v1\0"
_SIZE = {"id": 16, "digest": 32}
_int = struct.Struct(">Bq").pack
_float = struct.Struct(">Bd").pack
_text = struct.Struct(">BI").pack


def leaf_data(header: Mapping[str, Any], digests: Mapping[str, bytes]) -> bytes:
    """Return the leaf's bytes for a header (every name of HEADER) and part digests (32 bytes each).

    Raises TamperFound if a value has not the type of its column.
    """
    out = [MAGIC]
    add = out.append
    try:
        for name, kind in HEADER:
            value = header[name]
            if value is None:
                add(b"\0")
            elif kind == "text":
                raw = value.encode()
                add(_text(1, len(raw)))
                add(raw)
            elif kind == "int":
                add(_int(1, value))
            elif kind == "float":
                add(_float(1, value))
            else:
                if len(value) != _SIZE[kind]:
                    raise ValueError(f"{name} has {len(value)} bytes")
                add(b"\1")
                add(value)
        add(bytes([len(digests)]))
        for name in sorted(digests):
            if len(digests[name]) != _SIZE["digest"]:
                raise ValueError(f"the digest of {name} has {len(digests[name])} bytes")
            add(bytes([len(name)]))
            add(name.encode())
            add(digests[name])
        return b"".join(out)
    except (KeyError, ValueError, TypeError, AttributeError, struct.error) as exc:
        raise TamperFound(f"a header cannot be hashed: {exc}", next_step="restore it from a backup") from exc


def make_entry(header: Mapping[str, Any], parts: Mapping[str, bytes]) -> Entry:
    """Return the entry for a header and its part envelopes, hashed once and for all."""
    digests = {name: part_digest(name, envelope) for name, envelope in parts.items()}
    return Entry(header=header, parts=parts, digests=digests, leaf=leaf_hash(leaf_data(header, digests)))


def parse_leaf(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header and part digests in a leaf's bytes. Raises TamperFound if they are no leaf v1."""
    try:
        if not data.startswith(MAGIC):
            raise ValueError("it does not start as leaf v1")
        at = len(MAGIC)
        header: dict[str, Any] = {}
        for name, kind in HEADER:
            at += 1
            if data[at - 1] == 0:
                header[name] = None
                continue
            size = _SIZE.get(kind, 8)
            if kind == "text":
                size = int.from_bytes(data[at : at + 4])
                at += 4
            header[name], at = _value(kind, data[at : at + size]), at + size
        digests = {}
        for _ in range(data[at]):
            length = data[at + 1]
            name = data[at + 2 : at + 2 + length].decode()
            digests[name] = data[at + 2 + length : at + 34 + length]
            at += 33 + length
        if leaf_data(header, digests) != data:  # one entry has one spelling
            raise ValueError("it is not written as leaf v1 writes it")
        return header, digests
    except (ValueError, IndexError, struct.error) as exc:
        raise TamperFound(f"this is no leaf: {exc}", next_step="export the proof again") from exc


def _value(kind: str, raw: bytes) -> Any:
    if kind == "text":
        return raw.decode()
    if kind == "int":
        return struct.unpack(">q", raw)[0]
    if kind == "float":
        return struct.unpack(">d", raw)[0]
    return raw
