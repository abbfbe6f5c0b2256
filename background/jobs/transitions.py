"""All SQL that a worker writes a job with. (`queries` has what clients ask for, `recovery_queries` what finds jobs.)

Each transition is one statement that commits by itself. One that writes to a job first takes the job's row in a CTE
named `own`, which carries the fence: its `attempt`, and that it is `HELD`. Without such a row the job is no
longer this worker's, and nothing is done to it. Every statement can be repeated after a lost answer: the second time
finds the work done and says so.

Rows that `own` lets through are joined (`FROM own`), never read in a scalar subquery: a row that changed while
the statement waited for its lock is then judged again by its newest version (PostgreSQL documentation,
"Read Committed Isolation Level").
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from background.database import Prepared
from background.jobs.queries import FIRST_STEP, HAS_STEP, IS_COMPLETED

_EVENT = "INSERT INTO job_events (job_id, number, kind, step, attempt, worker, message, error)"

LOOKED_AT = 1_000
"""So many due jobs are counted at most."""
MANY = 100
"""A worker between two jobs stops counting here: each that it counts is a row to look at."""
HELD = "lease_until IS NOT NULL"
"""Whether a worker has the job: it is IN_PROGRESS. Worded so that no index of such jobs can be used: to find one of
known id, PostgreSQL would read it from end to end where it believes that few jobs run."""
WAITS = "status = 'PENDING' AND turned_away IS NULL AND run_at <= now()"
"""Whether a job waits for any worker. It is worded as `ix_jobs_waiting` is."""

_MORE = f"""
    CASE WHEN :peek THEN (SELECT count(*) FROM (
        SELECT FROM jobs WHERE {WAITS} AND id <> ALL (ARRAY({{picked}})) LIMIT {MANY}) AS others) END
