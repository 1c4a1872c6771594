"""A backup is one consistent file of a home in use; a restore checks all of it before it writes anything."""

from __future__ import annotations

import io
import json
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from answerable.errors import HomeError, InputError, UsageError
from answerable.home import FORMATS, open_home
from answerable.ledger.turns import Turn
from answerable.upkeep.backup import MANIFEST, STAGING, backup, describe
from answerable.upkeep.restore import restore
from answerable.workspace import Workspace
from upkeep.homes import DECISION, answered, fill, make_home, writers


def test_what_was_recorded_is_there_after_a_restore(tmp_path: Path) -> None:
    """The restored home verifies, explains its records, and goes on writing."""
    with Workspace(tmp_path / "home") as old:
        record = old.decide(DECISION, answered(1)).record_id
        head = old.ledger.head()

    restored = restore(backup(tmp_path / "home", tmp_path / "one.tar"), tmp_path / "new")

    assert restored.report is not None and restored.report.ok
    assert restored.report.entries == head.size == 2
    with Workspace(tmp_path / "new") as new:
        assert new.ledger.head() == head
        assert new.outcome(record, DECISION).output.team == "billing"
        new.decide(DECISION, answered(2))
        assert new.ledger.verify().ok


def test_a_backup_of_a_home_in_use_is_one_consistent_state(tmp_path: Path) -> None:
    """Writers append and the sealer seals meanwhile; each backup restores to a home that verifies."""
    with Workspace(tmp_path / "home") as workspace, writers(workspace):
        for number in range(4):
            workspace.ledger.checkpoint()
            workspace.ledger.seal()
            backup(tmp_path / "home", tmp_path / f"{number}.tar")

    sizes = []
    for number in range(4):
        restored = restore(tmp_path / f"{number}.tar", tmp_path / f"new-{number}")
        assert restored.report is not None
        assert restored.report.problems == ()
        sizes.append(restored.report.entries)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_sealed_entries_and_large_parts_come_along(tmp_path: Path) -> None:
    """Segments and blobs are part of the home."""
    with Workspace(tmp_path / "home") as workspace:
        fill(workspace, 300)
        words = "invoice " + random.Random(1).randbytes(300_000).hex()  # nothing that can be packed
        large = workspace.decide(DECISION, answered(1, words)).record_id
        workspace.ledger.seal()

    restored = restore(backup(tmp_path / "home", tmp_path / "one.tar"), tmp_path / "new")

    assert restored.report is not None and restored.report.ok
    assert restored.report.segments == 1
    names = {name.partition("/")[0] for name in restored.manifest.files}
    assert names == {"home.toml", "journal", "segments", "blobs", "keys", "secrets"}
    with Workspace(tmp_path / "new") as new:
        assert new.why(large).data["input"]["body"] == words


def test_a_backup_says_what_it_holds(tmp_path: Path) -> None:
    """The manifest has the home, the head, the format numbers and every file."""
    folder = make_home(tmp_path / "home", 3)

    manifest = describe(backup(folder, tmp_path / "one.tar"))

    home = open_home(folder)
    assert (manifest.home, manifest.origin) == (home.id.hex(), home.origin)
    assert (manifest.entries, manifest.journal, manifest.keys) == (4, "sqlite", True)
    assert manifest.formats == FORMATS
    assert manifest.files["secrets/signing.pem"].mode == 0o600


def test_a_backup_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds the keys."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    assert archive.stat().st_mode & 0o777 == 0o600


def test_into_a_folder_a_backup_gets_a_name(tmp_path: Path) -> None:
    """The name has the home's id and the time; nothing else is left there."""
    (tmp_path / "backups").mkdir()
    folder = make_home(tmp_path / "home")

    archive = backup(folder, tmp_path / "backups")

    assert archive.name.startswith(f"answerable-{open_home(folder).id.hex()[:8]}-")
    assert list((tmp_path / "backups").iterdir()) == [archive]


def test_no_backup_is_replaced(tmp_path: Path) -> None:
    """A file that is there stays."""
    (tmp_path / "one.tar").write_text("older")

    with pytest.raises(UsageError, match="already"):
        backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    assert (tmp_path / "one.tar").read_text() == "older"


def test_a_home_that_lost_a_segment_is_not_backed_up_as_if_it_were_whole(tmp_path: Path) -> None:
    """The error names the file, and no half backup is left."""
    with Workspace(tmp_path / "home") as workspace:
        fill(workspace, 300)
        sealed = workspace.ledger.seal()
    (tmp_path / "home" / "segments" / sealed.segments[0].path).unlink()

    with pytest.raises(HomeError, match="parquet is missing"):
        backup(tmp_path / "home", tmp_path / "one.tar")

    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_progress_ends_where_it_should(tmp_path: Path) -> None:
    """Bytes done only grow and end at what there was to do."""
    seen: list[tuple[int, int]] = []

    backup(
        make_home(tmp_path / "home"),
        tmp_path / "one.tar",
        progress=lambda done, todo: seen.append((done, todo)),
    )

    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 0


