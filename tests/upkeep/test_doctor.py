"""The doctor names what is wrong with a home, whatever that is, and changes nothing."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from answerable import formats
from answerable.encoding import encode
from answerable.home import open_home, write_home
from answerable.ledger import sqlite
from answerable.ledger.keys import load_signer, make_signing_key
from answerable.ledger.turns import Turn
from answerable.upkeep import doctor as examining
from answerable.upkeep.doctor import Check, doctor, file_system
from answerable.upkeep.stores import store_of
from answerable.upkeep.work import JOBS, work
from answerable.workspace import Workspace
from upkeep.homes import fill, make_home

MACHINE = {"SQLite", "extras", "file system", "disk"}  # of this machine, not of the home


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with sealed entries, a checkpoint and every role's sign of life; nobody changes it."""
    folder = tmp_path_factory.mktemp("sound") / "home"
    with Workspace(folder) as workspace:
        fill(workspace, 300)
        work(workspace, once=True)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound home, for a test to spoil."""
    return shutil.copytree(sound, tmp_path / "home")


def bad(folder: Path) -> list[Check]:
    """Return what is not well with the home."""
    return [check for check in doctor(folder) if check.state != "ok" and check.name not in MACHINE]


def sql(folder: Path, text: str) -> None:
    """Change the journal behind the back of the home."""
    with store_of(open_home(folder, older=True), {}).migrating() as connection:
        connection.exec_driver_sql(text)


def test_a_sound_home_is_well(folder: Path) -> None:
    """Every look is there once or more, and nothing is to be done."""
    checks = doctor(folder)

    assert bad(folder) == []
    assert {check.name for check in checks} > {
        *(
            "SQLite",
            "extras",
            "home",
            "file system",
            "disk",
            "secrets",
            "policies",
            "journal",
            "state format",
        ),
        *("durability", "lock", "signing key", "clock", "sealing", "segments", "role sealer", "role expiry"),
        *("breakers", "interrupted cases", "alerts", "webhook"),
    }
    assert all(check.next_step for check in checks if check.state != "ok")


def test_the_policy_engine_is_named_for_what_it_is(folder: Path) -> None:
    """Nobody should believe that rules are in force."""
    (policies,) = [check for check in doctor(folder) if check.name == "policies"]

    assert "no policies: everybody who can open this home may do everything" in policies.what


def lost_toml(folder: Path) -> None:
    (folder / "home.toml").unlink()


def broken_toml(folder: Path) -> None:
    (folder / "home.toml").write_text("id = ")


def newer_toml(folder: Path) -> None:
    path = folder / "home.toml"
    path.write_text(path.read_text().replace("leaf = 1", "leaf = 9"))


def lost_journal(folder: Path) -> None:
    (folder / "journal.db").unlink()


def garbage_journal(folder: Path) -> None:
    (folder / "journal.db").write_bytes(b"no database " * 1000)


def anothers_journal(folder: Path) -> None:
    other = make_home(folder.with_name("other"))
    shutil.copy(other / "journal.db", folder / "journal.db")


def lost_key(folder: Path) -> None:
    (folder / "secrets" / "signing.pem").unlink()


def lost(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "secrets" / name).unlink()


def anothers_key(folder: Path) -> None:
    other = make_home(folder.with_name("other"))
    shutil.copy(other / "secrets" / "signing.pem", folder / "secrets" / "signing.pem")


def open_secrets(folder: Path) -> None:
    (folder / "secrets" / "lookup.key").chmod(0o644)


def open_folder(folder: Path) -> None:
    folder.chmod(0o755)


def segment(folder: Path) -> Path:
    return next((folder / "segments").rglob("*.parquet"))


def lost_segment(folder: Path) -> None:
    segment(folder).unlink()


def short_segment(folder: Path) -> None:
    path = segment(folder)
    path.write_bytes(path.read_bytes()[:-100])


def half_segment(folder: Path) -> None:
    (segment(folder).parent / ".seg-000000000256.parquet.0123456789ab.tmp").write_bytes(b"PAR1")


def half_home(folder: Path) -> None:
    (folder / "home.toml.partial").write_text("id =")


def future_entry(folder: Path) -> None:
    sql(folder, f"UPDATE entry SET at = {(time.time_ns() // 1000) + 3_600_000_000}")


def less_durable(folder: Path) -> None:
    path = folder / "home.toml"
    path.write_text(path.read_text().replace('"FULL"', '"NORMAL"'))


def no_wal(folder: Path) -> None:
    connection = sqlite.library().connect(folder / "journal.db")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def older_state(folder: Path) -> None:
    sql(folder, "UPDATE head SET state_format = 0")


def newer_state(folder: Path) -> None:
    sql(folder, f"UPDATE head SET state_format = {formats.STATE + 1}")


def stale_role(folder: Path) -> None:
    sql(folder, "UPDATE role SET ran = 1 WHERE name = 'sealer'")


def stale_roles(folder: Path) -> None:
    sql(folder, "UPDATE role SET ran = 1")


def failed_role(folder: Path) -> None:
    sql(folder, "UPDATE role SET note = 'failed: the disk is full' WHERE name = 'sealer'")


def no_roles(folder: Path) -> None:
    sql(folder, "DELETE FROM role WHERE name IN ('expiry', 'sealer')")


def no_role(folder: Path) -> None:
    sql(folder, "DELETE FROM role WHERE name = 'expiry'")


def long_tail(folder: Path) -> None:
    sql(folder, "UPDATE head SET size = 10000000")


def no_policy(folder: Path) -> None:
    (folder / "policies" / "allow.txt").write_text("permit(principal, action, resource);")


def broken_policy(folder: Path) -> None:
    (folder / "policies" / "allow.cedar").write_text("\npermit(principal, action, resource);")


def now(seconds: float = 0) -> int:
    """Return the moment in so many seconds, as the tables keep it."""
    return time.time_ns() // 1000 + round(seconds * 1_000_000)


def open_breaker(folder: Path, *, until: float = 60, fault: str = "overloaded") -> None:
    row = f"'openai', 'gpt-5', {now(-30)}, {now(until)}, 0, 0, '{fault}'"
    sql(folder, f"INSERT INTO breaker VALUES ({row})")


def unpaid_breaker(folder: Path) -> None:
    open_breaker(folder, fault="quota")


def overdue_case(folder: Path, *, expires: float = -90) -> None:
    sql(folder, f"INSERT INTO opened VALUES (X'01', X'02', {now(expires)})")


ALERT = {
    "what": "openai gpt-5: the provider does not accept our credentials",
    "next_step": "renew the credentials",
    "decision": "route",
    "category": "auth",
    "record": None,
}


def raised_alert(folder: Path, *, key: str = "auth:openai gpt-5", last: float = 0, times: int = 2) -> None:
    body = encode({**ALERT, "times": 2}).hex()
    sql(
        folder, f"INSERT INTO alert VALUES ('{key}', X'01', {now(-9)}, {now(last)}, {times}, NULL, X'{body}')"
    )


def untold_alert(folder: Path, *, webhook: str = '"https://127.0.0.1:1/hook"') -> None:
    raised_alert(folder)
    with (folder / "home.toml").open("a", encoding="utf-8") as file:
        file.write(f"[alerts]\nwebhook = {webhook}\n")


def no_webhook_url(folder: Path) -> None:
    untold_alert(folder, webhook='"env:NO_SUCH_NAME"')


def no_database_url(folder: Path) -> None:
    path = folder / "home.toml"
    path.write_text(path.read_text().replace('"sqlite:journal.db"', '"env:NO_SUCH_NAME"'))


def strange_database(folder: Path) -> None:
    path = folder / "home.toml"
    path.write_text(path.read_text().replace('"sqlite:journal.db"', '"sqlight:journal.db"'))


@pytest.mark.parametrize(
    ("damage", "name", "state", "said"),
    [
        (lost_toml, "home", "fail", "home.toml"),
        (broken_toml, "home", "fail", "cannot be read"),
        (newer_toml, "home", "fail", "newer"),
        (lost_journal, "journal", "fail", "journal.db"),
        (garbage_journal, "journal", "fail", "not a database"),
        (anothers_journal, "journal", "fail", "another home"),
        (lost_key, "signing key", "warn", "can be read, not written"),
        (lost("lookup.key"), "look-up key", "warn", "can be read, not written"),
        (lost("kek.key"), "data keys", "fail", "no case can be opened"),
        (anothers_key, "signing key", "fail", "sign"),
        (open_secrets, "secrets", "fail", "lookup.key has mode 0644"),
        (open_folder, "permissions", "warn", "0755"),
        (lost_segment, "segments", "fail", "is missing"),
        (short_segment, "segments", "fail", "bytes instead of"),
        (half_segment, "segments", "warn", ".tmp"),
        (half_home, "leftovers", "warn", "never finished"),
        (future_entry, "clock", "warn", "in the future"),
        (less_durable, "durability", "warn", "NORMAL"),
        (no_wal, "durability", "fail", "journal_mode=delete"),
        (older_state, "state format", "fail", "0, this version works with"),
        (newer_state, "state format", "fail", "this version knows"),
        (stale_role, "role sealer", "warn", "has not run since 1 January 1970 at 00:00 UTC"),
        (stale_roles, "roles", "warn", "and alerts have not run since 1 January 1970"),
        (no_roles, "roles", "warn", "expiry and sealer have never run"),
        (failed_role, "role sealer", "warn", "failed: the disk is full"),
        (no_role, "role expiry", "warn", "never run"),
        (long_tail, "sealing", "warn", "in the journal"),
        (no_policy, "policies", "warn", "is no policy"),
        (broken_policy, "policies", "fail", "allow.cedar, line 2: a policy needs an id"),
        (open_breaker, "breakers", "warn", "because the provider is overloaded"),
        (unpaid_breaker, "breakers", "warn", "openai gpt-5 pause since"),
        (overdue_case, "interrupted cases", "warn", "1 called somebody and never ended"),
        (raised_alert, "alerts", "warn", "openai gpt-5: the provider does not accept our credentials (since"),
        (untold_alert, "webhook", "warn", "1 alerts did not reach it"),
        (no_webhook_url, "webhook", "warn", "NO_SUCH_NAME"),
        (no_database_url, "journal", "fail", "NO_SUCH_NAME"),
        (strange_database, "journal", "fail", "sqlight"),
    ],
)
def test_each_fault_is_named_with_the_next_step(
    folder: Path, damage: Callable[[Path], None], name: str, state: str, said: str
) -> None:
    """What was found says where; what to do is never left open."""
    damage(folder)

    found = [check for check in bad(folder) if check.name == name]

    assert found, f"{name} is not among {bad(folder)}"
    assert found[0].state == state
    assert said in found[0].what
    assert found[0].next_step


def looked_at(folder: Path, name: str) -> list[Check]:
    """Return what the doctor says of one thing."""
    return [check for check in doctor(folder) if check.name == name]


def test_a_breaker_is_told_with_its_times_and_what_mends_it(folder: Path) -> None:
    """Which, since when, until when and why; a bill that is not paid is no matter of waiting."""
    open_breaker(folder)

    (found,) = looked_at(folder, "breakers")

    moment = r"\d+ \w+ 20\d\d at \d\d:\d\d UTC"
    told = rf"calls to openai gpt-5 pause since {moment} until {moment}, for another \d\d\.\d s, because the"
    assert re.match(told, found.what)
    assert "probe" in found.next_step

    sql(folder, "UPDATE breaker SET fault = 'quota'")

    assert "bill" in looked_at(folder, "breakers")[0].next_step


def test_a_breaker_whose_pause_is_over_is_no_trouble_for_long(folder: Path) -> None:
    """For an hour the next call may still find the provider dead; after that nobody calls it any more."""
    open_breaker(folder, until=-10)
    just_over = looked_at(folder, "breakers")
    sql(folder, f"UPDATE breaker SET until = {now(-2 * 3600)}")

    long_over = looked_at(folder, "breakers")

    assert [check.state for check in just_over + long_over] == ["warn", "ok"]
    assert "one may probe" in just_over[0].what


def test_a_case_within_its_lease_is_no_trouble(folder: Path) -> None:
    """It is under way."""
    overdue_case(folder, expires=30)

    (found,) = looked_at(folder, "interrupted cases")

    assert (found.state, "under way: 1" in found.what) == ("ok", True)


def test_an_alert_that_somebody_brings_is_no_trouble(folder: Path) -> None:
    """It was claimed a moment ago, or delivered."""
    untold_alert(folder)
    sql(folder, f"UPDATE alert SET delivered = {-now()}")
    claimed = looked_at(folder, "webhook")
    sql(folder, f"UPDATE alert SET delivered = {now()}")

    delivered = looked_at(folder, "webhook")

    assert [check.state for check in claimed + delivered] == ["ok", "ok"]


def test_no_webhook_is_no_trouble(folder: Path) -> None:
    """It is in the log and in the ledger, as the operator wants it."""
    untold_alert(folder)
    path = folder / "home.toml"
    path.write_text(path.read_text().partition("[alerts]")[0])

    assert [check.state for check in looked_at(folder, "webhook")] == ["ok"]


def test_alerts_that_stand_are_listed_with_what_to_do(folder: Path) -> None:
    """Also without a webhook; not those that are over, or of which nobody has heard for a day."""
    raised_alert(folder, key="auth:openai gpt-5")
    raised_alert(folder, key="over", times=0)
    raised_alert(folder, key="old", last=-25 * 3600)

    (found,) = looked_at(folder, "alerts")

    assert (found.state, found.next_step) == ("warn", "renew the credentials")
    told = r"openai gpt-5: the provider .* \(since \d+ \w+ 20\d\d at \d\d:\d\d UTC, 2 times\)"
    assert re.fullmatch(told, found.what)


def test_a_long_list_of_alerts_is_cut(folder: Path) -> None:
    """Whoever reads it begins at its top."""
    for n in range(examining.SHOWN + 1):
        raised_alert(folder, key=f"k{n}")

    found = looked_at(folder, "alerts")

    assert len(found) == examining.SHOWN + 1
    assert found[-1].what == "more than these stand"


def test_roles_that_one_command_mends_are_one_finding(folder: Path) -> None:
    """It names them all."""
    sql(folder, "DELETE FROM role")

    (found,) = [check for check in bad(folder) if "answerable work" in check.next_step]

    assert all(job.name in found.what for job in JOBS)


def test_an_older_home_is_looked_at_without_the_tables_it_lacks(folder: Path) -> None:
    """The only thing to do is to upgrade it."""
    path = folder / "home.toml"
    path.write_text(path.read_text().replace(f"state = {formats.STATE}", "state = 1"))
    for table in ("opened", "budget", "reservation", "breaker", "alert"):
        sql(folder, f"DROP TABLE {table}")
    sql(folder, "UPDATE head SET state_format = 1")

    assert {(check.name, check.next_step) for check in bad(folder)} == {
        ("home", "run `answerable upgrade`"),
        ("state format", "run `answerable upgrade`"),
    }


def test_a_journal_that_another_one_holds_is_found_soon(folder: Path) -> None:
    """A process that stands still in its turn keeps every writer out."""
    turn = Turn(folder / "journal.lock")
    start = time.monotonic()

    with turn:
        found = [check for check in bad(folder) if check.name == "lock"]
    turn.close()

    assert time.monotonic() - start < 9  # a writer would wait for ten
    assert [check.state for check in found] == ["warn"]
    assert "journal.lock" in found[0].what


def test_a_database_that_another_one_holds_is_found_soon(folder: Path) -> None:
    """It may be a program that knows nothing of our turns."""
    connection = sqlite.library().connect(folder / "journal.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")

    found = [check for check in bad(folder) if check.name == "lock"]
    connection.close()

    assert [check.state for check in found] == ["warn"]
    assert "locked" in found[0].what


def test_a_head_that_an_earlier_key_signed_is_well(folder: Path, tmp_path: Path) -> None:
    """The new key signs with the next entry."""
    home = open_home(folder)
    earlier = load_signer(home.origin, home.signing_key, folder, {}).verifier
    make_signing_key(tmp_path / "new.pem")

    later = load_signer(home.origin, f"file:{tmp_path / 'new.pem'}", folder, {}).verifier
    keys = (earlier.format(), later.format())
    write_home(replace(home, signing_key=f"file:{tmp_path / 'new.pem'}", verifier_keys=keys))

    assert bad(folder) == []


def test_a_copy_without_its_keys_is_well_to_read(folder: Path) -> None:
    """As a backup without keys gives it: one warning says that it records nothing, and no role is missed."""
    shutil.rmtree(folder / "secrets")
    (folder / "secrets").mkdir()
    sql(folder, "DELETE FROM role")

    assert [(check.name, check.state) for check in bad(folder)] == [("signing key", "warn")]


def test_an_old_sqlite_is_a_warning_with_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.51.3 the write-ahead log can be damaged."""
    monkeypatch.setattr(sqlite, "version", lambda: (3, 51, 2))

    (found,) = [check for check in doctor(folder) if check.name == "SQLite"]

    assert found.state == "warn"
    assert "3.51.2" in found.what
    assert "pysqlite3" in found.next_step


