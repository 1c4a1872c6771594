"""Rows 2 and 3: how fast a journal appends beside the raw driver, and how fairly processes share a home."""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from _entries import (
    HOME,
    CountingSigner,
    average_bytes,
    entries,
    signer,
    sqlite_journal,
    units,
)
from _measure import MILLI, Timing, held, in_turn, percentile, rate, ratio, say, timed

from answerable.ledger.entry import Unit
from answerable.ledger.journal_sql import ADD_HEAD, HEAD, SET_HEAD
from answerable.ledger.journal_sqlite import inserts
from answerable.ledger.rows import COLUMNS, journal_ddl, to_row
from answerable.ledger.sqlite import library
from answerable.ports import Journal

PRODUCERS = 64
PER_SECOND = 25_000
RAW_SHARE = 0.5
PROCESSES = 4
P99_MS = 50.0
STOCK = 4000  # entries that each process builds before it starts, for each second
NOW = 1_750_000_000_000_000
# What the journal sets on its connections, so that the raw driver works under the same conditions.
PRAGMAS = (
    "page_size=8192",
    "journal_mode=WAL",
    "wal_autocheckpoint=8000",
    "temp_store=MEMORY",
    "synchronous=FULL",
)


def append(count: int, repeats: int) -> dict[str, Any]:
    """Measure row 2 on SQLite."""
    say(f"append: building {count} entries")
    built = units(count, at=NOW)
    groups: list[int] = []
    rows = [to_row(index, unit.entries[0]) for index, unit in enumerate(built)]

    def ours() -> Timing:
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
            by = CountingSigner(signer(Path(folder)))
            journal = sqlite_journal(Path(folder), by)
            took = produce(journal, built)
            journal.close()
            groups[:] = by.groups
            return took

    def building() -> Timing:
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
            journal = sqlite_journal(Path(folder), signer(Path(folder)))
            took = produce(journal, (Unit([entry]) for entry in entries(count, at=NOW)))
            journal.close()
            return took

    def raw() -> Timing:
        with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
            return raw_sqlite(Path(folder) / "raw.db", rows, groups)

    say("append: journal, raw driver, journal with building, in turn")
    taken = in_turn({"journal": ours, "raw": raw, "building": building}, repeats)
    return {"database": "SQLite, synchronous=FULL", **_told(built, groups, taken)}


def _told(built: Sequence[Unit], groups: Sequence[int], taken: dict[str, list[Timing]]) -> dict[str, Any]:
    count = len(built)
    ours = rate(count, taken["journal"])
    told: dict[str, Any] = {
        "entries": count,
        "bytes_each": average_bytes(list(built)),
        "producers": PRODUCERS,
        "entries_a_commit": round(count / len(groups), 1),
        "journal": ours,
        "raw": rate(count, taken["raw"]),
        "ratio_to_raw": held(ratio(taken["journal"], taken["raw"]), at_least=RAW_SHARE),
        "cpu_ratio_to_raw": round(ratio(taken["journal"], taken["raw"], of="cpu"), 3),
        "per_second": held(ours["best_per_second"], at_least=PER_SECOND),
    }
    if "building" in taken:
        told["with_building"] = rate(count, taken["building"])
    return told


def produce(journal: Journal, work: Iterable[Unit]) -> Timing:
    """Append `work` from 64 coroutines, each of which waits until its unit is durable."""
    queue = iter(work)

    async def producer() -> None:
        for unit in queue:
            await journal.enqueue(unit)

    async def all_of_them() -> None:
        await asyncio.gather(*(producer() for _ in range(PRODUCERS)))

    _, took = timed(lambda: asyncio.run(all_of_them()))
    return took


def raw_sqlite(path: Path, rows: Sequence[Sequence[Any]], groups: Sequence[int]) -> Timing:
    """Run the journal's statements through the driver alone, in the groups that the journal formed."""
    connection = library().connect(path, isolation_level=None)
    run = connection.execute
    for pragma in PRAGMAS:
        run(f"PRAGMA {pragma}")
    for statement in journal_ddl("sqlite"):
        run(statement)
    frontier, root, note = bytes(32 * 8), bytes(32), "x" * 200
    run(ADD_HEAD, (HOME, 1, 0, b"", root, note))
    queue = iter(rows)
    statements = [list(inserts(list(islice(queue, group)))) for group in groups]  # ready before it starts

    def work() -> None:
        size = 0
        for group, ready in zip(groups, statements, strict=True):
            run("BEGIN IMMEDIATE")
            run(HEAD).fetchone()
            for insert, some in ready:
                connection.executemany(insert, some)
            size += group
            run(SET_HEAD, (size, frontier, root, note))
            run("COMMIT")

    _, took = timed(work)
    assert run("SELECT count(*) FROM entry").fetchone() == (len(rows),)
    connection.close()
    return took


# -- PostgreSQL --------------------------------------------------------------------------------------


