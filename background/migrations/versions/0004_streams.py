"""Events in the order in which their rows become visible, and a notification for each statement that adds some

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

from background.database import XID8

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LOGS = {"job_events": "job_id", "run_events": "run_id"}


def upgrade() -> None:
    """Apply this revision."""
    op.execute("""
        CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NOTIFY events;
            RETURN NULL;
        END $$
    """)
    for log, owner in LOGS.items():
        op.add_column(log, sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False))
        op.create_index(f"ix_{log}_xid", log, ["xid", owner, "number"])
        op.execute(f"""
            CREATE TRIGGER notify_events AFTER INSERT ON {log} FOR EACH STATEMENT EXECUTE FUNCTION notify_events()
        """)


def downgrade() -> None:
    """Take it back."""
    for log in LOGS:
        op.execute(f"DROP TRIGGER notify_events ON {log}")
        op.drop_index(f"ix_{log}_xid", table_name=log)
        op.drop_column(log, "xid")
    op.execute("DROP FUNCTION notify_events()")
