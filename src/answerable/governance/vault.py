"""What seals and opens the parts of cases: which key for whom, and what stands where a key is gone.

A part about a person needs two keys, the person's and the one of its (retention class, day): without either
it is gone. One about nobody needs the day's only. An envelope names the person's key, else the day's.
"""

import threading
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from answerable.encoding import decode, encode
from answerable.errors import HomeError, LedgerUnavailable
from answerable.governance.split import NOBODY, SPLIT, Apart, Owner, together
from answerable.ledger.entry import Conflict, Gone, Stored, Write
from answerable.ledger.envelope import DROPPED, NONCE, Keyed, PartKey, combined, key_id_of
from answerable.ledger.keys import Lookup, Withheld
from answerable.ports import DataKey, Journal, KeyStore
from answerable.state import subjects as state

DAY = 86_400_000_000  # microseconds
STANDARD = "standard"  # the retention class where none is named
ERASED = "erased"  # the clash of a unit whose key was shredded meanwhile
_CACHED = 10_000  # persons and keys that are remembered
_BATCH = 64  # keys made at once, at most
Why = Literal["erased", "expired", "locked"]


@dataclass(frozen=True, slots=True)
class About:
    """Whom an entry is about. tokens: keyed digests of the persons. key: theirs together; None: nobody's.

    own: where its input belongs to several, whom each of them is.
    """

    retention: str = STANDARD
    tokens: tuple[bytes, ...] = ()
    key: DataKey | None = None
    own: "Mapping[Owner, About]" = field(default_factory=dict)


