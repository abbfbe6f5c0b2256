"""Jobs keep what a step is called by, and workers say what they can run

Revision: 0007
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS: dict[str, dict[str, Any]] = {
    "jobs": {
        "step_keys": postgresql.JSONB(),
        "params_digest": sa.Text(),
        "turned_away": postgresql.JSONB(),
        "sent_to": sa.Text(),
        "claimed_at": sa.DateTime(timezone=True),
        "running_seconds": sa.Float(),
    },
    "workers": {"abilities": postgresql.JSONB(), "release": sa.Text()},
}


def upgrade() -> None:
    """Apply this revision."""
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind))
    op.create_index(
        "ix_jobs_turned_away",
        "jobs",
        ["id"],
        postgresql_where=sa.text("turned_away IS NOT NULL AND status = 'PENDING'"),
    )


def downgrade() -> None:
    """Take it back. Jobs that wait for a fitting worker are published to all again."""
    op.drop_index("ix_jobs_turned_away", "jobs")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
