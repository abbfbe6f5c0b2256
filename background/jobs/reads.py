"""SQL that only reads jobs."""

from collections.abc import Sequence

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

COUNTED = 20_000
"""So many jobs of a pipeline are counted, and of each status in it; of more, PostgreSQL's statistics tell how many.

Those that are COMPLETED are what is left of all: they are known where all are counted."""

# As words of a statement: the indexes are of one status each, and worded as they are (see `models`).
_STATUS = {status: f"status = '{status}'" for status in JobStatus}
_STATUS[JobStatus.PENDING] += " AND priority >= 0"
_RARE = (JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED)
"""What has an index by pipeline."""


def _of(pipeline: str, status: JobStatus | None) -> str:
    """The condition for jobs of a pipeline, and of a status if one is given, as the index has it that serves both."""
    if status is None:
        return f"pipeline = {pipeline}"
    name = "pipeline || ''" if status in _RARE else "pipeline"
    return f"{name} = {pipeline} AND {_STATUS[status]}"


def _counted(status: JobStatus | None = None) -> str:
    where = f"{_of('found.pipeline', status)} LIMIT {COUNTED + 1}"
    return f"(SELECT count(*) FROM (SELECT FROM jobs WHERE {where}) AS counted) AS {status or 'total'}"


# Of a pipeline with few jobs those are COMPLETED that are nothing else.
_COUNTS = text(f"""
WITH RECURSIVE found (pipeline) AS (
    (SELECT pipeline FROM jobs ORDER BY pipeline LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.pipeline FROM jobs WHERE jobs.pipeline > found.pipeline ORDER BY jobs.pipeline LIMIT 1)
    FROM found WHERE pipeline IS NOT NULL
), estimate AS (
    SELECT most_common_vals[place][1] AS pipeline, most_common_vals[place][2] AS status,
        most_common_freqs[place] * (SELECT reltuples FROM pg_class WHERE oid = 'jobs'::regclass) AS number
    FROM pg_stats_ext, generate_subscripts(most_common_vals, 1) AS place
    WHERE statistics_name = 'jobs_kinds' AND tablename = 'jobs' AND schemaname = current_schema()
), running AS (
    SELECT pipeline, count(*) AS number FROM jobs WHERE status = 'IN_PROGRESS' GROUP BY pipeline
), counts AS (
    SELECT found.pipeline, {_counted()}, coalesce(running.number, 0) AS running,
        {", ".join(map(_counted, _RARE))}
    FROM found LEFT JOIN running USING (pipeline) WHERE found.pipeline IS NOT NULL
), rows AS (
    SELECT pipeline, kind.* FROM counts CROSS JOIN LATERAL (VALUES
        ('IN_PROGRESS', running, false),
        {", ".join(f"('{each}', {each}, {each} > {COUNTED})" for each in _RARE)},
        ('COMPLETED', total - running - {" - ".join(_RARE)}, total > {COUNTED})
    ) AS kind (status, counted, many)
)
SELECT pipeline, status, many AS estimated,
    CASE WHEN many THEN round(estimate.number)::bigint ELSE counted END AS number
FROM rows LEFT JOIN estimate USING (pipeline, status)
""")
_COUNTS_OF_ALL = text("""
SELECT pipeline, status, false AS estimated, count(*) AS number FROM jobs GROUP BY pipeline, status
""")

_WAITING = text("""
SELECT count(*) AS waiting, extract(epoch FROM now() - min(run_at))::float AS oldest_waiting_seconds
FROM jobs WHERE status = 'PENDING' AND priority >= 0 AND run_at <= now()
""")

# A job that was tried again has another run_at than at its first start; it is left out of the waiting time.
_LAST_HOUR = text("""
WITH minutes AS (
    SELECT generate_series(date_trunc('minute', now()) - interval '59 minutes', now(), interval '1 minute') AS minute
), submitted AS (
    -- Ids are in the order of time, but for those that were given while others were being stored.
    SELECT date_trunc('minute', created_at) AS minute, count(*) AS number
    FROM jobs WHERE id > coalesce((SELECT id FROM jobs WHERE created_at < now() - interval '61 minutes'
                                   ORDER BY id DESC LIMIT 1), 0) GROUP BY 1
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
    chosen = ["id < :before"] if before is not None else []
    if pipeline is not None:
        chosen.append(_of(":pipeline", status))
    elif status is not None:
        chosen.append(_STATUS[status])
    where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    page = f"(SELECT * FROM jobs {where} ORDER BY id DESC LIMIT :limit) AS jobs"
    statement = text(f"SELECT {_BRIEF} FROM {page} {_BRIEF_STEPS} ORDER BY jobs.id DESC")
    values = {"pipeline": pipeline, "before": before, "limit": limit, "most": LISTED_BYTES}
    return connection.execute(statement, values).mappings().all()


def counts(connection: Connection) -> Sequence[RowMapping]:
    """The `number` of jobs for each `pipeline` and `status`, and whether it is `estimated` because it is large."""
    rows = connection.execute(_COUNTS).mappings().all()
    if any(row["number"] is None for row in rows):  # ANALYZE has not been there yet, or has met none of them
        rows = connection.execute(_COUNTS_OF_ALL).mappings().all()
    return rows


def waiting(connection: Connection) -> RowMapping:
    """How many PENDING jobs are due (`waiting`), and the `oldest_waiting_seconds` since the first of them was."""
    return connection.execute(_WAITING).mappings().one()


def last_hour(connection: Connection) -> Sequence[RowMapping]:
    """60 rows, one for each minute: what was submitted and what has ended in it."""
    return connection.execute(_LAST_HOUR).mappings().all()
