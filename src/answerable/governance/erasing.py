"""What is done for and about one person: show, reveal, export, hold, erase. Each asks the policies first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from answerable.casebook import Casebook, principal_data
from answerable.decisions.answer import word
from answerable.decisions.case import Principal
from answerable.encoding import MICRO, timestamp
from answerable.errors import Denied, HomeError, LedgerUnavailable, UsageError
from answerable.governance.access import Action, Ask, Permit, Resource
from answerable.governance.shredding import finish
from answerable.governance.vault import ERASED, STANDARD
from answerable.ledger.entry import (
    HEADER,
    Conflict,
    Entry,
    Gone,
    Listed,
    Stored,
    Unit,
    Write,
    readable,
    text_id,
)
from answerable.ports import PolicyEngine
from answerable.state import subjects as state

WAITS = 7 * 24 * 3600 * MICRO  # for a second person, microseconds
BACKUPS = "copies of this home that were taken before are out of reach; restore them with erasures.log"
Act = Literal["erase", "release"]
Seal = Literal["person", "day", "clear"]
Also = Callable[[Entry], Sequence[Write]]
_SOLE = {"two_persons": False}
_TWO = {"two_persons": True}
_MOVED = "moved"  # the clash of an erasure during which something was recorded about the person
_TRIES, _EXACT = 50, 5  # tries; the first of them count exactly what is erased


def _nothing(entry: Entry) -> Sequence[Write]:
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What came of an act.

    status: "done", or "requested" where it waits for a second person. record_id: of the entry that says so,
    which is the receipt of an erasure. entries, keys: how many. finished: False where keys are still to be
    destroyed, which `answerable work` does; note: why.
    """

    status: Literal["done", "requested"]
    record_id: str
    entries: int = 0
    keys: int = 0
    finished: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What an erasure would take. others: persons beside this one that some of it is about, too."""

    entries: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    rows: int  # of state, one an entry and key
    others: int
    holds: tuple[str, ...]


class Person:
    """One person's records in a home. id: as inputs name them. principal: who acts. purpose: one word.

    Every method asks the policies and raises Denied, with the reason, where they say no; HomeError where this
    home holds nothing about the person.
    """

    def __init__(
        self,
        book: Casebook,
        policies: PolicyEngine,
        folder: Path,
        id: str,
        *,
        principal: Principal,
        purpose: str,
    ) -> None:
        if not id:
            raise UsageError("the person's id is empty", next_step="give it as inputs name it")
        word(purpose, what="purpose")
        self._book, self._policies, self._folder = book, policies, folder
        self._id, self._who, self._purpose = id, principal, purpose
        self._token = book.vault.token(id)

    # -- reading -------------------------------------------------------------------------------------

    def show(self) -> list[dict[str, Any]]:
        """Return the header fields of every entry about the person, oldest first; no content."""
        self._permit("read")
        return [readable(Listed(index=s.index, header=s.entry.header)) for s in self._entries()]

    def reveal(self, record: bytes | None = None) -> list[dict[str, Any]]:
        """Return entries about the person in clear, oldest first. record: those of one case only.

        The reveal is recorded before anything is opened.
        """
        permit = self._permit("reveal")
        found = [s for s in self._entries() if record in (None, s.entry.id, s.entry.header["case_id"])]
        if not found:
            raise UsageError(
                "that record is not about this person", next_step="see `answerable subject show`"
            )
        self._write("reveal", permit, "done", {"entries": len(found)}, case_id=record)
        return [self._opened(stored) for stored in found]

    def export(self) -> dict[str, Any]:
        """Return the person's copy: every entry about them in clear, but for what is about others as well.

        Of an entry about several people only what happened is told, not what was given.
        """
        permit = self._permit("export")
        found = list(self._entries())
        self._write("export", permit, "done", {"entries": len(found)})
        return {
            "subject": self._id,
            "at": timestamp(self._book.clock.now()),
            "entries": [self._opened(stored, alone=True) for stored in found],
        }

    def scope(self) -> Scope:
        """Return what an erasure would take; nothing is changed."""
        self._permit("read")
        return self._scope()

    # -- holding and erasing -------------------------------------------------------------------------

    def hold(self, reason: str) -> Done:
        """Keep everything about the person from being erased, for a reason, until it is released."""
        if not reason.strip():
            raise UsageError("a hold needs a reason", next_step="say why nothing may be erased")
        permit = self._permit("administer")

        def holds(entry: Entry) -> list[Write]:
            row = {"entry_id": entry.id, "token": self._token, "at": entry.header["at"]}
            return [Write(state.ADD_HOLD, row)]

        entry = self._write("hold", permit, "held", {"reason": reason}, also=holds)
        return Done(status="done", record_id=text_id(entry.id))

    def release_hold(self, reason: str = "") -> Done:
        """End every hold on the person. Raises UsageError if there is none."""
        permit, first = self._permit_two("administer", "release")
        if permit is None:
            return Done(status="requested", record_id=first)
        held = self._holds()
        if not held:
            raise UsageError("nothing about this person is held", next_step="nothing is to be released")
        told = {"reason": reason, "holds": [text_id(entry_id) for entry_id in held]}
        ends = Write(state.RELEASE_HOLD, {"of_token": self._token})
        writes = [ends, self._ended("release")]
        entry = self._write("hold", permit, "released", told | _asked_by(first), also=lambda _: writes)
        return Done(status="done", record_id=text_id(entry.id))

    def erase(self, reason: str = "") -> Done:
        """Destroy the keys of everything about the person, for good; the receipt is an entry.

        reason: the legal basis, such as "GDPR 17(1)(b)"; no personal value. Refused under a hold. Text about
        several people dies with the first. Where the policies ask for two persons, the first one's call is a
        request, and another one's within seven days carries it out. Raises Denied under a hold.
        """
        permit, first = self._permit_two("erase", "erase")
        if permit is None:
            return Done(status="requested", record_id=first)
        for tried in range(_TRIES):
            scope = self._scope()
            if scope.holds:
                self._write("erasure", permit, "refused", {"holds": list(scope.holds)}, seal="day")
                raise Denied(
                    f"data of this person is held: {'; '.join(scope.holds)}",
                    next_step="release the hold first: `answerable subject hold --release`",
                )
            try:
                receipt = self._shred(permit, scope, reason, first, exact=tried < _EXACT)
            except Conflict as conflict:
                if conflict.clash != _MOVED:
                    raise
                continue
            return self._finished(receipt, scope.keys)
        raise LedgerUnavailable(
            "more is recorded about this person all the time, so nothing was erased",
            next_step="stop what decides their cases, then try again",
        )

    def _shred(self, permit: Permit, scope: Scope, reason: str, first: str, *, exact: bool) -> bytes:
        """Make the receipt and the state it tells of durable in one unit; return the receipt's id.

        exact: fail with Conflict if an entry was added meanwhile; else it goes too, and the receipt says so.
        """
        entries, keys = len(scope.entries), len(scope.keys)
        told = {
            "reason": reason,
            "entries": entries,
            "keys": [key_id.hex() for key_id in scope.keys],
            "others": scope.others,
            "out_of_reach": BACKUPS,
        }
        if not exact:
            told["besides"] = "what was recorded under these keys while this was written"
        mine = {"token": self._token}

        def shreds(entry: Entry) -> list[Write]:
            at, by = {"at": entry.header["at"]}, {"receipt": entry.id}
            return [
                Write(
                    state.SHRED, mine | at | by | {"destroyed": 0, "dropped": 0}, expect=keys, clash=_MOVED
                ),
                Write(state.ERASE, mine | at, expect=scope.rows if exact else None, clash=_MOVED),
                Write(state.ERASE_CASE_KEYS, by),
                Write(state.ERASE_PENDING, by),
                Write(state.ERASE_SUBJECTS, by),
                self._ended("erase"),
            ]

        told |= _asked_by(first)
        entry = self._write("erasure", permit, "erased", told, seal="clear", also=shreds)
        self._book.vault.forget_person(self._token)
        return entry.id

    def _finished(self, receipt: bytes, keys: Sequence[bytes]) -> Done:
        found = (self._book.journal.rows(state.ERASED_WITH, {"key_id": key_id}) for key_id in keys)
        entries = len({bytes(entry_id) for rows in found for (entry_id,) in rows})
        done = Done(status="done", record_id=text_id(receipt), entries=entries, keys=len(keys))
        try:
            finish(self._book.journal, self._book.vault.keys, self._folder)
        except (HomeError, LedgerUnavailable) as exc:  # state has it: it is finished later, and told now
            return replace(done, finished=False, note=f"{exc.what}; {exc.next_step}")
        return done

    # -- permission ----------------------------------------------------------------------------------

    def _ask(self, action: Action, context: Mapping[str, Any] = _SOLE) -> Permit:
        resource = (
            Resource("Home", "home") if action == "administer" else Resource("Subject", self._token.hex())
        )
        return self._policies.authorize(Ask(self._who, action, resource, self._purpose, context))

    def _permit(self, action: Action) -> Permit:
        permit = self._ask(action)
        if not permit.allowed:
            self._refuse(action, permit)
        return permit

    def _permit_two(self, action: Action, act: Act) -> tuple[Permit | None, str]:
        """Return the permit of an act, and who asked for it first where two persons are needed.

        None where it waits for the second now; then with the id of the request. Who asked never approves.
        """
        permit = self._ask(action)
        if permit.allowed:
            return permit, ""
        two = self._ask(action, _TWO)
        asked = self._requested(act)
        if asked is not None and not asked & {self._who.id, self._who.on_behalf_of}:
            approve = self._ask("approve", _TWO)
            if approve.allowed:
                return approve, " for ".join(sorted(map(str, asked)))
        if not two.allowed:
            self._refuse(action, permit)
        self._scope()  # raises where there is nothing to ask for
        kind = "erasure" if act == "erase" else "hold"

        def waits(entry: Entry) -> list[Write]:
            by = " ".join(filter(None, (self._who.id, self._who.on_behalf_of)))  # ids hold no blank
            row = {"act": act, "token": self._token, "entry_id": entry.id, "principal": by}
            return [Write(state.REQUEST, row | {"expires": entry.header["at"] + WAITS})]

        return None, text_id(self._write(kind, two, "requested", {}, also=waits).id)

    def _requested(self, act: Act) -> set[str | None] | None:
        """Return who asked for an act, and for whom; None if nobody did, or too long ago."""
        for _, principal, expires in self._book.journal.rows(
            state.REQUESTED, {"act": act, "token": self._token}
        ):
            if expires > self._book.clock.now():
                return set(str(principal).split())
        return None

    def _ended(self, act: Act) -> Write:
        return Write(state.END_REQUEST, {"of_act": act, "of_token": self._token})

    def _refuse(self, action: Action, permit: Permit) -> None:
        """Record a denial, which is itself a fact, and raise it."""
        kinds = {"erase": "erasure", "administer": "hold", "read": "reveal"}
        self._write(kinds.get(action, action), permit, "denied", {"reason": permit.reason}, seal="day")
        raise Denied(
            permit.reason or "no policy allows it",
            next_step=permit.remedy or "ask somebody who may do this",
        )

    # -- inside --------------------------------------------------------------------------------------

    def _rows(self) -> list[tuple[bytes, bytes]]:
        rows = self._book.journal.rows(state.ENTRIES_OF, {"token": self._token})
        if not rows:
            raise HomeError(
                f"nothing in the home {self._folder} is about this person, or it was erased",
                next_step="check the id, as inputs give it, and the home",
            )
        return [(bytes(entry_id), bytes(key_id)) for entry_id, key_id in rows]

    def _entries(self) -> Iterator[Stored]:
        for entry_id in dict.fromkeys(entry_id for entry_id, _ in self._rows()):
            stored = self._book.ledger.get(entry_id)
            if stored is not None:
                yield stored

    def _scope(self) -> Scope:
        rows = self._rows()
        others = [bytes(row[0]) for row in self._book.journal.rows(state.OTHERS_IN, {"token": self._token})]
        return Scope(
            entries=tuple(dict.fromkeys(entry_id for entry_id, _ in rows)),
            keys=tuple(dict.fromkeys(key_id for _, key_id in rows)),
            rows=len(rows),
            others=len(others) - 1,
            holds=tuple(self._reason(e) for token in {self._token, *others} for e in self._holds(token)),
        )

    def _holds(self, token: bytes | None = None) -> Sequence[bytes]:
        rows = self._book.journal.rows(state.HOLDS, {"token": token or self._token})
        return [bytes(row[0]) for row in rows]

    def _reason(self, entry_id: bytes) -> str:
        stored = self._book.ledger.get(entry_id)
        detail = (stored and self._book.ledger.body(stored, "detail")) or {}
        return f"{detail.get('reason', 'for a reason that cannot be opened')} (hold {text_id(entry_id)})"

    def _opened(self, stored: Stored, *, alone: bool = False) -> dict[str, Any]:
        """Return an entry in clear. alone: without what was given, where it is about others as well."""
        header = stored.entry.header
        shown = readable(Listed(index=stored.index, header=header))
        told = {
            name: shown[name]
            for name in ("record_id", *(n for n, _ in HEADER[1:]))
            if shown[name] is not None
        }
        about = self._book.journal.rows(state.ABOUT, {"entry_id": stored.entry.id})
        hidden = ("input", "reads", "attempts") if alone and len(about) > 1 else ()
        told["parts"] = {name: self._body(stored, name) for name in stored.entry.parts if name not in hidden}
        if hidden:
            told["left_out"] = "what was given and tried: it is about others as well"
        return told

    def _body(self, stored: Stored, name: str) -> Any:
        found = self._book.ledger.body(stored, name)
        return str(found) if isinstance(found, Gone) else found

    def _write(
        self,
        kind: str,
        permit: Permit,
        status: str,
        told: Mapping[str, Any],
        *,
        seal: Seal = "person",
        also: Also = _nothing,
        **header: Any,
    ) -> Entry:
        """Record an act and return its entry. also: gives the writes that become durable with it.

        seal: with the person's key, so that it is theirs and dies with them; the day's; or not at all: a
        receipt holds no word about anybody.
        """
        full = {
            "kind": kind,
            "status": status,
            "principal": self._who.id,
            "purpose": self._purpose,
            "policy": permit.policy,
            **header,
        }
        detail = {**told, "principal": principal_data(self._who), "policies": list(permit.policies)}
        parts = {"detail": {name: value for name, value in detail.items() if value not in ("", [])}}
        while True:
            about = self._book.vault.about([self._id] if seal == "person" else [], STANDARD)
            entry = self._book.entry(full, parts, None if seal == "clear" else about)
            try:
                self._book.journal.submit(
                    Unit([entry], [*self._book.vault.marks(entry.id, about), *also(entry)])
                )
            except Conflict as conflict:
                if conflict.clash != ERASED:
                    raise
                self._book.vault.forget(about)  # another process erased them; what comes now is new
                continue
            return entry


def _asked_by(first: str) -> dict[str, str]:
    return {"requested_by": first} if first else {}
