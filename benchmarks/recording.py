"""What recording costs: the same `add` tasks on workers that record each transition, and on workers that do not."""

import statistics
import time
from pathlib import Path

import redis

from background.canvas import service
from background.canvas.builder import Task
from background.settings import get_settings
from background.task_names import TaskName
from tests.support import running_worker

TASKS = 2000
ROUNDS = 4


def main(scratch: Path) -> None:
    """Print the throughput of both, and their ratio, from alternating rounds."""
    seconds: dict[str, list[float]] = {"celery": [], "benchmarks.plain_worker": []}
    for number in range(ROUNDS):
        for module, found in seconds.items():
            found.append(measure(scratch / f"{module}-{number}.log", module))
    recorded, plain = (statistics.median(found) for found in seconds.values())
    print(f"recording   {TASKS} add tasks, median of {ROUNDS} rounds each, prefork 2")
    print(f"  recorded  {TASKS / recorded:8.0f} tasks/s")
    print(f"  plain     {TASKS / plain:8.0f} tasks/s")
    print(f"  recorded takes {recorded / plain:.2f} times as long")


def measure(log: Path, module: str) -> float:
    """Seconds from the first result to the last, of tasks that wait when the worker starts."""
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()
        for number in range(TASKS):
            service.submit(Task(TaskName.ADD, (number, 1)))
        with running_worker(log, module=module):
            begun = wait_for_results(broker, 1)
            return wait_for_results(broker, TASKS) - begun


def wait_for_results(broker: "redis.Redis", number: int) -> float:
    """The time at which so many results were there."""
    while True:
        states = broker.info("keyspace").get("db0", {}).get("expires", 0)
        if states >= number:
            return time.monotonic()
        time.sleep(0.01)
