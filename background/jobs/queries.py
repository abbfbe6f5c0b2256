"""All SQL that moves a job, to be read in one sitting. (`reads` and `recovery_queries` have the rest.)

Each transition is one statement. A statement that writes for a worker first takes the job's row in a CTE named
`own`, which carries the fence: `attempt = :attempt AND status = 'IN_PROGRESS'`. When `own` is empty the job
is no longer this worker's, and nothing else in the statement does anything. Every statement that is written
for a worker can be repeated after a lost answer: the second time finds the work done and says so.

Rows that `own` lets through are joined (`FROM own`), never read in a scalar subquery: a row that changed while
the statement waited for its lock is then judged again by its newest version (PostgreSQL documentation,
"Read Committed Isolation Level").
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background import jsontext

_EVENT = "INSERT INTO job_events (job_id, number, kind, step, attempt, worker, message, error)"
_ASKED = "INSERT INTO job_events (job_id, number, kind, step, attempt, actor)"
"""An event that a client asked for; `actor` is the name of its key."""

_STEP_BEGINS = """
    INSERT INTO job_steps (job_id, step_number, name, status, message, attempt)
    SELECT id, current_step, step_names[current_step], 'IN_PROGRESS', 'Processing step ' || current_step, attempt
    FROM {source} WHERE status = 'IN_PROGRESS'
    ON CONFLICT (job_id, step_number) DO UPDATE
    SET status = excluded.status, message = excluded.message, attempt = excluded.attempt, progress = 0,
        output = NULL, error = NULL, started_at = now(), completed_at = NULL
    WHERE job_steps.status <> 'COMPLETED'
    RETURNING failures
"""

_COMPLETED = """EXISTS (SELECT FROM job_steps
    WHERE job_id = jobs.id AND step_number = number AND job_steps.status = 'COMPLETED')"""

FIRST_STEP = f"""
    (SELECT min(number) FROM generate_subscripts(step_names, 1) AS number WHERE NOT {_COMPLETED})
"""
"""The number of the first step of a job's plan that is not COMPLETED."""

HAS_STEP = "(CAST(:abilities AS jsonb) #> ARRAY[pipeline, 'steps'] @> to_jsonb(step_names[{step}]))"
"""Whether a worker with these `:abilities` (see `registry`) can run that step of a job. NULL is no."""

# A due job counts as published from the start: its message follows at once, and one that is missing shows as a
# shortfall.
_CREATE = text(f"""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts, run_at,
                      published_at, idempotency_key, request_digest)
    SELECT task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts,
           now() + delay_seconds * interval '1 second',
           CASE WHEN delay_seconds = 0 THEN now() END, idempotency_key, request_digest
    FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS asked(
        position int, task_id uuid, pipeline text, step_names text[], step_timeouts float8[], params jsonb,
        priority smallint, delay_seconds float8, max_attempts smallint,
        idempotency_key text, request_digest text)
    ORDER BY position
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, task_id, status, priority, run_at <= now() AS due
), event AS (
    {_ASKED} SELECT id, 1, 'created', NULL, 0, :actor FROM job
)
SELECT * FROM job ORDER BY id
""")

_BY_KEY = text("SELECT id, task_id, status, request_digest FROM jobs WHERE idempotency_key = :key")

# A waiting job ends at once; a running one is told, and its worker writes the end.
_CANCEL = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE status END,
        cancel_requested = status = 'IN_PROGRESS', published_at = NULL,
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
        failures = 0, run_at = now(), published_at = now(), turned_away = NULL, sent_to = NULL,
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

_UNPUBLISHED = text("""
UPDATE jobs SET published_at = NULL WHERE id = ANY(:job_ids) AND status = 'PENDING'
""")

