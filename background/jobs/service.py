"""The use-cases of jobs. Each opens one transaction; nothing below commits."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import RowMapping

from background import broker, database, jsontext
from background.errors import Conflict, NotFound, Unavailable
from background.jobs import dispatch, queries, reads, registry, states
from background.jobs.pipeline import Pipeline
from background.jobs.schemas import (
    Job,
    JobRequest,
    JobWithHistory,
    PipelineInfo,
    RetryRequest,
    Statistics,
    WorkerSteps,
    checked,
    still_accepted,
)
from background.jobs.states import JobStatus
from background.jobs.together import Together
from background.log_context import actor
from background.settings import get_settings
from background.workers import queries as workers


def create_job(request: JobRequest, *, key: str | None = None) -> tuple[Mapping[str, Any], bool]:
    """Store a job, then publish it. Gives `id`, `task_id`, `status`, and whether it is new.

    Once this returns the job is in PostgreSQL, whether or not the broker could be reached. The same `key` and
    request give the job that was made before; another request under that key raises `Conflict`.
    """
    job = _as_row(request)
    if key is None:
        since = time.monotonic() - database.waited()
        return _store(_Wanted({**job, "task_id": str(uuid4())}, actor(), since)), True
    job |= {"idempotency_key": key, "request_digest": _digest(job)}
    while True:
        since = time.monotonic()
        with database.working.transaction() as connection:
            if made := queries.create(connection, [{**job, "task_id": str(uuid4())}], actor=actor()):
                break
            before = queries.by_key(connection, key)
        # It may have been deleted between the two statements; then the key is free again.
        if before is not None:
            if before["request_digest"] != job["request_digest"]:
                message = "This Idempotency-Key was used before, with another request."
                raise Conflict(message, code="idempotency_key")
            return dict(before), False
    dispatch.wake_for([job["id"] for job in made if job["due"]], since=since)
    return made[0], True


class _Wanted(NamedTuple):
    """A job without a key that is to be stored for this client, since then."""

    job: dict[str, Any]
    actor: str | None
    since: float


def _store_together(wanted: Sequence[_Wanted]) -> list[dict[str, Any]]:
    """In one transaction; gives what was made of each. One with a key may have to wait for others, and stands alone."""
    since = min(each.since for each in wanted)
    made: dict[str, dict[str, Any]] = {}
    with database.late(time.monotonic() - since), database.working.transaction() as connection:
        for who in dict.fromkeys(each.actor for each in wanted):
            rows = queries.create(connection, [each.job for each in wanted if each.actor == who], actor=who)
            made |= {str(row["task_id"]): row for row in rows}
    dispatch.wake_for([job["id"] for job in made.values() if job["due"]], since=since)
    return [made[each.job["task_id"]] for each in wanted]


_store = Together(_store_together)


def create_jobs(requests: Sequence[JobRequest]) -> Sequence[Mapping[str, Any]]:
    """Store all these jobs or none, then publish them; gives them in order."""
    jobs = [
        {**_as_row(request, where=("body", "jobs", position)), "task_id": str(uuid4())}
        for position, request in enumerate(requests)
    ]
    since = time.monotonic()
    with database.working.transaction() as connection:
        made = queries.create(connection, jobs, actor=actor())
    dispatch.wake_for([job["id"] for job in made if job["due"]], since=since)
    return made


def cancel_job(job_id: int) -> None:
    """End a waiting job; ask a running one to end. Raises `NotFound`, or `Conflict` when it has ended."""
    with database.transaction() as connection:
        if queries.cancel(connection, job_id, actor=actor()) is None:
            raise _why_not(queries.lock(connection, job_id), job_id, "it cannot be cancelled any more", "job_ended")


def retry_job(job_id: int, request: RetryRequest) -> None:
    """Let an ended job go on, as `states.why_no_retry` allows. Raises `NotFound`, `Conflict`, `Invalid`, `TooLarge`."""
    since = time.monotonic()
    with database.transaction() as connection:
        row = queries.lock(connection, job_id)
        if row is None:
            raise _missing(job_id)
        pipeline = registry.pipelines().get(row["pipeline"])
        if pipeline is None and (request.params is not None or request.replan):
            raise _no_retry(job_id, why="pipeline_gone", pipeline=row["pipeline"])
        step_names = list(pipeline.steps) if pipeline and request.replan else row["step_names"]
        reason = states.why_no_retry(
            status=JobStatus(row["status"]),
            step_names=step_names,
            completed=row["completed"],
            from_step=request.from_step,
        )
        if reason is not None:
            raise _no_retry(job_id, **reason)
        params: str | None = None
        if pipeline and request.params is not None:
            params = jsontext.dumps(checked(pipeline, request.params, where=("body", "params")))
        elif pipeline and request.replan:
            still_accepted(pipeline, row["params"])
        if pipeline and request.replan:
            keys = states.replanned(row["step_names"], row["step_keys"], step_names)
            queries.plan(connection, job_id=job_id, step_keys=jsontext.dumps(keys), **_plan(pipeline))
        job = queries.retry(connection, job_id=job_id, from_step=request.from_step, params=params, actor=actor())
    dispatch.wake_for([job["id"]], since=since)


def delete_job(job_id: int) -> None:
    """Remove an ended job with its steps and history. Raises `NotFound` or `Conflict`."""
    with database.transaction() as connection:
        if not queries.remove(connection, job_id):
            raise _why_not(
                queries.lock(connection, job_id), job_id, "only an ended job can be deleted", "job_not_ended"
            )


def get_job(job_id: int, *, events_before: int | None = None) -> JobWithHistory:
    """One job with its steps and its newest events, or the newest below that number. Raises `NotFound`."""
    with database.transaction() as connection:
        row = reads.get(connection, job_id, events_before=events_before)
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    if row is None:
        raise _missing(job_id)
    return JobWithHistory.from_row(row, seen)


def get_jobs(job_ids: Sequence[int], *, most: int) -> list[tuple[Job, int]]:
    """Those of these jobs that exist, each with the number of its newest event.

    Params, results and outputs of more than `most` bytes are left out and named in `cut`.
    """
    if not job_ids:
        return []
    with database.transaction() as connection:
        rows = reads.get_many(connection, job_ids, most=most)
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    return [(Job.from_row(row, seen), row["event_count"]) for row in rows]


def find_jobs(*, status: JobStatus | None, pipeline: str | None, before: int | None, limit: int) -> Sequence[Job]:
    """At most `limit` jobs with their steps, newest first, with ids below `before`; large values are cut."""
    with database.transaction() as connection:
        rows = reads.find(connection, status=status, pipeline=pipeline, before=before, limit=limit)
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    return [Job.from_row(row, seen) for row in rows]


def get_statistics() -> Statistics:
    """How many jobs there are of each kind, how long they wait, and the last hour by minutes."""
    try:
        queued = broker.queue_length()
    except Unavailable:
        queued = None
    with database.transaction() as connection:
        counts = reads.counts(connection)
        waiting = reads.waiting(connection)
        series = reads.last_hour(connection)
    by_status = {status.value: 0 for status in JobStatus}
    by_pipeline = {name: dict(by_status) for name in registry.pipelines()}
    for row in counts:
        by_status[row["status"]] += row["number"]
        by_pipeline.setdefault(row["pipeline"], {status.value: 0 for status in JobStatus})[row["status"]] = row[
            "number"
        ]
    estimated = sorted({row["status"] for row in counts if row["estimated"]})
    return Statistics.model_validate(
        {"total": sum(by_status.values()), "status": by_status, "pipelines": by_pipeline, "queue_depth": queued}
        | {**waiting, "series": series, "estimated": estimated}
    )


def get_pipelines() -> list[PipelineInfo]:
    """The pipelines of this release, and what the live workers have of them."""
    with database.transaction() as connection:
        found = workers.find(connection, patience=get_settings().lease_seconds)
    alive = [row for row in found if row["alive"]]
    return [_pipeline_info(pipeline, alive) for pipeline in registry.pipelines().values()]


def _pipeline_info(pipeline: Pipeline, alive: Sequence[RowMapping]) -> PipelineInfo:
    own = registry.abilities()[pipeline.name]
    theirs = [(row, (row["abilities"] or {}).get(pipeline.name)) for row in alive]
    return PipelineInfo(
        name=pipeline.name,
        description=pipeline.description,
        steps=own["steps"],
        params=pipeline.schema(),
        drift=any(each != own for _, each in theirs),
        workers=[
            WorkerSteps(worker=row["name"], release=row["release"], steps=each and each["steps"])
            for row, each in theirs
        ],
    )


def _plan(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "step_names": list(pipeline.steps),
        "step_timeouts": [pipeline.timeouts.get(name) for name in pipeline.steps],
    }


def _as_row(request: JobRequest, *, where: tuple[str | int, ...] = ("body",)) -> dict[str, Any]:
    pipeline, params = request.resolve(where=where)
    return {
        "pipeline": pipeline.name,
        **_plan(pipeline),
        "params": params,
        "priority": request.priority,
        "delay_seconds": request.delay_seconds,
        "max_attempts": request.max_attempts,
    }


def _digest(job: dict[str, Any]) -> str:
    request = {name: value for name, value in sorted(job.items()) if name not in ("step_names", "step_timeouts")}
    return hashlib.sha256(jsontext.dumps(request).encode()).hexdigest()


def _missing(job_id: int) -> NotFound:
    return NotFound(f"There is no job {job_id}.", what="job", id=job_id)


def _no_retry(job_id: int, **facts: Any) -> Conflict:
    message = f"Job {job_id} cannot be retried. {states.NO_RETRY[facts['why']].format(**facts)}"
    return Conflict(message, code="job_not_retryable", id=job_id, **facts)


def _why_not(row: RowMapping | None, job_id: int, reason: str, code: str) -> NotFound | Conflict:
    if row is None:
        return _missing(job_id)
    return Conflict(f"Job {job_id} is {row['status']}; {reason}.", code=code, id=job_id, status=row["status"])
