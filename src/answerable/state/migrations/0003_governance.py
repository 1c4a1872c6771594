"""State format 3: whose entries these are, keys that are gone, holds and erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "subject_entry",
        sa.Column("token", sa.LargeBinary, primary_key=True),
        sa.Column("entry_id", sa.LargeBinary, primary_key=True),
        sa.Column("key_id", sa.LargeBinary, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("subject_entry_of", "subject_entry", ["entry_id"])
    op.create_table(
        "shredded",
        sa.Column("key_id", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
        sa.Column("destroyed", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
    )
    op.create_index("shredded_open", "shredded", ["destroyed", "dropped"])
    op.create_table(
        "erased",
        sa.Column("entry_id", sa.LargeBinary, primary_key=True),
        sa.Column("key_id", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("erased_key", "erased", ["key_id"])
    op.create_table(
        "hold",
        sa.Column("entry_id", sa.LargeBinary, primary_key=True),
        sa.Column("token", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("hold_token", "hold", ["token"])
    op.create_table(
        "request",
        sa.Column("act", sa.String(16), primary_key=True),
        sa.Column("token", sa.LargeBinary, primary_key=True),
        sa.Column("entry_id", sa.LargeBinary, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