"""

# Ends steps, begins the next ones that are not COMPLETED or ends their jobs, and claims due jobs, all at once: each
# round trip, commit and look at a row costs as much as a step without work. A step that the worker does not have waits
# for another worker, with its job.
#
# Ended again after a lost answer, `own` is empty because current_step has moved on, and the job answers as it stands.
# What is claimed is locked first, PENDING as it is then, and who finds it locked takes the next. A token is the
# claimer's own, and no two jobs are claimed with one (`ix_jobs_claim_token`): see `held`. A claimed job has no row in
# `step` when that was completed under this statement's snapshot.
_ENDS = """
ended AS (
    SELECT * FROM unnest(CAST(:job_ids AS bigint[]), CAST(:attempts AS int[]), CAST(:steps AS smallint[]),
                         CAST(:outputs AS text[])) AS ended(job_id, attempt, step, output)
), next AS (
    SELECT ended.*, following, coalesce({has_following}, false) AS here
    FROM ended JOIN jobs ON jobs.id = job_id CROSS JOIN LATERAL (
        SELECT min(number) AS following FROM generate_subscripts(step_names, 1) AS number
        WHERE number > step AND NOT {is_completed}) AS plan
), own AS (
    UPDATE jobs
    SET status = CASE WHEN following IS NULL THEN 'COMPLETED' WHEN cancel_requested THEN 'CANCELLED'
                      WHEN here THEN 'IN_PROGRESS' ELSE 'PENDING' END,
        lease_until = CASE WHEN here AND NOT cancel_requested THEN lease_until END,
        step_until = CASE WHEN here AND NOT cancel_requested
            THEN now() + least(step_timeouts[following], :time_limit) * interval '1 second' END,
        turned_away = CASE WHEN following IS NOT NULL AND NOT here
            THEN jsonb_build_object('refused_by', '{{}}'::text[]) END,
        running_seconds = CASE WHEN NOT here OR cancel_requested THEN extract(epoch FROM now() - claimed_at) END,
        finished_at = CASE WHEN following IS NULL OR cancel_requested THEN now() END,
        result = CASE WHEN following IS NULL AND current_step = cardinality(step_names) THEN CAST(output AS jsonb)
            WHEN following IS NULL THEN (SELECT job_steps.output FROM job_steps
                WHERE job_steps.job_id = jobs.id AND step_number = cardinality(step_names)) END,
        error = CASE WHEN following IS NOT NULL THEN error END,
        current_step = CASE WHEN following IS NOT NULL AND NOT cancel_requested THEN following ELSE current_step END,
        event_count = event_count + 1, updated_at = now()
    FROM next
    WHERE id = next.job_id AND jobs.attempt = next.attempt AND {held} AND current_step = next.step
    RETURNING jobs.*, next.step AS ended_step, next.output
), done AS (
    UPDATE job_steps
    SET status = 'COMPLETED', message = 'Step ' || step_number || ' completed successfully', progress = 1,
        output = CAST(own.output AS jsonb), error = NULL, completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = ended_step
)
"""
_CLAIMS = """
wanted AS (
    SELECT * FROM unnest(CAST(CAST(:tokens AS text[]) AS uuid[]), CAST(:wake_ups AS text[]))
        WITH ORDINALITY AS wanted(token, wake_up, place)
), picked AS (
    SELECT id, row_number() OVER () AS place FROM ({picked}) AS due
), candidate AS (
    SELECT id, place, first, coalesce({has_first}, false) AS here,
        {trusted} AS trusted
    FROM picked JOIN jobs USING (id) CROSS JOIN LATERAL (SELECT {first_step} AS first) AS plan
), claimed AS (
    UPDATE jobs
    SET status = 'IN_PROGRESS', attempt = attempt + 1, event_count = event_count + 1, claim_token = token,
        wake_up = wanted.wake_up, worker = :worker, worker_id = :worker_id,
        lease_until = now() + :lease * interval '1 second', current_step = first,
        step_until = now() + least(step_timeouts[first], :time_limit) * interval '1 second',
        sent_to = NULL, running_seconds = NULL, claimed_at = now(),
        started_at = coalesce(started_at, now()), updated_at = now()
    FROM candidate JOIN wanted USING (place)
    WHERE jobs.id = candidate.id AND here AND trusted
    RETURNING jobs.*
), lacking AS (
    UPDATE jobs
    SET turned_away = coalesce(turned_away, jsonb_build_object('refused_by', '{{}}'::text[])), sent_to = NULL
    FROM candidate WHERE jobs.id = candidate.id AND NOT here
    RETURNING jobs.id
)
"""
_WRITES = """
step AS (
    INSERT INTO job_steps (job_id, step_number, name, status, message, attempt)
    SELECT id, current_step, step_names[current_step], 'IN_PROGRESS', 'Processing step ' || current_step, attempt
    FROM ({begun}) AS begins
    ON CONFLICT (job_id, step_number) DO UPDATE
    SET status = excluded.status, message = excluded.message, attempt = excluded.attempt, progress = 0,
        output = NULL, error = NULL, started_at = now(), completed_at = NULL
    WHERE job_steps.status <> 'COMPLETED'
    RETURNING job_id, failures
), event AS (
    INSERT INTO job_events (job_id, number, kind, step, attempt, worker) {told}
)
"""
_BEGUN = "SELECT id, current_step, step_names, attempt FROM {source} WHERE status = 'IN_PROGRESS'"
_TOLD_END = """
    SELECT id, event_count,
        CASE status WHEN 'COMPLETED' THEN 'completed' WHEN 'CANCELLED' THEN 'cancelled' ELSE 'step_completed' END,
        ended_step, attempt, worker
    FROM own
"""
_TOLD_CLAIM = "SELECT id, event_count, 'started', current_step, attempt, worker FROM claimed"
_ANSWER = """
SELECT NULL::text AS what, NULL::bigint AS id, NULL::text AS status, NULL::smallint AS current_step,
    NULL::int AS step_failures, NULL::float8 AS step_seconds, NULL::text AS token, NULL::text AS pipeline,
    NULL::jsonb AS params, NULL::int AS attempt, NULL::int AS failures, NULL::int AS max_attempts,
    NULL::text[] AS step_names, NULL::jsonb AS step_keys, NULL::jsonb AS outputs, NULL::text AS task_id,
    NULL::int AS seen, NULL::bigint AS more WHERE false
"""
_ENDED = """
SELECT 'ended', own.id, status, current_step, step.failures, least(step_timeouts[current_step], :time_limit),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {more}
FROM own LEFT JOIN step ON job_id = own.id
UNION ALL
SELECT 'ended', jobs.id, jobs.status, jobs.current_step, job_steps.failures,
    least(step_timeouts[current_step], :time_limit),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM ended JOIN jobs ON jobs.id = ended.job_id AND jobs.attempt = ended.attempt
    LEFT JOIN job_steps ON job_steps.job_id = jobs.id AND job_steps.step_number = jobs.current_step
WHERE jobs.id <> ALL (ARRAY(SELECT id FROM own))
"""
_CLAIMED = """
SELECT 'claimed', claimed.id, NULL, current_step, step.failures, least(step_timeouts[current_step], :time_limit),
    claim_token::text, pipeline, params, attempt, claimed.failures, max_attempts, step_names, step_keys,
    {outputs}, task_id::text, NULL, {more}
