"""How far recovery has looked at runs, and an index that finds those that another broker took

Revision: canvas_0011
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "canvas_0011"
down_revision = "canvas_0008"
branch_labels = None
depends_on = None

INDEX = "ix_runs_unfinished_epoch"


def upgrade() -> None:
    """Apply this revision. The index comes first: begun anew, it builds again what was broken off."""
    index_apart(INDEX, "runs", ["epoch"], where=sa.text("status IN ('PENDING', 'STARTED', 'RETRY')"))
    op.create_table(
        "sweeps",
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("rest_until", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("INSERT INTO sweeps (place, rest_until) VALUES (0, now())")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("sweeps")
    op.drop_index(INDEX, "runs")
