"""What a fault is made of: the ways in which it is sent, and what a good system does then."""

from dataclasses import dataclass
from typing import Literal

from answerable.chaos.replies import SOUND, Reply

# How the primary is reached. server: as it should be. refused: nobody listens there. nowhere: a name that
# does not exist. expired-tls: its certificate is out of date.
Reach = Literal["server", "refused", "nowhere", "expired-tls"]
# Which of our own decisions meets it; `reference` builds them.
Setting = Literal[
    "plain", "person", "alone", "anthropic", "decisions", "decisions-measured", "checked", "long", "misspelt"
]
By = Literal["primary", "second", "default", "person", "nobody"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a good system does.

    primary, second: at least and at most so many requests arrive there. by: who may answer. faults: one of
    these categories is in the first attempt's record; () asks nothing. degraded: marked as second best;
    None asks nothing. waits: seconds between the primary's requests, at least and at most. within: seconds
    for each case; None: its deadline. alerts: the categories of which operators are told, once each.
    also: names of further checks, in `judging`.
    """

    primary: tuple[int, int] = (1, 1)
    second: tuple[int, int] = (0, 0)
    by: tuple[By, ...] = ("primary",)
    faults: tuple[str, ...] = ()
    degraded: bool | None = None
    waits: tuple[tuple[float, float], ...] = ()
    within: float | None = None
    alerts: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way in which a fault is sent.

    primary, second: what they reply, in order; the last goes on for ever. cases: decided one after the
    other. deadline, timeout: seconds, of a case and of one call.
    """

    name: str
    primary: tuple[Reply, ...]
    expected: Expected
    second: tuple[Reply, ...] = (SOUND,)
    reach: Reach = "server"
    setting: Setting = "plain"
    cases: int = 1
    deadline: float = 6.0
    timeout: float = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One of the forty. variants: single calls. scenario: the name of a function in `scenarios`.

    carried: what has to be built before it can be shown; such a fault never counts as passed.
    """

    number: int
    title: str
    variants: tuple[Variant, ...] = ()
    scenario: str | None = None
    carried: str | None = None


# -- expectations that occur often -----------------------------------------------------------------------


def again(**more: object) -> Expected:
    """The primary answers at the second call, and nothing is second best."""
    return Expected(**{"primary": (2, 2), "degraded": False, **more})  # type: ignore[arg-type]


def handed_on(hits: int, *faults: str, **more: object) -> Expected:
    """After so many calls of the primary the second answers, and that is marked."""
    told = {"primary": (hits, hits), "second": (1, 1), "by": ("second",), "faults": faults, "degraded": True}
    return Expected(**{**told, **more})  # type: ignore[arg-type]


def kept_back(hits: int, *faults: str, **more: object) -> Expected:
    """No other model is asked: the declared default or a person answers."""
    told = {"primary": (hits, hits), "by": ("default",), "faults": faults, "degraded": True}
    return Expected(**{**told, **more})  # type: ignore[arg-type]
