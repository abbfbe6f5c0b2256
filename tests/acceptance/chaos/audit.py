"""The invariants of a job, each a query on what the audit triggers of `audit.sql` have recorded."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812  (a class with the name of a function)
from psycopg2.extras import execute_values

from background.storage.deadlines import time_limit

AUDIT_SQL = Path(__file__).with_name("audit.sql")
CHECK_SECONDS = 60

INVARIANTS = {
    "every accepted job exists": """
        SELECT job_id, 'it is not there' FROM accepted WHERE job_id NOT IN (SELECT id FROM jobs)""",
    "every job ends": """
        SELECT id, format('it is %s in attempt %s', status, attempt) FROM jobs WHERE NOT has_ended(status)""",
    "a job ends once": """
        SELECT job_id, format('%s endings, %s retries', ended, again)
        FROM (SELECT job_id, count(*) FILTER (WHERE has_ended(after)) AS ended,
                     count(*) FILTER (WHERE has_ended(before) AND after = 'PENDING') AS again
              FROM transitions GROUP BY job_id) AS endings
        WHERE ended > 1 + again""",
    "only a retry leaves an ending": """
        SELECT job_id, format('%s -> %s by %s', before, after, writer) FROM transitions
        WHERE has_ended(before) AND (after, writer) IS DISTINCT FROM ('PENDING', 'api')""",
    "a step is COMPLETED once": """
        SELECT job_id, format('step %s: %s times', step, done)
        FROM (SELECT job_id, step, count(*) FILTER (WHERE after = 'COMPLETED') AS done,
                     count(*) FILTER (WHERE before = 'COMPLETED' AND after IS NULL) AS removed
              FROM step_writes GROUP BY job_id, step) AS steps
        WHERE done > 1 + removed""",
    "no step is written after the end": """
        SELECT s.job_id, format('step %s: %s -> %s by %s', s.step, s.before, s.after, s.writer)
        FROM step_writes AS s CROSS JOIN LATERAL (
            SELECT after FROM transitions AS t WHERE t.job_id = s.job_id AND t.id < s.id
            ORDER BY id DESC LIMIT 1) AS last
        WHERE has_ended(last.after)
          AND NOT EXISTS (SELECT FROM transitions AS t WHERE t.job_id = s.job_id AND t.xid = s.xid)""",
    "the attempt never falls": """
        SELECT job_id, format('%s -> %s', attempt_before, attempt) FROM transitions
        WHERE attempt NOT IN (attempt_before, attempt_before + 1)""",
    "COMPLETED means that all steps are": """
        SELECT id, format('%s of %s steps', done, cardinality(step_names))
        FROM jobs CROSS JOIN LATERAL (
            SELECT count(*) AS done FROM job_steps WHERE job_id = jobs.id AND status = 'COMPLETED') AS steps
        WHERE status = 'COMPLETED' AND done <> cardinality(step_names)""",
    "a step begins after the one before it": """
        SELECT s.job_id, format('step %s by %s', s.step, s.writer) FROM step_writes AS s
        WHERE s.step > 1 AND s.after = 'IN_PROGRESS' AND s.before IS DISTINCT FROM 'IN_PROGRESS' AND NOT EXISTS (
            SELECT FROM audit AS earlier
            WHERE earlier.job_id = s.job_id AND earlier.step = s.step - 1 AND earlier.after = 'COMPLETED'
              AND (earlier.id < s.id OR earlier.xid = s.xid))""",
    "only the last to claim a job works on its steps": """
        SELECT s.job_id, format('step %s: %s -> %s by %s, held by %s', s.step, s.before, s.after, s.writer, last.writer)
        FROM step_writes AS s CROSS JOIN LATERAL (
            SELECT writer FROM transitions AS t
            WHERE t.job_id = s.job_id AND t.attempt > t.attempt_before AND (t.id < s.id OR t.xid = s.xid)
            ORDER BY id DESC LIMIT 1) AS last
        WHERE s.after IN ('IN_PROGRESS', 'COMPLETED') AND s.writer <> last.writer""",
    "FAILED means that the limit was reached": """
        SELECT id, format('%s of %s failures', failures, max_attempts) FROM jobs
        WHERE status = 'FAILED' AND failures < max_attempts""",
    "a step is run by the function of its name": """
        SELECT job_id, format('%s ran as %s', output ->> 'ran', name) FROM job_steps
        WHERE output ->> 'ran' <> name""",
    "a deploy costs no failure": """
        SELECT jobs.id, format('%s %s: %s', pipeline, kind, message) FROM jobs JOIN job_events ON job_id = jobs.id
        WHERE pipeline <> 'demo' AND kind IN ('step_failed', 'failed')""",
    "what is asked for later is no failure": """
        SELECT job_id, format('%s failures for %s waits', job_steps.failures, waits) FROM job_steps
        JOIN jobs ON jobs.id = job_id
        WHERE pipeline = 'odd' AND job_steps.failures > (
            SELECT count(*) FROM job_events WHERE job_events.job_id = jobs.id AND kind = 'lost')""",
    "nothing is CANCELLED unasked": """
        SELECT id, 'nobody asked' FROM jobs JOIN accepted ON job_id = id
        WHERE status = 'CANCELLED' AND NOT cancel_asked""",
}
"""Nine that every durable job owes, then six more of this project; each gives what breaks it."""


class Violation(NamedTuple):
    """One job that breaks an invariant."""

    rule: str
    job_id: int | None
    detail: str


def install(connection: Connection) -> None:
    """Add triggers and tables of the audit to a migrated database, which must be empty."""
    with connection, connection.cursor() as cursor:
        cursor.execute(AUDIT_SQL.read_text())


def check(connection: Connection, *, accepted: Iterable[int] = (), cancelled: Iterable[int] = ()) -> list[Violation]:
    """All violations; `accepted` are the ids that clients were given, `cancelled` those they asked to cancel."""
    asked = set(cancelled)
    found = []
    with time_limit(CHECK_SECONDS), connection, connection.cursor() as cursor:
        rows = [(job_id, job_id in asked) for job_id in set(accepted)]
        cursor.execute("TRUNCATE accepted")
        execute_values(cursor, "INSERT INTO accepted VALUES %s", rows, page_size=1000)
        for rule, query in INVARIANTS.items():
            cursor.execute(query)
            found += [Violation(rule, *row) for row in cursor.fetchall()]
    return found
