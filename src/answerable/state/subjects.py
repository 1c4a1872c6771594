"""Whose entries these are, which keys are gone, and what stands in the way of an erasure."""

from typing import Any

from sqlalchemy import LargeBinary, and_, bindparam, delete, exists, not_, select, update

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import case_key, erased, hold, pending, request, shredded, subject_entry


def _bytes(name: str) -> Any:
    return bindparam(name, type_=LargeBinary)


def _add_subject(dialect: str) -> Any:
    gone = exists().where(shredded.c.key_id == bindparam("key_id"))
    row = select(_bytes("token"), _bytes("entry_id"), _bytes("key_id")).where(not_(gone))
    return insert(dialect, subject_entry).from_select(["token", "entry_id", "key_id"], row)


# Touches no row if the key was shredded meanwhile: what it sealed must not be recorded any more.
ADD_SUBJECT = Statement("add_subject", _add_subject)
ABOUT = Statement(
    "about",
    lambda d: select(subject_entry.c.token, subject_entry.c.key_id).where(
        subject_entry.c.entry_id == bindparam("entry_id")
    ),
)
ENTRIES_OF = Statement(
    "entries_of",
    lambda d: (
        select(subject_entry.c.entry_id, subject_entry.c.key_id)
        .where(subject_entry.c.token == bindparam("token"))
        .order_by(subject_entry.c.entry_id)
    ),
)
_mine, _other = subject_entry.alias("mine"), subject_entry.alias("other")
OTHERS_IN = Statement(
    "others_in",
    lambda d: (
        select(subject_entry.c.token)
        .where(
            subject_entry.c.entry_id.in_(
                select(_mine.c.entry_id).where(_mine.c.token == bindparam("token")).scalar_subquery()
            )
        )
        .distinct()
    ),
)
# -- erasure, in this order inside one unit ----------------------------------------------------------


def _shred(dialect: str) -> Any:
    # What is about others as well dies with them, so a hold on one of them holds here, too.
    theirs = select(_other.c.token).where(
        _other.c.entry_id.in_(select(_mine.c.entry_id).where(_mine.c.token == bindparam("token")))
    )
    held = exists().where(hold.c.token.in_(theirs))
    rows = (
        select(
            subject_entry.c.key_id,
            bindparam("at", type_=shredded.c.at.type),
            _bytes("receipt"),
            bindparam("destroyed", type_=shredded.c.at.type),
            bindparam("dropped", type_=shredded.c.at.type),
        )
        .where(and_(subject_entry.c.token == bindparam("token"), not_(held)))
        .distinct()
    )
    return insert(dialect, shredded).from_select(["key_id", "at", "receipt", "destroyed", "dropped"], rows)


# Expect as many as the receipt names: meanwhile somebody may have recorded more about the person, or held it,
# and then it touches none.
SHRED = Statement("shred", _shred)


def _erase(dialect: str) -> Any:
    rows = select(
        subject_entry.c.entry_id, subject_entry.c.key_id, bindparam("at", type_=erased.c.at.type)
    ).where(subject_entry.c.token == bindparam("token"))
    return insert(dialect, erased).from_select(["entry_id", "key_id", "at"], rows)


ERASE = Statement("erase", _erase)


def _erase_with(dialect: str) -> Any:
    rows = (
        select(subject_entry.c.entry_id, subject_entry.c.key_id, bindparam("at", type_=erased.c.at.type))
        .where(subject_entry.c.key_id == bindparam("of_key"))
        .distinct()
    )
    row = insert(dialect, erased).from_select(["entry_id", "key_id", "at"], rows)
    return row.on_conflict_do_nothing()


ERASE_WITH = Statement("erase_with", _erase_with)  # the same for one key, which another home's list names


