"""Tells operators what needs them, once per cause, and when it is over: by entry, log line and webhook."""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from weakref import WeakKeyDictionary

from answerable.casebook import Casebook, link
from answerable.encoding import MICRO, decode, encode, timestamp
from answerable.errors import AnswerableError
from answerable.failures.alert import Alert
from answerable.home import Home
from answerable.integrations.webhook import NotDelivered, post
from answerable.ledger.entry import Conflict, Unit, Write, text_id
from answerable.ports import Clock, Journal
from answerable.spending import Submit
from answerable.state import alerts as state
from answerable.wording import printable

LOGGER = logging.getLogger("answerable.alerts")
SILENCE = 24 * 3600.0  # seconds without a repetition, after which the same alert is told anew
REMEMBERED = 60.0  # seconds for which a process counts repetitions by itself
CLAIM = 60.0  # seconds; a sender that crashed holds an alert up for as long
AT_MOST = 100  # alerts sent in one pass
_KEYS = 1000  # that a process remembers
_QUEUED = 100  # alerts that wait for one webhook in a process
_NEVER = float("-inf")  # monotonic seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Raised:
    """An alert as the home knows it.

    entry_id: its entry, 16 bytes. record: the case it came up in, or None. first, last: microseconds since
    1970; once resolved, last is when. times: how often it came up since `first`, give or take what each
    process counts for a minute by itself. delivered: when the webhook took it, or None.
    """

    alert: Alert
    entry_id: bytes
    record: str | None
    first: int
    last: int
    times: int
    delivered: int | None = None
    status: Literal["raised", "resolved"] = "raised"

    def body(self, home: Home) -> bytes:
        """Return what the webhook gets, as JSON."""
        told = {
            "type": "alert",
            "status": self.status,
            "key": self.alert.key,
            "what": self.alert.what,
            "next_step": self.alert.next_step,
            "decision": self.alert.decision,
            "category": self.alert.category,
            "record_id": self.record,
            "home": home.origin,
            "first": timestamp(self.first),
            "times": self.times,
        }
        return json.dumps(told, ensure_ascii=False).encode()


@dataclass(slots=True)
class _Known:
    """A key that this process told or saw.

    until: monotonic seconds; before that, repetitions are only counted. standing: it was told and, as far as
    this process knows, is not over.
    """

    until: float
    uncounted: int = 0
    standing: bool = False


_MEMORIES: "WeakKeyDictionary[Casebook, dict[str, _Known]]" = WeakKeyDictionary()
_GATE = threading.Lock()  # over the memories; held for a few look-ups only


async def raise_alert(
    book: Casebook, submit: Submit, alert: Alert, *, record: bytes | None = None, home: Home | None = None
) -> bool:
    """Tell operators of `alert` unless they know; say whether it was new.

    The first of its key, and the first after 24 hours of silence, becomes an entry and a warning of the
    logger "answerable.alerts", and goes to the webhook of `home`. A repetition only counts; within a minute
    of the last it touches no database. submit: the journal's, blocking or not. record: the case it came up
    in, 16 bytes. Raises LedgerUnavailable.
    """
    turn = _turn(book, alert.key)
    if turn is None:
        return False
    known, missed = turn
    try:
        raised = await _told_or_counted(book, submit, alert, record, 1 + missed)
    except BaseException:  # nobody was told: whoever comes next tries again
        known.until = _NEVER
        raise
    known.standing = True
    if raised is None:
        return False
    where = f" (record {raised.record})" if raised.record else ""
    LOGGER.warning("%s", printable(f"{alert.what}; next: {alert.next_step}{where}"))
    if home is not None:
        deliver_soon(book.journal, book.clock, home, raised)
    return True


