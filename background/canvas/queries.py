"""SQL that changes the recorded runs.

Whoever changes a task of a run first locks the run's row (`run`), so that counters and task states agree and no
two writers can wait for each other.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from background.database import Prepared

LOST = "Lost"
"""Type of the error of a task that will not come any more; if it does, it goes on."""

# Each change of a run has the next number of its counter, which is raised while the run's row is held.
_EVENT = "INSERT INTO run_events (run_id, number, kind, task_id)"

_RUN_OF_TASK = """
    SELECT runs.id FROM runs JOIN run_tasks ON run_tasks.run_id = runs.id
    WHERE run_tasks.id = :task_id FOR UPDATE OF runs
"""

_CREATE = text(f"""
WITH run AS (
    INSERT INTO runs (task_id, type, code, canvas, epoch, edges, result_ids, total)
    VALUES (:task_id, :type, :code, CAST(:canvas AS jsonb), :epoch, CAST(:edges AS jsonb), CAST(:result_ids AS jsonb),
            :total)
    RETURNING id
), event AS (
    {_EVENT} SELECT id, 1, 'created', NULL FROM run
)
INSERT INTO run_tasks (id, run_id, position, task, args, next, on_error, errbacks)
SELECT task.id, run.id, task.position, task.task, task.args, task.next, task.on_error,
       coalesce(task.errbacks, array_remove(ARRAY[task.on_error], NULL))
FROM run, jsonb_to_recordset(CAST(:tasks AS jsonb)) AS task(
    id uuid, position int, task text, args jsonb, next uuid[], on_error uuid, errbacks uuid[])
""")

_DELETE = text("DELETE FROM runs WHERE task_id = :task_id")

_STARTED = Prepared(
    "run_task_started",
    f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks
    SET state = 'STARTED', starts = starts + 1, worker = :worker, worker_id = :worker_id,
        started_at = coalesce(started_at, now())
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id, run_tasks.starts - run_tasks.retries AS deliveries
), change AS (
    UPDATE runs SET status = 'STARTED', event_count = event_count + 1, updated_at = now()
    FROM task WHERE runs.id = task.run_id
    RETURNING id, event_count
), event AS (
    {_EVENT} SELECT id, event_count, 'started', CAST(:task_id AS uuid) FROM change
)
SELECT 'STARTED' AS state, deliveries, NULL AS result, NULL AS error FROM task
UNION ALL
SELECT state, 0, result, error FROM run_tasks, run WHERE run_tasks.id = :task_id AND NOT EXISTS (SELECT FROM task)
""",
)

# Without its run's row, which would be most of the work: a task of which nothing is known yet is nobody else's.
_BEGUN = Prepared(
    "run_task_begun",
    """
UPDATE run_tasks SET state = 'STARTED', starts = 1, worker = :worker, worker_id = :worker_id, started_at = now()
WHERE id = :task_id AND state = 'PENDING' AND starts = 0
RETURNING id
""",
)

_RETRIED = text(f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks SET state = 'RETRY', retries = :retries, error = CAST(:error AS jsonb)
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id
), change AS (
    UPDATE runs SET status = 'RETRY', event_count = event_count + 1, updated_at = now()
    FROM task WHERE runs.id = task.run_id
    RETURNING id, event_count
)
{_EVENT} SELECT id, event_count, 'retried', CAST(:task_id AS uuid) FROM change
""")

# A task's end. When it did not succeed, everything that waits for it, near or far, can never run: SKIPPED. So is its
# error callback when it did, which is as good as done; nobody calls that of a task that was lost or revoked. Celery
# calls that of a chord's body when a task of the header fails, though the body itself never runs.
# OFFSET 0: they are looked up one by one; the planner expects many, and would read the whole table instead.
_SETTLED = Prepared(
    "run_task_settled",
    f"""
