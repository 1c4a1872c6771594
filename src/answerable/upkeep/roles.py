"""Background roles: whoever holds the lease of one does its work, and all that it writes carries a fence."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from answerable.encoding import MICRO
from answerable.errors import LockedHome
from answerable.ledger.entry import Conflict, Unit, Write
from answerable.ports import Clock, Journal
from answerable.state.roles import END_ROLE, FENCE, RENEW, ROLES, TAKE_ROLE

LEASE = 60.0  # seconds; a worker that crashed holds its roles up for as long
LOST = "lease"  # the clash of a fence


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """How a role stands. expires, ran: microseconds since 1970; ran: the end of its last pass, or None."""

    name: str
    holder: str
    token: int
    expires: int
    ran: int | None
    note: str


def roles(journal: Journal) -> dict[str, Role]:
    """Return every role that was ever taken, by name."""
    fields = ("name", "holder", "token", "expires", "ran", "note")
    rows = [Role(**dict(zip(fields, row, strict=True))) for row in journal.rows(ROLES, {})]
    return {role.name: role for role in rows}


def new_holder() -> str:
    """Return a name for a worker that no other has: its machine, its process, and chance."""
    return f"{platform.node() or 'here'}:{os.getpid()}:{uuid4().hex[:8]}"


class Lease:
    """A role that is held. Once it was lost, every write with its fence fails with Conflict("lease")."""

    def __init__(self, journal: Journal, clock: Clock, name: str, token: int, seconds: float) -> None:
        self.name, self.token = name, token
        self._journal, self._clock, self._seconds = journal, clock, seconds
        self._renewed = clock.monotonic()

    @property
    def fence(self) -> Sequence[Write]:
        """What goes into every unit of this role's work."""
        return [self._write(FENCE)]

    def keep(self) -> None:
        """Prolong the lease once a third of it is over; to be called now and then in long work.

        Raises Conflict if another holder has the role.
        """
        if self._clock.monotonic() - self._renewed < self._seconds / 3:
            return
        until = self._clock.now() + round(self._seconds * MICRO)
        self._journal.submit(Unit(writes=[self._write(RENEW, until=until)]))
        self._renewed = self._clock.monotonic()

    def end(self, note: str) -> None:
        """Give the role back and note when and how its pass ended. Raises Conflict if it was lost."""
        self._journal.submit(Unit(writes=[self._write(END_ROLE, at=self._clock.now(), said=note)]))

    def _write(self, statement: object, **more: object) -> Write:
        params = {"of_role": self.name, "of_token": self.token, **more}
        return Write(statement, params, expect=1, clash=LOST)  # type: ignore[arg-type]


def take(journal: Journal, clock: Clock, name: str, holder: str, *, seconds: float = LEASE) -> Lease | None:
    """Take the role `name` for `seconds`; None if somebody else holds it."""
    now = clock.now()
    params = {
        "name": name,
        "holder": holder,
        "token": 1,
        "expires": now + round(seconds * MICRO),
        "ran": None,
        "note": "",
        "now": now,
    }
    try:
        journal.submit(Unit(writes=[Write(TAKE_ROLE, params, expect=1, clash=LOST)]))
    except Conflict:
        return None
    # Read after the write: should the lease have run out in between, the row has another holder by now.
    held = roles(journal)[name]
    return Lease(journal, clock, name, held.token, seconds) if held.holder == holder else None


@contextmanager
def held(journal: Journal, clock: Clock, name: str, *, seconds: float = LEASE) -> Iterator[Lease]:
    """Hold a role for the length of a block, for commands that do its work by hand.

    Raises LockedHome if somebody else holds it.
    """
    lease = take(journal, clock, name, new_holder(), seconds=seconds)
    if lease is None:
        found = roles(journal).get(name)
        raise LockedHome(
            f"the role {name} is held by {found.holder if found else 'another worker'}",
            next_step=f"leave it to that worker, or try again within {seconds:.0f} s of its end",
        )
    note = "failed"
    try:
        yield lease
        note = "by hand"
    finally:
        with suppress(Conflict):
            lease.end(note)
