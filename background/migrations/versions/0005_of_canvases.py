"""Of canvases alone: canvas_0005

Revision: 0005
"""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision: nothing. Databases from when there was one history may be at it."""


def downgrade() -> None:
    """Take it back."""
