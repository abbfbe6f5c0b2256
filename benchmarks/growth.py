"""What grows with the number of jobs: each way to list and look at them over HTTP, and what an idle worker does."""

import time
from http.client import HTTPConnection
from itertools import product

from benchmarks.contestants import BY_NAME
from benchmarks.measure import Database, Table, postgres_cpu
from benchmarks.options import Options
from tests.support import running_api

SIZES = (1_000, 1_000_000)
REQUESTS = 30
IDLE_SECONDS = 20
FILTERS = [
    f"/jobs?limit=10{status}{pipeline}"
    for status, pipeline in product(
        ("", *(f"&status={name}" for name in ("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"))),
        ("", "&pipeline=demo", "&pipeline=document"),
    )
]
PATHS = [
    "/jobs",
    "/jobs?limit=1000",
    "/jobs?before={middle}",
    *FILTERS,
    "/jobs?limit=10&before={middle}&status=FAILED&pipeline=document",
    "/jobs/{middle}",
    "/result/{task_id}",
    "/jobs/stats",
    "/jobs/stats?range=week",
    "/jobs?limit=10&worker=celery@nobody",
    "/pipelines",
    "/workers",
]

# At either size there are as many answers: a thousand jobs in the last hour, twenty that are not due yet, and no page
# that is full only at one size. All FAILED jobs are of `document`, and no CANCELLED one is: two filters find nothing.
_FILL = """
INSERT INTO jobs (task_id, pipeline, step_names, params, status, max_attempts, attempt, worker, result, error,
                  current_step, running_seconds, event_count, run_at, created_at, updated_at, started_at, finished_at)
SELECT gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'document' ELSE 'demo' END, ARRAY['prepare', 'process', 'publish'],
    jsonb_build_object('step_seconds', 5.0), status, 3, (status <> 'PENDING')::int,
    CASE WHEN status <> 'PENDING' THEN 'celery@one' END,
    CASE WHEN status = 'COMPLETED' THEN jsonb_build_object('key', 'job-' || n || '-step-3', 'published', 3) END,
    CASE WHEN status = 'FAILED' THEN 'ValueError: boom' END, CASE status WHEN 'PENDING' THEN 0 ELSE 3 END,
    CASE WHEN status <> 'PENDING' THEN 15 END, CASE status WHEN 'PENDING' THEN 1 ELSE 5 END,
    CASE status WHEN 'PENDING' THEN now() + interval '1 day' ELSE born END, born, born,
    CASE WHEN status <> 'PENDING' THEN born END, CASE WHEN status <> 'PENDING' THEN born + interval '15 s' END
FROM (SELECT n, now() - ({number} - n) * interval '3.6 s' - interval '20 s' AS born,
             CASE WHEN n > {number} - 20 THEN 'PENDING' WHEN n % 20 = 0 THEN 'FAILED'
                  WHEN n % 50 = 1 THEN 'CANCELLED' ELSE 'COMPLETED' END AS status
      FROM generate_series(1, {number}) AS n) AS planned;
INSERT INTO job_steps (job_id, step_number, name, status, message, attempt, progress, output, started_at, completed_at)
SELECT id, number, step_names[number],
    CASE WHEN number = 3 AND status <> 'COMPLETED' THEN 'FAILED' ELSE 'COMPLETED' END,
    'Step ' || number || ' completed successfully', 1, 1, jsonb_build_object('items', 3), started_at, finished_at
FROM jobs CROSS JOIN generate_series(1, 3) AS number WHERE status <> 'PENDING';
INSERT INTO job_events (job_id, number, kind, step, attempt)
SELECT id, number, kind, step, attempt
FROM jobs JOIN (VALUES (1, 'created', NULL), (2, 'started', 1), (3, 'step_completed', 1), (4, 'step_completed', 2),
                       (5, 'completed', 3)) AS event (number, kind, step) ON number <= event_count;
"""
_SCANS = """
SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('jobs', 'job_steps', 'job_events')
"""


def measure(options: Options) -> Table:
    """Fill the tables with SQL, then look."""
    table = Table(f"growth: the best of {REQUESTS} looks, and how often a table is read from end to end in one")
    with Database() as database:
        for number in SIZES:
            BY_NAME["threads"].prepare()
            database.run(_FILL.format(number=number))
            database.run("VACUUM ANALYZE")
            _look(table, number, database, options)
    for row in table.samples.values():
        (first,), (last,) = (row[f"{number:,} ms"] for number in SIZES)
        row["times"].append(last / first)
    BY_NAME["threads"].prepare()
    return table


def _look(table: Table, number: int, database: Database, options: Options) -> None:
    middle, task_id = database.row("SELECT id, task_id FROM jobs ORDER BY id OFFSET (SELECT count(*) / 2 FROM jobs)")
    with running_api(options.scratch / f"growth-{number}.log") as client:
        connection = HTTPConnection("127.0.0.1", client.base_url.port or 0)
        for path in PATHS:
            asked = path.format(middle=middle, task_id=task_id)
            scans = database.value(_SCANS)
            taken = [_took(connection, asked) for _ in range(REQUESTS)]
            # A session tells what it did when it is used a second later, if not before.
            time.sleep(1.1)
            _took(connection, asked)
            scans = round((database.value(_SCANS) - scans) / (REQUESTS + 1))
            found = {f"{number:,} ms": min(taken), f"scans at {number:,}": scans}
            table.add(path, **found)
    with BY_NAME["threads"].working(options.scratch):
        time.sleep(15)
        cpu, scans = postgres_cpu(), database.value(_SCANS)
        time.sleep(IDLE_SECONDS)
        cpu, scans = postgres_cpu() - cpu, database.value(_SCANS) - scans
    found = {f"{number:,} ms": 1000 * cpu / IDLE_SECONDS, f"scans at {number:,}": round(scans / IDLE_SECONDS)}
    table.add("two idle workers, PostgreSQL's CPU per second", **found)


def _took(connection: HTTPConnection, path: str) -> float:
    """Milliseconds of one request."""
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    return 1000 * (time.perf_counter() - began)
