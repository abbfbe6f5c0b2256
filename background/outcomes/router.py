"""What became of canvases: the list of runs, and `/result` for any id, also that of a job."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from background import outcomes
from background.base.jsontext import NO_NUL
from background.canvas import runs, service
from background.canvas.schemas import Member, Run, RunEvent, TaskResult
from background.canvas.states import RunStatus, RunType
from background.http.pages import link_next
from background.http.problems import responses
from background.http.requests import AS_WRITTEN, StorableJSONRoute

router = APIRouter(tags=["canvas"], route_class=StorableJSONRoute)


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
    with outcomes.of_a_run(before):
        found = runs.find_runs(
            run_type=type, statuses=status or (), task=task, before=before, limit=limit + 1, graphs=graph
        )
    if len(found) > limit:
        link_next(request, response, before=str(found[limit - 1].task_id))
    return list(found[:limit])


@router.get("/result/{task_id}", response_model=Run | Member | outcomes.JobOutcome, responses=responses(404))
def get_result(task_id: UUID, graph: Annotated[Literal["all", "tree"], Query()] = "all") -> TaskResult:
    """What became of a run, of one task of a run, or of a job; with `graph=tree` without the edges of its graph."""
    outcome = outcomes.get_outcome(task_id)
    if graph == "tree" and isinstance(outcome, Run | Member) and outcome.graph is not None:
        outcome.graph.edges = None
    return outcome


@router.get("/result/{task_id}/history", responses=responses(404, 409))
def get_history(task_id: UUID) -> list[RunEvent]:
    """What happened in the run of this id, oldest first: its newest 10,000 changes.

    Ids are those that the tasks have now, also of what happened before a retry.
    """
    with outcomes.of_a_run(task_id):
        return list(runs.history(task_id))


@router.post(
    "/result/{task_id}/cancel",
    status_code=202,
    response_model=Run | Member | outcomes.JobOutcome,
    responses=responses(404, 409),
)
def cancel_run(task_id: UUID, *, terminate: bool = False) -> TaskResult:
    """What has not begun of the run never will; what runs finishes, or is killed with `terminate`."""
    with outcomes.of_a_run(task_id):
        service.cancel(task_id, terminate=terminate)
    return outcomes.get_outcome(task_id)


@router.post(
    "/result/{task_id}/retry",
    status_code=202,
    response_model=Run | Member | outcomes.JobOutcome,
    responses=responses(404, 409),
)
def retry_run(task_id: UUID) -> TaskResult:
    """Run again what did not succeed; what had succeeded hands on its recorded result."""
    with outcomes.of_a_run(task_id):
        service.retry(task_id)
    return outcomes.get_outcome(task_id)


@router.delete("/result/{task_id}", status_code=204, responses=responses(404, 409))
def delete_run(task_id: UUID) -> None:
    """Forget a run that has ended, with its tasks and events."""
    with outcomes.of_a_run(task_id):
        service.delete(task_id)