WITH RECURSIVE run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks
    SET state = :state, result = CAST(:result AS jsonb), error = CAST(:error AS jsonb), finished_at = now()
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id, run_tasks.next, run_tasks.on_error,
        CASE WHEN :state = 'FAILURE' AND CAST(:error AS jsonb) ->> 'type' <> '{LOST}' THEN errbacks
             ELSE '{{}}' END AS called
), doomed(id) AS (
    SELECT unnest(CASE :state WHEN 'SUCCESS' THEN ARRAY[on_error] ELSE next || on_error END) FROM task
    UNION
    SELECT unnest(after.next || after.on_error) FROM doomed CROSS JOIN task CROSS JOIN LATERAL (
        SELECT next, on_error FROM run_tasks WHERE run_tasks.id = doomed.id AND doomed.id <> ALL (called) OFFSET 0
    ) AS after
), skipped AS (
    UPDATE run_tasks SET state = 'SKIPPED'
    WHERE id = ANY (ARRAY(SELECT id FROM doomed, task WHERE id <> ALL (called))) AND state = 'PENDING'
    RETURNING id
), change AS (
    SELECT run_id, 1 + (SELECT count(*) FROM skipped) AS settled,
           CASE :state WHEN 'SUCCESS' THEN 1 + (SELECT count(*) FROM skipped) ELSE 0 END AS succeeded,
           (:state = 'FAILURE')::int AS failed
    FROM task
), ended AS (
    UPDATE runs
    SET settled = runs.settled + change.settled, succeeded = runs.succeeded + change.succeeded,
        failed = runs.failed + change.failed, event_count = event_count + 1, updated_at = now(),
        status = CASE WHEN runs.settled + change.settled < total THEN 'STARTED'
                      WHEN runs.succeeded + change.succeeded = total THEN 'SUCCESS'
                      WHEN cancelled THEN 'REVOKED'
                      WHEN runs.failed + change.failed > 0 THEN 'FAILURE' ELSE 'REVOKED' END
    FROM change WHERE runs.id = change.run_id
    RETURNING id, event_count
)
{_EVENT} SELECT id, event_count, lower(:state), CAST(:task_id AS uuid) FROM ended
""",
)

# What was begun and what succeeded in many runs, which are locked in the order of their numbers. `kinds` are those of
# events; `ages`: seconds since each change.
_CHANGED = Prepared(
    "run_tasks_changed",
    """
WITH change AS (
    SELECT *, (SELECT run_id FROM run_tasks WHERE run_tasks.id = task_id)
    FROM unnest(CAST(CAST(:task_ids AS text[]) AS uuid[]), CAST(:kinds AS text[]), CAST(:results AS text[]),
                CAST(:ages AS float8[])) WITH ORDINALITY AS change(task_id, kind, result, age, place)
), run AS (
    SELECT id FROM runs WHERE id = ANY (ARRAY(SELECT run_id FROM change)) ORDER BY id FOR UPDATE
), task AS (
    UPDATE run_tasks
    SET state = 'SUCCESS', result = CAST(change.result AS jsonb), error = NULL,
        finished_at = now() - age * interval '1 second'
    FROM change, run
    WHERE run_tasks.id = ANY (CAST(CAST(:task_ids AS text[]) AS uuid[])) AND run_tasks.id = task_id
      AND run.id = run_tasks.run_id AND kind = 'success' AND state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING place
), valid AS (
    SELECT run.id AS run_id, kind, task_id, place, age FROM change JOIN run ON run.id = run_id
    WHERE kind = 'started' OR place IN (SELECT place FROM task)
), counted AS (
    SELECT run_id, count(*) AS number, count(*) FILTER (WHERE kind = 'success') AS succeeded FROM valid GROUP BY run_id
), changed AS (
    UPDATE runs
    SET settled = settled + counted.succeeded, succeeded = runs.succeeded + counted.succeeded,
        event_count = event_count + number, updated_at = now(),
        status = CASE WHEN settled + counted.succeeded < total THEN 'STARTED'
                      WHEN runs.succeeded + counted.succeeded = total THEN 'SUCCESS'
                      WHEN cancelled THEN 'REVOKED'
                      WHEN failed > 0 THEN 'FAILURE' ELSE 'REVOKED' END
    FROM counted WHERE runs.id = counted.run_id
    RETURNING id, event_count - number AS before
)
INSERT INTO run_events (run_id, number, kind, task_id, at)
SELECT run_id, before + row_number() OVER (PARTITION BY run_id ORDER BY place), kind, task_id,
       now() - age * interval '1 second'
