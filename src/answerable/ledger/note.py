"""The texts a log shows the world: signed notes, checkpoints and offline proofs, in the C2SP formats.

Sources: c2sp.org signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof@v1. Parsing is strict: one
text has one meaning and one spelling, so whatever was parsed is written back byte for byte. Everything that
cannot be read raises InputError; a signature that does not fit its text raises TamperFound.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from answerable.errors import InputError, TamperFound, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = 0x01  # a signature over the text
COSIGNATURE = 0x04  # an Ed25519 signature over a time and the text, by a witness
MAX_SIGNATURES = 100  # lines in one note
MAX_NUMBER = 1 << 64  # sizes and indexes are unsigned 64-bit numbers
MAX_TIME = 1 << 63
MAX_PATH = 64  # hashes in the longest inclusion proof

_HASH = 32
_PROOF = "c2sp.org/tlog-proof@v1"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")
_SIGNATURE = re.compile(r"— (\S+) (\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifierKey:
    """A public key that a reader trusts, under the name its signatures carry.

    name: not empty, without spaces and `+`; for a log its origin, such as `example.com/log`.
    public: the 32-byte Ed25519 public key. algorithm: `ED25519` or `COSIGNATURE`.
    Raises InputError on anything else.
    """

    name: str
    public: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in (ED25519, COSIGNATURE):
            raise InputError(
                f"the key of {self.name!r} has the signature type 0x{self.algorithm:02x}",
                next_step="use an Ed25519 key: type 0x01 for a log, 0x04 for a witness",
            )
        if len(self.public) != _HASH:
            raise InputError(
                f"the public key of {self.name!r} has {len(self.public)} bytes, not {_HASH}",
                next_step="use the raw 32-byte Ed25519 public key",
            )

    @classmethod
    def of(cls, name: str, private_key: "Ed25519PrivateKey") -> "VerifierKey":
        """Return the key that verifies what `sign_note` signs with `name` and `private_key`."""
        return cls(name=name, public=private_key.public_key().public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that tell signatures apart: the start of SHA-256(name, newline, type, public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed()).digest()[:4]

    def format(self) -> str:
        """Return the key as one word, the *vkey* of signed-note: `name+hex key id+base64(type, key)`."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(self._typed())}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Return the key of `format`. Raises InputError, also when the key id is not the key's own."""
        parts = text.split("+", 2)  # base64 may hold a +, a name may not
        typed = _decode(parts[2], "verifier key") if len(parts) == 3 else b""
        if len(typed) < 2:
            raise InputError(
                f"{_short(text)} is not a verifier key",
                next_step="give it as name+keyid+base64, as its owner publishes it",
            )
        key = cls(name=parts[0], public=typed[1:], algorithm=typed[0])
        if parts[1] != key.key_id.hex():
            raise InputError(
                f"the verifier key of {key.name!r} has the id {key.key_id.hex()}, not {_short(parts[1])}",
                next_step="copy the whole key again from its owner",
            )
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Say whether `signature` (without the key id) is this key's over the note text `text`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        message = text.encode()
        if self.algorithm == COSIGNATURE:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if time >= MAX_TIME:
                return False
            message = b"cosignature/v1\ntime %d\n" % time + message
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):  # ValueError: some builds refuse a bad public key
            return False
        return True

    def _typed(self) -> bytes:
        return bytes([self.algorithm]) + self.public


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its first `size` leaves have this `root`.

    origin: the name of the log, one line. size: leaves, in [0, 2**64). root: 32 bytes.
    extensions: further lines, which we never write but keep when others do.
    Raises InputError on anything else.
    """

    origin: str
    size: int
    root: bytes
    _: KW_ONLY
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line or not _is_clean(line):
                raise _unreadable(f"a checkpoint cannot hold the line {_short(line)}")
        if not 0 <= self.size < MAX_NUMBER:
            raise _unreadable(f"a checkpoint cannot have the size {self.size}")
        if len(self.root) != _HASH:
            raise _unreadable(f"the root of a checkpoint is {_HASH} bytes, not {len(self.root)}")

    def text(self) -> str:
        """Return the note text to sign: origin, size and base64 root, each on a line."""
        return "\n".join((self.origin, str(self.size), _base64(self.root), *self.extensions, ""))

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Return the checkpoint whose `text` this is. Open the note first: a text alone proves nothing."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":
            raise _unreadable(f"a checkpoint is three lines or more, not {_short(text)}")
        origin, size, root, *extensions = lines
        return cls(
            origin=origin,
            size=_number(size, "size of a checkpoint"),
            root=_decode(root, "root of a checkpoint"),
            extensions=tuple(extensions),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One file that shows offline that a leaf stands in a log: where, the audit path, the signed head.

    index: 0-based, below the size of the checkpoint. hashes: the inclusion proof, 32 bytes each, sibling
    first. checkpoint_note: the whole signed note. extra: the leaf's data; nothing signs it, so hash it and
    check that hash against the root. Raises InputError on anything else.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.hashes) > MAX_PATH or any(len(node) != _HASH for node in self.hashes):
            raise _unreadable(f"an inclusion proof is at most {MAX_PATH} hashes of {_HASH} bytes")
        size = Checkpoint.parse(_split_note(self.checkpoint_note)[0]).size
        if not 0 <= self.index < size:
            raise _unreadable(f"index {self.index} is not below the size {size} of the proof's checkpoint")

    def format(self) -> str:
        """Return the text of a `.tlog-proof` file."""
        lines = [_PROOF]
        if self.extra is not None:
            lines.append(f"extra {_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines.extend(map(_base64, self.hashes))
        return "\n".join(lines) + "\n\n" + self.checkpoint_note

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Return the proof whose `format` this is. Raises InputError; no signature is checked."""
        head, blank, note = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != _PROOF or not blank:
            raise _unreadable(f"{_short(text)} does not begin a proof of {_PROOF}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _decode(lines.pop(0).removeprefix("extra "), "extra data of a proof")
        if not lines or not lines[0].startswith("index "):
            raise _unreadable("the proof has no line with its index")
        return cls(
            index=_number(lines[0].removeprefix("index "), "index of a proof"),
            hashes=tuple(_decode(line, "hash of a proof") for line in lines[1:]),
            checkpoint_note=note,
            extra=extra,
        )


def sign_note(text: str, name: str, private_key: "Ed25519PrivateKey") -> str:
    """Return the whole signed note over `text`: the text, a blank line and one Ed25519 signature line.

    text: ends in a newline, no other control characters. name: of the key; for a log its origin.
    Raises InputError on another text or name. The result verifies with `VerifierKey.of(name, private_key)`.
    """
    return signed_note(text, VerifierKey.of(name, private_key), private_key.sign)


def signed_note(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> str:
    """`sign_note` for a key that is at hand, or whose private half is elsewhere: `sign` gives 64 bytes."""
    if not text.endswith("\n") or not _is_clean(text):
        raise InputError(
            f"the text {_short(text)} cannot be signed",
            next_step="end it with a newline and leave out all other control characters",
        )
    return f"{text}\n— {key.name} {_base64(key.key_id + sign(text.encode()))}\n"


def open_note(note_text: str, keys: Iterable[VerifierKey]) -> tuple[str, list[str]]:
    """Return the text of a signed note and the names of the `keys` that signed it, in the note's order.

    Signatures of other keys are ignored. Trust the text only because of the names returned.
    Raises InputError if `note_text` is not a signed note, UsageError if there are no `keys`, TamperFound if
    a signature of one of `keys` is wrong or none of them signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    if not known:
        raise UsageError("a note cannot be opened without a key", next_step="pass the log's verifier key")
    text, signatures = _split_note(note_text)
    names: dict[str, None] = {}
    for name, value in signatures:
        key = known.get((name, value[:4]))
        if key is None:
            continue
        if not key.verifies(text, value[4:]):
            raise TamperFound(
                f"the signature of {name!r} does not fit the note that begins {_short(text)}",
                next_step="do not trust this note; compare it with the checkpoints you kept",
            )
        names[name] = None
    if not names:
        signers = ", ".join(sorted({repr(name) for name, _ in signatures}))
        raise TamperFound(
            f"no trusted key signed the note that begins {_short(text)}, only {signers}",
            next_step="check that you trust the right key; if you do, the note is not the log's",
        )
    return text, list(names)


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note and its signatures as (name, key id and signature)."""
    if not _is_clean(note):
        raise _unreadable("the note holds control characters or is not valid Unicode")
    text, blank, tail = note.rpartition("\n\n")  # the text itself may hold blank lines
    lines = tail.split("\n")
    if not blank or lines.pop() != "" or not lines:
        raise _unreadable("the note is not a text, a blank line and signature lines")
    if len(lines) > MAX_SIGNATURES:
        raise _unreadable(f"the note has {len(lines)} signatures, more than {MAX_SIGNATURES}")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise _unreadable(f"{_short(line)} is not a signature line")
    name, value = match[1], _decode(match[2], "signature")
    _check_name(name)
    if len(value) < 5:
        raise _unreadable(f"the signature of {name!r} is too short")
    return name, value


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name) or not _is_clean(name):
        raise InputError(
            f"{_short(name)} cannot name a key",
            next_step="use a name without spaces and plus signs, such as example.com/log",
        )


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _unreadable(f"the {what} is {_short(text)}, which is not a plain decimal number")
    return int(text)


def _decode(text: str, what: str) -> bytes:
    """Return the bytes of base64 `text`, if it is exactly how they are written (RFC 4648 section 4)."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if _base64(value) != text:  # also finds bits that base64 leaves unused
        raise _unreadable(f"the {what} {_short(text)} is not base64")
    return value


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _is_clean(text: str) -> bool:
    if _CONTROL.search(text):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no bytes to sign
        return False
    return True


def _short(text: str) -> str:
    return ascii(text) if len(text) <= 60 else f"{text[:57]!a}..."


def _unreadable(what: str) -> InputError:
    return InputError(what, next_step="take the file whole and unchanged, as the log wrote it")
