"""Sources over files: the tables that `answerable decide` reads, each row held against the contract."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from answerable.errors import AnswerableError
from answerable.governance.contract import column_values, failed, known_columns
from answerable.governance.read import Fetched, Unreadable, Wanted
from answerable.governance.source import File, Source
from answerable.integrations.tables import BadRow, open_table


class FileReader:
    """Reads a file anew for each read, row by row."""

    def fetch(self, wanted: Wanted) -> Fetched:
        """Return all rows; the time of the data is the file's own."""
        source = wanted.source
        known_columns(source, wanted.params)
        if column_values(source, wanted.params) is None:
            return Fetched(rows=(), picked=True)
        origin = source.origin
        assert isinstance(origin, File)
        try:
            changed = datetime.fromtimestamp(origin.path.stat().st_mtime, UTC)
            return Fetched(rows=_rows(source, open_table(origin.path)), picked=False, as_of=changed)
        except AnswerableError as exc:
            raise failed(source, exc.what, "connect") from None
        except OSError as exc:
            why = f"its file cannot be read: {exc.strerror or type(exc).__name__}"
            raise failed(source, why, "connect") from None

    def close(self) -> None:
        """Nothing is kept open."""


def _rows(source: Source[Any], table: Any) -> Iterator[Any]:
    try:
        with table:
            for row in table:
                if isinstance(row, BadRow):
                    yield Unreadable(place=f"line {row.line}", problem=row.error)
                else:
                    yield row.values
    except AnswerableError as exc:
        raise failed(source, exc.what, "garbled") from None
