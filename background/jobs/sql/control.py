"""All SQL that clients move a job with. (What workers write: `work` and `transitions`.)"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session, scoped_session

from background.base import jsontext
from background.base.queue_names import QUEUE
from background.jobs.sql.parts import STOPPED
from background.jobs.states import ENDED
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT, typed
from background.storage.schema import one_of

_ASKED = "INSERT INTO job_events (job_id, number, kind, step, attempt, actor)"
"""An event that a client asked for; `actor` is the name of its key."""

_QUEUE = f"coalesce(asked.queue, '{QUEUE}')"
_MADE = f"""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts, run_at,
                      idempotency_key, request_digest, tags, hooks, queue, schedule_id, unique_key, limit_key, held,
                      request_id)
    SELECT task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts,
           now() + delay_seconds * interval '1 second', idempotency_key, request_digest, coalesce(tags, '{{}}'),
           hooks, {_QUEUE}, schedule_id, unique_key, coalesce(limit_key, ''),
           coalesce(held, false) OR {STOPPED.format(pipeline="asked.pipeline", queue=_QUEUE)}, request_id
    FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS asked(
        position int, task_id uuid, pipeline text, step_names text[], step_timeouts float8[], params jsonb,
        priority smallint, delay_seconds float8, max_attempts smallint,
        idempotency_key text, request_digest text, tags text[], hooks jsonb, queue text,
        schedule_id bigint, unique_key text, limit_key text, held boolean, request_id text)
    -- Who takes the places of several keys takes them in one order.
    ORDER BY unique_key, pipeline, position
    ON CONFLICT DO NOTHING
    RETURNING id, task_id, status, queue, held, run_at <= now() AND NOT held AS due
), event AS (
    {_ASKED} SELECT id, 1, 'created', NULL, 0, CAST(:actor AS text) FROM job
)
"""
_CREATE = Prepared("job_create", f"{_MADE} SELECT * FROM job ORDER BY id")

ENQUEUED = "jobs_enqueued"
"""The channel on which PostgreSQL tells of a commit that made a job which is due, and of which queue."""
# By text alone, for any driver. Of the same transaction and queue one notification is sent.
_ENQUEUE = text(f"{_MADE} SELECT job.*, CASE WHEN due THEN pg_notify('{ENQUEUED}', queue) END AS told FROM job")

_BY_KEY = text(
    "SELECT id, task_id, status, params, max_attempts, request_digest FROM jobs WHERE idempotency_key = :key"
)

# A waiting job ends at once; a running one is told, and its worker writes the end.
_CANCEL = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE status END,
        cancel_requested = status = 'IN_PROGRESS', held = false,
        finished_at = CASE status WHEN 'PENDING' THEN now() END,
        event_count = event_count + 1, updated_at = {CHANGED_AT}
    WHERE id = ANY(:job_ids) AND status IN ('PENDING', 'IN_PROGRESS')
    RETURNING *
), event AS (
    {_ASKED}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'cancel_requested' END,
           NULL, attempt, :actor
    FROM own
)
SELECT id, status FROM own
""")

_LOCKED = """
SELECT id, status, pipeline, step_names, step_keys,
    ARRAY(SELECT name FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS completed
FROM jobs WHERE id = ANY(:job_ids) ORDER BY id FOR UPDATE
"""
_LOCK = text(_LOCKED)
_LOCK_FREE = text(f"{_LOCKED} SKIP LOCKED")
_PARAMS = text("SELECT id, params FROM jobs WHERE id = ANY(:job_ids)")

