"""Trains the drafted model and says how often each draft is right on rows that none of them saw."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from answerable.cli.draft import Cells, Column, Draft, answer_of
from answerable.cli.project import feature_code

TRAINED_ON = 20_000  # rows at most
SURE = 0.25  # below it the drafted stakes (2.00 wrong, 1.50 a review) send an answer on


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a draft did on the held-out rows. answered: how many it answered; right: how many of those."""

    name: str
    answered: int
    right: int
    rows: int

    def data(self) -> dict[str, Any]:
        """Return it as JSON; accuracy counts a row without an answer as wrong."""
        return {
            "name": self.name,
            "rows": self.rows,
            "answered": self.answered,
            "right": self.right,
            "accuracy": self.right / self.rows,
        }


Answers = list[str | None]


class Model:
    """A TF-IDF and logistic regression model of a draft."""

    def __init__(self, drafted: Draft) -> None:
        import warnings

        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        self._columns, self._text_of = drafted.columns, _features(drafted.columns)
        rows = drafted.train[:TRAINED_ON]
        words = (1, 2) if len(drafted.labels) <= 20 else (1, 1)  # word pairs of many classes take minutes
        self.pipeline = make_pipeline(
            TfidfVectorizer(sublinear_tf=True, ngram_range=words, max_features=50_000),
            LogisticRegression(C=4.0, max_iter=200),
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # a model that has not fully converged is judged by what it gets right
            self.pipeline.fit([self._text(cells) for cells, _ in rows], [label for _, label in rows])

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
    return Model(drafted) if usable and find_spec("sklearn") is not None and _two(drafted) else None


def _two(drafted: Draft) -> bool:
    return len({label for _, label in drafted.train}) > 1


def judge(drafted: Draft, model: Model | None) -> tuple[list[str], list[Score]]:
    """Return the order in which the drafts are best asked, and each one's score on the held-out rows."""
    rows = drafted.held
    usual: Answers = [drafted.labels[0]] * len(rows)
    by_rule: Answers = [answer_of(drafted.rule, c) if drafted.rule else None for c, _ in rows]
    sure = [] if model is None else model.answers(rows)
    by_model: Answers = [label if p >= SURE else None for label, p in sure] or [None] * len(rows)
    chains: dict[tuple[str, ...], list[Answers]] = {
        ("rule",): [by_rule, usual],
        ("model",): [by_model, usual],
    }
    chains |= {("rule", "model"): [by_rule, by_model, usual], ("model", "rule"): [by_model, by_rule, usual]}
    known = {"rule": drafted.rule is not None, "model": model is not None}
    possible = {order: chain for order, chain in chains.items() if all(known[one] for one in order)}
    scores = [_score(f"always {drafted.labels[0]}", usual, rows)]
    if known["rule"]:
        scores.append(_score("rule", by_rule, rows))
    if known["model"]:
        scores.append(_score("model", [label for label, _ in sure], rows))
    if not possible:
        return [], scores
    right = {order: _score("", _first(chain), rows).right for order, chain in possible.items()}
    # Of orders that do equally well the one that asks more is taken, the rule first: it costs nothing.
    best = max(possible, key=lambda order: (right[order], len(order), order[0] == "rule"))
    scores.append(_score("the decision, as drafted", _first(possible[best]), rows))
    return list(best), scores


def _first(chain: Sequence[Answers]) -> Answers:
    return [
        next((answer for answer in answers if answer is not None), None)
        for answers in zip(*chain, strict=True)
    ]


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
