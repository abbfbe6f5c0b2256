"""The invariants of a job, each a query on what the audit triggers of `audit.sql` have recorded."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from psycopg2.extensions import connection as Connection  # noqa: N812  (a class with the name of a function)
from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Identifier

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
        WHERE split_part(pipeline, '.', 1) NOT IN ('demo', 'hooked', 'callback_url')
          AND kind IN ('step_failed', 'failed')""",
    "what is asked for later is no failure": """
        SELECT job_id, format('%s failures for %s waits', job_steps.failures, waits) FROM job_steps
        JOIN jobs ON jobs.id = job_id
        WHERE pipeline = 'odd' AND job_steps.failures > (
            SELECT count(*) FROM job_events WHERE job_events.job_id = jobs.id AND cause ->> 'code' = 'lost')""",
    "nothing is CANCELLED unasked": """
        SELECT id, 'nobody asked' FROM jobs JOIN accepted ON job_id = id
        WHERE status = 'CANCELLED' AND NOT cancel_asked""",
    "no more run at once than a limit allows": """
        SELECT job_id, format('%s of %s, where %s may', running, pipeline, most)
        FROM (SELECT job_id, pipeline, most, sum(CASE after WHEN 'IN_PROGRESS' THEN 1 ELSE -1 END) OVER (
                  PARTITION BY pipeline, CASE WHEN keyed THEN params ->> 'customer' END ORDER BY transitions.id
              ) AS running
              FROM transitions JOIN jobs ON jobs.id = job_id
              JOIN (VALUES ('few', 2, false), ('by_customer', 1, true)) AS declared(pipeline, most, keyed)
                  USING (pipeline)
              WHERE (before = 'IN_PROGRESS') IS DISTINCT FROM (after = 'IN_PROGRESS')
                AND 'IN_PROGRESS' IN (before, after)) AS counted
        WHERE running > most""",
    "no more begin within a time than a rate allows": """
        SELECT job_id, format('the third within %s', latest - earliest)
        FROM (SELECT job_id, lag(since, 2) OVER (ORDER BY since) AS earliest,
                     max(at) OVER (ORDER BY since ROWS 2 PRECEDING) AS latest
              FROM claims JOIN jobs ON jobs.id = job_id WHERE pipeline = 'rated') AS begun
        WHERE latest - earliest < interval '1 second'""",
    "nothing begins while it is paused": """
        SELECT job_id, format('claimed by %s', writer) FROM claims JOIN jobs ON jobs.id = job_id
        JOIN paused ON name = CASE kind WHEN 'queue' THEN queue ELSE pipeline END
        WHERE claims.since > paused.since AND at < until""",
    "a due time makes one job": """
        SELECT min(job_id), format('%s jobs of schedule %s', count(*), schedule_id)
        FROM transitions JOIN jobs ON jobs.id = job_id JOIN schedules ON schedules.id = schedule_id
        WHERE due IS NOT NULL
        GROUP BY schedule_id, floor((extract(epoch FROM due - anchor) + 0.00001) / every_seconds)
        HAVING count(*) > 1""",
    "of a unique key one job at a time has not ended": """
        SELECT job_id, format('%s of %s', unfinished, unique_key)
        FROM (SELECT job_id, unique_key, sum(CASE WHEN after IN ('PENDING', 'IN_PROGRESS') THEN 1 ELSE -1 END) OVER (
                  PARTITION BY pipeline, unique_key ORDER BY transitions.id) AS unfinished
              FROM transitions JOIN jobs ON jobs.id = job_id
              WHERE unique_key IS NOT NULL AND coalesce(has_ended(before), true) <> coalesce(has_ended(after), true)
             ) AS counted
        WHERE unfinished > 1""",
    "an end calls each hook once": """
        SELECT job_id, format('%s: %s ends, %s calls', call, ends, calls)
        FROM (SELECT job_id, call, count(*) AS ends
              FROM transitions JOIN jobs ON jobs.id = job_id
              CROSS JOIN LATERAL (SELECT hook ->> 'pipeline' AS call, hook -> 'on' AS statuses
                                  FROM jsonb_array_elements(hooks) AS hook) AS hooks
              WHERE NOT has_ended(before) AND statuses ? after GROUP BY job_id, call) AS ended
        FULL JOIN (SELECT parent_id AS job_id, pipeline AS call, count(*) AS calls
                   FROM jobs WHERE parent_id IS NOT NULL GROUP BY parent_id, pipeline) AS called USING (job_id, call)
        WHERE ends IS DISTINCT FROM calls""",
    "an address is told of each end": """
        SELECT parent_id, format('job %s tells of %s', id, params ->> 'status') FROM jobs
        WHERE pipeline = 'callback_url' AND NOT EXISTS (
            SELECT FROM told WHERE call_id = jobs.id AND job_id = parent_id AND status = params ->> 'status')""",
    "what was rolled back never was": """
        SELECT id, 'it is there' FROM jobs JOIN rolled_back USING (task_id)""",
}
"""Nine that every durable job owes, then those of this project; each gives what breaks it.

A worker's end of a job is written down before it is committed, and what that lets begin after it: so what runs may be
added up in the order of the rows.
"""


class Violation(NamedTuple):
    """One job that breaks an invariant."""

    rule: str
    job_id: int | None
    detail: str


class Pause(NamedTuple):
    """A queue or pipeline was paused, as it was answered, and until it was asked to go on."""

    kind: str
    name: str
    since: datetime
    until: datetime


class Told(NamedTuple):
    """An address was told how a job had ended; by which job, its call."""

    call_id: int
    job_id: int
    status: str


def install(connection: Connection) -> None:
    """Add triggers and tables of the audit to a migrated database, which must be empty."""
    with connection, connection.cursor() as cursor:
        cursor.execute(AUDIT_SQL.read_text())


def check(
    connection: Connection,
    *,
    accepted: Iterable[int] = (),
    cancelled: Iterable[int] = (),
    rolled_back: Iterable[UUID] = (),
    paused: Iterable[Pause] = (),
    told: Iterable[Told] = (),
) -> list[Violation]:
    """All violations; `accepted` are the ids that clients were given, `cancelled` those they asked to cancel."""
    asked = set(cancelled)
    known: dict[str, list[tuple[object, ...]]] = {
        "accepted": [(job_id, job_id in asked) for job_id in set(accepted)],
        "rolled_back": [(str(each),) for each in rolled_back],
        "paused": list(paused),
        "told": list(told),
    }
    found = []
    with time_limit(CHECK_SECONDS), connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE accepted")
        for table, rows in known.items():
            execute_values(cursor, SQL("INSERT INTO {} VALUES %s").format(Identifier(table)), rows, page_size=1000)
        for rule, query in INVARIANTS.items():
            cursor.execute(query)
            found += [Violation(rule, *row) for row in cursor.fetchall()]
    return found
