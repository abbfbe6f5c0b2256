"""All SQL of the job pipeline, to be read in one sitting.

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

# A due job counts as published from the start: its message follows at once, and one that is missing shows as a
# shortfall.
_CREATE = text(f"""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, params, priority, max_attempts, run_at, published_at,
                      idempotency_key, request_digest)
    SELECT task_id, pipeline, step_names, params, priority, max_attempts, now() + delay_seconds * interval '1 second',
           CASE WHEN delay_seconds = 0 THEN now() END, idempotency_key, request_digest
    FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS asked(
        position int, task_id uuid, pipeline text, step_names text[], params jsonb, priority smallint,
        delay_seconds float8, max_attempts smallint, idempotency_key text, request_digest text)
    ORDER BY position
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, task_id, status, priority, run_at <= now() AS due
), event AS (
    {_EVENT} SELECT id, 1, 'created', NULL, 0, NULL, NULL, NULL FROM job
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
    {_EVENT}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'cancel_requested' END,
           NULL, attempt, NULL, NULL, NULL
    FROM own
)
SELECT status FROM own
""")

_LOCK = text("""
SELECT id, status, pipeline, cardinality(step_names) AS steps_total,
    (SELECT count(*) FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS steps_done
FROM jobs WHERE id = :job_id FOR UPDATE
""")

_RETRY = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = 'PENDING', params = coalesce(CAST(:params AS jsonb), params), failures = 0, run_at = now(),
        published_at = now(), cancel_requested = false, claim_token = NULL, result = NULL, error = NULL,
        finished_at = NULL, event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id
    RETURNING *
), removed AS (
    DELETE FROM job_steps USING own WHERE job_steps.job_id = own.id AND job_steps.step_number >= :from_step
), event AS (
    {_EVENT} SELECT id, event_count, 'retried', :from_step, attempt, NULL, NULL, NULL FROM own
)
SELECT id, task_id, status, priority FROM own
""")

_REMOVE = text("""
DELETE FROM jobs WHERE id = :job_id AND status IN ('COMPLETED', 'FAILED', 'CANCELLED') RETURNING id
""")

_UNPUBLISHED = text("""
UPDATE jobs SET published_at = NULL WHERE id = ANY(:job_ids) AND status = 'PENDING'
""")

# The token is the claimer's own: a claim whose answer was lost is asked again and recognised. `step` is empty
# when a step was completed under this statement's snapshot; the claim is then asked again, too.
_CLAIM = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = 'IN_PROGRESS', attempt = attempt + (claim_token IS DISTINCT FROM :token)::int,
        event_count = event_count + (claim_token IS DISTINCT FROM :token)::int, claim_token = :token,
        worker = :worker, worker_id = :worker_id, lease_until = now() + :lease * interval '1 second',
        current_step = 1 + (SELECT count(*) FROM job_steps WHERE job_id = :job_id AND status = 'COMPLETED'),
        published_at = NULL, started_at = coalesce(started_at, now()), updated_at = now()
    WHERE id = :job_id AND NOT cancel_requested AND run_at <= now()
      AND (status = 'PENDING' OR (status = 'IN_PROGRESS' AND claim_token = :token))
    RETURNING *
), step AS ({_STEP_BEGINS.format(source="own")}
), event AS (
    {_EVENT} SELECT id, event_count, 'started', current_step, attempt, worker, NULL, NULL FROM own
    ON CONFLICT (job_id, number) DO NOTHING
)
SELECT own.id, own.task_id, own.pipeline, own.params, own.attempt, own.failures, own.max_attempts,
       own.current_step, step.failures AS step_failures,
       (SELECT coalesce(jsonb_object_agg(step_number, output), '{{}}') FROM job_steps
        WHERE job_id = :job_id AND status = 'COMPLETED') AS outputs
