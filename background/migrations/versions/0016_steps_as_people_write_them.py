"""Steps that ask to be run later, or have a limit of failures of their own; what they log, and have done once

Revision: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. What was done before it was begun anew is found done."""
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS waits_for text")
    for name in ("forgiven", "waits"):
        op.execute(f"ALTER TABLE job_steps ADD COLUMN IF NOT EXISTS {name} integer NOT NULL DEFAULT 0")
    op.create_table(
        "job_logs",
        sa.Column("job_id", sa.BigInteger, autoincrement=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("last", sa.Integer),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("lines", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "last", name="pk_job_logs"),
        if_not_exists=True,
    )
    op.create_table(
        "job_effects",
        sa.Column("job_id", sa.BigInteger, autoincrement=False),
        sa.Column("step", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("result", JSONB, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("job_id", "step", "name", name="pk_job_effects"),
        if_not_exists=True,
    )
    op.execute("ALTER TABLE job_logs SET (autovacuum_vacuum_scale_factor = 0.02)")
    op.execute("""
        CREATE OR REPLACE FUNCTION delete_what_steps_left() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off AS $$
        BEGIN
            DELETE FROM job_logs WHERE job_id = ANY (ARRAY(SELECT id FROM gone));
            DELETE FROM job_effects WHERE job_id = ANY (ARRAY(SELECT id FROM gone));
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE OR REPLACE TRIGGER delete_what_steps_left AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION delete_what_steps_left()
    """)


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP TRIGGER delete_what_steps_left ON jobs")
    op.execute("DROP FUNCTION delete_what_steps_left()")
    for name in ("job_effects", "job_logs"):
        op.drop_table(name)
    for name in ("forgiven", "waits"):
        op.drop_column("job_steps", name)
    op.drop_column("jobs", "waits_for")