def append_postgres(count: int, repeats: int) -> dict[str, Any]:
    """Measure row 2 on PostgreSQL beside psycopg's binary COPY; skipped where no server can be started."""
    server = _server()
    if isinstance(server, str):
        return {"skipped": server}
    from answerable.ledger.journal_postgres import PostgresJournal

    try:
        built = units(count, at=NOW)
        rows = [to_row(index, unit.entries[0]) for index, unit in enumerate(built)]
        groups: list[int] = []

        def ours() -> Timing:
            with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
                by = CountingSigner(signer(Path(folder)))
                journal = PostgresJournal(server.fresh_url(), home=HOME, signer=by, create=True)
                took = produce(journal, built)
                journal.close()
                groups[:] = by.groups
                return took

        say("append: journal on PostgreSQL and raw COPY, in turn")
        raw: Callable[[], Timing] = lambda: raw_postgres(server.fresh_url(), rows, groups)  # noqa: E731
        taken = in_turn({"journal": ours, "raw": raw}, repeats)
        return {
            "database": "PostgreSQL on the same machine, fsync and synchronous_commit on",
            "note": "cpu is of the client only",
            **_told(built, groups, taken),
        }
    finally:
        server.stop()


def _server() -> Any:
    """Start a durable PostgreSQL as the tests do; return why not where that fails."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    try:
        import postgres

        postgres.SETTINGS.update(fsync="on", full_page_writes="on", max_wal_size="4GB")
        return postgres.PostgresServer()
    except Exception as exc:  # a missing package, no program, an account: the other rows go on
        return f"{type(exc).__name__}: {exc}"


def raw_postgres(url: str, rows: Sequence[Sequence[Any]], groups: Sequence[int]) -> Timing:
    """Do the same work by psycopg alone: lock the head, COPY the group, set the head, commit."""
    import psycopg

    from answerable.ledger.entry import HEADER, PARTS

    of_kind = {"id": "bytea", "digest": "bytea", "int": "int8", "float": "float8", "text": "text"}
    types = ["int8", *(of_kind[kind] for _, kind in HEADER), *("bytea" for _ in PARTS), "bytea"]
    frontier, root, note = bytes(32 * 8), bytes(32), "x" * 200
    set_head, add_head = SET_HEAD.replace("?", "%s"), ADD_HEAD.replace("?", "%s")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in journal_ddl("postgres"):
            connection.execute(statement.encode())
        connection.execute(add_head.encode(), (HOME, 1, 0, b"", root, note))

        def work() -> None:
            queue, size = iter(rows), 0
            for group in groups:
                with connection.pipeline():
                    connection.execute("BEGIN")
                    locked = connection.execute(f"{HEAD} FOR UPDATE".encode(), binary=True)
                locked.fetchone()
                text = f"COPY entry ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
                with connection.cursor().copy(text.encode()) as copy:
                    copy.set_types(types)
                    for row in islice(queue, group):
                        copy.write_row(row)
                size += group
                with connection.pipeline():
                    connection.execute(set_head.encode(), (size, frontier, root, note))
                    connection.execute("COMMIT")

        _, took = timed(work)
        return took


# -- several processes -------------------------------------------------------------------------------


def four_processes(seconds: float) -> dict[str, Any]:
    """Measure row 3: four processes append to one home; one writer each, then 16 each."""
    return {
        "processes": PROCESSES,
        "seconds": seconds,
        "one_writer_each": _share(seconds, writers=1),
        "sixteen_writers_each": _share(seconds, writers=16),
    }


def _share(seconds: float, *, writers: int) -> dict[str, Any]:
    say(f"four processes, {writers} writers each, {seconds:.0f} s")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder:
        sqlite_journal(Path(folder), signer(Path(folder))).close()
        start, results = context.Barrier(PROCESSES), context.Queue()
        given = (folder, seconds, writers, start, results)
        workers = [context.Process(target=_write, args=given) for _ in range(PROCESSES)]
        for worker in workers:
            worker.start()
        found = [results.get(timeout=seconds + 60) for _ in workers]
        for worker in workers:
            worker.join()
        journal = sqlite_journal(Path(folder), signer(Path(folder)), create=False)
        size = journal.head().size
        journal.close()
    counts = [len(waits) for waits in found]
    waits = [wait for each in found for wait in each]
    assert size == sum(counts), "an acknowledged entry is missing"
    return {
        "per_second": round(sum(counts) / seconds),
        "each_per_second": sorted(round(count / seconds) for count in counts),
        "slowest_to_fastest": held(min(counts) / max(counts), at_least=0.5),
        "p50_ms": round(percentile(waits, 0.5) * MILLI, 2),
        "p99_ms": held(percentile(waits, 0.99) * MILLI, at_most=P99_MS),
        "all_there": True,
    }


def _write(folder: str, seconds: float, writers: int, start: Any, results: Any) -> None:
    """Be one of the processes: append until time is over, and report how long each entry waited."""
    journal = sqlite_journal(Path(folder), signer(Path(folder)), create=False)
    more = (Unit([entry]) for entry in entries(1_000_000, at=NOW))  # built on the way if need be
    stock = chain(units(round(STOCK * seconds), at=NOW), more)
    waits: list[float] = []

    async def writer(end: float) -> None:
        while (began := time.perf_counter()) < end:
            await journal.enqueue(next(stock))
            waits.append(time.perf_counter() - began)

    async def all_of_them() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(writer(end) for _ in range(writers)))

    start.wait()
    if writers == 1:
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            journal.submit(next(stock))
            waits.append(time.perf_counter() - began)
    else:
        asyncio.run(all_of_them())
    journal.close()
    results.put(waits)
