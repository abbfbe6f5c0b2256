"""A job knows the request that made it

Revision: 0022
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS request_id text")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("jobs", "request_id")