def _with_keys_of(column: Any) -> Any:
    """Say that an entry is one of those that the erasure with this receipt erased."""
    keys = select(shredded.c.key_id).where(shredded.c.receipt == bindparam("receipt"))
    return column.in_(select(erased.c.entry_id).where(erased.c.key_id.in_(keys)))


ERASE_CASE_KEYS = Statement(
    "erase_case_keys", lambda d: delete(case_key).where(_with_keys_of(case_key.c.case_id))
)
ERASE_PENDING = Statement("erase_pending", lambda d: delete(pending).where(_with_keys_of(pending.c.case_id)))
# Everybody's rows of these keys: text about several dies with the first, and what is somebody else's stays.
ERASE_SUBJECTS = Statement(
    "erase_subjects",
    lambda d: delete(subject_entry).where(
        subject_entry.c.key_id.in_(
            select(shredded.c.key_id).where(shredded.c.receipt == bindparam("receipt"))
        )
    ),
)

# -- keys that are gone ------------------------------------------------------------------------------


def _add_shredded(dialect: str) -> Any:
    return insert(dialect, shredded).on_conflict_do_nothing()


ADD_SHREDDED = Statement("add_shredded", _add_shredded)  # of a newer home's list, or of a retention class
SHREDDED = Statement(
    "shredded", lambda d: select(shredded.c.at).where(shredded.c.key_id == bindparam("key_id"))
)
ALL_SHREDDED = Statement("all_shredded", lambda d: select(shredded.c.key_id, shredded.c.at))
UNDESTROYED = Statement(
    "undestroyed", lambda d: select(shredded.c.key_id, shredded.c.at).where(shredded.c.destroyed == 0)
)
DESTROYED = Statement(
    "destroyed",
    lambda d: update(shredded).where(shredded.c.key_id == bindparam("of_key")).values(destroyed=1),
)
# Only persons' keys, whose entries are known; what a day's key sealed is found by its day.
UNDROPPED = Statement(
    "undropped",
    lambda d: (
        select(erased.c.key_id)
        .join_from(erased, shredded, shredded.c.key_id == erased.c.key_id)
        .where(shredded.c.dropped == 0)
        .distinct()
    ),
)
DROPPED = Statement(
    "dropped", lambda d: update(shredded).where(shredded.c.key_id == bindparam("of_key")).values(dropped=1)
)
ERASED = Statement("erased", lambda d: select(erased.c.at).where(erased.c.entry_id == bindparam("entry_id")))
ERASED_WITH = Statement(
    "erased_with", lambda d: select(erased.c.entry_id).where(erased.c.key_id == bindparam("key_id"))
)

# -- holds and erasures that wait --------------------------------------------------------------------

ADD_HOLD = Statement("add_hold", lambda d: insert(d, hold))
HOLDS = Statement(
    "holds",
    lambda d: (
        select(hold.c.entry_id, hold.c.at).where(hold.c.token == bindparam("token")).order_by(hold.c.at)
    ),
)
HELD = Statement(
    "held",
    lambda d: (
        select(subject_entry.c.entry_id)
        .where(subject_entry.c.token.in_(select(hold.c.token).scalar_subquery()))
        .distinct()
    ),
)
RELEASE_HOLD = Statement("release_hold", lambda d: delete(hold).where(hold.c.token == bindparam("of_token")))


def _request(dialect: str) -> Any:
    row = insert(dialect, request)
    return row.on_conflict_do_update(
        index_elements=["act", "token"],
        set_={name: row.excluded[name] for name in ("entry_id", "principal", "expires")},
    )


REQUEST = Statement("request", _request)
REQUESTED = Statement(
    "requested",
    lambda d: select(request.c.entry_id, request.c.principal, request.c.expires).where(
        and_(request.c.act == bindparam("act"), request.c.token == bindparam("token"))
    ),
)
END_REQUEST = Statement(
    "end_request",
    lambda d: delete(request).where(
        and_(request.c.act == bindparam("of_act"), request.c.token == bindparam("of_token"))
    ),
)
