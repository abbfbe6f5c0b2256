"""SQL that finds runs in which something will not come any more. What becomes of them is written by `queries`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background.canvas.queries import UNFINISHED
from background.database import Prepared

RUNS, TASKS = 200, 500
"""A pass looks at so many runs, or such as have so many waiting tasks, the last of them counted whole."""
SECONDS_PER_RUN, SECONDS_PER_TASK = 0.01, 0.004
"""Then it is rested for so long."""

_WAITS = text(f"SELECT EXISTS (SELECT FROM runs WHERE status IN {UNFINISHED})")

# Few run at a time, and an index has those alone.
_LOST_WITH_WORKER = Prepared(
    "run_tasks_lost",
    """
SELECT run_id, id::text, worker FROM run_tasks
WHERE state = 'STARTED' AND started_at < now() - CAST(:patience AS float8) * interval '1 second'
  AND worker_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM workers WHERE workers.id = worker_id
                  AND seen_at > now() - CAST(:patience AS float8) * interval '1 second')
LIMIT 500
""",
)

# What runs may end, though nothing of it is left in the broker.
_ELSEWHERE = """
    (SELECT id FROM runs
     WHERE status IN {unfinished} AND epoch {beyond} CAST(:epoch AS text) AND updated_at < now() - {still}
       AND NOT EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND state = 'STARTED')
     ORDER BY epoch LIMIT 50)
"""
_STILL = "interval '5 seconds'"
_LEFT_BEHIND = Prepared(
    "runs_left_behind",
    " UNION ALL ".join(_ELSEWHERE.format(unfinished=UNFINISHED, beyond=beyond, still=_STILL) for beyond in ("<", ">")),
)

# One after another gets its turn, from the oldest on; whoever sweeps next goes on from there.
_NEXT = Prepared(
    "runs_next",
    f"""
WITH sweep AS (
    SELECT place FROM sweeps WHERE rest_until <= now()
), run AS (
    SELECT id, task_id, status, epoch, failed, updated_at, total - settled AS tasks,
        sum(total - settled) OVER (ORDER BY runs.id) - (total - settled) AS before
    FROM (SELECT * FROM runs WHERE status IN {UNFINISHED} AND id > (SELECT place FROM sweep)
          ORDER BY runs.id LIMIT {RUNS}) AS runs
), moved AS (
    UPDATE sweeps
    SET place = CASE WHEN looked.last < {RUNS} AND looked.runs = looked.last THEN 0 ELSE looked.place END,
        rest_until = now() + (looked.runs * {SECONDS_PER_RUN} + looked.tasks * {SECONDS_PER_TASK}) * interval '1 second'
    FROM sweep, (
        SELECT count(*) FILTER (WHERE before < {TASKS}) AS runs, count(*) AS last,
            coalesce(sum(tasks) FILTER (WHERE before < {TASKS}), 0) AS tasks,
            coalesce(max(id) FILTER (WHERE before < {TASKS}), 0) AS place
        FROM run) AS looked
)
SELECT run.id, task_id::text, waiting,
    epoch <> CAST(:epoch AS text) OR failed > 0 OR NOT is_busy
        OR is_unclosed AND updated_at < now() - CAST(:silence AS float8) * interval '1 second' AS is_odd,
    status = 'PENDING' AND NOT has_begun AND updated_at < now() - CAST(:unpublished AS float8) * interval '1 second'
        AS is_untouched
FROM run, LATERAL (
    SELECT coalesce(array_agg(t.id::text) FILTER (WHERE called AND state IN {UNFINISHED}), '{{}}') AS waiting,
        bool_or(called AND NOT closed AND state <> 'SKIPPED') AS is_busy, bool_or(starts > 0) AS has_begun,
        bool_or(NOT closed AND state NOT IN ('PENDING', 'STARTED', 'SKIPPED')) AS is_unclosed
    FROM run_tasks t WHERE run_id = run.id) AS its
WHERE before < {TASKS} AND updated_at < now() - {_STILL}
""",
)

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


def something_waits(connection: Connection) -> bool:
    """Whether there is a run that has not ended."""
    return bool(connection.execute(_WAITS).scalar_one())


def lost_with_worker(connection: Connection, *, patience: float) -> list[dict[str, Any]]:
    """The `run_id`, `id` and `worker` of tasks that run on a worker not seen for `patience` seconds."""
    return _LOST_WITH_WORKER(connection, {"patience": patience})


def left_behind(connection: Connection, *, epoch: str) -> list[int]:
    """Numbers of some runs that another broker took, and in which nothing runs or was recorded for a while."""
    return [row["id"] for row in _LEFT_BEHIND(connection, {"epoch": epoch})]


def next_still(connection: Connection, *, epoch: str, silence: float, unpublished: float) -> list[dict[str, Any]]:
    """Those runs whose turn it is in which nothing was recorded for a while: `id`, `task_id`, and who is `waiting`.

    Those ids are of tasks that were called. `is_untouched`: none has begun within `unpublished` seconds. `is_odd`:
    there may be more to say of it than that some of them have ended.
    """
    return _NEXT(connection, {"epoch": epoch, "silence": silence, "unpublished": unpublished})


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
