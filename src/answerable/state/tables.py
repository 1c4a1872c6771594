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