async def resolve_alert(
    book: Casebook,
    submit: Submit,
    key: str,
    *,
    home: Home | None = None,
    what: str = "what it was about works again",
    look: bool = False,
) -> bool:
    """Tell operators that the alert of `key` is over; say whether it stood until now.

    It becomes an entry and a line of the log, and goes to the webhook; the next one of its key is told anew
    at once, by other processes within a minute. what: why it is over, one line. look: read the database also
    for a key that this process did not raise or see raised, for what happens seldom; without it that costs
    only a look-up in memory, and such an alert ends by a day of silence. Raises LedgerUnavailable.
    """
    with _GATE:
        known = _MEMORIES.get(book, {}).get(key)
        stood = known is not None and known.standing
        if not stood and not look:
            return False
        if known is not None:
            known.standing = False  # the others leave it to this one
    try:
        resolved = await _over(book, submit, key, what)
    except BaseException:
        if known is not None:
            known.standing = stood
        raise
    if known is not None:
        known.until = _NEVER
    if resolved is None:
        return False
    LOGGER.info("%s", printable(f"resolved: {resolved.alert.what}; {what}"))
    if home is not None:
        deliver_soon(book.journal, book.clock, home, resolved)
    return True


def recall_alerts(book: Casebook) -> int:
    """Let this process know the alerts that stand, so that it can end what others raised; return how many.

    For one that has just begun: what stops an alert is often a restart, with new credentials. One read.
    """
    params = {"since": book.clock.now() - round(SILENCE * MICRO), "at_most": _KEYS}
    rows = book.journal.rows(state.STANDING, params)
    with _GATE:
        known = _MEMORIES.setdefault(book, {})
        for row in rows:
            known.setdefault(read_alert(row).alert.key, _Known(_NEVER, standing=True))
    return len(rows)


def standing(book: Casebook, ending: str) -> list[str]:
    """Return the keys with this ending of alerts that stand, as far as this process knows."""
    with _GATE:
        known = _MEMORIES.get(book, {})
        return [key for key, one in known.items() if one.standing and key.endswith(ending)]


def alerts(journal: Journal) -> list[Raised]:
    """Return every alert that was ever raised, as it is now, the oldest first."""
    return [read_alert(row) for row in journal.rows(state.ALERTS, {})]


def _turn(book: Casebook, key: str) -> tuple[_Known, int] | None:
    """Return what is known and the repetitions to count beside this one; None if it is counted here."""
    now = book.clock.monotonic()
    with _GATE:
        known = _MEMORIES.setdefault(book, {})
        told = known.get(key)
        if told is not None and now < told.until:
            told.uncounted += 1
            return None
        if told is None and len(known) >= _KEYS:
            for old in [name for name, one in known.items() if one.until <= now]:
                del known[old]
        missed, now_told = 0, told or _Known(now + REMEMBERED)
        if told is not None:
            missed, told.uncounted, told.until = told.uncounted, 0, now + REMEMBERED
        elif len(known) < _KEYS:  # else the database counts: memory must not grow without end
            known[key] = now_told
        return now_told, missed


async def _told_or_counted(
    book: Casebook, submit: Submit, alert: Alert, record: bytes | None, times: int
) -> Raised | None:
    """Write that an alert came up: as a new one, which is returned, or as repetitions of one that stands."""
    now = book.clock.now()
    silent_since = now - round(SILENCE * MICRO)
    for row in book.journal.rows(state.ALERT, {"key": alert.key}):
        stands = read_alert(row)
        if stands.status == "raised" and stands.last > silent_since:
            break
    else:
        if (raised := await _first(book, submit, alert, record, now, silent_since)) is not None:
            return raised
    params = {"of_key": alert.key, "more": times, "at": now}
    try:
        await submit(Unit(writes=[Write(state.REPEAT_ALERT, params, expect=1, clash="alert")]))
    except Conflict:  # it was over in this moment: so it is a new one
        return await _first(book, submit, alert, record, now, silent_since)
    return None


