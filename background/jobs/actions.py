"""What is done to many jobs at once, in small transactions: each as it is done to one, by the same statements."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from background.base.log_context import actor
from background.jobs import admission, creation, states
from background.jobs.filters import MOST_AT_ONCE, ActionOutcome, ActionRequest, JobFilter, Matching
from background.jobs.sql import control, finding
from background.jobs.states import Action, JobStatus
from background.storage import database, pools

BATCH = 100
"""How many jobs one transaction changes: it holds their rows for some 15 ms."""
SECONDS = 15.0
"""After so long an action gives what it has come to, and whoever asked may go on."""
AMONG = 1000
SHOWN = 20
"""Among how many jobs that have failed errors are counted, and how many of them are told."""


def act(request: ActionRequest) -> ActionOutcome:
    """Do this to the newest jobs that match, those that can take it. Raises `Unavailable`; what was done stays done.

    One that does not match any more when its turn comes is counted as refused.
    """
    with database.transaction() as connection:
        found = finding.ids(connection, request.filter, limit=request.limit + 1)
    until = time.monotonic() + SECONDS
    worked = done = 0
    wanted = found[: request.limit]
    while worked < len(wanted) and (not worked or time.monotonic() < until):
        part = wanted[worked : worked + BATCH]
        done += _act(request, part)
        worked += len(part)
    before = found[worked - 1] if worked < len(found) else None
    return ActionOutcome(matched=worked, done=done, refused=worked - done, before=before)


def matching(wanted: JobFilter) -> Matching:
    """How many jobs match, and which errors those that have failed have."""
    with database.transaction() as connection:
        number = finding.count(connection, wanted, most=MOST_AT_ONCE + 1)
        errors = finding.errors(connection, wanted, among=AMONG, most=SHOWN) if number else []
    return Matching(number=min(number, MOST_AT_ONCE), more=number > MOST_AT_ONCE, errors=errors)


def _act(request: ActionRequest, job_ids: Sequence[int]) -> int:
    """Do it to these, as many as can take it; gives how many.

    Nobody waits for the rows of two jobs: those that somebody holds just now, a worker perhaps, have their turn after
    the others, one by one.
    """
    since = time.monotonic()
    try:
        with pools.working.transaction() as connection:
            free = control.lock(connection, job_ids, free=True)
            done = _done(connection, request, free)
    except IntegrityError:  # a unique key was taken at this moment
        free, done = [], []
    if request.action is Action.RETRY:
        creation.wake_for(done, since=since)
    held = set(job_ids) - {job.id for job in free}
    return len(done) + sum(_alone(request, job_id) for job_id in sorted(held))


def _alone(request: ActionRequest, job_id: int) -> int:
    since = time.monotonic()
    try:
        with database.transaction() as connection:
            done = _done(connection, request, control.lock(connection, [job_id]))
    except IntegrityError:
        return 0
    if request.action is Action.RETRY:
        creation.wake_for(done, since=since)
    return len(done)


def _done(connection: Connection, request: ActionRequest, jobs: Sequence[control.Locked]) -> list[Any]:
    """What came of doing it to these, which are locked: only now it is certain that they match."""
    wanted = finding.still(connection, request.filter, [job.id for job in jobs]) if jobs else set()
    matching = [job for job in jobs if job.id in wanted]
    return _TOGETHER[request.action](connection, matching) if matching else []


def _cancel(connection: Connection, jobs: Sequence[control.Locked]) -> list[int]:
    return list(control.cancel(connection, [job.id for job in jobs], actor=actor()))


def _retry(connection: Connection, jobs: Sequence[control.Locked]) -> list[control.Stored]:
    able = [
        job
        for job in jobs
        if states.why_no_retry(
            status=JobStatus(job.status), step_names=job.step_names, completed=job.completed, from_step=None
        )
        is None
    ]
    limit_keys, limited = admission.limit_keys(connection, able), list(admission.declared())
    again: dict[str, Any] = {"from_step": None, "params": None, "limit_keys": limit_keys, "limited": limited}
    return control.retry(connection, [job.id for job in able], **again, actor=actor()) if able else []


def _remove(connection: Connection, jobs: Sequence[control.Locked]) -> list[int]:
    job_ids = [job.id for job in jobs]
    admission.keep_begun(connection, job_ids)
    return control.remove(connection, job_ids)


_TOGETHER: dict[Action, Callable[[Connection, Sequence[control.Locked]], list[Any]]] = {
    Action.CANCEL: _cancel,
    Action.RETRY: _retry,
    Action.DELETE: _remove,
}
