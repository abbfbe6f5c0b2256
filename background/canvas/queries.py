"""All SQL of the recorded runs.

Whoever changes a task of a run first locks the run's row (`run`), so that counters and task states agree and no
two writers can wait for each other.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

_RUN_OF_TASK = """
    SELECT runs.id FROM runs JOIN run_tasks ON run_tasks.run_id = runs.id
    WHERE run_tasks.id = :task_id FOR UPDATE OF runs
"""

_CREATE = text("""
WITH run AS (
    INSERT INTO runs (task_id, type, code, edges, result_ids, total)
    VALUES (:task_id, :type, :code, CAST(:edges AS jsonb), CAST(:result_ids AS jsonb), :total)
    RETURNING id
)
INSERT INTO run_tasks (id, run_id, position, task, args, next)
SELECT task.id, run.id, task.position, task.task, task.args, task.next
FROM run, jsonb_to_recordset(CAST(:tasks AS jsonb)) AS task(id uuid, position int, task text, args jsonb, next uuid[])
""")

_DELETE = text("DELETE FROM runs WHERE task_id = :task_id")

_STARTED = text(f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks
    SET state = 'STARTED', starts = starts + 1, worker = :worker, started_at = coalesce(started_at, now())
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id, run_tasks.starts - run_tasks.retries AS deliveries
), change AS (
    UPDATE runs SET status = 'STARTED', updated_at = now() FROM task WHERE runs.id = task.run_id
)
SELECT 'STARTED' AS state, deliveries, NULL AS result FROM task
UNION ALL
SELECT state, 0, result FROM run_tasks, run WHERE run_tasks.id = :task_id AND NOT EXISTS (SELECT FROM task)
""")

_RETRIED = text(f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks SET state = 'RETRY', retries = :retries, error = CAST(:error AS jsonb)
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id
)
UPDATE runs SET status = 'RETRY', updated_at = now() FROM task WHERE runs.id = task.run_id
""")

# A task's end. When it did not succeed, everything that waits for it, near or far, can never run: SKIPPED.
_SETTLED = text(f"""
WITH RECURSIVE run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks
    SET state = :state, result = CAST(:result AS jsonb), error = CAST(:error AS jsonb), finished_at = now()
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY')
    RETURNING run_tasks.run_id, run_tasks.next
), doomed(id) AS (
    SELECT unnest(next) FROM task WHERE :state <> 'SUCCESS'
    UNION
    SELECT unnest(run_tasks.next) FROM doomed JOIN run_tasks ON run_tasks.id = doomed.id
), skipped AS (
    UPDATE run_tasks SET state = 'SKIPPED'
    FROM doomed WHERE run_tasks.id = doomed.id AND run_tasks.state = 'PENDING'
    RETURNING run_tasks.id
), change AS (
    SELECT run_id, 1 + (SELECT count(*) FROM skipped) AS settled, (:state = 'SUCCESS')::int AS succeeded,
           (:state = 'FAILURE')::int AS failed
    FROM task
)
UPDATE runs
SET settled = runs.settled + change.settled, succeeded = runs.succeeded + change.succeeded,
    failed = runs.failed + change.failed, updated_at = now(),
    status = CASE WHEN runs.settled + change.settled < total THEN 'STARTED'
                  WHEN runs.succeeded + change.succeeded = total THEN 'SUCCESS'
                  WHEN runs.failed + change.failed > 0 THEN 'FAILURE' ELSE 'REVOKED' END
FROM change WHERE runs.id = change.run_id
""")

_RUN_COLUMNS = """
    runs.id, runs.task_id, runs.type, runs.status, runs.code, runs.edges, runs.result_ids, runs.total, runs.settled,
    runs.succeeded, runs.created_at, runs.updated_at,
    (SELECT jsonb_agg(to_jsonb(t) - 'run_id' - 'next' ORDER BY t.position) FROM run_tasks t
     WHERE t.run_id = runs.id) AS tasks
"""

_GET = text(f"""
SELECT {_RUN_COLUMNS} FROM runs
WHERE task_id = :task_id OR id = (SELECT run_id FROM run_tasks WHERE run_tasks.id = :task_id)
ORDER BY task_id = :task_id DESC LIMIT 1
""")

_ID_OF = text("SELECT id FROM runs WHERE task_id = :task_id")


def create(
    connection: Connection,
    *,
    task_id: str,
    run_type: str,
    code: str,
    edges: Sequence[tuple[str, str]],
    result_ids: Any,
    tasks: Sequence[dict[str, Any]],
) -> None:
    """Insert a run and its tasks; each of `tasks` has `id`, `task`, `args` and `next`, in order."""
    values = {
        "task_id": task_id,
        "type": run_type,
        "code": code,
        "edges": json.dumps(edges),
        "result_ids": json.dumps(result_ids),
        "total": len(tasks),
        "tasks": json.dumps([{**task, "position": position} for position, task in enumerate(tasks)]),
    }
    connection.execute(_CREATE, values)


def delete(connection: Connection, task_id: str) -> None:
    """Forget a run that the broker did not take."""
    connection.execute(_DELETE, {"task_id": task_id})


def started(connection: Connection, *, task_id: str, worker: str) -> RowMapping | None:
    """A worker has begun the task, unless its end is recorded; gives the `state` it is in now, and its `result`.

    `deliveries` counts how often it began without having asked for it. `None`: it is no task of a run.
    """
    return connection.execute(_STARTED, {"task_id": task_id, "worker": worker}).mappings().one_or_none()


def retried(connection: Connection, *, task_id: str, retries: int, error: str) -> None:
    """The task failed (`error` is JSON text) and will be tried again, for the `retries`-th time."""
    connection.execute(_RETRIED, {"task_id": task_id, "retries": retries, "error": error})


def settled(
    connection: Connection, *, task_id: str, state: str, result: str | None = None, error: str | None = None
) -> None:
    """The task has ended in `state`; `result` and `error` are JSON text. What depends on it is settled with it."""
    connection.execute(_SETTLED, {"task_id": task_id, "state": state, "result": result, "error": error})


def get(connection: Connection, task_id: str) -> RowMapping | None:
    """The run that has this id, or else the run of which a task has it, with its tasks in order."""
    return connection.execute(_GET, {"task_id": task_id}).mappings().one_or_none()


def id_of(connection: Connection, task_id: str) -> int | None:
    """The number of the run with this task id."""
    return connection.execute(_ID_OF, {"task_id": task_id}).scalar_one_or_none()


def find(
    connection: Connection, *, run_type: str | None, status: str | None, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` runs with their tasks, newest first, with numbers below `before`."""
    filters: dict[str, Any] = {"type": run_type, "status": status, "before": before}
    conditions = {"type": "type = :type", "status": "status = :status", "before": "id < :before"}
    chosen = [conditions[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    statement = text(f"SELECT {_RUN_COLUMNS} FROM runs {where} ORDER BY id DESC LIMIT :limit")
    return connection.execute(statement, {**filters, "limit": limit}).mappings().all()
