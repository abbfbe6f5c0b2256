"""SQL of jobs with a unique key: of those of a pipeline with the same key one at a time has not ended.

`ix_jobs_unique` decides that, whoever stores them. While a transaction has a key's place in it nobody else stores a job
with that key, so what it finds then is all there is: no lock is needed beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import text

from background.base import jsontext
from background.jobs.sql.control import Blocking, Stored

_FIND = text("""
SELECT asked.task_id AS asked, found.*
FROM jsonb_to_recordset(CAST(:jobs AS jsonb))
        AS asked(task_id uuid, pipeline text, unique_key text, unique_seconds float8)
    CROSS JOIN LATERAL (
        (SELECT id, task_id, status, queue FROM jobs
         WHERE pipeline = asked.pipeline AND unique_key = asked.unique_key AND status IN ('PENDING', 'IN_PROGRESS')
             AND task_id <> asked.task_id)
        UNION ALL
        (SELECT id, task_id, status, queue FROM jobs
         WHERE pipeline = asked.pipeline AND unique_key = asked.unique_key
             AND created_at > now() - asked.unique_seconds * interval '1 second' AND task_id <> asked.task_id
         ORDER BY created_at DESC, id DESC LIMIT 1)
        LIMIT 1
    ) AS found
""")
# It was made by this transaction, and nobody has seen it.
_UNDO = text("DELETE FROM jobs WHERE task_id = ANY(CAST(CAST(:task_ids AS text[]) AS uuid[]))")

Create: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Sequence[Stored]]
ASKED = ("task_id", "pipeline", "unique_key", "unique_seconds")


def store(session: Blocking, jobs: Sequence[Mapping[str, Any]], create: Create) -> dict[str, Stored]:
    """Store these jobs with `create`, unless there is one already; gives by `task_id` what was stored or found.

    One that is left out was in the way of another job that has ended meanwhile, or has its idempotency key taken: try
    again.
    """
    found = _find(session, jobs)
    left = [job for job in jobs if job["task_id"] not in found]
    made = {str(each.task_id): each for each in create(left)} if left else {}
    # Another one may have been stored, and have ended, between the two.
    overtaken = _find(session, [job for job in left if job["task_id"] in made and job["unique_seconds"] is not None])
    if overtaken:
        session.execute(_UNDO, {"task_ids": list(overtaken)})
    missed = _find(session, [job for job in left if job["task_id"] not in made])
    return {**found, **made, **overtaken, **missed}


def _find(session: Blocking, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Stored]:
    """The jobs that are in the way of those of these with a unique key, by the `task_id` of the latter."""
    asked = [{name: job[name] for name in ASKED} for job in jobs if job["unique_key"] is not None]
    if not asked:
        return {}
    rows = session.execute(_FIND, {"jobs": jsontext.dumps(asked)}).mappings()
    return {
        str(row["asked"]): Stored(
            row["id"],
            UUID(str(row["task_id"])),
            row["status"],
            row["queue"],
            held=False,
            due=False,
            duplicate=True,
        )
        for row in rows
    }
