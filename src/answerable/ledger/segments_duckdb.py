"""Lists and aggregates over sealed segments, and over the journal's tail beside them, through DuckDB.

Every query gets an explicit list of files from the catalog, never a glob. Parts are never read.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from answerable.errors import TamperFound, UsageError
from answerable.ledger.entry import HEADER_NAMES, Filter, Listed
from answerable.ledger.listing import list_query

_COLUMNS = ", ".join(f'"{name}"' for name in ("idx", *HEADER_NAMES))


@dataclass(frozen=True, kw_only=True, slots=True)
class Hour:
    """One hour of one decision. hour: its start, microseconds since 1970. p95_us: of the latency, or None."""

    hour: int
    decision: str | None
    decisions: int
    failed: int
    p95_us: int | None


class SegmentReader:
    """Reads lists of segment files; one connection in memory, made at the first query."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None

    def latest(self, paths: Sequence[Path], wanted: Filter) -> list[Listed]:
        """Return what `wanted` describes in the files, newest first. paths: newest first.

        Files are asked in growing groups until there are enough. Raises TamperFound if one is damaged.
        """
        found: list[Listed] = []
        start, group = 0, 2
        while start < len(paths) and (wanted.limit is None or len(found) < wanted.limit):
            stop = len(paths) if wanted.limit is None else start + group
            some = [str(path) for path in paths[start:stop]]
            text, params = list_query("read_parquet(?, hive_partitioning = false)", wanted)
            rows = self._run(text, [some, *params])
            found += [
                Listed(index=row[0], header=dict(zip(HEADER_NAMES, row[1:], strict=True))) for row in rows
            ]
            start, group = stop, group * 4
        return found if wanted.limit is None else found[: wanted.limit]

    def hourly(self, paths: Sequence[Path], tail: Sequence[Listed], since: int, until: int) -> list[Hour]:
        """Return each hour's decisions, failures and 95th percentile of latency with since <= at < until."""
        rows = self._aggregate("hourly", paths, tail, [since, until])
        return [
            Hour(hour=hour, decision=decision, decisions=decisions, failed=failed, p95_us=p95)
            for hour, decision, decisions, failed, p95 in rows
        ]

    def kinds(self, paths: Sequence[Path], tail: Sequence[Listed]) -> dict[str, int]:
        """Return how many entries there are of each kind."""
        return dict(self._aggregate("kinds", paths, tail, []))

    def filled(self, paths: Sequence[Path], tail: Sequence[Listed]) -> list[tuple[Any, ...]]:
        """Return by kind and status how many entries there are and how many have each field filled."""
        return self._aggregate("filled", paths, tail, [])

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _aggregate(
        self, name: str, paths: Sequence[Path], tail: Sequence[Listed], params: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        tables, given = ["SELECT * FROM tail"], list(params)
        if paths:
            tables.append(f"SELECT {_COLUMNS} FROM read_parquet(?, hive_partitioning = false)")
            given.insert(0, [str(path) for path in paths])
        text = _blocks()[name].format(entries=f"({' UNION ALL '.join(tables)})")
        return self._run(text, given, tail=_arrow(tail))

    def _run(self, text: str, params: Sequence[Any], tail: Any = None) -> list[tuple[Any, ...]]:
        duckdb = _duckdb()
        with self._lock:
            if self._connection is None:
                self._connection = duckdb.connect(
                    ":memory:",
                    config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
                )
                self._connection.execute("SET parquet_metadata_cache = true")
            try:
                if tail is not None:
                    self._connection.register("tail", tail)
                rows: list[tuple[Any, ...]] = self._connection.execute(text, list(params)).fetchall()
                return rows
            except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as exc:
                raise TamperFound(
                    f"a sealed segment cannot be read: {exc}",
                    next_step="run `answerable ledger verify`, then restore the file from a backup",
                ) from exc
            finally:
                if tail is not None:
                    self._connection.unregister("tail")


def _arrow(tail: Sequence[Listed]) -> Any:
    import pyarrow as pa

    from answerable.ledger.segments_parquet import schema

    wanted = pa.schema([schema().field(name) for name in ("idx", *HEADER_NAMES)])
    columns = [pa.array([item.index for item in tail], pa.int64())]
    columns += [
        pa.array([item.header[name] for item in tail], wanted.field(name).type) for name in HEADER_NAMES
    ]
    return pa.Table.from_arrays(columns, schema=wanted)


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as exc:
        raise UsageError(
            "lists over sealed segments need duckdb",
            next_step='run pip install "answerable[lake]" and try again',
        ) from exc
    return duckdb


@cache
def _blocks() -> dict[str, str]:
    """Return the named blocks of segments.sql."""
    text = files("answerable.ledger").joinpath("segments.sql").read_text(encoding="utf-8")
    pairs = (block.split("\n", 1) for block in text.split("-- name: ")[1:])
    return {name.strip(): body.strip() for name, body in pairs}
