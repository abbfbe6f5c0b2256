"""Events of jobs keep the name of their step when the job's plan changes

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("job_events", sa.Column("step_name", sa.Text()))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("job_events", "step_name")