# The token is the claimer's own: a claim whose answer was lost is asked again and recognised. A job that has changed
# since it was seen is not claimed: it may have other parameters or steps. `step` is empty when a step was completed
# under this statement's snapshot; the claim is then asked again, too.
_CLAIM = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = 'IN_PROGRESS', attempt = attempt + (claim_token IS DISTINCT FROM :token)::int,
        event_count = event_count + (claim_token IS DISTINCT FROM :token)::int, claim_token = :token,
        worker = :worker, worker_id = :worker_id, lease_until = now() + :lease * interval '1 second',
        current_step = first.step,
        step_until = now() + least(step_timeouts[first.step], :time_limit) * interval '1 second',
        published_at = NULL, turned_away = NULL, sent_to = NULL, running_seconds = NULL,
        claimed_at = CASE WHEN claim_token = :token THEN claimed_at ELSE now() END,
        started_at = coalesce(started_at, now()), updated_at = now()
    FROM (SELECT jobs.id AS job_id, {FIRST_STEP} AS step FROM jobs WHERE id = :job_id) AS first
    WHERE id = first.job_id AND NOT cancel_requested AND run_at <= now()
      AND ((status = 'PENDING' AND event_count = :seen) OR (status = 'IN_PROGRESS' AND claim_token = :token))
    RETURNING jobs.*
), step AS ({_STEP_BEGINS.format(source="own")}
), event AS (
    {_EVENT} SELECT id, event_count, 'started', current_step, attempt, worker, NULL, NULL FROM own
    ON CONFLICT (job_id, number) DO NOTHING
)
SELECT own.id, own.task_id, own.attempt, own.failures, own.max_attempts,
       own.step_names, own.step_keys, own.current_step, step.failures AS step_failures,
       least(step_timeouts[current_step], :time_limit) AS step_seconds,
       (SELECT coalesce(jsonb_object_agg(name, output), '{{}}') FROM job_steps
        WHERE job_id = :job_id AND status = 'COMPLETED') AS outputs
FROM own LEFT JOIN step ON true
""")

# Ends a step and begins the next one that is not COMPLETED, or ends the job. One that the worker does not have waits
# for another worker. Asked again after a lost answer, `own` is empty because current_step has moved on, and the second
# half answers how it stands.
_FINISH_STEP = text(f"""
WITH next AS (
    SELECT job_id, step, coalesce({HAS_STEP.format(step="step")}, false) AS here, last
    FROM (SELECT id AS job_id, pipeline, step_names, cardinality(step_names) AS last,
              (SELECT min(number) FROM generate_subscripts(step_names, 1) AS number
               WHERE number > :step AND NOT {_COMPLETED}) AS step
          FROM jobs WHERE id = :job_id) AS plan
), own AS (
    UPDATE jobs
    SET status = CASE WHEN step IS NULL THEN 'COMPLETED' WHEN cancel_requested THEN 'CANCELLED'
                      WHEN here THEN 'IN_PROGRESS' ELSE 'PENDING' END,
        lease_until = CASE WHEN here AND NOT cancel_requested THEN lease_until END,
        step_until = CASE WHEN here AND NOT cancel_requested
            THEN now() + least(step_timeouts[step], :time_limit) * interval '1 second' END,
        turned_away = CASE WHEN step IS NOT NULL AND NOT here THEN jsonb_build_object('refused_by', '{{}}'::text[]) END,
        running_seconds = CASE WHEN NOT here OR cancel_requested THEN extract(epoch FROM now() - claimed_at) END,
        finished_at = CASE WHEN step IS NULL OR cancel_requested THEN now() END,
        result = CASE WHEN step IS NULL AND current_step = last THEN CAST(:output AS jsonb) WHEN step IS NULL
            THEN (SELECT output FROM job_steps WHERE job_steps.job_id = jobs.id AND step_number = last) END,
        error = CASE WHEN step IS NOT NULL THEN error END,
        current_step = CASE WHEN step IS NOT NULL AND NOT cancel_requested THEN step ELSE current_step END,
        event_count = event_count + 1, updated_at = now()
    FROM next
    WHERE id = next.job_id AND attempt = :attempt AND status = 'IN_PROGRESS' AND current_step = :step
    RETURNING jobs.*
), done AS (
    UPDATE job_steps
    SET status = 'COMPLETED', message = 'Step ' || step_number || ' completed successfully', progress = 1,
        output = CAST(:output AS jsonb), error = NULL, completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = :step
), step AS ({_STEP_BEGINS.format(source="own")}
), event AS (
    {_EVENT}
    SELECT id, event_count,
           CASE status WHEN 'COMPLETED' THEN 'completed' WHEN 'CANCELLED' THEN 'cancelled' ELSE 'step_completed' END,
           :step, attempt, worker, NULL, NULL
    FROM own
)
SELECT own.status, own.current_step, step.failures AS step_failures,
       least(own.step_timeouts[own.current_step], :time_limit) AS step_seconds
