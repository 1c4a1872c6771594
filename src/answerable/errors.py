"""The errors that leave `answerable`: each says what happened and what to do next.

    AnswerableError
        UsageError              a call, target or declaration is wrong
            KeyReused           the same key arrived with another input
        InputError              a file, row or value cannot be taken as it is
        Denied                  a policy says no; the reason is in `what`
        HomeError               the home cannot be used
            NewerHome           a newer version wrote it
            LockedHome          another process holds what is needed
            ForkedWorkspace     the workspace was opened before a fork
        LedgerUnavailable       the entry could not be made durable; nothing left
        TamperFound             stored bytes do not match their proof

Faults of one case (a decider that raises, an invalid input) are not errors: they are returned.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class AnswerableError(Exception):
    """Base of all our errors; `next_step` is always an instruction, never empty."""

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(f"{what}\n  next: {next_step}")
        self.what = what
        self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call __init__ without next_step and fail in a process pool.
        return (_rebuild, (type(self), self.what, self.next_step))


def _rebuild(kind: type[AnswerableError], what: str, next_step: str) -> AnswerableError:
    return kind(what, next_step=next_step)


class UsageError(AnswerableError):
    """A call, a target or a declaration is wrong."""


class KeyReused(UsageError):
    """The same key was given with another input."""


class InputError(AnswerableError):
    """A file, a row or a value cannot be taken as it is."""


class Denied(AnswerableError):
    """A policy refused the act."""


class HomeError(AnswerableError):
    """The home cannot be used."""


class NewerHome(HomeError):
    """The home was written by a newer version."""


class LockedHome(HomeError):
    """Another process holds what is needed."""


class ForkedWorkspace(HomeError):
    """The workspace was opened before a fork and cannot be used after it."""


class LedgerUnavailable(AnswerableError):
    """The entry could not be made durable, so nothing left the machine."""


class TamperFound(AnswerableError):
    """Stored bytes do not match what was signed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the instruction for an unknown `name`: the closest of `known`, or all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(map(repr, names))}" if names else "nothing is declared here"
