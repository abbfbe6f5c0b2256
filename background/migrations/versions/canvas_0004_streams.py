"""A notification for events of runs, while somebody listens

Revision: canvas_0004
"""

from alembic import op

revision = "canvas_0004"
down_revision = "canvas_0003"
branch_labels = None
depends_on = "0004"


def upgrade() -> None:
    """Apply this revision."""
    op.execute("""
        CREATE TRIGGER notify_events AFTER INSERT ON run_events FOR EACH STATEMENT EXECUTE FUNCTION notify_events()
    """)


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP TRIGGER notify_events ON run_events")
