"""All state tables, beside the journal in the same database; SQLite and PostgreSQL alike.

State is derived from the log or steers work on it. It may change; entries never do.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

# What each version of a decision was, by digest: one definition entry each.
definition = Table(
    "definition",
    metadata,
    Column("decision", String(64), primary_key=True),
    Column("version", String(200), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("entry_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),  # encoder v1
)

# Idempotency and look-up: the case that a key last stood for.
case_key = Table(
    "case_key",
    metadata,
    Column("decision", String(64), primary_key=True),
    Column("key_digest", LargeBinary, primary_key=True),
    Column("case_id", LargeBinary, nullable=False),
    Column("input_digest", LargeBinary, nullable=False),
    Column("expires", BigInteger, nullable=False),  # microseconds since 1970
)

# What followed from an entry, so that *why* finds a child in one look-up.
link = Table(
    "link",
    metadata,
    Column("parent", LargeBinary, primary_key=True),
    Column("child", LargeBinary, primary_key=True),
    Column("kind", String(32), nullable=False),
)

# Escalated cases until a person or the clock ends them.
pending = Table(
    "pending",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("decision", String(64), nullable=False),
    Column("queue", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("due", BigInteger),  # microseconds since 1970
    Column("fallback", LargeBinary),  # the output applied when due, encoder v1
    Column("state", String(16), nullable=False),  # open, resolved
    Column("resolution", LargeBinary),
    Index("pending_due", "state", "due"),
)

# Cases that sent something out and have not ended: whoever finds one past its time ends it as interrupted.
opened = Table(
    "opened",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("entry_id", LargeBinary, nullable=False),  # its `opened` entry, which holds the input
    Column("expires", BigInteger, nullable=False),  # microseconds since 1970
    Index("opened_expires", "expires"),
)

# What each budget allowed so far, by the time it counts in; money in micro-units.
budget = Table(
    "budget",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("period", String(32), primary_key=True),
    Column("spent_cost", BigInteger, nullable=False),
    Column("held_cost", BigInteger, nullable=False),  # reserved by open cases
    Column("spent_tokens", BigInteger, nullable=False),
    Column("held_tokens", BigInteger, nullable=False),
)

# What each open case has reserved, so that an interrupted one is settled by somebody else.
reservation = Table(
    "reservation",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("period", String(32), primary_key=True),
    Column("cost", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
)

# Circuit breakers that are open; a closed one has no row.
breaker = Table(
    "breaker",
    metadata,
    Column("provider", String(200), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("since", BigInteger, nullable=False),  # microseconds since 1970, as the next two
    Column("until", BigInteger, nullable=False),  # from then on one probe may go through
    Column("probing", BigInteger, nullable=False),  # the probe under way is given up then; 0: there is none
    Column("pauses", BigInteger, nullable=False),  # in a row; each is longer than the one before
    Column("fault", String(32), nullable=False),
)

# What operators were told, once per cause.
alert = Table(
    "alert",
    metadata,
    Column("key", Text, primary_key=True),
    Column("entry_id", LargeBinary, nullable=False),
    Column("first", BigInteger, nullable=False),  # microseconds since 1970
    Column("last", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("delivered", BigInteger),  # to the webhook; None: not yet
    Column("body", LargeBinary, nullable=False),  # encoder v1
)

# The segment catalog: readers get a list of files from it, never a glob.
segment = Table(
    "segment",
    metadata,
    Column("lo", BigInteger, primary_key=True),  # first index
    Column("hi", BigInteger, nullable=False, unique=True),  # last index + 1
    Column("at_lo", BigInteger, nullable=False),
    Column("at_hi", BigInteger, nullable=False),
    Column("id_lo", LargeBinary, nullable=False),
    Column("id_hi", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("path", Text, nullable=False),  # relative to the segments folder
    Column("sha256", LargeBinary, nullable=False),
    Column("tiles", LargeBinary, nullable=False),  # roots of its 256-entry blocks, 32 bytes each
    Column("format", BigInteger, nullable=False),
    Index("segment_at", "at_lo", "at_hi"),
    Index("segment_id", "id_lo", "id_hi"),
)

# Which entries are about whom, and the key that they are sealed with; it dies with the person's keys.
subject_entry = Table(
    "subject_entry",
    metadata,
    Column("token", LargeBinary, primary_key=True),  # keyed digest of the subject
    Column("entry_id", LargeBinary, primary_key=True),
    Column("key_id", LargeBinary, primary_key=True),
    Index("subject_entry_of", "entry_id"),
    sqlite_with_rowid=False,
)

# Keys that are gone, for ever: a restored backup destroys them again.
shredded = Table(
    "shredded",
    metadata,
    Column("key_id", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),  # microseconds since 1970
    Column("receipt", LargeBinary, nullable=False),  # the entry that says so
    Column("destroyed", BigInteger, nullable=False),  # 1: the key store confirmed it
    Column("dropped", BigInteger, nullable=False),  # 1: what it sealed left the segments too
    Index("shredded_open", "destroyed", "dropped"),
)

# What was erased with a person, so that a reader can say since when.
erased = Table(
    "erased",
    metadata,
    Column("entry_id", LargeBinary, primary_key=True),
    Column("key_id", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("erased_key", "key_id"),
    sqlite_with_rowid=False,
)

# Why nothing of a person may be erased now; the reason stands in the entry.
hold = Table(
    "hold",
    metadata,
    Column("entry_id", LargeBinary, primary_key=True),
    Column("token", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("hold_token", "token"),
)

# What waits for a second person.
request = Table(
    "request",
    metadata,
    Column("act", String(16), primary_key=True),  # erase, release
    Column("token", LargeBinary, primary_key=True),
    Column("entry_id", LargeBinary, nullable=False),  # the request
    Column("principal", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# Who does each background job, under a lease whose token only grows.
role = Table(
    "role",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),  # microseconds since 1970
    Column("ran", BigInteger),  # end of its last pass
    Column("note", Text, nullable=False),
)
