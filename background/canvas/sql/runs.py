"""SQL that changes the recorded runs.

Whoever changes what a run as a whole shows first locks its row (`run`), so that counters and task states agree and no
two writers can wait for each other. A task is `called` once its message is sent, and `closed` once nothing more will
come of it: neither it nor anything that Celery calls because of it. A run in which all that was called is closed is
quiet; what becomes of it then is decided by `judge`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from background.canvas.states import RUN_FINAL, RunStatus
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT

# Each change of a run has the next number of its counter, which is raised while the run's row is held.
EVENT = "INSERT INTO run_events (run_id, number, kind, task_id)"
UNFINISHED = f"({', '.join(repr(each.value) for each in RunStatus if each not in RUN_FINAL)})"
"""The states of what has not ended, of runs and of tasks, as SQL has them behind IN."""

# After `WITH run AS`.
_INSERT_TASKS = """
, alias AS (
    INSERT INTO run_aliases (id, run_id, current)
    SELECT alias.id, run.id, current
    FROM run, unnest(CAST(CAST(:aliases AS text[]) AS uuid[]), CAST(CAST(:currents AS text[]) AS uuid[]))
        AS alias(id, current)
)
INSERT INTO run_tasks (id, run_id, position, task, args, kwargs, called, due_at, queue)
SELECT task.id, run.id, task.position, task.task, task.args, task.kwargs, task.called, task.due_at, task.queue
FROM run, jsonb_to_recordset(CAST(:tasks AS jsonb)) AS task(
    id uuid, position int, task text, args text, kwargs text, called bool, due_at timestamptz, queue text)
"""

_CREATE = Prepared(
    "run_create",
    f"""
WITH run AS (
    INSERT INTO runs (task_id, type, code, canvas, ids, epoch, tree, result_ids, total, celery)
    VALUES (:task_id, :type, :code, :canvas, CAST(CAST(:ids AS text[]) AS uuid[]), :epoch, CAST(:tree AS json),
            CAST(:result_ids AS jsonb), :total, :celery)
    RETURNING id
), event AS (
    {EVENT} SELECT id, 1, 'created', NULL FROM run
){_INSERT_TASKS}
""",
)
_DELETE = text("DELETE FROM runs WHERE task_id = :task_id")

_DELETE_ENDED = text(f"""
DELETE FROM runs WHERE task_id = :task_id AND status NOT IN {UNFINISHED} RETURNING id
""")

# What runs goes on to its end; the run is over with the last of it. A statement that waits for a lock sees what was so
# before it waited.
_LOCK_TO_CANCEL = text("SELECT FROM runs WHERE task_id = :task_id FOR UPDATE")
_CANCEL = text(f"""
WITH run AS (
    SELECT id FROM runs WHERE task_id = :task_id AND status IN {UNFINISHED} FOR UPDATE
), revoked AS (
    UPDATE run_tasks SET state = 'REVOKED', finished_at = now(), closed = true
    WHERE id = ANY (ARRAY(
        SELECT run_tasks.id FROM run_tasks JOIN run ON run.id = run_id ORDER BY 1 FOR UPDATE OF run_tasks))
      AND state IN ('PENDING', 'RETRY')
    RETURNING id
), change AS (
    SELECT run.id, (SELECT count(*) FROM revoked) AS settled FROM run
), cancelled AS (
    UPDATE runs
    SET cancelled = true, settled = runs.settled + change.settled, event_count = event_count + 1,
        updated_at = {CHANGED_AT}
    FROM change WHERE runs.id = change.id RETURNING runs.id, event_count
)
{EVENT} SELECT id, event_count, 'cancelled', NULL FROM cancelled RETURNING run_id
""")

_SHARED = text("""
SELECT run_aliases.id::text FROM run_aliases JOIN runs ON runs.id = run_id
WHERE run_id = :run_id AND run_aliases.id = ANY (runs.ids)
""")

_LOCK = text("""
SELECT id, task_id, status, tree, cancelled, canvas, ids,
    EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND called AND NOT closed AND state <> 'SKIPPED') AS busy
FROM runs WHERE id = :run_id FOR UPDATE
""")

_STATES = text(
    "SELECT id::text, state, called, parent_id::text FROM run_tasks WHERE run_id = :run_id ORDER BY position"
)

_SKIP = text("""
UPDATE run_tasks SET state = 'SKIPPED'
WHERE id = ANY (ARRAY(SELECT id FROM run_tasks WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE))
  AND state = 'PENDING' AND NOT called
RETURNING id
""")

_TELL = text(f"""
WITH run AS (
    UPDATE runs
    SET status = coalesce(:status, status), event_count = event_count + 1, updated_at = {CHANGED_AT}
    WHERE id = :run_id RETURNING id, event_count
)
{EVENT} SELECT id, event_count, :kind, NULL FROM run
""")

# A run that is tried again gets new ids; the old ones still lead to it.
_LOCK_TASKS = text("SELECT FROM run_tasks WHERE run_id = :run_id ORDER BY id FOR UPDATE")
_FORGET_TASKS = text("DELETE FROM run_tasks WHERE run_id = :run_id AND id <> ALL (CAST(:kept AS uuid[]))")
_ALIAS = text("""
INSERT INTO run_aliases (id, run_id, current)
SELECT old, :run_id, new FROM unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS pair(old, new)
ON CONFLICT (id) DO UPDATE SET current = excluded.current
""")
_FOLLOW = text("""
UPDATE run_aliases SET current = pair.new FROM unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS pair(old, new)
WHERE run_id = :run_id AND current = pair.old
""")

# What had succeeded stays so, and hands its result on when its new message comes. Positions may cross each other.
_KEEP = text("""
UPDATE run_tasks SET id = new, position = -1 - place, called = sent, closed = false, due_at = NULL
FROM unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[]), CAST(:places AS int[]), CAST(:sent AS bool[]))
     AS task(old, new, place, sent)
