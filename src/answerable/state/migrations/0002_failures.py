"""State format 2: cases under way, budgets, circuit breakers and alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    _spending()
    _watching()


def _spending() -> None:
    op.create_table(
        "opened",
        sa.Column("case_id", sa.LargeBinary, primary_key=True),
        sa.Column("entry_id", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("opened_expires", "opened", ["expires"])
    op.create_table(
        "budget",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("period", sa.String(32), primary_key=True),
        sa.Column("spent_cost", sa.BigInteger, nullable=False),
        sa.Column("held_cost", sa.BigInteger, nullable=False),
        sa.Column("spent_tokens", sa.BigInteger, nullable=False),
        sa.Column("held_tokens", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "reservation",
        sa.Column("case_id", sa.LargeBinary, primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("period", sa.String(32), primary_key=True),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )


def _watching() -> None:
    op.create_table(
        "breaker",
        sa.Column("provider", sa.String(200), primary_key=True),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("probing", sa.BigInteger, nullable=False),
        sa.Column("pauses", sa.BigInteger, nullable=False),
        sa.Column("fault", sa.String(32), nullable=False),
    )
    op.create_table(
        "alert",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("entry_id", sa.LargeBinary, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("delivered", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