FROM own LEFT JOIN step ON true
""")

# Ends step k and begins step k + 1, or ends the job. Asked again after a lost answer, `own` is empty because
# current_step has moved on, and the second half answers how it stands.
_FINISH_STEP = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN current_step = cardinality(step_names) THEN 'COMPLETED'
                      WHEN cancel_requested THEN 'CANCELLED' ELSE 'IN_PROGRESS' END,
        lease_until = CASE WHEN current_step < cardinality(step_names) AND NOT cancel_requested THEN lease_until END,
        finished_at = CASE WHEN current_step = cardinality(step_names) OR cancel_requested THEN now() END,
        result = CASE WHEN current_step = cardinality(step_names) THEN CAST(:output AS jsonb) END,
        error = CASE WHEN current_step < cardinality(step_names) THEN error END,
        current_step = CASE WHEN current_step < cardinality(step_names) AND NOT cancel_requested
                            THEN current_step + 1 ELSE current_step END,
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS' AND current_step = :step
    RETURNING *
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
SELECT own.status, own.current_step, step.failures AS step_failures FROM own LEFT JOIN step ON true
UNION ALL
SELECT jobs.status, jobs.current_step, job_steps.failures
FROM jobs LEFT JOIN job_steps ON job_steps.job_id = jobs.id AND job_steps.step_number = jobs.current_step
WHERE jobs.id = :job_id AND jobs.attempt = :attempt AND NOT EXISTS (SELECT FROM own)
""")