WHERE run_tasks.id = old
""")
_PLACED = text("UPDATE run_tasks SET position = -1 - position WHERE run_id = :run_id AND position < 0")
_AGAIN = text(f"""
WITH run AS (
    UPDATE runs
    SET task_id = :task_id, code = :code, ids = CAST(:ids AS uuid[]), tree = CAST(:tree AS json), epoch = :epoch,
        result_ids = CAST(:result_ids AS jsonb), total = :total, settled = :succeeded, succeeded = :succeeded,
        failed = 0, cancelled = false, status = 'PENDING', celery = :celery, event_count = event_count + 1,
        updated_at = {CHANGED_AT}
    WHERE id = :run_id RETURNING id, event_count
), event AS (
    {EVENT} SELECT id, event_count, 'run_again', NULL FROM run
){_INSERT_TASKS}
""")


def _task_rows(tasks: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([{**task, "due_at": task["due_at"] and task["due_at"].isoformat()} for task in tasks])


def create(
    connection: Connection, run: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], *, epoch: str | None
) -> None:
    """Insert a run and its tasks.

    A run has `task_id`, `type`, `code`, `canvas` (JSON text), `ids`, `tree`, `result_ids`, `celery` and `aliases`: ids
    that are no task's, each with the one that stands for it. A task has `id`, `position`, `task`, `args` and `kwargs`
    (JSON text), `called`, `due_at` and `queue`.
    """
    _CREATE(connection, {**_values(run, tasks), "epoch": epoch, "total": len(tasks)})


def _values(run: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of a run and of tasks that are to be inserted."""
    aliases = run["aliases"]
    jsons = {"tree": json.dumps(run["tree"]), "result_ids": json.dumps(run["result_ids"]), "tasks": _task_rows(tasks)}
    return {**run, **jsons, "aliases": list(aliases), "currents": list(aliases.values())}


def delete(connection: Connection, task_id: str) -> None:
    """Forget a run that the broker did not take."""
    connection.execute(_DELETE, {"task_id": task_id})


def delete_ended(connection: Connection, task_id: str) -> bool:
    """Forget a run with its tasks and events if it has ended; gives whether it had."""
    return connection.execute(_DELETE_ENDED, {"task_id": task_id}).scalar_one_or_none() is not None


def cancel(connection: Connection, task_id: str) -> int | None:
    """Revoke what has not begun of the run with this id; gives its number if it was still under way."""
    connection.execute(_LOCK_TO_CANCEL, {"task_id": task_id})
    found: int | None = connection.execute(_CANCEL, {"task_id": task_id}).scalar_one_or_none()
    return found


def shared_ids(connection: Connection, number: int) -> Sequence[str]:
    """The ids under which several calls of a task are published now, beside those of groups and chains."""
    return connection.execute(_SHARED, {"run_id": number}).scalars().all()


class LockedRun(NamedTuple):
    """A run that nobody else changes now; `busy`: something was called of which more may come."""

    id: int
    task_id: UUID
    status: str
    tree: dict[str, Any]
    cancelled: bool
    canvas: str | None
    ids: list[UUID]
    busy: bool


class LockedTask(NamedTuple):
    """A task of a locked run; `parent_id` is the task that sent it, where nobody planned it."""

    id: str
    state: str
    called: bool
    parent_id: str | None


def lock(connection: Connection, number: int) -> tuple[LockedRun, list[LockedTask]]:
    """The run, for the rest of the transaction, and its tasks."""
    row = connection.execute(_LOCK, {"run_id": number}).mappings().one()
    tasks = connection.execute(_STATES, {"run_id": number}).mappings()
    return LockedRun(**row), [LockedTask(**task) for task in tasks]


def skip(connection: Connection, ids: Collection[str]) -> bool:
    """Record of tasks which were never called that they can never run; gives whether that is news."""
    return connection.execute(_SKIP, {"ids": list(ids)}).first() is not None


def tell(connection: Connection, number: int, kind: str, *, status: str | None = None) -> None:
    """Number an event of a locked run as a whole, with its new status if it has one."""
    connection.execute(_TELL, {"run_id": number, "kind": kind, "status": status})


def run_again(
    connection: Connection,
    number: int,
    run: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    *,
    renamed: Mapping[str, str],
    kept: Sequence[str],
    epoch: str | None,
) -> None:
    """Let a locked run begin anew with these tasks, as `create` has them.

    `renamed` says which new id stands for which old one; the tasks with the `kept` old ids keep what became of them.
    """
    pairs = {"run_id": number, "old": list(renamed), "new": list(renamed.values())}
    connection.execute(_FOLLOW, pairs)
    connection.execute(_ALIAS, pairs)
    connection.execute(_LOCK_TASKS, {"run_id": number})
    connection.execute(_FORGET_TASKS, {"run_id": number, "kept": list(kept)})
    rows = {task["id"]: task for task in tasks}
    stay = {old: rows.pop(renamed[old]) for old in kept}
    columns = {
        name: [row[key] for row in stay.values()]
        for name, key in (("new", "id"), ("places", "position"), ("sent", "called"))
    }
    connection.execute(_KEEP, {"old": list(stay), **columns})
    connection.execute(_PLACED, {"run_id": number})
    counts = {"total": len(tasks), "succeeded": len(stay), "run_id": number, "epoch": epoch}
    connection.execute(_AGAIN, {**_values(run, list(rows.values())), **counts})
