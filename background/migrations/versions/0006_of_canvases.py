"""Of canvases alone: canvas_0006

Revision: 0006
"""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision: nothing. Databases from when there was one history may be at it."""


def downgrade() -> None:
    """Take it back."""
