"""What laws and standards want a record to hold, and what is there: one table, judged by counts alone.

The requirements are in our own words and no legal advice. A line is `met` when every count it asks for is
there, `missing` when none is, else `partly`; nothing is said that no count of the home shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["met", "partly", "missing"]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Test:
    """One count that a requirement asks for.

    have: the count. shows: the evidence, with {have} and {of}. gap: what is missing, with {lack}. step: what
    to do about it. of: the count that `have` has to reach; None: one is enough.
    """

    __test__ = False  # pytest: this is none of its tests

    have: str
    shows: str
    gap: str
    step: str
    of: str | None = "decisions"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the table. source: where it is from. wants: in our own words."""

    source: str
    wants: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A requirement judged. evidence: what was counted. missing: each gap with its next step."""

    source: str
    wants: str
    status: Status
    evidence: tuple[str, ...]
    missing: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "source": self.source,
            "requirement": self.wants,
            "status": self.status,
            "evidence": [*self.evidence],
            "missing": [*self.missing],
        }


def judge(counts: Counts, table: Sequence[Requirement] | None = None) -> list[Line]:
    """Return each requirement of the table with its status, evidence and gaps. counts: name -> number."""
    return [_judged(requirement, counts) for requirement in (TABLE if table is None else table)]


def _judged(requirement: Requirement, counts: Counts) -> Line:
    evidence, missing = [], []
    whole = some = 0
    for test in requirement.tests:
        have = counts.get(test.have, 0)
        wanted = 1 if test.of is None else counts.get(test.of, 0)
        evidence.append(test.shows.format(have=f"{have:,}", of=f"{wanted:,}"))
        reached = have >= wanted > 0
        whole += reached
        some += have > 0
        if not reached:
            gap = test.gap.format(lack=f"{max(0, wanted - have):,}") if wanted else "nothing is recorded yet"
            missing.append(f"{gap}: {test.step}")
    status: Status = "met" if whole == len(requirement.tests) else "partly" if some else "missing"
    return Line(
        source=requirement.source,
        wants=requirement.wants,
        status=status,
        evidence=tuple(evidence),
        missing=tuple(missing),
    )


_VERSION = Test(
    "decisions.definition",
    "{have} of {of} decisions name their version and the digest of their definition",
    "{lack} decisions name no definition",
    "record them with a Decision, so that its manifest is an entry",
)
_PRINCIPAL = Test(
    "decisions.principal",
    "{have} of {of} decisions name who asked",
    "{lack} decisions name nobody",
    "pass principal=",
)
_PURPOSE = Test(
    "decisions.purpose",
    "{have} of {of} decisions name their purpose",
    "{lack} decisions name no purpose",
    "give the decision a purpose",
)
_POLICY = Test(
    "decisions.policy",
    "{have} of {of} decisions carry the digest of the policies in force",
    "{lack} decisions were made without policies",
    "put policies into the home's folder policies/",
)
_TIMES = Test(
    "decisions.latency_us",
    "{have} of {of} decisions carry their start and how long they took",
    "{lack} decisions have no duration",
    "let `decide` make them",
)
_CONFIDENCE = Test(
    "decisions.confidence",
    "{have} of {of} decisions carry a confidence",
    "{lack} decisions have none",
    "let the decider return one, measured where it can be",
)
_CLASS = Test(
    "decisions.retention",
    "{have} of {of} decisions carry a retention class",
    "{lack} decisions name none",
    "decide them with a version that seals parts by class and day",
)
_REASONS = Test(
    "sample.reason",
    "{have} of the newest {of} decisions hold a reason in words",
    "{lack} of the newest decisions hold none that can be read",
    "give every rule a docstring and every answer a reason",
    of="sample",
)
_READS = Test(
    "sample.reads",
    "{have} of the newest {of} decisions name the data they read besides their input",
    "{lack} of the newest decisions name none",
    "read through case.read(source), if they read anything",
    of="sample",
)
_PERSONAL = Test(
    "sample.personal",
    "{have} of the newest {of} decisions say which personal values were found, by which detector",
    "{lack} of the newest decisions do not say it",
    "mark free text with Personal.free_text",
    of="sample",
)
_SEALED = Test(
    "sample.sealed",
    "the input of {have} of the newest {of} decisions is encrypted or dropped",
    "{lack} of the newest inputs stand in clear",
    "mark the person with Subject; then the input is sealed under their key",
    of="sample",
)
_REVIEWED = Test(
    "kind.resolution",
    "{have} of {of} escalated decisions were ended by somebody, or when their time was over",
    "{lack} escalated decisions wait for a person",
    "answer them, or give them a time and a fallback",
    of="status.escalated",
)
_REVIEWS = Test(
    "kind.resolution",
    "{have} decisions were ended by a reviewer or a declared fallback",
    "no decision was ever reviewed",
    "add a person to the deciders",
    of=None,
)
_STOP = Test(
    "kind.stop",
    "{have} stops are recorded",
    "no stop was ever recorded",
    "try `answerable stop` once and record that it works",
    of=None,
)
_RELEASE = Test(
    "kind.release",
    "{have} releases with an approver are recorded",
    "no release is recorded",
    "release decisions under a gate report",
    of=None,
)
_APPEAL = Test(
    "kind.appeal",
    "{have} appeals are recorded",
    "no appeal is recorded",
    "open a way to contest, and record what comes of it",
    of=None,
)
_ALERTS = Test(
    "kind.alert",
    "{have} alerts are recorded",
    "no alert was ever recorded",
    "set a webhook below [alerts] in home.toml and try it with `answerable chaos`",
    of=None,
)
_DENIED = Test(
    "denied",
    "{have} refusals for want of a permission are recorded",
    "no refused access is recorded",
    "set policies; what they deny is recorded by itself",
    of=None,
)
_DISPOSAL = Test(
    "disposals",
    "{have} entries say what was erased, dropped or pruned",
    "nothing was ever disposed of",
    "set [retention] in the project file and run `answerable ledger retain --apply`",
    of=None,
)
_KEPT = Test(
    "checkpoints",
    "{have} signed heads are kept",
    "no signed head is kept",
    "run `answerable work`, and copy checkpoints/ to where the owner cannot write",
    of=None,
)
_HALF_YEAR = Test(
    "classes.half-year",
    "{have} of {of} retention classes keep six months or more; a class without a time is kept for ever",
    "{lack} of the classes keep less than six months",
    "raise them below [retention], unless data protection law says otherwise",
    of="classes",
)
_YEAR = Test(
    "classes.year",
    "{have} of {of} retention classes keep a year or more",
    "{lack} of the classes keep less than a year",
    "raise them below [retention], or keep the evidence elsewhere",
    of="classes",
)
_TIMED = Test(
    "classes.timed",
    "{have} of {of} retention classes have a time",
    "{lack} of the classes are kept for ever",
    "give each a time below [retention]",
    of="classes",
)
_ERASED = Test(
    "kind.erasure",
    "{have} erasures have a receipt",
    "no erasure is recorded",
    "try `answerable subject erase` with a test person",
    of=None,
)
_HOLD = Test(
    "kind.hold",
    "{have} holds are recorded",
    "no hold is recorded",
    "use `answerable subject hold` when a claim is pending",
    of=None,
)
_CONSENT = Test(
    "sample.consent",
    "{have} of the newest {of} decisions name a consent",
    "{lack} of the newest decisions name none",
    "only where consent is the legal basis: pass its id and version in the input, and record its withdrawal",
    of="sample",
)
_REVEALS = Test(
    "access",
    "{have} reveals and exports of a person's data are recorded",
    "no access to a person's data is recorded",
    "use `answerable subject reveal` and `export`, which record who looked and why",
    of=None,
)
_OPINIONS = Test(
    "kind.opinion",
    "{have} decisions have a second opinion",
    "no decision was judged by two persons",
    "where two must agree, resolve it twice: the second stands as an opinion",
    of=None,
)
_TRUTHS = Test(
    "kind.truth",
    "{have} right answers were learned later",
    "no right answer was ever learned",
    "run `answerable truth import`",
    of=None,
)
_DEFINITIONS = Test(
    "kind.definition",
    "{have} definitions of decisions are entries, with owner, purpose and stakes",
    "no decision is defined",
    "decide something",
    of=None,
)

TABLE: tuple[Requirement, ...] = (
    Requirement(
        "AI Act 12(1)-(2)",
        "Events are recorded by themselves over the lifetime, so that a result can be traced to the system "
        "that gave it and risks and changes can be seen.",
        (_VERSION, _TIMES, _ALERTS, _KEPT),
    ),
    Requirement(
        "AI Act 12(3)",
        "Each use has a start and an end, the data it was checked against, and the persons who verified it.",
        (_TIMES, _READS, _REVIEWS),
    ),
    Requirement(
        "AI Act 13(3), 14(4)",
        "The person in charge can understand, doubt, override and stop it.",
        (_CONFIDENCE, _REASONS, _REVIEWED, _STOP),
    ),
    Requirement("AI Act 14(5)", "Where it is asked for, two persons verify separately.", (_OPINIONS,)),
    Requirement("AI Act 18, 19(1), 26(6)", "Logs are kept for six months at least.", (_CLASS, _HALF_YEAR)),
    Requirement(
        "AI Act 26(1), (4), (5), 73",
        "It is used as intended and watched in use; incidents are noticed and it can be suspended.",
        (_RELEASE, _ALERTS, _TRUTHS, _STOP),
    ),
    Requirement(
        "AI Act 26(11), 86",
        "The affected person gets a clear account of what part the system had and what decided.",
        (_REASONS, _VERSION),
    ),
    Requirement(
        "GDPR 5(1)(b), (c), (e), 5(2), 30",
        "Data is used for a stated purpose, no more of it than needed and no longer, and that can be shown.",
        (_PURPOSE, _PERSONAL, _CLASS, _TIMED),
    ),
    Requirement("GDPR 7(1)", "Consent can be shown where it is the basis.", (_CONSENT,)),
    Requirement(
        "GDPR 15(1)(h)",
        "A person is told by what procedure their data was used, and which data.",
        (_REASONS, _READS, _VERSION),
    ),
    Requirement(
        "GDPR 17, 18",
        "A person is erased without delay unless a law or claim stands against it; use can be restricted.",
        (_SEALED, _ERASED, _HOLD),
    ),
    Requirement(
        "GDPR 22(3)",
        "A person can have a human look, say their view and contest.",
        (_REVIEWS, _APPEAL),
    ),
    Requirement(
        "GDPR 32, 33",
        "Access is limited and recorded, so that a breach is noticed.",
        (_POLICY, _PRINCIPAL, _REVEALS, _DENIED),
    ),
    Requirement(
        "EDPB 02/2025 (draft)",
        "No personal data stands in what cannot be changed.",
        (_SEALED,),
    ),
    Requirement(
        "NIST AI RMF GOVERN 1.4-1.7, MAP 3.5, MEASURE 2.8-2.9, MANAGE 4.1, 4.3",
        "Systems are listed with owners; oversight, appeal, override and incidents are defined and tracked.",
        (_DEFINITIONS, _REVIEWS, _APPEAL, _ALERTS, _TRUTHS),
    ),
    Requirement(
        "ISO/IEC 42001 A.6.2.6, A.6.2.8, A.7.5",
        "Events are logged while the system is in use, and where its data comes from is known.",
        (_VERSION, _READS, _TRUTHS),
    ),
    Requirement(
        "SOC 2 CC6.1-6.3",
        "Who did what is known, for what was allowed and for what was refused.",
        (_PRINCIPAL, _POLICY, _DENIED),
    ),
    Requirement("SOC 2 CC7.2-7.3", "Anomalies are noticed, and somebody looks at them.", (_ALERTS, _KEPT)),
    Requirement("SOC 2 CC8.1", "Changes are approved and recorded.", (_VERSION, _RELEASE)),
    Requirement(
        "SOC 2 C1.2, P4",
        "Confidential data is disposed of as promised, and evidence is there for a year.",
        (_DISPOSAL, _TIMED, _YEAR),
    ),
)
