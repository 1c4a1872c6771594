"""Reads a file of policies as text: where each policy begins, and what every one of them needs."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from answerable.errors import did_you_mean
from answerable.governance.access import ColumnKind

ATTRIBUTES_FILE = "principals.toml"
RESERVED = ("id", "kind", "name", "verified", "on_behalf_of")  # what every principal has
KINDS: tuple[str, ...] = get_args(ColumnKind)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,99}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|"|;|[^/";]+|/', re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What keeps a set of policies from being used. line: from 1; 0 where it is about the whole file."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.what}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """One policy as it is written. line: where it begins, from 1."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """One policy, parsed. body: its policy JSON as Cedar gives it, of which Cedar takes back no deep one."""

    id: str
    reason: str
    effect: str
    file: str
    line: int
    text: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)


def written(file: str, text: str) -> Iterator[Written]:
    """Yield the policies of a file; each ends with `;`. What stands behind the last one counts as one."""
    begun: list[str] = []
    line, first = 1, 0
    for token in _TOKEN.findall(text):
        if not first and token.strip() and not token.startswith("//"):
            first = line + token[: len(token) - len(token.lstrip())].count("\n")
        if first:
            begun.append(token)
        line += token.count("\n")
        if token == ";":
            yield Written(file=file, line=first, text="".join(begun))
            begun, first = [], 0
    if first:
        yield Written(file=file, line=first, text="".join(begun))


def annotated(policy: Written, body: Mapping[str, Any]) -> Policy | Problem:
    """Return a parsed policy with its id and reason, or what is wrong with them."""
    told = body.get("annotations", {})
    name, reason = told.get("id"), told.get("reason")
    if name is None or not ID.fullmatch(name):
        what = 'a policy needs an id of letters, digits, "-", "_" and ".", such as @id("agents-read")'
        return Problem(file=policy.file, line=policy.line, what=what)
    if reason is None or not reason.strip() or not reason.isprintable():
        what = f'the policy "{name}" needs a reason that a person can read: @reason("...")'
        return Problem(file=policy.file, line=policy.line, what=what)
    return Policy(
        id=name,
        reason=reason.strip(),
        effect=body["effect"],
        file=policy.file,
        line=policy.line,
        text=policy.text,
        body=body,
    )


def attributes(text: str) -> Mapping[str, str] | Problem:
    """Return the attributes that a principal may have beside its roles: name -> kind, from a TOML text."""

    def wrong(what: str) -> Problem:
        return Problem(file=ATTRIBUTES_FILE, line=0, what=what)

    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return wrong(str(exc))
    for name, kind in told.items():
        if not _NAME.fullmatch(name) or name in RESERVED:
            return wrong(f"{name!r} cannot be the name of an attribute")
        if kind not in KINDS:
            return wrong(f"{name} is {kind!r}; {did_you_mean(str(kind), KINDS)}")
    return told


def row_types(body: Any) -> set[str]:
    """Return the types of rows that a policy names, without their `Row::`."""
    names = (n.get(key) for n in mappings(body) for key in ("entity_type", "type"))
    return {n.removeprefix("Row::") for n in names if isinstance(n, str) and n.startswith("Row::")}


def mappings(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a policy's JSON, however deep."""
    left = [node]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            yield one
            left += one.values()
        elif isinstance(one, list):
            left += one
