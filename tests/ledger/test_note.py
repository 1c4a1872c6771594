"""Notes, checkpoints and proofs read what others published, and take nothing that was changed."""

import base64
import hashlib
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import InputError, TamperFound, UsageError
from answerable.ledger import tlog
from answerable.ledger.note import Checkpoint, Proof, VerifierKey, open_note, sign_note

# The example of c2sp.org/signed-note with its key.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

# The first example of signed-note, whose key is not given: its text holds a blank line.
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""

# The example of the Go checksum database's note package, with its keys.
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)

# The example of c2sp.org/tlog-cosignature, whose keys are not given.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""

# A real checkpoint of a certificate log of May 2026, cosigned by four witnesses, with the published keys.
REAL = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
REAL_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
WITNESSES = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
]

EM_SPACE = "\u2003"
LOG = "example.com/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"test log").digest())
KEY = VerifierKey.of(LOG, PRIVATE)
NOTE = sign_note(Checkpoint(origin=LOG, size=8, root=b"\x07" * 32).text(), LOG, PRIVATE)


def keys(*texts: str) -> list[VerifierKey]:
    return [VerifierKey.parse(text) for text in texts]


class TestOpening:
    def test_the_example_of_the_specification_opens(self) -> None:
        """Text, key and signature as published by signed-note."""
        assert open_note(SPEC_NOTE, keys(SPEC_KEY)) == ("This is an example message.\n", ["example.com/foo"])

    def test_a_real_checkpoint_opens_with_the_log_and_its_witnesses(self) -> None:
        """A plain Ed25519 signature, four cosignatures, and one of a type we do not know."""
        text, names = open_note(REAL, keys(REAL_LOG, *WITNESSES))

        assert names == [key.split("+")[0] for key in (REAL_LOG, *WITNESSES)]
        assert Checkpoint.parse(text).size == 1432088532

    @pytest.mark.parametrize("trusted", [REAL_LOG, *WITNESSES])
    def test_every_signature_of_the_real_checkpoint_covers_its_text(self, trusted: str) -> None:
        """One digit of the size changed, and each of the five keys says so."""
        with pytest.raises(TamperFound, match="does not fit"):
            open_note(REAL.replace("\n1432088532\n", "\n1432088533\n"), keys(trusted))

    def test_a_cosignature_covers_its_time(self) -> None:
        """The witness's timestamp is part of what it signed."""
        line = REAL.splitlines()[-1]
        value = bytearray(base64.b64decode(line.split(" ")[2]))
        value[11] ^= 1
        forged = REAL.replace(line.split(" ")[2], base64.b64encode(value).decode())

        with pytest.raises(TamperFound):
            open_note(forged, keys(WITNESSES[-1]))

    def test_a_cosignature_is_no_plain_signature(self) -> None:
        """The same key under the other type is another key: its lines are ignored."""
        witness = VerifierKey.parse(WITNESSES[2])
        plain = VerifierKey(name=witness.name, public=witness.public)

        with pytest.raises(TamperFound, match="no trusted key"):
            open_note(REAL, [plain])

    def test_unknown_keys_are_ignored(self) -> None:
        """Of two signers one is trusted; the other's line does no harm, right or wrong."""
        for enoch in (ENOCH_LINE, ENOCH_LINE.replace("/5n2", "/6n2")):
            opened = open_note(f"{GO_TEXT}\n{PETER_LINE}{enoch}", keys(PETER_KEY))
            assert opened == (GO_TEXT, ["PeterNeumann"])

    def test_names_come_in_the_order_of_the_note_and_once(self) -> None:
        """Whatever the order of the keys; a repeated line adds nothing."""
        note = f"{GO_TEXT}\n{ENOCH_LINE}{PETER_LINE}{ENOCH_LINE}"

        assert open_note(note, keys(PETER_KEY, ENOCH_KEY))[1] == ["EnochRoot", "PeterNeumann"]

    def test_one_bad_signature_of_a_trusted_key_spoils_the_note(self) -> None:
        """A second, good signature does not make up for it."""
        bad = ENOCH_LINE.replace("/5n2", "/6n2")

        with pytest.raises(TamperFound, match="EnochRoot"):
            open_note(f"{GO_TEXT}\n{PETER_LINE}{bad}", keys(PETER_KEY, ENOCH_KEY))

    def test_a_trusted_signature_of_the_wrong_length_is_bad(self) -> None:
        """Bytes added or cut are tampering, not another format."""
        value = base64.b64decode(PETER_LINE.split(" ")[2])
        for changed in (value[:-1], value + b"\x00", value[:5]):
            line = f"— PeterNeumann {base64.b64encode(changed).decode()}\n"
            with pytest.raises(TamperFound):
                open_note(f"{GO_TEXT}\n{line}", keys(PETER_KEY))

    def test_a_note_that_no_trusted_key_signed_is_refused(self) -> None:
        """The error names who did sign."""
        with pytest.raises(TamperFound, match="PeterNeumann") as found:
            open_note(f"{GO_TEXT}\n{PETER_LINE}", keys(ENOCH_KEY))

        assert "right key" in found.value.next_step

    def test_a_key_of_the_same_name_is_not_the_same_key(self) -> None:
        """Name and id together say which key it is."""
        impostor = VerifierKey(name="PeterNeumann", public=VerifierKey.parse(ENOCH_KEY).public)

        with pytest.raises(TamperFound):
            open_note(f"{GO_TEXT}\n{PETER_LINE}", [impostor])

    def test_opening_without_keys_is_a_wrong_call(self) -> None:
        """Nothing can be trusted then."""
        with pytest.raises(UsageError):
            open_note(SPEC_NOTE, [])

    def test_the_text_ends_at_the_last_blank_line(self) -> None:
        """The poem keeps its own blank line; without its key it is still not trusted."""
        signed = sign_note(POEM.rpartition("\n\n")[0] + "\n", LOG, PRIVATE)

        assert open_note(signed, [KEY])[0].endswith("sole:\n\ned è subito sera.\n")
        with pytest.raises(TamperFound, match="quasimodo"):
            open_note(POEM, [KEY])

    @pytest.mark.parametrize("note", [
        "",
        GO_TEXT,
        f"{GO_TEXT}\n",
        f"{GO_TEXT}{PETER_LINE}",
        f"{GO_TEXT}\n{PETER_LINE[:-1]}",
        f"{GO_TEXT}\n{PETER_LINE}\n",
        f"{GO_TEXT}\n{PETER_LINE}Unexpected line.\n",
        f"\x01{GO_TEXT}\n{PETER_LINE}",
        f"{GO_TEXT}\n{PETER_LINE}".replace("\n", "\r\n"),
        f"\ud800{GO_TEXT}\n{PETER_LINE}",
        f"{GO_TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Peter Neumann')}",
        f"{GO_TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Peter+Neumann')}",
        f"{GO_TEXT}\n{PETER_LINE.replace('PeterNeumann', EM_SPACE.join('PN'))}",
        f"{GO_TEXT}\n{PETER_LINE.replace('—', '-')}",
        f"{GO_TEXT}\n{PETER_LINE.replace('=', '')}",
        f"{GO_TEXT}\n{PETER_LINE.replace('nAM=', 'nAN=')}",
        f"{GO_TEXT}\n{PETER_LINE.replace('x08go', 'x08*o')}",
        f"{GO_TEXT}\n— PeterNeumann x08gow==\n",
        f"{GO_TEXT}\n{PETER_LINE * 101}",
    ])  # fmt: skip
    def test_what_is_not_a_note_is_refused(self, note: str) -> None:
        """Line ends, characters, names, base64 and the number of signatures are strict."""
        with pytest.raises(InputError) as refused:
            open_note(note, keys(PETER_KEY))

        assert refused.value.next_step

    def test_a_note_may_have_many_signatures(self) -> None:
        """100 are read."""
        assert open_note(f"{GO_TEXT}\n{PETER_LINE * 100}", keys(PETER_KEY))[1] == ["PeterNeumann"]


