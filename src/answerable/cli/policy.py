"""The commands `policy check`, `explain`, `who`, `what` and `schema`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from answerable.cli.homes import home_folder
from answerable.cli.options import Common, command, group
from answerable.cli.printing import counted, say, say_json, say_line, say_pairs, say_table
from answerable.cli.targets import load_target
from answerable.decisions.case import Principal
from answerable.errors import HomeError, UsageError, did_you_mean
from answerable.governance.access import ACTIONS, APPLIES, Ask, Permit, Resource, ResourceKind, Shape
from answerable.home import HOME_FILE, choose_home, find_project
from answerable.ports import PolicyEngine

app = group("Who may do what: check the policies, and ask them.")

_NEWEST = 10_000  # records among which the principals of a home are looked for
_KINDS: tuple[str, ...] = get_args(ResourceKind)
_ANYBODY = "anybody"

Targets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TARGET]...", help="Decisions, as `check` takes; without them the project's."),
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="R", help="A role of theirs; may be given several times."),
]
Facts = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME=VALUE", help="What is said of them; several times as well."),
]
Purpose = Annotated[
    str | None,
    typer.Option("--purpose", metavar="P", help="What for; without it the decision's own purpose."),
]
ActionName = Annotated[str, typer.Option("--action", metavar="A", help=f"One of {', '.join(ACTIONS)}.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """What the policies of this place are about. folder: None where there are none."""

    folder: Path | None
    resources: Mapping[str, Resource]  # decisions by name
    sources: Sequence[Shape]
    complete: bool  # every decision is known with its sources
    home: Path | None

    def engine(self) -> PolicyEngine:
        """Return what judges here. Raises BrokenPolicies for policies that cannot be used."""
        from answerable.ports_null import AllowAll
        from answerable.system import SystemClock

        if self.folder is None:
            return AllowAll()
        from answerable.governance.policies_cedar import CedarPolicies

        return CedarPolicies(self.folder, clock=SystemClock(), sources=self.sources)

    def resource(self, named: str) -> Resource:
        """Return what `decision:NAME`, `source:NAME`, `subject:DIGEST` or `home` names; NAME: a decision."""
        kind, _, name = named.rpartition(":") if ":" in named else ("decision", "", named)
        if named == "home":
            return Resource("Home", "")
        known = {"decision": set(self.resources), "source": {shape.source for shape in self.sources}}
        if kind not in (*known, "subject"):
            raise UsageError(
                f"{named!r} names nothing", next_step=did_you_mean(kind, [*known, "subject", "home"])
            )
        if kind in known and name not in known[kind]:
            raise UsageError(f"no {kind} is called {name!r} here", next_step=did_you_mean(name, known[kind]))
        if kind == "decision":
            return self.resources[name]
        return Resource("Source" if kind == "source" else "Subject", name)


def _place(home: str | None, targets: Sequence[str] | None) -> _Place:
    """Look at a home, or at a project whose home is not made yet."""
    from answerable.permits import policy_folder, resource_of, shapes_of

    project = find_project(Path.cwd())
    where = choose_home(home, os.environ, Path.cwd())
    is_home = (where / HOME_FILE).is_file()
    if not is_home and (project is None or project.home.resolve() != where.resolve()):
        home_folder(home)  # says that there is none
    named = list(targets or (project.decisions if project is not None else ()))
    decisions = [load_target(target) for target in named]
    folder = policy_folder(where, Path.cwd()) if is_home or project is None else project.policies
    recorded = dict(_recorded(where)) if is_home else {}
    return _Place(
        folder=folder,
        resources={**recorded, **{d.name: resource_of(d) for d in decisions}},
        sources=[shape for d in decisions for shape in shapes_of(d)],
        complete=bool(decisions),
        home=where if is_home else None,
    )


def _recorded(home: Path) -> Iterator[tuple[str, Resource]]:
    """Yield the decisions that a home has recorded, by name."""
    from answerable.encoding import decode
    from answerable.home import open_home
    from answerable.permits import resource_described
    from answerable.upkeep.stores import store_of

    store = store_of(open_home(home), os.environ)
    for (told,) in store.rows("SELECT manifest FROM definition ORDER BY decision, version"):
        described = decode(bytes(told))
        yield described["name"], resource_described(described)


# -- check and schema ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions(Common):
    """Options of `policy check`."""

    targets: Targets = None


def check(options: CheckOptions) -> None:
    """Read the policies as a home would, and check every one against what decisions and sources declare.

    Exit code 1 if any cannot be used, each with file, line and reason.
    """
    from answerable.governance.policies_load import BrokenPolicies, load, read_folder

    place = _place(options.home, options.targets)
    if place.folder is None:
        raise HomeError(
            "there are no policies here: everybody may do everything",
            next_step="write the first one, such as policies/main.cedar; see docs/policies.md",
        )
    data: dict[str, Any] = {"ok": True, "folder": str(place.folder), "policies": [], "problems": []}
    try:
        found = load(place.folder, read_folder(place.folder), place.sources, complete=place.complete)
        data |= {"digest": found.digest.hex(), "unchecked": list(found.unknown)}
        data["policies"] = [
            {"id": p.id, "effect": p.effect, "reason": p.reason, "file": p.file, "line": p.line}
            for p in found.policies.values()
        ]
    except BrokenPolicies as exc:
        data["ok"] = False
        data["problems"] = [{"file": p.file, "line": p.line, "what": p.what} for p in exc.problems]
        if not options.json:
            for problem in exc.problems:
                say_line(str(problem))
            say(f"{counted(len(exc.problems), 'problem', 'problems')} in {place.folder}")
    if options.json:
        say_json(data)
    elif data["ok"]:
        say_table(
            ["policy", "effect", "reason", "where"],
            [[p["id"], p["effect"], p["reason"], f"{p['file']}:{p['line']}"] for p in data["policies"]],
        )
        for name in data["unchecked"]:
            say_line(f"the rows of {name} are not declared here: what is said of them was not checked")
        say(f"{counted(len(data['policies']), 'policy is', 'policies are')} sound; set {data['digest'][:16]}")
    if not data["ok"]:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaOptions(Common):
    """Options of `policy schema`."""

    targets: Targets = None


def schema(options: SchemaOptions) -> None:
    """Print what policies can ask for, as a Cedar schema; editors with Cedar support read it."""
    from answerable.governance.policies_load import declared_attributes, read_folder
    from answerable.governance.policy_schema import schema as written

    place = _place(options.home, options.targets)
    files = {} if place.folder is None else read_folder(place.folder)
    text = written(declared_attributes(place.folder or Path(), files), place.sources)
    if options.json:
        say_json({"schema": text})
    else:
        say(text.removesuffix("\n"))


# -- explain, who and what -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainOptions(Common):
    """Options of `policy explain`."""

    targets: Targets = None
    principal: Annotated[str, typer.Option("--principal", metavar="P", help="Who, such as user:4711.")]
    action: ActionName
    resource: Annotated[
        str, typer.Option("--resource", metavar="R", help="decision:NAME, source:NAME, subject:ID or home.")
    ]
    role: Roles = None
    attribute: Facts = None
    purpose: Purpose = None


def explain(options: ExplainOptions) -> None:
    """Say whether somebody may do something, which policies decide it, and what would have allowed it."""
    place = _place(options.home, options.targets)
    engine = place.engine()
    who = _principal(engine, options.principal, options.role, options.attribute)
    resource = place.resource(options.resource)
    ask = _ask(who, options.action, resource, options.purpose)
    permit, rows = _judged(engine, ask)
    policies = _where(engine, permit.policies)
    if options.json:
        digest = None if permit.policy is None else permit.policy.hex()
        say_json({**_told(permit, rows), "policies": policies, "digest": digest})
        return
    told = {"allowed": "yes" if permit.allowed else "NO", "reason": permit.reason}
    told |= {"rows": rows} if rows else {}
    told |= {"would be": permit.remedy} if permit.remedy else {}
    told |= {f"policy {p['id']}": f"{p['effect']}, {p['file']}:{p['line']}" for p in policies}
    say_pairs(told)


@dataclass(frozen=True, kw_only=True, slots=True)
class WhoOptions(Common):
    """Options of `policy who`."""

    resource: Annotated[
        str, typer.Argument(metavar="RESOURCE", help="decision:NAME, source:NAME, subject:ID or home.")
    ]
    action: ActionName
    purpose: Purpose = None


def who(options: WhoOptions) -> None:
    """Say who may do something: the principals that this home has recorded or a policy names, and what
    each policy asks of anybody else.
    """
    place = _place(options.home, None)
    engine = place.engine()
    resource = place.resource(options.resource)
    known = {}
    for one in _principals(place, engine):
        permit, rows = _judged(engine, _ask(one, options.action, resource, options.purpose))
        known[one.id] = {"principal": one.id, "roles": list(one.roles), **_told(permit, rows)}
    asks = list(_asks(engine, options.action, resource))
    if options.json:
        data = {"principals": list(known.values()), "policies": asks}
        say_json({"action": options.action, "resource": options.resource, **data})
        return
    if known:
        say_table(["principal", "roles", "may", "because"], [_row(told) for told in known.values()])
    for told in asks:
        asked = "; ".join(told["asks"]) or "nothing more"
        say_line(f"{told['effect']} {told['policy']}: {asked}")
    if place.folder is None:
        say("there are no policies: everybody may do everything")
    elif not asks:
        say("no policy is about that: nobody may")


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatOptions(Common):
    """Options of `policy what`."""

    principal: Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Who, such as user:4711.")]
    role: Roles = None
    attribute: Facts = None
    purpose: Purpose = None


def what(options: WhatOptions) -> None:
    """Say what somebody may do with the decisions, sources and the home that are known here."""
    place = _place(options.home, None)
    engine = place.engine()
    asks_for = _principal(engine, options.principal, options.role, options.attribute)
    things = [*place.resources.values(), *(Resource("Source", s.source) for s in place.sources)]
    things += [Resource("Subject", _ANYBODY), Resource("Home", "")]
    found = []
    for thing in things:
        for action in (a for a in ACTIONS if thing.kind in APPLIES[a]):
            permit, rows = _judged(engine, _ask(asks_for, action, thing, options.purpose))
            name = {"Subject": "any", "Home": ""}.get(thing.kind, thing.id)
            named = f"{thing.kind.lower()}:{name}".removesuffix(":")
            found.append({"resource": named, "action": action, **_told(permit, rows)})
    if options.json:
        say_json({"principal": asks_for.id, "roles": list(asks_for.roles), "may": found})
        return
    say_table(
        ["resource", "action", "may", "because"],
        [[told["resource"], told["action"], *_row(told)[2:]] for told in found if told["allowed"]],
    )
    denied = sum(not told["allowed"] for told in found)
    say(f"{denied} of {len(found)} things are denied; `answerable policy explain` says why")


def _told(permit: Permit, rows: str) -> dict[str, Any]:
    told = {"allowed": permit.allowed, "reason": permit.reason, "remedy": permit.remedy, "rows": rows}
    return {**told, "policies": list(permit.policies)}


def _row(told: Mapping[str, Any]) -> list[str]:
    may = "yes" if told["allowed"] else "no"
    because = f"{told['reason']} ({told['rows']})" if told["rows"] and told["allowed"] else told["reason"]
    return [told.get("principal", ""), ", ".join(told.get("roles", ())), may, because]


def _ask(who: Principal, action: str, resource: Resource, purpose: str | None) -> Ask:
    if action not in ACTIONS:
        raise UsageError(f"no action is called {action!r}", next_step=did_you_mean(action, ACTIONS))
    own = str(resource.attributes.get("purpose", ""))
    return Ask(who, action, resource, own if purpose is None else purpose)


def _judged(engine: PolicyEngine, ask: Ask) -> tuple[Permit, str]:
    """Return the policies' word, and for reading a source the rows in words."""
    from answerable.governance.row_words import in_words

    if ask.action != "read" or ask.resource.kind != "Source":
        return engine.authorize(ask), ""
    found = engine.rows(ask)
    return found.permit, in_words(found.rows)


