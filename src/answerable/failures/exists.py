"""Does what an answer names exist? An id is looked up in a collection or by the caller's own function."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from answerable.decisions.answer import Answer, Finding
from answerable.decisions.case import Case
from answerable.decisions.code import code_digest
from answerable.encoding import encode
from answerable.errors import InputError, UsageError
from answerable.failures.checking import DeclaredCheck, Then, leaves, named, shown, values_at


def exists(
    field: str,
    source: Collection[Any] | Callable[[Any], Any],
    *,
    name: str = "the source",
    version: str | None = None,
    batch: bool = False,
    then: Then = "next",
) -> DeclaredCheck:
    """Return a check that every value of an output field exists in `source`; None is not looked up.

    field: a path such as "customer_id" or "lines.sku". source: a collection, which is copied, or a function
    `id -> anything true`; with `batch` a function `list of ids -> those that exist`, as any collection. It
    runs on the thread of the decision and keeps its own timeout. If it raises, nobody can say whether the
    answer is right, and only a person may go on. name: how findings call the source. version: stands for
    the source in the decision's definition; without one its members count, or its code.
    Raises UsageError for a source of another kind.
    """
    settings: dict[str, Any] = {"name": name, "batch": batch, "version": version}
    look: Callable[[list[Any]], Collection[Any]]
    if callable(source) and not isinstance(source, type):
        if iscoroutinefunction(source) or iscoroutinefunction(getattr(source, "__call__", None)):  # noqa: B004
            raise UsageError(
                f"exists({named(field)}): the source is a coroutine function",
                next_step="give one that returns its answer without await",
            )
        look = partial(_batch if batch else _one_by_one, source)
        settings["code"] = None if version else code_digest(source)
    elif isinstance(source, Collection) and not isinstance(source, str | bytes | type) and not batch:
        held = _copy(source)
        look = partial(_members, held)
        settings["members"] = None if version else _members_digest(held, field)
    else:
        raise UsageError(
            f"exists({named(field)}): the source is a {type(source).__name__}",
            next_step="give a collection of ids or a function of an id; batch=True only with a function",
        )
    return DeclaredCheck(
        "exists", partial(_look, field, look, name), settings=settings, then=then, fields=(field,)
    )


def _copy(source: Collection[Any]) -> Collection[Any]:
    try:
        return frozenset(source)
    except TypeError:  # members without a hash
        return tuple(source)


def _members_digest(members: Collection[Any], field: str) -> str:
    try:
        told = sorted(encode(member) for member in members)
    except InputError as exc:
        raise UsageError(
            f"exists({named(field)}): a member of the source has no stored form",
            next_step="give version=, which stands for the members",
        ) from exc
    return hashlib.sha256(encode([hashlib.sha256(one).hexdigest() for one in told])).hexdigest()


def _look(
    field: str,
    look: Callable[[list[Any]], Collection[Any]],
    name: str,
    case: Case[Any],
    answer: Answer[Any],
) -> str | Finding | None:
    asked = [leaf for path, value in values_at(answer.output, field) for leaf in leaves(value, path)]
    if not asked:
        return None
    try:
        found = look([value for _, value in asked])
        missing = next(((path, value) for path, value in asked if value not in found), None)
    except Exception as exc:  # the caller's I/O; its text may hold anything
        return Finding(
            f"{asked[0][0]}: it could not be looked up in {name} ({type(exc).__name__})", "exists", "person"
        )
    return None if missing is None else f"{missing[0]}: {shown(case, missing[1])} is not in {name}"


def _members(held: Collection[Any], asked: list[Any]) -> Collection[Any]:
    return held


def _one_by_one(source: Callable[[Any], Any], asked: list[Any]) -> Collection[Any]:
    return [value for value in _once(asked) if _settled(source(value))]


def _batch(source: Callable[[Any], Any], asked: list[Any]) -> Collection[Any]:
    found = _settled(source(_once(asked)))
    if not isinstance(found, Collection) or isinstance(found, str | bytes):
        raise TypeError("a batch source returns a collection of the ids that exist")
    return found


def _once(asked: Iterable[Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(asked))
    except TypeError:
        return list(asked)


def _settled(given: Any) -> Any:
    """Return what a source gave. Raises TypeError for what has to be awaited: that is always true."""
    if isawaitable(given):
        close = getattr(given, "close", None)
        if callable(close):
            close()
        raise TypeError("a source returns its answer without await")
    return given
