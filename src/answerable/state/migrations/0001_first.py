"""State format 1: the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _cases()
    _work()


def _cases() -> None:
    op.create_table(
        "definition",
        sa.Column("decision", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(200), primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("entry_id", sa.LargeBinary, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "case_key",
        sa.Column("decision", sa.String(64), primary_key=True),
        sa.Column("key_digest", sa.LargeBinary, primary_key=True),
        sa.Column("case_id", sa.LargeBinary, nullable=False),
        sa.Column("input_digest", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "link",
        sa.Column("parent", sa.LargeBinary, primary_key=True),
        sa.Column("child", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
    )
    op.create_table(
        "pending",
        sa.Column("case_id", sa.LargeBinary, primary_key=True),
        sa.Column("decision", sa.String(64), nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger),
        sa.Column("fallback", sa.LargeBinary),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("resolution", sa.LargeBinary),
    )
    op.create_index("pending_due", "pending", ["state", "due"])


def _work() -> None:
    op.create_table(
        "segment",
        sa.Column("lo", sa.BigInteger, primary_key=True),
        sa.Column("hi", sa.BigInteger, nullable=False, unique=True),
        sa.Column("at_lo", sa.BigInteger, nullable=False),
        sa.Column("at_hi", sa.BigInteger, nullable=False),
        sa.Column("id_lo", sa.LargeBinary, nullable=False),
        sa.Column("id_hi", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("tiles", sa.LargeBinary, nullable=False),
        sa.Column("format", sa.BigInteger, nullable=False),
    )
    op.create_index("segment_at", "segment", ["at_lo", "at_hi"])
    op.create_index("segment_id", "segment", ["id_lo", "id_hi"])
    op.create_table(
        "role",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("ran", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
    )
