"""The use-cases of canvases: record, publish, read."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import RowMapping

from background import broker, database
from background.canvas import builder, queries
from background.canvas.builder import Canvas
from background.canvas.schemas import ChordRun, Error, GroupRun, JobOutcome, Member, Outcome, Progress, Run
from background.canvas.states import FINAL, RunStatus, RunType, TaskState
from background.errors import NotFound, Unavailable
from background.jobs import reads as job_reads
from background.jobs.states import ENDED, JobStatus

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


def submit(canvas: Canvas) -> Run:
    """Record the canvas with its graph, then publish it; gives the run as it was recorded, before any task began.

    Raises `Unavailable` when the broker does not take it; nothing of it stays behind then.
    """
    broker.require_broker()
    task_id = builder.run_id(canvas)
    edges = list(builder.edges_of(canvas))
    waiting: dict[str, list[str]] = defaultdict(list)
    for before, after in edges:
        waiting[before].append(after)
    tasks = [
        {"id": task.id, "task": task.name.value, "args": task.args, "next": waiting[task.id]}
        for task in builder.tasks_of(canvas)
    ]
    with database.transaction() as connection:
        queries.create(
            connection,
            task_id=task_id,
            run_type=TYPE_OF[type(canvas)],
            code=builder.code_of(canvas),
            edges=edges,
            result_ids=builder.result_ids(canvas),
            tasks=tasks,
        )
        recorded = queries.get(connection, task_id)
        assert recorded is not None  # noqa: S101  (inserted two statements above)
    try:
        builder.signature_of(canvas).apply_async()
    except (KombuError, CeleryError, RedisError, OSError) as error:
        with database.transaction() as connection:
            queries.delete(connection, task_id)
        raise Unavailable("The broker (Redis) did not take the canvas; nothing of it was recorded.") from error
    return Run.from_row(recorded)


def submit_group(group: builder.Group) -> GroupRun:
    """The same for a group; the answer also names its members' results."""
    run = submit(group)
    return GroupRun(**dict(run), group_id=run.task_id, task_ids=builder.result_ids(group))


def submit_chord(chord: builder.Chord) -> ChordRun:
    """The same for a chord; the answer also names its callback."""
    run = submit(chord)
    return ChordRun(**dict(run), chord_id=run.task_id)


def get_outcome(task_id: UUID) -> Outcome:
    """What became of this id: a run, a member of a run, or a job. Raises `NotFound` for one never submitted."""
    with database.transaction() as connection:
        row = queries.get(connection, str(task_id))
        job = None if row else job_reads.get_by_task_id(connection, str(task_id))
    if row is not None:
        run = Run.from_row(row)
        return run if run.task_id == task_id else _member(run, task_id)
    if job is not None:
        return _job(job)
    raise NotFound(f"No task, run or job {task_id} was ever submitted here.")


def find_runs(*, run_type: RunType | None, status: RunStatus | None, before: UUID | None, limit: int) -> Sequence[Run]:
    """At most `limit` runs, newest first, older than the run `before`. Raises `NotFound` when there is none such."""
    with database.transaction() as connection:
        number = None
        if before is not None and (number := queries.id_of(connection, str(before))) is None:
            raise NotFound(f"There is no run {before}.")
        rows = queries.find(connection, run_type=run_type, status=status, before=number, limit=limit)
    return [Run.from_row(row) for row in rows]


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
