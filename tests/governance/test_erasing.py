"""A person's data can be shown, held and erased under proof; nobody else's is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel

import answerable as ans
from answerable.casefile import record_id_of
from answerable.errors import Denied, HomeError, TamperFound
from answerable.governance import erasing
from answerable.governance.access import Ask, Permit
from answerable.governance.shredding import ERASURES, noted
from answerable.governance.vault import DAY
from answerable.interrupted import end_interrupted
from answerable.ledger import tlog
from answerable.ledger.entry import Filter, Gone
from answerable.ledger.envelope import AES256GCM_HKDF, Keyed, PartKey, combined, open_clear
from answerable.ledger.note import Checkpoint, Proof, open_note
from answerable.resolving import expire
from answerable.state import subjects as state
from answerable.upkeep.backup import backup
from answerable.upkeep.restore import restore
from answerable.upkeep.work import work
from workspaces import on_each_journal

STAKES = ans.Stakes("USD", wrong=2.0, review=1.0)


class Ticket(BaseModel):
    """What comes in."""

    number: Annotated[str, ans.Key]
    customer: Annotated[str, ans.Subject]
    others: Annotated[list[str], ans.Subject] = []
    body: str = "the parcel never came"


class Route(BaseModel):
    """What goes out."""

    team: Literal["billing", "shipping"]


def by_word(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Knows one word."""
    return Route(team="shipping") if "parcel" in case.input.body else ans.Abstain("no word known")


