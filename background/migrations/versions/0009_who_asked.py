"""The history of a job says who asked for what

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. Old code leaves the column NULL: nobody is known to have asked."""
    op.add_column("job_events", sa.Column("actor", sa.Text()))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("job_events", "actor")
