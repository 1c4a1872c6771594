"""Check a .tlog-proof file of an answerable ledger offline; it needs `cryptography` and not answerable.

    python verify_proof.py FILE.tlog-proof --key VKEY [--part NAME=FILE ...]

--key is the log's verifier key, got from somebody you trust and not from the log. --part compares a part's
envelope, as stored, with the digest that the log committed to. Exit status 0 if all of it holds, else 1.
Formats: c2sp.org tlog-proof@v1, signed-note, tlog-checkpoint; RFC 9162 section 2.1.3.2.
"""

import argparse
import base64
import hashlib
import struct
import sys
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The fields of leaf v1 in their order. i: 16-byte id, d: 32-byte digest, n: integer, f: float, t: text.
HEADER = (
    "id:i at:n kind:t case_id:i parent:i thread:t decision:t version:t definition:d status:t label:t "
    "confidence:f made_by:t degraded:t fault:t principal:t purpose:t policy:d stage:t key_digest:d "
    "retention:t latency_us:n cost:n currency:t tokens_in:n tokens_out:n model:t items:n"
)
SIZE = {"i": 16, "d": 32, "n": 8, "f": 8}
READ = {
    "i": lambda raw: UUID(bytes=raw),
    "d": bytes.hex,
    "n": lambda raw: struct.unpack(">q", raw)[0],
    "f": lambda raw: struct.unpack(">d", raw)[0],
    "t": bytes.decode,
}


def need(holds, why):  # not `assert`, which `python -O` leaves out
    if not holds:
        raise ValueError(why)


def sha(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def plain(text):  # base64 has one spelling here, or a changed character could go unseen
    value = base64.b64decode(text, validate=True)
    need(base64.b64encode(value).decode() == text, f"{text[:20]} is not base64")
    return value


def number(text):
    need(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text[:20]} is not a number")
    return int(text)


def signed_by(note, vkey):
    """Return the size and root of a checkpoint note that the owner of `vkey` signed."""
    name, key_id, key = vkey.split("+", 2)
    need(plain(key)[0] == 1, "the key is not an Ed25519 key of a log")
    body, _, signatures = note.rpartition("\n\n")
    need(note.endswith("\n") and signatures.strip("\n"), "the checkpoint is cut off")
    found = 0
    for line in signatures[:-1].split("\n"):
        dash, signer, value = line.split(" ")
        need(dash == "\u2014" and len(plain(value)) > 4, "a signature line is damaged")
        if signer == name and plain(value)[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(plain(key)[1:]).verify(
                plain(value)[4:], (body + "\n").encode()
            )
            found += 1
    origin, size, root = (body + "\n").split("\n")[:3]
    need(found and origin == name, "the checkpoint is not signed by this key")
    return number(size), plain(root)


def climbs_to_root(leaf, index, size, path, root):
    at, last, node = index, size - 1, leaf
    for sibling in path:
        need(last, "the proof is too long")
        if at & 1 or at == last:
            node = sha(b"\1", sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha(b"\1", node, sibling)
        at, last = at >> 1, last >> 1
    return index < size and last == 0 and node == root


def read_leaf(data):
    """Return the header fields and the part digests of leaf v1."""
    magic = b"answerable/leaf/v1\0"
    need(data.startswith(magic), "this is no leaf v1")
    at, fields, parts = len(magic), {}, {}
    for name, kind in (field.split(":") for field in HEADER.split()):
        at += 1
        if data[at - 1]:
            if kind == "t":
                size, at = int.from_bytes(data[at : at + 4], "big"), at + 4
            else:
                size = SIZE[kind]
            fields[name], at = READ[kind](data[at : at + size]), at + size
    for _ in range(data[at]):
        end = at + 2 + data[at + 1]
        parts[data[at + 2 : end].decode()], at = data[end : end + 32], end + 31
    need(at + 1 == len(data), "bytes are left over")
    return fields, parts


def check(text, vkey):
    """Return the header, the part digests and the place of the entry that a proof shows."""
    head, _, note = text.partition("\n\n")
    first, extra, index, *path = head.split("\n")
    need(
        first == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and index[:6] == "index ",
        "this is no proof",
    )
    size, root = signed_by(note, vkey)
    data, place = plain(extra[6:]), number(index[6:])
    leaf = sha(b"\0", data)
    need(climbs_to_root(leaf, place, size, [plain(p) for p in path], root), "the entry is not in the log")
    return *read_leaf(data), place, size


def main():
    parser = argparse.ArgumentParser(description="Check a .tlog-proof file offline.")
    parser.add_argument("file")
    parser.add_argument("--key", required=True, help="the log's verifier key: name+id+base64")
    parser.add_argument("--part", action="append", default=[], metavar="NAME=FILE")
    wanted = parser.parse_args()
    try:
        with open(wanted.file, "rb") as file:
            fields, parts, index, size = check(file.read().decode(), wanted.key)
        for name, _, path in (part.partition("=") for part in wanted.part):
            with open(path, "rb") as file:
                envelope = file.read()
            domain = b"answerable/part/v1\0" + bytes([len(name)]) + name.encode()
            need(parts.get(name) == sha(domain, envelope), f"the part {name} is not the one in the log")
    except (InvalidSignature, ValueError, IndexError, OSError, struct.error) as exc:
        print(f"NOT PROVED: {str(exc) or 'the signature is wrong'}", file=sys.stderr)
        return 1
    for name, value in fields.items():
        print(f"{name}: {value}")
    print(f"PROVED: entry {index} of the {size} that {wanted.key.split('+')[0]} signed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
