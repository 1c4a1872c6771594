"""The keys of a home: made with it, one's own, changed, missing, or another home's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from answerable.errors import HomeError, UsageError
from answerable.ledger.keys import make_signing_key
from answerable.workspace import Workspace
from homes import DECISION, edit, make


def test_a_private_key_given_as_its_place_is_not_shown(tmp_path: Path) -> None:
    """Errors are logged; the key must not be."""
    make_signing_key(tmp_path / "mine.pem")
    pem = (tmp_path / "mine.pem").read_text()

    for given_key in (pem, f"file:{pem}", f"env:{pem}"):
        with pytest.raises((UsageError, HomeError)) as caught:
            Workspace(tmp_path / "home", signing_key=given_key)

        assert pem.splitlines()[1] not in str(caught.value)
        assert not (tmp_path / "home" / "home.toml").exists()


def test_a_home_without_its_signing_key_can_be_read_and_not_written(tmp_path: Path) -> None:
    """A fresh one would sign another log."""
    folder = make(tmp_path / "home")
    (folder / "secrets" / "signing.pem").unlink()

    with Workspace(folder) as workspace:
        assert workspace.ledger.verify().ok
        with pytest.raises(HomeError, match=r"signing key .* is missing") as caught:
            workspace.decide(DECISION, {"number": "1"})

    assert "put the home's own signing key back" in caught.value.next_step
    assert not (folder / "secrets" / "signing.pem").exists()


def test_a_key_that_is_not_the_homes_is_refused(tmp_path: Path) -> None:
    """What it signs would be another log's; the error shows what to add if the change is meant."""
    folder, other = make(tmp_path / "home"), make(tmp_path / "other")
    shutil.copy(other / "secrets" / "signing.pem", folder / "secrets" / "signing.pem")

    with pytest.raises(HomeError, match="not one of this home's") as caught:
        Workspace(folder)

    key = caught.value.next_step.split("'")[1]
    edit(folder, "verifier_keys = [", f'verifier_keys = ["{key}", ')
    with Workspace(folder) as workspace:
        workspace.decide(DECISION, {"number": "1"})
        assert workspace.ledger.verify().ok


def test_a_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Only Ed25519 signs."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    folder = make(tmp_path / "home")
    key = generate_private_key(SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "secrets" / "signing.pem").write_bytes(pem)

    with pytest.raises(HomeError, match="not Ed25519"):
        Workspace(folder)


def test_a_signing_key_that_is_garbage_is_refused_without_showing_it(tmp_path: Path) -> None:
    """The error may be logged."""
    folder = make(tmp_path / "home")
    (folder / "secrets" / "signing.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n")

    with pytest.raises(HomeError) as caught:
        Workspace(folder)

    assert "c2VjcmV0" not in str(caught.value)


def test_one_brings_ones_own_key_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a vault, say; the home's own file is not needed any more."""
    folder = make(tmp_path / "home")
    pem = (folder / "secrets" / "signing.pem").read_text()
    (folder / "secrets" / "signing.pem").unlink()
    edit(folder, '"file:secrets/signing.pem"', '"env:LEDGER_KEY"')
    with Workspace(folder) as workspace, pytest.raises(HomeError, match="LEDGER_KEY"):
        workspace.decide(DECISION, {"number": "1"})

    monkeypatch.setenv("LEDGER_KEY", pem)

    with Workspace(folder) as workspace:
        assert workspace.ledger.verify().ok


def test_one_brings_ones_own_key_in_a_file(tmp_path: Path) -> None:
    """Anywhere on the machine."""
    folder = make(tmp_path / "home")
    shutil.move(folder / "secrets" / "signing.pem", tmp_path / "vault.pem")
    edit(folder, '"file:secrets/signing.pem"', f'"file:{tmp_path / "vault.pem"}"')

    with Workspace(folder) as workspace:
        assert workspace.ledger.verify().ok


def test_a_signing_key_is_never_replaced(tmp_path: Path) -> None:
    """Making one where one is fails."""
    make_signing_key(tmp_path / "key.pem")

    with pytest.raises(FileExistsError):
        make_signing_key(tmp_path / "key.pem")


def test_a_home_without_its_look_up_key_finds_no_key(tmp_path: Path) -> None:
    """It can be read by record id; what needs the key says that it is missing."""
    folder = make(tmp_path / "home")
    (folder / "secrets" / "lookup.key").unlink()

    with Workspace(folder) as workspace:
        assert workspace.ledger.verify().ok
        with pytest.raises(HomeError, match="look-up key"):
            workspace.decide(DECISION, {"number": "1"}, key="K-1")
