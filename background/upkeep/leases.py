"""Keeps the leases of what this worker runs, and ends what runs longer than it may."""

import logging
import os
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress

from celery.worker.request import Request

from background.base import log_context
from background.jobs import crew, event_loop, registry, states
from background.jobs.sql import recovery, transitions
from background.settings import get_settings
from background.storage import database, deadlines
from background.task_names import JOB_TASKS
from background.upkeep import requests

logger = logging.getLogger(__name__)


def wake_ups() -> dict[str, Request]:
    """The messages that have woken slots which run jobs now, by id, as this worker's main process knows."""
    return {str(each.id): each for each in requests.active() if each.name in JOB_TASKS}


def keep(*, worker_id: str, undisturbed: bool) -> None:
    """Renew the leases of what runs here, and end what has timed out, where that is `undisturbed`.

    A step that ended in time during an outage of PostgreSQL must be able to say so first. Raises `Unavailable`.
    """
    active = wake_ups()
    held = {*active, *crew.wake_ups()}
    renew(held, worker_id=worker_id)
    for job in time_out(worker_id=worker_id) if held and undisturbed else ():
        with log_context.bound(job_id=job.id):
            logger.warning("Job %s: its step timed out.", job.id)
        end_child(active.get(job.wake_up))


def renew(wake_ups: Collection[str], *, worker_id: str) -> None:
    """Renew the leases of what runs there, in one statement, never past a step's time-out. Raises `Unavailable`."""
    lease = get_settings().lease_seconds
    if wake_ups:
        with database.transaction(seconds=min(deadlines.ANSWER_SECONDS, lease / 3)) as connection:
            recovery.renew(connection, wake_ups=list(wake_ups), worker_id=worker_id, lease=lease)


def time_out(*, worker_id: str) -> Sequence[recovery.Overdue]:
    """Write off the jobs of this worker whose step has timed out and did not stop; gives them. Raises `Unavailable`.

    Where a step blocks the event loop that others wait in, those are handed back.
    """
    lease = get_settings().lease_seconds
    with database.transaction(seconds=min(deadlines.ANSWER_SECONDS, lease / 3)) as connection:
        jobs = recovery.overdue(connection, worker_id=worker_id, grace=min(1.0, lease / 4))
        for job in jobs:
            transitions.stop(connection, job_id=job.id, token=job.token, outcome=_outcome(job))
    for job in jobs:
        event_loop.lose(job.id, job.attempt)
    return jobs


def _outcome(job: recovery.Overdue) -> states.Outcome:
    """What becomes of a job whose step has timed out. One that another one has kept from going on has not failed."""
    block = event_loop.block_of(job.id, job.attempt)
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
    pid = int(request.worker_pid or 0) if request else 0
    if pid not in (0, os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
