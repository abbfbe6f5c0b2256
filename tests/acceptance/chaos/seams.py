"""What a test may change in a process of ours before it starts; production code has no such seams.

`python -m tests.acceptance.chaos.seams NAME… -- worker|api ARGUMENT…` starts the process with these changes.
A mutant takes one safety away. The suite has to notice each; `test_mutants.py` holds it to that.
"""

import datetime
import math
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

DIE_FILE = "CHAOS_DIE_FILE"
"""Names a file; while it exists, `die_before_publish` kills its process where it would publish, and
`stop_before_publish` stops it there until SIGCONT."""


def replace(module: ModuleType, **names: object) -> None:
    """Put other things in the place of what the module calls so; each must be there."""
    assert names.keys() <= vars(module).keys(), f"{module.__name__} has no {names.keys() - vars(module).keys()}"
    vars(module).update(names)


def rewrite_sql(pattern: str, by: str, *, at_least: int) -> None:
    """Change every statement on jobs in which `pattern` is found; there must be `at_least` so many."""
    from sqlalchemy import TextClause, text

    from background.jobs.sql import control, effects, limits, recovery, transitions, turned_away, work
    from background.storage.prepared import Prepared

    found: list[str] = []
    for module in (control, effects, limits, recovery, transitions, turned_away, work):
        changed: dict[str, object] = {}
        for name, value in vars(module).items():
            if isinstance(value, TextClause) and re.search(pattern, value.text):
                changed[name] = text(re.sub(pattern, by, value.text))
            elif isinstance(value, Prepared) and re.search(pattern, value.sql):
                changed[name] = Prepared(value.name, re.sub(pattern, by, value.sql))
        replace(module, **changed)
        found += changed
    assert len(found) >= at_least, f"only {found} hold {pattern!r}"


def no_fence() -> None:
    """A worker's writes no longer ask whether the job is still its own."""
    rewrite_sql(r"\bclaim_token = (CAST\(CAST\(:token AS text\) AS uuid\))", r"\1 IS NOT NULL", at_least=4)
    rewrite_sql(r"\bAND claim_token = (holder|token)\b", "", at_least=1)


def node_heartbeat_only() -> None:
    """A living worker renews all jobs it ever claimed, those of its dead children too."""
    from background.upkeep import leases

    rewrite_sql(r"\bwake_up = ANY\(:wake_ups\)", "(true OR wake_up = ANY(:wake_ups))", at_least=1)
    replace(leases, wake_ups=lambda: {"": None})


def node_name_as_identity() -> None:
    """A worker takes its predecessor's jobs for its own, and here everybody's."""
    node_heartbeat_only()
    rewrite_sql(r"worker_id = :worker_id AND (\(true OR .*?\))", r"(true OR worker_id = :worker_id AND \1)", at_least=1)


def no_redispatch() -> None:
    """Messages that are missing stay missing."""
    from background.jobs import dispatch

    dispatch.wake = lambda *_, **__: 0


def reap_after_outage() -> None:
    """Leases that ran out while PostgreSQL was away are taken as the end of their workers."""
    from background.upkeep import reaping

    reaping.Steadiness.seconds = property(lambda _: math.inf)  # type: ignore[assignment, method-assign]


def permits_do_not_count() -> None:
    """Who was let in counts from its claim on."""
    rewrite_sql(r"(true FROM jobs\s+WHERE )status = 'PENDING'", r"\1false", at_least=1)


def begin_while_paused() -> None:
    """A claim looks into queues that are paused, too."""
    rewrite_sql(r"\w+ <> ALL \(CAST\(\(SELECT paused_queues FROM controls\) AS text\[\]\)\)", "true", at_least=3)


def call_by_place() -> None:
    """A step is found by its number in today's pipeline, whatever the job's plan calls it."""
    from background.jobs.attempt import Attempt

    def step_name(attempt: Attempt) -> str:
        return list(attempt.pipeline.steps)[attempt.step - 1]

    Attempt.step_name = property(step_name)  # type: ignore[assignment, method-assign]


def claim_what_it_lacks() -> None:
    """A worker claims jobs without a look at what it can run, and fails at them."""
    rewrite_sql(r"\(CAST\(:abilities AS jsonb\) #> ARRAY\[pipeline, 'steps'\].*?\]\)\)", "true", at_least=1)


def strike_before_publish(number: signal.Signals) -> None:
    """Between commit and publish the process looks whether it is to get this signal there."""
    from background.jobs import dispatch

    told, wake_for = Path(os.environ[DIE_FILE]), dispatch.wake_for

    def wake_or_die(job_ids: Any, **options: Any) -> None:
        if told.exists():
            told.unlink()
            os.kill(os.getpid(), number)
        wake_for(job_ids, **options)

    replace(dispatch, wake_for=wake_or_die)


def next_release() -> None:
    """This worker is one of a release to come."""
    from tests.acceptance.next_release import write_the_size

    write_the_size()


def shift_clock(hours: int) -> None:
    """The wall clock of this process is wrong by so much, wherever it is read."""
    shift, real = datetime.timedelta(hours=hours), datetime.datetime
    real_time = time.time

    class Lenient(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

    class Shifted(datetime.datetime, metaclass=Lenient):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return super().now(tz) + shift

        @classmethod
        def utcnow(cls) -> Self:
            return super().now(datetime.UTC).replace(tzinfo=None) + shift

        @classmethod
        def today(cls) -> Self:
            return cls.now()

    replace(time, time=lambda: real_time() + shift.total_seconds())
    replace(datetime, datetime=Shifted)


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        begin_while_paused,
        call_by_place,
        claim_what_it_lacks,
        no_fence,
        node_heartbeat_only,
        node_name_as_identity,
        no_redispatch,
        permits_do_not_count,
        reap_after_outage,
    )
}
SEAMS: dict[str, Callable[[], None]] = {
    **MUTANTS,
    "die_before_publish": lambda: strike_before_publish(signal.SIGKILL),
    "stop_before_publish": lambda: strike_before_publish(signal.SIGSTOP),
    "next_release": next_release,
    "clock_ahead": lambda: shift_clock(1),
    "clock_behind": lambda: shift_clock(-1),
}
PROGRAMS = {"worker": "celery", "api": "uvicorn"}
ARGUMENTS = {"worker": ["-A", "background.celery.celery_app", "worker", "--loglevel=INFO"], "api": ["main:app"]}


def command(program: str, arguments: Sequence[str], *, seams: Sequence[str] = ()) -> list[str]:
    """What starts this process, `worker` or `api`; without seams it is what a user would type."""
    if not seams:
        return [sys.executable, "-m", PROGRAMS[program], *ARGUMENTS[program], *arguments]
    return [sys.executable, "-m", "tests.acceptance.chaos.seams", *seams, "--", program, *arguments]


def main() -> None:
    """Change this process as its arguments say, then become what it is to be."""
    split = sys.argv.index("--")
    seams, (program, *arguments) = sys.argv[1:split], sys.argv[split + 1 :]
    for name in seams:
        SEAMS[name]()
    sys.argv = [PROGRAMS[program], *ARGUMENTS[program], *arguments]
    if program == "worker":
        from celery.__main__ import main as celery

        celery()
    else:
        from uvicorn import main as uvicorn

        uvicorn()


if __name__ == "__main__":
    main()
