"""PolicyEngine on Cedar policies in a folder: read once, read again when a file changes, never half of them.

Two things Cedar does by itself are not done here: a policy that ends with an error is not skipped but denies,
and a denial without a forbid does not go without a reason.
"""

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from answerable.governance.access import APPLIES, Ask, Column, Permit, Resource, RowPermit, Shape
from answerable.governance.policies_load import (
    BrokenPolicies,
    Files,
    PolicySet,
    Stamp,
    load,
    read_folder,
    stamp,
)
from answerable.governance.policy_schema import CONTEXT
from answerable.governance.policy_text import Policy
from answerable.governance.policy_words import Piece
from answerable.governance.residuals import NotCompiled, compiled, row_type
from answerable.governance.rows import NONE
from answerable.ports import Clock

LOOK = 1.0  # seconds between two looks at the folder
SETTLED = 2_000_000_000  # nanoseconds: no file system tells times worse than that
REMEMBERED = 4096  # answers kept
KEEPER = "ask whoever keeps the policies"
_PYTHON: Mapping[str, type] = {"text": str, "whole": int, "flag": bool}
_LONG = 1 << 63

log = logging.getLogger(__name__)


_Facts = tuple[list[Any], dict[str, Any]]  # entities, context


class _Unfit(Exception):
    """A question that no policy can judge, and why."""


