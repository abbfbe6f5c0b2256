"""What steps that log cost others: jobs/s of plain jobs beside 200 steps that log 100 lines a second, or only wait."""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx2 as httpx

from benchmarks.measure import Database
from tests.support import running_api, running_worker, wait_for

STEPS = 200
LINES = (0, 100)
"""A second, of each step."""
JOBS = 8_000
BATCH = 1_000
ROUNDS = 4
WORKERS = 2
TALK_SECONDS = 300.0
"""Longer than a round takes: it is cancelled at its end."""
ENV = {"PIPELINES": "background.pipelines,benchmarks.talking"}


def main(scratch: Path) -> None:
    """Print the medians of both, in turns, and what is kept of the lines."""
    rates: dict[int, list[float]] = {lines: [] for lines in LINES}
    with ExitStack() as stack:
        database = stack.enter_context(Database())
        api = stack.enter_context(running_api(scratch / "logs-api.log", env=ENV))
        for number in range(WORKERS):
            log = scratch / f"logs-{number}.log"
            stack.enter_context(running_worker(log, "--pool=threads", "--concurrency=8", env=ENV))
        for _ in range(ROUNDS):
            for lines, found in rates.items():
                found.append(_rate(api, database, lines))
        kept = database.value(
            "SELECT max(lines) FROM (SELECT sum(length) FROM job_logs GROUP BY job_id) AS of_job(lines)"
        )
    silent, talking = (median(found) for found in rates.values())
    print(f"logs        {JOBS} plain jobs, {ROUNDS} rounds in turns, threads {WORKERS} x 8")
    print(f"  beside {STEPS} steps that wait        {silent:,.0f} jobs/s")
    print(f"  beside {STEPS} with {LINES[1]} lines/s each {talking:,.0f} jobs/s, {talking / silent:.2f} times")
    print(f"  of a job at most {kept} lines are kept")


def _rate(api: httpx.Client, database: Database, lines: int) -> float:
    """Plain jobs a second that end while the steps wait."""
    _submit(api, {"pipeline": "talk", "params": {"lines": lines, "seconds": TALK_SECONDS}, "priority": 9}, STEPS)
    running = "SELECT count(*) FROM jobs WHERE pipeline = 'talk' AND status = 'IN_PROGRESS'"
    wait_for(lambda: database.value(running) == STEPS, what="all steps that wait")
    began = time.perf_counter()
    _submit(api, {"params": {"step_seconds": 0}}, JOBS)
    left = "SELECT count(*) FROM jobs WHERE pipeline = 'demo' AND status IN ('PENDING', 'IN_PROGRESS')"
    wait_for(lambda: not database.value(left), seconds=TALK_SECONDS, what="the plain jobs")
    rate = JOBS / (time.perf_counter() - began)
    api.post("/jobs/actions", json={"action": "cancel", "filter": {"pipeline": "talk"}}).raise_for_status()
    wait_for(lambda: not database.value(running), seconds=60, what="the end of the steps that wait")
    return rate


def _submit(api: httpx.Client, job: dict[str, object], number: int) -> None:
    for done in range(0, number, BATCH):
        api.post("/jobs/batch", json={"jobs": [job] * min(BATCH, number - done)}).raise_for_status()