DECISION: ans.Decision[Ticket, Route] = ans.Decision(
    name="route",
    version="1",
    question="Which team takes it?",
    input=Ticket,
    output=Route,
    owner="support",
    purpose="support",
    stakes=STAKES,
    deciders=[ans.rule(by_word), ans.person(queue="triage", within=0.001, then=Route(team="billing"))],
)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ans.Workspace]:
    """A workspace on each kind of journal."""
    yield from on_each_journal(request, tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of an empty home on SQLite."""
    ans.Workspace(tmp_path / "home").close()
    return tmp_path / "home"


def decide(ws: ans.Workspace, number: int, customer: str, **more: Any) -> str:
    """Decide one ticket and return its record id."""
    return ws.decide(DECISION, {"number": f"T-{number}", "customer": customer, **more}).record_id


def body(ws: ans.Workspace, record: str, part: str = "input") -> Any:
    """Return a part of a record, or what stands in its place."""
    stored = ws.ledger.get(record_id_of(record))
    assert stored is not None
    return ws.ledger.body(stored, part)


def erase(ws: ans.Workspace, person: str, **more: Any) -> Any:
    """Erase a person."""
    return ws.subject(person, purpose="privacy", **more).erase("GDPR 17(1)(b)")


# -- sealing -----------------------------------------------------------------------------------------


def test_every_part_of_a_case_is_sealed_but_its_versions(ws: ans.Workspace) -> None:
    """Input, attempts, output and detail of the decision and of what follows it."""
    record = decide(ws, 1, "ada")
    ws.truth(DECISION, record=record, team="billing", source="agent")

    kinds = ("decision", "truth")
    lines = ws.ledger.latest(Filter(kinds=kinds))
    parts = {
        (line.header["kind"], name): envelope[0]
        for line in lines
        for name, envelope in ws.ledger.get(line.header["id"]).entry.parts.items()  # type: ignore[union-attr]
    }

    clear = {("decision", "versions")}
    assert {place for place, codec in parts.items() if codec == AES256GCM_HKDF} == set(parts) - clear
    assert {line.header["retention"] for line in lines} == {"standard"}
    assert ws.why(record).data["truth"] == {"team": "billing"}


def test_a_case_about_nobody_needs_the_key_of_its_day_only(ws: ans.Workspace) -> None:
    """Retention is shredding that key."""
    record = ws.decide(DECISION, {"number": "T-1", "customer": "", "body": ""}).record_id
    stored = ws.ledger.get(record_id_of(record))
    assert stored is not None
    ((_, day, key_id),) = ws.book.vault.keys.days()
    assert day == stored.entry.header["at"] // DAY

    ws.book.vault.keys.shred([key_id])

    assert ws.ledger.body(stored, "versions")
    assert isinstance(ws.ledger.body(stored, "output"), Gone)


def test_the_retention_class_of_a_decision_stands_in_its_records(ws: ans.Workspace) -> None:
    """Its definition names it only where it is another than the standard one, so that old digests stay."""
    short = replace(DECISION, name="brief", retention="short")
    record = ws.decide(short, {"number": "1", "customer": "ada"}).record_id
    decide(ws, 1, "ada")

    stored = ws.ledger.get(record_id_of(record))

    assert stored is not None and stored.entry.header["retention"] == "short"
    assert ws.manifest(stored.entry.header["definition"])["retention"] == "short"
    assert "retention" not in ws.manifest(ws.book.register(DECISION))
    assert {name for name, _, _ in ws.book.vault.keys.days()} == {"short", "standard"}


def test_persons_cost_a_commit_in_growing_batches(ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """1, 2, 4 and so on: a hundred persons need seven."""
    made: list[int] = []
    make = ws.book.vault.keys.make
    monkeypatch.setattr(ws.book.vault.keys, "make", lambda count: made.append(count) or make(count))

    for number in range(100):
        decide(ws, number, f"person-{number}")
    decide(ws, 100, "person-7")

    assert made == [1, 2, 4, 8, 16, 32, 64]


# -- erasing -----------------------------------------------------------------------------------------


def test_one_person_is_erased_and_everybody_else_stays(ws: ans.Workspace) -> None:
    """The log verifies, proofs from before do, and nothing that is left opens what was theirs."""
    records = {
        f"p{n}": [decide(ws, 10 * n + i, f"p{n}", body=f"parcel of p{n}") for i in range(3)] for n in range(5)
    }
    proofs = {r: ws.ledger.prove(record_id_of(r)) for rs in records.values() for r in rs}
    old = {r: ws.ledger.get(record_id_of(r)).entry for r in records["p1"]}  # type: ignore[union-attr]

    done = erase(ws, "p1")

    assert (done.status, done.entries, done.keys, done.finished) == ("done", 3, 1, True)
    for person, own in records.items():
        found = [body(ws, record) for record in own]
        if person == "p1":
            assert [(g.why, g.at is not None) for g in found] == [("erased", True)] * 3
        else:
            assert [f["body"] for f in found] == [f"parcel of {person}"] * 3
    report = ws.ledger.verify()
    assert report.ok and report.problems == ()
    assert all(stands(ws, record, proof) for record, proof in proofs.items())
    assert not any(opens(ws, envelope) for entry in old.values() for envelope in entry.parts.values())


def stands(ws: ans.Workspace, record: str, proof: Proof) -> bool:
    """Say whether a record, as it is now, is what a proof from before proves."""
    stored = ws.ledger.get(record_id_of(record))
    text, signers = open_note(proof.checkpoint_note, ws.ledger.keys)
    head = Checkpoint.parse(text)
    assert stored is not None and signers
    return tlog.verify_inclusion(stored.entry.leaf, proof.index, head.size, proof.hashes, head.root)


def opens(ws: ans.Workspace, envelope: bytes) -> bool:
    """Say whether any key that is left, alone or with any day's, opens an encrypted part."""
    if open_clear(envelope) is not None:
        return False
    keys = [ws.book.vault.keys.get(key.id) for key in ws.book.vault.keys.kept()]
    secrets = [key.secret for key in keys if key is not None]
    pairs = [combined(Keyed(one), other) for one in secrets for other in secrets]
    for secret in (*secrets, *pairs):
        try:
            PartKey(b"", secret).open(envelope)
            return True
        except TamperFound:
            continue
    return False


def test_sealed_entries_are_erased_alike(home: Path) -> None:
    """What is in a segment already cannot be opened either, and the log verifies."""
    with ans.Workspace(home) as ws:
        records = [decide(ws, n, f"p{n % 3}") for n in range(300)]
        ws.ledger.seal()
        assert ws.journal.get(record_id_of(records[1])) is None

        erase(ws, "p1")

        assert isinstance(body(ws, records[1]), Gone)
        assert body(ws, records[0])["customer"] == "p0"
        assert ws.ledger.verify().ok


def test_the_receipt_says_who_why_and_how_much_and_has_a_proof(ws: ans.Workspace) -> None:
    """It is an entry in clear without a word about the person, and names what is out of reach."""
    decide(ws, 1, "ada")
    decide(ws, 2, "ada")

    done = erase(ws, "ada", principal="user:dpo")

    stored = ws.ledger.get(record_id_of(done.record_id))
    assert stored is not None
    header, told = stored.entry.header, ws.ledger.body(stored, "detail")
    assert (header["kind"], header["status"], header["principal"]) == ("erasure", "erased", "user:dpo")
    assert told["reason"] == "GDPR 17(1)(b)"
    assert told["entries"] == 2
    assert "backup" in json.dumps(told) or "copies" in told["out_of_reach"]
    assert len(told["keys"]) == 1
    assert ws.book.vault.keys.get(bytes.fromhex(told["keys"][0])) is None
    assert "ada" not in json.dumps(told)
    assert stands(ws, done.record_id, ws.ledger.prove(stored.entry.id))


def test_every_reader_says_erased(ws: ans.Workspace) -> None:
    """A person, an operator, an auditor, an outcome: none fails, none shows what was."""
    record = decide(ws, 1, "ada", body="parcel 4711")
    ws.truth(DECISION, record=record, team="billing", source="agent")
    erase(ws, "ada")

    why = ws.why(record)
    shown = [*(why.text(reader) for reader in ("person", "operator", "auditor")), why.message("operator")]

    assert all("erased on 20" in text for text in shown)
    assert not any("4711" in text or "ada" in text for text in (*shown, json.dumps(why.data)))
    assert why.data["gone"]["why"] == "erased"
    outcome = ws.outcome(record, DECISION)
    assert (outcome.status, outcome.output) == ("answered", None)
    assert "erased" in outcome.reason
    assert ws.records(limit=1)[0]["record_id"] == record


def test_a_key_of_an_erased_case_is_decided_anew(ws: ans.Workspace) -> None:
    """Whatever it was answered before is gone, so that nothing can be replayed."""
    first = decide(ws, 1, "ada")
    erase(ws, "ada")

    again = ws.decide(DECISION, {"number": "T-1", "customer": "ada", "body": "another parcel"})

    assert not again.replayed and again.record_id != first
    assert body(ws, again.record_id)["body"] == "another parcel"
    assert [line["record_id"] for line in ws.subject("ada", purpose="privacy").show()] == [again.record_id]


def test_nothing_follows_an_erased_record(ws: ans.Workspace) -> None:
    """A truth would be data about the person again."""
    record = decide(ws, 1, "ada")
    erase(ws, "ada")

    with pytest.raises(HomeError, match="was erased on"):
        ws.truth(DECISION, record=record, team="billing", source="agent")


def test_a_waiting_case_of_an_erased_person_waits_no_more(ws: ans.Workspace) -> None:
    """Nobody could answer it; the others' cases expire as before."""
    decide(ws, 1, "ada", body="nothing known")
    other = decide(ws, 2, "bob", body="nothing known")
    erase(ws, "ada")

    assert expire(ws.book, now=ws.clock.now() + 1_000_000) == 1
    assert ws.outcome(other).output == {"team": "billing"}


def test_an_interrupted_case_of_an_erased_person_still_ends(ws: ans.Workspace) -> None:
    """Its budgets are settled; what it was about stays gone."""
    case = ws.book.ids.new()
    about = ws.book.vault.about(["ada"], "standard")
    header = {"kind": "opened", "case_id": case, "decision": "route", "version": "1", "principal": "u"}
    entry = ws.book.entry(
        header | {"definition": ws.book.register(DECISION)},
        {"input": {"customer": "ada"}, "detail": {}},
        about,
    )
    from answerable.ledger.entry import Unit, Write
    from answerable.state import spending

    opened = Write(spending.ADD_OPENED, {"case_id": case, "entry_id": entry.id, "expires": 1})
    ws.journal.submit(Unit([entry], [*ws.book.vault.marks(entry.id, about), opened]))
    erase(ws, "ada")

    assert end_interrupted(ws.book, now=ws.clock.now()) == 1
    record = str(UUID(bytes=case))
    assert ws.outcome(record).status == "failed"
    assert body(ws, record) is None


def test_text_about_several_dies_with_the_first(ws: ans.Workspace) -> None:
    """The receipt counts the others; the rest about them stays."""
    together = decide(ws, 1, "ada", others=["bob"])
    alone = decide(ws, 2, "bob")
    scope = ws.subject("ada", purpose="privacy").scope()
    assert scope.others == 1

    erase(ws, "ada")

    assert isinstance(body(ws, together), Gone)
    assert body(ws, alone)["customer"] == "bob"
    assert len(ws.subject("bob", purpose="privacy").show()) == 1


def test_nobody_is_erased_twice_or_unknown(ws: ans.Workspace) -> None:
    """It says where it looked."""
    decide(ws, 1, "ada")
    erase(ws, "ada")

    for person in ("ada", "nobody"):
        with pytest.raises(HomeError, match="nothing in the home"):
            erase(ws, person)


# -- holds, permission and two persons -----------------------------------------------------------------


def test_a_hold_refuses_an_erasure_until_it_is_released(ws: ans.Workspace) -> None:
    """With its reason; the refusal, the hold and its release are entries."""
    record = decide(ws, 1, "ada")
    person = ws.subject("ada", purpose="privacy")
    person.hold("a court case")

    with pytest.raises(Denied, match="a court case"):
        person.erase()
    assert body(ws, record)["customer"] == "ada"
    person.release_hold("it is over")
    assert person.erase().status == "done"
    kinds = [(line["kind"], line["status"]) for line in ws.records(kinds=("hold", "erasure"))]
    assert kinds == [("erasure", "erased"), ("hold", "released"), ("erasure", "refused"), ("hold", "held")]


def test_a_hold_that_comes_meanwhile_still_refuses(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit of the erasure itself asks again."""
    record = decide(ws, 1, "ada")
    person, shred = ws.subject("ada", purpose="privacy"), erasing.Person._shred
    held = False

    def late(self: Any, *given: Any, **more: Any) -> Any:
        nonlocal held
        if not held:
            held = True
            ws.subject("ada", purpose="legal").hold("just in time")
        return shred(self, *given, **more)

    monkeypatch.setattr(erasing.Person, "_shred", late)

    with pytest.raises(Denied, match="just in time"):
        person.erase()
    assert body(ws, record)["customer"] == "ada"


class Rules:
    """Policies of a test: the pairs of principal and action that are allowed, and those that need two."""

    def __init__(self, allowed: set[tuple[str, str]], two: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.allowed, self.two = allowed, two

    def authorize(self, ask: Ask) -> Permit:
        """Allow what is listed."""
        if (ask.principal.id, ask.action) not in self.allowed:
            return Permit(False, f"{ask.principal.id} may not {ask.action}", remedy="ask the privacy officer")
        if ask.action in self.two and not ask.context["two_persons"]:
            return Permit(False, "this takes two persons")
        return Permit(True, "a rule", policies=("rule-1",))


def under(ws: ans.Workspace, rules: Rules, who: str) -> erasing.Person:
    """Return ada's door under policies of the test."""
    principal = ans.Principal(who)
    return erasing.Person(ws.book, rules, ws.home.folder, "ada", principal=principal, purpose="privacy")  # type: ignore[arg-type]


@pytest.mark.parametrize("act", ["show", "reveal", "export", "erase", "release_hold"])
def test_every_act_needs_a_permission_and_a_denial_is_recorded(ws: ans.Workspace, act: str) -> None:
    """With the policy's reason and what would have allowed it."""
    record = decide(ws, 1, "ada")

    with pytest.raises(Denied, match="user:mallory may not") as caught:
        getattr(under(ws, Rules(set()), "user:mallory"), act)()

    assert caught.value.next_step == "ask the privacy officer"
    assert body(ws, record)["customer"] == "ada"
    last = ws.records(kinds=("reveal", "export", "erasure", "hold"), limit=1)[0]
    assert (last["status"], last["principal"]) == ("denied", "user:mallory")


def test_an_erasure_by_two_needs_two(ws: ans.Workspace) -> None:
    """The first asks, the same one cannot approve, another one carries it out; the receipt names both."""
    record = decide(ws, 1, "ada")
    both = {(who, act) for who in ("user:ann", "user:ben") for act in ("erase", "approve", "read")}
    rules = Rules(both, {"erase"})

    assert under(ws, rules, "user:ann").erase().status == "requested"
    assert under(ws, rules, "user:ann").erase().status == "requested"
    assert body(ws, record)["customer"] == "ada"
    done = under(ws, rules, "user:ben").erase()

    assert done.status == "done"
    assert isinstance(body(ws, record), Gone)
    told = body(ws, done.record_id, "detail")
    assert (told["principal"]["id"], told["requested_by"]) == ("user:ben", "user:ann")
    assert ws.journal.rows(state.REQUESTED, {"act": "erase", "token": ws.book.vault.token("ada")}) == []


def test_a_request_that_nobody_approved_in_time_is_void(
    ws: ans.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one asks anew then."""
    decide(ws, 1, "ada")
    both = {(who, act) for who in ("user:ann", "user:ben") for act in ("erase", "approve")}
    under(ws, Rules(both, {"erase"}), "user:ann").erase()
    late = ws.clock.now() + erasing.WAITS + 1
    monkeypatch.setattr(ws.book.clock, "now", lambda: late)

    assert under(ws, Rules(both, {"erase"}), "user:ben").erase().status == "requested"


# -- reveal and export -------------------------------------------------------------------------------


def test_a_reveal_is_recorded_before_it_shows(ws: ans.Workspace) -> None:
    """With who and why; it is about the person, whose own copy tells of it."""
    record = decide(ws, 1, "ada", body="parcel 4711")
    decide(ws, 2, "bob")

    (found,) = ws.subject("ada", principal="user:agent", purpose="complaint").reveal(record_id_of(record))

    assert found["parts"]["input"]["body"] == "parcel 4711"
    line = ws.records(kinds=("reveal",))[0]
    assert (line["principal"], line["purpose"], line["case_id"]) == ("user:agent", "complaint", record)
    copy = ws.subject("ada", purpose="privacy").export()
    assert [entry["kind"] for entry in copy["entries"]] == ["decision", "reveal"]


def test_a_copy_holds_what_is_the_persons_own_only(ws: ans.Workspace) -> None:
    """Of a case about others too it tells what happened, not what was given."""
    decide(ws, 1, "ada", body="parcel of ada")
    decide(ws, 2, "bob", others=["ada"], body="parcel of bob")
    decide(ws, 3, "bob", body="parcel of bob")

    copy = ws.subject("ada", purpose="privacy").export()

    assert len(copy["entries"]) == 2
    assert "parcel of ada" in json.dumps(copy)
    assert "bob" not in json.dumps(copy)
    assert "left_out" in copy["entries"][1]


# -- at the same time, and after a crash ---------------------------------------------------------------


def test_another_process_that_knows_the_old_key_gets_a_new_one(home: Path) -> None:
    """What it sealed with a key that is gone is never recorded; it is sealed again."""
    with ans.Workspace(home) as one, ans.Workspace(home) as other:
        first = decide(one, 1, "ada")
        erase(other, "ada")

        second = decide(one, 2, "ada")

        assert isinstance(body(one, first), Gone)
        assert body(one, second)["number"] == body(other, second)["number"] == "T-2"
        assert one.ledger.verify().ok


def test_deciding_goes_on_while_a_person_is_erased(home: Path) -> None:
    """Every case is recorded, each is readable or erased, and none of those erased opens."""
    records: list[str] = []
    with ans.Workspace(home) as ws, ans.Workspace(home) as other:
        decide(ws, 0, "ada")
        stop = threading.Event()

        def go_on(number: int) -> None:
            while not stop.is_set():
                number += 10
                records.append(decide(ws, number, "ada"))

        threads = [threading.Thread(target=go_on, args=(n,)) for n in range(1, 4)]
        for thread in threads:
            thread.start()
        done = [erase(other, "ada") for _ in range(5) if _settled(other)]
        stop.set()
        for thread in threads:
            thread.join()

        gone = [r for r in records if isinstance(body(other, r), Gone)]
        assert sum(one.entries for one in done) == len(gone) + 1
        assert len(ws.ledger.latest(Filter(limit=None))) == len(records) + 1
        assert other.ledger.verify().ok


def _settled(ws: ans.Workspace) -> bool:
    """Wait until something about ada is recorded."""
    token = ws.book.vault.token("ada")
    while not ws.journal.rows(state.ENTRIES_OF, {"token": token}):
        pass
    return True


KILLED = """
import os, signal, sys
import answerable as ans
from answerable.governance import shredding
{patch}
with ans.Workspace(sys.argv[1]) as ws:
    ws.subject("ada", purpose="privacy").erase()
"""
BEFORE_SHRED = """
from answerable.governance.keys_sqlite import SqliteKeys
SqliteKeys.shred = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
"""
AFTER_SHRED = """
from answerable.governance.keys_sqlite import SqliteKeys
SqliteKeys._forget_bytes = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("patch", [BEFORE_SHRED, AFTER_SHRED], ids=["before the shred", "after it"])
def test_an_erasure_that_was_killed_is_finished_by_the_next_opening(home: Path, patch: str) -> None:
    """Once the receipt is durable the key goes, whatever happens in between."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
        (wrapped,) = [k.wrapped for k in ws.book.vault.keys.kept() if k.day is None]

    killed = subprocess.run([sys.executable, "-c", KILLED.format(patch=patch), str(home)], check=False)
    assert killed.returncode == -signal.SIGKILL

    with ans.Workspace(home) as ws:
        assert isinstance(body(ws, record), Gone)
        assert ws.records(kinds=("erasure",))[0]["status"] == "erased"
        assert ws.journal.rows(state.UNDESTROYED, {}) == []
        files = [path for path in home.rglob("*") if path.is_file()]
        assert not any(wrapped in path.read_bytes() for path in files)
        assert len(noted(home / ERASURES)) == 1


def test_a_key_put_back_from_a_copy_is_destroyed_by_the_worker(home: Path) -> None:
    """As the tombstone stands for ever."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    copy = (home / "keys.db").read_bytes()
    with ans.Workspace(home) as ws:
        erase(ws, "ada")
    (home / "keys.db").write_bytes(copy)

    with ans.Workspace(home) as ws:
        done = {one.role: one for one in work(ws, once=True)}

        assert (done["erasure"].told, done["erasure"].done) == ("ran", 1)
        assert isinstance(body(ws, record), Gone)


# -- without keys, and from a backup -----------------------------------------------------------------


@pytest.mark.parametrize("lost", ["secrets/kek.key", "keys.db"])
def test_without_its_keys_a_home_can_be_verified_but_not_opened(home: Path, lost: str) -> None:
    """It says what is missing; deciding says what to do."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    (home / lost).unlink()

    with ans.Workspace(home) as ws:
        assert ws.ledger.verify().ok
        assert body(ws, record) == Gone("locked")
        assert ws.why(record).data["gone"]["told"] == "is locked: its key is not at hand"
        with pytest.raises(HomeError, match=r"missing"):
            decide(ws, 2, "ada")


def test_a_restored_backup_opens_nothing_that_was_erased(tmp_path: Path, home: Path) -> None:
    """Neither what was erased before it was made, nor, given the newer home, what was erased after."""
    with ans.Workspace(home) as ws:
        records = [decide(ws, n, person) for n, person in enumerate(("ada", "bob", "eve"))]
        erase(ws, "ada")
        archive = backup(home, tmp_path / "one.tar")
        erase(ws, "bob")

    old = restore(archive, tmp_path / "old")
    new = restore(archive, tmp_path / "new", erasures=home)

    assert "no newer one was given" in old.erasures
    assert "no newer one" not in new.erasures
    assert (old.erased, new.erased) == (1, 2)
    found = {}
    for name in ("old", "new"):
        with ans.Workspace(tmp_path / name) as ws:
            found[name] = [bool(body(ws, record)) for record in records]
            assert ws.ledger.verify().ok
    assert found == {"old": [False, True, True], "new": [False, False, True]}
    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, records[1]).why == "erased"
        with pytest.raises(HomeError):
            ws.subject("bob", purpose="privacy").show()
        assert not ws.decide(DECISION, {"number": "T-1", "customer": "bob"}).replayed
        key = noted(tmp_path / "new" / ERASURES)
        assert len(key) == 2


def test_a_backup_without_keys_holds_nothing_that_opens(tmp_path: Path, home: Path) -> None:
    """The wrapped keys come along, what wraps them does not; put back, everything opens."""
    with ans.Workspace(home) as ws:
        record = decide(ws, 1, "ada")
    kek = (home / "secrets" / "kek.key").read_bytes()
    archive = backup(home, tmp_path / "one.tar", keys=False)
    assert kek not in archive.read_bytes()

    restore(archive, tmp_path / "new")

    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, record) == Gone("locked")
    (tmp_path / "new" / "secrets" / "kek.key").write_bytes(kek)
    with ans.Workspace(tmp_path / "new") as ws:
        assert body(ws, record)["customer"] == "ada"


def test_nothing_of_a_case_stands_in_clear_on_the_disk(home: Path) -> None:
    """Neither in the journal nor in a segment, nor the person's id anywhere."""
    with ans.Workspace(home) as ws:
        for number in range(256):
            decide(ws, number, "planted-person", body="the planted parcel")
        ws.ledger.seal()
        decide(ws, 1000, "planted-person", body="the planted parcel")

        raw = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())

    assert b"planted" not in raw
