"""Opens the policies of a home, and asks them: who may do what with a decision and its records."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answerable.casebook import Casebook
from answerable.decisions.case import Principal
from answerable.decisions.decision import Decision
from answerable.encoding import decode
from answerable.errors import Denied, HomeError
from answerable.governance.access import Action, Ask, Column, Permit, Resource, Shape
from answerable.governance.policies_load import SUFFIX, has_policies
from answerable.home import find_project
from answerable.ports import Clock, PolicyEngine
from answerable.ports_null import AllowAll
from answerable.state import cases

OWN = "policies"  # the folder in a home
POINTER = "elsewhere"  # a file in it that names the folder of the project, for who starts from elsewhere
HOME = Resource("Home", "")
UNSEEN = "there is no such record, or you may not read it"


def policy_folder(home: Path, start: Path, *, keep: bool = False) -> Path | None:
    """Return the folder of the policies that are in force for a home; None if there are none.

    It is the one that the project file names, looked for from `start` upward, if the home is that project's;
    else the one that such a project named before; else the home's own if it holds any. keep: note down what
    the project names, so that the home is not open to all when it is opened from elsewhere.
    Raises HomeError where the named folder holds no policy, or the home's own holds some besides.
    """
    own = home / OWN
    project = find_project(start)
    named = None
    if project is not None and project.policies is not None and project.home.resolve() == home.resolve():
        named = project.policies.resolve()
    pointer = own / POINTER
    known = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None
    folder = named or (Path(known) if known else None)
    if folder is None:
        return own if has_policies(own) else None
    if not has_policies(folder):
        raise HomeError(
            f"the policies of this home are in {folder}, which holds no {SUFFIX} file",
            next_step=f"put them back; if there shall be none, remove {pointer} and the project's setting",
        )
    if has_policies(own):
        raise HomeError(
            f"there are policies in {folder} and in {own}",
            next_step="keep one of them: only one set can be in force",
        )
    if keep and named is not None and known != str(named):
        with suppress(OSError):  # a home that is only read
            own.mkdir(exist_ok=True, mode=0o700)
            pointer.write_text(f"{named}\n", encoding="utf-8")
    return folder


def open_policies(home: Path, start: Path, clock: Clock) -> PolicyEngine:
    """Return what judges for a home: its policies, or where it has none what lets everybody do everything.

    Raises HomeError (BrokenPolicies) for policies that cannot be used.
    """
    folder = policy_folder(home, start, keep=True)
    if folder is None:
        return AllowAll()
    from answerable.governance.policies_cedar import CedarPolicies

    return CedarPolicies(folder, clock=clock)


def resource_of(decision: Decision[Any, Any]) -> Resource:
    """Return a decision as policies know it."""
    return Resource(
        "Decision",
        decision.name,
        {"owner": decision.owner, "purpose": decision.purpose, "severity": decision.stakes.severity},
    )


def resource_described(manifest: Mapping[str, Any]) -> Resource:
    """Return a recorded decision as policies know it, from its manifest."""
    told = {"owner": manifest["owner"], "purpose": manifest["purpose"]}
    return Resource("Decision", manifest["name"], {**told, "severity": manifest["stakes"]["severity"]})


def shapes_of(decision: Decision[Any, Any]) -> list[Shape]:
    """Return the sources that a decision declares to read, as policies know them."""
    return [
        Shape(
            s.name,
            s.owner,
            s.purposes,
            {name: Column(cell, empty) for name, (cell, empty) in s.cells.items()},
        )
        for s in decision.reads
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Asks the policies about decisions and what is recorded of them."""

    policies: PolicyEngine
    book: Casebook
    _known: dict[bytes, Resource] = field(default_factory=dict)

    def may(self, who: Principal, action: Action, resource: Resource) -> Permit:
        """Judge what somebody asks of a decision or the home, for the decision's own purpose."""
        purpose = str(resource.attributes.get("purpose", ""))
        return self.policies.authorize(Ask(who, action, resource, purpose))

    def demand(self, who: Principal, action: Action, resource: Resource) -> None:
        """Raise Denied, with the reason and what would have allowed it, unless somebody may."""
        permit = self.may(who, action, resource)
        if not permit.allowed:
            raise Denied(permit.reason, next_step=permit.remedy)

    def named(self, decision: str) -> Resource:
        """Return a recorded decision as policies know it, in its newest version."""
        rows = self.book.journal.rows(cases.ALL_DEFINITIONS, {})
        marks = [bytes(digest) for name, _, digest in rows if name == decision]
        return self.recorded(decision, marks[-1] if marks else None)

    def recorded(self, decision: str | None, definition: bytes | None) -> Resource:
        """Return what an entry is about: its decision as defined then, or the home if it has none."""
        if decision is None:
            return HOME
        if definition is None:
            return Resource("Decision", decision)
        if definition not in self._known:
            rows = self.book.journal.rows(cases.MANIFEST, {"digest": definition})
            if not rows:
                return Resource("Decision", decision)
            self._known[definition] = resource_described(decode(bytes(rows[0][0])))
        return self._known[definition]

    def sees(self, who: Principal, header: Mapping[str, Any]) -> bool:
        """Say whether somebody may read an entry. header: with the decision's name and definition."""
        return self.may(who, "read", self._of(header)).allowed

    def demand_entry(self, who: Principal, header: Mapping[str, Any]) -> None:
        """Raise Denied unless somebody may read an entry; the same as for one that is not there."""
        if not self.sees(who, header):
            raise self.unseen()

    def sees_all(self, who: Principal) -> bool:
        """Say whether somebody may read the records of every decision, and so may hear that there is none."""
        names = {name for name, _, _ in self.book.journal.rows(cases.ALL_DEFINITIONS, {})}
        return all(self.may(who, "read", self.named(name)).allowed for name in names)

    def unseen(self) -> Denied:
        """Return the denial of a record that is not there or may not be read."""
        return Denied(UNSEEN, next_step="name its decision: then the reason can be told")

    def _of(self, header: Mapping[str, Any]) -> Resource:
        decision, definition = header["decision"], header["definition"]
        return self.named(decision) if decision and not definition else self.recorded(decision, definition)
