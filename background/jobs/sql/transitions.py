"""SQL of how attempts end in the middle of a step, and of what they report. (`work`: ends of steps, and claims.)

Each transition is one statement that commits by itself. One that writes to a job first takes the job's row in a CTE
named `own`, which carries the fence: that the claim which is writing holds it, `OURS` (in a planned stop: that this
worker has it). Without such a row the job is no longer this worker's, and nothing is done to it. Every statement can be
repeated after a lost answer: the second time finds the work done and says so.

Rows that `own` lets through are joined (`FROM own`), never read in a scalar subquery: a row that changed while
the statement waited for its lock is then judged again by its newest version (PostgreSQL documentation,
"Read Committed Isolation Level").
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from background.base import jsontext
from background.jobs.causes import Cause, CauseCode
from background.jobs.sql.parts import LET_IN, RUNNING_SECONDS, TURNED_AWAY
from background.jobs.states import Outcome
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT, typed

_EVENT = "INSERT INTO job_events (job_id, number, kind, step, attempt, worker, message, error, cause)"

HELD = "lease_until IS NOT NULL"
"""Whether a worker has the job: it is IN_PROGRESS. Worded so that no index of such jobs can be used: to find one of
known id, PostgreSQL would read it from end to end where it believes that few jobs run."""
OURS = f"claim_token = CAST(CAST(:token AS text) AS uuid) AND {HELD}"
"""Whether this claim holds the job. Not by the attempt's number: a claim that a failover has lost has the number of the
next one, and both would go on."""

# Ends an attempt without finishing its step: the job becomes :status, unless someone asked to cancel it.
_STOP = Prepared(
    "job_stop",
    f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE CAST(:status AS text) END,
        failures = failures + CAST(:counted AS int), waits_for = CAST(:waits_for AS text),
        error = CASE CAST(:failed AS int) WHEN 1 THEN CAST(:message AS text) ELSE error END,
        lease_until = NULL, step_until = NULL, claim_token = NULL, turned_away = NULL,
        held = {LET_IN} AND NOT cancel_requested AND CAST(:status AS text) = 'PENDING',
        running_seconds = greatest(0, extract(epoch FROM now() - claimed_at) - CAST(:silent AS float8)),
        run_at = CASE WHEN CAST(:status AS text) = 'PENDING' THEN now() + CAST(:delay AS float8) * interval '1 second'
                      ELSE run_at END,
        finished_at = CASE WHEN cancel_requested OR CAST(:status AS text) <> 'PENDING' THEN now() END,
        event_count = event_count + 1, updated_at = {CHANGED_AT}
    WHERE id = :job_id AND {OURS}
    RETURNING *
), step AS (
    UPDATE job_steps
    SET status = 'FAILED', message = CAST(:message AS text), error = CAST(:error AS text),
        failures = job_steps.failures + CAST(:failed AS int), completed_at = now(),
        waits = waits + CASE WHEN CAST(:waits_for AS text) IS NULL THEN 0 ELSE 1 END
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
              AND job_steps.status = 'IN_PROGRESS'
), event AS (
    {_EVENT}
    SELECT id, event_count,
           CASE status WHEN 'FAILED' THEN 'failed' WHEN 'CANCELLED' THEN 'cancelled' ELSE CAST(:kind AS text) END,
           current_step, attempt, worker, CAST(:message AS text), CAST(:error AS text), CAST(:cause AS jsonb)
    FROM own
)
SELECT status FROM own
""",
)

# Its parameters are not taken, which costs nothing. A step that has not begun has no row; one that has failed or waited
# before keeps how often. Only the live crews that have refused are remembered.
_REFUSE = Prepared(
    "job_refuse",
    f"""
WITH own AS (
    UPDATE jobs
    SET status = CASE WHEN cancel_requested THEN 'CANCELLED' ELSE 'PENDING' END, lease_until = NULL, step_until = NULL,
        claim_token = NULL, running_seconds = NULL, finished_at = CASE WHEN cancel_requested THEN now() END,
        turned_away = {TURNED_AWAY}, held = {LET_IN},
        event_count = event_count + 1, updated_at = {CHANGED_AT}
    WHERE id = :job_id AND {OURS}
    RETURNING *
), fresh AS (
    DELETE FROM job_steps USING own
    WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
        AND job_steps.failures = 0 AND job_steps.waits = 0
), step AS (
    UPDATE job_steps SET status = 'FAILED', message = 'Handed back: its params were refused', completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
        AND (job_steps.failures > 0 OR job_steps.waits > 0)
), event AS (
    {_EVENT}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'handed_back' END,
           current_step, attempt, worker, CAST(:message AS text), NULL, CAST(:cause AS jsonb)
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
        step_until = NULL, claim_token = NULL, turned_away = NULL,
        held = {LET_IN} AND NOT cancel_requested, run_at = now(),
        running_seconds = {RUNNING_SECONDS},
        finished_at = CASE WHEN cancel_requested THEN now() END,
        event_count = event_count + 1, updated_at = {CHANGED_AT}
    WHERE worker_id = :worker_id AND status = 'IN_PROGRESS'
    RETURNING *
), step AS (
    UPDATE job_steps SET status = 'FAILED', message = CAST(:message AS text), completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = own.current_step
              AND job_steps.status = 'IN_PROGRESS'
), event AS (
    {_EVENT}
    SELECT id, event_count, CASE status WHEN 'CANCELLED' THEN 'cancelled' ELSE CAST(:kind AS text) END,
           current_step, attempt, worker, CAST(:message AS text), NULL, CAST(:cause AS jsonb)
    FROM own
)
SELECT queue, count(*) AS number FROM own GROUP BY queue
""",
)