class Vault:
    """Over one home's key store, journal and look-up key."""

    def __init__(self, keys: KeyStore, journal: Journal, lookup: Lookup | Withheld) -> None:
        self.keys, self._journal, self._lookup = keys, journal, lookup
        self._lock = threading.Lock()
        self._persons: OrderedDict[tuple[bytes, ...], DataKey] = OrderedDict()
        self._parts: OrderedDict[tuple[bytes, str, int], PartKey] = OrderedDict()
        self._days: dict[tuple[str, int], tuple[DataKey, Keyed]] = {}
        self._spare: deque[DataKey] = deque()
        self._batch = 1

    # -- whom it is about ------------------------------------------------------------------------------

    def token(self, subject: str) -> bytes:
        """Return the keyed digest (32 bytes) by which state knows a person."""
        return self._lookup.digest("subject", str(subject).encode("utf-8", "surrogatepass"))

    def about_all(self, subjects: Sequence[str], owners: Collection[Owner], retention: str) -> About:
        """Return whom a new case is about, and for an input of several owners whom each part of it is about.

        Raises HomeError as below.
        """
        everyone = self.about(subjects, retention)
        one = owners == {(tuple(subjects), None)} or not owners
        if one or (all(owner == NOBODY for owner in owners) and not subjects):
            return everyone
        own = {o: self.about(o[0], o[1] or retention) for o in owners if o != NOBODY}
        return replace(everyone, own=own)

    def about(self, subjects: Sequence[str], retention: str) -> About:
        """Return whom something is about, with a key; persons that were asked about before keep theirs.

        Raises HomeError if no key can be made.
        """
        if not subjects:
            return About(retention)
        tokens = tuple(sorted({self.token(subject) for subject in subjects}))
        with self._lock:
            key = self._persons.get(tokens)
            if key is None:
                key = self._persons[tokens] = self._fresh()
                if len(self._persons) > _CACHED:
                    self._persons.popitem(last=False)
        return About(retention, tokens, key)

    def following(self, stored: Stored) -> About:
        """Return whom an entry is about that follows `stored`: the same persons, under the same key.

        Raises HomeError if what it follows was erased.
        """
        header = stored.entry.header
        retention = header["retention"] or STANDARD
        rows = self._journal.rows(state.ABOUT, {"entry_id": stored.entry.id})
        erased = self._journal.rows(state.ERASED, {"entry_id": stored.entry.id})
        if rows and not erased:
            mine = Counter(bytes(row[1]) for row in rows).most_common(1)[0][0]  # what all of them share
            key = self.keys.get(mine)
            if key is not None:
                return About(retention, tuple(bytes(t) for t, key_id in rows if bytes(key_id) == mine), key)
        gone = self._gone(stored, next(iter(rows), (b"", b""))[1])
        if rows or (gone.why == ERASED and gone.at is not None):
            raise HomeError(
                f"that record {gone.told}; nothing can follow it",
                next_step="record what happened as a case of its own",
            )
        return About(retention)

    def forget(self, about: About) -> None:
        """Do not seal with this key any more: somebody shredded it."""
        with self._lock:
            for one in (about, *about.own.values()):
                self._persons.pop(one.tokens, None)

    def forget_person(self, token: bytes) -> None:
        """Let go of every key of a person, as they are erased."""
        with self._lock:
            for tokens in [tokens for tokens in self._persons if token in tokens]:
                key = self._persons.pop(tokens)
                for known in [known for known in self._parts if known[0] == key.id]:
                    del self._parts[known]

    def raced(self, conflict: Conflict) -> HomeError | None:
        """Return what to raise where a unit failed because its person was erased meanwhile; else None."""
        if conflict.clash != ERASED:
            return None
        return HomeError("that record was erased just now; nothing can follow it", next_step="leave it")

    def marks(self, entry_id: bytes, about: About) -> list[Write]:
        """Return the writes by which an entry is found by its persons.

        They fail with Conflict("erased") if their key was shredded meanwhile.
        """
        known = {
            (token, one.key.id)
            for one in (about, *about.own.values())
            if one.key is not None
            for token in one.tokens
        }
        rows = ({"token": token, "entry_id": entry_id, "key_id": key_id} for token, key_id in sorted(known))
        return [Write(state.ADD_SUBJECT, row, expect=1, clash=ERASED) for row in rows]

    # -- sealing ---------------------------------------------------------------------------------------

    def part_key(self, about: About, at: int) -> PartKey:
        """Return what seals the parts of an entry of that time (microseconds since 1970).

        Raises HomeError if its day's key cannot be had.
        """
        retention, day = about.retention, at // DAY
        known = (b"" if about.key is None else about.key.id, retention, day)
        with self._lock:
            found = self._parts.get(known)
            if found is None:
                found = self._parts[known] = _sealer(about.key, *self._of_day(retention, day))
                if len(self._parts) > _CACHED:
                    self._parts.popitem(last=False)
            return found

    def seal_apart(self, value: Apart, about: About, at: int, random: Callable[[int], bytes]) -> bytes:
        """Return the body of a value that was taken apart, each group sealed for its owner (`about.own`).

        random: count -> bytes. The whole is to be sealed under the day's key only, so that it outlives them.
        """
        sealed = []
        for owner, values in value.groups.items():
            one = about.own[owner]
            chance = random(16 + NONCE)
            envelope = self.part_key(one, at).seal(encode(list(values)), chance[:16], chance[16:])
            sealed.append([one.retention, b64encode(envelope).decode()])
        return SPLIT + encode({"mark": value.mark, "rest": value.rest, "sealed": sealed})

    def _fresh(self) -> DataKey:
        """Return a key nobody has; they are made in growing batches, so that most persons cost no commit."""
        if not self._spare:
            self._spare.extend(self.keys.make(self._batch))
            self._batch = min(2 * self._batch, _BATCH)
        return self._spare.popleft()

    def _of_day(self, retention: str, day: int) -> tuple[DataKey, Keyed]:
        found = self._days.get((retention, day))
        if found is None:
            key = self.keys.of_day(retention, day)
            if key is None:
                raise HomeError(
                    f"the time of the retention class {retention!r} is over for that day",
                    next_step="check the clock of this machine",
                )
            found = self._days[retention, day] = (key, Keyed(key.secret))
        return found

    # -- opening ---------------------------------------------------------------------------------------

    def open(self, stored: Stored, envelope: bytes) -> bytes | Gone:
        """Return the body of a part that is not clear, or what stands in its place.

        The key store is asked each time: a key that another process shredded must not open anything here.
        """
        body = self._opened(stored, envelope, stored.entry.header["retention"] or STANDARD)
        if isinstance(body, Gone) or not body.startswith(SPLIT):
            return body
        told = decode(body.removeprefix(SPLIT))
        groups = [self._opened(stored, b64decode(one), retention) for retention, one in told["sealed"]]
        values = [None if isinstance(group, Gone) else decode(group) for group in groups]
        return encode(together(told["mark"], told["rest"], values))

    def _opened(self, stored: Stored, envelope: bytes, retention: str) -> bytes | Gone:
        key_id = key_id_of(envelope)
        if key_id is None:
            return self._gone(stored, b"")
        try:
            day = self.keys.find_day(retention, stored.entry.header["at"] // DAY)
            person = None if day is None or day.id == key_id else self.keys.get(key_id)
        except (HomeError, LedgerUnavailable):
            return Gone("locked")
        if day is None or not day.secret:
            return self._gone(stored, day.id if day else b"", "expired" if day else "locked")
        if person is None and day.id != key_id:
            return self._gone(stored, key_id)
        return _sealer(person, day, Keyed(day.secret)).open(envelope)

    def _gone(self, stored: Stored, key_id: bytes, why: Why = "erased") -> Gone:
        """Say what became of an entry's parts, which need the key `key_id`."""
        for (at,) in self._journal.rows(state.ERASED, {"entry_id": stored.entry.id}):
            return Gone("erased", at)
        for (at,) in self._journal.rows(state.SHREDDED, {"key_id": key_id}):
            return Gone(why, at)
        if why == "expired" or any(envelope[0] == DROPPED for envelope in stored.entry.parts.values()):
            return Gone("expired")
        return Gone("locked")  # its key never was here: an older key store, perhaps


def _sealer(person: DataKey | None, day: DataKey, keyed: Keyed) -> PartKey:
    return (
        PartKey(day.id, day.secret) if person is None else PartKey(person.id, combined(keyed, person.secret))
    )
