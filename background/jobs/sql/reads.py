"""SQL that only reads jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from background.jobs.filters import JobFilter
from background.jobs.sql.finding import RARE, of, page
from background.jobs.sql.parts import FIRST_STEP, RUNNING_SECONDS
from background.jobs.states import WAKE_SECONDS, JobStatus
from background.storage.prepared import Prepared

EVENTS_AT_ONCE = 1000
"""How many events, the newest ones, a look at one job gives."""
LISTED_BYTES = 1024
"""A list leaves out params, results and outputs that are larger."""


def _over(column: str) -> str:
    """Whether a `jsonb` is more than `:most` bytes of text; what is stored far larger is not unpacked to see it."""
    return f"""
        coalesce(CASE WHEN pg_column_size({column}) > 8 * CAST(:most AS int) THEN true
                      ELSE octet_length({column}::text) > CAST(:most AS int) END, false)
    """


# What its event says, from which its error is.
_CAUSE = """
    CASE WHEN jobs.error IS NOT NULL THEN (SELECT cause FROM job_events
        WHERE job_id = jobs.id AND message = jobs.error ORDER BY number DESC LIMIT 1) END AS cause
"""
_JOB_COLUMNS = f"""
    jobs.id, task_id, status, created_at, updated_at, pipeline, priority, attempt, max_attempts, run_at,
    started_at, finished_at, worker, error, {_CAUSE}, waits_for,
    run_at <= updated_at AND updated_at > now() - interval '{WAKE_SECONDS} s' AS published,
    extract(epoch FROM run_at - now())::float AS seconds_until_due, turned_away, step_names,
    queue, limit_key, held, tags, unique_key, schedule_id, parent_id, request_id,
    status = 'IN_PROGRESS' AND cancel_requested AS cancel_requested,
    CASE status WHEN 'PENDING' THEN step_names[{FIRST_STEP}] END AS next_step,
    CASE status WHEN 'IN_PROGRESS' THEN {RUNNING_SECONDS}::float ELSE running_seconds END
        AS running_seconds
