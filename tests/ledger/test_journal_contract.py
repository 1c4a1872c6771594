"""Every journal keeps the same promises: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from answerable.errors import HomeError, InputError, LedgerUnavailable, NewerHome, UsageError
from answerable.ledger import journal_postgres
from answerable.ledger.entry import Conflict, Filter, Receipt, Unit
from answerable.ledger.envelope import open_clear
from answerable.ledger.group_commit import _Waiting
from answerable.ledger.journal_memory import MemoryJournal
from answerable.ledger.journal_postgres import PostgresJournal
from answerable.ledger.journal_sql import SqlJournal
from answerable.ledger.journal_sqlite import SqliteJournal
from answerable.ledger.where import compile_where
from answerable.state.cases import PENDING
from journals import HOME, TestSigner, as_one_group, audit, entries_of, make, new_id, one, open_case, resolve


@pytest.fixture
def journal(request: pytest.FixtureRequest) -> Iterator[SqlJournal]:
    """An empty journal of the kind under test, closed at the end."""
    made = request.instance.make(request)
    yield made
    made.close()


@pytest.mark.usefixtures("journal")
class JournalContract:
    """Subclassed once per journal; `make` gives an empty one."""

    make: Callable[..., SqlJournal]

    def test_an_empty_journal_has_a_signed_head_of_size_0(self, journal: SqlJournal) -> None:
        """The log says from its first moment that it is empty."""
        assert audit(journal) == []
        assert journal.head().size == 0

    def test_positions_count_from_0_without_gaps(self, journal: SqlJournal) -> None:
        """The first entry is 0, each next one is one more, and a receipt has one index per entry."""
        assert journal.submit(one()) == Receipt((0,))
        assert journal.submit(Unit(entries=[make(), make(), make()])) == Receipt((1, 2, 3))
        assert journal.submit(one()) == Receipt((4,))
        assert len(audit(journal)) == 5

    def test_the_head_is_right_after_every_commit(self, journal: SqlJournal) -> None:
        """Root, frontier and signature fit all leaves at every size."""
        for size in range(1, 20):
            journal.submit(one())

            assert len(audit(journal)) == size

    def test_a_unit_without_entries_leaves_the_head_alone(self, journal: SqlJournal) -> None:
        """Writes alone are committed and take no position."""
        case, before = new_id(), journal.head()

        assert journal.submit(Unit(writes=[open_case(case)])) == Receipt(())

        assert journal.rows(PENDING, {"case_id": case}) == [("open", "q", None, None)]
        assert journal.head() == before

    def test_a_retry_of_a_durable_unit_is_not_doubled(self, journal: SqlJournal) -> None:
        """The same unit submitted again gets its old receipt; its writes are not run again."""
        case = new_id()
        unit = Unit(entries=[make(), make()], writes=[open_case(case)])
        journal.submit(one())

        first, second = journal.submit(unit), journal.submit(unit)

        assert first == second == Receipt((1, 2))
        assert len(audit(journal)) == 3

    def test_the_same_unit_twice_in_one_group_is_not_doubled(self, journal: SqlJournal) -> None:
        """Also while the first is still on its way."""
        unit = Unit(entries=[make()], writes=[open_case(new_id())])

        results = as_one_group(journal, [one(), unit, unit, one()])

        assert results == [Receipt((1,)), Receipt((2,)), Receipt((2,)), Receipt((3,))]
        assert len(audit(journal)) == 4

    def test_another_entry_under_a_taken_id_conflicts(self, journal: SqlJournal) -> None:
        """An id stands for one content for ever."""
        journal.submit(one(id=(taken := new_id()), label="yes"))

        with pytest.raises(Conflict):
            journal.submit(one(id=taken, label="no"))

        assert audit(journal) == [taken]

    def test_a_clash_is_named_and_leaves_nothing(self, journal: SqlJournal) -> None:
        """Neither the entry nor an earlier write of a unit stands when a later write clashes."""
        fresh, unit = new_id(), one()

        with pytest.raises(Conflict, match="already resolved") as caught:
            journal.submit(Unit(entries=unit.entries, writes=[open_case(fresh), resolve(new_id())]))

        assert caught.value.clash == "already resolved"
        assert audit(journal) == []
        assert journal.rows(PENDING, {"case_id": fresh}) == []

    def test_the_first_resolution_wins(self, journal: SqlJournal) -> None:
        """Compare-and-set: the second finds no open case."""
        journal.submit(Unit(writes=[open_case(case := new_id())]))

        journal.submit(Unit(entries=[make(kind="resolution")], writes=[resolve(case, b"1" * 16)]))
        with pytest.raises(Conflict):
            journal.submit(Unit(entries=[make(kind="resolution")], writes=[resolve(case, b"2" * 16)]))

        assert journal.rows(PENDING, {"case_id": case})[0][3] == b"1" * 16
        assert len(audit(journal)) == 1

    def test_a_bad_unit_in_a_group_fails_alone(self, journal: SqlJournal) -> None:
        """The others of its group commit, and the positions have no gap."""
        units = [one() for _ in range(21)]
        case = new_id()
        units[4] = Unit(entries=[make()], writes=[resolve(new_id())])
        units[9] = Unit(entries=[make()], writes=[open_case(case)])
        units[13] = Unit(entries=[make()], writes=[resolve(case)])
        units[14] = Unit(entries=[make()], writes=[resolve(case)])
        units[20] = Unit(entries=[make(), make(), make()])

        results = as_one_group(journal, units)

        failed = [at for at, result in enumerate(results) if isinstance(result, Exception)]
        assert failed == [4, 14]
        assert [r.indexes for r in results if isinstance(r, Receipt)] == [
            *((index,) for index in range(1, 19)),
            (19, 20, 21),
        ]
        assert audit(journal)[1:] == [
            e.id for at, u in enumerate(units) if at not in failed for e in u.entries
        ]

    def test_a_value_the_database_cannot_hold_fails_alone(self, journal: SqlJournal) -> None:
        """A parameter of no known type is its own unit's fault."""
        bad = Unit(entries=[make()], writes=[open_case(object())])  # type: ignore[arg-type]

        first, second, third = as_one_group(journal, [one(), bad, one()])

        assert (first, third) == (Receipt((1,)), Receipt((2,)))
        assert isinstance(second, InputError)
        assert len(audit(journal)) == 3

    def test_many_threads_lose_nothing(self, journal: SqlJournal) -> None:
        """8 threads of 50 units get 400 different positions, and each finds its own entry there."""
        units = [[one() for _ in range(50)] for _ in range(8)]
        receipts: dict[bytes, int] = {}

        def run(mine: list[Unit]) -> None:
            for unit in mine:
                receipts[unit.entries[0].id] = journal.submit(unit).indexes[0]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, units))

        assert sorted(receipts.values()) == list(range(400))
        assert {entry.id: index for index, entry in entries_of(journal)} == receipts
        audit(journal)

    def test_many_coroutines_lose_nothing(self, journal: SqlJournal) -> None:
        """64 producers on one loop, beside a blocking thread."""

        async def produce() -> list[int]:
            return [(await journal.enqueue(one())).indexes[0] for _ in range(10)]

        async def all_of_them() -> list[int]:
            thread = asyncio.to_thread(lambda: [journal.submit(one()).indexes[0] for _ in range(20)])
            found = await asyncio.gather(thread, *(produce() for _ in range(64)))
            return [index for indexes in found for index in indexes]

        assert sorted(asyncio.run(all_of_them())) == list(range(660))
        assert len(audit(journal)) == 660

    def test_a_conflict_reaches_the_coroutine(self, journal: SqlJournal) -> None:
        """An awaiting caller gets the same errors as a blocking one."""

        async def clash() -> None:
            await journal.enqueue(Unit(entries=[make()], writes=[resolve(new_id())]))

        with pytest.raises(Conflict, match="already resolved"):
            asyncio.run(clash())

    def test_a_cancelled_caller_s_entry_is_durable(self, journal: SqlJournal) -> None:
        """A unit in flight is not taken back: what may have been recorded is recorded."""
        unit = one()

        async def cancelled() -> None:
            task = asyncio.create_task(journal.enqueue(unit))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        journal.submit(one())

        assert unit.entries[0].id in audit(journal)

    def test_ctrl_c_in_a_commit_leaves_nobody_waiting(self, journal: SqlJournal) -> None:
        """The caller that leads is interrupted; those behind it learn that, and the journal goes on."""
        commit, entered, queued = journal._group._commit, threading.Event(), threading.Event()

        def interrupted(group: Any) -> Any:
            entered.set()
            queued.wait(60)
            if len(group) > 1:
                raise KeyboardInterrupt
            return commit(group)

        journal._group._commit = interrupted
        with ThreadPoolExecutor(5) as pool:
            futures = [pool.submit(journal.submit, one())]
            entered.wait(60)
            futures += [pool.submit(journal.submit, one()) for _ in range(4)]
            while len(journal._group._queue) < 4:
                time.sleep(0.001)
            queued.set()
            errors = [type(future.exception(60)) for future in futures[1:]]
        journal._group._commit = commit

        assert sorted(error.__name__ for error in errors) == ["KeyboardInterrupt", *["LedgerUnavailable"] * 3]
        assert journal.submit(one()) == Receipt((1,))

    def test_ctrl_c_while_waiting_takes_the_unit_back(self, journal: SqlJournal) -> None:
        """A caller that gives up, also one that was to lead, holds up nobody behind it."""
        group = journal._group
        commit, entered, queued = group._commit, threading.Event(), threading.Event()

        def held(units: Any) -> Any:
            entered.set()
            queued.wait(60)
            return commit(units)

        group._commit = held
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(journal.submit, one())
            entered.wait(60)
            gone = _Waiting(one())
            group._put(gone)
            last = pool.submit(journal.submit, one())
            while len(group._queue) < 2:
                time.sleep(0.001)
            queued.set()
            first.result(60)
            assert gone.leads

            group._give_up(gone)

            assert last.result(60) == Receipt((1,))

    def test_an_entry_comes_back_as_it_was(self, journal: SqlJournal) -> None:
        """Every byte value, any Unicode and the limits of numbers survive exactly."""
        every = bytes(range(256)) * 3
        entry = make(
            {"input": every, "reads": b"", "text": "é 漢 😀 \U0010ffff \u202e\n\t'\"%s? $1 \\".encode()},
            label="é 漢 😀 \U0010ffff \u202e e\u0301\n\t\r'\"%s? $1 \\x \\N \x7f",
            thread="",
            case_id=bytes(range(16)),
            definition=bytes(range(224, 256)),
            confidence=0.1,
            latency_us=2**63 - 1,
            cost=-(2**63),
            tokens_in=0,
        )
        journal.submit(Unit(entries=[entry]))

        stored = journal.get(entry.id)

        assert stored is not None
        assert (stored.index, stored.entry) == (0, entry)
        assert open_clear(stored.entry.parts["input"]) == every
        assert [found for _, found in entries_of(journal)] == [entry]
        audit(journal)

    def test_a_group_comes_back_as_it_was(self, journal: SqlJournal) -> None:
        """Large groups take another way into the database than small ones, with the same result."""
        entries = [
            make({"output": bytes([n])}, label=f"\\N\t{n}\n", confidence=n / 7, policy=bytes([n]) * 32)
            for n in range(100)
        ]
        journal.submit(Unit(entries=entries))

        assert list(entries_of(journal)) == list(enumerate(entries))

    def test_get_of_an_unknown_id_is_none(self, journal: SqlJournal) -> None:
        """Not an error: it may be sealed."""
        assert journal.get(new_id()) is None

    def test_scan_gives_a_range_in_batches(self, journal: SqlJournal) -> None:
        """start <= index < stop, in order, at most `batch` at a time."""
        journal.submit(Unit(entries=[make() for _ in range(25)]))

        batches = [[stored.index for stored in batch] for batch in journal.scan(3, 20, batch=7)]

        assert batches == [[3, 4, 5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15, 16], [17, 18, 19]]
        assert list(journal.scan(25, 30)) == list(journal.scan(5, 5)) == []

    def test_scan_sees_one_moment(self, journal: SqlJournal) -> None:
        """What is committed while a scan runs is not in it, and a scan left halfway blocks nobody."""
        journal.submit(Unit(entries=[make() for _ in range(10)]))
        scan = journal.scan(0, 100, batch=4)
        seen = [stored.index for stored in next(scan)]

        journal.submit(one())
        seen += [stored.index for batch in scan for stored in batch]
        left = journal.scan(0, 100, batch=4)
        next(left)
        left.close()  # type: ignore[attr-defined]

        assert seen == list(range(10))
        assert journal.submit(one()) == Receipt((11,))
        assert len(audit(journal)) == 12

    def test_latest_lists_headers_newest_first(self, journal: SqlJournal) -> None:
        """By kind, decision, time, cursor, condition and limit."""
        for number in range(10):
            kind = "truth" if number == 9 else "decision"
            journal.submit(one(kind=kind, decision="ab"[number % 2], at=number * 10, cost=number))

        def indexes(wanted: Filter) -> list[int]:
            return [listed.index for listed in journal.latest(wanted)]

        assert indexes(Filter()) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
        assert indexes(Filter(kinds=())) == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        assert indexes(Filter(kinds=("truth", "denial"))) == [9]
        assert indexes(Filter(decision="a", limit=2)) == [8, 6]
        assert indexes(Filter(since=20, until=50)) == [4, 3, 2]
        assert indexes(Filter(before=3, limit=None)) == [2, 1, 0]
        assert indexes(Filter(where="cost > ? AND cost < ?", params=(2, 5))) == [4, 3]
        (newest,) = journal.latest(Filter(kinds=("truth",)))
        assert newest.header["decision"] == "b"
        assert isinstance(newest.header["id"], bytes)

    @pytest.mark.parametrize(
        ("condition", "found"),
        [
            ("label ~ '50%?'", [1]),
            ("label = 'a b' or cost > 0.04", [2, 0]),
            ("not label = 'a b' and confidence >= 1", [2, 1]),
            ("degraded is none and status in (answered, failed)", [2, 1, 0]),
            ("latency < 10ms", [0]),
        ],
    )
    def test_latest_takes_the_conditions_that_people_write(
        self, journal: SqlJournal, condition: str, found: list[int]
    ) -> None:
        """The grammar of `records --where` means the same on every database."""
        for number, label in enumerate(("a b", "50%?", None)):
            values = {"confidence": number / 1, "cost": number * 25_000, "latency_us": number * 20_000}
            journal.submit(one(status="answered", label=label, **values))

        where, params = compile_where(condition, now=0)

        assert [listed.index for listed in journal.latest(Filter(where=where, params=params))] == found

    def test_drop_removes_what_is_sealed_and_nothing_else(self, journal: SqlJournal) -> None:
        """The head stays, later entries keep their positions, and the log goes on."""
        journal.submit(Unit(entries=[make() for _ in range(2500)]))
        size, root = journal.head().size, journal.head().root

        journal.drop(2400)

        assert [index for index, _ in entries_of(journal)] == list(range(2400, 2500))
        assert (journal.head().size, journal.head().root) == (size, root)
        assert journal.submit(one()) == Receipt((2500,))

    def test_drop_and_writers_do_not_disturb_each_other(self, journal: SqlJournal) -> None:
        """The sealer drops in its own thread while others append."""
        journal.submit(Unit(entries=[make() for _ in range(4000)]))

        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(lambda: [journal.submit(one()) for _ in range(40)]) for _ in range(2)]
            dropper = pool.submit(lambda: [journal.drop(stop) for stop in range(100, 4001, 100)])
            indexes = sorted(r.indexes[0] for writer in writers for r in writer.result())
            dropper.result()

        assert indexes == list(range(4000, 4080))
        assert [index for index, _ in entries_of(journal)] == indexes

    def test_closing_drains_the_queue(self, journal: SqlJournal) -> None:
        """What was accepted is recorded; what comes after is refused with the next step."""
        commit, entered = journal._group._commit, threading.Event()

        def slow(group: Any) -> Any:
            entered.set()
            time.sleep(0.05)
            return commit(group)

        journal._group._commit = slow
        with ThreadPoolExecutor(9) as pool:
            futures = [pool.submit(journal.submit, one()) for _ in range(8)]
            entered.wait(60)
            while len(journal._group._queue) < 7:
                time.sleep(0.001)
            pool.submit(journal.close).result(60)
            indexes = sorted(future.result(60).indexes[0] for future in futures)

        assert indexes == list(range(8))
        with pytest.raises(LedgerUnavailable, match="open the workspace again"):
            journal.submit(one())
        journal.close()


