"""Canvases of any shape: their tree, the broker that took them, who cancelled them

Revision: canvas_0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "canvas_0003"
down_revision = "canvas_0002"
branch_labels = None
depends_on = None

TYPES = "('single', 'chain', 'group', 'chord'"
UNFINISHED = sa.text("status IN ('PENDING', 'STARTED', 'RETRY')")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("runs", sa.Column("canvas", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("runs", sa.Column("epoch", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.drop_constraint(op.f("ck_runs_type"), "runs")
    op.create_check_constraint(op.f("ck_runs_type"), "runs", f"type IN {TYPES}, 'canvas')")
    op.create_index("ix_runs_unfinished", "runs", ["id"], unique=False, postgresql_where=UNFINISHED)
    op.add_column("runs", sa.Column("event_count", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_run_events")),
    )
    op.add_column("run_tasks", sa.Column("on_error", sa.Uuid(), nullable=True))
    op.add_column("run_tasks", sa.Column("worker_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Take it back; canvases of any shape are forgotten."""
    op.drop_column("run_tasks", "worker_id")
    op.drop_column("run_tasks", "on_error")
    op.drop_table("run_events")
    op.drop_column("runs", "event_count")
    op.drop_index("ix_runs_unfinished", table_name="runs", postgresql_where=UNFINISHED)
    op.execute("DELETE FROM runs WHERE type = 'canvas'")
    op.drop_constraint(op.f("ck_runs_type"), "runs")
    op.create_check_constraint(op.f("ck_runs_type"), "runs", f"type IN {TYPES})")
    op.drop_column("runs", "cancelled")
    op.drop_column("runs", "epoch")
    op.drop_column("runs", "canvas")