def _principal(
    engine: PolicyEngine, name: str, roles: Sequence[str] | None, facts: Sequence[str] | None
) -> Principal:
    """Return the principal that a command line describes."""
    from answerable.governance.policies_cedar import CedarPolicies

    declared = engine.policies.attributes if isinstance(engine, CedarPolicies) else {}
    attributes: dict[str, Any] = {}
    for fact in facts or ():
        of, _, value = fact.partition("=")
        if of not in declared:
            step = did_you_mean(of, declared)
            raise UsageError(f"policies know no attribute {of!r} of a principal", next_step=step)
        attributes[of] = _value(of, declared[of], value)
    return Principal(name, tuple(roles or ()), attributes)


def _value(name: str, kind: str, text: str) -> Any:
    try:
        if kind == "whole":
            return int(text)
        if kind == "flag":
            return {"true": True, "false": False}[text.lower()]
        return text if kind == "text" else text.split(",")
    except (ValueError, KeyError):
        raise UsageError(f"{name} is {text!r}", next_step="give a whole number, or true or false") from None


def _where(engine: PolicyEngine, names: Sequence[str]) -> list[dict[str, Any]]:
    from answerable.governance.policies_cedar import CedarPolicies

    if not isinstance(engine, CedarPolicies):
        return []
    found = [engine.policies.policies[name] for name in names]
    return [{"id": p.id, "effect": p.effect, "file": p.file, "line": p.line} for p in found]


