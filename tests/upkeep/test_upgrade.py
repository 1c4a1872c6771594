"""An older home is upgraded by one command, after a backup; the steps lead to the tables we work with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from answerable import formats, home
from answerable.alerting import alerts, raise_alert
from answerable.errors import HomeError, LockedHome, NewerHome
from answerable.failures.alert import Alert
from answerable.home import open_home
from answerable.state import migrate as steps
from answerable.state.migrate import migrate, newest
from answerable.state.tables import metadata
from answerable.upkeep.backup import describe
from answerable.upkeep.roles import take
from answerable.upkeep.store import HEAD, Store
from answerable.upkeep.store_postgres import PostgresStore
from answerable.upkeep.store_sqlite import SqliteStore
from answerable.upkeep.stores import store_of
from answerable.upkeep.upgrade import upgrade
from answerable.workspace import Workspace
from upkeep.homes import DECISION, answered, make_home

# -- the steps ---------------------------------------------------------------------------------------


def differences(store: Store) -> list[Any]:
    """Run all steps on an empty database; return how it differs from the tables of the code."""
    with store.migrating() as connection:
        migrate(connection, start=0, stop=formats.STATE)
    with store.migrating() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_all_steps_on_an_empty_sqlite_database_give_the_tables_of_the_code(tmp_path: Path) -> None:
    """A change of a table without its step is found here."""
    (tmp_path / "empty.db").touch()

    assert differences(SqliteStore(tmp_path / "empty.db")) == []


def test_all_steps_on_an_empty_postgresql_database_give_the_tables_of_the_code(postgres_url: str) -> None:
    """The same on the other database."""
    assert differences(PostgresStore(postgres_url)) == []


def test_the_comparison_finds_a_missing_column(tmp_path: Path) -> None:
    """The two tests above can fail."""
    store = SqliteStore(tmp_path / "empty.db")
    (tmp_path / "empty.db").touch()
    with store.migrating() as connection:
        migrate(connection, start=0, stop=formats.STATE)
        connection.exec_driver_sql("ALTER TABLE role DROP COLUMN note")

    with store.migrating() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)

    assert [change[0] for change in found] == ["add_column"]


def test_the_newest_step_makes_the_format_of_the_code() -> None:
    """The number and the steps belong together."""
    assert newest() == formats.STATE


# -- the command -------------------------------------------------------------------------------------


NOW, NEXT = formats.STATE, formats.STATE + 1


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the code be one state format further: a new column in `role`."""

    def add_a_column() -> None:
        op.add_column("role", sa.Column("colour", sa.Text))

    step = SimpleNamespace(module=SimpleNamespace(upgrade=add_a_column), doc="Roles have a colour.")
    monkeypatch.setattr(steps, "_steps", lambda start, stop: [step] if (start, stop) == (NOW, NEXT) else [])
    monkeypatch.setattr(formats, "STATE", NEXT)
    monkeypatch.setattr(home, "FORMATS", {**home.FORMATS, "state": NEXT})
    monkeypatch.setattr(home.write_home, "__defaults__", ({**home.FORMATS, "state": NEXT},))
    yield


