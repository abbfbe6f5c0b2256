"""What has ended over time, added up, and an index of what each worker had

Revision: 0015
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    # A job that runs is found by its claim, and put into this index when its attempt ends.
    had = sa.text("worker IS NOT NULL AND status <> 'IN_PROGRESS'")
    index_apart("ix_jobs_worker", "jobs", ["worker", sa.text("id DESC")], where=had)
    op.create_table(
        "job_history",
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("since", "pipeline", "measure", "bin", name=op.f("pk_job_history")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("job_history")
    op.drop_index("ix_jobs_worker", "jobs")
