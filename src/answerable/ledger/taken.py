"""What the log itself says was taken out of it: parts, by `drop` entries, and pruned entries, by `retention`.

`verify` reads it only once it meets a stand-in or a pruned segment. The entries read here are leaves like all
others: whoever forges one is found by its leaf.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from answerable.encoding import decode
from answerable.ledger.blobs import Blobs
from answerable.ledger.catalog import Segment
from answerable.ledger.entry import Filter
from answerable.ledger.envelope import DROPPED, ELSEWHERE, open_clear, part_digest
from answerable.ledger.findings import Findings
from answerable.ports import Journal

DROP, RETENTION = "drop", "retention"  # kinds of entries


class Taken:
    """Reads those entries of a home. folder: of its segments. sealed: what its catalog names."""

    def __init__(self, journal: Journal, folder: Path, sealed: Sequence[Segment], blobs: Blobs) -> None:
        self._journal, self._folder, self._sealed, self._blobs = journal, folder, sealed, blobs

    def explains(self, part: str, index: int) -> bool:
        """Say whether an entry of the log says that this part of the entry `index` was dropped."""
        firsts, lasts = self._runs.get(part, ((), ()))
        at = bisect_right(firsts, index) - 1
        return at >= 0 and index <= lasts[at]

    @cached_property
    def pruned_below(self) -> int:
        """The index below which an entry of the log says that everything was pruned; 0 if none does."""
        found = 0
        for kind, detail in self._details:
            below = detail.get("pruned_below") if kind == RETENTION else None
            found = max(found, below if isinstance(below, int) else 0)
        return found

    @cached_property
    def _runs(self) -> dict[str, tuple[list[int], list[int]]]:
        """The runs of indexes by part: their firsts, sorted, and for each the last one reached so far."""
        runs: dict[str, list[tuple[int, int]]] = {}
        for kind, detail in self._details:
            parts = detail.get("parts") if kind == DROP else None
            for name, of_part in parts.items() if isinstance(parts, dict) else ():
                with suppress(TypeError, ValueError):
                    runs.setdefault(name, []).extend((int(first), int(last)) for first, last in of_part)
        found = {}
        for name, of_part in runs.items():
            firsts: list[int] = []
            lasts: list[int] = []
            for first, last in sorted(of_part):
                firsts.append(first)
                lasts.append(max(last, lasts[-1]) if lasts else last)
            found[name] = (firsts, lasts)
        return found

    @cached_property
    def _details(self) -> list[tuple[str, dict[str, Any]]]:
        """(kind, detail) of each of these entries; what cannot be read, explains nothing."""
        found = []
        for kind, envelope in self._envelopes():
            with suppress(Exception):
                if envelope[0] == ELSEWHERE:
                    envelope = self._blobs.get("detail", part_digest("detail", envelope))
                detail = decode(open_clear(envelope) or b"null")
                if isinstance(detail, dict):
                    found.append((kind, detail))
        return found

    def _envelopes(self) -> Iterator[tuple[str, bytes]]:
        # The journal first: what leaves it meanwhile is in the catalog before, and twice does no harm.
        with suppress(Exception):
            for listed in self._journal.latest(Filter(kinds=(DROP, RETENTION), limit=None)):
                stored = self._journal.get(listed.header["id"])
                if stored is not None and "detail" in stored.entry.parts:
                    yield listed.header["kind"], stored.entry.parts["detail"]
        for segment in self._sealed:
            if not segment.pruned:
                with suppress(Exception):  # it is the walk that says what is wrong with a file
                    yield from _sealed(segment.file(self._folder))


def _sealed(path: Path) -> Iterator[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from answerable.ledger.segments_parquet import SegmentFile

    wanted = pa.array([DROP, RETENTION])
    with SegmentFile(path) as file:
        for number in range(len(file.groups)):
            mask = pc.is_in(file.group(number, ["kind"]).column(0), value_set=wanted)
            if pc.any(mask).as_py():
                group = file.group(number, ["kind", "detail"]).filter(mask)
                pairs = zip(*(column.to_pylist() for column in group.columns), strict=True)
                yield from ((kind, detail) for kind, detail in pairs if detail is not None)


class StandIns:
    """Judges the stand-ins that `verify` meets, and counts the parts that were dropped."""

    def __init__(self, blobs: Blobs, taken: Taken) -> None:
        self._blobs, self._taken = blobs, taken
        self.dropped: Counter[str] = Counter()  # by part
        self.unexplained = 0

    def check(self, name: str, envelopes: Iterable[Any], at: int, place: str, found: Findings) -> None:
        """Read the blob of each part that is elsewhere, and look for who dropped each that is gone.

        at: index of the first. What was taken out by somebody else than us is a problem.
        """
        for index, envelope in enumerate(envelopes, start=at):
            codec = codec_of(envelope)
            if codec == DROPPED:
                self.dropped[name] += 1
                if not self._taken.explains(name, index):
                    self.unexplained += 1
                    what = f"its part {name!r} was taken out, and no entry of the log says so"
                    found.add(place, what, index)
            elif codec == ELSEWHERE:
                try:
                    self._blobs.get(name, part_digest(name, envelope))
                except Exception as exc:
                    found.add(place, exc, index)


def codec_of(envelope: Any) -> int | None:
    """Return the codec of whatever stands where an envelope should."""
    return envelope[0] if isinstance(envelope, bytes | memoryview) and len(envelope) else None
