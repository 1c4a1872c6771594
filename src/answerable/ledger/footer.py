"""What a Parquet footer lets a reader skip, read byte by byte, because a reader believes it unseen.

pyarrow shows only what it trusts itself; another reader may trust the rest. Format: parquet.thrift in
Thrift's compact protocol. Structures become dictionaries by field number.
"""

from pathlib import Path
from typing import Any

from answerable.ledger.rows import COLUMNS

# What a footer of ours holds. Sorting, other files, page indexes, Bloom filters and the like are not in it.
_GROUP = {1, 2, 3, 5, 6, 7}  # columns, sizes, number of rows, offset, ordinal
_CHUNK = {2, 3}  # offset, metadata
_META = {*range(1, 14), 16}  # up to the statistics (12), encodings, and sizes, which nothing is skipped by
_STATISTICS = 12

Statistics = dict[int, Any]  # 1, 5: largest; 2, 6: smallest, in plain encoding; 3: nulls; 7, 8: exact


def statistics(path: Path) -> list[dict[str, Statistics]]:
    """Return the statistics in the file's footer: for each row group, of each column that has them.

    Raises ValueError or IndexError if the footer cannot be read, or holds something else to skip by.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - 8 - length, 0))
        footer = _Compact(file.read(length)).struct()
    return [_of_group(group) for group in footer.get(4, [])]


def _of_group(group: dict[int, Any]) -> dict[str, Statistics]:
    found = {}
    _only(group, _GROUP, "a row group")
    for name, chunk in zip(COLUMNS, group[1], strict=True):
        _only(chunk, _CHUNK, f"the column {name}")
        _only(chunk[3], _META, f"the column {name}")
        if _STATISTICS in chunk[3]:
            found[name] = chunk[3][_STATISTICS]
    return found


def _only(struct: dict[int, Any], known: set[int], what: str) -> None:
    if more := set(struct) - known:
        raise ValueError(f"the footer's fields {sorted(more)} of {what} may hide entries")


class _Compact:
    """Reads one value after another. Raises ValueError or IndexError on bytes that are none."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a structure by their number."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > 8:
            raise ValueError("the footer is nested too deep")
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 8:
            return self._bytes(self._varint())
        if kind == 12:
            return self.struct(depth + 1)
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind in (1, 2, 3):
            return self._byte()
        if kind == 7:
            return self._bytes(8)
        raise ValueError(f"the footer holds the type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        value = self._data[self._at : self._at + count]
        if len(value) < count:
            raise ValueError("the footer ends too early")
        self._at += count
        return value

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("the footer holds a number of more than 64 bits")
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
