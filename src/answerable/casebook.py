"""Finds recorded cases and writes them up: an account becomes a unit of work, a record an Outcome."""

import platform
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from answerable.casefile import Account
from answerable.decisions.account import attempt_data, outcome_from
from answerable.decisions.case import Principal
from answerable.decisions.decision import Decision
from answerable.decisions.manifest import digest, manifest
from answerable.decisions.outcome import Outcome
from answerable.encoding import decode, encode, plain
from answerable.errors import HomeError, InputError, LedgerUnavailable, UsageError
from answerable.governance.access import Permit
from answerable.governance.split import Apart, Owner
from answerable.governance.vault import ERASED, About, Vault
from answerable.ledger.entry import HEADER, HEADER_NAMES, Conflict, Entry, Gone, Unit, Write, text_id
from answerable.ledger.envelope import ELSEWHERE, NONCE, part_digest, seal_clear, stand_in
from answerable.ledger.keys import Lookup, Withheld
from answerable.ledger.leaf import make_entry
from answerable.ledger.ledger import Ledger
from answerable.ports import Caller, Clock, Ids, Journal
from answerable.state import cases

BLOB_BYTES = 256 * 1024  # a larger part lives in the blob store
PART_BYTES = 16 * 1024 * 1024
CASE_BYTES = 64 * 1024 * 1024
_KEEPS_NO_KEY = ("denied", "cancelled", "invalid-input")  # such a case may be asked again
_FLOATS = tuple(name for name, kind in HEADER if kind == "float")
_LARGEST = (1 << 63) - 1  # of a column; a sum beyond it stands as that, and its parts in the attempts
_EMPTY: dict[str, Any] = dict.fromkeys(HEADER_NAMES)


