"""What backup, restore, upgrade and doctor need of a home's database, beside the log and not through it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from answerable.ledger.entry import Statement

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "SELECT state_format, size, root FROM head"


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """What a copied state of the database says. size: entries of the log. segments: files of its catalog."""

    state_format: int
    size: int
    root: bytes
    segments: tuple[str, ...]


class Store(Protocol):
    """A home's database. kind: "sqlite" or "postgresql". name: for people, without a password."""

    kind: str
    name: str

    def rows(self, text: str | Statement, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; params: of a Statement. Raises HomeError if it cannot be read."""

    def exists(self) -> bool:
        """Say whether there is a journal."""

    def copy(self, into: Path) -> Copied:
        """Write one consistent state of it as files into the folder `into`; writers go on meanwhile."""

    def load(self, folder: Path, state_format: int) -> None:
        """Put the copy in `folder` in place. Raises HomeError if there is a journal already."""

    def migrating(self) -> "AbstractContextManager[Connection]":
        """Give a connection inside a transaction that keeps all writers out."""

    def blocked(self, within: float) -> str | None:
        """Try for `within` seconds to get at the writers' lock; return who stands in the way, or None."""

    def durability(self, wanted: str) -> tuple[bool, str]:
        """Say whether what is acknowledged is durable, and why."""

    def space(self) -> int:
        """Return the bytes that it takes."""
