"""SQL that writes what happens to tasks of recorded runs (see `runs`); what follows for a run `judge` decides."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from background.canvas.sql.runs import EVENT, UNFINISHED
from background.canvas.states import LOST
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT

_RUN_OF_TASK = """
    SELECT runs.id, task_id, cancelled FROM runs JOIN run_tasks ON run_tasks.run_id = runs.id
    WHERE run_tasks.id = :task_id FOR UPDATE OF runs
"""

# What had ended goes on when it begins all the same: one that was taken for lost, or that nobody expected any more. The
# task's row is locked, too, so that its state is that of now. A start that may be known was told when it was recorded.
_STARTED = Prepared(
    "run_task_started",
    f"""
WITH run AS (
    SELECT runs.id, state, result, error, closed FROM runs JOIN run_tasks ON run_tasks.run_id = runs.id
    WHERE run_tasks.id = :task_id FOR UPDATE OF runs, run_tasks
), task AS (
    UPDATE run_tasks
    SET state = 'STARTED', worker = :worker, worker_id = :worker_id, called = true, closed = false, due_at = NULL,
        starts = greatest(:retries + 1, starts + CASE WHEN CAST(:may_be_known AS bool) AND run_tasks.state = 'STARTED'
                                                           AND worker_id = :worker_id THEN 0 ELSE 1 END),
        retries = greatest(retries, :retries),
        started_at = least(started_at, now() - CAST(:age AS float8) * interval '1 second')
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN ('PENDING', 'STARTED', 'RETRY', 'SKIPPED')
    RETURNING run_tasks.run_id, starts, starts - retries AS deliveries
), change AS (
    UPDATE runs SET status = 'STARTED', event_count = event_count + 1, updated_at = {CHANGED_AT}
    FROM task
    WHERE runs.id = task.run_id
      AND (NOT CAST(:may_be_known AS bool)
           OR starts > (SELECT count(*) FROM run_events
                        WHERE run_id = runs.id AND task_id = CAST(:task_id AS uuid) AND kind = 'started'))
    RETURNING id, event_count
), event AS (
    INSERT INTO run_events (run_id, number, kind, task_id, at, worker)
    SELECT id, event_count, 'started', CAST(:task_id AS uuid), now() - CAST(:age AS float8) * interval '1 second',
        :worker
    FROM change
)
SELECT 'STARTED' AS state, deliveries, NULL AS result, NULL AS error, false AS closed FROM task
UNION ALL
SELECT state, 0, result, error, closed FROM run WHERE NOT EXISTS (SELECT FROM task)
""",
)

# Without its run's row, which would be most of the work: a task of which nothing is known yet is nobody else's.
_STARTED_FIRST = Prepared(
    "run_task_started_first",
    """
UPDATE run_tasks
SET state = 'STARTED', starts = 1, worker = :worker, worker_id = :worker_id, called = true, started_at = now(),
    due_at = NULL
WHERE id = :task_id AND state = 'PENDING' AND starts = 0
RETURNING id
""",
)

_RETRIED = text(f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks SET state = 'RETRY', retries = :retries, error = CAST(:error AS jsonb), queue = :queue
    FROM run WHERE run_tasks.id = :task_id AND run_tasks.state IN {UNFINISHED}
    RETURNING run_tasks.run_id
), change AS (
    UPDATE runs SET status = 'RETRY', event_count = event_count + 1, updated_at = {CHANGED_AT}
    FROM task WHERE runs.id = task.run_id
    RETURNING id, event_count
)
{EVENT} SELECT id, event_count, 'retried', CAST(:task_id AS uuid) FROM change
RETURNING (SELECT task_id::text FROM run WHERE cancelled)
""")

# A run in which all have succeeded is over, and one in which something goes on is not. Else `judge` decides, or has.
_STATUS = f"""
CASE WHEN settled + {{settled}} < total OR {{is_open}} THEN 'STARTED'
     WHEN runs.succeeded + {{succeeded}} = total AND NOT cancelled THEN 'SUCCESS'
     WHEN runs.status IN {UNFINISHED} THEN 'STARTED' ELSE runs.status END
"""

