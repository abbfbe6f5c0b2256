"""The endpoints of schedules."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from background.base.jsontext import NO_NUL
from background.http.pages import link_next
from background.http.problems import responses
from background.http.requests import AS_WRITTEN, StorableJSONRoute
from background.jobs.filters import MAX_ID
from background.jobs.router import created
from background.jobs.schemas import JobCreated
from background.schedules import service
from background.schedules.schemas import Schedule, ScheduleChange, ScheduleRequest, ScheduleWithRuns

router = APIRouter(tags=["schedules"], route_class=StorableJSONRoute)

ScheduleId = Annotated[int, Path(ge=1, le=MAX_ID), AS_WRITTEN]


@router.post("/schedules", status_code=201, responses=responses(409))
def create_schedule(http: Request, response: Response, request: ScheduleRequest) -> ScheduleWithRuns:
    """Have jobs made by a cron line or an interval: one for each due time, as long as a worker lives."""
    made = service.create_schedule(request)
    response.headers["Location"] = f"{http.scope['path'].rstrip('/')}/{made.id}"
    return made


@router.get("/schedules", responses=responses())
def list_schedules(
    request: Request,
    response: Response,
    *,
    pipeline: Annotated[str | None, Query(max_length=255, pattern=NO_NUL)] = None,
    limit: Annotated[int, Query(ge=1, le=1000), AS_WRITTEN] = 100,
    after: Annotated[int, Query(ge=0, le=MAX_ID), AS_WRITTEN] = 0,
) -> list[Schedule]:
    """Schedules, oldest first; the `Link` header leads to the next page while there is more."""
    found = service.find_schedules(pipeline=pipeline, after=after, limit=limit + 1)
    if len(found) > limit:
        link_next(request, response, after=found[limit - 1].id)
    return found[:limit]


@router.get("/schedules/{schedule_id}", responses=responses(404))
def get_schedule(schedule_id: ScheduleId) -> ScheduleWithRuns:
    """One schedule with its next five due times."""
    return service.get_schedule(schedule_id)


@router.patch("/schedules/{schedule_id}", responses=responses(404, 409))
def change_schedule(schedule_id: ScheduleId, request: ScheduleChange) -> ScheduleWithRuns:
    """Change what is given; one that is declared in code can only be paused and resumed."""
    return service.change_schedule(schedule_id, request)


@router.delete("/schedules/{schedule_id}", status_code=204, responses=responses(404, 409))
def delete_schedule(schedule_id: ScheduleId) -> None:
    """Remove a schedule; the jobs that it has made stay."""
    service.delete_schedule(schedule_id)


@router.post("/schedules/{schedule_id}/run", status_code=201, responses={200: {"model": JobCreated}, **responses(404)})
def run_schedule(http: Request, response: Response, schedule_id: ScheduleId) -> JobCreated:
    """Make a job of it now, paused or not."""
    job = service.run_schedule(schedule_id)
    above = http.scope["path"].rstrip("/").removesuffix(f"/schedules/{schedule_id}/run")
    response.headers["Location"] = f"{above}/jobs/{job.id}"
    response.status_code = 200 if job.duplicate else 201
    return created(job)
