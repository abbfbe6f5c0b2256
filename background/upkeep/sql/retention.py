"""All SQL of retention: what is past it, and how it goes.

No statement touches more rows than it is told, nor walks over what was deleted before it: the entries of deleted rows
stay in an index until they are vacuumed, so each batch begins where the last one ended.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from background.canvas.states import RUN_FINAL
from background.storage import database
from background.storage.schema import one_of

START: dict[str, Any] = {"jobs": datetime(1970, 1, 1, tzinfo=UTC), "runs": 0}
"""The place before all others: jobs go by the time at which they ended, runs by their number."""

_ENDED_RUN = one_of("status", RUN_FINAL)
# Whoever holds one now, to retry or delete it, is not waited for. A run has no column for its end, and an index on
# `updated_at` would cost every change of a run. They end about in the order in which they were made: so one looks at
# the oldest, and goes on behind those that have changed since.
_PAST = {
    "jobs": text("""
        SELECT id, finished_at AS place, true AS past,
            coalesce((SELECT max(value::int) FROM jsonb_each_text(step_keys)), cardinality(step_names)) AS keys
        FROM jobs
        WHERE finished_at >= :place AND finished_at < now() - :days * interval '1 day'
        ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """),
    "runs": text(f"""
        SELECT id, id AS place, updated_at < now() - :days * interval '1 day' AS past, 0 AS keys FROM runs JOIN (
            SELECT id, sum(total) OVER (ORDER BY id) - total AS tasks_before FROM (
                SELECT id, total FROM runs WHERE id > :place AND {_ENDED_RUN} ORDER BY id LIMIT :limit) AS oldest
        ) AS counted USING (id)
        WHERE tasks_before < :limit AND {_ENDED_RUN} AND created_at < now() - :days * interval '1 day'
        ORDER BY runs.id FOR UPDATE OF runs SKIP LOCKED
    """),
}

# Reports are named after the task that wrote them, under the id that Celery has for it.
_WRITERS = text("""
WITH writer AS (SELECT id FROM run_tasks WHERE run_id = ANY (:ids) AND task = ANY (:tasks))
SELECT writer.id::text FROM writer
UNION ALL
SELECT run_aliases.id::text FROM run_aliases JOIN writer ON current = writer.id WHERE run_id = ANY (:ids)
""")

# By their places: by their numbers, a large table would be read as a whole for a few thousand rows. Events never change
# theirs, and their owner is locked.
_EVENTS = {
    "jobs": text("""
        DELETE FROM job_events WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM job_events WHERE job_id = ANY (:ids) ORDER BY job_id, number LIMIT :rows))
    """),
    "runs": text("""
        DELETE FROM run_events WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM run_events WHERE run_id = ANY (:ids) ORDER BY run_id, number LIMIT :rows))
    """),
}
# Steps and tasks go with them.
_OWNERS = {
    "jobs": text("DELETE FROM jobs WHERE id = ANY (:ids)"),
    "runs": text("DELETE FROM runs WHERE id = ANY (:ids)"),
}


class Old(NamedTuple):
    """A job or run that has ended, with its place in the order, and whether it is `past`.

    The steps of a job have `keys` up to that number.
    """

    id: int
    place: Any
    past: bool
    keys: int


def has(connection: Connection, table: str) -> bool:
    """Whether the database has `jobs` or `runs`."""
    return table == "jobs" or database.has_canvas(connection)


def past(connection: Connection, table: str, *, days: float, place: Any, limit: int) -> list[Old]:
    """The oldest `jobs` or `runs` that have ended and may be `past`, longer ago than `days`, from a place on; locked.

    At most `limit` jobs; or runs that have `limit` tasks together, the last of them counted whole.
    """
    values = {"days": days, "place": place, "limit": limit}
    return [Old(**row) for row in connection.execute(_PAST[table], values).mappings()]


def writers(connection: Connection, run_ids: Sequence[int], *, tasks: Sequence[str]) -> Sequence[str]:
    """The ids of the tasks of these names in these runs, those they had before a retry included."""
    return connection.execute(_WRITERS, {"ids": list(run_ids), "tasks": list(tasks)}).scalars().all()


def delete(connection: Connection, table: str, ids: Sequence[int], *, rows: int) -> bool:
    """Delete these `jobs` or `runs` with all that belongs to them; where they have more than `rows` events, so many.

    Gives whether all is gone.
    """
    values = {"ids": list(ids), "rows": rows}
    if connection.execute(_EVENTS[table], values).rowcount >= rows:
        return False
    connection.execute(_OWNERS[table], values)
    return True