class CedarPolicies:
    """Over one folder of `*.cedar` files. sources: those known already.

    `problem` says why files that changed since are not in force, "" while they are.
    Raises BrokenPolicies if the folder's policies cannot be used: nothing is permitted by mistake.
    """

    def __init__(self, folder: Path, *, clock: Clock, sources: Iterable[Shape] = ()) -> None:
        self.folder, self._clock = folder, clock
        self._shapes = {shape.source: shape for shape in sources}
        self._lock = threading.Lock()
        self._remembered: OrderedDict[Hashable, Permit | RowPermit] = OrderedDict()
        self._stamp = self._look()
        self._files: Files = read_folder(folder)
        self._set = load(folder, self._files, tuple(self._shapes.values()))
        self._next = clock.monotonic() + LOOK
        self._problem = ""

    # -- the set in force --------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why the newest files are not in force, with file and line; "" where they are."""
        self._current()
        return self._problem

    @property
    def policies(self) -> PolicySet:
        """The set in force."""
        return self._current()

    def know(self, source: Shape) -> None:
        """Be told of a source whose rows policies may name; the same one again changes nothing.

        Raises BrokenPolicies if the policies do not fit it; then it stays unknown.
        """
        if self._shapes.get(source.source) == source:
            return
        with self._lock:
            shapes = {**self._shapes, source.source: source}
            self._set = load(self.folder, self._files, tuple(shapes.values()))
            self._shapes = shapes
            self._remembered.clear()

    def _current(self) -> PolicySet:
        if self._clock.monotonic() < self._next:
            return self._set
        with self._lock:
            if self._clock.monotonic() >= self._next:
                self._next = self._clock.monotonic() + LOOK
                seen = self._look()
                if seen is None or seen != self._stamp:
                    self._reload(seen)
            return self._set

    def _look(self) -> Stamp | None:
        """Return what shows that files changed; None: they have to be read.

        A file that was only just written may be written again without showing it.
        """
        try:
            seen = stamp(self.folder)
        except OSError:
            return None  # reading it says why
        settled = self._clock.now() * 1000 - SETTLED
        return seen if all(modified < settled for _, modified, _, _ in seen) else None

    def _reload(self, seen: Stamp | None) -> None:
        """Put changed files in force; where they are broken, keep what was and say so, once."""
        try:
            files = read_folder(self.folder)
            if files != self._files or self._problem:
                self._set = load(self.folder, files, tuple(self._shapes.values()))
                self._files = files
                self._remembered.clear()
            if self._problem:
                log.warning("the policies in %s are mended and in force", self.folder)
            self._problem = ""
        except BrokenPolicies as exc:
            problem = "; ".join(map(str, exc.problems[:3]))
            if problem != self._problem:
                log.error("changed policies are not in force, the last good ones stay: %s", problem)
            self._problem = problem
        self._stamp = seen

    # -- judging -----------------------------------------------------------------------------------------

    def authorize(self, ask: Ask) -> Permit:
        """Judge one question; anything that goes wrong denies."""
        found: Permit = self._answered(ask, "one", self._judged)
        return found

    def rows(self, ask: Ask) -> RowPermit:
        """Say which rows of the source `ask.resource` may be read; a source that is forbidden gives none."""
        found: RowPermit = self._answered(ask, "rows", self._filtered)
        return found

    def _answered(self, ask: Ask, what: str, judge: Callable[[PolicySet, Ask, _Facts], Any]) -> Any:
        in_force = self._current()
        key = (in_force.digest, what, *_key(ask))
        try:
            known = self._remembered.get(key)
        except TypeError:  # a value that cannot be remembered is none that Cedar knows
            key, known = (), None
        if known is not None:
            return known
        try:
            known = judge(in_force, ask, _facts(ask, in_force.attributes, self._shapes))
        except _Unfit as exc:
            permit = Permit(False, str(exc), in_force.digest, remedy=KEEPER)
            return permit if what == "one" else RowPermit(permit, NONE)
        if key:
            with self._lock:
                self._remembered[key] = known
                while len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
        return known

    def _judged(self, in_force: PolicySet, ask: Ask, facts: _Facts) -> Permit:
        import cedarpy

        if ask.resource.kind == "Row":  # who is kept from a source is kept from its rows
            source = replace(ask, resource=Resource("Source", ask.resource.id))
            above = self._judged(in_force, source, _facts(source, in_force.attributes, self._shapes))
            if not above.allowed and above.policies:
                return above
        entities, context = facts
        request = {
            "principal": {"type": "Principal", "id": ask.principal.id},
            "action": {"type": "Action", "id": ask.action},
            "resource": _uid(ask.resource),
            "context": context,
        }
        held = cedarpy.Entities.from_json_str(json.dumps(entities))
        found = cedarpy.is_authorized(request, in_force.handle, held)
        if found.diagnostics.errors or found.decision.name == "NoDecision":
            return _failed(in_force, found.diagnostics.errors)
        because = tuple(sorted(in_force.ids[place] for place in found.diagnostics.reasons))
        if found.allowed:
            return Permit(True, _reasons(in_force, because), in_force.digest, because)
        if because:
            return _forbidden(in_force, because)
        probed = cedarpy.is_authorized(request, in_force.probes, held)
        return _not_permitted(in_force, ask, set(probed.diagnostics.reasons))

    def _filtered(self, in_force: PolicySet, ask: Ask, facts: _Facts) -> RowPermit:
        import cedarpy

        shape = self._shapes.get(ask.resource.id)
        if ask.action != "read" or ask.resource.kind != "Source" or shape is None:
            why = "rows are read of a source that is declared, and nothing else is done with them"
            return RowPermit(Permit(False, why, in_force.digest, remedy="declare the source"), NONE)
        whole = self._judged(in_force, ask, facts)
        if not whole.allowed and whole.policies:  # forbidden, or judged with an error
            return RowPermit(whole, NONE)
        entities, context = facts
        request = {
            "principal": f'Principal::"{ask.principal.id}"',  # an id has no quotes
            "action": 'Action::"read"',
            "context": context,
        }
        held = cedarpy.Entities.from_json_str(json.dumps(entities))
        found = cedarpy.is_authorized_partial(request, in_force.handle, held)
        if found.diagnostics.errors:
            return RowPermit(_failed(in_force, found.diagnostics.errors), NONE)
        residuals = {in_force.ids[place]: left for place, left in found.residuals.items()}
        try:
            rows = compiled(residuals, shape)
        except NotCompiled as exc:
            named = tuple(name for name in residuals if f'"{name}"' in str(exc))
            remedy = "the policy has to ask for less; docs/policies.md lists what a filter can say"
            return RowPermit(Permit(False, str(exc), in_force.digest, named, remedy), NONE)
        applying = tuple(sorted(n for n, r in residuals.items() if not _never(r, shape)))
        if rows == NONE:
            forbids = tuple(n for n in applying if in_force.policies[n].effect == "forbid")
            probed = cedarpy.is_authorized_partial(request, in_force.probes, held)
            met = {name for name, left in probed.residuals.items() if not _never(left, shape)}
            permitted = any(in_force.policies[n].effect == "permit" for n in applying)
            permit = (
                _forbidden(in_force, forbids) if permitted and forbids else _not_permitted(in_force, ask, met)
            )
            return RowPermit(permit, NONE)
        permits = [n for n in applying if in_force.policies[n].effect == "permit"]
        return RowPermit(Permit(True, _reasons(in_force, permits), in_force.digest, applying), rows)


