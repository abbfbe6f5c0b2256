"""Of canvases alone: canvas_0011

Revision: 0011
"""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision: nothing. Databases from when there was one history may be at it."""


def downgrade() -> None:
    """Take it back."""
