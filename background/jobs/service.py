"""The use-cases of jobs. Each opens one transaction; nothing below commits."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import RowMapping

from background import database, jsontext
from background.errors import NotFound
from background.jobs import dispatch, queries
from background.jobs.schemas import JobRequest
from background.jobs.states import JobStatus


def create_job(request: JobRequest) -> RowMapping:
    """Store a job, then publish it. Gives `id`, `task_id` and `status`.

    Once this returns the job is in PostgreSQL, whether or not the broker could be reached.
    """
    pipeline, params = request.resolve()
    with database.transaction() as connection:
        job = queries.create(
            connection,
            task_id=str(uuid4()),
            pipeline=pipeline.name,
            step_names=list(pipeline.steps),
            params=jsontext.dumps(params.model_dump(mode="json")),
            max_attempts=request.max_attempts,
        )
    dispatch.publish([job])
    return job


def get_job(job_id: int) -> RowMapping:
    """One job with its steps and events. Raises `NotFound`."""
    with database.transaction() as connection:
        job = queries.get(connection, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def find_jobs(
    *, status: JobStatus | None, pipeline: str | None, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` jobs with their steps, newest first, with ids below `before`."""
    with database.transaction() as connection:
        return queries.find(connection, status=status, pipeline=pipeline, before=before, limit=limit)
