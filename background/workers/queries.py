"""All SQL of the workers' table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, text

KEPT_SECONDS = 3600
"""How long a lost worker is still shown."""


@dataclass(frozen=True)
class Identity:
    """What a worker says of itself; `id` is a UUID that is new at each start.

    `abilities` (JSON text) is what it can run, and `release` the digest of that.
    """

    id: str
    name: str
    host: str
    pid: int
    pool: str
    concurrency: int
    abilities: str
    release: str


@dataclass(frozen=True)
class Crew:
    """The live workers of one release, which can run its `abilities` (see `jobs.registry`).

    `id` is another one as soon as one of them starts or ends: what a crew has refused, the next one is asked again.
    """

    id: str
    release: str
    abilities: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """What the live workers know together: `queue_length` is `None` while none of them reaches the broker."""

    live: int
    queue_length: int | None
    crews: Sequence[Crew]


# As parts of a statement: a worker says that it lives, and forgets those that were lost long ago.
BEAT = """
INSERT INTO workers (id, name, host, pid, pool, concurrency, abilities, release, queue_length)
VALUES (:id, :name, :host, :pid, :pool, :concurrency, CAST(:abilities AS jsonb), :release, :queue_length)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), queue_length = excluded.queue_length
"""
FORGET_OLD = f"DELETE FROM workers WHERE seen_at < now() - interval '{KEPT_SECONDS} s'"

_FORGET = text("DELETE FROM workers WHERE id = :id")

_SNAPSHOT = text("""
SELECT count(*) AS live, (array_agg(queue_length ORDER BY seen_at DESC) FILTER (WHERE queue_length IS NOT NULL))[1]
    AS queue_length
FROM workers WHERE seen_at > now() - :patience * interval '1 second'
""")

_CREWS = text("""
SELECT md5(string_agg(workers.id::text, ',' ORDER BY workers.id)) AS id, release, abilities FROM workers
WHERE release IS NOT NULL AND seen_at > now() - :patience * interval '1 second'
GROUP BY release, abilities ORDER BY max(started_at) DESC
""")

_FIND = text("""
SELECT id, name, host, pid, pool, concurrency, abilities, release, started_at, seen_at,
    seen_at > now() - :patience * interval '1 second' AS alive,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', 'job', 'id', jobs.id, 'name', jobs.pipeline, 'step', current_step, 'since', job_steps.started_at
        ) ORDER BY jobs.id), '[]')
     FROM jobs JOIN job_steps ON job_steps.job_id = jobs.id AND step_number = current_step
     WHERE worker_id = workers.id AND jobs.status = 'IN_PROGRESS') AS jobs,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', 'task', 'id', run_tasks.id, 'name', run_tasks.task, 'step', NULL, 'since', run_tasks.started_at
        ) ORDER BY run_tasks.started_at), '[]')
     FROM run_tasks
     WHERE worker = workers.name AND state = 'STARTED' AND run_tasks.started_at >= workers.started_at) AS tasks
FROM workers ORDER BY alive DESC, name, started_at DESC
""")


def forget(connection: Connection, worker_id: str) -> None:
    """Remove a worker that ends as planned."""
    connection.execute(_FORGET, {"id": worker_id})


def snapshot(connection: Connection, *, patience: float) -> Snapshot:
    """What the workers seen in the last `patience` seconds know."""
    row = connection.execute(_SNAPSHOT, {"patience": patience}).mappings().one()
    return Snapshot(**row, crews=crews(connection, patience=patience) if row["live"] else [])


def crews(connection: Connection, *, patience: float) -> list[Crew]:
    """The crews of the workers seen in the last `patience` seconds, the newest first."""
    return [Crew(**row) for row in connection.execute(_CREWS, {"patience": patience}).mappings()]


def find(connection: Connection, *, patience: float) -> Sequence[RowMapping]:
    """Every worker with what it runs, the live ones first; one not seen for `patience` seconds is lost."""
    return connection.execute(_FIND, {"patience": patience}).mappings().all()