class TestMemoryJournal(JournalContract):
    """The twin for tests and trials."""

    def make(self, request: pytest.FixtureRequest) -> SqlJournal:
        return MemoryJournal(home=HOME, signer=TestSigner())


class TestSqliteJournal(JournalContract):
    """The default."""

    def make(self, request: pytest.FixtureRequest) -> SqlJournal:
        self.path: Path = request.getfixturevalue("tmp_path") / "journal.db"
        return SqliteJournal(self.path, home=HOME, signer=TestSigner(), create=True)

    def reopen(self, home: bytes = HOME, create: bool = False) -> SqlJournal:
        return SqliteJournal(self.path, home=home, signer=TestSigner(), create=create)

    def test_it_goes_on_where_it_was_closed(self, journal: SqlJournal) -> None:
        """Positions, head and entries are there after opening again."""
        goes_on(journal, self.reopen)

    def test_another_home_is_refused(self, journal: SqlJournal) -> None:
        """Nor is an existing journal created anew, or a newer one opened."""
        refuses_others(journal, self.reopen)

    def test_a_missing_file_is_not_created_silently(self, journal: SqlJournal, tmp_path: Path) -> None:
        """Only `create` makes a database."""
        with pytest.raises(HomeError, match="cannot be opened"):
            SqliteJournal(tmp_path / "other.db", home=HOME, signer=TestSigner())

        assert not (tmp_path / "other.db").exists()