class Casebook:
    """Over one home's journal, ledger, keys and vault. dev: a definition may change under its version."""

    def __init__(
        self,
        *,
        journal: Journal,
        ledger: Ledger,
        lookup: Lookup | Withheld,
        vault: Vault,
        clock: Clock,
        ids: Ids,
        dev: bool = False,
    ) -> None:
        self.journal, self.ledger, self.lookup, self.clock, self.ids = journal, ledger, lookup, clock, ids
        self._dev, self.vault = dev, vault
        self._definitions: dict[int, tuple[Decision[Any, Any], bytes]] = {}
        self._flights: dict[tuple[str, str], Future[None]] = {}
        self._lock = threading.Lock()
        self._versions = encode({"answerable": version("answerable"), "python": platform.python_version()})

    # -- definitions ---------------------------------------------------------------------------------

    def register(self, decision: Decision[Any, Any]) -> bytes:
        """Return the digest of the decision's definition; at first use it becomes an entry.

        Raises UsageError if this version was recorded with another definition, unless in dev mode.
        """
        known = self._definitions.get(id(decision))
        if known is not None:
            return known[1]
        described = manifest(decision)
        mark = digest(described)
        rows = self.journal.rows(cases.DEFINITIONS, {"decision": decision.name, "version": decision.version})
        digests = [bytes(row[0]) for row in rows]
        if digests and mark not in digests and not self._dev:
            changed = _changed(decode(bytes(rows[0][2])), described)
            raise UsageError(
                f"{decision.name} version {decision.version} was recorded with another definition; "
                f"it differs in {', '.join(changed)}",
                next_step="give the decision a new version, or work with --dev (Workspace(dev=True))",
            )
        if mark not in digests:
            entry = self.entry(
                {
                    "kind": "definition",
                    "decision": decision.name,
                    "version": decision.version,
                    "definition": mark,
                },
                {"detail": described},
            )
            params = {
                "decision": decision.name,
                "version": decision.version,
                "digest": mark,
                "entry_id": entry.id,
                "manifest": encode(described),
            }
            add = Write(cases.ADD_DEFINITION, params, expect=1, clash="definition")
            with suppress(Conflict):  # another thread or process was first with the same one
                self.journal.submit(Unit([entry], [add]))
        self._definitions[id(decision)] = (
            decision,
            mark,
        )  # the decision is held, so that its id stays its own
        return mark

    # -- keys ----------------------------------------------------------------------------------------

    def key_digest(self, decision: str, key: str) -> bytes:
        """Return the keyed digest by which state and headers know a key."""
        return self.lookup.digest("key", decision.encode(), key.encode())

    def input_digest(self, body: bytes) -> bytes:
        """Return the keyed digest of a case's input as stored."""
        return self.lookup.digest("input", body)

    def keyed(
        self, decision: str, key_digest: bytes, *, now: int | None = None
    ) -> tuple[bytes, bytes] | None:
        """Return (case id, input digest) of the case that holds a key. now: only if it has not expired."""
        params = {"decision": decision, "key_digest": key_digest}
        for case_id, input_digest, expires in self.journal.rows(cases.KEYED, params):
            if now is None or expires > now:
                return bytes(case_id), bytes(input_digest)
        return None

    @asynccontextmanager
    async def turn(self, decision: str, key: str, caller: Caller, deadline: float) -> AsyncIterator[None]:
        """Let one case of a key through at a time in this process; the others wait until `deadline`."""
        mine: Future[None] = Future()
        while True:
            with self._lock:
                flying = self._flights.setdefault((decision, key), mine)
            if flying is mine:
                break
            left = deadline - self.clock.monotonic()
            if left <= 0:
                break  # the journal decides which of the two is recorded
            await caller.wait(flying, left)
        try:
            yield
        finally:
            if flying is mine:
                with self._lock:
                    del self._flights[decision, key]
                mine.set_result(None)

    # -- writing -------------------------------------------------------------------------------------

    def unit(self, account: Account, outcome: Outcome[Any], took: int) -> Unit:
        """Return what makes a case durable: its entry, its key, its links, its wait for a person."""
        decision, request = account.decision, account.request
        if account.reader is not None:
            account.reader.close()  # what is recorded is all that was read
        usages = [attempt.usage for attempt in outcome.attempts]
        header = {
            "id": account.id,
            "at": account.at,
            "kind": "decision",
            "case_id": account.id,
            "parent": request.parent or account.instead,
            "thread": request.thread,
            "decision": decision.name,
            "version": decision.version,
            "definition": self.register(decision),
            "status": outcome.status,
            "label": label_text(decision, outcome.output),
            "confidence": outcome.confidence,
            "made_by": outcome.decider,
            "degraded": outcome.degraded,
            "fault": account.fault or ("flagged" if account.flagged else None),
            "principal": request.principal.id,
            "purpose": request.purpose or decision.purpose,
            "policy": None if account.permit is None else account.permit.policy,
            "stage": account.stage,
            "key_digest": account.key_digest,
            "latency_us": took,
            "cost": _total(u.cost for u in usages),
            "currency": decision.stakes.currency,
            "tokens_in": _total(u.tokens_in for u in usages) or None,
            "tokens_out": _total(u.tokens_out for u in usages) or None,
            "model": next((u.model for u in reversed(usages) if u.model), None),
        }
        parts = {
            "input": self.given(account),
            "reads": account.reads(),
            "attempts": _list(
                account.stored.get(i) or encode(attempt_data(a)) for i, a in enumerate(outcome.attempts)
            ),
            "output": told(
                output=account.output_data,
                proposal=outcome.proposal,
                due=account.due_at,
                reason=outcome.reason,
                reasons=[a.reason for a in account.settled_by],
            ),
            "versions": self._versions,
            "detail": {
                "key": account.key,
                "principal": principal_data(request.principal),
                **({} if account.private is None else {"personal": account.private.summary()}),
                **permit_data(account.permit),
            },
        }
        about = self.about(account)
        entry = self.entry(header, {n: v for n, v in parts.items() if v not in (None, [], b"[]")}, about)
        return Unit([entry], [*self.vault.marks(entry.id, about), *self._writes(account, outcome)])

    def about(self, account: Account) -> About:
        """Return whom a case is about, with the key that seals it."""
        if account.about is not None and account.reader is None:
            return account.about  # whoever it is about, the input said
        everyone = account.everyone
        if account.about is None or account.about_whom != everyone:  # meanwhile it may have read of others
            owners = frozenset[Owner]() if account.private is None else account.private.owners
            account.about = self.vault.about_all(everyone, owners, account.decision.retention)
            account.about_whom = everyone
        return account.about

    def given(self, account: Account) -> bytes | Apart | None:
        """Return the input as it is to be sealed: taken apart where it belongs to several."""
        if account.private is None or account.body is None or not self.about(account).own:
            return account.body
        return account.private.apart(account.body)

    def renew(self, account: Account, conflict: Conflict) -> bool:
        """Say whether a unit of this case failed only as its person was erased meanwhile.

        Then it is to be written anew: it gets another key.
        """
        if conflict.clash != ERASED or account.about is None:
            return False
        self.vault.forget(account.about)
        account.about = None
        return True

    def _writes(self, account: Account, outcome: Outcome[Any]) -> list[Write]:
        decision, writes = account.decision, []
        takes = account.instead is None or account.better(outcome)
        keyed = account.key_digest is not None and account.body is not None and takes
        if keyed and account.body is not None and account.fault not in _KEEPS_NO_KEY:
            params = {
                "decision": decision.name,
                "key_digest": account.key_digest,
                "case_id": account.id,
                "input_digest": self.input_digest(account.body),
                # What nobody could answer may be asked again, and never stands in the way of an answer,
                # however slow that is and whichever way the clock is set.
                "expires": 0 if outcome.status == "failed" else account.at + decision.keep_key_us,
                "now": account.at,
                "instead": account.instead or b"",
            }
            writes.append(Write(cases.TAKE_KEY, params, expect=1, clash="key"))
        if outcome.status == "escalated":
            # Without a person among the deciders the case waits in no queue and without an end.
            then = account.suspended.then if account.suspended else None
            params = {
                "case_id": account.id,
                "decision": decision.name,
                "queue": account.suspended.queue if account.suspended else "",
                "opened": account.at,
                "due": account.due_at,
                "fallback": None if then is None else encode(then),
                "state": "open",
                "resolution": None,
            }
            writes.append(Write(cases.ADD_PENDING, params))
        if account.request.parent is not None:
            writes.append(link(account.request.parent, account.id, "case"))
        if account.instead is not None:
            writes.append(link(account.instead, account.id, "redone"))
            if takes and account.instead_waits:  # nobody needs to answer the old one; who just did has won
                params = {"of_case": account.instead, "resolved_by": account.id}
                writes.append(Write(cases.RESOLVE, params, expect=1, clash="key"))
        return writes

    def entry(self, header: Mapping[str, Any], parts: Mapping[str, Any], about: About | None = None) -> Entry:
        """Return an entry with a fresh id and the present time where `header` has none, its parts sealed.

        parts: name -> value, or bytes that are encoded already; those over 256 KiB are written to the blob
        store first. about: whose data the parts hold, which are encrypted then, but for the versions; its
        `vault.marks` belong into the entry's unit. Raises InputError for a part over 16 MiB,
        LedgerUnavailable where the blob store cannot be written, HomeError where no key can be had.
        """
        full = {**_EMPTY, "at": self.clock.now(), **header}
        full["id"] = full["id"] or self.ids.new()
        for name in _FLOATS:
            if full[name] is not None:
                full[name] += 0.0  # SQLite stores -0.0 as 0; the leaf must hash what is read back
        key = None
        if about is not None:
            full["retention"] = about.retention
            key = self.vault.part_key(about, full["at"])
        chance = self.ids.random(16 + NONCE * len(parts))  # one salt, and a nonce for each
        sealed: dict[str, bytes] = {}
        total = 0
        for i, (name, value) in enumerate(parts.items()):
            sealer = key
            if isinstance(value, Apart) and about is not None:
                value = self.vault.seal_apart(value, about, full["at"], self.ids.random)
                sealer = self.vault.part_key(About(about.retention), full["at"])
            body = value if isinstance(value, bytes) else encode(value, what=name)
            total += len(body)
            if len(body) > PART_BYTES or total > CASE_BYTES:
                raise InputError(
                    f"the {name} has {len(body):,} bytes; a part may have {PART_BYTES:,}, all {CASE_BYTES:,}",
                    next_step="send a reference to the large value instead of the value",
                )
            salt = chance[:16]
            if sealer is None or name == "versions":
                envelope = seal_clear(body, salt)
            else:
                envelope = sealer.seal(body, salt, chance[16 + NONCE * i : 16 + NONCE * (i + 1)])
            if len(envelope) > BLOB_BYTES:
                mark = part_digest(name, envelope)
                self._put(mark, envelope)
                envelope = stand_in(ELSEWHERE, mark)
            sealed[name] = envelope
        return make_entry(full, sealed)

    def _put(self, mark: bytes, envelope: bytes) -> None:
        try:
            self.ledger.blobs.put(mark, envelope)
        except OSError as exc:
            raise LedgerUnavailable(
                f"the blob store cannot be written: {exc.strerror or exc}",
                next_step="make room for blobs/ in the home and let this process write there; then try again",
            ) from exc

    # -- reading -------------------------------------------------------------------------------------

    def outcome(
        self, case_id: bytes, decision: Decision[Any, Any] | None, *, replayed: bool = False
    ) -> Outcome[Any]:
        """Return the case's outcome as it stands now: its resolution where there is one.

        Raises HomeError if this home has no such record.
        """
        stored = self.ledger.get(case_id)
        if stored is None or stored.entry.header["kind"] != "decision":
            raise HomeError(
                f"no record {text_id(case_id)} is in this home",
                next_step="check the id and the home with `answerable records`",
            )
        header = dict(stored.entry.header)
        output = self.ledger.body(stored, "output")
        attempts = self.ledger.body(stored, "attempts") or None
        for child, kind in self.children(case_id):
            if kind == "resolution" and (found := self.ledger.get(child)) is not None:
                ended = found.entry.header
                header.update({n: ended[n] for n in ("status", "made_by", "confidence", "degraded")})
                output = self.ledger.body(found, "output")
        if isinstance(output, Gone):
            output = {"reason": f"what was answered {output.told}"}
        return outcome_from(header, text_id(case_id), output, attempts, decision, replayed=replayed)

    def children(self, parent: bytes) -> Sequence[tuple[bytes, str]]:
        """Return (entry id, kind) of everything that followed from an entry, oldest first."""
        return [(bytes(child), kind) for child, kind in self.journal.rows(cases.CHILDREN, {"parent": parent})]


