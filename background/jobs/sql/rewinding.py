"""SQL for when PostgreSQL's clock was set back, or a server took over whose clock is behind.

What was written before lies ahead of now. Jobs that were due would wait, and hold what they were admitted to, until the
clock has caught up: their times are set back with it. What has happened (events, ends, when a job was made) stays as it
was told.
"""

from sqlalchemy import Connection, text

LOCK_KEY = 5_820_123
_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")

AHEAD = "(SELECT coalesce(extract(epoch FROM max(seen_at) - now()), 0)::float8 FROM workers)"
"""By how many seconds the clock is behind of what it was when a worker was seen last, which is not set back by that."""
_AHEAD = text(f"SELECT {AHEAD}")

# By the clock of the moment: others have written since this transaction began.
_REWIND = tuple(
    text(statement.format(back="- :jump * interval '1 second'", now="clock_timestamp()"))
    for statement in (
        """
UPDATE jobs SET run_at = run_at {back}, started_at = started_at {back}, claimed_at = claimed_at {back},
    admitted_at = admitted_at {back},
    lease_until = CASE WHEN lease_until > {now} + :jump * interval '1 second' THEN lease_until {back}
                       ELSE lease_until END
WHERE id = ANY (ARRAY(
    SELECT id FROM jobs WHERE status = 'PENDING' AND greatest(updated_at, admitted_at) > {now}
    UNION ALL
    SELECT id FROM jobs WHERE status = 'IN_PROGRESS' AND greatest(updated_at, lease_until {back}) > {now}))
        """,
        """
UPDATE jobs SET claimed_at = claimed_at {back}, admitted_at = admitted_at {back}
WHERE admitted_at IS NOT NULL AND claimed_at > now() AND claimed_at > {now} AND status NOT IN ('PENDING', 'IN_PROGRESS')
        """,
        "UPDATE job_begins SET at = at {back} WHERE at > now() AND at > {now}",
        "UPDATE workers SET seen_at = seen_at {back} WHERE seen_at > {now}",
    )
)


def rewind(connection: Connection, *, least: float) -> float:
    """Set back what lies ahead, if that is at least so much; gives by how much. One process does so, and once."""
    if not connection.execute(_LOCK, {"key": LOCK_KEY}).scalar_one():
        return 0.0
    jump = float(connection.execute(_AHEAD).scalar_one())
    if jump < least:
        return 0.0
    for statement in _REWIND:
        connection.execute(statement, {"jump": jump})
    return jump
