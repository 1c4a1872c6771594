"""Processes that append to one journal until they are killed, made by forking one that has loaded everything.

As a program it reads one job a line, `{"do": NAME, "with": {...}}`, forks a child that does it and prints the
child's number. It ends with its input, and its children with it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from answerable.ledger.entry import Conflict, Unit
from answerable.ledger.journal_postgres import PostgresJournal
from answerable.ledger.journal_sql import SqlJournal
from answerable.ledger.journal_sqlite import SqliteJournal
from journals import HOME, TestSigner, make, one, open_case, resolve

SEGMENT = 512  # entries in a segment, so that a short run makes many


def open_journal(where: str, *, create: bool = False) -> SqlJournal:
    """Open the journal at `where`: a PostgreSQL address, or a path."""
    if where.startswith("postgresql:"):
        return PostgresJournal(where, home=HOME, signer=TestSigner(), create=create)
    return SqliteJournal(Path(where), home=HOME, signer=TestSigner(), create=create)


def write(where: str, acks: str, threads: int) -> None:
    """Append from some threads for ever; each acknowledged entry goes to the file `acks` as "id index"."""
    journal = open_journal(where)
    file = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def run() -> None:
        chance = random.Random()
        while True:
            entries = [make({"output": chance.randbytes(chance.choice([10, 100, 5000]))})]
            entries += [make() for _ in range(chance.choice([0, 0, 0, 1, 2]))]
            if chance.random() < 0.05:
                try:
                    journal.submit(Unit(entries=entries, writes=[resolve(entries[0].id)]))
                except Conflict:
                    continue
            receipt = journal.submit(Unit(entries=entries, writes=[open_case(entry.id) for entry in entries]))
            lines = zip(entries, receipt.indexes, strict=True)
            os.write(file, "".join(f"{entry.id.hex()} {index}\n" for entry, index in lines).encode())

    for _ in range(threads):
        threading.Thread(target=guarded, args=(run,), daemon=True).start()
    time.sleep(600)


def seal(where: str, folder: str) -> None:
    """Seal and drop for ever."""
    from answerable.ledger import seal as sealing

    journal = open_journal(where)
    while True:
        sealing.seal(journal, Path(folder), home=HOME, entries=SEGMENT)
        time.sleep(0.02)


def count(where: str, acks: str, start: float, seconds: float) -> None:
    """Append single units from `start` (seconds since 1970) on; write to `acks` how many were recorded."""
    journal = open_journal(where)
    time.sleep(max(0.0, start - time.time()))
    done = 0
    while time.time() < start + seconds:
        journal.submit(one())
        done += 1
    journal.close()
    part = Path(f"{acks}.part")
    part.write_text(str(done))
    part.rename(acks)


def drop(folder: str, keys: list[int]) -> None:
    """Drop what is sealed under each of the keys, one after the other."""
    from answerable.ledger.drop import drop_parts
    from dropping import book_of, key
    from sealed_home import Home

    home = Home.open(Path(folder))
    for number in keys:
        drop_parts(book_of(home.journal, home.folder), [key(number)])
    home.close()


JOBS: dict[str, Callable[..., None]] = {"write": write, "seal": seal, "count": count, "drop": drop}


def guarded(act: Callable[[], None]) -> None:
    """Run `act`; an error is printed and ends the process."""
    try:
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class Nursery:
    """Starts and kills such processes. errors: the file that they print to."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                bufsize=1,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def start(self, do: str, **values: Any) -> int:
        """Start a process that does `do` and return its number."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "with": values}) + "\n")
        return int(self._process.stdout.readline())

    def kill(self, pid: int) -> None:
        """Kill a process and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        while is_alive(pid):
            time.sleep(0.0005)

    def close(self) -> None:
        """End all processes."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def is_alive(pid: int) -> bool:
    """Say whether the process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Fork a child for each job on standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that end leave nothing behind
    children = []
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            guarded(partial(JOBS[job["do"]], **job["with"]))
            os._exit(0)
        children.append(pid)
        print(pid, flush=True)
    for pid in filter(is_alive, children):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