async def _first(
    book: Casebook, submit: Submit, alert: Alert, record: bytes | None, now: int, silent_since: int
) -> Raised | None:
    """Write the entry and the row of a new alert; None if somebody else was first."""
    header = {
        "kind": "alert",
        "at": now,
        "status": "raised",
        "decision": alert.decision,
        "fault": alert.category,
        "case_id": record,
        "parent": record,
    }
    detail = {"key": alert.key, "what": alert.what, "next_step": alert.next_step}
    entry = book.entry(header, {"detail": detail})
    raised = Raised(
        alert=alert,
        entry_id=entry.id,
        record=None if record is None else text_id(record),
        first=now,
        last=now,
        times=1,
    )
    params = {
        "key": alert.key,
        "entry_id": entry.id,
        "first": now,
        "last": now,
        "times": 1,
        "delivered": None,
        "body": _body(alert, raised.record),
        "silent_since": silent_since,
    }
    writes = [Write(state.RAISE_ALERT, params, expect=1, clash="alert")]
    if record is not None:
        writes.append(link(record, entry.id, "alert"))
    try:
        await submit(Unit([entry], writes))
    except Conflict:
        return None
    return raised


async def _over(book: Casebook, submit: Submit, key: str, what: str) -> Raised | None:
    """Write that an alert is over; None if it does not stand."""
    rows = book.journal.rows(state.ALERT, {"key": key})
    stood = read_alert(rows[0]) if rows else None
    if stood is None or stood.status != "raised":
        return None
    now, alert = book.clock.now(), stood.alert
    header = {
        "kind": "alert",
        "at": now,
        "status": "resolved",
        "decision": alert.decision,
        "fault": alert.category,
        "parent": stood.entry_id,
    }
    detail = {"key": key, "what": alert.what, "next_step": f"nothing: {what}"}
    entry = book.entry(header, {"detail": detail})
    ended = replace(
        stood,
        alert=replace(alert, next_step=detail["next_step"]),
        entry_id=entry.id,
        last=now,
        delivered=None,
        status="resolved",
    )
    params = {
        "of_key": key,
        "of_entry": stood.entry_id,
        "by_entry": entry.id,
        "at": now,
        "told": _body(ended.alert, stood.record, times=stood.times),
    }
    write = Write(state.RESOLVE_ALERT, params, expect=1, clash="alert")
    try:
        await submit(Unit([entry], [write]))
    except Conflict:  # somebody else was first
        return None
    return ended


def _body(alert: Alert, record: str | None, **more: Any) -> bytes:
    names = ("key", "what", "next_step", "decision", "category")
    return encode({**{name: getattr(alert, name) for name in names}, "record": record, **more})


def read_alert(row: Sequence[Any]) -> Raised:
    """Return an alert from a row of its table."""
    key, entry_id, first, last, times, delivered, body = row
    told = decode(bytes(body))
    alert = Alert(
        key=key,
        what=told["what"],
        next_step=told["next_step"],
        decision=told["decision"],
        category=told["category"],
    )
    return Raised(
        alert=alert,
        entry_id=bytes(entry_id),
        record=told["record"],
        first=first,
        last=last,
        times=times or told["times"],
        status="raised" if times else "resolved",
        delivered=delivered if delivered and delivered > 0 else None,
    )


# -- the webhook -------------------------------------------------------------------------------------


def undelivered(journal: Journal, clock: Clock, *, at_most: int = AT_MOST) -> list[Raised]:
    """Return the alerts that nobody has sent or is sending, the oldest first."""
    params = {"stale": _stale(clock.now()), "at_most": at_most}
    return [read_alert(row) for row in journal.rows(state.UNDELIVERED, params)]


def deliver(
    journal: Journal,
    clock: Clock,
    home: Home,
    *,
    fence: Sequence[Write] = (),
    between: Callable[[], None] = lambda: None,
) -> tuple[int, str]:
    """Send what is undelivered to the home's webhook; return how many it took, and a sentence.

    What it does not take is left for the next pass; where nobody replies at all, so is the rest. fence:
    written with each claim, and `between` called before it, as by a role. Raises NotDelivered if it took none
    of them, HomeError if the environment does not hold its address or secret.
    """
    sent, failed = 0, None
    for raised in undelivered(journal, clock):
        between()
        try:
            sent += _send(journal, clock, home, raised, fence)
        except NotDelivered as exc:
            failed = exc
            if exc.status is None:
                break
    if failed is not None and not sent:
        raise failed
    return sent, f"{sent:,} alerts sent" + (f", not all: {failed.what}" if failed is not None else "")