FROM own LEFT JOIN step ON true
UNION ALL
SELECT jobs.status, jobs.current_step, job_steps.failures, least(step_timeouts[current_step], :time_limit)
FROM jobs LEFT JOIN job_steps ON job_steps.job_id = jobs.id AND job_steps.step_number = jobs.current_step
WHERE jobs.id = :job_id AND jobs.attempt = :attempt AND NOT EXISTS (SELECT FROM own)
""")

# Ends an attempt without finishing its step: the job becomes :status, unless someone asked to cancel it.
_STOP = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE :status END,
        failures = failures + :failed, error = CASE :failed WHEN 1 THEN :message ELSE error END,
        lease_until = NULL, step_until = NULL, claim_token = NULL, published_at = NULL,
        running_seconds = greatest(0, extract(epoch FROM now() - claimed_at) - :silent),
        run_at = CASE WHEN :status = 'PENDING' THEN now() + :delay * interval '1 second' ELSE run_at END,
        finished_at = CASE WHEN cancel_requested OR :status <> 'PENDING' THEN now() END,
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS'
    RETURNING *
), step AS (
    UPDATE job_steps
    SET status = 'FAILED', message = :message, error = :error, failures = job_steps.failures + :failed,
        completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
              AND job_steps.status = 'IN_PROGRESS'
), event AS (
    {_EVENT}
    SELECT id, event_count,
           CASE status WHEN 'FAILED' THEN 'failed' WHEN 'CANCELLED' THEN 'cancelled' ELSE :kind END,
           current_step, attempt, worker, :message, :error
    FROM own
)
SELECT status FROM own
""")

