"""What the application itself says of a failure stands beside it as facts

Revision: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. Of what happened before, and under releases before, nobody knows the facts."""
    op.execute("ALTER TABLE job_events ADD COLUMN IF NOT EXISTS cause jsonb")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("job_events", "cause")
