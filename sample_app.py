"""The canvas endpoints: single tasks, a chain, a group, a chord, and what became of them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response

from background.canvas import service
from background.canvas.builder import Chain, Chord, Group, Task
from background.canvas.schemas import (
    CatalogueTask,
    ChordRun,
    DefaultOperands,
    GroupRun,
    InfoBody,
    JobOutcome,
    Member,
    Operands,
    Outcome,
    Preview,
    Run,
)
from background.canvas.spec import CanvasSpec
from background.canvas.states import RunStatus, RunType
from background.jobs.router import link_next
from background.problems import responses
from background.requests import NO_NUL, StorableJSONRoute
from background.task_names import TaskName

router = APIRouter(tags=["canvas"], route_class=StorableJSONRoute)


@router.post("/add", status_code=202, responses=responses(413))
def add(body: Operands) -> Run:
    """One task: x + y."""
    return service.submit(Task(TaskName.ADD, (body.x, body.y)))


@router.post("/test-request-info", status_code=202, responses=responses(413))
def test_request_info(
    message: Annotated[str | None, Query(max_length=10_000, pattern=NO_NUL)] = None,
    body: Annotated[InfoBody | None, Body()] = None,
) -> Run:
    """One task that tells what Celery tells it (`self.request`), with the message or the data."""
    data: Any = body.data if body is not None and body.data is not None else message
    return service.submit(Task(TaskName.REQUEST_INFO, (data,)))


@router.post("/chain", status_code=202, responses=responses(413))
def chain(body: Annotated[DefaultOperands | None, Body()] = None) -> Run:
    """add(x, y), its result times 10, then finalize."""
    operands = body or DefaultOperands()
    parts = (
        Task(TaskName.ADD, (operands.x, operands.y)),
        Task(TaskName.MULTIPLY, (10,)),
        Task(TaskName.FINALIZE),
    )
    return service.submit(Chain(parts))


@router.post("/group", status_code=202, responses=responses(413))
def group(body: Annotated[DefaultOperands | None, Body()] = None) -> GroupRun:
    """add(x, y) and multiply(x, y) in parallel."""
    return service.submit_group(Group(_both(body or DefaultOperands())))


@router.post("/chord", status_code=202, responses=responses(413))
def chord(body: Annotated[DefaultOperands | None, Body()] = None) -> ChordRun:
    """add(x, y) and multiply(x, y) in parallel, then finalize with the list of their results."""
    return service.submit_chord(Chord(_both(body or DefaultOperands()), Task(TaskName.FINALIZE)))


@router.post("/canvas", status_code=202, responses=responses(413))
def canvas(body: CanvasSpec) -> Run:
    """Any canvas of tasks, chains, groups and chords, nested as one likes."""
    return service.submit_any(body)


@router.post("/canvas/preview", responses=responses(413))
def preview_canvas(body: CanvasSpec) -> Preview:
    """What Celery would really build from it, and what may surprise; nothing runs."""
    return service.preview(body)


@router.get("/canvas/tasks")
def list_canvas_tasks() -> list[CatalogueTask]:
    """The tasks that a canvas may use, with their parameters."""
    return service.catalogue()


@router.get("/runs", responses=responses(404))
def list_runs(
    request: Request,
    response: Response,
    *,
    type: RunType | None = None,
    status: RunStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: UUID | None = None,
) -> list[Run]:
    """Recorded runs, newest first; the `Link` header leads to the next page while there is more."""
    runs = service.find_runs(run_type=type, status=status, before=before, limit=limit + 1)
    if len(runs) > limit:
        link_next(request, response, before=str(runs[limit - 1].task_id))
    return list(runs[:limit])


@router.get("/result/{task_id}", response_model=Run | Member | JobOutcome, responses=responses(404))
def get_result(task_id: UUID) -> Outcome:
    """What became of a run, of one task of a run, or of a job."""
    return service.get_outcome(task_id)


@router.post(
    "/result/{task_id}/cancel",
    status_code=202,
    response_model=Run | Member | JobOutcome,
    responses=responses(404, 409),
)
def cancel_run(task_id: UUID, *, terminate: bool = False) -> Outcome:
    """What has not begun of the run never will; what runs finishes, or is killed with `terminate`."""
    service.cancel(task_id, terminate=terminate)
    return service.get_outcome(task_id)


@router.post(
    "/result/{task_id}/retry",
    status_code=202,
    response_model=Run | Member | JobOutcome,
    responses=responses(404, 409),
)
def retry_run(task_id: UUID) -> Outcome:
    """Run again what did not succeed; what had succeeded hands on its recorded result."""
    service.retry(task_id)
    return service.get_outcome(task_id)


def _both(operands: DefaultOperands) -> tuple[Task, Task]:
    arguments = (operands.x, operands.y)
    return Task(TaskName.ADD, arguments), Task(TaskName.MULTIPLY, arguments)
