"""What is called when a task fails: its own error callback, and that of the chord's body

Revision: canvas_0005
"""

import sqlalchemy as sa
from alembic import op

revision = "canvas_0005"
down_revision = "canvas_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    none = sa.text("'{}'")
    op.add_column("run_tasks", sa.Column("errbacks", sa.ARRAY(sa.Uuid()), server_default=none, nullable=False))
    op.execute("UPDATE run_tasks SET errbacks = ARRAY[on_error] WHERE on_error IS NOT NULL")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("run_tasks", "errbacks")
