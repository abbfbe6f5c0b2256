"""The use-cases of jobs. Each opens one transaction; nothing below commits."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping

from background import broker, database, jsontext
from background.errors import Conflict, NotFound, Unavailable
from background.jobs import dispatch, queries, reads, states
from background.jobs.schemas import Job, JobRequest, JobWithHistory, RetryRequest, Statistics, checked
from background.jobs.states import JobStatus
from background.pipelines import PIPELINES
from background.settings import get_settings
from background.workers import queries as workers


def create_job(request: JobRequest, *, key: str | None = None) -> tuple[RowMapping, bool]:
    """Store a job, then publish it. Gives `id`, `task_id`, `status`, and whether it is new.

    Once this returns the job is in PostgreSQL, whether or not the broker could be reached. The same `key` and
    request give the job that was made before; another request under that key raises `Conflict`.
    """
    job = _as_row(request)
    if key is not None:
        job |= {"idempotency_key": key, "request_digest": _digest(job)}
    while True:
        with database.transaction() as connection:
            if made := queries.create(connection, [{**job, "task_id": str(uuid4())}]):
                break
            before = queries.by_key(connection, str(key))
        # It may have been deleted between the two statements; then the key is free again.
        if before is not None:
            if before["request_digest"] != job["request_digest"]:
                message = "This Idempotency-Key was used before, with another request."
                raise Conflict(message, code="idempotency_key")
            return before, False
    dispatch.publish([made[0]] if made[0]["due"] else [])
    return made[0], True


def create_jobs(requests: Sequence[JobRequest]) -> Sequence[RowMapping]:
    """Store all these jobs or none, then publish them; gives them in order."""
    jobs = [
        {**_as_row(request, where=("body", "jobs", position)), "task_id": str(uuid4())}
        for position, request in enumerate(requests)
    ]
    with database.transaction() as connection:
        made = queries.create(connection, jobs)
    dispatch.publish([job for job in made if job["due"]])
    return made


def cancel_job(job_id: int) -> None:
    """End a waiting job; ask a running one to end. Raises `NotFound`, or `Conflict` when it has ended."""
    with database.transaction() as connection:
        if queries.cancel(connection, job_id) is None:
            raise _why_not(queries.lock(connection, job_id), job_id, "it cannot be cancelled any more", "job_ended")


def retry_job(job_id: int, request: RetryRequest) -> None:
    """Let an ended job go on, as `states.why_no_retry` allows. Raises `NotFound`, `Conflict` or `Invalid`."""
    with database.transaction() as connection:
        row = queries.lock(connection, job_id)
        if row is None:
            raise _missing(job_id)
        if request.from_step is not None and request.from_step > row["steps_total"]:
            raise _no_retry(job_id, why="steps", total=row["steps_total"])
        reason = states.why_no_retry(
            status=JobStatus(row["status"]), steps_done=row["steps_done"], from_step=request.from_step
        )
        if reason is not None:
            raise _no_retry(job_id, **reason)
        params = None
        if request.params is not None:
            pipeline = PIPELINES.get(row["pipeline"])
            if pipeline is None:
                raise _no_retry(job_id, why="pipeline_gone", pipeline=row["pipeline"])
            found = checked(pipeline, request.params, where=("body", "params"))
            params = jsontext.dumps(found.model_dump(mode="json"))
        job = queries.retry(connection, job_id=job_id, from_step=request.from_step, params=params)
    dispatch.publish([job])


def delete_job(job_id: int) -> None:
    """Remove an ended job with its steps and history. Raises `NotFound` or `Conflict`."""
    with database.transaction() as connection:
        if not queries.remove(connection, job_id):
            raise _why_not(
                queries.lock(connection, job_id), job_id, "only an ended job can be deleted", "job_not_ended"
            )


def get_job(job_id: int) -> JobWithHistory:
    """One job with its steps and events. Raises `NotFound`."""
    with database.transaction() as connection:
        row = reads.get(connection, job_id)
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    if row is None:
        raise _missing(job_id)
    return JobWithHistory.from_row(row, seen)


def get_jobs(job_ids: Sequence[int]) -> list[tuple[Job, int]]:
    """Those of these jobs that exist, each with the number of its newest event."""
    if not job_ids:
        return []
    with database.transaction() as connection:
        rows = reads.get_many(connection, job_ids)
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    return [(Job.from_row(row, seen), row["event_count"]) for row in rows]


def find_jobs(*, status: JobStatus | None, pipeline: str | None, before: int | None, limit: int) -> Sequence[Job]:
    """At most `limit` jobs with their steps, newest first, with ids below `before`."""
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
    by_pipeline = {name: dict(by_status) for name in PIPELINES}
    for row in counts:
        by_status[row["status"]] += row["number"]
        by_pipeline.setdefault(row["pipeline"], {status.value: 0 for status in JobStatus})[row["status"]] = row[
            "number"
        ]
    return Statistics.model_validate(
        {"total": sum(by_status.values()), "status": by_status, "pipelines": by_pipeline, "queue_depth": queued}
        | {**waiting, "series": series}
    )


def _as_row(request: JobRequest, *, where: tuple[str | int, ...] = ("body",)) -> dict[str, Any]:
    pipeline, params = request.resolve(where=where)
    return {
        "pipeline": pipeline.name,
        "step_names": list(pipeline.steps),
        "step_timeouts": [pipeline.timeouts.get(name) for name in pipeline.steps],
        "params": params.model_dump(mode="json"),
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
