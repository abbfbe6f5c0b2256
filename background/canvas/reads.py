"""SQL that only reads the recorded runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

# The run may not have been told yet that its first task has begun.
_STATUS = """
    CASE WHEN runs.status = 'PENDING'
              AND EXISTS (SELECT FROM run_tasks t WHERE t.run_id = runs.id AND state = 'STARTED')
         THEN 'STARTED' ELSE runs.status END
"""

_RUN_COLUMNS = f"""
    runs.id, runs.task_id, runs.type, runs.code, {_STATUS} AS status,
    runs.edges, runs.result_ids, runs.total, runs.settled,
    jsonb_path_query_array(runs.canvas, '$.**.on_success.id') AS success_callbacks,
    runs.succeeded, runs.cancelled, runs.event_count, runs.created_at, runs.updated_at, now() AS seen_at,
    (SELECT jsonb_agg(to_jsonb(t) - ARRAY['run_id', 'next', 'errbacks'] || jsonb_build_object(
            'worker_lost', state = 'STARTED' AND worker_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM workers WHERE workers.id = t.worker_id AND seen_at > now() - :patience * interval '1 second'
            )) ORDER BY t.position)
     FROM run_tasks t WHERE t.run_id = runs.id) AS tasks
"""

_GET = text(f"""
SELECT {_RUN_COLUMNS} FROM runs
WHERE task_id = :task_id OR id = (SELECT run_id FROM run_tasks WHERE run_tasks.id = :task_id)
ORDER BY task_id = :task_id DESC LIMIT 1
""")

_ID_OF = text("SELECT id FROM runs WHERE task_id = :task_id")

# The stored status narrows by an index to what can have the shown one.
_CONDITIONS = {
    "type": "type = :type",
    "status": f"(status = :status OR :status = 'STARTED' AND status = 'PENDING') AND {_STATUS} = :status",
    "before": "id < :before",
}


def get(connection: Connection, task_id: str, *, patience: float) -> RowMapping | None:
    """The run that has this id, or else the run of which a task has it, with its tasks in order.

    `worker_lost` tells of a task that runs whether its worker was not seen for `patience` seconds.
    """
    return connection.execute(_GET, {"task_id": task_id, "patience": patience}).mappings().one_or_none()


def id_of(connection: Connection, task_id: str) -> int | None:
    """The number of the run with this task id."""
    return connection.execute(_ID_OF, {"task_id": task_id}).scalar_one_or_none()


def find(
    connection: Connection,
    *,
    run_type: str | None,
    status: str | None,
    before: int | None,
    limit: int,
    patience: float,
) -> Sequence[RowMapping]:
    """At most `limit` runs with their tasks as `get` gives them, newest first, with numbers below `before`."""
    filters: dict[str, Any] = {"type": run_type, "status": status, "before": before}
    chosen = [_CONDITIONS[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    statement = text(f"SELECT {_RUN_COLUMNS} FROM runs {where} ORDER BY id DESC LIMIT :limit")
    return connection.execute(statement, {**filters, "limit": limit, "patience": patience}).mappings().all()
