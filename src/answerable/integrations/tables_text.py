"""Bytes to lines of text: compression, byte-order marks and encodings are settled here and said in notes."""

import codecs
import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from answerable.errors import InputError
from answerable.integrations.tables_core import ROW_LIMIT, broken

_BLOCK = 2**18
_HEAD = 2**16  # bytes looked at before the first row: marks, delimiter
_SCAN = 256 * 2**20  # bytes looked at for the encoding; later bytes follow what these said
_OVERLONG = b"\n\xff"  # compared by identity: stands for one line over the limit
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MAGIC = {
    b"PK\x03\x04": ("a zip archive, perhaps an Excel workbook", "rename it to .xlsx, or save it as CSV"),
    b"PAR1": ("a Parquet file", "rename it to .parquet"),
    b"\x1f\x8b": ("compressed with gzip", "add .gz to its name"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save it as .xlsx or CSV"),
    b"SQLite format 3\0": ("an SQLite database", "give it as sqlite:///FILE with a query"),
}


class BadLine(str):
    """A line that must not be used: its text only keeps quotes and delimiters; `why` is for people."""

    __slots__ = ("why",)
    why: str

    @classmethod
    def of(cls, text: str, why: str) -> "BadLine":
        line = cls(text)
        line.why = why
        return line


class Coding:
    """Which encoding a text has, decided by evidence and then kept: never two in one file without a word.

    name is None while only ASCII was seen. A line that contradicts the decision comes back as a BadLine, in
    both directions, so a mixed file shows its odd lines instead of garbled words.
    """

    def __init__(self, name: str | None, label: str, notes: list[str]) -> None:
        self.name = name
        self.label = label
        self._notes = notes

    def decide(self, utf8: int, other: int) -> None:
        """Settle on UTF-8 or cp1252 by how many non-ASCII lines are valid UTF-8 and how many are not."""
        if utf8 or other:
            self.name = "utf-8" if utf8 >= other else "cp1252"
            self.label = "UTF-8" if self.name == "utf-8" else "cp1252"
            if self.name == "cp1252":
                self._notes.append("encoding cp1252")

    def block(self, raw: bytes) -> str | None:
        """Return the text of whole lines, or None when they must be looked at one by one."""
        if not raw.isascii():
            if self.name is None:
                self.decide(*_weigh(raw))
            if self.name != "utf-8":
                return None
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text

    def line(self, raw: bytes) -> str:
        """Return one line's text; a BadLine if it holds NUL or does not fit the encoding."""
        name = self.name or "utf-8"
        try:
            text = raw.decode(name)
        except UnicodeDecodeError as exc:
            why = f"not valid {self.label}: 0x{raw[exc.start]:02X} at byte {exc.start + 1} of the line"
            return BadLine.of(raw.decode(name, "replace"), why)
        if name == "cp1252" and not raw.isascii() and _is_utf8(raw):
            return BadLine.of(text, "this line is UTF-8, most of the file is cp1252")
        return BadLine.of(text, "holds a NUL byte") if "\0" in text else text


class TextSource:
    """An opened text file or standard input, its first bytes looked at.

    head: the first bytes as UTF-8 or cp1252, without mark. whole: head is everything.
    lines_total: about how many lines, None when that needs reading it all.
    """

    def __init__(self, name: str, stream: BinaryIO, *, fallback: bool | None) -> None:
        """Take over `stream`; `fallback` allows cp1252 where it is not UTF-8, None: unless it is JSON."""
        self.name = name
        self.notes: list[str] = []
        self.lines_total: int | None = None
        self._stream = stream
        head = _read_head(stream)
        mark, encoding = next(((m, e) for m, e in _BOMS if head.startswith(m)), (b"", ""))
        if mark:
            label = encoding.upper()[:6].rstrip("-")  # UTF-8 or UTF-16
            self.notes.append("byte-order mark" if label == "UTF-8" else f"encoding {label}, byte-order mark")
            self.coding = Coding("utf-8", label, self.notes)
        else:
            self._refuse_binary(head)
            if fallback is None:
                fallback = not head.lstrip(b" \t\r\n").startswith((b"{", b"["))
            self.coding = Coding(None if fallback else "utf-8", "UTF-8", self.notes)
        self.whole = len(head) < _HEAD
        chunks = _chunks(head[len(mark) :], stream)
        if encoding.startswith("utf-16"):
            chunks = _transcoded(chunks, encoding)
        self.head = next(chunks, b"")
        self._chunks = chunks
        if isinstance(stream, io.BufferedReader) and stat.S_ISREG(_mode(stream)) and stream.seekable():
            self._scan(stream)
        elif self.coding.name is None and not self.head.isascii():
            self.coding.decide(*_weigh(self.head.rpartition(b"\n")[0] or self.head))

    def lines(self) -> Iterator[str]:
        """Yield physical lines with their ends (LF, CRLF or CR); unusable ones are BadLine."""
        for block in whole_lines(_joined(self.head, self._chunks)):
            if block is _OVERLONG:
                yield BadLine.of("\n", f"longer than {ROW_LIMIT // 2**20} MiB")
                continue
            text = self.coding.block(block)
            if text is not None:
                yield from io.StringIO(text, newline="")
            else:
                yield from map(self.coding.line, block.splitlines(keepends=True))

    @property
    def looks_json(self) -> bool:
        """True when the first sign is `{` or `[`."""
        return self.head.lstrip(b" \t\r\n").startswith((b"{", b"["))

    def head_text(self) -> str:
        """Return the first lines for detection; what cannot be decoded is replaced."""
        return self.head.decode(self.coding.name or "utf-8", "replace")

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._stream is not getattr(sys.stdin, "buffer", None):
            self._stream.close()

    def _refuse_binary(self, head: bytes) -> None:
        for magic, (what, step) in _MAGIC.items():
            if head.startswith(magic):
                raise InputError(f"{self.name} is {what}, not text", next_step=step)

    def _scan(self, stream: io.BufferedReader) -> None:
        """Look through a regular file once for its encoding and its number of lines, then go back."""
        utf8 = other = feeds = returns = seen = 0
        back = stream.tell()
        stream.seek(0)
        last = b""
        for block in whole_lines(iter(lambda: stream.read1(_BLOCK), b"")):
            seen += len(block)
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            last = block[-1:]
            if self.coding.name is None and not block.isascii():
                good, bad = _weigh(block)
                utf8, other = utf8 + good, other + bad
            if seen >= _SCAN:
                break
        stream.seek(back)
        if self.coding.name is None:
            self.coding.decide(utf8, other)
        size = os.fstat(stream.fileno()).st_size
        lines = (feeds or returns) + (last not in (b"\n", b"\r", b"\0", b""))
        self.lines_total = round(lines * max(1.0, size / max(seen, 1)))


def open_text(path: Path, name: str, *, fallback: bool) -> TextSource:
    """Open a file, through gzip where its name ends in .gz. Raises InputError when it cannot be read."""
    zipped = path.suffix.lower() == ".gz" or path.name.lower().endswith(".gz.partial")
    try:
        opened = gzip.open(path, "rb") if zipped else path.open("rb")  # noqa: SIM115, the table closes it
    except OSError as exc:
        raise broken(name, exc) from exc
    stream = cast(BinaryIO, opened)
    try:
        return TextSource(name, stream, fallback=fallback)
    except (OSError, EOFError, zlib.error) as exc:
        stream.close()
        raise broken(name, exc) from exc
    except BaseException:
        stream.close()
        raise


def whole_lines(chunks: Iterable[bytes], limit: int = ROW_LIMIT) -> Iterator[bytes]:
    """Regroup chunks so that blocks end where lines end; a line over `limit` bytes becomes a marker."""
    held: list[bytes] = []
    size = 0
    skipping = False
    for chunk in chunks:
        if skipping:
            end = re.search(rb"\r\n?|\n", chunk)
            if end is None:
                continue
            chunk, skipping = chunk[end.end() :], False
        cut = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r", 0, -1) + 1  # a last CR may be half of a CRLF
        if cut:
            yield b"".join((*held, chunk[:cut]))
            held, size = [chunk[cut:]], len(chunk) - cut
        else:
            held.append(chunk)
            size += len(chunk)
            if size > limit:
                yield _OVERLONG
                held, size, skipping = [], 0, True
    rest = b"".join(held)
    if rest:
        yield rest


def _mode(stream: io.BufferedReader) -> int:
    try:
        return os.fstat(stream.fileno()).st_mode
    except OSError:  # a stand-in without a descriptor
        return 0


def _read_head(stream: BinaryIO) -> bytes:
    head = b""
    while len(head) < _HEAD and (more := stream.read(_HEAD - len(head))):
        head += more
    return head


def _chunks(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield head
    read = getattr(stream, "read1", stream.read)  # read1 hands on what a pipe has, without waiting for more
    while chunk := read(_BLOCK):
        yield chunk


def _joined(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _transcoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # Lone surrogates pass on as bytes that are not UTF-8, so they surface as bad lines further up.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:  # half a character at the end
        yield b"\xff"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _weigh(raw: bytes) -> tuple[int, int]:
    """Return how many non-ASCII lines are valid UTF-8 and how many are not."""
    if _is_utf8(raw):
        return max(1, raw.count(b"\n")), 0
    odd = [line for line in raw.splitlines() if not line.isascii()]
    good = sum(map(_is_utf8, odd))
    return good, len(odd) - good
