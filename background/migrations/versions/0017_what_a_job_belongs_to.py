"""A job has a queue, tags, perhaps a key of which there is one at a time, and perhaps the schedule that made it

Revision: 0017
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = {
    "queue": "text NOT NULL DEFAULT 'celery'",
    "tags": "text[] NOT NULL DEFAULT '{}'",
    "unique_key": "text",
    "schedule_id": "bigint",
}


def upgrade() -> None:
    """Apply this revision. Releases that know nothing of these columns still write jobs."""
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN IF NOT EXISTS {name} {kind}")


def downgrade() -> None:
    """Take it back."""
    for name in COLUMNS:
        op.drop_column("jobs", name)
