"""What a rate counts is there still when its job has been deleted

Revision: 0024
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("""
        CREATE TABLE IF NOT EXISTS job_begins (
            job_id bigint NOT NULL, at timestamptz NOT NULL,
            queue text NOT NULL, pipeline text NOT NULL, limit_key text NOT NULL,
            CONSTRAINT pk_job_begins PRIMARY KEY (job_id, at)
        )
    """)
    op.execute("CREATE INDEX IF NOT EXISTS ix_job_begins_at ON job_begins (at)")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("job_begins")