def link(parent: bytes, child: bytes, kind: str) -> Write:
    """Return the write that lets *why* find `child` from `parent`."""
    return Write(cases.ADD_LINK, {"parent": parent, "child": child, "kind": kind})


def told(**output: Any) -> dict[str, Any]:
    """Return the output part of a record, without what is empty."""
    return {name: value for name, value in output.items() if value not in (None, "", [])}


def label_text(decision: Decision[Any, Any], output: Any) -> str | None:
    """Return the label field's value as lists show it; None if there is none, or its text may be personal."""
    if output is None or decision.label_field is None:
        return None
    field = next(f for f in decision.output_fields if f.path == decision.label_field)
    if field.kind not in ("class", "flag") or any(not c.startswith("Public") for c in field.classes):
        return None
    value = plain(getattr(output, decision.label_field))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if value is not None and text.isprintable() else None


def principal_data(principal: Principal) -> dict[str, Any]:
    """Return a principal as a record keeps it."""
    return {
        "id": principal.id,
        "roles": list(principal.roles),
        "verified": principal.verified,
        "on_behalf_of": principal.on_behalf_of,
    }


def permit_data(permit: Permit | None) -> dict[str, Any]:
    """Return the policies' word as a record keeps it; nothing where no policy decided.

    A denial's reason is the outcome's.
    """
    if permit is None:
        return {}
    told = {"policies": list(permit.policies), "remedy": permit.remedy}
    return {"permit": {name: value for name, value in told.items() if value}} if any(told.values()) else {}


def _total(numbers: Iterable[int]) -> int:
    return min(sum(numbers), _LARGEST)


def _list(bodies: Iterable[bytes]) -> bytes:
    """Return encoded values as an encoded list of them."""
    return b"[" + b",".join(bodies) + b"]"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in new if old.get(name) != new[name]]
