"""Routing of New York's 311 requests about animals: which agency takes it?

    answerable decide benchmarks/real/nyc311.py:early CSV --truth agency=agency

Two decisions over one queue. `decision` knows the complaint type, and a table settles it: the type names the
agency. `early` stands before anybody has chosen a type: only what the caller says, where and when. The
location type is left out there, since each complaint type has its own list of them. Nothing that is learned
after a request was created (status, closing, resolution) is read. The first 60 % in time train the model.
Data: NYC Open Data, January to March 2025.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from shared import cache_folder, data_folder, fingerprint, learned, rows

import answerable as ans

FILE = "tickets/nyc311_animal_requests.csv.gz"
TRAIN_SHARE = 0.6
# A descriptor settles the agency if so many requests had it, and so large a share of them went to one agency.
_SEEN, _PURE = 10, 0.98


class Call(BaseModel):
    """A request before anybody chose its complaint type."""

    number: Annotated[str, ans.Key]
    descriptor: str
    borough: str
    zip: str
    created: datetime


class Request(Call):
    """A request as it is filed."""

    complaint_type: str


class Agency(BaseModel):
    """Who takes it."""

    agency: Literal["NYPD", "DSNY", "DPR", "DOHMH"]


def requests() -> list[tuple[Request, str]]:
    """Return all requests with their agency, oldest first."""
    found = [
        (
            Request(
                number=row["Unique Key"],
                complaint_type=row["Complaint Type"],
                descriptor=row["Descriptor"],
                borough=row["Borough"],
                zip=row["Incident Zip"].removesuffix(".0"),
                created=datetime.strptime(row["Created Date"], "%m/%d/%Y %H:%M"),
            ),
            row["Agency"],
        )
        for row in rows(FILE)
    ]
    return sorted(found, key=lambda pair: (pair[0].created, pair[0].number))


def split() -> tuple[list[tuple[Request, str]], list[tuple[Request, str]]]:
    """Return what to learn from and what to be tested on: the past and the future of one day in February."""
    found = requests()
    at = int(len(found) * TRAIN_SHARE)
    return found[:at], found[at:]


def features(call: Call) -> dict[str, Any]:
    """Return what the model sees of a request."""
    return {
        "descriptor": call.descriptor,
        "borough": call.borough,
        "zip": call.zip,
        "at": f"{call.descriptor} in {call.borough}",
        "weekday": str(call.created.weekday()),
        "night": not 7 <= call.created.hour < 20,
    }


def learn() -> tuple[dict[str, str], dict[str, str], Any]:
    """Return the tables (complaint type -> agency, descriptor -> agency) and a trained estimator."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, _ = split()
    agencies = [agency for _, agency in train]
    estimator = make_pipeline(DictVectorizer(), LogisticRegression(C=2.0, max_iter=500))
    estimator.fit([features(request) for request, _ in train], agencies)
    types = most_frequent([(r.complaint_type, a) for r, a in train])
    descriptors = most_frequent([(r.descriptor, a) for r, a in train], seen=_SEEN, pure=_PURE)
    return types, descriptors, estimator


def most_frequent(pairs: Sequence[tuple[str, str]], *, seen: int = 1, pure: float = 0.0) -> dict[str, str]:
    """Return value -> its most frequent agency, where enough requests had the value and enough agree."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for value, agency in pairs:
        counts[value][agency] += 1
    best = {value: (*held.most_common(1)[0], held.total()) for value, held in counts.items()}
    return {v: agency for v, (agency, hits, total) in best.items() if total >= seen and hits / total >= pure}


def table_rule(column: str, table: Mapping[str, str]) -> ans.Decider:
    """Return `table` as a decision table over `column`, written beside the trained model."""
    path = cache_folder() / f"nyc311-{column}-{MARK}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column, "answer.agency", "reason"])
        for value, agency in sorted(table.items()):
            if value:  # an empty cell means anything
                writer.writerow([value, agency, f"{agency} has taken requests about {value!r} so far"])
    return ans.rule(table=path, name=column.replace("_", "-"))


def build(name: str, question: str, given: type[Call], deciders: Sequence[ans.Decider]) -> Any:
    """Return one of the two decisions."""
    return ans.Decision(
        name=name,
        version="1",
        question=question,
        input=given,
        output=Agency,
        owner="311-operations",
        purpose="request-routing",
        deadline=5.0,
        stakes=ans.Stakes("USD", wrong=30.0, review=6.0, severity="financial"),
        deciders=[*deciders, ans.person(queue="intake", within="1d")],
    )


MARK = fingerprint(Path(__file__), *(path for path in (data_folder() / FILE,) if path.is_file()))
TYPES, DESCRIPTORS, ESTIMATOR = learned(f"nyc311-{MARK}", learn)
MODEL = ans.model({"agency": ESTIMATOR}, features=features, version=MARK, name="logistic")

decision = build(
    "route-request",
    "Which agency takes this 311 request?",
    Request,
    [table_rule("complaint_type", TYPES), MODEL],
)
early = build(
    "route-call",
    "Which agency will take this 311 call, before it is filed?",
    Call,
    [table_rule("descriptor", DESCRIPTORS), MODEL],
)
