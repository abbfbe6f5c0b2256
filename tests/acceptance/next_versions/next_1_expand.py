"""A job has room for its size, as long as old workers know nothing of it

Revision: next_1
"""

from alembic import op
from alembic.script import ScriptDirectory

from tests.acceptance.next_release import OURS

revision = "next_1"
down_revision = ScriptDirectory(str(OURS.parent)).get_revision("jobs@head").revision
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("ALTER TABLE jobs ADD COLUMN size int")