def test_without_its_keys_a_backup_restores_to_a_home_that_can_be_read(tmp_path: Path) -> None:
    """An auditor reads and verifies it; it cannot record."""
    folder = make_home(tmp_path / "home")

    archive = backup(folder, tmp_path / "one.tar", keys=False)
    restored = restore(archive, tmp_path / "new")

    assert not any(name.startswith("secrets") for name in restored.manifest.files)
    assert restored.manifest.left_out == ("secrets/: left out as asked; keep it elsewhere",)
    assert restored.report is not None and restored.report.ok
    shutil.copytree(folder / "secrets", tmp_path / "new" / "secrets", dirs_exist_ok=True)
    with Workspace(tmp_path / "new") as new:
        assert new.ledger.verify().ok


def test_a_key_outside_of_the_home_stays_where_it_is(tmp_path: Path) -> None:
    """The manifest says so; the restored home finds it there."""
    folder = make_home(tmp_path / "home")
    shutil.move(folder / "secrets" / "signing.pem", tmp_path / "vault.pem")
    path = folder / "home.toml"
    path.write_text(path.read_text().replace("file:secrets/signing.pem", f"file:{tmp_path / 'vault.pem'}"))

    restored = restore(backup(folder, tmp_path / "one.tar"), tmp_path / "new")

    assert restored.manifest.left_out == (
        f"the signing key: it is not in secrets/, but at file:{tmp_path / 'vault.pem'}",
    )
    assert "secrets/signing.pem" not in restored.manifest.files
    assert restored.report is not None and restored.report.ok


def test_a_restore_can_put_the_journal_elsewhere(tmp_path: Path) -> None:
    """home.toml of the new home names the new place."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    restored = restore(archive, tmp_path / "new", journal="sqlite:hot/log.db")

    assert open_home(tmp_path / "new").journal == "sqlite:hot/log.db"
    assert (tmp_path / "new" / "hot" / "log.db").exists()
    assert restored.report is not None and restored.report.ok


def test_a_restore_writes_no_password_into_home_toml(tmp_path: Path) -> None:
    """A URL with one belongs into the environment."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    with pytest.raises(UsageError, match="password") as caught:
        restore(archive, tmp_path / "new", journal="postgresql://ada:s3cret@host/ledger")

    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_restore_replaces_nothing(tmp_path: Path) -> None:
    """A folder with anything in it is refused and stays as it is."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("keep")

    with pytest.raises(HomeError, match="not empty"):
        restore(archive, tmp_path / "new")

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]


def test_a_restore_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The database's place turns out to be taken: the new folder goes again."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")
    (tmp_path / "taken.db").write_text("somebody's")

    with pytest.raises(HomeError, match="already"):
        restore(archive, tmp_path / "new", journal=f"sqlite:{tmp_path / 'taken.db'}")

    assert not (tmp_path / "new").exists()
    assert (tmp_path / "taken.db").read_text() == "somebody's"


@pytest.mark.parametrize("place", ["/outside.db", "../outside.db"])
def test_a_backup_does_not_say_where_the_journal_goes(tmp_path: Path, place: str) -> None:
    """A journal on SQLite is restored into the new home, whatever the home.toml of the backup names."""
    folder = make_home(tmp_path / "home")
    outside = tmp_path / "outside.db"
    path = folder / "home.toml"
    named = f"sqlite:{outside}" if place.startswith("/") else f"sqlite:{place}"
    shutil.move(folder / "journal.db", outside)
    path.write_text(path.read_text().replace("sqlite:journal.db", named))
    archive = backup(folder, tmp_path / "one.tar")
    outside.unlink()

    restored = restore(archive, tmp_path / "new")

    assert not outside.exists()
    assert open_home(tmp_path / "new").journal == "sqlite:journal.db"
    assert restored.report is not None and restored.report.ok


def test_what_a_killed_backup_left_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a copy of the journal; that of a backup at work stays."""
    folder = make_home(tmp_path / "home")
    places = [tmp_path / f"{STAGING}{name}" for name in ("killed", "at-work")]
    for place in places:
        place.mkdir()
        (place / "journal.db").write_text("a copy")
    monkeypatch.setattr("answerable.upkeep.backup.YOUNG", 0.0)
    turn = Turn(places[1] / "lock")

    with turn:
        backup(folder, tmp_path / "one.tar")
    turn.close()

    assert [place.exists() for place in places] == [False, True]


# -- backups that are not what they were --------------------------------------------------------------


def rewritten(archive: Path, change: Callable[[tarfile.TarFile, tarfile.TarInfo, bytes], None]) -> Path:
    """Write the archive anew; `change` adds what it wants of each member."""
    out = archive.with_name("changed.tar")
    with tarfile.open(archive) as old, tarfile.open(out, "w") as new:
        for info in old:
            file = old.extractfile(info)
            assert file is not None
            change(new, info, file.read())
    return out


