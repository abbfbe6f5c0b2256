"""What recording costs: the same `add`, recorded and not, in turns on one worker."""

import json
import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import redis

from background.broker.queues import queue_length
from background.canvas import service
from background.canvas.spec import task
from background.celery import celery_app
from background.settings import get_settings
from background.task_names import TaskName
from benchmarks.plain_worker import PLAIN_ADD
from tests.support import running_worker

TASKS = 2000
BLOCK = 250
"""So many recorded ones, then so many plain ones: the machine's moods are longer than that."""
ROUNDS = 3


def main(scratch: Path) -> None:
    """Print the throughput of both, and their ratio."""
    recorded: list[float] = []
    plain: list[float] = []
    for number in range(ROUNDS):
        found = list(measure(scratch / f"recording-{number}.log"))
        recorded += found[0::2]
        plain += found[1::2]
    ratios = [one / other for one, other in zip(recorded, plain, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"recording   {ROUNDS} times {TASKS} add tasks of each kind, {BLOCK} in turn, prefork 2")
    print(f"  recorded  {BLOCK / statistics.median(recorded):8.0f} tasks/s")
    print(f"  plain     {BLOCK / statistics.median(plain):8.0f} tasks/s")
    print(f"  recorded takes {middle:.2f} times as long ({low:.2f} to {high:.2f}, quartiles of {len(ratios)} pairs)")


def measure(log: Path) -> Iterator[float]:
    """Seconds that each block took, from the last result before it to its own last one; the first block warms up."""
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()
        blocks = [publish(plain=False)]
        for _ in range(TASKS // BLOCK):
            blocks += [publish(plain=False), publish(plain=True)]
        with running_worker(log, module="benchmarks.plain_worker"):
            while any(not broker.exists(f"celery-task-meta-{block[-1]}") for block in blocks) or not all_done(broker):
                time.sleep(0.5)
        ends = [max(done_at(broker, task_id) for task_id in block) for block in blocks]
    for before, end in pairwise(ends):
        yield end - before


def all_done(broker: "redis.Redis") -> bool:
    """Whether no message waits or is at work."""
    return queue_length() == 0 and not broker.exists("unacked")


def publish(*, plain: bool) -> list[str]:
    """Send a block of tasks; gives their ids."""
    numbers = range(BLOCK)
    if plain:
        return [celery_app.signature(PLAIN_ADD, args=(number, 1)).apply_async().id for number in numbers]
    return [str(service.submit(task(TaskName.ADD, number, 1)).task_id) for number in numbers]


def done_at(broker: "redis.Redis", task_id: str) -> float:
    """When Celery had a result, in seconds."""
    meta = json.loads(broker.get(f"celery-task-meta-{task_id}"))  # type: ignore[arg-type]  # it is there
    return datetime.fromisoformat(meta["date_done"]).timestamp()
