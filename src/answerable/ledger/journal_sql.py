"""What a journal does alike on every SQL database; an adapter says how its driver takes the steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from answerable import formats
from answerable.errors import HomeError, InputError, NewerHome
from answerable.ledger.entry import (
    HEADER_NAMES,
    Conflict,
    Filter,
    Head,
    Listed,
    Receipt,
    Statement,
    Stored,
    Unit,
    Write,
)
from answerable.ledger.group_commit import Committed, GroupCommit
from answerable.ledger.listing import list_query
from answerable.ledger.note import Checkpoint
from answerable.ledger.rows import COLUMNS, from_row, to_row
from answerable.ledger.tlog import Frontier
from answerable.ports import Signer
from answerable.state.statements import Compiler

Storing = Callable[[Sequence[Unit], Frontier], Sequence[Committed]]

SELECT = f"SELECT {', '.join(COLUMNS)} FROM entry"
INSERT = f"INSERT INTO entry ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
OPENING = "SELECT home, state_format FROM head"
HEAD = "SELECT size, frontier FROM head"
SET_HEAD = "UPDATE head SET size = ?, frontier = ?, root = ?, note = ?"
ADD_HEAD = (
    "INSERT INTO head (one, home, state_format, size, frontier, root, note) VALUES (1, ?, ?, ?, ?, ?, ?)"
)
# In order, so that a crash in between leaves a tail without gaps; in pieces, so that writers do not stall.
DROP = (
    "DELETE FROM entry WHERE idx < "
    "(SELECT CASE WHEN min(idx) + 1024 < ? THEN min(idx) + 1024 ELSE ? END FROM entry)"
)

# What a unit does wrong by itself, beside the driver's own errors: the rest of its group is not touched.
UNIT_FAULTS: tuple[type[Exception], ...] = (Conflict, ValueError, TypeError, OverflowError, KeyError)


class SqlJournal(ABC):
    """Journal over a database with one write connection and some readers.

    Statements of this module have `?` placeholders; `_native` gives the driver's.
    """

    _turn: Any  # a context manager; whoever is inside uses the write connection
    _faults: tuple[type[Exception], ...]  # UNIT_FAULTS and those of the driver
    _integrity: type[Exception]  # the driver's error of a broken constraint

    def __init__(self, dialect: str, *, home: bytes, signer: Signer) -> None:
        self._home, self._signer = home, signer
        self._compile = Compiler(dialect)
        self._group = GroupCommit(self._commit)
        self._closed = False

    # -- writing -------------------------------------------------------------------------------------

    def submit(self, unit: Unit) -> Receipt:
        """Make `unit` durable; see the port."""
        return self._group.submit(unit)

    async def enqueue(self, unit: Unit) -> Receipt:
        """`submit` for a running event loop."""
        return await self._group.enqueue(unit)

    def close(self) -> None:
        """Finish what is queued and release the database."""
        if not self._closed:
            self._closed = True
            self._group.close()
            self._release()

    @abstractmethod
    def _commit(self, units: Sequence[Unit]) -> Sequence[Committed]:
        """Call `_commit_group` in turn; raise LedgerUnavailable when the database cannot."""

    def _commit_group(self, units: Sequence[Unit]) -> Sequence[Committed]:
        """Commit a group in one transaction; when that fails, find out whose fault it is."""
        try:
            return self._transaction(units, self._together)
        except self._faults:
            return self._transaction(units, self._apart)

    def _transaction(self, units: Sequence[Unit], store: Storing) -> Sequence[Committed]:
        try:
            size, peaks = self._begin()
            frontier = Frontier.from_bytes(size, bytes(peaks))
            results = store(units, frontier)
            self._end(self._signed(frontier) if frontier.size != size else None)
        except BaseException:
            self._undo()
            raise
        return results

    def _together(self, units: Sequence[Unit], frontier: Frontier) -> Sequence[Committed]:
        """Store all `units`, or raise and leave `frontier` as it was."""
        entries = [entry for unit in units for entry in unit.entries]
        writes = [write for unit in units for write in unit.writes]
        rows = [to_row(index, entry) for index, entry in enumerate(entries, start=frontier.size)]
        for write, touched in zip(writes, self._store(rows, writes), strict=True):
            if write.expect is not None and touched != write.expect:
                raise Conflict(write.clash or write.statement.name)
        receipts, index = [], frontier.size
        frontier.extend([entry.leaf for entry in entries])
        for unit in units:
            receipts.append(Receipt(tuple(range(index, index + len(unit.entries)))))
            index += len(unit.entries)
        return receipts

    def _apart(self, units: Sequence[Unit], frontier: Frontier) -> Sequence[Committed]:
        """Store the `units` that can be stored, halving until those at fault stand alone."""
        self._run("SAVEPOINT apart")
        try:
            results = self._together(units, frontier)
        except self._faults as exc:
            self._run("ROLLBACK TO SAVEPOINT apart")
            self._run("RELEASE SAVEPOINT apart")
            if len(units) == 1:
                return [self._known(units[0]) or self._blame(exc)]
            half = len(units) // 2
            return [*self._apart(units[:half], frontier), *self._apart(units[half:], frontier)]
        self._run("RELEASE SAVEPOINT apart")
        return results

    def _known(self, unit: Unit) -> Receipt | None:
        """Return the receipt of a unit that is durable already: this is a retry."""
        ask = self._native("SELECT idx FROM entry WHERE id = ? AND leaf = ?")
        found = [self._run(ask, (entry.id, entry.leaf)).fetchone() for entry in unit.entries]
        return Receipt(tuple(row[0] for row in found)) if found and None not in found else None

    def _blame(self, exc: Exception) -> Exception:
        """Return what the caller of the unit at fault gets."""
        if isinstance(exc, Conflict):
            return exc
        if isinstance(exc, self._integrity):
            return Conflict(self._said(exc))
        return InputError(
            f"a value of this entry cannot be stored: {self._said(exc)}",
            next_step="send text without NUL characters, and numbers of at most 64 bits",
        )

    def _said(self, exc: Exception) -> str:
        """Return the driver's message in one line, without stored values."""
        return (str(exc).splitlines() or [type(exc).__name__])[0]

    def _signed(self, frontier: Frontier) -> tuple[Any, ...]:
        """Return the parameters of SET_HEAD."""
        root = frontier.root()
        checkpoint = Checkpoint(origin=self._signer.name, size=frontier.size, root=root)
        return frontier.size, frontier.to_bytes(), root, self._signer.sign(checkpoint.text())

    def _first_head(self) -> tuple[Any, ...]:
        """Return the parameters of ADD_HEAD for an empty log."""
        return self._home, formats.STATE, *self._signed(Frontier())

    def _admit(self, row: Sequence[Any] | None, name: str) -> None:
        """Refuse a database that is not this home's; row: of OPENING. name: of the database, for people."""
        if row is None:
            raise HomeError(
                f"the journal {name} has no head: its row is missing",
                next_step="restore the journal from a backup",
            )
        if bytes(row[0]) != self._home:
            raise HomeError(
                f"the journal {name} belongs to another home",
                next_step="put back the journal that belongs to this home.toml, or restore a backup",
            )
        if row[1] > formats.STATE:
            raise NewerHome(
                f"the journal {name} has the state format {row[1]}, this version knows {formats.STATE}",
                next_step="install the newer version of answerable that wrote it",
            )

    # -- reading -------------------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the current head."""
        ((size, frontier, root, note),) = self._read("SELECT size, frontier, root, note FROM head", ())
        return Head(size=size, frontier=frontier, root=root, note=note)

    def get(self, entry_id: bytes) -> Stored | None:
        """Return the entry with this id, or None."""
        found = self._read(self._native(f"{SELECT} WHERE id = ?"), (entry_id,))
        return from_row(found[0]) if found else None

    def scan(self, start: int, stop: int, *, batch: int = 1024) -> Iterator[Sequence[Stored]]:
        """Yield entries by index, in batches, from one snapshot."""
        for rows in self.pages(start, stop, batch=batch):
            yield [from_row(row) for row in rows]

    def pages(self, start: int, stop: int, *, batch: int = 1024) -> Iterator[Sequence[Sequence[Any]]]:
        """`scan` without building entries: the values of COLUMNS, twice as fast."""
        text = self._native(f"{SELECT} WHERE idx >= ? AND idx < ? ORDER BY idx")
        yield from self._batches(text, (start, stop), batch)

    def latest(self, wanted: Filter) -> Sequence[Listed]:
        """Return the journal's entries that `wanted` describes, newest first."""
        text, params = list_query("entry", wanted)
        return [
            Listed(index=row[0], header=dict(zip(HEADER_NAMES, row[1:], strict=True)))
            for row in self._read(self._native(text), params)
        ]

    def rows(self, statement: Statement, params: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Run a reading statement on the state tables."""
        text, bind = self._compile(statement)
        return self._read(text, bind(params))

    # -- what a driver does --------------------------------------------------------------------------

    def _native(self, text: str) -> str:
        return text

    @abstractmethod
    def _begin(self) -> tuple[int, bytes]:
        """Begin a writing transaction, lock the head and return its size and frontier."""

    @abstractmethod
    def _store(self, rows: Sequence[Sequence[Any]], writes: Sequence[Write]) -> Sequence[int]:
        """Insert entry `rows`, run `writes` in order; return how many rows each write touched."""

    @abstractmethod
    def _end(self, head: tuple[Any, ...] | None) -> None:
        """Run SET_HEAD with `head`, if any, and commit."""

    @abstractmethod
    def _undo(self) -> None:
        """Roll back; never raises."""

    @abstractmethod
    def _run(self, text: str, params: Sequence[Any] = ()) -> Any:
        """Run a statement inside the transaction and return the driver's cursor."""

    @abstractmethod
    def _read(self, text: str, params: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a reading statement."""

    @abstractmethod
    def _batches(self, text: str, params: Any, batch: int) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a reading statement, `batch` at a time, from one snapshot."""

    @abstractmethod
    def _release(self) -> None:
        """Close every connection."""