@dataclass(slots=True)
class _Courier:
    """What one journal's alerts wait in. thread: sends them one by one, and ends when none is left."""

    waiting: deque[tuple[Clock, Home, Raised]] = field(default_factory=deque)
    thread: threading.Thread | None = None
    full: bool = False  # said once for each thread


_COURIERS: "WeakKeyDictionary[Journal, _Courier]" = WeakKeyDictionary()
_DOOR = threading.Lock()  # over the couriers


def deliver_soon(journal: Journal, clock: Clock, home: Home, raised: Raised) -> threading.Thread | None:
    """Send one alert on the journal's delivery thread, which is returned; None if it will not be sent here.

    That is so without a webhook, and while 100 others wait. The thread is started where none runs, and keeps
    no process alive. Best effort: what fails here, or dies with the process, is sent by `answerable work`.
    """
    if home.webhook is None:
        return None
    with _DOOR:
        courier = _COURIERS.setdefault(journal, _Courier())
        if len(courier.waiting) >= _QUEUED:
            if not courier.full:
                courier.full = True
                LOGGER.warning("more than %s alerts wait; `answerable work` sends the rest", _QUEUED)
            return None
        courier.waiting.append((clock, home, raised))
        if courier.thread is None or not courier.thread.is_alive():  # dead: this process is a fork
            courier.full = False
            run = threading.Thread(
                target=_carry, args=(journal, courier), name="answerable-alert", daemon=True
            )
            courier.thread = run
            run.start()
        return courier.thread


def _carry(journal: Journal, courier: _Courier) -> None:
    """Send what waits until nothing does; where nobody replies at all, leave all of it."""
    while True:
        with _DOOR:
            if not courier.waiting:
                courier.thread = None
                return
            clock, home, raised = courier.waiting.popleft()
        told, hopeless = "", False
        try:
            _send(journal, clock, home, raised)
        except AnswerableError as exc:
            told = f"{exc.what}; next: {exc.next_step}"
            hopeless = not isinstance(exc, NotDelivered) or exc.status is None
        except Exception as exc:  # the boundary: a thread's traceback could show the address
            told, hopeless = type(exc).__name__, True
        left = 0
        if hopeless:  # the others would wait as long, one after the other
            with _DOOR:
                left = len(courier.waiting)
                courier.waiting.clear()
        if told:
            more = f" (and {left:,} more)" if left else ""
            LOGGER.warning("an alert waits%s for `answerable work`: %s", more, told)


def _send(journal: Journal, clock: Clock, home: Home, raised: Raised, fence: Sequence[Write] = ()) -> bool:
    """Claim, send and mark one alert; False if somebody else sends it or it was raised anew."""
    url, secret = home.webhook_url(os.environ), home.webhook_key(os.environ)
    if url is None:
        return False
    now = clock.now()
    mine = {"of_key": raised.alert.key, "of_entry": raised.entry_id, "claim": -now}

    def ended(at: int | None) -> Unit:
        return Unit(writes=[Write(state.END_CLAIM, {**mine, "ended": at}, expect=1, clash=_CLAIMED)])

    claim = Write(state.CLAIM_ALERT, {**mine, "stale": _stale(now)}, expect=1, clash=_CLAIMED)
    try:
        journal.submit(Unit(writes=[*fence, claim]))
    except Conflict as exc:
        if exc.clash != _CLAIMED:  # the fence's: this worker has nothing more to say
            raise
        return False
    try:
        post(url, raised.body(home), secret=secret, id=text_id(raised.entry_id), at=now)
    except BaseException:
        with suppress(Conflict, AnswerableError):  # what is wrong is being told already
            journal.submit(ended(None))
        raise
    with suppress(Conflict):  # it took so long that somebody else sends it too
        journal.submit(ended(clock.now()))
    return True


_CLAIMED = "claim"  # the clash of a claim


def _stale(now: int) -> int:
    """Return the `delivered` of the newest claim that may be taken over."""
    return round(CLAIM * MICRO) - now
