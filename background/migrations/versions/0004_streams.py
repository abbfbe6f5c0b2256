"""Events of jobs in the order in which their rows become visible, and a notification while somebody listens

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

from background.storage.schema import XID8

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "job_events", sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False)
    )
    op.create_index("ix_job_events_xid", "job_events", ["xid", "job_id", "number"])
    op.create_table(
        "event_listeners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_listeners")),
        prefixes=["UNLOGGED"],
    )
    # Commits that notify wait for each other, so none does that nobody would hear.
    op.execute("""
        CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM event_listeners WHERE until > now()) THEN
                NOTIFY events;
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER notify_events AFTER INSERT ON job_events FOR EACH STATEMENT EXECUTE FUNCTION notify_events()
    """)


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP TRIGGER notify_events ON job_events")
    op.execute("DROP FUNCTION notify_events()")
    op.drop_table("event_listeners")
    op.drop_index("ix_job_events_xid", table_name="job_events")
    op.drop_column("job_events", "xid")
