"""SQL of what keeps jobs going: leases, lost jobs, missing messages. What becomes of them `transitions` writes."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from background.jobs.sql.parts import CONTROLS, HAS_STEP, IS_OPEN

# Whoever writes to one of them just now is alive; and nobody waits for two.
_RENEW = text("""
UPDATE jobs SET lease_until = now() + :lease * interval '1 second'
FROM (SELECT id AS leased FROM jobs
      WHERE status = 'IN_PROGRESS' AND worker_id = :worker_id AND wake_up = ANY(:wake_ups) AND step_until > now()
      FOR UPDATE SKIP LOCKED) AS own
WHERE id = leased
""")

_CLOCK = text("SELECT extract(epoch FROM now())::float8")

# What has begun since the last look, by today's clock, has the right time.
_MOVE_TIME_OUTS = text("""
UPDATE jobs SET step_until = step_until + :jump * interval '1 second'
FROM (SELECT jobs.id AS moved FROM jobs JOIN job_steps ON job_id = jobs.id AND step_number = current_step
      WHERE jobs.status = 'IN_PROGRESS' AND worker_id = :worker_id
          AND job_steps.started_at NOT BETWEEN now() - :looked * interval '1 second' AND now()
      ORDER BY jobs.id FOR UPDATE OF jobs) AS own
WHERE id = moved
""")

_OVERDUE = text("""
SELECT jobs.id, claim_token::text AS token, jobs.failures, max_attempts, pipeline, name AS step,
    job_steps.failures - forgiven AS step_failures, current_step, wake_up,
    least(step_timeouts[current_step], :time_limit) AS step_seconds
FROM jobs JOIN job_steps ON job_id = jobs.id AND step_number = current_step
WHERE worker_id = :worker_id AND jobs.status = 'IN_PROGRESS' AND wake_up = ANY(:wake_ups)
    AND step_until < now() - :grace * interval '1 second'
""")

# Who has its step knows how often that may fail, and looks every second, too.
_KNOWERS_SECONDS = 3
_LOST = text(f"""
SELECT jobs.id, queue, jobs.attempt, claim_token::text AS token, jobs.failures, max_attempts, pipeline,
    step_names[current_step] AS step,
    coalesce(job_steps.failures - forgiven, 0) AS step_failures,
    extract(epoch FROM now() - greatest(updated_at, lease_until - :lease * interval '1 second'))::float AS silent
FROM jobs LEFT JOIN job_steps ON job_id = jobs.id AND step_number = current_step
WHERE jobs.status = 'IN_PROGRESS' AND lease_until < now()
    AND ({HAS_STEP.format(step="current_step")} OR lease_until < now() - interval '{_KNOWERS_SECONDS} s')
ORDER BY jobs.id LIMIT :limit FOR UPDATE OF jobs SKIP LOCKED
""")

_SENT_TO = text(f"""
WITH {CONTROLS.format()} SELECT sent_to AS release, count(*) AS due FROM jobs
WHERE status = 'PENDING' AND turned_away IS NOT NULL AND sent_to IS NOT NULL AND NOT held AND run_at <= now()
    AND {IS_OPEN.format(queue="queue")}
GROUP BY sent_to
""")


class Overdue(NamedTuple):
    """A job whose step has run longer than the `step_seconds` it was given; `wake_up` is the message that woke it.

    `step` is what that is called, and `step_failures` those held against it, here and below.
    """

    id: int
    token: str
    failures: int
    max_attempts: int
    pipeline: str
    step: str
    step_failures: int
    current_step: int
    wake_up: str
    step_seconds: float


class Lost(NamedTuple):
    """A job whose lease has run out. For `silent` seconds its worker has neither written nor renewed."""

    id: int
    queue: str
    attempt: int
    token: str
    failures: int
    max_attempts: int
    pipeline: str
    step: str
    step_failures: int
    silent: float


class SentTo(NamedTuple):
    """A release in whose queue jobs wait, and how many are `due` there."""

    release: str
    due: int


def renew(connection: Connection, *, wake_ups: Sequence[str], worker_id: str, lease: float) -> int:
    """Renew the leases of the jobs that run where these messages woke this very start of a worker; gives how many.

    A job whose step has timed out is left out.
    """
    values = {"wake_ups": list(wake_ups), "worker_id": worker_id, "lease": lease}
    return connection.execute(_RENEW, values).rowcount


def clock(connection: Connection) -> float:
    """PostgreSQL's time, in seconds."""
    return float(connection.execute(_CLOCK).scalar_one())


def move_time_outs(connection: Connection, *, worker_id: str, jump: float, looked: float) -> None:
    """Move the time-outs of what this worker runs with the clock, which has jumped in the last `looked` seconds."""
    connection.execute(_MOVE_TIME_OUTS, {"worker_id": worker_id, "jump": jump, "looked": looked})


def overdue(
    connection: Connection, *, wake_ups: Sequence[str], worker_id: str, grace: float, time_limit: float
) -> list[Overdue]:
    """Jobs that run where these messages woke this worker, whose step timed out `grace` seconds ago and goes on."""
    values = {"wake_ups": wake_ups, "worker_id": worker_id, "grace": grace, "time_limit": time_limit}
    rows = connection.execute(_OVERDUE, values).mappings()
    return [Overdue(**row) for row in rows]


def lost(connection: Connection, *, lease: float, abilities: str, limit: int) -> list[Lost]:
    """Lock at most `limit` running jobs whose lease, of `lease` seconds, has run out; gives them.

    Those whose step is not among these `abilities` a moment later: they are left to who has it, if anybody has.
    """
    values = {"lease": lease, "abilities": abilities, "limit": limit}
    return [Lost(**row) for row in connection.execute(_LOST, values).mappings()]


def sent_to(connection: Connection) -> list[SentTo]:
    """The releases that jobs were sent to which others had turned away."""
    return [SentTo(**row) for row in connection.execute(_SENT_TO).mappings()]
