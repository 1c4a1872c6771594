"""Gathers everything a home knows about one case: the record, what followed, its definition and its proof."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from answerable.casebook import Casebook
from answerable.encoding import decode, timestamp
from answerable.errors import AnswerableError, HomeError, UsageError, did_you_mean
from answerable.failures.messages import for_operator, for_person
from answerable.governance.protection import Protected, by_names, recorded
from answerable.ledger.entry import Gone, Stored, text_id
from answerable.ledger.story import READERS, Reader, summary, tell
from answerable.ports import Detector
from answerable.state import cases


@dataclass(frozen=True, slots=True)
class Why:
    """Why a case came out as it did. data: the `why` shape of the command line."""

    data: Mapping[str, Any]

    def text(self, reader: Reader = "operator", *, width: int = 100) -> str:
        """Return the story for a "person" (affected), an "operator" or an "auditor"; width: in characters.

        Raises UsageError for another reader.
        """
        _known(reader, READERS)
        return tell(self.data, reader, width=width)

    def message(self, reader: Literal["person", "operator"] = "person") -> str:
        """Return one or two sentences: what happened, why, what happens next and the record id.

        reader: "person" (affected), without a technical word; "operator". Raises UsageError for another.
        """
        _known(reader, ("person", "operator"))
        return for_person(self.data) if reader == "person" else for_operator(self.data)

    def __str__(self) -> str:
        return self.text()


def _known(reader: str, readers: Sequence[str]) -> None:
    if reader not in readers:
        raise UsageError(f"no reader is called {reader!r}", next_step=did_you_mean(str(reader), readers))


__all__ = ["READERS", "Why", "gather"]
_TELLING = ("alert", "breaker", "opened")  # linked entries whose detail belongs to the story


def _ended(
    header: Mapping[str, Any],
    told: Mapping[str, Any],
    answered: Callable[[Any], Any],
    resolution: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return how the case stands now: as it was recorded, or as a person or the clock ended it."""
    if resolution is not None:
        return {
            "output": answered(resolution["output"]),
            "reasons": [resolution["reason"]],
            "status": "answered",
            "fault": None,
            "decider": resolution["by"],
            "confidence": None,
            "degraded": resolution["degraded"],
        }
    return {
        "output": answered(told.get("output")),
        "reasons": told.get("reasons") or [],
        "status": header["status"],
        "fault": header["fault"],
        "decider": header["made_by"],
        "confidence": header["confidence"],
        "degraded": header["degraded"],
    }


_SENT = ("destinations", "classes", "in_clear")  # of what left this machine
# What stands in a why beside the values themselves: our own words, ids and times.
_OURS = (
    "definition",
    "versions",
    "proof",
    "record_id",
    "at",
    "principal",
    "permit",
    "decision",
    "stage",
    *_SENT,
)


