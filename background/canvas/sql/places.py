"""SQL that finds where in the record a task stands of whose message no run has the id, and puts it there."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from background.canvas.sql.runs import EVENT
from background.storage.rows import CHANGED_AT

# The ids of groups, and of chains that are the body of a chord, are no task's; and a task may be told them as its
# parent or root. Those that a run had before a retry lead nowhere.
RUN_WITH = """
    SELECT run_id FROM run_tasks WHERE id = {id}
    UNION ALL
    SELECT run_id FROM run_aliases JOIN runs ON runs.id = run_id
    WHERE run_aliases.id = {id} AND run_aliases.id = ANY (runs.ids)
"""

# A task that nobody planned belongs to the run of the task that sent it, or of the root that it names. It does not run
# where that was cancelled.
_ADOPT = text(f"""
WITH run AS (
    SELECT runs.id, total, cancelled FROM runs
    WHERE id = coalesce(({RUN_WITH.format(id=":parent_id")} LIMIT 1), ({RUN_WITH.format(id=":root_id")} LIMIT 1))
    FOR UPDATE
), task AS (
    INSERT INTO run_tasks (id, run_id, position, task, args, kwargs, called, due_at, queue, parent_id,
                           state, finished_at, closed)
    SELECT :task_id, id, total, :task, :args, :kwargs, true, :due_at, :queue, :parent_id,
           CASE WHEN cancelled THEN 'REVOKED' ELSE 'PENDING' END, CASE WHEN cancelled THEN now() END, cancelled FROM run
    ON CONFLICT (id) DO NOTHING RETURNING run_id
), change AS (
    UPDATE runs
    SET total = runs.total + 1, settled = settled + CAST(cancelled AS int), event_count = event_count + 1,
        updated_at = {CHANGED_AT}
    FROM task WHERE runs.id = task.run_id RETURNING id, event_count
)
{EVENT} SELECT id, event_count, 'sent', CAST(:task_id AS uuid) FROM change RETURNING run_id
""")

# An alias is former unless it is an id that several calls of a task share now.
_FORMER = """
EXISTS (SELECT FROM run_aliases JOIN runs ON runs.id = run_id WHERE run_aliases.id = asked.id
        AND run_aliases.id <> ALL (runs.ids))
"""
_UNKNOWN = text(f"""
SELECT id::text FROM unnest(CAST(:ids AS uuid[])) AS asked(id)
WHERE NOT EXISTS (SELECT FROM run_tasks WHERE run_tasks.id = asked.id) AND NOT {_FORMER}
""")
_IS_FORMER = text(f"SELECT {_FORMER} FROM CAST(:task_id AS uuid) AS asked(id)")

_LOCK_RUN_OF = text(f"""
WITH run AS (
    SELECT id FROM runs
    WHERE id = (SELECT run_id FROM unnest(CAST(:ids AS uuid[])) AS given(id),
                    LATERAL ({RUN_WITH.format(id="given.id")}) AS run LIMIT 1)
    FOR UPDATE
)
SELECT run_tasks.id::text, state, run_id FROM run_tasks JOIN run ON run.id = run_id ORDER BY position
""")

_RENAME = text("""
WITH task AS (
    UPDATE run_tasks SET id = CAST(:new AS uuid) WHERE id = CAST(:old AS uuid)
), alias AS (
    DELETE FROM run_aliases WHERE id = CAST(:new AS uuid)
)
UPDATE runs
SET tree = CAST(replace(tree::text, :old, :new) AS json),
    result_ids = CAST(replace(result_ids::text, :old, :new) AS jsonb)
WHERE id = :run_id
""")


class Sent(NamedTuple):
    """A task that was sent, with `args` and `kwargs` as JSON text, by its parent, or in the canvas of its root.

    `due_at` and `queue` as of a `Call`. `told_parent_id` is the parent that the message tells: not always the sender.
    """

    task_id: str
    task: str
    args: str
    kwargs: str
    due_at: datetime | None
    queue: str | None
    parent_id: str | None
    root_id: str | None
    told_parent_id: str | None


def is_former(connection: Connection, task_id: str) -> bool:
    """Whether the task ran under this id before its run was retried."""
    return bool(connection.execute(_IS_FORMER, {"task_id": task_id}).scalar_one())


def adopt(connection: Connection, sent: Sent) -> bool:
    """Put a task that nobody planned into the run of its parent, or else of its root; gives whether there is one."""
    return connection.execute(_ADOPT, sent._asdict()).first() is not None


def unknown(connection: Connection, ids: Sequence[str]) -> set[str]:
    """The ids among these that no run has, or had."""
    return set(connection.execute(_UNKNOWN, {"ids": list(ids)}).scalars())


def lock_run_of(connection: Connection, ids: Sequence[str | None]) -> tuple[int, dict[str, str]]:
    """The run that has one of these ids now, which nobody else changes now, and the states of its tasks by id."""
    rows = connection.execute(_LOCK_RUN_OF, {"ids": [each for each in ids if each]}).all()
    return (rows[0].run_id if rows else 0), {row.id: row.state for row in rows}


def rename(connection: Connection, number: int, old: str, new: str) -> None:
    """Give a task of a locked run another id."""
    connection.execute(_RENAME, {"run_id": number, "old": old, "new": new})
