"""An encrypted part opens with its own key only, and says so when it was changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import TamperFound
from answerable.ledger import envelope
from answerable.ledger.envelope import PREFIX, Keyed, PartKey, combined, key_id_of, open_clear

KEY = PartKey(b"k" * 16, bytes(range(32)))
SALT, NONCE = b"s" * 16, b"n" * 12
VECTORS = Path(__file__).parent / "vectors" / "sealed-v1.json"


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text()), ids=lambda v: v["id"])
def test_what_was_ever_sealed_opens_for_ever(vector: dict[str, str]) -> None:
    """Layout and derivation are frozen."""
    key = PartKey(bytes.fromhex(vector["key_id"]), bytes.fromhex(vector["data_key"]))

    assert key.open(bytes.fromhex(vector["envelope"])).hex() == vector["body"]
    assert key._derived(bytes.fromhex(vector["salt"]))[1].hex() == vector["commitment"]


def test_the_derivation_is_that_of_a_library() -> None:
    """HKDF-Expand (RFC 5869) as another implementation has it, and HMAC as the standard library has it."""
    import hmac

    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    secret = bytes(range(32))
    wanted = HKDFExpand(SHA256(), 64, b"answerable/envelope/v1\0" + SALT).derive(secret)

    assert b"".join(PartKey(b"k" * 16, secret)._derived(SALT)) == wanted
    assert Keyed(secret)(b"data") == hmac.digest(secret, b"data", "sha256")


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=5000), salt=st.binary(min_size=16, max_size=16))
def test_a_part_comes_back(body: bytes, salt: bytes) -> None:
    """Whatever it holds; it is not clear, and names its key."""
    sealed = KEY.seal(body, salt, NONCE)

    assert KEY.open(sealed) == body
    assert open_clear(sealed) is None
    assert key_id_of(sealed) == b"k" * 16


def test_another_key_fails_on_the_commitment() -> None:
    """Nobody can make one ciphertext that two keys open to two contents."""
    sealed = KEY.seal(b"body", SALT, NONCE)

    with pytest.raises(TamperFound, match="not sealed with the key that it names"):
        PartKey(b"k" * 16, b"x" * 32).open(sealed)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    """Anywhere behind the codec: salt, key id, commitment, nonce, content."""
    sealed = bytearray(KEY.seal(b"body of a part", SALT, NONCE))
    at = data.draw(st.integers(1, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(TamperFound):
        KEY.open(bytes(sealed))


def test_a_part_cannot_blow_up_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What says that it is larger than a part may be is not unpacked."""
    sealed = KEY.seal(bytes(100_000), SALT, NONCE)
    assert len(sealed) < 300
    monkeypatch.setattr(envelope, "MOST_BYTES", 99_999)

    with pytest.raises(TamperFound, match="ValueError"):
        KEY.open(sealed)


def test_a_short_envelope_is_tampered() -> None:
    """Not an error of a library."""
    with pytest.raises(TamperFound):
        KEY.open(KEY.seal(b"body", SALT, NONCE)[: PREFIX + 3])


def test_two_secrets_are_both_needed() -> None:
    """A data key changes with either of the two."""
    one = combined(Keyed(b"a" * 32), b"b" * 32)

    assert len(one) == 32
    assert len({one, combined(Keyed(b"x" * 32), b"b" * 32), combined(Keyed(b"a" * 32), b"x" * 32)}) == 3
