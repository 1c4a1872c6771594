"""A bank's intent decision over BANKING77: which of 77 things does a customer want?

    answerable decide benchmarks/real/banking77.py:decision CSV --truth intent=category

CSV has a column `text`. The rule and the model learn from the train split when this file is first loaded,
and are kept outside of the checkout; the test split is never looked at here.
Data: Casanueva et al., 2020, CC BY 4.0.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from shared import data_folder, fingerprint, learned, rows

import answerable as ans

TRAIN, TEST = "intent/banking77_train.csv.gz", "intent/banking77_test.csv.gz"
VERSION = "1"
_WORDS = 3  # of a phrase, at most
_SEEN, _PURE = 20, 0.98  # a phrase names an intent if so many texts have it, and so large a share is of it


class Phrases:
    """Names an intent by a phrase that customers use for nothing else."""

    def __init__(self, intents: dict[str, str]) -> None:
        self.intents = intents  # phrase -> intent
        self.digest = fingerprint(Path(__file__), more=repr(sorted(intents.items())))

    def __call__(self, case: ans.Case[Any]) -> Any:
        """Answer if all phrases found name one intent."""
        found = {self.intents[p]: p for p in phrases(case.input.text) if p in self.intents}
        if len(found) != 1:
            return ans.Abstain(
                "no phrase names an intent" if not found else "the phrases name several intents"
            )
        intent, phrase = found.popitem()
        return ans.Answer({"intent": intent}, reason=f"the customer says {phrase!r}")


def phrases(text: str) -> set[str]:
    """Return all runs of one to three words."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return {" ".join(words[i : i + n]) for n in range(1, _WORDS + 1) for i in range(len(words) - n + 1)}


def learn() -> tuple[list[str], dict[str, str], Any]:
    """Return the intents, the phrases and a trained estimator; about 15 s."""
    train = rows(TRAIN)
    texts, intents = [row["text"] for row in train], [row["category"] for row in train]
    return sorted(set(intents)), dict(_decisive(texts, intents)), _trained(texts, intents)


def _decisive(texts: Sequence[str], intents: Sequence[str]) -> Iterator[tuple[str, str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, intent in zip(texts, intents, strict=True):
        for phrase in phrases(text):
            counts[phrase][intent] += 1
    for phrase, seen in counts.items():
        intent, hits = seen.most_common(1)[0]
        if seen.total() >= _SEEN and hits / seen.total() >= _PURE:
            yield phrase, intent


def _trained(texts: Sequence[str], intents: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, sublinear_tf=True)
    estimator = make_pipeline(make_union(words, letters), LogisticRegression(C=10.0, max_iter=150))
    return estimator.fit(texts, intents)


def text_of(query: "Query") -> str:
    """Return what the model reads."""
    return query.text


def build() -> "ans.Decision[Query, Intent]":
    """Return the decision around what was learned."""
    return ans.Decision(
        name="name-intent",
        version=VERSION,
        question="What does this customer of the bank want?",
        input=Query,
        output=Intent,
        owner="bank-support",
        purpose="customer-support",
        deadline=5.0,
        stakes=ans.Stakes("EUR", wrong=4.0, review=1.0, severity="financial"),
        deciders=[
            ans.rule(Phrases(PHRASES), name="phrases"),
            ans.model({"intent": ESTIMATOR}, features=text_of, version=MARK, name="tf-idf"),
            ans.person(queue="intents", within="4h"),
        ],
    )


MARK = fingerprint(Path(__file__), *(path for path in (data_folder() / TRAIN,) if path.is_file()))
INTENTS, PHRASES, ESTIMATOR = learned(f"banking77-{MARK}", learn)


class Query(BaseModel):
    """What a customer writes."""

    text: str


class Intent(BaseModel):
    """What the customer wants."""

    intent: Literal[*INTENTS]  # type: ignore[valid-type]


decision = build()
