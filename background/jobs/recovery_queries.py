"""SQL of what keeps jobs going: leases, lost jobs, missing messages. Transitions themselves stand in `queries`."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

_RENEW = text("""
UPDATE jobs SET lease_until = now() + :lease * interval '1 second'
WHERE id = ANY(:job_ids) AND worker_id = :worker_id AND status = 'IN_PROGRESS' AND step_until > now()
""")

_OVERDUE = text("""
SELECT jobs.id, jobs.attempt, jobs.failures, max_attempts, current_step,
    extract(epoch FROM step_until - job_steps.started_at)::float AS step_seconds
FROM jobs JOIN job_steps ON job_id = jobs.id AND step_number = current_step
WHERE worker_id = :worker_id AND jobs.status = 'IN_PROGRESS' AND step_until < now() - :grace * interval '1 second'
""")

_SERVER_CLOCK = text("""
SELECT extract(epoch FROM now())::float, extract(epoch FROM now() - pg_postmaster_start_time())::float
""")

_LOST = text("""
SELECT id, attempt, failures, max_attempts,
    extract(epoch FROM now() - greatest(updated_at, lease_until - :lease * interval '1 second'))::float AS silent
FROM jobs
WHERE status = 'IN_PROGRESS' AND lease_until < now()
ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

RECOVERY_LOCK_KEY = 5_820_118
PUBLISH_SECONDS = 3.0
"""So long after it was marked as published, a job's message may still be on its way to the queue; the broker refuses it
later (`broker.batch`). So what is missing then will not come."""

_RECOVERY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")

_COUNT_PUBLISHED = text("""
SELECT count(*) FROM (
    SELECT FROM jobs
    WHERE status = 'PENDING' AND published_at < now() - :grace * interval '1 second' AND run_at <= now()
      AND sent_to IS NOT DISTINCT FROM :release
    LIMIT :limit
) AS published
""")

_TO_PUBLISH = text("""
WITH chosen AS (
    SELECT id FROM jobs
    WHERE status = 'PENDING' AND run_at <= now()
      AND sent_to IS NOT DISTINCT FROM :release AND (turned_away IS NULL OR sent_to IS NOT NULL)
      AND CASE WHEN :again THEN published_at < now() - :grace * interval '1 second' ELSE published_at IS NULL END
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET published_at = now() FROM chosen WHERE jobs.id = chosen.id
RETURNING jobs.id, jobs.task_id, jobs.priority
""")


def renew(connection: Connection, *, job_ids: Sequence[int], worker_id: str, lease: float) -> int:
    """Renew the leases of those of these jobs that this very start of a worker holds; gives how many.

    A job whose step has timed out is left out.
    """
    values = {"job_ids": list(job_ids), "worker_id": worker_id, "lease": lease}
    return connection.execute(_RENEW, values).rowcount


def overdue(connection: Connection, *, worker_id: str, grace: float) -> Sequence[RowMapping]:
    """Jobs of this worker whose step timed out `grace` seconds ago and did not stop by itself.

    Gives what `states.after_error` needs, the `current_step`, and the `step_seconds` it was given.
    """
    return connection.execute(_OVERDUE, {"worker_id": worker_id, "grace": grace}).mappings().all()


def server_clock(connection: Connection) -> tuple[float, float]:
    """PostgreSQL's time in seconds, and for how many it has been up."""
    clock, age = connection.execute(_SERVER_CLOCK).one()
    return clock, age


def lost(connection: Connection, *, lease: float, limit: int) -> Sequence[RowMapping]:
    """Lock at most `limit` running jobs whose lease has run out; gives what `states.after_loss` needs.

    And for how many seconds their workers have been `silent`: since they last wrote, or renewed for `lease` seconds.
    """
    return connection.execute(_LOST, {"lease": lease, "limit": limit}).mappings().all()


def try_recovery_lock(connection: Connection) -> bool:
    """Whether this transaction may look for missing messages: one at a time, or each would publish them."""
    return bool(connection.execute(_RECOVERY_LOCK, {"key": RECOVERY_LOCK_KEY}).scalar_one())


def count_published(connection: Connection, *, release: str | None, limit: int) -> int:
    """How many due jobs, `limit` at most, should have a message in the queue of this release, or the usual one."""
    values = {"limit": limit, "release": release, "grace": PUBLISH_SECONDS}
    return int(connection.execute(_COUNT_PUBLISHED, values).scalar_one())


def to_publish(connection: Connection, *, release: str | None, again: bool, limit: int) -> Sequence[RowMapping]:
    """Mark the oldest due jobs as published, at most `limit`; gives their `id`, `task_id` and `priority`.

    Those that are sent to this release, or to none.

    Those that never were; or, `again`, those whose message should be in the queue.
    """
    values = {"release": release, "again": again, "limit": limit, "grace": PUBLISH_SECONDS}
    return connection.execute(_TO_PUBLISH, values).mappings().all()
