"""What of one case its deciders, its record's readers and its errors may show: pseudonyms for all else.

A classified field needs no detection: its class decides. Free text, and text that nobody classified, is
scanned; the values of classified fields are looked for in it too, so that a name in one is hidden in all.
"""

import re
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from answerable.decisions.case import Case, Hidden
from answerable.decisions.decider import Decider
from answerable.encoding import plain
from answerable.governance.classification import Key, Personal, Public, Sensitive, Subject
from answerable.governance.detection import Span
from answerable.governance.known import KnownValues
from answerable.governance.leaves import GONE, Leaf, Visit
from answerable.governance.split import MISSING, Apart, Owner, apart, owner_of
from answerable.ports import Detector

Walker = Callable[[Visit], Any]  # walks a value and returns what is left of its data
Clearance = frozenset[str] | None  # kinds that may be seen; None: everything
SUBJECT = "subject"  # as a kind in a clearance

_TOKEN = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9]+\]")
_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_SHORTEST = 3  # characters of a value that is looked for in texts: a shorter one would be found everywhere
_NAMES = ("name", "first-name", "last-name", "full-name", "person")  # kinds whose words are hidden one by one


class Protected:
    """One value and what in it is personal. walker: walks it; the same leaves in the same order each time.

    Safe to use from several threads.
    """

    def __init__(self, walker: Walker, detector: Detector) -> None:
        self._walker, self._detector = walker, detector
        self._lock = threading.RLock()
        self._tokens: dict[str, str] = {}  # value -> pseudonym
        self._values: dict[str, str] = {}  # pseudonym -> value
        self._counts: Counter[str] = Counter()
        self._found: dict[str, Sequence[Span]] = {}
        self._views: dict[Clearance, Any] = {}
        self.leaves: list[Leaf] = []
        walker(self._take)
        self.subjects = tuple(dict.fromkeys(s for leaf in self.leaves for s in leaf.subjects))
        self._known = KnownValues()
        self._ready = False

    def _take(self, leaf: Leaf) -> Any:
        self.leaves.append(leaf)
        return leaf.value

    # -- what is in it -------------------------------------------------------------------------------

    @cached_property
    def owners(self) -> frozenset[Owner]:
        """To whom its values belong, with the retention classes that some of them have of their own."""
        return frozenset(owner_of(leaf, self.subjects) for leaf in self.leaves)

    def apart(self, body: bytes) -> Apart:
        """Return the value with what belongs to somebody taken out. body: its encoding."""
        return apart(self._walker, body, self.subjects)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its classified fields; a subject's id is of the kind "subject"."""
        kinds = {p.kind for leaf in self.leaves for p in leaf.personal}
        return frozenset(kinds | ({SUBJECT} if self.subjects else set()))

    def summary(self) -> dict[str, Any]:
        """Return what a record says of it: paths with their classes, and what was found in texts, by kind."""
        places: dict[str, list[str]] = {}
        for leaf in self.leaves:
            words = sorted(c.word for c in leaf.classes if c is not Key)
            if words and leaf.path not in places:
                places[leaf.path] = words
        found: Counter[str] = Counter()
        scanned = False
        for leaf in self.leaves:
            if isinstance(leaf.value, str) and _is_free(leaf):
                scanned = True
                found.update(span.kind for span in self._spans(leaf.value))
        told: dict[str, Any] = {}
        if places:
            told["classes"] = places
        if found:
            told["found"] = dict(sorted(found.items()))
        if scanned:
            told["detector"] = self._detector.version
        return told

    # -- what is shown -------------------------------------------------------------------------------

    def view(self, clearance: Clearance = frozenset()) -> Any:
        """Return the value as plain data for who is cleared for these kinds only.

        Strings become pseudonyms, the same one for the same value; times become years; other personal values
        are left out.
        """
        with self._lock:
            if clearance not in self._views:
                self._views[clearance] = self._walker(lambda leaf: self._shown(leaf, clearance))
            return self._views[clearance]

    def concealed(self, data: Any) -> Any:
        """Return plain data, or text, without what is personal in this value and what the detector finds."""
        if isinstance(data, str):
            return self._concealed_text(data)
        if isinstance(data, Mapping):
            return {self._concealed_text(str(k)): self.concealed(v) for k, v in data.items()}
        if isinstance(data, list | tuple):
            return [self.concealed(v) for v in data]
        return data

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Take in further personal values, (kind, value), such as those of a read: texts hide them too."""
        with self._lock:
            self._prepare()
            for kind, value in values:
                self._look_for(kind, value)

    def restored(self, data: Any) -> Any:
        """Return plain data, or text, with every pseudonym that was given out replaced by its value."""
        if not self._values:
            return data
        if isinstance(data, str):
            return _TOKEN.sub(lambda found: self._values.get(found[0], found[0]), data)
        if isinstance(data, Mapping):
            return {self.restored(k): self.restored(v) for k, v in data.items()}
        if isinstance(data, list | tuple):
            return [self.restored(v) for v in data]
        return data

    def _shown(self, leaf: Leaf, clearance: Clearance) -> Any:
        value, personal = leaf.value, leaf.personal
        if value == MISSING:
            return value
        if value is None or clearance is None or not (personal or Subject in leaf.classes):
            free = isinstance(value, str) and clearance is not None and _is_free(leaf)
            return self._concealed_text(value) if free else value
        kinds = {p.kind for p in personal} | ({SUBJECT} if Subject in leaf.classes else set())
        hidden = sorted(kinds - clearance)
        if not hidden:
            return value
        if hidden == [Personal.free_text.kind]:
            return self._concealed_text(value) if isinstance(value, str) else GONE
        if leaf.form == "time" and isinstance(value, str):
            return value[:4]
        if not isinstance(value, str) or leaf.form in ("closed", "other"):
            # An id is needed to tell people apart, whatever its type; of the rest nothing is.
            return self._token(str(value), SUBJECT) if Subject in leaf.classes else GONE
        return self._token(value, next(k for k in hidden if k != Personal.free_text.kind))

    def _concealed_text(self, text: str) -> str:
        with self._lock:
            self._prepare()
            known = list(self._known.find(text))
            starts = [span.start for span in known]
            found = [span for span in self._spans(text) if not _touches(span, known, starts)]
            pieces, past = [], 0
            for span in sorted((*known, *found), key=lambda span: span.start):
                pieces += [text[past : span.start], self._token(text[span.start : span.end], span.kind)]
                past = span.end
            return "".join((*pieces, text[past:]))

    # -- inside --------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Give a pseudonym to each classified value, and learn to find it in texts."""
        if self._ready:
            return
        self._ready = True
        taken = {t for leaf in self.leaves if isinstance(leaf.value, str) for t in _TOKEN.findall(leaf.value)}
        self._values.update({t: t for t in taken})  # what the input itself says stands for nothing
        for leaf in self.leaves:
            kind = _classified_as(leaf)
            if kind is not None and leaf.value is not None and leaf.form != "closed":
                self._look_for(kind, str(leaf.value))

    def _look_for(self, kind: str, text: str) -> None:
        words = _WORD.findall(text) if kind in _NAMES else _dates(text)
        for one in (text, *(word for word in words if word != text)):
            if len(one) >= _SHORTEST and one != MISSING:
                self._known.add(one, _label(kind))

    def _token(self, value: str, kind: str) -> str:
        with self._lock:
            self._prepare()
            token = self._tokens.get(value)
            while token is None:
                label = _label(kind)
                self._counts[label] += 1
                made = f"[{label}_{self._counts[label]}]"
                if made not in self._values:
                    token = self._tokens[value] = made
                    self._values[made] = value
            return token

    def _spans(self, text: str) -> Sequence[Span]:
        found = self._found.get(text)
        if found is None:
            # A web address says where something is, not who somebody is; a password in one is a secret.
            found = [span for span in self._detector.find(text) if span.kind != "URL"]
            if len(self._found) < 1000:
                self._found[text] = found
        return found


