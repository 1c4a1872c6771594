"""The command `redact`."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from answerable.cli.options import Json, command
from answerable.cli.printing import counted, note, say_json
from answerable.errors import InputError

if TYPE_CHECKING:
    from answerable.governance.detection import Span
    from answerable.governance.redaction import Words
    from answerable.ports import Detector

_BLOCK = 1 << 20  # bytes of plain text that are read at once, and on to a line where it may be cut
_MOST = 8 * _BLOCK  # then at the end of any line
_BEGIN, _END = b"-----BEGIN ", b"-----END "  # a private key is never cut
_LONGEST_KEY = 1 << 16  # bytes; a line that only looks like the beginning of one does not hold up the rest


@dataclass(frozen=True, kw_only=True, slots=True)
class RedactOptions(Json):
    """Options of `redact`."""

    file: Annotated[str, typer.Argument(metavar="FILE", help="Text or JSON lines; - is standard input.")] = (
        "-"
    )
    spans: Annotated[bool, typer.Option("--spans", help="Tell what was found where, as JSON.")] = False
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="CC", help="The country, such as DE, of phone numbers."),
    ] = None
    backend: Annotated[
        str | None,
        typer.Option("--backend", metavar="NAME", help="Look for names with presidio or gliner too."),
    ] = None
    no_names: Annotated[bool, typer.Option("--no-names", help="Leave names of people to the backend.")] = (
        False
    )


def redact(options: RedactOptions) -> None:
    """Replace personal values and secrets by words such as [EMAIL_1].

    Plain text comes back as text; the same value gets the same number. Lines of JSON such as {"text": "..."}
    come back with "text" and "spans" (start, end, class and score of each, in characters of the input), and
    every other text or number in them is redacted as well. With --spans or --json plain text comes back as
    one such object.

    Exit 1 if a line of JSON could not be read: it is reported and left out.
    """
    from answerable.governance.detectors import open_detector

    detector = open_detector(options.backend, region=options.region, names=not options.no_names)
    with _opened(options.file) as stream:
        first = _first_line(stream)
        if _is_row(first):
            bad = _rows(first, stream, detector)
        else:
            bad = 0
            _plain(first, stream, detector, whole=options.spans or options.json)
    if bad:
        note(f"{counted(bad, 'line was', 'lines were')} left out")
        raise typer.Exit(1)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
    else:
        with open(file, "rb") as stream:
            yield stream


def _first_line(stream: BinaryIO) -> bytes:
    """Return the lines up to the first that is not blank."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.strip():
            break
    first = b"".join(lines)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("the text is UTF-16", next_step="save it as UTF-8")
    return first.removeprefix(b"\xef\xbb\xbf")


def _is_row(line: bytes) -> bool:
    """Say whether a line is an object of JSON, or was meant to be one."""
    start = line.strip()
    if not start.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(start), dict)
    except ValueError:
        return start.replace(b" ", b"").startswith(b'{"text":')


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # every byte is a character there: nothing gets lost or hidden


def _plain(first: bytes, stream: BinaryIO, detector: "Detector", *, whole: bool) -> None:
    from answerable.governance.redaction import Words, redacted

    if whole:
        done = redacted(_text(first + stream.read()), detector)
        say_json({"text": done.text, "spans": _told(done.spans)})
        return
    words = Words()
    for block in _blocks(first, stream):
        sys.stdout.write(redacted(_text(block), detector, words).text)


def _blocks(first: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Return the text in pieces that end with a blank line, so that nothing found goes over an edge."""
    lines, size, key = [first], len(first), 0
    inside = _BEGIN in first and _END not in first
    for line in stream:
        lines.append(line)
        size += len(line)
        if _BEGIN in line and not inside:
            inside, key = True, size
        inside = inside and _END not in line and size - key < _LONGEST_KEY
        if size >= _BLOCK and not inside and (not line.strip() or size >= _MOST):
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


def _rows(first: bytes, stream: BinaryIO, detector: "Detector") -> int:
    """Redact lines of JSON; return how many could not be read."""
    bad, number = 0, first.count(b"\n") + (not first.endswith(b"\n"))
    line = first
    while line:
        if line.strip():
            try:
                say_json(_row(line, detector), indent=None)
            except (ValueError, RecursionError) as exc:
                bad += 1
                note(f"line {number}: {_said(exc)}")
        line = stream.readline()
        number += 1
    return bad


def _said(exc: Exception) -> str:
    """Say what is wrong with a line, without a word of it."""
    if isinstance(exc, json.JSONDecodeError):
        return f"no JSON ({exc.msg} at character {exc.pos + 1})"
    if isinstance(exc, UnicodeDecodeError):
        return "not UTF-8"
    return "too deep" if isinstance(exc, RecursionError) else str(exc)


class _NoText(ValueError):
    pass


def _row(line: bytes, detector: "Detector") -> dict[str, Any]:
    from answerable.governance.redaction import Words, redacted

    row = json.loads(line.decode().strip(), parse_constant=_no_constant)
    if not isinstance(row, dict):
        raise _NoText('no object such as {"text": "..."}')
    if not isinstance(row.get("text"), str):
        raise _NoText('no text under "text"')
    words = Words()
    done = redacted(row["text"], detector, words)
    others = {_word(k, detector, words): _clean(v, detector, words) for k, v in row.items() if k != "text"}
    return {**others, "text": done.text, "spans": _told(done.spans)}


def _no_constant(word: str) -> Any:
    raise _NoText(f"{word} is no JSON")


def _clean(value: Any, detector: "Detector", words: "Words") -> Any:
    """Return JSON with every text and number in it redacted."""
    if isinstance(value, dict):
        return {_word(k, detector, words): _clean(v, detector, words) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(one, detector, words) for one in value]
    if isinstance(value, str):
        return _word(value, detector, words)
    if isinstance(value, int) and not isinstance(value, bool):
        told = _word(str(value), detector, words)  # a card number without quotes
        return value if told == str(value) else told
    return value


def _word(text: str, detector: "Detector", words: "Words") -> str:
    from answerable.governance.redaction import redacted

    return redacted(text, detector, words).text


def _told(spans: Sequence["Span"]) -> list[dict[str, Any]]:
    return [{"start": s.start, "end": s.end, "class": s.kind, "score": round(s.score, 2)} for s in spans]


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "redact", example="answerable redact tickets.jsonl --region US")(redact)
