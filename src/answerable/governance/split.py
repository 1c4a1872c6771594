"""Takes the values of several people apart, so that each is sealed under the key of whom it belongs to.

What belongs to nobody, and the form of the whole, stay where they are; placeholders stand for the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from answerable.governance.classification import Public
from answerable.governance.leaves import Leaf, Visit

SPLIT = b"\x01"  # begins the body of a part that was taken apart; no JSON begins so
MISSING = "(erased)"  # what stands in the place of a value that cannot be opened any more
Owner = tuple[tuple[str, ...], str | None]  # ids of persons, and a retention class of its own
NOBODY: Owner = ((), None)


@dataclass(frozen=True, slots=True)
class Apart:
    """A value taken apart. mark: begins its placeholders. groups: owner -> values, in their order."""

    mark: str
    rest: Any
    groups: Mapping[Owner, Sequence[Any]]


def owner_of(leaf: Leaf, everyone: tuple[str, ...]) -> Owner:
    """Return to whom a leaf belongs, and the retention class that it has of its own.

    everyone: whom the whole is about; what is personal, or a text, and stands beside them is about all.
    """
    retention = next((p.retention for p in leaf.personal if p.retention is not None), None)
    if leaf.subjects:
        return leaf.subjects, retention
    shared = leaf.personal or (leaf.form == "text" and Public not in leaf.classes and leaf.value is not None)
    return everyone if shared else (), retention


def apart(walker: Callable[[Visit], Any], body: bytes, everyone: tuple[str, ...] = ()) -> Apart:
    """Return a value with everything that belongs to somebody taken out. body: its encoding."""
    number = 0
    while b"\\u0000%d." % number in body:  # a value may hold anything
        number += 1
    mark = f"\0{number}."
    groups: dict[Owner, list[Any]] = {}

    def visit(leaf: Leaf) -> Any:
        owner = owner_of(leaf, everyone)
        if owner == NOBODY:
            return leaf.value
        values = groups.setdefault(owner, [])
        values.append(leaf.value)
        return f"{mark}{list(groups).index(owner)}.{len(values) - 1}"

    rest = walker(visit)
    return Apart(mark, rest, groups)


def together(mark: str, rest: Any, groups: Sequence[Sequence[Any] | None]) -> Any:
    """Return the value that was taken apart; None stands for a group that cannot be opened any more."""

    def real(data: Any) -> Any:
        if isinstance(data, str) and data.startswith(mark):
            group, _, place = data.removeprefix(mark).partition(".")
            values = groups[int(group)]
            return MISSING if values is None else values[int(place)]
        if isinstance(data, dict):
            told: dict[str, Any] = {}
            for key, value in data.items():
                name = str(real(key))
                told[name if name not in told else f"{name} {len(told)}"] = real(value)
            return told
        return [real(one) for one in data] if isinstance(data, list) else data

    return real(rest)
