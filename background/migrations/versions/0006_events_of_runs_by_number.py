"""Events of runs are read by their numbers, not by the transactions that wrote them

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

from background.database import XID8

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.drop_index("ix_run_events_xid", table_name="run_events")
    op.drop_column("run_events", "xid")


def downgrade() -> None:
    """Take it back."""
    op.add_column(
        "run_events", sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False)
    )
    op.create_index("ix_run_events_xid", "run_events", ["xid", "run_id", "number"])
