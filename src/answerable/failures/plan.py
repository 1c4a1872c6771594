"""What follows from a fault: how long to wait before the same decider is asked again, and who else may be."""

from typing import get_args

from answerable.failures.fault import Fault
from answerable.failures.table import Action, Then

# These are mended by another request, not by another moment.
_NOT_A_MATTER_OF_TIME = frozenset({"context-overflow", "truncated", "invalid", "empty"})
_FIRST, _LONGEST = 0.25, 2.0  # seconds: the widest first backoff, and the widest of all
_ORDER: tuple[Then, ...] = get_args(Then)


def wait_before_retry(
    action: Action, fault: Fault, *, tries: int, remaining: float, random: float
) -> float | None:
    """Return the seconds to wait before the same decider is called again; None: go on to the next.

    tries: failed calls of this category in this attempt so far, at least 1. remaining: seconds to the
    deadline. random: in [0, 1). A wait the provider asked for is kept to the full, plus up to a tenth, if
    it is within the row's patience and ends before the deadline; a longer one means: go on now. Without
    one, full jitter: random * min(2, 0.25 * 2**(tries - 1)). Source: "Exponential Backoff and Jitter",
    AWS Architecture Blog, 2015.
    """
    asked = fault.retry_after
    if fault.category in _NOT_A_MATTER_OF_TIME or (asked is not None and not asked >= 0):
        asked = None
    allowed = action.retry if asked is None or action.told is None else action.told
    if tries > allowed or not remaining > 0:
        return None
    if asked is not None:
        if asked > action.patience or asked >= remaining:
            return None
        # All who were told the same second would come back in it.
        return asked + min(0.1 * asked * random, action.patience - asked, (remaining - asked) / 2)
    if fault.category in _NOT_A_MATTER_OF_TIME:
        return 0.0
    wait = random * min(_LONGEST, _FIRST * 2 ** min(tries - 1, 10))
    return wait if wait < remaining else None


def may_be_asked(then: Then, *, kind: str, leaves: bool) -> bool:
    """Say whether a decider may still be asked after a fault whose row says `then`.

    kind: rule, model, llm, person or default. leaves: it sends data outside this machine.
    """
    if then == "next":
        return True
    if then == "local":
        return not leaves
    if then == "safe":
        return kind in ("default", "person")
    return then == "person" and kind == "person"


def stricter(a: Then, b: Then) -> Then:
    """Return the one that lets fewer be asked: next < local < safe < person < stop."""
    return max(a, b, key=_ORDER.index)
