"""How often a task began, and what runs on a worker

Revision: canvas_0002
"""

import sqlalchemy as sa
from alembic import op

revision = "canvas_0002"
down_revision = "canvas_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("run_tasks", sa.Column("starts", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "ix_run_tasks_started", "run_tasks", ["worker"], unique=False, postgresql_where=sa.text("state = 'STARTED'")
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_run_tasks_started", table_name="run_tasks", postgresql_where=sa.text("state = 'STARTED'"))
    op.drop_column("run_tasks", "starts")
