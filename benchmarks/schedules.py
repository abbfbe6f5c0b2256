"""An every-second schedule under five workers of which one is killed every five seconds: one job for each second."""

import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text

from tests.support import Process, running_api, running_worker, transaction, wait_for

SECONDS = 300
WORKERS = 5
KILL_SECONDS = 5.0


def main(scratch: Path) -> None:
    """Print how many jobs there were for so many seconds, and how late each was made."""
    with ExitStack() as exit_stack:
        api = exit_stack.enter_context(running_api(scratch / "schedules-api.log"))
        started = 0

        def start() -> Process:
            nonlocal started
            started += 1
            log = scratch / f"schedules-{started}.log"
            return exit_stack.enter_context(running_worker(log, "--pool=solo"))

        workers = [start() for _ in range(WORKERS)]
        body = {"name": "each second", "pipeline": "demo", "params": {"step_seconds": 0}, "every_seconds": 1}
        made = api.post("/schedules", json=body).raise_for_status().json()
        address = f"/schedules/{made['id']}"
        wait_for(lambda: api.get(address).json()["last_job_id"], what="the first job")
        began = time.monotonic()
        while (passed := time.monotonic() - began) < SECONDS:
            time.sleep(max(0.0, KILL_SECONDS - passed % KILL_SECONDS))
            victim = random.randrange(WORKERS)
            workers[victim].kill()
            workers[victim] = start()
        api.patch(address, json={"paused": True}).raise_for_status()
        wait_for(lambda: not _open_jobs(made["id"]), seconds=120, what="the end of all jobs")
        _tell(made["id"], killed=started - WORKERS)


def _open_jobs(schedule_id: int) -> int:
    counted = "SELECT count(*) FROM jobs WHERE schedule_id = :id AND status IN ('PENDING', 'IN_PROGRESS')"
    with transaction() as connection:
        return int(connection.execute(text(counted), {"id": schedule_id}).scalar_one())


def _tell(schedule_id: int, *, killed: int) -> None:
    rows = text("SELECT run_at, created_at, status FROM jobs WHERE schedule_id = :id ORDER BY run_at")
    with transaction() as connection:
        jobs = connection.execute(rows, {"id": schedule_id}).all()
    late = sorted((job.created_at - job.run_at).total_seconds() for job in jobs)
    seconds = round((jobs[-1].run_at - jobs[0].run_at).total_seconds()) + 1
    states = dict(Counter(job.status for job in jobs))
    print(f"schedules: {len(jobs)} jobs in {seconds} s, {killed} workers killed, {states}")
    print(f"  doubled: {len(jobs) - len({job.run_at for job in jobs})}")
    print(
        f"  late by: half {late[len(late) // 2] * 1000:.0f} ms, 99% {late[len(late) * 99 // 100] * 1000:.0f} ms, ",
        end="",
    )
    print(f"most {late[-1] * 1000:.0f} ms")
