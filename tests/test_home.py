"""A home is opened only when it is whole, ours and meant; nothing is ever made by accident."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answerable import formats
from answerable.errors import HomeError, NewerHome, UsageError
from answerable.home import FORMATS, Home, choose_home, find_project, open_home, refuse_password, write_home
from answerable.workspace import Workspace
from homes import edit, make

REPOSITORY = Path(__file__).resolve().parents[1]
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def run(code: str, *arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a Python process with `code`; its arguments are in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), **(env or {})},
        cwd="/",
    )


def said(process: subprocess.Popen[str]) -> str:
    """Return what a process printed; it must end well."""
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    return out.strip()


# -- making ------------------------------------------------------------------------------------------


def test_a_new_folder_becomes_a_home(tmp_path: Path) -> None:
    """With everything in its place, and keys that only the owner may read."""
    folder = make(tmp_path / "a" / "home")

    assert {path.name for path in folder.iterdir()} >= {
        *("home.toml", "journal.db", "segments", "blobs", "checkpoints", "policies", "secrets")
    }
    assert {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir()} == {0o600}
    assert tomllib.loads((folder / "home.toml").read_text())["formats"] == FORMATS


def test_a_home_keeps_its_identity(tmp_path: Path) -> None:
    """Opening it again changes nothing; another home has another id."""
    folder = make(tmp_path / "home")
    first = open_home(folder)
    make(folder)

    assert open_home(folder) == first
    assert open_home(make(tmp_path / "other")).id != first.id


def test_a_foreign_folder_does_not_become_a_home(tmp_path: Path) -> None:
    """Somebody's files stay alone."""
    (tmp_path / "letter.txt").write_text("dear")

    with pytest.raises(HomeError, match="neither a home nor empty"):
        Workspace(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_does_not_become_a_home(tmp_path: Path) -> None:
    """The error names it."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(HomeError, match="file"):
        Workspace(tmp_path / "file")


def test_processes_that_make_the_same_home_at_once_get_one_home(tmp_path: Path) -> None:
    """One makes it, the others wait and open it: four processes, three homes."""
    code = """
        import sys, time, pathlib
        from answerable.workspace import Workspace
        place, mine = pathlib.Path(sys.argv[1]), sys.argv[2]
        for number in range(3):
            (place / f"ready-{number}-{mine}").touch()
            while len(list(place.glob(f"ready-{number}-*"))) < 4:
                time.sleep(0.001)
            with Workspace(place / f"home-{number}") as workspace:
                print(workspace.home.id.hex(), workspace.ledger.verify().ok)
    """
    processes = [run(code, tmp_path, str(number)) for number in range(4)]

    told = {said(process) for process in processes}

    ids = [open_home(tmp_path / f"home-{number}").id.hex() for number in range(3)]
    assert told == {"\n".join(f"{one} True" for one in ids)}


def test_a_home_that_lost_its_home_toml_is_not_made_anew(tmp_path: Path) -> None:
    """Its ledger is still there: a second identity over it would be the end of it."""
    folder = make(tmp_path / "home")
    (folder / "home.toml").unlink()
    before = sorted((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())

    with pytest.raises(HomeError, match="lost") as caught:
        Workspace(folder)

    assert "backup" in caught.value.next_step
    assert sorted((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file()) == before


# -- which home --------------------------------------------------------------------------------------


def test_without_a_name_or_a_project_there_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a usage error, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANSWERABLE_HOME", raising=False)

    with pytest.raises(UsageError, match=r"no answerable\.toml"):
        Workspace()

    assert list(tmp_path.iterdir()) == []


def test_the_project_file_is_found_upward_and_names_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder deep inside the project the home is the project's, relative to its file."""
    (tmp_path / "answerable.toml").write_text('home = "state/home"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    monkeypatch.delenv("ANSWERABLE_HOME", raising=False)

    with Workspace() as workspace:
        assert workspace.home.folder == tmp_path / "state" / "home"

    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    """A pyproject.toml without our table is not one."""
    (tmp_path / "answerable.toml").write_text('home = "outer"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert choose_home(None, {}, inner) == tmp_path / "outer"

    (inner / "pyproject.toml").write_text("[tool.answerable]\nhome = 'mine'\n")

    assert choose_home(None, {}, inner) == inner / "mine"


def test_a_name_wins_over_the_environment_and_that_over_the_project(tmp_path: Path) -> None:
    """The nearest to the caller counts."""
    (tmp_path / "answerable.toml").write_text("")
    env = {"ANSWERABLE_HOME": "/from/env"}

    assert choose_home("named", env, tmp_path) == Path("named")
    assert choose_home(None, env, tmp_path) == Path("/from/env")
    assert choose_home(None, {"ANSWERABLE_HOME": ""}, tmp_path) == tmp_path / ".answerable"


def test_the_environment_names_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a service that has no working directory of its own."""
    make(tmp_path / "home")
    monkeypatch.setenv("ANSWERABLE_HOME", str(tmp_path / "home"))

    with Workspace() as workspace:
        assert workspace.home.folder == tmp_path / "home"


def test_the_environment_makes_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped variable would quietly begin a second ledger."""
    monkeypatch.setenv("ANSWERABLE_HOME", str(tmp_path / "hoem"))

    with pytest.raises(HomeError, match=r"ANSWERABLE_HOME names .*hoem"):
        Workspace()

    assert not (tmp_path / "hoem").exists()


def test_a_project_file_with_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    """A misspelt `home` would quietly make a second one."""
    (tmp_path / "answerable.toml").write_text('hoem = "x"\n')

    with pytest.raises(UsageError, match="unknown setting 'hoem'") as caught:
        find_project(tmp_path)

    assert "'home'" in caught.value.next_step


def test_a_project_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Looking further up would find another home."""
    (tmp_path / "answerable.toml").write_text("home = \n")

    with pytest.raises(UsageError, match=r"answerable\.toml cannot be read"):
        find_project(tmp_path)


# -- home.toml ---------------------------------------------------------------------------------------


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    number=st.binary(min_size=16, max_size=16),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_home_toml_says_is_read_back(tmp_path: Path, text: str, number: bytes) -> None:
    """Quotes and backslashes too: a Windows path, a password in a URL."""
    home = Home(folder=tmp_path, id=number, origin=text, journal=text, signing_key=text)

    write_home(home)

    assert open_home(tmp_path) == home


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "', 'id = "zz', "damaged"),
        ("id =", "identity =", "damaged"),
        ("origin =", "origins =", "damaged"),
        ('durability = "FULL"', 'durability = "FUL"', "durability is 'FUL'"),
        (f"state = {formats.STATE}", 'state = "one"', "no state format number"),
        ("[formats]", "[format]", "no home format number"),
        ("[formats]", "[formats", "cannot be read"),
    ],
)
def test_a_damaged_home_toml_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The error says where and what to do."""
    folder = make(tmp_path / "home")
    edit(folder, old, new)

    with pytest.raises(HomeError, match=said) as caught:
        Workspace(folder)

    assert caught.value.next_step


def test_a_home_toml_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A disk fault can leave anything."""
    folder = make(tmp_path / "home")
    (folder / "home.toml").write_bytes(b"\xff\x00\xff")

    with pytest.raises(HomeError, match="cannot be read"):
        Workspace(folder)


@pytest.mark.parametrize("name", ["home", "leaf", "envelope", "segment", "state"])
def test_a_home_of_a_newer_version_is_refused(tmp_path: Path, name: str) -> None:
    """Any of its numbers may be the newer one; the next step is to install that version."""
    folder = make(tmp_path / "home")
    ours = FORMATS[name]
    edit(folder, f"{name} = {ours}", f"{name} = {ours + 1}")

    with pytest.raises(NewerHome, match=f"{name} format {ours + 1} is newer") as caught:
        Workspace(folder)

    assert "newer" in caught.value.next_step


def test_a_home_of_an_older_version_says_how_to_upgrade_it(tmp_path: Path) -> None:
    """It is not upgraded by itself."""
    folder = make(tmp_path / "home")
    edit(folder, f"state = {formats.STATE}", f"state = {formats.STATE - 1}")

    with pytest.raises(HomeError, match="older") as caught:
        Workspace(folder)

    assert "answerable upgrade" in caught.value.next_step


# -- the journal -------------------------------------------------------------------------------------


def test_a_journal_that_is_missing_is_not_made_anew(tmp_path: Path) -> None:
    """An empty log in its place would hide the loss."""
    folder = make(tmp_path / "home")
    (folder / "journal.db").unlink()

    with pytest.raises(HomeError, match=r"journal\.db"):
        Workspace(folder)

    assert not (folder / "journal.db").exists()


def test_somebody_elses_journal_is_refused(tmp_path: Path) -> None:
    """It has another home's id."""
    folder, other = make(tmp_path / "home"), make(tmp_path / "other")
    shutil.copy(other / "journal.db", folder / "journal.db")

    with pytest.raises(HomeError, match="belongs to another home"):
        Workspace(folder)


def test_a_journal_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    folder = make(tmp_path / "home")
    (folder / "journal.db").write_bytes(b"not a database" * 100)

    with pytest.raises(HomeError, match=r"journal\.db"):
        Workspace(folder)


def test_a_home_is_not_opened_with_a_journal_elsewhere(tmp_path: Path) -> None:
    """Where it is stands in home.toml, and only there."""
    folder = make(tmp_path / "home")

    with pytest.raises(HomeError, match="elsewhere"):
        Workspace(folder, journal="sqlite:other.db")

    assert not (folder / "other.db").exists()


def test_a_journal_url_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no password stands in home.toml; without it the error names the variable."""
    monkeypatch.setenv("LEDGER_URL", "sqlite:journal.db")
    Workspace(tmp_path / "home", journal="env:LEDGER_URL").close()
    assert "env:LEDGER_URL" in (tmp_path / "home" / "home.toml").read_text()
    Workspace(tmp_path / "home").close()
    monkeypatch.delenv("LEDGER_URL")

    with pytest.raises(HomeError, match="LEDGER_URL"):
        Workspace(tmp_path / "home")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@host/ledger",
        "postgresql://ada:hunt/hunter2@host/ledger",
        "postgresql+psycopg://ada:h@hunter2?@host/ledger",
        "postgresql://ada@host/ledger?password=hunter2",
        "postgresql://ada@host/ledger?sslmode=require&PassWord=hunter2",
        "postgresql://ada@host/ledger?pass%77ord=hunter2",
        "postgresql://ada@host/ledger?sslpassword=hunter2",
        "postgresql://ada@host/ledger?passfile=/hunter2",
        "postgresql:ada:hunter2@host/ledger",
    ],
)
def test_a_password_is_not_written_into_home_toml(tmp_path: Path, url: str) -> None:
    """Wherever in the URL it stands; nor is it shown."""
    with pytest.raises(UsageError, match="holds a password") as caught:
        Workspace(tmp_path / "home", journal=url)

    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "home" / "home.toml").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada@host:5432/ledger?sslmode=require",
        "postgresql://host:5432/ledger",
        "postgresql://ada@[::1]:5432/ledger",
        "postgresql:///ledger?host=/run/postgresql&passwordless=1",
        "sqlite:C:/ada@home/journal.db",
        "env:PASSWORD",
    ],
)
def test_a_url_without_a_password_is_taken(url: str) -> None:
    """Ports, addresses and other settings are none."""
    refuse_password(url)


# -- rights, processes -------------------------------------------------------------------------------

# Everything is imported by opening some home first: the other account may not get at the interpreter's files.
AS_NOBODY = """
    import os, sys, tempfile
    from answerable.errors import HomeError
    from answerable.workspace import Workspace
    with tempfile.TemporaryDirectory() as folder:
        Workspace(folder).close()
    os.setgid(65534)
    os.setuid(65534)
    try:
        Workspace(sys.argv[1])
    except HomeError as exc:
        print(exc.what, "|", exc.next_step)
"""


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that another account can get at, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(
    not ROOT, reason="needs root to become somebody else; an owner can always read its own files"
)
class TestAnotherAccount:
    """What somebody gets who may not write, or not even read."""

    def test_a_home_that_may_not_be_written_is_refused(self, everybodys: Path) -> None:
        """Everything in it may be read; the error says what cannot be done."""
        folder = make(everybodys / "home")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

        told = said(run(AS_NOBODY, folder))

        assert "journal" in told
        assert "can be written" in told

    def test_a_home_that_may_not_be_looked_into_is_refused(self, everybodys: Path) -> None:
        """It is there, and nobody's business."""
        folder = make(everybodys / "home")
        folder.chmod(0o700)

        told = said(run(AS_NOBODY, folder))

        assert str(folder) in told

    def test_a_home_cannot_be_made_where_nobody_may_write(self, everybodys: Path) -> None:
        """The error names the folder."""
        told = said(run(AS_NOBODY, everybodys / "home"))

        assert "cannot be made" in told
        assert not (everybodys / "home").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_workspace_is_of_no_use_after_a_fork(tmp_path: Path) -> None:
    """The child gets an error for everything; the parent goes on."""
    code = """
        import os, sys
        from answerable.errors import ForkedWorkspace
        from answerable.workspace import Workspace
        workspace = Workspace(sys.argv[1])
        pid = os.fork()
        if pid == 0:
            for act in (workspace.records, workspace.why, lambda: workspace.outcome("last")):
                try:
                    act()
                except ForkedWorkspace:
                    continue
                os._exit(1)
            workspace.close()
            with Workspace(sys.argv[1]) as own:
                own.records()
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert workspace.records() == []
        assert workspace.ledger.verify().ok
        workspace.close()
        print(os.waitstatus_to_exitcode(status))
    """

    assert said(run(code, tmp_path / "home")) == "0"


def test_a_closed_workspace_can_be_closed_again(tmp_path: Path) -> None:
    """And its home opened again."""
    workspace = Workspace(tmp_path / "home")
    workspace.close()
    workspace.close()

    Workspace(tmp_path / "home").close()