class TestPostgresJournal(JournalContract):
    """For many writers."""

    def make(self, request: pytest.FixtureRequest) -> SqlJournal:
        self.url: str = request.getfixturevalue("postgres_url")
        return PostgresJournal(self.url, home=HOME, signer=TestSigner(), create=True)

    def reopen(self, home: bytes = HOME, create: bool = False) -> SqlJournal:
        return PostgresJournal(self.url, home=home, signer=TestSigner(), create=create)

    def end_sessions(self) -> None:
        """End every other session of this database, as a restart of the server does."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def test_it_goes_on_where_it_was_closed(self, journal: SqlJournal) -> None:
        """Positions, head and entries are there after opening again."""
        goes_on(journal, self.reopen)

    def test_another_home_is_refused(self, journal: SqlJournal) -> None:
        """Nor is an existing journal created anew, or a newer one opened."""
        refuses_others(journal, self.reopen)

    @pytest.mark.parametrize("many", [0, 20])
    def test_a_nul_in_a_text_fails_alone(self, journal: SqlJournal, many: int) -> None:
        """PostgreSQL cannot hold it; its group can be held, whichever way it goes in."""
        bad = one(label="a\0b")

        first, second, *others = as_one_group(journal, [one(), bad, *(one() for _ in range(many))])

        assert first == Receipt((1,))
        assert isinstance(second, InputError) and "NUL" in str(second)
        assert others == [Receipt((2 + n,)) for n in range(many)]
        audit(journal)

    def test_a_broken_connection_is_made_anew(self, journal: SqlJournal) -> None:
        """A restart of the server between two units is not noticed, for writers and readers."""
        journal.submit(one())
        journal.head()
        self.end_sessions()

        assert journal.head().size == 1
        assert journal.submit(one()) == Receipt((1,))
        self.end_sessions()
        assert len(audit(journal)) == 2
        self.end_sessions()
        journal.drop(1)

    @pytest.mark.parametrize("when", ["_store", "_end"])
    def test_a_connection_lost_in_a_transaction_doubles_nothing(
        self, journal: SqlJournal, when: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before the commit the whole group is done again."""
        steps, lost = getattr(journal, when), []

        def lose(*args: Any) -> Any:
            if not lost:
                lost.append(self.end_sessions())
            return steps(*args)

        monkeypatch.setattr(journal, when, lose)

        assert journal.submit(Unit(entries=[make()], writes=[open_case(new_id())])) == Receipt((0,))
        assert len(audit(journal)) == 1

    def test_a_lost_answer_to_the_commit_doubles_nothing(
        self, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Units with entries are found by their ids; what left no trace is said to be unknown."""
        end, lost = journal._end, []
        assert isinstance(journal, PostgresJournal)

        def lose(head: Any) -> None:
            end(head)
            if head and head[0] == 4 and not lost:
                lost.append(True)
                journal._write.close()
                journal._in_doubt = True
                raise psycopg.OperationalError("the answer got lost")

        monkeypatch.setattr(journal, "_end", lose)
        case = new_id()
        units = [one(), Unit(writes=[open_case(case)]), Unit(entries=[make()], writes=[resolve(case)]), one()]

        results = as_one_group(journal, units)

        assert lost
        assert [results[0], results[2], results[3]] == [Receipt((1,)), Receipt((2,)), Receipt((3,))]
        assert isinstance(results[1], LedgerUnavailable) and "unknown" in results[1].what
        assert len(audit(journal)) == 4

    def test_a_head_that_somebody_holds_is_an_error_in_time(self, journal: SqlJournal) -> None:
        """A stalled transaction elsewhere ends in a clear error, and all is well after it."""
        assert isinstance(journal, PostgresJournal)
        journal._write.execute("SET lock_timeout = '100ms'")
        with psycopg.connect(self.url) as other:
            other.execute("SELECT * FROM head FOR UPDATE")
            with pytest.raises(LedgerUnavailable, match="lock timeout"):
                journal.submit(one())
            other.rollback()

        assert journal.submit(one()) == Receipt((0,))

    def test_no_error_shows_the_password(self, postgres_url: str) -> None:
        """Neither an address that cannot be read nor a server that refuses."""
        wrong = conninfo.make_conninfo(postgres_url, dbname="s3cret-db", password="s3cret")

        with pytest.raises(HomeError) as refused:
            PostgresJournal(wrong, home=HOME, signer=TestSigner())
        with pytest.raises(UsageError) as unreadable:
            PostgresJournal("postgresql//user:s3cret@host/db", home=HOME, signer=TestSigner())

        assert "cannot be opened" in str(refused.value)
        assert "s3cret" not in str(refused.value).replace("/s3cret-db", "")
        assert "s3cret" not in str(unreadable.value)

    def test_a_missing_driver_names_the_extra(
        self, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error says what to install."""
        monkeypatch.setitem(__import__("sys").modules, "psycopg", None)

        with pytest.raises(UsageError, match=r'pip install "answerable\[postgres\]"'):
            journal_postgres.driver()


def goes_on(journal: SqlJournal, reopen: Callable[[], SqlJournal]) -> None:
    """Check that a closed journal continues in a new one."""
    ids = [journal.submit(one()) and None for _ in range(3)]
    head, before = journal.head(), audit(journal)
    journal.close()

    again = reopen()

    assert again.head() == head
    assert audit(again) == before
    assert again.submit(one()) == Receipt((len(ids),))
    again.close()


def refuses_others(journal: SqlJournal, reopen: Callable[..., SqlJournal]) -> None:
    """Check what a journal does not open."""
    with pytest.raises(HomeError, match="belongs to another home"):
        reopen(home=b"x" * 16)
    with pytest.raises(HomeError, match="cannot be opened"):
        reopen(create=True)
    journal._write.execute("UPDATE head SET state_format = 99")  # type: ignore[attr-defined]
    with pytest.raises(NewerHome, match="99"):
        reopen()