def test_a_home_of_this_version_has_nothing_to_do(tmp_path: Path) -> None:
    """It says so, and makes no backup."""
    folder = make_home(tmp_path / "home")

    done = upgrade(folder)

    assert (done.was, done.now, done.steps, done.backup) == (formats.STATE, formats.STATE, (), None)
    assert not (folder / "backups").exists()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_older_home_is_refused_until_it_is_upgraded(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """The upgrade takes the steps, raises the numbers, and leaves every entry as it was."""
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else "sqlite:journal.db"
    folder = make_home(tmp_path / "home", journal=url)
    request.getfixturevalue("next_version")
    with pytest.raises(HomeError, match="answerable upgrade"):
        Workspace(folder)

    done = upgrade(folder)

    assert (done.was, done.now, done.steps) == (NOW, NEXT, ("Roles have a colour.",))
    store = store_of(open_home(folder), {})
    assert store.rows(HEAD)[0][0] == NEXT
    assert store.rows("SELECT colour FROM role") == []
    with Workspace(folder) as workspace:
        assert workspace.decide(DECISION, answered(9)).status == "answered"
        assert workspace.ledger.verify().ok


def test_the_backup_before_an_upgrade_is_of_the_home_as_it_was(tmp_path: Path, next_version: None) -> None:
    """It has the old number, so that the old version can restore it."""
    folder = make_older(tmp_path / "home")

    done = upgrade(folder)

    assert done.backup is not None
    assert done.backup.parent == folder / "backups"
    assert describe(done.backup).formats["state"] == NOW


def make_older(folder: Path) -> Path:
    """Make a home as the version before wrote it."""
    make_home(folder)
    with store_of(open_home(folder), {}).migrating() as connection:
        connection.exec_driver_sql(f"UPDATE head SET state_format = {NOW}")
    path = folder / "home.toml"
    path.write_text(path.read_text().replace(f"state = {NEXT}", f"state = {NOW}"))
    return folder


ADDED_BY_2 = ("opened", "budget", "reservation", "breaker", "alert")
ADDED_BY_3 = ("subject_entry", "shredded", "erased", "hold", "request")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_home_of_state_format_1_really_becomes_one_of_this_version(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """What was recorded stays as it was; cases and alerts are recorded beside it afterwards."""
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else "sqlite:journal.db"
    folder = make_home(tmp_path / "home", journal=url)
    make_first(folder)
    with pytest.raises(HomeError, match="answerable upgrade"):
        Workspace(folder)

    done = upgrade(folder)

    assert (done.was, done.now, done.home.journal) == (1, NOW, url)
    assert len(done.steps) == NOW - 1
    with store_of(open_home(folder), {}).migrating() as connection:
        changes = compare_metadata(MigrationContext.configure(connection), metadata)
    # The journal's own tables are no state, and so unknown to the comparison.
    assert [c for c in changes if c[0] not in ("remove_table", "remove_index")] == []
    with Workspace(folder) as workspace:
        assert len(workspace.records()) == 3
        outcome = workspace.decide(DECISION, answered(9))
        assert outcome.status == "answered"
        assert workspace.why(outcome.record_id).message("operator").endswith(outcome.record_id)
        alert = Alert(key="k", what="w", next_step="n")
        assert asyncio.run(raise_alert(workspace.book, workspace.journal.enqueue, alert))
        assert [row.alert for row in alerts(workspace.journal)] == [alert]
        assert workspace.ledger.verify().ok


def make_first(folder: Path) -> None:
    """Turn a home of this version into one as the first version wrote it: its tables, its numbers."""
    with store_of(open_home(folder), {}).migrating() as connection:
        for table in (*ADDED_BY_2, *ADDED_BY_3):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("UPDATE head SET state_format = 1")
    path = folder / "home.toml"
    path.write_text(path.read_text().replace(f"state = {NOW}", "state = 1"))


def test_the_first_format_is_what_its_own_step_makes(tmp_path: Path) -> None:
    """So the home above is really one of format 1."""
    folder = make_home(tmp_path / "home")
    make_first(folder)
    (tmp_path / "first.db").touch()
    first = SqliteStore(tmp_path / "first.db")
    with first.migrating() as connection:
        migrate(connection, start=0, stop=1)

    def tables(store: Store) -> set[Any]:
        found = store.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {row[0] for row in found}

    assert tables(store_of(open_home(folder, older=True), {})) == tables(first) | {"entry", "head"}


def test_a_step_that_fails_leaves_the_home_as_it_was(
    tmp_path: Path, next_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps run in one transaction, which is rolled back whole."""

    def half() -> None:
        op.add_column("role", sa.Column("colour", sa.Text))
        raise RuntimeError("half-way")

    folder = make_older(tmp_path / "home")
    broken = SimpleNamespace(module=SimpleNamespace(upgrade=half), doc="")
    monkeypatch.setattr(steps, "_steps", lambda start, stop: [broken])

    with pytest.raises(RuntimeError, match="half-way"):
        upgrade(folder)

    store = store_of(open_home(folder, older=True), {})
    assert store.rows(HEAD)[0][0] == NOW
    assert "colour" not in {row[1] for row in store.rows("PRAGMA table_info(role)")}


def test_an_upgrade_that_was_interrupted_before_home_toml_can_be_run_again(
    tmp_path: Path, next_version: None
) -> None:
    """The database is new, home.toml still old: only the number is left to write."""
    folder = make_older(tmp_path / "home")
    old = (folder / "home.toml").read_text()
    upgrade(folder)
    (folder / "home.toml").write_text(old)

    done = upgrade(folder, out=tmp_path / "again.tar")

    assert (done.was, done.now, done.steps) == (NEXT, NEXT, ())
    assert open_home(folder).id


def test_a_newer_home_is_not_upgraded(tmp_path: Path) -> None:
    """Neither one whose home.toml says so nor one whose journal does."""
    folder = make_home(tmp_path / "home")
    path = folder / "home.toml"
    path.write_text(path.read_text().replace(f"state = {NOW}", f"state = {NEXT}"))
    with pytest.raises(NewerHome, match=r"home\.toml"):
        upgrade(folder)

    path.write_text(path.read_text().replace(f"state = {NEXT}", f"state = {NOW}"))
    with store_of(open_home(folder), {}).migrating() as connection:
        connection.exec_driver_sql(f"UPDATE head SET state_format = {NEXT}")
    with pytest.raises(NewerHome, match=r"journal\.db"):
        upgrade(folder)


def test_a_home_with_a_worker_in_it_is_not_upgraded(tmp_path: Path) -> None:
    """The error names the worker; nothing was changed or backed up."""
    folder = make_home(tmp_path / "home")
    path = folder / "home.toml"
    path.write_text(path.read_text().replace("segment = 1", "segment = 0"))
    later = path.read_text()
    path.write_text(later.replace("segment = 0", "segment = 1"))
    with Workspace(folder) as workspace:
        assert take(workspace.journal, workspace.clock, "sealer", "box:1") is not None
        path.write_text(later)

        with pytest.raises(LockedHome, match="box:1"):
            upgrade(folder)

    assert path.read_text() == later
    assert not (folder / "backups").exists()
