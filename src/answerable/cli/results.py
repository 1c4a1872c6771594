"""The file with one row a case, and what lets an interrupted run go on without deciding a case twice."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Outcome
from answerable.encoding import plain
from answerable.errors import InputError, UsageError
from answerable.integrations.tables import open_table, open_writer
from answerable.integrations.tables_core import Row
from answerable.integrations.tables_write import partial_of

# What `Results.key` gives; it means nothing to anybody outside.
JOB_KEY = re.compile(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}:\d+")
_FIXED = ("line", "record_id", "outcome", "decider", "confidence", "degraded")


def check_place(path: Path, source: str, *, resume: bool) -> None:
    """Raise UsageError if writing OUT would destroy the cases, or a file that nobody said to go on with."""
    for place in (path, partial_of(path), _job_file(path)):
        if os.path.exists(source) and os.path.exists(place) and os.path.samefile(source, place):
            raise UsageError(
                f"the cases are read from {source}, and writing {path} would destroy them",
                next_step="name another -o",
            )
    if os.path.isfile(path) and not resume:
        raise UsageError(
            f"{path} is there already", next_step="name another -o, delete it, or go on with --resume"
        )


class Results:
    """Writes OUT; while it is unfinished it stands beside it as OUT.partial, with a job id in OUT.job.

    path: OUT, or None to write nothing. resume: go on with what an earlier run left. `earlier` has the rows
    of that run by line. Raises UsageError if an unfinished run is there and resume was not asked for.
    """

    def __init__(self, path: Path | None, decision: Decision[Any, Any], *, resume: bool) -> None:
        self._path, self._fields = path, decision.output_names
        self._writer: Any = None
        self.earlier: dict[int, Mapping[str, object]] = {}
        self._job = ""
        if path is None:
            if resume:
                raise UsageError(
                    "there is nothing to resume without a result file", next_step="name it with -o OUT"
                )
            return
        partial = partial_of(path)
        if partial.exists() and not resume:
            raise UsageError(
                f"an unfinished run is in {partial}", next_step="go on with --resume, or delete that file"
            )
        columns = [*_FIXED, *(f"answer.{name}" for name in self._fields)]
        self._writer = open_writer(path, columns, append=resume)  # cuts a torn last row off
        if resume:
            self.earlier = _rows(partial)
        self._job_file = _job_file(path)
        self._job = _job(self._job_file, resume=resume)

    def key(self, line: int) -> str | None:
        """Return the key of a case that has none of its own; it is the same when the run is resumed."""
        return f"{self._job}:{line}" if self._job else None

    def write(self, line: int, outcome: Outcome[Any]) -> None:
        """Add the row of one case."""
        if self._writer is None:
            return
        answer = plain(outcome.output) or {}
        row = {
            "line": line,
            "record_id": outcome.record_id,
            "outcome": outcome.status,
            "decider": outcome.decider,
            "confidence": outcome.confidence,
            "degraded": outcome.degraded,
        }
        self._writer.write(row | {f"answer.{name}": answer.get(name) for name in self._fields})

    def close(self, *, complete: bool) -> None:
        """Give the file its name if the run is complete, else leave what a resumed run needs."""
        if self._writer is not None:
            self._writer.close(complete=complete)
            if complete:
                self._job_file.unlink(missing_ok=True)


def _job_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.job")


def _rows(path: Path) -> dict[int, Mapping[str, object]]:
    """Return line -> row of an unfinished file; an empty one has none."""
    if not path.exists() or not path.stat().st_size:
        return {}
    with open_table(path) as table:
        return {int(str(row.values["line"])): row.values for row in table if isinstance(row, Row)}


def _job(path: Path, *, resume: bool) -> str:
    try:
        if resume and path.exists() and (known := path.read_text("ascii").strip()):
            return known
        job = uuid4().hex
        with path.open("w", encoding="ascii") as file:
            file.write(f"{job}\n")
            file.flush()
            os.fsync(file.fileno())
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"cannot keep the job id in {path}: {exc}", next_step="name another OUT") from exc
    return job