def _never(residual: Mapping[str, Any], shape: Shape) -> bool:
    """Say whether what is left of a policy is false for every row."""
    try:
        return compiled({"it": {**residual, "effect": "permit"}}, shape) == NONE
    except NotCompiled:
        return False


# -- what Cedar is told ------------------------------------------------------------------------------------


def _uid(resource: Resource) -> dict[str, str]:
    if resource.kind == "Row":
        return {"type": row_type(resource.id), "id": "row"}
    return {"type": resource.kind, "id": resource.id}


def _key(ask: Ask) -> tuple[Any, ...]:
    """Return what a question is remembered by; 1 and true are not the same."""
    who, resource = ask.principal, ask.resource
    told = (who.attributes, resource.attributes, ask.context)
    return (
        ask.action,
        ask.purpose,
        resource.kind,
        resource.id,
        who.id,
        tuple(who.roles),
        who.verified,
        who.on_behalf_of,
        *(tuple((n, type(v), tuple(v) if type(v) is list else v) for n, v in t.items()) for t in told),
    )


def _facts(ask: Ask, declared: Mapping[str, str], shapes: Mapping[str, Shape]) -> _Facts:
    """Return the entities and the context of a question. Raises _Unfit for what no policy can judge."""
    who, resource = ask.principal, ask.resource
    if ask.action not in APPLIES or resource.kind not in APPLIES[ask.action]:
        raise _Unfit(f"nobody can {ask.action} a {resource.kind.lower()}")
    context: dict[str, Any] = {"purpose": ask.purpose, "two_persons": False, **ask.context}
    for name, value in context.items():
        if name not in CONTEXT or type(value) is not _PYTHON[CONTEXT[name]]:
            raise _Unfit(f"the question has {name!r} in its context, which no policy can judge")
    kind, _, name = who.id.partition(":")
    attributes: dict[str, Any] = {"id": who.id, "kind": kind, "name": name, "verified": bool(who.verified)}
    if who.on_behalf_of is not None:
        attributes["on_behalf_of"] = who.on_behalf_of
    for of, value in who.attributes.items():
        if of in declared and value is not None:  # what no policy can ask for stays out
            attributes[of] = _value(declared[of], value, f"your {of}")
    roles = sorted(set(who.roles))
    entities: list[Any] = [
        {
            "uid": {"type": "Principal", "id": who.id},
            "attrs": attributes,
            "parents": [{"type": "Role", "id": role} for role in roles],
        },
        *({"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in roles),
        {"uid": {"type": "Action", "id": ask.action}, "attrs": {}, "parents": []},
        *_resource(resource, shapes),
    ]
    return entities, context


def _resource(resource: Resource, shapes: Mapping[str, Shape]) -> Iterable[Any]:
    own: dict[str, Any] = {}
    parents = []
    if resource.kind == "Decision":
        own = {n: str(v) for n, v in resource.attributes.items() if n in ("owner", "purpose", "severity")}
    elif resource.kind in ("Source", "Row"):
        shape = shapes.get(resource.id)
        if shape is None:
            raise _Unfit(f"the source {resource.id!r} is not declared")
        source = {"owner": shape.owner, "purposes": sorted(shape.purposes)}
        if resource.kind == "Row":
            parents = [{"type": "Source", "id": resource.id}]
            yield {"uid": parents[0], "attrs": source, "parents": []}
            own = {n: _cell(c, n, resource.attributes.get(n)) for n, c in shape.columns.items()}
            own = {n: value for n, value in own.items() if value is not None}
        else:
            own = source
    yield {"uid": _uid(resource), "attrs": own, "parents": parents}


def _cell(column: Column, name: str, value: Any) -> Any:
    return None if value is None else _value(column.kind, value, f"the row's {name}")


def _value(kind: str, value: Any, what: str) -> Any:
    """Return a value as Cedar reads it. Raises _Unfit if it is of another type than was declared."""
    if kind == "texts":
        sound = isinstance(value, list | tuple | set | frozenset) and all(type(v) is str for v in value)
        value = sorted(set(value)) if sound else value
    else:
        sound = type(value) is _PYTHON[kind]
    if sound and isinstance(value, int):
        sound = -_LONG <= value < _LONG
    if not sound:
        raise _Unfit(f"{what} is not of the declared type ({kind})")
    return value


# -- what a person is told -----------------------------------------------------------------------------------


def _reasons(in_force: PolicySet, names: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(in_force.policies[name].reason.rstrip(".") for name in names))


def _failed(in_force: PolicySet, errors: Iterable[str]) -> Permit:
    """Return the denial of a question in which a policy ended with an error; its text may hold values."""
    told = " ".join(errors)
    named = tuple(name for place, name in in_force.ids.items() if f"`{place}`" in told)
    names = named or tuple(in_force.policies)
    which = f"the policy {' and '.join(map(_quoted, names))}" if names else "the policies"
    reason = f"{which} could not be judged, and what cannot be judged is denied"
    return Permit(
        False, reason, in_force.digest, names, f"{KEEPER} to mend {'it' if len(names) == 1 else 'them'}"
    )


def _forbidden(in_force: PolicySet, names: tuple[str, ...]) -> Permit:
    remedy = f"nothing while {' and '.join(map(_quoted, names))} applies; {KEEPER}"
    return Permit(False, _reasons(in_force, names), in_force.digest, names, remedy)


def _not_permitted(in_force: PolicySet, ask: Ask, met: set[str]) -> Permit:
    """Return the denial where no policy permits: the nearest one, and what it asks for besides.

    met: the pieces of permits that are so. A policy on another action or resource is not near.
    """
    asks: dict[str, tuple[Policy, list[Piece]]] = {}
    for name, (policy, piece) in in_force.pieces.items():
        open_ = asks.setdefault(policy.id, (policy, []))[1]
        if name not in met:
            open_.append(piece)
    near = [
        (len(left), policy.id, left)
        for policy, left in asks.values()
        if left and all(piece.where in ("principal", "condition") for piece in left)
    ]
    if not near:
        what = _asked(ask)
        return Permit(False, f"no policy permits {what}", in_force.digest, (), f"a policy has to; {KEEPER}")
    _, name, left = min(near, key=lambda one: one[:2])
    needs = "; ".join(dict.fromkeys(piece.words for piece in left))
    reason = f"no policy permits {_asked(ask)}; the nearest, {_quoted(name)}, asks for more"
    return Permit(False, reason, in_force.digest, (), f"{_quoted(name)} would allow it if: {needs}")


def _asked(ask: Ask) -> str:
    """Say what was asked, without saying whether a subject or a row exists."""
    verbs = {"administer": "administering", "approve": "approving", "decide": "deciding", "erase": "erasing"}
    verb = verbs.get(ask.action, f"{ask.action}ing")
    kind = ask.resource.kind
    if kind in ("Decision", "Source"):
        return f"{verb} the {kind.lower()} {_quoted(ask.resource.id)}"
    return f"{verb} {'this home' if kind == 'Home' else f'a {kind.lower()}'}"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
