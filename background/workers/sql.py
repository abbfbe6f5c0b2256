"""All SQL of the workers' table."""

from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from background.base.queue_names import QUEUE
from background.storage.database import has_canvas
from background.storage.prepared import Prepared
from background.workers.identity import Crew, Served, Snapshot

KEPT_SECONDS = 3600
"""How long a lost worker is still shown."""


class Seen(NamedTuple):
    """A worker that is listed, with the jobs and the canvas tasks that it runs, as `system.workers.Work` has them."""

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    concurrency: int
    abilities: dict[str, Any] | None
    release: str | None
    queues: list[str]
    started_at: datetime
    seen_at: datetime
    alive: bool
    jobs: list[dict[str, Any]]
    tasks: list[dict[str, Any]]


# As parts of a statement: a worker says that it lives, and forgets those that were lost long ago. Where the clock was
# set back `seen_at` stays ahead until all else has been set back, too (see `jobs.sql.rewinding`).
BEAT = """
INSERT INTO workers (id, name, host, pid, pool, concurrency, abilities, release, queues, queue_length)
VALUES (:id, :name, :host, :pid, :pool, :concurrency, CAST(:abilities AS jsonb), :release, CAST(:queues AS text[]),
    :queue_length)
ON CONFLICT (id) DO UPDATE
SET seen_at = greatest(now(), workers.seen_at), queues = excluded.queues, queue_length = excluded.queue_length
"""
_QUEUES = f"coalesce(queues, '{{{QUEUE}}}')"
FORGET_OLD = f"DELETE FROM workers WHERE seen_at < now() - interval '{KEPT_SECONDS} s'"

_FORGET = text("DELETE FROM workers WHERE id = :id")

# One look, so that what it tells of them agrees.
_SNAPSHOT = Prepared(
    "workers_snapshot",
    f"""
WITH live AS (
    SELECT id, release, abilities, {_QUEUES} AS queues, queue_length, started_at, seen_at FROM workers
    WHERE seen_at > now() - :patience * interval '1 second'
), served AS (
    SELECT queue, count(*) AS workers,
        (array_agg(queue_length ORDER BY seen_at DESC) FILTER (WHERE queue_length IS NOT NULL))[1] AS length
    FROM live CROSS JOIN LATERAL unnest(queues) AS queue GROUP BY queue
), crew AS (
    SELECT md5(string_agg(live.id::text, ',' ORDER BY live.id)) AS id, release, abilities,
        jsonb_agg(to_jsonb(queues)) AS queues, max(started_at) AS started_at
    FROM live WHERE release IS NOT NULL GROUP BY release, abilities
)
SELECT (SELECT count(*) FROM live) AS live,
    (SELECT coalesce(jsonb_object_agg(queue, jsonb_build_array(workers, length)), '{{}}') FROM served) AS queues,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(id, release, abilities, queues) ORDER BY started_at DESC), '[]')
        FROM crew) AS crews
""",
)

_TASKS = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', 'task', 'id', run_tasks.id, 'name', run_tasks.task, 'step', NULL, 'since', run_tasks.started_at
        ) ORDER BY run_tasks.started_at), '[]')
     FROM run_tasks
     WHERE worker = workers.name AND worker_id = workers.id AND state = 'STARTED')
"""
_FIND = """
SELECT id, name, host, pid, pool, concurrency, abilities, release, {queues} AS queues, started_at, seen_at,
    seen_at > now() - :patience * interval '1 second' AS alive,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', 'job', 'id', jobs.id, 'name', jobs.pipeline, 'step', current_step, 'since', job_steps.started_at
        ) ORDER BY jobs.id), '[]')
     FROM jobs JOIN job_steps ON job_steps.job_id = jobs.id AND step_number = current_step
     WHERE worker_id = workers.id AND jobs.status = 'IN_PROGRESS') AS jobs,
    {tasks} AS tasks
FROM workers ORDER BY alive DESC, name, started_at DESC
"""


def forget(connection: Connection, worker_id: str) -> None:
    """Remove a worker that ends as planned."""
    connection.execute(_FORGET, {"id": worker_id})


def snapshot(connection: Connection, *, patience: float) -> Snapshot:
    """What the workers seen in the last `patience` seconds know; the newest crew first."""
    (row,) = _SNAPSHOT(connection, {"patience": patience})
    return Snapshot(
        live=row["live"],
        queues={queue: Served(workers, length) for queue, (workers, length) in row["queues"].items()},
        crews=[
            Crew(id_, release, abilities, frozenset(chain(*queues))) for id_, release, abilities, queues in row["crews"]
        ],
    )


def find(connection: Connection, *, patience: float) -> list[Seen]:
    """Every worker with what it runs, the live ones first; one not seen for `patience` seconds is lost."""
    statement = text(_FIND.format(queues=_QUEUES, tasks=_TASKS if has_canvas(connection) else "CAST('[]' AS jsonb)"))
    return [Seen(**row) for row in connection.execute(statement, {"patience": patience}).mappings()]
