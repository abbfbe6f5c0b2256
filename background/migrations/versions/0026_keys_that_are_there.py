"""Only jobs that were made with an Idempotency-Key are in its index

Revision: 0026
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    there = sa.text("idempotency_key IS NOT NULL")
    index_apart("ix_jobs_idempotency_key", "jobs", ["idempotency_key"], unique=True, where=there)
    op.execute("ALTER TABLE jobs DROP CONSTRAINT IF EXISTS uq_jobs_idempotency_key")


def downgrade() -> None:
    """Take it back."""
    op.create_unique_constraint("uq_jobs_idempotency_key", "jobs", ["idempotency_key"])
    op.drop_index("ix_jobs_idempotency_key", "jobs")
