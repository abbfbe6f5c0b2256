"""Messages wake workers, and PostgreSQL decides which job is next

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHILDREN = ("job_steps", "job_events")


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS wake_up text")
    # Each row of theirs is written by a statement that holds the job's row: a look at it for each cost a third of that.
    # What goes with a job goes by one statement instead of one for each row; a plan that was made for many must not
    # read all for one.
    op.execute("""
        CREATE OR REPLACE FUNCTION delete_with_jobs() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
        BEGIN
            DELETE FROM job_steps USING gone WHERE job_id = gone.id;
            DELETE FROM job_events USING gone WHERE job_id = gone.id;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE OR REPLACE TRIGGER delete_with_jobs AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION delete_with_jobs()
    """)
    for table in CHILDREN:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_job_id")
    # A step's row changes once or twice soon after it was made.
    op.execute("ALTER TABLE job_steps SET (fillfactor = 60)")
    waiting = sa.text("status = 'PENDING' AND turned_away IS NULL")
    index_apart("ix_jobs_waiting", "jobs", ["priority", "run_at", "id"], where=waiting)
    index_apart("ix_jobs_claim_token", "jobs", ["claim_token"], where=sa.text("status = 'IN_PROGRESS'"), unique=True)
    # Of all statuses but COMPLETED, which nearly all jobs have in the end: an index on it grew with each change.
    for status in ("pending", "failed", "cancelled"):
        index_apart(f"ix_jobs_{status}", "jobs", ["id"], where=sa.text(f"status = '{status.upper()}'"))
    # A claim would take one on what is due for as good as that on what waits, while the tables are small.
    index_apart("ix_jobs_due_at", "jobs", ["run_at"], where=sa.text("status = 'PENDING' AND priority >= 0"))
    op.execute("DROP INDEX IF EXISTS ix_jobs_running, ix_jobs_status_id, ix_jobs_due")


def downgrade() -> None:
    """Take it back."""
    op.create_index("ix_jobs_due", "jobs", ["run_at", "id"], postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index("ix_jobs_running", "jobs", ["id"], postgresql_where=sa.text("status = 'IN_PROGRESS'"))
    op.create_index("ix_jobs_status_id", "jobs", ["status", sa.literal_column("id DESC")])
    op.execute("""
        DROP INDEX ix_jobs_waiting, ix_jobs_claim_token, ix_jobs_pending, ix_jobs_failed, ix_jobs_cancelled,
            ix_jobs_due_at
    """)
    op.execute("ALTER TABLE job_steps RESET (fillfactor)")
    for table in CHILDREN:
        op.create_foreign_key(f"fk_{table}_job_id", table, "jobs", ["job_id"], ["id"], ondelete="CASCADE")
    op.execute("DROP TRIGGER delete_with_jobs ON jobs")
    op.execute("DROP FUNCTION delete_with_jobs()")
    op.drop_column("jobs", "wake_up")
