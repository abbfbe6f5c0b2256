"""How jobs come to be: what a client, a schedule or another program asks for is stored, then workers are woken."""

import time
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from background.base import jsontext
from background.base.errors import Conflict
from background.base.log_context import actor
from background.base.together import Gathered
from background.jobs import admission, dispatch, registry
from background.jobs.new_job import as_before, as_new, as_row, digest
from background.jobs.schemas import JobRequest
from background.jobs.sql import control, unique
from background.storage import deadlines, pools
from background.storage.turns import turn

LARGE_BYTES = 16 * 1024
"""A job whose params have more as JSON is stored by itself: hundreds in one statement take longer than all may wait."""
LOCK_SECONDS = 1.0
"""How long one waits for the transaction of somebody who has the place of a unique key."""
FEW_VALUES = 1_000
"""The params of a job that have no more are checked where they come in."""


async def create_job(request: JobRequest, *, key: str | None = None) -> tuple[control.Stored | control.Known, bool]:
    """Store a job, then wake a worker for it. Gives it, and whether it is new.

    Once this returns the job is in PostgreSQL, whether or not the broker could be reached. The same `key` and
    request give the job that was made before; another request under that key raises `Conflict`. So does the unique key
    of the request, or of its pipeline, give the job that has it.
    """
    since = time.monotonic()
    job = as_row(request) if _is_quick(request) else await deadlines.in_thread(partial(as_row, request))
    if key is None and job["unique_key"] is None and len(jsontext.dumps(job["params"])) <= LARGE_BYTES:
        return await _store(_Wanted(as_new(job), actor(), since)), True
    if key is not None:
        job |= {"idempotency_key": key, "request_digest": digest(_asked(job, request))}
    create = partial(_create_alone, job, request)
    if job["unique_key"] is None:
        return await deadlines.in_thread(create)
    async with turn("unique key", job["pipeline"], job["unique_key"], lock_seconds=LOCK_SECONDS) as asked:
        return await deadlines.in_thread(create, since=asked)


def _is_quick(request: JobRequest) -> bool:
    """Whether all there is to check is known to take no time, so that a thread would take longer."""
    pipeline = registry.pipelines().get(request.pipeline)
    asks_others = request.callback_url is not None or (pipeline is not None and pipeline.runs_own_code)
    return not asks_others and not jsontext.holds_more_than(FEW_VALUES, request.params)


def _create_alone(job: dict[str, Any], request: JobRequest) -> tuple[control.Stored | control.Known, bool]:
    """Store a job that is large or has a key of its own, or give the one that has that."""
    key, is_unique = job.get("idempotency_key"), job["unique_key"] is not None
    while True:
        since = time.monotonic()
        with pools.working.transaction(lock_seconds=LOCK_SECONDS if is_unique else None) as connection:
            # It decides before the unique key does; without one most keys are new.
            before = control.by_key(connection, key) if key is not None and is_unique else None
            if before is None:
                made = _stored(connection, [as_new(job)], actor=actor())
                if made:
                    break
                before = control.by_key(connection, key) if key is not None else None
        # It may have been deleted between the two statements, or have ended; then the key is free again.
        if before is not None:
            if before.request_digest != job["request_digest"] and not _is_again(before, job, request):
                message = "This Idempotency-Key was used before, with another request."
                raise Conflict(message, code="idempotency_key")
            return before, False
    (stored,) = made.values()
    wake_for([stored], since=since)
    return stored, not stored.duplicate


def _asked(job: dict[str, Any], request: JobRequest) -> dict[str, Any]:
    return {**job, "unique_key": request.unique_key}


def _is_again(before: control.Known, job: dict[str, Any], request: JobRequest) -> bool:
    """Whether the same was asked for before, when what nobody gives had other values, or was not there."""
    return before.request_digest == digest(_asked(as_before(job, request, before), request))


def _stored(connection: Connection, jobs: Sequence[dict[str, Any]], *, actor: str | None) -> dict[str, control.Stored]:
    """What was stored, or found by unique key, by `task_id`; one that is left out is to be tried again."""
    return unique.store(connection, jobs, lambda rows: control.create(connection, rows, actor=actor))


class _Wanted(NamedTuple):
    """A job without any key that is to be stored for this client, since then."""

    job: dict[str, Any]
    actor: str | None
    since: float


def _store_together(wanted: Sequence[_Wanted]) -> list[control.Stored]:
    """Store several jobs in one transaction; gives what was made of each.

    One with a key may have to wait for others, and stands alone.
    """
    since = min(each.since for each in wanted)
    made: dict[str, control.Stored] = {}
    with deadlines.late(time.monotonic() - since), pools.working.transaction() as connection:
        for who in dict.fromkeys(each.actor for each in wanted):
            rows = control.create(connection, [each.job for each in wanted if each.actor == who], actor=who)
            made |= {str(each.task_id): each for each in rows}
    wake_for(made.values(), since=since)
    return [made[each.job["task_id"]] for each in wanted]


_store = Gathered(_store_together)


def create_jobs(requests: Sequence[JobRequest]) -> Sequence[control.Stored]:
    """Store all these jobs or none, then wake workers for them; gives them in order.

    In the place of one whose unique key another job has, or another one of these, that one is given.
    """
    jobs = [as_new(as_row(request, where=("body", "jobs", position))) for position, request in enumerate(requests)]
    since = time.monotonic()
    is_unique = any(job["unique_key"] is not None for job in jobs)
    with pools.working.transaction(lock_seconds=LOCK_SECONDS if is_unique else None) as connection:
        stored = store_all(connection, jobs, actor=actor())
    wake_for(stored, since=since)
    return stored


def store_all(connection: Connection, jobs: Sequence[dict[str, Any]], *, actor: str | None) -> list[control.Stored]:
    """Store these jobs, as `as_new` gives them; gives what was stored or found of each, in order."""
    made: dict[str, control.Stored] = {}
    while left := [job for job in jobs if job["task_id"] not in made]:
        made |= _stored(connection, left, actor=actor)
    return [made[job["task_id"]] for job in jobs]


def wake_for(made: Iterable[control.Stored], *, since: float) -> None:
    """Wake workers for those of these committed jobs that are due. Never raises, see `dispatch`."""
    made = list(made)
    if any(job.held for job in made):
        admission.admit()
    due = sorted((job.queue, job.id) for job in made if job.due)
    for queue, jobs in groupby(due, key=itemgetter(0)):
        dispatch.wake_for([job_id for _, job_id in jobs], since=since, queue=queue)
