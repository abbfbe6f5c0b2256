"""Schedules, which make jobs

Revision: 0018
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("""
        CREATE TABLE IF NOT EXISTS schedules (
            id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_schedules PRIMARY KEY,
            name text NOT NULL CONSTRAINT uq_schedules_name UNIQUE,
            job jsonb NOT NULL,
            cron text,
            every_seconds double precision,
            timezone text NOT NULL,
            catch_up boolean NOT NULL,
            paused boolean NOT NULL,
            module text,
            anchor timestamptz NOT NULL,
            next_at timestamptz,
            last_at timestamptz,
            last_job_id bigint,
            last_error text,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_schedules_times CHECK ((cron IS NULL) <> (every_seconds IS NULL)),
            CONSTRAINT ck_schedules_paused CHECK (NOT paused OR next_at IS NULL)
        )
    """)
    op.execute("CREATE INDEX IF NOT EXISTS ix_schedules_next_at ON schedules (next_at) WHERE next_at IS NOT NULL")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("schedules")