@pytest.mark.parametrize(("free", "state"), [(50 << 20, "fail"), (500 << 20, "warn"), (50 << 30, "ok")])
def test_a_disk_that_fills_up_is_said_in_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    """A full disk records nothing."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1 << 40, 0, free))

    (found,) = [check for check in doctor(folder) if check.name == "disk"]

    assert found.state == state


MOUNTS = """\
/dev/vda1 / ext4 rw 0 0
server:/homes /mnt/homes nfs4 rw 0 0
me@box:/ /mnt/homes/box fuse.sshfs rw 0 0
/dev/vdb1 /mnt/homes/local xfs rw 0 0
//nas/my\\040files /mnt/my\\040files cifs rw 0 0
tmpfs /mnt/twice tmpfs rw 0 0
share /mnt/twice 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/home", "ext4"),
        ("/mnt/homes/ada", "nfs4"),
        ("/mnt/homes/box/x", "fuse.sshfs"),
        ("/mnt/homes/local/x", "xfs"),
        ("/mnt/homestead", "ext4"),
        ("/mnt/my files/x", "cifs"),
        ("/mnt/twice", "9p"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    """Of two at one point the later one holds; blanks in a name are escaped."""
    assert file_system(Path(path), MOUNTS)[1] == kind


def test_a_network_file_system_is_a_warning(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks and shared memory do not hold there."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda1 / ext4 rw 0 0\nbox:/ / fuse.sshfs rw 0 0\n")
    monkeypatch.setattr(examining, "MOUNTS", mounts)

    (found,) = [check for check in doctor(folder) if check.name == "file system"]

    assert found.state == "warn"
    assert "fuse.sshfs" in found.what


def test_a_folder_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    """It is all that there is to say; the doctor does not make one."""
    assert [(check.name, check.state) for check in doctor(tmp_path / "none")][-1:] == [("home", "fail")]
    assert len(doctor(tmp_path / "none")) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("seed", range(12))
def test_the_doctor_never_raises_and_changes_nothing(folder: Path, seed: int) -> None:
    """Files are cut, overwritten, removed or turned into folders at random."""
    chance = random.Random(seed)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in chance.sample(files, 3):
        act = chance.choice(["cut", "noise", "gone", "folder"])
        body = path.read_bytes()
        path.unlink()
        if act == "cut":
            path.write_bytes(body[: chance.randrange(len(body) + 1)])
        elif act == "noise":
            path.write_bytes(chance.randbytes(len(body)))
        elif act == "folder":
            path.mkdir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    checks = doctor(folder)

    assert checks
    lasting = {path: body for path, body in before.items() if path.suffix not in (".db-wal", ".db-shm")}
    assert all(path.is_file() and path.read_bytes() == body for path, body in lasting.items())


def test_a_home_on_postgresql_is_well_but_for_its_server(tmp_path: Path, postgres_url: str) -> None:
    """The tests' server runs without fsync, and the doctor says just that."""
    with Workspace(tmp_path / "home", journal=postgres_url) as workspace:
        fill(workspace, 3)
        work(workspace, once=True)

    found = bad(tmp_path / "home")

    assert [(check.name, check.state) for check in found] == [("durability", "fail")]
    assert "fsync=off" in found[0].what


def test_a_server_that_is_gone_is_a_finding_without_its_password(tmp_path: Path) -> None:
    """Nothing listens there."""
    folder = make_home(tmp_path / "home")
    path = folder / "home.toml"
    url = "postgresql://ada:s3cret@127.0.0.1:1/ledger"
    path.write_text(path.read_text().replace('"sqlite:journal.db"', f'"{url}"'))

    found = [check for check in bad(folder) if check.name == "journal"]

    assert [check.state for check in found] == ["fail"]
    assert "s3cret" not in str(found)
