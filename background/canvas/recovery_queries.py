"""SQL that finds canvas tasks which will not come any more. What becomes of them is written by `queries.settled`."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

_LOST_WITH_WORKER = text("""
SELECT run_tasks.id, worker FROM runs JOIN run_tasks ON run_id = runs.id
WHERE status IN ('PENDING', 'STARTED', 'RETRY')
  AND state = 'STARTED' AND started_at < now() - :patience * interval '1 second' AND worker_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM workers
                  WHERE workers.id = worker_id AND seen_at > now() - :patience * interval '1 second')
LIMIT 100
""")

# It could be next. An error callback waits for a failure: of its task, or of the header before a body that is skipped.
_NOTHING_BEFORE_IT = """NOT EXISTS (
    SELECT FROM run_tasks other
    WHERE other.run_id = runs.id
      AND (run_tasks.id = ANY(other.next) AND other.state <> 'SUCCESS'
           OR run_tasks.id = other.on_error AND other.state NOT IN ('FAILURE', 'SKIPPED')))"""

# Runs that another broker took, in which nothing moves: whatever could be next is gone.
_LOST_WITH_BROKER = text(f"""
SELECT run_tasks.id FROM runs JOIN run_tasks ON run_id = runs.id
WHERE status IN ('PENDING', 'STARTED', 'RETRY') AND epoch <> :epoch AND updated_at < now() - interval '5 seconds'
  AND state IN ('PENDING', 'RETRY')
  AND NOT EXISTS (SELECT FROM run_tasks other WHERE other.run_id = runs.id AND other.state = 'STARTED')
  AND {_NOTHING_BEFORE_IT}
ORDER BY runs.id, position LIMIT 100
""")

# Those that have begun come first: of them it is most likely that they have ended, the others may wait for long.
_QUIET = text(f"""
SELECT run_tasks.id FROM runs JOIN run_tasks ON run_id = runs.id
WHERE status IN ('PENDING', 'STARTED', 'RETRY') AND updated_at < now() - interval '5 seconds'
  AND state IN ('PENDING', 'STARTED', 'RETRY')
  AND {_NOTHING_BEFORE_IT}
ORDER BY state <> 'STARTED', runs.id, position LIMIT 50
""")

SWEEP_LOCK_KEY = 5_820_119
_SWEEP_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")


def try_sweep_lock(connection: Connection) -> bool:
    """Whether this transaction may look for lost tasks: one at a time is enough."""
    return bool(connection.execute(_SWEEP_LOCK, {"key": SWEEP_LOCK_KEY}).scalar_one())


def lost_with_worker(connection: Connection, *, patience: float) -> Sequence[RowMapping]:
    """The `id` and `worker` of tasks that run on a worker not seen for `patience` seconds."""
    return connection.execute(_LOST_WITH_WORKER, {"patience": patience}).mappings().all()


def lost_with_broker(connection: Connection, *, epoch: str) -> Sequence[str]:
    """Ids of the tasks that would be next in runs which another broker took, and in which nothing moves."""
    return [str(id_) for id_ in connection.execute(_LOST_WITH_BROKER, {"epoch": epoch}).scalars()]


def quiet(connection: Connection) -> Sequence[str]:
    """Ids of tasks that run or would be next, of runs in which nothing was recorded for a while."""
    return [str(id_) for id_ in connection.execute(_QUIET).scalars()]
