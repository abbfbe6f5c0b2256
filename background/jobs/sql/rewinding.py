"""SQL for when PostgreSQL's clock was set back, or a server took over whose clock is behind.

What was written before lies ahead of now. Jobs that were due would wait, and hold what they were admitted to, until the
clock has caught up: their times are set back with it. What has happened (events, ends, when a job was made) stays as it
was told.
"""

from sqlalchemy import Connection, text

from background.storage.locks import Lock, try_lock

# By the clock of the moment: others have written since this transaction began.
_NOW = "clock_timestamp()"
AHEAD = f"(SELECT coalesce(extract(epoch FROM max(seen_at) - {_NOW}), 0)::float8 FROM workers)"
"""By how many seconds the clock is behind of what it was when a worker was seen last, which is not set back by that."""
_AHEAD = text(f"SELECT {AHEAD}")

_BACK = "- :jump * interval '1 second'"
_IF_AHEAD = f"{{0}} = CASE WHEN {{0}} > {_NOW} THEN {{0}} {_BACK} ELSE {{0}} END"
# Together, so that a permit remains one.
_ADMITTED = f"claimed_at = claimed_at {_BACK}, admitted_at = admitted_at {_BACK}"
_WAITED = f"""
UPDATE jobs SET {_IF_AHEAD.format("run_at")}, {_IF_AHEAD.format("started_at")}, {_ADMITTED}
WHERE status = '{{}}' AND greatest(updated_at, admitted_at) > {_NOW}
"""
# Nobody is to seem dead for the time that this has taken.
_ALIVE = f"{_BACK} + ({_NOW} - now())"
# What runs is locked last, and briefly: its worker has to renew its lease.
_REWIND = tuple(
    map(
        text,
        (
            _WAITED.format("PENDING"),
            # What rates count.
            f"""
UPDATE jobs SET {_ADMITTED}
WHERE admitted_at IS NOT NULL AND claimed_at > now() AND claimed_at > {_NOW}
    AND status NOT IN ('PENDING', 'IN_PROGRESS')
            """,
            f"UPDATE job_begins SET at = at {_BACK} WHERE at > now() AND at > {_NOW}",
            _WAITED.format("IN_PROGRESS"),
            f"""
UPDATE jobs SET lease_until = lease_until {_ALIVE} WHERE status = 'IN_PROGRESS' AND lease_until {_BACK} > now()
            """,
            f"UPDATE workers SET seen_at = seen_at {_ALIVE} WHERE seen_at > {_NOW}",
        ),
    )
)


def rewind(connection: Connection, *, least: float) -> float:
    """Set back what lies ahead, if that is at least so much; gives by how much. One process does so, and once."""
    if not try_lock(connection, Lock.REWINDING):
        return 0.0
    jump = float(connection.execute(_AHEAD).scalar_one())
    if jump < least:
        return 0.0
    for statement in _REWIND:
        connection.execute(statement, {"jump": jump})
    return jump