FROM valid JOIN changed ON changed.id = run_id
""",
)

# A lost task has come after all. What was skipped because of it waits again, unless something else failed, too.
_REVIVE = text(f"""
WITH RECURSIVE run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks SET state = 'PENDING', error = NULL, finished_at = NULL
    FROM run WHERE run_tasks.id = :task_id AND state = 'FAILURE' AND error ->> 'type' = 'Lost'
    RETURNING run_tasks.run_id, run_tasks.next, run_tasks.on_error
), freed(id) AS (
    SELECT unnest(next || on_error) FROM task
    UNION
    SELECT unnest(run_tasks.next || run_tasks.on_error) FROM freed JOIN run_tasks ON run_tasks.id = freed.id
), doomed(id) AS (
    SELECT unnest(next) FROM run_tasks JOIN run ON run.id = run_id
    WHERE run_tasks.id <> :task_id AND state IN ('FAILURE', 'REVOKED')
    UNION
    SELECT unnest(run_tasks.next || run_tasks.on_error) FROM doomed JOIN run_tasks ON run_tasks.id = doomed.id
), waiting AS (
    UPDATE run_tasks SET state = 'PENDING'
    WHERE id = ANY (ARRAY(SELECT id FROM freed EXCEPT SELECT id FROM doomed)) AND state = 'SKIPPED'
    RETURNING id
), change AS (
    UPDATE runs
    SET settled = settled - 1 - (SELECT count(*) FROM waiting), failed = failed - 1, status = 'STARTED',
        event_count = event_count + 1, updated_at = now()
    FROM task WHERE runs.id = task.run_id
    RETURNING id, event_count
)
{_EVENT} SELECT id, event_count, 'found', CAST(:task_id AS uuid) FROM change
""")

# What runs goes on to its end; the run is over with the last of it.
_CANCEL = text(f"""
WITH run AS (
    SELECT id FROM runs WHERE task_id = :task_id AND status IN ('PENDING', 'STARTED', 'RETRY') FOR UPDATE
), revoked AS (
    UPDATE run_tasks SET state = 'REVOKED', finished_at = now()
    FROM run WHERE run_id = run.id AND state IN ('PENDING', 'RETRY')
    RETURNING run_tasks.id
), change AS (
    SELECT run.id, (SELECT count(*) FROM revoked) AS settled FROM run
), cancelled AS (
    UPDATE runs
    SET cancelled = true, settled = runs.settled + change.settled, event_count = event_count + 1, updated_at = now(),
        status = CASE WHEN runs.settled + change.settled = total THEN 'REVOKED' ELSE status END
    FROM change WHERE runs.id = change.id RETURNING runs.id, event_count
)
{_EVENT} SELECT id, event_count, 'cancelled', NULL FROM cancelled RETURNING run_id
""")

_RESET = text(f"""
WITH run AS (
    SELECT id FROM runs
    WHERE task_id = :task_id AND status IN ('FAILURE', 'REVOKED') AND canvas IS NOT NULL FOR UPDATE
), task AS (
    UPDATE run_tasks
    SET state = 'PENDING', starts = 0, retries = 0, error = NULL, result = NULL, worker = NULL, worker_id = NULL,
        started_at = NULL, finished_at = NULL
    FROM run WHERE run_id = run.id AND state <> 'SUCCESS'
      AND NOT EXISTS (SELECT FROM run_tasks other WHERE other.on_error = run_tasks.id AND other.state = 'SUCCESS')
), change AS (
    UPDATE runs
    SET status = 'PENDING', settled = succeeded, failed = 0, cancelled = false, epoch = :epoch,
        event_count = event_count + 1, updated_at = now()
    FROM run WHERE runs.id = run.id RETURNING runs.id, event_count, canvas
), event AS (
    {_EVENT} SELECT id, event_count, 'run_again', NULL FROM change
)
SELECT canvas FROM change
""")

_HAND_BACK = text("""
UPDATE run_tasks SET state = 'PENDING', worker = NULL, worker_id = NULL
WHERE worker_id = :worker_id AND state = 'STARTED'
""")


def create(
    connection: Connection,
    *,
    task_id: str,
    run_type: str,
    code: str,
    canvas: dict[str, Any],
    epoch: str | None,
    edges: Sequence[tuple[str, str]],
    result_ids: Any,
    tasks: Sequence[dict[str, Any]],
) -> None:
    """Insert a run and its tasks, in order: `id`, `task`, `args`, `next`, and `on_error` and `errbacks` if any."""
    values = {
        "task_id": task_id,
        "type": run_type,
        "code": code,
        "canvas": json.dumps(canvas),
        "epoch": epoch,
        "edges": json.dumps(edges),
        "result_ids": json.dumps(result_ids),
        "total": len(tasks),
        "tasks": json.dumps([{**task, "position": position} for position, task in enumerate(tasks)]),
    }
    connection.execute(_CREATE, values)


def delete(connection: Connection, task_id: str) -> None:
    """Forget a run that the broker did not take."""
    connection.execute(_DELETE, {"task_id": task_id})


def started(connection: Connection, *, task_id: str, worker: str, worker_id: str) -> dict[str, Any] | None:
    """A worker has begun the task, unless its end is recorded; gives the `state` it is in now, and its `result`.

    One that was thought to be lost goes on. `deliveries` counts how often it began without having asked for it.
    `None`: it is no task of a run.
    """
    values = {"task_id": task_id, "worker": worker, "worker_id": worker_id}
    row = next(iter(_STARTED(connection, values)), None)
    if row is not None and row["error"] is not None and row["error"]["type"] == LOST:
        connection.execute(_REVIVE, {"task_id": task_id})
        row = next(iter(_STARTED(connection, values)), None)
    return row


def cancel(connection: Connection, task_id: str) -> bool:
    """Revoke what has not begun of the run with this id; gives whether it was still under way."""
    return connection.execute(_CANCEL, {"task_id": task_id}).scalar_one_or_none() is not None


def reset(connection: Connection, task_id: str, *, epoch: str | None) -> dict[str, Any] | None:
    """Make what did not succeed of a FAILURE or REVOKED run PENDING again; gives its tree, `None` if it is neither."""
    return connection.execute(_RESET, {"task_id": task_id, "epoch": epoch}).scalar_one_or_none()


def hand_back(connection: Connection, worker_id: str) -> None:
    """What this worker ran waits for another."""
    connection.execute(_HAND_BACK, {"worker_id": worker_id})


def retried(connection: Connection, *, task_id: str, retries: int, error: str) -> None:
    """The task failed (`error` is JSON text) and will be tried again, for the `retries`-th time."""
    connection.execute(_RETRIED, {"task_id": task_id, "retries": retries, "error": error})


def settled(
    connection: Connection, *, task_id: str, state: str, result: str | None = None, error: str | None = None
) -> None:
    """The task has ended in `state`; `result` and `error` are JSON text. What depends on it is settled with it."""
    _SETTLED(connection, {"task_id": task_id, "state": state, "result": result, "error": error})


def begun(connection: Connection, *, task_id: str, worker: str, worker_id: str) -> bool:
    """A worker has begun the task for the first time, which `changed` is to tell its run. If false, ask `started`."""
    return bool(_BEGUN(connection, {"task_id": task_id, "worker": worker, "worker_id": worker_id}))


def changed(
    connection: Connection, *, task_ids: list[str], kinds: list[str], results: list[str | None], ages: list[float]
) -> None:
    """These tasks, for which nothing waits, have changed `ages` seconds ago, in this order.

    The kinds are `started`, after `begun`, and `success` with a result (JSON text).
    """
    _CHANGED(connection, {"task_ids": task_ids, "kinds": kinds, "results": results, "ages": ages})
