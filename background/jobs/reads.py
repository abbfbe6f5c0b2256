"""SQL that only reads jobs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background.jobs.queries import FIRST_STEP

_STEPS_OF_JOB = """
    (SELECT coalesce(jsonb_agg(to_jsonb(s) - 'job_id' - 'failures' ORDER BY s.step_number), '[]')
     FROM job_steps s WHERE s.job_id = jobs.id) AS steps
"""

_JOB_COLUMNS = f"""
    id, task_id, status, created_at, updated_at, pipeline, params, priority, attempt, max_attempts, run_at,
    started_at, finished_at, worker, result, error, failures, published_at IS NOT NULL AS published,
    extract(epoch FROM run_at - now())::float AS seconds_until_due, turned_away, step_names,
    CASE status WHEN 'PENDING' THEN step_names[{FIRST_STEP}] END AS next_step,
    CASE status WHEN 'IN_PROGRESS' THEN extract(epoch FROM now() - claimed_at)::float ELSE running_seconds END
        AS running_seconds, {_STEPS_OF_JOB}
"""

# One statement, so one snapshot: a job and its steps always agree.
_GET = text(f"""
SELECT {_JOB_COLUMNS},
    (SELECT coalesce(jsonb_agg(to_jsonb(e) - 'job_id' ORDER BY e.number), '[]')
     FROM job_events e WHERE e.job_id = jobs.id) AS events
FROM jobs WHERE id = :job_id
""")

_GET_MANY = text(f"SELECT {_JOB_COLUMNS}, event_count FROM jobs WHERE id = ANY(:job_ids)")

_GET_BY_TASK_ID = text("""
SELECT id, task_id, status, attempt, result, error, event_count, cardinality(step_names) AS steps_total,
    (SELECT count(*) FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS steps_done
FROM jobs WHERE task_id = :task_id
""")

_COUNTS = text("SELECT pipeline, status, count(*) AS number FROM jobs GROUP BY pipeline, status")

_WAITING = text("""
SELECT count(*) AS waiting, extract(epoch FROM now() - min(run_at))::float AS oldest_waiting_seconds
FROM jobs WHERE status = 'PENDING' AND run_at <= now()
""")

# A job that was tried again has another run_at than at its first start; it is left out of the waiting time.
_LAST_HOUR = text("""
WITH minutes AS (
    SELECT generate_series(date_trunc('minute', now()) - interval '59 minutes', now(), interval '1 minute') AS minute
), submitted AS (
    SELECT date_trunc('minute', created_at) AS minute, count(*) AS number
    FROM jobs WHERE created_at >= now() - interval '1 hour' GROUP BY 1
), ended AS (
    SELECT date_trunc('minute', finished_at) AS minute,
        count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
        count(*) FILTER (WHERE status = 'FAILED') AS failed,
        avg(extract(epoch FROM started_at - run_at)) FILTER (WHERE run_at <= started_at) AS waiting,
        avg(running_seconds) AS running
    FROM jobs WHERE finished_at >= now() - interval '1 hour' GROUP BY 1
)
SELECT minute, coalesce(number, 0) AS submitted, coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed,
    waiting::float AS mean_waiting_seconds, running::float AS mean_running_seconds
FROM minutes LEFT JOIN submitted USING (minute) LEFT JOIN ended USING (minute) ORDER BY minute
""")


def get(connection: Connection, job_id: int) -> RowMapping | None:
    """One job with its steps and events, or `None`."""
    return connection.execute(_GET, {"job_id": job_id}).mappings().one_or_none()


def get_by_task_id(connection: Connection, task_id: str) -> RowMapping | None:
    """How the job with this task id stands, or `None`."""
    return connection.execute(_GET_BY_TASK_ID, {"task_id": task_id}).mappings().one_or_none()


def get_many(connection: Connection, job_ids: Sequence[int]) -> Sequence[RowMapping]:
    """Those of these jobs that exist, with their steps and, in `event_count`, the number of the newest event."""
    return connection.execute(_GET_MANY, {"job_ids": list(job_ids)}).mappings().all()


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


def counts(connection: Connection) -> Sequence[RowMapping]:
    """The `number` of jobs for each `pipeline` and `status`."""
    return connection.execute(_COUNTS).mappings().all()


def waiting(connection: Connection) -> RowMapping:
    """How many PENDING jobs are due (`waiting`), and the `oldest_waiting_seconds` since the first of them was."""
    return connection.execute(_WAITING).mappings().one()


def last_hour(connection: Connection) -> Sequence[RowMapping]:
    """60 rows, one for each minute: what was submitted and what has ended in it."""
    return connection.execute(_LAST_HOUR).mappings().all()