@dataclass(frozen=True, slots=True)
class Veiled:
    """A Veil over one protected input. clearance: of the decider behind it."""

    real: Any
    protected: Protected
    clearance: Clearance

    def view(self) -> Any:
        """Return the input as its decider may see it."""
        return self.protected.view(self.clearance)

    def restored(self, data: Any) -> Any:
        """Return plain data with the real values in it."""
        return self.protected.restored(data)

    def concealed(self, data: Any) -> Any:
        """Return plain data or text without personal values."""
        return self.protected.concealed(data)

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Conceal these too, (kind, value), but for the kinds that the decider is cleared for."""
        cleared = self.clearance or ()
        self.protected.learn((kind, value) for kind, value in values if kind not in cleared)


def seen_by(case: Case[Any], decider: Decider, protected: Protected) -> Case[Any]:
    """Return the case as `decider` is cleared to see it."""
    if decider.clearance is None:
        return case
    veil = Veiled(case.input, protected, decider.clearance)
    # Where nothing is classified beyond the clearance, there is nothing to keep from code that runs here.
    hidden = not decider.clearance.issuperset(protected.kinds)
    return replace(
        case,
        veil=veil,
        input=Hidden(decider.name) if hidden else case.input,
        key=None if case.key is None else veil.concealed(case.key),
        answered={name: _answered(veil, value) for name, value in case.answered.items()},
    )


def _answered(veil: Veiled, value: Any) -> Any:
    """Return a settled field as a decider may see it: as it is, where there is nothing to conceal."""
    data = plain(value)
    shown = veil.concealed(data)
    return value if shown == data else shown


def recorded(data: Any, places: Mapping[str, Iterable[str]]) -> Walker:
    """Return what walks recorded data by the paths and classes that its record keeps of it."""
    tree: dict[str, Any] = {}
    for path, words in places.items():
        at = tree
        for step in _steps(path):
            at = at.setdefault(step, {})
        at[""] = tuple(c for c in map(_class_of, words) if c is not None)
    return lambda visit: _walk(data, tree, "", (), visit)


def by_names(data: Any, names: Mapping[str, Iterable[str]], below: Collection[str]) -> Walker:
    """Return what walks recorded data by the names of fields alone, at any depth: rather too careful.

    names: field -> classes. below: keys of `data`, at any depth, under which such fields stand.
    """
    known = {name: tuple(c for c in map(_class_of, words) if c is not None) for name, words in names.items()}

    def walked(inner: Any, classes: Collection[Any], there: bool, visit: Visit) -> Any:
        if isinstance(inner, Mapping):
            told = {}
            for name, value in inner.items():
                mine = known.get(name, classes) if there else ()
                key = visit(Leaf("", name, classes, (), "text")) if classes and name not in known else name
                told[key] = walked(value, mine, there or name in below, visit)
            return {name: value for name, value in told.items() if name is not GONE and value is not GONE}
        if isinstance(inner, list | tuple):
            return [seen for one in inner if (seen := walked(one, classes, there, visit)) is not GONE]
        return visit(Leaf("", inner, classes, (), "text"))

    return lambda visit: walked(data, (), False, visit)


def _walk(data: Any, tree: Mapping[str, Any], path: str, classes: Collection[Any], visit: Visit) -> Any:
    classes = tree.get("", classes)
    if isinstance(data, dict):
        told: dict[str, Any] = {}
        for name, inner in data.items():
            below, where = tree.get(name), f"{path}.{name}" if path else name
            shown: Any = name
            if below is None and "{}" in tree:
                below, where = tree["{}"], f"{path}{{}}"
            if below is None and ("{}" in tree or "{key}" in tree):
                below = {}
            if "{key}" in tree:
                shown = visit(Leaf(f"{path}{{key}}", name, tree["{key}"].get("", ()), (), "text"))
            seen = _walk(inner, below or {}, where, classes, visit)
            if seen is not GONE and shown is not GONE:
                told[shown] = seen
        return told
    if isinstance(data, list):
        told_all = [_walk(one, tree.get("[]", {}), f"{path}[]", classes, visit) for one in data]
        return [one for one in told_all if one is not GONE]
    subjects = (str(data),) if Subject in classes and data not in (None, "") else ()
    return visit(Leaf(path, data, classes, subjects, "text"))


def _steps(path: str) -> list[str]:
    return re.findall(r"\[\]|\{\}|\{key\}|[^.\[\]{}]+", path)


def _class_of(word: str) -> Any:
    """Return the class that a definition records as `word`."""
    name, _, kind = word.partition(":")
    if kind and name in ("Personal", "Sensitive"):
        kind, _, retention = kind.partition("@")
        return (Personal if name == "Personal" else Sensitive)(kind, retention or None)
    return {"Subject": Subject, "Public": Public, "Key": Key}.get(word)


def _is_free(leaf: Leaf) -> bool:
    """Say whether a leaf is text that is scanned: declared as free, or not classified at all."""
    if leaf.personal:
        return all(p.kind == Personal.free_text.kind for p in leaf.personal)
    return leaf.form == "text" and Public not in leaf.classes and Subject not in leaf.classes


def _classified_as(leaf: Leaf) -> str | None:
    """Return the kind of a leaf whose whole value is personal; None for free text and everything else."""
    if Subject in leaf.classes:
        return SUBJECT
    return next((p.kind for p in leaf.personal if p.kind != Personal.free_text.kind), None)


def _dates(text: str) -> list[str]:
    """Return a date as exceptions and people write it."""
    found = _DATE.match(text)
    if not found:
        return []
    year, month, day = found.groups()
    plain = f"{year}, {int(month)}, {int(day)}"  # as in datetime.date(1980, 5, 17)
    return [text[:10], plain, f"{day}.{month}.{year}", f"{day}/{month}/{year}", f"{month}/{day}/{year}"]


def _touches(span: Span, known: Sequence[Span], starts: Sequence[int]) -> bool:
    """Say whether a span overlaps one of the others, which are in order; starts: of them."""
    place = bisect_left(starts, span.end)
    return place > 0 and known[place - 1].end > span.start


def _label(kind: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", kind.upper())
