"""All SQL that clients move a job with. (`transitions` has what workers write, `reads` what is only read.)"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background import jsontext
from background.database import Prepared

_ASKED = "INSERT INTO job_events (job_id, number, kind, step, attempt, actor)"
"""An event that a client asked for; `actor` is the name of its key."""

IS_COMPLETED = """EXISTS (SELECT FROM job_steps
    WHERE job_id = jobs.id AND step_number = number AND job_steps.status = 'COMPLETED')"""
"""Whether the step of this `number` of a job is COMPLETED."""

FIRST_STEP = f"""
    (SELECT min(number) FROM generate_subscripts(step_names, 1) AS number WHERE NOT {IS_COMPLETED})
"""
"""The number of the first step of a job's plan that is not COMPLETED."""

HAS_STEP = "(CAST(:abilities AS jsonb) #> ARRAY[pipeline, 'steps'] @> to_jsonb(step_names[{step}]))"
"""Whether a worker with these `:abilities` (see `registry`) can run that step of a job. NULL is no."""

_CREATE = Prepared(
    "job_create",
    f"""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts, run_at,
                      idempotency_key, request_digest)
    SELECT task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts,
           now() + delay_seconds * interval '1 second', idempotency_key, request_digest
    FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS asked(
        position int, task_id uuid, pipeline text, step_names text[], step_timeouts float8[], params jsonb,
        priority smallint, delay_seconds float8, max_attempts smallint,
        idempotency_key text, request_digest text)
    ORDER BY position
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, task_id, status, priority, run_at <= now() AS due
), event AS (
    {_ASKED} SELECT id, 1, 'created', NULL, 0, CAST(:actor AS text) FROM job
)
SELECT * FROM job ORDER BY id
""",
)

_BY_KEY = text("SELECT id, task_id, status, request_digest FROM jobs WHERE idempotency_key = :key")

# A waiting job ends at once; a running one is told, and its worker writes the end.
_CANCEL = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE status END,
        cancel_requested = status = 'IN_PROGRESS',
        finished_at = CASE status WHEN 'PENDING' THEN now() END,
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND status IN ('PENDING', 'IN_PROGRESS')
    RETURNING *
), event AS (
    {_ASKED}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'cancel_requested' END,
           NULL, attempt, :actor
    FROM own
)
SELECT status FROM own
""")

_LOCK = text("""
SELECT id, status, pipeline, params, step_names, step_keys,
    ARRAY(SELECT name FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS completed
FROM jobs WHERE id = :job_id FOR UPDATE
""")

_RETRY = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = 'PENDING', params = coalesce(CAST(:params AS jsonb), params),
        failures = 0, run_at = now(), turned_away = NULL, sent_to = NULL,
        cancel_requested = false, claim_token = NULL, result = NULL, error = NULL, finished_at = NULL,
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id
    RETURNING *
), removed AS (
    DELETE FROM job_steps USING own WHERE job_steps.job_id = own.id AND job_steps.step_number >= :from_step
), event AS (
    {_ASKED} SELECT id, event_count, 'retried', :from_step, attempt, :actor FROM own
)
SELECT id, task_id, status, priority FROM own
""")

# From now on the numbers mean other steps.
_NAME_EVENTS = text("""
UPDATE job_events SET step_name = step_names[step] FROM jobs
WHERE jobs.id = :job_id AND job_id = jobs.id AND step IS NOT NULL AND step_name IS NULL
""")
# Rows go where the new plan has them; by way of negative numbers, since each is unique in its job.
_PLAN = text("""
UPDATE jobs SET step_names = :step_names, step_timeouts = :step_timeouts, step_keys = CAST(:step_keys AS jsonb)
WHERE id = :job_id
""")
_UNPLACE = text("UPDATE job_steps SET step_number = -step_number WHERE job_id = :job_id")
_PLACE = text("""
UPDATE job_steps SET step_number = place, message = 'Step ' || place || ' completed successfully'
FROM unnest(CAST(:step_names AS text[])) WITH ORDINALITY AS plan(step, place)
WHERE job_id = :job_id AND name = step AND status = 'COMPLETED'
""")
_DROP_UNPLACED = text("DELETE FROM job_steps WHERE job_id = :job_id AND step_number < 0")

_REMOVE = text("""
DELETE FROM jobs WHERE id = :job_id AND status IN ('COMPLETED', 'FAILED', 'CANCELLED') RETURNING id
""")


def create(connection: Connection, jobs: Sequence[dict[str, Any]], *, actor: str | None) -> list[dict[str, Any]]:
    """Insert PENDING jobs with their first events, in order; gives `id`, `task_id`, `status`, `priority` and `due`.

    Each has `task_id`, `pipeline`, `step_names`, `step_timeouts`, `params`, `priority`, `delay_seconds`, `max_attempts`
    and, if any, `idempotency_key` with `request_digest`. One whose key is taken is left out. `actor` is the name of the
    API key that asks, here and below.
    """
    numbered = [{**job, "position": position} for position, job in enumerate(jobs)]
    return _CREATE(connection, {"jobs": jsontext.dumps(numbered), "actor": actor})


def by_key(connection: Connection, key: str) -> RowMapping | None:
    """The job that was made with this idempotency key: `id`, `task_id`, `status`, `request_digest`."""
    return connection.execute(_BY_KEY, {"key": key}).mappings().one_or_none()


def cancel(connection: Connection, job_id: int, *, actor: str | None) -> str | None:
    """End a waiting job, or ask a running one to end; gives its status then, `None` when it has ended before."""
    return connection.execute(_CANCEL, {"job_id": job_id, "actor": actor}).scalar_one_or_none()


def lock(connection: Connection, job_id: int) -> RowMapping | None:
    """Hold the job's row for the rest of the transaction; gives what a retry depends on."""
    return connection.execute(_LOCK, {"job_id": job_id}).mappings().one_or_none()


def retry(
    connection: Connection, *, job_id: int, from_step: int | None, params: str | None, actor: str | None
) -> RowMapping:
    """Make an ended job PENDING again, without its steps from `from_step` on; `params` is JSON text."""
    values = {"job_id": job_id, "from_step": from_step, "params": params, "actor": actor}
    return connection.execute(_RETRY, values).mappings().one()


def plan(
    connection: Connection,
    *,
    job_id: int,
    step_names: Sequence[str],
    step_timeouts: Sequence[float | None],
    step_keys: str,
) -> None:
    """Give a locked, ended job another plan. What is COMPLETED of it stays so; of other steps nothing is kept.

    `step_keys` is a JSON object: the number of each step's key by its name.
    """
    values = {"job_id": job_id, "step_names": list(step_names), "step_timeouts": list(step_timeouts)}
    connection.execute(_NAME_EVENTS, values)
    connection.execute(_PLAN, {**values, "step_keys": step_keys})
    for statement in (_UNPLACE, _PLACE, _DROP_UNPLACED):
        connection.execute(statement, values)


def remove(connection: Connection, job_id: int) -> bool:
    """Delete an ended job with all that belongs to it; gives whether there was one."""
    return connection.execute(_REMOVE, {"job_id": job_id}).scalar_one_or_none() is not None
