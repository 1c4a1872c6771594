"""Reads a folder of policies whole, checks it, and has Cedar parse it; a set with a fault is not used."""

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answerable.errors import HomeError
from answerable.governance.access import Shape
from answerable.governance.policy_schema import schema
from answerable.governance.policy_text import (
    ATTRIBUTES_FILE,
    Policy,
    Problem,
    Written,
    annotated,
    attributes,
    row_types,
    written,
)
from answerable.governance.policy_words import Piece, pieces
from answerable.governance.residuals import row_type

LARGEST = 1 << 20  # bytes of a file
SUFFIX = ".cedar"
NO_POLICY: Mapping[str, Any] = {"templates": {}, "staticPolicies": {}, "templateLinks": []}

Files = Mapping[str, bytes]  # name -> what is in it
Stamp = tuple[tuple[str, int, int, int], ...]  # name, modified (ns), size, inode of each file


class BrokenPolicies(HomeError):
    """A set of policies that cannot be used. problems: each of them, with file and line."""

    def __init__(self, folder: Path, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"the policies in {folder} cannot be used: {problems[0]}{more}",
            next_step="mend them; `answerable policy check` lists every problem",
        )
        self.folder, self.problems = folder, tuple(problems)

    def __reduce__(self) -> tuple[object, ...]:
        return (BrokenPolicies, (self.folder, self.problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySet:
    """A set of policies in force. digest: SHA-256 over its files and schema. handle, probes: Cedar's.

    ids: of the policies, by the place by which Cedar names them. attributes: of principals, name -> kind.
    unknown: types of rows that policies name and nobody declared.
    """

    digest: bytes
    policies: Mapping[str, Policy]
    ids: Mapping[str, str]
    attributes: Mapping[str, str]
    schema: str
    unknown: tuple[str, ...]
    handle: Any = field(repr=False)
    pieces: Mapping[str, tuple[Policy, Piece]] = field(repr=False)
    probes: Any = field(repr=False)


def stamp(folder: Path) -> Stamp:
    """Return what shows, without reading them, that the files of a folder changed. Raises OSError."""
    found = []
    for path in folder.iterdir():
        if path.suffix == SUFFIX or path.name == ATTRIBUTES_FILE:
            status = path.stat()
            found.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(sorted(found))


def has_policies(folder: Path) -> bool:
    """Say whether a folder holds a file of policies, be it a broken one."""
    return folder.is_dir() and any(path.suffix == SUFFIX for path in folder.iterdir())


def read_folder(folder: Path) -> Files:
    """Return the files of a folder. Raises BrokenPolicies for one that cannot be read."""
    files: dict[str, bytes] = {}
    problems = []
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == SUFFIX or p.name == ATTRIBUTES_FILE)
    except OSError as exc:
        wrong = Problem(file=str(folder), line=0, what=exc.strerror or str(exc))
        raise BrokenPolicies(folder, [wrong]) from exc
    for path in paths:
        try:
            status = path.stat()  # a link is followed, as mounted configuration is often linked
            if not stat.S_ISREG(status.st_mode):
                raise OSError("it is no file")
            if status.st_size > LARGEST:
                raise OSError(f"it has more than {LARGEST:,} bytes")
            files[path.name] = path.read_bytes()
        except OSError as exc:
            problems.append(Problem(file=path.name, line=0, what=exc.strerror or str(exc)))
    if not problems and not any(name.endswith(SUFFIX) for name in files):
        problems = [Problem(file=str(folder), line=0, what=f"there is no {SUFFIX} file any more")]
    if problems:
        raise BrokenPolicies(folder, problems)
    return files


def load(folder: Path, files: Files, sources: Sequence[Shape], *, complete: bool = False) -> PolicySet:
    """Return the policies of a folder's files, parsed and checked against what is known.

    A policy on rows of a source that is not known yet is checked when it is. complete: every source is
    known, so such a policy is a problem. Raises BrokenPolicies with every problem found.
    """
    import cedarpy

    problems: list[Problem] = []
    declared = _declared(files, problems)
    described = schema(declared, sources)
    checked_against = cedarpy.Schema.from_str(described)
    known = {row_type(shape.source).removeprefix("Row::") for shape in sources}
    policies: dict[str, Policy] = {}
    unknown: set[str] = set()
    for name, content in files.items():
        if not name.endswith(SUFFIX):
            continue
        found = list(written(name, _text(name, content, problems)))
        if not found and not any(p.file == name for p in problems):
            problems.append(Problem(file=name, line=0, what="it holds no policy"))
        for one in found:
            policy = _parsed(one)
            if isinstance(policy, Problem):
                problems.append(policy)
                continue
            if (twin := policies.get(policy.id)) is not None:
                what = f'the id "{policy.id}" is taken by the policy in {twin.file}, line {twin.line}'
                problems.append(Problem(file=name, line=one.line, what=what))
                continue
            policies[policy.id] = policy
            strange = row_types({n: v for n, v in policy.body.items() if n != "annotations"}) - known
            unknown |= strange
            if complete or not strange:
                problems += _invalid(one, policy, checked_against)
    if not problems:
        try:
            return _made(files, described, declared, policies, tuple(sorted(unknown)))
        except RecursionError:
            problems = [Problem(file=str(folder), line=0, what="a policy is nested too deep")]
    raise BrokenPolicies(folder, problems)


def declared_attributes(folder: Path, files: Files) -> Mapping[str, str]:
    """Return the attributes of principals that a folder declares: name -> kind. Raises BrokenPolicies."""
    problems: list[Problem] = []
    declared = _declared(files, problems)
    if problems:
        raise BrokenPolicies(folder, problems)
    return declared


def _declared(files: Files, problems: list[Problem]) -> Mapping[str, str]:
    found = attributes(_text(ATTRIBUTES_FILE, files.get(ATTRIBUTES_FILE, b""), problems))
    if isinstance(found, Problem):
        problems.append(found)
        return {}
    return found


def _text(name: str, content: bytes, problems: list[Problem]) -> str:
    try:
        return content.decode("utf-8-sig")  # some editors put a byte-order mark first
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        problems.append(Problem(file=name, line=line, what="it is not UTF-8"))
        return ""


def _parsed(one: Written) -> Policy | Problem:
    import cedarpy

    try:
        told = json.loads(cedarpy.policies_to_json_str(one.text))
    except ValueError as exc:
        what = f"it is no Cedar: {' '.join(str(exc).split())}"
        return Problem(file=one.file, line=one.line, what=what)
    if told["templates"]:
        what = "it is a template (?principal, ?resource), which stands for no policy by itself"
        return Problem(file=one.file, line=one.line, what=what)
    (body,) = told["staticPolicies"].values()
    return annotated(one, body)


def _invalid(one: Written, policy: Policy, checked_against: Any) -> list[Problem]:
    import cedarpy

    found = cedarpy.validate_policies(one.text, checked_against)
    if found.validation_passed:
        return []
    told = dict.fromkeys(
        error.error.replace("for policy `policy0`, ", "").replace("`policy0`", f'"{policy.id}"')
        for error in found.errors
    )
    return [
        Problem(file=one.file, line=one.line, what=f'the policy "{policy.id}": {" ".join(what.split())}')
        for what in told or ["it does not fit the schema"]
    ]


def _made(
    files: Files,
    described: str,
    declared: Mapping[str, str],
    policies: Mapping[str, Policy],
    unknown: tuple[str, ...],
) -> PolicySet:
    import cedarpy

    mark = hashlib.sha256()
    for name, content in [*sorted(files.items()), ("", described.encode())]:
        for part in (name.encode(), content):
            mark.update(len(part).to_bytes(8))
            mark.update(part)
    found = {
        f"{number}.{place}": (policy, piece)
        for number, policy in enumerate(policies.values())
        if policy.effect == "permit"
        for place, piece in enumerate(pieces(policy.body))
    }
    return PolicySet(
        digest=mark.digest(),
        policies=policies,
        attributes=declared,
        schema=described,
        unknown=unknown,
        ids={f"policy{place}": name for place, name in enumerate(policies)},
        handle=cedarpy.PolicySet.from_str("\n".join(policy.text for policy in policies.values())),
        pieces=found,
        probes=_probes({name: piece.body for name, (_, piece) in found.items()}),
    )


def _probes(bodies: Mapping[str, Any]) -> Any:
    """Return pieces of policies as Cedar's own; one that is nested too deep for its JSON is left out."""
    import cedarpy

    def made(some: Mapping[str, Any]) -> Any:
        return cedarpy.PolicySet.from_json_str(json.dumps({**NO_POLICY, "staticPolicies": dict(some)}))

    def fits(name: str) -> bool:
        try:
            return made({name: bodies[name]}) is not None
        except ValueError:
            return False

    try:
        return made(bodies)
    except ValueError:
        return made({name: body for name, body in bodies.items() if fits(name)})
