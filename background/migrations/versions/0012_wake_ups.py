"""Messages wake workers, and PostgreSQL decides which job is next

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

RUNNING = sa.text("status = 'IN_PROGRESS'")
WAITING = sa.text("status = 'PENDING' AND turned_away IS NULL")


def upgrade() -> None:
    """Apply this revision. The new indexes are of jobs that wait or run, which are few beside all."""
    op.add_column("jobs", sa.Column("wake_up", sa.Text()))
    op.create_index("ix_jobs_waiting", "jobs", ["priority", "run_at", "id"], postgresql_where=WAITING)
    op.drop_index("ix_jobs_running", table_name="jobs")
    op.create_index("ix_jobs_running", "jobs", ["claim_token"], unique=True, postgresql_where=RUNNING)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_jobs_running", table_name="jobs")
    op.create_index("ix_jobs_running", "jobs", ["id"], postgresql_where=RUNNING)
    op.drop_index("ix_jobs_waiting", table_name="jobs")
    op.drop_column("jobs", "wake_up")