# No EXISTS, here and below: PostgreSQL might answer that by a table of all tasks of all runs.
_OTHERS_OPEN = """
((SELECT t.id FROM run_tasks t WHERE t.run_id = runs.id AND t.called AND NOT t.closed
  AND t.id <> ALL (CAST(CAST(:task_ids AS text[]) AS uuid[])) LIMIT 1) IS NOT NULL)
"""
# What was begun and what ended in many runs, which are locked in the order of their numbers. `kinds` are those of
# events; `ages`: seconds since each change, from which its time comes but roughly. One that is stopped between two
# tries keeps what the last one failed of.
_CHANGED = Prepared(
    "run_tasks_changed",
    f"""
WITH change AS (
    SELECT *, (SELECT run_id FROM run_tasks WHERE run_tasks.id = task_id)
    FROM unnest(CAST(CAST(:task_ids AS text[]) AS uuid[]), CAST(:kinds AS text[]), CAST(:results AS text[]),
                CAST(:ages AS float8[]), CAST(:are_open AS bool[]))
         WITH ORDINALITY AS change(task_id, kind, result, age, is_open, place)
), run AS (
    SELECT id FROM runs WHERE id = ANY (ARRAY(SELECT run_id FROM change)) ORDER BY id FOR UPDATE
), task AS (
    UPDATE run_tasks
    SET state = upper(kind), finished_at = greatest(started_at, now() - age * interval '1 second'), called = true,
        closed = NOT is_open,
        result = CASE kind WHEN 'success' THEN change.result END,
        error = CASE WHEN kind <> 'success' THEN CAST(change.result AS jsonb)
            || CASE WHEN state = 'RETRY' THEN jsonb_build_object('last', error) ELSE '{{}}' END END
    FROM change, run
    WHERE run_tasks.id = ANY (CAST(CAST(:task_ids AS text[]) AS uuid[])) AND run_tasks.id = task_id
      AND run.id = run_tasks.run_id AND kind <> 'started' AND state IN {UNFINISHED}
    RETURNING place
), valid AS (
    SELECT run.id AS run_id, kind, task_id, place, age, is_open FROM change JOIN run ON run.id = run_id
    WHERE kind = 'started' OR place IN (SELECT place FROM task)
), counted AS (
    SELECT run_id, count(*) AS number, count(*) FILTER (WHERE kind <> 'started') AS ended,
        count(*) FILTER (WHERE kind = 'success') AS succeeded, count(*) FILTER (WHERE kind = 'failure') AS failed,
        bool_or(is_open) AS some_open
    FROM valid GROUP BY run_id
), changed AS (
    UPDATE runs
    SET settled = settled + counted.ended, succeeded = runs.succeeded + counted.succeeded,
        failed = runs.failed + counted.failed, event_count = event_count + number, updated_at = {CHANGED_AT},
        status = {
        _STATUS.format(settled="counted.ended", succeeded="counted.succeeded", is_open=f"some_open OR {_OTHERS_OPEN}")
    }
    FROM counted WHERE runs.id = counted.run_id
    RETURNING id, event_count - number AS before, status = 'STARTED' AND counted.ended > 0 AND NOT some_open AS is_open
), event AS (
    INSERT INTO run_events (run_id, number, kind, task_id, at, worker)
    SELECT run_id, before + row_number() OVER (PARTITION BY run_id ORDER BY place), kind, task_id,
           now() - age * interval '1 second',
           CASE kind WHEN 'started' THEN (SELECT worker FROM run_tasks WHERE run_tasks.id = task_id) END
    FROM valid JOIN changed ON changed.id = run_id
)
SELECT id FROM changed WHERE is_open
""",
)

