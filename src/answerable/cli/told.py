"""What a home knows of its decisions without their code: their names, output fields and told truths."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from answerable.errors import HomeError, UsageError, did_you_mean
from answerable.state import cases

if TYPE_CHECKING:
    from answerable.workspace import Workspace


def recorded_decisions(workspace: "Workspace") -> dict[str, list[str]]:
    """Return decision -> output fields, over all recorded versions."""
    found: dict[str, list[str]] = {}
    for name, _, digest in workspace.journal.rows(cases.ALL_DEFINITIONS, {}):
        described = workspace.manifest(bytes(digest))
        fields = [*found.get(name, ()), *(f["path"] for f in described["output"])]
        found[name] = list(dict.fromkeys(fields))
    return found


def choose_decision(workspace: "Workspace", name: str | None) -> tuple[str, list[str]]:
    """Return a recorded decision and its output fields: the one named, or the only one."""
    known = recorded_decisions(workspace)
    if name is not None and known:
        if name not in known:
            raise UsageError(
                f"no decision {name!r} is recorded in the home {workspace.home.folder}",
                next_step=did_you_mean(name, known),
            )
        return name, known[name]
    if not known:
        raise HomeError(
            f"the home {workspace.home.folder} has no record yet",
            next_step="decide a case, or name another home",
        )
    if len(known) > 1:
        raise UsageError(
            f"the home knows {len(known)} decisions", next_step=f"add --decision: {', '.join(known)}"
        )
    return next(iter(known.items()))


def already_told(workspace: "Workspace", record_id: str, source: str) -> dict[str, Any]:
    """Return output field -> value that `source` last said was right for a record."""
    told: dict[str, Any] = {}
    for child, kind in workspace.book.children(UUID(record_id).bytes):
        if kind != "truth" or (stored := workspace.ledger.get(child)) is None:
            continue
        if stored.entry.header["made_by"] == source:
            detail = workspace.ledger.body(stored, "detail") or {}
            told |= detail.get("fields", {})
    return told
