"""A vacuum after every fiftieth row of a run that is gone

Revision: canvas_0008
"""

from alembic import op

revision = "canvas_0008"
down_revision = "canvas_0006"
branch_labels = None
depends_on = None

# As 0008 has it of jobs.
VACUUMED = ("runs", "run_tasks", "run_events")
SCALE_FACTOR = 0.02


def upgrade() -> None:
    """Apply this revision."""
    for table in VACUUMED:
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = {SCALE_FACTOR})")


def downgrade() -> None:
    """Take it back."""
    for table in VACUUMED:
        op.execute(f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor)")
