"""The use-cases of jobs that are there. Each opens one transaction; nothing below commits. (New ones: `creation`.)"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from background.base import jsontext
from background.base.errors import Conflict, NotFound, Unavailable
from background.base.log_context import actor
from background.broker import queues
from background.jobs import admission, checks, creation, history, hooks, registry, states, step_logs, waiting
from background.jobs.callback import callback
from background.jobs.filters import JobFilter
from background.jobs.history import Range
from background.jobs.limits import PIPELINE, Lane, Standing
from background.jobs.pipeline import Pipeline
from background.jobs.schemas import (
    Job,
    JobWithHistory,
    LogLine,
    Minute,
    PipelineInfo,
    RetryRequest,
    Statistics,
    WorkerSteps,
)
from background.jobs.sql import control, limits, logs, reads
from background.jobs.sql import history as ended
from background.jobs.states import ENDED, JobStatus, StepStatus
from background.settings import get_settings
from background.storage import database
from background.workers import sql as workers
from background.workers.identity import Snapshot

ToldJob = TypeVar("ToldJob", bound=Job)


def cancel_job(job_id: int) -> None:
    """End a waiting job; ask a running one to end. Raises `NotFound`, or `Conflict` when it has ended."""
    with database.transaction() as connection:
        while not control.cancel(connection, [job_id], actor=actor()):
            found = control.lock(connection, [job_id])
            # Retried just then, it can be cancelled: nobody changes it any more.
            if not (found and found[0].status not in ENDED):
                raise _why_not(found, job_id, "it cannot be cancelled any more", "job_ended")


def retry_job(job_id: int, request: RetryRequest) -> None:
    """Let an ended job go on, as `states.why_no_retry` allows. Raises `NotFound`, `Conflict`, `Invalid`, `TooLarge`."""
    params = _checked(job_id, request) if request.params is not None or request.replan else None
    since = time.monotonic()
    with database.transaction() as connection:
        job, pipeline, step_names = _retryable(connection, job_id, request)
        if pipeline and request.replan:
            keys = states.replanned(job.step_names, job.step_keys, step_names)
            calls = hooks.called(pipeline, None) or []
            control.plan(
                connection,
                job_id=job_id,
                step_keys=jsontext.dumps(keys),
                hooks=jsontext.dumps(calls),
                callback=callback.name,
                **pipeline.plan(),
            )
        if params is None:
            limit_keys = admission.limit_keys(connection, [job])
        elif pipeline and pipeline.limit_keys:
            limit_keys = {job_id: pipeline.lane_key(json.loads(params))}
            admission.keep_begun(connection, [job_id])
        else:
            limit_keys = {}
        limited = list(admission.declared())
        again: dict[str, Any] = {"from_step": request.from_step, "params": params, "limit_keys": limit_keys}
        try:
            done = control.retry(connection, [job_id], **again, limited=limited, actor=actor())
        except IntegrityError:
            done = []
        if not done:
            raise _no_retry(job_id, why="key_taken")
    creation.wake_for(done, since=since)


def _retryable(
    connection: Connection, job_id: int, request: RetryRequest
) -> tuple[control.Locked, Pipeline | None, list[str]]:
    """The job, held, its pipeline and the steps that it is to have. Raises `NotFound` or `Conflict`."""
    job = next(iter(control.lock(connection, [job_id])), None)
    if job is None:
        raise _missing(job_id)
    pipeline = registry.runnable().get(job.pipeline)
    if pipeline is None and (request.params is not None or request.replan):
        raise _no_retry(job_id, why="pipeline_gone", pipeline=job.pipeline)
    step_names = list(pipeline.steps) if pipeline and request.replan else job.step_names
    reason = states.why_no_retry(
        status=JobStatus(job.status), step_names=step_names, completed=job.completed, from_step=request.from_step
    )
    if reason is not None:
        raise _no_retry(job_id, **reason)
    return job, pipeline, step_names


def _checked(job_id: int, request: RetryRequest) -> str | None:
    """The params of a retry, if it has some; those of the job otherwise must fit. Raises as `retry_job`.

    Nothing is held meanwhile: that is somebody's code, and may take its time.
    """
    with database.transaction() as connection:
        _, pipeline, _ = _retryable(connection, job_id, request)
        before = control.params(connection, [job_id])[job_id]
    if pipeline and request.params is not None:
        return jsontext.as_kept(jsontext.dumps(checks.checked(pipeline, request.params, where=("body", "params"))))
    if pipeline:
        checks.still_accepted(pipeline, before)
    return None


def delete_job(job_id: int) -> None:
    """Remove an ended job with its steps and history. Raises `NotFound` or `Conflict`."""
    with database.transaction() as connection:
        admission.keep_begun(connection, [job_id])
        while not control.remove(connection, [job_id]):
            found = control.lock(connection, [job_id])
            if not (found and found[0].status in ENDED):
                raise _why_not(found, job_id, "only an ended job can be deleted", "job_not_ended")


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
        known = waiting.Waiting(
            seconds_until_due=row.seconds_until_due,
            run_at=row.run_at,
            error=row.error,
            waits_for=row.waits_for,
            published=row.published,
            queue=row.queue,
            live_workers=seen.live,
            serving=of_queue.workers,
            queue_length=of_queue.length,
            barred=standing.why(Lane(row.queue, row.pipeline, row.limit_key), held=row.held),
            lacking=waiting.lacking(
                row.pipeline,
                row.next_step,
                turned_away=row.turned_away,
                crews={crew.id: crew.abilities for crew in seen.crews if row.queue in crew.queues},
            ),
        )
        facts = waiting.why(known)
    events = [{**event, "reason": (event["cause"] or {}).get("reason")} for event in row.events]
    sentence = facts and waiting.sentence(facts)
    completed = {step["name"] for step in row.steps if step["status"] == StepStatus.COMPLETED}
    stands: dict[str, Any] = {"status": JobStatus(row.status), "step_names": row.step_names, "completed": completed}
    more = {
        "events": events,
        "waiting": facts,
        "waiting_for": sentence,
        "actions": states.actions(**stands, cancel_requested=row.cancel_requested),
        "last_from_step": states.last_from_step(**stands),
    }
    return kind.model_validate({**_shallow(row), **more})


def _shallow(row: reads.StoredJob) -> dict[str, Any]:
    """What is told of a job without values that an earlier release has stored, too deep to be written."""
    values = {"params": row.params, "result": row.result}
    values |= {f"steps.{place}.output": step["output"] for place, step in enumerate(row.steps)}
    deep = [name for name, value in values.items() if jsontext.deeper_than(jsontext.SHOWN_DEPTH, value)]
    if not deep:
        return row._asdict()
    steps = [
        {**step, "output": None if f"steps.{at}.output" in deep else step["output"]}
        for at, step in enumerate(row.steps)
    ]
    left: dict[str, Any] = dict.fromkeys({"params", "result"}.intersection(deep))
    return {**row._asdict(), **left, "steps": steps, "cut": [*row.cut, *deep]}


def get_statistics(range_: Range, *, pipeline: str | None) -> Statistics:
    """How many jobs there are of each kind, how long they wait, and what ended over time, of a pipeline or of all."""
    try:
        queued = queues.queue_length()
    except Unavailable:
        queued = None
    with database.transaction() as connection:
        counts = reads.counts(connection)
        backlog = reads.waiting(connection)
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
            **backlog._asdict(),
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


def get_pipelines(*, called: bool = False) -> list[PipelineInfo]:
    """The pipelines of this release, with those that are only `called`, and what the live workers have of them."""
    with database.transaction() as connection:
        found = workers.find(connection, patience=get_settings().lease_seconds)
        standing = limits.standing(connection, {}, used=False)
    alive = [each for each in found if each.alive]
    known = registry.runnable() if called else registry.pipelines()
    return [_pipeline_info(pipeline, alive, standing) for pipeline in known.values()]


def _pipeline_info(pipeline: Pipeline, alive: Sequence[workers.Seen], standing: Standing) -> PipelineInfo:
    own = registry.abilities()[pipeline.name]
    theirs = [(each, (each.abilities or {}).get(pipeline.name)) for each in alive]
    return PipelineInfo(
        name=pipeline.name,
        description=pipeline.description,
        built_in=registry.is_built_in(pipeline),
        called=pipeline.name not in registry.pipelines(),
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
