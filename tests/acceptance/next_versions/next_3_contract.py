"""No job is without its size: the last of the old workers has gone

Revision: next_3
"""

from alembic import op

from background.migrations import in_batches
from tests.acceptance.next_versions.next_2_migrate import FILL

revision = "next_3"
down_revision = "next_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("ALTER TABLE jobs DROP CONSTRAINT IF EXISTS ck_jobs_size")
    op.execute("ALTER TABLE jobs ADD CONSTRAINT ck_jobs_size CHECK (size > 0 OR status = 'PENDING') NOT VALID")
    in_batches(FILL, what="Jobs with a size")
    op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT ck_jobs_size")