def _asks(engine: PolicyEngine, action: str, resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield the policies on an action and a resource, with what each asks of anybody, in words."""
    from answerable.governance.policies_cedar import CedarPolicies
    from answerable.governance.policy_words import is_about, pieces

    if not isinstance(engine, CedarPolicies):
        return
    for policy in engine.policies.policies.values():
        if is_about(policy.body, action, resource):
            asked = [p.words for p in pieces(policy.body) if p.where in ("principal", "condition")]
            yield {"policy": policy.id, "effect": policy.effect, "reason": policy.reason, "asks": asked}


def _principals(place: _Place, engine: PolicyEngine) -> list[Principal]:
    """Return the principals that the home's newest records name, as they were, and those of policies."""
    from answerable.governance.policies_cedar import CedarPolicies
    from answerable.governance.policy_words import named_principals

    found: dict[str, Principal] = {}
    if place.home is not None:
        for told in _asked_before(place.home):
            found.setdefault(told.id, told)
    if isinstance(engine, CedarPolicies):
        for policy in engine.policies.policies.values():
            for name in named_principals(policy.body):
                found.setdefault(name, Principal(name))
    return [found[name] for name in sorted(found)]


def _asked_before(home: Path) -> Iterator[Principal]:
    """Yield who asked in the newest records of a home, with the roles they last had."""
    from answerable.cli.homes import open_home
    from answerable.ledger.entry import Filter

    with open_home(str(home)) as workspace:
        seen = set()
        for line in workspace.ledger.latest(Filter(limit=_NEWEST)):
            if line.header["principal"] in seen or line.header["principal"] is None:
                continue
            seen.add(line.header["principal"])
            stored = workspace.ledger.get(bytes(line.header["id"]))
            detail = (workspace.ledger.body(stored, "detail") if stored is not None else None) or {}
            told = detail.get("principal") or {"id": line.header["principal"]}
            behind = told.get("on_behalf_of")
            yield Principal(told["id"], tuple(told.get("roles", ())), {}, bool(told.get("verified")), behind)


def add_to(parent: typer.Typer) -> None:
    """Put the commands into the command line."""
    command(app, "check", example="answerable policy check")(check)
    shown = "answerable policy explain --principal user:7 --action decide --resource decision:route-ticket"
    command(app, "explain", example=shown)(explain)
    command(app, "who", example="answerable policy who decision:route-ticket --action review")(who)
    command(app, "what", example="answerable policy what user:7 --role agent")(what)
    command(app, "schema", example="answerable policy schema > policies/answerable.cedarschema")(schema)
    parent.add_typer(app, name="policy")
