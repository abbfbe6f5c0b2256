"""The job endpoints."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import ValidationError

from background.base.errors import Invalid
from background.base.jsontext import NO_NUL
from background.http.limits import BULK, SLOW
from background.http.pages import link_next
from background.http.problems import responses
from background.http.requests import AS_WRITTEN, StorableJSONRoute
from background.jobs import actions, creation, service
from background.jobs.filters import (
    MAX_ID,
    MAX_TEXT,
    PARAM,
    ActionOutcome,
    ActionRequest,
    JobFilter,
    Matching,
    Moment,
)
from background.jobs.history import Range
from background.jobs.schemas import (
    MAX_TAGS,
    BatchRequest,
    Job,
    JobCreated,
    JobRequest,
    JobWithHistory,
    LogLine,
    PipelineInfo,
    RetryRequest,
    Statistics,
    Tag,
)
from background.jobs.sql.control import Known, Stored
from background.jobs.states import JobStatus

router = APIRouter(tags=["jobs"], route_class=StorableJSONRoute)

MAX_EVENT = 2**31 - 1
MAX_STEP = 2**15 - 1
Name = Annotated[str | None, Query(max_length=255, pattern=NO_NUL)]
JobId = Annotated[int, Path(ge=1, le=MAX_ID), AS_WRITTEN]


@router.post(
    "/jobs",
    status_code=201,
    responses={
        200: {"model": JobCreated, "description": "Made before with this key, or a job with its unique key is there"},
        **responses(409),
    },
)
async def create_job(
    http: Request,
    response: Response,
    request: Annotated[JobRequest | None, Body()] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] = None,
) -> JobCreated:
    """Store a job and hand it to a worker. It is safe once this answers, even with the broker down."""
    job, new = await creation.create_job(request or JobRequest(), key=idempotency_key)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"{http.scope['path'].rstrip('/')}/{job.id}"
    return created(job)


def created(job: Stored | Known) -> JobCreated:
    """The answer to whoever asked for a job."""
    made = JobCreated(job_id=job.id, task_id=job.task_id, status=JobStatus(job.status))
    if isinstance(job, Stored) and job.duplicate:
        return made.model_copy(update={"duplicate": True, "message": "There is a job with this unique key already"})
    return made


@router.post("/jobs/batch", status_code=201, responses=responses(), dependencies=SLOW)
def create_jobs(request: BatchRequest) -> list[JobCreated]:
    """Store up to 1,000 jobs, all or none."""
    return [created(job) for job in creation.create_jobs(request.jobs)]


async def _filter(
    request: Request,
    *,
    status: Annotated[list[JobStatus], Query(default_factory=list, max_length=len(JobStatus))],
    tag: Annotated[list[Tag], Query(default_factory=list, max_length=MAX_TAGS)],
    pipeline: Name = None,
    queue: Name = None,
    worker: Name = None,
    schedule_id: Annotated[int | None, Query(ge=1, le=MAX_ID), AS_WRITTEN] = None,
    error: Annotated[str | None, Query(min_length=1, max_length=MAX_TEXT, pattern=NO_NUL)] = None,
    created_after: Annotated[Moment | None, Query()] = None,
    created_before: Annotated[Moment | None, Query()] = None,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID), AS_WRITTEN] = None,
) -> JobFilter:
    """The filters of a query; those of params have names of their own."""
    query = request.query_params
    given = {
        **{name: values for name, values in (("status", status), ("tag", tag)) if values},
        "pipeline": pipeline,
        "queue": queue,
        "worker": worker,
        "schedule_id": schedule_id,
        "error": error,
        "created_after": created_after,
        "created_before": created_before,
        "before": before,
        **{name: query.getlist(name) for name in query if name.startswith(PARAM)},
    }
    try:
        return JobFilter.model_validate(given)
    except ValidationError as refused:
        raise Invalid.from_pydantic(refused, where=("query",)) from None


Filter = Annotated[JobFilter, Depends(_filter)]


@router.get("/jobs", responses=responses())
def list_jobs(
    request: Request,
    response: Response,
    *,
    wanted: Filter,
    limit: Annotated[int, Query(ge=1, le=1000), AS_WRITTEN] = 100,
) -> list[Job]:
    """Jobs, newest first; the `Link` header leads to the next page while there is more.

    All filters hold at once. `status` and `tag` may repeat: any of the statuses, all of the tags. `param.<name>`
    compares a parameter, as in `param.customer=7` (a number, or text that reads so), with dots for what is nested;
    repeated, any of its values. `error` is a part of the error's text, in any case; `created_after` the first moment,
    `created_before` the one behind the last. `worker` is the Celery node name of the last claim, as in `GET /workers`.
    Params, results and outputs over 1 KB are left out and named in `cut`.
    """
    jobs = service.find_jobs(wanted, limit=limit + 1)
    if len(jobs) > limit:
        link_next(request, response, before=jobs[limit - 1].id)
    return list(jobs[:limit])


@router.get("/jobs/matching", responses=responses())
def get_matching(wanted: Filter) -> Matching:
    """How many jobs match the filters of `GET /jobs`, and the errors of the newest 1,000 that failed, grouped."""
    return actions.matching(wanted)


@router.post("/jobs/actions", responses=responses(), dependencies=BULK)
def act_on_jobs(request: ActionRequest) -> ActionOutcome:
    """Cancel, retry or delete all jobs that match, the newest `limit` of them, each as it is done to one.

    In small transactions: what was done stays done, whatever happens then. After 15 s it gives how far it has come.
    """
    return actions.act(request)


@router.get("/jobs/stats", responses=responses())
def get_statistics(range_: Annotated[Range, Query(alias="range")] = Range.HOUR, pipeline: Name = None) -> Statistics:
    """How many jobs there are of each kind, how long they wait, and what ended over time.

    The last hour by minutes, the last day by 20 minutes, or the last week by two hours; `pipeline` says whose.
    """
    return service.get_statistics(range_, pipeline=pipeline)


@router.get("/jobs/{job_id}", responses=responses(404))
def get_job(
    job_id: JobId, events_before: Annotated[int | None, Query(ge=1, le=MAX_EVENT), AS_WRITTEN] = None
) -> JobWithHistory:
    """One job with its steps and its newest 1,000 events; `events_before`, a number of an event, gives older ones."""
    return service.get_job(job_id, events_before=events_before)


@router.get("/jobs/{job_id}/logs", responses=responses(404))
def get_logs(
    request: Request,
    response: Response,
    *,
    job_id: JobId,
    step: Annotated[int | None, Query(ge=1, le=MAX_STEP), AS_WRITTEN] = None,
    attempt: Annotated[int | None, Query(ge=1, le=MAX_EVENT), AS_WRITTEN] = None,
    after: Annotated[int, Query(ge=0, le=MAX_ID), AS_WRITTEN] = 0,
    limit: Annotated[int, Query(ge=1, le=5000), AS_WRITTEN] = 1000,
) -> list[LogLine]:
    """What its steps have logged, oldest first, behind the line of the id `after`; `Link` leads on while there is more.

    Of each attempt the newest 1,000 lines or 256 KiB are kept, and a line says where older ones are gone.
    """
    lines = service.get_logs(job_id, step=step, attempt=attempt, after=after, limit=limit + 1)
    if len(lines) > limit:
        link_next(request, response, after=lines[limit - 1].id)
    return lines[:limit]


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
def list_pipelines(called: bool = False) -> list[PipelineInfo]:
    """Every pipeline with its steps, the JSON Schema of its params, and what the live workers have of it.

    With `called`, also those whose jobs are made by the end of others alone: hooks, and `callback_url`.
    """
    return service.get_pipelines(called=called)
