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

_TASK = """
    'worker_silent', state = 'STARTED' AND worker_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM workers WHERE workers.id = t.worker_id AND seen_at > now() - :patience * interval '1 second')
"""
_RUN_COLUMNS = f"""
    runs.id, runs.task_id, runs.type, runs.code, {_STATUS} AS status, runs.tree, runs.celery, runs.result_ids,
    runs.total, runs.succeeded, runs.cancelled, runs.event_count, runs.created_at, runs.updated_at, now() AS seen_at
"""
_ALL = f"""
    {_RUN_COLUMNS}, runs.canvas,
    (SELECT jsonb_agg(to_jsonb(t) - ARRAY['run_id', 'closed'] || jsonb_build_object({_TASK}) ORDER BY t.position)
     FROM run_tasks t WHERE t.run_id = runs.id) AS tasks
"""
CUT = 1024
"""Characters of a result that a list shows."""
# Of runs that went well their results are enough, of the others what their reason is made of.
_BRIEF = f"""
    {_RUN_COLUMNS}, NULL AS canvas,
    (SELECT jsonb_agg(to_jsonb(t) - ARRAY['run_id', 'closed', 'kwargs'] || jsonb_build_object(
            'result', left(result, {CUT + 1}), 'args', CASE WHEN length(args) <= 200 THEN args ELSE '["…"]' END, {_TASK}
        ) ORDER BY t.position)
     FROM run_tasks t WHERE t.run_id = runs.id
       AND (runs.succeeded < total OR cancelled OR t.id::text IN (
           SELECT each #>> '{{}}' FROM jsonb_path_query(runs.result_ids, '$.**') AS each
           WHERE jsonb_typeof(each) = 'string'))) AS tasks,
    (SELECT min(started_at) FROM run_tasks t WHERE t.run_id = runs.id) AS started_at,
    (SELECT max(finished_at) FROM run_tasks t WHERE t.run_id = runs.id) AS finished_at
"""

_OF = """
    runs.id = coalesce((SELECT id FROM runs WHERE task_id = :task_id),
                       (SELECT run_id FROM run_tasks WHERE id = :task_id),
                       (SELECT run_id FROM run_aliases WHERE id = :task_id))
"""
_GET = text(f"""
SELECT {_ALL}, coalesce((SELECT current FROM run_aliases WHERE id = :task_id), :task_id) AS asked
FROM runs WHERE {_OF}
""")
_NUMBER_OF = text(f"SELECT id, status FROM runs WHERE {_OF}")

# The stored status narrows by an index to what can have the shown one.
_CONDITIONS = {
    "type": "type = :type",
    "status": f"(status = ANY (:statuses) OR 'STARTED' = ANY (:statuses) AND status = 'PENDING')"
    f" AND {_STATUS} = ANY (:statuses)",
    "task": "EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND :task IN (task, split_part(task, '.', -1)))",
    "before": "id < :before",
}


def get(connection: Connection, task_id: str, *, patience: float) -> RowMapping | None:
    """The run that has this id, or else the run of which a task has or had it, with its tasks in order.

    `asked` is the id that stands for it now. `worker_silent` tells of a task that runs whether its worker was not seen
    for `patience` seconds.
    """
    return connection.execute(_GET, {"task_id": task_id, "patience": patience}).mappings().one_or_none()


def number_of(connection: Connection, task_id: str) -> RowMapping | None:
    """The number of the run to which this id leads, as `id`, and its `status`."""
    return connection.execute(_NUMBER_OF, {"task_id": task_id}).mappings().one_or_none()


def find(
    connection: Connection,
    *,
    run_type: str | None = None,
    statuses: Sequence[str] = (),
    task: str | None = None,
    before: int | None = None,
    limit: int,
    patience: float,
    graphs: bool = False,
) -> Sequence[RowMapping]:
    """At most `limit` runs, newest first, with numbers below `before`; with `graphs` as `get` gives them.

    Without, `tasks` has those that the result or the reason of the run needs, and results are cut to `CUT` + 1.
    """
    filters: dict[str, Any] = {"type": run_type, "status": statuses or None, "task": task, "before": before}
    chosen = [_CONDITIONS[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    statement = text(f"SELECT {_ALL if graphs else _BRIEF} FROM runs {where} ORDER BY id DESC LIMIT :limit")
    values = {**filters, "statuses": list(statuses), "limit": limit, "patience": patience}
    return connection.execute(statement, values).mappings().all()