def put(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Add a member."""
    info.size = len(body)
    tar.addfile(info, io.BytesIO(body))


def flipped(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Change one bit of the journal."""
    if info.name == "journal/journal.db":
        body = body[:5000] + bytes([body[5000] ^ 1]) + body[5001:]
    put(tar, info, body)


def without_a_key(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Leave a member out."""
    if info.name != "secrets/lookup.key":
        put(tar, info, body)


def with_a_stranger(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Add a member that the manifest does not know."""
    if info.name == MANIFEST:
        put(tar, tarfile.TarInfo("policies/allow.cedar"), b"permit")
    put(tar, info, body)


def from_the_future(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Raise the number of the layout."""
    put(tar, info, body.replace(b'"backup": 1', b'"backup": 2') if info.name == MANIFEST else body)


def without_a_manifest(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
    """Leave the manifest out."""
    if info.name != MANIFEST:
        put(tar, info, body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flipped, "'journal/journal.db' is not what was written"),
        (without_a_key, "'secrets/lookup.key' is missing"),
        (with_a_stranger, "'policies/allow.cedar' does not belong"),
        (from_the_future, "format 2"),
        (without_a_manifest, "manifest.json"),
    ],
)
def test_a_changed_backup_is_refused_before_anything_is_written(
    tmp_path: Path, change: Callable[[tarfile.TarFile, tarfile.TarInfo, bytes], None], said: str
) -> None:
    """The error names the member."""
    archive = rewritten(backup(make_home(tmp_path / "home"), tmp_path / "one.tar"), change)

    with pytest.raises(InputError, match=said):
        restore(archive, tmp_path / "new")

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name",
    ["../evil", "secrets/../../evil", "/evil", "evil", "blobs\\..\\..\\evil", "C:/evil", "journal/", "a/b"],
)
def test_a_backup_cannot_write_outside_of_the_home(tmp_path: Path, name: str) -> None:
    """A name that leads out, or that no home has, is refused although the manifest vouches for it."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    def smuggled(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
        if info.name == MANIFEST:
            put(tar, tarfile.TarInfo(name), b"x")
            data = json.loads(body)
            digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
            data["files"][name.rstrip("/")] = {"bytes": 1, "sha256": digest, "mode": 0o600}
            body = json.dumps(data).encode()
        put(tar, info, body)

    with pytest.raises(InputError, match="does not belong"):
        restore(rewritten(archive, smuggled), tmp_path / "new")

    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "evil").exists()


def test_a_link_in_a_backup_is_refused(tmp_path: Path) -> None:
    """A symbolic link could lead the next member anywhere."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    def linked(tar: tarfile.TarFile, info: tarfile.TarInfo, body: bytes) -> None:
        if info.name == "secrets/lookup.key":
            info.type, info.linkname, body = tarfile.SYMTYPE, "/etc/passwd", b""
        put(tar, info, body)

    with pytest.raises(InputError, match=r"'secrets/lookup.key' does not belong"):
        restore(rewritten(archive, linked), tmp_path / "new")


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_backup_that_was_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    """A full disk or a broken copy leaves such a file."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(keep if keep > 1 else len(whole.rstrip(b"\0")) * keep)])

    with pytest.raises(InputError, match=r"one\.tar"):
        restore(archive, tmp_path / "new")

    assert not (tmp_path / "new").exists()


# -- PostgreSQL --------------------------------------------------------------------------------------


def test_a_home_on_postgresql_moves_to_another_database(
    tmp_path: Path, postgres_url: str, postgres_server: object
) -> None:
    """Every table comes along from one snapshot, while writers append."""
    fresh = postgres_server.fresh_url()  # type: ignore[attr-defined]
    with Workspace(tmp_path / "home", journal=postgres_url) as workspace:
        fill(workspace, 300)
        workspace.ledger.seal()
        with writers(workspace):
            archive = backup(tmp_path / "home", tmp_path / "one.tar")

    restored = restore(archive, tmp_path / "new", journal=fresh)

    assert restored.report is not None
    assert restored.report.problems == ()
    assert restored.report.entries == restored.manifest.entries >= 301
    with Workspace(tmp_path / "new") as new:
        assert new.decide(DECISION, answered(1)).status == "answered"
        assert new.ledger.verify().ok


def test_a_database_in_use_is_not_restored_into(tmp_path: Path, postgres_url: str) -> None:
    """The home's own database is still there; the tables in it stay."""
    with Workspace(tmp_path / "home", journal=postgres_url) as workspace:
        archive = backup(tmp_path / "home", tmp_path / "one.tar")

        with pytest.raises(HomeError, match="already"):
            restore(archive, tmp_path / "new")

        assert workspace.ledger.verify().ok
    assert not (tmp_path / "new").exists()


def test_a_backup_goes_back_to_the_kind_of_database_it_came_from(tmp_path: Path, postgres_url: str) -> None:
    """Otherwise the error names both kinds."""
    archive = backup(make_home(tmp_path / "home"), tmp_path / "one.tar")

    with pytest.raises(UsageError, match=r"sqlite.*postgresql"):
        restore(archive, tmp_path / "new", journal=postgres_url)
