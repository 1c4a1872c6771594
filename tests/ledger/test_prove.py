"""A proof holds offline without our code, and no changed character of it does."""

from __future__ import annotations

import base64
import importlib.util
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.errors import TamperFound, UsageError
from answerable.ledger import prove as prove_module
from answerable.ledger.note import Proof, VerifierKey, open_note
from answerable.ledger.segments_parquet import SegmentFile
from answerable.ledger.tlog import leaf_hash, verify_inclusion
from sealed_home import KEY, ORIGIN, Home, entry_id


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """1,100 entries, 1,024 of them sealed in two segments; a checkpoint kept at 700."""
    made = Home.make(tmp_path / "home", 700)
    made.ledger.checkpoint()
    made.append(700, 1100)
    made.seal(512)
    yield made
    made.close()


@pytest.fixture(scope="module")
def script(repository: Path) -> Path:
    """The standalone verifier."""
    return repository / "docs" / "verify_proof.py"


@pytest.fixture(scope="module")
def verifier(script: Path) -> ModuleType:
    """The standalone verifier, loaded."""
    spec = importlib.util.spec_from_file_location("verify_proof", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: Path, *arguments: str, flags: tuple[str, ...] = ("-I",)) -> subprocess.CompletedProcess[str]:
    """Run the verifier where `answerable` cannot be imported."""
    hide = "import sys, runpy; sys.modules['answerable'] = None; sys.argv = sys.argv[1:]; "
    code = hide + "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, *flags, "-c", code, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


