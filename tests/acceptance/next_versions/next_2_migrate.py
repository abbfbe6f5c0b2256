"""Every job gets its size, slowly

Revision: next_2
"""

import time

from alembic import op

from background.migrations import in_batches

revision = "next_2"
down_revision = "next_1"
branch_labels = None
depends_on = None

FILL = """
UPDATE jobs SET size = cardinality(step_names)
WHERE id IN (SELECT id FROM jobs WHERE size IS NULL AND status IN ('COMPLETED', 'FAILED') ORDER BY id LIMIT :size)
"""
LONG_SECONDS = 6


def upgrade() -> None:
    """Apply this revision: 20 s altogether, and more with what ends meanwhile."""
    in_batches(FILL, what="Jobs with a size", size=25)
    op.execute(f"SELECT pg_sleep({LONG_SECONDS})")
    time.sleep(LONG_SECONDS)
