"""What workers cost that have nothing to do, beside those of the usual design."""

import time

import psutil
import redis

from benchmarks.contestants import Contestant
from benchmarks.measure import Database, Table, cpu_of, memory_of, postgres_cpu
from benchmarks.options import Options
from benchmarks.peers import servers

SECONDS = 30
WORKERS = (1, 20)
START_SECONDS = 10
EACH_SECONDS = 2
"""How long one more worker may take to start: a worker is quiet only after that."""


def measure(options: Options) -> Table:
    """Watch 1 and 20 workers of each contestant that Celery runs; of one slot each."""
    table = Table(f"idle: workers that have nothing to do, per second of {SECONDS}")
    for number in WORKERS:
        for each in (each for each in options.contestants if each.celery):
            each.prepare()
            alone = each._replace(processes=number, celery=(*each.celery, "--concurrency=1"))
            table.add(f"{each.name}, {number}", **_watch(alone, options))
    return table


def _watch(contestant: Contestant, options: Options) -> dict[str, float]:
    with (
        contestant.working(options.scratch) as workers,
        redis.Redis.from_url(servers.redis()) as broker,
        Database() as database,
    ):
        time.sleep(START_SECONDS + EACH_SECONDS * contestant.processes)
        processes = [psutil.Process(each.popen.pid) for each in workers]

        def reading() -> tuple[float, ...]:
            # The look itself is one command.
            commands = broker.info("stats")["total_commands_processed"]
            return commands, database.transactions_ended(), sum(map(cpu_of, processes)), postgres_cpu()

        before = reading()
        time.sleep(SECONDS)
        commands, transactions, worker, server = (
            (now - then) / SECONDS for now, then in zip(reading(), before, strict=True)
        )
        return {
            "transactions": transactions,
            "Redis commands": commands - 1 / SECONDS,
            "worker CPU ms": 1000 * worker,
            "PostgreSQL CPU ms": 1000 * server,
            "MB a worker": sum(map(memory_of, processes)) / contestant.processes,
        }
