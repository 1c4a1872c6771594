"""Every key store keeps one contract: what is made is there, what is shredded is in no file any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from answerable.errors import HomeError, LockedHome
from answerable.governance import keys_sqlite
from answerable.governance.kek import LocalKek, load_kek
from answerable.governance.keys_postgres import PostgresKeys
from answerable.governance.keys_sql import SqlKeys
from answerable.governance.keys_sqlite import MemoryKeys, SqliteKeys
from answerable.ledger.sqlite import library

HOME, SECRET = bytes(range(16)), bytes(range(32))
Open = Callable[..., SqlKeys]


def kek_of(secret: bytes = SECRET) -> Callable[[bytes], LocalKek]:
    """Return what opens a key-encryption key."""
    return lambda sealed: LocalKek(HOME, secret)


def opened(kind: str, place: str | Path, *, create: bool = False, secret: bytes = SECRET) -> SqlKeys:
    """Open a store of one kind."""
    if kind == "memory":
        return MemoryKeys(home=HOME, open_kek=kek_of(secret))
    if kind == "sqlite":
        return SqliteKeys(Path(place) / "keys.db", home=HOME, open_kek=kek_of(secret), create=create)
    return PostgresKeys(str(place), home=HOME, open_kek=kek_of(secret), create=create)


def place_of(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str | Path:
    """Return where a store of one kind goes."""
    return request.getfixturevalue("postgres_url") if kind == "postgresql" else tmp_path


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlKeys]:
    """An empty store of each kind."""
    store = opened(request.param, place_of(request.param, tmp_path, request), create=True)
    yield store
    store.close()


def test_keys_are_found_by_their_ids(keys: SqlKeys) -> None:
    """Each has 16 and 32 bytes of its own."""
    made = keys.make(3)

    assert [keys.get(key.id) for key in made] == list(made)
    assert len({key.id for key in made} | {key.secret for key in made}) == 6
    assert {(len(key.id), len(key.secret)) for key in made} == {(16, 32)}
    assert keys.get(b"unknown-unknown-") is None


def test_a_day_has_one_key_for_each_retention_class(keys: SqlKeys) -> None:
    """It is made at first use, and looking for it makes none."""
    assert keys.find_day("standard", 20_000) is None

    key = keys.of_day("standard", 20_000)

    assert key is not None
    assert keys.of_day("standard", 20_000) == keys.find_day("standard", 20_000) == keys.get(key.id) == key
    assert keys.of_day("short", 20_000) != key
    assert {(name, day) for name, day, _ in keys.days()} == {("standard", 20_000), ("short", 20_000)}


def test_a_shredded_key_is_gone_and_the_others_stay(keys: SqlKeys) -> None:
    """Its id opens nothing any more, nor does a second shredding find it."""
    gone, stays = keys.make(2)

    assert keys.shred([gone.id, b"unknown-unknown-"]) == 1
    assert keys.shred([gone.id]) == 0
    assert keys.get(gone.id) is None
    assert keys.get(stays.id) == stays


def test_the_key_of_a_day_whose_time_is_over_is_not_made_again(keys: SqlKeys) -> None:
    """Otherwise something could be sealed with it after its end."""
    key = keys.of_day("standard", 20_000)
    assert key is not None

    keys.shred([key.id])

    assert keys.of_day("standard", 20_000) is None
    found = keys.find_day("standard", 20_000)
    assert found is not None and (found.id, found.secret) == (key.id, b"")
    assert keys.days() == []


def test_a_copy_put_back_brings_no_shredded_key_back(keys: SqlKeys) -> None:
    """A row that is there stays as it is; one that is missing comes along, wrapped as it was."""
    gone, stays = keys.make(2)
    copy = list(keys.kept())
    keys.shred([gone.id])

    keys.put_back(copy)

    assert keys.get(gone.id) is None
    assert keys.get(stays.id) == stays
    assert gone.secret not in b"".join(key.wrapped for key in copy)


def test_another_key_encryption_key_opens_the_same_keys(keys: SqlKeys) -> None:
    """The rotation wraps each anew; shredded ones stay shredded."""
    gone, stays = keys.make(2)
    keys.shred([gone.id])
    before = {key.id: key.wrapped for key in keys.kept()}

    assert keys.rewrap(LocalKek(HOME, b"2" * 32)) == 1

    assert keys.get(stays.id) == stays
    assert keys.get(gone.id) is None
    assert {key.id: key.wrapped for key in keys.kept()}[stays.id] != before[stays.id]
    assert keys.kek_mark() == (LocalKek(HOME, b"2" * 32).check, b"")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_keys_are_there_for_another_process_and_after_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Two open stores see each other's keys and each other's shredding."""
    place = place_of(kind, tmp_path, request)
    one = opened(kind, place, create=True)
    other = opened(kind, place)
    (key,) = one.make(1)

    assert other.get(key.id) == key
    assert other.of_day("standard", 7) == one.of_day("standard", 7)
    other.shred([key.id])
    assert one.get(key.id) is None

    one.close()
    other.close()
    again = opened(kind, place)
    assert again.get(key.id) is None
    again.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_wrong_key_encryption_key_is_refused_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Before anything was sealed that nobody could open; so are the keys of another home."""
    place = place_of(kind, tmp_path, request)
    opened(kind, place, create=True).close()

    with pytest.raises(HomeError, match="is not the one that wrapped"):
        opened(kind, place, secret=b"x" * 32)


def test_keys_of_another_home_are_refused(tmp_path: Path) -> None:
    """They would open nothing of this one."""
    opened("sqlite", tmp_path, create=True).close()

    with pytest.raises(HomeError, match="belong to another home"):
        SqliteKeys(tmp_path / "keys.db", home=b"h" * 16, open_kek=lambda s: LocalKek(b"h" * 16, SECRET))


def files_with(folder: Path, *needles: bytes) -> list[str]:
    """Return the names of the files under `folder` in which one of the byte strings stands."""
    return [p.name for p in folder.rglob("*") if p.is_file() and any(n in p.read_bytes() for n in needles)]


def test_no_file_holds_a_shredded_key(tmp_path: Path) -> None:
    """Neither the wrapped bytes nor a piece of them, in the database or its log, however many there are."""
    keys = opened("sqlite", tmp_path, create=True)
    made = keys.make(500)
    wrapped = {key.id: key.wrapped for key in keys.kept()}
    gone = made[::7]
    assert files_with(tmp_path, *(wrapped[key.id] for key in gone))

    keys.shred([key.id for key in gone])

    pieces = [wrapped[key.id][at : at + 16] for key in gone for at in (0, 12, 28, 44)]
    assert files_with(tmp_path, *pieces, *(key.secret for key in made)) == []
    assert all(keys.get(key.id) == key for key in made if key not in gone)
    keys.close()


def test_no_file_of_the_table_on_postgresql_holds_a_shredded_key(
    postgres_url: str, postgres_server: object
) -> None:
    """The table is written anew; the server's own log is out of reach and holds what is wrapped only."""
    import psycopg

    keys = opened("postgresql", postgres_url, create=True)
    gone, stays = keys.make(2)
    wrapped = {key.id: key.wrapped for key in keys.kept()}
    keys.shred([gone.id])
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        found = connection.execute(
            "SELECT pg_relation_filepath(format('%I.data_key', schemaname)::regclass) FROM pg_tables "
            "WHERE tablename = 'data_key'"
        ).fetchone()
    assert found is not None
    table = (postgres_server.folder / "data" / found[0]).read_bytes()  # type: ignore[attr-defined]

    assert wrapped[stays.id] in table
    assert wrapped[gone.id] not in table
    keys.close()


