"""What deleting old jobs costs those who are at work meanwhile."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
from sqlalchemy import event, text

from background.settings import get_settings
from background.storage import connections
from background.upkeep.presence import PASS_SECONDS
from background.upkeep.retention import Retention
from tests.support import running_api, running_worker, transaction

ENDED = 100_000
PER_SECOND = 50
USUAL_SECONDS = 60
DAYS = 30

# Three steps, six events and 300 bytes of output each; all of them ended within a day, two months ago.
_FILL = text("""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, params, status, max_attempts, attempt, worker, result,
                      current_step, event_count, created_at, updated_at, started_at, finished_at)
    SELECT gen_random_uuid(), 'demo', '{prepare,process,publish}', '{"step_seconds": 5.0}', 'COMPLETED', 3, 1,
           'celery@one', jsonb_build_object('published', repeat('x', 300)), 3, 6, at, at, at, at
    FROM (SELECT now() - interval '60 days' + (:first + n) * interval '0.8 s' AS at
          FROM generate_series(1, :number) AS n) AS planned
    RETURNING id, finished_at
), step AS (
    INSERT INTO job_steps (job_id, step_number, name, status, message, attempt, progress, output, completed_at)
    SELECT id, number, 'a step', 'COMPLETED', 'Step completed successfully', 1, 1,
           jsonb_build_object('items', repeat('x', 300)), finished_at
    FROM job CROSS JOIN generate_series(1, 3) AS number
)
INSERT INTO job_events (job_id, number, kind, attempt) SELECT id, number, 'lost', 1
FROM job CROSS JOIN generate_series(1, 6) AS number
""")


def main(scratch: Path) -> None:
    """Print how long `GET /jobs` takes while jobs run, as usual and while 100,000 old ones are deleted."""
    print(f"retention   {ENDED:,} jobs past retention are deleted while {PER_SECOND} jobs/s run")
    for first in range(0, ENDED, 10_000):
        with transaction() as connection:
            connection.execute(_FILL, {"first": first, "number": 10_000})
    with connections.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    os.environ["RETENTION_DAYS"] = str(DAYS)
    get_settings.cache_clear()
    # This process deletes, as a worker would, so that it can time each statement.
    quiet = {"RETENTION_DAYS": ""}
    with (
        running_api(scratch / "api-retention.log") as client,
        running_worker(scratch / "worker-retention.log", env=quiet),
        repeated(lambda: submit(client), every=1.0),
    ):
        time.sleep(5)
        usual = asked(client, until=after(USUAL_SECONDS))
        print_times("as usual", usual)
        with deleting() as work:
            begun = time.monotonic()
            meanwhile = asked(client, until=lambda: work["left"] == 0)
            seconds = time.monotonic() - begun
        print_times("while deleting", meanwhile)
    print(
        f"  {ENDED:,} jobs in {seconds:.0f} s, {len(work['statements'])} statements: median "
        f"{1000 * statistics.median(work['statements']):.0f} ms, 99 % {1000 * p99(work['statements']):.0f} ms, "
        f"the slowest {1000 * max(work['statements']):.0f} ms"
    )
    print(f"  99 % of GET /jobs: {p99(meanwhile) / p99(usual):.2f} times as usual")
    with transaction() as connection:
        waiting = text("SELECT count(*) FROM jobs WHERE status = 'PENDING'")
        print(f"  jobs that wait at the end: {connection.execute(waiting).scalar_one()}")


def submit(client: httpx.Client) -> None:
    """The jobs of a second."""
    jobs = [{"params": {"step_seconds": 0}}] * PER_SECOND
    client.post("/jobs/batch", json={"jobs": jobs}).raise_for_status()


def asked(client: httpx.Client, *, until: Callable[[], bool]) -> list[float]:
    """How many seconds each `GET /jobs` took, 20 of them a second."""
    taken = []
    while not until():
        begun = time.monotonic()
        client.get("/jobs").raise_for_status()
        taken.append(time.monotonic() - begun)
        time.sleep(0.05)
    return taken


@contextmanager
def deleting() -> Iterator[dict[str, Any]]:
    """Deletes as a worker does; `left` is 0 once nothing is left; `statements`: how many seconds each took."""
    work: dict[str, Any] = {"left": ENDED, "statements": []}
    retention, done = Retention(), threading.Event()
    engine = connections.get_engine()

    def before(*details: Any) -> None:
        details[4].begun = time.monotonic()

    def behind(*details: Any) -> None:
        work["statements"].append(time.monotonic() - details[4].begun)

    def delete() -> None:
        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", behind)
        while not done.wait(PASS_SECONDS) and work["left"] > 0:
            work["left"] -= retention.work_off(done.wait)
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", behind)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        yield work
    finally:
        done.set()
        thread.join()


@contextmanager
def repeated(action: Callable[[], None], *, every: float) -> Iterator[None]:
    """Does it so often, in a thread, until the block ends."""
    done = threading.Event()

    def work() -> None:
        begun, number = time.monotonic(), 0
        while not done.wait(max(0.0, begun + number * every - time.monotonic())):
            action()
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def after(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def p99(taken: list[float]) -> float:
    """What 99 of 100 stay below."""
    return statistics.quantiles(taken, n=100)[-1]


def print_times(name: str, taken: list[float]) -> None:
    """Median and 99 % of `GET /jobs`."""
    print(f"  GET /jobs {name:16} median {1000 * statistics.median(taken):.0f} ms, 99 % {1000 * p99(taken):.0f} ms")
