"""AI decisions you can answer for: typed, recorded, explained and proved.

>>> import answerable as ans
"""

import typing as _typing

from answerable.decisions.answer import Abstain, Answer, Belief, Finding, Refuse, Suspend, Usage
from answerable.decisions.case import Case, Principal
from answerable.decisions.cited import Cited
from answerable.decisions.decider import Decider
from answerable.decisions.deciders import default, model, person, rule
from answerable.decisions.decision import Decision
from answerable.decisions.outcome import Attempt, NotAnswered, Outcome
from answerable.decisions.stakes import Cost, Stakes
from answerable.errors import (
    AnswerableError,
    Denied,
    ForkedWorkspace,
    HomeError,
    InputError,
    KeyReused,
    LedgerUnavailable,
    LockedHome,
    NewerHome,
    TamperFound,
    UsageError,
)
from answerable.failures.budget import Budget
from answerable.failures.fault import Fault, Faulted
from answerable.failures.remote import Breaker, Limit, Price, Remote
from answerable.failures.table import Action
from answerable.governance.classification import Key, Personal, Public, Sensitive, Subject, Trim, classify
from answerable.governance.read import Read
from answerable.governance.source import Source, file_source, source, sql_source

if _typing.TYPE_CHECKING:
    from answerable.failures.exists import exists
    from answerable.failures.grounding import numbers_stand, quotes_stand, quotes_stand_in
    from answerable.failures.injection import injection
    from answerable.failures.invariants import holds, not_in_future, sums_up, within
    from answerable.integrations.llm import llm
    from answerable.integrations.sdk_reply import reply_text, reply_usage
    from answerable.why import Why
    from answerable.workspace import Failure, Workspace

__all__ = [
    "Abstain",
    "Action",
    "Answer",
    "AnswerableError",
    "Attempt",
    "Belief",
    "Breaker",
    "Budget",
    "Case",
    "Cited",
    "Cost",
    "Decider",
    "Decision",
    "Denied",
    "Failure",
    "Fault",
    "Faulted",
    "Finding",
    "ForkedWorkspace",
    "HomeError",
    "InputError",
    "Key",
    "KeyReused",
    "LedgerUnavailable",
    "Limit",
    "LockedHome",
    "NewerHome",
    "NotAnswered",
    "Outcome",
    "Personal",
    "Price",
    "Principal",
    "Public",
    "Read",
    "Refuse",
    "Remote",
    "Sensitive",
    "Source",
    "Stakes",
    "Subject",
    "Suspend",
    "TamperFound",
    "Trim",
    "Usage",
    "UsageError",
    "Why",
    "Workspace",
    "classify",
    "default",
    "exists",
    "file_source",
    "holds",
    "injection",
    "llm",
    "model",
    "not_in_future",
    "numbers_stand",
    "person",
    "quotes_stand",
    "quotes_stand_in",
    "reply_text",
    "reply_usage",
    "rule",
    "source",
    "sql_source",
    "sums_up",
    "within",
]

# What opens a home imports the database layer (0.3 s): it and other large parts load when first asked for.
_LATER = {
    "Failure": "workspace",
    "Why": "why",
    "Workspace": "workspace",
    "exists": "failures.exists",
    "holds": "failures.invariants",
    "injection": "failures.injection",
    "llm": "integrations.llm",
    "not_in_future": "failures.invariants",
    "numbers_stand": "failures.grounding",
    "quotes_stand": "failures.grounding",
    "quotes_stand_in": "failures.grounding",
    "reply_text": "integrations.sdk_reply",
    "reply_usage": "integrations.sdk_reply",
    "sums_up": "failures.invariants",
    "within": "failures.invariants",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"answerable.{_LATER[name]}"), name)
    raise AttributeError(f"module 'answerable' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