_RETRY = text(f"""
WITH wanted AS (
    SELECT id, row_number() OVER (PARTITION BY pipeline, unique_key ORDER BY id) AS place
    FROM jobs WHERE id = ANY(:job_ids)
), own AS (
    UPDATE jobs
    SET status = 'PENDING', params = coalesce(CAST(:params AS jsonb), params),
        failures = 0, run_at = now(), turned_away = NULL, sent_to = NULL,
        limit_key = coalesce(CAST(:limit_keys AS jsonb) ->> CAST(jobs.id AS text), limit_key),
        held = jobs.pipeline = ANY(:limited) OR {STOPPED.format(pipeline="jobs.pipeline", queue="jobs.queue")},
        cancel_requested = false, claim_token = NULL, result = NULL, error = NULL, finished_at = NULL,
        event_count = event_count + 1, updated_at = {CHANGED_AT}
    FROM wanted
    WHERE jobs.id = wanted.id AND (unique_key IS NULL OR place = 1 AND NOT EXISTS (
        SELECT FROM jobs AS other WHERE other.pipeline = jobs.pipeline AND other.unique_key = jobs.unique_key
            AND other.status IN ('PENDING', 'IN_PROGRESS')))
    RETURNING jobs.*
), removed AS (
    DELETE FROM job_steps USING own WHERE job_steps.job_id = own.id AND job_steps.step_number >= :from_step
), forgiven AS (
    UPDATE job_steps SET forgiven = job_steps.failures, waits = 0
    FROM own WHERE job_steps.job_id = own.id AND job_steps.status <> 'COMPLETED'
        AND coalesce(job_steps.step_number < :from_step, true)
), event AS (
    {_ASKED} SELECT id, event_count, 'retried', :from_step, attempt, :actor FROM own
)
SELECT id, task_id, status, queue, held, NOT held AS due FROM own
""")

# From now on the numbers mean other steps.
_NAME_EVENTS = text("""
UPDATE job_events SET step_name = step_names[step] FROM jobs
WHERE jobs.id = :job_id AND job_id = jobs.id AND step IS NOT NULL AND step_name IS NULL
""")
# What a step has logged goes where the new plan has it; 0 is nowhere.
_PLACE_LOGS = text("""
UPDATE job_logs SET step = coalesce((
    SELECT place FROM unnest(CAST(:step_names AS text[])) WITH ORDINALITY AS plan(name, place)
    WHERE name = step_names[step]), 0)
FROM jobs WHERE jobs.id = :job_id AND job_id = jobs.id
""")
# Rows go where the new plan has them; by way of negative numbers, since each is unique in its job. The address that the
# client gave is called as before.
_PLAN = text("""
UPDATE jobs SET step_names = :step_names, step_timeouts = :step_timeouts, step_keys = CAST(:step_keys AS jsonb),
    hooks = nullif(CAST(:hooks AS jsonb) || coalesce((
        SELECT jsonb_agg(call) FROM jsonb_array_elements(hooks) AS call WHERE call ->> 'pipeline' = :callback
    ), '[]'), '[]')
WHERE id = :job_id
""")
_UNPLACE = text("UPDATE job_steps SET step_number = -step_number WHERE job_id = :job_id")
_PLACE = text("""
UPDATE job_steps SET step_number = place, message = 'Step ' || place || ' completed successfully'
FROM unnest(CAST(:step_names AS text[])) WITH ORDINALITY AS plan(step, place)
WHERE job_id = :job_id AND name = step AND status = 'COMPLETED'
""")
_DROP_UNPLACED = text("DELETE FROM job_steps WHERE job_id = :job_id AND step_number < 0")

_REMOVE = text(f"DELETE FROM jobs WHERE id = ANY(:job_ids) AND {one_of('status', ENDED)} RETURNING id")


class Stored(NamedTuple):
    """A job that was stored; `due`: at once, `held`: until a limit or a pause lets it in.

    `duplicate`: one with its unique key was there before.
    """

    id: int
    task_id: UUID
    status: str
    queue: str
    held: bool
    due: bool
    duplicate: bool = False


class Known(NamedTuple):
    """A job that was made with an idempotency key, and the digest of the request that had it."""

    id: int
    task_id: UUID
    status: str
    params: dict[str, Any]
    max_attempts: int
    request_digest: str


class Locked(NamedTuple):
    """What a retry depends on; `completed` has the names of its COMPLETED steps."""

    id: int
    status: str
    pipeline: str
    step_names: list[str]
    step_keys: dict[str, int] | None
    completed: list[str]


Blocking: TypeAlias = Session | scoped_session[Session] | Connection
"""Whose transaction it may be."""


