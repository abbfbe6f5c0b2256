"""Many jobs at once, and jobs that move without a worker: by the statements that workers use."""

import json
import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self
from uuid import uuid4

from sqlalchemy import text

from background.jobs import registry
from background.jobs.sql import transitions, work
from background.jobs.sql.work import Claim, Claimed, End, Ended, Worker
from background.jobs.states import JobStatus
from background.storage import pools
from tests.support import store_job, transaction

STEPS = ["prepare", "process", "publish"]
PATIENCE_SECONDS = 60
"""No client waits for these: a slow machine gets its time."""

# Of twenty jobs sixteen are done, two have failed, one was cancelled, and one is to begin tomorrow.
_FILL = text("""
WITH job AS (
    INSERT INTO jobs (task_id, pipeline, step_names, params, status, max_attempts, attempt, worker, result, error,
                      current_step, running_seconds, event_count, run_at, created_at, updated_at, started_at,
                      finished_at)
    SELECT gen_random_uuid(), 'demo', :steps, '{"step_seconds": 5.0, "fail_at_step": null, "fail_times": 1}', status, 3,
           (status <> 'PENDING')::int, CASE WHEN status <> 'PENDING' THEN 'celery@one' END,
           CASE WHEN status = 'COMPLETED' THEN jsonb_build_object('published', 3) END,
           CASE WHEN status = 'FAILED' THEN 'ValueError: boom' END,
           CASE status WHEN 'PENDING' THEN 0 WHEN 'COMPLETED' THEN 3 ELSE 2 END,
           CASE WHEN status <> 'PENDING' THEN extract(epoch FROM took) END, 1,
           CASE WHEN status = 'PENDING' THEN now() + interval '1 day' ELSE born END, born, born,
           CASE WHEN status <> 'PENDING' THEN born + waited END,
           CASE WHEN status <> 'PENDING' THEN born + waited + took END
    FROM (SELECT now() - (:number - n + 20 * (1 + sin(n / 40.0))) * :seconds_apart * interval '1 s' AS born,
                 (1.1 + sin(n / 90.0)) * interval '1 s' AS waited, (10 + 3 * sin(n / 60.0)) * interval '1 s' AS took,
                 CASE WHEN n % 20 < 16 THEN 'COMPLETED' WHEN n % 20 < 18 THEN 'FAILED'
                      WHEN n % 20 < 19 THEN 'CANCELLED' ELSE 'PENDING' END AS status
          FROM generate_series(1, :number) AS n) AS planned
    RETURNING id, status, current_step, started_at
), step AS (
    INSERT INTO job_steps (job_id, step_number, name, status, message, attempt, progress, started_at, completed_at)
    SELECT id, number, (CAST(:steps AS text[]))[number],
           CASE WHEN failed THEN 'FAILED' ELSE 'COMPLETED' END,
           CASE WHEN failed THEN 'ValueError: boom' ELSE 'Step ' || number || ' completed successfully' END,
           1, CASE WHEN failed THEN 0.5 ELSE 1 END, started_at, started_at + interval '5 s'
    FROM job CROSS JOIN LATERAL (
        SELECT number, number = current_step AND status <> 'COMPLETED' AS failed
        FROM generate_series(1, current_step) AS number) AS planned
)
INSERT INTO job_events (job_id, number, kind, attempt) SELECT id, 1, 'created', 0 FROM job
""")


def fill(number: int, *, seconds_apart: float = 0.3) -> None:
    """Insert so many jobs, the last one now: most have ended, none is running or due."""
    with transaction() as connection:
        connection.execute(_FILL, {"number": number, "steps": STEPS, "seconds_apart": seconds_apart})


class Traffic(AbstractContextManager["Traffic"]):
    """While the block runs, `running` jobs move on, and new ones follow: `rate` events a second, from a thread.

    Of ten changes eight are progress, one ends a step.
    """

    def __init__(self, *, rate: float, running: int = 20) -> None:
        self.events = 0
        self._rate = rate
        self._running = running
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        moving = [begin() for _ in range(self._running)]
        began = time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, began + number / self._rate - time.monotonic())):
            place = number % self._running
            if number // self._running % 10 == 9:
                moving[place] = moving[place].end_step() or begin()
            else:
                moving[place].progress(number // self._running % 10 / 10)
            number += 1
            self.events += 1


class Moving:
    """A job that this process has claimed."""

    def __init__(self, job_id: int, token: str) -> None:
        self.job_id = job_id
        self.token = token
        self.step = 1

    def progress(self, fraction: float, *, tell: bool = True) -> None:
        """Report how far its step is; `tell` it as an event."""
        with pools.working(seconds=PATIENCE_SECONDS) as connection:
            transitions.progress(
                connection, job_id=self.job_id, token=self.token, fraction=fraction, message=None, tell=tell
            )

    def end_step(self, output: str = "{}") -> Self | None:
        """End its step with this JSON; gives the job while it has another one."""
        with pools.working(seconds=PATIENCE_SECONDS) as connection:
            ends = [End(self.job_id, self.token, self.step, output)]
            (row,) = work.work(connection, nobody(), ends=ends)
        assert isinstance(row, Ended)
        if row.status != JobStatus.IN_PROGRESS:
            return None
        self.step = row.current_step
        return self


def nobody() -> Worker:
    """A worker that does not exist."""
    abilities = json.dumps(registry.abilities())
    return Worker("celery@traffic", str(uuid4()), registry.release(), abilities, lease=3600, time_limit=3600)


def begin(worker: Worker | None = None) -> Moving:
    """Create a job and claim it, as this worker or under the name of one that does not exist."""
    with pools.working(seconds=PATIENCE_SECONDS) as connection:
        # In a queue of which no real worker takes it before we do.
        job_id = store_job(connection, step_names=STEPS, queue="traffic")
        (row,) = work.work(connection, worker or nobody(), claims=[Claim(str(uuid4()), "", (job_id, 1))])
    assert isinstance(row, Claimed)
    return Moving(job_id, row.token)
