"""The use-cases of canvases: record, publish, read."""

import inspect
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID, uuid4

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import Connection, RowMapping

from background import broker, database
from background.canvas import builder, queries, reads, results
from background.canvas.builder import Canvas
from background.canvas.rewriting import rewritten
from background.canvas.schemas import (
    CatalogueTask,
    ChordRun,
    Error,
    GroupRun,
    JobOutcome,
    Member,
    Outcome,
    PlannedGraph,
    PlannedNode,
    Preview,
    Progress,
    Run,
    Warned,
)
from background.canvas.spec import CanvasSpec, from_json, to_json, tree_of
from background.canvas.states import FINAL, RunStatus, RunType, TaskState
from background.canvas.traps import warnings_about
from background.errors import Conflict, NotFound, Unavailable
from background.jobs import reads as job_reads
from background.jobs.states import ENDED, JobStatus
from background.settings import get_settings
from background.task_names import CATALOGUE, END_TASKS
from background.workers import queries as workers

logger = logging.getLogger(__name__)

TYPE_OF = {
    builder.Task: RunType.SINGLE,
    builder.Chain: RunType.CHAIN,
    builder.Group: RunType.GROUP,
    builder.Chord: RunType.CHORD,
}
CELERY_STATUS = {
    JobStatus.PENDING: RunStatus.PENDING,
    JobStatus.IN_PROGRESS: RunStatus.STARTED,
    JobStatus.COMPLETED: RunStatus.SUCCESS,
    JobStatus.FAILED: RunStatus.FAILURE,
    JobStatus.CANCELLED: RunStatus.REVOKED,
}


def submit(canvas: Canvas, *, run_type: RunType | None = None) -> Run:
    """Record the canvas with its graph, then publish it; gives the run as it was recorded, before any task began.

    Raises `Unavailable` when the broker does not take it; nothing of it stays behind then.
    """
    epoch = broker.epoch(new=str(uuid4()))
    run_type = run_type or TYPE_OF[type(canvas)]
    canvas = rewritten(canvas)
    task_id = builder.run_id(canvas)
    edges = list(builder.edges_of(canvas))
    errbacks = builder.errbacks_of(canvas)
    waiting: dict[str, list[str]] = defaultdict(list)
    for before, after in edges:
        waiting[before].append(after)
    tasks = [
        {
            "id": task.id,
            "task": task.name.value,
            "args": task.args,
            "next": [after for after in waiting[task.id] if task.on_error is None or after != task.on_error.id],
            "on_error": None if task.on_error is None else task.on_error.id,
            "errbacks": errbacks.get(task.id, []),
        }
        for task in builder.tasks_of(canvas)
    ]
    with database.transaction() as connection:
        queries.create(
            connection,
            task_id=task_id,
            run_type=run_type,
            code=builder.code_of(canvas),
            canvas=to_json(canvas),
            epoch=epoch,
            edges=edges,
            result_ids=builder.result_ids(canvas),
            tasks=tasks,
        )
        recorded = _get(connection, task_id)
    try:
        _publish(canvas)
    except Unavailable:
        with database.transaction() as connection:
            queries.delete(connection, task_id)
        raise
    assert isinstance(recorded, Run)  # noqa: S101  (inserted above)
    return recorded


def submit_any(spec: CanvasSpec) -> Run:
    """The same for any canvas as JSON. Raises `Invalid`, too."""
    return submit(tree_of(spec), run_type=RunType.CANVAS)


def preview(spec: CanvasSpec) -> Preview:
    """What Celery would make of it; nothing runs. Raises `Invalid`."""
    written = tree_of(spec)
    canvas = rewritten(written)
    nodes = [
        PlannedNode(
            id=UUID(task.id),
            task=task.name.value,
            args=list(task.args),
            on_success=None if task.on_success is None else UUID(task.on_success.id),
            on_error=None if task.on_error is None else UUID(task.on_error.id),
        )
        for task in builder.tasks_of(canvas)
    ]
    edges = [(UUID(before), UUID(after)) for before, after in builder.edges_of(canvas)]
    return Preview(
        graph=PlannedGraph(nodes=nodes, edges=edges),
        code=builder.code_of(canvas),
        warnings=[Warned(**asdict(warning)) for warning in warnings_about(written)],
    )


def catalogue() -> list[CatalogueTask]:
    """The tasks a canvas may use."""
    return [
        CatalogueTask(
            task=name.short,
            name=name.value,
            description=inspect.cleandoc(model.__doc__ or "").partition("\n")[0],
            parameters=list(model.model_fields),
            parameters_schema=model.model_json_schema(),
        )
        for name, model in CATALOGUE.items()
    ]


def cancel(task_id: UUID, *, terminate: bool) -> None:
    """What has not begun of this id's run never will; with `terminate` what runs is killed, where the pool can.

    Raises `NotFound`, or `Conflict` when the run has ended, and `Unavailable`: killing takes the broker.
    """
    run = _run_of(task_id)
    if terminate:
        broker.require_broker()
    with database.transaction() as connection:
        if not queries.cancel(connection, str(run.task_id)):
            raise Conflict(f"The run is {run.status}; it cannot be cancelled any more.")
    if terminate:
        running = [str(node.id) for node in run.graph.nodes if node.state not in FINAL]
        broker.broadcast(END_TASKS, {"task_ids": running})