# What a task has called, and that nothing more will come of it. Rows are locked in their order, as by all who do this.
_CLOSED = Prepared(
    "run_tasks_closed",
    """
WITH called AS (
    SELECT id, due_at, queue
    FROM unnest(CAST(CAST(:called AS text[]) AS uuid[]), CAST(:due AS timestamptz[]), CAST(:queues AS text[]))
        AS called(id, due_at, queue)
), locked AS (
    SELECT id, run_id FROM run_tasks
    WHERE id = ANY (CAST(CAST(:closed AS text[]) AS uuid[]) || ARRAY(SELECT id FROM called))
    ORDER BY run_tasks.id FOR UPDATE
), task AS (
    UPDATE run_tasks
    SET called = run_tasks.called OR called.id IS NOT NULL,
        closed = run_tasks.closed OR run_tasks.id = ANY (CAST(CAST(:closed AS text[]) AS uuid[])),
        state = CASE WHEN called.id IS NOT NULL AND state = 'SKIPPED' THEN 'PENDING' ELSE state END,
        due_at = CASE WHEN starts = 0 THEN coalesce(called.due_at, run_tasks.due_at) END,
        queue = CASE WHEN called.id IS NOT NULL THEN called.queue ELSE run_tasks.queue END
    FROM locked LEFT JOIN called USING (id) WHERE run_tasks.id = locked.id
)
SELECT id::text, run_id FROM locked
""",
)

_NOT_STARTED = text("UPDATE run_tasks SET starts = starts - 1 WHERE id = :task_id AND state = 'STARTED'")

_REPLACED = text(f"""
WITH run AS ({_RUN_OF_TASK})
UPDATE run_tasks SET state = 'PENDING', starts = 0, closed = false, called = :called, queue = :queue
FROM run WHERE run_tasks.id = :task_id AND state = 'STARTED'
RETURNING CASE WHEN cancelled THEN run.task_id::text END
""")

# A lost task has come after all. What was skipped may run now; `judge` tells again what can not.
_REVIVE = text(f"""
WITH run AS ({_RUN_OF_TASK}), task AS (
    UPDATE run_tasks SET state = 'PENDING', error = NULL, finished_at = NULL, closed = false
    FROM run WHERE run_tasks.id = :task_id AND state = 'FAILURE' AND error ->> 'type' = '{LOST}'
    RETURNING run_tasks.run_id
), waiting AS (
    UPDATE run_tasks SET state = 'PENDING' FROM task WHERE run_tasks.run_id = task.run_id AND state = 'SKIPPED'
), change AS (
    UPDATE runs
    SET settled = settled - 1, failed = failed - 1, status = 'STARTED', event_count = event_count + 1,
        updated_at = {CHANGED_AT}
    FROM task WHERE runs.id = task.run_id
    RETURNING id, event_count
)
{EVENT} SELECT id, event_count, 'found', CAST(:task_id AS uuid) FROM change RETURNING run_id
""")

_TO_JUDGE = Prepared(
    "run_to_judge",
    f"""
SELECT id FROM runs
WHERE id = ANY (CAST(:runs AS bigint[])) AND status IN {UNFINISHED} AND (settled > succeeded OR (
    SELECT id FROM run_tasks WHERE run_id = runs.id AND called AND NOT closed AND state <> 'SKIPPED' LIMIT 1) IS NULL)
ORDER BY id
""",
)


class Started(NamedTuple):
    """The `state` in which a task is now, and its `result` (JSON text) and `error` if it had ended.

    `closed`: nothing more comes of it. `deliveries` counts how often it began without having asked for it. `revived` is
    the number of its run, where it was thought to be lost.
    """

    state: str
    deliveries: int
    result: str | None
    error: dict[str, Any] | None
    closed: bool = False
    revived: int | None = None


class Call(NamedTuple):
    """When a task that was called is due, if that is later, and where it waits, if not in the usual queue."""

    due_at: datetime | None = None
    queue: str | None = None


