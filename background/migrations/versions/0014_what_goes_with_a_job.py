"""What goes with deleted jobs is found by the index, whatever PostgreSQL believes of the tables

Revision: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision.

    A join may go the other way round: over all steps, for each of them over all jobs that have gone. It did where the
    tables were thought empty, as they are after a vacuum between a great deletion and the next jobs.
    """
    op.execute("""
        CREATE OR REPLACE FUNCTION delete_with_jobs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
        BEGIN
            DELETE FROM job_steps WHERE job_id = ANY (ARRAY(SELECT id FROM gone));
            DELETE FROM job_events WHERE job_id = ANY (ARRAY(SELECT id FROM gone));
            RETURN NULL;
        END $$
    """)


def downgrade() -> None:
    """Take it back."""
    op.execute("""
        CREATE OR REPLACE FUNCTION delete_with_jobs() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
        BEGIN
            DELETE FROM job_steps USING gone WHERE job_id = gone.id;
            DELETE FROM job_events USING gone WHERE job_id = gone.id;
            RETURN NULL;
        END $$
    """)