# A planned stop: no failure, and due at once elsewhere.
_HAND_BACK = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE 'PENDING' END, lease_until = NULL,
        step_until = NULL, claim_token = NULL, run_at = now(), published_at = NULL,
        running_seconds = extract(epoch FROM now() - claimed_at),
        finished_at = CASE WHEN cancel_requested THEN now() END, event_count = event_count + 1, updated_at = now()
    WHERE worker_id = :worker_id AND status = 'IN_PROGRESS'
    RETURNING *
), step AS (
    UPDATE job_steps SET status = 'FAILED', message = 'Handed back: the worker was stopped', completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
              AND job_steps.status = 'IN_PROGRESS'
), event AS (
    {_EVENT}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'handed_back' END,
           current_step, attempt, worker, NULL, NULL
    FROM own
)
SELECT count(*) FROM own
""")

# The step's row always has the newest. Of the attempt's events of this step only the newest is kept: whoever reads the
# history wants to know how far it came, and whoever follows it gets the job as it is now.
_PROGRESS = text(f"""
WITH own AS (
    UPDATE jobs SET event_count = event_count + :tell, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS'
    RETURNING *
), step AS (
    UPDATE job_steps SET progress = :fraction, message = coalesce(:message, message)
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
), older AS (
    DELETE FROM job_events
    USING own WHERE :tell = 1 AND job_events.job_id = own.id AND job_events.attempt = own.attempt
                AND job_events.step = own.current_step AND job_events.kind = 'progress'
), event AS (
    {_EVENT} SELECT id, event_count, 'progress', current_step, attempt, worker, :message, NULL FROM own WHERE :tell = 1
)
SELECT cancel_requested FROM own
""")

_OWNED = text("""
SELECT cancel_requested FROM jobs WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS'
""")


def create(connection: Connection, jobs: Sequence[dict[str, Any]], *, actor: str | None) -> Sequence[RowMapping]:
    """Insert PENDING jobs with their first events, in order; gives `id`, `task_id`, `status`, `priority` and `due`.

    Each has `task_id`, `pipeline`, `step_names`, `step_timeouts`, `params`, `priority`, `delay_seconds`, `max_attempts`
    and, if any, `idempotency_key` with `request_digest`. One whose key is taken is left out. `actor` is the name of the
    API key that asks, here and below.
    """
    numbered = [{**job, "position": position} for position, job in enumerate(jobs)]
    return connection.execute(_CREATE, {"jobs": jsontext.dumps(numbered), "actor": actor}).mappings().all()


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


def mark_unpublished(connection: Connection, job_ids: Sequence[int]) -> None:
    """Remember that the broker has not taken the messages of these jobs."""
    connection.execute(_UNPUBLISHED, {"job_ids": list(job_ids)})


def claim(
    connection: Connection,
    *,
    job_id: int,
    token: str,
    worker: str,
    worker_id: str,
    lease: float,
    time_limit: float,
    seen: int,
) -> RowMapping | None:
    """Make a due PENDING job this worker's for `lease` seconds and begin its first step that is not COMPLETED.

    Only if nothing has happened to it since it had `seen` events. That step may take `time_limit` seconds, or
    `step_seconds` of the row given, which is less where the step has a time-out of its own. `None` when there is
    nothing to claim. A row whose `step_failures` is `None` says: ask again.
    """
    values = {
        "job_id": job_id,
        "token": token,
        "worker": worker,
        "worker_id": worker_id,
        "lease": lease,
        "time_limit": time_limit,
        "seen": seen,
    }
    return connection.execute(_CLAIM, values).mappings().one_or_none()


def finish_step(
    connection: Connection, *, job_id: int, attempt: int, step: int, output: str, time_limit: float, abilities: str
) -> RowMapping | None:
    """End step `step` with `output` (JSON text) and begin the next, or end the job.

    A next step that is not among the worker's `abilities` (JSON text, see `registry`) waits for another worker.

    Gives the job's `status`, its `current_step`, and that step's `step_failures` and `step_seconds` (see `claim`);
    `None` when the job is no longer held by this attempt.
    """
    values = {"job_id": job_id, "attempt": attempt, "step": step, "output": output, "time_limit": time_limit}
    values["abilities"] = abilities
    return connection.execute(_FINISH_STEP, values).mappings().one_or_none()


def stop(
    connection: Connection,
    *,
    job_id: int,
    attempt: int,
    status: str,
    kind: str,
    message: str,
    error: str | None = None,
    failed: bool = False,
    delay: float = 0,
    silent: float = 0,
) -> str | None:
    """End an attempt in the middle of its step; the job becomes `status`, due again in `delay` seconds if PENDING.

    `failed` counts it as a failure; in its last `silent` seconds it did not run. Gives the status written (CANCELLED
    when that was asked for), or `None` when the job is no longer held by this attempt.
    """
    values = {
        "job_id": job_id,
        "attempt": attempt,
        "status": status,
        "kind": kind,
        "message": message,
        "error": error,
        "failed": int(failed),
        "delay": delay,
        "silent": silent,
    }
    return connection.execute(_STOP, values).scalar_one_or_none()


def hand_back(connection: Connection, *, worker_id: str) -> int:
    """Give back every job that this start of a worker holds, without a failure; gives how many."""
    return int(connection.execute(_HAND_BACK, {"worker_id": worker_id}).scalar_one())


def progress(
    connection: Connection, *, job_id: int, attempt: int, fraction: float, message: str | None, tell: bool = True
) -> bool | None:
    """Write how far the running step is (0 to 1), and `tell` it as an event, in place of the last one of this step.

    Gives whether a cancel is asked for; `None`: not ours any more.
    """
    values = {"job_id": job_id, "attempt": attempt, "fraction": fraction, "message": message, "tell": int(tell)}
    return connection.execute(_PROGRESS, values).scalar_one_or_none()


def cancel_asked(connection: Connection, *, job_id: int, attempt: int) -> bool | None:
    """Whether a cancel is asked for; `None` when the job is no longer held by this attempt."""
    return connection.execute(_OWNED, {"job_id": job_id, "attempt": attempt}).scalar_one_or_none()
