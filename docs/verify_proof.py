"""Check a .tlog-proof of an answerable ledger offline: python verify_proof.py FILE VKEY [NAME=PART_FILE ...]

Needs only `cryptography`. VKEY is the log's verifier key, got from somebody you trust and not from the log.
NAME=PART_FILE compares a part's envelope, as stored, with what the log committed to. Exit status 0 or 1.
Formats: c2sp.org tlog-proof@v1, signed-note and tlog-checkpoint; RFC 9162 section 2.1.3.2; leaf v1.
"""

import base64
import hashlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELDS = """id:16 at:q kind:t case_id:16 parent:16 thread:t decision:t version:t definition:32 status:t
label:t confidence:d made_by:t degraded:t fault:t principal:t purpose:t policy:32 stage:t key_digest:32
retention:t latency_us:q cost:q currency:t tokens_in:q tokens_out:q model:t items:q"""


def need(holds, why):  # not `assert`, which `python -O` leaves out
    if not holds:
        raise ValueError(why)


def sha(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def plain(text, why="a value is not base64"):  # and has one spelling, or a change could go unseen
    try:
        value = base64.b64decode(text)
    except ValueError:
        value = b""
    need(base64.b64encode(value).decode() == text, why)
    return value


def number(text):  # int() alone would take "-4", "+4", "4_0" and the digits of other scripts
    need(text.isascii() and text.isdigit() and text == str(int(text)), f"{text[:20]} is no plain number")
    return int(text)


def signed(note, vkey):
    """Return the size and root of a checkpoint that the owner of `vkey` signed."""
    name, key_id, key = ["", "", *vkey.split("+", 2)][-3:]
    public = plain(key, why := "the key is not NAME+ID+KEY")
    need(len(public) == 33 and sha(name.encode(), b"\n", public)[:4].hex() == key_id, why)
    body, _, tail = note.rpartition("\n\n")
    lines = [line.split(" ") for line in tail.removesuffix("\n").split("\n")]
    need(
        tail.endswith("\n") and all(len(line) == 3 and line[0] == "\u2014" for line in lines),
        "no signed note",
    )
    ours = [s for _, who, value in lines if who == name and (s := plain(value))[:4].hex() == key_id]
    for signature in ours:
        Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], body.encode() + b"\n")
    origin, size, root, *_ = [*body.split("\n"), "", ""]
    need(ours and origin == name, "the checkpoint is not signed by this key")
    return number(size), plain(root)


def read_leaf(data):
    """Return the header fields and the part digests in the bytes of a leaf v1."""
    need(data.startswith(b"answerable/leaf/v1\0"), "no leaf v1")
    at, fields, parts = 19, {}, {}
    for name, kind in (field.split(":") for field in FIELDS.split()):
        at += 1
        if data[at - 1]:
            at += 4 * (kind == "t")
            size = (
                int.from_bytes(data[at - 4 : at], "big")
                if kind == "t"
                else int({"q": 8, "d": 8}.get(kind, kind))
            )
            raw, at = data[at : at + size], at + size
            fields[name] = (
                struct.unpack(f">{kind}", raw)[0]
                if kind in "qd"
                else raw.decode()
                if kind == "t"
                else raw.hex()
            )
    for _ in range(data[at]):
        end = at + 2 + data[at + 1]
        parts[data[at + 2 : end].decode()], at = data[end : end + 32], end + 31
    return fields, parts


def read(path):
    with open(path, "rb") as file:
        return file.read()


def check(text, vkey):
    """Return header, part digests, index and log size of what a proof shows; raises if it shows nothing."""
    head, _, note = text.partition("\n\n")
    first, extra, place, *path = head.split("\n")
    need(
        first == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and place[:6] == "index ",
        "this is no proof",
    )
    (size, root), data, index = signed(note, vkey), plain(extra[6:]), number(place[6:])
    need(index < size, f"the log has no entry {index} yet")
    at, last, node = index, size - 1, sha(b"\0", data)
    for sibling in map(plain, path):
        need(last, "the proof is too long")
        left = at & 1 or at == last
        node = sha(b"\1", sibling, node) if left else sha(b"\1", node, sibling)
        while left and not at & 1 and at:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    need(last == 0 and node == root, "the entry is not in the log")
    return *read_leaf(data), index, size


if __name__ == "__main__":
    try:
        fields, parts, index, size = check(read(sys.argv[1]).decode(), sys.argv[2])
        for name, _, path in (part.partition("=") for part in sys.argv[3:]):
            digest = sha(b"answerable/part/v1\0", bytes([len(name)]), name.encode(), read(path))
            need(parts.get(name) == digest, f"the part {name} is not the one in the log")
    except Exception as exc:
        why = str(exc) or "the signature does not fit this key"  # a wrong signature has no message
        sys.exit(f"NOT PROVED: {why}" if sys.argv[2:] else __doc__)
    print(*(f"{name}: {value}" for name, value in fields.items()), sep="\n")
    print(f"PROVED: entry {index} of the {size} that {sys.argv[2].split('+')[0]} signed")