"""
_WHOLE = f"""
    {_JOB_COLUMNS}, params, result,
    (SELECT coalesce(jsonb_agg(to_jsonb(s) - '{{job_id,failures,forgiven,waits}}'::text[] ORDER BY s.step_number), '[]')
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
_GET = Prepared(
    "job_get",
    f"""
SELECT {_WHOLE},
    (SELECT coalesce(jsonb_agg(
            to_jsonb(e) - 'job_id' || jsonb_build_object('step_name', coalesce(step_name, step_names[step]))
        ORDER BY e.number), '[]')
     FROM (SELECT * FROM job_events WHERE job_id = jobs.id AND number < :before ORDER BY number DESC LIMIT :events)
        AS e) AS events,
    (SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]')
     FROM (SELECT id, pipeline, status, error FROM jobs AS calls WHERE calls.parent_id = jobs.id
           ORDER BY id DESC LIMIT 20) AS c) AS hooks
FROM jobs WHERE id = :job_id
""",
)

_GET_MANY = Prepared(
    "jobs_get",
    f"SELECT {_BRIEF}, event_count FROM jobs {_BRIEF_STEPS} WHERE jobs.id = ANY(CAST(:job_ids AS bigint[]))",
)

_GET_BY_TASK_ID = text(f"""
SELECT id, task_id, status, attempt, result, error, {_CAUSE}, event_count, cardinality(step_names) AS steps_total,
    (SELECT count(*) FROM job_steps WHERE job_id = jobs.id AND job_steps.status = 'COMPLETED') AS steps_done
FROM jobs WHERE task_id = :task_id
""")

COUNTED = 20_000
"""Up to how many jobs of a pipeline, and of each status in it, are counted. Of more, PostgreSQL's statistics tell.

Those that are COMPLETED are what is left of all: they are known where all are counted."""


def _counted(status: JobStatus | None = None) -> str:
    where = f"{of('found.pipeline', status)} LIMIT {COUNTED + 1}"
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
), counts AS MATERIALIZED (
    SELECT found.pipeline, {_counted()}, coalesce(running.number, 0) AS running,
        {", ".join(map(_counted, RARE))}
    FROM found LEFT JOIN running USING (pipeline) WHERE found.pipeline IS NOT NULL
), rows AS (
    SELECT pipeline, kind.* FROM counts CROSS JOIN LATERAL (VALUES
        ('IN_PROGRESS', running, false),
        {", ".join(f"('{each}', {each}, {each} > {COUNTED})" for each in RARE)},
        ('COMPLETED', total - running - {" - ".join(RARE)}, total > {COUNTED})
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

_SUBMITTED = text("""
SELECT date_trunc('minute', created_at) AS minute, count(*) AS number
FROM jobs
-- Ids are in the order of time, but for those that were given while others were being stored.
WHERE id > coalesce((SELECT id FROM jobs WHERE created_at < now() - interval '61 minutes' ORDER BY id DESC LIMIT 1), 0)
    AND (:pipeline IS NULL OR pipeline = :pipeline)
GROUP BY 1
""")


class StoredJob(NamedTuple):
    """A job with its `steps`. `next_step` is the first that is not COMPLETED, of a PENDING one.

    `published`: the message that wakes a worker for it is still on its way. `turned_away` has which crews have refused
    it. `cut` has the paths of values that were left out, and `events` what happened, where that was asked for.
    """

    id: int
    task_id: UUID
    status: str
    created_at: datetime
    updated_at: datetime
    pipeline: str
    priority: int
    attempt: int
    max_attempts: int
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    error: str | None
    cause: dict[str, Any] | None
    waits_for: str | None
    published: bool
    seconds_until_due: float
    turned_away: dict[str, Any] | None
    step_names: list[str]
    queue: str
    limit_key: str
    held: bool
    tags: list[str]
    unique_key: str | None
    schedule_id: int | None
    parent_id: int | None
    request_id: str | None
    cancel_requested: bool
    next_step: str | None
    running_seconds: float | None
    params: dict[str, Any] | None
    result: Any
    steps: list[dict[str, Any]]
    cut: Sequence[str] = ()
    events: Sequence[dict[str, Any]] = ()
    event_count: int = 0
    hooks: Sequence[dict[str, Any]] = ()


class Stand(NamedTuple):
    """How a job stands."""

    id: int
    task_id: UUID
    status: str
    attempt: int
    result: Any
    error: str | None
    cause: dict[str, Any] | None
    event_count: int
    steps_total: int
    steps_done: int


class Count(NamedTuple):
    """How many jobs of a pipeline have a status; `estimated` where they are many."""

    pipeline: str
    status: str
    estimated: bool
    number: int


class Backlog(NamedTuple):
    """How many PENDING jobs are due, and for how long the first of them has been."""

    waiting: int
    oldest_waiting_seconds: float | None


def get(connection: Connection, job_id: int, *, events_before: int | None = None) -> StoredJob | None:
    """One job with its steps and the newest `EVENTS_AT_ONCE` of its events, or of those below a number; or `None`."""
    before = 2**31 - 1 if events_before is None else events_before
    values = {"job_id": job_id, "before": before, "events": EVENTS_AT_ONCE}
    return next((StoredJob(**row) for row in _GET(connection, values)), None)


def get_by_task_id(connection: Connection, task_id: str) -> Stand | None:
    """How the job with this task id stands, or `None`."""
    row = connection.execute(_GET_BY_TASK_ID, {"task_id": task_id}).mappings().one_or_none()
    return None if row is None else Stand(**row)


def get_many(connection: Connection, job_ids: Sequence[int], *, most: int) -> list[StoredJob]:
    """The jobs among these that exist, with their steps and, in `event_count`, the number of the newest event.

    Params, results and outputs of more than `most` bytes are NULL, and their paths are in `cut`.
    """
    return [StoredJob(**row) for row in _GET_MANY(connection, {"job_ids": list(job_ids), "most": most})]


def find(connection: Connection, wanted: JobFilter, *, limit: int) -> list[StoredJob]:
    """At most `limit` jobs with their steps, newest first (a keyset page).

    Values over `LISTED_BYTES` are cut as in `get_many`.
    """
    found = page(connection, wanted, limit=limit, columns="*")
    statement = text(f"SELECT {_BRIEF} FROM {found.sql} AS jobs {_BRIEF_STEPS} ORDER BY jobs.id DESC")
    rows = connection.execute(statement, {**found.values, "most": LISTED_BYTES}).mappings()
    return [StoredJob(**row) for row in rows]


def counts(connection: Connection) -> list[Count]:
    """How many jobs there are, for each pipeline and status."""
    rows = connection.execute(_COUNTS).mappings().all()
    if any(row["number"] is None for row in rows):  # ANALYZE has not been there yet, or has met none of them
        rows = connection.execute(_COUNTS_OF_ALL).mappings().all()
    return [Count(**row) for row in rows]


def waiting(connection: Connection) -> Backlog:
    """What waits for a worker."""
    return Backlog(**connection.execute(_WAITING).mappings().one())


def submitted(connection: Connection, *, pipeline: str | None) -> dict[datetime, int]:
    """How many jobs were submitted in each minute of the last hour in which some were, of a pipeline or of all."""
    return {row.minute: row.number for row in connection.execute(_SUBMITTED, {"pipeline": pipeline})}