FROM claimed LEFT JOIN step ON job_id = claimed.id
UNION ALL
SELECT 'offered', id, NULL, NULL, NULL, NULL, NULL, pipeline, params, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    event_count, NULL
FROM candidate JOIN jobs USING (id) WHERE here AND NOT trusted
UNION ALL
SELECT 'lacking', id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM lacking
"""
_OUTPUTS = """
    (SELECT coalesce(jsonb_object_agg(name, output), '{{}}') FROM job_steps
     WHERE job_steps.job_id = {job_id} AND job_steps.status = 'COMPLETED')
"""
# The urgent first, then those that have been due for longest; of one priority first those that others have turned away,
# and this release was chosen for. One look for each priority: a single one would read all that is due later with a
# higher one.
_OLDEST = """
    SELECT id FROM (SELECT id FROM jobs WHERE priority = level AND {which}
                    ORDER BY run_at, id LIMIT cardinality(CAST(:tokens AS text[])) FOR UPDATE SKIP LOCKED) AS of_level
"""
SENT = "status = 'PENDING' AND turned_away IS NOT NULL AND sent_to = :release AND run_at <= now()"
_PICKED_OF_ANY = f"""
    SELECT id FROM generate_series(9, 0, -1) AS level CROSS JOIN LATERAL (
        {_OLDEST.format(which=SENT)} UNION ALL {_OLDEST.format(which=WAITS)}) AS of_any
    LIMIT cardinality(CAST(:tokens AS text[]))
"""
# The one that was seen, unless anything has happened to it since.
_PICKED_SEEN = """
    SELECT id FROM jobs
    WHERE id = :seen AND event_count = :events AND status = 'PENDING' AND run_at <= now() FOR UPDATE SKIP LOCKED
"""


def _work(name: str, *, ends: bool, picked: str | None = None, trusted: str = "true") -> Prepared:
    """The statement, or that half of it which is asked for: what it has no use for costs as well."""
    claims = picked is not None
    parts = [_ENDS] * ends + [_CLAIMS] * claims + [_WRITES]
    begun = [_BEGUN.format(source="own")] * ends + [_BEGUN.format(source="claimed")] * claims
    answers = [_ANSWER] + [_ENDED] * ends + [_CLAIMED] * claims
    sql = f"WITH {','.join(parts)} {' UNION ALL '.join(answers)}"
    return Prepared(
        name,
        sql.format(
            has_following=HAS_STEP.format(step="following"),
            has_first=HAS_STEP.format(step="first"),
            is_completed=IS_COMPLETED,
            held=HELD,
            first_step=FIRST_STEP,
            picked=picked,
            trusted=trusted,
            begun=" UNION ALL ".join(begun),
            told=" UNION ALL ".join([_TOLD_END] * ends + [_TOLD_CLAIM] * claims),
            outputs=_OUTPUTS.format(job_id="claimed.id"),
            more=_MORE.format(picked="SELECT id FROM picked" if claims else "SELECT 0"),
        ),
    )


_TRUSTED = "pipeline = ANY (CAST(:trusted AS text[])) AND turned_away IS NULL"
_END = _work("job_end", ends=True)
_CLAIM = _work("job_claim", ends=False, picked=_PICKED_OF_ANY, trusted=_TRUSTED)
_END_AND_CLAIM = _work("job_end_and_claim", ends=True, picked=_PICKED_OF_ANY, trusted=_TRUSTED)
_CLAIM_SEEN = _work("job_claim_seen", ends=False, picked=_PICKED_SEEN)

_HELD = Prepared(
    "job_held",
    f"""
SELECT jobs.id, claim_token::text AS token, pipeline, params, jobs.attempt, jobs.failures, max_attempts, step_names,
    step_keys, current_step, job_steps.failures AS step_failures,
    least(step_timeouts[current_step], :time_limit) AS step_seconds, {_OUTPUTS.format(job_id="jobs.id")} AS outputs,
    task_id::text,
    NULL::bigint AS more
