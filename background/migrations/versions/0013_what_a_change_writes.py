"""Less to write for each change of a job, and counts that do not grow with the table

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# How many jobs of a pipeline have a status is estimated of these where they are many.
KINDS = "CREATE STATISTICS IF NOT EXISTS jobs_kinds (mcv) ON pipeline, status FROM jobs"


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    # A claim would take an index on all that is PENDING for as good as that on what waits, or was sent to a release.
    pending = sa.text("status = 'PENDING' AND priority >= 0")
    index_apart("ix_jobs_pending_by_id", "jobs", ["id"], where=pending)
    # Of an expression PostgreSQL keeps statistics of their own for each of these indexes.
    of = (sa.text("(pipeline || '')"), "id")
    index_apart("ix_jobs_pending_of", "jobs", of, where=pending)
    index_apart("ix_jobs_failed_of", "jobs", of, where=sa.text("status = 'FAILED'"))
    index_apart("ix_jobs_cancelled_of", "jobs", of, where=sa.text("status = 'CANCELLED'"))
    sent = sa.text("status = 'PENDING' AND turned_away IS NOT NULL")
    index_apart("ix_jobs_sent", "jobs", ["sent_to", "priority", "run_at", "id"], where=sent)
    op.execute("DROP INDEX IF EXISTS ix_jobs_pending, ix_jobs_turned_away")
    # Events of one transaction stand side by side in it.
    index_apart("ix_job_events_written", "job_events", ["xid"])
    op.execute("DROP INDEX IF EXISTS ix_job_events_xid")
    # Numbers are given in the order of time, nearly.
    op.execute("DROP INDEX IF EXISTS ix_jobs_created_at")
    # Nobody asks for a step by its id.
    op.execute("ALTER TABLE job_steps DROP CONSTRAINT IF EXISTS pk_job_steps")
    index_apart("ix_job_steps_place", "job_steps", ["job_id", "step_number"], unique=True)
    op.execute("ALTER TABLE job_steps DROP CONSTRAINT IF EXISTS uq_job_steps_job_id")
    op.execute("ALTER TABLE job_steps ADD CONSTRAINT pk_job_steps PRIMARY KEY USING INDEX ix_job_steps_place")
    op.execute(KINDS)


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP STATISTICS jobs_kinds")
    op.drop_constraint("pk_job_steps", "job_steps")
    op.create_primary_key("pk_job_steps", "job_steps", ["id"])
    op.create_unique_constraint("uq_job_steps_job_id", "job_steps", ["job_id", "step_number"])
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_job_events_xid", "job_events", ["xid", "job_id", "number"])
    op.execute("DROP INDEX ix_job_events_written")
    turned_away = sa.text("turned_away IS NOT NULL AND status = 'PENDING'")
    op.create_index("ix_jobs_turned_away", "jobs", ["id"], postgresql_where=turned_away)
    op.create_index("ix_jobs_pending", "jobs", ["id"], postgresql_where=sa.text("status = 'PENDING'"))
    op.execute(
        "DROP INDEX ix_jobs_sent, ix_jobs_pending_by_id, ix_jobs_pending_of, ix_jobs_failed_of, ix_jobs_cancelled_of"
    )
