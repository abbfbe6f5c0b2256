"""Room on the pages of jobs, and a vacuum after every fiftieth row that is gone

Revision: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A job's row changes some ten times in its life. Where it finds room on its own page and no indexed column changes, no
# index grows (PostgreSQL documentation, "Heap-Only Tuples"). Only new pages are filled so.
FILLFACTOR = 80
# The usual fifth of a table of ten million rows is a long time without vacuum, in which retention leaves two million.
VACUUMED = ("jobs", "job_steps", "job_events")
SCALE_FACTOR = 0.02


def upgrade() -> None:
    """Apply this revision. No lock of it keeps a reader or writer waiting (SHARE UPDATE EXCLUSIVE)."""
    op.execute(f"ALTER TABLE jobs SET (fillfactor = {FILLFACTOR})")
    for table in VACUUMED:
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = {SCALE_FACTOR})")


def downgrade() -> None:
    """Take it back."""
    for table in VACUUMED:
        op.execute(f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor)")
    op.execute("ALTER TABLE jobs RESET (fillfactor)")