class TestSigning:
    def test_the_published_note_is_signed_byte_for_byte(self) -> None:
        """Ed25519 is deterministic: the known key and text give the known line."""
        private = Ed25519PrivateKey.from_private_bytes(PETER_SEED)

        assert sign_note(GO_TEXT, "PeterNeumann", private) == f"{GO_TEXT}\n{PETER_LINE}"
        assert VerifierKey.of("PeterNeumann", private).format() == PETER_KEY

    @settings(deadline=None, max_examples=60)
    @given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
    def test_one_flipped_bit_anywhere_in_a_note_is_found(self, at: int, bit: int) -> None:
        """Text, blank line, dash, name, id and signature: no bit is free."""
        changed = bytearray(NOTE.encode())
        changed[at] ^= 1 << bit

        with pytest.raises((TamperFound, InputError)):
            open_note(changed.decode(errors="surrogateescape"), [KEY])

    @pytest.mark.parametrize("text", ["", "no newline", "a tab\t\n", "a return\r\n", "\ud800\n"])
    def test_a_text_that_no_reader_would_take_is_not_signed(self, text: str) -> None:
        """Signing is as strict as reading."""
        with pytest.raises(InputError):
            sign_note(text, LOG, PRIVATE)

    @pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "a\u00a0b"])
    def test_a_key_name_has_no_space_and_no_plus(self, name: str) -> None:
        """They separate names from what follows."""
        with pytest.raises(InputError):
            sign_note("text\n", name, PRIVATE)

    def test_cryptography_is_imported_on_use(self) -> None:
        """Reading the module costs none of its 50 ms."""
        code = "import sys, answerable.ledger.note; sys.exit('cryptography' in sys.modules)"

        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestKeys:
    @pytest.mark.parametrize("text", [SPEC_KEY, PETER_KEY, ENOCH_KEY, REAL_LOG, *WITNESSES])
    def test_published_keys_are_read_and_written_back(self, text: str) -> None:
        """Both types; their ids are the ones derived from name, type and key."""
        assert VerifierKey.parse(text).format() == text

    def test_a_key_has_the_published_id_and_bytes(self) -> None:
        """The parts of the specification's example."""
        key = VerifierKey.parse(SPEC_KEY)

        assert (key.name, key.algorithm, key.key_id.hex()) == ("example.com/foo", 1, "530d903a")
        assert key.public.hex() == "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"

    def test_a_mangled_key_is_refused(self) -> None:
        """Any one character changed, any piece cut out: no other key is read from it."""
        size = len(PETER_KEY)
        mangled = [PETER_KEY[:at] + chr(ord(PETER_KEY[at]) + 1) + PETER_KEY[at + 1 :] for at in range(size)]
        cut = [PETER_KEY[i:j] for i in range(size) for j in range(i + 1, size + 1) if j - i < size]

        for text in mangled + cut:
            with pytest.raises(InputError):
                VerifierKey.parse(text)

    @pytest.mark.parametrize("text", [
        "",
        "PeterNeumann",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ])  # fmt: skip
    def test_keys_of_another_kind_are_refused(self, text: str) -> None:
        """Wrong length or unknown type, even where the id fits."""
        with pytest.raises(InputError) as refused:
            VerifierKey.parse(text)

        assert refused.value.next_step

    def test_a_public_key_that_is_no_point_verifies_nothing(self) -> None:
        """A hostile key is a failed signature, not a crash."""
        for public in (b"\xff" * 32, b"\x02" + b"\x00" * 31):
            assert not VerifierKey(name="x", public=public).verifies("text\n", b"\x00" * 64)

    def test_a_cosignature_time_stays_below_2_to_the_63(self) -> None:
        """The limit of tlog-cosignature, even when the signature is right."""
        key = VerifierKey(name="w", public=PRIVATE.public_key().public_bytes_raw(), algorithm=0x04)
        for time, fits in ((0, True), (2**63 - 1, True), (2**63, False)):
            signature = PRIVATE.sign(f"cosignature/v1\ntime {time}\ntext\n".encode())
            assert key.verifies("text\n", time.to_bytes(8, "big") + signature) is fits


