"""Whether a long queue makes work slower, what it takes in Redis, and whether workers grow with the jobs they run."""

import time

import psutil
import redis

from benchmarks.contestants import Contestant, Submitter, standing_still
from benchmarks.drain import FIRST_JOBS, wait_until
from benchmarks.measure import Database, Table, memory_of
from benchmarks.options import Options
from benchmarks.peers import servers

WAITING = (1_000, 100_000)
WORKED_OFF = 2_000
RUN = (2_000, 20_000)


def measure(options: Options) -> Table:
    """Let this project's workers work off the head of a queue, and run many jobs."""
    table = Table(f"backlog: {WORKED_OFF:,} jobs with others waiting behind them; workers after many jobs")
    ours = [each for each in options.contestants if each.module == "playground"]
    for _ in range(options.rounds):
        for each in ours:
            for number in WAITING:
                table.add(f"{each.name}, {number:,} wait", **_work_off(each, number, options))
    for each in ours:
        _grow(each, table, options)
    return table


def _work_off(contestant: Contestant, number: int, options: Options) -> dict[str, float]:
    with (
        contestant.working(options.scratch) as workers,
        Submitter(contestant) as submitter,
        Database() as database,
        redis.Redis.from_url(servers.redis()) as broker,
    ):
        submitter.submit(FIRST_JOBS)
        wait_until(database, contestant.done, FIRST_JOBS)
        with standing_still(workers):
            empty = broker.info("memory")["used_memory"]
            submitter.submit(WORKED_OFF + number)
            full = broker.info("memory")["used_memory"]
            database.run("ANALYZE")
            began = time.perf_counter()
        wait_until(database, contestant.done, FIRST_JOBS + WORKED_OFF)
        taken = time.perf_counter() - began
        for each in workers:
            each.kill()
    contestant.prepare()
    return {"jobs/s": WORKED_OFF / taken, "Redis MB": (full - empty) / 1e6}


def _grow(contestant: Contestant, table: Table, options: Options) -> None:
    with contestant.working(options.scratch) as workers, Submitter(contestant) as submitter, Database() as database:
        done = 0
        for number in RUN:
            submitter.submit(number - done)
            wait_until(database, contestant.done, number)
            done = number
            megabytes = sum(memory_of(psutil.Process(each.popen.pid)) for each in workers)
            table.add(f"{contestant.name}, after {number:,}", **{"MB of all workers": megabytes})
    contestant.prepare()
