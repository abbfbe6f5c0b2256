"""The job endpoints."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response

from background.jobs import service
from background.jobs.schemas import (
    BatchRequest,
    Job,
    JobCreated,
    JobRequest,
    JobWithHistory,
    PipelineInfo,
    RetryRequest,
    Statistics,
)
from background.jobs.states import JobStatus
from background.problems import responses
from background.requests import AS_WRITTEN, NO_NUL, StorableJSONRoute
from background.serving.limits import slow_work

router = APIRouter(tags=["jobs"], route_class=StorableJSONRoute)

MAX_ID = 2**63 - 1
MAX_EVENT = 2**31 - 1
EventNumber = Annotated[int | None, Query(ge=1, le=MAX_EVENT), AS_WRITTEN]
JobId = Annotated[int, Path(ge=1, le=MAX_ID), AS_WRITTEN]


@router.post(
    "/jobs",
    status_code=201,
    responses={200: {"model": JobCreated, "description": "Made before with this key"}, **responses(409)},
)
def create_job(
    http: Request,
    response: Response,
    request: Annotated[JobRequest | None, Body()] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] = None,
) -> JobCreated:
    """Store a job and hand it to a worker. It is safe once this answers, even with the broker down."""
    job, new = service.create_job(request or JobRequest(), key=idempotency_key)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"{http.scope['root_path']}/jobs/{job['id']}"
    return JobCreated(job_id=job["id"], task_id=job["task_id"], status=job["status"])


@router.post("/jobs/batch", status_code=201, responses=responses(), dependencies=[Depends(slow_work, scope="function")])
def create_jobs(request: BatchRequest) -> list[JobCreated]:
    """Store up to 1,000 jobs, all or none."""
    made = service.create_jobs(request.jobs)
    return [JobCreated(job_id=job["id"], task_id=job["task_id"], status=job["status"]) for job in made]


@router.get("/jobs", responses=responses())
def list_jobs(
    request: Request,
    response: Response,
    *,
    status: JobStatus | None = None,
    pipeline: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None,
    limit: Annotated[int, Query(ge=1, le=1000), AS_WRITTEN] = 100,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID), AS_WRITTEN] = None,
) -> list[Job]:
    """Jobs, newest first; the `Link` header leads to the next page while there is more.

    Params, results and outputs over 1 KB are left out and named in `cut`.
    """
    jobs = service.find_jobs(status=status, pipeline=pipeline, before=before, limit=limit + 1)
    if len(jobs) > limit:
        link_next(request, response, before=jobs[limit - 1].id)
    return list(jobs[:limit])


@router.get("/jobs/stats", responses=responses())
def get_statistics() -> Statistics:
    """How many jobs there are of each kind, how long they wait, and the last hour by minutes."""
    return service.get_statistics()


@router.get("/jobs/{job_id}", responses=responses(404))
def get_job(
    job_id: JobId, events_before: Annotated[int | None, Query(ge=1, le=MAX_EVENT), AS_WRITTEN] = None
) -> JobWithHistory:
    """One job with its steps and its newest 1,000 events; `events_before`, a number of an event, gives older ones."""
    return service.get_job(job_id, events_before=events_before)


@router.post("/jobs/{job_id}/cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: JobId) -> Job:
    """A waiting job is CANCELLED at once, a running one before its next step, or sooner where the step looks."""
    service.cancel_job(job_id)
    return service.get_job(job_id)


@router.post("/jobs/{job_id}/retry", status_code=202, responses=responses(404, 409))
def retry_job(job_id: JobId, request: Annotated[RetryRequest | None, Body()] = None) -> Job:
    """Let an ended job go on at its first step that is not COMPLETED, or at `from_step`."""
    service.retry_job(job_id, request or RetryRequest())
    return service.get_job(job_id)


@router.delete("/jobs/{job_id}", status_code=204, responses=responses(404, 409))
def delete_job(job_id: JobId) -> None:
    """Remove an ended job with its steps and history."""
    service.delete_job(job_id)


@router.get("/pipelines", responses=responses())
def list_pipelines() -> list[PipelineInfo]:
    """Every pipeline with its steps, the JSON Schema of its params, and what the live workers have of it."""
    return service.get_pipelines()


def link_next(request: Request, response: Response, *, before: int | str) -> None:
    """Set the `Link` header (RFC 8288) to the same request, continued below `before`."""
    response.headers["Link"] = f'<{request.url.include_query_params(before=before)}>; rel="next"'
