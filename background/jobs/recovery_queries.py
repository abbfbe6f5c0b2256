"""SQL of what keeps jobs going: leases, lost jobs, missing messages. Transitions themselves stand in `transitions`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background.database import Prepared
from background.jobs.states import WAKE_SECONDS
from background.jobs.transitions import LOOKED_AT, WAITS
from background.workers.queries import BEAT, FORGET_OLD, Identity

# Whoever writes to one of them just now is alive; and nobody waits for two.
_RENEW = text("""
UPDATE jobs SET lease_until = now() + :lease * interval '1 second'
FROM (SELECT id AS held FROM jobs
      WHERE status = 'IN_PROGRESS' AND worker_id = :worker_id AND wake_up = ANY(:wake_ups) AND step_until > now()
      FOR UPDATE SKIP LOCKED) AS own
WHERE id = held
""")

_OVERDUE = text("""
SELECT jobs.id, jobs.attempt, jobs.failures, max_attempts, current_step, wake_up,
    extract(epoch FROM step_until - job_steps.started_at)::float AS step_seconds
FROM jobs JOIN job_steps ON job_id = jobs.id AND step_number = current_step
WHERE worker_id = :worker_id AND jobs.status = 'IN_PROGRESS' AND step_until < now() - :grace * interval '1 second'
""")

# All that a pass looks for when there is nothing to do. What has just become due by being stored is being published by
# whoever stored it.
_LOOKED = f"""
SELECT extract(epoch FROM now())::float AS clock, extract(epoch FROM now() - pg_postmaster_start_time())::float AS age,
    EXISTS (SELECT FROM jobs WHERE status = 'IN_PROGRESS' AND lease_until < now()) AS lost,
    (SELECT count(*) FROM (SELECT updated_at, run_at FROM jobs WHERE {WAITS} AND priority >= 0
                           ORDER BY run_at LIMIT {LOOKED_AT}) AS waiting
     WHERE updated_at < now() - interval '{WAKE_SECONDS} s' OR run_at > updated_at) AS due,
    EXISTS (SELECT FROM jobs WHERE turned_away IS NOT NULL AND status = 'PENDING') AS turned_away,
    (SELECT count(*) FROM workers WHERE seen_at > now() - CAST(:patience AS float8) * interval '1 second') AS workers
"""
_LOOK = Prepared("recovery_look", _LOOKED)
_BEAT_AND_LOOK = Prepared("recovery_pass", f"WITH beat AS ({BEAT}), gone AS ({FORGET_OLD}) {_LOOKED}")

_LOST = text("""
SELECT id, attempt, failures, max_attempts,
    extract(epoch FROM now() - greatest(updated_at, lease_until - :lease * interval '1 second'))::float AS silent
FROM jobs
WHERE status = 'IN_PROGRESS' AND lease_until < now()
ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_SENT_TO = text("""
SELECT sent_to AS release, count(*) AS due FROM jobs
WHERE status = 'PENDING' AND turned_away IS NOT NULL AND sent_to IS NOT NULL AND run_at <= now() GROUP BY sent_to
""")


def renew(connection: Connection, *, wake_ups: Sequence[str], worker_id: str, lease: float) -> int:
    """Renew the leases of the jobs that run where these messages woke this very start of a worker; gives how many.

    A job whose step has timed out is left out.
    """
    values = {"wake_ups": list(wake_ups), "worker_id": worker_id, "lease": lease}
    return connection.execute(_RENEW, values).rowcount


def overdue(connection: Connection, *, worker_id: str, grace: float) -> Sequence[RowMapping]:
    """Jobs of this worker whose step timed out `grace` seconds ago and did not stop by itself.

    Gives what `states.after_error` needs, the `current_step`, the `step_seconds` it was given, and its `wake_up`.
    """
    return connection.execute(_OVERDUE, {"worker_id": worker_id, "grace": grace}).mappings().all()


def look(
    connection: Connection, identity: Identity | None, *, queue_length: int | None, patience: float
) -> dict[str, Any]:
    """What there is to do: PostgreSQL's `clock` in seconds, and its `age`, for how many it has been up.

    Whether jobs are `lost` or `turned_away`, and how many, up to `LOOKED_AT`, are `due` that nobody publishes just now.
    How many `workers` have been seen in the last `patience` seconds. At the same time one with this `identity` says
    that it lives, and what it sees of the queue.
    """
    values = {"patience": patience}
    if identity is None:
        return _LOOK(connection, values)[0]
    return _BEAT_AND_LOOK(connection, {**values, **asdict(identity), "queue_length": queue_length})[0]


def lost(connection: Connection, *, lease: float, limit: int) -> Sequence[RowMapping]:
    """Lock at most `limit` running jobs whose lease has run out; gives what `states.after_loss` needs.

    And for how many seconds their workers have been `silent`: since they last wrote, or renewed for `lease` seconds.
    """
    return connection.execute(_LOST, {"lease": lease, "limit": limit}).mappings().all()


def sent_to(connection: Connection) -> Sequence[RowMapping]:
    """The releases whose queues jobs wait in, and how many are `due` there."""
    return connection.execute(_SENT_TO).mappings().all()
