"""Sealed entries as a Parquet file: one column a header field, one a part, and each entry's leaf hash.

Key-value metadata (text): `answerable.format`, `.home` (hex), `.lo`, `.hi` and `.root` (hex; of the tree over
its own leaves). A file is never changed; any Parquet reader can use it as it is.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from answerable import formats
from answerable.errors import TamperFound, UsageError
from answerable.ledger import durable
from answerable.ledger.entry import HEADER, PARTS, Stored
from answerable.ledger.rows import COLUMNS, from_row

ROW_GROUP = 8192  # entries; larger ones make the fetch of one entry slow, smaller ones lists (+20 % here)
ROW_GROUP_BYTES = 64 * 1024 * 1024  # of parts; a group is held in memory
PAGE_BYTES = 1024 * 1024
ZSTD_LEVEL = 3
# Few values over many entries. A dictionary on the others costs time and saves nothing.
_DICTIONARY = [
    "kind", "decision", "version", "definition", "status", "label", "made_by", "degraded", "fault",
    "principal", "purpose", "policy", "stage", "retention", "currency", "model", "items",
]  # fmt: skip
# What lists and look-ups skip row groups by. `verify` recomputes them: false ones would hide entries.
STATISTICS = ("idx", "id", "at", "kind", "decision")
_KEY = b"answerable."


def parquet() -> ModuleType:
    """Return pyarrow.parquet. Raises UsageError naming the extra if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise UsageError(
            "sealed segments need pyarrow", next_step='run pip install "answerable[lake]" and try again'
        ) from exc
    module: ModuleType = pyarrow.parquet
    return module


@cache
def schema() -> Any:
    """Return the Arrow schema of a segment: COLUMNS in order, ids and digests as fixed-size binary."""
    parquet()
    import pyarrow as pa

    kinds = {
        "id": pa.binary(16),
        "digest": pa.binary(32),
        "int": pa.int64(),
        "float": pa.float64(),
        "text": pa.string(),
    }
    required = {"id", "at"}
    fields = [pa.field("idx", pa.int64(), nullable=False)]
    fields += [pa.field(name, kinds[kind], nullable=name not in required) for name, kind in HEADER]
    fields += [pa.field(name, pa.binary()) for name in PARTS]
    return pa.schema([*fields, pa.field("leaf", pa.binary(32), nullable=False)])


def segment_path(lo: int, at: int, root: bytes) -> str:
    """Return a segment's path under the segments folder. at: of its first entry, microseconds since 1970."""
    try:
        day = datetime.fromtimestamp(at // 1_000_000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):  # a clock far outside of every calendar
        day = "1970-01-01"
    return f"day={day}/seg-{lo:012d}-{root.hex()[:8]}.parquet"


class SegmentWriter:
    """Writes one segment piece by piece; nothing has its name before `finish`."""

    def __init__(self, folder: Path, *, home: bytes, lo: int) -> None:
        self._folder, self._home, self._lo = folder, home, lo
        self._hi, self._first_at = lo, 0
        self._waiting: list[Any] = []
        self._waiting_rows = self._waiting_bytes = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._file = durable.temporary(folder / f"seg-{lo:012d}").open("xb")
        self._writer = parquet().ParquetWriter(
            self._file,
            schema(),
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=_DICTIONARY,
            data_page_size=PAGE_BYTES,
            write_statistics=list(STATISTICS),
            write_page_index=False,
            write_page_checksum=True,
            store_schema=False,
        )

    @property
    def size(self) -> int:
        """Bytes written so far; those of the last, open row group are not in it."""
        return self._file.tell()

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add entries that follow the last ones. columns: one sequence of values for each of COLUMNS."""
        import pyarrow as pa

        if self._hi == self._lo:
            self._first_at = columns[COLUMNS.index("at")][0]
        arrays = [_array(values, field.type) for values, field in zip(columns, schema(), strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema())
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += batch.nbytes
        self._hi += len(batch)
        if self._waiting_rows >= ROW_GROUP or self._waiting_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def copy(self, group: Any) -> None:
        """Add a row group of another segment (a RecordBatch of all columns) as it stands there."""
        import pyarrow as pa

        if self._hi == self._lo:
            self._first_at = group.column(COLUMNS.index("at"))[0].as_py()
        self._hi += len(group)
        table = pa.Table.from_batches([group]).cast(schema())
        self._writer.write_table(table, row_group_size=len(group))

    def finish(self, root: bytes, *, anew: bool = False) -> tuple[str, int, bytes]:
        """Make the file durable; return its path under the folder, its size in bytes and its SHA-256.

        root: of the tree over its leaves. A file of the same name, left by a crash, is replaced. anew: it
        takes the place of another file, so its name tells its content and never is that of the other one.
        """
        self._flush()
        self._writer.add_key_value_metadata(
            {
                _KEY + b"format": b"%d" % formats.SEGMENT,
                _KEY + b"home": self._home.hex(),
                _KEY + b"lo": b"%d" % self._lo,
                _KEY + b"hi": b"%d" % self._hi,
                _KEY + b"root": root.hex(),
            }
        )
        self._writer.close()
        path = segment_path(self._lo, self._first_at, root)
        if anew:
            self._file.flush()
            mark = file_digest(Path(self._file.name)).hex()[:8]
            path = f"{path.removesuffix('.parquet')}-{mark}.parquet"
        target = self._folder / path
        if not target.parent.is_dir():
            target.parent.mkdir(exist_ok=True)  # another sealer may be as far
            durable.flush_folder(self._folder)
        durable.publish(self._file, target)
        return path, target.stat().st_size, file_digest(target)

    def abandon(self) -> None:
        """Remove what was written, if it was not finished."""
        with suppress(Exception):  # the file may be closed or gone
            self._writer.close()
        self._file.close()
        with suppress(OSError):
            Path(self._file.name).unlink()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=self._waiting_rows)
            self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0


def _array(values: Sequence[Any], kind: Any) -> Any:
    """Return an Arrow array; fixed-size values without a gap are joined, which is six times faster."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind) and None not in values:
        joined = b"".join(values)
        if len(joined) == len(values) * kind.byte_width and set(map(len, values)) == {kind.byte_width}:
            return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(joined)])
    return pa.array(values, kind)


