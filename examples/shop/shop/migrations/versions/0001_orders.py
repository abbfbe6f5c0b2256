"""Orders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("shop",)
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False, server_default="open"),
        sa.Column("charge", sa.String),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("orders")
