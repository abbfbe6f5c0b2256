"""One unfinished job for a unique key, and jobs found by their params, tags, queue and schedule

Revision: 0019
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A key is of one job that has not ended, so that what is stored at the same moment is decided by the insert.
UNFINISHED = "unique_key IS NOT NULL AND status IN ('PENDING', 'IN_PROGRESS')"
ENDED = ("failed", "cancelled", "completed")
# What waits to be sorted into such an index is read by every search, and sorted in by whoever fills it up: kB.
PENDING_LIST = 512


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    index_apart("ix_jobs_unique", "jobs", ["pipeline", "unique_key"], where=sa.text(UNFINISHED), unique=True)
    keyed = sa.text("unique_key IS NOT NULL")
    index_apart("ix_jobs_unique_key", "jobs", ["pipeline", "unique_key", "created_at"], where=keyed)
    # Of jobs that have ended: each is put into one of these once, not with every change. Worded otherwise than those of
    # ids, so that PostgreSQL has no choice.
    for status in ENDED:
        index_apart(
            f"ix_jobs_params_{status}",
            "jobs",
            ["params"],
            where=sa.text(f"(status || '') = '{status.upper()}'"),
            using="gin",
            ops={"params": "jsonb_path_ops"},
            settings={"gin_pending_list_limit": PENDING_LIST},
        )
    index_apart("ix_jobs_tags", "jobs", ["tags"], where=sa.text("cardinality(tags) > 0"), using="gin")
    index_apart("ix_jobs_error", "jobs", ["id"], where=sa.text("error IS NOT NULL"))
    # Of what most jobs have not.
    newest = sa.text("id DESC")
    index_apart("ix_jobs_queue_id", "jobs", ["queue", newest], where=sa.text("queue <> 'celery'"))
    index_apart("ix_jobs_schedule", "jobs", ["schedule_id", newest], where=sa.text("schedule_id IS NOT NULL"))


def downgrade() -> None:
    """Take it back."""
    op.execute("""
        DROP INDEX ix_jobs_unique, ix_jobs_unique_key, ix_jobs_params_failed, ix_jobs_params_cancelled,
            ix_jobs_params_completed, ix_jobs_tags, ix_jobs_error, ix_jobs_queue_id, ix_jobs_schedule
    """)
