"""The canvas endpoints: single tasks, a chain, a group, a chord, and what became of them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from background.canvas import outcomes, service
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
from background.canvas.spec import BoundedCanvas, TaskSpec, task
from background.canvas.spec import chain as chain_of
from background.canvas.spec import chord as chord_of
from background.canvas.spec import group as group_of
from background.canvas.states import RunStatus, RunType
from background.jobs.router import link_next
from background.problems import responses
from background.requests import AS_WRITTEN, NO_NUL, StorableJSONRoute
from background.serving.limits import slow_work
from background.task_names import TaskName

router = APIRouter(tags=["canvas"], route_class=StorableJSONRoute)

SLOW = [Depends(slow_work, scope="function")]


@router.post("/add", status_code=202, responses=responses())
def add(body: Operands) -> Run:
    """One task: x + y."""
    return service.submit(task(TaskName.ADD, body.x, body.y))


@router.post("/test-request-info", status_code=202, responses=responses())
def test_request_info(
    message: Annotated[str | None, Query(max_length=10_000, pattern=NO_NUL)] = None,
    body: Annotated[InfoBody | None, Body()] = None,
) -> Run:
    """One task that tells what Celery tells it (`self.request`), with the message or the data."""
    data: Any = body.data if body is not None and body.data is not None else message
    return service.submit(task(TaskName.REQUEST_INFO, data))


@router.post("/chain", status_code=202, responses=responses())
def chain(body: Annotated[DefaultOperands | None, Body()] = None) -> Run:
    """add(x, y), its result times 10, then finalize."""
    operands = body or DefaultOperands()
    parts = (task(TaskName.ADD, operands.x, operands.y), task(TaskName.MULTIPLY, 10), task(TaskName.FINALIZE))
    return service.submit(chain_of(*parts))


@router.post("/group", status_code=202, responses=responses())
def group(body: Annotated[DefaultOperands | None, Body()] = None) -> GroupRun:
    """add(x, y) and multiply(x, y) in parallel."""
    return service.submit_group(group_of(_both(body or DefaultOperands())))


@router.post("/chord", status_code=202, responses=responses())
def chord(body: Annotated[DefaultOperands | None, Body()] = None) -> ChordRun:
    """add(x, y) and multiply(x, y) in parallel, then finalize with the list of their results."""
    return service.submit_chord(chord_of(_both(body or DefaultOperands()), task(TaskName.FINALIZE)))


@router.post("/canvas", status_code=202, responses=responses(), dependencies=SLOW)
def canvas(body: BoundedCanvas) -> Run:
    """Any canvas of tasks, chains, groups and chords, nested as one likes."""
    return service.submit_any(body)


@router.post("/canvas/preview", responses=responses(), dependencies=SLOW)
def preview_canvas(body: BoundedCanvas) -> Preview:
    """What Celery would really build from it, and what may surprise; nothing runs."""
    return service.preview(body)


@router.get("/canvas/tasks")
def list_canvas_tasks() -> list[CatalogueTask]:
    """The tasks that a canvas may use, with their parameters."""
    return service.catalogue()


@router.get("/runs", responses=responses(404, 409))
def list_runs(
    request: Request,
    response: Response,
    *,
    type: RunType | None = None,
    status: Annotated[list[RunStatus] | None, Query()] = None,
    task: Annotated[str | None, Query(max_length=200, pattern=NO_NUL)] = None,
    graph: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000), AS_WRITTEN] = 100,
    before: UUID | None = None,
) -> list[Run]:
    """Recorded runs, newest first, without their graphs unless asked for.

    The `Link` header leads to the next page while there is more. `task` is the name of a task that a run has.
    """
    runs = outcomes.find_runs(
        run_type=type, statuses=status or (), task=task, before=before, limit=limit + 1, graphs=graph
    )
    if len(runs) > limit:
        link_next(request, response, before=str(runs[limit - 1].task_id))
    return list(runs[:limit])


@router.get("/result/{task_id}", response_model=Run | Member | JobOutcome, responses=responses(404))
def get_result(task_id: UUID, graph: Annotated[Literal["all", "tree"], Query()] = "all") -> Outcome:
    """What became of a run, of one task of a run, or of a job; with `graph=tree` without the edges of its graph."""
    outcome = outcomes.get_outcome(task_id)
    if graph == "tree" and isinstance(outcome, Run | Member) and outcome.graph is not None:
        outcome.graph.edges = None
    return outcome


@router.post(
    "/result/{task_id}/cancel",
    status_code=202,
    response_model=Run | Member | JobOutcome,
    responses=responses(404, 409),
)
def cancel_run(task_id: UUID, *, terminate: bool = False) -> Outcome:
    """What has not begun of the run never will; what runs finishes, or is killed with `terminate`."""
    service.cancel(task_id, terminate=terminate)
    return outcomes.get_outcome(task_id)


@router.post(
    "/result/{task_id}/retry",
    status_code=202,
    response_model=Run | Member | JobOutcome,
    responses=responses(404, 409),
)
def retry_run(task_id: UUID) -> Outcome:
    """Run again what did not succeed; what had succeeded hands on its recorded result."""
    service.retry(task_id)
    return outcomes.get_outcome(task_id)


@router.delete("/result/{task_id}", status_code=204, responses=responses(404, 409))
def delete_run(task_id: UUID) -> None:
    """Forget a run that has ended, with its tasks and events."""
    service.delete(task_id)


def _both(operands: DefaultOperands) -> tuple[TaskSpec, TaskSpec]:
    return task(TaskName.ADD, operands.x, operands.y), task(TaskName.MULTIPLY, operands.x, operands.y)