class TestCheckpoints:
    def test_the_published_checkpoint_is_read_and_written_back(self) -> None:
        """The example of tlog-checkpoint."""
        text = COSIGNED.partition("\n\n")[0] + "\n"
        checkpoint = Checkpoint.parse(text)

        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.root.hex().startswith("0ac5186a9186")
        assert checkpoint.text() == text

    def test_the_empty_log_has_a_checkpoint(self) -> None:
        """Size 0 and the root of nothing."""
        text = f"{LOG}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

        assert Checkpoint(origin=LOG, size=0, root=tlog.EMPTY_ROOT).text() == text

    @settings(deadline=None, max_examples=100)
    @given(
        st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1),
        st.integers(0, 2**64 - 1),
        st.binary(min_size=32, max_size=32),
        st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1), max_size=2),
    )
    def test_what_is_written_is_read_back(self, origin: str, size: int, root: bytes, more: list[str]) -> None:
        """Any origin of one line, also one with spaces or odd separators; extension lines are kept."""
        checkpoint = Checkpoint(origin=origin, size=size, root=root, extensions=tuple(more))

        assert Checkpoint.parse(checkpoint.text()) == checkpoint

    @pytest.mark.parametrize("text", [
        "",
        "o\n1\n",
        f"o\n1\n{'A' * 43}=",
        f"\n1\n{'A' * 43}=\n",
        f"o\n01\n{'A' * 43}=\n",
        f"o\n-1\n{'A' * 43}=\n",
        f"o\n+1\n{'A' * 43}=\n",
        f"o\n1 \n{'A' * 43}=\n",
        f"o\n1_0\n{'A' * 43}=\n",
        f"o\n\u0661\n{'A' * 43}=\n",
        f"o\n18446744073709551616\n{'A' * 43}=\n",
        f"o\n{'9' * 5000}\n{'A' * 43}=\n",
        f"o\n\n{'A' * 43}=\n",
        f"o\n1\n{'A' * 43}\n",
        f"o\n1\n{'A' * 42}B=\n",
        f"o\n1\n{'A' * 44}\n",
        f"o\n1\n{'A' * 42}\u00e9=\n",
        f"o\n1\n{'A' * 43}=\n\n",
        f"o\r\n1\r\n{'A' * 43}=\r\n",
    ])  # fmt: skip
    def test_what_is_not_a_checkpoint_is_refused(self, text: str) -> None:
        """Lines, numbers and base64 have one spelling."""
        with pytest.raises(InputError):
            Checkpoint.parse(text)