def gather(book: Casebook, case_id: bytes, detector: Detector | None) -> Why:
    """Return the why of a record. Raises HomeError if this home has none with that id.

    detector: everything personal is shown as a pseudonym; None: in clear, which is a reveal.
    """
    stored = book.ledger.get(case_id)
    if stored is None or stored.entry.header["kind"] != "decision":
        raise HomeError(
            f"no record {text_id(case_id)} is in this home",
            next_step="check the id with `answerable records`",
        )
    header = stored.entry.header
    gone: list[Gone] = []
    part = partial(_part, book, stored, gone)
    told, detail = part("output") or {}, part("detail") or {}
    later = _later(book, case_id)
    resolution = next((r for r in later["reviews"] if r["kind"] == "resolution"), None)
    definition = _definition(book, header["definition"])
    given, answered = (_in_order(definition, side) for side in ("input", "output"))
    left: Mapping[str, Any] = next((n["detail"] for n in later["links"] if n["kind"] == "opened"), {})
    attempts = [_attempt(a, answered, definition) for a in part("attempts") or []]
    data: dict[str, Any] = {
        "record_id": text_id(case_id),
        "decision": header["decision"],
        "version": header["version"],
        "at": timestamp(header["at"]),
        **_asked(header, detail),
        "input": given(part("input")),
        "reads": part("reads") or [],
        "attempts": attempts,
        "checks": [a for a in attempts if a.get("fault") == "check"],
        **_ended(header, told, answered, resolution),
        "proposal": answered(told.get("proposal")),
        "reason": told.get("reason", ""),
        "due": timestamp(told["due"]) if told.get("due") else None,
        **{name: header[name] for name in ("latency_us", "cost", "currency", "model", "stage")},
        "tokens": {"in": header["tokens_in"] or 0, "out": header["tokens_out"] or 0},
        **{name: left.get(name, []) for name in _SENT},
        "effects": [],
        "redone": _redone(book, header),
        **later,
        "versions": {**(part("versions") or {}), **_digests(header)},
        "definition": definition,
        "proof": _proof(book, stored),
    }
    data["gone"] = gone_data(gone[0]) if gone else None
    if detector is not None:
        data = _concealed(data, definition, detail.get("personal", {}), detector)
    data["summary"] = summary(data)
    data["messages"] = {"person": for_person(data), "operator": for_operator(data)}
    return Why(data)


def _part(book: Casebook, stored: Stored, gone: list[Gone], name: str) -> Any:
    """Return a part of an entry; one that nobody can open is None, and is added to `gone`."""
    found = book.ledger.body(stored, name)
    if not isinstance(found, Gone):
        return found
    gone.append(found)
    return None


def gone_data(gone: Gone) -> dict[str, Any]:
    """Return what stands in the place of content as a why tells it."""
    return {"why": gone.why, "at": None if gone.at is None else timestamp(gone.at), "told": gone.told}


def _concealed(
    data: Mapping[str, Any], definition: Mapping[str, Any], personal: Mapping[str, Any], detector: Detector
) -> dict[str, Any]:
    """Return a why with pseudonyms for what is personal, by the classes that its record keeps of it."""
    places = {f"input.{path}": words for path, words in personal.get("classes", {}).items()}
    for read in data["reads"]:
        classes = read.get("classes") if isinstance(read, Mapping) else None
        for column, words in classes.items() if isinstance(classes, Mapping) else ():
            for where in ("rows[]", "keys[]", "params"):
                places[f"reads[].{where}.{column}"] = words
        places["reads[].subjects[]"] = ["Subject"]
    given = {name: data[name] for name in ("input", "reads")}
    answers = {name: data[name] for name in _ANSWERS}
    walks = [
        recorded(given, places),
        by_names(answers, _classes(definition.get("output", ())), ("output", "proposal", "fields", "truth")),
    ]
    if not personal.get("classes"):  # it was no valid input, or the list is erased, as with one of several
        walks[0] = by_names(given, _classes(definition.get("input", ())), ("input",))
    protected = Protected(lambda visit: {**walks[0](visit), **walks[1](visit)}, detector)
    rest = {name: value for name, value in data.items() if name not in (*_OURS, *given, *answers)}
    return {**data, **protected.concealed(rest), **protected.view()}


_ANSWERS = ("output", "proposal", "attempts", "checks", "reviews", "truth", "truths")


