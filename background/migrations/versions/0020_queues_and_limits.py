"""Workers say which queues they serve, claims look at those alone, and limits and pauses hold jobs back

Revision: 0020
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

COLUMNS = {
    "limit_key": "text NOT NULL DEFAULT ''",
    "held": "boolean NOT NULL DEFAULT false",
    "admitted_at": "timestamptz",
}
WAITING = sa.text("status = 'PENDING' AND turned_away IS NULL")
LANE = ("queue", "pipeline", "limit_key", sa.text("priority DESC"), "run_at", "id")
# Of jobs with limits alone.
LIMITED: dict[str, tuple[Sequence[Any], str]] = {
    "ix_jobs_held": (LANE, "status = 'PENDING' AND held"),
    "ix_jobs_permits": (["id"], "status = 'PENDING' AND NOT held AND admitted_at IS NOT NULL"),
    "ix_jobs_admitted_at": (["admitted_at"], "admitted_at IS NOT NULL"),
    "ix_jobs_begun": (["claimed_at"], "admitted_at IS NOT NULL"),
}


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done.

    Workers of earlier releases know no queues, limits or pauses, and take any job. With the new index, which is worded
    as theirs was, they read what waits instead of the table; beside it theirs would be in the new claims' way.
    """
    op.execute("ALTER TABLE workers ADD COLUMN IF NOT EXISTS queues text[]")
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN IF NOT EXISTS {name} {kind}")
    op.execute("""
        CREATE TABLE IF NOT EXISTS job_controls (
            kind text NOT NULL, name text NOT NULL, paused boolean NOT NULL DEFAULT false,
            concurrency integer, rate_count integer, rate_seconds float8,
            CONSTRAINT pk_job_controls PRIMARY KEY (kind, name)
        )
    """)
    index_apart("ix_jobs_next", "jobs", ["queue", "held", "priority", "run_at", "id"], where=WAITING)
    for name, (columns, where) in LIMITED.items():
        index_apart(name, "jobs", columns, where=sa.text(where))
    op.execute("DROP INDEX IF EXISTS ix_jobs_waiting")


def downgrade() -> None:
    """Take it back. What was held back may be claimed by anybody."""
    op.create_index("ix_jobs_waiting", "jobs", ["priority", "run_at", "id"], postgresql_where=WAITING)
    for name in ("ix_jobs_next", *LIMITED):
        op.drop_index(name, "jobs")
    op.drop_table("job_controls")
    for name in COLUMNS:
        op.drop_column("jobs", name)
    op.drop_column("workers", "queues")
