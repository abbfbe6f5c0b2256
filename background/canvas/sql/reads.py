"""SQL that only reads the recorded runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from background.storage.prepared import Prepared
from background.storage.rows import typed

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
_GET = Prepared(
    "run_get",
    f"""
SELECT {_ALL}, coalesce((SELECT current FROM run_aliases WHERE id = :task_id), :task_id) AS asked
FROM runs WHERE {_OF}
""",
)
_NUMBER_OF = text(f"SELECT id FROM runs WHERE {_OF}")
# A retry gives new ids; what happened before happened to the tasks that have these now.
_HISTORY = text("""
SELECT * FROM (
    SELECT number, kind, at, coalesce(current, task_id) AS task_id, worker
    FROM run_events LEFT JOIN run_aliases ON run_aliases.id = task_id
    WHERE run_events.run_id = :run_id ORDER BY number DESC LIMIT :most
) AS newest ORDER BY number
""")

# The stored status narrows by an index to what can have the shown one.
_CONDITIONS = {
    "type": "type = :type",
    "status": f"(status = ANY (:statuses) OR 'STARTED' = ANY (:statuses) AND status = 'PENDING')"
    f" AND {_STATUS} = ANY (:statuses)",
    "task": "EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND :task IN (task, split_part(task, '.', -1)))",
    "before": "id < :before",
}


class StoredTask(NamedTuple):
    """A task of a run, as `models.run_tasks` has it; times as JSON has them.

    `worker_silent` tells of one that runs whether its worker has not been seen for a while.
    """

    id: str
    position: int
    task: str
    args: str
    state: str
    called: bool
    result: str | None
    error: dict[str, Any] | None
    retries: int
    starts: int
    worker: str | None
    worker_id: str | None
    due_at: str | None
    queue: str | None
    started_at: str | None
    finished_at: str | None
    parent_id: str | None
    worker_silent: bool
    kwargs: str = "{}"


class StoredRun(NamedTuple):
    """A run with its `tasks` in order; `canvas` and `result_ids` are as they were stored.

    In lists those tasks alone that its result or its reason needs, and the times of all. `asked` is the id that now
    stands for the one by which it was looked for.
    """

    id: int
    task_id: UUID
    type: str
    code: str
    status: str
    tree: dict[str, Any]
    celery: str | None
    result_ids: Any
    total: int
    succeeded: int
    cancelled: bool
    event_count: int
    created_at: datetime
    updated_at: datetime
    seen_at: datetime
    canvas: str | None
    tasks: list[StoredTask]
    started_at: datetime | None = None
    finished_at: datetime | None = None
    asked: UUID | None = None


def _stored(row: Mapping[str, Any]) -> StoredRun:
    return StoredRun(**{**row, "tasks": [typed(StoredTask, task) for task in row["tasks"] or ()]})


def get(connection: Connection, task_id: str, *, patience: float) -> StoredRun | None:
    """The run that has this id, or else the run of which a task has or had it.

    A worker is silent when it was not seen for `patience` seconds.
    """
    row = next(iter(_GET(connection, {"task_id": task_id, "patience": patience})), None)
    return None if row is None else _stored(row)


def number_of(connection: Connection, task_id: str) -> int | None:
    """The number of the run to which this id leads."""
    found: int | None = connection.execute(_NUMBER_OF, {"task_id": task_id}).scalar_one_or_none()
    return found


class StoredEvent(NamedTuple):
    """A change of a run, as `models.run_events` has it, with the id that its task has now."""

    number: int
    kind: str
    at: datetime
    task_id: UUID | None
    worker: str | None


def history(connection: Connection, number: int, *, most: int) -> list[StoredEvent]:
    """The newest events of a run, at most so many, oldest first."""
    rows = connection.execute(_HISTORY, {"run_id": number, "most": most}).mappings()
    return [StoredEvent(**row) for row in rows]


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
) -> list[StoredRun]:
    """At most `limit` runs, newest first, with numbers below `before`; with `graphs` as `get` gives them.

    Without, `tasks` has those that the result or the reason of the run needs, and results are cut to `CUT` + 1.
    """
    filters: dict[str, Any] = {"type": run_type, "status": statuses or None, "task": task, "before": before}
    chosen = [_CONDITIONS[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    statement = text(f"SELECT {_ALL if graphs else _BRIEF} FROM runs {where} ORDER BY id DESC LIMIT :limit")
    values = {**filters, "statuses": list(statuses), "limit": limit, "patience": patience}
    return [_stored({**row}) for row in connection.execute(statement, values).mappings()]