def _classes(fields: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the classes that a definition says of its fields, by their own names, at any depth."""
    found: dict[str, list[str]] = {}
    for field in fields:
        inner = _classes(field["fields"])
        if field["classes"]:
            inner.setdefault(str(field["path"]).rpartition(".")[2], []).extend(field["classes"])
        for name, words in inner.items():
            found.setdefault(name, []).extend(words)
    return found


def _asked(header: Mapping[str, Any], detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return who asked for what, and the policies that decided whether they may."""
    return {
        "principal": detail.get("principal") or {"id": header["principal"]},
        "purpose": header["purpose"],
        "permit": detail.get("permit") or {},
        "key": detail.get("key"),
    }


def _digests(header: Mapping[str, Any]) -> dict[str, str]:
    """Return what was in force, by its digest: the definition, and the policies if there were any."""
    told = {"definition": header["definition"], "policies": header["policy"]}
    return {name: bytes(mark).hex() for name, mark in told.items() if mark is not None}


def _definition(book: Casebook, digest: bytes) -> dict[str, Any]:
    rows = book.journal.rows(cases.MANIFEST, {"digest": digest})
    if not rows:
        return {}
    described: dict[str, Any] = decode(bytes(rows[0][0]))
    return {n: described[n] for n in ("question", "owner", "stakes", "input", "output", "deciders")}


def _in_order(definition: Mapping[str, Any], side: str) -> Callable[[Any], Any]:
    """Return a function that puts a mapping's fields in the order in which the definition declares them."""
    paths = [field["path"] for field in definition.get(side, ())]

    def ordered(values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {
            n: values[n] for n in (*(p for p in paths if p in values), *(v for v in values if v not in paths))
        }

    return ordered


def _attempt(
    attempt: Mapping[str, Any], answered: Callable[[Any], Any], definition: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an attempt with its fields in order, what it consumed, and whom outside its decider calls."""
    deciders = definition.get("deciders", ())
    remotes = (d.get("remote") for d in deciders if f"{d['name']}@{d['version']}" == attempt["decider"])
    told = {n: answered(v) if n in ("output", "beliefs") else v for n, v in attempt.items()}
    return {**told, "usage": attempt.get("usage", {}), "remote": next(remotes, None)}


def _later(book: Casebook, case_id: bytes) -> dict[str, Any]:
    """Return what followed: reviews (resolutions and opinions), truths, and other linked entries."""
    reviews, truths, links = [], [], []
    for child, kind in book.children(case_id):
        stored = book.ledger.get(child)
        if stored is None:
            continue
        header = stored.entry.header
        at = timestamp(header["at"])
        if kind in ("resolution", "opinion"):
            told = book.ledger.body(stored, "output") or {}
            reviews.append(
                {
                    "kind": kind,
                    "at": at,
                    "by": header["made_by"],
                    "output": told.get("output"),
                    "reason": told.get("reason", ""),
                    "degraded": header["degraded"],
                    "record_id": text_id(child),
                }
            )
        elif kind == "truth":
            detail = book.ledger.body(stored, "detail") or {}
            truths.append({"at": at, "source": header["made_by"], "fields": detail.get("fields", {})})
        else:
            told = {n: header[n] for n in ("status", "fault", "model") if header[n] is not None}
            detail = (book.ledger.body(stored, "detail") or {}) if kind in _TELLING else {}
            if kind == "opened":  # the rest of it stands in the case itself
                detail = {name: detail.get(name, []) for name in _SENT}
            links.append(
                {"kind": kind, "at": at, "record_id": text_id(child), **told}
                | ({"detail": detail} if detail else {})
            )
    merged = {name: value for truth in truths for name, value in truth["fields"].items()}
    return {"reviews": reviews, "truth": merged or None, "truths": truths, "links": links}


def _redone(book: Casebook, header: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the earlier record whose place this one took, and why it was second best; else None."""
    parent = header["parent"]
    if parent is None or (header["id"], "redone") not in book.children(parent):
        return None
    before = book.ledger.get(parent)
    if before is None:
        return None
    told = {name: before.entry.header[name] for name in ("status", "degraded")}
    return {"record_id": text_id(parent), "at": timestamp(before.entry.header["at"]), **told}


def _proof(book: Casebook, stored: Stored) -> dict[str, Any]:
    """Check the entry against the log's signed head: its bytes, its leaf, its place in the tree."""
    try:
        proof = book.ledger.prove(stored.entry.id)
    except AnswerableError as exc:
        return {"checkpoint": None, "index": stored.index, "verified": False, "problem": exc.what}
    origin, size = proof.checkpoint_note.splitlines()[:2]
    return {"checkpoint": f"{origin} {size}", "index": proof.index, "verified": True}