FROM jobs LEFT JOIN job_steps ON job_id = jobs.id AND step_number = current_step AND job_steps.status = 'IN_PROGRESS'
WHERE jobs.status = 'IN_PROGRESS' AND claim_token = ANY (CAST(CAST(:tokens AS text[]) AS uuid[]))
""",
)

# Ends an attempt without finishing its step: the job becomes :status, unless someone asked to cancel it.
_STOP = Prepared(
    "job_stop",
    f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE CAST(:status AS text) END,
        failures = failures + CAST(:failed AS int),
        error = CASE CAST(:failed AS int) WHEN 1 THEN CAST(:message AS text) ELSE error END,
        lease_until = NULL, step_until = NULL, claim_token = NULL, turned_away = NULL,
        running_seconds = greatest(0, extract(epoch FROM now() - claimed_at) - CAST(:silent AS float8)),
        run_at = CASE WHEN CAST(:status AS text) = 'PENDING' THEN now() + CAST(:delay AS float8) * interval '1 second'
                      ELSE run_at END,
        finished_at = CASE WHEN cancel_requested OR CAST(:status AS text) <> 'PENDING' THEN now() END,
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND {HELD}
    RETURNING *
), step AS (
    UPDATE job_steps
    SET status = 'FAILED', message = CAST(:message AS text), error = CAST(:error AS text),
        failures = job_steps.failures + CAST(:failed AS int), completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
              AND job_steps.status = 'IN_PROGRESS'
), event AS (
    {_EVENT}
    SELECT id, event_count,
           CASE status WHEN 'FAILED' THEN 'failed' WHEN 'CANCELLED' THEN 'cancelled' ELSE CAST(:kind AS text) END,
           current_step, attempt, worker, CAST(:message AS text), CAST(:error AS text)
    FROM own
)
SELECT status FROM own
""",
)

# Its parameters are not taken, which costs nothing. A step that has not begun has no row. Only the live crews that have
# refused are remembered.
_REFUSE = Prepared(
    "job_refuse",
    f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE 'PENDING' END, lease_until = NULL, step_until = NULL,
        claim_token = NULL, running_seconds = NULL, finished_at = CASE WHEN cancel_requested THEN now() END,
        turned_away = jsonb_build_object('error', CAST(:error AS text), 'refused_by', to_jsonb(ARRAY(
            SELECT crew FROM unnest(CAST(:crews AS text[])) AS crew
            WHERE crew = :refusing OR turned_away -> 'refused_by' ? crew))),
        event_count = event_count + 1, updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND {HELD}
    RETURNING *
), fresh AS (
    DELETE FROM job_steps USING own
    WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step AND job_steps.failures = 0
), step AS (
    UPDATE job_steps SET status = 'FAILED', message = 'Handed back: its params were refused', completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step AND job_steps.failures > 0
), event AS (
    {_EVENT}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'handed_back' END,
           current_step, attempt, worker, 'Its params were refused. ' || CAST(:error AS text), NULL
    FROM own
)
SELECT status FROM own
""",
)

# A planned stop: no failure, and due at once elsewhere.
_HAND_BACK = Prepared(
    "jobs_hand_back",
    f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE 'PENDING' END, lease_until = NULL,
        step_until = NULL, claim_token = NULL, turned_away = NULL, run_at = now(),
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
SELECT count(*) AS number FROM own
""",
)

# The step's row always has the newest. Of the attempt's events of this step only the newest is kept: whoever reads the
# history wants to know how far it came, and whoever follows it gets the job as it is now.
_PROGRESS = Prepared(
    "job_progress",
    f"""
WITH own AS (
    UPDATE jobs SET event_count = event_count + CAST(:tell AS int), updated_at = now()
    WHERE id = :job_id AND attempt = :attempt AND {HELD}
    RETURNING *
), step AS (
    UPDATE job_steps SET progress = :fraction, message = coalesce(CAST(:message AS text), message)
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
), older AS (
    DELETE FROM job_events
    USING own WHERE CAST(:tell AS int) = 1 AND job_events.job_id = own.id AND job_events.attempt = own.attempt
                AND job_events.step = own.current_step AND job_events.kind = 'progress'
), event AS (
    {_EVENT}
    SELECT id, event_count, 'progress', current_step, attempt, worker, CAST(:message AS text), NULL
    FROM own WHERE CAST(:tell AS int) = 1
)
SELECT cancel_requested FROM own
""",
)

_OWNED = Prepared(
    "job_owned",
    f"SELECT cancel_requested FROM jobs WHERE id = :job_id AND attempt = :attempt AND {HELD}",
)


@dataclass(frozen=True)
class Worker:
    """Who writes: the name that people see, and a UUID that is new at each start of a worker.

    `abilities` is what it can run (JSON text, see `registry`), `release` the digest of that; `lease` and `time_limit`
    are seconds.
    """

    name: str
    id: str
    release: str
    abilities: str
    lease: float
    time_limit: float


@dataclass(frozen=True)
class End:
    """A step of this attempt has ended with this output (JSON text)."""

    job_id: int
    attempt: int
    step: int
    output: str