def _position(array: Any, value: bytes) -> int | None:
    """Return where `value` stands in a fixed-size binary array; a list would cost 6 ms."""
    width, start = len(value), array.offset
    raw = bytes(memoryview(array.buffers()[1])[start * width : (start + len(array)) * width])
    at = raw.find(value)
    while at % width and at >= 0:  # a hit across two values
        at = raw.find(value, at + 1)
    return at // width if at >= 0 else None


class SegmentFile:
    """A segment, open for reading. Raises TamperFound if the file cannot be read as one."""

    def __init__(self, path: Path, *, dictionaries: bool = False) -> None:
        """dictionaries: give text columns dictionary-encoded, so that each different text is there once."""
        self.path = path
        texts = [name for name, kind in HEADER if kind == "text"] if dictionaries else None
        with _readable(path):
            self._file = parquet().ParquetFile(path, page_checksum_verification=True, read_dictionary=texts)
            meta = self._file.metadata.metadata or {}
            self.format = int(meta[_KEY + b"format"])
            self.home = bytes.fromhex(meta[_KEY + b"home"].decode())
            self.lo, self.hi = int(meta[_KEY + b"lo"]), int(meta[_KEY + b"hi"])
            self.root = bytes.fromhex(meta[_KEY + b"root"].decode())

    def __enter__(self) -> "SegmentFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def groups(self) -> list[int]:
        """The number of entries in each row group, in order."""
        meta = self._file.metadata
        return [meta.row_group(n).num_rows for n in range(meta.num_row_groups)]

    def group(self, number: int, columns: Sequence[str] = COLUMNS) -> Any:
        """Return the chosen `columns` of a row group as one Arrow RecordBatch."""
        with _readable(self.path):
            table = self._file.read_row_group(number, columns=list(columns)).combine_chunks()
            return table.to_batches()[0]

    def get(self, entry_id: bytes) -> Stored | None:
        """Return the entry with this id, or None; reads only row groups whose statistics allow it."""
        with _readable(self.path):
            for number in self._groups_with(entry_id):
                at = _position(self.group(number, ["id"]).column(0), entry_id)
                if at is not None:
                    # Cut before anything is joined: all other entries of the group are thrown away.
                    row = self._file.read_row_group(number, columns=list(COLUMNS)).slice(at, 1)
                    return from_row([column[0].as_py() for column in row.columns])
        return None

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the stored leaf hashes of the entries with start <= index < stop, all of this segment."""
        with _readable(self.path):
            found: list[bytes] = []
            at = self.lo
            for number, count in enumerate(self.groups):
                if at < stop and start < at + count:
                    part = self.group(number, ["leaf"]).slice(
                        max(start - at, 0), min(stop, at + count) - max(start, at)
                    )
                    found += part.column(0).to_pylist()
                at += count
            return found

    def stored(self) -> Iterator[Stored]:
        """Yield every entry, by index."""
        for number in range(len(self.groups)):
            with _readable(self.path):
                group = self.group(number)
                for at in range(0, len(group), 512):
                    columns = [column.to_pylist() for column in group.slice(at, 512).columns]
                    rows = [from_row(row) for row in zip(*columns, strict=True)]
                    yield from rows

    def _groups_with(self, entry_id: bytes) -> Iterator[int]:
        meta, column = self._file.metadata, COLUMNS.index("id")
        for number in range(meta.num_row_groups):
            statistics = meta.row_group(number).column(column).statistics
            known = statistics is not None and statistics.has_min_max
            if not known or statistics.min <= entry_id <= statistics.max:
                yield number


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class _readable:
    """Turns what pyarrow raises on damaged bytes into TamperFound; a missing file stays FileNotFoundError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, TamperFound | UsageError | FileNotFoundError):
            raise TamperFound(
                f"the segment {self._path} cannot be read: {exc}",
                next_step="run `answerable ledger verify`, then restore the file from a backup",
            ) from exc
