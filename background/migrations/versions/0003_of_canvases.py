"""Of canvases alone: canvas_0003

Revision: 0003
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision: nothing. Databases from when there was one history may be at it."""


def downgrade() -> None:
    """Take it back."""