@dataclass(frozen=True)
class Claim:
    """A slot of the worker is free. `token` is new for each claim; `wake_up` is the message that it was woken by.

    With `seen`, an id and a number of events, only that job is claimed, if it has had no more events.
    """

    token: str
    wake_up: str
    seen: tuple[int, int] | None = None


def work(
    connection: Connection,
    worker: Worker,
    *,
    ends: Sequence[End] = (),
    claims: Sequence[Claim] = (),
    trusted: Collection[str] = (),
    peek: bool = False,
) -> list[dict[str, Any]]:
    """End these steps and begin the next ones, or end their jobs; claim a due job for each of these claims, if any.

    A claim of a job that was `seen` stands alone; other claims are of jobs of the pipelines that are `trusted`, and
    that nobody has turned away. Gives a row for each, told apart by `what`:

    - `ended`: a job's `id` and `status`, its `current_step`, and that step's `step_failures` and `step_seconds`: how
      long it may take. A job that is no longer held by that attempt has none.
    - `claimed`: the `token`, and what an attempt knows: `id`, `task_id`, `attempt`, `failures`, `max_attempts`,
      `pipeline`, `params`, `step_names`, `step_keys`, `current_step`, `step_failures` (`None`: see `runner.Slot`),
      `step_seconds`, `outputs`.
    - `offered`: another one that is next, to be claimed once it was `seen`: its `id`, `pipeline` and `params`, and how
      many events it has had.
    - `lacking`: a job that this worker has no pipeline or step for waits for another. Claim again.

    `more`, of rows of the first and second kind: how many others wait, if `peek` (`MANY` at most).
    """
    values = {
        "job_ids": [each.job_id for each in ends],
        "attempts": [each.attempt for each in ends],
        "steps": [each.step for each in ends],
        "outputs": [each.output for each in ends],
        "tokens": [each.token for each in claims],
        "wake_ups": [each.wake_up for each in claims],
        "worker": worker.name,
        "worker_id": worker.id,
        "release": worker.release,
        "abilities": worker.abilities,
        "lease": worker.lease,
        "time_limit": worker.time_limit,
        "trusted": list(trusted),
        "peek": peek,
    }
    if claims and claims[0].seen:
        job_id, events = claims[0].seen
        return _CLAIM_SEEN(connection, {**values, "seen": job_id, "events": events})
    if not claims:
        return _END(connection, values)
    return (_END_AND_CLAIM if ends else _CLAIM)(connection, values)


def held(connection: Connection, tokens: Sequence[str], *, time_limit: float) -> list[dict[str, Any]]:
    """Jobs that were claimed with these tokens, as `work` gives them: the answer may have been lost."""
    return _HELD(connection, {"tokens": list(tokens), "time_limit": time_limit})


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
    written: str | None = _only(_STOP(connection, values))
    return written


def refuse(
    connection: Connection, *, job_id: int, attempt: int, error: str, crews: Sequence[str], refusing: str | None
) -> str | None:
    """End an attempt whose parameters are refused, by the crew that is `refusing`; no failure.

    `error` says why. Which of the live `crews` (see `workers.queries.Crew`) have refused it is remembered.
    """
    values = {"job_id": job_id, "attempt": attempt, "error": error, "crews": list(crews), "refusing": refusing}
    status: str | None = _only(_REFUSE(connection, values))
    return status


def hand_back(connection: Connection, *, worker_id: str) -> int:
    """Give back every job that this start of a worker holds, without a failure; gives how many."""
    return int(_HAND_BACK(connection, {"worker_id": worker_id})[0]["number"])


def progress(
    connection: Connection, *, job_id: int, attempt: int, fraction: float, message: str | None, tell: bool = True
) -> bool | None:
    """Write how far the running step is (0 to 1), and `tell` it as an event, in place of the last one of this step.

    Gives whether a cancel is asked for; `None`: not ours any more.
    """
    values = {"job_id": job_id, "attempt": attempt, "fraction": fraction, "message": message, "tell": int(tell)}
    asked: bool | None = _only(_PROGRESS(connection, values))
    return asked


def cancel_asked(connection: Connection, *, job_id: int, attempt: int) -> bool | None:
    """Whether a cancel is asked for; `None` when the job is no longer held by this attempt."""
    asked: bool | None = _only(_OWNED(connection, {"job_id": job_id, "attempt": attempt}))
    return asked


def _only(rows: Sequence[dict[str, Any]]) -> Any:
    """The one value of the one row, if there is any."""
    return next(iter(rows[0].values())) if rows else None
