"""What the canvas endpoints take and give."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from background.canvas.states import RUN_FINAL, RunStatus, RunType, TaskState
from background.canvas.verdict import Story, verdict
from background.celery import RESULTS_KEPT_SECONDS
from background.workers.queries import Snapshot

RESULTS_KEPT = timedelta(seconds=RESULTS_KEPT_SECONDS)

Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class Body(BaseModel):
    """Base of the request bodies: no unknown field, no number given as a string, no NaN or Infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Operands(Body):
    """The body of `/add`: both are needed."""

    x: Integer
    y: Integer


class DefaultOperands(Body):
    """The body of `/chain`, `/group` and `/chord`."""

    x: Integer = 2
    y: Integer = 3


class InfoBody(Body):
    """The body of `/test-request-info`."""

    data: Any = None


class Error(BaseModel):
    """Why a task did not succeed."""

    type: str
    message: str


class Node(BaseModel):
    """One task of a run. `args` are its own; the result of what came before is put in front of them.

    `on_success` and `on_error` are the ids of its callbacks, for which nothing waits; the edge to the latter waits for
    its failure.
    """

    id: UUID
    task: str
    args: list[Any]
    on_success: UUID | None
    on_error: UUID | None
    state: TaskState
    result: Any
    error: Error | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    retries: int


class Graph(BaseModel):
    """The tasks of a run, depth first in the order of definition, and who waits for whom (`[from, to]`)."""

    nodes: list[Node]
    edges: list[tuple[UUID, UUID]]


class Warned(BaseModel):
    """A known trap in a canvas: a short name, what will happen, and where it is described."""

    code: str
    message: str
    url: str


class PlannedNode(BaseModel):
    """One task of a canvas that has not run."""

    id: UUID
    task: str
    args: list[Any]
    on_success: UUID | None
    on_error: UUID | None


class PlannedGraph(BaseModel):
    """As `Graph`, of a canvas that has not run."""

    nodes: list[PlannedNode]
    edges: list[tuple[UUID, UUID]]


class Preview(BaseModel):
    """What Celery will really build: as a graph, as Python, and what may surprise."""

    graph: PlannedGraph
    code: str
    warnings: list[Warned]


class CatalogueTask(BaseModel):
    """A task that a canvas may use; `parameters` are its names in order, `schema` says what each takes."""

    model_config = ConfigDict(populate_by_name=True)

    task: str
    name: str
    description: str
    parameters: list[str]
    parameters_schema: dict[str, Any] = Field(alias="schema")


class Progress(BaseModel):
    """How many tasks have succeeded, of how many."""

    completed: int
    total: int


class Outcome(BaseModel):
    """What every id under `/result` tells."""

    task_id: UUID
    type: str
    status: str
    ready: bool
    successful: bool
    failed: bool
    result: Any
    error: Error | None
    verdict: str


class Run(Outcome):
    """A recorded canvas. `ready`: no task of it can change any more."""

    type: RunType
    status: RunStatus
    progress: Progress
    code: str
    graph: Graph
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: RowMapping, workers: Snapshot) -> "Run":
        """A run as `queries` gives it, and what the workers report at the same time."""
        called = set(row["success_callbacks"])
        on_success = {before: after for before, after in row["edges"] if after in called} if called else {}
        tasks = [{**task, "on_success": on_success.get(task["id"])} for task in row["tasks"]]
        graph = Graph.model_validate({"nodes": tasks, "edges": row["edges"]})
        results = {str(node.id): node.result for node in graph.nodes}
        failures = [node for node in graph.nodes if node.state is TaskState.FAILURE and node.finished_at]
        first = min(failures, key=lambda node: node.finished_at or row["updated_at"], default=None)
        status = RunStatus(row["status"])
        story = Story(
            nodes=graph.nodes,
            edges=row["edges"],
            chain=row["code"].startswith("chain("),
            cancelled=row["cancelled"],
            ended=status in RUN_FINAL,
            worker_lost={task["id"] for task in row["tasks"] if task["worker_lost"]},
            live_workers=workers.live,
            queue_length=workers.queue_length,
            results_expired=row["seen_at"] - row["updated_at"] > RESULTS_KEPT,
        )
        return cls(
            task_id=row["task_id"],
            type=row["type"],
            status=status,
            ready=status in RUN_FINAL,
            successful=status is RunStatus.SUCCESS,
            failed=status is RunStatus.FAILURE,
            result=_collect(row["result_ids"], results) if status is RunStatus.SUCCESS else None,
            error=first.error if first else None,
            progress=Progress(completed=row["succeeded"], total=row["total"]),
            verdict=verdict(story),
            code=row["code"],
            graph=graph,
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


class GroupRun(Run):
    """A started group: its own id and those of its members' results."""

    group_id: UUID
    task_ids: list[UUID]


class ChordRun(Run):
    """A started chord: the id of its callback."""

    chord_id: UUID


class Member(Outcome):
    """One task of a run, asked for by its own id; `run_id` is the run's `task_id`."""

    status: TaskState
    run_id: UUID
    graph: Graph


class JobOutcome(Outcome):
    """A job, asked for by its `task_id`, in Celery's words."""

    job_id: int
    progress: Progress


def _collect(ids: Any, results: dict[str, Any]) -> Any:
    return [_collect(each, results) for each in ids] if isinstance(ids, list) else results[ids]
