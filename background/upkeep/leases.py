"""Keeps the leases of what this worker runs, and ends what runs longer than it may."""

import logging
import os
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from celery.worker.request import Request

from background.base import log_context
from background.jobs import crew, event_loop, registry, states
from background.jobs.sql import recovery, transitions
from background.settings import get_settings
from background.storage import database
from background.task_names import JOB_TASKS
from background.upkeep import requests
from background.upkeep.presence import answer_seconds

logger = logging.getLogger(__name__)

JUMP_SECONDS = 1.0
"""By less than this a clock is taken to be adjusted, and not to jump."""


class Look(NamedTuple):
    """PostgreSQL's `clock` showed this between two times of `time.monotonic`."""

    clock: float
    since: float
    until: float

    def jump(self, before: "Look") -> float:
        """By how many seconds PostgreSQL's clock has jumped since that look, at least, beside our own.

        Ours stands still while the machine sleeps, as the steps do that it times.
        """
        passed = self.clock - before.clock
        found = passed - min(max(passed, self.since - before.until), self.until - before.since)
        return found if abs(found) > JUMP_SECONDS else 0.0


def wake_ups() -> dict[str, Request]:
    """The messages that have woken slots which run jobs now, by id, as this worker's main process knows."""
    return {str(each.id): each for each in requests.active() if each.name in JOB_TASKS and not _is_dead(_child(each))}


def keep(before: Look | None, *, worker_id: str) -> Look:
    """Renew the leases of what runs here, but of what has timed out; gives this look. Raises `Unavailable`.

    Time by which PostgreSQL's clock has jumped since the look `before` is none that a step took.
    """
    held = {*wake_ups(), *crew.wake_ups()}
    lease = get_settings().lease_seconds
    since = time.monotonic()
    with database.transaction(seconds=answer_seconds()) as connection:
        look = Look(recovery.clock(connection), since, time.monotonic())
        if before is not None and (jump := look.jump(before)):
            logger.warning("PostgreSQL's clock has jumped by %.1f s.", jump)
            recovery.move_time_outs(connection, worker_id=worker_id, jump=jump, looked=look.until - before.since)
        if held:
            recovery.renew(connection, wake_ups=list(held), worker_id=worker_id, lease=lease)
    return look


def end_late(*, worker_id: str) -> None:
    """End what runs here and has timed out. Raises `Unavailable`."""
    active = wake_ups()
    held = {*active, *crew.wake_ups()}
    for job in time_out(held, worker_id=worker_id) if held else ():
        with log_context.bound(job_id=job.id):
            logger.warning("Job %s: its step timed out.", job.id)
        end_child(active.get(job.wake_up))


def time_out(held: Collection[str], *, worker_id: str) -> Sequence[recovery.Overdue]:
    """Write off the jobs of this worker whose step has timed out and did not stop; gives them. Raises `Unavailable`.

    Those that run where one of these messages woke a slot: with a child of the pool its step has ended, and is lost.
    Where a step blocks the event loop that others wait in, those are handed back.
    """
    settings = get_settings()
    lease, time_limit = settings.lease_seconds, settings.job_time_limit
    with database.transaction(seconds=answer_seconds()) as connection:
        own: dict[str, Any] = {"worker_id": worker_id, "wake_ups": list(held)}
        jobs = recovery.overdue(connection, **own, grace=min(1.0, lease / 4), time_limit=time_limit)
        for job in jobs:
            transitions.stop(connection, job_id=job.id, token=job.token, outcome=_outcome(job))
    for job in jobs:
        event_loop.lose(job.token)
    return jobs


def _outcome(job: recovery.Overdue) -> states.Outcome:
    """What becomes of a job whose step has timed out. One that another one has kept from going on has not failed."""
    block = event_loop.block_of(job.token)
    by = None if block is None or block.by is None else (block.by.job_id, block.by.step)
    if block is not None and (by is None or by[0] != job.id):
        return states.held_up(by)
    policy = registry.policy(job.pipeline, job.step)
    return states.timed_out(
        job.current_step,
        seconds=job.step_seconds,
        blocks=None if block is None else block.where,
        **policy.failure(job.step_failures, failures=job.failures, max_attempts=job.max_attempts),
    )


def end_child(request: Request | None) -> None:
    """Kill the child of the prefork pool that runs this; a thread cannot be ended from outside, and keeps its slot."""
    pid = _child(request)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _child(request: Request | None) -> int | None:
    """The child of the prefork pool that runs this, if one does."""
    pid = int(request.worker_pid or 0) if request else 0
    return None if pid in (0, os.getpid()) else pid


def _is_dead(child: int | None) -> bool:
    """Whether this child has ended, which Celery sees up to five seconds later; it is left to Celery to wait for it."""
    if child is None or not hasattr(os, "waitid"):  # macOS has had it since Python 3.13
        return False
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