# -- making proofs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 255, 256, 511, 512, 700, 1023, 1024, 1099])
def test_every_entry_is_proved_against_the_head(home: Home, number: int) -> None:
    """First, last and at every seam of blocks, segments and the tail."""
    proof = home.ledger.prove(entry_id(number))

    head = home.journal.head()
    assert proof.index == number
    assert proof.checkpoint_note == head.note
    assert proof.extra is not None
    assert verify_inclusion(leaf_hash(proof.extra), number, head.size, proof.hashes, head.root)
    assert Proof.parse(proof.format()) == proof


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_a_log_of_any_size_proves_its_entries(tmp_path: Path, size: int) -> None:
    """Also before anything is sealed and with a size that is no full block."""
    home = Home.make(tmp_path / "home", size)
    for number in {0, size // 2, size - 1}:
        assert home.ledger.prove(entry_id(number)).index == number
    home.close()


def test_a_proof_reads_only_what_it_needs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a sealed entry the leaves of its own block; all else comes from stored tiles and peaks."""
    stored = home.ledger.get(entry_id(300))
    assert stored is not None
    reads: list[tuple[int, int]] = []
    leaves = SegmentFile.leaves
    monkeypatch.setattr(
        SegmentFile,
        "leaves",
        lambda self, start, stop: (reads.append((start, stop)), leaves(self, start, stop))[1],
    )
    monkeypatch.setattr(home.journal, "scan", lambda *a, **k: pytest.fail("the journal was read"))

    prove_module.prove(home.journal, home.folder, [KEY], stored)

    assert reads == [(256, 512)]


def test_a_proof_against_the_newest_kept_checkpoint_that_covers_the_entry(home: Home) -> None:
    """Witnesses sign kept checkpoints, so a proof may rest on one; later entries have none yet."""
    proof = home.ledger.prove(entry_id(5), kept=True)
    assert proof.checkpoint_note.split("\n")[1] == "700"
    with pytest.raises(UsageError, match="no kept checkpoint covers entry 700"):
        home.ledger.prove(entry_id(700), kept=True)

    home.ledger.checkpoint()

    assert home.ledger.prove(entry_id(700), kept=True).checkpoint_note == home.journal.head().note
    assert home.ledger.prove(entry_id(5), kept=True).checkpoint_note == home.journal.head().note


def test_an_unknown_entry_names_the_home_searched(home: Home) -> None:
    """There is no proof of absence; the error says where was looked."""
    with pytest.raises(UsageError, match=str(home.folder)):
        home.ledger.prove(b"?" * 16)


@pytest.mark.parametrize("column", ["label", "leaf"])
def test_a_changed_entry_has_no_proof(home: Home, column: str) -> None:
    """What was not signed cannot be proved."""
    changed = home.sql(
        f"UPDATE entry SET {column} = {'zeroblob(32)' if column == 'leaf' else repr('x')} WHERE idx = 1050"
    )

    with pytest.raises(TamperFound):
        changed.ledger.prove(entry_id(1050 if column == "label" else 1051))
    changed.close()


# -- checkpoints ---------------------------------------------------------------------------------------


def test_a_checkpoint_is_the_heads_note_under_its_size_and_root(home: Home) -> None:
    """Kept once; the same head again gives the same file; the next one extends it."""
    kept = home.ledger.checkpoint()
    head = home.journal.head()

    assert kept.path.name == f"{1100:020d}-{head.root.hex()[:8]}.note"
    assert kept.path.read_text() == head.note
    assert home.ledger.checkpoint() == kept
    home.append(1100, 1101)
    home.ledger.checkpoint()
    assert len(list(kept.path.parent.iterdir())) == 3


def test_a_cosigned_checkpoint_is_not_overwritten(home: Home) -> None:
    """Signatures that witnesses added to a kept checkpoint stay."""
    kept = home.ledger.checkpoint()
    cosigned = kept.note + "\u2014 witness.example AAAAAAA=\n"
    kept.path.write_text(cosigned)

    assert home.ledger.checkpoint().note == cosigned
    assert kept.path.read_text() == cosigned


def test_a_log_that_was_rewritten_keeps_no_checkpoint(tmp_path: Path) -> None:
    """A head that does not extend what was kept is refused, whether it is larger, equal or smaller."""
    for size in (200, 300, 400):
        home = Home.make(tmp_path / f"one{size}", 300)
        home.ledger.checkpoint()
        other = Home.open(tmp_path / f"two{size}", create=True)
        other.append(0, size, label="forged")
        with pytest.raises(TamperFound, match="does not extend"):
            prove_module.keep_checkpoint(other.journal, home.folder, [KEY])
        assert len(list((home.folder / "checkpoints").iterdir())) == 1
        home.close()
        other.close()


def test_a_head_of_another_key_is_not_kept(home: Home) -> None:
    """Only what the log signed becomes a checkpoint."""
    stranger = VerifierKey.of(ORIGIN, Ed25519PrivateKey.generate())

    with pytest.raises(TamperFound, match="no trusted key"):
        prove_module.keep_checkpoint(home.journal, home.folder, [stranger])


# -- the standalone verifier ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 1050])
def test_a_proof_verifies_without_answerable(home: Home, script: Path, tmp_path: Path, number: int) -> None:
    """One file, the log's key and `cryptography` are enough; the header fields are printed."""
    file, part = tmp_path / "one.tlog-proof", tmp_path / "input.part"
    file.write_text(home.ledger.prove(entry_id(number)).format())
    stored = home.ledger.get(entry_id(number))
    assert stored is not None
    part.write_bytes(stored.entry.parts["input"])

    done = run(script, str(file), KEY.format(), f"input={part}")

    assert done.returncode == 0, done.stderr
    assert f"id: {entry_id(number).hex()}" in done.stdout
    assert "decision: " in done.stdout
    assert f"PROVED: entry {number} of the 1100 that {ORIGIN} signed" in done.stdout


def test_what_does_not_hold_gives_status_1_and_a_reason(home: Home, script: Path, tmp_path: Path) -> None:
    """Another part, another key, a changed proof, no proof at all: also under `python -O`."""
    file, other = tmp_path / "one.tlog-proof", tmp_path / "other"
    proof = home.ledger.prove(entry_id(9))
    file.write_text(proof.format())
    other.write_bytes(b"something else")
    stranger = VerifierKey.of(ORIGIN, Ed25519PrivateKey.generate())

    for arguments, why in (
        ((stranger.format(),), "the checkpoint is not signed by this key"),
        ((KEY.format(), f"input={other}"), "the part input is not the one in the log"),
        (("key",), "the key is not NAME+ID+KEY"),
    ):
        done = run(script, str(file), *arguments, flags=("-I", "-O"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"NOT PROVED: {why}\n"
    for text in (proof.format().replace("index 9", "index 8"), "", proof.format()[:-1]):
        other.write_text(text)
        done = run(script, str(other), KEY.format(), flags=("-I", "-O"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("NOT PROVED: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "index", ["-1", "-4", "-1100", "+9", "09", " 9", "9 ", "\uff19", "0_9", "1109", "", "9.0"]
)
def test_an_index_has_one_spelling(home: Home, verifier: ModuleType, index: str) -> None:
    """Plain digits below the size of the log, or it is no proof: a negative index walks up the same path."""
    for number in (9, 1096):  # 1096 and -4 take the same turns
        text = home.ledger.prove(entry_id(number)).format()
        with pytest.raises(ValueError):
            verifier.check(text.replace(f"index {number}\n", f"index {index}\n"), KEY.format())


def test_a_wrong_signature_or_key_is_told(
    home: Home, script: Path, verifier: ModuleType, tmp_path: Path
) -> None:
    """A signature that does not fit, and a key that is no NAME+ID+KEY, each have their own reason."""
    file, text = tmp_path / "one.tlog-proof", home.ledger.prove(entry_id(9)).format()
    line = text.splitlines()[-1]
    raw = base64.b64decode(line.split(" ")[2])
    file.write_text(text.replace(line.split(" ")[2], base64.b64encode(raw[:-1] + b"\0").decode()))

    assert "the signature does not fit this key" in run(script, str(file), KEY.format()).stderr
    name, key_id, key = KEY.format().split("+", 2)
    for bad in (
        name,
        f"{name}+{key}",
        f"{name}+00000000+{key}",
        f"{name}+{key_id}+{key[:-1]}",
        "",
        "++",
        "a+b+c",
    ):
        with pytest.raises(ValueError, match=r"NAME\+ID\+KEY"):
            verifier.check(text, bad)


def test_any_changed_character_of_a_proof_fails(home: Home, verifier: ModuleType) -> None:
    """About 200 places, each with another character: none verifies, by the script or by us."""
    text = home.ledger.prove(entry_id(777)).format()
    assert verifier.check(text, KEY.format())[2:] == (777, 1100)
    pick = random.Random(3)
    places = {*pick.sample(range(len(text)), 180), *range(30), *range(len(text) - 20, len(text))}

    for at in sorted(places):
        for new in {pick.choice("AZaz09+/=\n "), chr(ord(text[at]) ^ 1)} - {text[at]}:
            changed = text[:at] + new + text[at + 1 :]
            with pytest.raises((ValueError, IndexError, InvalidSignature)):
                verifier.check(changed, KEY.format())
                pytest.fail(f"{new!r} at {at} was not seen")


def test_the_script_and_the_library_agree_on_the_leaf(home: Home, verifier: ModuleType) -> None:
    """The fields and part digests that the script prints are those that are stored."""
    for number in (0, 7, 1051):
        stored = home.ledger.get(entry_id(number))
        assert stored is not None
        fields, parts, *_ = verifier.check(home.ledger.prove(entry_id(number)).format(), KEY.format())
        header = {name: value for name, value in stored.entry.header.items() if value is not None}
        assert list(fields) == list(header)
        assert (fields["at"], fields["status"], fields.get("label")) == (
            header["at"], header["status"], header.get("label")
        )  # fmt: skip
        assert fields["definition"] == header["definition"].hex()
        assert parts == stored.entry.digests


def test_the_checkpoint_in_a_proof_is_a_signed_note(home: Home) -> None:
    """Whoever has the library can open it as one."""
    assert open_note(home.ledger.prove(entry_id(1)).checkpoint_note, [KEY])[1] == [ORIGIN]
