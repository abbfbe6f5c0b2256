"""How fast waiting jobs are worked off, beside peers, and what each job costs."""

import time

import psutil

from benchmarks.contestants import Contestant, Submitter, standing_still
from benchmarks.measure import Database, Table, cpu_of, postgres_cpu
from benchmarks.options import Options

FIRST_JOBS = 200
"""So many are done before anything is measured: workers start in them."""
TRIAL_JOBS = 300
"""So many more tell how many take `--seconds`. Tables have a past after them, and plans fit."""
PATIENCE_SECONDS = 300


def measure(options: Options) -> Table:
    """Let each contestant work off jobs that wait already, in turns."""
    table = Table("drain: jobs that wait are worked off")
    for each in options.contestants:
        each.prepare()
    for _ in range(options.rounds):
        for each in options.contestants:
            table.add(each.name, **drain(each, options))
    return table


def drain(contestant: Contestant, options: Options) -> dict[str, float]:
    """One round: workers that are warm stand still while jobs are submitted, and then go on."""
    with contestant.working(options.scratch) as workers, Submitter(contestant) as submitter, Database() as database:
        processes = [psutil.Process(each.popen.pid) for each in workers]

        def reading() -> tuple[float, ...]:
            worker_cpu = sum(map(cpu_of, processes))
            return time.perf_counter(), worker_cpu, postgres_cpu(), database.wal_bytes(), database.transactions()

        submitter.submit(FIRST_JOBS)
        wait_until(database, contestant.done, FIRST_JOBS)
        began = time.perf_counter()
        submitter.submit(TRIAL_JOBS)
        wait_until(database, contestant.done, FIRST_JOBS + TRIAL_JOBS)
        number = max(TRIAL_JOBS, int(options.seconds * TRIAL_JOBS / (time.perf_counter() - began)))
        database.run("ANALYZE")
        with standing_still(workers):
            submitter.submit(number)
            before = reading()
        wait_until(database, contestant.done, FIRST_JOBS + TRIAL_JOBS + number)
        seconds, worker, server, wal, commits = (
            (now - then) / number for now, then in zip(reading(), before, strict=True)
        )
    contestant.prepare()
    return {
        "jobs/s": 1 / seconds,
        "worker CPU ms": 1000 * worker,
        "PostgreSQL CPU ms": 1000 * server,
        "WAL kB": wal / 1000,
        "writing commits": commits,
    }


def wait_until(database: Database, done: str, number: int) -> None:
    """Wait until so many are done."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := database.value(done)) < number:
        assert time.monotonic() < deadline, f"{found} of {number} jobs are done"
        time.sleep(0.03)