def test_a_reader_that_keeps_the_old_bytes_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is gone for everybody; that its bytes are in no file is promised only when they are not."""
    monkeypatch.setattr(keys_sqlite, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(keys_sqlite, "_BUSY_MS", 10)
    keys = opened("sqlite", tmp_path, create=True)
    (key,) = keys.make(1)
    reader = library().connect(str(tmp_path / "keys.db"), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM data_key").fetchone()

    with pytest.raises(LockedHome, match="work --once"):
        keys.shred([key.id])
    assert keys.get(key.id) is None
    reader.execute("ROLLBACK")
    reader.close()
    assert keys.shred([key.id]) == 0  # nothing to overwrite; the log is cut all the same
    assert (tmp_path / "keys.db-wal").stat().st_size == 0
    keys.close()


def test_threads_share_a_store(keys: SqlKeys) -> None:
    """A day's key is made once, whoever is first."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.of_day("standard", 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


# -- the key-encryption key --------------------------------------------------------------------------


def test_a_key_encryption_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """Both give the same key for the same 64 digits."""
    (tmp_path / "kek.key").write_text(SECRET.hex())

    one = load_kek("file:kek.key", tmp_path, {}, home=HOME)
    other = load_kek("env:KEK", tmp_path, {"KEK": f"{SECRET.hex()}\n"}, home=HOME)

    assert other.unwrap(b"k" * 16, one.wrap(b"k" * 16, b"s" * 32)) == b"s" * 32


@pytest.mark.parametrize(
    ("where", "told"),
    [("file:none.key", "is missing"), ("env:NONE", "is missing"), ("env:SHORT", "has 2 bytes")],
)
def test_a_missing_or_damaged_key_encryption_key_is_told(where: str, told: str, tmp_path: Path) -> None:
    """With its place, never its value."""
    with pytest.raises(HomeError, match=told) as caught:
        load_kek(where, tmp_path, {"SHORT": "beef"}, home=HOME)
    assert "beef" not in str(caught.value)


def test_a_wrapped_key_opens_for_its_own_id_only() -> None:
    """So rows of the store cannot be exchanged unseen."""
    kek = LocalKek(HOME, SECRET)

    with pytest.raises(HomeError, match="cannot be unwrapped"):
        kek.unwrap(b"b" * 16, kek.wrap(b"a" * 16, b"s" * 32))


class _Kms:
    """A KMS that adds a byte to each."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def wrap(self, secret: bytes) -> bytes:
        return self._key + secret[::-1]

    def unwrap(self, wrapped: bytes) -> bytes:
        if not wrapped.startswith(self._key):
            raise PermissionError("no")
        return wrapped[len(self._key) :][::-1]


def test_a_kms_keeps_the_key_encryption_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Made once and kept wrapped in the store; who may not use it is told so."""

    class Door:
        name = "test"

        def load(self) -> type[_Kms]:
            return _Kms

    monkeypatch.setattr("answerable.governance.kek.entry_points", lambda group: [Door()])
    first = load_kek("kms:test:key-1", tmp_path, {}, home=HOME)

    again = load_kek("kms:test:key-1", tmp_path, {}, home=HOME, sealed=first.sealed)

    assert again.check == first.check
    assert first.sealed.startswith(b"key-1")
    with pytest.raises(HomeError, match="gave no key"):
        load_kek("kms:test:key-2", tmp_path, {}, home=HOME, sealed=first.sealed)
    with pytest.raises(HomeError, match="no KMS is known"):
        load_kek("kms:tset:key-1", tmp_path, {}, home=HOME)
