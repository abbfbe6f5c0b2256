"""SQL that only reads jobs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from background.jobs.queries import FIRST_STEP
from background.jobs.states import WAKE_SECONDS, JobStatus

EVENTS_AT_ONCE = 1000
"""So many events a look at one job gives, the newest ones."""
LISTED_BYTES = 1024
"""A list leaves out params, results and outputs that are larger."""


def _over(column: str) -> str:
    """Whether a `jsonb` is more than `:most` bytes of text; what is stored far larger is not unpacked to see it."""
    return f"""
        coalesce(CASE WHEN pg_column_size({column}) > 8 * CAST(:most AS int) THEN true
                      ELSE octet_length({column}::text) > CAST(:most AS int) END, false)
    """


_JOB_COLUMNS = f"""
    jobs.id, task_id, status, created_at, updated_at, pipeline, priority, attempt, max_attempts, run_at,
    started_at, finished_at, worker, error, failures,
    run_at <= updated_at AND updated_at > now() - interval '{WAKE_SECONDS} s' AS published,
    extract(epoch FROM run_at - now())::float AS seconds_until_due, turned_away, step_names,
    CASE status WHEN 'PENDING' THEN step_names[{FIRST_STEP}] END AS next_step,
    CASE status WHEN 'IN_PROGRESS' THEN extract(epoch FROM now() - claimed_at)::float ELSE running_seconds END
        AS running_seconds
"""
_WHOLE = f"""
    {_JOB_COLUMNS}, params, result,
    (SELECT coalesce(jsonb_agg(to_jsonb(s) - 'job_id' - 'failures' ORDER BY s.step_number), '[]')
     FROM job_steps s WHERE s.job_id = jobs.id) AS steps
"""
# Without its large values, which stay in PostgreSQL: `cut` has their paths.
_BRIEF = f"""
    {_JOB_COLUMNS}, CASE WHEN NOT {_over("params")} THEN params END AS params,
    CASE WHEN NOT {_over("result")} THEN result END AS result, steps,
    array_remove(ARRAY[CASE WHEN {_over("params")} THEN 'params' END,
                       CASE WHEN {_over("result")} THEN 'result' END], NULL) || steps_cut AS cut
"""
_BRIEF_STEPS = f"""
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(to_jsonb(s) - 'is_over' ORDER BY step_number), '[]') AS steps,
            coalesce(array_agg(format('steps.%s.output', place) ORDER BY step_number) FILTER (WHERE is_over), '{{}}')
                AS steps_cut
        FROM (SELECT id, step_number, name, status, message, attempt, progress, error, started_at, completed_at,
                  is_over, CASE WHEN NOT is_over THEN output END AS output,
                  row_number() OVER (ORDER BY step_number) - 1 AS place
              FROM job_steps CROSS JOIN LATERAL (SELECT {_over("output")} AS is_over) AS size
              WHERE job_id = jobs.id) AS s
    ) AS of_job
"""

# One statement, so one snapshot: a job and its steps always agree.
_GET = text(f"""
SELECT {_WHOLE},
    (SELECT coalesce(jsonb_agg(
            to_jsonb(e) - 'job_id' || jsonb_build_object('step_name', coalesce(step_name, step_names[step]))
        ORDER BY e.number), '[]')
     FROM (SELECT * FROM job_events WHERE job_id = jobs.id AND number < :before ORDER BY number DESC LIMIT :events)
        AS e) AS events
FROM jobs WHERE id = :job_id
""")

_GET_MANY = text(f"SELECT {_BRIEF}, event_count FROM jobs {_BRIEF_STEPS} WHERE jobs.id = ANY(:job_ids)")

_GET_BY_TASK_ID = text("""
SELECT id, task_id, status, attempt, result, error, event_count, cardinality(step_names) AS steps_total,
    (SELECT count(*) FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS steps_done
FROM jobs WHERE task_id = :task_id
""")

_COUNTS = text("SELECT pipeline, status, count(*) AS number FROM jobs GROUP BY pipeline, status")

_WAITING = text("""
SELECT count(*) AS waiting, extract(epoch FROM now() - min(run_at))::float AS oldest_waiting_seconds
FROM jobs WHERE status = 'PENDING' AND priority >= 0 AND run_at <= now()
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


def get(connection: Connection, job_id: int, *, events_before: int | None = None) -> RowMapping | None:
    """One job with its steps and the newest `EVENTS_AT_ONCE` of its events, or of those below a number; or `None`."""
    before = 2**31 - 1 if events_before is None else events_before
    values = {"job_id": job_id, "before": before, "events": EVENTS_AT_ONCE}
    return connection.execute(_GET, values).mappings().one_or_none()


def get_by_task_id(connection: Connection, task_id: str) -> RowMapping | None:
    """How the job with this task id stands, or `None`."""
    return connection.execute(_GET_BY_TASK_ID, {"task_id": task_id}).mappings().one_or_none()


def get_many(connection: Connection, job_ids: Sequence[int], *, most: int) -> Sequence[RowMapping]:
    """Those of these jobs that exist, with their steps and, in `event_count`, the number of the newest event.

    Params, results and outputs of more than `most` bytes are NULL, and their paths are in `cut`.
    """
    return connection.execute(_GET_MANY, {"job_ids": list(job_ids), "most": most}).mappings().all()


def find(
    connection: Connection, *, status: JobStatus | None, pipeline: str | None, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` jobs with their steps, newest first, with ids below `before` (a keyset page).

    Values over `LISTED_BYTES` are cut as in `get_many`.
    """
    filters: dict[str, Any] = {"status": status, "pipeline": pipeline, "before": before}
    # As a word of the statement: the indexes are of one status each.
    conditions = {"status": f"status = '{status}'", "pipeline": "pipeline = :pipeline", "before": "id < :before"}
    chosen = [conditions[name] for name, value in filters.items() if value is not None]
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    page = f"(SELECT * FROM jobs {where} ORDER BY id DESC LIMIT :limit) AS jobs"
    statement = text(f"SELECT {_BRIEF} FROM {page} {_BRIEF_STEPS} ORDER BY jobs.id DESC")
    return connection.execute(statement, {**filters, "limit": limit, "most": LISTED_BYTES}).mappings().all()


def counts(connection: Connection) -> Sequence[RowMapping]:
    """The `number` of jobs for each `pipeline` and `status`."""
    return connection.execute(_COUNTS).mappings().all()


def waiting(connection: Connection) -> RowMapping:
    """How many PENDING jobs are due (`waiting`), and the `oldest_waiting_seconds` since the first of them was."""
    return connection.execute(_WAITING).mappings().one()


def last_hour(connection: Connection) -> Sequence[RowMapping]:
    """60 rows, one for each minute: what was submitted and what has ended in it."""
    return connection.execute(_LAST_HOUR).mappings().all()
