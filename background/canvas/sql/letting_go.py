"""SQL of tasks of recorded runs that a worker has begun and does not run any more: they are as those that wait."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from background.canvas.states import RUN_FINAL
from background.storage.prepared import Prepared
from background.storage.schema import one_of

_HAND_BACK = text("""
WITH run AS (
    SELECT id, task_id, cancelled FROM runs
    WHERE id = ANY (ARRAY(SELECT run_id FROM run_tasks WHERE worker_id = :worker_id AND state = 'STARTED'))
    ORDER BY id FOR UPDATE
), task AS (
    UPDATE run_tasks SET state = 'PENDING', starts = greatest(starts - 1, 0), worker = NULL, worker_id = NULL
    FROM run WHERE run_tasks.run_id = run.id AND worker_id = :worker_id AND state = 'STARTED'
)
SELECT task_id::text FROM run WHERE cancelled
""")

# A task that is called several times has the id of its message as an alias.
_IDLE = Prepared(
    "run_tasks_idle",
    """
SELECT id::text FROM run_tasks
WHERE state = 'STARTED' AND worker_id = :worker_id AND id <> ALL (CAST(CAST(:running AS text[]) AS uuid[]))
  AND NOT EXISTS (SELECT FROM run_aliases WHERE run_aliases.run_id = run_tasks.run_id
                  AND run_aliases.id = ANY (CAST(CAST(:running AS text[]) AS uuid[])))
""",
)
_UNCLOSED = Prepared(
    "run_tasks_unclosed",
    f"""
SELECT id::text FROM run_tasks
WHERE id = ANY (CAST(CAST(:ids AS text[]) AS uuid[])) AND NOT closed AND {one_of("state", RUN_FINAL)}
""",
)
_LET_GO = text("""
UPDATE run_tasks SET state = 'PENDING', worker = NULL, worker_id = NULL
WHERE id = ANY (CAST(:ids AS uuid[])) AND worker_id = :worker_id AND state = 'STARTED'
""")


def hand_back(connection: Connection, worker_id: str) -> Sequence[str]:
    """What this worker ran waits for another; gives the ids of those of its runs that were cancelled."""
    return connection.execute(_HAND_BACK, {"worker_id": worker_id}).scalars().all()


def idle(connection: Connection, worker_id: str, *, running: Collection[str]) -> set[str]:
    """The tasks which that worker has begun, and which are none of those that it is `running`."""
    return {row["id"] for row in _IDLE(connection, {"worker_id": worker_id, "running": list(running)})}


def unclosed(connection: Connection, ids: Collection[str]) -> list[str]:
    """The tasks among these which have ended, and of which more might come, for all that is recorded."""
    return [row["id"] for row in _UNCLOSED(connection, {"ids": list(ids)})]


def let_go(connection: Connection, worker_id: str, ids: Collection[str]) -> None:
    """That worker runs these tasks no more; how they ended is unknown, and they may come again."""
    connection.execute(_LET_GO, {"worker_id": worker_id, "ids": list(ids)})