def started(
    connection: Connection,
    *,
    task_id: str,
    worker: str,
    worker_id: str,
    retries: int = 0,
    age: float = 0,
    may_be_known: bool = False,
) -> Started | None:
    """A worker has begun the task `age` seconds ago, unless its end is recorded. `None`: it is no task of a run.

    It was its first try, or that after so many `retries`. `may_be_known`: this start may be recorded already.
    """
    values: dict[str, Any] = {"task_id": task_id, "worker": worker, "worker_id": worker_id}
    values |= {"retries": retries, "age": age, "may_be_known": may_be_known}
    row = next(iter(_STARTED(connection, values)), None)
    revived = None
    if row is not None and row["error"] is not None and row["error"]["type"] == LOST:
        revived = revive(connection, task_id)
        row = next(iter(_STARTED(connection, values)), None)
    return None if row is None else Started(**row, revived=revived)


def revive(connection: Connection, task_id: str) -> int | None:
    """A task that was taken for lost, if it was, is not; gives the number of its run then."""
    found: int | None = connection.execute(_REVIVE, {"task_id": task_id}).scalar_one_or_none()
    return found


def not_started(connection: Connection, task_id: str) -> None:
    """Take a start of the task back: its message has come, and it is not started once more."""
    connection.execute(_NOT_STARTED, {"task_id": task_id})


def replaced(connection: Connection, task_id: str, *, called: bool, queue: str | None) -> str | None:
    """The task has put another in its place, which comes under its id; `called`: it was sent, into that `queue`.

    Gives the id of its run, if that was cancelled.
    """
    values = {"task_id": task_id, "called": called, "queue": queue}
    return connection.execute(_REPLACED, values).scalar_one_or_none()


def retried(connection: Connection, *, task_id: str, retries: int, error: str, queue: str | None = None) -> str | None:
    """The task failed (`error` is JSON text) and will be tried again, for the `retries`-th time, from that `queue`.

    Gives the id of its run, if that was cancelled.
    """
    values = {"task_id": task_id, "retries": retries, "error": error, "queue": queue}
    return connection.execute(_RETRIED, values).scalar_one_or_none()


def started_first(connection: Connection, *, task_id: str, worker: str, worker_id: str) -> bool:
    """A worker has begun the task for the first time, which `changed` is to tell its run. If false, ask `started`."""
    return bool(_STARTED_FIRST(connection, {"task_id": task_id, "worker": worker, "worker_id": worker_id}))


def changed(
    connection: Connection,
    *,
    task_ids: list[str],
    kinds: list[str],
    results: list[str | None],
    ages: list[float],
    are_open: list[bool],
) -> list[int]:
    """Record that these tasks have changed `ages` seconds ago, in this order.

    The kinds are `started`, after `started_first`, and `success`, `failure` and `revoked` with a result or error (JSON
    text), which close those that are not `open`. Gives the numbers of the runs that have not ended by that and may have
    to be judged.
    """
    values = {"task_ids": task_ids, "kinds": kinds, "results": results, "ages": ages, "are_open": are_open}
    rows = _CHANGED(connection, values)
    return [row["id"] for row in rows]


def closed(
    connection: Connection, *, closed: Sequence[str] = (), called: Mapping[str, Call] | None = None
) -> list[int]:
    """Record that tasks are called, and that nothing more comes of the `closed` ones; gives their runs."""
    calls = dict(called or {})
    values = {"due": [each.due_at for each in calls.values()], "queues": [each.queue for each in calls.values()]}
    rows = _CLOSED(connection, {"closed": list(closed), "called": list(calls), **values})
    return list(dict.fromkeys(row["run_id"] for row in rows))


def to_judge(connection: Connection, runs: Collection[int]) -> Sequence[int]:
    """The runs among these in which something may be over: it is quiet, or something did not succeed."""
    return [row["id"] for row in _TO_JUDGE(connection, {"runs": list(runs)})]
