"""Takes a permit apart into what it asks for, and says each of these in words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from answerable.governance.access import Resource
from answerable.governance.policy_text import mappings
from answerable.governance.residuals import row_type

Where = Literal["action", "resource", "principal", "condition"]
_COMPARED: Mapping[str, str] = {
    "==": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
}
_CONTRARY: Mapping[str, str] = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_ANY: Mapping[str, Any] = {"op": "All"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One thing that a permit asks for. body: a policy that permits wherever this alone is so."""

    where: Where
    body: Mapping[str, Any] = field(repr=False)
    words: str


def pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield what a permit asks for, in the order in which a person would be told."""
    for where in ("action", "resource", "principal"):
        if body[where] != _ANY:
            yield _piece(where, scope_words(where, body[where]), **{where: body[where]})
    for condition in body["conditions"]:
        when = condition["kind"] == "when"
        for part in _split(condition["body"], "&&" if when else "||"):
            asked = [{"kind": condition["kind"], "body": part}]
            yield _piece("condition", words(part, so=when), conditions=asked)


def _piece(where: Any, told: str, **own: Any) -> Piece:
    body = {
        "effect": "permit",
        "principal": _ANY,
        "action": _ANY,
        "resource": _ANY,
        "conditions": [],
        "annotations": {},
        **own,
    }
    return Piece(where=where, body=body, words=told)


def _split(node: Mapping[str, Any], word: str) -> list[Any]:
    """Return the parts that `word` joins, in their order."""
    parts, left = [], [node]
    while left:
        one = left.pop()
        if set(one) == {word}:
            left += [one[word]["right"], one[word]["left"]]
        else:
            parts.append(one)
    return parts


def is_about(body: Mapping[str, Any], action: str, resource: Resource) -> bool:
    """Say whether a policy's head lets it apply to an action and a resource, or to a source's rows."""
    named = _named(body["action"])
    if body["action"] != _ANY and not any(one["id"] == action for one in named):
        return False
    scope = body["resource"]
    if scope == _ANY:
        return True
    own = [{"type": resource.kind, "id": resource.id}]
    kinds: list[str] = [resource.kind]
    if resource.kind == "Source" and action == "read":
        kinds.append(row_type(resource.id))
    if scope["op"] == "is":
        inside = [scope["in"]["entity"]] if "in" in scope else own
        return scope["entity_type"] in kinds and inside == own
    return any(one in own for one in _named(scope))


def _named(scope: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return list(scope.get("entities") or ([scope["entity"]] if "entity" in scope else []))


def named_principals(body: Any) -> set[str]:
    """Return the ids of the principals that a policy names anywhere."""
    found = (n["id"] for n in mappings(body) if n.get("type") == "Principal" and "id" in n)
    return {name for name in found if isinstance(name, str)}


def scope_words(where: str, scope: Mapping[str, Any]) -> str:
    """Say what a policy's head asks of the principal, the action or the resource."""
    named = _named(scope)
    if where == "action":
        return _listed([f"to {one['id']}" for one in named]) if named else "to do anything"
    if where == "principal":
        roles = [_entity(one) for one in named if one["type"] == "Role"]
        return f"you have {_listed(roles)}" if roles else "you are one of those it names"
    if scope["op"] == "is":
        kind = str(scope["entity_type"])
        told = f"a row of {kind.removeprefix('Row::')}" if kind.startswith("Row::") else f"a {kind.lower()}"
        return f"{told} in {_entity(scope['in']['entity'])}" if "in" in scope else told
    return _listed([_entity(one) for one in named]) if named else "anything"


def _entity(entity: Mapping[str, str]) -> str:
    kind, name = entity["type"], entity["id"]
    if kind == "Role":
        return f"the role {_value(name)}"
    if kind == "Principal":
        return "one of those it names"  # who else may is not told to who may not
    return f"the {kind.lower()} {_value(name)}".strip()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _listed([_value(item) for item in value])
    if isinstance(value, Mapping) and "__entity" in value:
        return _entity(value["__entity"])
    return json.dumps(value, ensure_ascii=False)


def words(node: Mapping[str, Any], *, so: bool = True) -> str:
    """Say an expression in words, or its contrary; one without words of its own is shown by its name."""
    ((word, of),) = node.items()
    if word == "!":
        return words(of["arg"], so=not so)
    if word in ("&&", "||"):
        joint = "and" if (word == "&&") is so else "or"
        return f"{words(of['left'], so=so)} {joint} {words(of['right'], so=so)}"
    if word in ("==", "!=") and isinstance(of["right"].get("Value"), bool):
        return words(of["left"], so=so is (of["right"]["Value"] is (word == "==")))
    if word in _COMPARED:
        told = _COMPARED[word if so else _CONTRARY[word]]
        return f"{_thing(of['left'])} {told} {_thing(of['right'])}"
    not_ = "" if so else "not "
    if word == "." and of["left"] == {"Var": "principal"} and of["attr"] == "verified":
        return f"you are {not_}verified"
    if word == "." and of["left"] == {"Var": "context"} and of["attr"] == "two_persons":
        return "a second person agrees" if so else "no second person is asked"
    if word == "has":
        owner = "you have" if of["left"] == {"Var": "principal"} else f"{_thing(of['left'])} has"
        return f"{owner} {'a' if so else 'no'} {str(of['attr']).replace('_', ' ')}"
    if word == "in" and of["left"] == {"Var": "principal"}:
        return f"you {'have' if so else 'do not have'} {_thing(of['right'])}"
    if word == "in":
        return f"{_thing(of['left'])} is {not_}in {_thing(of['right'])}"
    if word == "contains":
        return f"{_thing(of['right'])} is {not_}among {_thing(of['left'])}"
    if word == "like":
        pattern = "".join("*" if p == "Wildcard" else str(p["Literal"]) for p in of["pattern"])
        return f"{_thing(of['left'])} is {not_}like {_value(pattern)}"
    if word == "is":
        return f"{_thing(of['left'])} is {not_}a {str(of['entity_type']).lower()}"
    if word == ".":
        return f"{_thing(node)} is {'set' if so else 'not set'}"
    return f"{not_}{_thing(node)}"


def _thing(node: Mapping[str, Any]) -> str:
    """Name what an expression is about."""
    ((word, of),) = node.items()
    if word == "Value":
        return _value(of)
    if word == "Var":
        return "you" if of == "principal" else f"the {of}"
    if word == "Set":
        return _listed([_thing(item) for item in of])
    if word == ".":
        name, base = str(of["attr"]).replace("_", " "), of["left"].get("Var")
        named = {"context": f"the {name}", "principal": f"your {name}"}
        return named.get(str(base), f"{_thing(of['left'])}'s {name}")
    return f"what `{word}` gives"


def _listed(items: Iterable[str]) -> str:
    found = list(items)
    if len(found) < 2:
        return "".join(found) or "nothing"
    return f"{', '.join(found[:-1])} or {found[-1]}"
