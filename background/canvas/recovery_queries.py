"""SQL that finds runs in which something will not come any more. What becomes of them is written by `queries`."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

_LOST_WITH_WORKER = text("""
SELECT run_tasks.id::text, worker FROM runs JOIN run_tasks ON run_id = runs.id
WHERE status IN ('PENDING', 'STARTED', 'RETRY')
  AND state = 'STARTED' AND started_at < now() - :patience * interval '1 second' AND worker_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM workers
                  WHERE workers.id = worker_id AND seen_at > now() - :patience * interval '1 second')
LIMIT 100
""")

# One after another gets its turn, also behind a backlog of runs that just wait.
_STILL = text("""
SELECT id FROM runs
WHERE status IN ('PENDING', 'STARTED', 'RETRY') AND updated_at < now() - interval '5 seconds'
ORDER BY random() LIMIT 20
""")

_RUN = text("""
SELECT task_id::text, epoch <> :epoch AS is_elsewhere, settled = total AS is_settled,
    status = 'PENDING' AND NOT EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND starts > 0) AS is_untouched,
    extract(epoch FROM now() - updated_at)::float AS still_seconds
FROM runs WHERE id = :run_id
""")

_CLOSE_ENDED = text("""
UPDATE run_tasks SET closed = true
WHERE run_id = :run_id AND NOT closed AND state IN ('SUCCESS', 'FAILURE', 'REVOKED')
""")

_UNFINISHED = text("""
SELECT id::text, state, called FROM run_tasks
WHERE run_id = :run_id AND state IN ('PENDING', 'STARTED', 'RETRY') ORDER BY position
""")

SWEEP_LOCK_KEY = 5_820_119
_SWEEP_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")


def try_sweep_lock(connection: Connection) -> bool:
    """Whether this transaction may look for lost tasks: one at a time is enough."""
    return bool(connection.execute(_SWEEP_LOCK, {"key": SWEEP_LOCK_KEY}).scalar_one())


def lost_with_worker(connection: Connection, *, patience: float) -> Sequence[RowMapping]:
    """The `id` and `worker` of tasks that run on a worker not seen for `patience` seconds."""
    return connection.execute(_LOST_WITH_WORKER, {"patience": patience}).mappings().all()


def still(connection: Connection) -> Sequence[int]:
    """Numbers of runs in which nothing was recorded for a while."""
    return connection.execute(_STILL).scalars().all()


def run(connection: Connection, run_id: int, *, epoch: str) -> RowMapping | None:
    """A run's `task_id`, whether another broker took it (`is_elsewhere`), and for how long nothing moves in it
    (`still_seconds`); `is_untouched`: none of its tasks has begun; `is_settled`: all have ended.
    """
    return connection.execute(_RUN, {"run_id": run_id, "epoch": epoch}).mappings().one_or_none()


def unfinished(connection: Connection, run_id: int) -> Sequence[RowMapping]:
    """The `id` and `state` of its tasks that have not ended, and whether they were `called`."""
    return connection.execute(_UNFINISHED, {"run_id": run_id}).mappings().all()


def close_ended(connection: Connection, run_id: int) -> None:
    """Of its tasks that have ended nothing more will come."""
    connection.execute(_CLOSE_ENDED, {"run_id": run_id})
