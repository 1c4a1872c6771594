"""Trains the drafted model and says how often each draft is right on rows that none of them saw."""

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from answerable.cli.draft import Cells, Column, Draft, Plan, Score, answer_of
from answerable.cli.project import feature_code

TRAINED_ON = 20_000  # rows at most
TRIED_ON = 2_000  # of them at most are kept back at first, to see how far its probabilities can be trusted
MANY = 5  # classes; of more than that no constant is a fair answer
ASKING = 0.5  # wrong answers that asking a person is worth: "really unsure" is wrong more often than right


Answers = list[str | None]


class Model:
    """A TF-IDF and logistic regression model of a draft."""

    def __init__(self, drafted: Draft) -> None:
        self._columns, self._text_of = drafted.columns, _features(drafted.columns)
        # Word pairs of many classes take minutes.
        self._words = (1, 2) if len(drafted.labels) <= 20 else (1, 1)
        rows = drafted.train[:TRAINED_ON]
        size = min(TRIED_ON, len(rows) // 5)
        self.tried: list[tuple[str, float, str]] = []  # answer, probability, label: on rows it had not seen
        if size and _two(rows[size:]):
            self.pipeline = self._fitted(rows[size:])
            found = zip(self.answers(rows[:size]), rows, strict=False)
            self.tried = [(answer, p, label) for (answer, p), (_, label) in found]
        self.pipeline = self._fitted(rows)

    def _fitted(self, rows: Sequence[tuple[Cells, str]]) -> Any:
        import warnings

        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        pipeline = make_pipeline(
            TfidfVectorizer(sublinear_tf=True, ngram_range=self._words, max_features=50_000),
            LogisticRegression(C=4.0, max_iter=200, tol=1e-3),
        )
        with warnings.catch_warnings():
            # A model that has not fully converged is judged by what it gets right.
            warnings.simplefilter("ignore")
            return pipeline.fit([self._text(cells) for cells, _ in rows], [label for _, label in rows])

    def answers(self, rows: Sequence[tuple[Cells, str]]) -> list[tuple[str, float]]:
        """Return the most likely label of each row and its probability."""
        found = self.pipeline.predict_proba([self._text(cells) for cells, _ in rows])
        best = found.argmax(axis=1)
        return [(str(self.pipeline.classes_[n]), float(p[n])) for n, p in zip(best, found, strict=True)]

    def save(self, path: Path) -> None:
        """Write it to `path`."""
        import joblib

        joblib.dump(self.pipeline, path)

    def _text(self, cells: Cells) -> str:
        given = {c.field: _value(c, cells.get(c.field)) for c in self._columns}
        return self._text_of(SimpleNamespace(**given))


def train(drafted: Draft) -> Model | None:
    """Return the model, or None where scikit-learn is not there, or no column has words for it."""
    usable = any(column.kind in ("text", "word", "number") for column in drafted.columns)
    return Model(drafted) if usable and find_spec("sklearn") is not None and _two(drafted.train) else None


def _two(rows: Sequence[tuple[Cells, str]]) -> bool:
    return len({label for _, label in rows}) > 1


def judge(drafted: Draft, model: Model | None) -> Plan:
    """Return how the drafts are best put together, and each one's score on the held-out rows.

    What nothing answered goes to a person where there are many classes or the most common one is right less
    than half as often as the best draft, else it gets that one.
    """
    rows, common = drafted.held, drafted.labels[0]
    person = _needs_person(drafted, model)
    usual: Answers = [common] * len(rows)
    by_rule: Answers = [answer_of(drafted.rule, c) if drafted.rule else None for c, _ in rows]
    told = [] if model is None else model.answers(rows)
    last = [] if person else [usual]
    ruled = _score("", _first([by_rule, usual], len(rows)), rows).right > _score("", usual, rows).right
    chains: dict[tuple[tuple[str, ...], float], Answers] = {}
    # With every answer of the model let through as well: the decision is not to be worse than its model.
    for sure in dict.fromkeys((_sure(model, common, person=person), 0.0)):
        drafts: dict[str, Answers] = {"rule": by_rule} if ruled else {}
        if model is not None:
            drafts["model"] = [label if p >= sure else None for label, p in told]
        orders = [order for n in (1, 2) for order in permutations(drafts, n)] or [()]
        for order in orders:
            if all(None in drafts[one] for one in order[:-1]):  # else nothing is left for the next
                chains[order, sure] = _first([*(drafts[one] for one in order), *last], len(rows))
    # Of those that cost the same the one that asks more is taken, the rule first: it costs nothing.
    order, sure = min(
        chains, key=lambda one: (_cost(chains[one], rows), -len(one[0]), one[0][:1] != ("rule",), one[1])
    )
    scores = [_score(f"always {common}", usual, rows)]
    if drafted.rule:
        scores.append(_score("rule", by_rule, rows))
    if model is not None:
        scores.append(_score("model", [label for label, _ in told], rows))
    scores.append(_score("the decision, as drafted", chains[order, sure], rows))
    return Plan(order=order, person=person, sure=sure, scores=tuple(scores))


def _needs_person(drafted: Draft, model: Model | None) -> bool:
    common, rule = drafted.labels[0], drafted.rule
    if model is not None and model.tried:
        pairs = [(answer, label) for answer, _, label in model.tried]
    else:
        pairs = [
            ((answer_of(rule, cells) if rule else None) or common, label) for cells, label in drafted.train
        ]
    right = sum(answer == label for answer, label in pairs)
    return len(drafted.labels) > MANY or sum(label == common for _, label in pairs) < right / 2


def _sure(model: Model | None, common: str, *, person: bool) -> float:
    """Return the probability below which it pays to ask on: who is next does better there."""
    best, gained, sure = 0.0, 0.0, 0.0
    tried = sorted(model.tried if model else (), key=lambda one: one[1])
    for place, (answer, _, label) in enumerate(tried[:-1]):
        gained += (ASKING if person else float(label == common)) - float(answer == label)
        if gained > best:
            best, sure = gained, tried[place + 1][1]
    return min(0.95, round(sure, 2))


def _cost(answers: Answers, rows: Sequence[tuple[Cells, str]]) -> float:
    """Return how many wrong answers it comes to; one that a person gives counts as a part of one."""
    pairs = zip(answers, rows, strict=True)
    return sum(ASKING if answer is None else float(answer != label) for answer, (_, label) in pairs)


def _first(chain: Sequence[Answers], rows: int) -> Answers:
    return [next((told[n] for told in chain if told[n] is not None), None) for n in range(rows)]


def _score(name: str, answers: Answers, rows: Sequence[tuple[Cells, str]]) -> Score:
    pairs = [(answer, label) for answer, (_, label) in zip(answers, rows, strict=True) if answer is not None]
    return Score(name=name, answered=len(pairs), right=sum(a == label for a, label in pairs), rows=len(rows))


def _value(column: Column, text: str | None) -> Any:
    if column.kind == "number":
        return None if text in (None, "") else float(str(text))
    return text or ""


def _features(columns: Sequence[Column]) -> Callable[[Any], str]:
    """Return the project's own `text_of`: the model must be trained on what it will be asked with."""
    names: dict[str, Any] = {"Given": Any, "Any": Any, "re": re}
    exec("\n".join(feature_code(columns)), names)
    made: Callable[[Any], str] = names["text_of"]
    return made