# The step's row always has the newest. Of the attempt's events of this step only the newest is kept: whoever reads the
# history wants to know how far it came, and whoever follows it gets the job as it is now.
_PROGRESS = Prepared(
    "job_progress",
    f"""
WITH own AS (
    UPDATE jobs SET event_count = event_count + CAST(:tell AS int), updated_at = {CHANGED_AT}
    WHERE id = :job_id AND {OURS}
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
    SELECT id, event_count, 'progress', current_step, attempt, worker, CAST(:message AS text), NULL, NULL
    FROM own WHERE CAST(:tell AS int) = 1
)
SELECT cancel_requested FROM own
""",
)

_OWNED = Prepared(
    "job_owned",
    f"SELECT cancel_requested FROM jobs WHERE id = :job_id AND {OURS}",
)

_COUNTS = Prepared(
    "step_counts",
    """
SELECT failures - forgiven AS failures, waits FROM job_steps WHERE job_id = :job_id AND step_number = :step
""",
)

_ALL_HELD = Prepared(
    "jobs_held",
    f"""
SELECT token::text, cancel_requested
FROM unnest(CAST(:job_ids AS bigint[]), CAST(CAST(:tokens AS text[]) AS uuid[])) AS own(job_id, token)
    JOIN jobs ON id = job_id AND claim_token = token
WHERE {HELD}
""",
)


class Counts(NamedTuple):
    """How often a step has failed, and has asked to be run later, since it began or its job was retried."""

    failures: int
    waits: int


def counts(connection: Connection, *, job_id: int, step: int) -> Counts:
    """Of a step that has begun. Only the attempt that holds the job changes them."""
    rows = _COUNTS(connection, {"job_id": job_id, "step": step})
    return typed(Counts, rows[0]) if rows else Counts(0, 0)


def stop(connection: Connection, *, job_id: int, token: str, outcome: Outcome) -> str | None:
    """End an attempt in the middle of its step, with this outcome.

    Gives the status written (CANCELLED when that was asked for), or `None` when the job is no longer held by this
    claim.
    """
    values = {
        "job_id": job_id,
        "token": token,
        "status": outcome.status,
        "kind": outcome.kind,
        "message": outcome.message,
        "error": outcome.error,
        "cause": _json(outcome.cause),
        "failed": int(outcome.is_failure),
        "counted": int(outcome.is_failure and not outcome.own),
        "waits_for": outcome.waits_for,
        "delay": outcome.delay,
        "silent": outcome.silent,
    }
    written: str | None = _only(_STOP(connection, values))
    return written


def refuse(
    connection: Connection, *, job_id: int, token: str, error: str, crews: Sequence[str], refusing: str | None
) -> str | None:
    """End an attempt whose parameters are refused, by the crew that is `refusing`; no failure.

    `error` says why. Which of the live `crews` (see `workers.identity.Crew`) have refused it is remembered.
    """
    cause = Cause(CauseCode.PARAMS_REFUSED, error=error)
    values = {"job_id": job_id, "token": token, "error": error, "crews": list(crews), "refusing": refusing}
    values |= {"message": str(cause), "cause": _json(cause.facts)}
    status: str | None = _only(_REFUSE(connection, values))
    return status


def hand_back(connection: Connection, *, worker_id: str, outcome: Outcome) -> dict[str, int]:
    """End all attempts of this start of a worker, with this outcome (`stopped`); gives how many of each queue."""
    values = {"worker_id": worker_id, "kind": outcome.kind, "message": outcome.message, "cause": _json(outcome.cause)}
    return {row["queue"]: row["number"] for row in _HAND_BACK(connection, values)}


def progress(
    connection: Connection, *, job_id: int, token: str, fraction: float, message: str | None, tell: bool = True
) -> bool | None:
    """Write how far the running step is (0 to 1), and `tell` it as an event, in place of the last one of this step.

    Gives whether a cancel is asked for; `None`: not ours any more.
    """
    values = {"job_id": job_id, "token": token, "fraction": fraction, "message": message, "tell": int(tell)}
    asked: bool | None = _only(_PROGRESS(connection, values))
    return asked


def cancel_asked(connection: Connection, *, job_id: int, token: str) -> bool | None:
    """Whether a cancel is asked for; `None` when the job is no longer held by this claim."""
    asked: bool | None = _only(_OWNED(connection, {"job_id": job_id, "token": token}))
    return asked


def held(connection: Connection, claims: Sequence[tuple[int, str]]) -> dict[str, bool]:
    """Of these claims, each a job and its token: those that still hold theirs, and whether that is to be cancelled."""
    values = {"job_ids": [job_id for job_id, _ in claims], "tokens": [token for _, token in claims]}
    return {row["token"]: row["cancel_requested"] for row in _ALL_HELD(connection, values)}


def _json(cause: Mapping[str, Any] | None) -> str | None:
    return None if cause is None else jsontext.dumps(cause)


def _only(rows: Sequence[dict[str, Any]]) -> Any:
    """The one value of the one row, if there is any."""
    return next(iter(rows[0].values())) if rows else None
