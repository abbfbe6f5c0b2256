"""What the canvas endpoints take and give."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PrivateAttr

from background.base import exact
from background.base.jsontext import SHOWN_DEPTH, deeper_than
from background.base.queue_names import QUEUE
from background.base.strict import Strict
from background.canvas.facts import Story, expired, facts_of, reason
from background.canvas.judge import with_spawned
from background.canvas.reasons import Error, Reason
from background.canvas.sql.reads import CUT, StoredRun, StoredTask
from background.canvas.states import RETRYABLE, RUN_FINAL, RunAction, RunStatus, RunType, TaskState
from background.canvas.trees import Tree, edges
from background.canvas.warnings import CanvasWarning
from background.canvas.wording import verdict
from background.celery import RESULTS_KEPT_SECONDS
from background.workers.identity import Snapshot

RESULTS_KEPT = timedelta(seconds=RESULTS_KEPT_SECONDS)

Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class Operands(Strict):
    """The body of `/add`: both are needed."""

    x: Integer
    y: Integer


class DefaultOperands(Strict):
    """The body of `/chain`, `/group` and `/chord`."""

    x: Integer = 2
    y: Integer = 3


class InfoBody(Strict):
    """The body of `/test-request-info`."""

    data: Any = None


class Node(BaseModel):  # type: ignore[no-redef]  # a field named kwargs, which the plugin takes for its own
    """One task of a run. `args` are its own; the result of what came before is put in front of them.

    `starts`: how often it was begun; `due_at`: when it may begin, where it waits for a countdown or an eta.
    """

    id: UUID
    task: str
    args: list[Any]
    kwargs: dict[str, Any] = {}
    state: TaskState
    result: Any
    error: Error | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    retries: int
    starts: int
    due_at: datetime | None
    queue: str | None = Field(None, exclude=True)
    called: bool = Field(False, exclude=True)


class Graph(BaseModel):
    """The tasks of a run, depth first in the order of definition, who waits for whom (`[from, to]`), and the tree.

    `tree` is the same as Celery built it, nested: `{"chain": […]}`, `{"group": […]}`, `{"chord": {"header": […],
    "body": …}}`, `{"task": <node id>}`. A task may have `link` and `link_error`, lists of trees that it calls when it
    succeeds or fails, and `spawned`: what it sent, or was sent for it, while it ran.
    """

    nodes: list[Node]
    edges: list[tuple[UUID, UUID]] | None
    tree: dict[str, Any]


class PlannedNode(BaseModel):  # type: ignore[no-redef]  # as above
    """One task of a canvas that has not run.

    `path`: the keys that lead to it in the canvas that was posted; `span`: where it stands in `code`, with its options
    and callbacks, from one character (a code point) to before another.
    """

    id: UUID
    path: list[str | int]
    span: tuple[int, int]
    task: str
    args: list[Any]
    kwargs: dict[str, Any]


class PlannedGraph(BaseModel):
    """The graph of a canvas that has not run, as `Graph`."""

    nodes: list[PlannedNode]
    edges: list[tuple[UUID, UUID]]
    tree: dict[str, Any]


class Preview(BaseModel):
    """What Celery will really build: as a graph, as Python, and what may surprise."""

    graph: PlannedGraph
    code: str
    warnings: list[CanvasWarning]


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


class TaskResult(BaseModel):
    """What every id under `/result` tells. `reason` is the verdict as facts, `null` where nothing is to explain."""

    task_id: UUID
    type: str
    status: str
    ready: bool
    successful: bool
    failed: bool
    result: Any
    error: Error | None
    verdict: str
    reason: Annotated[Reason | None, PlainSerializer(facts_of)] = None


class Run(TaskResult):
    """A recorded canvas. `ready`: no task of it can change any more.

    `result` is there once the tasks that it comes from have succeeded, as in Celery: also while a callback runs, and
    where one fails. `cancel_requested`: it is to stop, and can still change. `actions`: what may be asked of it now.
    `canvas` is what was posted, and `code` what Celery built of it. In lists `canvas` and `graph` are left out, and a
    long result is cut: `result` has the beginning of its JSON then. A graph too deep to be shown is `null` everywhere.
    """

    type: RunType
    status: RunStatus
    progress: Progress
    code: str
    canvas: Any
    graph: Graph | None
    result_cut: bool = False
    cancel_requested: bool = False
    actions: list[RunAction] = []
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    _nodes: list[Node] = PrivateAttr(default_factory=list)

    @property
    def nodes(self) -> list[Node]:
        """The tasks of the run, also where they are not told."""
        return self._nodes

    @classmethod
    def from_row(cls, row: StoredRun, workers: Snapshot, *, graph: bool = True) -> "Run":
        """A run as `reads` gives it, and what the workers report at the same time."""
        tasks = row.tasks
        nodes = [_node(task, brief=not graph) for task in tasks]
        status = RunStatus(row.status)
        ended = status in RUN_FINAL
        tree = with_spawned(row.tree, {task.id: task.parent_id for task in tasks})
        failures = [node for node in nodes if node.state is TaskState.FAILURE and node.finished_at]
        first = min(failures, key=lambda node: node.finished_at or row.updated_at, default=None)
        results = {task.id: task.result or "null" for task in tasks if task.state == TaskState.SUCCESS}
        text = collected(row.result_ids, results)
        facts = _reason(row, nodes, tree, workers, ended=ended)
        if facts is not None and facts.culprit is not None and text is not None:
            facts.has_result = True
        cut = not graph and text is not None and len(text) > CUT
        begun = [node.started_at for node in nodes if node.started_at]
        over = [node.finished_at for node in nodes if node.finished_at]
        run = cls(
            task_id=row.task_id,
            type=row.type,
            status=status,
            ready=ended,
            successful=status is RunStatus.SUCCESS,
            failed=status is RunStatus.FAILURE,
            result=exact.beginning(text, CUT) if cut and text else exact.shown(text),
            result_cut=cut,
            cancel_requested=row.cancelled and not ended,
            actions=_actions(status, nodes, cancelled=row.cancelled),
            error=first.error if first else None,
            progress=Progress(
                completed=row.succeeded, total=row.succeeded if status is RunStatus.SUCCESS else row.total
            ),
            verdict=verdict(facts, total=row.succeeded),
            reason=facts,
            code=row.code,
            canvas=json.loads(row.canvas or "null"),
            graph=Graph(nodes=nodes, edges=list(edges(tree)), tree=tree)
            if graph and not deeper_than(SHOWN_DEPTH, tree)
            else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
            started_at=min(begun, default=None) if graph else row.started_at,
            finished_at=(max(over, default=None) if graph else row.finished_at) if ended else None,
        )
        run._nodes = nodes
        return run


class RunEvent(BaseModel):
    """One change of a run: of the task `task_id`, or as a whole where that is `null`.

    The kinds are `created`, `sent` (by a task, without being planned), `started` (by `worker`), `retried`, `success`,
    `failure`, `revoked`, `found` (what was lost has come after all), `cancelled`, `skipped`, `ended` and `run_again`.
    """

    number: int
    kind: str
    at: datetime
    task_id: UUID | None
    worker: str | None


class GroupRun(Run):
    """A started group: its own id and those of its members' results."""

    group_id: UUID
    task_ids: list[UUID]