class TestProofs:
    def test_the_shape_of_a_proof_is_the_published_one(self) -> None:
        """Header, extra, index, one hash a line, a blank line, the note as it is (tlog-proof@v1)."""
        proof = Proof(index=5, hashes=(b"\x01" * 32, b"\x02" * 32), checkpoint_note=NOTE, extra=b"leaf data")

        assert proof.format() == (
            "c2sp.org/tlog-proof@v1\n"
            "extra bGVhZiBkYXRh\n"
            "index 5\n"
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
            "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"
            "\n"
            f"{NOTE}"
        )

    def test_a_proof_without_extra_or_hashes_is_short(self) -> None:
        """Both are optional: the first leaf of a log of one."""
        note = sign_note(Checkpoint(origin=LOG, size=1, root=b"\x01" * 32).text(), LOG, PRIVATE)
        text = f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"

        assert Proof(index=0, hashes=(), checkpoint_note=note).format() == text
        assert Proof.parse(text) == Proof(index=0, hashes=(), checkpoint_note=note)

    @settings(deadline=None, max_examples=60)
    @given(
        st.integers(0, 7),
        st.lists(st.binary(min_size=32, max_size=32), max_size=5),
        st.none() | st.binary(max_size=300),
    )
    def test_what_is_written_is_read_back(self, index: int, hashes: list[bytes], extra: bytes | None) -> None:
        """Leaf data of any bytes, none at all, or empty."""
        proof = Proof(index=index, hashes=tuple(hashes), checkpoint_note=NOTE, extra=extra)

        assert Proof.parse(proof.format()) == proof

    def test_a_proof_with_its_key_shows_offline_that_a_leaf_is_in_the_log(self) -> None:
        """The whole way of a stranger: file, key, data; another leaf's data fails."""
        data = [b"entry %d" % n for n in range(8)]
        leaves = [tlog.leaf_hash(item) for item in data]
        subtree = tlog.subtrees(leaves.__getitem__, lambda n: None)
        head = Checkpoint(origin=LOG, size=8, root=tlog.root(leaves))
        file = Proof(
            index=5,
            hashes=tuple(tlog.inclusion_proof(5, 8, subtree)),
            checkpoint_note=sign_note(head.text(), LOG, PRIVATE),
            extra=data[5],
        ).format()

        proof = Proof.parse(file)
        text, names = open_note(proof.checkpoint_note, keys(KEY.format()))
        seen = Checkpoint.parse(text)

        assert (seen.origin, names) == (LOG, [LOG])
        assert proof.extra == b"entry 5"
        for item, holds in ((proof.extra, True), (b"entry 4", False)):
            leaf = tlog.leaf_hash(item)
            assert tlog.verify_inclusion(leaf, proof.index, seen.size, proof.hashes, seen.root) is holds

    @pytest.mark.parametrize("text", [
        "",
        NOTE,
        f"c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}",
        f" c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n\n{NOTE}",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0",
        f"c2sp.org/tlog-proof@v1\nindex 00\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 01\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex -1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex  1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 8\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAA\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAB=\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra\nindex 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{'A' * 42}==\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{'A' * 42}B=\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{('A' * 43 + '=' + chr(10)) * 65}\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{SPEC_NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE.partition('—')[0]}",
    ])  # fmt: skip
    def test_what_is_not_a_proof_is_refused(self, text: str) -> None:
        """Order, newlines, numbers, base64, lengths and the checkpoint are strict."""
        with pytest.raises(InputError) as refused:
            Proof.parse(text)

        assert refused.value.next_step