# Ends an attempt without finishing its step: the job becomes :status, unless someone asked to cancel it.
_STOP = text(f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE :status END,
        failures = failures + :failed, error = CASE :failed WHEN 1 THEN :message ELSE error END,
        lease_until = NULL, claim_token = NULL,
        published_at = NULL,
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
        claim_token = NULL, run_at = now(), published_at = NULL,
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

_PROGRESS = text(f"""
WITH own AS (
    UPDATE jobs SET event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS'
    RETURNING *
), step AS (
    UPDATE job_steps SET progress = :fraction, message = coalesce(:message, message)
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
), event AS (
    {_EVENT} SELECT id, event_count, 'progress', current_step, attempt, worker, :message, NULL FROM own
)
SELECT cancel_requested FROM own
""")

_OWNED = text("""
SELECT cancel_requested FROM jobs WHERE id = :job_id AND attempt = :attempt AND status = 'IN_PROGRESS'
""")

_RENEW = text("""
UPDATE jobs SET lease_until = now() + :lease * interval '1 second'
WHERE id = ANY(:job_ids) AND worker_id = :worker_id AND status = 'IN_PROGRESS'
""")

_SERVER_CLOCK = text("""
SELECT extract(epoch FROM now())::float, extract(epoch FROM now() - pg_postmaster_start_time())::float
""")

_LOST = text("""
SELECT id, attempt, failures, max_attempts FROM jobs
WHERE status = 'IN_PROGRESS' AND lease_until < now()
ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

RECOVERY_LOCK_KEY = 5_820_118
PUBLISH_GRACE_SECONDS = 2.0
"""So long after it was marked as published, a job's message may still be on its way to the queue."""

_RECOVERY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")

_COUNT_PUBLISHED = text("""
SELECT count(*) FROM (
    SELECT FROM jobs
    WHERE status = 'PENDING' AND published_at < now() - :grace * interval '1 second' AND run_at <= now()
    LIMIT :limit
) AS published
""")

_TO_PUBLISH = text("""
WITH chosen AS (
    SELECT id FROM jobs
    WHERE status = 'PENDING' AND run_at <= now()
      AND CASE WHEN :again THEN published_at < now() - :grace * interval '1 second' ELSE published_at IS NULL END
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET published_at = now() FROM chosen WHERE jobs.id = chosen.id
RETURNING jobs.id, jobs.task_id, jobs.priority
""")

_STEPS_OF_JOB = """
    (SELECT coalesce(jsonb_agg(to_jsonb(s) - 'job_id' - 'failures' ORDER BY s.step_number), '[]')
     FROM job_steps s WHERE s.job_id = jobs.id) AS steps
"""

_JOB_COLUMNS = f"""
    id, task_id, status, created_at, updated_at, pipeline, params, priority, attempt, max_attempts, run_at,
    started_at, finished_at, worker, result, error, published_at IS NOT NULL AS published,
    extract(epoch FROM run_at - now())::float AS seconds_until_due, {_STEPS_OF_JOB}
"""

# One statement, so one snapshot: a job and its steps always agree.
_GET = text(f"""
SELECT {_JOB_COLUMNS},
    (SELECT coalesce(jsonb_agg(to_jsonb(e) - 'job_id' ORDER BY e.number), '[]')
     FROM job_events e WHERE e.job_id = jobs.id) AS events
FROM jobs WHERE id = :job_id
""")

_GET_BY_TASK_ID = text("""
SELECT id, task_id, status, attempt, result, error, cardinality(step_names) AS steps_total,
    (SELECT count(*) FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS steps_done
FROM jobs WHERE task_id = :task_id
""")


def create(connection: Connection, jobs: Sequence[dict[str, Any]]) -> Sequence[RowMapping]:
    """Insert PENDING jobs with their first events, in order; gives `id`, `task_id`, `status`, `priority` and `due`.

    Each has `task_id`, `pipeline`, `step_names`, `params`, `priority`, `delay_seconds`, `max_attempts` and, if
    any, `idempotency_key` with `request_digest`. One whose key is taken is left out.
    """
    numbered = [{**job, "position": position} for position, job in enumerate(jobs)]
    return connection.execute(_CREATE, {"jobs": jsontext.dumps(numbered)}).mappings().all()


def by_key(connection: Connection, key: str) -> RowMapping | None:
    """The job that was made with this idempotency key: `id`, `task_id`, `status`, `request_digest`."""
    return connection.execute(_BY_KEY, {"key": key}).mappings().one_or_none()


def cancel(connection: Connection, job_id: int) -> str | None:
    """End a waiting job, or ask a running one to end; gives its status then, `None` when it has ended before."""
    return connection.execute(_CANCEL, {"job_id": job_id}).scalar_one_or_none()


def lock(connection: Connection, job_id: int) -> RowMapping | None:
    """Hold the job's row for the rest of the transaction; gives what `states.may_retry` needs, and `pipeline`."""
    return connection.execute(_LOCK, {"job_id": job_id}).mappings().one_or_none()


def retry(connection: Connection, *, job_id: int, from_step: int | None, params: str | None) -> RowMapping:
    """Make an ended job PENDING again, without its steps from `from_step` on; `params` is JSON text."""
    values = {"job_id": job_id, "from_step": from_step, "params": params}
    return connection.execute(_RETRY, values).mappings().one()


def remove(connection: Connection, job_id: int) -> bool:
    """Delete an ended job with all that belongs to it; gives whether there was one."""
    return connection.execute(_REMOVE, {"job_id": job_id}).scalar_one_or_none() is not None


def mark_unpublished(connection: Connection, job_ids: Sequence[int]) -> None:
    """Remember that the broker has not taken the messages of these jobs."""
    connection.execute(_UNPUBLISHED, {"job_ids": list(job_ids)})


def claim(
    connection: Connection, *, job_id: int, token: str, worker: str, worker_id: str, lease: float
) -> RowMapping | None:
    """Make a due PENDING job this worker's for `lease` seconds and begin its first step that is not COMPLETED.

    `None` when there is nothing to claim. A row whose `step_failures` is `None` says: ask again.
    """
    values = {"job_id": job_id, "token": token, "worker": worker, "worker_id": worker_id, "lease": lease}
    return connection.execute(_CLAIM, values).mappings().one_or_none()


def finish_step(connection: Connection, *, job_id: int, attempt: int, step: int, output: str) -> RowMapping | None:
    """End step `step` with `output` (JSON text) and begin the next, or end the job.

    Gives the job's `status`, its `current_step` and that step's `step_failures`; `None` when the job is no
    longer held by this attempt.
    """
    values = {"job_id": job_id, "attempt": attempt, "step": step, "output": output}
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
) -> str | None:
    """End an attempt in the middle of its step; the job becomes `status`, due again in `delay` seconds if PENDING.

    `failed` counts it as a failure. Gives the status written (CANCELLED when that was asked for), or `None`
    when the job is no longer held by this attempt.
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
    }
    return connection.execute(_STOP, values).scalar_one_or_none()


def hand_back(connection: Connection, *, worker_id: str) -> int:
    """Give back every job that this start of a worker holds, without a failure; gives how many."""
    return int(connection.execute(_HAND_BACK, {"worker_id": worker_id}).scalar_one())


def progress(connection: Connection, *, job_id: int, attempt: int, fraction: float, message: str | None) -> bool | None:
    """Write how far the running step is (0 to 1). Gives whether a cancel is asked for; `None`: not ours any more."""
    values = {"job_id": job_id, "attempt": attempt, "fraction": fraction, "message": message}
    return connection.execute(_PROGRESS, values).scalar_one_or_none()


def cancel_asked(connection: Connection, *, job_id: int, attempt: int) -> bool | None:
    """Whether a cancel is asked for; `None` when the job is no longer held by this attempt."""
    return connection.execute(_OWNED, {"job_id": job_id, "attempt": attempt}).scalar_one_or_none()


def renew(connection: Connection, *, job_ids: Sequence[int], worker_id: str, lease: float) -> int:
    """Renew the leases of those of these jobs that this very start of a worker holds; gives how many."""
    values = {"job_ids": list(job_ids), "worker_id": worker_id, "lease": lease}
    return connection.execute(_RENEW, values).rowcount


def server_clock(connection: Connection) -> tuple[float, float]:
    """PostgreSQL's time in seconds, and for how many it has been up."""
    clock, age = connection.execute(_SERVER_CLOCK).one()
    return clock, age


def lost(connection: Connection, *, limit: int) -> Sequence[RowMapping]:
    """Lock at most `limit` running jobs whose lease has run out; gives what `states.after_loss` needs."""
    return connection.execute(_LOST, {"limit": limit}).mappings().all()


def try_recovery_lock(connection: Connection) -> bool:
    """Whether this transaction may look for missing messages: one at a time, or each would publish them."""
    return bool(connection.execute(_RECOVERY_LOCK, {"key": RECOVERY_LOCK_KEY}).scalar_one())


def count_published(connection: Connection, *, limit: int) -> int:
    """How many due jobs, `limit` at most, should have a message in the queue."""
    values = {"limit": limit, "grace": PUBLISH_GRACE_SECONDS}
    return int(connection.execute(_COUNT_PUBLISHED, values).scalar_one())


def to_publish(connection: Connection, *, again: bool, limit: int) -> Sequence[RowMapping]:
    """Mark the oldest due jobs as published, at most `limit`; gives their `id`, `task_id` and `priority`.

    Those that never were; or, `again`, those whose message should be in the queue.
    """
    values = {"again": again, "limit": limit, "grace": PUBLISH_GRACE_SECONDS}
    return connection.execute(_TO_PUBLISH, values).mappings().all()


def get(connection: Connection, job_id: int) -> RowMapping | None:
    """One job with its steps and events, or `None`."""
    return connection.execute(_GET, {"job_id": job_id}).mappings().one_or_none()


def get_by_task_id(connection: Connection, task_id: str) -> RowMapping | None:
    """How the job with this task id stands, or `None`."""
    return connection.execute(_GET_BY_TASK_ID, {"task_id": task_id}).mappings().one_or_none()


def find(
    connection: Connection, *, status: str | None, pipeline: str | None, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` jobs with their steps, newest first, with ids below `before` (a keyset page)."""
    filters: dict[str, Any] = {"status": status, "pipeline": pipeline, "before": before}
    conditions = {"status": "status = :status", "pipeline": "pipeline = :pipeline", "before": "id < :before"}
    chosen = [conditions[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    statement = text(f"SELECT {_JOB_COLUMNS} FROM jobs {where} ORDER BY id DESC LIMIT :limit")
    return connection.execute(statement, {**filters, "limit": limit}).mappings().all()