class ChordRun(Run):
    """A started chord: the id of its callback."""

    chord_id: UUID


class Member(TaskResult):
    """One task of a run, asked for by its own id; `run_id` is the run's `task_id`."""

    status: TaskState
    run_id: UUID
    graph: Graph | None


def _actions(status: RunStatus, nodes: Sequence[Node], *, cancelled: bool) -> list[RunAction]:
    """What may be asked of a run."""
    if status in RUN_FINAL:
        return [RunAction.RETRY, RunAction.DELETE] if status in RETRYABLE else [RunAction.DELETE]
    found = [] if cancelled else [RunAction.CANCEL]
    return [*found, RunAction.TERMINATE] if any(node.state is TaskState.STARTED for node in nodes) else found


def _node(task: StoredTask, *, brief: bool) -> Node:
    result = None if brief else exact.shown(task.result)
    kwargs = {} if brief else exact.shown(task.kwargs)
    return Node.model_validate({**task._asdict(), "args": exact.shown(task.args), "kwargs": kwargs, "result": result})


def _reason(row: StoredRun, nodes: Sequence[Node], tree: Tree, workers: Snapshot, *, ended: bool) -> Reason | None:
    """Why the run has not succeeded, or that its result is no longer kept; None where there is nothing to say."""
    facts = None
    if row.succeeded < row.total or row.cancelled:
        story = Story(
            nodes=nodes,
            tree=tree,
            now=row.seen_at,
            cancelled=row.cancelled,
            ended=ended,
            silent={task.id for task in row.tasks if task.worker_silent},
            live_workers=workers.of(QUEUE).workers,
            queue_length=workers.of(QUEUE).length,
            celery=row.celery,
        )
        facts = reason(story)
    if ended and row.seen_at - row.updated_at > RESULTS_KEPT:
        facts = expired(facts, celery=row.celery)
    return facts


def collected(ids: Any, succeeded: Mapping[str, str]) -> str | None:
    """The result of a run as JSON text: that of one task, or the list of those of a group's members.

    As in Celery it is there once each of these tasks has succeeded, whatever becomes of callbacks; `None` before.
    """
    if not isinstance(ids, list):
        return succeeded.get(ids)
    found = [collected(each, succeeded) for each in ids]
    return None if None in found else f"[{', '.join(map(str, found))}]"