def retry(task_id: UUID) -> None:
    """Publish this id's run again: what had succeeded only hands on its recorded result.

    Raises `NotFound`, `Conflict` unless the run is FAILURE or REVOKED, and `Unavailable`.
    """
    run = _run_of(task_id)
    epoch = broker.epoch(new=str(uuid4()))
    with database.transaction() as connection:
        stored = queries.reset(connection, str(run.task_id), epoch=epoch)
    if stored is None:
        raise Conflict(f"The run is {run.status}; only one that is FAILURE or REVOKED can be retried.")
    try:
        # What Celery keeps of the last time would pass for what becomes of it now.
        results.forget(str(node.id) for node in run.graph.nodes if node.state != TaskState.SUCCESS)
        _publish(from_json(stored))
    except Unavailable:
        with database.transaction() as connection:
            queries.cancel(connection, str(run.task_id))
        raise


def _publish(canvas: Canvas) -> None:
    try:
        builder.signature_of(canvas).apply_async()
    except (KombuError, CeleryError, RedisError, OSError) as error:
        raise Unavailable("The broker (Redis) did not take the canvas; nothing of it was recorded.") from error


def _run_of(task_id: UUID) -> Run:
    with database.transaction() as connection:
        run = _get(connection, str(task_id))
    if run is None:
        raise NotFound(f"No task or run {task_id} was ever submitted here.")
    return run


def _get(connection: Connection, task_id: str) -> Run | None:
    patience = get_settings().lease_seconds
    row = reads.get(connection, task_id, patience=patience)
    return None if row is None else Run.from_row(row, workers.snapshot(connection, patience=patience))


def submit_group(group: builder.Group) -> GroupRun:
    """The same for a group; the answer also names its members' results."""
    run = submit(group)
    return GroupRun(**dict(run), group_id=run.task_id, task_ids=builder.result_ids(group))


def submit_chord(chord: builder.Chord) -> ChordRun:
    """The same for a chord; the answer also names its callback."""
    run = submit(chord)
    return ChordRun(**dict(run), chord_id=run.task_id)


@dataclass(frozen=True)
class Followed:
    """What became of an id, the number of the run or job it belongs to, and the number of the newest event there.

    `ended`: nothing of that run or job changes any more, unless it is retried.
    """

    outcome: Outcome
    is_job: bool
    owner: int
    number: int
    ended: bool


def follow(task_id: UUID) -> Followed:
    """What became of this id: a run, a member of a run, or a job. Raises `NotFound` for one never submitted."""
    patience = get_settings().lease_seconds
    with database.transaction() as connection:
        row = reads.get(connection, str(task_id), patience=patience)
        job = None if row else job_reads.get_by_task_id(connection, str(task_id))
        seen = workers.snapshot(connection, patience=patience)
    if row is not None:
        run = Run.from_row(row, seen)
        outcome = run if run.task_id == task_id else _member(run, task_id)
        return Followed(outcome, is_job=False, owner=row["id"], number=row["event_count"], ended=run.ready)
    if job is not None:
        told = _job(job)
        return Followed(told, is_job=True, owner=job["id"], number=job["event_count"], ended=told.ready)
    raise NotFound(f"No task, run or job {task_id} was ever submitted here.")


def get_outcome(task_id: UUID) -> Outcome:
    """The same, without where it belongs."""
    return follow(task_id).outcome


def find_runs(*, run_type: RunType | None, status: RunStatus | None, before: UUID | None, limit: int) -> Sequence[Run]:
    """At most `limit` runs, newest first, older than the run `before`. Raises `NotFound` when there is none such."""
    with database.transaction() as connection:
        number = None
        if before is not None and (number := reads.id_of(connection, str(before))) is None:
            raise NotFound(f"There is no run {before}.")
        patience = get_settings().lease_seconds
        rows = reads.find(connection, run_type=run_type, status=status, before=number, limit=limit, patience=patience)
        seen = workers.snapshot(connection, patience=patience)
    return [Run.from_row(row, seen) for row in rows]


def _member(run: Run, task_id: UUID) -> Member:
    node = next(node for node in run.graph.nodes if node.id == task_id)
    return Member(
        task_id=task_id,
        type="task",
        status=node.state,
        ready=node.state in FINAL,
        successful=node.state is TaskState.SUCCESS,
        failed=node.state is TaskState.FAILURE,
        result=node.result,
        error=node.error,
        verdict=run.verdict,
        run_id=run.task_id,
        graph=run.graph,
    )


def _job(row: RowMapping) -> JobOutcome:
    status = JobStatus(row["status"])
    celery_status = CELERY_STATUS[status]
    message = row["error"] if status is JobStatus.FAILED else None
    name, _, text = (message or "").partition(": ")
    return JobOutcome(
        task_id=row["task_id"],
        type="job",
        status=RunStatus.RETRY if status is JobStatus.PENDING and row["attempt"] else celery_status,
        ready=status in ENDED,
        successful=status is JobStatus.COMPLETED,
        failed=status is JobStatus.FAILED,
        result=row["result"],
        error=Error(type=name, message=text) if message else None,
        verdict=f"Job {row['id']} is {status}; {row['steps_done']} of {row['steps_total']} steps are done.",
        job_id=row["id"],
        progress=Progress(completed=row["steps_done"], total=row["steps_total"]),
    )
