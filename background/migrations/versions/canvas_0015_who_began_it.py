"""The history of a run says which worker began a task

Revision: canvas_0015
"""

from alembic import op

revision = "canvas_0015"
down_revision = "canvas_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. Old code leaves the column NULL: it is not known who began it."""
    op.execute("ALTER TABLE run_events ADD COLUMN IF NOT EXISTS worker text")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("run_events", "worker")
