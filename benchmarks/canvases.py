"""How long a canvas takes that finds everybody idle, beside the same in bare Celery: a task, and a chord of 100."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import celery

from background.canvas import service
from background.canvas.spec import chord, task
from background.task_names import TaskName
from benchmarks import bare_celery
from benchmarks.measure import Database
from tests.support import Process, running_worker

MEMBERS = 100
TIMES = {"task": 200, "chord of 100": 20}
WARM_UP = 5
LOOK_SECONDS = 0.001
PATIENCE_SECONDS = 60
Ask = Callable[[], Callable[[], bool]]
"""Submits one; what it gives tells whether that is done."""


def main(scratch: Path) -> None:
    """Print how long both take, and their ratio."""
    with (
        running_worker(scratch / "canvases.log"),
        bare_worker(scratch / "bare.log"),
        Database() as database,
    ):
        print("canvases    one at a time on prefork 2, from before it is submitted until it is seen done, in turns")
        for name, contestants in asked(database).items():
            taken: dict[str, list[float]] = {who: [] for who in contestants}
            for number in range(WARM_UP + TIMES[name]):
                for who, ask in contestants.items():
                    milliseconds = latency(ask)
                    if number >= WARM_UP:
                        taken[who].append(milliseconds)
            own, bare = (statistics.median(each) for each in taken.values())
            print(f"  {name:14} recorded {own:6.1f} ms   bare Celery {bare:6.1f} ms   {own / bare:.2f} times")


@contextmanager
def bare_worker(log: Path) -> Iterator[None]:
    """A worker that knows nothing of this project."""
    argv = [sys.executable, "-m", "celery", "-A", "benchmarks.bare_celery", "worker", "--loglevel=INFO"]
    process = Process([*argv, "--hostname=bare@%h", "--concurrency=2"], log=log)
    try:
        process.wait_for_line("ready.")
        yield
    finally:
        process.stop()


def asked(database: Database) -> Mapping[str, Mapping[str, Ask]]:
    """What is asked of whom."""
    numbers = range(MEMBERS)
    header = [bare_celery.add.s(number, 1) for number in numbers]
    recorded = chord(tuple(task(TaskName.ADD, number, 1) for number in numbers), task(TaskName.XSUM))

    def is_recorded(task_id: object) -> bool:
        return bool(database.value(f"SELECT status = 'SUCCESS' FROM runs WHERE task_id = '{task_id}'"))  # noqa: S608

    def run(spec: object) -> Callable[[], bool]:
        found = service.submit(spec)  # type: ignore[arg-type]
        return lambda: is_recorded(found.task_id)

    def plain(signature: "celery.canvas.Signature[float]") -> Callable[[], bool]:
        return signature.apply_async().ready

    return {
        "task": {
            "recorded": lambda: run(task(TaskName.ADD, 1, 1)),
            "bare": lambda: plain(bare_celery.add.s(1, 1)),
        },
        "chord of 100": {
            "recorded": lambda: run(recorded),
            "bare": lambda: plain(celery.chord(header, bare_celery.xsum.s())),
        },
    }


def latency(ask: Ask) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    is_done = ask()
    while not is_done():
        assert time.perf_counter() < began + PATIENCE_SECONDS, "it is not done"
        time.sleep(LOOK_SECONDS)
    return 1000 * (time.perf_counter() - began)
