"""A person's data can be shown, held and erased under proof; nobody else's is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import answerable as ans
from answerable.casefile import record_id_of
from answerable.errors import Denied, HomeError, TamperFound
from answerable.governance import erasing
from answerable.governance.access import Ask, Permit
from answerable.governance.vault import DAY
from answerable.interrupted import end_interrupted
from answerable.ledger.entry import Filter, Gone
from answerable.ledger.envelope import AES256GCM_HKDF, Keyed, PartKey, combined, open_clear
from answerable.resolving import expire
from answerable.state import subjects as state
from answerable.upkeep.work import work
from persons import DECISION, body, decide, erase, stands
from workspaces import on_each_journal


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ans.Workspace]:
    """A workspace on each kind of journal."""
    yield from on_each_journal(request, tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of an empty home on SQLite."""
    ans.Workspace(tmp_path / "home").close()
    return tmp_path / "home"


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


def test_the_worker_takes_the_bytes_out_too(home: Path) -> None:
    """Of journal and segments; the log verifies, proofs from before do, and readers still know the day."""
    with ans.Workspace(home) as ws:
        records = [decide(ws, n, f"p{n % 3}") for n in range(300)]
        ws.ledger.seal()
        proof = ws.ledger.prove(record_id_of(records[1]))
        parts = [ws.ledger.get(record_id_of(r)).entry.parts["input"] for r in (records[1], records[298])]  # type: ignore[union-attr]
        erase(ws, "p1")

        (done,) = [one for one in work(ws, once=True) if one.role == "sealer"]

        assert done.told == "ran" and done.done > 0
        files = [path.read_bytes() for path in home.rglob("*.parquet")]
        assert not any(part[100:] in raw for part in parts for raw in files)
        assert {body(ws, r).why for r in records[1::3]} == {"erased"}
        assert all(body(ws, r).at for r in records[1::3])
        assert body(ws, records[0])["customer"] == "p0"
        assert ws.ledger.verify().problems == ()
        assert stands(ws, records[1], proof)
        assert [one.told for one in work(ws, once=True) if one.role == "sealer"] == ["idle"]


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
    record = decide(ws, 1, "yusuf", body="parcel of yusuf")
    ws.truth(DECISION, record=record, team="billing", source="agent")
    erase(ws, "yusuf")

    why = ws.why(record)
    shown = [*(why.text(reader) for reader in ("person", "operator", "auditor")), why.message("operator")]

    assert all("erased on 20" in text for text in shown)
    assert not any("yusuf" in text for text in (*shown, json.dumps(why.data)))
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
