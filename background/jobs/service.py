"""The use-cases of jobs. Each opens one transaction; nothing below commits."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from background.base import jsontext
from background.base.errors import Conflict, NotFound, Unavailable
from background.base.log_context import actor
from background.base.together import Gathered
from background.broker import queues
from background.jobs import admission, checks, dispatch, history, registry, states, step_logs
from background.jobs.filters import JobFilter
from background.jobs.history import Range
from background.jobs.limits import PIPELINE, Lane, Standing, lane_key
from background.jobs.new_job import as_new, as_row, digest
from background.jobs.pipeline import Pipeline
from background.jobs.schemas import (
    Job,
    JobRequest,
    JobWithHistory,
    LogLine,
    Minute,
    PipelineInfo,
    RetryRequest,
    Statistics,
    WorkerSteps,
)
from background.jobs.sql import control, limits, logs, reads, unique
from background.jobs.sql import history as ended
from background.jobs.states import JobStatus
from background.settings import get_settings
from background.storage import database, deadlines, lanes
from background.workers import sql as workers
from background.workers.identity import Snapshot

ToldJob = TypeVar("ToldJob", bound=Job)
LARGE_BYTES = 16 * 1024
"""A job whose params have more as JSON is stored by itself: hundreds in one statement take longer than all may wait."""
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
        job |= {"idempotency_key": key, "request_digest": digest({**job, "unique_key": request.unique_key})}
    return await deadlines.in_thread(partial(_create_alone, job))


def _is_quick(request: JobRequest) -> bool:
    """Whether all there is to check is known to take no time, so that a thread would take longer."""
    pipeline = registry.pipelines().get(request.pipeline)
    asks_others = request.callback_url is not None or (pipeline is not None and pipeline.runs_own_code)
    return not asks_others and not jsontext.holds_more_than(FEW_VALUES, request.params)


def _create_alone(job: dict[str, Any]) -> tuple[control.Stored | control.Known, bool]:
    """Store a job that is large or has a key of its own, or give the one that has that."""
    key, is_unique = job.get("idempotency_key"), job["unique_key"] is not None
    while True:
        since = time.monotonic()
        with lanes.working.transaction() as connection:
            # It decides before the unique key does; without one most keys are new.
            before = control.by_key(connection, key) if key is not None and is_unique else None
            if before is None:
                made = _store_unless_there(connection, [as_new(job)])
                if made:
                    break
                before = control.by_key(connection, key) if key is not None else None
        # It may have been deleted between the two statements, or have ended; then the key is free again.
        if before is not None:
            if before.request_digest != job["request_digest"]:
                message = "This Idempotency-Key was used before, with another request."
                raise Conflict(message, code="idempotency_key")
            return before, False
    (stored,) = made.values()
    wake_for([stored], since=since)
    return stored, not stored.duplicate


def _store_unless_there(connection: Connection, jobs: Sequence[dict[str, Any]]) -> dict[str, control.Stored]:
    """What was stored, or found by unique key, by `task_id`; one that is left out is to be tried again."""
    who = actor()
    return unique.store(connection, jobs, lambda rows: control.create(connection, rows, actor=who))


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
    with deadlines.late(time.monotonic() - since), lanes.working.transaction() as connection:
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
    with lanes.working.transaction() as connection:
        stored = store_all(connection, jobs, actor=actor())
    wake_for(stored, since=since)
    return stored


def store_all(connection: Connection, jobs: Sequence[dict[str, Any]], *, actor: str | None) -> list[control.Stored]:
    """Store these jobs, as `as_new` gives them; gives what was stored or found of each, in order."""
    made: dict[str, control.Stored] = {}
    while left := [job for job in jobs if job["task_id"] not in made]:
        made |= unique.store(connection, left, lambda rows: control.create(connection, rows, actor=actor))
    return [made[job["task_id"]] for job in jobs]


def wake_for(made: Iterable[control.Stored], *, since: float) -> None:
    """Wake workers for those of these committed jobs that are due. Never raises, see `dispatch`."""
    made = list(made)
    if any(job.held for job in made):
        admission.admit()
    due = sorted((job.queue, job.id) for job in made if job.due)
    for queue, jobs in groupby(due, key=itemgetter(0)):
        dispatch.wake_for([job_id for _, job_id in jobs], since=since, queue=queue)


def cancel_job(job_id: int) -> None:
    """End a waiting job; ask a running one to end. Raises `NotFound`, or `Conflict` when it has ended."""
    with database.transaction() as connection:
        if not control.cancel(connection, [job_id], actor=actor()):
            raise _why_not(control.lock(connection, [job_id]), job_id, "it cannot be cancelled any more", "job_ended")


def retry_job(job_id: int, request: RetryRequest) -> None:
    """Let an ended job go on, as `states.why_no_retry` allows. Raises `NotFound`, `Conflict`, `Invalid`, `TooLarge`."""
    since = time.monotonic()
    with database.transaction() as connection:
        job = next(iter(control.lock(connection, [job_id])), None)
        if job is None:
            raise _missing(job_id)
        pipeline = registry.runnable().get(job.pipeline)
        if pipeline is None and (request.params is not None or request.replan):
            raise _no_retry(job_id, why="pipeline_gone", pipeline=job.pipeline)
        step_names = list(pipeline.steps) if pipeline and request.replan else job.step_names
        reason = states.why_no_retry(
            status=JobStatus(job.status),
            step_names=step_names,
            completed=job.completed,
            from_step=request.from_step,
        )
        if reason is not None:
            raise _no_retry(job_id, **reason)
        params: str | None = None
        if pipeline and request.params is not None:
            params = jsontext.dumps(checks.checked(pipeline, request.params, where=("body", "params")))
        elif pipeline and request.replan:
            checks.still_accepted(pipeline, control.params(connection, job_id))
        if pipeline and request.replan:
            keys = states.replanned(job.step_names, job.step_keys, step_names)
            control.plan(connection, job_id=job_id, step_keys=jsontext.dumps(keys), **pipeline.plan())
        limit_key = None
        if pipeline and pipeline.limit_keys:
            given = control.params(connection, job_id) if params is None else json.loads(params)
            limit_key = lane_key(pipeline.limit_keys, given)
            limits.keep_begun(connection, [job_id], admission.declared())
        limited = list(admission.declared())
        again: dict[str, Any] = {"from_step": request.from_step, "params": params, "limit_key": limit_key}
        try:
            done = control.retry(connection, [job_id], **again, limited=limited, actor=actor())
        except IntegrityError:
            done = []
        if not done:
            raise _no_retry(job_id, why="key_taken")
    wake_for(done, since=since)


def delete_job(job_id: int) -> None:
    """Remove an ended job with its steps and history. Raises `NotFound` or `Conflict`."""
    with database.transaction() as connection:
        limits.keep_begun(connection, [job_id], admission.declared())
        if not control.remove(connection, [job_id]):
            raise _why_not(
                control.lock(connection, [job_id]), job_id, "only an ended job can be deleted", "job_not_ended"
            )


def get_job(job_id: int, *, events_before: int | None = None) -> JobWithHistory:
    """One job with its steps and its newest events, or the newest below that number. Raises `NotFound`."""
    with database.transaction() as connection:
        row = reads.get(connection, job_id, events_before=events_before)
        seen, standing = _known(connection, [row] if row else [])
    if row is None:
        raise _missing(job_id)
    return _told(JobWithHistory, row, seen, standing)


def get_logs(job_id: int, *, step: int | None, attempt: int | None, after: int, limit: int) -> list[LogLine]:
    """At most `limit` lines that its steps have logged, behind the one of that id. Raises `NotFound`."""
    with database.transaction() as connection:
        if not logs.exists(connection, job_id):
            raise _missing(job_id)
        found = logs.find(connection, job_id, step=step, attempt=attempt, after=after, limit=limit)
    return [LogLine(id=each.id, **each._asdict()) for each in step_logs.read(found, after=after, limit=limit)]


def get_jobs(job_ids: Sequence[int], *, most: int) -> list[tuple[Job, int]]:
    """The jobs among these that exist, each with the number of its newest event.

    Params, results and outputs of more than `most` bytes are left out and named in `cut`.
    """
    if not job_ids:
        return []
    with database.transaction() as connection:
        rows = reads.get_many(connection, job_ids, most=most)
        seen, standing = _known(connection, rows)
    return [(_told(Job, row, seen, standing), row.event_count) for row in rows]


def find_jobs(wanted: JobFilter, *, limit: int) -> Sequence[Job]:
    """At most `limit` of these jobs with their steps, newest first; large values are cut."""
    with database.transaction() as connection:
        rows = reads.find(connection, wanted, limit=limit)
        seen, standing = _known(connection, rows)
    return [_told(Job, row, seen, standing) for row in rows]


def _known(connection: Connection, rows: Sequence[reads.StoredJob]) -> tuple[Snapshot, Standing]:
    """What the workers report, and how limits stand, as far as these jobs wait for them."""
    seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    held = any(row.held and row.status == JobStatus.PENDING for row in rows)
    return seen, limits.standing(connection, admission.declared(), used=held)


def _told(kind: type[ToldJob], row: reads.StoredJob, seen: Snapshot, standing: Standing) -> ToldJob:
    """A job as `reads` gives it, with what else was read at the same time."""
    facts = None
    if row.status == JobStatus.PENDING:
        of_queue = seen.of(row.queue)
        known = states.Waiting(
            seconds_until_due=row.seconds_until_due,
            run_at=row.run_at,
            error=row.error if row.failures else None,
            waits_for=row.waits_for,
            published=row.published,
            queue=row.queue,
            live_workers=seen.live,
            serving=of_queue.workers,
            queue_length=of_queue.length,
            barred=standing.why(Lane(row.queue, row.pipeline, row.limit_key), held=row.held),
            lacking=states.lacking(
                row.pipeline,
                row.next_step,
                turned_away=row.turned_away,
                crews={crew.id: crew.abilities for crew in seen.crews if row.queue in crew.queues},
            ),
        )
        facts = states.waiting(known)
    return kind.model_validate({**row._asdict(), "waiting": facts, "waiting_for": facts and states.waiting_for(facts)})


def get_statistics(range_: Range, *, pipeline: str | None) -> Statistics:
    """How many jobs there are of each kind, how long they wait, and what ended over time, of a pipeline or of all."""
    try:
        queued = queues.queue_length()
    except Unavailable:
        queued = None
    with database.transaction() as connection:
        counts = reads.counts(connection)
        waiting = reads.waiting(connection)
        series = _series(connection, range_, pipeline=pipeline)
    by_status = {status.value: 0 for status in JobStatus}
    by_pipeline = {name: dict(by_status) for name in registry.pipelines()}
    for each in counts:
        by_status[each.status] += each.number
        by_pipeline.setdefault(each.pipeline, {status.value: 0 for status in JobStatus})[each.status] = each.number
    return Statistics.model_validate(
        {
            "total": sum(by_status.values()),
            "status": by_status,
            "pipelines": by_pipeline,
            "queue_depth": queued,
            "series": series,
            "range": range_,
            "bucket_seconds": history.BUCKETS[range_][0].total_seconds(),
            "estimated": sorted({each.status for each in counts if each.estimated}),
            **waiting._asdict(),
        }
    )


def _series(connection: Connection, range_: Range, *, pipeline: str | None) -> list[Minute]:
    clock = ended.clock(connection)
    begins = history.starts(range_, clock.now)
    parts = ended.find(connection, clock, begin=begins[0], bucket=history.BUCKETS[range_][0], pipeline=pipeline)
    submitted = reads.submitted(connection, pipeline=pipeline) if range_ is Range.HOUR else None
    return [
        Minute.of(bucket, submitted=None if submitted is None else submitted.get(bucket.minute, 0))
        for bucket in history.buckets(begins, parts)
    ]


def get_pipelines() -> list[PipelineInfo]:
    """The pipelines of this release, and what the live workers have of them."""
    with database.transaction() as connection:
        found = workers.find(connection, patience=get_settings().lease_seconds)
        standing = limits.standing(connection, {}, used=False)
    alive = [each for each in found if each.alive]
    return [_pipeline_info(pipeline, alive, standing) for pipeline in registry.pipelines().values()]


def _pipeline_info(pipeline: Pipeline, alive: Sequence[workers.Seen], standing: Standing) -> PipelineInfo:
    own = registry.abilities()[pipeline.name]
    theirs = [(each, (each.abilities or {}).get(pipeline.name)) for each in alive]
    return PipelineInfo(
        name=pipeline.name,
        description=pipeline.description,
        queue=pipeline.queue,
        paused=standing.paused(PIPELINE, pipeline.name),
        limits=[asdict(each) for each in pipeline.limits],
        steps=own["steps"],
        params=pipeline.schema(),
        drift=any(has != own for _, has in theirs),
        workers=[
            WorkerSteps(worker=worker.name, release=worker.release, steps=has and has["steps"])
            for worker, has in theirs
        ],
    )


def _missing(job_id: int) -> NotFound:
    return NotFound(f"There is no job {job_id}.", what="job", id=job_id)


def _no_retry(job_id: int, **facts: Any) -> Conflict:
    message = f"Job {job_id} cannot be retried. {states.NO_RETRY[facts['why']].format(**facts)}"
    return Conflict(message, code="job_not_retryable", id=job_id, **facts)


def _why_not(found: Sequence[control.Locked], job_id: int, reason: str, code: str) -> NotFound | Conflict:
    if not found:
        return _missing(job_id)
    status = found[0].status
    return Conflict(f"Job {job_id} is {status}; {reason}.", code=code, id=job_id, status=status)
