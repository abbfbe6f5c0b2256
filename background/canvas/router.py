"""The canvas endpoints: single tasks, a chain, a group, a chord, and any canvas. What became of them: `outcomes`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from background.base.jsontext import NO_NUL
from background.canvas import service
from background.canvas.schemas import (
    CatalogueTask,
    ChordRun,
    DefaultOperands,
    GroupRun,
    InfoBody,
    Operands,
    Preview,
    Run,
)
from background.canvas.spec import BoundedCanvas, TaskSpec, task
from background.canvas.spec import chain as chain_of
from background.canvas.spec import chord as chord_of
from background.canvas.spec import group as group_of
from background.http.limits import SLOW
from background.http.problems import responses
from background.http.requests import StorableJSONRoute
from background.task_names import TaskName

router = APIRouter(tags=["canvas"], route_class=StorableJSONRoute)


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


def _both(operands: DefaultOperands) -> tuple[TaskSpec, TaskSpec]:
    return task(TaskName.ADD, operands.x, operands.y), task(TaskName.MULTIPLY, operands.x, operands.y)