def create(connection: Connection, jobs: Sequence[Mapping[str, Any]], *, actor: str | None) -> list[Stored]:
    """Insert PENDING jobs with their first events, in order.

    Each has `task_id`, `pipeline`, `step_names`, `step_timeouts`, `params`, `priority`, `delay_seconds`,
    `max_attempts` and, if any, `tags`, `hooks`, `queue`, `limit_key`, `held`, `schedule_id`, `unique_key`,
    `request_id`, and `idempotency_key` with `request_digest`. One of which a key is taken is left out (see `unique`).
    `actor` is the name of the API key that asks, here and below.
    """
    return [Stored(**row) for row in _CREATE(connection, {"jobs": _numbered(jobs), "actor": actor})]


def enqueue(session: Blocking, jobs: Sequence[Mapping[str, Any]]) -> list[Stored]:
    """The same in the transaction of somebody else; workers hear of it when that is committed."""
    rows = session.execute(_ENQUEUE, {"jobs": _numbered(jobs), "actor": None}).mappings()
    return [typed(Stored, {**row, "task_id": UUID(str(row["task_id"]))}) for row in rows]


def _numbered(jobs: Sequence[Mapping[str, Any]]) -> str:
    return jsontext.as_kept(jsontext.dumps([{**job, "position": position} for position, job in enumerate(jobs)]))


def by_key(connection: Connection, key: str) -> Known | None:
    """The job that was made with this idempotency key, if any."""
    row = connection.execute(_BY_KEY, {"key": key}).mappings().one_or_none()
    return None if row is None else Known(**row)


def cancel(connection: Connection, job_ids: Sequence[int], *, actor: str | None) -> dict[int, str]:
    """End those that wait, and ask those that run to end; gives their status then. One that has ended is left out."""
    rows = connection.execute(_CANCEL, {"job_ids": list(job_ids), "actor": actor})
    return {row.id: row.status for row in rows}


def lock(connection: Connection, job_ids: Sequence[int], *, free: bool = False) -> list[Locked]:
    """Hold the rows of these jobs for the rest of the transaction; with `free` only of those that nobody else holds."""
    rows = connection.execute(_LOCK_FREE if free else _LOCK, {"job_ids": list(job_ids)}).mappings()
    return [Locked(**row) for row in rows]


def params(connection: Connection, job_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The parameters of jobs that are locked, by their ids."""
    return {row.id: row.params for row in connection.execute(_PARAMS, {"job_ids": list(job_ids)})}


def retry(
    connection: Connection,
    job_ids: Sequence[int],
    *,
    from_step: int | None,
    params: str | None,
    limit_keys: Mapping[int, str],
    limited: Sequence[str],
    actor: str | None,
) -> list[Stored]:
    """Make ended jobs, which are locked, PENDING again, without their steps from `from_step` on; `params` is JSON text.

    `limit_keys` has their lanes by their ids, of one that is not in it: as it was; jobs of the `limited` pipelines are
    held. Gives those that are PENDING. One of which another job has the unique key is left out. Raises `IntegrityError`
    where another one gets it at this moment.
    """
    values: dict[str, Any] = {"job_ids": list(job_ids), "from_step": from_step, "params": params, "actor": actor}
    values |= {"limit_keys": jsontext.dumps(limit_keys), "limited": list(limited)}
    return [Stored(**row) for row in connection.execute(_RETRY, values).mappings()]


def plan(
    connection: Connection,
    *,
    job_id: int,
    step_names: Sequence[str],
    step_timeouts: Sequence[float | None],
    step_keys: str,
    hooks: str,
    callback: str,
) -> None:
    """Give a locked, ended job another plan. What is COMPLETED of it stays so; of other steps nothing is kept.

    `step_keys` is a JSON object: the number of each step's key by its name. `hooks` is a JSON array, see
    `hooks.called`; calls of the pipeline `callback` stay.
    """
    values = {"job_id": job_id, "step_names": list(step_names), "step_timeouts": list(step_timeouts)}
    connection.execute(_NAME_EVENTS, values)
    connection.execute(_PLACE_LOGS, values)
    connection.execute(_PLAN, {**values, "step_keys": step_keys, "hooks": hooks, "callback": callback})
    for statement in (_UNPLACE, _PLACE, _DROP_UNPLACED):
        connection.execute(statement, values)


def remove(connection: Connection, job_ids: Sequence[int]) -> list[int]:
    """Delete those that have ended, with all that belongs to them; gives which."""
    return list(connection.execute(_REMOVE, {"job_ids": list(job_ids)}).scalars())
