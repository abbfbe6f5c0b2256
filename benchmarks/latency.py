"""How long a job takes that finds everybody idle, beside peers: from before it is submitted until it is seen done."""

import statistics
import time

from benchmarks.contestants import Contestant, Submitter
from benchmarks.drain import PATIENCE_SECONDS
from benchmarks.measure import Database, Table
from benchmarks.options import Options

JOBS = 200
WARM_UP = 20
LOOK_SECONDS = 0.0003


def measure(options: Options) -> Table:
    """Give each contestant one job at a time, in turns."""
    table = Table("latency: one job at a time, submit to COMPLETED")
    for each in options.contestants:
        each.prepare()
    for _ in range(options.rounds):
        for each in options.contestants:
            taken = sorted(latencies(each, options))
            table.add(each.name, p50_ms=statistics.median(taken), p99_ms=taken[len(taken) * 99 // 100])
    return table


def latencies(contestant: Contestant, options: Options) -> list[float]:
    """Milliseconds of each of `JOBS` jobs."""
    taken = []
    with Submitter(contestant) as submitter, contestant.working(options.scratch), Database() as database:
        for number in range(1, WARM_UP + JOBS + 1):
            began = time.perf_counter()
            submitter.submit(1)
            while database.value(contestant.done) < number:
                assert time.perf_counter() < began + PATIENCE_SECONDS, f"job {number} is not done"
                time.sleep(LOOK_SECONDS)
            taken.append(1000 * (time.perf_counter() - began))
    contestant.prepare()
    return taken[WARM_UP:]
