"""Leaf v1 from the columns of a segment, without making a Python value of each field.

`verify` spends its time here: numbers and digests are cut out of Arrow's buffers, and each different text is
encoded once. What the buffers mean: Arrow columnar format, validity bitmap, offsets, data.
"""

import struct
import sys
from itertools import pairwise
from typing import Any

from answerable.ledger.entry import HEADER, PARTS
from answerable.ledger.leaf_columns import Piece, digest_pieces, encoded_text, join_leaves, part_digests


def arrow_leaf_hashes(batch: Any) -> list[bytes]:
    """Return the leaf hash of each row of a RecordBatch with the columns of a segment, recomputed.

    Raises ValueError, TypeError or TamperFound if a value cannot be hashed.
    """
    count = len(batch)
    pieces = [_piece(kind, batch.column(at)) for at, (_, kind) in enumerate(HEADER, start=1)]
    digests = {}
    for at, name in enumerate(PARTS, start=1 + len(HEADER)):
        column = batch.column(at)
        if column.null_count < count:
            digests[name] = _digests(name, column)
    return join_leaves([*pieces, *digest_pieces(digests, count)], count)


def fixed_values(array: Any, width: int) -> tuple[bytes, ...]:
    """Return the values of a fixed-size binary array; whatever stands there for a missing one."""
    start = array.offset * width
    raw = memoryview(array.buffers()[1])[start : start + len(array) * width]
    values: tuple[bytes, ...] = struct.unpack(f"{width}s" * len(array), raw)
    return values


def integers(array: Any) -> list[int]:
    """Return the values of an int64 array; whatever stands there for a missing one."""
    start = array.offset
    return memoryview(array.buffers()[1]).cast("q")[start : start + len(array)].tolist()


def codecs(array: Any) -> set[int]:
    """Return the codecs of the envelopes in a binary array, without the missing ones."""
    offsets, data = _binary(array)
    return {data[start] for start, stop in pairwise(offsets) if stop > start}


def _piece(kind: str, array: Any) -> Piece:
    if array.null_count == len(array):
        return b"\0"
    if kind == "text":
        return _text_piece(array)
    if kind in ("int", "float"):
        start = array.offset * 8
        raw = bytes(memoryview(array.buffers()[1])[start : start + len(array) * 8])
        values = _big_endian(raw, len(array))
    else:
        values = [b"\1" + value for value in fixed_values(array, {"id": 16, "digest": 32}[kind])]
    if not array.null_count:
        return values
    return [value if there else b"\0" for value, there in zip(values, _valid(array), strict=True)]


def _big_endian(raw: bytes, count: int) -> list[bytes]:
    """Return 0x01 and the big-endian bytes of each of `count` native 64-bit numbers."""
    out = bytearray(9 * count)
    out[0::9] = b"\1" * count
    for byte in range(8):
        out[byte + 1 :: 9] = raw[7 - byte if sys.byteorder == "little" else byte :: 8]
    return list(struct.unpack("9s" * count, out))


def _text_piece(array: Any) -> Piece:
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    known = [encoded_text(value) for value in array.dictionary.to_pylist()]
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(len(known))
        known.append(b"\0")
    elif len(known) == 1:
        return known[0]
    start = indices.offset
    numbers = memoryview(indices.buffers()[1]).cast("i")[start : start + len(indices)].tolist()
    return [known[number] for number in numbers]


def _digests(name: str, array: Any) -> list[bytes | None]:
    offsets, data = _binary(array)
    values: list[Any] = [data[start:stop] for start, stop in pairwise(offsets)]
    if array.null_count:
        values = [value if there else None for value, there in zip(values, _valid(array), strict=True)]
    return part_digests(name, values)


def _binary(array: Any) -> tuple[list[int], memoryview]:
    _, offsets, data = array.buffers()
    start = array.offset
    numbers = memoryview(offsets).cast("i")[start : start + len(array) + 1].tolist()
    return numbers, memoryview(data if data is not None else b"")


def _valid(array: Any) -> bytes:
    """Return one byte for each value: 1 if it is there."""
    import pyarrow as pa

    flags = array.is_valid().cast(pa.uint8())
    return bytes(memoryview(flags.buffers()[1])[flags.offset : flags.offset + len(flags)])
